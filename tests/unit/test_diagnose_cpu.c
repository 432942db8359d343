/* SPDX-License-Identifier: BSD-2-Clause */
/* Stalls without a CPU: a quota, neighbours, threads of the server's own, the hypervisor. */
#include "stall_scene.h"

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
	scene_config(&s, "io-threads 3\n");
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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
