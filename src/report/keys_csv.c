/* SPDX-License-Identifier: BSD-2-Clause */
/* `redmem keys --csv`: a line a key, as rdb-tools' memory report has it. */
#include "base/sum.h"
#include "report/columns.h"

void report_keys_csv_head(struct buf *out)
{
	columns_csv_head(out, &columns_keys_csv);
}

void report_keys_csv_row(struct buf *out, const struct record_key *key, int64_t wall_ns)
{
	struct key_csv_row row = { *key, RECORD_UNKNOWN, RECORD_UNKNOWN };

	if (key->ttl_seconds >= 0 && key->ttl_seconds < 4e9)
		row.expiry_ns = sum_of(wall_ns, sum_whole(key->ttl_seconds * 1e9));
	columns_csv_row(out, &columns_keys_csv, &row);
}
