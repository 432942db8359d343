/* SPDX-License-Identifier: BSD-2-Clause */
/* Records come in: each is put where it belongs. What is kept as it came is take_kept.c's. */
#include <math.h>
#include <string.h>

#include "record/schema.h"
#include "model/counted.h"
#include "model/keyspace.h"
#include "model/one_key.h"
#include "model/private.h"

/* --- kinds read once and not kept as they came --------------------------- */

/* Does one told at @t replace that of @before as what a window begins with? */
static bool is_later_start(double t, double before)
{
	return t < 0 && (before >= 0 || t >= before);
}

/* What counts of commands are compared with. Of those from before a window the newest; it may
 * be older than info_start, when the server was too busy to tell all at the window's start. */
static void take_commandstats(struct model *m, const struct record_info *record)
{
	struct model_private *p = m->priv;
	double t = record->t_seconds;

	if (strcmp(record->phase, "start") != 0 && strcmp(record->phase, "window") != 0)
		return;
	if (p->stats_start && !is_later_start(t, p->stats_seconds))
		return;
	info_free(p->stats_start);
	p->stats_start = info_parse(record->text);
	p->stats_seconds = t;
}

/* The first reply of any phase is the start, the last one the end: a server that
 * hangs at either end of the watch has still said something. */
static void take_info(struct model *m, const struct record_info *record)
{
	struct model_private *p = m->priv;
	struct info *info;

	take_commandstats(m, record);
	/* One asked for before the window began is its start, also when it came late. */
	if (m->info_start && record->t_seconds < 0) {
		if (!is_later_start(record->t_seconds, p->info_start_seconds))
			return;
		p->info_replies = 0;
	}
	info = info_parse(record->text);
	timeline_add_info(m, record->t_seconds, info);
	if (m->info_end != m->info_start)
		info_free(m->info_end);
	m->info_end = info;
	p->info_end_seconds = record->t_seconds;
	p->errors_at_end = strstr(record->text, "# Errorstats") != NULL;
	if (m->info_start && !p->info_replies) {
		info_free(m->info_start);
		m->info_start = NULL;
	}
	if (!m->info_start) {
		m->info_start = info;
		p->info_start_seconds = record->t_seconds;
		p->errors_at_start = p->errors_at_end;
	}
	p->info_replies++;
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

/* One a tick, with what was lost by then in words: those of the last are enough. */
static void take_self(struct model *m, const struct record *record)
{
	intern_free(m->priv->self_keep);
	m->priv->self_keep = intern_new();
	m->self = intern_record(m->priv->self_keep, record).self;
	m->have_self = true;
}

/* One row, and all that is added up of it: its key is folded once. */
static void take_profile(struct model *m, const struct record_profile *record)
{
	struct prefix *prefix;

	if (unseen_give(m, record))
		return;
	one_key_take_profile(m, record);
	hot_keys_add(m, record);
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
	const char *policy;

	if (m->keyspace)
		return m->keyspace;
	policy = model_config(m, "maxmemory-policy");
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
		model_take_key(m, &record->key);
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

/* --- any ------------------------------------------------------------------- */

static void take_any(struct model *m, const struct record *record)
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
	case RECORD_SELF:
		take_self(m, &own);
		break;
	default:
		take_kept(m, &own);
		break;
	}
}

/* There may be a hundred million of these, and a record is some 700 bytes. */
void model_take_key(struct model *m, const struct record_key *key)
{
	if (key->source == KEY_SOURCE_PASS)
		keyspace_take(keyspace_of(m), key, key->pass_seconds);
	else
		keyspace_take_later(keyspace_of(m), key, key->pass_seconds);
}

void model_take_counted(void *ctx, const struct record *record)
{
	struct model *m = ctx;

	if (record->kind == RECORD_KEY && record->key.type && record->key.encoding &&
	    is_pass(record))
		model_take_key(m, &record->key);
	else
		take_any(m, record);
}

void model_take(struct model *m, const struct record *record)
{
	struct record_sink sink = counted_sink(m->priv->counted);

	record_emit(&sink, record);
}

static void sink_take(void *ctx, const struct record *record)
{
	model_take(ctx, record);
}

struct record_sink model_sink(struct model *m)
{
	return (struct record_sink){ .take = sink_take, .ctx = m };
}
