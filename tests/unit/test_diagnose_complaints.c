/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules on what the server complains of: saves, refusals, connections, replicas, kills. */
#include <signal.h>

#include "blame_records.h"
#include <stdio.h>

#include "scene.h"

/* Further INFO lines of both replies, and of the last one; later ones replace others. */
static void info_both(struct scene *s, const char *text)
{
	buf_puts(&s->info_start, text);
	buf_puts(&s->info_end, text);
}

static void info(struct scene *s, const char *text)
{
	buf_puts(&s->info_end, text);
}

static void config(struct scene *s, const char *text)
{
	buf_puts(&s->config, text);
}

/* A server that tells its errors and saves by itself. */
static void begin(struct scene *s)
{
	scene_init(s);
	scene_load(s, 200 * MIB);
	info_both(s, "# Persistence\r\nrdb_last_bgsave_status:ok\r\naof_last_write_status:ok\r\n"
		     "aof_last_bgrewrite_status:ok\r\nrdb_saves:3\r\ntotal_forks:3\r\n"
		     "# Errorstats\r\nerrorstat_ERR:count=7\r\n");
	config(s, "stop-writes-on-bgsave-error yes\n");
}

static struct record_child *child(struct scene *s, int64_t exit_code, int64_t exit_signal)
{
	struct record *f = scene_add(s, RECORD_CHILD);

	f->child = (struct record_child){ .pid = 900,
					  .t_start_seconds = 1,
					  .t_end_seconds = 1.5,
					  .purpose = "rdb",
					  .rss_bytes = 100 * MIB,
					  .private_bytes = 20 * MIB,
					  .fork_seconds = NAN,
					  .exit_code = exit_code,
					  .exit_signal = exit_signal };
	return &f->child;
}

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
	info_both(&s, "sync_full:3\r\n");
	info(&s, "sync_full:4\r\n");
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
	info(&s, "rdb_last_bgsave_status:err\r\nerrorstat_MISCONF:count=1200\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "save.failing", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "killed by signal 9"));
	assert_non_null(strstr(f->title, "1,200 requests were refused with MISCONF"));
	assert_true(evidence_value(f, "child_exit_signal") == SIGKILL);
	assert_null(diagnosis_find(&d, "writes.refused")); /* one trouble, cause first */
	diagnosis_free(&d);

	begin(&s); /* nobody writes yet, but who does will be refused */
	info(&s, "rdb_last_bgsave_status:err\r\n");
	scene_expect(&s, "save.failing", SEVERITY_CRITICAL);
	begin(&s); /* it was made good since */
	child(&s, 0, SIGKILL);
	scene_expect(&s, "save.failing", SEVERITY_WARNING);
	begin(&s); /* a full disk */
	child(&s, 1, 0);
	info(&s, "rdb_last_bgsave_status:err\r\n");
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
	info(&s, "aof_last_write_status:err\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "save.failing", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "Writing the AOF"));
	diagnosis_free(&d);
	begin(&s);
	info(&s, "aof_last_bgrewrite_status:err\r\n");
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
	info(&s, "rdb_last_bgsave_status:err\r\nrdb_saves:4\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "save.failing", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "the kernel refuses the fork"));
	assert_true(evidence_value(f, "commit_limit") == 4.0 * GIB);
	assert_string_equal(f->actions[0].command, "sysctl vm.overcommit_memory=1");
	assert_null(diagnosis_find(&d, "config.overcommit")); /* no risk any more */
	diagnosis_free(&d);

	begin(&s); /* what the forks took that came to nothing is part of it */
	s.host.overcommit_memory = 2;
	info(&s, "rdb_last_bgsave_status:err\r\nrdb_saves:4\r\n");
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
		info(&s, kinds[i].line);
		d = scene_diagnose(&s);
		assert_non_null(strstr(expect(&d, "writes.refused", kinds[i].severity)->title,
				       kinds[i].error));
		diagnosis_free(&d);
	}
	begin(&s); /* what clients do wrong is no refusal */
	info(&s, "errorstat_WRONGTYPE:count=9\r\nerrorstat_ERR:count=90\r\n"
		 "errorstat_MOVED:count=4\r\nerrorstat_NOSCRIPT:count=2\r\n");
	scene_expect_none(&s, "writes.refused");
	begin(&s); /* before this watch */
	info_both(&s, "errorstat_OOM:count=5000\r\n");
	scene_expect_none(&s, "writes.refused");
}

/* redmem's own PING is refused, too, where nothing can be saved. */
static void refused_to_redmem_only(void **state)
{
	struct scene s;
	struct record *own;

	(void)state;
	begin(&s);
	info(&s, "errorstat_MISCONF:count=2\r\n");
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
	info_both(&s, "# Commandstats\r\n"
		      "cmdstat_set:calls=9,usec=9,rejected_calls=10,failed_calls=0\r\n"
		      "cmdstat_ping:calls=9,usec=9,rejected_calls=0,failed_calls=0\r\n"
		      "cmdstat_lpush:calls=9,usec=9,rejected_calls=0,failed_calls=1\r\n");
	info(&s, "cmdstat_set:calls=9,usec=9,rejected_calls=910,failed_calls=0\r\n"
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
	info_both(&s, "errorstat_OOM:count=5000\r\n");
	info(&s, "errorstat_OOM:count=3\r\n");
	d = scene_diagnose(&s);
	assert_false(d.m->have_errors);
	assert_true(model_errors(d.m, "OOM") == RECORD_UNKNOWN);
	assert_null(diagnosis_find(&d, "writes.refused"));
	diagnosis_free(&d);
}

/* --- connections ---------------------------------------------------------------- */

static void near_maxclients(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	begin(&s);
	info(&s, "maxclients:10000\r\nconnected_clients:8500\r\n");
	scene_expect(&s, "clients.near_max", SEVERITY_WARNING);
	begin(&s);
	info(&s, "maxclients:10000\r\nconnected_clients:7000\r\n");
	scene_expect_none(&s, "clients.near_max");
	begin(&s); /* 6.0 tells it only as a setting */
	config(&s, "maxclients 100\n");
	info(&s, "connected_clients:99\r\n");
	scene_expect(&s, "clients.near_max", SEVERITY_CRITICAL);
	begin(&s);
	info_both(&s, "maxclients:100\r\nrejected_connections:5\r\n");
	info(&s, "connected_clients:60\r\nrejected_connections:25\r\n");
	d = scene_diagnose(&s);
	assert_non_null(strstr(expect(&d, "clients.near_max", SEVERITY_CRITICAL)->title,
			       "20 connections were refused"));
	diagnosis_free(&d);
}

#define CUT_OFF                                            \
	"client_output_buffer_limit_disconnections:%d\r\n" \
	"client_query_buffer_limit_disconnections:%d\r\nevicted_clients:%d\r\n"

static void cut_off(struct scene *s, int output, int query, int evicted)
{
	begin(s);
	info_both(s, "client_output_buffer_limit_disconnections:5\r\n"
		     "client_query_buffer_limit_disconnections:5\r\nevicted_clients:5\r\n");
	buf_printf(&s->info_end, CUT_OFF, output, query, evicted);
	config(s,
	       "client-output-buffer-limit normal 0 0 0 slave 1 1 0 pubsub 33554432 8388608 60\n");
}

/* Subscribers that do not keep up lose their connection; nobody else notices. */
static void clients_cut_off(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	cut_off(&s, 8, 5, 5);
	d = scene_diagnose(&s);
	f = expect(&d, "clients.cut_off", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "cut off 3 clients"));
	assert_non_null(strstr(f->title, "client-output-buffer-limit"));
	assert_true(evidence_value(f, "client_output_buffer_limit_disconnections") == 3);
	diagnosis_free(&d);

	cut_off(&s, 5, 5, 6);
	d = scene_diagnose(&s);
	f = expect(&d, "clients.cut_off", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "cut off 1 client in"));
	assert_non_null(strstr(f->title, "maxmemory-clients"));
	diagnosis_free(&d);

	cut_off(&s, 5, 5, 5);
	scene_expect_none(&s, "clients.cut_off");
}

/* A replica that is cut off comes back, and that is told by what follows from it. */
static void replica_over_its_limit(void **state)
{
	struct scene s;

	(void)state;
	cut_off(&s, 8, 5, 5);
	info_both(&s, "sync_full:1\r\nsync_partial_ok:0\r\n");
	info(&s, "sync_full:3\r\nsync_partial_ok:1\r\n");
	scene_expect_none(&s, "clients.cut_off");
}

/* A password that was changed, and not everywhere. */
static void clients_denied(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	begin(&s);
	info(&s, "errorstat_WRONGPASS:count=40\r\nerrorstat_NOAUTH:count=12\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "clients.denied", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "52 requests of clients were denied (WRONGPASS)"));
	assert_true(evidence_value(f, "NOAUTH") == 12);
	diagnosis_free(&d);

	begin(&s); /* somebody mistyped it */
	info(&s, "errorstat_WRONGPASS:count=4\r\n");
	scene_expect_none(&s, "clients.denied");
}

/* ACL LOG has nothing of clients that have not logged in. */
static void clients_without_password(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	begin(&s);
	info(&s, "errorstat_WRONGPASS:count=10\r\nerrorstat_NOAUTH:count=80\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "clients.denied", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "(NOAUTH)"));
	assert_string_equal(f->actions[0].command, "redis-cli CLIENT LIST");
	diagnosis_free(&d);
}

/* Who does not know the cluster, or asks it for keys of two slots at once. */
static void clients_of_a_cluster(void **state)
{
	static const struct {
		const char *errors, *part;
	} cases[] = {
		{ "errorstat_CROSSSLOT:count=60000\r\nerrorstat_MOVED:count=700\r\n", "hash tag" },
		{ "errorstat_MOVED:count=66000\r\nerrorstat_ASK:count=90000\r\n",
		  "cluster mode of the client" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;
		struct diagnosis d;
		const struct finding *f;

		begin(&s);
		info(&s, "total_commands_processed:150000\r\n");
		info(&s, cases[i].errors);
		d = scene_diagnose(&s);
		f = expect(&d, "clients.errors", SEVERITY_WARNING);
		assert_non_null(strstr(f->actions[0].text, cases[i].part));
		assert_non_null(strstr(f->title, i ? "66,000" : "60,000"));
		diagnosis_free(&d);
	}
}

/* With thousands of prefixes to compare with a SET takes 87 us; with few it takes one. */
static void clients_broadcast(void **state)
{
	static const struct {
		int prefixes, calls, usec, severity; /* -1: none */
	} cases[] = {
		{ 4375, 36570, 3170000, SEVERITY_WARNING },
		{ 4375, 3000, 260000, SEVERITY_INFO },
		{ 4375, 36570, 40000, -1 }, /* other keys have them: nothing was compared */
		{ 20, 36570, 3170000, -1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;

		begin(&s);
		info_both(&s, "# Commandstats\r\n");
		buf_puts(&s.info_start, "cmdstat_set:calls=1,usec=1\r\n");
		buf_printf(&s.info_end,
			   "cmdstat_set:calls=%d,usec=%d\r\ntracking_total_prefixes:%d\r\n",
			   cases[i].calls + 1, cases[i].usec + 1, cases[i].prefixes);
		if (cases[i].severity < 0)
			scene_expect_none(&s, "clients.broadcast");
		else
			scene_expect(&s, "clients.broadcast", (enum severity)cases[i].severity);
	}
}

/* An application that errs with each command, and what is no such thing. */
static void clients_errors(void **state)
{
	static const struct {
		const char *errors;
		int severity; /* -1: none */
	} cases[] = {
		{ "errorstat_WRONGTYPE:count=118000\r\n", SEVERITY_WARNING },
		{ "errorstat_NOSCRIPT:count=3000\r\n", SEVERITY_INFO },
		{ "errorstat_NOSCRIPT:count=30\r\n", -1 }, /* a few, and then EVAL */
		/* how clients learn where slots lie */
		{ "errorstat_MOVED:count=5000\r\nerrorstat_ASK:count=50000\r\n", -1 },
		{ "errorstat_WRONGPASS:count=90000\r\n", -1 }, /* clients.denied */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;
		struct diagnosis d;
		const struct finding *f;

		begin(&s);
		info(&s, "total_commands_processed:150000\r\n");
		info(&s, cases[i].errors);
		if (cases[i].severity < 0) {
			scene_expect_none(&s, "clients.errors");
			continue;
		}
		d = scene_diagnose(&s);
		f = expect(&d, "clients.errors", (enum severity)cases[i].severity);
		if (cases[i].severity == SEVERITY_WARNING)
			assert_non_null(
				strstr(f->title, "118,000 requests failed (WRONGTYPE) in 10 s"));
		diagnosis_free(&d);
	}
}

/* --- replicas ------------------------------------------------------------------- */

#define REPLICA(state, lag)                                               \
	"connected_slaves:1\r\nslave0:ip=10.0.0.2,port=6380,state=" state \
	",offset=90000000,lag=" lag "\r\n"

/* Writes of 10 MB/s, a backlog of @backlog bytes. */
static void with_replica(struct scene *s, const char *replica, const char *backlog)
{
	begin(s);
	info_both(s, "repl_backlog_active:1\r\nsync_full:4\r\nsync_partial_ok:0\r\n"
		     "sync_partial_err:0\r\nmaster_repl_offset:1000000\r\n");
	buf_printf(&s->info_end, "%srepl_backlog_size:%s\r\nmaster_repl_offset:101000000\r\n",
		   replica, backlog);
	config(s, "client-output-buffer-limit normal 0 0 0 slave 8388608 0 0 pubsub 1 1 60\n");
}

/* @mib of the 202 MiB in use are backlog; 100 kB are written a second. */
static void with_backlog(struct scene *s, int mib, const char *more)
{
	begin(s);
	scene_load(s, 202 * MIB);
	info_both(s, "repl_backlog_active:1\r\n");
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
	info(&s, "sync_full:5\r\n"); /* it has just come */
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
	info(&s, "sync_full:14\r\n"); /* each takes a second: 10 MB against 8 */
	d = scene_diagnose(&s);
	f = expect(&d, "repl.resync", SEVERITY_CRITICAL);
	assert_non_null(strstr(f->title, "10 full synchronisations"));
	assert_non_null(strstr(f->title, "10.0.0.2:6380"));
	assert_non_null(strstr(f->cause, "client-output-buffer-limit"));
	assert_true(evidence_value(f, "replica_output_buffer_limit") == 8388608);
	assert_true(f->weak);
	diagnosis_free(&d);

	with_replica(&s, REPLICA("wait_bgsave", "0"), "1073741824"); /* which is the limit, then */
	info(&s, "sync_full:14\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "repl.resync", SEVERITY_CRITICAL);
	assert_null(strstr(f->cause, "client-output-buffer-limit"));
	diagnosis_free(&d);

	with_replica(&s, "connected_slaves:3\r\n", "1073741824"); /* three that have come */
	info(&s, "sync_full:7\r\n");
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
	info_both(&s, "role:slave\r\nmaster_link_status:down\r\nmaster_sync_in_progress:0\r\n");
	scene_expect(&s, "repl.resync", SEVERITY_CRITICAL);
	begin(&s);
	info_both(&s, "role:slave\r\nmaster_link_status:down\r\nmaster_sync_in_progress:1\r\n");
	scene_expect(&s, "repl.resync", SEVERITY_WARNING);
	begin(&s); /* the first synchronisation is over */
	info_both(&s, "role:slave\r\nmaster_link_status:down\r\n");
	info(&s, "master_link_status:up\r\n");
	scene_expect_none(&s, "repl.resync");
}

/* At each second the seconds without a master; -2 = it has it. */
static void with_links(struct scene *s, const char *start, const int *down)
{
	static char lines[SCENE_SECONDS + 1][160];

	begin(s);
	buf_printf(&s->info_start, "role:slave\r\nmaster_link_status:%s\r\n", start);
	info(s, "role:slave\r\nmaster_link_status:up\r\nmaster_host:10.0.0.1\r\n");
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
	info(&s, "sync_partial_ok:6\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "repl.resync", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "such as 10.0.0.2:6380 lost their link 6 times"));
	assert_true(evidence_value(f, "sync_partial_ok") == 6);
	diagnosis_free(&d);
	with_replica(&s, REPLICA("online", "0"), "1073741824");
	info(&s, "sync_partial_ok:1\r\n"); /* once */
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
		info_both(&s,
			  "role:slave\r\nmaster_link_status:up\r\nmaster_sync_in_progress:0\r\n");
		info(&s, "master_link_status:down\r\n");
		buf_printf(&s.info_end, "master_link_down_since_seconds:%d\r\n", down);
		d = scene_diagnose(&s);
		assert_non_null(strstr(
			expect(&d, "repl.resync", down > 10 ? SEVERITY_CRITICAL : SEVERITY_WARNING)
				->title,
			"lost the link to its master, and has been without it for"));
		diagnosis_free(&d);
	}
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
	info_both(&s, "loading:1\r\nloading_loaded_perc:30.00\r\nloading_eta_seconds:6\r\n");
	info(&s, "errorstat_LOADING:count=50\r\n");
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
	info_both(&s, "loading:0\r\n");
	info(&s, "errorstat_LOADING:count=50\r\n");
	record_blame(scene_stall(&s, "debug", "", 0.6), CAUSE_COMMAND, 0.6);
	d = scene_diagnose(&s);
	f = expect(&d, "command.blocks", SEVERITY_WARNING);
	assert_true(evidence_value(f, "LOADING") == 50);
	assert_null(diagnosis_find(&d, "writes.refused"));
	diagnosis_free(&d);

	begin(&s); /* so does a script that takes its time: it comes first, and with what it did */
	info(&s, "errorstat_BUSY:count=438\r\n");
	record_blame(scene_stall(&s, "eval", "", 8), CAUSE_COMMAND, 8);
	d = scene_diagnose(&s);
	f = expect(&d, "command.blocks", SEVERITY_CRITICAL);
	assert_ptr_equal(f, &d.f->items[0]);
	assert_non_null(strstr(f->title, ", and 438 requests were refused (BUSY)"));
	assert_null(diagnosis_find(&d, "writes.refused"));
	diagnosis_free(&d);

	begin(&s); /* which nobody saw */
	info(&s, "errorstat_BUSY:count=438\r\n");
	scene_expect(&s, "writes.refused", SEVERITY_CRITICAL);

	begin(&s); /* nobody asks for anything */
	info_both(&s, "loading:1\r\n");
	scene_expect(&s, "server.loading", SEVERITY_INFO);

	begin(&s);
	info_both(&s, "loading:0\r\n");
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

	(void)state;
	saves_in_a_row(&s, 0.2, 4);
	info_both(&s, "aof_enabled:1\r\n");
	config(&s, "auto-aof-rewrite-percentage 1\nauto-aof-rewrite-min-size 1048576\n");
	info(&s, "total_forks:7\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "save.often", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "4 forks in 10"));
	assert_true(evidence_value(f, "auto-aof-rewrite-percentage") == 1);
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
	info(&s, "lazyfree_pending_objects:2000000\r\nused_memory_dataset:150000000\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "lazyfree.pending", SEVERITY_INFO);
	assert_true(evidence_value(f, "waiting_bytes") == 150000000);
	diagnosis_free(&d);
	begin(&s);
	info(&s, "db0:keys=5,expires=0,avg_ttl=0\r\nlazyfree_pending_objects:3\r\n");
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
	info(&s, "rdb_last_bgsave_status:err\r\n");
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
		cmocka_unit_test(saves_are_well),
		cmocka_unit_test(saving_child_killed),
		cmocka_unit_test(aof_fails),
		cmocka_unit_test(fork_refused),
		cmocka_unit_test(refused),
		cmocka_unit_test(refused_to_redmem_only),
		cmocka_unit_test(refused_commands),
		cmocka_unit_test(errors_reset),
		cmocka_unit_test(near_maxclients),
		cmocka_unit_test(clients_cut_off),
		cmocka_unit_test(replica_over_its_limit),
		cmocka_unit_test(clients_denied),
		cmocka_unit_test(clients_without_password),
		cmocka_unit_test(clients_of_a_cluster),
		cmocka_unit_test(clients_errors),
		cmocka_unit_test(clients_broadcast),
		cmocka_unit_test(backlog_is_most),
		cmocka_unit_test(replica_in_step),
		cmocka_unit_test(replica_starts_over),
		cmocka_unit_test(replica_silent),
		cmocka_unit_test(replica_cut_off),
		cmocka_unit_test(replica_link_comes_back),
		cmocka_unit_test(replica_flaps),
		cmocka_unit_test(replica_loses_its_master),
		cmocka_unit_test(loading),
		cmocka_unit_test(saves_often),
		cmocka_unit_test(lazyfree),
		cmocka_unit_test(killed),
		cmocka_unit_test(killed_and_gone),
		cmocka_unit_test(killed_by_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
