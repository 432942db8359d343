/* SPDX-License-Identifier: BSD-2-Clause */
/* The JSON report: it holds what DESIGN.md promises, and unknown stays unknown. */
#include "report_model.h"

static const struct report_style plain = { .columns = 100 };

/* The names DESIGN.md promises, by object. */
static const struct {
	const char *array; /* NULL: an object of its own name */
	const char *names;
} promised[] = {
	{ "target", "pid server version allocator port" },
	{ "window", "start duration_seconds" },
	{ "self", "cpu_ratio rss_bytes bpf_seconds other_bpf_seconds events_total drops_total "
		  "target_pause_seconds" },
	{ "sensors", "id state reason" },
	{ "ledger", "id parent bytes basis reclaim" },
	{ "timeline", "interval_seconds columns rows" },
	{ "commands", "command calls_total cpu_seconds alloc_bytes free_bytes minor_faults_total "
		      "cow_faults_total major_faults_total fault_seconds" },
	{ "prefixes", "prefix cpu_seconds alloc_bytes free_bytes major_faults_total" },
	{ "stalls", "start duration_seconds command key blame advice" },
	{ "findings", "id severity title evidence cause action weak" },
};

static void assert_names(const json_t *object, const char *where, const char *names)
{
	while (*names) {
		size_t len = strcspn(names, " ");
		char name[64];

		assert_true(len < sizeof(name));
		memcpy(name, names, len);
		name[len] = '\0';
		if (!json_object_get(object, name))
			fail_msg("%s has no %s", where, name);
		names += len + strspn(names + len, " ");
	}
}

static void test_json_promises(void **state)
{
	struct model *m = model_full(key_of("leaderboard:global"));
	json_t *root = json_of(m);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(root, "schema")), "redmem.doctor/1");
	for (size_t i = 0; i < sizeof(promised) / sizeof(promised[0]); i++) {
		const json_t *value = json_object_get(root, promised[i].array);
		const json_t *one;
		size_t n;

		if (json_is_object(value))
			assert_names(value, promised[i].array, promised[i].names);
		else
			assert_true(json_is_array(value));
		json_array_foreach(value, n, one)
			assert_names(one, promised[i].array, promised[i].names);
		/* Findings depend on the rules; everything else is in this model. */
		if (json_is_array(value) && strcmp(promised[i].array, "findings"))
			assert_true(json_array_size(value) > 0);
	}
	json_decref(root);
	model_free(m);
}

static void test_json_values(void **state)
{
	struct model *m = model_full(key_of("leaderboard:global"));
	json_t *root = json_of(m);
	const json_t *stall = row(root, "stalls", 0), *blame = json_object_get(stall, "blame");
	const json_t *self = json_object_get(root, "self");
	double sum = 0;
	size_t i;
	json_t *one;

	(void)state;
	assert_string_equal(json_string_value(json_object_get(stall, "start")),
			    "2026-01-01T00:00:01.500Z");
	json_array_foreach(blame, i, one)
		sum += json_number_value(json_object_get(one, "seconds"));
	assert_true(fabs(sum - 2) < 1e-9);
	one = json_array_get(blame, 0);
	assert_string_equal(json_string_value(json_object_get(one, "cause")), "allocator");
	assert_true(json_is_string(json_object_get(stall, "advice")));
	assert_true(fabs(json_number_value(json_object_get(self, "cpu_ratio")) - 0.005) < 1e-9);
	one = json_object_get(json_object_get(root, "timeline"), "interval_seconds");
	assert_true(json_number_value(one) == 1);
	assert_string_equal(json_string_value(json_object_get(row(root, "commands", 0), "command")),
			    "del");
	assert_null(json_object_get(row(root, "stalls", 0), "key_base64"));
	json_decref(root);
	model_free(m);
}

/* Every value of the object but those of @except is null. */
static void assert_null_values(const json_t *object, const char *except)
{
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)object, name, value) {
		if (!json_is_null(value) && !strstr(except, name))
			fail_msg("%s is not null", name);
	}
}

static void test_json_unknown(void **state)
{
	struct model *m = model_empty();
	json_t *root = json_of(m);

	(void)state;
	assert_true(json_is_null(json_object_get(json_object_get(root, "target"), "pid")));
	assert_true(json_is_null(json_object_get(json_object_get(root, "target"), "port")));
	assert_true(json_is_null(json_object_get(json_object_get(root, "window"), "start")));
	assert_null_values(json_object_get(root, "self"), "");
	assert_true(json_is_null(json_object_get(root, "totals")));
	assert_int_equal(json_array_size(json_object_get(root, "ledger")), 0);
	json_decref(root);
	model_free(m);
}

/* The tick without an answer has no used_memory, and it is not 0. */
static void test_json_unanswered_tick(void **state)
{
	struct model *m = model_full(key_of("k"));
	json_t *root = json_of(m);
	const json_t *timeline = json_object_get(root, "timeline");
	const json_t *rows = json_object_get(timeline, "rows"), *one;
	size_t width = json_array_size(json_object_get(timeline, "columns")), i;

	(void)state;
	assert_int_equal(json_array_size(rows), 5);
	json_array_foreach(rows, i, one) {
		assert_int_equal(json_array_size(one), width);
		assert_true(json_is_integer(json_array_get(one, 2)));
		if (i == 3)
			assert_true(json_is_null(json_array_get(one, 1)));
		else
			assert_int_equal(json_integer_value(json_array_get(one, 1)), 73400320);
	}
	json_decref(root);
	model_free(m);
}

/* A sensor that was off has counted nothing: null, and "-" in the text. */
static void test_sensor_off(void **state)
{
	struct model *m = model_new();
	struct buf text;
	json_t *root;

	(void)state;
	take_session(m);
	take_sensor(m, "cpu", true, "");
	take_sensor(m, "fault", false, "no software fault events");
	take_tick(m, 0, true);
	take_tick(m, 2, true);
	take_profile(m, EVENT_CPU, "get", key_of("user:17"), 0.5);
	model_finish(m);
	root = json_of(m);
	assert_true(json_is_real(json_object_get(row(root, "commands", 0), "cpu_seconds")));
	assert_null_values(
		row(root, "commands", 0),
		"command cpu_seconds cpu_samples_total allocator_seconds kernel_seconds");
	text = text_of(m, &plain);
	assert_has(&text, "no software fault events");
	assert_has(&text, "STALLS  not known");
	buf_free(&text);
	json_decref(root);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json_promises), cmocka_unit_test(test_json_values),
		cmocka_unit_test(test_json_unknown),  cmocka_unit_test(test_json_unanswered_tick),
		cmocka_unit_test(test_sensor_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
