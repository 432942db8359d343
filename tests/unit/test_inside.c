/* SPDX-License-Identifier: BSD-2-Clause */
/* What is in no key: each a line of the ledger, which still sums; null where it is not told. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "ledger_scene.h"

/* 1000 MiB in use, nearly all of it "keys and values" by the server's own count. */
static const struct scene scene = { .allocator = "jemalloc 5.3.0",
				    .rss = 1100,
				    .used = 1000,
				    .allocated = 1002,
				    .active = 1050,
				    .dirty = 40,
				    .metadata = 10 };

/* The same with more lines of MEMORY STATS, which are part of the overhead. */
static void build_with(struct model *m, const char *lines)
{
	struct scene s = scene;
	struct buf text = { 0 };

	s.no_memory_stats = true;
	buf_printf(&text,
		   "total.allocated %lld\nstartup.allocated 800000\nclients.normal 40000\n"
		   "overhead.total 2000000\ndb.0.overhead.hashtable.main 50000\n%s",
		   (long long)(s.used * MIB), lines);
	take_memory_stats(m, "end", buf_str(&text));
	buf_free(&text);
	build_in(m, &s);
}

static void take_build(struct model *m, const char *server, const char *version, bool bundled)
{
	struct record record = record_new(RECORD_TARGET);

	record.target.pid = 42;
	record.target.allocator = "jemalloc 5.3.0";
	record.target.allocator_bundled = bundled;
	record.target.server = server;
	record.target.version = version;
	model_take(m, &record);
}

static void take_server(struct model *m, const char *server, const char *version)
{
	take_build(m, server, version, true); /* so that the scene leaves it as it is */
}

static void take_held(struct model *m, const char *name, int64_t objects, int64_t looked,
		      int64_t bytes)
{
	struct record record = record_new(RECORD_HELD);

	record.held = (struct record_held){ 1, name, objects, looked, bytes };
	model_take(m, &record);
}

static void take_drawn(struct model *m, const char *key, int64_t bytes)
{
	struct record record = record_new(RECORD_KEY);

	record.key.key = (struct bytes){ key, strlen(key) };
	record.key.source = KEY_SOURCE_SAMPLE;
	record.key.type = "string";
	record.key.encoding = "raw";
	record.key.bytes = bytes;
	record.key.ttl_seconds = -1;
	model_take(m, &record);
}

static void assert_line(const struct model *m, const char *id, int64_t bytes, enum basis basis)
{
	const struct ledger_line *line = ledger_find(&m->ledger, id);

	if (!line)
		fail_msg("%s is not there", id);
	if (line->bytes != bytes)
		fail_msg("%s: %lld, not %lld", id, (long long)line->bytes, (long long)bytes);
	assert_int_equal(line->basis, basis);
}

#define DATASET (1000 * MIB - 900000)

static void test_slowlog(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_held(m, "slowlog", 100, 4, 8000); /* the last word counts */
	take_held(m, "slowlog", 120000, 16, 16 * 3000);
	build_in(m, &scene);
	assert_line(m, "slowlog", 360000000, BASIS_SAMPLED);
	assert_line(m, "dataset", DATASET - 360000000, BASIS_DERIVED);
	assert_int_equal(m->inside[INSIDE_SLOWLOG].objects_total, 120000);
	model_free(m);

	m = model_new(); /* how many is known, what they take is not: null, not 0 */
	take_held(m, "slowlog", 120000, 0, 0);
	build_in(m, &scene);
	assert_null(ledger_find(&m->ledger, "slowlog"));
	assert_int_equal(m->inside[INSIDE_SLOWLOG].objects_total, 120000);
	assert_true(m->inside[INSIDE_SLOWLOG].bytes == RECORD_UNKNOWN);
	assert_line(m, "dataset", DATASET, BASIS_EXACT);
	model_free(m);

	m = model_new(); /* more than there is */
	take_held(m, "slowlog", 120000, 1, 1 << 20);
	build_in(m, &scene);
	assert_line(m, "slowlog", DATASET, BASIS_SAMPLED);
	assert_true(m->inside[INSIDE_SLOWLOG].bytes == DATASET);
	assert_line(m, "dataset", 0, BASIS_DERIVED);
	model_free(m);
}

static void test_counted(void **state)
{
	struct model *m = model_new();
	int64_t sum = 0;

	(void)state;
	take_info(m, 9, "end",
		  "tracking_total_keys:200000\r\ntracking_total_items:300000\r\n"
		  "pubsub_channels:100000\r\npubsub_patterns:50000\r\n"
		  "pubsubshard_channels:1\r\ntotal_watched_keys:70000\r\n");
	build_in(m, &scene);
	assert_int_equal(m->inside[INSIDE_TRACKING].objects_total, 200000);
	assert_int_equal(m->inside[INSIDE_PUBSUB].objects_total, 150001);
	assert_int_equal(m->inside[INSIDE_WATCH].objects_total, 70000);
	for (int i = 0; i < INSIDE_KINDS; i++) {
		const struct inside_row *row = &m->inside[i];

		if (i == INSIDE_SLOWLOG || i == INSIDE_TLS)
			continue;
		assert_true(row->bytes > 80 * row->objects_total);
		assert_true(row->bytes < 300 * row->objects_total);
		assert_line(m, inside_name((enum inside)i), row->bytes, BASIS_DERIVED);
		sum += row->bytes;
	}
	assert_line(m, "dataset", DATASET - sum, BASIS_DERIVED);
	model_free(m);

	m = model_new(); /* none is told */
	build_in(m, &scene);
	for (int i = 0; i < INSIDE_KINDS; i++) {
		assert_true(m->inside[i].objects_total == RECORD_UNKNOWN);
		assert_true(m->inside[i].bytes == RECORD_UNKNOWN);
		assert_null(ledger_find(&m->ledger, inside_name((enum inside)i)));
	}
	model_free(m);
}

static void take_watcher(struct model *m, const char *command, int64_t subscriptions,
			 int64_t memory)
{
	struct record record = record_new(RECORD_CLIENT);
	static int64_t id;

	record.client.id = ++id;
	record.client.flags = "N";
	record.client.command = command;
	record.client.user = "default";
	record.client.memory_bytes = memory;
	record.client.query_bytes = 0;
	record.client.query_free_bytes = 20000;
	record.client.reply_bytes = 1024;
	record.client.output_bytes = 0;
	record.client.subscriptions_total = subscriptions;
	model_take(m, &record);
}

/* In a MULTI of so many commands, as 7.0 lists it. */
static void take_queue(struct model *m, int64_t commands, int64_t bytes, int64_t memory)
{
	struct record record = record_new(RECORD_CLIENT);

	record.client.id = 7;
	record.client.flags = "x";
	record.client.command = "set";
	record.client.user = "default";
	record.client.memory_bytes = memory;
	record.client.query_bytes = record.client.query_free_bytes = 0;
	record.client.reply_bytes = 6144;
	record.client.output_bytes = 0;
	record.client.queued_bytes = bytes;
	record.client.queued_total = commands;
	record.client.subscriptions_total = 0;
	model_take(m, &record);
}

/* Before 7.4 nothing tells how many: it is what a client takes beyond what has a name. */
static void test_watch_inferred(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_server(m, "redis", "7.0.15");
	take_watcher(m, "watch", 0, 21024 + 560000);
	take_watcher(m, "get", 0, 21024 + 560000); /* whatever that is */
	take_watcher(m, "watch", 9, 21024 + 560000); /* subscriptions count there, too */
	take_watcher(m, "watch", 0, 21024 + 1000); /* the client itself */
	build_in(m, &scene);
	assert_int_equal(m->inside[INSIDE_WATCH].objects_total, 10000);
	model_free(m);

	m = model_new(); /* a node is larger since 7.2 */
	take_server(m, "redis", "7.2.6");
	take_watcher(m, "watch", 0, 21024 + 560000);
	build_in(m, &scene);
	assert_int_equal(m->inside[INSIDE_WATCH].objects_total, 7000);
	model_free(m);

	m = model_new(); /* not counted there before 7.0 */
	take_server(m, "redis", "6.2.14");
	take_watcher(m, "watch", 0, 21024 + 560000);
	build_in(m, &scene);
	assert_true(m->inside[INSIDE_WATCH].objects_total == RECORD_UNKNOWN);
	model_free(m);
}

/* A transaction's table of 65,536 commands is no key under WATCH. */
static void test_watch_not_queued(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_server(m, "redis", "7.0.15");
	take_queue(m, 50001, 2477832, 4057616);
	build_in(m, &scene);
	assert_true(m->inside[INSIDE_WATCH].objects_total == RECORD_UNKNOWN);
	model_free(m);

	m = model_new(); /* one that watches, too */
	take_server(m, "redis", "7.0.15");
	take_queue(m, 50001, 2477832, 4057616 + 10000 * 56);
	build_in(m, &scene);
	assert_in_range(m->inside[INSIDE_WATCH].objects_total, 9990, 10100);
	model_free(m);
}

/* Buffers that newer servers count as overhead have lines of their own. */
static void test_replication(void **state)
{
	struct model *m = model_new();

	(void)state;
	build_with(m, "replica.fullsync.buffer 300000\ncluster.slot_export 200\n");
	assert_line(m, "full_sync", 300000, BASIS_EXACT);
	assert_line(m, "slot_migration", 200, BASIS_EXACT);
	model_free(m);
	m = model_new();
	build_with(m, "replicas.repl.buffer 70000\n");
	assert_line(m, "full_sync", 70000, BASIS_EXACT);
	assert_null(ledger_find(&m->ledger, "slot_migration"));
	model_free(m);
}

/* The library of TLS has malloc(): the allocator's, or libc's beside a bundled one. */
static void test_tls(void **state)
{
	struct scene heap = scene;
	struct model *m = model_new();
	struct record record = record_new(RECORD_TARGET);
	int64_t bytes;

	(void)state;
	take_held(m, "tls", 20, 0, RECORD_UNKNOWN);
	build_in(m, &scene);
	bytes = m->inside[INSIDE_TLS].bytes;
	assert_true(bytes > 20 * 20000 && bytes < 20 * 100000);
	assert_line(m, "tls", bytes, BASIS_DERIVED);
	assert_line(m, "allocated_uncounted", 2 * MIB - bytes, BASIS_DERIVED);
	assert_line(m, "dataset", DATASET, BASIS_EXACT);
	model_free(m);

	m = model_new();
	heap.heap = 50;
	record.target.pid = 42;
	record.target.allocator = "jemalloc 5.2.1";
	record.target.version = "7.0.15";
	record.target.allocator_bundled = true;
	model_take(m, &record);
	take_held(m, "tls", 500, 0, RECORD_UNKNOWN);
	build_in(m, &heap);
	assert_line(m, "tls", 25 * bytes, BASIS_DERIVED);
	assert_line(m, "other_heap", 50 * MIB - 25 * bytes, BASIS_DERIVED);
	model_free(m);
}

/* @keys keys there are, of which @drawn were drawn and take @bytes each. */
static struct model *checked(int keys, int drawn, int64_t bytes)
{
	struct model *m = model_new();
	struct buf text = { 0 };

	take_server(m, "redis", "7.0.15");
	buf_printf(&text, "db0:keys=%d,expires=0,avg_ttl=0\r\n", keys);
	take_info(m, 9, "end", buf_str(&text));
	buf_free(&text);
	for (int i = 0; i < drawn; i++)
		take_drawn(m, "key:12345", bytes + (i % 2 ? 16 : -16));
	return build_in(m, &scene);
}

static void test_keys(void **state)
{
	struct model *m = checked(1000000, 1000, 1000); /* about what there is */

	(void)state;
	assert_int_equal(m->keys_check.keys_total, 1000000);
	assert_int_equal(m->keys_check.looked_total, 1000);
	assert_int_equal(m->keys_check.basis, BASIS_SAMPLED);
	assert_true(m->keys_check.bytes > 950 * MIB && m->keys_check.bytes < 1100 * MIB);
	assert_true(m->keys_check.error_bytes > 50 * MIB);
	assert_true(llabs(m->keys_check.difference_bytes) < m->keys_check.error_bytes);
	assert_null(ledger_find(&m->ledger, "in_no_key"));
	model_free(m);

	m = checked(1000000, 1000, 500); /* half of it is elsewhere */
	assert_line(m, "in_no_key", m->keys_check.difference_bytes, BASIS_SAMPLED);
	assert_true(m->keys_check.difference_bytes > 400 * MIB);
	assert_line(m, "dataset", DATASET - m->keys_check.difference_bytes, BASIS_DERIVED);
	model_free(m);

	m = checked(1000000, 1000, 3000); /* more than there is: the sample is wrong, no line */
	assert_true(m->keys_check.difference_bytes < -m->keys_check.error_bytes);
	assert_null(ledger_find(&m->ledger, "in_no_key"));
	assert_line(m, "dataset", DATASET, BASIS_EXACT);
	model_free(m);

	m = checked(1000000, 50, 500); /* too few for a word */
	assert_true(m->keys_check.bytes == RECORD_UNKNOWN);
	assert_true(m->keys_check.difference_bytes == RECORD_UNKNOWN);
	assert_null(ledger_find(&m->ledger, "in_no_key"));
	model_free(m);

	m = checked(50, 50, 500); /* but all that there are */
	assert_true(m->keys_check.bytes > 50 * 500);
	assert_line(m, "in_no_key", DATASET, BASIS_SAMPLED); /* no more than there is */
	assert_line(m, "dataset", 0, BASIS_DERIVED);
	model_free(m);
}

/* The newest entries are larger than the others: the log has no more than the keys leave. */
static void test_slowlog_bound(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_server(m, "redis", "7.0.15");
	take_info(m, 9, "end", "db0:keys=1000000,expires=0,avg_ttl=0\r\n");
	take_held(m, "slowlog", 200000, 32, 32 * 4000);
	for (int i = 0; i < 1000; i++)
		take_drawn(m, "key:12345", 500 + (i % 2 ? 16 : -16));
	build_in(m, &scene);
	assert_true(m->inside[INSIDE_SLOWLOG].bytes > 380 * MIB);
	assert_true(m->inside[INSIDE_SLOWLOG].bytes < 520 * MIB);
	assert_line(m, "slowlog", m->inside[INSIDE_SLOWLOG].bytes, BASIS_DERIVED);
	assert_int_equal(m->keys_check.difference_bytes, 0);
	assert_null(ledger_find(&m->ledger, "in_no_key"));
	model_free(m);
}

/* A few keys are much larger than the others: the error grows, and no line is made of chance. */
static void test_skewed(void **state)
{
	struct model *m = model_new();

	(void)state;
	take_server(m, "redis", "7.0.15");
	take_info(m, 9, "end", "db0:keys=1000000,expires=0,avg_ttl=0\r\n");
	for (int i = 0; i < 1000; i++)
		take_drawn(m, "key:12345", i < 2 ? 200000 : 300);
	build_in(m, &scene);
	assert_true(m->keys_check.error_bytes > 300 * MIB);
	assert_null(ledger_find(&m->ledger, "in_no_key"));
	model_free(m);
}

/* One key of a million has half of all, and was looked at because it was busy: no draw meets it,
 * and it is looked at all the same. */
static void test_met(void **state)
{
	for (int n = 0; n < 3; n++) {
		struct model *m = model_new();
		struct record busy = record_new(RECORD_KEY);

		(void)state;
		take_server(m, "redis", "7.0.15");
		take_info(m, 9, "end", "db0:keys=1000000,expires=0,avg_ttl=0\r\n");
		for (int i = 0; i < 1000; i++)
			take_drawn(m, "key:12345", 500 + (i % 2 ? 16 : -16));
		busy.key.key = (struct bytes){ "list:big", 8 };
		busy.key.type = n < 2 ? "list" : "none"; /* gone */
		busy.key.encoding = "quicklist";
		busy.key.bytes = n < 2 ? 500 * MIB : RECORD_UNKNOWN;
		busy.key.elements = 1000000;
		model_take(m, &busy);
		if (n == 1) { /* drawn by chance as well: it stands for no other */
			busy.key.source = KEY_SOURCE_SAMPLE;
			model_take(m, &busy);
		}
		build_in(m, &scene);
		if (n == 2) {
			assert_line(m, "in_no_key", m->keys_check.difference_bytes, BASIS_SAMPLED);
		} else {
			assert_int_equal(m->keys_check.looked_total, 1001);
			assert_true(m->keys_check.bytes > 950 * MIB &&
				    m->keys_check.bytes < 1150 * MIB);
			assert_null(ledger_find(&m->ledger, "in_no_key"));
		}
		model_free(m);
	}
}

/* Hashes of 600 short fields, as many as the dataset holds of them: of each MEMORY USAGE says 13 %
 * less than it takes, and how many fields it has nobody may ask. */
static void test_tables(void **state)
{
	static const int64_t told = 32296, taken = 37128;
	struct model *m = model_new();
	struct buf text = { 0 };

	(void)state;
	take_build(m, "redis", "7.0.15", false); /* an entry takes 32 bytes of the system's */
	buf_printf(&text, "db0:keys=%lld,expires=0,avg_ttl=0\r\n", (long long)(DATASET / taken));
	take_info(m, 9, "end", buf_str(&text));
	buf_free(&text);
	for (int i = 0; i < 1000; i++) {
		struct record record = record_new(RECORD_KEY);

		record.key.key = (struct bytes){ "h:100", 5 };
		record.key.source = KEY_SOURCE_SAMPLE;
		record.key.type = "hash";
		record.key.encoding = "hashtable";
		record.key.bytes = told;
		record.key.elements = RECORD_UNKNOWN;
		record.key.ttl_seconds = -1;
		model_take(m, &record);
	}
	build_in(m, &scene);
	assert_null(ledger_find(&m->ledger, "in_no_key"));
	assert_true(llabs(m->keys_check.difference_bytes) < m->keys_check.error_bytes);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_slowlog),
		cmocka_unit_test(test_counted),
		cmocka_unit_test(test_watch_inferred),
		cmocka_unit_test(test_watch_not_queued),
		cmocka_unit_test(test_tls),
		cmocka_unit_test(test_replication),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_slowlog_bound),
		cmocka_unit_test(test_skewed),
		cmocka_unit_test(test_met),
		cmocka_unit_test(test_tables),
	};

	return cmocka_run_group_tests_name("inside", tests, NULL, NULL);
}
