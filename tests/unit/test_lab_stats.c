/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a lab says of differences that are known: intervals hold the truth as often as they say,
 * no difference is found where there is none, and those that were planted are.
 *
 * Seeds are fixed: each test gives the same each time. Bounds of counts are what chance alone
 * exceeds in less than 1 of 1,000 tests (binomial).
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/student.h"
#include "lab/verdict.h"
#include "lab_scene.h"

static bool near(double a, double b, double by)
{
	return fabs(a - b) <= by;
}

/* --- Student's t ---------------------------------------------------------------------------- */

/* From the tables of every book. */
static void test_student(void **state)
{
	(void)state;
	assert_true(near(student_t(0.95, 1), 12.7062, 1e-4));
	assert_true(near(student_t(0.95, 5), 2.57058, 1e-5));
	assert_true(near(student_t(0.95, 7), 2.36462, 1e-5));
	assert_true(near(student_t(0.99, 10), 3.16927, 1e-5));
	assert_true(near(student_t(0.999, 3), 12.9240, 1e-4));
	assert_true(near(student_t(0.95, 1e6), 1.95996, 1e-4)); /* the normal's */
	assert_true(near(student_p(2.57058, 5), 0.05, 1e-6));
	assert_true(near(student_p(-2.57058, 5), 0.05, 1e-6));
	assert_true(near(student_p(0, 3), 1, 1e-12));
	assert_true(student_p(NAN, 3) == 1);
	assert_true(student_p(INFINITY, 3) == 0);
}

/* --- intervals ------------------------------------------------------------------------------ */

/* How many intervals of @labs do not hold the truth. */
static int misses(enum lab_metric_id id, struct lab_plan plan, const struct lab_noise *noise,
		  int labs)
{
	int missed = 0;

	for (int i = 0; i < labs; i++) {
		struct lab_result *result = lab_empty((uint64_t)i);
		struct lab_estimate e;

		plan.seed = (uint64_t)i;
		lab_add(result, id, &plan, noise, 1000, 1.03);
		lab_estimate(&e, result, id, false, true);
		missed += !(fabs(e.center - log(1.03)) <= lab_estimate_half(&e, 0.95));
		lab_result_free(result);
	}
	return missed;
}

/* 5 % of 200 are 10; 22 or more come by chance in less than 1 of 1,000. */
static void test_coverage(void **state)
{
	static const struct lab_plan plans[] = { { 6, 3, 0 }, { 10, 4, 0 } };

	(void)state;
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		assert_in_range(misses(LAB_OPS, plans[i], &lab_quiet, 200), 1, 21);
		assert_in_range(misses(LAB_OPS, plans[i], &lab_busy, 200), 1, 21);
		assert_in_range(misses(LAB_BYTES_PER_KEY, plans[i], &lab_quiet, 200), 1, 21);
		assert_in_range(misses(LAB_BYTES_PER_KEY, plans[i], &lab_busy, 200), 1, 21);
	}
}

/* Pairs of one life hang together: taken as independent, 20 of them would be sure of too much. */
static void test_lives(void **state)
{
	static const struct lab_noise lives = { .life = 0.02, .slice = 0.002 };

	(void)state;
	assert_in_range(misses(LAB_OPS, (struct lab_plan){ 6, 20, 0 }, &lives, 200), 1, 21);
}

static struct lab_estimate estimate_of(const struct lab_result *result, enum lab_metric_id id)
{
	struct lab_estimate e;

	lab_estimate(&e, result, id, false, lab_has_ratio(result, id));
	return e;
}

/* Slow moments of one side must not move the estimate of the others. */
static void test_slow_moments(void **state)
{
	struct lab_result *result = lab_empty(1);
	struct lab_estimate e;

	(void)state;
	lab_add(result, LAB_OPS, &(struct lab_plan){ 8, 5, 1 }, &lab_quiet, 1000, 1.03);
	for (size_t i = 0; i < result->count; i += 17) /* one in 8 pairs or so */
		result->samples[i].value[LAB_OPS] /= 10;
	e = estimate_of(result, LAB_OPS);
	assert_true(near(e.center, log(1.03), 0.01));
	lab_result_free(result);
}

static void test_same_each_time(void **state)
{
	struct lab_result *result = lab_empty(7);
	struct lab_estimate a, b;

	(void)state;
	lab_add(result, LAB_OPS, &(struct lab_plan){ 8, 5, 7 }, &lab_busy, 1000, 1.03);
	a = estimate_of(result, LAB_OPS);
	b = estimate_of(result, LAB_OPS);
	assert_true(a.center == b.center && a.error == b.error);
	assert_int_equal(a.pairs, 40);
	assert_int_equal(a.restarts, 8);
	lab_result_free(result);
}

/* --- zeros, and what is the same ------------------------------------------------------------ */

static void test_no_ratio(void **state)
{
	struct lab_result *result = lab_empty(1);
	struct lab_estimate e;

	(void)state;
	lab_add(result, LAB_EVICTIONS_PER_OP, &(struct lab_plan){ 6, 1, 1 }, &lab_quiet, 0.2, 1);
	for (size_t i = 0; i < result->count; i++)
		if (result->samples[i].side == LAB_A)
			result->samples[i].value[LAB_EVICTIONS_PER_OP] = 0;
	assert_false(lab_has_ratio(result, LAB_EVICTIONS_PER_OP));
	e = estimate_of(result, LAB_EVICTIONS_PER_OP);
	assert_false(e.ratio);
	assert_true(near(e.center, 0.2, 0.01));
	assert_true(e.side[LAB_A] == 0);
	assert_true(lab_estimate_half(&e, 0.95) < 0.01);
	lab_result_free(result);
}

/* What is the same each time is known to what it is counted in, and not to nothing. */
static void test_no_variance(void **state)
{
	static const struct lab_noise none = { 0 };
	struct lab_result *result = lab_empty(1);
	struct lab_estimate e;

	(void)state;
	lab_add(result, LAB_BYTES_PER_KEY, &(struct lab_plan){ 6, 1, 1 }, &none, 100, 1.05);
	e = estimate_of(result, LAB_BYTES_PER_KEY);
	assert_false(e.same);
	assert_true(near(e.center, log(1.05), 1e-9));
	assert_true(lab_estimate_half(&e, 0.95) > 1e-4);
	assert_true(lab_estimate_half(&e, 0.95) < 1e-3);
	lab_estimate(&e, result, LAB_BYTES_PER_KEY, true, true);
	assert_true(e.same);
	lab_result_free(result);
}

/* Three runs are not precise, as alike as they may be. */
static void test_few(void **state)
{
	static const struct lab_noise none = { 0 };
	struct lab_result *result = lab_empty(1);
	struct lab_estimate e;

	(void)state;
	lab_add(result, LAB_USED, &(struct lab_plan){ 3, 1, 1 }, &none, 0.01, 1);
	assert_false(lab_precise(result, false));
	assert_false(lab_precise(result, true));
	e = estimate_of(result, LAB_RSS);
	assert_true(isnan(e.center) && isnan(lab_estimate_half(&e, 0.95)));
	assert_true(lab_estimate_p(&e) == 1);
	lab_result_free(result);
}

/* One side alone, the same pair twice, pairs that are not whole: only whole pairs count. */
static void test_odd_samples(void **state)
{
	struct lab_result *result = lab_empty(1);
	struct lab_estimate e;

	(void)state;
	lab_add(result, LAB_OPS, &(struct lab_plan){ 6, 3, 1 }, &lab_quiet, 1000, 1);
	lab_result_add(result, &result->samples[result->count - 1]);
	for (size_t i = 0; i < result->count; i++)
		if (result->samples[i].pair == 20)
			result->samples[i].value[LAB_OPS] = NAN;
	e = estimate_of(result, LAB_OPS);
	assert_int_equal(e.pairs, 17);
	for (size_t i = 0; i < result->count; i++)
		if (result->samples[i].side == LAB_B)
			result->samples[i].value[LAB_OPS] = NAN;
	e = estimate_of(result, LAB_OPS);
	assert_int_equal(e.pairs, 0);
	assert_int_equal(e.known[LAB_B], 0);
	assert_true(isnan(e.center));
	lab_result_free(result);
}

/* Of the time that it is stalled it counts how much there is, be it never none. What is wanted then
 * is ten times as coarse as the smallest difference, and wider where less precision is wanted. */
static void test_stalled(void **state)
{
	static const struct lab_noise often = { .life = 0.1 };
	static struct lab_verdict verdict;
	const struct lab_row *row = &verdict.rows[LAB_STALL_BY(0)];
	struct lab_result *result = lab_empty(1);

	(void)state;
	lab_add(result, LAB_STALL_BY(0), &(struct lab_plan){ 8, 1, 1 }, &often, 0.05, 0.1);
	lab_judge(&verdict, result);
	assert_false(row->ratio);
	assert_true(near(row->wanted, 0.01, 1e-9));
	assert_int_equal(row->judgement, LAB_BETTER);
	assert_true(near(row->change, -0.045, 0.005) && row->low < -0.04 && row->high > -0.05);
	result->about.precision = 0.02;
	assert_true(near(lab_wanted(result, LAB_STALL_BY(0), false), 0.02, 1e-9));
	lab_result_free(result);
}

/* --- many at once --------------------------------------------------------------------------- */

/* The example of Benjamini and Hochberg's paper (1995, 3.2): of 15, four are named at 5 %. */
static void test_named(void **state)
{
	static const double p[] = { 0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
				    0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0 };
	size_t named;

	(void)state;
	assert_true(near(lab_named_p(p, 15, 0.05, &named), 0.0095, 1e-12));
	assert_int_equal(named, 4);
	assert_true(lab_named_p(p + 9, 6, 0.05, &named) < 0);
	assert_int_equal(named, 0);
	assert_true(lab_named_p(p, 0, 0.05, &named) < 0);
}

/* --- verdicts ------------------------------------------------------------------------------- */

/* A lab with all metrics of a busy machine, whose throughput, bytes a key and fragmentation
 * differ by these factors. */
static struct lab_result *whole_lab(uint64_t seed, double ops, double bytes, double fragmentation)
{
	static const struct lab_noise tails = { .life = 0.02, .slice = 0.05, .heavy = true };
	static const struct lab_noise exact = { .life = 0.0002 };
	struct lab_plan plan = { 8, 5, seed };
	struct lab_result *result = lab_empty(seed);

	lab_add(result, LAB_OPS_PER_CPU, &plan, &lab_busy, 1e5, ops);
	lab_add(result, LAB_CPU_PER_OP, &plan, &lab_busy, 1e-5, 1 / ops);
	lab_add(result, LAB_BYTES_PER_KEY, &plan, &exact, 100, bytes);
	lab_add(result, LAB_USED, &plan, &exact, 1e8, bytes);
	lab_add(result, LAB_RSS, &plan, &lab_quiet, 1e8, 1);
	lab_add(result, LAB_FRAGMENTATION_END, &plan, &lab_quiet, 1.4, fragmentation);
	for (enum lab_metric_id id = LAB_LATENCY_P50; id <= LAB_LATENCY_P999; id++)
		lab_add(result, id, &plan, &tails, 1e-4, 1);
	for (enum lab_metric_id id = LAB_STALL_BY(0); id < LAB_METRICS; id++)
		lab_add(result, id, &plan, &tails, 0.01, 1);
	result->about.precision = 0.02;
	return result;
}

static bool differs(const struct lab_row *row)
{
	return row->judgement == LAB_BETTER || row->judgement == LAB_WORSE;
}

/* Swap the sides of whole restarts by chance: of A against A nothing else is as likely. */
static void relabel(struct lab_result *result, uint64_t seed)
{
	lab_dice = seed;
	for (int restart = 0; restart < 64; restart++) {
		bool swap = lab_draw() < 0.5;

		for (size_t i = 0; i < result->count; i++)
			if (swap && result->samples[i].restart == restart)
				result->samples[i].side = 1 - result->samples[i].side;
	}
}

/* 5 labs, relabelled: of each metric at most 5 % say that it differs. */
static void test_no_false_differences(void **state)
{
	static int found[LAB_METRICS];
	static struct lab_verdict verdict;
	int wrong = 0, judged = 0;

	(void)state;
	for (int lab = 0; lab < 5; lab++) {
		struct lab_result *result = whole_lab((uint64_t)lab, 1, 1, 1);

		for (int i = 0; i < 12; i++) {
			bool any = false;

			relabel(result, (uint64_t)(lab * 100 + i));
			lab_judge(&verdict, result);
			judged += (int)verdict.judged;
			for (int id = 0; id < LAB_METRICS; id++) {
				found[id] += differs(&verdict.rows[id]);
				any |= differs(&verdict.rows[id]);
			}
			wrong += any;
		}
		lab_result_free(result);
	}
	assert_in_range(judged, 900, 60 * LAB_METRICS); /* it did say something */
	for (int id = 0; id < LAB_METRICS; id++)
		assert_in_range(found[id], 0, 3);
	assert_in_range(wrong, 0, 10); /* any at all: 3 of 60, at most 10 by chance */
}

/* Of 20 labs each planted difference is found in 19, and their intervals hold it. */
static void test_planted(void **state)
{
	static const struct {
		enum lab_metric_id id;
		double change;
		enum lab_judgement judgement;
	} planted[] = {
		{ LAB_OPS_PER_CPU, 0.03, LAB_BETTER },
		{ LAB_BYTES_PER_KEY, 0.05, LAB_WORSE },
		{ LAB_FRAGMENTATION_END, -0.2, LAB_BETTER },
	};
	static struct lab_verdict verdict;
	int found[3] = { 0 }, held = 0, others = 0;

	(void)state;
	for (int lab = 0; lab < 20; lab++) {
		struct lab_result *result = whole_lab((uint64_t)lab + 100, 1.03, 1.05, 0.8);

		lab_judge(&verdict, result);
		for (int i = 0; i < 3; i++) {
			const struct lab_row *row = &verdict.rows[planted[i].id];

			found[i] += row->judgement == planted[i].judgement;
			held += row->low <= planted[i].change && planted[i].change <= row->high;
		}
		others += differs(&verdict.rows[LAB_RSS]) + differs(&verdict.rows[LAB_LATENCY_P99]);
		lab_result_free(result);
	}
	for (int i = 0; i < 3; i++)
		assert_in_range(found[i], 19, 20);
	assert_in_range(held, 57, 60);
	assert_in_range(others, 0, 4);
}

/* --- what is not judged --------------------------------------------------------------------- */

static const struct lab_row *judge_one(struct lab_verdict *verdict, struct lab_result *result,
				       enum lab_metric_id id)
{
	lab_judge(verdict, result);
	return &verdict->rows[id];
}

static void test_not_judged(void **state)
{
	static const struct lab_noise loud = { .life = 0.2, .slice = 0.2 };
	static struct lab_verdict verdict;
	struct lab_result *result = lab_empty(1);
	const struct lab_row *rows = verdict.rows;

	(void)state;
	lab_add(result, LAB_OPS, &(struct lab_plan){ 8, 5, 1 }, &loud, 1000, 3);
	lab_add(result, LAB_RSS, &(struct lab_plan){ 5, 1, 1 }, &lab_quiet, 1000, 3);
	lab_add(result, LAB_USED, &(struct lab_plan){ 8, 1, 1 }, &lab_quiet, 1000, 1);
	for (size_t i = 0; i < result->count; i++) {
		if (result->samples[i].side == LAB_B && result->samples[i].aa) /* a slower CPU */
			result->samples[i].value[LAB_USED] *= 1.1;
	}
	lab_judge(&verdict, result);
	assert_int_equal(rows[LAB_OPS].reason, LAB_AA_WIDE);
	assert_true(rows[LAB_OPS].aa_half > rows[LAB_OPS].wanted);
	assert_int_equal(rows[LAB_RSS].reason, LAB_FEW_RESTARTS);
	assert_int_equal(rows[LAB_USED].reason, LAB_AA_DIFFERS);
	assert_int_equal(rows[LAB_MAJOR_FAULTS_PER_OP].reason, LAB_UNKNOWN);
	assert_int_equal(verdict.counts[LAB_NOT_JUDGED], LAB_METRICS);
	assert_int_equal(verdict.judged, 0);
	assert_int_equal(verdict.unknown, LAB_METRICS - 3);
	for (size_t i = 0; i < result->count; i++)
		if (result->samples[i].aa)
			result->samples[i].value[LAB_RSS] = result->samples[i].value[LAB_USED] =
				NAN;
	assert_int_equal(judge_one(&verdict, result, LAB_USED)->reason, LAB_NO_AA);
	lab_result_free(result);
}

/* Sure and small is no difference that matters; none on either side is none. */
static void test_no_difference(void **state)
{
	static const struct lab_noise none = { 0 };
	static struct lab_verdict verdict;
	struct lab_result *result = lab_empty(1);
	const struct lab_row *rows = verdict.rows;

	(void)state;
	lab_add(result, LAB_USED, &(struct lab_plan){ 8, 1, 1 }, &none, 1e8, 1.002);
	lab_add(result, LAB_EVICTIONS_PER_OP, &(struct lab_plan){ 8, 1, 1 }, &none, 0, 1);
	lab_judge(&verdict, result);
	assert_int_equal(rows[LAB_USED].judgement, LAB_NO_DIFFERENCE);
	assert_true(rows[LAB_USED].low > 0 && near(rows[LAB_USED].bound, 0.002, 0.001));
	assert_int_equal(rows[LAB_EVICTIONS_PER_OP].judgement, LAB_NO_DIFFERENCE);
	assert_true(rows[LAB_EVICTIONS_PER_OP].same);
	assert_int_equal(verdict.judged, 2);
	lab_result_free(result);
}

static void test_regress(void **state)
{
	static struct lab_verdict verdict;
	struct lab_result *result = whole_lab(3, 0.9, 1.25, 1);
	enum lab_metric_id worst = LAB_METRICS;

	(void)state;
	lab_judge(&verdict, result);
	assert_true(near(lab_regress(&verdict, &worst), 0.25, 0.01));
	assert_true(worst == LAB_BYTES_PER_KEY || worst == LAB_USED);
	lab_result_free(result);
	result = lab_empty(1);
	lab_add(result, LAB_OPS, &(struct lab_plan){ 8, 5, 1 }, &lab_quiet, 1000, 1.1);
	lab_judge(&verdict, result);
	assert_int_equal(verdict.rows[LAB_OPS].judgement, LAB_BETTER);
	assert_true(lab_regress(&verdict, &worst) == 0);
	lab_add(result, LAB_STALL_BY(0), &(struct lab_plan){ 8, 1, 1 }, &lab_quiet, 0.1, 1);
	/* A has none: worse than any share */
	for (size_t i = 0; i < result->count; i++)
		if (isfinite(result->samples[i].value[LAB_STALL_BY(0)]))
			result->samples[i].value[LAB_STALL_BY(0)] =
				result->samples[i].side == LAB_B && !result->samples[i].aa ? 0.1 :
											     0;
	lab_judge(&verdict, result);
	assert_true(isinf(lab_regress(&verdict, &worst)));
	assert_int_equal(worst, LAB_STALL_BY(0));
	lab_result_free(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_student),	       cmocka_unit_test(test_coverage),
		cmocka_unit_test(test_lives),	       cmocka_unit_test(test_slow_moments),
		cmocka_unit_test(test_same_each_time), cmocka_unit_test(test_no_ratio),
		cmocka_unit_test(test_no_variance),    cmocka_unit_test(test_few),
		cmocka_unit_test(test_odd_samples),    cmocka_unit_test(test_stalled),
		cmocka_unit_test(test_named),	       cmocka_unit_test(test_no_false_differences),
		cmocka_unit_test(test_planted),	       cmocka_unit_test(test_not_judged),
		cmocka_unit_test(test_no_difference),  cmocka_unit_test(test_regress),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
