/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole labs of which the truth is known, as they are run: three servers in each restart, of which
 * the first is in both phases, a look after each restart whether it is precise enough, the end at
 * once when it is, and the verdict on all metrics. What may make that wrong is in it: looking again
 * and again, the phase that decides of the other what is judged, tails, skew, lives that fall into
 * two kinds, weather that goes on from slice to slice, metrics that come out the same or are
 * mostly zero.
 *
 * Seeds are fixed: each test gives the same each time. Bounds of counts are what chance alone
 * exceeds in less than 1 of 1,000 tests (binomial).
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lab/verdict.h"
#include "lab_scene.h"

#define LABS	      60
#define RESTARTS_MOST 12
#define PAIRS	      5

enum { FIRST, AGAIN, OTHER, SERVERS };

struct climate {
	struct lab_noise noise;
	bool skewed; /* much more now and then, and never much less */
	double odd_share, odd; /* lives that are of another kind, and by how much */
};

static const struct climate climates[] = {
	{ .noise = { .life = 0.004, .slice = 0.01 } },
	{ .noise = { .life = 0.005,
		     .slice = 0.015,
		     .alike = 0.9,
		     .drift = 0.05,
		     .slow_share = 0.05,
		     .slow = 0.3,
		     .heavy = true } },
	{ .noise = { .life = 0.005, .slice = 0.015 }, .skewed = true },
	{ .noise = { .life = 0.002, .slice = 0.005 }, .odd_share = 0.15, .odd = 0.02 },
};

/* What is measured, how rough that is, and what is planted: logarithms, and a share of the time. */
static const struct {
	enum lab_metric_id id;
	double roughness, planted;
} metrics[] = {
	{ LAB_OPS_PER_CPU, 1, 0.0296 }, /* +3 % */
	{ LAB_BYTES_PER_KEY, 0.05, 0.0488 }, /* +5 % */
	{ LAB_FRAGMENTATION_END, 1, -0.223 }, /* -20 % */
	{ LAB_FORK_SECONDS, 4, 0.182 }, /* +20 % */
	{ LAB_STALL_FORK, 1, 0.03 },	      { LAB_USED, 0, 0.0488 },
};
#define METRICS (sizeof(metrics) / sizeof(metrics[0]))

static double life(const struct climate *climate)
{
	double value = lab_error(&climate->noise);

	if (climate->skewed)
		value = exp(0.8 * value) - exp(0.32);
	return value * climate->noise.life + (lab_draw() < climate->odd_share ? climate->odd : 0);
}

/* A save stalls most of the time, and by more or less; it is none of a ratio. */
static double stalled(double planted)
{
	return (lab_draw() < 0.6 ? 0.002 * exp(lab_normal() / 2) : 0) + planted;
}

/* One value of each server. */
static void measure(double value[SERVERS], size_t m, const double lives[SERVERS],
		    struct lab_weather weather[SERVERS], const struct climate *climate,
		    double planted)
{
	bool runs = lab_metrics[metrics[m].id].often == LAB_EACH_RUN;
	double shared = lab_normal() * climate->noise.drift;

	for (int i = 0; i < SERVERS; i++) {
		double more = i == OTHER ? planted : 0;
		double noise = lives[i];

		if (!runs)
			noise += shared + lab_slice(&weather[i], &climate->noise);
		value[i] = metrics[m].id == LAB_STALL_FORK ?
				   stalled(more) :
				   100 * exp(noise * metrics[m].roughness + more);
	}
}

static void put(struct lab_result *result, struct lab_sample samples[SERVERS])
{
	static const int other[] = { OTHER, AGAIN };

	for (int aa = 0; aa < 2; aa++) {
		struct lab_sample *pair[LAB_SIDES] = { &samples[FIRST], &samples[other[aa]] };

		for (int side = 0; side < LAB_SIDES; side++) {
			pair[side]->aa = aa;
			pair[side]->side = side;
			lab_result_add(result, pair[side]);
		}
	}
}

static void restart(struct lab_result *result, const struct climate *climate, int number,
		    bool planted)
{
	struct lab_weather weather[SERVERS] = { 0 };
	double lives[METRICS][SERVERS], value[SERVERS];

	for (size_t m = 0; m < METRICS; m++)
		for (int i = 0; i < SERVERS; i++)
			lives[m][i] = life(climate);
	for (int slice = 0; slice <= PAIRS; slice++) { /* the last is what comes once */
		struct lab_sample samples[SERVERS];
		bool runs = slice == PAIRS;

		for (int i = 0; i < SERVERS; i++) {
			lab_sample_clear(&samples[i]);
			samples[i].per_run = runs;
			samples[i].restart = number;
			samples[i].pair = runs ? number : number * PAIRS + slice;
		}
		for (size_t m = 0; m < METRICS; m++) {
			if ((lab_metrics[metrics[m].id].often == LAB_EACH_RUN) != runs)
				continue;
			measure(value, m, lives[m], weather, climate,
				planted ? metrics[m].planted : 0);
			for (int i = 0; i < SERVERS; i++)
				samples[i].value[metrics[m].id] = value[i];
		}
		put(result, samples);
	}
}

static struct lab_result *run(const struct climate *climate, uint64_t seed, bool planted)
{
	struct lab_result *result = lab_empty(seed);
	int restarts = 0;

	lab_dice = seed * 1000003;
	do
		restart(result, climate, restarts++, planted);
	while (restarts < RESTARTS_MOST &&
	       !(lab_precise(result, false) && lab_precise(result, true)));
	return result;
}

/* What came of many labs, by metric. */
struct tally {
	int judged[METRICS], differ[METRICS], right[METRICS], missed[METRICS];
	int all_judged, all_missed, any, claims, claims_missed;
};

static void count(struct tally *tally, const struct lab_result *result, bool planted)
{
	static struct lab_verdict verdict;
	bool any = false;

	lab_judge(&verdict, result);
	for (size_t m = 0; m < METRICS; m++) {
		const struct lab_row *row = &verdict.rows[metrics[m].id];
		double truth = planted ? metrics[m].planted : 0, change, low, high;
		bool better = row->judgement == LAB_BETTER,
		     differs = better || row->judgement == LAB_WORSE, missed;

		if (row->reason != LAB_JUDGED)
			continue;
		lab_interval(row->ratio, truth, 0, &change, &low, &high);
		missed = !(row->low <= change && change <= row->high);
		tally->judged[m]++;
		tally->differ[m] += differs;
		tally->right[m] += differs && better == lab_is_better(metrics[m].id, truth);
		tally->missed[m] += missed;
		tally->all_judged++;
		tally->all_missed += missed;
		tally->claims += differs;
		tally->claims_missed += differs && missed;
		any |= differs;
	}
	tally->any += any;
}

static void run_many(struct tally *tally, bool planted)
{
	memset(tally, 0, sizeof(*tally));
	for (size_t i = 0; i < sizeof(climates) / sizeof(climates[0]); i++)
		for (int lab = 0; lab < LABS / 2; lab++) {
			struct lab_result *result =
				run(&climates[i], (uint64_t)lab * 10 + i + 1, planted);

			count(tally, result, planted);
			lab_result_free(result);
		}
}

/* The most of @count that chance gives, but for 1 of 1,000 tests, where each has the chance
 * @share: the normal's, with a half for whole numbers. */
static int most_of(int count, double share)
{
	return (int)ceil(count * share + 3.1 * sqrt(count * share * (1 - share)) + 0.5);
}

/* Of each metric that is judged 5 % differ at most, of labs 5 % have any, and intervals hold. */
static void test_same(void **state)
{
	struct tally tally;

	(void)state;
	run_many(&tally, false);
	for (size_t m = 0; m < METRICS; m++) {
		assert_true(tally.judged[m] >= LABS / 2); /* it does say something */
		assert_in_range(tally.differ[m], 0, most_of(tally.judged[m], 0.05));
		assert_in_range(tally.missed[m], 0, most_of(tally.judged[m], 0.05));
	}
	assert_in_range(tally.any, 0, most_of(2 * LABS, 0.05));
	/* 6 %, not 5 %: a lab ends where its interval is narrow, by luck too (stats.h) */
	assert_in_range(tally.all_missed, 1, most_of(tally.all_judged, 0.06));
}

/* What is planted is found in 19 of 20 that are judged, the right way round, and 95 % of what is
 * claimed holds it. */
static void test_planted(void **state)
{
	struct tally tally;

	(void)state;
	run_many(&tally, true);
	for (size_t m = 0; m < METRICS; m++) {
		assert_true(tally.judged[m] >= LABS / 2);
		assert_in_range(tally.judged[m] - tally.right[m], 0, tally.judged[m] / 20);
		assert_int_equal(tally.right[m], tally.differ[m]);
	}
	assert_in_range(tally.claims_missed, 0, most_of(tally.claims, 0.06));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_planted),
	};

	return cmocka_run_group_tests_name("lab_truth", tests, NULL, NULL);
}
