/* SPDX-License-Identifier: BSD-2-Clause */
/* The report for people: its sections, its numbers, its width. */
#include "report_model.h"

static const struct report_style plain = { .columns = 100 };
static const struct report_style verbose = { .verbose = true, .columns = 100 };

static void test_sections_in_order(void **state)
{
	static const char *const brief[] = { "redis 7.0.15, pid 4242, port 6379",
					     "MEMORY",
					     "TIMELINE",
					     "COMMANDS",
					     "KEY PREFIXES",
					     "STALLS",
					     "FINDINGS",
					     "SENSORS",
					     "redmem used 0.5 %" };
	static const char *const more[] = { "THREADS", "CHILDREN", "KEYS",
					    "SLOWLOG", "MAPPINGS", "MOVES OF RSS" };
	struct model *m = model_full(key_of("leaderboard:global"));
	struct buf text = text_of(m, &plain), all = text_of(m, &verbose);
	const char *at = buf_str(&text);

	(void)state;
	for (size_t i = 0; i < sizeof(brief) / sizeof(brief[0]); i++) {
		at = strstr(at, brief[i]);
		if (!at)
			fail_msg("%s is missing or misplaced in:\n%s", brief[i], buf_str(&text));
		assert_has(&all, brief[i]);
	}
	for (size_t i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
		assert_has_not(&text, more[i]);
		assert_has(&all, more[i]);
	}
	assert_has(&text, "1 of 5 not known"); /* the tick without an answer */
	assert_has(&text, "lost 3 (ring_full=3)");
	assert_has(&text, "tracepoint sched:sched_process_fork is not there");
	buf_free(&text);
	buf_free(&all);
	model_free(m);
}

static void test_stalls_text(void **state)
{
	struct model *m = model_full(key_of("leaderboard:global"));
	struct buf text = text_of(m, &plain);

	(void)state;
	assert_has(&text, "DEL leaderboard:global");
	assert_has(&text, "75.0 % allocator, 15.0 % own computing, 10.0 % swap-in");
	assert_has_not(&text, "so far");
	buf_free(&text);
	model_free(m);
	m = model_new();
	take_session(m);
	take_sensors(m);
	take_stall(m, "del", key_of("leaderboard:global"), true);
	model_finish(m);
	text = text_of(m, &plain);
	assert_has(&text, "2.0 s so far");
	buf_free(&text);
	model_free(m);
}

/* The small lines are added up, so that what is printed still sums to rss. */
static void test_ledger_small_lines(void **state)
{
	struct ledger_line lines[] = {
		{ .id = "rss", .title = "rss", .bytes = 1000 << 20 },
		{ .id = "allocated",
		  .parent = "rss",
		  .title = "allocated",
		  .depth = 1,
		  .bytes = 1045 << 20 },
		{ .id = "slab_holes",
		  .parent = "rss",
		  .title = "holes",
		  .depth = 1,
		  .bytes = 50 << 20,
		  .basis = BASIS_DERIVED,
		  .reclaim = { { "defrag", 50 << 20 }, { "restart", 50 << 20 } },
		  .reclaim_count = 2 },
		{ .id = "swapped_out",
		  .parent = "rss",
		  .title = "swapped out",
		  .depth = 1,
		  .bytes = -(100 << 20),
		  .basis = BASIS_DERIVED },
		{ .id = "stacks",
		  .parent = "rss",
		  .title = "stacks",
		  .depth = 1,
		  .bytes = 2 << 20 },
		{ .id = "shared",
		  .parent = "rss",
		  .title = "shared",
		  .depth = 1,
		  .bytes = 3 << 20 },
		{ .id = "unexplained",
		  .parent = "rss",
		  .title = "unexplained",
		  .depth = 1,
		  .bytes = 0,
		  .basis = BASIS_DERIVED },
	};
	struct model *m = model_empty();
	struct ledger kept = m->ledger;
	struct buf text;

	(void)state;
	m->ledger = (struct ledger){ lines, sizeof(lines) / sizeof(lines[0]) };
	text = text_of(m, &plain);
	assert_has(&text, "2 smaller                        5.0 MiB    0.5 %");
	assert_has(&text, "~50.0 MiB    5.0 %");
	assert_has(&text, "defrag or restart 50.0 MiB");
	assert_has(&text, "~-100.0 MiB  -10.0 %\n"); /* a contra line has no bar */
	assert_has(&text, "unexplained");
	buf_free(&text);
	text = text_of(m, &verbose);
	assert_has_not(&text, "smaller");
	assert_has(&text, "stacks");
	buf_free(&text);
	m->ledger = kept;
	model_free(m);
}

static void test_findings_text(void **state)
{
	struct evidence evidence[] = {
		{ .name = (char *)"swap_bytes", .value = 3 << 20, .unit = "bytes" },
		{ .name = (char *)"fault_seconds", .value = NAN, .unit = "seconds" },
		{ .name = (char *)"thp", .text = (char *)"madvise", .unit = "" },
		{ .name = (char *)"faults",
		  .value = 18231,
		  .unit = "faults",
		  .basis = BASIS_SAMPLED },
	};
	struct action action = { .text = (char *)"Give it memory.",
				 .command = (char *)"redis-cli CONFIG SET maxmemory 1gb",
				 .expected_gain_bytes = 1 << 30 };
	struct finding finding = { .id = "swap.in_path",
				   .severity = SEVERITY_CRITICAL,
				   .title = (char *)"18,231 swap-ins",
				   .cause = (char *)"The cgroup is full.",
				   .evidence = evidence,
				   .evidence_count = 4,
				   .actions = &action,
				   .actions_count = 1,
				   .weak = true };
	struct findings f = { &finding, 1 };
	struct model *m = model_empty();
	struct buf text = { 0 }, json = { 0 };

	(void)state;
	report_doctor_text(&text, m, &f, &plain);
	assert_has(&text, "!! 18,231 swap-ins  swap.in_path");
	assert_has(&text, "swap_bytes 3.0 MiB, fault_seconds -, thp madvise, faults 18,231 faults "
			  "(sampled)");
	assert_has(&text, "(sampled); thin");
	assert_has(&text, "Expected gain: 1.0 GiB.");
	assert_has(&text, "$ redis-cli CONFIG SET maxmemory 1gb\n");
	report_doctor_json(&json, m, &f);
	assert_has(&json, "{\"name\":\"swap_bytes\",\"value\":3145728,\"unit\":\"bytes\","
			  "\"basis\":\"exact\"}");
	assert_has(&json, "{\"name\":\"fault_seconds\",\"value\":null,");
	assert_has(&json, "\"text\":\"madvise\"");
	assert_has(&json, "\"weak\":true");
	buf_free(&text);
	buf_free(&json);
	model_free(m);
}

static void test_colour(void **state)
{
	struct report_style colour = { .colour = true, .columns = 100 };
	struct model *m = model_full(key_of("k"));
	struct buf text = text_of(m, &plain);

	(void)state;
	assert_has_not(&text, "\033");
	buf_free(&text);
	text = text_of(m, &colour);
	assert_has(&text, "\033[1mMEMORY\033[0m");
	buf_free(&text);
	model_free(m);
}

static void test_width(void **state)
{
	static const int widths[] = { 92, 100, 120, 200 };
	struct model *m = model_full(key_of("leaderboard:global"));

	(void)state;
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		struct report_style style = { .columns = widths[i] };
		struct buf text = text_of(m, &style);

		assert_lines(&text, (size_t)widths[i]);
		buf_free(&text);
	}
	model_free(m);
}

/* A width of 0 or less, or absurdly small, is no reason to crash. */
static void test_no_width(void **state)
{
	static const int widths[] = { 0, -5, 1, 20 };
	struct model *m = model_full(key_of("k"));

	(void)state;
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		struct report_style style = { .columns = widths[i] };
		struct buf text = text_of(m, &style);

		assert_has(&text, "FINDINGS");
		buf_free(&text);
	}
	model_free(m);
}

static void test_empty_text(void **state)
{
	struct model *m = model_empty();
	struct buf text = text_of(m, &verbose);

	(void)state;
	assert_has(&text, "MEMORY  not known");
	assert_has(&text, "COMMANDS  not known");
	assert_has(&text, "STALLS  not known");
	assert_has(&text, "is not known.");
	assert_lines(&text, 100);
	buf_free(&text);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections_in_order),
		cmocka_unit_test(test_stalls_text),
		cmocka_unit_test(test_ledger_small_lines),
		cmocka_unit_test(test_findings_text),
		cmocka_unit_test(test_colour),
		cmocka_unit_test(test_width),
		cmocka_unit_test(test_no_width),
		cmocka_unit_test(test_empty_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
