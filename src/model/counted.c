/* SPDX-License-Identifier: BSD-2-Clause */
/* What the server counted around a stall; see counted.h. */
#include "model/counted.h"

#include <math.h>
#include <stdlib.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/sum.h"
#include "record/schema.h"
#include "redis/info.h"
#include "model/intern.h"

/* No INFO is answered in a stall, so the last one before it is among the newest few, however long
 * it was. */
#define SAMPLES 16
/* Held back at once; a stream without marks (a recording of 0.1.0) may have any number. */
#define HELD_MAX 4096

enum work { WORK_EXPIRY, WORK_EVICTION, WORK_DEFRAG, WORKS };

/* Its counts have these names; some servers have not all. */
static const struct {
	enum work work;
	const char *name;
} counts[] = {
	{ WORK_EXPIRY, "expired_keys" },       { WORK_EXPIRY, "expired_subkeys" },
	{ WORK_EXPIRY, "expired_fields" },     { WORK_EVICTION, "evicted_keys" },
	{ WORK_DEFRAG, "active_defrag_hits" }, { WORK_DEFRAG, "active_defrag_misses" },
};

#define COUNTS (sizeof(counts) / sizeof(counts[0]))

/* Of one INFO. */
struct sample {
	double t_seconds; /* when its answer was here; it is no newer than that */
	int64_t count[COUNTS]; /* RECORD_UNKNOWN */
};

struct held {
	struct record stall;
	struct keep *keep;
	struct sample before;
};

struct counted {
	struct record_sink next;
	struct sample samples[SAMPLES]; /* the i'th that came at i % SAMPLES */
	size_t came;
	struct held *held; /* as they came */
	size_t held_count;
};

static void ignore(void *ctx, const struct record *record)
{
	(void)ctx;
	(void)record;
}

struct counted *counted_new(const struct record_sink *next)
{
	struct counted *counted = xcalloc(1, sizeof(*counted));

	counted->next = next ? *next : (struct record_sink){ ignore, NULL };
	return counted;
}

void counted_free(struct counted *counted)
{
	if (!counted)
		return;
	for (size_t i = 0; i < counted->held_count; i++)
		intern_free(counted->held[i].keep);
	free(counted->held);
	free(counted);
}

/* --- INFO ------------------------------------------------------------------------- */

static void take_info(struct counted *counted, const struct record_info *record)
{
	struct sample sample = { .t_seconds = record->t_seconds };
	struct info *info = info_parse(record->text);
	bool any = false;

	for (size_t i = 0; i < COUNTS; i++) {
		int64_t count = info_int(info, counts[i].name);

		sample.count[i] = count >= 0 ? count : RECORD_UNKNOWN;
		any |= count >= 0;
	}
	info_free(info);
	if (any)
		counted->samples[counted->came++ % SAMPLES] = sample;
}

/* The newest that was answered by @t. Before the first there is nothing but that a server counts
 * from 0. */
static struct sample sample_before(const struct counted *counted, double t)
{
	for (size_t i = counted->came; i > 0 && i + SAMPLES > counted->came; i--) {
		const struct sample *sample = &counted->samples[(i - 1) % SAMPLES];

		if (sample->t_seconds <= t)
			return *sample;
	}
	return (struct sample){ .t_seconds = -INFINITY };
}

/* --- stalls ----------------------------------------------------------------------- */

static double end_of(const struct record_stall *stall)
{
	return stall->t_seconds + stall->duration_seconds;
}

static int64_t grown(int64_t before, int64_t after)
{
	return before == RECORD_UNKNOWN || after < before ? RECORD_UNKNOWN : after - before;
}

static void count_work(const struct sample *before, const struct sample *after, int64_t out[WORKS])
{
	for (size_t i = 0; i < COUNTS; i++) {
		int64_t *work = &out[counts[i].work], more;

		more = grown(before->count[i], after->count[i]);
		if (more != RECORD_UNKNOWN)
			*work = *work == RECORD_UNKNOWN ? more : sum_of(*work, more);
	}
}

static void fill(const struct counted *counted, const struct sample *before,
		 struct record_stall *stall)
{
	const struct sample *newest =
		counted->came ? &counted->samples[(counted->came - 1) % SAMPLES] : NULL;
	int64_t work[WORKS] = { RECORD_UNKNOWN, RECORD_UNKNOWN, RECORD_UNKNOWN };

	if (newest && newest->t_seconds >= end_of(stall))
		count_work(before, newest, work);
	stall->counted = true;
	stall->expired_total = work[WORK_EXPIRY];
	stall->evicted_total = work[WORK_EVICTION];
	stall->defragged_total = work[WORK_DEFRAG];
}

void counted_fill(const struct counted *counted, struct record_stall *stall)
{
	struct sample before = sample_before(counted, stall->t_seconds);

	fill(counted, &before, stall);
}

static void tell(const struct counted *counted, struct held *held)
{
	fill(counted, &held->before, &held->stall.stall);
	record_emit(&counted->next, &held->stall);
	intern_free(held->keep);
}

/* Tell those that were over by @t. */
static void tell_until(struct counted *counted, double t)
{
	size_t left = 0;

	for (size_t i = 0; i < counted->held_count; i++) {
		struct held *held = &counted->held[i];

		if (end_of(&held->stall.stall) > t)
			counted->held[left++] = *held;
		else
			tell(counted, held);
	}
	counted->held_count = left;
}

static void hold(struct counted *counted, const struct record *record)
{
	struct held *held;
	struct record own = *record;

	if (counted->held_count == HELD_MAX)
		counted_flush(counted);
	record_no_null(&own);
	counted->held = array_grow(counted->held, counted->held_count, sizeof(*held));
	held = &counted->held[counted->held_count++];
	held->keep = intern_new();
	held->stall = intern_record(held->keep, &own);
	held->before = sample_before(counted, own.stall.t_seconds);
}

void counted_flush(struct counted *counted)
{
	for (size_t i = 0; i < counted->held_count; i++)
		tell(counted, &counted->held[i]);
	counted->held_count = 0;
}

static void counted_take(void *ctx, const struct record *record)
{
	struct counted *counted = ctx;

	switch (record->kind) {
	case RECORD_STALL:
		/* What goes on is counted when it is over. */
		if (record->stall.counted || record->stall.running)
			break;
		hold(counted, record);
		return;
	case RECORD_INFO:
		take_info(counted, &record->info);
		break;
	case RECORD_MARK:
		tell_until(counted, record->mark.drained_seconds);
		break;
	default:
		break;
	}
	record_emit(&counted->next, record);
}

struct record_sink counted_sink(struct counted *counted)
{
	return (struct record_sink){ counted_take, counted };
}
