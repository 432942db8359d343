/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys that are thrown out: why eviction finds nothing to take, and who pushed the keys out
 * that it took.
 */
#include <math.h>
#include <stdlib.h>

#include "base/sum.h"
#include "diagnose/burden.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "redis/knowledge_commands.h"

/* --- nothing to evict ---------------------------------------------------------- */

/* Below this share of keys that have a TTL, those are soon gone. */
#define EVICTABLE_RATIO 0.10

static void stuck_evidence(const struct model *m, struct finding *f, int64_t keys, int64_t expires)
{
	int64_t refused = model_errors(m, "OOM");

	finding_evidence_text(f, "maxmemory_policy", measure_policy(m), BASIS_EXACT);
	finding_evidence_count(f, "keys_total", keys, "keys", BASIS_EXACT);
	finding_evidence_count(f, "keys_with_ttl_total", expires, "keys", BASIS_EXACT);
	finding_evidence(f, "evictable_keys_ratio", measure_ratio(expires, keys), "ratio",
			 BASIS_DERIVED);
	finding_evidence_bytes(f, "used_memory", measure_used(m), BASIS_EXACT);
	finding_evidence_bytes(f, "maxmemory", measure_max_memory(m), BASIS_EXACT);
	finding_evidence_count(f, "OOM", refused > 0 ? refused : RECORD_UNKNOWN, "errors",
			       BASIS_EXACT);
	finding_evidence_count(f, "evicted_keys", model_info_delta(m, "evicted_keys"), "keys",
			       BASIS_EXACT);
}

bool rule_nothing_to_evict(const struct model *m, struct finding *f)
{
	int64_t keys, expires, refused = model_errors(m, "OOM");
	double full = measure_ratio(measure_counted(m), measure_max_memory(m)), share;

	measure_keyspace(m, &keys, &expires);
	share = measure_ratio(expires, keys);
	if (!measure_policy_is(m, "volatile-") || measure_is_replica(m) ||
	    (!(refused > 0) && !(full >= NEAR_WARNING_RATIO && share < EVICTABLE_RATIO)))
		return false;
	f->severity = refused > 0 || (full >= NEAR_CRITICAL_RATIO && expires == 0) ?
			      SEVERITY_CRITICAL :
			      SEVERITY_WARNING;
	f->cost = refused > 0 ? COST_PER_SECOND * 10 : (double)measure_counted(m);
	if (refused > 0)
		finding_title(f,
			      "%s requests were refused (OOM): %s may take only keys with a TTL, "
			      "and %s of %s have one",
			      say_count(refused).s, measure_policy(m), say_count(expires).s,
			      say_count(keys).s);
	else
		finding_title(f,
			      "At maxmemory %s will find little to evict: %s of %s keys have a "
			      "TTL",
			      measure_policy(m), say_count(expires).s, say_count(keys).s);
	stuck_evidence(m, f, keys, expires);
	finding_cause(f, "A volatile policy evicts keys that have a TTL and no others; when they "
			 "are gone, writes are refused as with noeviction.");
	finding_action(
		f, RECORD_UNKNOWN, "",
		"If this is a cache and nothing else, let it evict any key (maxmemory-policy "
		"allkeys-lru: keys will go at once).");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Else set TTLs where keys are written, raise maxmemory, or store less.");
	return true;
}

/* --- what pushed keys out ------------------------------------------------------- */

/* Of maxmemory: what grew by less did not push anything that matters. */
#define PUSH_RATIO 0.05
/* Buffers that hold so much of maxmemory all the time take it from the keys. */
#define BUFFERS_RATIO 0.10
/* A prefix that makes so much of all that was written pushed the others out. */
#define WRITES_RATIO 0.50
/* Looks at writing commands from which on they say whose keys those were; a burst is short, and
 * one will do. */
#define WRITES_LOOKS 3
/* What is pushed out steadily is a cache at work. A burst: nearly all of it went in at most half
 * of the window, and it was a good part of what was there. */
#define BURST_EVICTED	0.9
#define BURST_WINDOW	0.5
#define BURST_KEYS	0.1
#define BURST_INTERVALS 4
#define BURST_BEGIN	0.5 /* an interval that has less of a burst's rate is none of it */

/* What took the memory of the keys that went. */
struct push {
	int64_t bytes;
	enum {
		PUSH_NONE,
		PUSH_LIMIT,
		PUSH_TABLE,
		PUSH_BUFFERS,
		PUSH_BURDEN,
		PUSH_PREFIX,
		PUSH_WRITES
	} by;
	struct burden burden; /* what is in no key, and no buffer of a client */
	const struct prefix_row *prefix;
	bool by_looks; /* not by bytes that were seen: samples of the CPU say that it was written */
	bool burst;
	const struct record_client *client; /* whose buffers are most of them; NULL */
};

/* end - start of a number of INFO that may fall, too; 0 when not known. */
static int64_t grown(const struct model *m, const char *field)
{
	int64_t start = model_info_start(m, field), end = model_info_end(m, field);

	return start == RECORD_UNKNOWN || end == RECORD_UNKNOWN ? 0 : sum_less(end, start);
}

/* A table of keys that is being moved into one twice its size: both are there meanwhile
 * (mem_overhead_db_hashtable_rehashing, 7.4 and later). Elsewhere the size of the
 * overheads tells: keys that go do not make it larger. */
static int64_t table_grown(const struct model *m)
{
	int64_t rehashing = model_info_end(m, "mem_overhead_db_hashtable_rehashing");
	static const char *const buffers[] = { "mem_clients_normal", "mem_clients_slaves",
					       "mem_aof_buffer", "mem_replication_backlog" };
	int64_t overhead = grown(m, "used_memory_overhead");

	for (size_t i = 0; i < sizeof(buffers) / sizeof(buffers[0]); i++)
		overhead = sum_less(overhead, grown(m, buffers[i]));
	return rehashing > overhead ? rehashing : overhead;
}

static int64_t buffers_hold(const struct model *m)
{
	return measure_sum(model_info_end(m, "mem_clients_normal"),
			   model_info_end(m, "mem_cluster_links"));
}

static int64_t buffers_of(const struct record_client *client)
{
	return measure_sum(client->query_bytes, client->output_bytes);
}

/* The one that half of @bytes are for; NULL without one. Where the server was not asked for its
 * clients it is the one that reads nothing. */
static const struct record_client *hoarder(const struct model *m, int64_t bytes)
{
	const struct record_client *most = NULL, *unread;
	int64_t unread_bytes;

	for (size_t i = 0; i < m->clients_count; i++)
		if (!most || buffers_of(&m->clients[i].client) > buffers_of(most))
			most = &m->clients[i].client;
	if (most && buffers_of(most) >= bytes / 2)
		return most;
	unread = measure_unread_client(m, &unread_bytes);
	return unread_bytes >= bytes / 2 ? unread : NULL;
}

/* What was written to it: bytes allocated, or @by_looks at its commands. */
static double written_to(const struct prefix_row *prefix, bool by_looks)
{
	double amount = by_looks ? (double)prefix->charge.cpu_samples : prefix->charge.alloc_bytes;

	return amount > 0 && command_stores(prefix->top_command) ? amount : 0;
}

/* The prefix of most of what was written, when that was @least or more; NULL without one, or where
 * there is no other. */
static const struct prefix_row *most_written(const struct model *m, bool by_looks, double least)
{
	const struct prefix_row *top = NULL;
	double all = 0;

	for (size_t i = 0; i < m->prefixes_count; i++) {
		all += written_to(&m->prefixes[i], by_looks);
		if (!top || written_to(&m->prefixes[i], by_looks) > written_to(top, by_looks))
			top = &m->prefixes[i];
	}
	if (m->prefixes_count < 2 || all < least)
		return NULL;
	return written_to(top, by_looks) > WRITES_RATIO * all ? top : NULL;
}

/* An interval of the watch between two words of the server. */
struct interval {
	double seconds, evicted;
};

static int compare_rates(const void *a, const void *b)
{
	const struct interval *x = a, *y = b;
	double faster = y->evicted * x->seconds - x->evicted * y->seconds;

	return faster > 0 ? 1 : faster < 0 ? -1 : 0;
}

/* The shortest time, not in one piece, in which BURST_EVICTED of the @evicted keys went; NAN
 * when the watch has too few intervals to tell. @intervals become sorted. */
static double busiest_seconds(struct interval *intervals, size_t count, double evicted)
{
	double seconds = 0, gone = 0;

	if (count < BURST_INTERVALS)
		return NAN;
	qsort(intervals, count, sizeof(*intervals), compare_rates);
	for (size_t i = 0; i < count && gone < BURST_EVICTED * evicted; i++) {
		gone += intervals[i].evicted;
		seconds += intervals[i].seconds;
	}
	return seconds;
}

/* The intervals of the watch in which evictions were counted, at most as many as it has rows;
 * @before were evicted until the first. */
static size_t eviction_intervals(const struct model *m, struct interval *intervals, int64_t *before)
{
	const struct timeline_row *last = NULL;
	size_t count = 0;

	for (size_t i = 0; i < m->timeline_count; i++) {
		const struct timeline_row *row = &m->timeline[i];

		if (row->evicted_keys_total == RECORD_UNKNOWN)
			continue;
		if (!last)
			*before = row->evicted_keys_total;
		else if (row->host.t_seconds > last->host.t_seconds)
			intervals[count++] = (struct interval){
				row->host.t_seconds - last->host.t_seconds,
				(double)sum_less(row->evicted_keys_total, last->evicted_keys_total),
			};
		last = row;
	}
	return count;
}

/* Did the burst begin while it was watched? What is there from the first interval on may be the end
 * of what always went on, such as the load of a full cache that is taken away: it is a burst when
 * the server had not evicted as many in all its life before. */
static bool burst_began(struct interval first, double rate, int64_t before, double evicted)
{
	return first.evicted < BURST_BEGIN * rate * first.seconds || (double)before < evicted;
}

/* Did the keys go in a burst? */
static bool evicted_at_once(const struct model *m, int64_t evicted)
{
	struct interval *intervals = xcalloc(m->timeline_count + 1, sizeof(*intervals)), first;
	int64_t keys = RECORD_UNKNOWN, before = 0;
	size_t count = eviction_intervals(m, intervals, &before);
	double seconds = 0, gone = 0, busiest;

	for (size_t i = 0; i < count; i++) {
		seconds += intervals[i].seconds;
		gone += intervals[i].evicted;
	}
	first = intervals[0];
	busiest = busiest_seconds(intervals, count, gone);
	free(intervals);
	info_keyspace(m->info_start, &keys, NULL);
	return gone > 0 && busiest <= BURST_WINDOW * seconds && keys > 0 &&
	       (double)evicted >= BURST_KEYS * (double)keys &&
	       burst_began(first, gone / busiest, before, gone);
}

/* What the keys that went took, by the mean of all. */
static int64_t evicted_bytes(const struct model *m, int64_t evicted)
{
	int64_t keys, dataset = model_info_end(m, "used_memory_dataset");

	measure_keyspace(m, &keys, NULL);
	return dataset > 0 && keys > 0 ?
		       sum_whole((double)dataset * (double)evicted / (double)keys) :
		       0;
}

/* By what was written, and to which prefix. A burst is told also where that is not known, or
 * where too little of it was seen. */
static struct push push_of_writes(const struct model *m, int64_t evicted)
{
	bool burst = evicted_at_once(m, evicted);
	struct push p = { .by = PUSH_PREFIX, .burst = burst };

	p.prefix = most_written(m, false, 0);
	if (p.prefix != NULL) {
		p.bytes = sum_whole(p.prefix->charge.alloc_bytes);
	} else {
		p.prefix = most_written(m, true, burst ? 1 : WRITES_LOOKS);
		p.bytes = evicted_bytes(m, evicted);
		p.by_looks = true;
	}
	if (p.prefix != NULL && (double)p.bytes > (double)measure_max_memory(m) * PUSH_RATIO)
		return p;
	return (struct push){ .by = burst ? PUSH_WRITES : PUSH_NONE,
			      .bytes = evicted_bytes(m, evicted),
			      .by_looks = true,
			      .burst = burst };
}

static struct push push_of(const struct model *m, int64_t evicted)
{
	int64_t max = measure_max_memory(m), lowered = -grown(m, "maxmemory");
	double matters = (double)max * PUSH_RATIO;
	struct push p = { .by = PUSH_NONE, .burden = burden_of(m) };

	if (max <= 0)
		return p;
	if ((double)lowered > matters)
		p = (struct push){ .bytes = lowered, .by = PUSH_LIMIT };
	else if ((double)table_grown(m) > matters)
		p = (struct push){ .bytes = table_grown(m), .by = PUSH_TABLE };
	else if (measure_ratio(buffers_hold(m), max) > BUFFERS_RATIO)
		p = (struct push){ .bytes = buffers_hold(m), .by = PUSH_BUFFERS };
	else if (p.burden.id && measure_ratio(p.burden.bytes, max) > BUFFERS_RATIO)
		p = (struct push){ .bytes = p.burden.bytes, .by = PUSH_BURDEN, .burden = p.burden };
	if (p.by == PUSH_BUFFERS)
		p.client = hoarder(m, p.bytes);
	return p.by != PUSH_NONE ? p : push_of_writes(m, evicted);
}

static void push_title(struct finding *f, const struct model *m, const struct push *p,
		       int64_t evicted)
{
	struct phrase keys = say_count(evicted);

	if (p->by == PUSH_LIMIT)
		finding_title(f, "%s keys were evicted: maxmemory was lowered by %s to %s", keys.s,
			      say_bytes(p->bytes).s, say_bytes(measure_max_memory(m)).s);
	else if (p->by == PUSH_TABLE)
		finding_title(f, "%s keys were evicted: a table of keys grew by %s", keys.s,
			      say_bytes(p->bytes).s);
	else if (p->by == PUSH_BUFFERS)
		finding_title(
			f, "%s keys were evicted while buffers of clients take %s of maxmemory%s%s",
			keys.s, say_percent(measure_ratio(p->bytes, measure_max_memory(m))).s,
			p->client ? ", most of them for " : "",
			p->client ? say_client(p->client).s : "");
	else if (p->by == PUSH_BURDEN)
		finding_title(f, "%s keys were evicted while %s of maxmemory is taken by %s",
			      keys.s, say_percent(measure_ratio(p->bytes, measure_max_memory(m))).s,
			      p->burden.what.s);
	else
		finding_title(f, "%s keys were evicted%s%s%s", keys.s,
			      p->burst ? " in a burst" : "",
			      p->prefix ? ", most of them for what is written to " : "",
			      p->prefix ? say_key(p->prefix->prefix, p->prefix->prefix_len).s : "");
}

static void push_cause(struct finding *f, const struct push *p)
{
	static const char *const causes[] = {
		[PUSH_LIMIT] =
			"The server evicts at once, and while it works for its clients, until "
			"what it holds is below the new limit.",
		[PUSH_TABLE] =
			"When a table of keys is full the server makes one twice as large and "
			"moves the keys little by little: until that is done both are there, "
			"and both count against maxmemory.",
		[PUSH_BUFFERS] =
			"Client buffers count against maxmemory, so what clients are sent and "
			"do not read pushes keys out.",
		[PUSH_BURDEN] =
			"What the server keeps beside the keys counts against maxmemory, too, so "
			"it pushes them out.",
		[PUSH_PREFIX] = "What is written needs more memory than maxmemory allows; whose "
				"keys go for it, the policy decides.",
	};

	finding_cause(f, "%s", causes[p->by == PUSH_WRITES ? PUSH_PREFIX : p->by]);
}

static void push_actions(const struct model *m, struct finding *f, const struct push *p)
{
	if (p->by == PUSH_BUFFERS)
		finding_action(f, p->bytes, say_cli(m, "CONFIG SET maxmemory-clients 5%%").s,
			       "Limit the memory of clients (7.0 and later); who is above it is "
			       "cut off. CLIENT LIST shows whose buffers they are.");
	else if (p->by == PUSH_BURDEN)
		finding_action(f, p->bytes, "", "Begin with that, see %s.", p->burden.id);
	else if (p->by == PUSH_LIMIT)
		finding_action(
			f, RECORD_UNKNOWN, "",
			"Lower maxmemory in small steps, or raise it again if those keys were "
			"wanted.");
	else if (p->by == PUSH_TABLE)
		finding_action(f, RECORD_UNKNOWN, "",
			       "Leave room for it: the next doubling takes twice as much.");
	else
		finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG SET maxmemory BYTES").s,
			       "For a cache this is normal as long as the hit rate is; else raise "
			       "maxmemory, or store less there.");
}

bool rule_evict_pushed_by(const struct model *m, struct finding *f)
{
	int64_t evicted = model_info_delta(m, "evicted_keys");
	struct push p;

	if (evicted == RECORD_UNKNOWN || evicted <= 0)
		return false;
	p = push_of(m, evicted);
	if (p.by == PUSH_NONE)
		return false;
	f->severity = p.prefix && !p.burst && measure_policy_is(m, "allkeys-") ? SEVERITY_INFO :
										 SEVERITY_WARNING;
	f->cost = (double)p.bytes;
	if (p.by == PUSH_LIMIT) { /* somebody wanted it: what clients waited for it is worse */
		f->rank = RANK_WAITED;
		f->cost = 0;
	}
	push_title(f, m, &p, evicted);
	finding_evidence_count(f, "evicted_keys", evicted, "keys", BASIS_EXACT);
	finding_evidence_bytes(f, "maxmemory", measure_max_memory(m), BASIS_EXACT);
	finding_evidence_text(f, "maxmemory_policy", measure_policy(m), BASIS_EXACT);
	finding_evidence_bytes(f, "pushed_bytes", p.bytes,
			       p.by == PUSH_TABLE || p.by_looks ? BASIS_DERIVED :
			       p.by == PUSH_PREFIX		? BASIS_SAMPLED :
								  BASIS_EXACT);
	finding_evidence_bytes(f, "mem_clients_normal", model_info_end(m, "mem_clients_normal"),
			       BASIS_EXACT);
	finding_evidence_count(f, "total_eviction_exceeded_time",
			       model_info_delta(m, "total_eviction_exceeded_time"), "milliseconds",
			       BASIS_EXACT);
	f->weak = (p.client && p.client->id == RECORD_UNKNOWN) || p.by_looks;
	if (p.client != NULL) {
		finding_evidence_text(f, "client", say_client(p.client).s, BASIS_EXACT);
		finding_evidence_bytes(f, "client_bytes", buffers_of(p.client), BASIS_EXACT);
	}
	if (p.prefix != NULL)
		finding_evidence_text(f, "prefix",
				      say_key(p.prefix->prefix, p.prefix->prefix_len).s,
				      BASIS_SAMPLED);
	if (p.by_looks && p.prefix)
		finding_evidence_count(f, "cpu_samples_total", p.prefix->charge.cpu_samples,
				       "samples", BASIS_EXACT);
	push_cause(f, &p);
	push_actions(m, f, &p);
	return true;
}
