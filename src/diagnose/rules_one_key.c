/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One key that was asked for at length: the users' guide's drill-downs (14.2, patterns 1 to 5),
 * each judged by what was measured of this very key.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/keys.h"
#include "diagnose/measure.h"
#include "diagnose/one_key.h"
#include "diagnose/rules.h"
#include "model/keyspace.h"
#include "redis/many_keys.h"

#define WORTH_COMPRESSING 0.7 /* zlib makes it smaller than this */
#define GROWTH_BYTES	  1024.0 /* a second that are worth a word */
#define GROWTH_ELEMENTS	  1.0
#define PENDING_SECONDS	  60.0 /* longer than handling an entry takes */
#define PENDING_LATE	  3600.0
#define SMALL_BYTES	  (16 * KIB) /* of a collection that would still do as a listpack */
#define SMALL_TIMES	  4 /* the limit of its encoding: raising it so far costs little time */

static struct phrase name_of(const struct one_key *key)
{
	return say_key(key->first.key.data, key->first.key.len);
}

static bool is_type(const struct one_key *key, const char *type)
{
	return !strcmp(key->last.type, type);
}

static struct phrase say_day(double seconds)
{
	time_t time = (time_t)seconds;
	struct phrase t = { "" };
	struct tm tm;

	if (gmtime_r(&time, &tm))
		strftime(t.s, sizeof(t.s), "%Y-%m-%d", &tm);
	return t;
}

/* --- one among all ------------------------------------------------------------------------ */

#define HOT_SHARE   0.25 /* of the main thread's time */
#define HOT_CPU	    0.05 /* of a core: below nobody minds */
#define HOT_SAMPLES 30
/* An element is found in a table within a microsecond or two, and in a list of 1,000 within ten;
 * the limit is 512 for hashes and 128 for others, unless somebody has raised it. */
#define WALK_SECONDS  40e-6
#define LONG_LISTPACK 1000
/* Moving what is behind a place in so many integers takes ten microseconds. */
#define LONG_ARRAY  10000
#define LARGE_SHARE 0.25 /* of used_memory */
#define LARGE_BYTES (16 * MIB)

static double main_seconds(const struct model *m)
{
	for (size_t i = 0; i < m->threads_count; i++)
		if (!strcmp(m->threads[i].thread, "main"))
			return m->threads[i].charge.cpu_seconds;
	return NAN;
}

/* Commands that look for an element by its name: in a table at once, in a list one by one. */
static const struct {
	const char *command, *type;
} lookups[] = {
	{ "hget", "hash" },	 { "hset", "hash" },	{ "hmget", "hash" },
	{ "hexists", "hash" },	 { "hdel", "hash" },	{ "hincrby", "hash" },
	{ "hsetnx", "hash" },	 { "hstrlen", "hash" }, { "sismember", "set" },
	{ "smismember", "set" }, { "sadd", "set" },	{ "srem", "set" },
	{ "zadd", "zset" },	 { "zscore", "zset" },	{ "zincrby", "zset" },
	{ "zmscore", "zset" },	 { "zrem", "zset" },	{ "zrank", "zset" },
};

static const char *lookup_type(const char *command)
{
	for (size_t i = 0; i < sizeof(lookups) / sizeof(*lookups); i++)
		if (!strcmp(lookups[i].command, command))
			return lookups[i].type;
	return NULL;
}

/* CPU seconds of each call of a command; NAN. */
static double call_seconds(const struct model *m, const char *command)
{
	const struct command_row *row = model_command(m, command);

	return row && row->calls_total > 0 ? row->charge.cpu_seconds / (double)row->calls_total :
					     NAN;
}

/* Its elements lie in one list that each command walks, which the limit lets grow so long. */
static void hot_list(const struct model *m, const struct hot_key_row *hot, const char *type,
		     struct finding *f)
{
	double each = call_seconds(m, hot->command);
	struct encoding_limit limit;

	if (!(each >= WALK_SECONDS))
		return;
	limit = one_key_entries_limit(m, type);
	if (limit.value < LONG_LISTPACK)
		return;
	f->severity = SEVERITY_WARNING;
	finding_title(f, "%s takes %s a call: %s%s is one long list", say_command(hot->command).s,
		      say_seconds(each).s, say_key(hot->key.data, hot->key.len).s,
		      hot->truncated ? "..." : "");
	finding_evidence(f, "call_cpu_seconds", each, "seconds", BASIS_SAMPLED);
	finding_evidence_count(f, limit.name, limit.value, "entries", BASIS_EXACT);
	finding_cause(f,
		      "%s lets a %s of so many elements lie in one list (listpack), and each "
		      "command walks it from its beginning; a table would be a look.",
		      limit.name, type);
	finding_action(
		f, RECORD_UNKNOWN,
		say_cli(m, "CONFIG SET %s %d", limit.name, !strcmp(type, "hash") ? 512 : 128).s,
		"Lower it, and write to the key once: it becomes a table, which takes some "
		"times the memory. Or spread it over several keys of some hundred elements.");
}

/* Its members lie in one sorted array: one is found at once, but comes and goes by moving all that
 * are behind it. */
static void hot_array(const struct model *m, const struct hot_key_row *hot, struct finding *f)
{
	int64_t limit = measure_config(m, "set-max-intset-entries");
	double each = call_seconds(m, hot->command);

	if ((strcmp(hot->command, "sadd") != 0 && strcmp(hot->command, "srem") != 0) ||
	    !(each >= WALK_SECONDS) || limit < LONG_ARRAY)
		return;
	f->severity = SEVERITY_WARNING;
	finding_title(f, "%s takes %s a call: %s%s is one long array of integers",
		      say_command(hot->command).s, say_seconds(each).s,
		      say_key(hot->key.data, hot->key.len).s, hot->truncated ? "..." : "");
	finding_evidence(f, "call_cpu_seconds", each, "seconds", BASIS_SAMPLED);
	finding_evidence_count(f, "set-max-intset-entries", limit, "entries", BASIS_EXACT);
	finding_cause(f, "set-max-intset-entries lets a set of so many integers lie in one sorted "
			 "array (intset), and each member that comes or goes moves all that are "
			 "behind it; a table would be a look.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG SET set-max-intset-entries 512").s,
		       "Lower it, and add a new member: the set becomes a table, which takes some "
		       "times the memory. Or spread it over several keys of some hundred members.");
}

/* How its elements lie, where somebody has looked; else what may be in the server's settings. */
static void hot_encoding(const struct model *m, const struct hot_key_row *hot, struct finding *f)
{
	const char *type = lookup_type(hot->command);
	const struct record_key *k = key_looked_at(m, hot->key);
	const char *encoding = k && k->encoding ? k->encoding : "";

	if (!type)
		return;
	if (!*encoding) /* before 7.2 no other set lies in one piece */
		encoding = !strcmp(type, "set") && !model_config(m, "set-max-listpack-entries") ?
				   "intset" :
				   "listpack";
	if (!strcmp(encoding, "intset"))
		hot_array(m, hot, f);
	else if (!strncmp(encoding, "listpack", 8) || !strcmp(encoding, "ziplist"))
		hot_list(m, hot, type, f);
}

/* Time of a command with several keys is charged to the first: where that is a small one, which of
 * the others took it is not known. */
static bool may_be_of_another(const struct model *m, const struct hot_key_row *hot)
{
	const struct record_key *k = key_looked_at(m, hot->key);

	return command_takes_keys(hot->command) && k != NULL && key_level(k) == KEY_NORMAL;
}

static const struct hot_key_row *hottest(const struct model *m)
{
	for (size_t i = 0; i < m->hot_keys_count; i++)
		if (!may_be_of_another(m, &m->hot_keys[i]))
			return &m->hot_keys[i];
	return NULL;
}

bool rule_hotkey_cpu(const struct model *m, struct finding *f)
{
	const struct hot_key_row *hot = hottest(m);
	double all = main_seconds(m);

	if (!hot || hot->samples < HOT_SAMPLES || !(hot->cpu_seconds >= HOT_SHARE * all) ||
	    !(hot->cpu_seconds >= HOT_CPU * m->duration_seconds))
		return false;
	f->severity = SEVERITY_INFO;
	f->cost = hot->cpu_seconds;
	finding_title(f, "One key, %s%s, takes %s of the server's CPU time, mostly by %s",
		      say_key(hot->key.data, hot->key.len).s, hot->truncated ? "..." : "",
		      say_percent(hot->cpu_seconds / all).s, say_command(hot->command).s);
	finding_cause(f, "All commands on a key run in one thread of one server; more servers do "
			 "not share them.");
	hot_encoding(m, hot, f);
	finding_evidence_text(f, "command", say_command(hot->command).s, BASIS_SAMPLED);
	finding_evidence(f, "cpu_seconds", hot->cpu_seconds, "seconds", BASIS_SAMPLED);
	finding_evidence(f, "cpu_ratio", hot->cpu_seconds / m->duration_seconds, "ratio",
			 BASIS_SAMPLED);
	finding_evidence_count(f, "cpu_samples_total", hot->samples, "samples", BASIS_EXACT);
	finding_action(f, RECORD_UNKNOWN, "",
		       "Look at it with `redmem key`; let clients cache what they read of it, ask "
		       "for parts instead of all, or spread it over several keys.");
	return true;
}

/* The largest key that anybody has looked at; NULL. */
static const struct record_key *largest_key(const struct model *m)
{
	const struct record_key *largest = NULL;

	if (m->keyspace != NULL && m->keyspace->top.count)
		return &m->keyspace->top.keys[0].key;
	for (size_t i = 0; i < m->keys_count; i++)
		if (largest == NULL || m->keys[i].key.bytes > largest->bytes)
			largest = &m->keys[i].key;
	for (int64_t i = 0; i < m->sampled_keys_total; i++)
		if (largest == NULL || m->drawn[i].bytes > largest->bytes)
			largest = &m->drawn[i];
	return largest;
}

bool rule_keys_one_key(const struct model *m, struct finding *f)
{
	const struct record_key *key = largest_key(m);
	int64_t used = measure_used(m);
	double share;

	if (key == NULL)
		return false;
	share = measure_ratio(key->bytes, used);
	if (key->bytes < LARGE_BYTES || !(share >= LARGE_SHARE) || share > 1)
		return false;
	f->severity = SEVERITY_INFO;
	f->cost = (double)key->bytes;
	finding_title(f, "One key, %s, holds %s of used_memory (%s)",
		      say_key(key->key.data, key->key.len).s, say_percent(share).s,
		      say_bytes(key->bytes).s);
	finding_evidence_bytes(f, "bytes", key->bytes,
			       !strcmp(key->type, "string") ? BASIS_EXACT : BASIS_SAMPLED);
	finding_evidence_bytes(f, "used_memory", used, BASIS_EXACT);
	finding_cause(f, "It lies on one server whole: no cluster can spread it, and no other key "
			 "is worth as much work.");
	finding_action(f, RECORD_UNKNOWN, "", "Look at it with `redmem key`, and split it.");
	return true;
}

/* --- big ------------------------------------------------------------------------------- */

static void string_actions(const struct one_key *key, struct finding *f)
{
	const struct record_one_key *k = &key->last;
	double ratio = key->first.compressed_ratio;

	finding_evidence(f, "compressed_ratio", ratio, "ratio", BASIS_SAMPLED);
	if (ratio < WORTH_COMPRESSING && k->bytes != RECORD_UNKNOWN)
		finding_action(f, sum_whole((double)k->bytes * (1 - ratio)), "",
			       "Compress it in the client: zlib makes what was looked at %s of its "
			       "size.",
			       say_percent(ratio).s);
	if (!strcmp(key->first.content, "json"))
		finding_action(f, RECORD_UNKNOWN, "",
			       "It is JSON: keep its parts in keys of their own, or as fields of a "
			       "hash, so that one can be read without the others.");
	else
		finding_action(f, RECORD_UNKNOWN, "",
			       "Cut it into several keys, and read ranges (GETRANGE) instead of "
			       "all of it.");
}

static void zset_actions(const struct one_key *key, struct finding *f)
{
	double first, last;

	if (one_key_score_times(key, &first, &last))
		finding_action(f, RECORD_UNKNOWN, "",
			       "Its scores look like times, %s to %s: use one key a period, and "
			       "archive the old ones.",
			       say_day(first).s, say_day(last).s);
	else
		finding_action(f, RECORD_UNKNOWN, "",
			       "If only the top is read, keep the top only (ZREMRANGEBYRANK by who "
			       "writes it); else use one key a period or region.");
}

static void big_actions(const struct one_key *key, struct finding *f)
{
	static const struct {
		const char *type, *advice;
	} table[] = {
		{ "hash",
		  "Split it into several hashes, by category or by a hash of the field, and read "
		  "fields (HMGET) or walk it (HSCAN) instead of HGETALL." },
		{ "list",
		  "More consumers, a limit for producers, or a stream with consumer groups; read "
		  "ranges of some hundred instead of all." },
		{ "set", "Split it by a hash of the member, walk it with SSCAN, or count with a "
			 "HyperLogLog or bitmap." },
		{ "stream", "Let XADD cap it (MAXLEN ~ or MINID ~), and read it by COUNT." },
	};

	if (is_type(key, "string"))
		string_actions(key, f);
	else if (is_type(key, "zset"))
		zset_actions(key, f);
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (is_type(key, table[i].type))
			finding_action(f, RECORD_UNKNOWN, "", "%s", table[i].advice);
}

/* "; some 25 ms for DEL" */
static struct phrase longest(const struct model *m, const struct record_key *k)
{
	struct key_speed speed = one_key_speed(m);
	struct key_cost costs[KEY_COSTS_MAX];
	struct phrase t = { "" };

	if (key_costs(&speed, k, costs))
		snprintf(t.s, sizeof(t.s), ": some %.40s for %s", say_seconds(costs[0].seconds).s,
			 costs[0].command);
	return t;
}

bool rule_key_big(const struct model *m, struct finding *f)
{
	const struct one_key *key = m->one_key;
	struct record_key k;

	if (key == NULL)
		return false;
	k = one_key_as_key(key);
	if (key_level(&k) == KEY_NORMAL)
		return false;
	f->severity = key_level(&k) == KEY_VERY_BIG ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = k.bytes != RECORD_UNKNOWN ? (double)k.bytes : 0;
	finding_title(f, "%s is a big %s of %s", name_of(key).s, k.type,
		      k.bytes != RECORD_UNKNOWN ? say_bytes(k.bytes).s : "many elements");
	finding_evidence_bytes(f, "bytes", k.bytes,
			       key->last.bytes_samples == 0 ? BASIS_EXACT : BASIS_SAMPLED);
	finding_evidence_count(f, "elements_total", k.elements,
			       is_type(key, "string") ? "bytes" : "elements", BASIS_EXACT);
	finding_cause(f,
		      "A command over all of it holds the server while every other client "
		      "waits%s.",
		      longest(m, &k).s);
	big_actions(key, f);
	return true;
}

/* --- growing --------------------------------------------------------------------------- */

static void growth_limit(const struct model *m, struct finding *f, double rate)
{
	int64_t max = measure_config(m, "maxmemory"), used = measure_used(m);

	if (max > 0 && used != RECORD_UNKNOWN && max > used && rate > 0)
		finding_evidence(f, "seconds_to_maxmemory", (double)(max - used) / rate, "seconds",
				 BASIS_DERIVED);
}

bool rule_key_growing(const struct model *m, struct finding *f)
{
	const struct one_key *key = m->one_key;
	double elements, bytes;
	struct record_key k;

	if (key == NULL)
		return false;
	elements = one_key_growth(key);
	bytes = one_key_bytes_growth(key);
	if (!(elements >= GROWTH_ELEMENTS) || is_type(key, "string") ||
	    (!isnan(bytes) && !(bytes >= GROWTH_BYTES)))
		return false;
	k = one_key_as_key(key);
	f->severity = key_level(&k) > KEY_NORMAL ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = bytes > 0 ? bytes : 0;
	finding_title(f, "%s grows by %s elements a second", name_of(key).s,
		      say_count(sum_whole(elements)).s);
	finding_evidence(f, "growth_elements_per_second", elements, "elements", BASIS_EXACT);
	finding_evidence(f, "growth_bytes_per_second", bytes, "bytes", BASIS_SAMPLED);
	finding_evidence(f, "watched_seconds", key->last.t_seconds - key->first.t_seconds,
			 "seconds", BASIS_EXACT);
	growth_limit(m, f, bytes);
	finding_cause(
		f, "%s",
		one_key_only_fed(key) ?
			"Only commands that add to it were seen: nobody takes from it, or too "
			"seldom to be met." :
			"More comes in than goes out.");
	finding_action(f, RECORD_UNKNOWN, "",
		       is_type(key, "list")   ? "Look whether its consumers run and keep up; more "
						"of them, or a limit for producers." :
		       is_type(key, "stream") ? "Let XADD cap it: MAXLEN ~ or MINID ~." :
						"Look whether what writes it also takes away, and "
						"whether it has to be one key.");
	return true;
}

/* --- temporary, and small ----------------------------------------------------------------- */

bool rule_key_no_ttl(const struct model *m, struct finding *f)
{
	const char *policy = model_config(m, "maxmemory-policy");
	bool may_evict = policy != NULL && strncmp(policy, "allkeys-", 8) == 0;
	const struct one_key *key = m->one_key;

	if (key == NULL || key->last.ttl_seconds != -1 ||
	    !key_temporary(&key->first.key, may_evict))
		return false;
	if (is_type(key, "hash") && measure_expiring_hashes(m) > 0)
		return false; /* it may go with its last field */
	f->severity = SEVERITY_INFO;
	f->cost = key->last.bytes > 0 ? (double)key->last.bytes : 0;
	finding_title(f, "%s is temporary by its name and never expires", name_of(key).s);
	finding_cause(f, "It was written without an expiry, or lost it: SET drops the TTL.");
	finding_evidence_count(f, "idle_seconds", key->last.idle_seconds, "seconds", BASIS_EXACT);
	finding_action(f, RECORD_UNKNOWN, "",
		       "Write it with its TTL in one command (SET key value EX seconds, or "
		       "KEEPTTL).");
	return true;
}

bool rule_key_encoding(const struct model *m, struct finding *f)
{
	const struct one_key *key = m->one_key;
	struct encoding_limit entries;
	struct buf why = { 0 };

	if (key == NULL || (strcmp(key->last.encoding, "hashtable") != 0 &&
			    strcmp(key->last.encoding, "skiplist") != 0))
		return false;
	entries = one_key_entries_limit(m, key->last.type);
	if (!entries.name || entries.value <= 0 || key->last.elements == RECORD_UNKNOWN ||
	    key->last.elements / SMALL_TIMES > entries.value || key->last.bytes > SMALL_BYTES ||
	    key->last.bytes == RECORD_UNKNOWN)
		return false;
	one_key_encoding_reason(&why, m);
	f->severity = SEVERITY_INFO;
	f->cost = (double)key->last.bytes / 2;
	finding_title(f, "%s is small (%s) and a %s", name_of(key).s, say_bytes(key->last.bytes).s,
		      key->last.encoding);
	finding_cause(f, "A %s takes several times the memory of %s: %s.", key->last.encoding,
		      one_key_only_integers(m, key->last.type) ? "an intset" : "a listpack",
		      buf_str(&why));
	finding_evidence_count(f, "elements_total", key->last.elements, "elements", BASIS_EXACT);
	finding_evidence_count(f, entries.name, entries.value, "elements", BASIS_EXACT);
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG GET %s-max-*", key->last.type).s,
		       "One key does not matter; of many like it, keep them within the limit, or "
		       "raise it a little.");
	buf_free(&why);
	return true;
}

/* --- streams ------------------------------------------------------------------------------- */

/* The group whose oldest entry waits longest; NULL when none does for long. */
static const struct record_key_group *latest(const struct one_key *key)
{
	const struct record_key_group *found = NULL;

	for (size_t i = 0; i < key->groups_count; i++) {
		const struct record_key_group *group = &key->groups[i];

		if (group->oldest_pending_seconds >= PENDING_SECONDS &&
		    (found == NULL ||
		     group->oldest_pending_seconds > found->oldest_pending_seconds))
			found = group;
	}
	return found;
}

bool rule_key_pending(const struct model *m, struct finding *f)
{
	const struct one_key *key = m->one_key;
	const struct record_key_group *group = key ? latest(key) : NULL;
	struct phrase name;

	if (group == NULL)
		return false;
	name = say_key(group->name.data, group->name.len);
	f->severity =
		group->oldest_pending_seconds >= PENDING_LATE ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = (double)group->pending_total;
	finding_title(f, "%s entries of %s wait for group %.80s to acknowledge them, one for %s",
		      say_count(group->pending_total).s, name_of(key).s, name.s,
		      say_seconds(group->oldest_pending_seconds).s);
	finding_evidence_count(f, "pending_total", group->pending_total, "entries", BASIS_EXACT);
	finding_evidence(f, "oldest_pending_seconds", group->oldest_pending_seconds, "seconds",
			 BASIS_EXACT);
	finding_evidence_count(f, "consumers_total", group->consumers_total, "consumers",
			       BASIS_EXACT);
	if (group->consumers_seen != RECORD_UNKNOWN) {
		finding_evidence_count(f, "consumers_gone_total", group->consumers_gone,
				       "consumers", BASIS_EXACT);
		finding_evidence_count(f, "pending_of_gone_total", group->pending_of_gone,
				       "entries", BASIS_EXACT);
	}
	finding_cause(f, "%s",
		      group->consumers_gone > 0 ?
			      "Consumers that did nothing for a day still have entries: they "
			      "were restarted under other names, or have died." :
			      "They were given to a consumer that has not acknowledged them: it "
			      "is slow, stuck, or does not call XACK.");
	finding_action(f, RECORD_UNKNOWN,
		       say_key_cli(m, key->first.key, key->first.db, "XINFO GROUPS", "").s,
		       "Let a living consumer take them over (XAUTOCLAIM) and acknowledge them "
		       "(XACK).");
	return true;
}
