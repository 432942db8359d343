/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Bytes through the allocator: who had most of them in each interval, and by size class.
 * Who had how many over the whole window is in the charges (profile.c); here they are
 * put in the order of their bytes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/sum.h"
#include "model/account.h"
#include "model/private.h"

/* The probe is not there from the first moment to the last. */
#define FULL_DUTY 0.995

/* Records of one drain come together; the next drain is a tick later. */
#define SAME_TICK_SECONDS 0.02

#define TICKS_MAX 4096 /* more are merged, two by two */

struct alloc_flow {
	struct accounts commands, prefixes; /* of the interval under way */
	struct keep *names; /* of the intervals before */
	double t_seconds, alloc_bytes, free_bytes;
	bool under_way;
};

struct alloc_flow *alloc_new(struct prefixes *prefixes)
{
	struct alloc_flow *flow = xcalloc(1, sizeof(*flow));

	flow->prefixes.prefixes = prefixes;
	flow->names = intern_new();
	return flow;
}

void alloc_free(struct alloc_flow *flow)
{
	if (!flow)
		return;
	accounts_clear(&flow->commands);
	accounts_clear(&flow->prefixes);
	intern_free(flow->names);
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
		struct bytes name;

		if (count == ALLOC_TOP)
			break;
		if (prefix)
			name = (struct bytes){ prefix->text, prefix->len };
		else
			name = (struct bytes){ account->of.name, strlen(account->of.name) };
		name = intern_bytes(m->priv->flow->names, name);
		top[count++] = (struct alloc_top){
			.name = name.data,
			.name_len = name.len,
			.alloc_bytes = account->charge.alloc_bytes,
			.free_bytes = account->charge.free_bytes,
		};
	}
	accounts_clear(accounts);
}

/* More of a name that may be among the top: of one that is not, nothing is known. */
static void merge_top(struct alloc_top *tops, const struct alloc_top *more)
{
	size_t i = 0;

	while (i < ALLOC_TOP && tops[i].name && tops[i].name != more->name)
		i++;
	if (i == ALLOC_TOP && more->alloc_bytes <= tops[--i].alloc_bytes)
		return;
	if (tops[i].name == more->name) {
		tops[i].alloc_bytes += more->alloc_bytes;
		tops[i].free_bytes += more->free_bytes;
	} else {
		tops[i] = *more;
	}
	for (; i > 0 && tops[i].alloc_bytes > tops[i - 1].alloc_bytes; i--) {
		struct alloc_top lower = tops[i - 1];

		tops[i - 1] = tops[i];
		tops[i] = lower;
	}
}

static void merge_tick(struct alloc_tick *into, const struct alloc_tick *next)
{
	into->t_seconds = next->t_seconds;
	into->alloc_bytes += next->alloc_bytes;
	into->free_bytes += next->free_bytes;
	for (size_t i = 0; i < ALLOC_TOP && next->commands[i].name; i++)
		merge_top(into->commands, &next->commands[i]);
	for (size_t i = 0; i < ALLOC_TOP && next->prefixes[i].name; i++)
		merge_top(into->prefixes, &next->prefixes[i]);
}

/* Into @keep, so that names that are in no tick any more go. */
static void rename_tops(struct keep *keep, struct alloc_top *tops)
{
	for (size_t i = 0; i < ALLOC_TOP && tops[i].name; i++)
		tops[i].name =
			intern_bytes(keep, (struct bytes){ tops[i].name, tops[i].name_len }).data;
}

/* Two become one; what is known of them is the sum, of names at least so much. */
static void thin_ticks(struct model *m)
{
	struct alloc *a = &m->alloc;
	struct keep *keep = intern_new();

	for (size_t i = 0; i < a->ticks_count; i++) {
		if (i % 2)
			merge_tick(&a->ticks[i / 2], &a->ticks[i]);
		else
			a->ticks[i / 2] = a->ticks[i];
	}
	a->ticks_count = (a->ticks_count + 1) / 2;
	for (size_t i = 0; i < a->ticks_count; i++) {
		rename_tops(keep, a->ticks[i].commands);
		rename_tops(keep, a->ticks[i].prefixes);
	}
	intern_free(m->priv->flow->names);
	m->priv->flow->names = keep;
}

static void end_tick(struct model *m)
{
	struct alloc_flow *flow = m->priv->flow;
	struct alloc_tick *tick;

	if (!flow->under_way)
		return;
	if (m->alloc.ticks_count == TICKS_MAX)
		thin_ticks(m);
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

/* What is told as a share of the time since the start is one of the window in a window. */
static void budget_of_window(struct record_budget *b, double seconds)
{
	if (!(seconds > 0)) /* NAN: it is all of a session */
		return;
	b->spent_ratio = (b->bpf_seconds + b->trap_seconds + b->attach_seconds) / seconds;
	b->flow_duty_ratio = b->flow_seconds > seconds ? 1 : b->flow_seconds / seconds;
}

/* However much it is, what may be chance comes behind what is not. */
static void put_certain_first(const struct model *m, size_t *order, size_t count)
{
	size_t *chance = xcalloc(count + 1, sizeof(*chance)), certain = 0;

	for (size_t i = 0; i < count; i++) {
		if (model_net_is_certain(m, &m->prefixes[order[i]].charge))
			order[certain++] = order[i];
		else
			chance[i - certain] = order[i];
	}
	memcpy(order + certain, chance, (count - certain) * sizeof(*order));
	free(chance);
}

/* networking.c, io_threads.c, iothread.c: redis_set_thread_title() */
bool model_is_io_thread(const char *thread)
{
	static const char name[] = "io_thd_";

	return !strncmp(thread, name, sizeof(name) - 1);
}

static void share(struct charge *charge, double all, double alloc, double freed)
{
	double part = charge_bytes(charge) / all;

	if (!(part > 0) || isnan(charge->free_bytes)) /* NAN: not known */
		return;
	charge->alloc_bytes += alloc * part;
	charge->free_bytes += freed * part;
	charge->shared_bytes = (alloc + freed) * part;
}

/*
 * From Valkey 8.0 and Redis 8.0 on I/O threads read commands and free their arguments
 * (src/io_threads.c, src/iothread.c), before and after anybody knows of a key. What they move is
 * shared out by what the main thread allocates and frees for each: who has many arguments has many
 * values, which it keeps or frees.
 */
static void share_io_threads(struct model *m)
{
	double alloc = 0, freed = 0, all = 0;

	for (size_t i = 0; i < m->threads_count; i++) {
		const struct charge *charge = &m->threads[i].charge;

		if (!model_is_io_thread(m->threads[i].thread) || isnan(charge->alloc_bytes))
			continue;
		alloc += charge->alloc_bytes;
		freed += charge->free_bytes;
	}
	for (size_t i = 0; i < m->commands_count; i++)
		if (*m->commands[i].command && charge_bytes(&m->commands[i].charge) > 0)
			all += charge_bytes(&m->commands[i].charge);
	if (!(alloc + freed > 0) || !(all > 0))
		return;
	m->alloc.shared_bytes = alloc + freed;
	for (size_t i = 0; i < m->commands_count; i++)
		if (*m->commands[i].command)
			share(&m->commands[i].charge, all, alloc, freed);
	for (size_t i = 0; i < m->prefixes_count; i++)
		share(&m->prefixes[i].charge, all, alloc, freed);
}

void alloc_finish(struct model *m)
{
	struct alloc *a = &m->alloc;

	end_tick(m);
	share_io_threads(m);
	budget_of_window(&a->budget, m->priv->window_seconds);
	a->commands = rank(m, m->commands_count, command_bytes, &a->commands_count);
	a->prefixes = rank(m, m->prefixes_count, prefix_bytes, &a->prefixes_count);
	a->threads = rank(m, m->threads_count, thread_bytes, &a->threads_count);
	a->growth = rank(m, m->prefixes_count, prefix_growth, &a->growth_count);
	if (a->classes_count)
		qsort(a->classes, a->classes_count, sizeof(*a->classes), compare_classes);
	a->flow_duty_ratio = a->budget.flow_duty_ratio;
	a->partly = a->flow_duty_ratio < FULL_DUTY;
	add_up(m);
	put_certain_first(m, a->growth, a->growth_count);
	find_peak(m);
}

double model_net_error(const struct model *m, const struct charge *charge)
{
	const struct alloc *a = &m->alloc;

	return charge_net_error(charge, a->alloc_bytes, a->free_bytes,
				!(a->by_caches && a->partly));
}

bool model_net_is_certain(const struct model *m, const struct charge *charge)
{
	return fabs(charge->alloc_bytes - charge->free_bytes) > model_net_error(m, charge);
}
