/* SPDX-License-Identifier: BSD-2-Clause */
/* Which keys fall into one row, and which must not. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/prefix.h"

struct fold {
	const char *key;
	const char *prefix;
};

static const struct fold folds[] = {
	/* names stay */
	{ "", "" },
	{ "leaderboard:global", "leaderboard:global" },
	{ "a", "a" },
	{ "::", "::" },
	{ "caf\xc3\xa9:menu", "caf\xc3\xa9:menu" },
	{ "user:cafe:add", "user:cafe:add" }, /* short hex is a word */
	{ "facade:decade", "facade:decade" }, /* hex without a digit is a word */
	{ "h264x:a1b", "h264x:a1b" }, /* digits inside a word */
	{ "john@localhost", "john@localhost" }, /* no domain */
	/* numbers */
	{ "12345", "*" },
	{ "user:1042:profile", "user:*:profile" },
	{ "user:10:20", "user:*:*" },
	{ "2024-11-22", "*-*-*" },
	{ "a.1/2_3|4{5}#6", "a.*/*_*|*{*}#*" },
	{ "{user1000}.following", "{user*}.following" },
	{ ":1:", ":*:" },
	{ "item42", "item*" },
	{ "queue-7-item42", "queue-*-item*" },
	/* identifiers */
	{ "s:3f2504e0-4f89-11d3-9a0c-0305e82c3301", "s:*" },
	{ "3F2504E0-4F89-11D3-9A0C-0305E82C3301:x", "*:x" },
	{ "deadbeef01:v", "*:v" },
	{ "sess:9fb12c", "sess:*" },
	{ "x9fb12c", "x9fb12c" },
	{ "user:john.doe+x@example.com:mail", "user:*:mail" },
	{ "john@example.com.", "*." },
	{ "a:abcdefghijklmnopqrstuvwxyzabcdefg", "a:*" }, /* 33 letters */
	{ "a:abcdefghijklmnopqrstuvwxyzabcdef", "a:abcdefghijklmnopqrstuvwxyzabcdef" },
	/* bytes that are no text */
	{ "bin:\x01\x02", "bin:*" },
	{ "bin:\xff\xfe:x", "bin:*:x" },
	{ "bidi:\xe2\x80\xae", "bidi:*" },
	/* almost a UUID */
	{ "3f2504e0-4f89-11d3-9a0c-0305e82c330", "*-4f*-11d*-9a0c-*" },
	{ "3f2504e0-4f89-11d3-9a0c-0305e82c3301a", "*-4f*-11d*-9a0c-*" },
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(folds) / sizeof(folds[0]); i++) {
		struct buf out = { 0 };

		prefix_fold(&out, folds[i].key, strlen(folds[i].key));
		assert_non_null(out.data);
		assert_string_equal(buf_str(&out), folds[i].prefix);
		buf_free(&out);
	}
}

static void test_appends(void **state)
{
	struct buf out = { 0 };

	(void)state;
	buf_puts(&out, "prefix=");
	prefix_fold(&out, "a\0b:7", 5);
	assert_string_equal(buf_str(&out), "prefix=*:*");
	buf_free(&out);
}

/* Keys of one shape and any length give one short prefix. */
static void test_bound(void **state)
{
	static const char *const pieces[] = { "1:", "abc:", ":", "a@b.c", "x-" };
	char *key = calloc(1, 100001);

	(void)state;
	assert_non_null(key);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		size_t len = strlen(pieces[i]);
		struct buf out = { 0 };

		for (size_t at = 0; at < 100000; at++)
			key[at] = pieces[i][at % len];
		prefix_fold(&out, key, 100000);
		assert_true(out.len <= 128);
		assert_int_equal(out.data[out.len - 1], '*');
		buf_free(&out);
	}
	free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_appends),
		cmocka_unit_test(test_bound),
	};

	return cmocka_run_group_tests_name("prefix", tests, NULL, NULL);
}
