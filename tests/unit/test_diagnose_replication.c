/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules on writes held back for a replica, and on a replica's own link to its master. */
#include <stdio.h>

#include "blame_records.h"
#include "scene.h"

#include "diagnose/link.h"
#include "model/keyspace.h"

static void begin(struct scene *s)
{
	scene_init(s);
	scene_load(s, 200 * MIB);
	scene_info_both(s, "# Errorstats\r\nerrorstat_ERR:count=7\r\n");
}

static void add_client(struct scene *s, int64_t id, const char *flags, const char *command)
{
	scene_add(s, RECORD_CLIENT)->client =
		(struct record_client){ .id = id,
					.address = scene_bytes("10.0.0.7:4000"),
					.name = scene_bytes(""),
					.user = "default",
					.flags = flags,
					.command = command };
}

/* A tick a second; from @from to @to each has @text, and @clients are blocked. */
static void with_ticks(struct scene *s, int from, int to, const char *text, int clients)
{
	static char lines[SCENE_SECONDS + 1][200];

	for (int t = 0; t <= SCENE_SECONDS; t++) {
		bool in = t >= from && t <= to;

		snprintf(lines[t], sizeof(lines[t]),
			 "used_memory:10000000\r\nblocked_clients:%d\r\n%s", in ? clients : 0,
			 in ? text : "");
		scene_add(s, RECORD_INFO)->info = (struct record_info){ t, "tick", lines[t] };
	}
}

/* --- writes held back ----------------------------------------------------------------- */

#define SILENT_REPLICA \
	"connected_slaves:1\r\nslave0:ip=10.0.0.2,port=6380,state=online,offset=0,lag=12\r\n"

/* It was given up in the watch, or began shortly before its end: then it lasted no longer. */
static void failover(void **state)
{
	static const struct {
		int from, to, seconds;
		bool running;
	} spans[] = { { 2, 5, 4, false }, { 9, 10, 2, true } };
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	for (size_t i = 0; i < sizeof(spans) / sizeof(spans[0]); i++) {
		begin(&s);
		with_ticks(&s, spans[i].from, spans[i].to,
			   "master_failover_state:waiting-for-sync\r\n", 5);
		scene_info(&s, SILENT_REPLICA "cmdstat_failover:calls=1,usec=65\r\n");
		if (spans[i].running)
			add_client(&s, 4, "b", "set");
		d = scene_diagnose(&s);
		f = expect(&d, "clients.paused", SEVERITY_CRITICAL);
		assert_int_equal(evidence_value(f, "waited_seconds"), spans[i].seconds);
		assert_int_equal(evidence_value(f, "blocked_clients_most"), 5);
		assert_non_null(strstr(f->title, "by a fail-over, which wait"));
		assert_non_null(strstr(f->title, "10.0.0.2:6380"));
		assert_non_null(strstr(f->cause, "not been heard of for 12 s"));
		assert_null(diagnosis_find(&d, "repl.resync"));
		diagnosis_free(&d);
	}
}

/* Nobody wrote, or one tick met one that may have been short. */
static void failover_harms_little(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	begin(&s);
	with_ticks(&s, 2, 5, "master_failover_state:waiting-for-sync\r\n", 0);
	scene_info(&s, SILENT_REPLICA);
	d = scene_diagnose(&s);
	expect(&d, "clients.paused", SEVERITY_INFO);
	expect(&d, "repl.resync", SEVERITY_WARNING);
	diagnosis_free(&d);
	begin(&s);
	with_ticks(&s, 2, 2, "master_failover_state:failover-in-progress\r\n", 3);
	scene_expect(&s, "clients.paused", SEVERITY_WARNING);
	begin(&s);
	with_ticks(&s, 2, 5, "master_failover_state:no-failover\r\npaused_reason:none\r\n", 3);
	scene_expect_none(&s, "clients.paused");
}

/* The one who asked for it is blocked, and does not wait for a write. */
static void shutdown_waits(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	begin(&s);
	with_ticks(&s, 6, 10, "shutdown_in_milliseconds:15000\r\n", 6);
	scene_info(&s, SILENT_REPLICA "shutdown_in_milliseconds:14988\r\n");
	add_client(&s, 3, "bU", "shutdown");
	add_client(&s, 4, "bU", "set");
	d = scene_diagnose(&s);
	f = expect(&d, "clients.paused", SEVERITY_CRITICAL);
	assert_int_equal(evidence_value(f, "waited_seconds"), 5);
	assert_int_equal(evidence_value(f, "blocked_clients_most"), 5);
	assert_non_null(strstr(f->title, "by a shutdown, which waits for replica 10.0.0.2:6380"));
	for (size_t i = 0; i < f->actions_count; i++)
		assert_null(strstr(f->actions[i].text, "UNPAUSE"));
	diagnosis_free(&d);
}

/* What a newer server tells of itself is taken for as long as it says so. */
static void pause_is_told(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	begin(&s);
	with_ticks(&s, 3, 5, "paused_reason:client_pause\r\npaused_actions:write\r\n", 2);
	scene_info(&s, "paused_reason:none\r\npaused_actions:none\r\n");
	d = scene_diagnose(&s);
	assert_int_equal(
		evidence_value(expect(&d, "clients.paused", SEVERITY_CRITICAL), "waited_seconds"),
		3);
	diagnosis_free(&d);
	begin(&s); /* a server that does not: writers stand blocked since the tick before */
	with_ticks(&s, 9, 10, "", 2);
	add_client(&s, 4, "b", "set");
	d = scene_diagnose(&s);
	assert_int_equal(
		evidence_value(expect(&d, "clients.paused", SEVERITY_CRITICAL), "waited_seconds"),
		2);
	diagnosis_free(&d);
}

/* --- a replica's link ----------------------------------------------------------------- */

#define REPLICA "role:slave\r\nmaster_host:10.0.0.1\r\nmaster_sync_in_progress:0\r\n"

/* It refuses because its link is down: one trouble, told by its cause. */
static void master_is_down(void **state)
{
	static const char *const links[] = { "master_link_status:down\r\n",
					     "master_link_status:up\r\n" };
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		begin(&s);
		scene_info_both(&s, REPLICA "errorstat_MASTERDOWN:count=249\r\n");
		buf_puts(&s.info_start, links[i]);
		scene_info(&s, "master_link_status:down\r\nerrorstat_MASTERDOWN:count=687\r\n"
			       "master_link_down_since_seconds:4\r\n");
		d = scene_diagnose(&s);
		f = expect(&d, "repl.resync", SEVERITY_CRITICAL);
		assert_non_null(strstr(f->title, "438 requests were refused (MASTERDOWN)"));
		assert_int_equal(evidence_value(f, "MASTERDOWN"), 438);
		assert_non_null(strstr(f->cause, "replica-serve-stale-data"));
		assert_null(diagnosis_find(&d, "writes.refused"));
		diagnosis_free(&d);
	}
	begin(&s); /* it has just begun, and has its master now */
	scene_info_both(&s,
			REPLICA "master_link_status:down\r\nerrorstat_MASTERDOWN:count=249\r\n");
	scene_info(&s, "master_link_status:up\r\nerrorstat_MASTERDOWN:count=687\r\n");
	scene_expect(&s, "writes.refused", SEVERITY_CRITICAL);
}

/* A master that has nothing to say sends a ping every ten seconds. */
static void master_is_silent(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	begin(&s);
	scene_info_both(&s, REPLICA "master_link_status:up\r\nmaster_last_io_seconds_ago:29\r\n"
				    "db0:keys=60000,expires=60000,avg_ttl=0\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "repl.resync", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "has heard nothing of its master for 29 s"));
	assert_non_null(strstr(f->cause, "keys past their time stay"));
	assert_int_equal(evidence_value(f, "keys_with_ttl_total"), 60000);
	diagnosis_free(&d);
	begin(&s);
	scene_info_both(&s, REPLICA "master_link_status:up\r\nmaster_last_io_seconds_ago:11\r\n");
	scene_expect_none(&s, "repl.resync");
	begin(&s); /* it was told to ping less often */
	scene_info_both(&s, REPLICA "master_link_status:up\r\nmaster_last_io_seconds_ago:29\r\n");
	scene_config(&s, "repl-ping-replica-period 30\n");
	scene_expect_none(&s, "repl.resync");
}

/* --- a replica that acknowledges late ---------------------------------------------------- */

static void replica_is_late(void **state)
{
	static const struct {
		const char *lag;
		int severity; /* -1 = none */
	} lags[] = { { "10", SEVERITY_WARNING }, { "6", SEVERITY_INFO }, { "2", -1 } };
	struct scene s;

	(void)state;
	for (size_t i = 0; i < sizeof(lags) / sizeof(lags[0]); i++) {
		begin(&s);
		buf_printf(&s.info_end,
			   "connected_slaves:1\r\nslave0:ip=10.0.0.2,port=6380,state=online,"
			   "offset=90,lag=%s\r\n",
			   lags[i].lag);
		if (lags[i].severity < 0)
			scene_expect_none(&s, "repl.resync");
		else
			scene_expect(&s, "repl.resync", (enum severity)lags[i].severity);
	}
}

/* --- its data ------------------------------------------------------------------------------ */

static struct record_stall *frees(struct scene *s, const char *command)
{
	struct record_stall *stall = scene_stall(s, command, "", 1.4);

	stall->wait_file = stall->preemptor = "";
	record_blame(stall, CAUSE_ALLOCATOR, 1.4);
	stall->frame_ns[FRAME_FREE] = 1400000000;
	return stall;
}

/* What a full synchronisation replaces is freed between two commands. */
static void sync_frees_old_data(void **state)
{
	static const char *const before[] = { "role:master\r\n",
					      "role:slave\r\nmaster_link_status:down\r\n" };
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		begin(&s);
		buf_puts(&s.info_start, "db0:keys=901000,expires=0,avg_ttl=0\r\n");
		buf_puts(&s.info_start, before[i]);
		scene_info(&s, REPLICA "master_link_status:up\r\n");
		scene_config(&s, "replica-lazy-flush no\n");
		frees(&s, "");
		d = scene_diagnose(&s);
		f = expect(&d, "repl.sync_blocks", SEVERITY_CRITICAL);
		assert_int_equal(evidence_value(f, "keys_total_start"), 901000);
		assert_non_null(strstr(f->actions[0].command, "replica-lazy-flush yes"));
		assert_null(diagnosis_find(&d, "loop.blocks"));
		diagnosis_free(&d);
	}
}

/* A replica takes its first data, which nobody waits for; one that had some has clients. */
static void first_data_holds_nobody(void **state)
{
	static const struct {
		const char *start, *end;
		bool harm;
	} cases[] = {
		{ REPLICA "master_link_status:down\r\ndb0:keys=0,expires=0,avg_ttl=0\r\n",
		  REPLICA "master_link_status:up\r\n", false },
		{ REPLICA "master_link_status:down\r\ndb0:keys=9,expires=0,avg_ttl=0\r\n",
		  REPLICA "master_link_status:up\r\n", true },
		{ REPLICA "master_link_status:up\r\ndb0:keys=0,expires=0,avg_ttl=0\r\n",
		  REPLICA "master_link_status:up\r\n", true },
		{ "db0:keys=0,expires=0,avg_ttl=0\r\n", "", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct record_stall *stall;
		struct scene s;

		begin(&s);
		buf_puts(&s.info_start, cases[i].start);
		scene_info(&s, cases[i].end);
		stall = scene_stall(&s, "", "", 0.11);
		stall->wait_file = stall->preemptor = "";
		record_blame(stall, CAUSE_COMMAND, 0.11);
		if (cases[i].harm)
			scene_expect(&s, "loop.blocks", SEVERITY_WARNING);
		else
			scene_expect_none(&s, "loop.blocks");
	}
}

/* It was in step all the time, leaves it to a thread, or a command did it. */
static void other_freeing_is_no_sync(void **state)
{
	static const struct {
		const char *link, *config, *command;
	} others[] = { { "up", "no", "" }, { "down", "yes", "" }, { "down", "no", "flushall" } };
	struct scene s;

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		begin(&s);
		buf_printf(&s.info_start, REPLICA "master_link_status:%s\r\n", others[i].link);
		scene_info(&s, REPLICA "master_link_status:up\r\n");
		buf_printf(&s.config, "replica-lazy-flush %s\n", others[i].config);
		frees(&s, others[i].command);
		scene_expect_none(&s, "repl.sync_blocks");
	}
}

static void at_twice_its_limit(struct scene *s, const char *policy, const char *more)
{
	scene_init(s);
	scene_load(s, 200 * MIB);
	scene_info_both(s, REPLICA "master_link_status:up\r\nmaxmemory:104857600\r\n"
				   "db0:keys=60000,expires=0,avg_ttl=0\r\n");
	buf_printf(&s->info_end, "maxmemory_policy:%s\r\n", policy);
	scene_config(s, more);
}

/* A replica does not evict for its own limit, until a fail-over makes it a master. */
static void replica_above_its_limit(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	at_twice_its_limit(&s, "allkeys-lru", "replica-ignore-maxmemory yes\n");
	d = scene_diagnose(&s);
	f = expect(&d, "mem.near_max", SEVERITY_WARNING);
	assert_int_equal(evidence_value(f, "keys_evicted_by_failover"), 30000);
	assert_non_null(strstr(f->title, "as a master it would evict some 30,000 of 60,000 keys"));
	diagnosis_free(&d);
	at_twice_its_limit(&s, "noeviction", "");
	d = scene_diagnose(&s);
	f = expect(&d, "mem.near_max", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "as a master it would refuse writes"));
	diagnosis_free(&d);
	at_twice_its_limit(&s, "allkeys-lru", "replica-ignore-maxmemory no\n");
	scene_expect(&s, "mem.near_max", SEVERITY_INFO); /* it does it itself */
	at_twice_its_limit(&s, "allkeys-lru", "replica-ignore-maxmemory yes\n");
	scene_info(&s, "maxmemory:200000000\r\n"); /* its buffers are not its master's */
	scene_expect(&s, "mem.near_max", SEVERITY_INFO);
}

/* By a pass over its keys: those that it holds and does not show. */
static void replica_holds_expired_keys(void **state)
{
	struct keyspace_options options = { .top = 10 };
	struct scene s;
	struct model *m;
	struct findings *all;
	bool found = false;

	(void)state;
	begin(&s);
	scene_info_both(&s, REPLICA "master_link_status:up\r\nmaster_last_io_seconds_ago:40\r\n"
				    "db0:keys=60000,expires=60000,avg_ttl=0\r\n"
				    "used_memory_dataset:60000000\r\n");
	m = scene_model(&s);
	m->keyspace = keyspace_new(&options);
	m->keyspace->hidden_total = 45000;
	keyspace_finish(m->keyspace);
	all = diagnose(m);
	for (size_t i = 0; i < all->count; i++) {
		const struct finding *f = &all->items[i];

		if (strcmp(f->id, "expired.resident") != 0)
			continue;
		found = true;
		assert_int_equal(f->severity, SEVERITY_WARNING);
		assert_non_null(strstr(f->title, "45,000 keys are past their time"));
		assert_int_equal(evidence_value(f, "held_bytes"), 45000000);
		assert_non_null(strstr(f->cause, "nothing comes from there"));
	}
	assert_true(found);
	findings_free(all);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failover),
		cmocka_unit_test(failover_harms_little),
		cmocka_unit_test(shutdown_waits),
		cmocka_unit_test(pause_is_told),
		cmocka_unit_test(master_is_down),
		cmocka_unit_test(master_is_silent),
		cmocka_unit_test(replica_is_late),
		cmocka_unit_test(sync_frees_old_data),
		cmocka_unit_test(first_data_holds_nobody),
		cmocka_unit_test(other_freeing_is_no_sync),
		cmocka_unit_test(replica_above_its_limit),
		cmocka_unit_test(replica_holds_expired_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
