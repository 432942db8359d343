/* SPDX-License-Identifier: BSD-2-Clause */
/* `redmem keys --csv`: a line a key, as rdb-tools' memory report has it. */
#include <string.h>

#include "base/escape.h"
#include "base/fmt.h"
#include "base/sum.h"
#include "report/report.h"

void report_keys_csv_head(struct buf *out)
{
	buf_puts(out, "database,type,key,size_in_bytes,encoding,num_elements,"
		      "len_largest_element,expiry\n");
}

/* As redis-cli shows it, so that a cell has no newline. */
static void put_name(struct buf *out, const void *data, size_t len)
{
	struct buf text = { 0 };

	escape_redis(&text, data, len);
	escape_csv(out, buf_str(&text), text.len);
	buf_putc(out, ',');
	buf_free(&text);
}

/* The server's own words go without quotes; a module's type may be called anything. */
static void put_word(struct buf *out, const char *word)
{
	if (*word && !word[strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_")])
		buf_printf(out, "%s,", word);
	else
		put_name(out, word, strlen(word));
}

static void put_number(struct buf *out, int64_t n)
{
	if (n != FACT_UNKNOWN)
		buf_printf(out, "%lld", (long long)n);
	buf_putc(out, ',');
}

void report_keys_csv_row(struct buf *out, const struct fact_key *key, int64_t wall_ns)
{
	put_number(out, key->db);
	put_word(out, key->type);
	put_name(out, key->key.data, key->key.len);
	put_number(out, key->bytes);
	put_word(out, key->encoding);
	put_number(out, key->elements);
	buf_putc(out, ','); /* the largest element is not known without reading all */
	if (key->ttl_seconds >= 0 && key->ttl_seconds < 4e9)
		fmt_rfc3339(out, sum_of(wall_ns, sum_whole(key->ttl_seconds * 1e9)));
	buf_putc(out, '\n');
}
