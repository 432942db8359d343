/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem.conf: what is taken, what is refused with its line, whose a server is and what it is
 * named. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "app/serve_config.h"
#include "app/serve_identity.h"
#include "app/when.h"

static char path[64], secret[64];

static void make_file(char *name, size_t size, const char *text, mode_t mode)
{
	int fd;

	snprintf(name, size, "/tmp/redmem-test-XXXXXX");
	fd = mkstemp(name);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* The configuration of @text, NULL with @err when it is refused. */
static struct serve_config *read_text(const char *text, mode_t mode, struct err *err)
{
	struct serve_config *config = NULL;

	make_file(path, sizeof(path), text, mode);
	if (serve_config_read(&config, path, err))
		config = NULL;
	unlink(path);
	return config;
}

static struct serve_config *good(const char *text)
{
	struct err err = {};
	struct serve_config *config = read_text(text, 0600, &err);

	if (!config)
		fail_msg("%s", err.text);
	return config;
}

/* @says is a part of the line that refuses it. */
static void refused_with(const char *text, mode_t mode, const char *says)
{
	struct err err = {};
	struct serve_config *config = read_text(text, mode, &err);

	if (config || !strstr(err.text, says))
		fail_msg("of \"%s\" it is said: %s", text, config ? "nothing" : err.text);
	assert_null(strstr(err.text, "hunter2"));
}

static void refused(const char *text, const char *says)
{
	refused_with(text, 0600, says);
}

static void test_defaults(void **state)
{
	struct serve_config *config = good("");

	(void)state;
	assert_null(config->listen);
	assert_true(config->history);
	assert_true(config->redis_metrics);
	assert_int_equal(config->prefixes, 100);
	assert_null(config->keys_at); /* never */
	assert_int_equal(config->servers_count, 0);
	serve_config_free(config);
}

static void test_settings(void **state)
{
	struct serve_config *config = good("# a comment\n"
					   "  listen = :9122  [::1]:9123\tunix:/run/a *:1\n"
					   "history_size=300M\r\n"
					   "budget = 0.5\n"
					   "redis_metrics = off\n"
					   "keys_at = 04:00  16:30:05\n"
					   "keys_of = replica\n\n"
					   "[server  cache]\n"
					   "port = 6379\n"
					   "password = a = b # c\n"
					   "uid = 0\n"
					   "tls = on\n"
					   "tls_server_name = cache.example\n");
	const struct serve_server *server = config->servers;

	(void)state;
	assert_string_equal(config->listen, ":9122  [::1]:9123\tunix:/run/a *:1");
	assert_int_equal(config->history_bytes, 300 << 20);
	assert_true(config->budget_percent == 0.5);
	assert_false(config->redis_metrics);
	assert_string_equal(config->keys_at, "04:00  16:30:05");
	assert_int_equal(config->keys_of, SERVE_KEYS_REPLICA);
	assert_int_equal(config->servers_count, 1);
	assert_string_equal(server->name, "cache");
	assert_int_equal(server->port, 6379);
	assert_string_equal(server->password, "a = b # c");
	assert_int_equal(server->uid, 0);
	assert_true(server->tls && server->watch && server->connect);
	assert_true(isnan(server->budget_percent));
	serve_config_free(config);
}

#define DAY_MS	86400000LL
#define HOUR_MS 3600000LL

static void test_when(void **state)
{
	int64_t day = 20000 * DAY_MS; /* midnight, UTC */

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	assert_int_equal(when_next("04:00 16:30:05", day), day + 4 * HOUR_MS);
	assert_int_equal(when_next("16:30:05 04:00", day + 4 * HOUR_MS),
			 day + 16 * HOUR_MS + 30 * 60000 + 5000);
	assert_int_equal(when_next(" 04:00 ", day + 23 * HOUR_MS), day + DAY_MS + 4 * HOUR_MS);
	assert_int_equal(when_next("", day), INT64_MAX);
	assert_int_equal(when_next("4:00", day), INT64_MAX);
	assert_int_equal(when_next("04:00 soon", day), INT64_MAX);
}

static void test_refused(void **state)
{
	(void)state;
	refused("listn = x\n", "line 1: no key listn");
	refused("\n\nbudget = 0\n", "line 3: budget takes a number above 0");
	refused("budget = nan\n", "line 1");
	refused("budget = 101\n", "line 1");
	refused("prefixes = 1.5\n", "whole number");
	refused("history = yes\n", "on or off");
	refused("history_size = 1T\n", "line 1");
	refused("history_size = 100\n", "at least 4M");
	refused("listen =\n", "line 1");
	refused("keys_at = 25:00\n", "times of the day");
	refused("keys_at = 04:00,16:00\n", "times of the day");
	refused("keys_of = boss\n", "keys_of takes primary | replica | any");
	refused("keys_of = \n", "line 1");
	refused("listen\n", "neither");
	refused("= 1\n", "line 1: neither");
	refused("listen = localhost\n", "line 1: listen takes addresses");
	refused("listen = :9122 127.0.0.1:99999\n", "listen takes addresses");
	refused("listen = cache.example:9122\n", "listen takes addresses");
	refused("listen = unix:\n", "listen takes addresses");
	refused("run_as = no-such-user-here\n", "run_as takes the name of a user");
	refused("threshold = 1e9\n", "at most 3600000");
	refused("budget = 1\n\nbudget = 2\n", "line 3: budget is set in line 1 already");
	refused("[server a]\nport = 1\n[server b]\nport = 1\nport = 2\n",
		"line 5: port is set in line 4 already");
	refused("port = 1\n", "belongs into a section");
	refused("[server a]\nlisten = :1\n", "line 2: listen stands before the first");
	refused("[server a]\nport = 70000\n", "line 2");
	refused("[server a]\n[server a]\n", "line 2: server a is in line 1 already");
	refused("[server a b]\n", "a server's name");
	refused("[server ]\n", "line 1");
	refused("[servers a]\n", "the only sections");
	refused("[server a\n", "ends with ]");
	refused("[\n", "ends with ]");
	refused("[server a]\nuser = u\n", "no password");
	refused("[server a]\ntls_cert = f\n", "go together");
	refused("[server a]\ntls_insecure = on\n", "without tls = on");
	refused("[server a]\nuid = no-such-user-here\n", "line 2");
	refused("[server a]\npassword: hunter2=\n", "line 2: no key password; see");
	refused("[server a]\npassword hunter2==\n", "line 2: no key password; see");
	refused("[server a]\npassword = hunter2\npasword = hunter2\n", "line 3: no key pasword");
}

static void test_secrets(void **state)
{
	static const char with_password[] = "[server a]\npassword = hunter2\n";
	struct serve_config *config;
	char text[200];

	(void)state;
	refused_with(with_password, 0644, "chmod 0600");
	refused_with(with_password, 0602, "chmod 0600");
	serve_config_free(good(with_password));
	serve_config_free(good("[server a]\nport = 1\n"));

	make_file(secret, sizeof(secret), "hunter2\nmore\n", 0600);
	snprintf(text, sizeof(text), "[server a]\npassword_file = %s\n", secret);
	config = good(text);
	assert_string_equal(config->servers[0].password, "hunter2");
	serve_config_free(config);
	assert_int_equal(chmod(secret, 0640), 0);
	serve_config_free(good(text));
	assert_int_equal(chmod(secret, 0644), 0);
	refused_with(text, 0600, "others may read");
	assert_int_equal(truncate(secret, 0), 0);
	assert_int_equal(chmod(secret, 0600), 0);
	refused_with(text, 0600, "first line is empty");
	unlink(secret);
	refused_with(text, 0600, "No such file");
	snprintf(text, sizeof(text), "[server a]\npassword = x\npassword_file = %s\n", secret);
	refused_with(text, 0600, "leave out one");
}

static void test_not_there(void **state)
{
	struct serve_config *config;
	struct err err = {};

	(void)state;
	assert_int_equal(serve_config_read(&config, "/nonexistent/redmem.conf", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/redmem.conf"));
	assert_int_equal(serve_config_read(&config, "/tmp", &err), -EINVAL);
}

static const struct serve_who nobody = { .address = "",
					 .socket = "",
					 .unit = "",
					 .container = "",
					 .pod = "" };

static void label_is(const struct serve_config *config, struct serve_who who, const char *label)
{
	struct buf out = { 0 };

	serve_label(&out, serve_config_find(config, &who), &who);
	assert_string_equal(buf_str(&out), label);
	buf_free(&out);
}

static void test_labels(void **state)
{
	struct serve_config *config = good("[server main]\nport = 6379\n"
					   "[server sock]\nsocket = /run/a.sock\n"
					   "[server shard]\nunit = redis@*.service\n"
					   "[server one]\nunit = valkey.service\n"
					   "[server box]\ncontainer = 3f1c9a4be0d1\nport = 7000\n"
					   "[server cart]\npod = shop/cart-0/redis\n"
					   "[server shops]\nport = 6380\npod = shop/*\n");
	struct serve_who who = nobody;

	(void)state;
	label_is(config, who, "unknown");
	who.address = who.socket = "/run/b.sock";
	label_is(config, who, "/run/b.sock");
	who.socket = "/run/a.sock";
	label_is(config, who, "sock");
	who = nobody;
	who.port = 6379;
	who.address = "127.0.0.1:6379";
	label_is(config, who, "main");
	who.port = 6380;
	who.address = "127.0.0.1:6380";
	label_is(config, who, "127.0.0.1:6380");
	who.unit = "redis@a.service";
	label_is(config, who, "shard:6380");
	who.unit = "valkey.service";
	label_is(config, who, "one");
	who.unit = "redis-server.service";
	label_is(config, who, "redis-server:6380");
	who.container = "3f1c9a4be0d1";
	label_is(config, who, "3f1c9a4be0d1:6380");
	who.pod = "bank/cache-0/redis";
	label_is(config, who, "bank/cache-0/redis:6380");
	who.pod = "shop/cart-0/redis";
	label_is(config, who, "cart");
	who.pod = "shop/cart-1/redis"; /* pods all have the same port */
	label_is(config, who, "shops/shop/cart-1/redis:6380");
	who.port = 7000;
	label_is(config, who, "box");
	serve_config_free(config);
}

static void test_same(void **state)
{
	struct serve_config *a = good("[server a]\nport = 1\npassword = x\nbudget = 2\n");
	struct serve_config *b = good("[server a]\nport = 1\npassword = x\nbudget = 2\n");
	struct serve_config *c = good("[server a]\nport = 1\npassword = y\nbudget = 2\n");

	(void)state;
	assert_true(serve_server_same(NULL, NULL));
	assert_false(serve_server_same(a->servers, NULL));
	assert_true(serve_server_same(a->servers, b->servers));
	assert_false(serve_server_same(a->servers, c->servers));
	serve_config_free(a);
	serve_config_free(b);
	serve_config_free(c);
}

/* Every key is in the manual. */
static void test_manual(void **state)
{
	static const char *const some[] = { "listen", "history_size", "password_file", "uid" };
	struct buf out = { 0 };
	char line[64];

	(void)state;
	serve_config_manual(&out);
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		snprintf(line, sizeof(line), ".BI \"%s = \"", some[i]);
		assert_non_null(strstr(buf_str(&out), line));
	}
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),  cmocka_unit_test(test_settings),
		cmocka_unit_test(test_refused),	  cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_not_there), cmocka_unit_test(test_labels),
		cmocka_unit_test(test_when),	  cmocka_unit_test(test_same),
		cmocka_unit_test(test_manual),
	};

	return cmocka_run_group_tests_name("serve_config", tests, NULL, NULL);
}
