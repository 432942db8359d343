/* SPDX-License-Identifier: BSD-2-Clause */
/* Two dumps of one keyspace: what grew in between. */
#pragma once

#include "model/keydiff.h"
#include "report/dump.h"

struct report_diff {
	const struct report_dump *older, *newer;
	const struct keydiff *keys; /* finished */
	const char *server, *allocator; /* as in struct report_dumps */
	int64_t older_loaded_bytes, newer_loaded_bytes; /* of used_memory */
	size_t top; /* rows of each list */
	int64_t min_bytes; /* of a key's change that is listed */
};

/* @m: the newer's keys, with the prefixes of both (record_key's @older). */
void report_diff_text(struct buf *out, const struct model *m, const struct report_diff *diff,
		      const struct report_style *style);
/* {"schema":"redmem.diff/1",...} */
void report_diff_json(struct buf *out, const struct model *m, const struct report_diff *diff);
