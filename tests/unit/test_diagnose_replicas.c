/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules on replicas: their backlog, their resynchronisations, their links. */
#include <stdio.h>

#include "complaint_scene.h"

#define REPLICA(state, lag)                                               \
	"connected_slaves:1\r\nslave0:ip=10.0.0.2,port=6380,state=" state \
	",offset=90000000,lag=" lag "\r\n"

/* Writes of 10 MB/s, a backlog of @backlog bytes. */
static void with_replica(struct scene *s, const char *replica, const char *backlog)
{
	begin(s);
	scene_info_both(s, "repl_backlog_active:1\r\nsync_full:4\r\nsync_partial_ok:0\r\n"
			   "sync_partial_err:0\r\nmaster_repl_offset:1000000\r\n");
	buf_printf(&s->info_end, "%srepl_backlog_size:%s\r\nmaster_repl_offset:101000000\r\n",
		   replica, backlog);
	scene_config(s,
		     "client-output-buffer-limit normal 0 0 0 slave 8388608 0 0 pubsub 1 1 60\n");
}

/* @mib of the 202 MiB in use are backlog; 100 kB are written a second. */
static void with_backlog(struct scene *s, int mib, const char *more)
{
	begin(s);
	scene_load(s, 202 * MIB);
	scene_info_both(s, "repl_backlog_active:1\r\n");
	buf_puts(&s->info_start, "master_repl_offset:1000000\r\n");
	buf_printf(&s->info_end,
		   "master_repl_offset:2000000\r\nmem_replication_backlog:%lld\r\n"
		   "repl_backlog_size:%lld\r\n%s",
		   (long long)(mib * MIB), (long long)(mib * MIB), more);
}

static void backlog_is_most(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	with_backlog(&s, 191, "connected_slaves:1\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "repl.backlog", SEVERITY_INFO);
	assert_non_null(strstr(f->title, "191.0 MiB of the 202.0 MiB"));
	assert_true(fabs(evidence_value(f, "backlog_seconds") - 2002.8) < 1);
	assert_non_null(strstr(f->actions[0].command, "CONFIG SET repl-backlog-size 6000000"));
	assert_int_equal(f->actions[0].expected_gain_bytes, 191 * MIB - 6000000);
	diagnosis_free(&d);
	with_backlog(&s, 191, "maxmemory:314572800\r\n"); /* two thirds of what may be in use */
	scene_expect(&s, "repl.backlog", SEVERITY_WARNING);
	with_backlog(&s, 191, "maxmemory:1048576000\r\n");
	scene_expect(&s, "repl.backlog", SEVERITY_INFO);
	with_backlog(&s, 64, "maxmemory:314572800\r\n");
	scene_expect_none(&s, "repl.backlog");
}

static void replica_in_step(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	with_replica(&s, REPLICA("online", "1"), "1073741824");
	scene_info(&s, "sync_full:5\r\n"); /* it has just come */
	d = scene_diagnose(&s);
	assert_null(diagnosis_find(&d, "repl.resync"));
	assert_int_equal(d.m->replicas_count, 1);
	assert_string_equal(d.m->replicas[0].address, "10.0.0.2:6380");
	assert_int_equal(d.m->replicas[0].behind_bytes, 11000000);
	assert_true(fabs(d.m->replicas[0].behind_seconds - 1.1) < 1e-6);
	assert_true(fabs(d.m->replication.backlog_seconds - 107.37) < 0.01);
	diagnosis_free(&d);
}

static void replica_starts_over(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	with_replica(&s, REPLICA("wait_bgsave", "0"), "1048576");
	scene_info(&s, "sync_full:14\r\n"); /* each takes a second: 10 MB against 8 */
	d = scene_diagnose(&s);
	f = expect(&d, "repl.resync", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "10 full synchronisations"));
	assert_non_null(strstr(f->title, "10.0.0.2:6380"));
	assert_non_null(strstr(f->cause, "client-output-buffer-limit"));
	assert_true(evidence_value(f, "replica_output_buffer_limit") == 8388608);
	assert_true(f->weak);
	diagnosis_free(&d);

	with_replica(&s, REPLICA("wait_bgsave", "0"), "1073741824"); /* which is the limit, then */
	scene_info(&s, "sync_full:14\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "repl.resync", SEVERITY_CRITICAL);
	assert_null(strstr(f->cause, "client-output-buffer-limit"));
	diagnosis_free(&d);

	with_replica(&s, "connected_slaves:3\r\n", "1073741824"); /* three that have come */
	scene_info(&s, "sync_full:7\r\n");
	scene_expect_none(&s, "repl.resync");
}

static void replica_silent(void **state)
{
	struct scene s;

	(void)state;
	with_replica(&s, REPLICA("online", "17"), "1073741824");
	scene_expect(&s, "repl.resync", SEVERITY_WARNING);
	with_replica(&s, REPLICA("online", "0"), "1048576"); /* a tenth of a second of writes */
	scene_expect(&s, "repl.resync", SEVERITY_INFO);
}

static void replica_cut_off(void **state)
{
	struct scene s;

	(void)state;
	begin(&s);
	scene_info_both(&s,
			"role:slave\r\nmaster_link_status:down\r\nmaster_sync_in_progress:0\r\n");
	scene_expect(&s, "repl.resync", SEVERITY_CRITICAL);
	begin(&s);
	scene_info_both(&s,
			"role:slave\r\nmaster_link_status:down\r\nmaster_sync_in_progress:1\r\n");
	scene_expect(&s, "repl.resync", SEVERITY_WARNING);
	begin(&s); /* the first synchronisation is over */
	scene_info_both(&s, "role:slave\r\nmaster_link_status:down\r\n");
	scene_info(&s, "master_link_status:up\r\n");
	scene_expect_none(&s, "repl.resync");
}

/* At each second the seconds without a master; -2 = it has it. */
static void with_links(struct scene *s, const char *start, const int *down)
{
	static char lines[SCENE_SECONDS + 1][160];

	begin(s);
	buf_printf(&s->info_start, "role:slave\r\nmaster_link_status:%s\r\n", start);
	scene_info(s, "role:slave\r\nmaster_link_status:up\r\nmaster_host:10.0.0.1\r\n");
	for (int t = 0; t <= SCENE_SECONDS; t++) {
		int len = snprintf(lines[t], sizeof(lines[t]), "used_memory:%d\r\n", 10000000);

		if (down[t] != -2)
			snprintf(lines[t] + len, sizeof(lines[t]) - (size_t)len,
				 "master_link_down_since_seconds:%d\r\n", down[t]);
		scene_add(s, RECORD_INFO)->info = (struct record_info){ t, "tick", lines[t] };
	}
}

/* Up when it began and when it ended, and not between. */
static void replica_link_comes_back(void **state)
{
	static const int twice[SCENE_SECONDS + 1] = { -2, -2, 0, 1, 2, -2, -2, 1, -2, -2, -2 };
	static const int first[SCENE_SECONDS + 1] = { -1, -1, -1, -2, -2, -2, -2, -2, -2, -2, -2 };
	static const int never[SCENE_SECONDS + 1] = { -2, -2, -2, -2, -2, -2, -2, -2, -2, -2, -2 };
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	with_links(&s, "up", twice);
	d = scene_diagnose(&s);
	f = expect(&d, "repl.resync", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "lost the link to its master 2 times"));
	assert_true(evidence_value(f, "link_down_seconds_max") == 2);
	diagnosis_free(&d);
	with_links(&s, "down", first); /* how every replica begins */
	scene_expect_none(&s, "repl.resync");
	with_links(&s, "up", never);
	scene_expect_none(&s, "repl.resync");
}

/* The link breaks again and again, and the backlog mends it each time. */
static void replica_flaps(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	with_replica(&s, REPLICA("online", "0"), "1073741824");
	scene_info(&s, "sync_partial_ok:6\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "repl.resync", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "such as 10.0.0.2:6380 lost their link 6 times"));
	assert_true(evidence_value(f, "sync_partial_ok") == 6);
	diagnosis_free(&d);
	with_replica(&s, REPLICA("online", "0"), "1073741824");
	scene_info(&s, "sync_partial_ok:1\r\n"); /* once */
	scene_expect_none(&s, "repl.resync");
}

/* Its master goes in the watch: what it serves from then on is old. */
static void replica_loses_its_master(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	for (int down = 4; down < 40; down += 20) {
		begin(&s);
		scene_info_both(
			&s, "role:slave\r\nmaster_link_status:up\r\nmaster_sync_in_progress:0\r\n");
		scene_info(&s, "master_link_status:down\r\n");
		buf_printf(&s.info_end, "master_link_down_since_seconds:%d\r\n", down);
		d = scene_diagnose(&s);
		assert_non_null(strstr(
			expect(&d, "repl.resync", down > 10 ? SEVERITY_CRITICAL : SEVERITY_WARNING)
				->title,
			"lost the link to its master, and has been without it for"));
		diagnosis_free(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(backlog_is_most),     cmocka_unit_test(replica_in_step),
		cmocka_unit_test(replica_starts_over), cmocka_unit_test(replica_silent),
		cmocka_unit_test(replica_cut_off),     cmocka_unit_test(replica_link_comes_back),
		cmocka_unit_test(replica_flaps),       cmocka_unit_test(replica_loses_its_master),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
