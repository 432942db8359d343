/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A stall from the ring to its blame: the split over causes sums to the duration, whatever
 * was seen.
 */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include "base/buf.h"
#include "model/stalls.h"
#include "sensor/internal.h"
#include "target/frames.h"

#define MS    1000000ULL /* in nanoseconds */
#define START (70000 * MS)

/* A stall with nothing known but its length. */
static struct redmem_stall stall_of(uint64_t ms)
{
	struct redmem_stall stall = { .start_ns = START, .end_ns = START + ms * MS };

	stall.context.state = CONTEXT_LOOP;
	return stall;
}

/* What the sensor makes of @stall, judged. */
static struct stall judge(struct sensors *s, const struct redmem_stall *stall, bool running)
{
	static struct sensor_stall seen; /* strings of what is returned lie in it */
	struct stall f;

	memset(&seen, 0xff, sizeof(seen)); /* every member must be written */
	memset(&f, 0xff, sizeof(f));
	seen.seen = *stall;
	assert_true(stall_fill(s, running, &seen));
	blame_stall(&f, &seen.record, &blame_by_tables);
	return f;
}

/* @command and @allocator: milliseconds of CPU samples seen meanwhile. */
static struct stall split_sampled(const struct redmem_stall *stall, int64_t command,
				  int64_t allocator)
{
	struct sensors *s = xcalloc(1, sizeof(*s));
	struct stall f;

	s->work_tally.start_ns = stall->start_ns;
	s->work_tally.frame_ns[FRAME_NONE] = command * (int64_t)MS;
	s->work_tally.frame_ns[FRAME_ALLOCATE] = allocator * (int64_t)MS;
	f = judge(s, stall, false);
	free(s);
	return f;
}

static struct stall split(const struct redmem_stall *stall)
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
static void assert_sums(const struct stall *f)
{
	double sum = 0;

	for (int cause = 0; cause < CAUSES; cause++) {
		if (!(f->seconds[cause] >= 0))
			fail_msg("%s is %g", cause_table[cause].name, f->seconds[cause]);
		sum += f->seconds[cause];
	}
	assert_seconds(sum, f->duration_seconds);
}

static void test_times(void **state)
{
	struct redmem_stall stall = stall_of(100);
	struct sensors *s = xcalloc(1, sizeof(*s));
	struct stall f;

	(void)state;
	s->config.start_ns = START - 2500 * MS;
	f = judge(s, &stall, true);
	assert_seconds(f.t_seconds, 2.5);
	assert_seconds(f.duration_seconds, 0.1);
	assert_true(f.running);
	f = judge(s, &stall, false);
	assert_string_equal(f.command, "");
	assert_string_equal(f.inner, "");
	assert_int_equal(f.key.len, 0);
	assert_false(f.running);
	free(s);
}

/* Nothing was measured but that it lasted: the command's own. */
static void test_nothing_seen(void **state)
{
	struct redmem_stall stall = stall_of(100);
	struct stall f = split(&stall);

	(void)state;
	assert_sums(&f);
	assert_seconds(f.seconds[CAUSE_COMMAND], 0.1);
	assert_seconds(f.seconds[CAUSE_ALLOCATOR], 0);
}

/* Samples divide what is left after the waits. */
static void test_allocator_share(void **state)
{
	struct redmem_stall stall = stall_of(100);
	struct stall f;

	(void)state;
	stall.cpu_wait_ns = 20 * MS;
	f = split_sampled(&stall, 20, 60);
	assert_sums(&f);
	assert_seconds(f.seconds[CAUSE_CPU_WAIT], 0.02);
	assert_seconds(f.seconds[CAUSE_ALLOCATOR], 0.06);
	assert_seconds(f.seconds[CAUSE_COMMAND], 0.02);
	f = split_sampled(&stall, 0, 80);
	assert_sums(&f);
	assert_seconds(f.seconds[CAUSE_ALLOCATOR], 0.08);
}

static void test_every_cause(void **state)
{
	struct redmem_stall stall = stall_of(100);
	struct stall f;

	(void)state;
	stall.fault_ns[0] = 1 * MS;
	stall.fault_ns[1] = 2 * MS;
	stall.fault_ns[2] = 3 * MS;
	stall.fault_ns[3] = 4 * MS;
	stall.reclaim_ns = 5 * MS;
	stall.compaction_ns = 6 * MS;
	stall.cpu_wait_ns = 7 * MS;
	stall.blocked_ns = 8 * MS;
	stall.stolen_ns = 12 * MS;
	stall.wait = (struct redmem_wait){ .ns = 8 * MS, .id = SYS_fdatasync, .fd = -1 };
	f = split_sampled(&stall, 39, 13);
	assert_sums(&f);
	assert_seconds(f.seconds[CAUSE_FAULT_MINOR], 0.001);
	assert_seconds(f.seconds[CAUSE_FAULT_COW], 0.002);
	assert_seconds(f.seconds[CAUSE_FAULT_SWAP], 0.003);
	assert_seconds(f.seconds[CAUSE_FAULT_FILE], 0.004);
	assert_seconds(f.seconds[CAUSE_RECLAIM], 0.005);
	assert_seconds(f.seconds[CAUSE_COMPACTION], 0.006);
	assert_seconds(f.seconds[CAUSE_CPU_WAIT], 0.007);
	assert_seconds(f.seconds[CAUSE_IO_WAIT], 0.008);
	assert_seconds(f.seconds[CAUSE_STOLEN], 0.012);
	assert_seconds(f.seconds[CAUSE_ALLOCATOR], 0.013);
	assert_seconds(f.seconds[CAUSE_COMMAND], 0.039);
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
		offsetof(struct redmem_stall, stolen_ns),
	};
	uint64_t ns = 250 * MS;

	(void)state;
	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
		struct redmem_stall stall = stall_of(100);
		struct stall f;

		memcpy((char *)&stall + causes[i], &ns, sizeof(ns));
		f = split_sampled(&stall, 5, 5);
		assert_sums(&f);
		assert_seconds(f.seconds[CAUSE_COMMAND] + f.seconds[CAUSE_ALLOCATOR], 0);
		assert_seconds(f.seconds[CAUSE_FAULT_MINOR] + f.seconds[CAUSE_FAULT_COW] +
				       f.seconds[CAUSE_FAULT_SWAP] + f.seconds[CAUSE_FAULT_FILE] +
				       f.seconds[CAUSE_RECLAIM] + f.seconds[CAUSE_COMPACTION] +
				       f.seconds[CAUSE_CPU_WAIT] + f.seconds[CAUSE_IO_WAIT] +
				       f.seconds[CAUSE_STOLEN] + f.seconds[CAUSE_OTHER],
			       0.1);
	}
}

/* Each fits, together they do not (reclaim inside a fault counts twice): what the
 * scheduler measured stands before what a fault took, reclaim last. */
static void test_together_too_long(void **state)
{
	struct redmem_stall stall = stall_of(100);
	struct stall f;

	(void)state;
	stall.cpu_wait_ns = 40 * MS;
	stall.fault_ns[2] = 45 * MS;
	stall.reclaim_ns = 40 * MS;
	stall.compaction_ns = 10 * MS;
	f = split(&stall);
	assert_sums(&f);
	assert_seconds(f.seconds[CAUSE_CPU_WAIT], 0.04);
	assert_seconds(f.seconds[CAUSE_FAULT_SWAP], 0.045);
	assert_seconds(f.seconds[CAUSE_RECLAIM], 0.015);
	assert_seconds(f.seconds[CAUSE_COMPACTION], 0);
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
		struct stall f;

		stall.blocked_ns = 60 * MS;
		stall.wait = (struct redmem_wait){ .ns = 60 * MS, .id = rows[i].id, .fd = -1 };
		f = split(&stall);
		assert_sums(&f);
		assert_seconds(f.seconds[CAUSE_IO_WAIT], rows[i].io ? 0.06 : 0);
		assert_seconds(f.seconds[CAUSE_OTHER], rows[i].io ? 0 : 0.06);
		assert_string_equal(f.wait_call, rows[i].name);
	}
}

static void test_preemptor(void **state)
{
	struct redmem_stall stall = stall_of(100);
	struct stall f = split(&stall);

	(void)state;
	assert_string_equal(f.preemptor, "");
	assert_true(f.preemptor_pid == RECORD_UNKNOWN);
	stall.preemptor = (struct redmem_wait){ .ns = 30 * MS, .id = 4711, .comm = "stress" };
	f = split(&stall);
	assert_string_equal(f.preemptor, "stress");
	assert_int_equal(f.preemptor_pid, 4711);
	stall.preemptor.id = 0; /* the idle task: nobody */
	f = split(&stall);
	assert_string_equal(f.preemptor, "");
	assert_int_equal(f.preemptor_pid, 0);
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
			&stall.blocked_ns,  &stall.compaction_ns, &stall.stolen_ns,
		};
		struct stall f;

		for (size_t cause = 0; cause < sizeof(causes) / sizeof(*causes); cause++)
			if (next_random(&seed) % 3 == 0)
				*causes[cause] = next_random(&seed) % (60 * MS);
		f = split_sampled(&stall, next_random(&seed) % 4, next_random(&seed) % 4);
		assert_sums(&f);
	}
}

/* --- through the ring ---------------------------------------------------------- */

struct heard {
	size_t records;
	struct record record;
	struct stall stall; /* judged */
	char command[16];
};

static void take(void *ctx, const struct record *record)
{
	struct heard *heard = ctx;

	heard->records++;
	heard->record = *record;
	if (record->kind != RECORD_STALL)
		return;
	strncpy(heard->command, record->stall.command, sizeof(heard->command) - 1);
	blame_stall(&heard->stall, &record->stall, &blame_by_tables);
}

/* The first bytes of a command's text, as the programs send them. */
static uint64_t word_of(const char *text)
{
	uint64_t word = 0;

	memcpy(&word, text, strnlen(text, sizeof(word)));
	return word;
}

static void deliver(struct sensors *s, const struct redmem_ring_record *record)
{
	struct redmem_ring_record copy = *record;

	ring_take(s, &copy, sizeof(copy));
}

/* Deliver a fork at @fork_ns, then a stall of 100 ms with 10 ms of waiting. */
static struct heard fork_and_stall(uint64_t fork_ns)
{
	struct heard heard = { 0 };
	struct record_sink sink = { take, &heard };
	struct sensors *s = xcalloc(1, sizeof(*s));
	struct redmem_ring_record fork = { .kind = RING_FORK, .pid = 99, .ns = fork_ns };
	struct redmem_ring_record end = { .kind = RING_STALL_END };

	end.stall = stall_of(100);
	end.stall.blocked_ns = 10 * MS;
	end.stall.context.state = CONTEXT_TEXT;
	end.stall.context.command = word_of("bgsave");
	s->sink = &sink;
	deliver(s, &fork);
	assert_int_equal(heard.records, 0);
	deliver(s, &end);
	assert_int_equal(heard.records, 1);
	assert_int_equal(heard.record.kind, RECORD_STALL);
	assert_string_equal(heard.command, "bgsave");
	assert_sums(&heard.stall);
	free(s);
	return heard;
}

/* A stall in which the server forked: up to there it was the fork, as far as it is
 * not explained otherwise. */
static void test_fork(void **state)
{
	struct heard heard = fork_and_stall(START + 60 * MS);

	(void)state;
	assert_seconds(heard.stall.seconds[CAUSE_FORK], 0.06);
	assert_seconds(heard.stall.seconds[CAUSE_COMMAND], 0.03);
	heard = fork_and_stall(START + 99 * MS);
	assert_seconds(heard.stall.seconds[CAUSE_FORK], 0.09);
	assert_seconds(heard.stall.seconds[CAUSE_COMMAND], 0);
	heard = fork_and_stall(START - 1);
	assert_seconds(heard.stall.seconds[CAUSE_FORK], 0);
	heard = fork_and_stall(START + 101 * MS);
	assert_seconds(heard.stall.seconds[CAUSE_FORK], 0);
}

/* --- samples ------------------------------------------------------------------- */

/* Functions of 0x100 bytes each, and one place that is in none. */
enum { EXPIRE = 0x1000, EVICT = 0x2000, REHASH = 0x3000, FREE = 0x4000, ELSEWHERE = 0x9000 };

static struct frames *program(void)
{
	static const struct {
		const char *name;
		uint64_t at;
	} functions[] = { { "activeExpireCycle", EXPIRE },
			  { "performEvictions", EVICT },
			  { "dictRehash", REHASH },
			  { "decrRefCount", FREE } };
	struct frames *frames = frames_new();

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		frames_add(frames, functions[i].name,
			   (struct redmem_range){ functions[i].at, functions[i].at + 0x100 });
	return frames;
}

static void sample(struct sensors *s, uint64_t work_ns, uint64_t ip, uint64_t syscall)
{
	struct redmem_sample *one = xcalloc(1, sizeof(*one));

	one->kind = RING_SAMPLE;
	one->ns = MS;
	one->work_ns = work_ns;
	one->iteration_ns = work_ns < START ? work_ns : START;
	one->user_ip = ip;
	one->kernel_ip = syscall != ~0ULL;
	one->syscall = syscall;
	one->context.state = CONTEXT_TEXT;
	one->context.command = word_of("bgsave");
	ring_take(s, one, sizeof(*one));
	free(one);
}

static struct sensors *sampled_sensors(const struct record_sink *sink)
{
	struct sensors *s = xcalloc(1, sizeof(*s));

	s->sink = sink;
	s->names.frames = program();
	return s;
}

static void sampled_free(struct sensors *s)
{
	frames_close(s->names.frames);
	free(s);
}

/* Samples of the work divide it; those of the work before are forgotten. */
static void test_samples(void **state)
{
	struct heard heard = { 0 };
	struct record_sink sink = { take, &heard };
	struct sensors *s = sampled_sensors(&sink);
	struct redmem_stall stall = stall_of(100);
	struct stall f;

	(void)state;
	sample(s, START - 1, EXPIRE + 1, ~0ULL);
	for (int i = 0; i < 6; i++)
		sample(s, START, FREE + 1, ~0ULL);
	sample(s, START, ELSEWHERE, SYS_madvise);
	sample(s, START, EVICT + 1, ~0ULL);
	for (int i = 0; i < 2; i++)
		sample(s, START, REHASH + 1, ~0ULL);
	f = judge(s, &stall, false);
	assert_sums(&f);
	assert_seconds(f.seconds[CAUSE_ALLOCATOR], 0.07);
	assert_seconds(f.seconds[CAUSE_EVICTION], 0.01);
	assert_seconds(f.seconds[CAUSE_REHASH], 0.02);
	assert_seconds(f.seconds[CAUSE_EXPIRY], 0);
	assert_string_equal(f.activity[0].words, "freeing");
	assert_seconds(f.activity[0].seconds, 0.06);
	assert_string_equal(f.activity[1].words, "moving a hash table");
	assert_true(f.commands_total == RECORD_UNKNOWN);
	assert_int_equal(f.mix_count, 0);
	assert_int_equal(heard.records, 0);
	sampled_free(s);
}

/* A turn of many commands has all the samples, and names what they were. */
static void test_iteration(void **state)
{
	struct heard heard = { 0 };
	struct record_sink sink = { take, &heard };
	struct sensors *s = sampled_sensors(&sink);
	struct redmem_stall stall = stall_of(100);
	struct stall f;

	(void)state;
	for (int i = 0; i < 4; i++)
		sample(s, START + i, i ? ELSEWHERE : FREE + 1, ~0ULL);
	stall.commands = 10000;
	f = judge(s, &stall, false);
	assert_sums(&f);
	assert_seconds(f.seconds[CAUSE_ALLOCATOR], 0.025);
	assert_int_equal(f.commands_total, 10000);
	assert_int_equal(f.mix_count, 1);
	assert_string_equal(f.mix[0].command, "bgsave");
	assert_true(f.mix[0].ratio == 1);
	sampled_free(s);
}

/* Commands before one that is told are a stall of their own, told when samples of that one have
 * come already. */
static void test_before_work(void **state)
{
	struct heard heard = { 0 };
	struct record_sink sink = { take, &heard };
	struct sensors *s = sampled_sensors(&sink);
	struct redmem_stall before = stall_of(50), work = stall_of(100);
	struct stall f;

	(void)state;
	before.commands = 100;
	work.start_ns = before.end_ns;
	for (int i = 0; i < 50; i++)
		sample(s, START + i, i % 5 ? ELSEWHERE : FREE + 1, ~0ULL);
	for (int i = 0; i < 50; i++)
		sample(s, work.start_ns, FREE + 1, ~0ULL);
	f = judge(s, &before, false);
	assert_sums(&f);
	assert_seconds(f.seconds[CAUSE_ALLOCATOR], 0.01);
	assert_seconds(f.seconds[CAUSE_COMMAND], 0.04);
	f = judge(s, &work, false);
	assert_sums(&f);
	assert_seconds(f.seconds[CAUSE_ALLOCATOR], 0.05);
	sampled_free(s);
}

/* redmem's own commands are no stalls of the server but redmem's cost. */
static void test_own_stall(void **state)
{
	struct heard heard = { 0 };
	struct record_sink sink = { take, &heard };
	struct sensors *s = xcalloc(1, sizeof(*s));
	struct redmem_ring_record end = { .kind = RING_STALL_END };

	(void)state;
	s->sink = &sink;
	s->config.stall_threshold_seconds = 0.005;
	end.stall = stall_of(100);
	end.stall.context.state = CONTEXT_OWN;
	deliver(s, &end);
	deliver(s, &end);
	assert_int_equal(heard.records, 0);
	assert_seconds(s->own_pause_seconds, 0.2);
	end.stall.cpu_wait_ns = 90 * MS; /* that others took is not redmem's */
	deliver(s, &end);
	assert_seconds(s->own_pause_seconds, 0.21);
	assert_int_equal(heard.records, 1);
	assert_seconds(heard.stall.seconds[CAUSE_CPU_WAIT], 0.09);
	assert_string_equal(heard.stall.command, "");
	heard.records = 0;
	end.stall.cpu_wait_ns = 4 * MS;
	deliver(s, &end);
	assert_int_equal(heard.records, 0);
	end.stall.cpu_wait_ns = 0;
	end.kind = RING_STALL_OPEN; /* it goes on: told when it ends */
	end.stall.context.state = CONTEXT_LOOP;
	deliver(s, &end);
	assert_int_equal(heard.records, 0);
	/* A record cut short is none. */
	end.kind = RING_STALL_END;
	ring_take(s, &end, sizeof(end) - 1);
	assert_int_equal(heard.records, 0);
	free(s);
}

/* --- a copy while it changes ------------------------------------------------ */

#define COPIES 20000

static struct redmem_loop changing;
static bool stop_changing;

/* As the programs do it: the same number everywhere, and one change within another. */
static void *change(void *ctx)
{
	struct redmem_loop *loop = &changing;

	for (uint64_t n = 1; !__atomic_load_n(&stop_changing, __ATOMIC_RELAXED); n++) {
		__atomic_fetch_add(&loop->begun, 1, __ATOMIC_SEQ_CST);
		loop->work.start_ns = n;
		loop->work.stall.context.command = n;
		__atomic_fetch_add(&loop->begun, 1, __ATOMIC_SEQ_CST);
		loop->seen_ns = n;
		__atomic_fetch_add(&loop->ended, 1, __ATOMIC_SEQ_CST);
		loop->work.stall.end_ns = n;
		loop->iteration.start_ns = n;
		__atomic_fetch_add(&loop->ended, 1, __ATOMIC_SEQ_CST);
		if (n % 64 == 0)
			sched_yield();
	}
	return ctx;
}

static void test_copy_is_whole(void **state)
{
	struct redmem_loop copy;
	pthread_t thread;
	int whole = 0;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, change, NULL), 0);
	for (int i = 0; i < COPIES || !whole; i++) {
		if (!stall_copy_loop(&changing, &copy))
			continue;
		whole++;
		assert_int_equal(copy.work.stall.context.command, copy.work.start_ns);
		assert_int_equal(copy.seen_ns, copy.work.start_ns);
		assert_int_equal(copy.work.stall.end_ns, copy.work.start_ns);
		assert_int_equal(copy.iteration.start_ns, copy.work.start_ns);
	}
	__atomic_store_n(&stop_changing, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	/* A change that never ends gives no copy. */
	changing.begun++;
	assert_false(stall_copy_loop(&changing, &copy));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy_is_whole),	  cmocka_unit_test(test_times),
		cmocka_unit_test(test_nothing_seen),	  cmocka_unit_test(test_allocator_share),
		cmocka_unit_test(test_every_cause),	  cmocka_unit_test(test_one_cause_too_long),
		cmocka_unit_test(test_together_too_long), cmocka_unit_test(test_waits),
		cmocka_unit_test(test_preemptor),	  cmocka_unit_test(test_any_stall),
		cmocka_unit_test(test_samples),		  cmocka_unit_test(test_iteration),
		cmocka_unit_test(test_before_work),	  cmocka_unit_test(test_fork),
		cmocka_unit_test(test_own_stall),
	};

	return cmocka_run_group_tests_name("stall", tests, NULL, NULL);
}
