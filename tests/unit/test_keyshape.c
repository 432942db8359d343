/* SPDX-License-Identifier: BSD-2-Clause */
/* What the shape of a name tells of a key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "redis/keyshape.h"

static const char string[] = "string", embstr[] = "embstr", raw[] = "raw", hash[] = "hash",
		  listpack[] = "listpack";

static void learn(struct key_shapes *shapes, const char *name, int64_t bytes, const char *type,
		  const char *encoding)
{
	key_shapes_learn(shapes, name, strlen(name), bytes, type, encoding);
}

static bool infer(struct key_shapes *shapes, const char *name, int64_t bytes, const char **type,
		  const char **encoding)
{
	*type = *encoding = NULL;
	return key_shapes_infer(shapes, name, strlen(name), bytes, type, encoding);
}

/* Sixteen keys "PREFIXi" from 100 to 115 bytes. */
static void teach(struct key_shapes *shapes, const char *format)
{
	char name[64];

	for (int i = 0; i < 16; i++) {
		snprintf(name, sizeof(name), format, i * 37);
		learn(shapes, name, 100 + i, hash, listpack);
	}
}

static void test_known_after_sixteen(void **state)
{
	struct key_shapes *shapes = key_shapes_new();
	const char *type, *encoding;

	(void)state;
	for (int i = 0; i < 15; i++)
		learn(shapes, "user:1:cart", 100, hash, listpack);
	assert_false(infer(shapes, "user:2:cart", 100, &type, &encoding));
	learn(shapes, "user:7:cart", 110, hash, listpack);
	assert_true(infer(shapes, "user:2:cart", 105, &type, &encoding));
	assert_ptr_equal(type, hash);
	assert_ptr_equal(encoding, listpack);
	key_shapes_free(shapes);
}

static void test_every_sixteenth_is_asked(void **state)
{
	struct key_shapes *shapes = key_shapes_new();
	const char *type, *encoding;
	int asked = 0;

	(void)state;
	teach(shapes, "session:%d");
	for (int i = 0; i < 160; i++)
		asked += !infer(shapes, "session:99", 105, &type, &encoding);
	assert_int_equal(asked, 10);
	key_shapes_free(shapes);
}

/* Another size may be another encoding, and a big key matters. */
static void test_sizes(void **state)
{
	struct key_shapes *shapes = key_shapes_new();
	const char *type, *encoding;

	(void)state;
	teach(shapes, "session:%d");
	assert_false(infer(shapes, "session:5", 99, &type, &encoding));
	assert_false(infer(shapes, "session:5", 116, &type, &encoding));
	assert_false(infer(shapes, "session:5", -1, &type, &encoding));
	learn(shapes, "session:5", 1000000, hash, listpack);
	assert_true(infer(shapes, "session:5", 4096, &type, &encoding));
	assert_false(infer(shapes, "session:5", 4097, &type, &encoding));
	key_shapes_free(shapes);
}

static void test_mixed_is_never_trusted(void **state)
{
	struct key_shapes *shapes = key_shapes_new();
	const char *type, *encoding;

	(void)state;
	learn(shapes, "value:1", 105, string, raw);
	for (int i = 0; i < 100; i++)
		learn(shapes, "value:2", 105, string, embstr);
	assert_false(infer(shapes, "value:3", 105, &type, &encoding));
	key_shapes_free(shapes);
}

static void test_names(void **state)
{
	static const struct {
		const char *taught, *name;
		bool same;
	} cases[] = {
		{ "user:%d:cart", "user:123456:cart", true },
		{ "user:%d:cart", "user:5:mail", false },
		{ "user:%d:cart", "guest:5:cart", false },
		{ "user%d", "user77", true },
		{ "user%d", "user77x", true },
		{ "user%d", "name77", false },
		{ "page:%08x", "page:deadbe01", true },
		{ "page:%d", "page:12/34", false },
		{ "{tag%d}.x", "{tag5}.x", true },
		{ "plain", "plain", true },
		{ "plain", "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct key_shapes *shapes = key_shapes_new();
		const char *type, *encoding;

		teach(shapes, cases[i].taught);
		if (infer(shapes, cases[i].name, 105, &type, &encoding) != cases[i].same)
			fail_msg("%s after %s", cases[i].name, cases[i].taught);
		key_shapes_free(shapes);
	}
}

/* What a shape has been is known from one key on; of others nothing is. */
static void test_streams(void **state)
{
	struct key_shapes *shapes = key_shapes_new();

	(void)state;
	assert_true(key_shapes_may_stream(shapes, "user:1", 6));
	learn(shapes, "user:1", 100, string, raw);
	assert_false(key_shapes_may_stream(shapes, "user:2", 6));
	assert_true(key_shapes_may_stream(shapes, "log:1", 5));
	learn(shapes, "user:3", 100, "stream", "stream");
	assert_true(key_shapes_may_stream(shapes, "user:4", 6));
	key_shapes_free(shapes);
}

/* Names of countless shapes fill the table half, and are then asked one by one. */
static void test_countless_shapes(void **state)
{
	struct key_shapes *shapes = key_shapes_new();
	const char *type, *encoding;
	char name[32];

	(void)state;
	teach(shapes, "early:%d");
	for (int i = 0; i < 100000; i++) {
		snprintf(name, sizeof(name), "%c%c%c%c:x", 'g' + i % 17, 'g' + i / 17 % 17,
			 'g' + i / 289 % 17, 'g' + i / 4913 % 17);
		learn(shapes, name, 100, string, raw);
	}
	assert_true(infer(shapes, "early:7", 105, &type, &encoding));
	teach(shapes, "late:%d");
	assert_false(infer(shapes, "late:7", 105, &type, &encoding));
	key_shapes_free(shapes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_after_sixteen),
		cmocka_unit_test(test_every_sixteenth_is_asked),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_mixed_is_never_trusted),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_countless_shapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
