/* SPDX-License-Identifier: BSD-2-Clause */
/* A single key among a million of its family: named by its CPU time, and by its bytes. */
#include "report_model.h"

#include <stdio.h>

#include "diagnose/diagnose.h"
#include "diagnose/keys.h"

static void take_cpu(struct model *m, const char *key, const char *command, double seconds)
{
	take(m, (struct record){ .kind = RECORD_PROFILE,
				 .profile = { .event = EVENT_CPU,
					      .thread = "",
					      .command = command,
					      .inner = "",
					      .key = key_of(key),
					      .symbol = "",
					      .samples = (int64_t)(seconds * 100),
					      .events = seconds * 100,
					      .scale = NAN,
					      .seconds = seconds,
					      .timed = RECORD_UNKNOWN,
					      .t_seconds = 1,
					      .class_bytes = RECORD_UNKNOWN } });
}

static const struct finding *find(const struct findings *f, const char *id)
{
	for (size_t i = 0; i < f->count; i++)
		if (!strcmp(f->items[i].id, id))
			return &f->items[i];
	return NULL;
}

/* user:7 takes a third, and 20,000 others the rest: more names than are kept. */
static void test_hot_key(void **state)
{
	struct model *m = model_new();
	struct findings *f;
	json_t *root, *row;

	(void)state;
	take_session(m);
	take_sensor(m, "cpu", true, "");
	for (int i = 0; i < 20000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "user:%d", 1000 + i);
		take_cpu(m, name, "get", 0.0001);
		if (i % 20 == 0)
			take_cpu(m, "user:7", i % 100 ? "hgetall" : "hset", 0.001);
	}
	take(m, (struct record){ .kind = RECORD_TOTALS, .totals = { .window_seconds = 10 } });
	for (int i = 0; i < 40; i++)
		take_cpu(m, "user:7", "hgetall", 0.01);
	model_finish(m);
	assert_true(bytes_same(m->hot_keys[0].key, key_of("user:7")));
	assert_string_equal(m->hot_keys[0].command, "hgetall");
	/* At least: what took its place before came with it. */
	assert_true(m->hot_keys[0].cpu_seconds > 1.35 && m->hot_keys[0].cpu_seconds < 1.41);
	f = diagnose(m);
	assert_non_null(find(f, "hotkey.cpu"));
	assert_non_null(strstr(find(f, "hotkey.cpu")->title, "One key, user:7, takes 41 %"));
	assert_int_equal(find(f, "hotkey.cpu")->severity, SEVERITY_INFO);
	findings_free(f);
	root = json_of(m);
	row = json_array_get(json_object_get(root, "hot_keys"), 0);
	assert_string_equal(json_string_value(json_object_get(row, "key")), "user:7");
	json_decref(root);
	model_free(m);
}

/* None has half of the key's time: the one with most is named in whatever order they come. */
static void test_command_in_any_order(void **state)
{
	static const char *const commands[] = { "get", "set", "del" };
	static const double seconds[] = { 0.4, 0.35, 0.25 };

	(void)state;
	for (size_t first = 0; first < 3; first++) {
		for (size_t step = 1; step < 3; step++) {
			struct model *m = model_new();

			take_session(m);
			for (size_t i = 0; i < 3; i++) {
				size_t at = (first + i * step) % 3;

				take_cpu(m, "user:7", commands[at], seconds[at]);
			}
			model_finish(m);
			assert_string_equal(m->hot_keys[0].command, "get");
			model_free(m);
		}
	}
}

/* Nobody stands out: nothing is said. */
static void test_even(void **state)
{
	struct model *m = model_new();
	struct findings *f;

	(void)state;
	take_session(m);
	take_sensor(m, "cpu", true, "");
	for (int i = 0; i < 20000; i++) {
		char name[32];

		snprintf(name, sizeof(name), "user:%d", i);
		take_cpu(m, name, "get", 0.0005);
	}
	take(m, (struct record){ .kind = RECORD_TOTALS, .totals = { .window_seconds = 10 } });
	model_finish(m);
	f = diagnose(m);
	assert_null(find(f, "hotkey.cpu"));
	findings_free(f);
	model_free(m);
}

/* Time of a command with several keys stands with the first: is that small, it is another's. */
static void test_first_of_several(void **state)
{
	static const char *const commands[] = { "hget", "mget" };

	(void)state;
	for (int several = 0; several < 2; several++) {
		struct model *m = model_new();
		struct findings *f;

		take_session(m);
		take_sensor(m, "cpu", true, "");
		take_cpu(m, "small", commands[several], 6);
		take_cpu(m, "other", "hget", 1);
		take(m, (struct record){ .kind = RECORD_KEY,
					 .key = { .key = key_of("small"),
						  .type = "string",
						  .encoding = "raw",
						  .bytes = 56,
						  .elements = RECORD_UNKNOWN,
						  .ttl_seconds = -1,
						  .pass_seconds = NAN } });
		take(m,
		     (struct record){ .kind = RECORD_TOTALS, .totals = { .window_seconds = 10 } });
		model_finish(m);
		f = diagnose(m);
		assert_int_equal(find(f, "hotkey.cpu") == NULL, several);
		findings_free(f);
		model_free(m);
	}
}

static void take_hot_set(struct model *m, const char *setting, const char *encoding)
{
	static const char info[] = "# Commandstats\r\ncmdstat_sadd:calls=%d,usec=9\r\n";
	static char text[2][80];

	take_session(m);
	take_sensor(m, "cpu", true, "");
	for (int end = 0; end < 2; end++) {
		snprintf(text[end], sizeof(text[end]), info, end ? 10001 : 1);
		take(m, (struct record){ .kind = RECORD_INFO,
					 .info = { end * 10, end ? "end" : "start", text[end] } });
	}
	take(m, (struct record){ .kind = RECORD_CONFIG, .config = { setting, "2000000" } });
	take_cpu(m, "seen:ids", "sadd", 1.3);
	if (encoding)
		take(m, (struct record){ .kind = RECORD_KEY,
					 .key = { .key = key_of("seen:ids"),
						  .type = "set",
						  .encoding = encoding,
						  .bytes = 4194360,
						  .elements = RECORD_UNKNOWN,
						  .ttl_seconds = -1,
						  .pass_seconds = NAN } });
	take(m, (struct record){ .kind = RECORD_TOTALS, .totals = { .window_seconds = 10 } });
	model_finish(m);
}

/* A set of integers is one sorted array, in which nothing is walked; before 7.2 none else lies in
 * one piece. */
static void test_long_array(void **state)
{
	static const struct {
		const char *setting, *encoding, *part; /* NULL: not a matter of its encoding */
	} cases[] = {
		{ "set-max-intset-entries", NULL, "long array of integers" },
		{ "set-max-intset-entries", "intset", "long array of integers" },
		{ "set-max-listpack-entries", "listpack", "one long list" },
		{ "set-max-listpack-entries", NULL, "one long list" },
		{ "set-max-intset-entries", "hashtable", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct model *m = model_new();
		const struct finding *found;
		struct findings *f;

		take_hot_set(m, cases[i].setting, cases[i].encoding);
		f = diagnose(m);
		found = find(f, "hotkey.cpu");
		assert_non_null(found);
		assert_int_equal(found->severity, cases[i].part ? SEVERITY_WARNING : SEVERITY_INFO);
		if (cases[i].part)
			assert_non_null(strstr(found->title, cases[i].part));
		findings_free(f);
		model_free(m);
	}
}

static void test_large_key(void **state)
{
	static const char info[] = "# Memory\r\nused_memory:200000000\r\n";
	struct record_key key = { .key = key_of("user:7"),
				  .type = "hash",
				  .encoding = "hashtable",
				  .bytes = 90000000,
				  .elements = 1000,
				  .ttl_seconds = -1,
				  .pass_seconds = NAN };
	struct model *m = model_new();
	struct findings *f;

	(void)state;
	take_session(m);
	take(m, (struct record){ .kind = RECORD_INFO, .info = { 0, "end", info } });
	take(m, (struct record){ .kind = RECORD_KEY, .key = key });
	model_finish(m);
	f = diagnose(m);
	assert_non_null(strstr(find(f, "keys.one_key")->title, "One key, user:7, holds 45 %"));
	findings_free(f);
	model_free(m);
}

/* Of 1,000 keys drawn ten hold nearly all. */
static void test_concentration(void **state)
{
	struct model *m = model_new();
	struct concentration c;

	(void)state;
	take_session(m);
	assert_false(concentration_of(m, &c));
	for (int i = 0; i < 1000; i++) {
		struct record_key key = { .key = key_of("k"),
					  .type = "string",
					  .encoding = "raw",
					  .bytes = i % 100 ? 100 : 90100,
					  .elements = 90,
					  .source = KEY_SOURCE_SAMPLE,
					  .ttl_seconds = -1,
					  .pass_seconds = NAN };

		take(m, (struct record){ .kind = RECORD_KEY, .key = key });
	}
	model_finish(m);
	assert_true(concentration_of(m, &c));
	assert_int_equal(c.basis, BASIS_SAMPLED);
	assert_true(c.top_1_percent > 0.88 && c.top_1_percent < 0.92);
	assert_true(c.top_20_percent > c.top_1_percent && c.top_20_percent <= 1);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hot_key),	      cmocka_unit_test(test_command_in_any_order),
		cmocka_unit_test(test_even),	      cmocka_unit_test(test_first_of_several),
		cmocka_unit_test(test_long_array),    cmocka_unit_test(test_large_key),
		cmocka_unit_test(test_concentration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
