/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How near the server is to a limit: maxmemory, the cgroup, the machine, the
 * number of mappings; and what happens when it is reached.
 */
#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"

/* Without maxmemory: half of the room leaves none for a fork's copies (guide:
 * maxmemory at most 80 %; the rest is margin for copy-on-write). */
#define NO_MAX_RATIO 0.50
/* An eviction now and then is how a cache works (guide: alert on a rate). */
#define EVICTIONS_PER_SECOND 1.0
/* Client buffers that take this share of maxmemory are what evicts the keys. */
#define BUFFERS_SHARE 0.10

static bool policy_is(const struct model *m, const char *prefix)
{
	const char *policy = measure_info_text(m, "maxmemory_policy");

	if (policy == NULL)
		policy = model_config(m, "maxmemory-policy");
	return policy != NULL && strncmp(policy, prefix, strlen(prefix)) == 0;
}

static const char *policy_name(const struct model *m)
{
	const char *policy = measure_info_text(m, "maxmemory_policy");

	return policy != NULL ? policy : model_config(m, "maxmemory-policy");
}

static int64_t max_memory(const struct model *m)
{
	int64_t max = model_info_end(m, "maxmemory");

	return max != RECORD_UNKNOWN ? max : measure_config(m, "maxmemory");
}

/* Can the server make room when it reaches maxmemory? */
enum room { ROOM_BY_EVICTION, ROOM_FROM_KEYS_WITH_TTL, ROOM_NONE };

static enum room near_max_room(const struct model *m)
{
	int64_t keys, expires;

	measure_keyspace(m, &keys, &expires);
	if (policy_is(m, "allkeys-"))
		return ROOM_BY_EVICTION;
	return policy_is(m, "volatile-") && expires != 0 ? ROOM_FROM_KEYS_WITH_TTL : ROOM_NONE;
}

static bool is_replica(const struct model *m)
{
	const char *role = measure_info_text(m, "role");

	return role != NULL && strcmp(role, "slave") == 0;
}

/* A full cache is healthy and a replica leaves eviction to its master
 * (replica-ignore-maxmemory): only who cannot make room is in danger. */
static enum severity near_max_severity(const struct model *m, double ratio)
{
	enum room room = near_max_room(m);

	if (room == ROOM_BY_EVICTION || is_replica(m))
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

bool rule_near_max(const struct model *m, struct finding *f)
{
	int64_t max = max_memory(m), used = measure_used(m), keys, expires;
	int64_t aside = model_info_end(m, "mem_not_counted_for_evict");
	int64_t counted = used;
	double ratio;

	/* evict.c, getMaxmemoryState(): replica and AOF buffers do not count. */
	if (used != RECORD_UNKNOWN && aside > 0)
		counted = used - aside;
	ratio = max > 0 ? measure_ratio(counted, max) : NAN;
	if (!(ratio >= NEAR_WARNING_RATIO))
		return false;
	measure_keyspace(m, &keys, &expires);
	f->severity = near_max_severity(m, ratio);
	f->cost = (double)counted;
	finding_title(f, "%s of maxmemory is in use (%s of %s)", say_percent(ratio).s,
		      say_bytes(counted).s, say_bytes(max).s);
	finding_evidence_bytes(f, "used_memory", used, BASIS_EXACT);
	finding_evidence_bytes(f, "mem_not_counted_for_evict", aside, BASIS_EXACT);
	finding_evidence_bytes(f, "maxmemory", max, BASIS_EXACT);
	finding_evidence(f, "maxmemory_ratio", ratio, "ratio", BASIS_DERIVED);
	finding_evidence_text(f, "maxmemory_policy", policy_name(m), BASIS_EXACT);
	finding_evidence_count(f, "keys_with_ttl_total", expires, "keys", BASIS_EXACT);
	near_max_cause(m, f);
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
	int64_t max = max_memory(m), used = measure_used(m);
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

	if (max_memory(m) != 0)
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
static int64_t cgroup_need(const struct model *m)
{
	int64_t need = RECORD_UNKNOWN, child = measure_child_private(m);

	for (size_t i = m->timeline_count; i > 0 && need == RECORD_UNKNOWN; i--)
		need = m->timeline[i - 1].host.rss_anon_bytes;
	if (need == RECORD_UNKNOWN)
		need = measure_rss(m);
	return need == RECORD_UNKNOWN ? need : measure_sum(need, child);
}

static void cgroup_evidence(const struct model *m, struct finding *f, int64_t need)
{
	const struct record_host *h = &m->host_end;
	int64_t child = measure_child_private(m);

	finding_evidence_bytes(f, "cgroup_limit", h->cgroup_limit_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "cgroup_usage", h->cgroup_usage_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "cgroup_swap", h->cgroup_swap_bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "server_and_child", need, BASIS_DERIVED);
	finding_evidence_bytes(f, "child_private_bytes", child > 0 ? child : RECORD_UNKNOWN,
			       BASIS_EXACT);
	if (max_memory(m) > 0)
		finding_evidence_bytes(f, "maxmemory", max_memory(m), BASIS_EXACT);
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

bool rule_cgroup(const struct model *m, struct finding *f)
{
	int64_t limit = m->have_host ? m->host_end.cgroup_limit_bytes : RECORD_UNKNOWN;
	int64_t max = max_memory(m), need = cgroup_need(m);
	double ratio = measure_ratio(need, limit);
	bool near = ratio >= NEAR_WARNING_RATIO;

	if (limit == RECORD_UNKNOWN || (!near && max <= limit))
		return false;
	f->severity = ratio >= NEAR_CRITICAL_RATIO ? SEVERITY_CRITICAL : SEVERITY_WARNING;
	f->cost = near ? (double)need : 0;
	if (near)
		finding_title(f, "The server holds %s of its cgroup's limit of %s",
			      say_percent(ratio).s, say_bytes(limit).s);
	else
		finding_title(f, "maxmemory (%s) is above the cgroup's limit (%s)",
			      say_bytes(max).s, say_bytes(limit).s);
	cgroup_evidence(m, f, need);
	finding_cause(f, near ? "The kernel charges resident memory, page cache and the child's "
				"copies, not used_memory; at the limit it drops page cache, then "
				"swaps, then kills." :
				"The kernel will swap out or kill the server before it can reach "
				"its own limit and evict.");
	cgroup_actions(m, f, limit);
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
	finding_evidence_bytes(f, "server_and_child", need, BASIS_DERIVED);
	if (m->have_totals && m->totals.reclaim_entries > 0)
		finding_evidence_count(f, "reclaim_entries_total", m->totals.reclaim_entries,
				       "entries", BASIS_EXACT);
}

/* Page cache above memory.high is dropped without harm: only what the server itself
 * holds counts, as with the limit. */
bool rule_high(const struct model *m, struct finding *f)
{
	int64_t high = m->have_host ? m->host_end.cgroup_high_bytes : RECORD_UNKNOWN;
	int64_t need = cgroup_need(m);
	double ratio = measure_ratio(need, high);
	bool held = ratio >= NEAR_CRITICAL_RATIO || high_events(m) > 0;

	if (!(ratio >= NEAR_WARNING_RATIO))
		return false;
	f->severity = held ? SEVERITY_WARNING : SEVERITY_INFO;
	f->cost = (double)need;
	finding_title(f, "The server holds %s of its cgroup's memory.high (%s)",
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
	bool cache = policy_is(m, "allkeys-");
	double buffers = measure_ratio(model_info_end(m, "mem_clients_normal"), max_memory(m));

	/* total_eviction_exceeded_time: eviction did not keep up (7.0 and later). */
	if (model_info_delta(m, "total_eviction_exceeded_time") > 0 || buffers > BUFFERS_SHARE)
		return SEVERITY_WARNING;
	return cache || rate < EVICTIONS_PER_SECOND ? SEVERITY_INFO : SEVERITY_WARNING;
}

bool rule_evict_active(const struct model *m, struct finding *f)
{
	int64_t evicted = model_info_delta(m, "evicted_keys");
	int64_t clients = model_info_end(m, "mem_clients_normal"), max = max_memory(m);
	double rate = (double)evicted / m->duration_seconds;

	if (evicted == RECORD_UNKNOWN || evicted <= 0 || !(m->duration_seconds > 0))
		return false;
	f->severity = evict_severity(m, rate);
	f->cost = max > 0 ? (double)max * 0.01 : 0; /* beside mem.near_max, not before it */
	finding_title(f, "%s keys were evicted in %s (%.0f/s)", say_count(evicted).s,
		      say_seconds(m->duration_seconds).s, rate);
	finding_evidence_count(f, "evicted_keys", evicted, "keys", BASIS_EXACT);
	finding_evidence_text(f, "maxmemory_policy", policy_name(m), BASIS_EXACT);
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
