/* SPDX-License-Identifier: BSD-2-Clause */
/* Which CPUs servers and the load of a lab get, and what is said where they are too few. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lab/cpus.h"

static const int all[] = { 2, 3, 8, 9, 10 };

/* What is said of servers that want @wanted of the first @count CPUs. */
static struct lab_cpus choose(size_t count, size_t wanted, const char *says)
{
	struct lab_cpus cpus;
	struct buf note = { 0 };

	lab_cpus_choose(&cpus, all, count, wanted);
	lab_cpus_note(&note, &cpus, wanted);
	assert_int_equal(!note.len, !*says);
	assert_non_null(strstr(buf_str(&note), says));
	buf_free(&note);
	return cpus;
}

static void test_one_thread(void **state)
{
	struct lab_cpus cpus = choose(5, 1, "");

	(void)state;
	assert_int_equal(cpus.servers, 1);
	assert_int_equal(cpus.server[0], 2);
	assert_int_equal(cpus.load, 3);
	cpus = choose(1, 1, "this machine has one CPU");
	assert_int_equal(cpus.servers, 0);
	assert_int_equal(cpus.load, -1);
}

/* Pinned to one CPU, threads that wait for each other in loops would show that they are bad. */
static void test_threads(void **state)
{
	struct lab_cpus cpus = choose(5, 3, "servers have 3 CPUs");

	(void)state;
	assert_int_equal(cpus.servers, 3);
	assert_int_equal(cpus.server[2], 8);
	assert_int_equal(cpus.load, 9);
	cpus = choose(2, 4, "4 io-threads want as many CPUs, and servers have 1 here");
	assert_int_equal(cpus.servers, 1);
	assert_int_equal(cpus.load, 3);
}

/* The most that a side or the scenario sets. */
static void test_wanted(void **state)
{
	struct lab_config_line lines[] = { { .name = "hz", .value = "50" },
					   { .name = "io-threads", .value = "2" } };
	struct lab_setting setting = { .name = "IO-Threads", .value = "4" };
	struct lab_about_side about[LAB_SIDES] = { 0 };
	struct lab_side side[LAB_SIDES] = { { .about = &about[0] }, { .about = &about[1] } };
	struct lab_scenario scenario = { .settings = lines, .settings_count = 1 };

	(void)state;
	assert_int_equal(lab_cpus_wanted(side, &scenario), 1);
	scenario.settings_count = 2;
	assert_int_equal(lab_cpus_wanted(side, &scenario), 2);
	about[LAB_B].settings = (struct lab_settings){ .rows = &setting, .count = 1 };
	assert_int_equal(lab_cpus_wanted(side, &scenario), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_thread),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_wanted),
	};

	return cmocka_run_group_tests_name("lab_cpus", tests, NULL, NULL);
}
