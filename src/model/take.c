/* SPDX-License-Identifier: BSD-2-Clause */
/* Records come in: each is put where it belongs, as it is. */
#include <math.h>
#include <string.h>

#include "record/schema.h"
#include "model/account.h"
#include "model/keyspace.h"
#include "model/private.h"

/* A new, zeroed element at the end of m->name[]. */
#define APPEND(m, name)                                                            \
	((m)->name = array_grow((m)->name, (m)->name##_count, sizeof(*(m)->name)), \
	 &(m)->name[(m)->name##_count++])

/* --- kinds read once and not kept as they came --------------------------- */

/* The first reply of any phase is the start, the last one the end: a server that
 * hangs at either end of the watch has still said something. */
static void take_info(struct model *m, const struct record_info *record)
{
	struct info *info = info_parse(record->text);

	timeline_add_info(m, record->t_seconds, info);
	if (m->info_end != m->info_start)
		info_free(m->info_end);
	m->info_end = info;
	m->priv->errors_at_end = strstr(record->text, "# Errorstats") != NULL;
	/* One asked for before the window began is its start, also when it came late. */
	if (m->info_start && record->t_seconds < 0) {
		info_free(m->info_start);
		m->info_start = NULL;
		m->priv->info_replies = 0;
	}
	if (!m->info_start) {
		m->info_start = info;
		m->priv->info_start_full = !strcmp(record->phase, "start");
		m->priv->errors_at_start = m->priv->errors_at_end;
	}
	m->priv->info_replies++;
}

static void take_memory_stats(struct model *m, const struct record_memory_stats *record)
{
	info_free(m->memory_stats);
	m->memory_stats = info_parse_pairs(record->text);
	m->priv->memory_stats_phase = intern_string(m->priv->keep, record->phase);
}

static void take_malloc_stats(struct model *m, const struct record_malloc_stats *record)
{
	struct malloc_stats *stats;
	struct err err;

	m->malloc_stats_seconds = fmax(m->malloc_stats_seconds, record->reply_seconds);
	if (malloc_stats_parse(&stats, record->text, &err)) {
		m->priv->malloc_stats_refused = true;
		return;
	}
	malloc_stats_free(m->malloc_stats);
	m->malloc_stats = stats;
	m->priv->malloc_stats_phase = intern_string(m->priv->keep, record->phase);
}

static void take_own_calls(struct model *m, const struct record_own_calls *record)
{
	struct buf calls = { 0 };

	buf_printf(&calls, "%lld", (long long)record->calls_total);
	info_set(m->priv->own_calls, record->command, buf_str(&calls));
	buf_free(&calls);
}

/* --- kinds kept ----------------------------------------------------------- */

/* A sensor's state may change in the watch: the last word counts, its place stays. */
static void take_sensor(struct model *m, const struct record_sensor *record)
{
	size_t i = 0;

	while (i < m->sensors_count && strcmp(m->sensors[i].sensor.id, record->id))
		i++;
	if (i == m->sensors_count)
		APPEND(m, sensors);
	m->sensors[i].sensor = *record;
}

static void take_host(struct model *m, const struct record_host *record)
{
	if (!m->have_host)
		m->host_start = *record;
	m->host_end = *record;
	m->have_host = true;
}

static void take_cpu_limit(struct model *m, const struct record_cpu_limit *record)
{
	size_t i = 0;

	while (i < m->cpu_limits_count && strcmp(m->cpu_limits[i].end.cgroup, record->cgroup))
		i++;
	if (i == m->cpu_limits_count)
		APPEND(m, cpu_limits)->start = *record;
	m->cpu_limits[i].end = *record;
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b; /* RECORD_UNKNOWN is below all others */
}

static void take_child(struct model *m, const struct record_child *record)
{
	struct record_child *child;
	int64_t rss, private;
	size_t i = 0;

	while (i < m->children_count && m->children[i].child.pid != record->pid)
		i++;
	if (i == m->children_count)
		APPEND(m, children)->child = *record;
	child = &m->children[i].child;
	rss = larger(child->rss_bytes, record->rss_bytes);
	private = larger(child->private_bytes, record->private_bytes);
	*child = *record;
	child->rss_bytes = rss;
	child->private_bytes = private;
}

/* The log is read more than once and holds the same entry each time. */
static void take_slowlog(struct model *m, const struct record_slowlog *record)
{
	for (size_t i = 0; i < m->slowlog_count; i++)
		if (m->slowlog[i].entry.id == record->id &&
		    m->slowlog[i].entry.unix_seconds == record->unix_seconds)
			return;
	APPEND(m, slowlog)->entry = *record;
}

static bool same_key(const struct record_key *a, const struct record_key *b)
{
	return a->db == b->db && a->key.len && bytes_same(a->key, b->key);
}

/* Drawn at random, or looked at: that may be more than once, and the last look counts. */
static void take_key(struct model *m, const struct record_key *record)
{
	size_t i = 0;

	if (record->source == KEY_SOURCE_SAMPLE) {
		users_add_key(m->priv->users, record);
		return;
	}
	while (i < m->keys_count && !same_key(&m->keys[i].key, record))
		i++;
	if (i == m->keys_count)
		APPEND(m, keys);
	m->keys[i].key = *record;
}

/* LATENCY LATEST may be asked more than once and tells the same until there is more. */
static void take_latency(struct model *m, const struct record_latency *record)
{
	for (size_t i = 0; i < m->latency_count; i++)
		if (m->latency[i].event.unix_seconds == record->unix_seconds &&
		    !strcmp(m->latency[i].event.event, record->event))
			return;
	APPEND(m, latency)->event = *record;
}

/* One row, three accounts: its key is folded once. */
static void take_profile(struct model *m, const struct record_profile *record)
{
	struct prefix *prefix;

	if (unseen_give(m, record))
		return;
	prefix = prefix_hold(m->priv->prefixes, record->key);
	unseen_note(m, record, prefix);
	profile_add(m, record, prefix);
	alloc_add(m, record, prefix);
	users_add_profile(m, record, prefix);
	prefix_drop(m->priv->prefixes, prefix);
}

/* --- the pass over all keys ------------------------------------------------ */

static struct keyspace *keyspace_of(struct model *m)
{
	const char *policy = model_config(m, "maxmemory-policy");

	if (m->keyspace)
		return m->keyspace;
	m->priv->keyspace_fed = true;
	m->keyspace = keyspace_new(m->priv->keyspace_options);
	m->keyspace->may_evict = policy && !strncmp(policy, "allkeys-", 8);
	return m->keyspace;
}

static void take_pass(struct model *m, const struct record *record)
{
	const struct record_pass_part *part = &record->pass_part;
	struct keyspace *keyspace = keyspace_of(m);

	switch (record->kind) {
	case RECORD_PASS_PART:
		keyspace_part_begin(keyspace, part->node, part->address, part->role, part->db,
				    part->dbsize);
		break;
	case RECORD_PASS_REPLY:
		if (record->pass_reply.ns >= 0 && record->pass_reply.replies_total > 0)
			hist_add(&keyspace->latency, (uint64_t)record->pass_reply.ns,
				 (uint64_t)record->pass_reply.replies_total);
		break;
	case RECORD_PASS:
		keyspace_account(keyspace, &record->pass);
		break;
	default:
		if (record->key.source == KEY_SOURCE_PASS)
			keyspace_take(keyspace, &record->key, record->key.pass_seconds);
		else
			keyspace_take_later(keyspace, &record->key, record->key.pass_seconds);
		break;
	}
}

static bool is_pass(const struct record *record)
{
	switch (record->kind) {
	case RECORD_PASS_PART:
	case RECORD_PASS_REPLY:
	case RECORD_PASS:
		return true;
	case RECORD_KEY:
		return record->key.source == KEY_SOURCE_PASS ||
		       record->key.source == KEY_SOURCE_AGAIN;
	default:
		return false;
	}
}

static void take_kept(struct model *m, const struct record *record)
{
	switch (record->kind) {
	case RECORD_SESSION:
		m->session = record->session;
		break;
	case RECORD_TARGET:
		m->target = record->target;
		break;
	case RECORD_SENSOR:
		take_sensor(m, &record->sensor);
		break;
	case RECORD_HOST:
		take_host(m, &record->host);
		break;
	case RECORD_CPU_LIMIT:
		take_cpu_limit(m, &record->cpu_limit);
		break;
	case RECORD_MAPPING:
		APPEND(m, mappings)->mapping = record->mapping;
		break;
	case RECORD_STALL:
		blame_stall(&APPEND(m, stalls)->stall, &record->stall, m->priv->rule);
		break;
	case RECORD_RSS_MOVE:
		APPEND(m, rss_moves)->move = record->rss_move;
		break;
	case RECORD_CHILD:
		take_child(m, &record->child);
		break;
	case RECORD_SLOWLOG:
		take_slowlog(m, &record->slowlog);
		break;
	case RECORD_LATENCY:
		take_latency(m, &record->latency);
		break;
	case RECORD_CLIENT:
		APPEND(m, clients)->client = record->client;
		break;
	case RECORD_KEY:
		take_key(m, &record->key);
		break;
	case RECORD_PURGE:
		m->purge = record->purge;
		m->have_purge = true;
		break;
	case RECORD_LIFE:
		APPEND(m, life)->life = record->life;
		break;
	case RECORD_SELF:
		m->self = record->self;
		m->have_self = true;
		break;
	default: /* model_take() has had it */
		break;
	}
}

void model_take(struct model *m, const struct record *record)
{
	struct record own = *record;

	if (!record_schema(record->kind))
		return;
	record_no_null(&own);
	if (is_pass(&own)) {
		take_pass(m, &own);
		return;
	}
	switch (own.kind) {
	case RECORD_CONFIG:
		info_set(m->config, own.config.name, own.config.value);
		break;
	case RECORD_TICK:
		timeline_add_tick(m, &own.tick);
		break;
	case RECORD_INFO:
		take_info(m, &own.info);
		break;
	case RECORD_MEMORY_STATS:
		take_memory_stats(m, &own.memory_stats);
		break;
	case RECORD_MALLOC_STATS:
		take_malloc_stats(m, &own.malloc_stats);
		break;
	case RECORD_PROFILE:
		take_profile(m, &own.profile);
		break;
	case RECORD_CALL:
		calls_add(m, &own.call);
		users_add_call(m, &own.call);
		break;
	case RECORD_BURST:
		m->alloc.burst = own.burst;
		m->alloc.bursts_total++;
		break;
	case RECORD_BUDGET:
		m->alloc.budget = own.budget;
		m->alloc.have_budget = true;
		break;
	case RECORD_TOTALS:
		m->totals = own.totals;
		m->have_totals = true;
		break;
	case RECORD_OWN_CALLS:
		take_own_calls(m, &own.own_calls);
		break;
	default:
		own = intern_record(m->priv->keep, &own);
		take_kept(m, &own);
		break;
	}
}

static void sink_take(void *ctx, const struct record *record)
{
	model_take(ctx, record);
}

struct record_sink model_sink(struct model *m)
{
	return (struct record_sink){ .take = sink_take, .ctx = m };
}
