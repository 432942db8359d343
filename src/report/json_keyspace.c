/* SPDX-License-Identifier: BSD-2-Clause */
/* What a pass over all keys has found, as JSON: schema redmem.keys/1. */
#include <math.h>
#include <string.h>

#include "diagnose/keys.h"
#include "report/json.h"
#include "report/report.h"

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

static json_t *json_kept(const struct model *m, const struct keyspace_key *kept)
{
	const struct record_key *key = &kept->key;
	struct key_speed speed = key_speed_of(m);
	json_t *o = json_key(key);

	if (kept->cut)
		put(o, "key_truncated", json_true());
	put(o, "inferred", json_boolean(key->inferred));
	put(o, "level", json_string(level_name(key)));
	put(o, "blocking", json_key_costs(&speed, key));
	if (kept->later_bytes != RECORD_UNKNOWN)
		put(o, "growth_bytes_per_second", value_real(pattern_growth(kept)));
	put(o, "seen_in", json_seen_in(m, key));
	if (key->dumped) {
		put(o, "idle_seconds", value_int(key->idle_seconds));
		put(o, "frequency", value_int(key->frequency));
	}
	return o;
}

static json_t *json_first(const struct model *m, const struct keyspace_top *top)
{
	return top->count ? json_kept(m, &top->keys[0]) : json_null();
}

static void put_useful(json_t *o, const struct useful *useful)
{
	bool known = useful->of_bytes > 0;

	put(o, "useful_bytes", known ? value_int(useful->bytes) : json_null());
	put(o, "useful_of_bytes", known ? value_int(useful->of_bytes) : json_null());
}

static json_t *json_types(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->keyspace->types_count; i++) {
		const struct keyspace_type *type = &m->keyspace->types[i];
		bool counted = type->elements_known_total == type->keys_total;
		json_t *o = json_object();

		put(o, "type", value_text(type->type));
		put(o, "keys_total", value_int(type->keys_total));
		put(o, "bytes", value_int(type->bytes));
		put_useful(o, &type->useful);
		put(o, "elements_total", counted ? value_int(type->elements_total) : json_null());
		put(o, "elements_counted_keys_total", value_int(type->elements_known_total));
		put(o, "big_total", value_int(type->level_total[KEY_BIG]));
		put(o, "very_big_total", value_int(type->level_total[KEY_VERY_BIG]));
		put(o, "largest_by_bytes", json_first(m, &type->by_bytes));
		put(o, "largest_by_elements", json_first(m, &type->by_elements));
		put_last(rows, o);
	}
	return rows;
}

static json_t *json_encodings(const struct keyspace *c)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < c->encodings_count; i++) {
		const struct keyspace_encoding *e = &c->encodings[i];
		json_t *o = json_object();

		put(o, "type", value_text(e->type));
		put(o, "encoding", e->encoding[0] ? value_text(e->encoding) : json_null());
		put(o, "keys_total", value_int(e->keys_total));
		put(o, "bytes", value_int(e->bytes));
		put_useful(o, &e->useful);
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

static json_t *json_prefix_rows(const struct keyspace_prefixes *prefixes, bool tree, bool dumped)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < prefixes->count && i < PREFIXES_MAX; i++) {
		const struct keyspace_prefix *p = &prefixes->rows[i];
		json_t *o = json_object();

		if (p->prefix_len)
			put_bytes(o, "prefix", (struct bytes){ p->prefix, p->prefix_len });
		else
			put(o, "prefix", json_string(""));
		if (tree)
			put(o, "depth", json_integer(p->depth));
		put(o, "keys_total", value_int(p->keys_total));
		put(o, "bytes", value_int(p->bytes));
		put(o, "bytes_avg",
		    p->keys_total ? value_real((double)p->bytes / (double)p->keys_total) :
				    json_null());
		put(o, "bytes_max", value_int(p->bytes_max));
		put(o, "no_ttl_total", value_int(p->no_ttl_total));
		put_useful(o, &p->useful);
		if (dumped) {
			put(o, "dump_bytes", value_int(p->dump_bytes));
			put(o, "saved_bytes", value_int(p->saved_bytes));
		}
		put_last(rows, o);
	}
	return rows;
}

static json_t *json_ttl(const struct keyspace *c)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < KEYSPACE_TTL_BUCKETS; i++) {
		json_t *o = json_object();

		put(o, "id", json_string(c->ttl[i].id));
		put(o, "title", json_string(c->ttl[i].title));
		put(o, "below_seconds",
		    c->ttl[i].below_seconds > 0 ? value_real(c->ttl[i].below_seconds) :
						  json_null());
		put(o, "keys_total", value_int(c->ttl[i].keys_total));
		put(o, "bytes", value_int(c->ttl[i].bytes));
		put_last(rows, o);
	}
	return rows;
}

static json_t *json_patterns(const struct model *m)
{
	struct pattern patterns[PATTERNS];
	json_t *rows = json_array();

	patterns_find(m->keyspace, patterns);
	for (size_t i = 0; i < PATTERNS; i++) {
		const struct pattern *p = &patterns[i];
		json_t *o = json_object(), *keys = json_array();

		for (size_t n = 0; p->keys_total && p->top && n < p->top->count; n++)
			if (pattern_has(p, &p->top->keys[n]))
				put_last(keys, json_kept(m, &p->top->keys[n]));
		put(o, "id", json_string(p->id));
		put(o, "keys_total", value_int(p->keys_total));
		put(o, "very_big_total", value_int(p->very_big_total));
		put(o, "bytes", value_int(p->bytes));
		put(o, "keys", keys);
		put(o, "advice", json_string(p->advice));
		put_last(rows, o);
	}
	return rows;
}

static json_t *json_parts(const struct keyspace *c)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < c->parts_count; i++) {
		const struct keyspace_part *part = &c->parts[i];
		json_t *o = json_object();

		put(o, "node", part->node[0] ? value_text(part->node) : json_null());
		put(o, "address", part->address[0] ? value_text(part->address) : json_null());
		put(o, "role", part->role[0] ? value_text(part->role) : json_null());
		put(o, "db", value_int(part->db));
		put(o, "keys_at_start_total", value_int(part->dbsize));
		put(o, "keys_total", value_int(part->keys_total));
		put(o, "bytes", value_int(part->bytes));
		put_last(rows, o);
	}
	return rows;
}

static json_t *json_quantiles(const struct hist *hist, double scale)
{
	static const struct {
		const char *name;
		double fraction;
	} points[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "max", 1 } };
	json_t *o = json_object();

	for (size_t i = 0; i < sizeof(points) / sizeof(*points); i++) {
		double value = (double)hist_quantile(hist, points[i].fraction) * scale;

		put(o, points[i].name, hist->count ? value_number(value) : json_null());
	}
	return o;
}

static json_t *json_pass(const struct keyspace *c)
{
	json_t *o = json_object();

	put(o, "duration_seconds", value_real(c->seconds));
	put(o, "rested_seconds", value_real(c->rested_seconds));
	put(o, "commands_total", value_int(c->commands_total));
	put(o, "keyspace_hits_total", value_int(c->hits_total));
	put(o, "keyspace_misses_total", value_int(c->misses_total));
	put(o, "repeats_dropped_total", value_int(c->repeats_total));
	put(o, "gone_total", value_int(c->gone_total));
	put(o, "keys_before_total", value_int(c->before_total));
	put(o, "keys_after_total", value_int(c->after_total));
	put(o, "expired_total", value_int(c->expired_total));
	put(o, "hidden_total", value_int(c->hidden_total));
	put(o, "inferred_total", value_int(c->inferred_total));
	put(o, "refused_total", value_int(c->refused_total));
	put(o, "refused", c->refused && c->refused[0] ? value_text(c->refused) : json_null());
	put(o, "client_no_touch", json_boolean(c->no_touch));
	put(o, "elements_asked", json_boolean(c->elements_asked));
	put(o, "own_peak_rss_bytes", value_int(c->own_rss_bytes));
	put(o, "own_cpu_seconds", value_real(c->own_cpu_seconds));
	put(o, "latency_seconds", json_quantiles(&c->latency, 1e-9));
	return o;
}

json_t *json_keyspace(const struct model *m)
{
	const struct keyspace *c = m->keyspace;
	bool dumped = c->dumped.keys_total > 0;
	json_t *o = json_object();

	put(o, "scanned_total", value_int(c->keys_total));
	put(o, "complete", json_boolean(c->complete));
	put(o, "end", value_text(c->end));
	put(o, "cursor", value_text(c->cursor));
	put(o, "bytes", value_int(c->bytes));
	put(o, "bytes_unknown_total", value_int(c->bytes_unknown_total));
	put(o, "no_ttl_total", value_int(c->no_ttl_total));
	put(o, "key_name_bytes", value_int(c->name_bytes));
	put(o, "types", json_types(m));
	put(o, "top", json_top(m));
	put(o, "prefixes_found_total", json_integer((json_int_t)c->prefixes.count));
	put(o, "prefixes", json_prefix_rows(&c->prefixes, false, dumped));
	put(o, "prefix_tree", json_prefix_rows(&c->branches, true, dumped));
	put(o, "ttl", json_ttl(c));
	put(o, "patterns", json_patterns(m));
	put(o, "encodings", json_encodings(c));
	put(o, "concentration", json_concentration(m));
	put(o, "key_bytes", json_quantiles(&c->bytes_hist, 1));
	put(o, "parts", json_parts(c));
	put(o, "pass", json_pass(c));
	return o;
}

void report_keys_json(struct buf *out, const struct model *m, const struct findings *f)
{
	json_t *document = json_object(), *keyspace = json_keyspace(m), *value;
	const char *name;

	put(document, "schema", json_string("redmem.keys/1"));
	put(document, "target", json_target(m));
	json_object_foreach(keyspace, name, value)
		put(document, name, json_incref(value));
	put(document, "findings", json_findings(f));
	json_decref(keyspace);
	json_write(out, document);
}
