/* SPDX-License-Identifier: BSD-2-Clause */
/* Facts come in: each is put where it belongs, as it is. */
#include <math.h>
#include <string.h>

#include "fact/shape.h"
#include "model/account.h"
#include "model/census.h"
#include "model/private.h"

/* A new, zeroed element at the end of m->name[]. */
#define APPEND(m, name)                                                            \
	((m)->name = array_grow((m)->name, (m)->name##_count, sizeof(*(m)->name)), \
	 &(m)->name[(m)->name##_count++])

/* --- kinds read once and not kept as they came --------------------------- */

/* The first reply of any phase is the start, the last one the end: a server that
 * hangs at either end of the watch has still said something. */
static void take_info(struct model *m, const struct fact_info *fact)
{
	struct info *info = info_parse(fact->text);

	timeline_add_info(m, fact->t_seconds, info);
	if (m->info_end != m->info_start)
		info_free(m->info_end);
	m->info_end = info;
	/* One asked for before the window began is its start, also when it came late. */
	if (m->info_start && fact->t_seconds < 0) {
		info_free(m->info_start);
		m->info_start = NULL;
		m->priv->info_replies = 0;
	}
	if (!m->info_start) {
		m->info_start = info;
		m->priv->info_start_full = !strcmp(fact->phase, "start");
	}
	m->priv->info_replies++;
}

static void take_memory_stats(struct model *m, const struct fact_memory_stats *fact)
{
	info_free(m->memory_stats);
	m->memory_stats = info_parse_pairs(fact->text);
	m->priv->memory_stats_phase = keep_string(m->priv->keep, fact->phase);
}

static void take_malloc_stats(struct model *m, const struct fact_malloc_stats *fact)
{
	struct malloc_stats *stats;
	struct err err;

	m->malloc_stats_seconds = fmax(m->malloc_stats_seconds, fact->reply_seconds);
	if (malloc_stats_parse(&stats, fact->text, &err)) {
		m->priv->malloc_stats_refused = true;
		return;
	}
	malloc_stats_free(m->malloc_stats);
	m->malloc_stats = stats;
	m->priv->malloc_stats_phase = keep_string(m->priv->keep, fact->phase);
}

static void take_own_calls(struct model *m, const struct fact_own_calls *fact)
{
	struct buf calls = { 0 };

	buf_printf(&calls, "%lld", (long long)fact->calls_total);
	info_set(m->priv->own_calls, fact->command, buf_str(&calls));
	buf_free(&calls);
}

/* --- kinds kept ----------------------------------------------------------- */

/* A sensor's state may change in the watch: the last word counts, its place stays. */
static void take_sensor(struct model *m, const struct fact_sensor *fact)
{
	size_t i = 0;

	while (i < m->sensors_count && strcmp(m->sensors[i].sensor.id, fact->id))
		i++;
	if (i == m->sensors_count)
		APPEND(m, sensors);
	m->sensors[i].sensor = *fact;
}

static void take_host(struct model *m, const struct fact_host *fact)
{
	if (!m->have_host)
		m->host_start = *fact;
	m->host_end = *fact;
	m->have_host = true;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b; /* FACT_UNKNOWN is below all others */
}

static void take_child(struct model *m, const struct fact_child *fact)
{
	struct fact_child *child;
	int64_t rss, private;
	size_t i = 0;

	while (i < m->children_count && m->children[i].child.pid != fact->pid)
		i++;
	if (i == m->children_count)
		APPEND(m, children)->child = *fact;
	child = &m->children[i].child;
	rss = larger(child->rss_bytes, fact->rss_bytes);
	private = larger(child->private_bytes, fact->private_bytes);
	*child = *fact;
	child->rss_bytes = rss;
	child->private_bytes = private;
}

/* The log is read more than once and holds the same entry each time. */
static void take_slowlog(struct model *m, const struct fact_slowlog *fact)
{
	for (size_t i = 0; i < m->slowlog_count; i++)
		if (m->slowlog[i].entry.id == fact->id &&
		    m->slowlog[i].entry.unix_seconds == fact->unix_seconds)
			return;
	APPEND(m, slowlog)->entry = *fact;
}

static bool same_key(const struct fact_key *a, const struct fact_key *b)
{
	return a->db == b->db && a->key.len && bytes_same(a->key, b->key);
}

/* A key may be looked at more than once; the last look counts. */
static void take_key(struct model *m, const struct fact_key *fact)
{
	size_t i = 0;

	while (i < m->keys_count && !same_key(&m->keys[i].key, fact))
		i++;
	if (i == m->keys_count)
		APPEND(m, keys);
	m->keys[i].key = *fact;
}

/* LATENCY LATEST may be asked more than once and tells the same until there is more. */
static void take_latency(struct model *m, const struct fact_latency *fact)
{
	for (size_t i = 0; i < m->latency_count; i++)
		if (m->latency[i].event.unix_seconds == fact->unix_seconds &&
		    !strcmp(m->latency[i].event.event, fact->event))
			return;
	APPEND(m, latency)->event = *fact;
}

/* One row, three accounts: its key is folded once. */
static void take_profile(struct model *m, const struct fact_profile *fact)
{
	struct prefix *prefix = prefix_hold(m->priv->prefixes, fact->key);

	profile_add(m, fact, prefix);
	alloc_add(m, fact, prefix);
	users_add_profile(m, fact, prefix);
	prefix_drop(m->priv->prefixes, prefix);
}

/* --- the pass over all keys ------------------------------------------------ */

static struct census *census_of(struct model *m)
{
	const char *policy = model_config(m, "maxmemory-policy");

	if (m->census)
		return m->census;
	m->priv->census_fed = true;
	m->census = census_new(m->priv->census_options);
	m->census->may_evict = policy && !strncmp(policy, "allkeys-", 8);
	return m->census;
}

static void take_pass(struct model *m, const struct fact *fact)
{
	const struct fact_pass_part *part = &fact->pass_part;
	struct census *census = census_of(m);

	switch (fact->kind) {
	case FACT_PASS_PART:
		census_part_begin(census, part->node, part->address, part->role, part->db,
				  part->dbsize);
		break;
	case FACT_PASS_REPLY:
		if (fact->pass_reply.ns >= 0 && fact->pass_reply.replies_total > 0)
			hist_add(&census->latency, (uint64_t)fact->pass_reply.ns,
				 (uint64_t)fact->pass_reply.replies_total);
		break;
	case FACT_PASS:
		census_account(census, &fact->pass);
		break;
	default:
		if (fact->key.source == KEY_SOURCE_PASS)
			census_take(census, &fact->key, fact->key.pass_seconds);
		else
			census_take_later(census, &fact->key, fact->key.pass_seconds);
		break;
	}
}

static bool is_pass(const struct fact *fact)
{
	switch (fact->kind) {
	case FACT_PASS_PART:
	case FACT_PASS_REPLY:
	case FACT_PASS:
		return true;
	case FACT_KEY:
		return fact->key.source == KEY_SOURCE_PASS || fact->key.source == KEY_SOURCE_AGAIN;
	default:
		return false;
	}
}

static void take_kept(struct model *m, const struct fact *fact)
{
	switch (fact->kind) {
	case FACT_SESSION:
		m->session = fact->session;
		break;
	case FACT_TARGET:
		m->target = fact->target;
		break;
	case FACT_SENSOR:
		take_sensor(m, &fact->sensor);
		break;
	case FACT_HOST:
		take_host(m, &fact->host);
		break;
	case FACT_MAPPING:
		APPEND(m, mappings)->mapping = fact->mapping;
		break;
	case FACT_STALL:
		blame_stall(&APPEND(m, stalls)->stall, &fact->stall, m->priv->rule);
		break;
	case FACT_RSS_MOVE:
		APPEND(m, rss_moves)->move = fact->rss_move;
		break;
	case FACT_CHILD:
		take_child(m, &fact->child);
		break;
	case FACT_SLOWLOG:
		take_slowlog(m, &fact->slowlog);
		break;
	case FACT_LATENCY:
		take_latency(m, &fact->latency);
		break;
	case FACT_KEY:
		if (fact->key.source == KEY_SOURCE_SAMPLE)
			users_add_key(m->priv->users, &fact->key);
		else
			take_key(m, &fact->key);
		break;
	case FACT_PURGE:
		m->purge = fact->purge;
		m->have_purge = true;
		break;
	case FACT_LIFE:
		APPEND(m, life)->life = fact->life;
		break;
	case FACT_SELF:
		m->self = fact->self;
		m->have_self = true;
		break;
	default: /* model_take() has had it */
		break;
	}
}

void model_take(struct model *m, const struct fact *fact)
{
	struct fact own = *fact;

	if (!fact_shape(fact->kind))
		return;
	fact_no_null(&own);
	if (is_pass(&own)) {
		take_pass(m, &own);
		return;
	}
	switch (own.kind) {
	case FACT_CONFIG:
		info_set(m->config, own.config.name, own.config.value);
		break;
	case FACT_TICK:
		timeline_add_tick(m, &own.tick);
		break;
	case FACT_INFO:
		take_info(m, &own.info);
		break;
	case FACT_MEMORY_STATS:
		take_memory_stats(m, &own.memory_stats);
		break;
	case FACT_MALLOC_STATS:
		take_malloc_stats(m, &own.malloc_stats);
		break;
	case FACT_PROFILE:
		take_profile(m, &own.profile);
		break;
	case FACT_CALL:
		calls_add(m, &own.call);
		users_add_call(m, &own.call);
		break;
	case FACT_BURST:
		m->alloc.burst = own.burst;
		m->alloc.bursts_total++;
		break;
	case FACT_BUDGET:
		m->alloc.budget = own.budget;
		m->alloc.have_budget = true;
		break;
	case FACT_TOTALS:
		m->totals = own.totals;
		m->have_totals = true;
		break;
	case FACT_OWN_CALLS:
		take_own_calls(m, &own.own_calls);
		break;
	default:
		own = keep_fact(m->priv->keep, &own);
		take_kept(m, &own);
		break;
	}
}

static void sink_take(void *ctx, const struct fact *fact)
{
	model_take(ctx, fact);
}

struct fact_sink model_sink(struct model *m)
{
	return (struct fact_sink){ .take = sink_take, .ctx = m };
}
