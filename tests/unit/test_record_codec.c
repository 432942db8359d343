/* SPDX-License-Identifier: BSD-2-Clause */
/* Every kind of record goes to JSON and comes back as it was; bad JSON is refused. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "record/codec.h"
#include "record/schema.h"
#include "any_record.h"

static void test_round_trip(void **state)
{
	(void)state;
	for (int i = 0; i < RECORD_KINDS * ANY_ROUNDS; i++) {
		enum record_kind kind = (enum record_kind)(i / ANY_ROUNDS);
		const struct record_schema *schema = record_schema(kind);
		struct record_decoded *keep;
		struct record in, out;
		struct err err;
		char *line;

		any_record(&in, kind, (size_t)i % ANY_ROUNDS);
		line = record_encode(&in);
		assert_non_null(line);
		assert_null(strchr(line, '\n'));
		assert_int_equal(record_decode(line, strlen(line), &out, &keep, &err), 0);
		free(line); /* decoded strings must not point into it */
		assert_int_equal(out.kind, kind);
		for (size_t j = 0; j < schema->count; j++)
			assert_same_field(&in, &out, &schema->fields[j]);
		record_decoded_free(keep);
	}
}

static const size_t size[RECORD_KINDS] = {
	[RECORD_SESSION] = sizeof(struct record_session),
	[RECORD_TARGET] = sizeof(struct record_target),
	[RECORD_SENSOR] = sizeof(struct record_sensor),
	[RECORD_HOST] = sizeof(struct record_host),
	[RECORD_CPU_LIMIT] = sizeof(struct record_cpu_limit),
	[RECORD_DISK] = sizeof(struct record_disk),
	[RECORD_WRITER] = sizeof(struct record_writer),
	[RECORD_CONFIG] = sizeof(struct record_config),
	[RECORD_TICK] = sizeof(struct record_tick),
	[RECORD_INFO] = sizeof(struct record_info),
	[RECORD_MEMORY_STATS] = sizeof(struct record_memory_stats),
	[RECORD_MALLOC_STATS] = sizeof(struct record_malloc_stats),
	[RECORD_MAPPING] = sizeof(struct record_mapping),
	[RECORD_STRINGS] = sizeof(struct record_strings),
	[RECORD_PROFILE] = sizeof(struct record_profile),
	[RECORD_TOTALS] = sizeof(struct record_totals),
	[RECORD_STALL] = sizeof(struct record_stall),
	[RECORD_RSS_MOVE] = sizeof(struct record_rss_move),
	[RECORD_CHILD] = sizeof(struct record_child),
	[RECORD_SLOWLOG] = sizeof(struct record_slowlog),
	[RECORD_LATENCY] = sizeof(struct record_latency),
	[RECORD_CLIENT] = sizeof(struct record_client),
	[RECORD_HELD] = sizeof(struct record_held),
	[RECORD_KEY] = sizeof(struct record_key),
	[RECORD_LIFE] = sizeof(struct record_life),
	[RECORD_OWN_CALLS] = sizeof(struct record_own_calls),
	[RECORD_SELF] = sizeof(struct record_self),
	[RECORD_CALL] = sizeof(struct record_call),
	[RECORD_BURST] = sizeof(struct record_burst),
	[RECORD_BUDGET] = sizeof(struct record_budget),
	[RECORD_PURGE] = sizeof(struct record_purge),
	[RECORD_MARK] = sizeof(struct record_mark),
	[RECORD_PASS_PART] = sizeof(struct record_pass_part),
	[RECORD_PASS_REPLY] = sizeof(struct record_pass_reply),
	[RECORD_PASS] = sizeof(struct record_pass),
	[RECORD_ONE_KEY] = sizeof(struct record_one_key),
	[RECORD_KEY_ELEMENT] = sizeof(struct record_key_element),
	[RECORD_KEY_GROUP] = sizeof(struct record_key_group),
	[RECORD_PASSED] = sizeof(struct record_passed),
	[RECORD_LARGE] = sizeof(struct record_large),
};

/* A member without a row would be lost silently: the rows must cover the struct. */
static void test_every_member_has_a_row(void **state)
{
	(void)state;
	for (int kind = 0; kind < RECORD_KINDS; kind++) {
		const struct record_schema *schema = record_schema((enum record_kind)kind);
		size_t end = offsetof(struct record, session);

		assert_true(size[kind] > 0);
		for (size_t i = 0; i < schema->count; i++) {
			size_t bytes = field_size(&schema->fields[i]);
			size_t align = bytes < 8 ? bytes : 8;

			assert_int_equal(schema->fields[i].offset,
					 (end + align - 1) / align * align);
			end = schema->fields[i].offset + bytes;
		}
		assert_int_equal((end + 7) / 8 * 8, offsetof(struct record, session) + size[kind]);
		assert_int_equal(record_kind_of(schema->name), kind);
	}
	assert_null(record_schema(RECORD_KINDS));
	assert_int_equal(record_kind_of("no such"), RECORD_KINDS);
}

static int decode(const char *line, struct record *record, struct record_decoded **keep,
		  struct err *err)
{
	*err = (struct err){ 0 };
	return record_decode(line, strlen(line), record, keep, err);
}

static void test_absent_is_unknown(void **state)
{
	struct record_decoded *keep;
	struct record record;
	struct err err;

	(void)state;
	assert_int_equal(decode("{\"record\":\"tick\",\"newer_field\":[1]}", &record, &keep, &err),
			 0);
	assert_int_equal(record.kind, RECORD_TICK);
	assert_true(record.tick.rss_bytes == RECORD_UNKNOWN);
	assert_true(isnan(record.tick.t_seconds));
	assert_int_equal(record.tick.state, '?');
	record_decoded_free(keep);
	assert_int_equal(decode("{\"record\":\"stall\",\"t_seconds\":2}", &record, &keep, &err), 0);
	assert_string_equal(record.stall.command, "");
	assert_null(record.stall.key.data);
	assert_true(record.stall.t_seconds == 2.0);
	record_decoded_free(keep);
}

static void test_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"{",
		"[]",
		"42",
		"{}",
		"{\"record\":7}",
		"{\"record\":\"tick\",\"rss_bytes\":1.5}",
		"{\"record\":\"tick\",\"rss_bytes\":\"1\"}",
		"{\"record\":\"tick\",\"rss_bytes\":99999999999999999999}",
		"{\"record\":\"tick\",\"t_seconds\":\"soon\"}",
		"{\"record\":\"tick\",\"t_seconds\":1e999}",
		"{\"record\":\"tick\",\"answered\":1}",
		"{\"record\":\"tick\",\"state\":\"RR\"}",
		"{\"record\":\"stall\",\"command\":[]}",
		"{\"record\":\"stall\",\"command\":\"a\\u0000b\"}",
		"{\"record\":\"stall\",\"key_base64\":\"%%%%\"}",
		"{\"record\":\"stall\",\"key_base64\":3}",
		"{\"record\":\"stall\",\"command\":\"\xff\"}",
		"{\"record\":\"tick\",\"record\":\"tick\"}",
		"{\"record\":\"tick\"} x",
	};
	struct record_decoded *keep;
	struct record record;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(decode(lines[i], &record, &keep, &err), -EINVAL);
		assert_null(keep);
		assert_int_equal(err.code, -EINVAL);
		assert_memory_equal(err.text, "recording: record", 15);
	}
	assert_int_equal(decode("{\"record\":\"from the future\"}", &record, &keep, &err),
			 -ENOTSUP);
	assert_non_null(strstr(err.text, "from the future"));
	/* Nesting without end must not eat the stack. */
	{
		char *deep = malloc(100001);

		assert_non_null(deep);
		memset(deep, '[', 100000);
		deep[100000] = '\0';
		assert_int_equal(decode(deep, &record, &keep, &err), -EINVAL);
		free(deep);
	}
}

static void test_null_strings(void **state)
{
	struct record in = { .kind = RECORD_CONFIG, .config = { .name = "save", .value = NULL } };
	struct record_decoded *keep;
	struct record out;
	struct err err;
	char *line;

	(void)state;
	line = record_encode(&in);
	assert_non_null(line);
	assert_int_equal(decode(line, &out, &keep, &err), 0);
	assert_string_equal(out.config.value, "");
	record_decoded_free(keep);
	free(line);
	in.kind = RECORD_KINDS;
	assert_null(record_encode(&in));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_every_member_has_a_row),
		cmocka_unit_test(test_absent_is_unknown),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_null_strings),
	};

	return cmocka_run_group_tests_name("record codec", tests, NULL, NULL);
}
