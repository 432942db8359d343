/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages: what is data cannot be anything else, what is not is the same in each of them. */
#define _GNU_SOURCE 1 /* memmem() */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <gnutls/crypto.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/escape.h"
#include "record/record.h"
#include "report/html.h"

#define BLOCK	"<script type=\"application/json\" id=\"report\">"
#define LARGEST (400 << 10) /* of all that is not data */

static struct buf page_of(const char *document)
{
	struct buf text = { 0 }, page = { 0 };

	buf_puts(&text, document);
	html_page(&page, &text);
	buf_free(&text);
	return page;
}

/* What is between @open and @close, the first behind it. */
static struct bytes between(const struct buf *page, const char *open, const char *close)
{
	const char *from = strstr(buf_str(page), open), *to;

	assert_non_null(from);
	from += strlen(open);
	to = strstr(from, close);
	assert_non_null(to);
	return (struct bytes){ from, (size_t)(to - from) };
}

static struct bytes data_of(const struct buf *page)
{
	return between(page, BLOCK, "</script>");
}

/* --- the data ---------------------------------------------------------------- */

static void test_escapes(void **state)
{
	static const struct {
		const char *text, *data;
	} rows[] = {
		{ "{}", "{}" },
		{ "{\"a\":\"</script>\"}", "{\"a\":\"\\u003c/script>\"}" },
		{ "{\"a\":\"<!--<script\"}", "{\"a\":\"\\u003c!--\\u003cscript\"}" },
		{ "\"\xe2\x80\xa8\xe2\x80\xa9\"", "\"\\u2028\\u2029\"" },
		/* neighbours of those, and what only begins as they do */
		{ "\"\xe2\x80\xa7\xe2\x80\xaa\xe2\x81\xa8\"",
		  "\"\xe2\x80\xa7\xe2\x80\xaa\xe2\x81\xa8\"" },
		{ "\"\xe2\x80<\"", "\"\xe2\x80\\u003c\"" },
		{ "\xe2\x80", "\xe2\x80" },
		{ "\"\\u003c\\\\<&amp;]]>\"", "\"\\u003c\\\\\\u003c&amp;]]>\"" },
		{ "\"@REPORT@ @SCRIPT@ @STYLE@ @POLICY@\"",
		  "\"@REPORT@ @SCRIPT@ @STYLE@ @POLICY@\"" },
		{ "<", "\\u003c" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf page = page_of(rows[i].text);
		struct bytes data = data_of(&page);

		if (data.len != strlen(rows[i].data) ||
		    memcmp(data.data, rows[i].data, data.len) != 0)
			fail_msg("%s: %.*s", rows[i].text, (int)data.len, data.data);
		buf_free(&page);
	}
}

/* A parser of JSON reads out of it what was put in. */
static void test_same_document(void **state)
{
	static const char text[] =
		"<\xe2\x80\xa8</script>\xe2\x80\xa9<!-- \\ \" & \xf0\x9f\x98\x80";
	json_t *document = json_pack("{s:s}", text, text), *back;
	char *written = json_dumps(document, JSON_COMPACT);
	struct buf page = page_of(written);
	struct bytes data = data_of(&page);

	(void)state;
	assert_null(memchr(data.data, '<', data.len));
	back = json_loadb(data.data, data.len, 0, NULL);
	assert_true(json_equal(back, document));
	json_decref(back);
	json_decref(document);
	free(written);
	buf_free(&page);
}

/* --- the rest ---------------------------------------------------------------- */

static void assert_same_around(const struct buf *a, const struct buf *b)
{
	struct bytes in_a = data_of(a), in_b = data_of(b);
	size_t before = (size_t)(in_a.data - buf_str(a)), rest = a->len - before - in_a.len;

	assert_int_equal(before, in_b.data - buf_str(b));
	assert_memory_equal(buf_str(a), buf_str(b), before);
	assert_int_equal(rest, b->len - before - in_b.len);
	assert_memory_equal(in_a.data + in_a.len, in_b.data + in_b.len, rest);
	assert_true(before + rest <= LARGEST);
}

static void test_nothing_else_differs(void **state)
{
	struct buf one = page_of("{}"), other = page_of("{\"a\":\"</script><style>@STYLE@\"}");

	(void)state;
	assert_same_around(&one, &other);
	buf_free(&one);
	buf_free(&other);
}

static void assert_hash(const struct buf *policy, const char *directive, struct bytes of)
{
	unsigned char hash[32];
	struct buf wanted = { 0 };

	assert_int_equal(gnutls_hash_fast(GNUTLS_DIG_SHA256, of.data, of.len, hash), 0);
	buf_printf(&wanted, "; %s 'sha256-", directive);
	base64_encode(&wanted, hash, sizeof(hash));
	buf_putc(&wanted, '\'');
	if (!strstr(buf_str(policy), buf_str(&wanted)))
		fail_msg("%s: no %s", buf_str(policy), buf_str(&wanted));
	buf_free(&wanted);
}

/* What a browser hashes is what the page has, and runs only that. */
static void test_policy(void **state)
{
	struct buf page = page_of("{}"), policy = { 0 };
	struct bytes said = between(&page, "Content-Security-Policy\" content=\"", "\"");

	(void)state;
	html_policy(&policy, false);
	assert_int_equal(policy.len, said.len);
	assert_memory_equal(buf_str(&policy), said.data, said.len);
	assert_hash(&policy, "style-src", between(&page, "<style>", "</style>"));
	assert_hash(&policy, "script-src", between(&page, "<script>", "</script>"));
	assert_null(strstr(buf_str(&policy), "connect-src"));
	assert_null(strstr(buf_str(&policy), "unsafe"));
	buf_free(&policy);
	buf_free(&page);
}

static void test_live(void **state)
{
	struct buf page = { 0 };
	struct bytes data, said;

	(void)state;
	html_live(&page);
	data = data_of(&page);
	assert_int_equal(data.len, 4);
	assert_memory_equal(data.data, "null", 4);
	said = between(&page, "Content-Security-Policy\" content=\"", "\"");
	assert_non_null(memmem(said.data, said.len, "; connect-src 'self'", 20));
	buf_free(&page);
}

/* A script that has one of these would end its own element. */
static void test_script_stays_inside(void **state)
{
	static const char *const ends[] = { "<script", "<!--", "sourceMappingURL" };
	struct buf page = page_of("{}");
	struct bytes script = between(&page, "<script>", "</script>");

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		assert_null(memmem(script.data, script.len, ends[i], strlen(ends[i])));
	/* What follows the first </script> is the end of the page. */
	assert_null(strstr(script.data + script.len + 1, "</script"));
	assert_non_null(memmem(script.data, script.len, "Dygraph", 7));
	buf_free(&page);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escapes),
		cmocka_unit_test(test_same_document),
		cmocka_unit_test(test_nothing_else_differs),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_script_stays_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
