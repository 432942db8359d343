/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recordings whose numbers are anything: every report is made of them, and ends. The
 * sanitized build finds what wraps round or does not fit; the plain one what never ends.
 * The recordings are the golden ones, with numbers replaced at places drawn from a fixed
 * seed, so that a failure comes again.
 */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#include "base/buf.h"
#include "diagnose/keys.h"
#include "every_report.h"
#include "host/maps.h"
#include "model/keyspace.h"
#include "record/codec.h"
#include "record/schema.h"
#include "redis/info.h"
#include "redis/malloc_stats.h"
#include "report/report.h"
#include "report_model.h"
#include "skipped.h"

#define RECORDINGS   "tests/golden"
#define ROUNDS	     60
#define SECONDS_MAX  100 /* of the CPU, for all; a loop without end is killed by then */
#define NUMBER_BYTES 24

static uint64_t seed;

/* xorshift64: the same everywhere. */
static uint64_t draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % below;
}

static int64_t hostile_int(void)
{
	static const int64_t ends[] = { INT64_MAX,
					INT64_MIN + 1,
					INT64_MAX / 2 + 1,
					9000000000000000000,
					-1,
					0,
					INT64_MAX - 1,
					1,
					(int64_t)1 << 53,
					INT32_MAX,
					INT64_MIN };

	return ends[draw(sizeof(ends) / sizeof(ends[0]))];
}

static double hostile_double(void)
{
	static const double ends[] = { 1e308, -1e308, 1e19, -1, 0, 5e-324, 9.3e18, -9.3e18, 1e10 };

	return ends[draw(sizeof(ends) / sizeof(ends[0]))];
}

/* Some numbers of a text (an INFO, a table of the allocator) become others. */
static char *hostile_text(const char *text)
{
	struct buf out = { 0 };

	while (*text) {
		size_t digits = strspn(text, "0123456789");

		if (digits && draw(8) == 0) {
			buf_printf(&out, "%lld", (long long)hostile_int());
			text += digits;
		} else {
			buf_add(&out, text, digits ? digits : 1);
			text += digits ? digits : 1;
		}
	}
	return out.data ? out.data : xstrdup("");
}

static void spoil(struct record *record, char **owned)
{
	const struct record_schema *schema = record_schema(record->kind);

	for (size_t i = 0; i < schema->count; i++) {
		void *at = field_at(record, &schema->fields[i]);

		if (draw(4))
			continue;
		if (schema->fields[i].type == FIELD_I64)
			*(int64_t *)at = hostile_int();
		else if (schema->fields[i].type == FIELD_F64)
			*(double *)at = hostile_double();
		else if (!strcmp(schema->fields[i].name, "text") && !*owned)
			*(const char **)at = *owned = hostile_text(*(const char **)at);
	}
}

/* Every record of a golden recording, those with a coin's luck twice and spoilt. */
static void take_file(struct model *m, const char *name)
{
	char path[300], *line = NULL;
	size_t room = 0;
	ssize_t len;
	FILE *f;

	snprintf(path, sizeof(path), RECORDINGS "/%s", name);
	f = fopen(path, "r");
	assert_non_null(f);
	while ((len = getline(&line, &room, f)) > 0) {
		struct record_decoded *keep;
		struct record record;

		if (record_decode(line, (size_t)len, &record, &keep, NULL))
			continue; /* the head, the end, a note */
		for (int times = (int)draw(3); times >= 0; times--) {
			struct record copy = record;
			char *owned = NULL;

			spoil(&copy, &owned);
			model_take(m, &copy);
			free(owned);
		}
		record_decoded_free(keep);
	}
	free(line);
	fclose(f);
}

/* Records of every kind with words that lead somewhere, for what no golden recording has. */
static void take_words(struct model *m)
{
	static const char *const words[] = {
		"cpu",	  "alloc", "free",	"alloc_class", "free_class", "fault_minor",
		"end",	  "start", "fault_cow", "fault_swap",  "malloc",     "realloc",
		"slow",	  "fast",  "fault",	"del",	       "set",	     "hash",
		"string", "zset",  "skiplist",	"hashtable",   "allocator",  "heap",
		"rdb",	  "hang",  "anon",	"loop",	       "",	     "maxmemory",
	};

	for (int i = 0; i < 200; i++) {
		struct record record;
		const struct record_schema *schema;

		record_clear(&record, (enum record_kind)draw(RECORD_KINDS));
		schema = record_schema(record.kind);
		for (size_t field = 0; field < schema->count; field++) {
			const char *word = words[draw(sizeof(words) / sizeof(words[0]))];
			void *at = field_at(&record, &schema->fields[field]);

			if (schema->fields[field].type == FIELD_STRING)
				*(const char **)at = word;
			else if (schema->fields[field].type == FIELD_BYTES)
				*(struct bytes *)at = (struct bytes){ word, strlen(word) };
			else if (schema->fields[field].type == FIELD_BOOL)
				*(bool *)at = draw(2);
		}
		for (int times = 0; times < 3; times++) {
			struct record copy = record;
			char *owned = NULL;

			spoil(&copy, &owned);
			model_take(m, &copy);
			free(owned);
		}
	}
}

static void test_recordings(void **state)
{
	struct dirent *entry;
	DIR *dir = opendir(RECORDINGS);
	int files = 0;

	(void)state;
	if (!dir)
		skip_because(RECORDINGS " is not here");
	while ((entry = readdir(dir))) {
		const char *dot = strrchr(entry->d_name, '.');

		if (!dot || strcmp(dot, ".jsonl"))
			continue;
		files++;
		for (uint64_t round = 0; round < ROUNDS; round++) {
			struct model *m = model_new();

			seed = 0x9e3779b97f4a7c15 + round;
			take_file(m, entry->d_name);
			if (round % 2)
				take_words(m);
			model_finish(m);
			every_report(m, draw(UINT64_MAX));
			model_free(m);
		}
	}
	closedir(dir);
	assert_true(files > 0);
}

/* Keys of a pass: what a server says of sizes and times. */
static void test_keyspace(void **state)
{
	static const char *const types[] = { "string", "hash", "zset", "list", "set", "stream" };
	static const char *const encodings[] = { "raw", "hashtable", "skiplist", "quicklist",
						 "listpack" };

	(void)state;
	for (uint64_t round = 0; round < ROUNDS; round++) {
		struct model *m = model_new();

		seed = 0x2545f4914f6cdd1d + round;
		m->keyspace = keyspace_new(&(struct keyspace_options){
			.top = 5, .level = key_level, .temporary = key_temporary });
		for (int i = 0; i < 200; i++) {
			char name[32];
			struct record_key key = { .type = types[draw(6)],
						  .encoding = encodings[draw(5)],
						  .db = draw(3) ? 0 : hostile_int(),
						  .bytes = draw(2) ? hostile_int() : 1000,
						  .elements = draw(2) ? hostile_int() : 10,
						  .ttl_seconds = draw(2) ? hostile_double() : -1,
						  .dumped = draw(2),
						  .older = !draw(4),
						  .idle_seconds = hostile_int(),
						  .frequency = hostile_int(),
						  .slot = hostile_int(),
						  .dump_bytes = hostile_int(),
						  .saved_bytes = hostile_int() };

			snprintf(name, sizeof(name), "%s:%d", key.older && draw(2) ? "old" : "user",
				 (int)draw(1000));
			key.key = (struct bytes){ name, strlen(name) };
			keyspace_take(m->keyspace, &key, 0);
		}
		keyspace_finish(m->keyspace);
		model_finish(m);
		every_report(m, draw(UINT64_MAX));
		model_free(m);
	}
}

static const char smaps[] = "55d0c0000000-55d0c0200000 rw-p 00000000 00:00 0 [heap]\n"
			    "Size:               2048 kB\nRss:                1024 kB\n"
			    "Pss:                1024 kB\nPrivate_Dirty:       512 kB\n"
			    "LazyFree:              4 kB\nAnonHugePages:         0 kB\n"
			    "Swap:                 12 kB\n"
			    "7f0000000000-7f0000200000 rw-p 00000000 00:00 0\n"
			    "Size:               2048 kB\nRss:                1024 kB\n"
			    "Pss:                1024 kB\nSwap:                 12 kB\n";

/* What the parsers make of such texts, by themselves. */
static void test_texts(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 2000; round++) {
		char *text;
		struct smaps_rollup rollup;
		int64_t keys, expires;
		struct info *info;
		struct maps *maps;

		seed = 0xdeadbeefcafef00d + round;
		text = hostile_text(smaps);
		smaps_rollup_parse(&rollup, text, strlen(text));
		assert_int_equal(maps_parse(&maps, text, strlen(text), true), 0);
		maps_free(maps);
		free(text);
		text = hostile_text("db0:keys=1,expires=2,avg_ttl=3\r\ndb1:keys=1,expires=2\r\n"
				    "db2:keys=5,expires=1\r\n");
		info = info_parse(text);
		info_keyspace(info, &keys, &expires);
		info_free(info);
		free(text);
	}
}

/* --- report hostile ----------------------------------------------------------------------- */

/* No byte of a server can harm a terminal or a JSON reader. */

#define BIG_KEY (64u << 10)

static const struct report_style plain = { .columns = 100 };
static const struct report_style verbose = { .verbose = true, .columns = 100 };

static void assert_hostile(struct bytes key)
{
	struct model *m = model_full(key);
	json_t *root = json_of(m);
	const json_t *base64 = json_object_get(row(root, "stalls", 0), "key_base64");
	struct buf bytes = { 0 }, escaped = { 0 }, text;

	if (utf8_is_plain(key.data, key.len) && !memchr(key.data, '"', key.len) &&
	    !memchr(key.data, '\\', key.len)) {
		assert_null(base64);
	} else {
		assert_int_equal(base64_decode(&bytes, json_string_value(base64)), 0);
		assert_int_equal(bytes.len, key.len);
		assert_memory_equal(bytes.data, key.data, key.len);
	}
	escape_redis(&escaped, key.data, key.len);
	assert_string_equal(json_string_value(json_object_get(row(root, "stalls", 0), "key")),
			    buf_str(&escaped));
	text = text_of(m, &plain);
	assert_lines(&text, 100);
	buf_free(&text);
	text = text_of(m, &verbose);
	assert_lines(&text, 200);
	buf_free(&text);
	buf_free(&bytes);
	buf_free(&escaped);
	json_decref(root);
	model_free(m);
}

static void test_hostile_keys(void **state)
{
	static const struct bytes keys[] = {
		{ "\033[2J\033]0;owned\007", 14 }, /* clears the screen, sets the title */
		{ "\xff\xfe\x80\xc0", 4 }, /* not UTF-8 */
		{ "a\0b", 3 }, /* NUL inside */
		{ "\xc2\x9b"
		  "31m",
		  5 }, /* C1 control: an escape in one character */
		{ "\xe2\x80\xae"
		  "abc",
		  6 }, /* reads backwards from here */
		{ "line\nSTALLS  none seen\r", 23 }, /* forges a section */
		{ "\"},{\"key\":\"", 11 }, /* closes a JSON string */
		{ "caf\xc3\xa9:\xe6\x97\xa5", 9 }, /* plain UTF-8 */
		{ "%s%n%s", 6 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_hostile(keys[i]);
}

static void test_big_key(void **state)
{
	char *key = malloc(BIG_KEY);

	(void)state;
	assert_non_null(key);
	memset(key, 'k', BIG_KEY);
	assert_hostile((struct bytes){ key, BIG_KEY });
	memset(key, '\x1b', BIG_KEY);
	assert_hostile((struct bytes){ key, BIG_KEY });
	free(key);
}

/* Names come from the server too: a module may call its command anything. */
static void test_hostile_names(void **state)
{
	static const char nasty[] = "\033[31mred\xff";
	struct model *m = model_new();
	struct buf text;

	(void)state;
	take(m, (struct record){ .kind = RECORD_TARGET,
				 .target = { .pid = 1,
					     .server = nasty,
					     .version = nasty,
					     .executable = nasty,
					     .allocator = nasty,
					     .port = RECORD_UNKNOWN,
					     .socket = nasty,
					     .role = nasty,
					     .connect_reason = nasty } });
	take_sensor(m, "cpu", true, nasty);
	take_profile(m, EVENT_CPU, nasty, key_of("k"), 0.5);
	take_stall(m, nasty, key_of("k"), true);
	model_finish(m);
	json_decref(json_of(m));
	text = text_of(m, &verbose);
	assert_lines(&text, 0);
	buf_free(&text);
	model_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),	   cmocka_unit_test(test_keyspace),
		cmocka_unit_test(test_recordings), cmocka_unit_test(test_hostile_keys),
		cmocka_unit_test(test_big_key),	   cmocka_unit_test(test_hostile_names),
	};

	setrlimit(RLIMIT_CPU, &(struct rlimit){ SECONDS_MAX, SECONDS_MAX });
	return cmocka_run_group_tests(tests, NULL, NULL);
}
