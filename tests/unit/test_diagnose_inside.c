/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory in no key, and clients one by one: what is told, and what is not. */
#include "scene.h"

static struct record_client *add_client(struct scene *s, int64_t id, const char *flags,
					int64_t memory)
{
	struct record_client *client = &scene_add(s, RECORD_CLIENT)->client;

	*client = (struct record_client){ .id = id,
					  .address = scene_bytes("10.0.0.7:51234"),
					  .name = scene_bytes("reports"),
					  .user = "app",
					  .flags = flags,
					  .command = "mget",
					  .age_seconds = 3600,
					  .idle_seconds = 30,
					  .memory_bytes = memory,
					  .watched_total = RECORD_UNKNOWN,
					  .subscriptions_total = 0 };
	return client;
}

static void clients(struct scene *s, int64_t used, int64_t bytes)
{
	scene_init(s);
	scene_load(s, used);
	buf_printf(&s->info_end, "connected_clients:1001\r\nmem_clients_normal:%lld\r\n",
		   (long long)bytes);
}

/* A limit is near because of one client: that is told first, and no key is to go for it. */
static void limit_by_client(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	clients(&s, 88 * MIB, 80 * MIB);
	buf_printf(&s.info_end, "maxmemory:%lld\r\nmaxmemory_policy:noeviction\r\n", 100LL * MIB);
	add_client(&s, 7, "N", 78 * MIB)->output_bytes = 78 * MIB;
	d = scene_diagnose(&s);
	f = expect(&d, "mem.near_max", SEVERITY_WARNING);
	assert_string_equal(f->title,
			    "88 % of maxmemory is in use (88.0 MiB of 100.0 MiB), 78.0 MiB "
			    "of it by client 10.0.0.7:51234 (name reports)");
	assert_int_equal(f->actions_count, 1);
	assert_non_null(strstr(f->actions[0].text, "see client.one"));
	diagnosis_free(&d);

	clients(&s, 88 * MIB, 8 * MIB); /* it is the data */
	buf_printf(&s.info_end, "maxmemory:%lld\r\nmaxmemory_policy:noeviction\r\n", 100LL * MIB);
	add_client(&s, 7, "N", 8 * MIB)->output_bytes = 8 * MIB;
	d = scene_diagnose(&s);
	f = expect(&d, "mem.near_max", SEVERITY_WARNING);
	assert_string_equal(f->title, "88 % of maxmemory is in use (88.0 MiB of 100.0 MiB)");
	diagnosis_free(&d);
}

/* One client in a thousand is owed much, beside data: named, and not as a fault of all. */
static void one_client(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	clients(&s, 850 * MIB, 180 * MIB);
	add_client(&s, 3, "N", 30 * KIB);
	add_client(&s, 7, "N", 150 * MIB)->output_bytes = 150 * MIB;
	d = scene_diagnose(&s);
	f = expect(&d, "client.one", SEVERITY_WARNING);
	assert_string_equal(f->title, "Client 10.0.0.7:51234 (name reports) is owed 150.0 MiB that "
				      "it does not read");
	assert_true(evidence_value(f, "client_output_bytes") == 150.0 * MIB);
	assert_true(evidence_value(f, "client_age_seconds") == 3600);
	assert_true(evidence_value(f, "client_idle_seconds") == 30);
	assert_string_equal(evidence_text(f, "client_user"), "app");
	assert_string_equal(evidence_text(f, "client_last_command"), "MGET");
	assert_non_null(strstr(f->actions[0].command, "CLIENT LIST ID 7"));
	assert_null(diagnosis_find(&d, "clients.buffers")); /* one trouble, one finding */
	diagnosis_free(&d);

	clients(&s, 850 * MIB, 180 * MIB); /* the other way */
	add_client(&s, 7, "N", 150 * MIB)->query_bytes = 140 * MIB;
	d = scene_diagnose(&s);
	f = expect(&d, "client.one", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "has sent 150.0 MiB"));
	diagnosis_free(&d);

	clients(&s, 850 * MIB, 180 * MIB);
	add_client(&s, 7, "x", 150 * MIB)->queued_bytes = 140 * MIB;
	d = scene_diagnose(&s);
	f = expect(&d, "client.one", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "queued in a MULTI"));
	diagnosis_free(&d);
}

/* It was not among those looked at, but the host knows that it does not read. */
static void unread_client(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record_client *client;

	(void)state;
	clients(&s, 850 * MIB, 180 * MIB);
	scene_add(&s, RECORD_HELD)->held =
		(struct record_held){ 1, "clients", 1000, 900, 20 * MIB };
	add_client(&s, 3, "N", 30 * KIB);
	client = add_client(&s, RECORD_UNKNOWN, "", RECORD_UNKNOWN);
	client->name = (struct bytes){ 0 };
	client->user = "";
	client->unsent_bytes = 2 * MIB;
	d = scene_diagnose(&s);
	f = expect(&d, "client.one", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "Client 10.0.0.7:51234 reads nothing"));
	assert_non_null(strstr(f->title, "160.0 MiB"));
	assert_true(f->weak);
	assert_true(evidence_value(f, "client_unsent_bytes") == 2.0 * MIB);
	assert_null(diagnosis_find(&d, "clients.buffers"));
	diagnosis_free(&d);

	clients(&s, 850 * MIB, 180 * MIB); /* those looked at have it all */
	scene_add(&s, RECORD_HELD)->held =
		(struct record_held){ 1, "clients", 1000, 900, 175 * MIB };
	add_client(&s, RECORD_UNKNOWN, "", RECORD_UNKNOWN)->unsent_bytes = 2 * MIB;
	scene_expect_none(&s, "client.one");
}

static void no_one_client(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	clients(&s, 850 * MIB, 500 * MIB); /* all of them a little too much */
	add_client(&s, 7, "N", 2 * MIB)->output_bytes = 2 * MIB;
	d = scene_diagnose(&s);
	expect(&d, "clients.buffers", SEVERITY_WARNING);
	assert_null(diagnosis_find(&d, "client.one"));
	diagnosis_free(&d);

	clients(&s, 850 * MIB, 500 * MIB); /* one of them, and the others, too */
	add_client(&s, 7, "N", 100 * MIB)->output_bytes = 100 * MIB;
	d = scene_diagnose(&s);
	expect(&d, "clients.buffers", SEVERITY_WARNING);
	expect(&d, "client.one", SEVERITY_WARNING);
	diagnosis_free(&d);

	clients(&s, 850 * MIB, 300 * MIB); /* transactions that nobody ends */
	for (int i = 0; i < 20; i++) {
		struct record_client *client = add_client(&s, 7 + i, "x", 15 * MIB);

		client->queued_bytes = 10 * MIB;
		client->queued_total = 50000;
	}
	d = scene_diagnose(&s);
	f = expect(&d, "clients.buffers", SEVERITY_WARNING);
	assert_non_null(strstr(f->cause, "queued and not executed"));
	assert_true(evidence_value(f, "queued_total") == 1000000);
	diagnosis_free(&d);

	clients(&s, 20 * GIB, 90 * MIB); /* little beside what is in use: a note */
	s.host.mem_total_bytes = 64 * GIB;
	add_client(&s, 7, "N", 40 * MIB)->output_bytes = 40 * MIB;
	scene_expect(&s, "client.one", SEVERITY_INFO);
	clients(&s, 850 * MIB, 180 * MIB); /* replicas and MONITOR have rules of their own */
	add_client(&s, 7, "S", 150 * MIB)->output_bytes = 150 * MIB;
	add_client(&s, 8, "O", 150 * MIB)->output_bytes = 150 * MIB;
	scene_expect_none(&s, "client.one");
}

static void add_slowlog(struct scene *s, int64_t entries, int64_t each)
{
	scene_add(s, RECORD_HELD)->held =
		(struct record_held){ 1, "slowlog", entries, 16, 16 * each };
}

static void slowlog(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 370 * MIB);
	scene_config(&s, "slowlog-log-slower-than 0\nslowlog-max-len 200000\n");
	add_slowlog(&s, 120000, 3000);
	d = scene_diagnose(&s);
	f = expect(&d, "memory.slowlog", SEVERITY_WARNING);
	assert_true(evidence_value(f, "slowlog") == 360e6);
	assert_true(evidence_value(f, "slowlog_entries_total") == 120000);
	assert_true(evidence_value(f, "slowlog-max-len") == 200000);
	assert_non_null(strstr(f->actions[0].command, "CONFIG SET slowlog-max-len 128"));
	assert_non_null(strstr(f->actions[1].command, "slowlog-log-slower-than 10000"));
	assert_true(ledger_bytes(&d.m->ledger, "slowlog") == 360000000);
	diagnosis_free(&d);

	scene_init(&s); /* nearly all that a small server has */
	scene_load(&s, 45 * MIB);
	add_slowlog(&s, 150000, 300);
	scene_expect(&s, "memory.slowlog", SEVERITY_WARNING);
	scene_init(&s); /* little beside the data: a note */
	scene_load(&s, 3 * GIB);
	add_slowlog(&s, 10000, 3000);
	scene_expect(&s, "memory.slowlog", SEVERITY_INFO);
	scene_init(&s); /* the default length */
	scene_load(&s, 370 * MIB);
	add_slowlog(&s, 128, 5000);
	scene_expect_none(&s, "memory.slowlog");
}

/* Valkey has more such logs, each with settings of its own. */
static void commandlog(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 50 * MIB);
	scene_config(&s, "commandlog-request-larger-than 0\n"
			 "commandlog-large-request-max-len 1000000\n");
	add_slowlog(&s, 100, 300);
	scene_add(&s, RECORD_HELD)->held =
		(struct record_held){ 1, "large-request", 120000, 16, 16 * 400 };
	d = scene_diagnose(&s);
	f = expect(&d, "memory.slowlog", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "log of large requests (COMMANDLOG) takes 45.8 MiB"));
	assert_non_null(
		strstr(f->actions[0].command, "CONFIG SET commandlog-large-request-max-len 128"));
	assert_non_null(
		strstr(f->actions[1].command, "CONFIG SET commandlog-request-larger-than 1048576"));
	assert_null(diagnosis_find(&d, "memory.in_no_key"));
	diagnosis_free(&d);
}

static void counted(void **state)
{
	static const struct {
		const char *id, *few, *many, *count;
	} kinds[] = {
		{ "memory.tracking", "tracking_total_keys:1000\r\ntracking_total_items:1000\r\n",
		  "tracking_total_keys:2000000\r\ntracking_total_items:2000000\r\n",
		  "tracking_total_keys" },
		{ "memory.pubsub", "pubsub_channels:1000\r\n", "pubsub_channels:2000000\r\n",
		  "pubsub_channels" },
		{ "memory.watch", "total_watched_keys:1000\r\n", "total_watched_keys:2000000\r\n",
		  "watched_keys_total" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct scene s;
		struct diagnosis d;

		scene_init(&s);
		scene_load(&s, 500 * MIB);
		scene_info(&s, kinds[i].many);
		d = scene_diagnose(&s);
		assert_true(evidence_value(expect(&d, kinds[i].id, SEVERITY_WARNING),
					   kinds[i].count) == 2000000);
		diagnosis_free(&d);
		scene_init(&s); /* a small part of what is in use: a note */
		scene_load(&s, 5 * GIB);
		s.host.mem_total_bytes = 64 * GIB;
		scene_info(&s, kinds[i].many);
		scene_expect(&s, kinds[i].id, SEVERITY_INFO);
		scene_init(&s);
		scene_load(&s, 500 * MIB);
		scene_info(&s, kinds[i].few);
		scene_expect_none(&s, kinds[i].id);
		scene_init(&s); /* not told */
		scene_expect_none(&s, kinds[i].id);
	}
}

/* What clients have of it is in no buffer of theirs: not told twice. */
static void watch_is_no_buffer(void **state)
{
	static const char *const more[] = { "total_watched_keys:250000\r\n",
					    "pubsub_channels:500000\r\n" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct scene s;
		struct diagnosis d;

		scene_init(&s);
		scene_load(&s, 300 * MIB);
		scene_info(&s, "connected_clients:30\r\nmem_clients_normal:14000000\r\n");
		scene_expect(&s, "clients.buffers", SEVERITY_WARNING);
		scene_init(&s);
		scene_load(&s, 300 * MIB);
		buf_printf(&s.info_end, "connected_clients:30\r\nmem_clients_normal:14000000\r\n%s",
			   more[i]);
		d = scene_diagnose(&s);
		expect(&d, i ? "memory.pubsub" : "memory.watch", SEVERITY_INFO + (i ? 1 : 0));
		assert_null(diagnosis_find(&d, "clients.buffers"));
		diagnosis_free(&d);
	}
}

static void draw(struct scene *s, int keys, int64_t bytes)
{
	for (int i = 0; i < 60; i++) {
		struct record_key *key = scene_key(s, "key:1", "string", bytes, 3, -1);

		key->source = KEY_SOURCE_SAMPLE;
	}
	buf_printf(&s->info_end, "db0:keys=%d,expires=0,avg_ttl=0\r\n", keys);
}

/* Half of what is in use is in no key: said, without a cause that is not known. */
static void in_no_key(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 200 * MIB);
	draw(&s, 60, 1700000);
	d = scene_diagnose(&s);
	f = expect(&d, "memory.in_no_key", SEVERITY_INFO);
	assert_true(f->weak);
	assert_true(evidence_value(f, "in_no_key") > 80.0 * MIB);
	assert_true(evidence_value(f, "in_no_key") < 120.0 * MIB);
	assert_true(evidence_value(f, "looked_total") == 60);
	diagnosis_free(&d);
	scene_init(&s); /* all is there */
	scene_load(&s, 200 * MIB);
	draw(&s, 60, 3400000);
	scene_expect_none(&s, "memory.in_no_key");
}

/* No keys, and much memory: what may hold it is named, and it is no note. */
static void in_no_keys(void **state)
{
	static const struct {
		const char *info, *config, *holder, *words;
	} cases[] = {
		{ "total_blocking_keys:576000\r\n", "", "blocked clients", "BLPOP" },
		{ "errorstat_WRONGPASS:count=170000\r\n", "acllog-max-len 200000\n", "ACL LOG",
		  "acllog-max-len" },
		{ "cmdstat_acl|setuser:calls=200000\r\n", "", "ACL users", "ACL SETUSER" },
		{ "errorstat_WRONGPASS:count=170000\r\n", "acllog-max-len 128\n", NULL, "module" },
		{ "total_blocking_keys:100000\r\n", "", NULL, "module" }, /* a sixth of it */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;
		struct diagnosis d;
		const struct finding *f;

		scene_init(&s);
		scene_load(&s, 140 * MIB);
		buf_puts(&s.memory_stats, "keys.count 0\n");
		scene_info(&s, cases[i].info);
		scene_config(&s, cases[i].config);
		d = scene_diagnose(&s);
		f = expect(&d, "memory.in_no_key", SEVERITY_WARNING);
		assert_false(f->weak);
		assert_non_null(strstr(f->title, "there are no keys"));
		assert_non_null(strstr(f->cause, cases[i].words));
		if (cases[i].holder)
			assert_string_equal(evidence_text(f, "likely_in"), cases[i].holder);
		diagnosis_free(&d);
	}
}

/* What a client waits for on 7.0 is told by its arguments; a module may have what it likes. */
static void in_no_keys_likely(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	scene_init(&s);
	scene_load(&s, 140 * MIB);
	buf_puts(&s.memory_stats, "keys.count 0\n");
	for (int i = 0; i < 36; i++)
		add_client(&s, 7 + i, "b", 450860)->argument_bytes = 315596;
	d = scene_diagnose(&s);
	assert_string_equal(
		evidence_text(expect(&d, "memory.in_no_key", SEVERITY_WARNING), "likely_in"),
		"blocked clients");
	diagnosis_free(&d);

	scene_init(&s);
	scene_load(&s, 140 * MIB);
	buf_puts(&s.memory_stats, "keys.count 0\n");
	scene_info(&s, "module:name=search,ver=1\r\n");
	scene_expect(&s, "memory.in_no_key", SEVERITY_INFO);

	scene_init(&s); /* a FLUSHALL ASYNC: that is what waits, and no module's */
	scene_load(&s, 140 * MIB);
	buf_puts(&s.memory_stats, "keys.count 0\n");
	scene_info(&s, "lazyfree_pending_objects:500678\r\n");
	scene_expect_none(&s, "memory.in_no_key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limit_by_client),
		cmocka_unit_test(one_client),
		cmocka_unit_test(unread_client),
		cmocka_unit_test(no_one_client),
		cmocka_unit_test(slowlog),
		cmocka_unit_test(commandlog),
		cmocka_unit_test(counted),
		cmocka_unit_test(in_no_key),
		cmocka_unit_test(in_no_keys),
		cmocka_unit_test(in_no_keys_likely),
		cmocka_unit_test(watch_is_no_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
