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

/* Values that are hard to carry, by type; row i of each goes into one round. */
#define ROUNDS 5
static const int64_t ints[ROUNDS] = { 1, RECORD_UNKNOWN, INT64_MAX, INT64_MIN + 1, 0 };
static const double doubles[ROUNDS] = { 0.1, NAN, 1.7976931348623157e308, -5e-324, 3.0 };
static const char *const strings[ROUNDS] = { "plain", "", "# Info\r\nused:1\r\n\t\"\\\x01",
					     "broken \xff\xc3 utf-8", "\xc3\xa9t\xc3\xa9" };
static const struct bytes byte_strings[ROUNDS] = { { "user:1", 6 },
						   { NULL, 0 },
						   { "a\0b\xff\n", 5 },
						   { "", 0 },
						   { "\xe2\x80\xae", 3 } };
static const char chars[ROUNDS] = { 'R', '?', '\0', '"', '\xff' };

static void fill_shares(struct record_share *shares, size_t count)
{
	static const char *const names[ROUNDS] = { "set", "config|get", "(unknown)", "x", "y" };

	for (size_t i = 0; i < RECORD_SHARES; i++)
		shares[i] = i < count ? (struct record_share){ names[i], ints[i] } :
					(struct record_share){ "", 0 };
}

static void fill(struct record *record, enum record_kind kind, size_t round)
{
	const struct record_schema *schema = record_schema(kind);

	*record = (struct record){ .kind = kind };
	for (size_t i = 0; i < schema->count; i++) {
		void *at = field_at(record, &schema->fields[i]);
		size_t pick = (round + i) % ROUNDS;

		switch (schema->fields[i].type) {
		case FIELD_I64:
			*(int64_t *)at = ints[pick];
			break;
		case FIELD_F64:
			*(double *)at = doubles[pick];
			break;
		case FIELD_BOOL:
			*(bool *)at = pick % 2;
			break;
		case FIELD_STRING:
			*(const char **)at = strings[pick];
			break;
		case FIELD_BYTES:
			*(struct bytes *)at = byte_strings[pick];
			break;
		case FIELD_CHAR:
			*(char *)at = chars[pick];
			break;
		case FIELD_ENUM:
			*(unsigned int *)at = pick % schema->fields[i].names->count;
			break;
		case FIELD_COUNTS:
			for (unsigned int j = 0; j < schema->fields[i].names->count; j++)
				((int64_t *)at)[j] = ints[(pick + j) % ROUNDS];
			break;
		case FIELD_SHARES:
			fill_shares(at, pick);
			break;
		}
	}
}

static void assert_field_equal(const struct record *a, const struct record *b,
			       const struct field *f)
{
	const void *x = field_of(a, f), *y = field_of(b, f);
	const struct bytes *p = x, *q = y;

	switch (f->type) {
	case FIELD_I64:
		assert_true(*(const int64_t *)x == *(const int64_t *)y);
		break;
	case FIELD_F64:
		assert_true(isnan(*(const double *)x) ? isnan(*(const double *)y) :
							*(const double *)x == *(const double *)y);
		break;
	case FIELD_BOOL:
		assert_true(*(const bool *)x == *(const bool *)y);
		break;
	case FIELD_STRING:
		assert_string_equal(*(const char *const *)x, *(const char *const *)y);
		break;
	case FIELD_BYTES:
		assert_true(!p->data == !q->data);
		assert_int_equal(p->len, q->len);
		if (p->len)
			assert_memory_equal(p->data, q->data, p->len);
		break;
	case FIELD_CHAR:
		assert_int_equal(*(const char *)x, *(const char *)y);
		break;
	case FIELD_ENUM:
	case FIELD_COUNTS:
		assert_memory_equal(x, y, field_size(f));
		break;
	case FIELD_SHARES:
		for (size_t i = 0; i < RECORD_SHARES; i++) {
			assert_string_equal(((const struct record_share *)x)[i].name,
					    ((const struct record_share *)y)[i].name);
			assert_true(((const struct record_share *)x)[i].ns ==
				    ((const struct record_share *)y)[i].ns);
		}
		break;
	}
}

static void test_round_trip(void **state)
{
	(void)state;
	for (int i = 0; i < RECORD_KINDS * ROUNDS; i++) {
		enum record_kind kind = (enum record_kind)(i / ROUNDS);
		const struct record_schema *schema = record_schema(kind);
		struct record_decoded *keep;
		struct record in, out;
		struct err err;
		char *line;

		fill(&in, kind, (size_t)i % ROUNDS);
		line = record_encode(&in);
		assert_non_null(line);
		assert_null(strchr(line, '\n'));
		assert_int_equal(record_decode(line, strlen(line), &out, &keep, &err), 0);
		free(line); /* decoded strings must not point into it */
		assert_int_equal(out.kind, kind);
		for (size_t j = 0; j < schema->count; j++)
			assert_field_equal(&in, &out, &schema->fields[j]);
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
