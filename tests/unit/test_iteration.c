/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the programs make of the main thread's iterations (bpf/iteration.bpf.h), on a thread
 * whose every nanosecond is known: it sleeps, is woken, waits for a CPU, runs commands, is looked
 * at by samples and at switches. No moment may be in two stalls, and every long wait and every
 * long command is in one, in whatever order things happen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../bpf/iteration.bpf.h"

#define US	  1000ULL
#define MS	  (1000 * US)
#define THRESHOLD (5 * MS)
#define SAMPLE	  MS
#define KEPT	  4096

struct interval {
	uint64_t start, end;
	bool alone; /* of a command: the thread slept before and after, and did nothing else */
};

struct intervals {
	struct interval row[KEPT];
	size_t count;
};

/* How the server counts its iterations. */
enum counting { BY_ITERATION, BY_REPLY, BY_COMMAND, COUNTINGS };

/* The thread, and what is known of it. */
static struct {
	struct redmem_target target;
	enum counting counting;
	struct redmem_context context;
	uint64_t now, delay, commands, iterations, client;
	bool script; /* the client's command is one; each has the same argv */
	uint64_t unsampled; /* CPU time since the last sample */
	struct intervals waits, runs; /* waits for a CPU; commands from their start to their end */
	struct intervals told;
	struct redmem_stall stall[KEPT]; /* as told */
	struct interval asleep; /* the newest sleep */
} it;

static void span_emit(struct redmem_target *target, enum redmem_ring_kind kind,
		      const struct redmem_span *span, const struct loop_look *look, __u64 end_ns,
		      __u64 end_delay, __u64 commands)
{
	struct redmem_stall *stall = &it.stall[it.told.count];

	(void)target;
	(void)look;
	if (kind != RING_STALL_END)
		return;
	assert_true(it.told.count < KEPT);
	*stall = span->stall;
	stall->start_ns = span->start_ns;
	stall->end_ns = end_ns;
	stall->cpu_wait_ns = end_delay - span->start_delay;
	stall->commands = commands;
	it.told.row[it.told.count++] = (struct interval){ span->start_ns, end_ns, false };
}

/* Of several that had the CPU as long, one leads, and not who had it for a moment; and whoever has
 * it for longer than all before leads in the end. */
static void test_vote(void **state)
{
	static const char hog[16] = "hog", kernel[16] = "kernel", other[16] = "other";
	struct redmem_wait wait = { 0 };

	(void)state;
	for (int turn = 0; turn < 30; turn++) {
		wait_vote(&wait, 1 + turn % 3, 0, hog, 8 * MS);
		wait_vote(&wait, 100, 0, kernel, 10 * US);
		assert_in_range(wait.id, 1, 3);
	}
	for (int turn = 0; turn < 200; turn++)
		wait_vote(&wait, 7, 0, other, 3 * MS);
	assert_int_equal(wait.id, 7);
	assert_string_equal(wait.comm, "other");
}

static void keep(struct intervals *all, uint64_t start, bool alone)
{
	assert_true(all->count < KEPT);
	all->row[all->count++] = (struct interval){ start, it.now, alone };
}

/* --- the thread ------------------------------------------------------------------- */

static void start(enum counting counting)
{
	memset(&it, 0, sizeof(it));
	it.counting = counting;
	it.now = 1000 * MS;
	it.target.settings.stall_ns = THRESHOLD;
	it.target.settings.sample_ns = SAMPLE;
	it.target.settings.at.commands_done = 1; /* it is known */
	it.target.settings.at.iterations = counting != BY_COMMAND;
	it.context.state = CONTEXT_LOOP;
}

static struct loop_look look_now(void)
{
	return (struct loop_look){
		.now = it.now,
		.delay = it.delay,
		.commands = it.commands,
		.iterations = it.counting == BY_COMMAND ? it.commands : it.iterations,
		.client = it.client,
		.argv = it.client ? it.client + (it.script ? 0 : it.commands * 16) : 0,
		.in_script = it.script && it.client,
		.own = it.context.state == CONTEXT_OWN,
	};
}

static void look(void)
{
	struct loop_look seen = look_now();

	iteration_look(&it.target, &seen, &it.context);
}

static void go_to_sleep(uint64_t ns)
{
	struct loop_look seen = look_now();

	iteration_sleep(&it.target, &seen);
	it.asleep.start = it.now;
	it.now += ns;
	it.asleep.end = it.now;
}

static void wait_for_cpu(uint64_t ns)
{
	uint64_t from = it.now;

	it.now += ns;
	it.delay += ns;
	keep(&it.waits, from, false);
	iteration_wake(&it.target.loop, it.now);
}

static void tick(void)
{
	it.unsampled = 0;
	look();
	iteration_tick(&it.target, it.now);
}

static void run(uint64_t ns)
{
	while (it.unsampled + ns >= SAMPLE) {
		uint64_t part = SAMPLE - it.unsampled;

		it.now += part;
		ns -= part;
		tick();
	}
	it.now += ns;
	it.unsampled += ns;
}

/* The CPU stands still. Its clock is due then, and is the first thing after. */
static void stand_still(uint64_t ns)
{
	it.now += ns;
	tick();
}

static void be_preempted(uint64_t ns)
{
	look();
	wait_for_cpu(ns);
}

static void wait_for_disk(uint64_t ns)
{
	look();
	it.now += ns;
	iteration_wake(&it.target.loop, it.now);
}

static void command_begins(uint64_t client, bool own)
{
	it.client = client;
	it.context.state = own ? CONTEXT_OWN : CONTEXT_COMMAND;
	it.context.command = client;
}

static void command_ends(void)
{
	it.commands++;
	it.client = 0;
	memset(&it.context, 0, sizeof(it.context));
	it.context.state = CONTEXT_LOOP;
}

static void command(uint64_t ns)
{
	uint64_t from = it.now;

	command_begins(7, false);
	run(ns);
	command_ends();
	keep(&it.runs, from, false);
}

/* What the thread did is over, with so many replies. */
static void iteration_over(uint64_t replies)
{
	it.iterations += it.counting == BY_REPLY ? replies : 1;
}

/* It slept, was woken, and waited so long for a CPU. When it was woken. */
static uint64_t start_woken(enum counting counting, uint64_t waited)
{
	start(counting);
	go_to_sleep(100 * MS);
	wait_for_cpu(waited);
	return it.asleep.end;
}

/* --- one thing at a time ------------------------------------------------------------- */

static void assert_one(uint64_t from, uint64_t end, uint64_t waited)
{
	assert_int_equal(it.told.count, 1);
	assert_int_equal(it.stall[0].start_ns, from);
	assert_int_equal(it.stall[0].end_ns, end);
	assert_int_equal(it.stall[0].cpu_wait_ns, waited);
}

/* The only sample came when the command was over, and perhaps its reply was sent. */
static void test_wait_before_little(void **state)
{
	(void)state;
	for (int n = 0; n < COUNTINGS * 2; n++) {
		uint64_t woken;

		start(n / 2);
		command(10 * US); /* nobody saw it */
		go_to_sleep(100 * MS);
		woken = it.now;
		wait_for_cpu(20 * MS);
		command(100 * US);
		if (n % 2)
			iteration_over(1);
		look();
		run(50 * US);
		if (n % 2 == 0)
			iteration_over(1);
		go_to_sleep(100 * MS);
		assert_int_equal(it.told.count, 1);
		assert_int_equal(it.stall[0].start_ns, woken);
		assert_in_range(it.stall[0].end_ns, woken + 20 * MS, it.asleep.start);
		assert_int_equal(it.stall[0].cpu_wait_ns, 20 * MS);
		assert_int_equal(it.stall[0].commands, 0);
	}
}

/* None came at all. */
static void test_wait_unseen(void **state)
{
	(void)state;
	for (int n = 0; n < COUNTINGS; n++) {
		uint64_t woken;

		woken = start_woken(n, 20 * MS);
		command(100 * US);
		iteration_over(1);
		go_to_sleep(100 * MS);
		assert_one(woken, it.asleep.start, 20 * MS);
	}
}

/* Two iterations that nobody saw are not one that lasts as long as both. */
static void test_two_unseen(void **state)
{
	(void)state;
	start_woken(BY_ITERATION, THRESHOLD - 500 * US);
	for (int i = 0; i < 2; i++) {
		command(300 * US);
		iteration_over(1);
	}
	go_to_sleep(100 * MS);
	assert_int_equal(it.told.count, 0);
}

/* A command of hardly more than the threshold, and then something else before it sleeps. */
static void test_just_long_enough(void **state)
{
	uint64_t woken;

	(void)state;
	woken = start_woken(BY_ITERATION, 0);
	it.unsampled = 600 * US;
	command(THRESHOLD + 10 * US); /* the last sample in it comes after 4.4 ms */
	run(450 * US);
	iteration_over(1);
	go_to_sleep(100 * MS);
	assert_one(woken, it.asleep.start, 0);
	/* One command was in it, and it was seen. */
	assert_int_equal(it.stall[0].commands, 0);
	assert_int_equal(it.stall[0].context.command, 7);
}

/* A CPU that stood still is told, in the work that it stood in; no other time without a tick is. */
static void test_stolen(void **state)
{
	(void)state;
	for (int n = 0; n < 4; n++) {
		start_woken(BY_ITERATION, 0);
		command_begins(7, false);
		run(n == 0 ? 0 : 2300 * US); /* none saw it before */
		if (n == 3)
			it.now += 30 * MS; /* the clock is later than its end */
		else
			stand_still(30 * MS);
		run(n == 3 ? 0 : 3 * MS);
		command_ends();
		if (n == 2) { /* what comes behind it is long by itself */
			command_begins(8, false);
			run(20 * MS);
			command_ends();
		}
		iteration_over(1);
		go_to_sleep(100 * MS);
		assert_int_equal(it.told.count, n == 2 ? 2 : 1);
		assert_in_range(it.stall[0].stolen_ns, 29 * MS, 31 * MS);
		assert_int_equal(it.stall[1].stolen_ns, 0);
	}
	start_woken(BY_ITERATION, 20 * MS);
	command_begins(7, false);
	run(2300 * US);
	be_preempted(40 * MS);
	run(10 * MS);
	wait_for_disk(30 * MS);
	run(10 * MS);
	command_ends();
	iteration_over(1);
	go_to_sleep(100 * MS);
	assert_int_equal(it.told.count, 1);
	assert_int_equal(it.stall[0].stolen_ns, 0);
}

/*
 * A server that never sleeps, looked at twenty times less often than commands come: what it waits
 * for a CPU is told as that, and not with half of the time between two looks on either side.
 */
static void test_short_ones_that_wait(void **state)
{
	(void)state;
	for (int n = 0; n < COUNTINGS; n++) {
		start_woken(n, 0);
		it.target.settings.sample_ns = 5 * MS;
		for (int i = 0; i < 400; i++) {
			it.unsampled = 0; /* no sample but every 25 commands */
			command_begins(1 + i % 20, false);
			run(100 * US);
			if (i % 25 == 20)
				look();
			if (i % 25 == 7)
				be_preempted(4 * MS);
			if (i % 100 == 58)
				be_preempted(8 * MS);
			run(100 * US);
			command_ends();
			iteration_over(1);
		}
		go_to_sleep(100 * MS);
		assert_true(it.told.count >= 4);
		for (size_t i = 0; i < it.told.count; i++)
			assert_in_range(it.stall[i].end_ns - it.stall[i].start_ns, 8 * MS,
					it.stall[i].cpu_wait_ns + MS);
	}
}

/* A short command that came along is not to blame for what the loop does. */
static void test_short_command(void **state)
{
	uint64_t woken;

	(void)state;
	woken = start_woken(BY_ITERATION, 0);
	it.unsampled = 100 * US;
	command(SAMPLE);
	it.unsampled = 0;
	run(THRESHOLD - 200 * US);
	iteration_over(1);
	look();
	go_to_sleep(100 * MS);
	assert_int_equal(it.told.count, 1);
	assert_int_equal(it.stall[0].start_ns, woken);
	assert_int_equal(it.stall[0].commands, 0);
	assert_int_equal(it.stall[0].context.state, CONTEXT_LOOP);
}

/* What comes and goes behind a command unseen is not the command's. */
static void test_little_behind(void **state)
{
	uint64_t woken;

	(void)state;
	woken = start_woken(BY_ITERATION, 0);
	it.unsampled = 600 * US;
	command(THRESHOLD - 400 * US); /* the last sample in it comes after 4.4 ms */
	for (int i = 0; i < 3; i++)
		command(150 * US);
	iteration_over(4);
	go_to_sleep(100 * MS);
	assert_one(woken, it.asleep.start, 0);
	assert_int_equal(it.stall[0].commands, 4);
	assert_int_equal(it.stall[0].context.state, CONTEXT_LOOP);
}

/* Of a command that is the last the end is exact, whatever was seen before it. */
static void test_last_command(void **state)
{
	(void)state;
	start_woken(BY_ITERATION, 0);
	for (int i = 0; i < 3; i++)
		command(SAMPLE);
	command(THRESHOLD + SAMPLE + 300 * US);
	iteration_over(4);
	go_to_sleep(100 * MS);
	assert_int_equal(it.told.count, 1);
	assert_int_equal(it.stall[0].end_ns, it.asleep.start);
	assert_int_equal(it.stall[0].context.command, 7);
}

/* Many short ones together. */
static void test_many_commands(void **state)
{
	uint64_t woken;

	(void)state;
	woken = start_woken(BY_ITERATION, 2 * MS);
	for (int i = 0; i < 100; i++)
		command(40 * US);
	iteration_over(100);
	go_to_sleep(100 * MS);
	assert_one(woken, it.asleep.start, 2 * MS);
	assert_int_equal(it.stall[0].commands, 100);
	assert_int_equal(it.stall[0].context.state, CONTEXT_LOOP);
}

/* Short ones, a long one, short ones: three stalls, side by side. */
static void test_around_a_long_one(void **state)
{
	uint64_t woken, parts = 0;

	(void)state;
	woken = start_woken(BY_ITERATION, 0);
	for (int i = 0; i < 100; i++)
		command(100 * US);
	wait_for_disk(0);
	command(30 * MS);
	for (int i = 0; i < 100; i++)
		command(100 * US);
	iteration_over(201);
	go_to_sleep(100 * MS);
	assert_int_equal(it.told.count, 3);
	assert_int_equal(it.stall[0].start_ns, woken);
	assert_in_range(it.stall[0].commands, 90, 100);
	assert_int_equal(it.stall[1].commands, 0);
	assert_int_equal(it.stall[1].context.command, 7);
	assert_in_range(it.stall[2].commands, 90, 100);
	assert_int_equal(it.stall[2].end_ns, it.asleep.start);
	for (size_t i = 0; i < 3; i++)
		parts += it.stall[i].end_ns - it.stall[i].start_ns;
	assert_in_range(parts, 50 * MS - 2 * SAMPLE, 50 * MS);
}

/* What was waited for before redmem's own command is not redmem's. */
static void test_own_command(void **state)
{
	uint64_t woken;

	(void)state;
	woken = start_woken(BY_ITERATION, 20 * MS);
	command_begins(9, true);
	look();
	run(200 * US);
	command_ends();
	iteration_over(1);
	go_to_sleep(100 * MS);
	assert_one(woken, it.asleep.start, 20 * MS);
	assert_int_equal(it.stall[0].context.state, CONTEXT_LOOP);
}

/* Of two scripts one behind the other, between which nobody looked, each is one. */
static void test_scripts_in_a_row(void **state)
{
	(void)state;
	for (int n = 0; n < BY_COMMAND; n++) {
		start_woken(n, 0);
		it.script = true;
		for (int i = 0; i < 2; i++) {
			command(30 * MS);
			iteration_over(1);
		}
		go_to_sleep(100 * MS);
		assert_int_equal(it.told.count, 2);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(it.stall[i].context.command, 7);
			assert_in_range(it.stall[i].end_ns - it.stall[i].start_ns, 30 * MS - SAMPLE,
					30 * MS + SAMPLE);
		}
	}
}

/* One that runs long is one, though others are told that the server is busy, and though its own
 * commands are counted. */
static void test_long_script(void **state)
{
	(void)state;
	for (int n = 0; n < COUNTINGS * 2; n++) {
		uint64_t woken = start_woken(n / 2, 0);

		it.script = true;
		command_begins(7, false);
		for (int i = 0; i < 30; i++) {
			it.context.inner = n % 2 ? 9 : 0;
			run(MS);
			it.commands += n % 2;
			it.iterations++;
		}
		command_ends();
		iteration_over(1);
		go_to_sleep(100 * MS);
		assert_one(woken, it.asleep.start, 0);
	}
}

/* Iterations that are short each are none together, however busy the server is. */
static void test_busy(void **state)
{
	(void)state;
	for (int n = 0; n < COUNTINGS; n++) {
		start(n);
		for (int i = 0; i < 100; i++) {
			for (int c = 0; c < 20; c++)
				command(50 * US);
			iteration_over(20);
			run(20 * US);
		}
		go_to_sleep(100 * MS);
		assert_int_equal(it.told.count, 0);
	}
}

/* --- anything, in any order ------------------------------------------------------------ */

static uint64_t seed;

static uint64_t chance(uint64_t below)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (seed >> 33) % below;
}

static uint64_t some_ns(void)
{
	switch (chance(4)) {
	case 0:
		return chance(100 * US);
	case 1:
		return chance(2 * MS);
	case 2:
		return 4 * MS + chance(3 * MS);
	default:
		return chance(40 * MS);
	}
}

static void something_happens(void)
{
	switch (chance(6)) {
	case 0:
		be_preempted(some_ns());
		break;
	case 1:
		wait_for_disk(some_ns());
		break;
	case 2:
		look(); /* a fault */
		break;
	default:
		break;
	}
}

static void some_command(void)
{
	bool own = !chance(8);
	uint64_t from = it.now;

	command_begins(own ? 9 : 1 + chance(3), own);
	run(some_ns() / (own ? 20 : 1));
	something_happens();
	run(chance(300 * US));
	command_ends();
	if (!own)
		keep(&it.runs, from, false);
}

/* One command, and nothing else, from a sleep to the next. */
static void lone_command(void)
{
	uint64_t from;

	go_to_sleep(1 + chance(50 * MS));
	wait_for_cpu(chance(2) ? some_ns() : 0);
	from = it.now;
	command(some_ns());
	iteration_over(1);
	go_to_sleep(1 + chance(50 * MS));
	it.runs.row[it.runs.count - 1] = (struct interval){ from, it.asleep.start, true };
	wait_for_cpu(0);
}

static void some_iteration(void)
{
	uint64_t commands = chance(3) ? chance(4) : chance(60);

	if (chance(2)) {
		go_to_sleep(1 + chance(50 * MS));
		wait_for_cpu(chance(2) ? some_ns() : 0);
	}
	for (uint64_t i = 0; i < commands; i++) {
		if (commands > 4)
			command(chance(200 * US));
		else
			some_command();
	}
	something_happens();
	run(chance(4) ? chance(100 * US) : some_ns());
	for (uint64_t i = 0; i < commands; i++) {
		run(chance(20 * US));
		if (it.counting == BY_REPLY)
			iteration_over(1);
	}
	something_happens();
	if (it.counting == BY_ITERATION)
		iteration_over(1);
	run(chance(20 * US));
	something_happens();
}

static int by_start(const void *a, const void *b)
{
	const struct interval *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* How much of @one lies in what is told, in one stall. */
static uint64_t told_of(const struct interval *one)
{
	uint64_t most = 0;

	for (size_t i = 0; i < it.told.count; i++) {
		const struct interval *told = &it.told.row[i];
		uint64_t from = told->start > one->start ? told->start : one->start;
		uint64_t end = told->end < one->end ? told->end : one->end;

		if (end > from && end - from > most)
			most = end - from;
	}
	return most;
}

static uint64_t waited_in(const struct interval *one)
{
	uint64_t waited = 0;

	for (size_t i = 0; i < it.waits.count; i++)
		if (it.waits.row[i].start >= one->start && it.waits.row[i].end <= one->end)
			waited += it.waits.row[i].end - it.waits.row[i].start;
	return waited;
}

/* What each is told to have waited for a CPU is what it has, to the nanosecond. */
static void assert_waits_are_right(void)
{
	for (size_t i = 0; i < it.told.count; i++) {
		struct interval told = { it.stall[i].start_ns, it.stall[i].end_ns, false };

		assert_int_equal(it.stall[i].cpu_wait_ns, waited_in(&told));
	}
}

static void assert_all_told_once(void)
{
	assert_waits_are_right();
	for (size_t i = 0; i < it.waits.count; i++)
		if (it.waits.row[i].end - it.waits.row[i].start >= THRESHOLD)
			assert_int_equal(told_of(&it.waits.row[i]),
					 it.waits.row[i].end - it.waits.row[i].start);
	for (size_t i = 0; i < it.runs.count; i++) {
		const struct interval *one = &it.runs.row[i];
		uint64_t ns = one->end - one->start;

		/* Where it did not sleep, each end lies between two looks; and of what hardly did
		 * more than wait only that is told. */
		if (one->alone && ns >= THRESHOLD)
			assert_int_equal(told_of(one), ns);
		else if (ns >= THRESHOLD + SAMPLE && ns - waited_in(one) >= 5 * SAMPLE / 2)
			assert_in_range(told_of(one), ns - SAMPLE, ns);
	}
	qsort(it.told.row, it.told.count, sizeof(it.told.row[0]), by_start);
	for (size_t i = 0; i < it.told.count; i++) {
		assert_true(it.told.row[i].end >= it.told.row[i].start + THRESHOLD);
		assert_true(!i || it.told.row[i - 1].end <= it.told.row[i].start);
	}
}

static void test_any_order(void **state)
{
	size_t told = 0;

	(void)state;
	for (seed = 1; seed <= 1500;) {
		uint64_t round = seed;

		start(round % COUNTINGS);
		go_to_sleep(MS);
		wait_for_cpu(0);
		for (int i = 0; i < 40; i++) {
			if (chance(4))
				some_iteration();
			else
				lone_command();
		}
		go_to_sleep(100 * MS);
		assert_all_told_once();
		told += it.told.count;
		seed = round + 1;
	}
	assert_true(told > 1500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vote),
		cmocka_unit_test(test_wait_before_little),
		cmocka_unit_test(test_wait_unseen),
		cmocka_unit_test(test_two_unseen),
		cmocka_unit_test(test_just_long_enough),
		cmocka_unit_test(test_stolen),
		cmocka_unit_test(test_short_command),
		cmocka_unit_test(test_short_ones_that_wait),
		cmocka_unit_test(test_little_behind),
		cmocka_unit_test(test_last_command),
		cmocka_unit_test(test_many_commands),
		cmocka_unit_test(test_around_a_long_one),
		cmocka_unit_test(test_own_command),
		cmocka_unit_test(test_scripts_in_a_row),
		cmocka_unit_test(test_long_script),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_any_order),
	};

	return cmocka_run_group_tests_name("iteration", tests, NULL, NULL);
}
