/* SPDX-License-Identifier: BSD-2-Clause */
/* The split of a stall over its causes: it sums to the duration, whatever was seen. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "sensor/internal.h"

#define MS    1000000ULL /* in nanoseconds */
#define START (70000 * MS)

/* A stall with nothing known but its length. */
static struct redmem_stall stall_of(uint64_t ms)
{
	struct redmem_stall stall = { .start_ns = START, .end_ns = START + ms * MS };

	stall.who.state = WHO_LOOP;
	return stall;
}

static struct fact_stall split(const struct redmem_stall *stall)
{
	struct sensors *s = xcalloc(1, sizeof(*s));
	struct fact_stall f;

	memset(&f, 0xff, sizeof(f)); /* every member must be written */
	records_stall(s, stall, false, &f);
	free(s);
	return f;
}

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static void assert_seconds(double found, double right)
{
	if (!near(found, right))
		fail_msg("%.9f s instead of %.9f s", found, right);
}

/* Every part is known and none is negative, and they sum to the duration. */
static void assert_sums(const struct fact_stall *f)
{
	const double parts[] = {
		f->command_seconds,   f->allocator_seconds,  f->fault_minor_seconds,
		f->fault_cow_seconds, f->fault_swap_seconds, f->fault_file_seconds,
		f->reclaim_seconds,   f->compaction_seconds, f->cpu_wait_seconds,
		f->io_wait_seconds,   f->fork_seconds,	     f->other_seconds,
	};
	double sum = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (!(parts[i] >= 0))
			fail_msg("part %zu is %g", i, parts[i]);
		sum += parts[i];
	}
	assert_seconds(sum, f->duration_seconds);
}

static void test_times(void **state)
{
	struct redmem_stall stall = stall_of(100);
	struct sensors *s = xcalloc(1, sizeof(*s));
	struct fact_stall f;

	(void)state;
	s->config.start_ns = START - 2500 * MS;
	records_stall(s, &stall, true, &f);
	assert_seconds(f.t_seconds, 2.5);
	assert_seconds(f.duration_seconds, 0.1);
	assert_true(f.running);
	memset(&f, 0xff, sizeof(f)); /* names are the caller's to fill in */
	records_stall(s, &stall, false, &f);
	assert_null(f.command);
	assert_null(f.inner);
	assert_int_equal(f.key.len, 0);
	assert_false(f.running);
	free(s);
}

/* Nothing was measured but that it lasted: the command's own. */
static void test_nothing_seen(void **state)
{
	struct redmem_stall stall = stall_of(100);
	struct fact_stall f = split(&stall);

	(void)state;
	assert_sums(&f);
	assert_seconds(f.command_seconds, 0.1);
	assert_seconds(f.allocator_seconds, 0);
}

/* Samples divide what is left after the waits. */
static void test_allocator_share(void **state)
{
	struct redmem_stall stall = stall_of(100);
	struct fact_stall f;

	(void)state;
	stall.cpu_samples = 80;
	stall.allocator_samples = 60;
	stall.cpu_wait_ns = 20 * MS;
	f = split(&stall);
	assert_sums(&f);
	assert_seconds(f.cpu_wait_seconds, 0.02);
	assert_seconds(f.allocator_seconds, 0.06);
	assert_seconds(f.command_seconds, 0.02);
	stall.allocator_samples = 80;
	f = split(&stall);
	assert_sums(&f);
	assert_seconds(f.allocator_seconds, 0.08);
}

/* The copy of a stall under way can be torn between the two counts. */
static void test_torn_samples(void **state)
{
	struct redmem_stall stall = stall_of(100);
	struct fact_stall f;

	(void)state;
	stall.cpu_samples = 3;
	stall.allocator_samples = 4;
	f = split(&stall);
	assert_sums(&f);
	assert_seconds(f.allocator_seconds, 0.1);
}

static void test_every_cause(void **state)
{
	struct redmem_stall stall = stall_of(100);
	struct fact_stall f;

	(void)state;
	stall.fault_ns[0] = 1 * MS;
	stall.fault_ns[1] = 2 * MS;
	stall.fault_ns[2] = 3 * MS;
	stall.fault_ns[3] = 4 * MS;
	stall.reclaim_ns = 5 * MS;
	stall.compaction_ns = 6 * MS;
	stall.cpu_wait_ns = 7 * MS;
	stall.io_wait_ns = 8 * MS;
	stall.cpu_samples = 64;
	stall.allocator_samples = 16;
	f = split(&stall);
	assert_sums(&f);
	assert_seconds(f.fault_minor_seconds, 0.001);
	assert_seconds(f.fault_cow_seconds, 0.002);
	assert_seconds(f.fault_swap_seconds, 0.003);
	assert_seconds(f.fault_file_seconds, 0.004);
	assert_seconds(f.reclaim_seconds, 0.005);
	assert_seconds(f.compaction_seconds, 0.006);
	assert_seconds(f.cpu_wait_seconds, 0.007);
	assert_seconds(f.io_wait_seconds, 0.008);
	assert_seconds(f.allocator_seconds, 0.016);
	assert_seconds(f.command_seconds, 0.048);
}

/* A cause measured as longer than the stall (it began before it) is cut to it, and
 * nothing is left for the others. */
static void test_one_cause_too_long(void **state)
{
	static const size_t causes[] = {
		offsetof(struct redmem_stall, fault_ns[0]),
		offsetof(struct redmem_stall, fault_ns[1]),
		offsetof(struct redmem_stall, fault_ns[2]),
		offsetof(struct redmem_stall, fault_ns[3]),
		offsetof(struct redmem_stall, reclaim_ns),
		offsetof(struct redmem_stall, compaction_ns),
		offsetof(struct redmem_stall, cpu_wait_ns),
		offsetof(struct redmem_stall, io_wait_ns),
	};
	uint64_t ns = 250 * MS;

	(void)state;
	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
		struct redmem_stall stall = stall_of(100);
		struct fact_stall f;

		stall.cpu_samples = 10;
		stall.allocator_samples = 5;
		memcpy((char *)&stall + causes[i], &ns, sizeof(ns));
		f = split(&stall);
		assert_sums(&f);
		assert_seconds(f.command_seconds + f.allocator_seconds, 0);
		assert_seconds(f.fault_minor_seconds + f.fault_cow_seconds + f.fault_swap_seconds +
				       f.fault_file_seconds + f.reclaim_seconds +
				       f.compaction_seconds + f.cpu_wait_seconds +
				       f.io_wait_seconds,
			       0.1);
	}
}

/* Each fits, together they do not (reclaim inside a fault counts twice): what the
 * scheduler measured stands before what a fault took, reclaim last. */
static void test_together_too_long(void **state)
{
	struct redmem_stall stall = stall_of(100);
	struct fact_stall f;

	(void)state;
	stall.cpu_wait_ns = 40 * MS;
	stall.fault_ns[2] = 45 * MS;
	stall.reclaim_ns = 40 * MS;
	stall.compaction_ns = 10 * MS;
	f = split(&stall);
	assert_sums(&f);
	assert_seconds(f.cpu_wait_seconds, 0.04);
	assert_seconds(f.fault_swap_seconds, 0.045);
	assert_seconds(f.reclaim_seconds, 0.015);
	assert_seconds(f.compaction_seconds, 0);
}

static uint64_t next_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 33;
}

/* Whatever the programs report, also nonsense. */
static void test_any_stall(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct redmem_stall stall = stall_of(next_random(&seed) % 200);
		__u64 *causes[] = {
			&stall.fault_ns[0], &stall.fault_ns[1],	  &stall.fault_ns[2],
			&stall.fault_ns[3], &stall.reclaim_ns,	  &stall.cpu_wait_ns,
			&stall.io_wait_ns,  &stall.compaction_ns,
		};
		struct fact_stall f;

		for (size_t cause = 0; cause < 8; cause++)
			if (next_random(&seed) % 3 == 0)
				*causes[cause] = next_random(&seed) % (60 * MS);
		stall.cpu_samples = next_random(&seed) % 4;
		stall.allocator_samples = next_random(&seed) % 4;
		f = split(&stall);
		assert_sums(&f);
	}
}

/* --- through the ring ---------------------------------------------------------- */

struct heard {
	size_t facts;
	struct fact fact;
	char command[16];
};

static void take(void *ctx, const struct fact *fact)
{
	struct heard *heard = ctx;

	heard->facts++;
	heard->fact = *fact;
	if (fact->kind == FACT_STALL)
		strncpy(heard->command, fact->stall.command, sizeof(heard->command) - 1);
}

static const char *any_name(void *ctx, uint64_t command)
{
	(void)ctx;
	(void)command;
	return "bgsave";
}

static void deliver(struct sensors *s, const struct redmem_record *record)
{
	struct redmem_record copy = *record;

	records_take(s, &copy, sizeof(copy));
}

/* Deliver a fork at @fork_ns, then a stall of 100 ms with 10 ms of waiting. */
static struct heard fork_and_stall(uint64_t fork_ns)
{
	struct heard heard = { 0 };
	struct fact_sink sink = { take, &heard };
	struct sensors *s = xcalloc(1, sizeof(*s));
	struct redmem_record fork = { .kind = RECORD_FORK, .pid = 99, .ns = fork_ns };
	struct redmem_record end = { .kind = RECORD_STALL_END };

	end.stall = stall_of(100);
	end.stall.io_wait_ns = 10 * MS;
	end.stall.who.state = WHO_COMMAND;
	end.stall.who.command = 1;
	s->resolver.command_name = any_name;
	s->sink = &sink;
	deliver(s, &fork);
	assert_int_equal(heard.facts, 0);
	deliver(s, &end);
	assert_int_equal(heard.facts, 1);
	assert_int_equal(heard.fact.kind, FACT_STALL);
	assert_string_equal(heard.command, "bgsave");
	assert_sums(&heard.fact.stall);
	free(s);
	return heard;
}

/* A stall in which the server forked: up to there it was the fork, as far as it is
 * not explained otherwise. */
static void test_fork(void **state)
{
	struct heard heard = fork_and_stall(START + 60 * MS);

	(void)state;
	assert_seconds(heard.fact.stall.fork_seconds, 0.06);
	assert_seconds(heard.fact.stall.command_seconds, 0.03);
	heard = fork_and_stall(START + 99 * MS);
	assert_seconds(heard.fact.stall.fork_seconds, 0.09);
	assert_seconds(heard.fact.stall.command_seconds, 0);
	heard = fork_and_stall(START - 1);
	assert_seconds(heard.fact.stall.fork_seconds, 0);
	heard = fork_and_stall(START + 101 * MS);
	assert_seconds(heard.fact.stall.fork_seconds, 0);
}

/* redmem's own commands are no stalls of the server but redmem's cost. */
static void test_own_stall(void **state)
{
	struct heard heard = { 0 };
	struct fact_sink sink = { take, &heard };
	struct sensors *s = xcalloc(1, sizeof(*s));
	struct redmem_record end = { .kind = RECORD_STALL_END };

	(void)state;
	s->sink = &sink;
	end.stall = stall_of(100);
	end.stall.who.state = WHO_OWN;
	deliver(s, &end);
	deliver(s, &end);
	assert_int_equal(heard.facts, 0);
	assert_seconds(s->own_pause_seconds, 0.2);
	end.kind = RECORD_STALL_OPEN; /* it goes on: told when it ends */
	end.stall.who.state = WHO_LOOP;
	deliver(s, &end);
	assert_int_equal(heard.facts, 0);
	/* A record cut short is none. */
	end.kind = RECORD_STALL_END;
	records_take(s, &end, sizeof(end) - 1);
	assert_int_equal(heard.facts, 0);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_nothing_seen),
		cmocka_unit_test(test_allocator_share),
		cmocka_unit_test(test_torn_samples),
		cmocka_unit_test(test_every_cause),
		cmocka_unit_test(test_one_cause_too_long),
		cmocka_unit_test(test_together_too_long),
		cmocka_unit_test(test_any_stall),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_own_stall),
	};

	return cmocka_run_group_tests_name("stall", tests, NULL, NULL);
}
