/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a keyspace scan shows: the patterns of the users' guide, one prefix that holds most
 * of the memory, many small keys, encodings lost.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "diagnose/advice.h"
#include "diagnose/finding.h"
#include "diagnose/keys.h"
#include "diagnose/measure.h"
#include "diagnose/one_key.h"
#include "diagnose/rules.h"

#define PREFIX_SHARE	  0.5 /* of all bytes */
#define PREFIX_BYTES	  (16 * MIB) /* below it does not matter who holds them */
#define SMALL_KEYS	  100000 /* of one prefix */
#define SMALL_BYTES	  200 /* of a key with its overhead: RedisInsight counts < 200 B as small */
#define SMALL_KEY_COST	  60 /* table entry, object and name's header that a field has not */
#define LOST_KEYS	  100
#define OVERHEAD_BYTES	  (16 * MIB) /* of tiny streams, of names: below it does not matter */
#define STREAMS_MANY	  1000
#define STREAM_FEW	  10 /* entries */
#define STREAM_NODE_BYTES 4096 /* STREAM_LISTPACK_MAX_PRE_ALLOCATE */
#define STREAM_SMALL_NODE 512
#define LONG_NAME	  100 /* of a key, on average */
#define SHORT_NAME	  40
#define LOST_BYTES	  (16 * KIB) /* of a collection that would still do as a listpack */

/* --- the patterns ------------------------------------------------------------- */

/* "DEL would hold the server 1.2 s" */
static struct phrase longest_command(const struct model *m, const struct record_key *key)
{
	struct key_speed speed = key_speed_of(m);
	struct key_cost costs[KEY_COSTS_MAX];
	struct phrase t = { "" };

	if (!key_costs(&speed, key, costs))
		return t;
	snprintf(t.s, sizeof(t.s), "; %s of it would hold the server for some %.40s",
		 costs[0].command, say_seconds(costs[0].seconds).s);
	return t;
}

static void pattern_title(struct finding *f, const struct pattern *p,
			  const struct keyspace_key *key)
{
	const struct record_key *k = &key->key;

	const char *title = p->keys_total == 1 ? p->title_one : p->title;

	if (k->elements != RECORD_UNKNOWN && strcmp(k->type, "string") != 0)
		finding_title(f, "%s %s: the largest is %s (%s elements, %s)",
			      say_count(p->keys_total).s, title, say_key(k->key.data, k->key.len).s,
			      say_count(k->elements).s, say_bytes(k->bytes).s);
	else
		finding_title(f, "%s %s: the largest is %s (%s)", say_count(p->keys_total).s, title,
			      say_key(k->key.data, k->key.len).s, say_bytes(k->bytes).s);
}

static bool big_keys(const struct model *m, struct finding *f, const char *id)
{
	const struct keyspace_key *key;
	struct pattern p;

	if (!pattern_find(m, id, &p))
		return false;
	key = pattern_first(&p);
	f->severity = p.very_big_total > 0 ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = (double)p.bytes;
	pattern_title(f, &p, key);
	finding_evidence_count(f, "keys_total", p.keys_total, "keys", BASIS_EXACT);
	finding_evidence_count(f, "very_big_total", p.very_big_total, "keys", BASIS_EXACT);
	finding_evidence_bytes(f, "bytes", p.bytes, BASIS_SAMPLED);
	finding_cause(f,
		      "One command over such a key works through all of it while every other "
		      "client waits%s.",
		      longest_command(m, &key->key).s);
	finding_action(f, RECORD_UNKNOWN, "", "%s", p.advice);
	advice_unused(m, f, key->key.bytes,
		      say_key_cli(m, key->key.key, key->key.db, advice_idle_question(m), ""));
	return true;
}

bool rule_keys_big_string(const struct model *m, struct finding *f)
{
	return big_keys(m, f, "big_string");
}

bool rule_keys_large_hash(const struct model *m, struct finding *f)
{
	return big_keys(m, f, "large_hash");
}

bool rule_keys_massive_zset(const struct model *m, struct finding *f)
{
	return big_keys(m, f, "massive_zset");
}

bool rule_keys_large_set(const struct model *m, struct finding *f)
{
	return big_keys(m, f, "large_set");
}

bool rule_keys_long_stream(const struct model *m, struct finding *f)
{
	return big_keys(m, f, "long_stream");
}

/* A list that is long is no trouble yet: it is drained, or it grows. */
bool rule_keys_long_list(const struct model *m, struct finding *f)
{
	double rate;

	return key_growing_list(m, &rate) == NULL && big_keys(m, f, "undrained_list");
}

/* The list leads to a limit that is met soon: it is as bad as that, and told in its place. */
static void undrained_to_limit(struct finding *f, const struct forecast *forecast)
{
	if (forecast->severity > f->severity)
		f->severity = forecast->severity;
	if (forecast->severity > SEVERITY_INFO) {
		f->rank = RANK_LIMIT;
		f->cost = forecast->cost;
	}
	finding_evidence(f, "seconds_left", forecast->seconds, "seconds", BASIS_DERIVED);
	finding_evidence(f, "used_memory_growth_bytes_per_second", forecast->bytes_per_second,
			 "bytes", BASIS_DERIVED);
}

bool rule_keys_undrained(const struct model *m, struct finding *f)
{
	double rate, left = NAN;
	const struct record_key *key = key_growing_list(m, &rate);
	int64_t max = measure_config(m, "maxmemory"), used = measure_used(m);
	const char *limit = "maxmemory";
	struct forecast forecast;

	if (key == NULL || !big_keys(m, f, "undrained_list"))
		return false;
	f->severity = SEVERITY_WARNING;
	finding_evidence(f, "growth_bytes_per_second", rate, "bytes", BASIS_DERIVED);
	if (max > 0 && used != RECORD_UNKNOWN && max > used) {
		left = (double)(max - used) / rate;
		finding_evidence(f, "seconds_to_maxmemory", left, "seconds", BASIS_DERIVED);
	}
	if (measure_forecast(m, &forecast) && measure_list_is_behind(m, &forecast)) {
		undrained_to_limit(f, &forecast);
		limit = forecast.limit;
		left = forecast.seconds;
	}
	if (isnan(left))
		finding_title(f, "%s grows by %s a second", say_key(key->key.data, key->key.len).s,
			      say_bytes((int64_t)rate).s);
	else
		finding_title(f, "%s grows by %s a second: %s is reached in %s",
			      say_key(key->key.data, key->key.len).s, say_bytes((int64_t)rate).s,
			      limit, say_seconds(left).s);
	return true;
}

/* The prefix of temporary keys with most that never expire; NULL where names do not tell. */
static const struct keyspace_prefix *temp_prefix(const struct model *m)
{
	const struct keyspace_prefix *most = NULL;

	for (size_t i = 0; i < m->keyspace->prefixes.count; i++) {
		const struct keyspace_prefix *row = &m->keyspace->prefixes.rows[i];
		struct bytes name = { row->prefix, row->prefix_len };

		if (row->no_ttl_total > 0 && key_temporary(&name, m->keyspace->may_evict) &&
		    (most == NULL || row->no_ttl_total > most->no_ttl_total))
			most = row;
	}
	return most;
}

bool rule_keys_temp(const struct model *m, struct finding *f)
{
	const struct keyspace_prefix *prefix;
	struct pattern p;

	if (!pattern_find(m, "temp_without_ttl", &p))
		return false;
	prefix = temp_prefix(m);
	f->severity = p.keys_total * 2 >= m->keyspace->temporary_total && p.keys_total >= 3 ?
			      SEVERITY_WARNING :
			      SEVERITY_INFO;
	f->cost = (double)p.bytes;
	finding_title(f, "%s of %s temporary keys never expire%s%s", say_count(p.keys_total).s,
		      say_count(m->keyspace->temporary_total).s, prefix ? ", most are like " : "",
		      prefix ? say_key(prefix->prefix, prefix->prefix_len).s : "");
	finding_evidence_count(f, "temporary_without_ttl_total", p.keys_total, "keys", BASIS_EXACT);
	finding_evidence_count(f, "temporary_total", m->keyspace->temporary_total, "keys",
			       BASIS_EXACT);
	finding_evidence_bytes(f, "bytes", p.bytes, BASIS_SAMPLED);
	if (prefix) {
		finding_evidence_text(f, "prefix", say_key(prefix->prefix, prefix->prefix_len).s,
				      BASIS_EXACT);
		finding_evidence_count(f, "prefix_without_ttl_total", prefix->no_ttl_total, "keys",
				       BASIS_EXACT);
	}
	finding_cause(f, "Keys named as temporary were written without an expiry (or lost it: SET "
			 "drops the TTL), so they stay for ever.");
	finding_action(f, p.bytes, "", "%s", p.advice);
	return true;
}

/* --- prefixes ------------------------------------------------------------------ */

/* Are the names most of what keys take? */
static bool names_weigh(const struct model *m)
{
	const struct keyspace *k = m->keyspace;

	return k->name_bytes >= OVERHEAD_BYTES && k->keys_total > 0 &&
	       k->name_bytes / k->keys_total >= LONG_NAME &&
	       measure_ratio(k->name_bytes, k->bytes) >= PREFIX_SHARE;
}

bool rule_keys_one_prefix(const struct model *m, struct finding *f)
{
	const struct keyspace_prefix *row;
	double share;

	if (m->keyspace == NULL || m->keyspace->prefixes.count < 2)
		return false;
	row = &m->keyspace->prefixes.rows[0];
	share = measure_ratio(row->bytes, m->keyspace->bytes);
	if (row->bytes < PREFIX_BYTES || !(share >= PREFIX_SHARE))
		return false;
	f->severity = SEVERITY_INFO;
	f->cost = (double)row->bytes;
	finding_title(f, "One prefix, %s, holds %s of the memory of all keys (%s)",
		      say_key(row->prefix, row->prefix_len).s, say_percent(share).s,
		      say_bytes(row->bytes).s);
	finding_evidence_count(f, "keys_total", row->keys_total, "keys", BASIS_EXACT);
	finding_evidence_bytes(f, "bytes", row->bytes, BASIS_SAMPLED);
	finding_evidence_count(f, "no_ttl_total", row->no_ttl_total, "keys", BASIS_EXACT);
	finding_cause(f, "What is stored under it decides how much memory this server needs.");
	finding_action(f, RECORD_UNKNOWN, "", "Look at this prefix first: %s nowhere else as much.",
		       names_weigh(m) ? "shorter names pay off" :
					"a TTL, a smaller encoding or compression pays off");
	return true;
}

/* --- overhead -------------------------------------------------------------------- */

static const struct keyspace_prefix *small_keys(const struct model *m)
{
	const struct keyspace_prefix *worst = NULL;

	for (size_t i = 0; i < m->keyspace->prefixes.count; i++) {
		const struct keyspace_prefix *row = &m->keyspace->prefixes.rows[i];

		if (row->keys_total >= SMALL_KEYS && row->bytes / row->keys_total < SMALL_BYTES &&
		    row->no_ttl_total == row->keys_total &&
		    (worst == NULL || row->keys_total > worst->keys_total))
			worst = row;
	}
	return worst;
}

static int64_t small_keys_gain(const struct model *m)
{
	const struct keyspace_prefix *worst = small_keys(m);

	return worst ? worst->keys_total * SMALL_KEY_COST : 0;
}

static void small_keys_tell(const struct model *m, struct finding *f, int64_t gain)
{
	const struct keyspace_prefix *worst = small_keys(m);

	finding_title(f, "%s keys like %s of %s each: a good part is overhead",
		      say_count(worst->keys_total).s, say_key(worst->prefix, worst->prefix_len).s,
		      say_bytes(worst->bytes / worst->keys_total).s);
	finding_evidence_count(f, "keys_total", worst->keys_total, "keys", BASIS_EXACT);
	finding_evidence_bytes(f, "bytes", worst->bytes, BASIS_SAMPLED);
	finding_cause(f, "Each key costs a table entry, an object header and a name of its own.");
	finding_action(f, gain, say_cli(m, "CONFIG GET hash-max-listpack-*").s,
		       "Put them into hashes of some hundred fields, which are one listpack each; "
		       "none of these has a TTL that would be lost.");
}

/* The first node of a stream is taken at once for the entries to come (src/t_stream.c,
 * streamAppendItem()): STREAM_NODE_BYTES, or stream-node-max-bytes where that is less. */
static int64_t tiny_streams_gain(const struct model *m)
{
	const struct keyspace_type *streams = keyspace_find_type(m->keyspace, "stream");
	int64_t bytes;

	if (!streams || streams->keys_total < STREAMS_MANY || streams->bytes < OVERHEAD_BYTES ||
	    streams->elements_known_total <= 0 ||
	    streams->elements_total / streams->elements_known_total > STREAM_FEW)
		return 0;
	bytes = streams->bytes / streams->keys_total;
	return bytes >= STREAM_NODE_BYTES ?
		       streams->keys_total * (STREAM_NODE_BYTES - STREAM_SMALL_NODE) :
		       0;
}

static void tiny_streams_tell(const struct model *m, struct finding *f, int64_t gain)
{
	const struct keyspace_type *streams = keyspace_find_type(m->keyspace, "stream");

	finding_title(f, "%s streams of few entries take %s each: most of it is room for more",
		      say_count(streams->keys_total).s,
		      say_bytes(streams->bytes / streams->keys_total).s);
	finding_evidence_count(f, "keys_total", streams->keys_total, "keys", BASIS_EXACT);
	finding_evidence_bytes(f, "bytes", streams->bytes, BASIS_SAMPLED);
	finding_evidence_count(f, "entries_total", streams->elements_total, "entries", BASIS_EXACT);
	finding_evidence_text(f, "stream-node-max-bytes", model_config(m, "stream-node-max-bytes"),
			      BASIS_EXACT);
	finding_cause(f, "The first entry of a stream takes a node of 4 KiB for those to come, and "
			 "each group of consumers tables of its own.");
	finding_action(f, gain,
		       say_cli(m, "CONFIG SET stream-node-max-bytes %d", STREAM_SMALL_NODE).s,
		       "Let nodes be smaller, which counts for streams that are made from then on; "
		       "or use one stream for many, with a field that says whose an entry is.");
}

static int64_t long_names_gain(const struct model *m)
{
	return names_weigh(m) ? m->keyspace->name_bytes - m->keyspace->keys_total * SHORT_NAME : 0;
}

static void long_names_tell(const struct model *m, struct finding *f, int64_t gain)
{
	const struct keyspace *k = m->keyspace;

	finding_title(f, "The names of keys are %s of what they take: %s, %s each",
		      say_percent(measure_ratio(k->name_bytes, k->bytes)).s,
		      say_bytes(k->name_bytes).s, say_bytes(k->name_bytes / k->keys_total).s);
	finding_evidence_count(f, "keys_total", k->keys_total, "keys", BASIS_EXACT);
	finding_evidence_bytes(f, "name_bytes", k->name_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "bytes", k->bytes, BASIS_SAMPLED);
	finding_cause(f, "Each key keeps its name whole, and these are longer than what is stored "
			 "under them.");
	finding_action(f, gain, "",
		       "Shorten them: leave out what all have alike, or put a hash of the long "
		       "part (some 16 bytes) in its place.");
}

/* What keys take beside their data: the kind that would give back most is told. */
bool rule_keys_many_small(const struct model *m, struct finding *f)
{
	static const struct {
		int64_t (*gain)(const struct model *m);
		void (*tell)(const struct model *m, struct finding *f, int64_t gain);
	} kinds[] = {
		{ small_keys_gain, small_keys_tell },
		{ tiny_streams_gain, tiny_streams_tell },
		{ long_names_gain, long_names_tell },
	};
	int64_t gain = 0;
	size_t most = 0;

	for (size_t i = 0; m->keyspace && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int64_t of_kind = kinds[i].gain(m);

		if (of_kind <= gain)
			continue;
		gain = of_kind;
		most = i;
	}
	if (gain == 0)
		return false;
	f->severity = SEVERITY_INFO;
	f->cost = (double)gain;
	kinds[most].tell(m, f, gain);
	return true;
}

/* --- encodings ------------------------------------------------------------------- */

static const struct {
	const char *type, *encoding, *small;
	const char *settings[3]; /* new name, old name, size of an element */
} lost[] = {
	{ "hash",
	  "hashtable",
	  "a listpack",
	  { "hash-max-listpack-entries", "hash-max-ziplist-entries", "hash-max-listpack-value" } },
	{ "zset",
	  "skiplist",
	  "a listpack",
	  { "zset-max-listpack-entries", "zset-max-ziplist-entries", "zset-max-listpack-value" } },
	{ "set",
	  "hashtable",
	  "a listpack or intset",
	  { "set-max-listpack-entries", "set-max-intset-entries", "set-max-listpack-value" } },
};

/* By the name this server has for it. */
struct setting {
	const char *name, *value; /* value NULL: not known */
};

static struct setting setting_of(const struct model *m, size_t i)
{
	const char *const *names = lost[i].settings;
	const char *name =
		model_config(m, names[0]) || !model_config(m, names[1]) ? names[0] : names[1];

	return (struct setting){ name, model_config(m, name) };
}

/* The row of lost[] with the most bytes in small collections, -1 for none. */
static int worst_encoding(const struct model *m, const struct keyspace_encoding **out)
{
	int found = -1;

	for (size_t i = 0; i < sizeof(lost) / sizeof(*lost); i++)
		for (size_t n = 0; n < m->keyspace->encodings_count; n++) {
			const struct keyspace_encoding *e = &m->keyspace->encodings[n];

			if (strcmp(e->type, lost[i].type) != 0 ||
			    strcmp(e->encoding, lost[i].encoding) != 0 ||
			    e->keys_total < LOST_KEYS || e->bytes / e->keys_total > LOST_BYTES ||
			    (*out != NULL && e->bytes <= (*out)->bytes))
				continue;
			*out = e;
			found = (int)i;
		}
	return found;
}

/* Cause and action. @limit: of elements; @longest: the setting for one. */
static void encoding_tell(const struct model *m, struct finding *f,
			  const struct keyspace_encoding *e, const struct setting *limit,
			  const char *longest)
{
	const char *is = limit->value ? " = " : "", *value = limit->value ? limit->value : "";

	if (one_key_only_integers(m, e->type)) {
		finding_cause(
			f,
			"A member is no integer, or they have more than %s%s%s: before 7.2 only "
			"sets of integers are compact. A %s takes several times the memory, and "
			"never goes back by itself.",
			limit->name, is, value, e->encoding);
		finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG GET set-max-*").s,
			       "Number the members and keep the names elsewhere (one word among "
			       "integers makes a table), and keep sets below the limit; or use 7.2 "
			       "or later, where small sets of words are compact, too.");
		return;
	}
	finding_cause(f,
		      "They have more elements than %s%s%s, or one longer than %s, and a %s "
		      "takes several times the memory; it never goes back by itself.",
		      limit->name, is, value, longest, e->encoding);
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG GET %s-max-*", e->type).s,
		       "Keep them below the limit (fewer elements a key), or raise it a little: up "
		       "to some hundred elements a listpack is as fast.");
}

bool rule_keys_encoding(const struct model *m, struct finding *f)
{
	const struct keyspace_encoding *e = NULL;
	struct setting limit;
	int i;

	if (m->keyspace == NULL)
		return false;
	i = worst_encoding(m, &e);
	if (i < 0)
		return false;
	limit = setting_of(m, (size_t)i);
	f->severity = SEVERITY_INFO;
	f->cost = (double)e->bytes / 2;
	finding_title(f, "%s small %s%s (%s each) are a %s, no longer %s",
		      say_count(e->keys_total).s, e->type, strcmp(e->type, "hash") ? "s" : "es",
		      say_bytes(e->bytes / e->keys_total).s, e->encoding,
		      one_key_only_integers(m, e->type) ? "an intset" : lost[i].small);
	if (e->largest.key.key.len > 0)
		finding_evidence_text(f, "largest_key",
				      say_key(e->largest.key.key.data, e->largest.key.key.len).s,
				      BASIS_EXACT);
	finding_evidence_count(f, "keys_total", e->keys_total, "keys", BASIS_EXACT);
	finding_evidence_bytes(f, "bytes", e->bytes, BASIS_SAMPLED);
	finding_evidence_text(f, limit.name, limit.value, BASIS_EXACT);
	finding_evidence_text(f, lost[i].settings[2], model_config(m, lost[i].settings[2]),
			      BASIS_EXACT);
	encoding_tell(m, f, e, &limit, lost[i].settings[2]);
	return true;
}
