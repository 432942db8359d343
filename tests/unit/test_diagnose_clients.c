/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules on clients: refused, cut off, denied, or doing harm. */
#include <stdio.h>

#include "complaint_scene.h"

static void near_maxclients(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	begin(&s);
	scene_info(&s, "maxclients:10000\r\nconnected_clients:8500\r\n");
	scene_expect(&s, "clients.near_max", SEVERITY_WARNING);
	begin(&s);
	scene_info(&s, "maxclients:10000\r\nconnected_clients:7000\r\n");
	scene_expect_none(&s, "clients.near_max");
	begin(&s); /* 6.0 tells it only as a setting */
	scene_config(&s, "maxclients 100\n");
	scene_info(&s, "connected_clients:99\r\n");
	scene_expect(&s, "clients.near_max", SEVERITY_CRITICAL);
	begin(&s);
	scene_info_both(&s, "maxclients:100\r\nrejected_connections:5\r\n");
	scene_info(&s, "connected_clients:60\r\nrejected_connections:25\r\n");
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
	scene_info_both(s, "client_output_buffer_limit_disconnections:5\r\n"
			   "client_query_buffer_limit_disconnections:5\r\nevicted_clients:5\r\n");
	buf_printf(&s->info_end, CUT_OFF, output, query, evicted);
	scene_config(
		s,
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
	scene_info_both(&s, "sync_full:1\r\nsync_partial_ok:0\r\n");
	scene_info(&s, "sync_full:3\r\nsync_partial_ok:1\r\n");
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
	scene_info(&s, "errorstat_WRONGPASS:count=40\r\nerrorstat_NOAUTH:count=12\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "clients.denied", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "52 requests of clients were denied (WRONGPASS)"));
	assert_true(evidence_value(f, "NOAUTH") == 12);
	diagnosis_free(&d);

	begin(&s); /* somebody mistyped it */
	scene_info(&s, "errorstat_WRONGPASS:count=4\r\n");
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
	scene_info(&s, "errorstat_WRONGPASS:count=10\r\nerrorstat_NOAUTH:count=80\r\n");
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
		scene_info(&s, "total_commands_processed:150000\r\n");
		scene_info(&s, cases[i].errors);
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
		scene_info_both(&s, "# Commandstats\r\n");
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
		scene_info(&s, "total_commands_processed:150000\r\n");
		scene_info(&s, cases[i].errors);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(near_maxclients),	    cmocka_unit_test(clients_cut_off),
		cmocka_unit_test(replica_over_its_limit),   cmocka_unit_test(clients_denied),
		cmocka_unit_test(clients_without_password), cmocka_unit_test(clients_of_a_cluster),
		cmocka_unit_test(clients_broadcast),	    cmocka_unit_test(clients_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
