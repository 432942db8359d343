/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls of the allocator that bursts looked at: how long they took, by command, and how much
 * of what they got nobody asked for. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/hist.h"
#include "base/sum.h"
#include "model/private.h"

struct call_slot {
	UT_hash_handle hh;
	struct call_latency latency; /* quantiles are set when asked for */
	struct hist nanoseconds;
	char command[];
};

struct calls {
	struct call_slot *commands;
	struct call_slot *all;
};

static struct call_slot *slot_new(const char *command)
{
	struct call_slot *slot = xcalloc(1, sizeof(*slot) + strlen(command) + 1);

	strcpy(slot->command, command);
	return slot;
}

struct calls *calls_new(void)
{
	struct calls *calls = xcalloc(1, sizeof(*calls));

	calls->all = slot_new("");
	return calls;
}

void calls_free(struct calls *calls)
{
	struct call_slot *slot, *next;

	if (!calls)
		return;
	HASH_ITER(hh, calls->commands, slot, next) {
		HASH_DEL(calls->commands, slot);
		free(slot);
	}
	free(calls->all);
	free(calls);
}

/* What leaves the thread's cache takes locks and walks slabs, and at least this long
 * beyond what the probe's own cost varies by. */
#define SLOW_SECONDS 500e-9

/* Without the probes' cost and without waiting for a CPU, which is not the allocator's doing.
 * Quicker than that usually is: no time to speak of. NAN when it was not timed. */
static double call_seconds(const struct record_call *record)
{
	int64_t waited = record->waited_ns > 0 ? record->waited_ns : 0;

	if (record->ns < 0)
		return NAN;
	return fmax((double)record->ns / 1e9 - (double)waited / 1e9 -
			    (record->probe_seconds > 0 ? record->probe_seconds : 0),
		    0);
}

static enum call_path call_path(const struct record_call *record, double seconds)
{
	double error = record->probe_error_seconds;

	if (record->faults > 0)
		return CALL_FAULT;
	return seconds > SLOW_SECONDS + (error > 0 ? error : 0) ? CALL_SLOW : CALL_FAST;
}

static struct call_slot *slot_get(struct calls *calls, const char *command)
{
	struct call_slot *slot;

	HASH_FIND_STR(calls->commands, command, slot);
	if (!slot) {
		slot = slot_new(command);
		HASH_ADD_STR(calls->commands, command, slot);
	}
	return slot;
}

/* @bytes in each of the calls that the record stands for. */
static int64_t of_all(const struct record_call *record, int64_t bytes)
{
	return sum_whole((double)call_count(record) * (double)bytes);
}

static void slot_add(struct call_slot *slot, const struct record_call *record)
{
	struct call_latency *latency = &slot->latency;
	int64_t count = call_count(record);
	double seconds = call_seconds(record);
	enum call_path path;

	if (record->requested_bytes > 0 && record->class_bytes >= record->requested_bytes &&
	    record->class_bytes < INT64_MAX / (1 << 24)) {
		sum_add(&latency->requested_bytes, of_all(record, record->requested_bytes));
		sum_add(&latency->class_bytes, of_all(record, record->class_bytes));
	}
	if (!isfinite(seconds) || seconds > 1e6)
		return;
	latency->calls_total += count;
	hist_add(&slot->nanoseconds, (uint64_t)(seconds * 1e9), (uint64_t)count);
	if (!(seconds <= latency->max_seconds))
		latency->max_seconds = seconds;
	latency->mean_seconds += seconds * (double)count; /* the sum, while records come in */
	path = call_path(record, seconds);
	latency->path_calls[path] += count;
	latency->path_seconds[path] += seconds * (double)count;
}

void calls_add(struct model *m, const struct record_call *record)
{
	struct calls *calls = m->priv->calls;

	slot_add(calls->all, record);
	if (!*record->thread)
		slot_add(slot_get(calls, record->command), record);
	if (record->requested_bytes > 0 && record->class_bytes >= record->requested_bytes) {
		struct alloc_class *class = alloc_class(m, record->class_bytes);

		class->calls_total += call_count(record);
		sum_add(&class->requested_bytes, of_all(record, record->requested_bytes));
	}
}

static struct call_latency latency_of(const struct call_slot *slot)
{
	struct call_latency latency = slot ? slot->latency : (struct call_latency){ 0 };

	if (!latency.calls_total) {
		latency.mean_seconds = latency.max_seconds = NAN;
		latency.p50_seconds = latency.p99_seconds = NAN;
		return latency;
	}
	latency.mean_seconds /= (double)latency.calls_total;
	latency.p50_seconds = (double)hist_quantile(&slot->nanoseconds, 0.5) / 1e9;
	latency.p99_seconds = (double)hist_quantile(&slot->nanoseconds, 0.99) / 1e9;
	return latency;
}

struct call_latency calls_of(const struct model *m, const char *command)
{
	struct call_slot *slot;

	HASH_FIND_STR(m->priv->calls->commands, command, slot);
	return latency_of(slot);
}

const struct hist *model_call_times(const struct model *m, const char *command)
{
	struct call_slot *slot;

	HASH_FIND_STR(m->priv->calls->commands, command, slot);
	return slot && slot->nanoseconds.count ? &slot->nanoseconds : NULL;
}

void calls_each(const struct model *m, void (*each)(void *ctx, const char *command), void *ctx)
{
	struct call_slot *slot, *next;

	HASH_ITER(hh, m->priv->calls->commands, slot, next)
		each(ctx, slot->command);
}

void calls_finish(struct model *m)
{
	m->alloc.latency = latency_of(m->priv->calls->all);
}

/* --- rounding ---------------------------------------------------------------- */

/*
 * Rounding: memory nobody asked for, because a request is rounded up to its size class.
 * Bursts tell what part of each class that is; MALLOC-STATS, how much of each is live.
 * Classes no burst met are taken for the mean of those that were.
 */

static const struct alloc_class *class_seen(const struct model *m, int64_t size_bytes)
{
	for (size_t i = 0; i < m->alloc.classes_count; i++)
		if (m->alloc.classes[i].size_bytes == size_bytes && m->alloc.classes[i].calls_total)
			return &m->alloc.classes[i];
	return NULL;
}

int64_t rounding_bytes(const struct model *m)
{
	double wasted = 0, met = 0, all = 0;

	for (size_t i = 0; m->malloc_stats && i < m->malloc_stats->classes_count; i++) {
		const struct size_class *class = &m->malloc_stats->classes[i];
		const struct alloc_class *seen = class_seen(m, class->size_bytes);
		double live = (double)class->allocated_bytes;

		if (live <= 0)
			continue;
		all += live;
		if (!seen)
			continue;
		met += live;
		wasted += live * (1 - (double)seen->requested_bytes / ((double)seen->calls_total *
								       (double)class->size_bytes));
	}
	return met > 0 ? sum_whole(wasted / met * all) : RECORD_UNKNOWN;
}
