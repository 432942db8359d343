/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verdict follows the harm: each stall belongs to one finding, whatever it was spent on;
 * none fires on what is no harm; and what nothing concludes is said.
 */
#define _GNU_SOURCE
#include <glob.h>
#include <stdio.h>

#include "blame_records.h"
#include "scene.h"

#include "diagnose/harm.h"
#include "diagnose/harm_left.h"
#include "diagnose/rules.h"
#include "diagnose/waits.h"
#include "record/codec.h"

/* --- a finding for every cause ---------------------------------------------------- */

/* What a stall of each cause comes to, when the event loop, or a command, was in it. */
static const struct {
	enum redmem_cause cause;
	const char *in_loop, *in_command;
} belongs[] = {
	{ CAUSE_COMMAND, "loop.blocks", "command.blocks" },
	{ CAUSE_ALLOCATOR, "loop.blocks", "command.blocks" },
	{ CAUSE_FAULT_MINOR, "loop.blocks", "command.blocks" },
	{ CAUSE_FAULT_COW, "fork.cow", "fork.cow" },
	{ CAUSE_FAULT_SWAP, "swap.in_path", "swap.in_path" },
	{ CAUSE_FAULT_FILE, "fault.file", "fault.file" },
	{ CAUSE_RECLAIM, "reclaim.blocks", "reclaim.blocks" },
	{ CAUSE_COMPACTION, "compaction.blocks", "compaction.blocks" },
	{ CAUSE_CPU_WAIT, "cpu.contended", "cpu.contended" },
	{ CAUSE_STOLEN, "cpu.steal", "cpu.steal" },
	{ CAUSE_IO_WAIT, "io.blocks", "io.blocks" },
	{ CAUSE_FORK, "fork.pause", "fork.pause" },
	{ CAUSE_EXPIRY, "expire.blocks", "expire.blocks" },
	{ CAUSE_EVICTION, "evict.blocks", "evict.blocks" },
	{ CAUSE_DEFRAG, "defrag.blocks", "defrag.blocks" },
	{ CAUSE_REHASH, "rehash.blocks", "rehash.blocks" },
	{ CAUSE_OTHER, "loop.blocks", "command.blocks" },
};

static size_t warnings_of(const struct diagnosis *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->f->count; i++)
		n += d->f->items[i].severity > SEVERITY_INFO;
	return n;
}

/* The server has counted what the stalls are said to be spent on. */
static void keys_went(struct scene *s, enum redmem_cause cause)
{
	if (cause == CAUSE_EXPIRY)
		buf_puts(&s->info_end, "expired_keys:9\r\n");
	if (cause == CAUSE_EVICTION)
		buf_puts(&s->info_end, "evicted_keys:9\r\n");
}

/* Add @count stalls of @seconds each. */
static void add_stalls(struct scene *s, enum redmem_cause cause, const char *command, int count,
		       double seconds)
{
	keys_went(s, cause);
	for (int i = 0; i < count; i++) {
		struct record_stall *stall = scene_stall(s, command, "", seconds);

		stall->wait_file = stall->preemptor = "";
		record_blame(stall, cause, seconds);
	}
}

static void expect_only(struct scene *s, const char *id, enum severity severity)
{
	struct harm_left left[HARM_LEFT_MAX];
	struct diagnosis d = scene_diagnose(s);
	const struct finding *f = diagnosis_find(&d, id);

	if (!f || f->severity != severity || warnings_of(&d) != 1)
		for (size_t i = 0; i < d.f->count; i++)
			print_error("%s: %s\n", d.f->items[i].id, d.f->items[i].title);
	assert_non_null(f);
	assert_int_equal(f->severity, severity);
	assert_int_equal(warnings_of(&d), 1);
	assert_ptr_equal(f, &d.f->items[0]);
	assert_true(f->evidence_count > 0 && f->actions_count > 0);
	assert_true(f->cause && *f->cause);
	assert_int_equal(harm_left(d.m, d.f, left), 0);
	diagnosis_free(&d);
}

static void expect_peace(struct scene *s)
{
	struct diagnosis d = scene_diagnose(s);

	for (size_t i = 0; i < d.f->count; i++)
		if (d.f->items[i].severity > SEVERITY_INFO)
			fail_msg("%s: %s", d.f->items[i].id, d.f->items[i].title);
	assert_true(diagnose_healthy(d.m, d.f));
	diagnosis_free(&d);
}

static void every_cause_is_concluded(void **state)
{
	struct scene s;

	(void)state;
	assert_int_equal(sizeof(belongs) / sizeof(belongs[0]), CAUSES);
	for (size_t i = 0; i < CAUSES; i++) {
		enum redmem_cause cause = belongs[i].cause;
		/* a server that waits for swap gets no better by itself */
		enum severity severity =
			cause == CAUSE_FAULT_SWAP ? SEVERITY_CRITICAL : SEVERITY_WARNING;

		scene_init(&s); /* one long */
		add_stalls(&s, cause, "", 1, 0.4);
		expect_only(&s, belongs[i].in_loop, severity);
		scene_init(&s);
		add_stalls(&s, cause, "set", 1, 1.4);
		expect_only(&s, belongs[i].in_command, SEVERITY_CRITICAL);
		scene_init(&s); /* many short ones */
		add_stalls(&s, cause, "", 20, 0.008);
		expect_only(&s, belongs[i].in_loop, severity);
		scene_init(&s); /* few short ones are no harm */
		add_stalls(&s, cause, "", 5, 0.008);
		expect_peace(&s);
	}
}

/* @calls of a command on @key, and what its samples say that they took. */
static void repeated_on(struct scene *s, const char *command, const char *key, int calls,
			double seconds)
{
	scene_init(s);
	scene_profile(s, EVENT_CPU, command, key, (int64_t)(seconds * 200), seconds);
	buf_printf(&s->info_start, "cmdstat_%s:calls=7,usec=28000\r\n", command);
	buf_printf(&s->info_end, "cmdstat_%s:calls=%d,usec=900000\r\n", command, 7 + calls);
}

static void repeated(struct scene *s, const char *command, int calls, double seconds)
{
	repeated_on(s, command, "", calls, seconds);
}

/* A CLIENT LIST of 4,000 clients takes 4 ms, which is no stall; asked fifteen times a second it is
 * harm. */
static void short_commands_again(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	repeated(&s, "client|list", 150, 0.6);
	d = scene_diagnose(&s);
	f = expect(&d, "command.blocks", SEVERITY_WARNING);
	assert_string_equal(f->title,
			    "CLIENT LIST takes 4.0 ms each time, 6.0 % of the time in sum");
	assert_non_null(strstr(f->actions[0].text, "INFO clients"));
	diagnosis_free(&d);
	repeated(&s, "client|list", 50, 0.2); /* few notice */
	scene_expect(&s, "command.blocks", SEVERITY_INFO);
	repeated(&s, "client|list", 9, 0.2); /* now and then */
	scene_expect_none(&s, "command.blocks");
	repeated(&s, "client|list", 1000, 0.2); /* of few clients */
	scene_expect_none(&s, "command.blocks");
	repeated(&s, "client|list", 20, 0.08); /* less than one request in a hundred waits */
	scene_expect_none(&s, "command.blocks");
	repeated(&s, "eval", 50, 0.2); /* what a script does is its keys' or its own, */
	scene_expect_none(&s, "command.blocks");
	repeated(&s, "eval", 1500, 3); /* unless it leaves little to others */
	d = scene_diagnose(&s);
	f = expect(&d, "command.blocks", SEVERITY_WARNING);
	assert_string_equal(f->title, "EVAL takes 2.0 ms each time, 30 % of the time in sum");
	assert_non_null(strstr(f->cause, "computes"));
	diagnosis_free(&d);
	repeated(&s, "eval", 100000, 3); /* many short ones are what scripts are for */
	scene_expect_none(&s, "command.blocks");
}

/* What takes much of the time is told whether a key is big or not; of what has no key shorter ones
 * count, too. */
static void short_commands_take_much(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	repeated(&s, "command", 6000, 3.2); /* half a millisecond each */
	scene_expect(&s, "command.blocks", SEVERITY_WARNING);
	repeated(&s, "command", 60000, 3.2);
	scene_expect_none(&s, "command.blocks");
	repeated_on(&s, "sort", "ids", 3000, 4);
	d = scene_diagnose(&s);
	assert_string_equal(expect(&d, "command.blocks", SEVERITY_WARNING)->title,
			    "SORT on ids takes 1.3 ms each time, 40 % of the time in sum");
	assert_null(diagnosis_find(&d, "hotkey.cpu")); /* the same trouble */
	diagnosis_free(&d);
	repeated(&s, "command", 6000, 3.2);
	scene_profile(&s, EVENT_CPU, "get", "hot", 800, 4);
	d = scene_diagnose(&s);
	expect(&d, "command.blocks", SEVERITY_WARNING);
	expect(&d, "hotkey.cpu", SEVERITY_INFO); /* another one */
	diagnosis_free(&d);
	repeated_on(&s, "sort", "ids", 6000, 4); /* a list of some hundred */
	scene_expect_none(&s, "command.blocks");
	repeated_on(&s, "sort", "ids", 300, 0.9); /* somebody's report */
	scene_expect_none(&s, "command.blocks");

	repeated_on(&s, "lrange", "log:1", 1500, 0.7);
	for (int i = 2; i < 5; i++) {
		static const char *const keys[] = { "log:2", "log:3", "log:4" };

		scene_profile(&s, EVENT_CPU, "lrange", keys[i - 2], 140, 0.7);
	}
	d = scene_diagnose(&s);
	assert_string_equal(expect(&d, "command.blocks", SEVERITY_WARNING)->title,
			    "LRANGE on log:* takes 1.9 ms each time, 28 % of the time in sum");
	diagnosis_free(&d);
}

/* Of stalls alike the command was met in most: the others are no work of the loop. */
static void loop_is_not_accused(void **state)
{
	struct record_stall *stall;
	struct scene s;

	(void)state;
	scene_init(&s);
	for (int i = 0; i < 30; i++)
		scene_stall(&s, "keys", "", 0.006);
	add_stalls(&s, CAUSE_COMMAND, "", 15, 0.009);
	expect_only(&s, "command.blocks", SEVERITY_WARNING);

	scene_init(&s); /* much longer: something else */
	for (int i = 0; i < 20; i++)
		scene_stall(&s, "keys", "", 0.006);
	add_stalls(&s, CAUSE_COMMAND, "", 1, 0.1);
	scene_expect(&s, "loop.blocks", SEVERITY_WARNING);

	scene_init(&s); /* more than the command's */
	scene_stall(&s, "keys", "", 0.06);
	add_stalls(&s, CAUSE_COMMAND, "", 20, 0.008);
	scene_expect(&s, "loop.blocks", SEVERITY_WARNING);

	scene_init(&s); /* seen at work of its own */
	for (int i = 0; i < 30; i++)
		scene_stall(&s, "keys", "", 0.006);
	for (int i = 0; i < 15; i++) {
		stall = scene_stall(&s, "", "", 0.009);
		record_blame(stall, CAUSE_COMMAND, 0.009);
		stall->frame_ns[FRAME_AOF] = 8000000;
	}
	scene_expect(&s, "loop.blocks", SEVERITY_WARNING);
}

/* What the loop did and what it waited for a CPU meanwhile are two troubles: each second is told
 * once. */
static void loop_on_a_busy_machine(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record_stall *stall;

	(void)state;
	for (int some = 0; some < 2; some++) {
		scene_init(&s);
		stall = scene_stall(&s, "", "", 3.4);
		record_blame(stall, CAUSE_CPU_WAIT, some ? 0.4 : 2.8);
		record_blame(stall, CAUSE_ALLOCATOR, some ? 3.0 : 0.6);
		stall->frame_ns[FRAME_FREE] = 600000000;
		d = scene_diagnose(&s);
		f = expect(&d, "loop.blocks", some ? SEVERITY_CRITICAL : SEVERITY_WARNING);
		assert_true(fabs(evidence_value(f, "waited_seconds") - (some ? 3.4 : 0.6)) < 1e-9);
		f = diagnosis_find(&d, "cpu.contended");
		assert_int_equal(f == NULL,
				 some); /* a small part is not worth a finding of its own */
		if (f)
			assert_true(fabs(evidence_value(f, "waited_seconds") - 2.8) < 1e-9);
		diagnosis_free(&d);
	}
}

/* A PUBLISH to thousands, and what the loop writes to them behind it, are one trouble. */
static void publish_and_its_messages(void **state)
{
	struct record_stall *stall;
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	for (int i = 0; i < 5; i++) {
		stall = scene_stall(&s, "publish", "", 0.08);
		stall->t_seconds = 1 + i;
		record_blame(stall, CAUSE_COMMAND, 0.08);
		stall = scene_stall(&s, "", "", 0.3);
		stall->t_seconds = 1.081 + i;
		record_blame(stall, CAUSE_COMMAND, 0.1);
		record_blame(stall, CAUSE_CPU_WAIT, 0.2);
		stall->frame_ns[i % 2 ? FRAME_CLIENTS_CRON : FRAME_GIVE_PAGES] = 5000000;
	}
	d = scene_diagnose(&s);
	f = expect(&d, "command.blocks", SEVERITY_WARNING);
	assert_string_equal(f->title,
			    "PUBLISH held the server for 100 ms, and 10 such stalls for 900 ms");
	assert_non_null(strstr(f->cause, "written to all of them"));
	assert_null(diagnosis_find(&d, "loop.blocks"));
	diagnosis_free(&d);

	for (int calls = 4; calls <= 40; calls += 36) { /* queueing is short, writing is long */
		scene_init(&s);
		buf_printf(&s.info_start, "cmdstat_publish:calls=1,usec=1\r\n");
		buf_printf(&s.info_end,
			   "cmdstat_publish:calls=%d,usec=90000\r\npubsub_clients:10000\r\n",
			   1 + calls);
		add_stalls(&s, CAUSE_COMMAND, "", 10, 0.06);
		/* fewer messages than turns: these are something else */
		expect_only(&s, calls < 10 ? "loop.blocks" : "command.blocks", SEVERITY_WARNING);
	}
	scene_init(&s); /* to a few */
	buf_printf(&s.info_start, "cmdstat_publish:calls=1,usec=1\r\n");
	buf_printf(&s.info_end, "cmdstat_publish:calls=500,usec=900\r\npubsub_clients:10\r\n");
	add_stalls(&s, CAUSE_COMMAND, "", 10, 0.06);
	expect_only(&s, "loop.blocks", SEVERITY_WARNING);
}

static void short_ones_of_many_causes(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	add_stalls(&s, CAUSE_EXPIRY, "", 6, 0.008);
	add_stalls(&s, CAUSE_CPU_WAIT, "", 6, 0.008);
	add_stalls(&s, CAUSE_FAULT_MINOR, "", 6, 0.008);
	expect_only(&s, "stalls.mixed", SEVERITY_WARNING);
	scene_init(&s);
	add_stalls(&s, CAUSE_EXPIRY, "", 4, 0.008);
	add_stalls(&s, CAUSE_CPU_WAIT, "", 4, 0.008);
	expect_peace(&s);
}

/* Who sends ten thousand commands at once waits for them, and knows it. */
static void pipelines(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	for (int i = 0; i < 60; i++)
		scene_stall(&s, "", "", 0.02)->commands_total = 5000;
	expect_peace(&s);
	scene_init(&s);
	scene_stall(&s, "", "", 0.2)->commands_total = 50000;
	expect_only(&s, "clients.pipelines", SEVERITY_WARNING);
}

/* EXECs in the window, and turns of the loop of as many commands as they may have had. */
static void add_transactions(struct scene *s, int calls, double seconds, int turns)
{
	scene_init(s);
	buf_puts(&s->info_start, "cmdstat_exec:calls=7,usec=1000\r\n");
	buf_printf(&s->info_end, "cmdstat_exec:calls=%d,usec=%.0f\r\n", 7 + calls,
		   1000 + seconds * 1e6);
	for (int i = 0; i < turns; i++)
		scene_stall(s, "", "", 0.2)->commands_total = 50000;
}

/* Commands of a transaction count as others do: EXEC's time says whose they are. */
static void transactions(void **state)
{
	struct scene s;

	(void)state;
	add_transactions(&s, 2, 0.45, 2);
	expect_only(&s, "command.blocks", SEVERITY_WARNING);
	add_transactions(&s, 1, 0.1, 1); /* it was shorter */
	expect_only(&s, "clients.pipelines", SEVERITY_WARNING);
	add_transactions(&s, 10000, 0.45, 2); /* short ones, in pipelines */
	expect_only(&s, "clients.pipelines", SEVERITY_WARNING);
}

/* --- the CPU ------------------------------------------------------------------------- */

static void add_quota(struct scene *s, const char *cgroup, double throttled, int64_t periods)
{
	for (int end = 0; end < 2; end++)
		scene_add(s, RECORD_CPU_LIMIT)->cpu_limit = (struct record_cpu_limit){
			.cgroup = cgroup,
			.own = strcmp(cgroup, "/parent") != 0,
			.quota_cores = 0.3,
			.periods_total = 1000 + end * 100,
			.throttled_periods_total = 7 + end * periods,
			.throttled_seconds_total = 3 + end * throttled,
		};
}

static void throttled(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record_stall *stall;

	(void)state;
	scene_init(&s); /* the migration thread ran last, and is not to blame */
	add_quota(&s, "/redis", 6.5, 96);
	scene_profile(&s, EVENT_CPU_WAIT, "get", "user:1", 96, 6.4);
	for (int i = 0; i < 50; i++) {
		stall = scene_stall(&s, "", "", 0.06);
		record_blame(stall, CAUSE_CPU_WAIT, 0.06);
		stall->preemptor = "migration/1";
		stall->preemptor_pid = 18;
	}
	d = scene_diagnose(&s);
	f = expect(&d, "cpu.throttled", SEVERITY_CRITICAL);
	assert_true(evidence_value(f, "throttled_periods_total") == 96);
	assert_true(fabs(evidence_value(f, "throttled_seconds") - 6.5) < 1e-9);
	assert_true(fabs(evidence_value(f, "waited_seconds") - 6.4) < 1e-9);
	assert_string_equal(evidence_text(f, "quota_of"), "its own cgroup");
	assert_null(diagnosis_find(&d, "cpu.contended"));
	assert_null(strstr(f->title, "migration"));
	diagnosis_free(&d);

	scene_init(&s); /* of a parent, and no stall was seen: the kernel's word will do */
	s.sensors_off = "loop offcpu";
	add_quota(&s, "/redis", 0, 0);
	add_quota(&s, "/parent", 1.5, 40);
	d = scene_diagnose(&s);
	f = expect(&d, "cpu.throttled", SEVERITY_WARNING);
	assert_string_equal(evidence_text(f, "quota_of"), "a parent cgroup");
	assert_string_equal(evidence_text(f, "cgroup"), "/parent");
	diagnosis_free(&d);
}

static void not_throttled(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s); /* a quota that is never used up */
	add_quota(&s, "/redis", 0, 0);
	expect_peace(&s);
	scene_init(&s); /* others in the cgroup used it up; the server had nothing to do */
	add_quota(&s, "/redis", 4, 60);
	scene_profile(&s, EVENT_CPU_WAIT, "get", "user:1", 3, 0.004);
	expect_peace(&s);
}

static void contended(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	for (int i = 0; i < 30; i++) {
		struct record_stall *stall = scene_stall(&s, "get", "user:1", 0.02);

		record_blame(stall, CAUSE_CPU_WAIT, 0.02);
		stall->preemptor = i % 3 ? "noisy" : "backup";
		stall->preemptor_pid = i % 3 ? 4711 : 815;
	}
	scene_profile(&s, EVENT_CPU_WAIT, "get", "user:1", 900, 1.5); /* short ones, too */
	d = scene_diagnose(&s);
	f = expect(&d, "cpu.contended", SEVERITY_WARNING);
	assert_true(fabs(evidence_value(f, "cpu_wait_seconds") - 1.5) < 1e-9);
	assert_non_null(strstr(f->title, "waited 1.5 s for a CPU, most of it behind noisy "
					 "(process 4711)"));
	assert_string_equal(evidence_text(f, "neighbour"), "noisy (process 4711)");
	assert_true(fabs(evidence_value(f, "neighbour_stall_seconds") - 0.4) < 1e-9);
	diagnosis_free(&d);
}

/* An I/O thread of the server that had the CPU for so long, so much of it in the kernel. */
static void io_thread(struct scene *s, const char *name, double seconds, double kernel_seconds)
{
	for (int kernel = 0; kernel < 2; kernel++) {
		scene_profile(s, EVENT_CPU, "", "", 1000,
			      kernel ? kernel_seconds : seconds - kernel_seconds);
		s->extra[s->extra_count - 1].profile.thread = name;
		s->extra[s->extra_count - 1].profile.leaf = kernel ? MODULE_KERNEL : MODULE_SERVER;
	}
}

/* What the loop does while its I/O threads get no CPU is waiting for them. */
static void spins_for_io_threads(void **state)
{
	(void)state;
	for (int waits = 0; waits < 2; waits++) {
		struct scene s;

		scene_init(&s);
		io_thread(&s, "io_thd_1", 5, 0.1);
		if (waits) {
			scene_profile(&s, EVENT_CPU_WAIT, "", "", 100, 2);
			s.extra[s.extra_count - 1].profile.thread = "io_thd_1";
		}
		scene_stall(&s, "", "", 0.1);
		expect_only(&s, waits ? "cpu.contended" : "loop.blocks", SEVERITY_WARNING);
	}
}

/* Its own threads are one neighbour, and it is no other's process that is to be moved. */
static void contended_by_io_threads(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	io_thread(&s, "io_thd_1", 9, 0.1);
	io_thread(&s, "io_thd_2", 9, 0.1);
	for (int i = 0; i < 40; i++) {
		struct record_stall *stall = scene_stall(&s, "get", "user:1", 0.02);

		record_blame(stall, CAUSE_CPU_WAIT, 0.02);
		stall->preemptor = i % 5 == 0 ? "backup" : i % 2 ? "io_thd_1" : "io_thd_2";
		stall->preemptor_pid = i % 5 == 0 ? 815 : 820 + i % 2;
	}
	d = scene_diagnose(&s);
	f = expect(&d, "cpu.contended", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "most of it behind its own I/O threads"));
	assert_string_equal(evidence_text(f, "neighbour"), "its own I/O threads");
	assert_non_null(strstr(f->actions[0].text, "fewer I/O threads"));
	diagnosis_free(&d);
}

static void io_threads(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s); /* they spin */
	io_thread(&s, "io_thd_1", 9, 0.2);
	io_thread(&s, "io_thd_2", 8, 0.2);
	buf_puts(&s.config, "io-threads 3\n");
	d = scene_diagnose(&s);
	f = expect(&d, "cpu.io_threads", SEVERITY_INFO);
	assert_true(evidence_value(f, "io_threads_at_work") == 2);
	assert_true(evidence_value(f, "io-threads") == 3);
	assert_float_equal(evidence_value(f, "io_threads_cpu_seconds"), 17, 1e-6);
	diagnosis_free(&d);
	scene_init(&s); /* they read and write */
	io_thread(&s, "io_thd_1", 9.5, 6);
	scene_expect_none(&s, "cpu.io_threads");
	scene_init(&s); /* little of anything */
	io_thread(&s, "io_thd_1", 1, 0.01);
	scene_expect_none(&s, "cpu.io_threads");
	scene_init(&s); /* all the time, where they would sleep else */
	s.target.version = "8.0.6";
	io_thread(&s, "io_thd_1", 9.5, 6);
	io_thread(&s, "io_thd_2", 9.7, 6);
	io_thread(&s, "io_thd_3", 0.1, 0.1); /* nobody uses it */
	d = scene_diagnose(&s);
	f = expect(&d, "cpu.io_threads", SEVERITY_INFO);
	assert_non_null(strstr(f->title, "each of 2 had 95 %"));
	diagnosis_free(&d);
	scene_init(&s); /* threads of another name are none */
	io_thread(&s, "bio_lazy_free", 9, 0.1);
	scene_expect_none(&s, "cpu.io_threads");
}

/* Three of one name take more than the one that takes most alone. */
static void contended_by_several(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	for (int i = 0; i < 40; i++) {
		struct record_stall *stall = scene_stall(&s, "get", "user:1", 0.02);

		record_blame(stall, CAUSE_CPU_WAIT, 0.02);
		stall->preemptor = i % 5 < 3 ? "hog" : "backup";
		stall->preemptor_pid = i % 5 < 3 ? 4711 + i % 5 : 815;
	}
	d = scene_diagnose(&s);
	f = expect(&d, "cpu.contended", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "most of it behind hog (several processes)"));
	assert_true(fabs(evidence_value(f, "neighbour_stall_seconds") - 0.48) < 1e-9);
	diagnosis_free(&d);
}

/* redmem is no neighbour: what it took is told, and is not what to move. */
static void contended_by_redmem(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	for (int others = 0; others < 2; others++) {
		scene_init(&s);
		for (int i = 0; i < 30; i++) {
			struct record_stall *stall = scene_stall(&s, "get", "user:1", 0.02);
			bool noisy = others && i % 3 == 0;

			record_blame(stall, CAUSE_CPU_WAIT, 0.02);
			stall->preemptor = noisy ? "noisy" : "redmem";
			stall->preemptor_pid = noisy ? 4711 : 1234 + i % 2; /* two of redmem's */
		}
		d = scene_diagnose(&s);
		f = expect(&d, "cpu.contended", SEVERITY_WARNING);
		assert_true(fabs(evidence_value(f, "redmem_stall_seconds") - (others ? 0.4 : 0.6)) <
			    1e-9);
		assert_null(strstr(f->title, "process 123"));
		assert_non_null(
			strstr(f->title, others ? ", behind noisy (process 4711) and others" :
						  "behind redmem itself"));
		diagnosis_free(&d);
	}
}

static void stolen(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	s.tick.cpu_seconds = 8; /* of the server */
	s.busy = 16;
	s.stolen = 4;
	scene_expect(&s, "cpu.steal", SEVERITY_WARNING);
	scene_init(&s);
	s.tick.cpu_seconds = 8;
	s.busy = 16;
	s.stolen = 0.05;
	scene_expect_none(&s, "cpu.steal");
	scene_init(&s); /* the server slept */
	s.tick.cpu_seconds = 0.05;
	s.busy = 16;
	s.stolen = 4;
	scene_expect_none(&s, "cpu.steal");
	scene_init(&s); /* and everybody else */
	s.tick.cpu_seconds = 0.05;
	s.busy = 0.15;
	s.stolen = 0.45;
	scene_expect_none(&s, "cpu.steal");
}

/* The hypervisor tells nothing, and the command that it held is not to blame. */
static void stood_still(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	scene_init(&s);
	record_blame(scene_stall(&s, "get", "user:1", 0.4), CAUSE_STOLEN, 0.398);
	d = scene_diagnose(&s);
	assert_non_null(strstr(expect(&d, "cpu.steal", SEVERITY_WARNING)->title, "400 ms"));
	assert_int_equal(warnings_of(&d), 1);
	diagnosis_free(&d);
}

/* --- the disk -------------------------------------------------------------------------- */

/* What an AOF that is late leads to, and where its file cannot be named any more. */
static void aof_is_late(void **state)
{
	struct scene s;
	struct record_stall *stall;

	(void)state;
	scene_init(&s); /* no tick saw what had piled up meanwhile; it was moved in memory */
	buf_puts(&s.config, "appendonly yes\nappendfsync everysec\n");
	stall = scene_stall(&s, "", "", 3.5);
	record_blame(stall, CAUSE_IO_WAIT, 3.5);
	stall->wait_file = "/data/appendonlydir/appendonly.aof.1.incr.aof";
	scene_stall(&s, "set", "item:1", 0.07)->frame_ns[FRAME_ALLOCATE] = 70000000;
	scene_stall(&s, "", "", 0.09)->frame_ns[FRAME_AOF] = 90000000;
	expect_only(&s, "aof.disk", SEVERITY_CRITICAL);

	scene_init(&s); /* the descriptor was closed, and its number is a pipe's by now */
	buf_puts(&s.config, "appendonly yes\nappendfsync everysec\n");
	stall = scene_stall(&s, "", "", 2.8);
	record_blame(stall, CAUSE_IO_WAIT, 2.8);
	stall->wait_file = "pipe:[8010051]";
	expect_only(&s, "aof.disk", SEVERITY_CRITICAL);

	scene_init(&s); /* a rewrite is over, and its file takes the place of the old one */
	buf_puts(&s.config, "appendonly yes\nappendfsync everysec\n");
	stall = scene_stall(&s, "", "", 2.8);
	record_blame(stall, CAUSE_IO_WAIT, 2.8);
	stall->wait_call = WAIT_RENAME;
	expect_only(&s, "aof.disk", SEVERITY_CRITICAL);
}

static void aof(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record_stall *stall;

	(void)state;
	scene_init(&s); /* everysec, and the disk hung */
	buf_puts(&s.config, "appendonly yes\nappendfsync everysec\n");
	stall = scene_stall(&s, "", "", 3.5);
	record_blame(stall, CAUSE_IO_WAIT, 3.5);
	stall->wait_call = WAIT_WRITE;
	stall->wait_file = "/data/appendonlydir/appendonly.aof.1.incr.aof";
	scene_add(&s, RECORD_DISK)->disk =
		(struct record_disk){ stall->wait_file, "ext4 on /dev/vdb1" };
	scene_add(&s, RECORD_WRITER)->writer =
		(struct record_writer){ 4711, "postgres", 300 * MIB };
	d = scene_diagnose(&s);
	f = expect(&d, "aof.disk", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "(ext4 on /dev/vdb1)"));
	assert_string_equal(evidence_text(f, "device"), "ext4 on /dev/vdb1");
	assert_string_equal(evidence_text(f, "writer"), "postgres (process 4711)");
	assert_true(evidence_value(f, "writer_bytes") == 300.0 * MIB);
	assert_non_null(strstr(f->cause, "Meanwhile postgres (process 4711) wrote 300.0 MiB."));
	assert_ptr_equal(f, &d.f->items[0]);
	assert_non_null(strstr(f->title, "3.5 s"));
	assert_string_equal(evidence_text(f, "wait_file"),
			    "/data/appendonlydir/appendonly.aof.1.incr.aof");
	assert_null(diagnosis_find(&d, "server.not_answering"));
	diagnosis_free(&d);

	scene_init(&s); /* always: each sync is short, the sum is not */
	buf_puts(&s.config, "appendonly yes\nappendfsync always\n");
	scene_profile(&s, EVENT_IO_WAIT, "", "", 2000, 3.6);
	d = scene_diagnose(&s);
	f = expect(&d, "aof.disk", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "3.6 s of 10"));
	assert_non_null(strstr(f->actions[0].command, "appendfsync everysec"));
	diagnosis_free(&d);

	scene_init(&s); /* no sensors: the server counts what came late */
	s.sensors_off = "loop offcpu";
	buf_puts(&s.info_start, "aof_delayed_fsync:3\r\n");
	buf_puts(&s.info_end, "aof_delayed_fsync:5\r\n");
	scene_expect(&s, "aof.disk", SEVERITY_WARNING);
	scene_init(&s); /* a disk as it should be */
	buf_puts(&s.config, "appendonly yes\nappendfsync everysec\n");
	scene_profile(&s, EVENT_IO_WAIT, "", "", 10, 0.002);
	expect_peace(&s);
}

/* --- the keyspace ------------------------------------------------------------------------ */

static void expiry(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	buf_puts(&s.config, "lazyfree-lazy-expire no\n");
	buf_puts(&s.info_end, "expired_keys:1\r\n");
	add_stalls(&s, CAUSE_EXPIRY, "", 1, 0.39);
	d = scene_diagnose(&s);
	f = expect(&d, "expire.blocks", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "held the server for 390 ms"));
	assert_non_null(strstr(f->actions[0].command, "lazyfree-lazy-expire yes"));
	diagnosis_free(&d);

	scene_init(&s); /* a write that met a key past its time is not to blame for it */
	keys_went(&s, CAUSE_EXPIRY);
	record_blame(scene_stall(&s, "get", "board:7", 0.2), CAUSE_EXPIRY, 0.2);
	d = scene_diagnose(&s);
	assert_string_equal(evidence_text(expect(&d, "expire.blocks", SEVERITY_WARNING), "key"),
			    "board:7");
	diagnosis_free(&d);
}

/* Fields of hashes have times of their own, which the server counts apart; that is no big key that
 * a thread could free. */
/* Of some of its samples it is seen what they are for, and the others are on the way there. */
static void expiry_half_recognised(void **state)
{
	struct record_stall *stall;
	struct diagnosis d;
	struct scene s;

	(void)state;
	scene_init(&s);
	keys_went(&s, CAUSE_EXPIRY);
	stall = scene_stall(&s, "", "", 0.3);
	record_blame(stall, CAUSE_COMMAND, 0.15);
	record_blame(stall, CAUSE_EXPIRY, 0.15);
	stall = scene_stall(&s, "", "", 0.2); /* and of this one of none */
	record_blame(stall, CAUSE_COMMAND, 0.2);
	d = scene_diagnose(&s);
	assert_true(evidence_value(expect(&d, "expire.blocks", SEVERITY_WARNING), "stalls_total") ==
		    2);
	assert_null(diagnosis_find(&d, "loop.blocks"));
	diagnosis_free(&d);
}

static void expiry_of_fields(void **state)
{
	static const char *const counts[] = { "expired_subkeys", "expired_fields" };
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		scene_init(&s);
		buf_puts(&s.config, "lazyfree-lazy-expire no\n");
		buf_printf(&s.info_start, "expired_keys:0\r\n%s:7\r\n", counts[i]);
		buf_printf(&s.info_end, "expired_keys:2\r\n%s:400007\r\n", counts[i]);
		record_blame(scene_stall(&s, "", "", 0.2), CAUSE_EXPIRY, 0.2);
		d = scene_diagnose(&s);
		f = expect(&d, "expire.blocks", SEVERITY_WARNING);
		assert_string_equal(f->title, "Expiring fields of hashes held the server for 200 "
					      "ms, 400,000 fields");
		assert_int_equal(f->actions_count, 1);
		assert_non_null(strstr(f->actions[0].text, "HEXPIRE"));
		diagnosis_free(&d);
	}
}

/* The machine was busy, too: what is harm without that keeps its name. */
static void expiry_on_a_busy_machine(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record_stall *stall;

	(void)state;
	scene_init(&s);
	keys_went(&s, CAUSE_EXPIRY);
	stall = scene_stall(&s, "", "", 0.5);
	record_blame(stall, CAUSE_EXPIRY, 0.2);
	record_blame(stall, CAUSE_CPU_WAIT, 0.3);
	stall->gone_key = scene_bytes("niwode:board");
	stall->gone_looks = stall->gone_key_looks = 7;
	d = scene_diagnose(&s);
	assert_non_null(strstr(expect(&d, "expire.blocks", SEVERITY_WARNING)->title,
			       "Expiring keys (niwode:board) held the server for 200 ms"));
	f = expect(&d, "cpu.contended", SEVERITY_WARNING); /* tells the rest */
	assert_true(fabs(evidence_value(f, "waited_seconds") - 0.3) < 1e-9);
	diagnosis_free(&d);

	scene_init(&s); /* many: what they are like */
	keys_went(&s, CAUSE_EXPIRY);
	stall = scene_stall(&s, "", "", 0.5);
	record_blame(stall, CAUSE_EXPIRY, 0.5);
	stall->gone_key = scene_bytes("session:4711");
	stall->gone_looks = 9;
	stall->gone_key_looks = 1;
	d = scene_diagnose(&s);
	assert_non_null(
		strstr(expect(&d, "expire.blocks", SEVERITY_WARNING)->title, "(like session:*)"));
	diagnosis_free(&d);
}

/* A server that waits for a CPU has few samples: the longest stall may have none with a name. */
static void expiry_named_by_other_stalls(void **state)
{
	static const struct {
		const char *key;
		double seconds;
	} stalls[] = {
		{ "", 0.38 }, { "cart:1", 0.05 }, { "zuviru:17", 0.09 }, { "zuviru:4", 0.07 }
	};
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	for (size_t named = 1; named <= 4; named += 3) {
		scene_init(&s);
		buf_puts(&s.info_end, "expired_keys:589036\r\n");
		for (size_t i = 0; i < named; i++) {
			struct record_stall *stall = scene_stall(&s, "", "", stalls[i].seconds);

			record_blame(stall, CAUSE_EXPIRY, stalls[i].seconds);
			stall->gone_key = scene_bytes(stalls[i].key);
			stall->gone_looks = stall->gone_key_looks = i > 0;
		}
		d = scene_diagnose(&s);
		f = expect(&d, "expire.blocks", SEVERITY_WARNING);
		assert_string_equal(evidence_text(f, "prefix"),
				    named > 1 ? "zuviru:*" :
						"not known: no sample met a key's name");
		assert_true(!strstr(f->title, "like") == (named == 1));
		diagnosis_free(&d);
	}
	scene_init(&s); /* what a write evicts is not what it writes */
	keys_went(&s, CAUSE_EVICTION);
	record_blame(scene_stall(&s, "set", "new:1", 0.2), CAUSE_EVICTION, 0.2);
	d = scene_diagnose(&s);
	assert_null(strstr(expect(&d, "evict.blocks", SEVERITY_WARNING)->title, "new:1"));
	diagnosis_free(&d);
}

/* The thread that frees in the background has a lock the event loop wants. */
static void waits_for_lazyfree(void **state)
{
	struct scene s;
	struct diagnosis d;
	struct record_stall *stall;

	(void)state;
	for (int pending = 0; pending < 2; pending++) {
		scene_init(&s);
		buf_printf(&s.info_end, "lazyfree_pending_objects:%d\r\n", pending * 70000);
		stall = scene_stall(&s, "", "", 0.8);
		record_blame(stall, CAUSE_OTHER, 0.8);
		stall->wait_call = WAIT_FUTEX;
		stall->wait_file = stall->preemptor = "";
		if (pending)
			expect_only(&s, "lazyfree.pending", SEVERITY_WARNING);
		else
			expect_only(&s, "loop.blocks", SEVERITY_WARNING);
	}
	scene_init(&s); /* it passes by itself */
	buf_puts(&s.info_end, "lazyfree_pending_objects:70000\r\n");
	d = scene_diagnose(&s);
	expect(&d, "lazyfree.pending", SEVERITY_INFO);
	diagnosis_free(&d);
}

/* Every stall is a wait for a CPU for the most part: what expires is found all the same. */
static void expiry_between_waits(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	for (int own = 2; own <= 8; own += 6) { /* milliseconds: too short, and a stall by itself */
		scene_init(&s);
		buf_puts(&s.info_end, "expired_keys:589036\r\n");
		for (int i = 0; i < 30; i++) {
			struct record_stall *stall = scene_stall(&s, "", "", 0.04 + own / 1e3);

			record_blame(stall, CAUSE_EXPIRY, own / 1e3);
			record_blame(stall, CAUSE_CPU_WAIT, 0.04);
			stall->gone_key = scene_bytes(i % 3 ? "" : "zuviru:17");
		}
		d = scene_diagnose(&s);
		expect(&d, "cpu.contended", SEVERITY_WARNING);
		f = diagnosis_find(&d, "expire.blocks");
		assert_true(!f == (own < 5));
		if (f)
			assert_string_equal(
				f->title,
				"Expiring keys (like zuviru:*) held the server for 8.0 ms, "
				"589,036 keys; in all 240 ms");
		diagnosis_free(&d);
	}
}

/* What expiry has left on the stack of a defragmentation; and most of it waits for a CPU. */
static void defragmentation(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	buf_puts(&s.info_start, "active_defrag_hits:0\r\n");
	buf_puts(&s.info_end, "active_defrag_hits:260834\r\n");
	for (int i = 0; i < 20; i++) {
		struct record_stall *stall = scene_stall(&s, "", "", 0.06);

		record_blame(stall, CAUSE_EXPIRY, i % 5 ? 0.005 : 0.03);
		record_blame(stall, CAUSE_DEFRAG, i % 5 ? 0.02 : 0.005);
		record_blame(stall, CAUSE_CPU_WAIT, i % 5 ? 0.035 : 0.025);
	}
	d = scene_diagnose(&s);
	f = expect(&d, "defrag.blocks", SEVERITY_WARNING);
	assert_float_equal(evidence_value(f, "waited_seconds"), 0.64, 0.001);
	assert_null(diagnosis_find(&d, "expire.blocks"));
	for (size_t i = 0; i < d.m->stalls_count; i++) { /* the table says what the verdict does */
		const struct stall *stall = &d.m->stalls[i].stall;

		assert_true(stall->seconds[CAUSE_EXPIRY] == 0);
		assert_float_equal(stall->seconds[CAUSE_DEFRAG] + stall->seconds[CAUSE_CPU_WAIT],
				   0.06, 1e-6);
		assert_string_equal(stall->activity[0].words, "active defrag");
		assert_float_equal(stall->activity[0].seconds, stall->seconds[CAUSE_DEFRAG], 1e-6);
		assert_string_equal(stall->activity[1].words, "");
	}
	diagnosis_free(&d);
}

/* What goes on when the watch ends is counted when it is over. */
static void expiry_goes_on(void **state)
{
	struct scene s;
	struct diagnosis d;
	struct record_stall *stall;

	(void)state;
	scene_init(&s);
	stall = scene_stall(&s, "", "", 3);
	record_blame(stall, CAUSE_EXPIRY, 3);
	stall->running = true;
	d = scene_diagnose(&s);
	expect(&d, "expire.blocks", SEVERITY_CRITICAL);
	diagnosis_free(&d);
}

static void eviction(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s); /* one trouble is one finding */
	buf_puts(&s.info_end, "evicted_keys:854000\r\nmaxmemory:104857600\r\n"
			      "total_eviction_exceeded_time:1400\r\n");
	add_stalls(&s, CAUSE_EVICTION, "set", 1, 1.5);
	d = scene_diagnose(&s);
	f = expect(&d, "evict.blocks", SEVERITY_CRITICAL);
	assert_ptr_equal(f, &d.f->items[0]);
	assert_non_null(strstr(f->cause, "maxmemory was lowered"));
	assert_null(diagnosis_find(&d, "evict.active"));
	assert_null(diagnosis_find(&d, "server.not_answering"));
	assert_null(diagnosis_find(&d, "command.blocks"));
	diagnosis_free(&d);
}

/* A write that frees much as it runs has the words of an eviction on its stack, which each write
 * looks for. Where the server did not answer INFO between two long ones nothing was counted around
 * it; over the whole watch it was. */
static void no_eviction(void **state)
{
	struct scene s;
	struct diagnosis d;
	struct record_stall *stall;

	(void)state;
	for (int evicted = 0; evicted < 2; evicted++) {
		scene_init(&s);
		buf_puts(&s.info_start, "evicted_keys:3\r\nexpired_keys:0\r\n");
		buf_printf(&s.info_end, "evicted_keys:%d\r\nexpired_keys:0\r\n", 3 + evicted);
		stall = scene_stall(&s, "zunionstore", "board:sum", 0.3);
		record_blame(stall, CAUSE_EVICTION, 0.3);
		stall->counted = true;
		stall->expired_total = stall->evicted_total = stall->defragged_total =
			RECORD_UNKNOWN;
		d = scene_diagnose(&s);
		expect(&d, evicted ? "evict.blocks" : "bigkey.blocks", SEVERITY_WARNING);
		assert_int_equal(diagnosis_find(&d, "evict.blocks") != NULL, evicted);
		diagnosis_free(&d);
	}
}

/* On a busy machine each stall is a wait for a CPU for the most part. Whose work it was that was
 * held up is told, too, where that alone would be harm: here SORTs that take a twentieth of the
 * time, and one whose work of several kinds is long enough in sum. */
static void works_on_a_busy_machine(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record_stall *stall;

	(void)state;
	scene_init(&s);
	for (int i = 0; i < 10; i++) {
		stall = scene_stall(&s, "sort", "jobs:all", 0.2);
		record_blame(stall, CAUSE_CPU_WAIT, 0.155);
		record_blame(stall, CAUSE_COMMAND, 0.045);
	}
	d = scene_diagnose(&s);
	expect(&d, "cpu.contended", SEVERITY_WARNING);
	f = expect(&d, "bigkey.blocks", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "SORT on jobs:all held the server for 45 ms"));
	assert_true(fabs(evidence_value(f, "stalls_seconds") - 0.45) < 1e-6);
	diagnosis_free(&d);

	scene_init(&s);
	stall = scene_stall(&s, "sort", "jobs:all", 0.3);
	record_blame(stall, CAUSE_CPU_WAIT, 0.23);
	record_blame(stall, CAUSE_COMMAND, 0.04);
	record_blame(stall, CAUSE_ALLOCATOR, 0.03);
	d = scene_diagnose(&s);
	expect(&d, "bigkey.blocks", SEVERITY_WARNING);
	diagnosis_free(&d);

	scene_init(&s); /* short commands, which waited */
	for (int i = 0; i < 10; i++) {
		stall = scene_stall(&s, "get", "user:1", 0.2);
		record_blame(stall, CAUSE_CPU_WAIT, 0.199);
		record_blame(stall, CAUSE_COMMAND, 0.001);
	}
	d = scene_diagnose(&s);
	expect(&d, "cpu.contended", SEVERITY_WARNING);
	assert_null(diagnosis_find(&d, "bigkey.blocks"));
	assert_null(diagnosis_find(&d, "command.blocks"));
	diagnosis_free(&d);
}

static void doubling(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s); /* 8,388,608 slots; grows by 10,000 keys a second */
	scene_load(&s, 1 * GIB);
	s.table = 8000000 * 40LL + 8388608 * 8LL;
	buf_puts(&s.info_start, "db0:keys=7900000,expires=0,avg_ttl=0\r\n");
	buf_puts(&s.info_end, "db0:keys=8000000,expires=0,avg_ttl=0\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "rehash.blocks", SEVERITY_INFO);
	assert_true(evidence_value(f, "next_doubling_keys") == 8388608);
	assert_true(evidence_value(f, "next_doubling_bytes") == 128.0 * MIB);
	assert_true(fabs(evidence_value(f, "next_doubling_in_seconds") - 38.8608) < 1e-6);
	diagnosis_free(&d);

	scene_init(&s); /* it does not grow */
	scene_load(&s, 1 * GIB);
	s.table = 8000000 * 40LL + 8388608 * 8LL;
	buf_puts(&s.info_start, "db0:keys=8000000,expires=0,avg_ttl=0\r\n");
	buf_puts(&s.info_end, "db0:keys=8000000,expires=0,avg_ttl=0\r\n");
	scene_expect_none(&s, "rehash.blocks");
}

static void copies_of_huge_pages(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_load(&s, 1 * GIB);
	s.huge = 900 * MIB;
	s.host.thp_enabled = "always";
	scene_add(&s, RECORD_CHILD)->child = (struct record_child){ .pid = 900,
								    .t_start_seconds = 1,
								    .t_end_seconds = 4,
								    .purpose = "rdb",
								    .rss_bytes = 1 * GIB,
								    .private_bytes = 1 * MIB,
								    .fork_seconds = 0.002 };
	record_blame(scene_stall(&s, "set", "page:1", 0.2), CAUSE_FAULT_COW, 0.2);
	scene_expect(&s, "thp.cow", SEVERITY_WARNING);
	scene_init(&s); /* no huge pages: copies, but not these */
	scene_load(&s, 1 * GIB);
	record_blame(scene_stall(&s, "set", "page:1", 0.2), CAUSE_FAULT_COW, 0.2);
	scene_expect_none(&s, "thp.cow");
}

/* --- clients ------------------------------------------------------------------------------- */

static struct record_client *add_client(struct scene *s, int64_t id, const char *flags,
					const char *command)
{
	struct record_client *client = &scene_add(s, RECORD_CLIENT)->client;

	*client = (struct record_client){ .id = id,
					  .address = scene_bytes("10.0.0.7:51234"),
					  .name = scene_bytes("debugger"),
					  .user = "default",
					  .flags = flags,
					  .command = command,
					  .age_seconds = 3600,
					  .output_bytes = 4096 };
	return client;
}

static void monitor(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	s.commands = 200000;
	add_client(&s, 3, "N", "set");
	add_client(&s, 4, "O", "monitor");
	d = scene_diagnose(&s);
	f = expect(&d, "clients.monitor", SEVERITY_WARNING);
	assert_string_equal(evidence_text(f, "client"), "10.0.0.7:51234 (name debugger)");
	assert_non_null(strstr(f->actions[0].command, "CLIENT LIST ID 4"));
	diagnosis_free(&d);

	scene_init(&s); /* on a quiet server it costs next to nothing: a note */
	add_client(&s, 4, "O", "monitor");
	scene_expect(&s, "clients.monitor", SEVERITY_INFO);
	scene_init(&s);
	scene_load(&s, 10 * MIB);
	add_client(&s, 3, "N", "set");
	buf_puts(&s.info_start, "cmdstat_monitor:calls=3,usec=9\r\n"); /* long ago */
	buf_puts(&s.info_end, "cmdstat_monitor:calls=3,usec=9\r\n");
	scene_expect_none(&s, "clients.monitor");
}

static void churn(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	buf_puts(&s.info_start, "total_connections_received:100\r\n");
	buf_puts(&s.info_end, "total_connections_received:150100\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "clients.churn", SEVERITY_WARNING);
	assert_true(evidence_value(f, "connections_total") == 150000);
	assert_true(evidence_value(f, "connections_per_second") == 15000);
	diagnosis_free(&d);

	scene_init(&s); /* over TLS each costs a handshake, and that is what the loop did */
	buf_puts(&s.info_start, "total_connections_received:100\r\n");
	buf_puts(&s.info_end, "total_connections_received:7303\r\n");
	scene_profile(&s, EVENT_CPU, "", "", 229, 2.29);
	add_stalls(&s, CAUSE_COMMAND, "", 20, 0.009);
	scene_add(&s, RECORD_HELD)->held =
		(struct record_held){ .name = "tls", .objects_total = 20 };
	d = scene_diagnose(&s);
	f = expect(&d, "clients.churn", SEVERITY_WARNING);
	assert_true(fabs(evidence_value(f, "estimated_seconds") - 7203 * 300e-6) < 1e-3);
	assert_null(diagnosis_find(&d, "loop.blocks"));
	diagnosis_free(&d);

	scene_init(&s); /* a rolling deploy */
	buf_puts(&s.info_start, "total_connections_received:100\r\n");
	buf_puts(&s.info_end, "total_connections_received:1100\r\n");
	scene_expect_none(&s, "clients.churn");
}

static void paused(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	scene_init(&s); /* all commands, redmem's own too */
	buf_puts(&s.info_end, "cmdstat_client|pause:calls=1,usec=9\r\n");
	scene_add(&s, RECORD_LIFE)->life =
		(struct record_life){ .t_seconds = 3, .event = "hang", .detail = "", .seconds = 5 };
	d = scene_diagnose(&s);
	assert_null(diagnosis_find(&d, "server.not_answering"));
	assert_true(evidence_value(expect(&d, "clients.paused", SEVERITY_CRITICAL),
				   "waited_seconds") == 5);
	diagnosis_free(&d);

	scene_init(&s); /* it began before the window: writers stand blocked in SET */
	add_client(&s, 4, "b", "set");
	d = scene_diagnose(&s);
	assert_true(expect(&d, "clients.paused", SEVERITY_CRITICAL)->weak);
	diagnosis_free(&d);

	scene_init(&s); /* who waits for a list waits by intention */
	add_client(&s, 4, "b", "brpop");
	add_client(&s, 5, "b", "blmove");
	scene_expect_none(&s, "clients.paused");
	scene_init(&s); /* some day before */
	buf_puts(&s.info_start, "cmdstat_client|pause:calls=1,usec=9\r\n");
	buf_puts(&s.info_end, "cmdstat_client|pause:calls=1,usec=9\r\n");
	scene_expect_none(&s, "clients.paused");
}

/* --- honesty ------------------------------------------------------------------------------ */

static void leaves_nothing_unsaid(void **state)
{
	struct scene s;
	struct buf out = { 0 };
	struct harm_left left[HARM_LEFT_MAX];
	struct findings none = { 0 };
	struct diagnosis d;

	(void)state;
	scene_init(&s);
	add_stalls(&s, CAUSE_EXPIRY, "", 1, 0.4);
	buf_puts(&s.info_start, "# Errorstats\r\n");
	buf_puts(&s.info_end, "# Errorstats\r\nerrorstat_OOM:count=12\r\n");
	d = scene_diagnose(&s);
	assert_int_equal(harm_left(d.m, &none, left), 2);
	assert_int_equal(left[0].harm, HARM_REFUSED);
	assert_true(left[0].amount == 12);
	assert_int_equal(left[1].harm, HARM_STALL);
	assert_string_equal(left[1].finding, "expire.blocks");
	assert_false(diagnose_healthy(d.m, &none));
	diagnose_verdict(&out, d.m, &none);
	assert_null(strstr(buf_str(&out), "nothing wrong"));
	assert_non_null(strstr(buf_str(&out), "writes were refused (12)"));
	assert_non_null(strstr(buf_str(&out), "the event loop stood still (400 ms)"));
	buf_free(&out);
	diagnosis_free(&d);
}

static void take_recording(struct model *m, const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	assert_non_null(f);
	while ((len = getline(&line, &room, f)) > 0) {
		struct record_decoded *keep;
		struct record record;

		if (record_decode(line, (size_t)len, &record, &keep, NULL))
			continue; /* the head, the end */
		model_take(m, &record);
		record_decoded_free(keep);
	}
	free(line);
	fclose(f);
}

/* Whatever a recording's tables show as harm is concluded. */
static void recordings_are_concluded(void **state)
{
	glob_t found;

	(void)state;
	assert_int_equal(glob("tests/golden/*.jsonl", 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 6);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct model *m = model_new();
		struct harm_left left[HARM_LEFT_MAX];
		struct findings *f;
		size_t count;

		take_recording(m, found.gl_pathv[i]);
		model_finish(m);
		f = diagnose(m);
		count = harm_left(m, f, left);
		if (count > 0)
			fail_msg("%s: %s (%g): no %s", found.gl_pathv[i],
				 harm_table[left[0].harm].words, left[0].amount, left[0].finding);
		for (size_t n = 0; n < f->count; n++)
			assert_takes_no_data(&f->items[n]);
		findings_free(f);
		model_free(m);
	}
	globfree(&found);
}

/* A time of which nothing was seen, no sample, wait or fault: the machine itself stood still, as
 * one does that a hypervisor stops. Its clients waited. */
static void still_machine_is_told(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_stall(&s, "", "", 0.4);
	scene_expect(&s, "loop.blocks", SEVERITY_WARNING);
}

/* Where nobody looks when the loop sleeps, a turn of it seems to go on while it does. */
static void unwatched_loop_has_none(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	scene_init(&s);
	s.sensors_off = "loop offcpu";
	scene_stall(&s, "", "", 0.4);
	d = scene_diagnose(&s);
	assert_int_equal(d.m->stalls_count, 0);
	assert_true(diagnose_healthy(d.m, d.f));
	diagnosis_free(&d);
}

/* Of two as severe what was lost comes before who waited, and that before limits and bytes. */
static void ranked_by_harm(void **state)
{
	struct scene s;
	struct diagnosis d;
	size_t waited, bytes;

	(void)state;
	scene_init(&s);
	scene_load(&s, 1 * GIB);
	s.active = 2 * GIB; /* a gigabyte of holes, and a stall of 60 ms */
	add_stalls(&s, CAUSE_EXPIRY, "", 1, 0.06);
	d = scene_diagnose(&s);
	waited = (size_t)(expect(&d, "expire.blocks", SEVERITY_WARNING) - d.f->items);
	bytes = (size_t)(expect(&d, "frag.slab", SEVERITY_WARNING) - d.f->items);
	assert_true(waited < bytes);
	diagnosis_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cause_is_concluded),
		cmocka_unit_test(short_commands_again),
		cmocka_unit_test(short_commands_take_much),
		cmocka_unit_test(loop_is_not_accused),
		cmocka_unit_test(loop_on_a_busy_machine),
		cmocka_unit_test(publish_and_its_messages),
		cmocka_unit_test(short_ones_of_many_causes),
		cmocka_unit_test(pipelines),
		cmocka_unit_test(transactions),
		cmocka_unit_test(throttled),
		cmocka_unit_test(not_throttled),
		cmocka_unit_test(contended),
		cmocka_unit_test(contended_by_several),
		cmocka_unit_test(spins_for_io_threads),
		cmocka_unit_test(contended_by_io_threads),
		cmocka_unit_test(io_threads),
		cmocka_unit_test(contended_by_redmem),
		cmocka_unit_test(stolen),
		cmocka_unit_test(stood_still),
		cmocka_unit_test(aof_is_late),
		cmocka_unit_test(aof),
		cmocka_unit_test(expiry),
		cmocka_unit_test(expiry_half_recognised),
		cmocka_unit_test(expiry_of_fields),
		cmocka_unit_test(expiry_on_a_busy_machine),
		cmocka_unit_test(expiry_named_by_other_stalls),
		cmocka_unit_test(waits_for_lazyfree),
		cmocka_unit_test(expiry_between_waits),
		cmocka_unit_test(defragmentation),
		cmocka_unit_test(expiry_goes_on),
		cmocka_unit_test(eviction),
		cmocka_unit_test(no_eviction),
		cmocka_unit_test(works_on_a_busy_machine),
		cmocka_unit_test(doubling),
		cmocka_unit_test(copies_of_huge_pages),
		cmocka_unit_test(monitor),
		cmocka_unit_test(churn),
		cmocka_unit_test(paused),
		cmocka_unit_test(leaves_nothing_unsaid),
		cmocka_unit_test(recordings_are_concluded),
		cmocka_unit_test(still_machine_is_told),
		cmocka_unit_test(unwatched_loop_has_none),
		cmocka_unit_test(ranked_by_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
