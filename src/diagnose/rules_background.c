/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Background tasks, which nobody asked for and everybody waits for: keys that expire or
 * are evicted, active defragmentation, tables that grow.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/harm.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/waits.h"
#include "model/prefix.h"

/* --- keys that go -------------------------------------------------------------------- */

/* More keys than this in a stall, and the one that was met is one of them. */
#define FEW_KEYS 10

static bool is_one(const struct stall *stall, int64_t keys)
{
	return stall->gone_one && stall->gone_key.len > 0 && keys <= FEW_KEYS;
}

/* The key or keys that went; name "" = not known. */
struct gone {
	struct phrase name;
	bool one;
};

/* Different prefixes among the names of one finding; more are not counted. */
#define GONE_PREFIXES 16

/*
 * What most of them are like: by the prefix of the one name that each stall has, and what
 * @cause took of it. A stall of a server that waited for a CPU most of the time has few
 * samples and may have none with a name, the longest as well as any other; so all are asked.
 */
static struct phrase gone_prefix(const struct model *m, enum redmem_cause cause)
{
	struct {
		struct phrase name;
		double seconds;
	} prefix[GONE_PREFIXES] = { { { "" }, 0 } };
	size_t count = 0, most = 0;

	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *stall = &m->stalls[i].stall;
		double seconds = stall->seconds[cause];
		struct buf folded = { 0 };
		struct phrase name;
		size_t at = 0;

		if (stall->gone_key.len == 0 || !(seconds > 0))
			continue;
		prefix_fold(&folded, stall->gone_key.data, stall->gone_key.len);
		name = say_key(folded.data, folded.len);
		buf_free(&folded);
		while (at < count && strcmp(prefix[at].name.s, name.s) != 0)
			at++;
		if (at == GONE_PREFIXES)
			continue;
		prefix[at].name = name;
		prefix[at].seconds += seconds;
		count += at == count;
		if (prefix[at].seconds > prefix[most].seconds)
			most = at;
	}
	return prefix[most].name;
}

/*
 * Of the stalls in which @cause was at work, in the longest of which @keys went. A command
 * that meets a key past its time deletes that one; what a write evicts is never its own key.
 */
static struct gone gone_of(const struct model *m, enum redmem_cause cause,
			   const struct stall *longest, int64_t keys)
{
	bool met = longest->key.len > 0 && longest->gone_key.len == 0 && cause == CAUSE_EXPIRY;

	if (is_one(longest, keys))
		return (struct gone){ say_key(longest->gone_key.data, longest->gone_key.len),
				      true };
	if (met && keys <= FEW_KEYS)
		return (struct gone){ say_key(longest->key.data, longest->key.len), true };
	if (longest->gone_key.len > 0 || keys <= 0 || keys > FEW_KEYS)
		return (struct gone){ gone_prefix(m, cause), false };
	return (struct gone){ { "" }, false };
}

/* " (like session:*)" */
static struct phrase say_whose(const struct gone *gone)
{
	struct phrase t = { "" };

	if (*gone->name.s)
		snprintf(t.s, sizeof(t.s), " (%s%.300s)", gone->one ? "" : "like ", gone->name.s);
	return t;
}

/* ", 1 key, 147 MiB", of what is known of the longest stall. */
static struct phrase say_gone(const char *one, int64_t count, int64_t freed)
{
	struct phrase t = { "" };
	size_t len;

	if (count > 0)
		snprintf(t.s, sizeof(t.s), ", %.40s %s%s", say_count(count).s, one,
			 count == 1 ? "" : "s");
	len = strlen(t.s);
	if (freed >= MIB)
		snprintf(t.s + len, sizeof(t.s) - len, ", %.40s", say_bytes(freed).s);
	return t;
}

static void gone_evidence(struct finding *f, const struct stall *longest, const struct gone *gone,
			  int64_t keys, int64_t freed)
{
	finding_evidence_count(f, "longest_keys_total", keys, "keys", BASIS_EXACT);
	finding_evidence_bytes(f, "longest_freed_bytes", freed >= 0 ? freed : RECORD_UNKNOWN,
			       BASIS_DERIVED);
	if (*gone->name.s)
		finding_evidence_text(f, gone->one ? "key" : "prefix", gone->name.s, BASIS_SAMPLED);
	else
		finding_evidence_text(f, "prefix", "not known: no sample met a key's name",
				      BASIS_SAMPLED);
	if (*longest->command)
		finding_evidence_text(f, "command", say_command(longest->command).s, BASIS_EXACT);
}

/* Title and evidence of keys that went. */
static void gone_tell(const struct model *m, struct finding *f, const struct waits *w,
		      enum redmem_cause cause, int64_t keys, int64_t freed)
{
	struct gone gone = gone_of(m, cause, w->longest, keys);

	finding_title(f, "%s keys%s held the server for %s%s%s%s",
		      cause == CAUSE_EXPIRY ? "Expiring" : "Evicting", say_whose(&gone).s,
		      say_seconds(w->longest_seconds).s, say_gone("key", keys, freed).s,
		      w->stalls_total > 1 ? "; in all " : "",
		      w->stalls_total > 1 ? say_seconds(w->seconds).s : "");
	gone_evidence(f, w->longest, &gone, keys, freed);
}

/* The setting that leaves the freeing to a background thread. */
static void lazy_action(const struct model *m, struct finding *f, const char *setting)
{
	if (measure_config_is(m, setting, "no"))
		finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG SET %s yes", setting).s,
			       "Let a background thread free what big keys held.");
}

/* Fields of hashes that expired in the window: Redis 7.4 and Valkey 9 have names of their own. */
static int64_t expired_fields(const struct model *m)
{
	return measure_sum(model_info_delta(m, "expired_subkeys"),
			   model_info_delta(m, "expired_fields"));
}

/* Were it fields that went, not keys? What was counted around the stall says so, and where it says
 * nothing the window does. */
static bool fields_went(const struct model *m, const struct around *around)
{
	if (around->expired_keys > 0 || around->expired_fields > 0)
		return around->expired_fields > around->expired_keys;
	return expired_fields(m) > 0 && expired_fields(m) > model_info_delta(m, "expired_keys");
}

/* A field has no lazy freeing, and names that are met may be the hash's or the field's. */
static void fields_tell(const struct model *m, struct finding *f, const struct waits *w,
			const struct around *around)
{
	finding_title(f, "Expiring fields of hashes held the server for %s%s%s%s",
		      say_seconds(w->longest_seconds).s,
		      say_gone("field", around->expired_fields, around->freed_bytes).s,
		      w->stalls_total > 1 ? "; in all " : "",
		      w->stalls_total > 1 ? say_seconds(w->seconds).s : "");
	finding_evidence_count(f, "longest_fields_total", around->expired_fields, "fields",
			       BASIS_EXACT);
	finding_evidence_count(f, "expired_fields", expired_fields(m), "fields", BASIS_EXACT);
	finding_cause(f, "Fields of hashes reach their time together, and the event loop takes "
			 "them out in turns, with every client waiting.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Spread the times: add some random seconds to each HEXPIRE.");
}

static void keys_tell(const struct model *m, struct finding *f, const struct waits *w,
		      const struct around *around)
{
	int64_t all = model_info_delta(m, "expired_keys");
	int64_t keys = around->expired_keys > 0 ? around->expired_keys : all;

	gone_tell(m, f, w, CAUSE_EXPIRY, around->expired_keys, around->freed_bytes);
	finding_evidence_count(f, "expired_keys", all, "keys", BASIS_EXACT);
	finding_cause(f, "%s",
		      keys > 0 && keys <= FEW_KEYS ?
			      "A key with very many elements reached its time, and the event loop "
			      "frees all of it before it goes on." :
			      "Many keys reach their time together, and the event loop deletes "
			      "them for up to a quarter of its time, with every client waiting.");
	lazy_action(m, f, "lazyfree-lazy-expire");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Spread the times (add some random seconds to each TTL), and keep "
		       "collections that expire small.");
}

bool rule_expire_blocks(const struct model *m, struct finding *f)
{
	struct waits w = waits_of_work(m, f->id, CAUSE_EXPIRY);
	struct around around;

	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	around = stall_around(m, w.longest);
	waits_tell(m, f, &w);
	if (fields_went(m, &around))
		fields_tell(m, f, &w, &around);
	else
		keys_tell(m, f, &w, &around);
	finding_evidence_count(f, "expire_cycle_cpu_milliseconds",
			       model_info_delta(m, "expire_cycle_cpu_milliseconds"), "milliseconds",
			       BASIS_EXACT);
	return true;
}

/* Lowering maxmemory below what is in use evicts the difference at once. */
static void evict_cause(const struct model *m, struct finding *f)
{
	int64_t before = model_info_start(m, "maxmemory"), now = model_info_end(m, "maxmemory");

	if (before != RECORD_UNKNOWN && now > 0 && (before == 0 || now < before)) {
		finding_evidence_bytes(f, "maxmemory_before", before, BASIS_EXACT);
		finding_cause(f,
			      "maxmemory was lowered in the window (to %s), and the server "
			      "deletes keys until it is below, with every client waiting.",
			      say_bytes(now).s);
		return;
	}
	finding_cause(f,
		      "At maxmemory a write first deletes keys until there is room; big keys, or "
		      "very many small ones at once, hold up every client.");
}

bool rule_evict_blocks(const struct model *m, struct finding *f)
{
	struct waits w = waits_of_work(m, f->id, CAUSE_EVICTION);
	struct around around;

	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	around = stall_around(m, w.longest);
	waits_tell(m, f, &w);
	gone_tell(m, f, &w, CAUSE_EVICTION, around.evicted_keys, around.freed_bytes);
	finding_evidence_count(f, "evicted_keys", model_info_delta(m, "evicted_keys"), "keys",
			       BASIS_EXACT);
	finding_evidence_count(f, "total_eviction_exceeded_time",
			       model_info_delta(m, "total_eviction_exceeded_time"), "milliseconds",
			       BASIS_EXACT);
	finding_evidence_bytes(f, "maxmemory", model_info_end(m, "maxmemory"), BASIS_EXACT);
	finding_evidence_text(f, "maxmemory_policy", measure_info_text(m, "maxmemory_policy"),
			      BASIS_EXACT);
	evict_cause(m, f);
	lazy_action(m, f, "lazyfree-lazy-eviction");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Lower maxmemory in small steps, and leave the server some room below "
		       "what the data needs at its peak.");
	return true;
}

/* --- active defragmentation ---------------------------------------------------------- */

bool rule_defrag_blocks(const struct model *m, struct finding *f)
{
	int64_t most = measure_config(m, "active-defrag-cycle-max");
	struct waits w = waits_of_work(m, f->id, CAUSE_DEFRAG);

	if (waits_severity(m, &w) == SEVERITY_INFO)
		return false;
	waits_tell(m, f, &w);
	finding_title(f, "Active defragmentation took %s of %s, up to %s at a time",
		      say_seconds(w.seconds).s, say_seconds(m->duration_seconds).s,
		      say_seconds(w.longest_seconds).s);
	finding_evidence_count(f, "active_defrag_hits", model_info_delta(m, "active_defrag_hits"),
			       "allocations", BASIS_EXACT);
	finding_evidence_count(f, "total_active_defrag_time",
			       model_info_delta(m, "total_active_defrag_time"), "milliseconds",
			       BASIS_EXACT);
	finding_evidence_count(f, "active-defrag-cycle-max", most, "percent", BASIS_EXACT);
	finding_cause(f, "It runs in the event loop, for up to active-defrag-cycle-max percent of "
			 "each period between two clock ticks of the server, and every client "
			 "waits for the end of its turn.");
	if (most > 1)
		finding_action(
			f, RECORD_UNKNOWN,
			say_cli(m, "CONFIG SET active-defrag-cycle-max %lld", (long long)(most / 2))
				.s,
			"Give it shorter turns: it takes longer, and clients wait less.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "A higher hz cuts its turns shorter, too; or let it run at quiet hours "
		       "only (activedefrag can be switched while the server runs).");
	return true;
}

/* --- tables that grow ------------------------------------------------------------------ */

/* A doubling that takes less is not felt. */
#define DOUBLING_BYTES (64 * MIB)

struct doubling {
	int64_t keys; /* at which it comes; RECORD_UNKNOWN */
	int64_t bytes; /* of the new table, at once */
	double seconds; /* until then at the growth of this window; NAN when it does not grow */
};

/*
 * The main table of Redis, and of Valkey before 8.1, is a power of two of pointers that
 * doubles when it has as many keys (dict.c, _dictExpandIfNeeded()). MEMORY STATS tells what
 * it takes: 8 bytes a slot, and for each key its entry, with its object header until 7.2. A
 * size that comes out as a power of two is one; other servers' tables do not.
 */
static int64_t slots_of(int64_t table_bytes, int64_t keys)
{
	static const int64_t entry[] = { 24, 40 };

	for (size_t i = 0; i < sizeof(entry) / sizeof(entry[0]); i++) {
		int64_t slots = (table_bytes - keys * entry[i]) / 8;

		if (slots >= keys / 2 && slots >= 4 && (slots & (slots - 1)) == 0)
			return slots;
	}
	return RECORD_UNKNOWN;
}

static int64_t keys_of(const struct info *info)
{
	const char *db = info ? info_get(info, "db0") : NULL;

	return db ? info_sub_int(db, "keys") : RECORD_UNKNOWN;
}

static struct doubling next_doubling(const struct model *m)
{
	struct doubling d = { RECORD_UNKNOWN, RECORD_UNKNOWN, NAN };
	int64_t before = keys_of(m->info_start), keys = keys_of(m->info_end);
	int64_t table = info_int(m->memory_stats, "db.0.overhead.hashtable.main");

	if (keys < 0 || keys > INT64_MAX / 64 || table < 0)
		return d;
	d.keys = slots_of(table, keys);
	if (d.keys == RECORD_UNKNOWN || d.keys < keys)
		return (struct doubling){ RECORD_UNKNOWN, RECORD_UNKNOWN, NAN };
	d.bytes = d.keys * 2 * 8;
	if (before >= 0 && keys > before && m->duration_seconds > 0)
		d.seconds = (double)(d.keys - keys) * m->duration_seconds / (double)(keys - before);
	return d;
}

static void doubling_evidence(const struct model *m, struct finding *f, const struct doubling *d,
			      const struct waits *w)
{
	finding_evidence_count(f, "keys_total", keys_of(m->info_end), "keys", BASIS_EXACT);
	finding_evidence_count(f, "next_doubling_keys", d->keys, "keys", BASIS_DERIVED);
	finding_evidence_bytes(f, "next_doubling_bytes", d->bytes, BASIS_DERIVED);
	finding_evidence(f, "next_doubling_in_seconds", d->seconds, "seconds", BASIS_DERIVED);
	/* Twice the slots are twice the pages to be handed out. */
	finding_evidence(f, "next_doubling_stall_seconds",
			 w->longest && d->bytes != RECORD_UNKNOWN ? 2 * w->longest_seconds : NAN,
			 "seconds", BASIS_DERIVED);
}

/* It has done harm, or will at the next doubling, within the day. */
bool rule_rehash_blocks(const struct model *m, struct finding *f)
{
	struct waits w = waits_of(m, f->id);
	struct doubling d = next_doubling(m);
	bool soon = d.bytes >= DOUBLING_BYTES && d.seconds <= harm_table[HARM_LIMIT].bound;
	bool harm = waits_severity(m, &w) > SEVERITY_INFO;

	if (!harm && !soon)
		return false;
	waits_tell(m, f, &w);
	if (harm)
		finding_title(f, "A hash table that grew held the server for %s",
			      say_seconds(w.longest_seconds).s);
	else
		finding_title(f, "The table of keys doubles in %s, at %s keys: %s at once",
			      say_seconds(d.seconds).s, say_count(d.keys).s, say_bytes(d.bytes).s);
	if (harm && w.longest->key.len > 0)
		finding_evidence_text(f, "key", say_key(w.longest->key.data, w.longest->key.len).s,
				      BASIS_EXACT);
	doubling_evidence(m, f, &d, &w);
	finding_cause(f, "A table doubles when it is full: the new one is taken and cleared at "
			 "once, in the middle of a write, and until all keys are moved both "
			 "exist.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Leave room for it below maxmemory and the cgroup's limit; keep keyspaces "
		       "and hashes smaller, or spread them over more servers.");
	return true;
}
