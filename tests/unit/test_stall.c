/* SPDX-License-Identifier: BSD-2-Clause */
/* The split of a stall over its causes: it sums to the duration, whatever was seen. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
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

/* @command and @allocator: CPU samples seen meanwhile. */
static struct fact_stall split_sampled(const struct redmem_stall *stall, double command,
				       double allocator)
{
	struct sensors *s = xcalloc(1, sizeof(*s));
	struct fact_stall f;

	memset(&f, 0xff, sizeof(f)); /* every member must be written */
	s->work_tally.start_ns = stall->start_ns;
	s->work_tally.seconds[MARK_COMMAND] = command;
	s->work_tally.seconds[MARK_ALLOCATOR] = allocator;
	records_stall(s, stall, false, &f);
	free(s);
	return f;
}

static struct fact_stall split(const struct redmem_stall *stall)
{
	return split_sampled(stall, 0, 0);
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
		f->expiry_seconds,    f->eviction_seconds,   f->defrag_seconds,
		f->rehash_seconds,
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
	stall.cpu_wait_ns = 20 * MS;
	f = split_sampled(&stall, 20, 60);
	assert_sums(&f);
	assert_seconds(f.cpu_wait_seconds, 0.02);
	assert_seconds(f.allocator_seconds, 0.06);
	assert_seconds(f.command_seconds, 0.02);
	f = split_sampled(&stall, 0, 80);
	assert_sums(&f);
	assert_seconds(f.allocator_seconds, 0.08);
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
	stall.blocked_ns = 8 * MS;
	stall.wait = (struct redmem_wait){ .ns = 8 * MS, .id = SYS_fdatasync, .fd = -1 };
	f = split_sampled(&stall, 48, 16);
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
	assert_string_equal(f.wait_call, "fdatasync");
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
		offsetof(struct redmem_stall, blocked_ns),
	};
	uint64_t ns = 250 * MS;

	(void)state;
	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
		struct redmem_stall stall = stall_of(100);
		struct fact_stall f;

		memcpy((char *)&stall + causes[i], &ns, sizeof(ns));
		f = split_sampled(&stall, 5, 5);
		assert_sums(&f);
		assert_seconds(f.command_seconds + f.allocator_seconds, 0);
		assert_seconds(f.fault_minor_seconds + f.fault_cow_seconds + f.fault_swap_seconds +
				       f.fault_file_seconds + f.reclaim_seconds +
				       f.compaction_seconds + f.cpu_wait_seconds +
				       f.io_wait_seconds + f.other_seconds,
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

/* What was slept in says whether a disk was waited for. */
static void test_waits(void **state)
{
	static const struct {
		uint32_t id;
		bool io;
		const char *name;
	} rows[] = {
		{ SYS_fsync, true, "fsync" },	       { SYS_write, true, "write" },
		{ SYS_nanosleep, false, "nanosleep" }, { WAIT_STOPPED, false, "SIGSTOP" },
		{ 100000, false, "a system call" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct redmem_stall stall = stall_of(100);
		struct fact_stall f;

		stall.blocked_ns = 60 * MS;
		stall.wait = (struct redmem_wait){ 60 * MS, rows[i].id, -1, "" };
		f = split(&stall);
		assert_sums(&f);
		assert_seconds(f.io_wait_seconds, rows[i].io ? 0.06 : 0);
		assert_seconds(f.other_seconds, rows[i].io ? 0 : 0.06);
		assert_string_equal(f.wait_call, rows[i].name);
	}
}

static void test_hog(void **state)
{
	struct redmem_stall stall = stall_of(100);
	struct fact_stall f = split(&stall);

	(void)state;
	assert_string_equal(f.hog, "");
	assert_true(f.hog_pid == FACT_UNKNOWN);
	stall.hog = (struct redmem_wait){ 30 * MS, 4711, 0, "stress" };
	f = split(&stall);
	assert_string_equal(f.hog, "stress");
	assert_int_equal(f.hog_pid, 4711);
	stall.hog.id = 0;
	f = split(&stall);
	assert_non_null(strstr(f.hog, "quota"));
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
			&stall.blocked_ns,  &stall.compaction_ns,
		};
		struct fact_stall f;

		for (size_t cause = 0; cause < 8; cause++)
			if (next_random(&seed) % 3 == 0)
				*causes[cause] = next_random(&seed) % (60 * MS);
		f = split_sampled(&stall, next_random(&seed) % 4, next_random(&seed) % 4);
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
	end.stall.blocked_ns = 10 * MS;
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

/* --- samples ------------------------------------------------------------------- */

static struct marker_place next_place;

static struct marker_place place(void *ctx, const struct redmem_sample *sample)
{
	(void)ctx;
	(void)sample;
	return next_place;
}

static void sample(struct sensors *s, uint64_t work_ns, enum marker_cause cause,
		   const char *activity)
{
	struct redmem_sample *one = xcalloc(1, sizeof(*one));

	one->kind = RECORD_SAMPLE;
	one->ns = MS;
	one->work_ns = work_ns;
	one->turn_ns = START;
	one->who.state = WHO_COMMAND;
	one->who.command = 1;
	next_place = (struct marker_place){ cause, activity };
	records_take(s, one, sizeof(*one));
	free(one);
}

/* Samples of the work divide it; those of the work before are forgotten. */
static void test_samples(void **state)
{
	struct heard heard = { 0 };
	struct fact_sink sink = { take, &heard };
	struct sensors *s = xcalloc(1, sizeof(*s));
	struct redmem_stall stall = stall_of(100);
	struct fact_stall f;

	(void)state;
	s->sink = &sink;
	s->resolver.place = place;
	s->resolver.command_name = any_name;
	sample(s, START - 1, MARK_EXPIRY, "expiring keys");
	for (int i = 0; i < 6; i++)
		sample(s, START, MARK_ALLOCATOR, "freeing");
	sample(s, START, MARK_ALLOCATOR, "giving pages back");
	sample(s, START, MARK_EVICTION, "evicting keys");
	for (int i = 0; i < 2; i++)
		sample(s, START, MARK_REHASH, "moving a hash table");
	records_stall(s, &stall, false, &f);
	assert_sums(&f);
	assert_seconds(f.allocator_seconds, 0.07);
	assert_seconds(f.eviction_seconds, 0.01);
	assert_seconds(f.rehash_seconds, 0.02);
	assert_seconds(f.expiry_seconds, 0);
	assert_string_equal(f.activity, "freeing");
	assert_seconds(f.activity_seconds, 0.06);
	assert_string_equal(f.activity2, "moving a hash table");
	assert_true(f.commands_total == FACT_UNKNOWN);
	assert_string_equal(f.mix, "");
	assert_int_equal(heard.facts, 0);
	free(s);
}

/* A turn of many commands has all the samples, and names what they were. */
static void test_turn(void **state)
{
	struct heard heard = { 0 };
	struct fact_sink sink = { take, &heard };
	struct sensors *s = xcalloc(1, sizeof(*s));
	struct redmem_stall stall = stall_of(100);
	struct fact_stall f;

	(void)state;
	s->sink = &sink;
	s->resolver.place = place;
	s->resolver.command_name = any_name;
	for (int i = 0; i < 4; i++)
		sample(s, START + i, i ? MARK_COMMAND : MARK_ALLOCATOR, "");
	stall.commands = 10000;
	records_stall(s, &stall, false, &f);
	assert_sums(&f);
	assert_seconds(f.allocator_seconds, 0.025);
	assert_int_equal(f.commands_total, 10000);
	assert_string_equal(f.mix, "bgsave 1.00");
	free(s);
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
		cmocka_unit_test(test_every_cause),
		cmocka_unit_test(test_one_cause_too_long),
		cmocka_unit_test(test_together_too_long),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_hog),
		cmocka_unit_test(test_any_stall),
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_turn),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_own_stall),
	};

	return cmocka_run_group_tests_name("stall", tests, NULL, NULL);
}
