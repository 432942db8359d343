/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How near the server is to a limit: maxmemory, the cgroup, the machine, the
 * number of mappings; and what happens when it is reached.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/burden.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "diagnose/waits.h"

/* Without maxmemory: half of the room leaves none for a fork's copies (guide:
 * maxmemory at most 80 %; the rest is margin for copy-on-write). */
#define NO_MAX_RATIO 0.50
/* An eviction now and then is how a cache works (guide: alert on a rate). */
#define EVICTIONS_PER_SECOND 1.0
/* used_memory was above maxmemory for this share of the window (total_eviction_exceeded_time): a
 * turn of eviction that had no CPU for its half a millisecond counts, too, and is none. */
#define EXCEEDED_SHARE 0.10
/* Client buffers that take this share of maxmemory are what evicts the keys. */
#define BUFFERS_SHARE 0.10

/* Can the server make room when it reaches maxmemory? */
enum room { ROOM_BY_EVICTION, ROOM_FROM_KEYS_WITH_TTL, ROOM_NONE };

static enum room near_max_room(const struct model *m)
{
	int64_t keys, expires;

	measure_keyspace(m, &keys, &expires);
	if (measure_policy_is(m, "allkeys-"))
		return ROOM_BY_EVICTION;
	return measure_policy_is(m, "volatile-") && expires != 0 ? ROOM_FROM_KEYS_WITH_TTL :
								   ROOM_NONE;
}

/* With one limit for both a replica may have a little more than its master, whose buffers
 * differ. */
#define REPLICA_ABOVE_RATIO 1.10

/* A replica leaves eviction to its master (replica-ignore-maxmemory), and nothing happens at its
 * own limit: until it is master itself. */
static bool leaves_it_to_master(const struct model *m)
{
	return measure_is_replica(m) && !measure_config_is(m, "replica-ignore-maxmemory", "no");
}

/* A full cache is healthy: only who cannot make room is in danger, and a replica that will have to
 * make much at once. */
static enum severity near_max_severity(const struct model *m, double ratio)
{
	enum room room = near_max_room(m);

	if (leaves_it_to_master(m) && ratio >= REPLICA_ABOVE_RATIO)
		return SEVERITY_WARNING;
	if (room == ROOM_BY_EVICTION || measure_is_replica(m))
		return SEVERITY_INFO;
	if (room == ROOM_FROM_KEYS_WITH_TTL)
		return ratio >= NEAR_CRITICAL_RATIO ? SEVERITY_WARNING : SEVERITY_INFO;
	return ratio >= NEAR_CRITICAL_RATIO ? SEVERITY_CRITICAL : SEVERITY_WARNING;
}

static void near_max_cause(const struct model *m, struct finding *f)
{
	static const char *const causes[] = {
		[ROOM_BY_EVICTION] = "At maxmemory the server evicts keys of any kind, as a cache "
				     "should; each write then also pays for an eviction.",
		[ROOM_FROM_KEYS_WITH_TTL] = "At maxmemory the server evicts keys that have a TTL; "
					    "when none is left, writes are refused.",
		[ROOM_NONE] = "At maxmemory nothing may be evicted (policy noeviction, or "
			      "volatile-* without a key that has a TTL), so writes will be refused "
			      "with an OOM error.",
	};

	finding_cause(f, "%s", causes[near_max_room(m)]);
}

/* What a fail-over to it would do. */
static void replica_above_max(const struct model *m, struct finding *f, double ratio)
{
	static const char *const then[] = {
		[ROOM_BY_EVICTION] = "it would evict all that is above it at once",
		[ROOM_FROM_KEYS_WITH_TTL] = "it would evict keys that have a TTL at once, and "
					    "refuse writes (OOM) when none is left",
		[ROOM_NONE] = "it would refuse all writes (OOM), as its policy lets it evict "
			      "nothing",
	};
	enum room room = near_max_room(m);
	struct phrase shock = { "" };
	int64_t keys, expires, evicted;

	measure_keyspace(m, &keys, &expires);
	snprintf(shock.s, sizeof(shock.s), "%s",
		 room == ROOM_NONE ? "refuse writes" : "evict keys with a TTL");
	evicted = room == ROOM_BY_EVICTION && keys > 0 ? sum_whole((1 - 1 / ratio) * (double)keys) :
							 RECORD_UNKNOWN;
	if (evicted > 0)
		snprintf(shock.s, sizeof(shock.s), "evict some %.30s of %.30s keys",
			 say_count(evicted).s, say_count(keys).s);
	finding_title(f, "This replica has %s of its maxmemory in use; as a master it would %s",
		      say_percent(ratio).s, shock.s);
	if (evicted > 0)
		finding_evidence_count(f, "keys_evicted_by_failover", evicted, "keys",
				       BASIS_DERIVED);
	finding_cause(f,
		      "A replica leaves eviction to its master (replica-ignore-maxmemory), whose "
		      "maxmemory is higher, so nothing happens at its own limit. After a fail-over "
		      "to it that limit counts: %s.",
		      then[room]);
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG SET maxmemory BYTES").s,
		       "Give it its master's maxmemory, in its configuration file too (CONFIG "
		       "REWRITE), if the machine has the memory.");
}

/* Is the limit near only because of what is in no key? */
static bool is_burdened(const struct burden *b, int64_t counted, int64_t max)
{
	return b->id && b->bytes < counted &&
	       measure_ratio(counted - b->bytes, max) < NEAR_WARNING_RATIO;
}

static void burdened(const struct model *m, struct finding *f, const struct burden *b,
		     int64_t counted, int64_t max)
{
	finding_title(f, "%s of maxmemory is in use (%s of %s), %s of it by %s",
		      say_percent(measure_ratio(counted, max)).s, say_bytes(counted).s,
		      say_bytes(max).s, say_bytes(b->bytes).s, b->what.s);
	finding_evidence_text(f, "burden", b->what.s, BASIS_EXACT);
	finding_evidence_bytes(f, "burden_bytes", b->bytes, BASIS_EXACT);
	finding_action(f, b->bytes, !strcmp(b->id, "client.one") ? say_cli(m, "CLIENT LIST").s : "",
		       "Begin with that, see %s: it is in no key, and without it %s of maxmemory "
		       "would be in use.",
		       b->id, say_percent(measure_ratio(counted - b->bytes, max)).s);
}

bool rule_near_max(const struct model *m, struct finding *f)
{
	int64_t max = measure_max_memory(m), used = measure_used(m), keys, expires;
	int64_t aside = model_info_end(m, "mem_not_counted_for_evict");
	int64_t counted = measure_counted(m);
	double ratio = max > 0 ? measure_ratio(counted, max) : NAN;
	struct burden burden = burden_of(m);

	if (!(ratio >= NEAR_WARNING_RATIO))
		return false;
	measure_keyspace(m, &keys, &expires);
	f->severity = near_max_severity(m, ratio);
	f->cost = (double)counted;
	finding_evidence_bytes(f, "used_memory", used, BASIS_EXACT);
	finding_evidence_bytes(f, "mem_not_counted_for_evict", aside, BASIS_EXACT);
	finding_evidence_bytes(f, "maxmemory", max, BASIS_EXACT);
	finding_evidence(f, "maxmemory_ratio", ratio, "ratio", BASIS_DERIVED);
	finding_evidence_text(f, "maxmemory_policy", measure_policy(m), BASIS_EXACT);
	finding_evidence_count(f, "keys_with_ttl_total", expires, "keys", BASIS_EXACT);
	if (leaves_it_to_master(m) && ratio > 1) {
		replica_above_max(m, f, ratio);
		return true;
	}
	finding_title(f, "%s of maxmemory is in use (%s of %s)", say_percent(ratio).s,
		      say_bytes(counted).s, say_bytes(max).s);
	near_max_cause(m, f);
	if (is_burdened(&burden, counted, max)) {
		burdened(m, f, &burden, counted, max);
		return true;
	}
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG SET maxmemory BYTES").s,
		       "Raise maxmemory if the machine has the memory (RSS must fit too, not "
		       "only used_memory).");
	if (near_max_room(m) == ROOM_NONE)
		finding_action(
			f, RECORD_UNKNOWN, "",
			"If this is a cache and nothing else, let it evict (maxmemory-policy "
			"allkeys-lru: keys will go at once); if not, delete what is no "
			"longer needed and set TTLs.");
	return true;
}

/* Offer a maxmemory that fits into @room, unless there is one already. One below the
 * data would evict or refuse writes at once, so it is not offered for pasting. */
static void max_memory_action(const struct model *m, struct finding *f, int64_t room,
			      const char *what)
{
	int64_t max = measure_max_memory(m), used = measure_used(m);
	int64_t fits = sum_whole((double)room * NEAR_WARNING_RATIO);

	if (max > 0 && max <= fits)
		return;
	if (used == RECORD_UNKNOWN || used >= fits)
		finding_action(
			f, RECORD_UNKNOWN, "",
			"Set maxmemory to at most %s of %s once the data fits: set below it, "
			"the server evicts or refuses writes at once.",
			say_percent(NEAR_WARNING_RATIO).s, what);
	else
		finding_action(
			f, RECORD_UNKNOWN,
			say_cli(m, "CONFIG SET maxmemory %lld", (long long)fits).s,
			"Set maxmemory to at most %s of %s: RSS is more than used_memory, and "
			"a fork's copies count too.",
			say_percent(NEAR_WARNING_RATIO).s, what);
}

bool rule_no_max(const struct model *m, struct finding *f)
{
	const char *what;
	int64_t room = measure_room(m, &what), used = measure_used(m);
	double ratio = measure_ratio(used, room);
	bool large = ratio > NO_MAX_RATIO;

	if (measure_max_memory(m) != 0)
		return false;
	f->severity = large ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = large ? (double)used : 0;
	if (large)
		finding_title(f, "No maxmemory, and the data takes %s of %s", say_percent(ratio).s,
			      what);
	else
		finding_title(f, "No maxmemory is set");
	finding_evidence_bytes(f, "maxmemory", 0, BASIS_EXACT);
	finding_evidence_bytes(f, "used_memory", used, BASIS_EXACT);
	finding_evidence_bytes(f, "mem_limit", room, BASIS_EXACT);
	finding_cause(f, "Without a limit of its own the server grows until the kernel swaps it "
			 "out or kills it.");
	if (room != RECORD_UNKNOWN)
		max_memory_action(m, f, room, what);
	else
		finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG SET maxmemory BYTES").s,
			       "Set a limit that leaves room for copy-on-write and buffers.");
	return true;
}

/* Memory of server and child that only swap or a kill can take away: all but the
 * pages of files. */
static int64_t server_need(const struct model *m)
{
	int64_t need = measure_anonymous(m), child = measure_child_private(m);

	return need == RECORD_UNKNOWN ? need : measure_sum(need, child);
}

/* Of the cgroup whose limit is met first: all in it that cannot be dropped, with what a
 * child held that is gone again. The server's own where the kernel tells no more. */
struct cgroup_state {
	int64_t limit, need; /* RECORD_UNKNOWN */
	int64_t shmem; /* of that which is not in the server's own memory: files of a tmpfs... */
	int64_t others; /* of that which is neither that nor server and child */
	bool parent; /* it is above the server's own */
};

static int64_t less(int64_t a, int64_t b)
{
	if (a == RECORD_UNKNOWN || b == RECORD_UNKNOWN)
		return RECORD_UNKNOWN;
	return a > b ? sum_less(a, b) : 0;
}

/* The most private memory of a child that has ended: the cgroup no longer counts it. */
static int64_t gone_private(const struct model *m)
{
	int64_t most = 0;

	for (size_t i = 0; i < m->children_count; i++)
		if (!isnan(m->children[i].child.t_end_seconds))
			most = larger(most, m->children[i].child.private_bytes);
	return most;
}

static int64_t server_shmem(const struct model *m)
{
	for (size_t i = m->timeline_count; i > 0; i--)
		if (m->timeline[i - 1].host.rss_shmem_bytes != RECORD_UNKNOWN)
			return m->timeline[i - 1].host.rss_shmem_bytes;
	return 0;
}

static struct cgroup_state cgroup_state(const struct model *m)
{
	const struct record_host *h = &m->host_end;
	int64_t server = server_need(m), kept;
	struct cgroup_state c = { .limit = RECORD_UNKNOWN,
				  .need = server,
				  .shmem = RECORD_UNKNOWN,
				  .others = RECORD_UNKNOWN };

	if (!m->have_host)
		return c;
	c.limit = h->cgroup_limit_bytes;
	if (h->cgroup_near_limit_bytes == RECORD_UNKNOWN)
		return c;
	c.limit = h->cgroup_near_limit_bytes;
	c.parent = !h->cgroup_near_own;
	kept = measure_sum(measure_sum(h->cgroup_near_anon_bytes, h->cgroup_near_shmem_bytes),
			   measure_sum(h->cgroup_near_kernel_bytes, h->cgroup_near_sock_bytes));
	if (kept != RECORD_UNKNOWN)
		c.need = larger(server, sum_of(kept, gone_private(m)));
	c.shmem = less(h->cgroup_near_shmem_bytes, server_shmem(m));
	c.others = less(less(c.need, server), c.shmem);
	return c;
}

/* Would the limit be far if nobody kept files on a tmpfs? */
static bool shmem_is_why(const struct cgroup_state *c)
{
	return c->shmem != RECORD_UNKNOWN &&
	       measure_ratio(c->need, c->limit) >= NEAR_WARNING_RATIO &&
	       measure_ratio(c->need - c->shmem, c->limit) < NEAR_WARNING_RATIO;
}

/* Would the limit be far without what a saving child copied? Then that is the trouble, and
 * fork.cow tells it. */
static bool copies_are_why(const struct model *m, const struct cgroup_state *c)
{
	int64_t copies = measure_copies_short(m);

	return copies > 0 && measure_ratio(c->need, c->limit) >= NEAR_WARNING_RATIO &&
	       measure_ratio(c->need - copies, c->limit) < NEAR_WARNING_RATIO;
}

static void cgroup_evidence(const struct model *m, struct finding *f, const struct cgroup_state *c)
{
	const struct record_host *h = &m->host_end;
	int64_t child = measure_child_private(m);

	finding_evidence_bytes(f, "cgroup_limit", c->limit, BASIS_EXACT);
	if (c->parent)
		finding_evidence_text(f, "cgroup", h->cgroup_near_path, BASIS_EXACT);
	finding_evidence_bytes(f, "cgroup_usage",
			       h->cgroup_near_limit_bytes == RECORD_UNKNOWN ?
				       h->cgroup_usage_bytes :
				       h->cgroup_near_usage_bytes,
			       BASIS_EXACT);
	finding_evidence_bytes(f, "cannot_be_dropped", c->need, BASIS_DERIVED);
	finding_evidence_bytes(f, "cgroup_anon", h->cgroup_near_anon_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "cgroup_shmem", h->cgroup_near_shmem_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "cgroup_kernel", h->cgroup_near_kernel_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "cgroup_sock", h->cgroup_near_sock_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "cgroup_swap", h->cgroup_swap_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "server_and_child", server_need(m), BASIS_DERIVED);
	finding_evidence_bytes(f, "child_private_bytes", child > 0 ? child : RECORD_UNKNOWN,
			       BASIS_EXACT);
	if (measure_max_memory(m) > 0)
		finding_evidence_bytes(f, "maxmemory", measure_max_memory(m), BASIS_EXACT);
	if (m->have_totals && m->totals.reclaim_entries > 0)
		finding_evidence_count(f, "reclaim_entries_total", m->totals.reclaim_entries,
				       "entries", BASIS_EXACT);
}

static void cgroup_actions(const struct model *m, struct finding *f, int64_t limit)
{
	finding_action(f, RECORD_UNKNOWN, "",
		       "Raise the limit (memory.max; memory.limit_in_bytes in v1; resources.limits "
		       "in Kubernetes), or store less.");
	max_memory_action(m, f, limit, "the cgroup's memory limit");
}

static void cgroup_title(struct finding *f, const struct cgroup_state *c)
{
	struct phrase share = say_percent(measure_ratio(c->need, c->limit));

	if (c->others > c->need / 2 || c->parent)
		finding_title(f,
			      "%s of %s limit of %s cannot be dropped, %s of it not the server's",
			      share.s, c->parent ? "a parent cgroup's" : "the cgroup's",
			      say_bytes(c->limit).s, say_bytes(measure_sum(c->others, c->shmem)).s);
	else
		finding_title(f, "The server holds %s of its cgroup's limit of %s", share.s,
			      say_bytes(c->limit).s);
}

bool rule_cgroup(const struct model *m, struct finding *f)
{
	struct cgroup_state c = cgroup_state(m);
	int64_t max = measure_max_memory(m);
	double ratio = measure_ratio(c.need, c.limit);
	bool near = ratio >= NEAR_WARNING_RATIO && !shmem_is_why(&c) && !copies_are_why(m, &c);

	if (c.limit == RECORD_UNKNOWN || (!near && max <= c.limit))
		return false;
	f->severity = near && ratio >= NEAR_CRITICAL_RATIO ? SEVERITY_CRITICAL : SEVERITY_WARNING;
	f->cost = near ? (double)c.need : 0;
	if (near)
		cgroup_title(f, &c);
	else
		finding_title(f, "maxmemory (%s) is above the cgroup's limit (%s)",
			      say_bytes(max).s, say_bytes(c.limit).s);
	cgroup_evidence(m, f, &c);
	finding_cause(f, near ? "The kernel charges resident memory, files on a tmpfs, its own "
				"and sockets' memory and the child's copies, not used_memory; page "
				"cache it drops at the limit, the others it swaps, then it kills." :
				"The kernel will swap out or kill the server before it can reach "
				"its own limit and evict.");
	cgroup_actions(m, f, c.limit);
	return true;
}

bool rule_shmem(const struct model *m, struct finding *f)
{
	struct cgroup_state c = cgroup_state(m);
	double ratio = measure_ratio(c.need, c.limit);
	bool why = shmem_is_why(&c);

	if (!why &&
	    !(c.shmem >= WASTE_FLOOR_BYTES && measure_ratio(c.shmem, c.limit) >= WASTE_FLOOR_RATIO))
		return false;
	f->severity = !why			   ? SEVERITY_INFO :
		      ratio >= NEAR_CRITICAL_RATIO ? SEVERITY_CRITICAL :
						     SEVERITY_WARNING;
	f->cost = (double)c.shmem;
	finding_title(f,
		      "Files on a tmpfs (or shared memory) take %s of the cgroup's limit of %s%s",
		      say_bytes(c.shmem).s, say_bytes(c.limit).s,
		      why ? ", and the server is near it" : "");
	cgroup_evidence(m, f, &c);
	finding_cause(f,
		      "What is written to a tmpfs (/tmp, /dev/shm, an emptyDir in memory) is "
		      "charged to the cgroup that wrote it, and looks like page cache there, but "
		      "the kernel cannot drop it: at the limit it swaps or kills instead.");
	finding_action(f, c.shmem, "df -h -t tmpfs",
		       "Find those files, delete what is not needed, or write them to a disk.");
	return true;
}

/* How often the cgroup was held up for it in the window; RECORD_UNKNOWN. */
static int64_t high_events(const struct model *m)
{
	int64_t before = m->host_start.cgroup_high_events_total;
	int64_t after = m->host_end.cgroup_high_events_total;

	return before == RECORD_UNKNOWN || after < before ? RECORD_UNKNOWN :
							    sum_less(after, before);
}

static void high_evidence(const struct model *m, struct finding *f, int64_t need)
{
	const struct record_host *h = &m->host_end;

	finding_evidence_bytes(f, "cgroup_high", h->cgroup_high_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "cgroup_high_usage", h->cgroup_high_usage_bytes, BASIS_EXACT);
	finding_evidence_count(f, "cgroup_high_events", high_events(m), "events", BASIS_EXACT);
	finding_evidence_bytes(f, "cgroup_swap", h->cgroup_swap_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "cannot_be_dropped", need, BASIS_DERIVED);
	finding_evidence_bytes(f, "server_and_child", server_need(m), BASIS_DERIVED);
	if (m->have_totals && m->totals.reclaim_entries > 0)
		finding_evidence_count(f, "reclaim_entries_total", m->totals.reclaim_entries,
				       "entries", BASIS_EXACT);
}

/* Page cache above memory.high is dropped without harm: only what cannot be counts, as
 * with the limit. */
bool rule_high(const struct model *m, struct finding *f)
{
	int64_t high = m->have_host ? m->host_end.cgroup_high_bytes : RECORD_UNKNOWN;
	int64_t need = larger(server_need(m), m->host_end.cgroup_high_kept_bytes);
	double ratio = measure_ratio(need, high);
	bool held = ratio >= NEAR_CRITICAL_RATIO || high_events(m) > 0;
	const struct charge *main_thread = measure_main_thread(m);
	struct waits w = waits_of(m, "reclaim.blocks");

	if (main_thread)
		waits_include(&w, main_thread->reclaim_seconds); /* no number is none */
	if (!(ratio >= NEAR_WARNING_RATIO))
		return false;
	f->severity = held ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = (double)need;
	/* Giving memory back took so long. */
	if (held && waits_severity(m, &w) > SEVERITY_INFO) {
		f->rank = RANK_WAITED;
		waits_tell(m, f, &w);
	}
	finding_title(f, "%s of the cgroup's memory.high (%s) cannot be dropped",
		      say_percent(ratio).s, say_bytes(high).s);
	high_evidence(m, f, need);
	finding_cause(f, "Above memory.high nothing is killed: the kernel makes whoever allocates "
			 "in the cgroup give back memory, to swap too, and sleep, the longer the "
			 "further it is above. For the server these are stalls.");
	finding_action(f, RECORD_UNKNOWN, "",
		       "Raise memory.high (MemoryHigh= of a systemd unit) above what the server "
		       "needs with a fork's copies, or store less.");
	max_memory_action(m, f, high, "the cgroup's memory.high");
	return true;
}

static enum severity evict_severity(const struct model *m, double rate)
{
	bool cache = measure_policy_is(m, "allkeys-");
	double buffers =
		measure_ratio(model_info_end(m, "mem_clients_normal"), measure_max_memory(m));

	/* Eviction did not keep up (7.0 and later). */
	if ((double)model_info_delta(m, "total_eviction_exceeded_time") / 1e3 >=
		    EXCEEDED_SHARE * m->duration_seconds ||
	    buffers > BUFFERS_SHARE)
		return SEVERITY_WARNING;
	return cache || rate < EVICTIONS_PER_SECOND ? SEVERITY_INFO : SEVERITY_WARNING;
}

bool rule_evict_active(const struct model *m, struct finding *f)
{
	int64_t evicted = model_info_delta(m, "evicted_keys");
	int64_t clients = model_info_end(m, "mem_clients_normal"), max = measure_max_memory(m);
	double rate = (double)evicted / m->duration_seconds;

	if (evicted == RECORD_UNKNOWN || evicted <= 0 || !(m->duration_seconds > 0))
		return false;
	f->severity = evict_severity(m, rate);
	f->cost = max > 0 ? (double)max * 0.01 : 0; /* beside mem.near_max, not before it */
	finding_title(f, "%s keys were evicted in %s (%.0f/s)", say_count(evicted).s,
		      say_seconds(m->duration_seconds).s, rate);
	finding_evidence_count(f, "evicted_keys", evicted, "keys", BASIS_EXACT);
	finding_evidence_text(f, "maxmemory_policy", measure_policy(m), BASIS_EXACT);
	finding_evidence_bytes(f, "maxmemory", max, BASIS_EXACT);
	finding_evidence_count(f, "total_eviction_exceeded_time",
			       model_info_delta(m, "total_eviction_exceeded_time"), "milliseconds",
			       BASIS_EXACT);
	finding_evidence_bytes(f, "mem_clients_normal", clients, BASIS_EXACT);
	finding_cause(f, "%s",
		      measure_ratio(clients, max) > BUFFERS_SHARE ?
			      "Client buffers count against maxmemory and push keys out." :
			      "Writes need more memory than maxmemory allows, so each one first "
			      "removes other keys.");
	finding_action(f, RECORD_UNKNOWN, say_cli(m, "CONFIG SET maxmemory BYTES").s,
		       "For a cache this is normal as long as the hit rate is; else raise "
		       "maxmemory or store less.");
	if (measure_ratio(clients, max) > BUFFERS_SHARE)
		finding_action(f, clients, say_cli(m, "CONFIG SET maxmemory-clients 5%%").s,
			       "Limit the memory of clients (7.0 and later); CLIENT LIST shows "
			       "whose buffers they are.");
	return true;
}

bool rule_map_count(const struct model *m, struct finding *f)
{
	int64_t maps = m->have_host ? m->host_end.maps_total : RECORD_UNKNOWN;
	int64_t max = m->have_host ? m->host_end.max_map_count : RECORD_UNKNOWN;
	double ratio = measure_ratio(maps, max);

	if (!(ratio >= NEAR_WARNING_RATIO))
		return false;
	f->severity = ratio >= NEAR_CRITICAL_RATIO ? SEVERITY_CRITICAL : SEVERITY_WARNING;
	f->cost = measure_rss(m) > 0 ? (double)measure_rss(m) : 0;
	finding_title(f, "The server has %s of %s memory mappings it may have", say_count(maps).s,
		      say_count(max).s);
	finding_evidence_count(f, "maps_total", maps, "mappings", BASIS_EXACT);
	finding_evidence_count(f, "max_map_count", max, "mappings", BASIS_EXACT);
	finding_cause(f, "At the limit mmap and munmap fail, and the server dies with \"out of "
			 "memory\" while memory is free (seen under eviction, redis#12821).");
	finding_action(f, RECORD_UNKNOWN, "sysctl -w vm.max_map_count=1048576",
		       "Raise the limit; it works at once and costs nothing until used.");
	return true;
}
