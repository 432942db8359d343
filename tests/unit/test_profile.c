/* SPDX-License-Identifier: BSD-2-Clause */
/* Events are charged to the right command, prefix and thread, each once. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "model/account.h"
#include "model_records.h"

static bool near(double a, double b)
{
	return fabs(a - b) < 1e-9;
}

static void take_cpu(struct model *m, const char *thread, const char *command,
		     enum redmem_module leaf, double seconds)
{
	struct record record = record_new(RECORD_PROFILE);

	record.profile.event = EVENT_CPU;
	record.profile.thread = thread;
	record.profile.command = command;
	record.profile.leaf = leaf;
	record.profile.samples = 1;
	record.profile.events = 1;
	record.profile.seconds = seconds;
	model_take(m, &record);
}

static void test_cpu(void **state)
{
	struct model *m = model_new();
	const struct command_row *row;

	(void)state;
	take_cpu(m, "", "set", MODULE_ALLOCATOR, 0.25);
	take_cpu(m, "", "set", MODULE_KERNEL, 0.5);
	take_cpu(m, "", "set", MODULE_SERVER, 1.0);
	take_cpu(m, "", "get", MODULE_LIBC, 3.0);
	take_cpu(m, "", "", MODULE_SERVER, 0.125);
	take_cpu(m, "bio_lazy_free", "", MODULE_ALLOCATOR, 9.0);
	model_finish(m);
	assert_int_equal(m->commands_count, 3); /* no row for the other thread's work */
	assert_string_equal(m->commands[0].command, "get");
	row = command_named(m, "set");
	assert_int_equal(row->charge.cpu_samples, 3);
	assert_true(near(row->charge.cpu_seconds, 1.75));
	assert_true(near(row->charge.allocator_seconds, 0.25));
	assert_true(near(row->charge.kernel_seconds, 0.5));
	assert_true(row->calls_total == RECORD_UNKNOWN);
	assert_true(isnan(row->usec_total));
	assert_true(near(command_named(m, "")->charge.cpu_seconds, 0.125));
	assert_int_equal(m->threads_count, 2);
	assert_string_equal(m->threads[0].thread, "bio_lazy_free");
	assert_string_equal(m->threads[1].thread, "main");
	assert_true(near(m->threads[1].charge.cpu_seconds, 4.875));
	model_free(m);
}

static void test_faults(void **state)
{
	struct model *m = model_new();
	const struct charge *c;

	(void)state;
	take_profile(m, EVENT_FAULT_MINOR, "set", NULL, 1000, 0.5);
	take_profile(m, EVENT_FAULT_COW, "set", NULL, 100, 0.25);
	take_profile(m, EVENT_FAULT_SWAP, "set", NULL, 7, 2.0);
	take_profile(m, EVENT_FAULT_FILE, "set", NULL, 3, 1.0);
	take_profile(m, EVENT_CPU_WAIT, "set", NULL, 1, 0.1);
	take_profile(m, EVENT_IO_WAIT, "set", NULL, 1, 0.2);
	take_profile(m, EVENT_RECLAIM, "set", NULL, 1, 0.3);
	take_profile(m, EVENT_COMPACTION, "set", NULL, 1, 0.4);
	take_profile(m, EVENT_SLEEP, "set", NULL, 1, 100);
	model_finish(m);
	c = &command_named(m, "set")->charge;
	assert_true(near(c->minor_faults, 1100));
	assert_true(near(c->cow_faults, 100));
	assert_int_equal(c->major_faults, 10);
	assert_int_equal(c->swap_faults, 7);
	assert_true(near(c->fault_seconds, 3.75));
	assert_true(near(c->swap_fault_seconds, 2.0));
	assert_true(near(c->cpu_wait_seconds, 0.1));
	assert_true(near(c->io_wait_seconds, 0.2));
	assert_true(near(c->reclaim_seconds, 0.7));
	assert_true(c->cpu_seconds == 0);
	model_free(m);
}

/* A time nobody measured is not 0; one that was measured is not lost for it. */
static void test_unknown_seconds(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_profile(m, EVENT_FAULT_MINOR, "a", NULL, 10, NAN);
	take_profile(m, EVENT_FAULT_MINOR, "b", NULL, 10, NAN);
	take_profile(m, EVENT_FAULT_MINOR, "b", NULL, 10, 0.5);
	take_profile(m, EVENT_FAULT_MINOR, "b", NULL, 10, NAN);
	take_profile(m, EVENT_CPU, "c", NULL, 1, 1.0);
	model_finish(m);
	assert_true(isnan(command_named(m, "a")->charge.fault_seconds));
	/* Nor is it known which were copies (arm64 has no tracepoint where faults begin). */
	assert_true(isnan(command_named(m, "a")->charge.cow_faults));
	assert_true(near(command_named(m, "a")->charge.minor_faults, 10));
	assert_true(command_named(m, "b")->charge.cow_faults == 0);
	assert_true(near(command_named(m, "b")->charge.fault_seconds, 0.5));
	assert_true(command_named(m, "c")->charge.fault_seconds == 0);
	assert_string_equal(m->commands[0].command, "c");
	model_free(m);
}

static void test_sensors_off(void **state)
{
	struct model *m = model_new();
	const struct charge *c;

	(void)state;
	take_sensor(m, "cpu", true);
	take_sensor(m, "fault", false);
	take_profile(m, EVENT_CPU, "set", "k:1", 1, 1.0);
	model_finish(m);
	c = &command_named(m, "set")->charge;
	assert_true(near(c->cpu_seconds, 1.0));
	assert_true(isnan(c->minor_faults));
	assert_true(c->major_faults == RECORD_UNKNOWN);
	assert_true(isnan(m->prefixes[0].charge.fault_seconds));
	assert_true(isnan(m->threads[0].charge.cow_faults));
	model_free(m);
}

/* Without attribution a command with calls and no samples has an unknown cost. */
static void test_attribution_off(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_sensor(m, "attribution", false);
	take_info(m, 0, "start", "cmdstat_get:calls=1,usec=1\r\n");
	take_info(m, 9, "end", "cmdstat_get:calls=5,usec=9\r\n");
	take_profile(m, EVENT_CPU, "", NULL, 1, 1.0);
	model_finish(m);
	assert_int_equal(command_named(m, "get")->calls_total, 4);
	assert_true(isnan(command_named(m, "get")->charge.cpu_seconds));
	assert_true(near(command_named(m, "")->charge.cpu_seconds, 1.0));
	model_free(m);
}

static void test_prefixes(void **state)
{
	struct model *m = model_new();
	const struct prefix_row *row;

	(void)state;
	take_profile(m, EVENT_CPU, "get", "user:1", 1, 1.0);
	take_profile(m, EVENT_CPU, "set", "user:2", 1, 0.75);
	take_profile(m, EVENT_FAULT_SWAP, "set", "user:3", 5, 0.5);
	take_profile(m, EVENT_CPU, "lrange", "list", 1, 9.0);
	take_profile(m, EVENT_CPU, "ping", NULL, 1, 9.0);
	model_finish(m);
	assert_int_equal(m->prefixes_count, 2);
	assert_string_equal(m->prefixes[0].prefix, "list");
	row = prefix_named(m, "user:*");
	assert_true(near(row->charge.cpu_seconds, 1.75));
	assert_int_equal(row->charge.swap_faults, 5);
	assert_string_equal(row->example, "user:1");
	assert_int_equal(row->example_len, 6);
	assert_string_equal(row->top_command, "set");
	model_free(m);
}

/* Names without end do not take memory without end, and no second is lost. */
static void test_many_prefixes(void **state)
{
	struct model *m = model_new();
	const struct prefix_row *other;
	double seconds = 0;
	char key[32];

	(void)state;
	for (int i = 0; i < 45000; i++) {
		/* Letters only, so that nothing folds. */
		for (int j = 0, n = i; j < 8; j++, n /= 8)
			key[j] = (char)('p' + n % 8);
		key[8] = '\0';
		take_profile(m, EVENT_CPU, "get", key, 1, i == 44999 ? 100.0 : 0.001);
	}
	model_finish(m);
	assert_int_equal(m->prefixes_count, 10001);
	assert_true(near(m->prefixes[0].charge.cpu_seconds, 100.0));
	other = &m->prefixes[10000];
	assert_string_equal(other->prefix, "(other)");
	assert_int_equal(other->charge.cpu_samples, 35000);
	for (size_t i = 0; i < m->prefixes_count; i++)
		seconds += m->prefixes[i].charge.cpu_seconds;
	assert_true(fabs(seconds - 144.999) < 1e-6);
	seconds = 0;
	for (size_t i = 0; i < m->profile_count; i++)
		seconds += m->profile[i].charge.cpu_seconds;
	assert_int_equal(m->profile_count, 10001);
	assert_true(m->profile[10000].other);
	assert_int_equal(m->profile[10000].charge.cpu_samples, 35000);
	assert_true(fabs(seconds - 144.999) < 1e-6);
	model_free(m);
}

static void take_leaf(struct model *m, const char *thread, const char *key, const char *symbol)
{
	struct record record = record_new(RECORD_PROFILE);

	record.profile.event = EVENT_CPU;
	record.profile.thread = thread;
	record.profile.command = "get";
	record.profile.key = (struct bytes){ key, strlen(key) };
	record.profile.symbol = symbol;
	record.profile.samples = 1;
	record.profile.events = 1;
	record.profile.seconds = 1;
	model_take(m, &record);
}

/* What is known of who it was tells rows apart, and all of them are what the threads have. */
static void test_rows(void **state)
{
	struct model *m = model_new();
	double threads = 0, rows = 0;

	(void)state;
	take_leaf(m, "", "user:1", "dictFind");
	take_leaf(m, "", "user:2", "dictFind");
	take_leaf(m, "", "user:3", "");
	take_leaf(m, "", "", "dictFind");
	take_leaf(m, "io_thd_1", "user:4", "dictFind");
	model_finish(m);
	assert_int_equal(m->profile_count, 4);
	assert_string_equal(m->profile[0].prefix, "user:*");
	assert_string_equal(m->profile[0].functions, "dictFind");
	assert_string_equal(m->profile[0].thread, "main");
	assert_int_equal(m->profile[0].charge.cpu_samples, 2);
	for (size_t i = 0; i < m->threads_count; i++)
		threads += m->threads[i].charge.cpu_seconds;
	for (size_t i = 0; i < m->profile_count; i++)
		rows += m->profile[i].charge.cpu_seconds;
	assert_true(near(threads, 5) && near(rows, 5));
	model_free(m);
}

/* A stack tells rows apart, and stands for the leaf where it is known. */
static void test_stacks(void **state)
{
	struct record record = record_new(RECORD_PROFILE);
	struct model *m = model_new();

	(void)state;
	take_leaf(m, "", "user:1", "dictFind");
	record.profile.event = EVENT_ALLOC;
	record.profile.command = "get";
	record.profile.key = (struct bytes){ "user:1", 6 };
	record.profile.samples = 1;
	record.profile.events = 65536;
	record.profile.stack = "zmalloc;getCommand;main";
	model_take(m, &record);
	record.profile.key = (struct bytes){ "user:2", 6 };
	model_take(m, &record);
	record.profile.stack = "zmalloc;call;main";
	model_take(m, &record);
	model_finish(m);
	assert_int_equal(m->profile_count, 3);
	for (size_t i = 0; i < m->profile_count; i++) {
		const struct profile_row *row = &m->profile[i];
		bool two = !strcmp(row->functions, "zmalloc;getCommand;main");

		assert_true(two || !strcmp(row->functions, "dictFind") ||
			    !strcmp(row->functions, "zmalloc;call;main"));
		assert_true(!two || near(row->charge.alloc_bytes, 131072));
	}
	model_free(m);
}

/* More commands of more prefixes than there are rows: each prefix still has a name for who was
 * most at it, be it none. */
static void test_rows_bounded(void **state)
{
	struct model *m = model_new();
	double seconds = 0;
	char command[16], key[16];

	(void)state;
	for (int i = 0; i < 50000; i++) {
		snprintf(command, sizeof(command), "command%d", i % 10);
		for (int j = 0, n = i / 10; j < 8; j++, n /= 8)
			key[j] = (char)('p' + n % 8);
		key[8] = '\0';
		take_profile(m, EVENT_CPU, command, key, 1, 1);
	}
	model_finish(m);
	assert_int_equal(m->prefixes_count, 5000);
	for (size_t i = 0; i < m->prefixes_count; i++)
		assert_non_null(m->prefixes[i].top_command);
	assert_int_equal(m->profile_count, 40010);
	for (size_t i = 0; i < m->profile_count; i++)
		seconds += m->profile[i].charge.cpu_seconds;
	assert_true(near(seconds, 50000));
	model_free(m);
}

/* Where there are very many functions they go, and their seconds stay with command and prefix. */
static void test_functions_bounded(void **state)
{
	struct model *m = model_new();
	double seconds = 0, bare = 0;
	char symbol[32];

	(void)state;
	for (int i = 0; i < 60000; i++) {
		snprintf(symbol, sizeof(symbol), "function%d", i);
		take_leaf(m, "", "user:1", symbol);
	}
	take_leaf(m, "", "session:1", "late");
	model_finish(m);
	assert_int_equal(m->profile_count, 20002);
	for (size_t i = 0; i < m->profile_count; i++) {
		seconds += m->profile[i].charge.cpu_seconds;
		if (!*m->profile[i].functions)
			bare += m->profile[i].charge.cpu_seconds;
	}
	assert_true(near(seconds, 60001));
	assert_true(near(bare, 40001));
	for (size_t i = 0; i < m->prefixes_count; i++)
		assert_string_equal(m->prefixes[i].top_command, "get");
	model_free(m);
}

/* Numbers of a damaged recording: nothing overflows, nothing goes back. */
static void test_hostile_numbers(void **state)
{
	static const int64_t samples[] = { INT64_MAX, INT64_MAX, RECORD_UNKNOWN, -5 };
	struct model *m = model_new();

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct record record = record_new(RECORD_PROFILE);

		record.profile.event = EVENT_FAULT_SWAP;
		record.profile.command = "get";
		record.profile.samples = samples[i];
		record.profile.events = i ? NAN : -1e308;
		record.profile.seconds = -1e308;
		model_take(m, &record);
	}
	model_finish(m);
	assert_true(m->commands[0].charge.swap_faults == INT64_MAX);
	assert_true(m->commands[0].charge.fault_seconds == 0);
	model_free(m);
}

/* --- account ------------------------------------------------------------------------------ */

/* Accounts: prefixes are kept once and no longer than somebody uses them. */

static struct bytes key_of(const char *text)
{
	return (struct bytes){ text, strlen(text) };
}

static void test_account_prefixes(void **state)
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
		cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_unknown_seconds),
		cmocka_unit_test(test_sensors_off),
		cmocka_unit_test(test_attribution_off),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_many_prefixes),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_stacks),
		cmocka_unit_test(test_rows_bounded),
		cmocka_unit_test(test_functions_bounded),
		cmocka_unit_test(test_hostile_numbers),
		cmocka_unit_test(test_account_prefixes),
		cmocka_unit_test(test_accounts),
	};

	return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
