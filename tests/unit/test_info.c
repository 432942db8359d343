/* SPDX-License-Identifier: BSD-2-Clause */
/* INFO replies recorded from four servers, and broken ones. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "record/record.h"
#include "redis/info.h"
#include "replies.h"

static struct info *info_of_file(const char *name)
{
	char path[128];
	char *text;
	struct info *info;

	snprintf(path, sizeof(path), "tests/unit/data/info_%s.txt", name);
	text = read_file(path);
	info = info_parse(text);
	free(text);
	return info;
}

static void test_recorded(void **state)
{
	static const struct {
		const char *file, *server, *version;
		int64_t used_memory;
		const char *commandstat;
		;
	} cases[] = {
		{ "redis_5.0.9", "redis", "5.0.9", 912672, "cmdstat_config" },
		{ "redis_7.0.15", "redis", "7.0.15", 8598272, "cmdstat_eval" },
		{ "redis_7.4.1", "redis", "7.4.1", 1179480, "cmdstat_config|get" },
		{ "valkey_8.0.1", "valkey", "8.0.1", 1193472, "cmdstat_client|setname" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct info *info = info_of_file(cases[i].file);
		const char *commandstat = info_get(info, cases[i].commandstat);

		assert_string_equal(info_server(info), cases[i].server);
		assert_string_equal(info_server_version(info), cases[i].version);
		assert_int_equal(info_int(info, "used_memory"), cases[i].used_memory);
		assert_true(info_int(info, "total_commands_processed") > 0);
		assert_true(info_double(info, "mem_fragmentation_ratio") > 1);
		assert_string_equal(info_get(info, "maxmemory_policy"), "noeviction");
		assert_non_null(commandstat);
		assert_true(info_sub_int(commandstat, "calls") >= 1);
		assert_true(info_sub_int(info_get(info, "db0"), "keys") >= 2);
		assert_string_equal(info_name_at(info, 0), "redis_version");
		info_free(info);
	}
}

static void test_values(void **state)
{
	struct info *info = info_parse("# Memory\r\nused_memory:42\r\nratio:1.5\r\nempty:\r\n"
				       "path:/a:b c\r\nhuman:8.01M\r\npercent:5.5%\r\nbig:"
				       "99999999999999999999\r\nnan:-nan\r\ninf:inf\r\n"
				       "negative:-7\r\nno colon\r\n:no name\r\n\r\nlast:1");

	(void)state;
	assert_int_equal(info_count(info), 11);
	assert_int_equal(info_int(info, "used_memory"), 42);
	assert_int_equal(info_int(info, "negative"), -7);
	assert_int_equal(info_int(info, "last"), 1);
	assert_true(info_double(info, "ratio") == 1.5);
	assert_true(info_double(info, "used_memory") == 42);
	assert_string_equal(info_get(info, "empty"), "");
	assert_string_equal(info_get(info, "path"), "/a:b c");
	assert_int_equal(info_int(info, "empty"), RECORD_UNKNOWN);
	assert_int_equal(info_int(info, "human"), RECORD_UNKNOWN);
	assert_int_equal(info_int(info, "big"), RECORD_UNKNOWN);
	assert_int_equal(info_int(info, "absent"), RECORD_UNKNOWN);
	assert_int_equal(info_int(info, "ratio"), RECORD_UNKNOWN);
	assert_true(isnan(info_double(info, "human")));
	assert_true(isnan(info_double(info, "percent")));
	assert_true(isnan(info_double(info, "nan")));
	assert_true(isnan(info_double(info, "inf")));
	assert_true(isnan(info_double(info, "absent")));
	assert_null(info_get(info, "no colon"));
	info_free(info);
}

static void test_sub_values(void **state)
{
	const char *value = "calls=5,usec=17,usec_per_call=3.40,recalls=9,empty=";

	(void)state;
	assert_int_equal(info_sub_int(value, "calls"), 5);
	assert_int_equal(info_sub_int(value, "usec"), 17);
	assert_int_equal(info_sub_int(value, "recalls"), 9);
	assert_int_equal(info_sub_int(value, "all"), RECORD_UNKNOWN);
	assert_int_equal(info_sub_int(value, "empty"), RECORD_UNKNOWN);
	assert_int_equal(info_sub_int(NULL, "calls"), RECORD_UNKNOWN);
}

static void test_pairs_and_set(void **state)
{
	struct info *info =
		info_parse_pairs("peak.allocated 12\nsave \nsave 3600 1 300 100\nword\n");

	(void)state;
	assert_int_equal(info_count(info), 2);
	assert_int_equal(info_int(info, "peak.allocated"), 12);
	assert_string_equal(info_get(info, "save"), "3600 1 300 100");
	info_set(info, "peak.allocated", "13");
	info_set(info, "new", "value");
	assert_int_equal(info_count(info), 3);
	assert_int_equal(info_int(info, "peak.allocated"), 13);
	assert_string_equal(info_name_at(info, 2), "new");
	assert_string_equal(info_value_at(info, 2), "value");
	assert_null(info_name_at(info, 3));
	info_free(info);
}

static void test_nothing(void **state)
{
	struct info *empty = info_parse(""), *null = info_parse(NULL);

	(void)state;
	assert_int_equal(info_count(empty), 0);
	assert_int_equal(info_count(null), 0);
	assert_string_equal(info_server(empty), "");
	assert_string_equal(info_server_version(null), "");
	assert_null(info_get(NULL, "x"));
	info_free(empty);
	info_free(null);
	info_free(NULL);
}

/* A text cut anywhere gives no more fields than the whole. */
static void test_truncated(void **state)
{
	char *text = read_file("tests/unit/data/info_redis_7.0.15.txt");
	struct info *whole = info_parse(text);

	(void)state;
	for (size_t len = strlen(text); len--;) {
		struct info *part;

		text[len] = '\0';
		part = info_parse(text);
		assert_true(info_count(part) <= info_count(whole));
		info_free(part);
	}
	info_free(whole);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded),   cmocka_unit_test(test_values),
		cmocka_unit_test(test_sub_values), cmocka_unit_test(test_pairs_and_set),
		cmocka_unit_test(test_nothing),	   cmocka_unit_test(test_truncated),
	};

	return cmocka_run_group_tests_name("info", tests, NULL, NULL);
}
