/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules on keys: too big, without an expiry, and commands that block over them. */
#include <stdio.h>

#include "blame_records.h"
#include "scene.h"

#include "diagnose/keys.h"

static enum key_level level(const char *type, int64_t bytes, int64_t elements)
{
	struct record_key k = { .type = type, .bytes = bytes, .elements = elements };

	return key_level(&k);
}

static void levels_of_the_guide(void **state)
{
	(void)state;
	assert_int_equal(level("string", 1 * MIB, RECORD_UNKNOWN), KEY_NORMAL);
	assert_int_equal(level("string", 1 * MIB + 1, RECORD_UNKNOWN), KEY_BIG);
	assert_int_equal(level("string", 11 * MIB, 11 * MIB), KEY_VERY_BIG);
	assert_int_equal(level("zset", 900 * KIB, 10000), KEY_NORMAL);
	assert_int_equal(level("zset", 900 * KIB, 10001), KEY_BIG);
	assert_int_equal(level("zset", 90 * MIB, 1000000), KEY_VERY_BIG);
	assert_int_equal(level("stream", 1 * MIB, 100000), KEY_NORMAL);
	assert_int_equal(level("stream", 90 * MIB, 2000000), KEY_VERY_BIG);
	/* Many tiny elements are big, not very big; few huge ones are big too. */
	assert_int_equal(level("list", 2 * MIB, 200000), KEY_BIG);
	assert_int_equal(level("hash", 50 * MIB, 100), KEY_BIG);
	assert_int_equal(level("stream", 80 * MIB, 4000), KEY_VERY_BIG);
	/* Elements unknown: bytes decide. Size unknown: elements do. */
	assert_int_equal(level("set", 50 * MIB, RECORD_UNKNOWN), KEY_VERY_BIG);
	assert_int_equal(level("set", RECORD_UNKNOWN, 1000000), KEY_VERY_BIG);
	assert_int_equal(level("set", RECORD_UNKNOWN, RECORD_UNKNOWN), KEY_NORMAL);
	assert_int_equal(level("none", RECORD_UNKNOWN, RECORD_UNKNOWN), KEY_NORMAL);
}

/* What is offered for pasting asks for the key in its database. */
static void key_of_database(void **state)
{
	const struct bytes key = { "cart:all", 8 };
	const struct model m = { .target = { .server = "redis", .port = 6380 } };

	(void)state;
	assert_string_equal(say_key_cli(&m, key, 7, "OBJECT IDLETIME", "").s,
			    "redis-cli -p 6380 -n 7 OBJECT IDLETIME cart:all");
	assert_string_equal(say_key_cli(&m, key, RECORD_UNKNOWN, "MEMORY USAGE", "SAMPLES 5").s,
			    "redis-cli -p 6380 MEMORY USAGE cart:all SAMPLES 5");
}

static void big_keys(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 400 * MIB);
	scene_key(&s, "user:1", "hash", 400, 5, -1);
	scene_key(&s, "cart", "hash", 3 * MIB, 20000, -1);
	scene_key(&s, "leaderboard:global", "zset", 98 * MIB, 1000000, -1);
	d = scene_diagnose(&s);
	f = expect(&d, "bigkey.size", SEVERITY_WARNING);
	assert_string_equal(f->title, "2 big keys; the largest is leaderboard:global (zset, "
				      "1,000,000 elements, 98.0 MiB)");
	assert_true(evidence_value(f, "big_keys_total") == 2);
	assert_true(evidence_value(f, "big_keys_bytes") == 101.0 * MIB);
	assert_true(evidence_value(f, "keys_looked_at_total") == 3);
	assert_string_equal(f->actions[1].command, "redis-cli OBJECT IDLETIME leaderboard:global");
	assert_int_equal(f->actions[1].expected_gain_bytes, 98 * MIB);
	diagnosis_free(&d);

	scene_init(&s);
	scene_load(&s, 400 * MIB);
	scene_key(&s, "cart", "hash", 3 * MIB, 20000, -1);
	scene_expect(&s, "bigkey.size", SEVERITY_INFO);
	scene_init(&s);
	scene_load(&s, 400 * MIB);
	scene_key(&s, "user:1", "hash", 900 * KIB, 9000, -1);
	scene_expect_none(&s, "bigkey.size");
}

/* @seconds of CPU in ZRANGE on a key of @elements, in @calls calls. */
static void reads_all(struct scene *s, int64_t elements, double seconds, int calls)
{
	struct record *cpu;

	scene_init(s);
	scene_load(s, 400 * MIB);
	scene_key(s, "board", "zset", elements * 100, elements, -1);
	cpu = scene_add(s, RECORD_PROFILE);
	cpu->profile = (struct record_profile){ .event = EVENT_CPU,
						.thread = "",
						.command = "zrange",
						.inner = "",
						.key = scene_bytes("board"),
						.symbol = "",
						.samples = (int64_t)(seconds * 200),
						.events = seconds * 200,
						.scale = NAN,
						.seconds = seconds,
						.timed = RECORD_UNKNOWN,
						.t_seconds = 1,
						.class_bytes = RECORD_UNKNOWN };
	buf_puts(&s->info_start, "# Commandstats\r\ncmdstat_zrange:calls=1,usec=9\r\n");
	buf_printf(&s->info_end, "# Commandstats\r\ncmdstat_zrange:calls=%d,usec=9\r\n", 1 + calls);
}

/* A big key is read whole again and again: each time takes 2 ms, which is no stall. */
static void short_reads_of_a_big_key(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	reads_all(&s, 50000, 0.3, 150);
	d = scene_diagnose(&s);
	f = expect(&d, "bigkey.blocks", SEVERITY_WARNING);
	assert_string_equal(f->title,
			    "ZRANGE on board takes 2.0 ms each time, 3.0 % of the time in sum");
	assert_true(evidence_value(f, "calls_total") == 150);
	diagnosis_free(&d);
	reads_all(&s, 50000, 0.06, 150); /* several in turn, each for little of the time */
	for (int i = 0; i < 3; i++) {
		static const char *const keys[] = { "board:1", "board:2", "board:3" };

		scene_key(&s, keys[i], "zset", 5000000, 50000, -1);
		scene_profile(&s, EVENT_CPU, "zrange", keys[i], 16, 0.08);
	}
	d = scene_diagnose(&s);
	f = expect(&d, "bigkey.blocks", SEVERITY_WARNING);
	assert_string_equal(f->title,
			    "ZRANGE on board:* takes 2.0 ms each time, 3.0 % of the time in sum");
	assert_null(diagnosis_find(&d, "command.blocks"));
	diagnosis_free(&d);
	reads_all(&s, 50000, 3, 1500); /* and no command's beside it */
	d = scene_diagnose(&s);
	expect(&d, "bigkey.blocks", SEVERITY_WARNING);
	assert_null(diagnosis_find(&d, "command.blocks"));
	diagnosis_free(&d);
	reads_all(&s, 50000, 0.3, 15000); /* parts of it */
	scene_expect_none(&s, "bigkey.blocks");
	reads_all(&s, 5000, 0.3, 150); /* it is not big */
	scene_expect_none(&s, "bigkey.blocks");
}

static struct record_key *draw_key(struct scene *s, const char *key, const char *type,
				   const char *encoding, int64_t bytes)
{
	struct record_key *k = scene_key(s, key, type, bytes, RECORD_UNKNOWN, -1);

	k->encoding = encoding;
	k->source = KEY_SOURCE_SAMPLE;
	return k;
}

/* All keys were looked at, and take less than the server holds. */
static void elements_not_looked_at(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 400 * MIB);
	buf_puts(&s.info_end,
		 "used_memory_dataset:419430400\r\ndb0:keys=3,expires=0,avg_ttl=0\r\n");
	draw_key(&s, "map", "hash", "hashtable", 5 * MIB);
	draw_key(&s, "board", "zset", "skiplist", 2 * MIB);
	draw_key(&s, "page", "string", "raw", 93 * MIB);
	d = scene_diagnose(&s);
	f = expect(&d, "bigkey.uncertain", SEVERITY_WARNING);
	assert_string_equal(f->title, "300.0 MiB lie in elements not looked at, in one of 2 keys, "
				      "most likely map");
	assert_true(evidence_value(f, "not_looked_at_bytes") == 300.0 * MIB);
	assert_true(f->weak);
	assert_string_equal(f->actions[0].command, "redis-cli MEMORY USAGE map SAMPLES 10000");
	diagnosis_free(&d);

	scene_init(&s); /* told larger than all the server ever held: its size is not known */
	scene_load(&s, 400 * MIB);
	buf_puts(&s.info_end,
		 "used_memory_dataset:419430400\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n");
	draw_key(&s, "map", "hash", "hashtable", 900 * GIB);
	d = scene_diagnose(&s);
	assert_string_equal(expect(&d, "bigkey.uncertain", SEVERITY_WARNING)->title,
			    "400.0 MiB lie in elements of map that were not looked at");
	assert_null(diagnosis_find(&d, "bigkey.size"));
	diagnosis_free(&d);
}

static void nothing_uncertain(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s); /* nine keys of ten were not looked at: what they hold is theirs */
	scene_load(&s, 400 * MIB);
	buf_puts(&s.info_end,
		 "used_memory_dataset:419430400\r\ndb0:keys=10,expires=0,avg_ttl=0\r\n");
	draw_key(&s, "map", "hash", "hashtable", 5 * MIB);
	scene_expect_none(&s, "bigkey.uncertain");
	scene_init(&s); /* of these each byte was told */
	scene_load(&s, 400 * MIB);
	buf_puts(&s.info_end,
		 "used_memory_dataset:419430400\r\ndb0:keys=2,expires=0,avg_ttl=0\r\n");
	draw_key(&s, "page", "string", "raw", 93 * MIB);
	draw_key(&s, "small", "hash", "listpack", 5 * MIB);
	scene_expect_none(&s, "bigkey.uncertain");
	scene_init(&s); /* all is where it should be */
	scene_load(&s, 400 * MIB);
	buf_puts(&s.info_end,
		 "used_memory_dataset:419430400\r\ndb0:keys=1,expires=0,avg_ttl=0\r\n");
	draw_key(&s, "map", "hash", "hashtable", 390 * MIB);
	scene_expect_none(&s, "bigkey.uncertain");
}

static void streams(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record_key *key;

	(void)state;
	scene_init(&s);
	scene_key(&s, "quiet", "stream", 900, 5, -1);
	key = draw_key(&s, "events", "stream", "stream", 9 * MIB);
	key->groups_total = 2;
	key->consumers_total = 40000;
	key->pending_total = 70000;
	d = scene_diagnose(&s);
	f = expect(&d, "stream.consumers", SEVERITY_INFO);
	assert_true(evidence_value(f, "consumers_total") == 40000);
	assert_string_equal(evidence_text(f, "key"), "events");
	f = expect(&d, "stream.pending", SEVERITY_INFO);
	assert_true(evidence_value(f, "pending_total") == 70000);
	assert_string_equal(f->actions[0].command, "redis-cli XINFO GROUPS events");
	diagnosis_free(&d);

	scene_init(&s); /* as it should be; and one of which nothing was told */
	key = scene_key(&s, "events", "stream", 9 * MIB, 50000, -1);
	key->consumers_total = 20;
	key->pending_total = 400;
	key = scene_key(&s, "older", "stream", 9 * MIB, 50000, -1);
	key->consumers_total = key->pending_total = RECORD_UNKNOWN;
	d = scene_diagnose(&s);
	assert_null(diagnosis_find(&d, "stream.consumers"));
	assert_null(diagnosis_find(&d, "stream.pending"));
	diagnosis_free(&d);
}

static void no_ttl(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_info(&s, "db0:keys=5000,expires=12,avg_ttl=1\r\n");
	scene_key(&s, "temp:1", "string", 100, RECORD_UNKNOWN, -1);
	scene_key(&s, "app:lock:7", "string", 100, RECORD_UNKNOWN, -1);
	scene_key(&s, "SESSION:abc", "hash", 900, 4, -1);
	scene_key(&s, "tmp:2", "string", 100, RECORD_UNKNOWN, 30);
	scene_key(&s, "user:1", "string", 100, RECORD_UNKNOWN, -1);
	d = scene_diagnose(&s);
	f = expect(&d, "keys.no_ttl", SEVERITY_WARNING);
	assert_true(evidence_value(f, "temporary_without_ttl_total") == 3);
	assert_true(evidence_value(f, "temporary_looked_at_total") == 4);
	assert_true(evidence_value(f, "keys_total") == 5000);
	assert_true(evidence_value(f, "keys_with_ttl_total") == 12);
	assert_true(f->weak); /* four keys are few */
	diagnosis_free(&d);
}

/* A hash goes with its last field: the server tells how many have fields that expire. */
static void no_ttl_of_fields(void **state)
{
	static const struct {
		const char *count;
		int64_t hashes;
		bool told;
	} cases[] = {
		{ "subexpiry=4000", 4000, false }, /* Redis 7.4 */
		{ "keys_with_volatile_items=4000", 4000, false }, /* Valkey 9 */
		{ "subexpiry=3", 3, true }, /* a few of them at most */
		{ "subexpiry=0", 0, true },
	};
	static char names[10][32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene s;
		struct diagnosis d;

		scene_init(&s);
		buf_printf(&s.info_end, "db0:keys=5000,expires=0,avg_ttl=0,%s\r\n", cases[i].count);
		for (size_t k = 0; k < 10; k++) {
			snprintf(names[k], sizeof(names[k]), "session:%zu", k);
			scene_key(&s, names[k], "hash", 200, 2, -1);
		}
		scene_key(&s, "temp:1", "string", 100, RECORD_UNKNOWN, 30);
		d = scene_diagnose(&s);
		assert_int_equal(diagnosis_find(&d, "keys.no_ttl") != NULL, cases[i].told);
		diagnosis_free(&d);
	}
}

/* The example is one of the many, not the largest of all. */
static void no_ttl_example(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_key(&s, "cache:home", "string", 900000, RECORD_UNKNOWN, -1);
	scene_key(&s, "session:1", "string", 100, RECORD_UNKNOWN, -1);
	scene_key(&s, "session:2", "string", 100, RECORD_UNKNOWN, -1);
	scene_key(&s, "session:3", "string", 100, RECORD_UNKNOWN, -1);
	d = scene_diagnose(&s);
	f = expect(&d, "keys.no_ttl", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "4 of 4"));
	assert_non_null(strstr(f->title, "such as session:"));
	diagnosis_free(&d);
}

static void no_ttl_near_misses(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_key(&s, "temp:1", "string", 100, RECORD_UNKNOWN, -1);
	scene_expect(&s, "keys.no_ttl", SEVERITY_INFO); /* one forgotten key */

	scene_init(&s);
	scene_key(&s, "temperature:1", "string", 100, RECORD_UNKNOWN, -1);
	scene_key(&s, "blocks:9", "string", 100, RECORD_UNKNOWN, -1);
	scene_key(&s, "temp:2", "string", 100, RECORD_UNKNOWN, 60);
	scene_key(&s, "temp:3", "string", 100, RECORD_UNKNOWN, NAN); /* not known */
	scene_key(&s, "temp:4", "none", RECORD_UNKNOWN, RECORD_UNKNOWN, -1); /* gone */
	scene_expect_none(&s, "keys.no_ttl");

	scene_init(&s); /* a cache that evicts any key needs no TTL on what it caches */
	scene_config(&s, "maxmemory-policy allkeys-lru\n");
	scene_key(&s, "cache:1", "string", 100, RECORD_UNKNOWN, -1);
	scene_expect_none(&s, "keys.no_ttl");
}

static void blocked_by_big_key(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record_stall *stall;

	(void)state;
	scene_init(&s);
	stall = scene_stall(&s, "del", "leaderboard:global", 0.8);
	record_blame(stall, CAUSE_COMMAND, 0.2);
	record_blame(stall, CAUSE_ALLOCATOR, 0.5);
	record_blame(stall, CAUSE_CPU_WAIT, 0.1);
	scene_stall(&s, "zrange", "leaderboard:global", 0.3);
	scene_key(&s, "leaderboard:global", "none", RECORD_UNKNOWN, RECORD_UNKNOWN, NAN);
	d = scene_diagnose(&s);
	f = expect(&d, "bigkey.blocks", SEVERITY_WARNING);
	assert_true(fabs(evidence_value(f, "longest_seconds") - 0.7) < 1e-9);
	/* Each is told with what it did itself: the other one by its name. */
	assert_string_equal(f->title, "DEL on leaderboard:global held the server for 700 ms; also "
				      "ZRANGE on leaderboard:global, 300 ms");
	assert_true(fabs(evidence_value(f, "stalls_seconds") - 0.7) < 1e-9);
	assert_true(evidence_value(f, "stalls_total") == 1);
	assert_true(fabs(evidence_value(f, "all_stalls_seconds") - 1.0) < 1e-9);
	assert_true(evidence_value(f, "all_stalls_total") == 2);
	assert_true(fabs(evidence_value(f, "allocator_ratio") - 5.0 / 7) < 1e-9);
	assert_string_equal(evidence_text(f, "key"), "leaderboard:global");
	assert_non_null(strstr(f->actions[0].text, "UNLINK"));
	assert_non_null(strstr(f->actions[1].command, "lazyfree-lazy-user-del yes"));
	assert_false(f->weak);
	assert_null(diagnosis_find(&d, "command.blocks"));
	diagnosis_free(&d);

	scene_init(&s);
	scene_stall(&s, "sort", "big", 1.2);
	scene_expect(&s, "bigkey.blocks", SEVERITY_CRITICAL);
}

/* What the command suffered is not its fault, however big the key. */
static void suffering_is_not_blocking(void **state)
{
	struct scene s;
	struct record_stall *stall;

	(void)state;
	for (int64_t bytes = 100; bytes < 1 << 30; bytes *= 1000000) {
		scene_init(&s);
		stall = scene_stall(&s, "rpush", "queue:1", 0.9);
		record_blame(stall, CAUSE_COMMAND, 0.001);
		record_blame(stall, CAUSE_FAULT_SWAP, 0.6);
		record_blame(stall, CAUSE_CPU_WAIT, 0.299);
		scene_key(&s, "queue:1", "list", bytes, bytes / 100, NAN);
		/* SLOWLOG calls it slow as well; the split is known better. */
		scene_add(&s, RECORD_SLOWLOG)->slowlog =
			(struct record_slowlog){ .id = 1,
						 .unix_seconds =
							 s.session.wall_start_ns / 1000000000 + 2,
						 .seconds = 0.9,
						 .command = "rpush",
						 .key = scene_bytes("queue:1") };
		scene_expect_none(&s, "bigkey.blocks");
	}
}

static void blocked_without_key(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_stall(&s, "keys", "", 0.4);
	d = scene_diagnose(&s);
	f = expect(&d, "command.blocks", SEVERITY_WARNING);
	assert_string_equal(f->title, "KEYS held the server for 400 ms");
	assert_non_null(strstr(f->actions[0].text, "SCAN"));
	diagnosis_free(&d);

	scene_init(&s); /* a script that loops over a small key: the key is not to blame */
	scene_stall(&s, "eval", "counter", 0.4);
	scene_key(&s, "counter", "string", 60, RECORD_UNKNOWN, -1);
	d = scene_diagnose(&s);
	assert_null(diagnosis_find(&d, "bigkey.blocks"));
	expect(&d, "command.blocks", SEVERITY_WARNING);
	diagnosis_free(&d);

	scene_init(&s); /* nor is one that is not there, or that nobody looked at */
	scene_stall(&s, "fcall", "sales:2024", 0.4);
	scene_key(&s, "sales:2024", "none", RECORD_UNKNOWN, RECORD_UNKNOWN, NAN);
	scene_stall(&s, "eval", "report:7", 0.4);
	d = scene_diagnose(&s);
	assert_null(diagnosis_find(&d, "bigkey.blocks"));
	expect(&d, "command.blocks", SEVERITY_WARNING);
	diagnosis_free(&d);

	scene_init(&s); /* the loop itself is no command */
	scene_stall(&s, "", "", 0.4);
	scene_expect_none(&s, "command.blocks");
}

/* The cause says what the command did, not what commands usually do. */
static void why_it_blocks(void **state)
{
	static const struct {
		const char *command, *key;
		enum redmem_cause cause;
		int64_t elements; /* of the key, which has 200 MiB; -1: there is none */
		const char *words;
	} kinds[] = {
		{ "keys", "", CAUSE_COMMAND, -1, "works over much data" },
		{ "debug", "", CAUSE_OTHER, -1, "sleeps or waits" },
		{ "eval", "", CAUSE_COMMAND, -1, "A script is one command" },
		{ "flushall", "", CAUSE_ALLOCATOR, -1, "frees or builds" },
		{ "hgetall", "report", CAUSE_COMMAND, 20, "very large elements" },
		{ "hgetall", "report", CAUSE_COMMAND, 2000000, "very many elements" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		bool keyed = kinds[i].elements >= 0;
		struct diagnosis d;
		struct scene s;

		scene_init(&s);
		scene_load(&s, 400 * MIB);
		record_blame(scene_stall(&s, kinds[i].command, kinds[i].key, 0.4), kinds[i].cause,
			     0.4);
		if (keyed)
			scene_key(&s, kinds[i].key, "hash", 200 * MIB, kinds[i].elements, -1);
		d = scene_diagnose(&s);
		assert_non_null(strstr(
			expect(&d, keyed ? "bigkey.blocks" : "command.blocks", SEVERITY_WARNING)
				->cause,
			kinds[i].words));
		diagnosis_free(&d);
	}
}

/* Who harmed most is named, and how much it was in sum: not whoever was longest once. */
static void blocked_again_and_again(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_stall(&s, "zrange", "board:once", 0.06);
	for (int i = 0; i < 20; i++)
		scene_stall(&s, "smembers", "tags:often", 0.04);
	d = scene_diagnose(&s);
	f = expect(&d, "bigkey.blocks", SEVERITY_WARNING);
	assert_string_equal(f->title, "SMEMBERS on tags:often held the server for 40 ms, and 20 "
				      "such stalls for 800 ms");
	diagnosis_free(&d);

	scene_init(&s); /* one that is long is worse than a few that are short */
	scene_stall(&s, "del", "board:once", 0.7);
	for (int i = 0; i < 20; i++)
		scene_stall(&s, "smembers", "tags:often", 0.04);
	d = scene_diagnose(&s);
	f = expect(&d, "bigkey.blocks", SEVERITY_WARNING);
	assert_string_equal(evidence_text(f, "key"), "board:once");
	diagnosis_free(&d);

	scene_init(&s);
	for (int i = 0; i < 20; i++)
		scene_stall(&s, "keys", "", 0.04);
	d = scene_diagnose(&s);
	f = expect(&d, "command.blocks", SEVERITY_WARNING);
	assert_string_equal(f->title,
			    "KEYS held the server for 40 ms, and 20 such stalls for 800 ms");
	diagnosis_free(&d);
}

/* Advice fits the command: what writes cannot be sent to a replica; a string has no elements. */
static void blocked_advice_fits(void **state)
{
	static const char *const writes[] = { "sunionstore", "zrangestore", "copy", "bitop",
					      "restore",     "setrange",    "hset", "zrem" };
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	for (size_t i = 0; i < sizeof(writes) / sizeof(writes[0]); i++) {
		scene_init(&s);
		scene_load(&s, 1 * GIB);
		scene_stall(&s, writes[i], "big:1", 0.4);
		scene_key(&s, "big:1", "string", 20 * MIB, RECORD_UNKNOWN, -1);
		d = scene_diagnose(&s);
		f = expect(&d, "bigkey.blocks", SEVERITY_WARNING);
		assert_null(strstr(f->actions[0].text, "replica"));
		assert_null(strstr(f->cause, "elements"));
		diagnosis_free(&d);
	}
}

/* A key that nobody looked at is not taken for a big one where the command touches one value. */
static void blocked_on_a_key_not_looked_at(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_stall(&s, "hgetall", "user:9", 0.4);
	scene_expect(&s, "bigkey.blocks", SEVERITY_WARNING);
	scene_init(&s);
	scene_stall(&s, "set", "user:9", 0.4);
	scene_expect(&s, "command.blocks", SEVERITY_WARNING);
	scene_init(&s);
	scene_stall(&s, "set", "user:9", 0.4);
	scene_key(&s, "user:9", "none", RECORD_UNKNOWN, RECORD_UNKNOWN, NAN);
	scene_expect(&s, "bigkey.blocks", SEVERITY_WARNING);
}

/* What a command took away, or wrote another value over, is not to be seen any more. */
static void blocked_by_what_is_gone(void **state)
{
	static const struct {
		const char *command, *id;
		int64_t freeing_ns;
	} cases[] = {
		{ "ltrim", "bigkey.blocks", 0 },       { "zremrangebyrank", "bigkey.blocks", 0 },
		{ "del", "bigkey.blocks", 0 }, /* and somebody has made it anew */
		{ "set", "bigkey.blocks", 300000000 }, { "set", "command.blocks", 100000000 },
		{ "eval", "command.blocks", 0 },       { "rename", "bigkey.blocks", 0 },
	};
	struct record_stall *stall;
	struct scene s;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		scene_init(&s);
		stall = scene_stall(&s, cases[i].command, "board:9", 0.4);
		stall->frame_ns[FRAME_FREE] = cases[i].freeing_ns;
		stall->frame_ns[FRAME_NONE] = 400000000 - cases[i].freeing_ns;
		scene_key(&s, "board:9", "list", 60, 2, -1);
		scene_expect(&s, cases[i].id, SEVERITY_WARNING);
	}
	scene_init(&s); /* on a busy machine it waits for a CPU for the most part */
	stall = scene_stall(&s, "set", "board:9", 0.9);
	record_blame(stall, CAUSE_CPU_WAIT, 0.5);
	record_blame(stall, CAUSE_ALLOCATOR, 0.4);
	stall->frame_ns[FRAME_FREE] = 390000000;
	scene_key(&s, "board:9", "string", 60, RECORD_UNKNOWN, -1);
	scene_expect(&s, "bigkey.blocks", SEVERITY_WARNING);
}

/* A short stream, of which very much was handed out and not acknowledged. */
static void blocked_by_pending_entries(void **state)
{
	static const char *const commands[] = { "xpending", "xadd" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct scene s;
		struct diagnosis d;
		const struct finding *f;

		scene_init(&s);
		scene_load(&s, 64 * MIB);
		scene_stall(&s, commands[i], "events", 0.158);
		scene_key(&s, "events", "stream", 900 * KIB, 88799, -1)->pending_total = 88799;
		d = scene_diagnose(&s);
		f = expect(&d, i ? "command.blocks" : "bigkey.blocks", SEVERITY_WARNING);
		assert_string_equal(f->title, i ? "XADD on events held the server for 158 ms" :
						  "XPENDING on events held the server for 158 ms");
		if (!i)
			assert_int_equal(evidence_value(f, "key_pending"), 88799);
		diagnosis_free(&d);
	}
}

/* @key: NULL = none */
static struct record_slowlog *add_slow(struct scene *s, const char *command, const char *key,
				       double seconds)
{
	int64_t id = (int64_t)s->extra_count;
	struct record *record = scene_add(s, RECORD_SLOWLOG);

	record->slowlog = (struct record_slowlog){
		.id = id,
		.unix_seconds = s->session.wall_start_ns / 1000000000 + 2,
		.seconds = seconds,
		.command = command,
		.key = key ? scene_bytes(key) : (struct bytes){ 0 },
	};
	return &record->slowlog;
}

/* A stall of a command with that many keys, of which the log tells two. */
static void add_stall_of(struct scene *s, const char *command, double seconds, int64_t keys_total)
{
	struct record_slowlog *slow;

	scene_init(s);
	scene_load(s, 64 * MIB);
	scene_stall(s, command, "few", seconds);
	slow = add_slow(s, command, "few", seconds);
	slow->keys_total = keys_total;
	slow->key_2 = scene_bytes("members");
}

/* The first key of several need not be the one. */
static void blocked_by_one_of_several(void **state)
{
	const struct finding *f;
	struct scene s;
	struct diagnosis d;

	(void)state;
	add_stall_of(&s, "sunion", 0.4, 2);
	scene_info(&s, "cmdstat_sunion:calls=30,usec=1400000\r\n");
	scene_profile(&s, EVENT_CPU, "sunion", "few", 300, 1.4);
	scene_key(&s, "few", "set", 200, 3, -1);
	scene_key(&s, "members", "set", 9 * MIB, 187060, -1);
	d = scene_diagnose(&s);
	f = expect(&d, "bigkey.blocks", SEVERITY_WARNING);
	assert_string_equal(f->title, "SUNION on members held the server for 400 ms");
	assert_null(diagnosis_find(&d, "command.blocks")); /* the same time */
	assert_int_equal(evidence_value(f, "key_elements"), 187060);
	diagnosis_free(&d);

	add_stall_of(&s, "del", 0.4, 2); /* both are gone: one of them was big */
	scene_key(&s, "few", "none", RECORD_UNKNOWN, RECORD_UNKNOWN, -1);
	scene_key(&s, "members", "none", RECORD_UNKNOWN, RECORD_UNKNOWN, -1);
	d = scene_diagnose(&s);
	f = expect(&d, "bigkey.blocks", SEVERITY_WARNING);
	assert_string_equal(f->title,
			    "DEL on one of 2 keys (few, members) held the server for 400 ms");
	diagnosis_free(&d);

	add_stall_of(&s, "del", 0.068, 237060); /* none of them */
	scene_key(&s, "few", "none", RECORD_UNKNOWN, RECORD_UNKNOWN, -1);
	d = scene_diagnose(&s);
	f = expect(&d, "command.blocks", SEVERITY_WARNING);
	assert_string_equal(f->title, "DEL of 237,060 keys held the server for 68 ms");
	assert_string_equal(f->actions[0].text, "Send some hundred keys at a time.");
	assert_null(diagnosis_find(&d, "bigkey.blocks"));
	diagnosis_free(&d);
}

/* Where the sensor is off SLOWLOG has to do, and is called thin evidence. */
static void blocked_by_slowlog(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	s.sensors_off = "loop";
	add_slow(&s, "smembers", "tags:all", 0.25);
	add_slow(&s, "debug", NULL, 0.5); /* who reads SLOWLOG knows that SLEEP is no key */
	d = scene_diagnose(&s);
	f = expect(&d, "bigkey.blocks", SEVERITY_WARNING);
	assert_string_equal(evidence_text(f, "key"), "tags:all");
	assert_string_equal(evidence_text(f, "source"), "slowlog");
	assert_true(f->weak);
	f = expect(&d, "command.blocks", SEVERITY_WARNING);
	assert_string_equal(evidence_text(f, "command"), "DEBUG");
	diagnosis_free(&d);

	scene_init(&s); /* the sensor is on and saw nothing, but the key is known to be big */
	add_slow(&s, "smembers", "tags:all", 0.25);
	scene_key(&s, "tags:all", "set", 20 * MIB, 300000, -1);
	scene_expect(&s, "bigkey.blocks", SEVERITY_WARNING);
}

static void tables_of_tiny_values(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 400 * MIB);
	s.table = 200 * MIB;
	d = scene_diagnose(&s);
	f = expect(&d, "hashtable.overhead", SEVERITY_INFO);
	assert_true(evidence_value(f, "hashtable_main") == 200.0 * MIB);
	diagnosis_free(&d);

	scene_init(&s);
	scene_load(&s, 400 * MIB);
	s.table = 110 * MIB; /* 27 % */
	scene_expect_none(&s, "hashtable.overhead");
}

static void tables_while_rehashing(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 4 * GIB);
	s.table = 700 * MIB;
	buf_puts(&s.memory_stats, "overhead.db.hashtable.rehashing 402653184\n");
	d = scene_diagnose(&s);
	f = expect(&d, "hashtable.overhead", SEVERITY_INFO);
	assert_true(evidence_value(f, "hashtable_rehashing") == 384.0 * MIB);
	diagnosis_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_of_the_guide),
		cmocka_unit_test(key_of_database),
		cmocka_unit_test(big_keys),
		cmocka_unit_test(short_reads_of_a_big_key),
		cmocka_unit_test(elements_not_looked_at),
		cmocka_unit_test(nothing_uncertain),
		cmocka_unit_test(streams),
		cmocka_unit_test(no_ttl),
		cmocka_unit_test(no_ttl_of_fields),
		cmocka_unit_test(no_ttl_example),
		cmocka_unit_test(no_ttl_near_misses),
		cmocka_unit_test(blocked_by_big_key),
		cmocka_unit_test(suffering_is_not_blocking),
		cmocka_unit_test(blocked_without_key),
		cmocka_unit_test(why_it_blocks),
		cmocka_unit_test(blocked_again_and_again),
		cmocka_unit_test(blocked_advice_fits),
		cmocka_unit_test(blocked_on_a_key_not_looked_at),
		cmocka_unit_test(blocked_by_what_is_gone),
		cmocka_unit_test(blocked_by_pending_entries),
		cmocka_unit_test(blocked_by_one_of_several),
		cmocka_unit_test(blocked_by_slowlog),
		cmocka_unit_test(tables_of_tiny_values),
		cmocka_unit_test(tables_while_rehashing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
