/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes through the allocator: who had most of them in each interval, and by size class.
 * Who had how many over the whole window is in the charges (profile.c); here they are
 * put in the order of their bytes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "model/account.h"
#include "model/private.h"

/* The probe is not there from the first moment to the last. */
#define FULL_DUTY 0.995

/* Records of one drain come together; the next drain is a tick later. */
#define SAME_TICK_SECONDS 0.02

struct alloc_flow {
	struct accounts commands, prefixes; /* of the interval under way */
	double t_seconds, alloc_bytes, free_bytes;
	bool under_way;
};

struct alloc_flow *alloc_new(struct prefixes *prefixes)
{
	struct alloc_flow *flow = xcalloc(1, sizeof(*flow));

	flow->prefixes.prefixes = prefixes;
	return flow;
}

void alloc_free(struct alloc_flow *flow)
{
	if (!flow)
		return;
	accounts_clear(&flow->commands);
	accounts_clear(&flow->prefixes);
	free(flow);
}

/* --- intervals --------------------------------------------------------------------- */

static int by_bytes(const struct account *a, const struct account *b)
{
	double x = a->charge.alloc_bytes, y = b->charge.alloc_bytes;

	return (x < y) - (x > y);
}

static void keep_top(struct model *m, struct alloc_top *top, struct accounts *accounts)
{
	struct account *account = NULL, *next;
	size_t count = 0;

	HASH_SRT(hh, accounts->rows, by_bytes);
	HASH_ITER(hh, accounts->rows, account, next) {
		const struct prefix *prefix = account->of.prefix;
		struct bytes name = { account->of.name, 0 };

		if (count == ALLOC_TOP)
			break;
		if (prefix)
			name = intern_bytes(m->priv->keep,
					    (struct bytes){ prefix->text, prefix->len });
		else
			name.len = strlen(name.data);
		top[count++] = (struct alloc_top){
			.name = name.data,
			.name_len = name.len,
			.alloc_bytes = account->charge.alloc_bytes,
			.free_bytes = account->charge.free_bytes,
		};
	}
	accounts_clear(accounts);
}

static void end_tick(struct model *m)
{
	struct alloc_flow *flow = m->priv->flow;
	struct alloc_tick *tick;

	if (!flow->under_way)
		return;
	m->alloc.ticks = array_grow(m->alloc.ticks, m->alloc.ticks_count, sizeof(*m->alloc.ticks));
	tick = &m->alloc.ticks[m->alloc.ticks_count++];
	tick->t_seconds = flow->t_seconds;
	tick->alloc_bytes = flow->alloc_bytes;
	tick->free_bytes = flow->free_bytes;
	keep_top(m, tick->commands, &flow->commands);
	keep_top(m, tick->prefixes, &flow->prefixes);
	flow->alloc_bytes = flow->free_bytes = 0;
	flow->under_way = false;
}

static void add_to(struct accounts *accounts, struct account_key of, bool freed, double bytes)
{
	struct charge *charge = &account_get(accounts, of)->charge;

	*(freed ? &charge->free_bytes : &charge->alloc_bytes) += bytes;
}

static void add_bytes(struct model *m, const struct record_profile *record, struct prefix *prefix,
		      bool freed)
{
	struct alloc_flow *flow = m->priv->flow;
	double bytes = profile_events(record);

	if (flow->under_way && !(fabs(record->t_seconds - flow->t_seconds) < SAME_TICK_SECONDS))
		end_tick(m);
	flow->under_way = true;
	flow->t_seconds = record->t_seconds;
	*(freed ? &flow->free_bytes : &flow->alloc_bytes) += bytes;
	if (!*record->thread)
		add_to(&flow->commands,
		       (struct account_key){
			       .name = intern_string(m->priv->keep, record->command) },
		       freed, bytes);
	if (prefix)
		add_to(&flow->prefixes, (struct account_key){ .prefix = prefix }, freed, bytes);
}

/* --- size classes -------------------------------------------------------------------- */

struct alloc_class *alloc_class(struct model *m, int64_t size_bytes)
{
	struct alloc *a = &m->alloc;

	for (size_t i = 0; i < a->classes_count; i++)
		if (a->classes[i].size_bytes == size_bytes)
			return &a->classes[i];
	a->classes = array_grow(a->classes, a->classes_count, sizeof(*a->classes));
	a->classes[a->classes_count] = (struct alloc_class){ .size_bytes = size_bytes,
							     .alloc_bytes = NAN,
							     .free_bytes = NAN };
	return &a->classes[a->classes_count++];
}

static void add_class(struct model *m, const struct record_profile *record, bool freed)
{
	struct alloc_class *class;

	if (record->class_bytes <= 0)
		return;
	class = alloc_class(m, record->class_bytes);
	m->alloc.by_caches = true;
	if (isnan(class->alloc_bytes))
		class->alloc_bytes = class->free_bytes = 0;
	*(freed ? &class->free_bytes : &class->alloc_bytes) += profile_events(record);
}

void alloc_add(struct model *m, const struct record_profile *record, struct prefix *prefix)
{
	if (!isfinite(record->events) || record->events < 0)
		return;
	if (record->event == EVENT_ALLOC_CLASS || record->event == EVENT_FREE_CLASS)
		add_class(m, record, record->event == EVENT_FREE_CLASS);
	else if (record->event == EVENT_ALLOC || record->event == EVENT_FREE)
		add_bytes(m, record, prefix, record->event == EVENT_FREE);
}

/* --- orders ---------------------------------------------------------------------------- */

struct ranked {
	size_t index;
	double bytes;
};

static int compare_ranked(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->bytes != y->bytes)
		return (x->bytes < y->bytes) - (x->bytes > y->bytes);
	return (x->index > y->index) - (x->index < y->index);
}

/* Indexes of the @count rows with more than 0 in @bytes_of, falling. */
static size_t *rank(const struct model *m, size_t count,
		    double (*bytes_of)(const struct model *m, size_t index), size_t *ranked_count)
{
	struct ranked *ranked = xcalloc(count + 1, sizeof(*ranked));
	size_t *order, n = 0;

	for (size_t i = 0; i < count; i++) {
		double bytes = bytes_of(m, i);

		if (bytes > 0)
			ranked[n++] = (struct ranked){ i, bytes };
	}
	qsort(ranked, n, sizeof(*ranked), compare_ranked);
	order = xcalloc(n + 1, sizeof(*order));
	for (size_t i = 0; i < n; i++)
		order[i] = ranked[i].index;
	free(ranked);
	*ranked_count = n;
	return order;
}

static double command_bytes(const struct model *m, size_t i)
{
	const struct command_row *row = &m->commands[i];

	return charge_bytes(&row->charge) + (double)(row->latency.calls_total > 0);
}

static double prefix_bytes(const struct model *m, size_t i)
{
	return charge_bytes(&m->prefixes[i].charge);
}

static double thread_bytes(const struct model *m, size_t i)
{
	return charge_bytes(&m->threads[i].charge);
}

static double prefix_growth(const struct model *m, size_t i)
{
	const struct charge *charge = &m->prefixes[i].charge;

	return charge->alloc_bytes - charge->free_bytes; /* NAN is not above 0 */
}

static int compare_classes(const void *a, const void *b)
{
	const struct alloc_class *x = a, *y = b;

	return (x->size_bytes > y->size_bytes) - (x->size_bytes < y->size_bytes);
}

/* The interval that led to the most used_memory of the window. */
static void find_peak(struct model *m)
{
	struct alloc *a = &m->alloc;
	double best = INFINITY;

	a->peak_bytes = RECORD_UNKNOWN;
	a->peak_seconds = NAN;
	for (size_t i = 0; i < m->timeline_count; i++) {
		if (m->timeline[i].used_memory_bytes <= a->peak_bytes)
			continue;
		a->peak_bytes = m->timeline[i].used_memory_bytes;
		a->peak_seconds = m->timeline[i].host.t_seconds;
	}
	for (size_t i = 0; i < a->ticks_count && a->peak_bytes != RECORD_UNKNOWN; i++) {
		double away = fabs(a->ticks[i].t_seconds - a->peak_seconds);

		if (away >= best)
			continue;
		best = away;
		a->peak = &a->ticks[i];
	}
}

static void add_up(struct model *m)
{
	struct alloc *a = &m->alloc;

	a->alloc_bytes = a->free_bytes = model_sensor_on(m, "flow") ? 0 : NAN;
	for (size_t i = 0; i < m->threads_count; i++) {
		a->alloc_bytes += m->threads[i].charge.alloc_bytes;
		a->free_bytes += m->threads[i].charge.free_bytes;
		sum_add(&a->flow_hits, m->threads[i].charge.flow_hits);
	}
}

void alloc_finish(struct model *m)
{
	struct alloc *a = &m->alloc;

	end_tick(m);
	a->commands = rank(m, m->commands_count, command_bytes, &a->commands_count);
	a->prefixes = rank(m, m->prefixes_count, prefix_bytes, &a->prefixes_count);
	a->threads = rank(m, m->threads_count, thread_bytes, &a->threads_count);
	a->growth = rank(m, m->prefixes_count, prefix_growth, &a->growth_count);
	if (a->classes_count)
		qsort(a->classes, a->classes_count, sizeof(*a->classes), compare_classes);
	a->flow_duty_ratio = a->budget.flow_duty_ratio;
	a->partly = a->flow_duty_ratio < FULL_DUTY;
	add_up(m);
	find_peak(m);
}
