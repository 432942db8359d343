/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The budget, with servers and a clock that are numbers: whatever a hit costs and however
 * late what was spent is known, the sensors keep to it, from the first second on.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sensor/internal.h"

#define MS	1000000LL
#define SECONDS 60
#define POLL_MS 100 /* how often the loop looks at the budget */

/* What it is all about: seconds a second, by millisecond. */
struct scene {
	double ratio;
	bool bursts, calm;
	bool rests; /* the loop looks at the budget when that says so, and once a second */
	double flow_rate; /* what the flow probe takes while it stands */
	double base_rate; /* what samples and switches take */
	double waits; /* part of the time the server waits for a CPU */
	double look_factor; /* a look takes so many times what was wanted */
	double spent[SECONDS * 1000 + 1]; /* up to that millisecond */
	double stood; /* seconds */
	int looks, moves; /* of the flow probe: it went or came */
	int polls;
};

/* Until the loop looks at the budget again; ticks wake it each second. */
static int rest_ms(const struct scene *scene, struct budget *b, bool stands, double spends,
		   int64_t now)
{
	double rest = budget_flow_rest(b, stands, spends, now);

	if (scene->bursts)
		rest = fmin(rest, budget_look_rest(b, now));
	return scene->rests ? (int)fmin(fmax(rest * 1000, POLL_MS), 1000) : POLL_MS;
}

static void run(struct scene *scene)
{
	struct budget b;
	bool stands = true, stood;
	double fresh = 0, sum = 0, flow_fresh = 0;
	int poll_ms = POLL_MS, polled_ms = 0;

	budget_begin(&b, &(struct budget_plan){ scene->ratio, scene->bursts, scene->calm }, 0);
	for (int ms = 1; ms <= SECONDS * 1000; ms++) {
		double flow = stands ? scene->flow_rate / 1000 : 0, hold;

		fresh += flow + scene->base_rate / 1000;
		budget_spend_flow(&b, flow);
		flow_fresh += flow;
		scene->stood += stands ? 0.001 : 0;
		if (ms == poll_ms) {
			int64_t now = budget_time(&b, ms * MS, (int64_t)(scene->waits * ms) * MS);

			budget_spend(&b, fresh);
			sum += fresh;
			fresh = 0;
			stood = stands;
			stands = budget_flow_may_stand(&b, stands, now);
			scene->moves += stands != stood;
			hold = scene->bursts ? budget_look_seconds(&b, now) : 0;
			if (hold > 0) {
				budget_look_done(&b, hold * scene->look_factor, false, now);
				fresh += hold * scene->look_factor;
				scene->looks++;
			}
			poll_ms += rest_ms(scene, &b, stands, flow_fresh / (ms - polled_ms) * 1000,
					   now);
			polled_ms = ms;
			flow_fresh = 0;
			scene->polls++;
		}
		scene->spent[ms] = sum + fresh;
	}
}

static double between(const struct scene *scene, int from_s, int to_s)
{
	return (scene->spent[to_s * 1000] - scene->spent[from_s * 1000]) / (to_s - from_s);
}

static void keeps(const struct scene *scene)
{
	double all = between(scene, 0, SECONDS);

	assert_true(all <= scene->ratio);
	/* A second has what a poll was late for, too. */
	for (int s = 0; s < SECONDS; s++)
		assert_true(between(scene, s, s + 1) <=
			    2 * scene->ratio + scene->flow_rate * POLL_MS / 1000);
}

/* Servers that allocate much and little, with and without bursts. */
static void test_keeps(void **state)
{
	static const double flow_rates[] = { 0.0001, 0.004, 0.009, 0.02, 0.05, 0.3 };

	(void)state;
	for (size_t i = 0; i < sizeof(flow_rates) / sizeof(flow_rates[0]); i++)
		for (int bursts = 0; bursts < 2; bursts++) {
			static struct scene scene;

			scene = (struct scene){ .ratio = 0.01,
						.bursts = bursts,
						.flow_rate = flow_rates[i],
						.base_rate = 0.003,
						.look_factor = 1.4 };
			run(&scene);
			keeps(&scene);
			assert_true(scene.stood > 0.1);
			assert_int_equal(scene.looks > 0, bursts);
		}
}

/* A probe that costs less than its part stands all the time. */
static void test_cheap(void **state)
{
	static struct scene scene;

	(void)state;
	scene = (struct scene){ .ratio = 0.01, .flow_rate = 0.001, .base_rate = 0.002 };
	run(&scene);
	assert_true(scene.stood > SECONDS - 0.5);
}

/* The first second is no dearer than the tenth. */
static void test_first_second(void **state)
{
	static struct scene scene;

	(void)state;
	scene = (struct scene){ .ratio = 0.01,
				.bursts = true,
				.flow_rate = 0.009,
				.base_rate = 0.003,
				.look_factor = 1.4 };
	run(&scene);
	assert_true(between(&scene, 1, 2) <= 1.3 * between(&scene, 9, 19));
	assert_true(between(&scene, 0, 1) <= 1.3 * between(&scene, 9, 19));
}

/* Looks are short, and one that took far more than it should is followed by fewer. */
static void test_looks(void **state)
{
	static struct scene usual, dear;

	(void)state;
	usual = (struct scene){ .ratio = 0.01, .bursts = true, .look_factor = 1.4 };
	dear = (struct scene){ .ratio = 0.01, .bursts = true, .look_factor = 30 };
	run(&usual);
	run(&dear);
	keeps(&usual);
	keeps(&dear);
	assert_true(usual.looks > 3 * SECONDS);
	assert_in_range(dear.looks, 1, usual.looks / 5);
}

/* A calm one keeps to the same, but the probe goes and comes less than half as often, and looks are
 * made at most once a second. */
static void test_calm(void **state)
{
	static struct scene usual, calm;

	(void)state;
	usual = (struct scene){ .ratio = 0.01,
				.bursts = true,
				.flow_rate = 0.009,
				.base_rate = 0.003,
				.look_factor = 1.4 };
	calm = usual;
	calm.calm = true;
	run(&usual);
	run(&calm);
	assert_true(between(&calm, 0, SECONDS) <= calm.ratio);
	assert_true(calm.stood > 0.7 * usual.stood);
	assert_in_range(calm.moves, 1, usual.moves / 2);
	assert_in_range(calm.looks, SECONDS / 3, SECONDS);
}

/* Who looks at the budget only when that says so keeps to it as well, and sees as much: where it is
 * short, and where it is not, with a fraction of the looks. */
static void test_rests(void **state)
{
	static const double flow_rates[] = { 0.0005, 0.002, 0.009 };
	static struct scene often, rests;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		often = (struct scene){ .ratio = 0.01,
					.bursts = true,
					.calm = true,
					.flow_rate = flow_rates[i],
					.base_rate = 0.003,
					.look_factor = 1.4 };
		rests = often;
		rests.rests = true;
		run(&often);
		run(&rests);
		assert_true(between(&rests, 0, SECONDS) <= rests.ratio);
		assert_true(rests.stood > 0.9 * often.stood);
		assert_true(rests.looks > 0.9 * often.looks);
		assert_in_range(rests.polls, SECONDS, often.polls / 2);
	}
}

/* A server that gets a quarter of a CPU has a quarter of the credit: of what it can do, no more
 * is taken than of one that gets a whole one. */
static void test_starved(void **state)
{
	static struct scene scene;

	(void)state;
	scene = (struct scene){
		.ratio = 0.01, .bursts = true, .flow_rate = 0.009, .waits = 0.75, .look_factor = 1.4
	};
	run(&scene);
	assert_true(between(&scene, 0, SECONDS) <= 0.0025);
	assert_true(scene.stood > 0.1);
	assert_true(scene.looks > SECONDS);
}

/* What cannot be throttled leaves nothing for the rest, but the flow probe its least part. */
static void test_nothing_left(void **state)
{
	static struct scene scene, rare;

	(void)state;
	scene = (struct scene){ .ratio = 0.01,
				.bursts = true,
				.flow_rate = 0.009,
				.base_rate = 0.02,
				.look_factor = 1.4 };
	run(&scene);
	assert_true(between(&scene, 2, SECONDS) <= 0.02 + 0.01 * 0.35 / 5);
	assert_int_equal(scene.looks, 0);
	assert_true(scene.stood > 1);
	/* Hits are so rare that the least part pays for most of them. */
	rare = (struct scene){
		.ratio = 0.01, .calm = true, .flow_rate = 0.0006, .base_rate = 0.05
	};
	run(&rare);
	assert_true(between(&rare, 2, SECONDS) <= 0.05 + 1.1 * 0.01 * 0.15 / 5);
	assert_true(rare.stood > SECONDS / 3);
}

/* --budget 100 asks for all there is. */
static void test_unlimited(void **state)
{
	static struct scene scene;

	(void)state;
	scene = (struct scene){ .ratio = 1, .bursts = true, .flow_rate = 0.5, .look_factor = 1.4 };
	run(&scene);
	assert_true(scene.stood > SECONDS - 0.01);
	assert_true(scene.looks > 9 * SECONDS);
}

/* Each place is an interrupt of the server and another page for it, whether the probe comes or
 * goes; what could not be measured is left out. */
static void test_moves(void **state)
{
	struct probe_cost cost = { .trap_seconds = 2e-6, .pause_seconds = 1e-6 };

	(void)state;
	assert_float_equal(budget_move_seconds(&cost, 8), 24e-6, 1e-12);
	assert_float_equal(budget_move_seconds(&cost, 1), 3e-6, 1e-12);
	cost.pause_seconds = NAN;
	assert_float_equal(budget_move_seconds(&cost, 8), 16e-6, 1e-12);
	cost.trap_seconds = NAN;
	assert_float_equal(budget_move_seconds(&cost, 8), 0, 1e-12);
}

/* Major faults have a cap as minor ones do, and come first. */
static void test_faults(void **state)
{
	static const double rates[] = { 0, 10, 1400, 3000, 40000, 900000 };
	struct fault_periods p;

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
		for (size_t j = 0; j < sizeof(rates) / sizeof(rates[0]); j++) {
			p = fault_periods(&(struct fault_load){ 2000, rates[i] }, 1, rates[j]);
			assert_true(p.major && p.minor);
			assert_true(rates[i] / (double)p.major + rates[j] / (double)p.minor <=
				    2000);
			/* None is left out that there is room for. */
			assert_true(p.major == 1 || rates[i] / (double)p.major > 700);
			assert_true(p.minor == 1 || rates[j] / (double)p.minor > 200);
		}
}

/* Each server keeps to its own allowance, whoever has the faults; one that has not said
 * how much it allows is in nobody's way. */
static void test_faults_of_many(void **state)
{
	const struct fault_load servers[] = { { 2000, 100 }, { 100, 300 }, { 0, 1e6 } };
	struct fault_periods p = fault_periods(servers, 3, 5000);

	(void)state;
	assert_int_equal(p.major, 4);
	assert_true(300.0 / 4 + 5000 / (double)p.minor <= 100);
	p = fault_periods(&servers[2], 1, 5000);
	assert_int_equal(p.major, 1);
	assert_int_equal(p.minor, 0);
	p = fault_periods(NULL, 0, 5000);
	assert_int_equal(p.minor, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keeps),	     cmocka_unit_test(test_cheap),
		cmocka_unit_test(test_first_second), cmocka_unit_test(test_looks),
		cmocka_unit_test(test_starved),	     cmocka_unit_test(test_nothing_left),
		cmocka_unit_test(test_unlimited),    cmocka_unit_test(test_moves),
		cmocka_unit_test(test_faults),	     cmocka_unit_test(test_faults_of_many),
		cmocka_unit_test(test_calm),	     cmocka_unit_test(test_rests),
	};

	return cmocka_run_group_tests_name("budget", tests, NULL, NULL);
}
