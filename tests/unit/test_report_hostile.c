/* SPDX-License-Identifier: BSD-2-Clause */
/* No byte of a server can harm a terminal or a JSON reader. */
#include "report_model.h"

#define BIG_KEY (64u << 10)

static const struct report_style plain = { .columns = 100 };
static const struct report_style verbose = { .verbose = true, .columns = 100 };

static void assert_hostile(struct bytes key)
{
	struct model *m = model_full(key);
	json_t *root = json_of(m);
	const json_t *base64 = json_object_get(row(root, "stalls", 0), "key_base64");
	struct buf bytes = { 0 }, escaped = { 0 }, text;

	if (utf8_is_plain(key.data, key.len) && !memchr(key.data, '"', key.len) &&
	    !memchr(key.data, '\\', key.len)) {
		assert_null(base64);
	} else {
		assert_int_equal(base64_decode(&bytes, json_string_value(base64)), 0);
		assert_int_equal(bytes.len, key.len);
		assert_memory_equal(bytes.data, key.data, key.len);
	}
	escape_redis(&escaped, key.data, key.len);
	assert_string_equal(json_string_value(json_object_get(row(root, "stalls", 0), "key")),
			    buf_str(&escaped));
	text = text_of(m, &plain);
	assert_lines(&text, 100);
	buf_free(&text);
	text = text_of(m, &verbose);
	assert_lines(&text, 200);
	buf_free(&text);
	buf_free(&bytes);
	buf_free(&escaped);
	json_decref(root);
	model_free(m);
}

static void test_hostile_keys(void **state)
{
	static const struct bytes keys[] = {
		{ "\033[2J\033]0;owned\007", 14 }, /* clears the screen, sets the title */
		{ "\xff\xfe\x80\xc0", 4 }, /* not UTF-8 */
		{ "a\0b", 3 }, /* NUL inside */
		{ "\xc2\x9b"
		  "31m",
		  5 }, /* C1 control: an escape in one character */
		{ "\xe2\x80\xae"
		  "abc",
		  6 }, /* reads backwards from here */
		{ "line\nSTALLS  none seen\r", 23 }, /* forges a section */
		{ "\"},{\"key\":\"", 11 }, /* closes a JSON string */
		{ "caf\xc3\xa9:\xe6\x97\xa5", 9 }, /* plain UTF-8 */
		{ "%s%n%s", 6 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_hostile(keys[i]);
}

static void test_big_key(void **state)
{
	char *key = malloc(BIG_KEY);

	(void)state;
	assert_non_null(key);
	memset(key, 'k', BIG_KEY);
	assert_hostile((struct bytes){ key, BIG_KEY });
	memset(key, '\x1b', BIG_KEY);
	assert_hostile((struct bytes){ key, BIG_KEY });
	free(key);
}

/* Names come from the server too: a module may call its command anything. */
static void test_hostile_names(void **state)
{
	static const char nasty[] = "\033[31mred\xff";
	struct model *m = model_new();
	struct buf text;

	(void)state;
	take(m, (struct record){ .kind = RECORD_TARGET,
				 .target = { .pid = 1,
					     .server = nasty,
					     .version = nasty,
					     .executable = nasty,
					     .allocator = nasty,
					     .port = RECORD_UNKNOWN,
					     .socket = nasty,
					     .role = nasty,
					     .connect_reason = nasty } });
	take_sensor(m, "cpu", true, nasty);
	take_profile(m, EVENT_CPU, nasty, key_of("k"), 0.5);
	take_stall(m, nasty, key_of("k"), true);
	model_finish(m);
	json_decref(json_of(m));
	text = text_of(m, &verbose);
	assert_lines(&text, 0);
	buf_free(&text);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hostile_keys),
		cmocka_unit_test(test_big_key),
		cmocka_unit_test(test_hostile_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
