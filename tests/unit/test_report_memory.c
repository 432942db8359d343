/* SPDX-License-Identifier: BSD-2-Clause */
/* The report of `redmem memory`, for people and for programs. */
#include "report_model.h"

static const struct report_style plain = { .columns = 100 };
static const struct report_style verbose = { .verbose = true, .columns = 100 };

static struct buf memory_text(const struct model *m, const struct report_style *style)
{
	struct findings *f = diagnose(m);
	struct buf out = { 0 };

	report_memory_text(&out, m, f, style);
	findings_free(f);
	return out;
}

static json_t *memory_json(const struct model *m)
{
	struct findings *f = diagnose(m);
	struct buf out = { 0 };
	json_t *root;

	report_memory_json(&out, m, f);
	root = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(root);
	buf_free(&out);
	findings_free(f);
	return root;
}

static void take_allocator(struct model *m)
{
	take(m, (struct record){
			.kind = RECORD_MALLOC_STATS,
			.malloc_stats = {
				.phase = "end",
				.reply_seconds = 0.0012,
				.text = "___ Begin jemalloc statistics ___\nPage size: 4096\n"
					"Allocated: 60000000, active: 200000000, metadata: 0 "
					"(n_thp 0), resident: 0, mapped: 0, retained: 7340032\n"
					"arenas[0]:\ndecaying: time npages\n"
					"dirty: N/A 512\nmuzzy: N/A 0\n"
					"bins: size ind allocated nmalloc ndalloc curregs curslabs "
					"nonfull_slabs regs pgs\n"
					"112 9 28000000 1 1 250000 3906 3906 256 7\n"
					"320 15 32000000 1 1 100000 1563 0 64 5\n"
					"--- End jemalloc statistics ---\n" } });
}

/* A server whose holes belong to @key, caught while it saves, then purged. */
static struct model *memory_model(struct bytes key, const char *refusal)
{
	struct model *m = model_new();

	take_session(m);
	take_sensors(m);
	take_mapping(m, "allocator", 200 << 20, 0);
	take_allocator(m);
	for (int i = 0; i < 10; i++)
		take(m, (struct record){ .kind = RECORD_KEY,
					 .key = { .key = key,
						  .type = "string",
						  .encoding = "raw",
						  .bytes = 24 + 8 + 16 + 112,
						  .elements = RECORD_UNKNOWN,
						  .ttl_seconds = -1,
						  .source = KEY_SOURCE_SAMPLE } });
	take_profile(m, EVENT_FAULT_COW, "set", key, 0.1);
	take_profile(m, EVENT_CPU, "unlink", key, 0.1);
	take_details(m, key);
	take(m, (struct record){ .kind = RECORD_PURGE,
				 .purge = { .reply_seconds = 0.02,
					    .error = refusal,
					    .rss_before_bytes = 10 << 20,
					    .rss_after_bytes = 8 << 20 } });
	take_self(m);
	model_finish(m);
	return m;
}

static const char *string_at(const json_t *row, const char *name)
{
	return json_string_value(json_object_get(row, name));
}

static int64_t int_at(const json_t *row, const char *name)
{
	assert_true(json_is_integer(json_object_get(row, name)));
	return json_integer_value(json_object_get(row, name));
}

static void test_json(void **state)
{
	struct model *m = memory_model(key_of("a:1234"), "");
	json_t *root = memory_json(m), *purge = json_object_get(root, "purge");
	const json_t *class = row(root, "size_classes", 0);
	const json_t *holder = json_array_get(json_object_get(class, "holders"), 0);
	const json_t *allocator = json_object_get(root, "allocator");

	(void)state;
	assert_string_equal(string_at(root, "schema"), "redmem.memory/1");
	assert_int_equal(int_at(class, "size_bytes"), 112);
	assert_int_equal(int_at(class, "holes_bytes"), 3906LL * 256 * 112 - 28000000);
	assert_true(fabs(json_real_value(json_object_get(class, "utilization_ratio")) - 0.25) <
		    0.001);
	assert_int_equal(int_at(class, "slabs"), 3906);
	assert_string_equal(string_at(holder, "prefix"), "a:*");
	assert_string_equal(string_at(holder, "basis"), "sampled");
	assert_int_equal(int_at(holder, "sampled_objects_total"), 10);
	assert_int_equal(int_at(allocator, "retained_bytes"), 7340032);
	assert_true(json_is_null(json_object_get(allocator, "dirty_decay_ms")));
	assert_string_equal(string_at(row(root, "deletes", 0), "prefix"), "a:*");
	assert_true(json_is_null(json_object_get(row(root, "deletes", 0), "free_bytes")));
	assert_int_equal(int_at(purge, "freed_bytes"), 2 << 20);
	assert_non_null(json_object_get(json_object_get(root, "copy_on_write"), "prefixes"));
	json_decref(root);
	model_free(m);
}

static void test_text(void **state)
{
	struct model *m = memory_model(key_of("a:1234"), "");
	struct buf text = memory_text(m, &plain);

	(void)state;
	assert_non_null(strstr(buf_str(&text), "█████"));
	assert_non_null(strstr(buf_str(&text), "░░░░░"));
	assert_non_null(strstr(buf_str(&text), "of 10 drawn at random"));
	assert_non_null(strstr(buf_str(&text), "a:* 100 %"));
	assert_non_null(strstr(buf_str(&text), "rss fell by 2.0 MiB"));
	assert_non_null(strstr(buf_str(&text), "CHILDREN"));
	assert_lines(&text, 100);
	buf_free(&text);
	model_free(m);

	m = memory_model(key_of("a:1234"), "NOPERM \\x1b[2J");
	text = memory_text(m, &plain);
	assert_non_null(strstr(buf_str(&text), "did not do it: NOPERM"));
	assert_null(strstr(buf_str(&text), "rss fell"));
	buf_free(&text);
	model_free(m);
}

static void test_hostile(void **state)
{
	static const struct bytes keys[] = {
		{ "\033[2J\033]0;owned\007", 14 }, { "\xff\xfe\x80\xc0", 4 }, { "a\0b", 3 },
		{ "line\nPURGE  none\r", 17 },	   { "\"},{\"key\":\"", 11 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct model *m = memory_model(keys[i], "");
		struct buf text = memory_text(m, &verbose);

		assert_lines(&text, 200);
		json_decref(memory_json(m));
		buf_free(&text);
		model_free(m);
	}
}

/* Nothing known is said so, and is null. */
static void test_empty(void **state)
{
	struct model *m = model_empty();
	json_t *root = memory_json(m);
	struct buf text = memory_text(m, &plain);

	(void)state;
	assert_non_null(strstr(buf_str(&text), "not known without MEMORY MALLOC-STATS"));
	assert_null(strstr(buf_str(&text), "PURGE"));
	assert_true(json_is_null(json_object_get(root, "allocator")));
	assert_true(json_is_null(json_object_get(root, "purge")));
	assert_int_equal(json_array_size(json_object_get(root, "size_classes")), 0);
	buf_free(&text);
	json_decref(root);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests_name("report of memory", tests, NULL, NULL);
}
