/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The limit that will be met first, when, and by whom: maxmemory, the cgroup's limit or
 * memory.high, the machine's memory, at the growth of this window. A window is short and a
 * limit may be far: what the evidence does not carry is told as thin.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/burden.h"
#include "diagnose/finding.h"
#include "diagnose/growth.h"
#include "diagnose/keys.h"
#include "diagnose/measure.h"
#include "diagnose/rules.h"
#include "redis/knowledge_commands.h"

/* Farther than a day there is time to look again. */
#define HORIZON_SECONDS 86400.0
/* A straight line through a window is believed for so many windows more. */
#define BELIEVED_WINDOWS 100
/* Nobody can act any more. */
#define CRITICAL_SECONDS 60.0
/* A prefix that makes so much of the growth is behind it. */
#define BEHIND_RATIO 0.3
/* A list that makes so much of it is the cause. */
#define LIST_BEHIND_RATIO 0.5

/* --- the limits ------------------------------------------------------------------ */

static struct limit limit_of_server(const struct model *m)
{
	int64_t max = measure_max_memory(m), counted = measure_counted(m);
	struct limit l = { "maxmemory", max, 0, false };

	/* A replica leaves it to its master (replica-ignore-maxmemory). */
	if (max <= 0 || counted == RECORD_UNKNOWN || measure_is_replica(m))
		return (struct limit){ 0 };
	l.room = sum_less(max, counted);
	l.evicts = measure_policy_is(m, "allkeys-");
	return l;
}

static struct limit limit_of_cgroup(const struct model *m)
{
	const struct record_host *h = &m->host_end;
	int64_t kept =
		measure_sum(measure_sum(h->cgroup_near_anon_bytes, h->cgroup_near_shmem_bytes),
			    measure_sum(h->cgroup_near_kernel_bytes, h->cgroup_near_sock_bytes));

	if (!m->have_host || h->cgroup_near_limit_bytes == RECORD_UNKNOWN || kept == RECORD_UNKNOWN)
		return (struct limit){ 0 };
	return (struct limit){ h->cgroup_near_own ? "the cgroup's limit" :
						    "a parent cgroup's limit",
			       h->cgroup_near_limit_bytes,
			       sum_less(h->cgroup_near_limit_bytes, kept), false };
}

static struct limit limit_of_high(const struct model *m)
{
	const struct record_host *h = &m->host_end;

	if (!m->have_host || h->cgroup_high_bytes == RECORD_UNKNOWN ||
	    h->cgroup_high_kept_bytes == RECORD_UNKNOWN)
		return (struct limit){ 0 };
	return (struct limit){ "the cgroup's memory.high", h->cgroup_high_bytes,
			       sum_less(h->cgroup_high_bytes, h->cgroup_high_kept_bytes), false };
}

static struct limit limit_of_machine(const struct model *m)
{
	const struct record_host *h = &m->host_end;

	if (!m->have_host || h->mem_total_bytes == RECORD_UNKNOWN ||
	    h->mem_available_bytes == RECORD_UNKNOWN)
		return (struct limit){ 0 };
	return (struct limit){ "the machine's memory", h->mem_total_bytes, h->mem_available_bytes,
			       false };
}

const char *limit_kind_name(enum limit_kind kind)
{
	static const char *const names[LIMIT_KINDS] = {
		[LIMIT_MAXMEMORY] = "maxmemory",
		[LIMIT_CGROUP] = "cgroup",
		[LIMIT_HIGH] = "cgroup_high",
		[LIMIT_HOST] = "host",
	};

	return names[kind];
}

bool measure_limit(const struct model *m, enum limit_kind kind, struct limit *out)
{
	static struct limit (*const limits[LIMIT_KINDS])(const struct model *m) = {
		[LIMIT_MAXMEMORY] = limit_of_server,
		[LIMIT_CGROUP] = limit_of_cgroup,
		[LIMIT_HIGH] = limit_of_high,
		[LIMIT_HOST] = limit_of_machine,
	};

	*out = limits[kind](m);
	return out->what != NULL;
}

static int by_room(const void *a, const void *b)
{
	const struct limit *x = a, *y = b;

	return x->room < y->room ? -1 : x->room > y->room;
}

size_t measure_limits(const struct model *m, struct limit out[LIMIT_KINDS])
{
	size_t count = 0;

	for (int kind = 0; kind < LIMIT_KINDS; kind++)
		count += measure_limit(m, (enum limit_kind)kind, &out[count]);
	qsort(out, count, sizeof(*out), by_room);
	return count;
}

/* That with the least room; one that is met already is no forecast. */
static struct limit nearest(const struct model *m)
{
	struct limit all[LIMIT_KINDS] = { 0 };

	return measure_limits(m, all) > 0 ? all[0] : (struct limit){ 0 };
}

/* --- what has its own bound -------------------------------------------------------- */

/* How much more the buffers of replication may come to that count against @l: the backlog is filled
 * to its size, and a replica is cut off at its limit, if it has one. What waits for replicas does
 * not count against maxmemory (evict.c, freeMemoryGetNotCountedMemory()). */
static double replication_left(const struct model *m, const struct limit *l)
{
	int64_t backlog = model_info_end(m, "repl_backlog_size");
	int64_t filled = model_info_end(m, "repl_backlog_histlen");
	int64_t replicas = model_info_end(m, "connected_slaves");
	int64_t waiting = model_info_end(m, "mem_clients_slaves");
	int64_t bound = measure_replica_buffer_bound(m);
	double left = backlog > filled && filled >= 0 ? (double)(backlog - filled) : 0;

	if (!strcmp(l->what, "maxmemory") || replicas <= 0)
		return left;
	return bound > 0 ? left + fmax((double)bound * (double)replicas - (double)waiting, 0) :
			   INFINITY;
}

/* Of the growth, that of the replication's buffers, where their bound comes before the limit: no
 * line goes through what ends there. */
static int64_t bounded_growth(const struct model *m, const struct limit *l)
{
	int64_t grown = model_info_delta(m, "mem_total_replication_buffers"); /* 7.0 and later */

	if (l->what == NULL)
		return 0;
	if (grown == RECORD_UNKNOWN)
		grown = measure_sum(model_info_delta(m, "mem_replication_backlog"),
				    model_info_delta(m, "mem_clients_slaves"));
	return grown > 0 && replication_left(m, l) < (double)l->room ? grown : 0;
}

/* --- the growth ---------------------------------------------------------------------- */

/* That of what may come to meet @l. */
static struct growth growth_towards(const struct model *m, const struct limit *l)
{
	return growth_of(m, bounded_growth(m, l));
}

double measure_growth(const struct model *m, bool *steady)
{
	struct limit l = nearest(m);
	struct growth g = growth_towards(m, &l);

	*steady = g.steady;
	return g.bytes_per_second;
}

/* --- by whom ------------------------------------------------------------------------ */

/* Of so many of those that grew most each is looked at. */
#define GROWN_LOOKED_AT 8

/* By how much a prefix grew by commands that may store: what others took more than they freed are
 * replies on their way, which are freed when nobody runs. */
static double stored(const struct model *m, const struct prefix_row *prefix)
{
	double bytes = prefix->charge.alloc_bytes - prefix->charge.free_bytes;

	for (size_t i = 0; i < m->profile_count; i++) {
		const struct profile_row *row = &m->profile[i];
		double net = row->charge.alloc_bytes - row->charge.free_bytes;

		if (*row->command && net > 0 && !command_stores(row->command) &&
		    row->prefix_len == prefix->prefix_len &&
		    !memcmp(row->prefix, prefix->prefix, prefix->prefix_len))
			bytes -= net;
	}
	return bytes;
}

/* The prefix that allocated most more than it freed, when that is a good part of it. */
static const struct prefix_row *behind(const struct model *m, const struct growth *g, double *bytes)
{
	const struct prefix_row *top = NULL;

	for (size_t i = 0; i < m->alloc.growth_count && i < GROWN_LOOKED_AT; i++) {
		const struct prefix_row *prefix = &m->prefixes[m->alloc.growth[i]];
		double grown = stored(m, prefix);

		if (!model_net_is_certain(m, &prefix->charge) || (top && grown <= *bytes))
			continue;
		top = prefix;
		*bytes = grown;
	}
	return top && *bytes >= BEHIND_RATIO * (double)g->bytes ? top : NULL;
}

static bool is_near(const struct growth *g, double seconds)
{
	return seconds <= BELIEVED_WINDOWS * g->seconds;
}

/* The limit is near also at the least that the growth may be. */
static bool is_believed(const struct limit *l, const struct growth *g)
{
	return g->steady && is_near(g, (double)l->room / g->least);
}

static enum severity forecast_severity(const struct limit *l, const struct growth *g,
				       double seconds)
{
	if (l->evicts || !is_believed(l, g))
		return SEVERITY_INFO;
	return seconds <= CRITICAL_SECONDS ? SEVERITY_CRITICAL : SEVERITY_WARNING;
}

/* @behind: who grows; "" = not known. */
static void forecast_title(struct finding *f, const struct limit *l, const char *behind,
			   double seconds)
{
	if (*behind)
		finding_title(f, "%s (%s) is met in %s at this window's growth, most of it %s",
			      l->what, say_bytes(l->bytes).s, say_seconds(seconds).s, behind);
	else
		finding_title(f, "%s (%s) is met in %s at this window's growth", l->what,
			      say_bytes(l->bytes).s, say_seconds(seconds).s);
	/* a sentence begins with a capital, a setting's name stays as it is */
	if (strncmp(f->title, "the ", 4) == 0)
		f->title[0] = 'T';
	else if (strncmp(f->title, "a ", 2) == 0)
		f->title[0] = 'A';
}

static void forecast_cause(struct finding *f, const struct limit *l, bool believed)
{
	finding_cause(f, "%s%s",
		      l->evicts ? "Then keys are evicted for each that is written." :
		      !strcmp(l->what, "maxmemory") ?
				  "Then writes are refused, or keys with a TTL evicted while "
				  "there are any." :
				  "Then the kernel takes memory back: it drops page cache, "
				  "swaps, slows the server down, or kills it.",
		      believed ? "" :
				 " A window as short as this one says little about so long a "
				 "time: look again.");
}

/* Where keys are evicted or writes refused the limit is met, and told. */
static bool forecast_of(const struct model *m, const struct growth *g, const struct limit *l,
			struct forecast *out)
{
	double seconds = (double)l->room / g->bytes_per_second;

	if (l->what == NULL || l->room <= 0 || !(seconds <= HORIZON_SECONDS) ||
	    (!g->steady && !is_near(g, seconds)) || model_info_delta(m, "evicted_keys") > 0 ||
	    model_errors(m, "OOM") > 0)
		return false;
	*out = (struct forecast){ .limit = l->what,
				  .seconds = seconds,
				  .bytes_per_second = g->bytes_per_second,
				  .severity = forecast_severity(l, g, seconds),
				  .weak = !is_believed(l, g),
				  .cost = COST_PER_SECOND * HORIZON_SECONDS / (seconds + 1) };
	return true;
}

bool measure_forecast(const struct model *m, struct forecast *out)
{
	struct limit l = nearest(m);
	struct growth g = growth_towards(m, &l);

	return forecast_of(m, &g, &l, out);
}

bool measure_list_is_behind(const struct model *m, const struct forecast *forecast)
{
	double rate;

	return key_growing_list(m, &rate) && rate >= LIST_BEHIND_RATIO * forecast->bytes_per_second;
}

bool rule_forecast(const struct model *m, struct finding *f)
{
	struct limit l = nearest(m);
	struct growth g = growth_towards(m, &l);
	const struct prefix_row *prefix;
	struct phrase who = { "" };
	struct forecast forecast;
	struct burden burden;
	double bytes = NAN;

	/* Whose growth is one key's is that key's to tell. */
	if (!forecast_of(m, &g, &l, &forecast) || measure_list_is_behind(m, &forecast))
		return false;
	burden = burden_that_grows(m, g.bytes);
	prefix = burden.id ? NULL : behind(m, &g, &bytes);
	if (prefix)
		who = say_key(prefix->prefix, prefix->prefix_len);
	else if (burden.id)
		who = burden.what;
	f->severity = forecast.severity;
	f->weak = forecast.weak;
	f->cost = forecast.cost;
	forecast_title(f, &l, who.s, forecast.seconds);
	finding_evidence(f, "seconds_left", forecast.seconds, "seconds", BASIS_DERIVED);
	finding_evidence_bytes(f, "limit", l.bytes, BASIS_EXACT);
	finding_evidence_bytes(f, "room", l.room, BASIS_DERIVED);
	finding_evidence(f, "growth_bytes_per_second", g.bytes_per_second, "bytes", BASIS_DERIVED);
	finding_evidence(f, "growth_seen_seconds", g.seconds, "seconds", BASIS_EXACT);
	finding_evidence_text(f, "growth", g.steady ? "steady" : "uneven", BASIS_DERIVED);
	if (prefix != NULL)
		finding_evidence(f, "prefix_growth_bytes", bytes, "bytes", BASIS_SAMPLED);
	forecast_cause(f, &l, !f->weak);
	if (burden.id)
		finding_action(f, burden.bytes, say_cli(m, "CLIENT LIST").s,
			       "Begin with that, see %s: no key grows.", burden.id);
	else
		finding_action(f, RECORD_UNKNOWN, "",
			       "See what writes there, and whether its keys have a TTL; else raise "
			       "the limit "
			       "or move data in time.");
	return true;
}
