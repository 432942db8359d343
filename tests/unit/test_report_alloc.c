/* SPDX-License-Identifier: BSD-2-Clause */
/* The report of `redmem alloc`: what DESIGN.md promises, unknown as null and "-". */
#include "report_model.h"

#include "record/schema.h"

static void take_bytes(struct model *m, enum redmem_event event, const char *command,
		       const char *key, double bytes)
{
	struct record record;

	record_clear(&record, RECORD_PROFILE);
	record.profile.event = event;
	record.profile.command = command;
	record.profile.key = (struct bytes){ key, strlen(key) };
	record.profile.samples = 10;
	record.profile.events = bytes;
	record.profile.t_seconds = 1;
	model_take(m, &record);
}

static void take_call(struct model *m, const char *command, int64_t requested, double seconds)
{
	struct record record;

	record_clear(&record, RECORD_CALL);
	record.call.function = CALL_MALLOC;
	record.call.command = command;
	record.call.requested_bytes = requested;
	record.call.class_bytes = 128;
	record.call.ns = (int64_t)(seconds * 1e9 + 0.5);
	model_take(m, &record);
}

static struct model *model_alloc(bool on)
{
	struct model *m = model_new();

	take_sensor(m, "flow", on, "");
	if (on) {
		take_bytes(m, EVENT_ALLOC, "set", "grow:\x1b[31m1", 3 << 20);
		take_bytes(m, EVENT_FREE, "del", "other:1", 1 << 20);
		take_call(m, "set", 100, 150e-9);
	}
	model_finish(m);
	return m;
}

static json_t *alloc_json(const struct model *m)
{
	struct buf out = { 0 };
	json_error_t why;
	json_t *root;

	report_alloc_json(&out, m);
	root = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		fail_msg("line %d: %s", why.line, why.text);
	buf_free(&out);
	return root;
}

static void test_json(void **state)
{
	static const char *const names[] = { "schema",	 "target",  "window",	    "self",
					     "commands", "threads", "prefixes",	    "growth",
					     "peak",	 "cost",    "size_classes", "totals" };
	struct model *m = model_alloc(true);
	json_t *root = alloc_json(m);
	const json_t *set = json_array_get(json_object_get(root, "commands"), 0), *latency;

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_non_null(json_object_get(root, names[i]));
	assert_string_equal(json_string_value(json_object_get(root, "schema")), "redmem.alloc/1");
	assert_string_equal(json_string_value(json_object_get(set, "command")), "set");
	assert_int_equal(json_integer_value(json_object_get(set, "alloc_bytes")), 3 << 20);
	assert_int_equal(json_integer_value(json_object_get(set, "free_bytes")), 0);
	/* calls are not known without INFO */
	assert_true(json_is_null(json_object_get(set, "alloc_bytes_per_call")));
	latency = json_object_get(set, "latency");
	assert_int_equal(json_integer_value(json_object_get(latency, "calls_total")), 1);
	assert_true(json_is_real(json_object_get(latency, "p50_seconds")));
	assert_true(json_is_null(json_object_get(latency, "share_of_command_ratio")));
	json_decref(root);
	model_free(m);
}

static void test_json_off(void **state)
{
	struct model *m = model_alloc(false);
	json_t *root = alloc_json(m), *totals = json_object_get(root, "totals");

	(void)state;
	assert_true(json_is_null(json_object_get(totals, "alloc_bytes")));
	assert_true(json_is_null(json_object_get(root, "peak")));
	assert_int_equal(json_array_size(json_object_get(root, "commands")), 0);
	assert_true(json_is_null(json_object_get(json_object_get(root, "cost"), "spent_ratio")));
	json_decref(root);
	model_free(m);
}

static void test_text(void **state)
{
	static const struct report_style style = { .columns = 100 };
	struct model *m = model_alloc(true);
	struct buf out = { 0 };

	(void)state;
	report_alloc_text(&out, m, &style);
	assert_non_null(strstr(buf_str(&out), "Allocated 3.0 MiB, freed 1.0 MiB."));
	assert_non_null(strstr(buf_str(&out), "GROWTH"));
	assert_non_null(strstr(buf_str(&out), "150 ns"));
	assert_null(strchr(buf_str(&out), '\x1b')); /* keys are hostile */
	buf_free(&out);
	model_free(m);
	m = model_alloc(false);
	report_alloc_text(&out, m, &style);
	assert_non_null(strstr(buf_str(&out), "the flow sensor is off"));
	assert_null(strstr(buf_str(&out), "Allocated"));
	buf_free(&out);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_json_off),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests_name("report_alloc", tests, NULL, NULL);
}
