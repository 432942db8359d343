/* SPDX-License-Identifier: BSD-2-Clause */
/* What keys add up to: sums, the largest, TTLs; and which prefixes are found in them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "diagnose/keys.h"
#include "model/keyspace.h"
#include "model/prefix.h"

static struct keyspace *keyspace_of(size_t top, int depth)
{
	struct keyspace_options options = { .top = top, .depth = depth, .level = key_level };

	return keyspace_new(&options);
}

static void take(struct keyspace *keyspace, const char *name, const char *type, int64_t bytes,
		 int64_t elements, double ttl)
{
	struct record_key key = { .key = { name, strlen(name) },
				  .type = type,
				  .encoding = "raw",
				  .bytes = bytes,
				  .elements = elements,
				  .ttl_seconds = ttl };

	keyspace_take(keyspace, &key, 0);
}

static void take_names(struct keyspace *keyspace, const char *format, int count)
{
	char name[128];

	for (int i = 0; i < count; i++) {
		snprintf(name, sizeof(name), format, i);
		take(keyspace, name, "string", 100, RECORD_UNKNOWN, -1);
	}
}

/* The row of @prefix; fails the test when there is none. */
static const struct keyspace_prefix *prefix(const struct keyspace *keyspace, const char *name)
{
	for (size_t i = 0; i < keyspace->prefixes.count; i++)
		if (!strcmp(keyspace->prefixes.rows[i].prefix, name))
			return &keyspace->prefixes.rows[i];
	fail_msg("no prefix %s", name);
	return NULL;
}

static int64_t prefix_keys(const struct keyspace *keyspace)
{
	int64_t keys = 0;

	for (size_t i = 0; i < keyspace->prefixes.count; i++)
		keys += keyspace->prefixes.rows[i].keys_total;
	return keys;
}

static void test_sums(void **state)
{
	struct keyspace *keyspace = keyspace_of(2, 0);
	const struct keyspace_type *zset;

	(void)state;
	take(keyspace, "a", "string", 100, 10, -1);
	take(keyspace, "b", "string", 2000000, RECORD_UNKNOWN, 10);
	take(keyspace, "c", "zset", 20000000, 200000, 3600);
	take(keyspace, "d", "zset", 50, 5, NAN);
	take(keyspace, "e", "zset", RECORD_UNKNOWN, 20000, 1e9);
	keyspace_finish(keyspace);
	assert_int_equal(keyspace->keys_total, 5);
	assert_int_equal(keyspace->bytes, 22000150);
	assert_int_equal(keyspace->bytes_unknown_total, 1);
	assert_string_equal(keyspace->types[0].type, "zset");
	zset = keyspace_find_type(keyspace, "zset");
	assert_int_equal(zset->elements_total, 220005);
	assert_int_equal(zset->level_total[KEY_VERY_BIG], 1);
	assert_int_equal(zset->level_total[KEY_BIG], 1); /* by elements alone */
	assert_int_equal(zset->by_bytes.count, 2);
	assert_string_equal(zset->by_elements.keys[0].key.key.data, "c");
	assert_string_equal(zset->by_elements.keys[1].key.key.data, "e");
	assert_int_equal(keyspace_find_type(keyspace, "string")->elements_known_total, 1);
	assert_null(keyspace_find_type(keyspace, "list"));
	/* Name and value of the one whose length is known, against what it takes. */
	assert_int_equal(keyspace_find_type(keyspace, "string")->useful.bytes, 11);
	assert_int_equal(keyspace_find_type(keyspace, "string")->useful.of_bytes, 100);
	assert_true(isnan(useful_ratio(&zset->useful)));
	assert_int_equal(prefix(keyspace, "a")->useful.bytes, 11);
	assert_string_equal(keyspace->top.keys[0].key.key.data, "c");
	assert_string_equal(keyspace->top.keys[1].key.key.data, "b");
	assert_int_equal(keyspace->ttl[0].keys_total, 1); /* none */
	assert_int_equal(keyspace->ttl[1].keys_total, 1); /* under an hour */
	assert_int_equal(keyspace->ttl[2].keys_total, 1); /* an hour and more */
	assert_int_equal(keyspace->ttl[7].keys_total, 1); /* over 30 days */
	assert_int_equal(keyspace->ttl[8].keys_total, 1); /* not known */
	keyspace_free(keyspace);
}

/* Heaps keep the largest in whatever order they come. */
static void test_top(void **state)
{
	struct keyspace *keyspace = keyspace_of(10, 0);
	char name[16];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "k%d", i * 7919 % 1000);
		take(keyspace, name, "string", i * 7919 % 1000, RECORD_UNKNOWN, -1);
	}
	keyspace_finish(keyspace);
	assert_int_equal(keyspace->top.count, 10);
	for (int i = 0; i < 10; i++)
		assert_int_equal(keyspace->top.keys[i].key.bytes, 999 - i);
	keyspace_free(keyspace);
}

static void test_later(void **state)
{
	struct keyspace *keyspace = keyspace_of(10, 0);
	struct record_key later = { .key = { "q", 1 },
				    .type = "list",
				    .encoding = "quicklist",
				    .bytes = 3000,
				    .elements = RECORD_UNKNOWN };

	(void)state;
	take(keyspace, "q", "list", 1000, RECORD_UNKNOWN, -1);
	take(keyspace, "r", "list", 900, RECORD_UNKNOWN, -1);
	keyspace_take_later(keyspace, &later, 2);
	keyspace_finish(keyspace);
	assert_int_equal(keyspace->top.keys[0].later_bytes, 3000);
	assert_int_equal(keyspace->top.keys[1].later_bytes, RECORD_UNKNOWN);
	keyspace_free(keyspace);
}

static void test_prefixes(void **state)
{
	struct keyspace *keyspace = keyspace_of(10, 0);

	(void)state;
	take_names(keyspace, "user:%d:profile", 1000);
	take_names(keyspace, "user:%d:cart", 500);
	take_names(keyspace, "session/%08x0", 300); /* hex */
	take_names(keyspace, "mail:u%d@example.com:box", 50);
	take(keyspace, "leaderboard:global", "zset", 900000, 10, -1);
	keyspace_finish(keyspace);
	assert_int_equal(keyspace->prefixes.count, 5);
	assert_string_equal(keyspace->prefixes.rows[0].prefix, "leaderboard:global");
	assert_int_equal(prefix(keyspace, "user:*:profile")->keys_total, 1000);
	assert_int_equal(prefix(keyspace, "user:*:cart")->bytes, 50000);
	assert_int_equal(prefix(keyspace, "session/*")->no_ttl_total, 300);
	assert_int_equal(prefix(keyspace, "mail:*:box")->bytes_max, 100);
	/* The tree: "user:*:" branches and stands above its two. */
	assert_string_equal(keyspace->branches.rows[1].prefix, "user:*:*");
	assert_int_equal(keyspace->branches.rows[1].keys_total, 1500);
	assert_int_equal(keyspace->branches.rows[2].depth, 1);
	keyspace_free(keyspace);
}

/* Names that only turn out to vary, and names that do not. */
static void test_varying(void **state)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
	struct keyspace *keyspace = keyspace_of(10, 0);
	char format[64];

	(void)state;
	for (int i = 0; i < 26 * 26; i++) {
		snprintf(format, sizeof(format), "login:%c%cz:last", letters[i / 26],
			 letters[i % 26]);
		take(keyspace, format, "string", 100, RECORD_UNKNOWN, -1);
	}
	take_names(keyspace, "shard1:%d", 100);
	take_names(keyspace, "shard2:%d", 100);
	take_names(keyspace, "worker%d:state", 200);
	keyspace_finish(keyspace);
	assert_int_equal(keyspace->prefixes.count, 4);
	assert_int_equal(prefix(keyspace, "login:*:last")->keys_total, 676);
	assert_int_equal(prefix(keyspace, "shard1:*")->keys_total, 100);
	assert_int_equal(prefix(keyspace, "shard2:*")->keys_total, 100);
	assert_int_equal(prefix(keyspace, "worker*:state")->keys_total, 200);
	keyspace_free(keyspace);
}

/* Tokens with '-' and '_' anywhere in them, and names where these mean something. */
static void test_tokens(void **state)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	struct keyspace *keyspace = keyspace_of(10, 0);
	uint64_t x = 88172645463325252;
	char name[64];

	(void)state;
	for (int i = 0; i < 5000; i++) {
		char token[17] = "";

		for (int n = 0; n < 16; n++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			token[n] = letters[x >> 32 & 63];
		}
		snprintf(name, sizeof(name), "token:%s", token);
		take(keyspace, name, "string", 10, RECORD_UNKNOWN, -1);
		snprintf(name, sizeof(name), "api:%s:data", token);
		take(keyspace, name, "string", 10, RECORD_UNKNOWN, -1);
		snprintf(name, sizeof(name), "user-%d_profile", i);
		take(keyspace, name, "string", 10, RECORD_UNKNOWN, -1);
		snprintf(name, sizeof(name), "user-%d_cart-items", i);
		take(keyspace, name, "string", 10, RECORD_UNKNOWN, -1);
	}
	keyspace_finish(keyspace);
	for (size_t i = 0; i < keyspace->prefixes.count; i++)
		if (keyspace->prefixes.rows[i].keys_total < 5000)
			print_message("%s %lld\n", keyspace->prefixes.rows[i].prefix,
				      (long long)keyspace->prefixes.rows[i].keys_total);
	assert_int_equal(keyspace->prefixes.count, 4);
	assert_int_equal(prefix(keyspace, "token:*")->keys_total, 5000);
	assert_int_equal(prefix(keyspace, "api:*:data")->keys_total, 5000);
	assert_int_equal(prefix(keyspace, "user-*_profile")->keys_total, 5000);
	assert_int_equal(prefix(keyspace, "user-*_cart-items")->keys_total, 5000);
	keyspace_free(keyspace);
}

/* Prefixes without end: bounded, nothing is lost from the sums, and one that is heavy is
 * found among them. */
static void test_bound(void **state)
{
	struct keyspace *keyspace = keyspace_of(10, 0);
	uint64_t x = 88172645463325252;
	char name[64];

	(void)state;
	for (int i = 0; i < 200000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		if (i % 20 == 0)
			snprintf(name, sizeof(name), "order:%d", i);
		else
			for (int n = 0; n < 14; n++)
				name[n] = n == 13 ? '\0' :
					  n == 6  ? ':' :
						    (char)('g' + (x >> (n * 4)) % 16);
		take(keyspace, name, "string", 10, RECORD_UNKNOWN, -1);
	}
	keyspace_finish(keyspace);
	assert_true(keyspace->prefixes.count < 500);
	assert_int_equal(prefix_keys(keyspace), 200000);
	assert_int_equal(prefix(keyspace, "order:*")->keys_total, 10000);
	keyspace_free(keyspace);
}

static void test_depth_and_odd_names(void **state)
{
	struct keyspace *keyspace = keyspace_of(10, 1);
	char longest[1000];

	(void)state;
	take_names(keyspace, "user:%d:profile", 10);
	take(keyspace, "", "string", 1, RECORD_UNKNOWN, -1);
	take(keyspace, ":", "string", 1, RECORD_UNKNOWN, -1);
	take(keyspace, "::::", "string", 1, RECORD_UNKNOWN, -1);
	keyspace_finish(keyspace);
	assert_int_equal(prefix(keyspace, "user:*")->keys_total, 10);
	assert_int_equal(prefix_keys(keyspace), 13 - 1 + 1);
	keyspace_free(keyspace);
	keyspace = keyspace_of(10, 0);
	memset(longest, ':', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	take(keyspace, longest, "string", 1, RECORD_UNKNOWN, -1);
	memset(longest, '1', sizeof(longest) - 1);
	take(keyspace, longest, "string", 1, RECORD_UNKNOWN, -1);
	keyspace_finish(keyspace);
	assert_int_equal(keyspace->prefixes.count, 2);
	assert_true(keyspace->prefixes.rows[0].prefix_len <= 128);
	keyspace_free(keyspace);
}

/* --- prefix ------------------------------------------------------------------------------- */

/* Which keys fall into one row, and which must not. */

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
static void test_prefix_bound(void **state)
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

/* Names of one beginning, of which some are more than their first segments say. */
static void path_name(int kind, int i, char *name, size_t size)
{
	switch (kind) {
	case 0:
		snprintf(name, size, "session:abc:%d", i);
		break;
	case 1:
		snprintf(name, size, "session:abd:%d:x", i);
		break;
	case 2:
		snprintf(name, size, "session:peter.%d@example.com:x", i);
		break;
	case 3:
		snprintf(name, size, "session:peter.smith:%d", i);
		break;
	case 4: /* 8-4-4-4-12, and the same beginning without being one */
		snprintf(name, size, "session:deadbeef-cafe-4000-8000-%012x:y", (unsigned int)i);
		break;
	case 5:
		snprintf(name, size, "session:deadbeef-cafe-%d", i);
		break;
	case 6:
		snprintf(name, size, "session:");
		break;
	default:
		snprintf(name, size, "session:abc");
		break;
	}
}

/* A key's prefix does not hang on which keys came before it. */
static void test_paths(void **state)
{
	struct keyspace *together = keyspace_of(1, 0);
	int64_t kinds[8] = { 0 };
	unsigned int random = 1;
	char name[128];

	(void)state;
	for (int i = 0; i < 8000; i++) {
		random = random * 1103515245 + 12345;
		kinds[random >> 16 & 7]++;
		path_name(random >> 16 & 7, i, name, sizeof(name));
		take(together, name, "string", 100, RECORD_UNKNOWN, -1);
	}
	keyspace_finish(together);
	for (int i = 0; i < 8; i++) {
		struct keyspace *alone = keyspace_of(1, 0);

		path_name(i, i, name, sizeof(name));
		take(alone, name, "string", 100, RECORD_UNKNOWN, -1);
		keyspace_finish(alone);
		assert_int_equal(prefix(together, alone->prefixes.rows[0].prefix)->keys_total,
				 kinds[i]);
		keyspace_free(alone);
	}
	assert_int_equal(together->prefixes.count, 8);
	keyspace_free(together);
}

/* Whether a name is temporary does not hang on them either: words stand in what many begin
 * with, behind it, or in neither, and separators of one's own are no ends of words. */
static void test_temporary_names(void **state)
{
	static const char *const formats[] = {
		"user:%d",	 "user:x:%d",	   "user:session:%d", "user:x:lock",
		"user:x:lock:",	 "user:x:lock:%d", "user:x:%d-otp",   "user:sessions:%d",
		"user:cache:%d", "userxotp:%d",	   "user@otp:%d:x",   "user:x.token@example.com:%d",
		"tmp",		 "tmp:",	   "%d:tmp",	      "user:x:%d:Temp",
	};
	static const char *const separators[] = { NULL, ":", "x" };

	(void)state;
	for (size_t s = 0; s < 3; s++) {
		struct keyspace_options options = { .separators = separators[s],
						    .temporary = key_temporary };
		struct keyspace *keyspace = keyspace_new(&options);
		unsigned int random = 1;
		int64_t wanted = 0;
		char name[64];

		keyspace->may_evict = s == 1;
		for (int i = 0; i < 4000; i++) {
			random = random * 1103515245 + 12345;
			snprintf(name, sizeof(name), formats[random >> 16 & 15], i);
			take(keyspace, name, "string", 100, RECORD_UNKNOWN, -1);
			wanted += key_temporary(&(struct bytes){ name, strlen(name) }, s == 1);
			assert_int_equal(keyspace->temporary_total, wanted);
		}
		assert_in_range(wanted, 1500, 2500);
		keyspace_free(keyspace);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_later),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_varying),
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_depth_and_odd_names),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_appends),
		cmocka_unit_test(test_prefix_bound),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_temporary_names),
	};

	return cmocka_run_group_tests_name("keyspace", tests, NULL, NULL);
}
