/* SPDX-License-Identifier: BSD-2-Clause */
/* One key at length: what the model makes of it, what is found, and how it is written out. */
#include "report_model.h"

#include <stdio.h>

#include "diagnose/one_key.h"
#include "model/one_key.h"
#include "record/schema.h"

static const struct bytes hostile = { "a\0\n\"\\\x1b[31m\xff", 11 };

static struct record_one_key facts_of(struct bytes name, const char *type, const char *encoding,
				      int64_t bytes, int64_t elements)
{
	struct record record;

	record_clear(&record, RECORD_ONE_KEY);
	record.one_key.t_seconds = 0;
	record.one_key.key = name;
	record.one_key.db = 0;
	record.one_key.commands_total = 0;
	record.one_key.reply_bytes = 0;
	record.one_key.type = type;
	record.one_key.encoding = encoding;
	record.one_key.bytes = bytes;
	record.one_key.bytes_samples = 5000;
	record.one_key.elements = elements;
	record.one_key.ttl_seconds = -1;
	record.one_key.idle_seconds = 7;
	record.one_key.no_touch = true;
	record.one_key.access_seconds = 100e-9;
	record.one_key.copy_byte_seconds = 0.1e-9;
	return record.one_key;
}

static void take_facts(struct model *m, struct record_one_key facts)
{
	take(m, (struct record){ .kind = RECORD_ONE_KEY, .one_key = facts });
}

static void take_element(struct model *m, const char *place, int64_t bytes, double score)
{
	take(m, (struct record){ .kind = RECORD_KEY_ELEMENT,
				 .key_element = { place, RECORD_UNKNOWN, bytes, score } });
}

static void take_setting(struct model *m, const char *name, const char *value)
{
	take(m, (struct record){ .kind = RECORD_CONFIG, .config = { name, value } });
}

static const struct finding *find(const struct findings *f, const char *id)
{
	for (size_t i = 0; i < f->count; i++)
		if (!strcmp(f->items[i].id, id))
			return &f->items[i];
	return NULL;
}

static void take_use(struct model *m, struct bytes key, const char *command, int64_t db)
{
	take(m, (struct record){ .kind = RECORD_PROFILE,
				 .profile = { .event = EVENT_CPU,
					      .thread = "",
					      .command = command,
					      .inner = "",
					      .key = key,
					      .db = db,
					      .symbol = "",
					      .samples = 10,
					      .events = 10,
					      .scale = NAN,
					      .seconds = 0.1,
					      .timed = 10,
					      .class_bytes = RECORD_UNKNOWN } });
}

/* Only what was done to this very key, in its database. */
static void test_users(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_session(m);
	take_sensor(m, "cpu", true, "");
	take_facts(m, facts_of(key_of("user:1"), "hash", "hashtable", 1000, 10));
	take_use(m, key_of("user:1"), "hget", 0);
	take_use(m, key_of("user:1"), "hset", 0);
	take_use(m, key_of("user:1"), "hset", 0);
	take_use(m, key_of("user:2"), "hgetall", 0);
	take_use(m, key_of("user:1"), "hgetall", 3);
	model_finish(m);
	assert_int_equal(m->one_key->users_count, 2);
	assert_string_equal(m->one_key->users[0].command, "hset");
	assert_string_equal(m->one_key->users[1].command, "hget");
	model_free(m);
}

static void test_growth_and_use(void **state)
{
	struct record_one_key facts =
		facts_of(key_of("queue:mail"), "list", "quicklist", 2000000, 20000);
	struct model *m = model_new();
	struct findings *f;

	(void)state;
	take_session(m);
	take_facts(m, facts);
	facts.t_seconds = 10;
	facts.elements += 1200;
	facts.bytes += 120000;
	take_facts(m, facts);
	model_finish(m);
	assert_true(one_key_growth(m->one_key) == 120);
	assert_int_equal(one_key_used(m->one_key), 1);
	f = diagnose_some(m, "key.");
	assert_non_null(strstr(find(f, "key.growing")->title, "120 elements a second"));
	assert_int_equal(find(f, "key.growing")->severity, SEVERITY_WARNING);
	findings_free(f);
	model_free(m);
}

/* Nobody touched it: idle for longer than the watch was. */
static void test_not_used(void **state)
{
	struct record_one_key facts = facts_of(key_of("k"), "string", "raw", 2000, 1900);
	struct model *m = model_new();

	(void)state;
	take_facts(m, facts);
	facts.t_seconds = 10;
	facts.idle_seconds = 17;
	take_facts(m, facts);
	assert_int_equal(one_key_used(m->one_key), 0);
	facts.idle_seconds = 3;
	take_facts(m, facts);
	assert_int_equal(one_key_used(m->one_key), 1);
	model_free(m);
}

static void assert_reason(const char *type, const char *encoding, int64_t elements, int64_t longest,
			  const char *part)
{
	struct model *m = model_new();
	struct buf why = { 0 };

	take_setting(m, "hash-max-listpack-entries", "512");
	take_setting(m, "hash-max-listpack-value", "64");
	take_setting(m, "zset-max-ziplist-entries", "128"); /* an old server */
	take_setting(m, "set-max-intset-entries", "512");
	take_facts(m, facts_of(key_of("k"), type, encoding, 5000, elements));
	take_element(m, "random", longest, NAN);
	one_key_encoding_reason(&why, m);
	if (!strstr(buf_str(&why), part))
		fail_msg("%s/%s: '%s' is not '%s'", type, encoding, buf_str(&why), part);
	buf_free(&why);
	model_free(m);
}

static void test_encoding_reasons(void **state)
{
	(void)state;
	assert_reason("hash", "hashtable", 600, 10,
		      "600 elements are more than hash-max-listpack-entries (512)");
	assert_reason("hash", "hashtable", 20, 100,
		      "100 B is longer than hash-max-listpack-value (64)");
	assert_reason("hash", "hashtable", 20, 10, "never goes back");
	assert_reason("hash", "listpack", 20, 10, "within hash-max-listpack-entries (512)");
	assert_reason("zset", "skiplist", 600, 10, "zset-max-ziplist-entries (128)");
	assert_reason("set", "hashtable", 61, 10, "a member is, or once was, no integer");
	assert_reason("string", "int", 5, 5, "whole number");
}

static void test_spread(void **state)
{
	struct model *m = model_new();
	struct spread s;

	(void)state;
	take_facts(m, facts_of(key_of("z"), "zset", "skiplist", 5000, 500));
	for (int i = 1; i <= 100; i++)
		take_element(m, "random", i, i * 10);
	s = one_key_spread(m->one_key, ELEMENT_SCORE, NULL);
	assert_int_equal(s.count, 100);
	assert_true(s.min == 10 && s.max == 1000 && s.mean == 505);
	assert_true(s.p50 >= 500 && s.p50 <= 510);
	assert_int_equal(one_key_spread(m->one_key, ELEMENT_NAME_BYTES, NULL).count, 0);
	assert_int_equal(one_key_spread(m->one_key, ELEMENT_BYTES, "head").count, 0);
	model_free(m);
}

/* The guide's drill-downs: each by what was measured of the key. Nothing to paste deletes. */
static void test_findings(void **state)
{
	static const char *const deleting[] = {
		"DEL ", "UNLINK", "EXPIRE", "TRIM", "FLUSH", "ZREM"
	};
	struct record_one_key facts = facts_of(hostile, "zset", "skiplist", 30000000, 200000);
	struct model *m = model_new();
	struct findings *f;

	(void)state;
	take_session(m);
	facts.score_min = 1700000000;
	facts.score_max = 1770000000;
	take_facts(m, facts);
	model_finish(m);
	f = diagnose_some(m, "key.");
	assert_int_equal(find(f, "key.big")->severity, SEVERITY_WARNING);
	assert_non_null(strstr(find(f, "key.big")->actions[0].text, "2023-11-14 to 2026-02-02"));
	for (size_t i = 0; i < f->count; i++)
		for (size_t n = 0; n < f->items[i].actions_count; n++)
			for (size_t d = 0; d < sizeof(deleting) / sizeof(*deleting); d++)
				assert_null(strstr(f->items[i].actions[n].command, deleting[d]));
	findings_free(f);
	model_free(m);
}

static void test_stream_pending(void **state)
{
	struct record_key_group group = { .name = key_of("mail"),
					  .consumers_total = 4,
					  .pending_total = 1500,
					  .lag = 20,
					  .oldest_pending_seconds = 90000,
					  .consumers_seen = 4,
					  .consumers_gone = 3,
					  .pending_of_gone = 1400 };
	struct model *m = model_new();
	struct findings *f;

	(void)state;
	take_session(m);
	take_facts(m, facts_of(key_of("events"), "stream", "stream", 500000, 5000));
	take(m, (struct record){ .kind = RECORD_KEY_GROUP, .key_group = group });
	model_finish(m);
	f = diagnose_some(m, "key.");
	assert_non_null(strstr(find(f, "key.pending")->title, "1,500 entries of events"));
	assert_non_null(strstr(find(f, "key.pending")->cause, "died"));
	findings_free(f);
	model_free(m);
}

static void test_written_out(void **state)
{
	const struct report_style style = { .columns = 100 };
	struct model *m = model_new();
	struct buf out = { 0 };
	struct findings *f;
	json_error_t error;
	json_t *root;

	(void)state;
	take_session(m);
	take_facts(m, facts_of(hostile, "zset", "skiplist", 30000000, 200000));
	take_element(m, "random", 20, 1);
	model_finish(m);
	f = diagnose_some(m, "key.");
	report_key_text(&out, m, f, &style);
	for (size_t i = 0; i < out.len; i++)
		assert_true(out.data[i] == '\n' || (unsigned char)out.data[i] >= ' ');
	assert_non_null(strstr(buf_str(&out), "a\\x00\\n"));
	assert_non_null(strstr(buf_str(&out), "not known: nobody watched"));
	buf_clear(&out);
	report_key_json(&out, m, f);
	root = json_loadb(out.data, out.len, 0, &error);
	assert_non_null(root);
	assert_string_equal(json_string_value(json_object_get(root, "schema")), "redmem.key/1");
	assert_true(json_is_string(json_object_get(root, "key_base64")));
	assert_true(json_is_null(json_object_get(root, "growth")));
	assert_true(json_is_null(json_object_get(json_object_get(root, "users"), "commands")));
	assert_int_equal(json_integer_value(json_object_get(root, "elements_total")), 200000);
	json_decref(root);
	findings_free(f);
	buf_free(&out);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),	       cmocka_unit_test(test_growth_and_use),
		cmocka_unit_test(test_not_used),       cmocka_unit_test(test_encoding_reasons),
		cmocka_unit_test(test_spread),	       cmocka_unit_test(test_findings),
		cmocka_unit_test(test_stream_pending), cmocka_unit_test(test_written_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
