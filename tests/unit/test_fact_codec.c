/* SPDX-License-Identifier: BSD-2-Clause */
/* Every kind of fact goes to JSON and comes back as it was; bad JSON is refused. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "fact/recording.h"
#include "fact/shape.h"

/* Values that are hard to carry, by type; row i of each goes into one round. */
#define ROUNDS 5
static const int64_t ints[ROUNDS] = { 1, FACT_UNKNOWN, INT64_MAX, INT64_MIN + 1, 0 };
static const double doubles[ROUNDS] = { 0.1, NAN, 1.7976931348623157e308, -5e-324, 3.0 };
static const char *const strings[ROUNDS] = { "plain", "", "# Info\r\nused:1\r\n\t\"\\\x01",
					     "broken \xff\xc3 utf-8", "\xc3\xa9t\xc3\xa9" };
static const struct bytes byte_strings[ROUNDS] = { { "user:1", 6 },
						   { NULL, 0 },
						   { "a\0b\xff\n", 5 },
						   { "", 0 },
						   { "\xe2\x80\xae", 3 } };
static const char chars[ROUNDS] = { 'R', '?', '\0', '"', '\xff' };

static void fill_shares(struct fact_share *shares, size_t count)
{
	static const char *const names[ROUNDS] = { "set", "config|get", "(unknown)", "x", "y" };

	for (size_t i = 0; i < FACT_SHARES; i++)
		shares[i] = i < count ? (struct fact_share){ names[i], ints[i] } :
					(struct fact_share){ "", 0 };
}

static void fill(struct fact *fact, enum fact_kind kind, size_t round)
{
	const struct fact_shape *shape = fact_shape(kind);

	*fact = (struct fact){ .kind = kind };
	for (size_t i = 0; i < shape->count; i++) {
		void *at = field_at(fact, &shape->fields[i]);
		size_t pick = (round + i) % ROUNDS;

		switch (shape->fields[i].type) {
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
			*(unsigned int *)at = pick % shape->fields[i].names->count;
			break;
		case FIELD_COUNTS:
			for (unsigned int j = 0; j < shape->fields[i].names->count; j++)
				((int64_t *)at)[j] = ints[(pick + j) % ROUNDS];
			break;
		case FIELD_SHARES:
			fill_shares(at, pick);
			break;
		}
	}
}

static void assert_field_equal(const struct fact *a, const struct fact *b, const struct field *f)
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
		for (size_t i = 0; i < FACT_SHARES; i++) {
			assert_string_equal(((const struct fact_share *)x)[i].name,
					    ((const struct fact_share *)y)[i].name);
			assert_true(((const struct fact_share *)x)[i].ns ==
				    ((const struct fact_share *)y)[i].ns);
		}
		break;
	}
}

static void test_round_trip(void **state)
{
	(void)state;
	for (int i = 0; i < FACT_KINDS * ROUNDS; i++) {
		enum fact_kind kind = (enum fact_kind)(i / ROUNDS);
		const struct fact_shape *shape = fact_shape(kind);
		struct fact_decoded *keep;
		struct fact in, out;
		struct err err;
		char *line;

		fill(&in, kind, (size_t)i % ROUNDS);
		line = fact_encode(&in);
		assert_non_null(line);
		assert_null(strchr(line, '\n'));
		assert_int_equal(fact_decode(line, strlen(line), &out, &keep, &err), 0);
		free(line); /* decoded strings must not point into it */
		assert_int_equal(out.kind, kind);
		for (size_t j = 0; j < shape->count; j++)
			assert_field_equal(&in, &out, &shape->fields[j]);
		fact_decoded_free(keep);
	}
}

/* A member without a row would be lost silently: the rows must cover the struct. */
static void test_every_member_has_a_row(void **state)
{
	static const size_t size[FACT_KINDS] = {
		[FACT_SESSION] = sizeof(struct fact_session),
		[FACT_TARGET] = sizeof(struct fact_target),
		[FACT_SENSOR] = sizeof(struct fact_sensor),
		[FACT_HOST] = sizeof(struct fact_host),
		[FACT_CONFIG] = sizeof(struct fact_config),
		[FACT_TICK] = sizeof(struct fact_tick),
		[FACT_INFO] = sizeof(struct fact_info),
		[FACT_MEMORY_STATS] = sizeof(struct fact_memory_stats),
		[FACT_MALLOC_STATS] = sizeof(struct fact_malloc_stats),
		[FACT_MAPPING] = sizeof(struct fact_mapping),
		[FACT_PROFILE] = sizeof(struct fact_profile),
		[FACT_TOTALS] = sizeof(struct fact_totals),
		[FACT_STALL] = sizeof(struct fact_stall),
		[FACT_RSS_MOVE] = sizeof(struct fact_rss_move),
		[FACT_CHILD] = sizeof(struct fact_child),
		[FACT_SLOWLOG] = sizeof(struct fact_slowlog),
		[FACT_LATENCY] = sizeof(struct fact_latency),
		[FACT_KEY] = sizeof(struct fact_key),
		[FACT_LIFE] = sizeof(struct fact_life),
		[FACT_OWN_CALLS] = sizeof(struct fact_own_calls),
		[FACT_SELF] = sizeof(struct fact_self),
		[FACT_CALL] = sizeof(struct fact_call),
		[FACT_BURST] = sizeof(struct fact_burst),
		[FACT_BUDGET] = sizeof(struct fact_budget),
		[FACT_PURGE] = sizeof(struct fact_purge),
		[FACT_MARK] = sizeof(struct fact_mark),
		[FACT_PASS_PART] = sizeof(struct fact_pass_part),
		[FACT_PASS_REPLY] = sizeof(struct fact_pass_reply),
		[FACT_PASS] = sizeof(struct fact_pass),
	};

	(void)state;
	for (int kind = 0; kind < FACT_KINDS; kind++) {
		const struct fact_shape *shape = fact_shape((enum fact_kind)kind);
		size_t end = offsetof(struct fact, session);

		assert_true(size[kind] > 0);
		for (size_t i = 0; i < shape->count; i++) {
			size_t bytes = field_size(&shape->fields[i]);
			size_t align = bytes < 8 ? bytes : 8;

			assert_int_equal(shape->fields[i].offset,
					 (end + align - 1) / align * align);
			end = shape->fields[i].offset + bytes;
		}
		assert_int_equal((end + 7) / 8 * 8, offsetof(struct fact, session) + size[kind]);
		assert_int_equal(fact_kind_of(shape->name), kind);
	}
	assert_null(fact_shape(FACT_KINDS));
	assert_int_equal(fact_kind_of("no such"), FACT_KINDS);
}

static int decode(const char *line, struct fact *fact, struct fact_decoded **keep, struct err *err)
{
	*err = (struct err){ 0 };
	return fact_decode(line, strlen(line), fact, keep, err);
}

static void test_absent_is_unknown(void **state)
{
	struct fact_decoded *keep;
	struct fact fact;
	struct err err;

	(void)state;
	assert_int_equal(decode("{\"fact\":\"tick\",\"newer_field\":[1]}", &fact, &keep, &err), 0);
	assert_int_equal(fact.kind, FACT_TICK);
	assert_true(fact.tick.rss_bytes == FACT_UNKNOWN);
	assert_true(isnan(fact.tick.t_seconds));
	assert_int_equal(fact.tick.state, '?');
	fact_decoded_free(keep);
	assert_int_equal(decode("{\"fact\":\"stall\",\"t_seconds\":2}", &fact, &keep, &err), 0);
	assert_string_equal(fact.stall.command, "");
	assert_null(fact.stall.key.data);
	assert_true(fact.stall.t_seconds == 2.0);
	fact_decoded_free(keep);
}

static void test_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"{",
		"[]",
		"42",
		"{}",
		"{\"fact\":7}",
		"{\"fact\":\"tick\",\"rss_bytes\":1.5}",
		"{\"fact\":\"tick\",\"rss_bytes\":\"1\"}",
		"{\"fact\":\"tick\",\"rss_bytes\":99999999999999999999}",
		"{\"fact\":\"tick\",\"t_seconds\":\"soon\"}",
		"{\"fact\":\"tick\",\"t_seconds\":1e999}",
		"{\"fact\":\"tick\",\"answered\":1}",
		"{\"fact\":\"tick\",\"state\":\"RR\"}",
		"{\"fact\":\"stall\",\"command\":[]}",
		"{\"fact\":\"stall\",\"command\":\"a\\u0000b\"}",
		"{\"fact\":\"stall\",\"key_base64\":\"%%%%\"}",
		"{\"fact\":\"stall\",\"key_base64\":3}",
		"{\"fact\":\"stall\",\"command\":\"\xff\"}",
		"{\"fact\":\"tick\",\"fact\":\"tick\"}",
		"{\"fact\":\"tick\"} x",
	};
	struct fact_decoded *keep;
	struct fact fact;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		assert_int_equal(decode(lines[i], &fact, &keep, &err), -EINVAL);
		assert_null(keep);
		assert_int_equal(err.code, -EINVAL);
		assert_memory_equal(err.text, "recording: fact", 15);
	}
	assert_int_equal(decode("{\"fact\":\"from the future\"}", &fact, &keep, &err), -ENOTSUP);
	assert_non_null(strstr(err.text, "from the future"));
	/* Nesting without end must not eat the stack. */
	{
		char *deep = malloc(100001);

		assert_non_null(deep);
		memset(deep, '[', 100000);
		deep[100000] = '\0';
		assert_int_equal(decode(deep, &fact, &keep, &err), -EINVAL);
		free(deep);
	}
}

static void test_null_strings(void **state)
{
	struct fact in = { .kind = FACT_CONFIG, .config = { .name = "save", .value = NULL } };
	struct fact_decoded *keep;
	struct fact out;
	struct err err;
	char *line;

	(void)state;
	line = fact_encode(&in);
	assert_non_null(line);
	assert_int_equal(decode(line, &out, &keep, &err), 0);
	assert_string_equal(out.config.value, "");
	fact_decoded_free(keep);
	free(line);
	in.kind = FACT_KINDS;
	assert_null(fact_encode(&in));
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

	return cmocka_run_group_tests_name("fact codec", tests, NULL, NULL);
}
