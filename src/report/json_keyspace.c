/* SPDX-License-Identifier: BSD-2-Clause */
/* What a pass over all keys has found, as JSON: schema redmem.keys/1. */
#include <math.h>
#include <string.h>

#include "diagnose/keys.h"
#include "report/json.h"
#include "report/report.h"
#include "report/schema.h"

/* Prefixes in a document; a keyspace without any order has tens of thousands. */
#define PREFIXES_MAX 1000

static const char *level_name(const struct record_key *key)
{
	static const char *const names[] = { "normal", "big", "very_big" };

	return names[key_level(key)];
}

static json_t *json_seen_in(const struct model *m, const struct record_key *key)
{
	json_t *rows = json_array();

	if (key_in_stalls(m, key))
		put_last(rows, json_string("stalls"));
	if (key_in_faults(m, key))
		put_last(rows, json_string("faults"));
	return rows;
}

#define KEPT(M, MAYBE)                                                              \
	M(NULL, all_of(key), o)                                                     \
	MAYBE(kept->cut, "key_truncated", boolean, true)                            \
	M("inferred", boolean, key->inferred)                                       \
	M("level", word, level_name(key))                                           \
	M("blocking", list(key_cost), json_key_costs(&speed, key))                  \
	MAYBE(kept->later_bytes != RECORD_UNKNOWN, "growth_bytes_per_second", real, \
	      pattern_growth(kept))                                                 \
	M("seen_in", words, json_seen_in(m, key))                                   \
	MAYBE(key->dumped, "idle_seconds", integer, key->idle_seconds)              \
	MAYBE(key->dumped, "frequency", integer, key->frequency)
static SCHEMA(key_kept, KEPT);

static json_t *json_kept(const struct model *m, const struct keyspace_key *kept)
{
	const struct record_key *key = &kept->key;
	struct key_speed speed = key_speed_of(m);
	json_t *o = json_key(key);

	PUT_MEMBERS(KEPT);
	return o;
}

static json_t *json_first(const struct model *m, const struct keyspace_top *top)
{
	return top->count ? json_kept(m, &top->keys[0]) : json_null();
}

/* Of the members of a row that has such. */
static int64_t useful_bytes(const struct useful *useful)
{
	return useful->of_bytes > 0 ? useful->bytes : RECORD_UNKNOWN;
}

static int64_t useful_of_bytes(const struct useful *useful)
{
	return useful->of_bytes > 0 ? useful->of_bytes : RECORD_UNKNOWN;
}

#define TYPE(M, MAYBE)                                                                  \
	M("type", text, type->type)                                                     \
	M("keys_total", integer, type->keys_total)                                      \
	M("bytes", integer, type->bytes)                                                \
	M("useful_bytes", integer, useful_bytes(&type->useful))                         \
	M("useful_of_bytes", integer, useful_of_bytes(&type->useful))                   \
	M("elements_total", integer, counted ? type->elements_total : RECORD_UNKNOWN)   \
	M("elements_counted_keys_total", integer, type->elements_known_total)           \
	M("big_total", integer, type->level_total[KEY_BIG])                             \
	M("very_big_total", integer, type->level_total[KEY_VERY_BIG])                   \
	M("largest_by_bytes", object_or_null(key_kept), json_first(m, &type->by_bytes)) \
	M("largest_by_elements", object_or_null(key_kept), json_first(m, &type->by_elements))
static SCHEMA(key_type, TYPE);

static json_t *json_types(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->keyspace->types_count; i++) {
		const struct keyspace_type *type = &m->keyspace->types[i];
		bool counted = type->elements_known_total == type->keys_total;
		json_t *o = json_object();

		PUT_MEMBERS(TYPE);
		put_last(rows, o);
	}
	return rows;
}

#define ENCODING(M, MAYBE)                                   \
	M("type", text, e->type)                             \
	M("encoding", some_text, e->encoding)                \
	M("keys_total", integer, e->keys_total)              \
	M("bytes", integer, e->bytes)                        \
	M("useful_bytes", integer, useful_bytes(&e->useful)) \
	M("useful_of_bytes", integer, useful_of_bytes(&e->useful))
static SCHEMA(key_encoding, ENCODING);

static json_t *json_encodings(const struct keyspace *c)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < c->encodings_count; i++) {
		const struct keyspace_encoding *e = &c->encodings[i];
		json_t *o = json_object();

		PUT_MEMBERS(ENCODING);
		put_last(rows, o);
	}
	return rows;
}

static json_t *json_top(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->keyspace->top.count; i++)
		put_last(rows, json_kept(m, &m->keyspace->top.keys[i]));
	return rows;
}

#define PREFIX(M, MAYBE)                                                                     \
	M("prefix", name, (struct bytes){ p->prefix, p->prefix_len })                        \
	MAYBE(tree, "depth", integer, p->depth)                                              \
	M("keys_total", integer, p->keys_total)                                              \
	M("bytes", integer, p->bytes)                                                        \
	M("bytes_avg", real, p->keys_total ? (double)p->bytes / (double)p->keys_total : NAN) \
	M("bytes_max", integer, p->bytes_max)                                                \
	M("no_ttl_total", integer, p->no_ttl_total)                                          \
	M("useful_bytes", integer, useful_bytes(&p->useful))                                 \
	M("useful_of_bytes", integer, useful_of_bytes(&p->useful))                           \
	MAYBE(dumped, "dump_bytes", integer, p->dump_bytes)                                  \
	MAYBE(dumped, "saved_bytes", integer, p->saved_bytes)
static SCHEMA(key_prefix, PREFIX);

static json_t *json_prefix_rows(const struct keyspace_prefixes *prefixes, bool tree, bool dumped)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < prefixes->count && i < PREFIXES_MAX; i++) {
		const struct keyspace_prefix *p = &prefixes->rows[i];
		json_t *o = json_object();

		PUT_MEMBERS(PREFIX);
		put_last(rows, o);
	}
	return rows;
}

#define TTL(M, MAYBE)                                                                         \
	M("id", word, c->ttl[i].id)                                                           \
	M("title", word, c->ttl[i].title)                                                     \
	M("below_seconds", real, c->ttl[i].below_seconds > 0 ? c->ttl[i].below_seconds : NAN) \
	M("keys_total", integer, c->ttl[i].keys_total)                                        \
	M("bytes", integer, c->ttl[i].bytes)
static SCHEMA(ttl, TTL);

static json_t *json_ttl(const struct keyspace *c)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < KEYSPACE_TTL_BUCKETS; i++) {
		json_t *o = json_object();

		PUT_MEMBERS(TTL);
		put_last(rows, o);
	}
	return rows;
}

#define PATTERN(M, MAYBE)                               \
	M("id", word, p->id)                            \
	M("keys_total", integer, p->keys_total)         \
	M("very_big_total", integer, p->very_big_total) \
	M("bytes", integer, p->bytes)                   \
	M("keys", list(key_kept), keys)                 \
	M("advice", word, p->advice)
static SCHEMA(pattern, PATTERN);

static json_t *json_patterns(const struct model *m)
{
	struct pattern patterns[PATTERNS];
	json_t *rows = json_array();

	patterns_find(m, patterns);
	for (size_t i = 0; i < PATTERNS; i++) {
		const struct pattern *p = &patterns[i];
		json_t *keys = json_array(), *o = json_object();

		for (size_t n = 0; p->keys_total && p->top && n < p->top->count; n++)
			if (pattern_has(p, &p->top->keys[n]))
				put_last(keys, json_kept(m, &p->top->keys[n]));
		PUT_MEMBERS(PATTERN);
		put_last(rows, o);
	}
	return rows;
}

#define PART(M, MAYBE)                                  \
	M("node", some_text, part->node)                \
	M("address", some_text, part->address)          \
	M("role", some_text, part->role)                \
	M("db", integer, part->db)                      \
	M("keys_at_start_total", integer, part->dbsize) \
	M("keys_total", integer, part->keys_total)      \
	M("bytes", integer, part->bytes)
static SCHEMA(keyspace_part, PART);

static json_t *json_parts(const struct keyspace *c)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < c->parts_count; i++) {
		const struct keyspace_part *part = &c->parts[i];
		json_t *o = json_object();

		PUT_MEMBERS(PART);
		put_last(rows, o);
	}
	return rows;
}

static double quantile(const struct hist *hist, double fraction, double scale)
{
	return hist->count ? (double)hist_quantile(hist, fraction) * scale : NAN;
}

#define QUANTILES(M, MAYBE)                           \
	M("p50", number, quantile(hist, 0.5, scale))  \
	M("p90", number, quantile(hist, 0.9, scale))  \
	M("p99", number, quantile(hist, 0.99, scale)) \
	M("max", number, quantile(hist, 1, scale))
static SCHEMA(quantiles, QUANTILES);

static json_t *json_quantiles(const struct hist *hist, double scale)
{
	json_t *o = json_object();

	PUT_MEMBERS(QUANTILES);
	return o;
}

#define PASS(M, MAYBE)                                        \
	M("duration_seconds", real, c->seconds)               \
	M("rested_seconds", real, c->rested_seconds)          \
	M("commands_total", integer, c->commands_total)       \
	M("keyspace_hits_total", integer, c->hits_total)      \
	M("keyspace_misses_total", integer, c->misses_total)  \
	M("repeats_dropped_total", integer, c->repeats_total) \
	M("gone_total", integer, c->gone_total)               \
	M("keys_before_total", integer, c->before_total)      \
	M("keys_after_total", integer, c->after_total)        \
	M("expired_total", integer, c->expired_total)         \
	M("hidden_total", integer, c->hidden_total)           \
	M("inferred_total", integer, c->inferred_total)       \
	M("refused_total", integer, c->refused_total)         \
	M("refused", some_text, c->refused)                   \
	M("client_no_touch", boolean, c->no_touch)            \
	M("elements_asked", boolean, c->elements_asked)       \
	M("own_peak_rss_bytes", integer, c->own_rss_bytes)    \
	M("own_cpu_seconds", real, c->own_cpu_seconds)        \
	M("latency_seconds", object(quantiles), json_quantiles(&c->latency, 1e-9))
static SCHEMA(pass, PASS);

static json_t *json_pass(const struct keyspace *c)
{
	json_t *o = json_object();

	PUT_MEMBERS(PASS);
	return o;
}

#define KEYSPACE_END(M, MAYBE)                     \
	M("scanned_total", integer, c->keys_total) \
	M("complete", boolean, c->complete)        \
	M("end", text, c->end)
#define KEYSPACE_FOUND(M, MAYBE)                                                         \
	M("bytes", integer, c->bytes)                                                    \
	M("bytes_unknown_total", integer, c->bytes_unknown_total)                        \
	M("no_ttl_total", integer, c->no_ttl_total)                                      \
	M("key_name_bytes", integer, c->name_bytes)                                      \
	M("types", list(key_type), json_types(m))                                        \
	M("top", list(key_kept), json_top(m))                                            \
	M("prefixes_found_total", integer, (json_int_t)c->prefixes.count)                \
	M("prefixes", list(key_prefix), json_prefix_rows(&c->prefixes, false, dumped))   \
	M("prefix_tree", list(key_prefix), json_prefix_rows(&c->branches, true, dumped)) \
	M("ttl", list(ttl), json_ttl(c))                                                 \
	M("patterns", list(pattern), json_patterns(m))                                   \
	M("encodings", list(key_encoding), json_encodings(c))                            \
	M("concentration", object_or_null(concentration), json_concentration(m))         \
	M("key_bytes", object(quantiles), json_quantiles(&c->bytes_hist, 1))             \
	M("parts", list(keyspace_part), json_parts(c))
#define KEYSPACE(M, MAYBE)           \
	KEYSPACE_END(M, MAYBE)       \
	M("cursor", text, c->cursor) \
	KEYSPACE_FOUND(M, MAYBE)     \
	M("pass", object(pass), json_pass(c))
SCHEMA(keyspace, KEYSPACE);
/* Of dumps: a pass over a server's keys, and where it can go on, is no part of them. */
#define KEYSPACE_OF_DUMPS(M, MAYBE) \
	KEYSPACE_END(M, MAYBE)      \
	KEYSPACE_FOUND(M, MAYBE)
SCHEMA(keyspace_of_dumps, KEYSPACE_OF_DUMPS);

json_t *json_keyspace_of_dumps(const struct model *m)
{
	const struct keyspace *c = m->keyspace;
	bool dumped = c->dumped.keys_total > 0;
	json_t *o = json_object();

	PUT_MEMBERS(KEYSPACE_OF_DUMPS);
	return o;
}

json_t *json_keyspace(const struct model *m)
{
	const struct keyspace *c = m->keyspace;
	bool dumped = c->dumped.keys_total > 0;
	json_t *o = json_object();

	PUT_MEMBERS(KEYSPACE);
	return o;
}

#define KEYS_OF(M, MAYBE)    M("target", object(target), json_target(m))
#define KEYS_FOUND(M, MAYBE) M("findings", list(finding), json_findings(f))
#define KEYS(M, MAYBE)               \
	KEYS_OF(M, MAYBE)            \
	M(NULL, all_of(keyspace), o) \
	KEYS_FOUND(M, MAYBE)
DOCUMENT(keys, KEYS);

void report_keys_json(struct buf *out, const struct model *m, const struct findings *f)
{
	json_t *o = json_document(&schema_keys), *keyspace = json_keyspace(m);

	PUT_MEMBERS(KEYS_OF);
	json_object_update(o, keyspace);
	PUT_MEMBERS(KEYS_FOUND);
	json_decref(keyspace);
	json_write(out, o);
}
