/* SPDX-License-Identifier: BSD-2-Clause */
/* Accounts: prefixes are kept once and no longer than somebody uses them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/account.h"

static struct bytes key_of(const char *text)
{
	return (struct bytes){ text, strlen(text) };
}

static void test_prefixes(void **state)
{
	struct prefixes prefixes = { 0 };
	struct prefix *one = prefix_hold(&prefixes, key_of("user:1"));
	struct prefix *two = prefix_hold(&prefixes, key_of("user:22"));
	struct prefix *other = prefix_hold(&prefixes, key_of("list"));

	(void)state;
	assert_ptr_equal(one, two);
	assert_string_equal(one->text, "user:*");
	assert_true(prefix_compare(other, one) < 0);
	assert_true(prefix_compare(NULL, one) < 0);
	assert_int_equal(prefix_compare(one, two), 0);
	assert_null(prefix_hold(&prefixes, key_of("")));
	prefix_drop(&prefixes, one);
	assert_int_equal(HASH_COUNT(prefixes.by_text), 2); /* it is held once more */
	prefix_drop(&prefixes, two);
	prefix_drop(&prefixes, other);
	prefix_drop(&prefixes, NULL);
	assert_int_equal(HASH_COUNT(prefixes.by_text), 0);
}

static void test_accounts(void **state)
{
	struct prefixes prefixes = { 0 };
	struct accounts accounts = { .prefixes = &prefixes, .limit = 3 };
	struct prefix *prefix = prefix_hold(&prefixes, key_of("user:1"));
	struct account *account;

	(void)state;
	account = account_get(&accounts, (struct account_key){ .name = "set", .prefix = prefix });
	account->objects = 7;
	prefix_drop(&prefixes, prefix);
	assert_int_equal(HASH_COUNT(prefixes.by_text), 1); /* the account uses it */
	assert_ptr_equal(account_get(&accounts, account->of), account);
	assert_non_null(account_get(&accounts, (struct account_key){ .name = "set" }));
	assert_non_null(account_get(&accounts, (struct account_key){ .class_bytes = 16 }));
	assert_null(account_get(&accounts, (struct account_key){ .class_bytes = 32 }));
	assert_ptr_equal(account_get(&accounts, account->of), account);
	account_remove(&accounts, account);
	assert_int_equal(HASH_COUNT(prefixes.by_text), 0);
	assert_non_null(account_get(&accounts, (struct account_key){ .class_bytes = 32 }));
	accounts_clear(&accounts);
	assert_int_equal(HASH_COUNT(accounts.rows), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_accounts),
	};

	return cmocka_run_group_tests_name("account", tests, NULL, NULL);
}
