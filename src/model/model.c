/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model's life: empty, fed (take.c), finished, freed. Subjects of their own have
 * their own files: timeline, profile, stalls, ledger, keyspace...
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "record/schema.h"
#include "model/account.h"
#include "model/counted.h"
#include "model/keyspace.h"
#include "model/one_key.h"
#include "model/private.h"

/* Keys in a list of a pass over all of them, when nobody says how many. */
#define KEYSPACE_TOP 10
/* The server stamps its slow log in whole seconds, by its own clock. */
#define SLOWLOG_SLACK_SECONDS 1.0

const char *basis_name(enum basis basis)
{
	static const char *const names[] = {
		[BASIS_EXACT] = "exact",
		[BASIS_SAMPLED] = "sampled",
		[BASIS_DERIVED] = "derived",
	};

	return names[basis];
}

/* What never comes is unknown, not 0. */
static void set_unknown(struct model *m)
{
	struct record unknown;

	record_clear(&unknown, RECORD_SESSION);
	m->session = unknown.session;
	record_clear(&unknown, RECORD_TARGET);
	m->target = unknown.target;
	record_clear(&unknown, RECORD_HOST);
	m->host_start = m->host_end = unknown.host;
	record_clear(&unknown, RECORD_TOTALS);
	m->totals = unknown.totals;
	record_clear(&unknown, RECORD_SELF);
	m->self = unknown.self;
	record_clear(&unknown, RECORD_BURST);
	m->alloc.burst = unknown.burst;
	record_clear(&unknown, RECORD_BUDGET);
	m->alloc.budget = unknown.budget;
	m->start_seconds = m->duration_seconds = m->malloc_stats_seconds = NAN;
}

struct model *model_new(void)
{
	struct model *m = xcalloc(1, sizeof(*m));

	set_unknown(m);
	m->config = info_parse_pairs("");
	m->priv = xcalloc(1, sizeof(*m->priv));
	m->priv->counted = counted_new(&(struct record_sink){ model_take_counted, m });
	m->priv->keep = intern_new();
	m->priv->self_keep = intern_new();
	m->priv->rule = &blame_by_tables;
	m->priv->window_seconds = NAN;
	m->priv->prefixes = xcalloc(1, sizeof(*m->priv->prefixes));
	m->priv->profile = profile_new(m->priv->prefixes);
	m->priv->hot_keys = hot_keys_new();
	m->priv->flow = alloc_new(m->priv->prefixes);
	m->priv->unseen = unseen_new(m->priv->prefixes);
	m->priv->calls = calls_new();
	m->priv->users = users_new(m->priv->prefixes);
	m->priv->own_calls = info_parse_pairs("");
	m->priv->keyspace_options = xcalloc(1, sizeof(*m->priv->keyspace_options));
	m->priv->keyspace_options->top = KEYSPACE_TOP;
	return m;
}

void model_set_rule(struct model *m, const struct blame_rule *rule)
{
	m->priv->rule = rule;
}

void model_set_keyspace(struct model *m, const struct keyspace_options *options)
{
	*m->priv->keyspace_options = *options;
}

void model_set_window(struct model *m, double start, double seconds)
{
	m->start_seconds = start;
	m->priv->window_seconds = seconds;
}

static void private_free(struct model_private *p)
{
	counted_free(p->counted);
	free(p->samples);
	info_free(p->own_calls);
	info_free(p->stats_start);
	profile_free(p->profile);
	hot_keys_free(p->hot_keys);
	alloc_free(p->flow);
	unseen_free(p->unseen);
	calls_free(p->calls);
	users_free(p->users);
	free(p->prefixes); /* nobody uses any more */
	intern_free(p->keep);
	intern_free(p->self_keep);
	free(p->keyspace_options);
	free(p);
}

void model_free(struct model *m)
{
	if (!m)
		return;
	if (m->info_start != m->info_end)
		info_free(m->info_start);
	info_free(m->info_end);
	info_free(m->memory_stats);
	info_free(m->config);
	malloc_stats_free(m->malloc_stats);
	free(m->timeline);
	free(m->ledger.lines);
	free(m->commands);
	free(m->errors);
	free(m->refusals);
	free(m->replicas);
	free(m->prefixes);
	free(m->threads);
	free(m->profile);
	free(m->stalls);
	free(m->children);
	free(m->keys);
	free(m->drawn);
	free(m->classes);
	free(m->slowlog);
	free(m->large);
	free(m->latency);
	free(m->clients);
	free(m->held);
	free(m->strings);
	free(m->cpu_limits);
	free(m->writers);
	free(m->life);
	free(m->passed);
	free(m->sensors);
	free(m->rss_moves);
	free(m->mappings);
	free(m->alloc.commands);
	free(m->alloc.prefixes);
	free(m->alloc.threads);
	free(m->alloc.growth);
	free(m->alloc.ticks);
	free(m->alloc.classes);
	keyspace_free(m->keyspace);
	one_key_free(m->one_key);
	private_free(m->priv);
	free(m);
}

/* --- finishing ---------------------------------------------------------- */

/* The sensors' window where there is one, else redmem's own, else up to the last tick. */
static double duration(const struct model *m)
{
	double last = NAN;

	if (isfinite(m->totals.window_seconds))
		return m->totals.window_seconds;
	if (isfinite(m->self.window_seconds))
		return m->self.window_seconds;
	for (size_t i = 0; i < m->timeline_count; i++)
		last = fmax(last, m->timeline[i].host.t_seconds); /* ignores NAN */
	return last;
}

static int compare_stalls(const void *a, const void *b)
{
	const struct stall *x = &((const struct stall_row *)a)->stall;
	const struct stall *y = &((const struct stall_row *)b)->stall;

	if (x->duration_seconds != y->duration_seconds)
		return (x->duration_seconds < y->duration_seconds) -
		       (x->duration_seconds > y->duration_seconds);
	return (x->t_seconds > y->t_seconds) - (x->t_seconds < y->t_seconds);
}

static int compare_keys(const void *a, const void *b)
{
	const struct record_key *x = &((const struct key_row *)a)->key;
	const struct record_key *y = &((const struct key_row *)b)->key;

	return (x->bytes < y->bytes) - (x->bytes > y->bytes);
}

/* qsort() must not be given NULL, not even with nothing to sort. */
static void sort(void *array, size_t count, size_t size, int (*compare)(const void *, const void *))
{
	if (count)
		qsort(array, count, size, compare);
}

/* Was what the server logged within the watch? Into a window come none but its own. */
static bool logged_within(const struct model *m, int64_t unix_seconds)
{
	double start = (double)m->session.wall_start_ns / 1e9, t = (double)unix_seconds;

	if (m->session.wall_start_ns == RECORD_UNKNOWN || isnan(m->duration_seconds) ||
	    !isnan(m->priv->window_seconds))
		return true;
	return t >= start - SLOWLOG_SLACK_SECONDS &&
	       t <= start + m->duration_seconds + SLOWLOG_SLACK_SECONDS;
}

/* Drop log entries from before and after the watch. */
static void logs_finish(struct model *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->slowlog_count; i++)
		if (logged_within(m, m->slowlog[i].entry.unix_seconds))
			m->slowlog[kept++] = m->slowlog[i];
	m->slowlog_count = kept;
	kept = 0;
	for (size_t i = 0; i < m->large_count; i++)
		if (logged_within(m, m->large[i].entry.unix_seconds))
			m->large[kept++] = m->large[i];
	m->large_count = kept;
}

/* Where nobody looked when the loop slept there are no stalls. Recordings of 0.1.0 may have some:
 * of turns that seemed to go on while it did. */
static void drop_unwatched(struct model *m)
{
	if (m->sensors_count && !model_sensor_on(m, "loop"))
		m->stalls_count = 0;
}

void model_finish(struct model *m)
{
	counted_flush(m->priv->counted);
	m->duration_seconds =
		isnan(m->priv->window_seconds) ? duration(m) : m->priv->window_seconds;
	/* Of an allocator that has no such statistics nothing was to be understood. */
	m->malloc_stats_not_understood = m->priv->malloc_stats_refused && !m->malloc_stats &&
					 !strncmp(m->target.allocator, "jemalloc", 8);
	timeline_finish(m);
	commandstats_check(m);
	errors_finish(m);
	replication_finish(m);
	profile_finish(m);
	hot_keys_finish(m);
	calls_finish(m);
	alloc_finish(m);
	drop_unwatched(m);
	stalls_heed_window(m);
	sort(m->stalls, m->stalls_count, sizeof(*m->stalls), compare_stalls);
	for (size_t i = 0; i < m->keys_count; i++)
		m->keys[i].key.bytes = plausible_size(m, m->keys[i].key.bytes);
	sort(m->keys, m->keys_count, sizeof(*m->keys), compare_keys);
	logs_finish(m);
	stalls_heed_keys(m);
	children_finish(m);
	one_key_finish(m->one_key, !model_sensor_on(m, "cpu"), !model_sensor_on(m, "fault"),
		       !model_sensor_on(m, "flow"));
	if (m->priv->keyspace_fed)
		keyspace_finish(m->keyspace);
	defrag_finish(m);
	users_finish(m);
	inside_finish(m);
	ledger_build(m);
}

/* --- reading ------------------------------------------------------------ */

int64_t model_purgeable(const struct model *m)
{
	int64_t dirty = ledger_bytes(&m->ledger, "dirty");
	int64_t muzzy = ledger_bytes(&m->ledger, "muzzy");

	if (dirty == RECORD_UNKNOWN)
		return RECORD_UNKNOWN; /* one line with the metadata: not known apart */
	return muzzy == RECORD_UNKNOWN ? dirty : dirty + muzzy;
}

int64_t model_purged(const struct model *m)
{
	if (!m->have_purge || *m->purge.error || m->purge.rss_before_bytes < 0 ||
	    m->purge.rss_after_bytes < 0)
		return RECORD_UNKNOWN;
	return m->purge.rss_before_bytes - m->purge.rss_after_bytes;
}
