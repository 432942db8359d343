/* SPDX-License-Identifier: BSD-2-Clause */
/* Two servers; see comparison.h. Types and prefixes in the order of the first. */
#include "report/comparison.h"

#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "model/keyspace.h"
#include "report/json.h"
#include "report/schema.h"

#define PREFIX_SHOWN 48 /* columns */

/* What one of both holds there, RECORD_UNKNOWN where it is not known. */
struct pair {
	int64_t bytes[2];
};

static struct pair whole(const struct report_comparison *c)
{
	struct pair pair;

	for (int i = 0; i < 2; i++)
		pair.bytes[i] = sum_of(c->keys_bytes[i], c->tables_bytes[i]);
	return pair;
}

static struct pair of_type(const struct report_comparison *c, const struct keyspace_type *type)
{
	const struct keyspace_type *other = keyspace_find_type(c->keys[1], type->type);

	return (struct pair){ { type->bytes, other ? other->bytes : RECORD_UNKNOWN } };
}

/* Prefixes are folded by their weight, so the other server may have one more or less. */
static struct pair of_prefix(const struct report_comparison *c,
			     const struct keyspace_prefix *prefix)
{
	const struct keyspace_prefixes *others = &c->keys[1]->prefixes;
	struct pair pair = { { prefix->bytes, RECORD_UNKNOWN } };

	for (size_t i = 0; i < others->count; i++) {
		const struct keyspace_prefix *other = &others->rows[i];

		if (other->prefix_len == prefix->prefix_len &&
		    other->keys_total == prefix->keys_total &&
		    !memcmp(other->prefix, prefix->prefix, prefix->prefix_len))
			pair.bytes[1] = other->bytes;
	}
	return pair;
}

/* How much more the second takes, of the first; NAN. */
static double ratio_of(const struct pair *pair)
{
	if (pair->bytes[1] == RECORD_UNKNOWN || pair->bytes[0] <= 0)
		return NAN;
	return ((double)pair->bytes[1] - (double)pair->bytes[0]) / (double)pair->bytes[0];
}

static int64_t difference_of(const struct pair *pair)
{
	return pair->bytes[1] == RECORD_UNKNOWN ? RECORD_UNKNOWN : pair->bytes[1] - pair->bytes[0];
}

static size_t prefixes_shown(const struct report_comparison *c)
{
	size_t top = c->keys[0]->options.top, count = c->keys[0]->prefixes.count;

	return count < top ? count : top;
}

/* --- text ----------------------------------------------------------------- */

/* "18 % less", "as much". */
static void put_words(struct buf *out, const struct pair *pair)
{
	double ratio = ratio_of(pair);

	if (isnan(ratio))
		buf_putc(out, '-');
	else if (fabs(ratio) < 0.0005)
		buf_puts(out, "as much");
	else
		buf_printf(out, "%.*f %% %s", fabs(ratio) < 0.0995 ? 1 : 0, fabs(ratio) * 100,
			   ratio < 0 ? "less" : "more");
}

static void put_row(struct table *table, const struct pair *pair)
{
	table_bytes(table, pair->bytes[0]);
	table_bytes(table, pair->bytes[1]);
	put_words(table_cell(table), pair);
}

static void write_types(struct text *t, const struct report_comparison *c)
{
	const struct table_column columns[] = {
		{ "type", false }, { c->server[0], true }, { c->server[1], true }, { "", false }
	};
	struct table *table = TABLE(columns);

	for (size_t i = 0; i < c->keys[0]->types_count; i++) {
		struct pair pair = of_type(c, &c->keys[0]->types[i]);

		text_safe(table_cell(table), c->keys[0]->types[i].type);
		put_row(table, &pair);
	}
	table_write(table, t);
}

static void write_prefixes(struct text *t, const struct report_comparison *c)
{
	const struct table_column columns[] = {
		{ "prefix", false }, { c->server[0], true }, { c->server[1], true }, { "", false }
	};
	struct table *table = TABLE(columns);

	for (size_t i = 0; i < prefixes_shown(c); i++) {
		const struct keyspace_prefix *row = &c->keys[0]->prefixes.rows[i];
		struct pair pair = of_prefix(c, row);

		text_key(table_cell(table), (struct bytes){ row->prefix, row->prefix_len },
			 PREFIX_SHOWN);
		put_row(table, &pair);
	}
	table_write(table, t);
}

void text_comparison(struct text *t, const struct report_comparison *c)
{
	struct pair all = whole(c);
	struct buf line = {};

	text_head(t, "ON THE OTHER SERVER", "bytes of used_memory");
	buf_printf(&line, "%s: ", c->server[1]);
	put_words(&line, &all);
	buf_printf(&line, " (%s ", c->server[0]);
	fmt_bytes(&line, all.bytes[0]);
	buf_printf(&line, ", %s ", c->server[1]);
	fmt_bytes(&line, all.bytes[1]);
	buf_puts(&line, ", with the tables of the databases)");
	text_wrap(t, "", buf_str(&line));
	buf_free(&line);
	if (c->keys[0]->types_count)
		write_types(t, c);
	if (c->keys[0]->prefixes.count)
		write_prefixes(t, c);
}

/* --- JSON ----------------------------------------------------------------- */

#define PAIR(M, MAYBE)                                       \
	M("first_bytes", integer, pair.bytes[0])             \
	M("second_bytes", integer, pair.bytes[1])            \
	M("difference_bytes", integer, difference_of(&pair)) \
	M("difference_ratio", real, ratio_of(&pair))

#define TYPE_PAIR(M, MAYBE)        \
	M("type", text, row->type) \
	PAIR(M, MAYBE)
static SCHEMA(type_pair, TYPE_PAIR);

static json_t *json_type_pairs(const struct report_comparison *c)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < c->keys[0]->types_count; i++) {
		const struct keyspace_type *row = &c->keys[0]->types[i];
		struct pair pair = of_type(c, row);
		json_t *o = json_object();

		PUT_MEMBERS(TYPE_PAIR);
		put_last(rows, o);
	}
	return rows;
}

#define PREFIX_PAIR(M, MAYBE)                                                \
	M("prefix", bytes, ((struct bytes){ row->prefix, row->prefix_len })) \
	PAIR(M, MAYBE)
static SCHEMA(prefix_pair, PREFIX_PAIR);

static json_t *json_prefix_pairs(const struct report_comparison *c)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < prefixes_shown(c); i++) {
		const struct keyspace_prefix *row = &c->keys[0]->prefixes.rows[i];
		struct pair pair = of_prefix(c, row);
		json_t *o = json_object();

		PUT_MEMBERS(PREFIX_PAIR);
		put_last(rows, o);
	}
	return rows;
}

#define COMPARISON(M, MAYBE)                                   \
	M("first", text, c->server[0])                         \
	M("second", text, c->server[1])                        \
	PAIR(M, MAYBE)                                         \
	M("types", list(type_pair), json_type_pairs(c))        \
	M("prefixes", list(prefix_pair), json_prefix_pairs(c)) \
	M("basis", word, "derived")
SCHEMA(comparison, COMPARISON);

json_t *json_comparison(const struct report_comparison *c)
{
	struct pair pair = whole(c);
	json_t *o = json_object();

	PUT_MEMBERS(COMPARISON);
	return o;
}
