/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules on what the server complains of: saves, refusals, starts, kills. */
#include <signal.h>
#include <stdio.h>

#include "blame_records.h"
#include "complaint_scene.h"

/* --- saves -------------------------------------------------------------------- */

static void saves_are_well(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	child(&s, 0, 0);
	scene_expect_none(&s, "save.failing");
	begin(&s); /* the server stopped it itself: a replica is gone, a SHUTDOWN */
	child(&s, 0, SIGUSR1);
	scene_expect_none(&s, "save.failing");
	begin(&s); /* it fed a replica, which was cut off */
	child(&s, 255, 0);
	scene_info_both(&s, "sync_full:3\r\n");
	scene_info(&s, "sync_full:4\r\n");
	scene_expect_none(&s, "save.failing");
	begin(&s); /* still at work */
	child(&s, RECORD_UNKNOWN, RECORD_UNKNOWN)->t_end_seconds = NAN;
	scene_expect_none(&s, "save.failing");
	scene_init(&s); /* a server that tells none of this */
	scene_expect_none(&s, "save.failing");
}

static void saving_child_killed(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	begin(&s);
	child(&s, 0, SIGKILL);
	scene_info(&s, "rdb_last_bgsave_status:err\r\nerrorstat_MISCONF:count=1200\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "save.failing", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "killed by signal 9"));
	assert_non_null(strstr(f->title, "1,200 requests were refused with MISCONF"));
	assert_true(evidence_value(f, "child_exit_signal") == SIGKILL);
	assert_null(diagnosis_find(&d, "writes.refused")); /* one trouble, cause first */
	diagnosis_free(&d);

	begin(&s); /* nobody writes yet, but who does will be refused */
	scene_info(&s, "rdb_last_bgsave_status:err\r\n");
	scene_expect(&s, "save.failing", SEVERITY_CRITICAL);
	begin(&s); /* it was made good since */
	child(&s, 0, SIGKILL);
	scene_expect(&s, "save.failing", SEVERITY_WARNING);
	begin(&s); /* a full disk */
	child(&s, 1, 0);
	scene_info(&s, "rdb_last_bgsave_status:err\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "save.failing", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "exit code 1"));
	assert_non_null(strstr(f->cause, "disk is full"));
	diagnosis_free(&d);
}

static void aof_fails(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	begin(&s);
	scene_info(&s, "aof_last_write_status:err\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "save.failing", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "Writing the AOF"));
	diagnosis_free(&d);
	begin(&s);
	scene_info(&s, "aof_last_bgrewrite_status:err\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "save.failing", SEVERITY_WARNING); /* writes go on */
	assert_non_null(strstr(f->title, "Rewriting the AOF"));
	diagnosis_free(&d);
}

static void fork_refused(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	begin(&s);
	s.host.overcommit_memory = 2;
	s.host.commit_limit_bytes = 4 * GIB;
	s.host.committed_bytes = 4 * GIB - 10 * MIB;
	scene_info(&s, "rdb_last_bgsave_status:err\r\nrdb_saves:4\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "save.failing", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "the kernel refuses the fork"));
	assert_true(evidence_value(f, "commit_limit") == 4.0 * GIB);
	assert_string_equal(f->actions[0].command, "sysctl vm.overcommit_memory=1");
	assert_null(diagnosis_find(&d, "config.overcommit")); /* no risk any more */
	diagnosis_free(&d);

	begin(&s); /* what the forks took that came to nothing is part of it */
	s.host.overcommit_memory = 2;
	scene_info(&s, "rdb_last_bgsave_status:err\r\nrdb_saves:4\r\n");
	record_blame(scene_stall(&s, "bgsave", "", 0.08), CAUSE_FORK, 0.08);
	d = scene_diagnose(&s);
	f = expect(&d, "save.failing", SEVERITY_CRITICAL);
	assert_true(fabs(evidence_value(f, "fork_seconds") - 0.08) < 1e-9);
	assert_null(diagnosis_find(&d, "fork.pause"));
	diagnosis_free(&d);
}

/* --- refusals ------------------------------------------------------------------ */

static void refused(void **state)
{
	static const struct {
		const char *line, *error;
		enum severity severity;
	} kinds[] = {
		{ "errorstat_OOM:count=5000\r\n", "(OOM)", SEVERITY_CRITICAL },
		{ "errorstat_NOREPLICAS:count=5\r\n", "(NOREPLICAS)", SEVERITY_CRITICAL },
		{ "errorstat_READONLY:count=5\r\n", "(READONLY)", SEVERITY_WARNING },
		{ "errorstat_MISCONF:count=1\r\n", "(MISCONF)", SEVERITY_CRITICAL },
	};
	struct scene s;
	struct diagnosis d;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		begin(&s);
		scene_info(&s, kinds[i].line);
		d = scene_diagnose(&s);
		assert_non_null(strstr(expect(&d, "writes.refused", kinds[i].severity)->title,
				       kinds[i].error));
		diagnosis_free(&d);
	}
	begin(&s); /* what clients do wrong is no refusal */
	scene_info(&s, "errorstat_WRONGTYPE:count=9\r\nerrorstat_ERR:count=90\r\n"
		       "errorstat_MOVED:count=4\r\nerrorstat_NOSCRIPT:count=2\r\n");
	scene_expect_none(&s, "writes.refused");
	begin(&s); /* before this watch */
	scene_info_both(&s, "errorstat_OOM:count=5000\r\n");
	scene_expect_none(&s, "writes.refused");
}

/* redmem's own PING is refused, too, where nothing can be saved. */
static void refused_to_redmem_only(void **state)
{
	struct scene s;
	struct record *own;

	(void)state;
	begin(&s);
	scene_info(&s, "errorstat_MISCONF:count=2\r\n");
	own = scene_add(&s, RECORD_OWN_CALLS);
	own->own_calls =
		(struct record_own_calls){ .command = "errorstat_MISCONF", .calls_total = 2 };
	scene_expect_none(&s, "writes.refused");
}

static void refused_commands(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record *own;

	(void)state;
	begin(&s);
	scene_info_both(&s, "# Commandstats\r\n"
			    "cmdstat_set:calls=9,usec=9,rejected_calls=10,failed_calls=0\r\n"
			    "cmdstat_ping:calls=9,usec=9,rejected_calls=0,failed_calls=0\r\n"
			    "cmdstat_lpush:calls=9,usec=9,rejected_calls=0,failed_calls=1\r\n");
	scene_info(&s, "cmdstat_set:calls=9,usec=9,rejected_calls=910,failed_calls=0\r\n"
		       "cmdstat_ping:calls=9,usec=9,rejected_calls=3,failed_calls=0\r\n"
		       "cmdstat_lpush:calls=19,usec=9,rejected_calls=0,failed_calls=6\r\n"
		       "errorstat_OOM:count=900\r\nerrorstat_WRONGTYPE:count=5\r\n");
	own = scene_add(&s, RECORD_OWN_CALLS);
	own->own_calls = (struct record_own_calls){ .command = "refused ping", .calls_total = 3 };
	d = scene_diagnose(&s);
	f = expect(&d, "writes.refused", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "900 requests were refused (OOM), most of them SET"));
	assert_int_equal(d.m->errors_count, 2); /* ERR did not move */
	assert_string_equal(d.m->errors[0].error, "OOM");
	assert_int_equal(d.m->refusals_count, 2); /* PING was redmem's alone */
	assert_string_equal(d.m->refusals[1].command, "lpush");
	assert_int_equal(d.m->refusals[1].failed_total, 5);
	diagnosis_free(&d);
}

/* CONFIG RESETSTAT in the window: no difference means anything. */
static void errors_reset(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	begin(&s);
	scene_info_both(&s, "errorstat_OOM:count=5000\r\n");
	scene_info(&s, "errorstat_OOM:count=3\r\n");
	d = scene_diagnose(&s);
	assert_false(d.m->have_errors);
	assert_true(model_errors(d.m, "OOM") == RECORD_UNKNOWN);
	assert_null(diagnosis_find(&d, "writes.refused"));
	diagnosis_free(&d);
}

/* --- starts and saves in a row ------------------------------------------------------- */

/* Its loop hangs while it loads, which is the loading; after that it is what it is. */
static void loading(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	begin(&s);
	scene_info_both(&s, "loading:1\r\nloading_loaded_perc:30.00\r\nloading_eta_seconds:6\r\n");
	scene_info(&s, "errorstat_LOADING:count=50\r\n");
	record_blame(scene_stall(&s, "", "", 1.1), CAUSE_REHASH, 1.1);
	record_blame(scene_stall(&s, "", "", 0.3), CAUSE_COMMAND, 0.3);
	d = scene_diagnose(&s);
	f = expect(&d, "server.loading", SEVERITY_CRITICAL);
	assert_ptr_equal(f, &d.f->items[0]);
	assert_non_null(strstr(f->title, "30 % are done, to be ready in 6.0 s"));
	assert_true(evidence_value(f, "LOADING") == 50);
	assert_null(diagnosis_find(&d, "writes.refused"));
	assert_null(diagnosis_find(&d, "loop.blocks"));
	assert_null(diagnosis_find(&d, "rehash.blocks"));
	diagnosis_free(&d);

	begin(&s); /* DEBUG RELOAD held the server, and answers LOADING meanwhile */
	scene_info_both(&s, "loading:0\r\n");
	scene_info(&s, "errorstat_LOADING:count=50\r\n");
	record_blame(scene_stall(&s, "debug", "", 0.6), CAUSE_COMMAND, 0.6);
	d = scene_diagnose(&s);
	f = expect(&d, "command.blocks", SEVERITY_WARNING);
	assert_true(evidence_value(f, "LOADING") == 50);
	assert_null(diagnosis_find(&d, "writes.refused"));
	diagnosis_free(&d);

	begin(&s); /* so does a script that takes its time: it comes first, and with what it did */
	scene_info(&s, "errorstat_BUSY:count=438\r\n");
	record_blame(scene_stall(&s, "eval", "", 8), CAUSE_COMMAND, 8);
	d = scene_diagnose(&s);
	f = expect(&d, "command.blocks", SEVERITY_CRITICAL);
	assert_ptr_equal(f, &d.f->items[0]);
	assert_non_null(strstr(f->title, ", and 438 requests were refused (BUSY)"));
	assert_null(diagnosis_find(&d, "writes.refused"));
	diagnosis_free(&d);

	begin(&s); /* which nobody saw */
	scene_info(&s, "errorstat_BUSY:count=438\r\n");
	scene_expect(&s, "writes.refused", SEVERITY_CRITICAL);

	begin(&s); /* nobody asks for anything */
	scene_info_both(&s, "loading:1\r\n");
	scene_expect(&s, "server.loading", SEVERITY_INFO);

	begin(&s);
	scene_info_both(&s, "loading:0\r\n");
	record_blame(scene_stall(&s, "", "", 0.3), CAUSE_COMMAND, 0.3);
	d = scene_diagnose(&s);
	expect(&d, "loop.blocks", SEVERITY_WARNING);
	assert_null(diagnosis_find(&d, "server.loading"));
	diagnosis_free(&d);
}

/* Children from @start to the end of the watch, without a pause. */
static void saves_in_a_row(struct scene *s, double start, int count)
{
	begin(s);
	for (int i = 0; i < count; i++) {
		struct record_child *c = child(s, 0, 0);

		c->pid = 900 + i;
		c->t_start_seconds = start + (10 - start) / count * i;
		c->t_end_seconds = start + (10 - start) / count * (i + 1) - 0.1;
	}
	buf_printf(&s->info_end, "total_forks:%d\r\n", 3 + count);
}

static void saves_often(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record_stall *stall;

	(void)state;
	saves_in_a_row(&s, 0.2, 4);
	scene_info_both(&s, "aof_enabled:1\r\n");
	scene_config(&s, "auto-aof-rewrite-percentage 1\nauto-aof-rewrite-min-size 1048576\n");
	scene_info(&s, "total_forks:7\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "save.often", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "4 forks in 10"));
	assert_true(evidence_value(f, "auto-aof-rewrite-percentage") == 1);
	diagnosis_free(&d);

	saves_in_a_row(&s, 0.2, 4); /* the AOF waits as the child has the disk */
	scene_info_both(&s, "aof_enabled:1\r\n");
	stall = scene_stall(&s, "", "", 0.076);
	record_blame(stall, CAUSE_IO_WAIT, 0.076);
	stall->wait_file = "/data/appendonlydir/appendonly.aof.1.incr.aof";
	d = scene_diagnose(&s);
	f = expect(&d, "save.often", SEVERITY_WARNING);
	assert_ptr_equal(f, &d.f->items[0]);
	assert_float_equal(evidence_value(f, "aof_waited_seconds"), 0.076, 1e-6);
	expect(&d, "aof.disk", SEVERITY_WARNING);
	diagnosis_free(&d);

	saves_in_a_row(&s, 0.2, 1); /* one that takes long */
	scene_expect_none(&s, "save.often");
	saves_in_a_row(&s, 7, 3); /* a replica of each kind came, and a backup was made */
	scene_expect_none(&s, "save.often");
}

/* --- lazy freeing, kills ----------------------------------------------------------- */

static void lazyfree(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	begin(&s); /* FLUSHALL ASYNC */
	scene_info(&s, "lazyfree_pending_objects:2000000\r\nused_memory_dataset:150000000\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "lazyfree.pending", SEVERITY_INFO);
	assert_true(evidence_value(f, "waiting_bytes") == 150000000);
	diagnosis_free(&d);
	begin(&s);
	scene_info(&s, "db0:keys=5,expires=0,avg_ttl=0\r\nlazyfree_pending_objects:3\r\n");
	scene_expect_none(&s, "lazyfree.pending");
}

static void killed(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record *life;

	(void)state;
	begin(&s);
	s.host.cgroup_limit_bytes = s.host.cgroup_near_limit_bytes = 400 * MIB;
	s.host.cgroup_near_anon_bytes = 399 * MIB;
	s.host.cgroup_near_hits_total = 7;
	record_blame(scene_stall(&s, "set", "item:1", 0.2), CAUSE_RECLAIM, 0.2);
	life = scene_add(&s, RECORD_LIFE);
	life->life = (struct record_life){ 3, "oom", "", NAN, 0, 390 * MIB };
	life = scene_add(&s, RECORD_LIFE);
	life->life = (struct record_life){ 3.1, "exit", "", NAN, 0, RECORD_UNKNOWN };
	d = scene_diagnose(&s);
	f = expect(&d, "killed.limit", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "killed the server, which held 390"));
	assert_true(evidence_value(f, "cgroup_limit") == 400.0 * MIB);
	assert_null(diagnosis_find(&d, "server.not_answering")); /* one trouble, cause first */
	assert_null(diagnosis_find(&d, "mem.cgroup"));
	assert_null(diagnosis_find(&d, "mem.no_max"));
	assert_null(diagnosis_find(&d, "reclaim.blocks"));
	diagnosis_free(&d);
}

/* When the server is gone, its cgroup cannot be looked up any more. */
static void killed_and_gone(void **state)
{
	struct scene s;
	struct record_host end;
	struct diagnosis d;

	(void)state;
	begin(&s);
	end = s.host;
	s.host.cgroup_near_limit_bytes = 400 * MIB;
	s.host_end = &end;
	scene_add(&s, RECORD_LIFE)->life = (struct record_life){ 3, "oom", "", NAN, 0, 398 * MIB };
	d = scene_diagnose(&s);
	assert_true(evidence_value(expect(&d, "killed.limit", SEVERITY_CRITICAL), "cgroup_limit") ==
		    400.0 * MIB);
	diagnosis_free(&d);
}

/* Without the kernel's own word: its counter rose, and the child was killed. */
static void killed_by_counter(void **state)
{
	struct scene s;
	struct record_host end;
	struct diagnosis d;

	(void)state;
	begin(&s);
	s.host.cgroup_oom_kills_total = 1;
	end = s.host;
	end.cgroup_oom_kills_total = 2;
	s.host_end = &end;
	child(&s, 0, SIGKILL);
	scene_info(&s, "rdb_last_bgsave_status:err\r\n");
	d = scene_diagnose(&s);
	assert_non_null(
		strstr(expect(&d, "killed.limit", SEVERITY_CRITICAL)->title, "its saving child"));
	assert_null(diagnosis_find(&d, "save.failing"));
	diagnosis_free(&d);
	begin(&s); /* some day before */
	s.host.cgroup_oom_kills_total = 2;
	scene_expect_none(&s, "killed.limit");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(saves_are_well),   cmocka_unit_test(saving_child_killed),
		cmocka_unit_test(aof_fails),	    cmocka_unit_test(fork_refused),
		cmocka_unit_test(refused),	    cmocka_unit_test(refused_to_redmem_only),
		cmocka_unit_test(refused_commands), cmocka_unit_test(errors_reset),
		cmocka_unit_test(loading),	    cmocka_unit_test(saves_often),
		cmocka_unit_test(lazyfree),	    cmocka_unit_test(killed),
		cmocka_unit_test(killed_and_gone),  cmocka_unit_test(killed_by_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
