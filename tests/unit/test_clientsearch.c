/* SPDX-License-Identifier: BSD-2-Clause */
/* The clients with most memory among very many: found in bounded pieces, and only when needed. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "fake_server.h"
#include "redis/clientsearch.h"
#include "replies.h"

#define PATIENCE_MS 20000
#define SUSPECT	    "connected_clients:1000\r\nmem_clients_normal:150000000\r\n"

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, word)); p += strlen(word))
		n++;
	return n;
}

static void put_client(struct buf *list, int id, const char *name, const char *flags, int memory)
{
	buf_printf(list,
		   "id=%d addr=10.0.0.7:%d name=%s age=9 idle=9 flags=%s qbuf=0 omem=%d tot-mem=%d "
		   "cmd=get user=app\n",
		   id, 40000 + id, name, flags, memory / 2, memory);
}

static char *bulk(struct buf *list)
{
	struct buf reply = { 0 };

	buf_printf(&reply, "$%zu\r\n%s\r\n", list->len, buf_str(list));
	buf_free(list);
	return reply.data;
}

static char *search(const struct fake_rule *rules, const char *text, int64_t connections,
		    char **seen)
{
	struct fake_server *server = fake_server_start(rules, 0, NULL);
	struct conn_options options = { .socket_path = fake_server_path(server) };
	struct client_counts counts = { RECORD_UNKNOWN, RECORD_UNKNOWN, RECORD_UNKNOWN };
	struct info *info = info_parse(text);
	struct buf log = { 0 };
	struct record_sink sink = log_sink(&log);
	struct clientsearch *clients;
	struct conn *conn;
	char *found;

	assert_int_equal(conn_open(&conn, &options, NULL), 0);
	client_counts_take(&counts, info);
	clients = clientsearch_start(conn, &sink, &counts, connections);
	assert_true(!clients || !clientsearch_done(clients));
	while (conn_pending(conn)) {
		struct pollfd fd = { .fd = conn_fd(conn), .events = conn_poll_events(conn) };

		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
		assert_int_equal(conn_dispatch(conn, fd.revents), 0);
	}
	assert_string_equal(buf_str(&log), "");
	assert_true(!clients || clientsearch_done(clients));
	clientsearch_emit(clients, 1);
	assert_int_equal(clientsearch_missed(clients, "10.0.0.9:1"),
			 clients != NULL && !strstr(buf_str(&log), ": 1000 of"));
	assert_false(strstr(buf_str(&log), "10.0.0.7:40007") &&
		     clientsearch_missed(clients, "10.0.0.7:40007"));
	conn_close(conn);
	clientsearch_free(clients);
	info_free(info);
	*seen = fake_server_stop(server);
	found = xstrdup(buf_str(&log));
	buf_free(&log);
	return found;
}

/* It goes from both ends; ours and what came since are counted in. */
static void test_both_ends(void **state)
{
	struct fake_rule rules[] = {
		{ "CLIENT SETNAME", "+OK\r\n", false },	   { "CLIENT ID", ":1000\r\n", false },
		{ "CLIENT LIST ID 1091 ", NULL, false },   { "CLIENT LIST ID 1 ", NULL, false },
		{ "CLIENT LIST ID", "$0\r\n\r\n", false }, { NULL, NULL, false },
	};
	struct buf newest = { 0 }, oldest = { 0 };
	char *seen, *log;

	(void)state;
	put_client(&newest, 1092, "", "N", 30000);
	put_client(&newest, 1099, "late", "N", 90000000);
	put_client(&newest, 1000, "redmem", "N", 500000000); /* ours */
	put_client(&oldest, 7, "", "O", 100); /* in MONITOR: always told */
	put_client(&oldest, 8, "early", "N", 60000000);
	rules[2].reply = bulk(&newest);
	rules[3].reply = bulk(&oldest);
	log = search(rules, SUSPECT, 50, &seen);
	assert_string_equal(log, "client 7 10.0.0.7:40007  app O get memory=100 output=50\n"
				 "client 1099 10.0.0.7:41099 late app N get memory=90000000 "
				 "output=45000000\n"
				 "client 8 10.0.0.7:40008 early app N get memory=60000000 "
				 "output=30000000\n"
				 "client 1092 10.0.0.7:41092  app N get memory=30000 output=15000\n"
				 "held clients 999: 4 of 150030100 bytes\n");
	/* 1114 ids: 24, then twice as many as long as few are found, 128 at most. */
	assert_in_range(count(seen, "CLIENT LIST ID"), 5, 20);
	assert_int_equal(count(seen, "CLIENT LIST\n"), 0);
	assert_non_null(strstr(seen, " 1113 1114\n"));
	assert_non_null(strstr(seen, "CLIENT LIST ID 1 2 3 "));
	free(seen);
	free(log);
	free((char *)rules[2].reply);
	free((char *)rules[3].reply);
}

/* Millions of ids that are nobody's: it ends all the same, and says how many it saw. */
static void test_ends(void **state)
{
	static const struct fake_rule rules[] = {
		{ "CLIENT SETNAME", "+OK\r\n", false },
		{ "CLIENT ID", ":90000000\r\n", false },
		{ "CLIENT LIST ID", "$0\r\n\r\n", false },
		{ NULL, NULL, false },
	};
	char *seen, *log = search(rules, SUSPECT, RECORD_UNKNOWN, &seen);
	size_t words = 0;

	(void)state;
	assert_string_equal(log, "held clients 999: 0 of 0 bytes\n");
	assert_int_equal(count(seen, "CLIENT LIST ID"), 512);
	for (const char *line = strstr(seen, "CLIENT LIST"); line && *line;
	     line = strchr(line, '\n') + 1) {
		struct buf one = { 0 };

		buf_add(&one, line, (size_t)(strchr(line, '\n') - line));
		words = count(buf_str(&one), " ");
		assert_in_range(words, 1, 130);
		buf_free(&one);
	}
	free(seen);
	free(log);
}

/* Pieces get smaller where there are many clients: none finds much more than 24. */
static void test_dense(void **state)
{
	static struct fake_rule rules[] = {
		{ "CLIENT SETNAME", "+OK\r\n", false },
		{ "CLIENT ID", ":100000\r\n", false },
		{ "CLIENT LIST ID", NULL, false },
		{ NULL, NULL, false },
	};
	struct buf list = { 0 };
	char *seen, *log;

	(void)state;
	for (int i = 0; i < 40; i++)
		put_client(&list, i + 1, "", "N", 20000 + i);
	rules[2].reply = bulk(&list);
	log = search(rules, SUSPECT, 0, &seen);
	assert_int_equal(count(log, "client "), 32); /* the largest */
	assert_non_null(strstr(log, "memory=20039 "));
	assert_null(strstr(log, "memory=20007 "));
	assert_non_null(strstr(log, "held clients 999: 1000 of "));
	assert_int_equal(count(seen, "CLIENT LIST ID"), 25);
	free(seen);
	free(log);
	free((char *)rules[2].reply);
}

/* Nothing is asked of a server whose clients have what clients need, or that are few. */
static void test_not_needed(void **state)
{
	static const struct fake_rule rules[] = { { "CLIENT SETNAME", "+OK\r\n", false },
						  { NULL, NULL, false } };
	static const char *const texts[] = {
		"connected_clients:1000\r\nmem_clients_normal:20000000\r\n",
		"connected_clients:64\r\nmem_clients_normal:150000000\r\n",
		"connected_clients:1000\r\n",
		"mem_clients_normal:150000000\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *seen, *log = search(rules, texts[i], 0, &seen);

		assert_string_equal(log, "");
		assert_null(strstr(seen, "CLIENT LIST"));
		assert_null(strstr(seen, "CLIENT ID"));
		free(seen);
		free(log);
	}
}

/* Before 6.2, or without the right to ask. */
static void test_refused(void **state)
{
	static const struct fake_rule rules[] = {
		{ "CLIENT SETNAME", "+OK\r\n", false },
		{ "CLIENT ID", ":100\r\n", false },
		{ "CLIENT LIST", "-ERR syntax error\r\n", false },
		{ NULL, NULL, false },
	};
	char *seen, *log = search(rules, SUSPECT, 0, &seen);

	(void)state;
	assert_string_equal(log, "held clients 999: 0 of 0 bytes\n");
	assert_int_equal(count(seen, "CLIENT LIST"), 1);
	free(seen);
	free(log);
}

/* INFO comes in sections, and each tells what it has; some have none of it. */
static void test_counts(void **state)
{
	static const struct {
		const char *text;
		bool suspicious;
	} sections[] = {
		{ "mem_clients_normal:150000000\r\n", false },
		{ "connected_clients:30\r\n", true },
		{ "total_connections_received:70\r\n", true },
		{ "connected_clients:9000\r\n", false },
		{ "mem_clients_normal:500000000\r\n", true },
	};
	struct client_counts counts = { RECORD_UNKNOWN, RECORD_UNKNOWN, RECORD_UNKNOWN };

	(void)state;
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		struct info *info = info_parse(sections[i].text);

		client_counts_take(&counts, info);
		assert_int_equal(client_counts_suspicious(&counts), sections[i].suspicious);
		info_free(info);
	}
	assert_int_equal(counts.connections, 70);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ends), cmocka_unit_test(test_ends),
		cmocka_unit_test(test_dense),	  cmocka_unit_test(test_not_needed),
		cmocka_unit_test(test_refused),	  cmocka_unit_test(test_counts),
	};

	return cmocka_run_group_tests_name("clientsearch", tests, NULL, NULL);
}
