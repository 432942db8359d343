/* SPDX-License-Identifier: BSD-2-Clause */
/* Patterns as SCAN MATCH takes them (base/glob.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/glob.h"

static void test_glob(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} rows[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "*", "", true },
		{ "*", "abc", true },
		{ "a*c", "abbbc", true },
		{ "a*c", "abbbd", false },
		{ "a*b*c", "aXbYc", true },
		{ "a*b*c", "aXcYb", false },
		{ "user:*:name", "user:1:2:name", true },
		{ "user:*:name", "user:1", false },
		{ "h?llo", "hello", true },
		{ "h?llo", "hllo", false },
		{ "h[ae]llo", "hallo", true },
		{ "h[^e]llo", "hello", false },
		{ "h[^e]llo", "hallo", true },
		{ "h[a-c]llo", "hbllo", true },
		{ "h[c-a]llo", "hbllo", true },
		{ "h[a-c]llo", "hdllo", false },
		{ "a\\*c", "a*c", true },
		{ "a\\*c", "abc", false },
		{ "[\\]]", "]", true },
		{ "abc\\", "abc\\", true },
		{ "[abc", "a", true },
		{ "[", "a", false },
		{ "a", "", false },
		{ "a**", "a", true },
	};
	/* would take years with a recursion for each star */
	const char *stars = "a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b";
	char *text = malloc(4096);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (glob_fits(rows[i].pattern, strlen(rows[i].pattern), rows[i].text,
			      strlen(rows[i].text)) != rows[i].matches)
			fail_msg("'%s' and '%s'", rows[i].pattern, rows[i].text);
	memset(text, 'a', 4096);
	assert_false(glob_fits(stars, strlen(stars), text, 4096));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_glob) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
