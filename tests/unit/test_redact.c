/* SPDX-License-Identifier: BSD-2-Clause */
/* --redact: what is hidden, what stays, and that records carry nothing else. */
#define _GNU_SOURCE 1 /* strcasestr(), memmem() */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "app/redact.h"
#include "app/redact_words.h"
#include "model/prefix.h"
#include "record/schema.h"
#include "redis/info.h"

#define SECRET "zoe"

static struct redact_key *key;
static struct redact *redact;
static struct redact_names *names;

static int begin(void **state)
{
	(void)state;
	assert_int_equal(redact_key_open(&key, NULL, NULL), 0);
	redact = redact_new(key, NULL);
	names = redact_names_of(redact);
	return 0;
}

static int end(void **state)
{
	(void)state;
	redact_free(redact);
	redact_key_free(key);
	return 0;
}

/* The caller's. */
static char *named(struct redact_names *r, const char *name)
{
	struct buf out = { 0 };

	redact_key_name(r, &out, (struct bytes){ name, strlen(name) }, false);
	return out.data;
}

static char *said(enum field_says says, const char *text)
{
	struct buf out = { 0 };

	redact_words(names, &out, says, text);
	return out.data;
}

static void check_said(enum field_says says, const char *text, const char *expected)
{
	char *shown = said(says, text);

	assert_string_equal(shown, expected);
	free(shown);
}

/* --- names ----------------------------------------------------------------------------------- */

static void each_part_goes_but_common_words(void **state)
{
	char *name = named(names, "session:90937:zoe@x.org:cart:Zoe42");

	(void)state;
	assert_int_equal(strncmp(name, "session:", 8), 0);
	assert_null(strstr(name, "90937"));
	assert_null(strcasestr(name, SECRET));
	assert_null(strstr(name, "org"));
	assert_non_null(strstr(name, ":cart:"));
	free(name);
}

/* The first part is no better than the others: somebody's name may come first. */
static void the_first_part_goes(void **state)
{
	static const char *const given[] = {
		"zoe:1", "zoe", "zoe.x", "zoe1", "ZOE:session", "{zoe}"
	};

	(void)state;
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		char *name = named(names, given[i]);

		assert_null(strcasestr(name, SECRET));
		free(name);
	}
}

/* "aaa:*:bbb" for each word of a prefix another one, and the same for the same. */
static void prefixes_are_as_they_were(void **state)
{
	static const char *const given[] = {
		"zoe:1042:profile",
		"zoe:77:profile",
		"zoe:5f3a9c81d5e0:profile",
		"zoe:x",
		"zoe42",
		"zoe7",
		"a-b_c.d/e|f",
		"f81d4fae-7dec-11d0-a765-00a0c91e6bf6:zoe",
		"\xff\x01:zoe",
		"zo\xc3\xab:8",
		"0",
		"user:1:zoe",
		"cache.zoe#7",
		":",
		"",
		"zoe:this-is-longer-than-anything-else-would-be",
	};
	const size_t count = sizeof(given) / sizeof(given[0]);
	struct buf before[20] = { 0 }, after[20] = { 0 };

	(void)state;
	for (size_t i = 0; i < count; i++) {
		char *name = named(names, given[i]);

		prefix_fold(&before[i], given[i], strlen(given[i]));
		prefix_fold(&after[i], name, strlen(name));
		free(name);
		name = said(SAYS_NAME, buf_str(&before[i])); /* of what is folded, the same */
		assert_string_equal(name, buf_str(&after[i]));
		free(name);
		for (size_t j = 0; j < i; j++)
			assert_int_equal(!strcmp(buf_str(&before[i]), buf_str(&before[j])),
					 !strcmp(buf_str(&after[i]), buf_str(&after[j])));
	}
	for (size_t i = 0; i < count; i++) {
		buf_free(&before[i]);
		buf_free(&after[i]);
	}
}

static void other_separators_part_it_elsewhere(void **state)
{
	struct redact_names *r = redact_names_new(key, ",");
	char *name = named(r, "zoe,17,a:b");

	(void)state;
	assert_int_equal(strlen(name) - strcspn(name, ","), 1 + 12 + 1 + 6);
	assert_null(strchr(name, ':'));
	free(name);
	redact_names_free(r);
}

/* Sensors keep the first bytes of a key: what they tell is how what others tell of it begins. */
static void long_keys_begin_as_what_sensors_keep(void **state)
{
	char long_name[200];
	struct buf all = { 0 }, part = { 0 };

	(void)state;
	for (size_t len = 0; len < sizeof(long_name); len++)
		long_name[len] = len % 5 == 4 ? ':' : "zoeabcdef1234"[len % 13];
	for (size_t len = 1; len < sizeof(long_name); len++) {
		bool cut = len > RECORD_KEY_MAX;

		buf_clear(&all);
		buf_clear(&part);
		redact_key_name(names, &all, (struct bytes){ long_name, len }, false);
		redact_key_name(names, &part,
				(struct bytes){ long_name, cut ? RECORD_KEY_MAX : len }, cut);
		assert_int_equal(all.len > RECORD_KEY_MAX, cut);
		assert_true(part.len <= RECORD_KEY_MAX);
		assert_memory_equal(all.data, part.data, part.len);
	}
	buf_free(&all);
	buf_free(&part);
}

static void hosts_go_and_ports_stay(void **state)
{
	static const char *const addresses[] = { "10.1.2.3:51234", "[fe80::1%eth0]:51234",
						 "zoes-laptop.example.org:51234",
						 "/run/zoe/r.sock:51234", "zoe:51234" };

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		char *shown = said(SAYS_ADDRESS, addresses[i]);

		assert_string_equal(shown + strlen(shown) - 6, ":51234");
		assert_null(strstr(shown, SECRET));
		assert_null(strstr(shown, "10.1"));
		assert_null(strstr(shown, "fe80"));
		free(shown);
	}
	check_said(SAYS_ADDRESS, "127.0.0.1:6379", "127.0.0.1:6379");
}

/* --- the key --------------------------------------------------------------------------------- */

static void make_file(char path[64], const char *text, mode_t mode)
{
	int fd;

	strcpy(path, "/tmp/test_redact.XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void with_a_file_two_runs_agree(void **state)
{
	struct redact_key *keys[3];
	char path[64], *given[3];

	(void)state;
	make_file(path, "0123456789abcdef\n", 0600);
	for (int i = 0; i < 3; i++) {
		struct redact_names *r;

		assert_int_equal(redact_key_open(&keys[i], i < 2 ? path : NULL, NULL), 0);
		r = redact_names_new(keys[i], NULL);
		given[i] = named(r, "zoe:1");
		redact_names_free(r);
		redact_key_free(keys[i]);
	}
	assert_string_equal(given[0], given[1]);
	assert_string_not_equal(given[0], given[2]);
	for (int i = 0; i < 3; i++)
		free(given[i]);
	unlink(path);
}

static void a_key_that_others_know_is_refused(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		const char *complaint;
	} bad[] = { { "0123456789abcdef", 0644, "chmod" },
		    { "0123456789", 0600, "fewer than 16" } };
	struct redact_key *none;
	struct err err = { 0 };
	char path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		make_file(path, bad[i].text, bad[i].mode);
		assert_true(redact_key_open(&none, path, &err) < 0);
		assert_non_null(strstr(err.text, bad[i].complaint));
		unlink(path);
	}
	assert_true(redact_key_open(&none, path, &err) < 0);
}

/* --- records ------------------------------------------------------------------------------- */

#define PLANTED "zoe.txt:zoe zoe,name=zoe;zoe+0x1 'zoe' zoe@zoe/zoe:1"

static void plant(struct record *record, const struct record_schema *schema)
{
	for (size_t i = 0; i < schema->count; i++) {
		void *at = field_at(record, &schema->fields[i]);

		if (schema->fields[i].type == FIELD_STRING)
			*(const char **)at = PLANTED;
		else if (schema->fields[i].type == FIELD_BYTES)
			*(struct bytes *)at = (struct bytes){ PLANTED, strlen(PLANTED) };
		else if (schema->fields[i].type == FIELD_SHARES)
			for (size_t j = 0; j < RECORD_SHARES; j++)
				((struct record_share *)at)[j].name = PLANTED;
	}
}

static void check_text(const char *record, const struct field *field, const char *text, size_t len)
{
	/* Functions are the program's, fields of INFO the server's: tests of their own. */
	if (field->says == SAYS_WORD || field->says == SAYS_FRAMES || field->says == SAYS_INFO ||
	    field->says == SAYS_PAIRS || field->says == SAYS_SENTENCE || field->says == SAYS_TABLES)
		return;
	if (memmem(text, len, SECRET, strlen(SECRET)))
		fail_msg("%s.%s: %.*s", record, field->name, (int)len, text);
}

static void check_record(const struct record *record, const struct record_schema *schema)
{
	for (size_t i = 0; i < schema->count; i++) {
		const struct field *field = &schema->fields[i];
		const void *at = field_of(record, field);
		const struct record_share *shares = at;

		if (field->type == FIELD_STRING)
			check_text(schema->name, field, *(const char *const *)at,
				   strlen(*(const char *const *)at));
		else if (field->type == FIELD_BYTES)
			check_text(schema->name, field, ((const struct bytes *)at)->data,
				   ((const struct bytes *)at)->len);
		else if (field->type == FIELD_SHARES)
			for (size_t j = 0; j < RECORD_SHARES; j++)
				check_text(schema->name, field, shares[j].name,
					   strlen(shares[j].name));
	}
}

static void no_field_of_any_record_has_it(void **state)
{
	(void)state;
	for (enum record_kind kind = 0; kind < RECORD_KINDS; kind++) {
		const struct record_schema *schema = record_schema(kind);
		struct record record;

		record_clear(&record, kind);
		plant(&record, schema);
		check_record(redact_record(redact, &record), schema);
		assert_true(record.kind == kind);
	}
}

/* A schema that does not say what a text is has it hidden. */
static void what_is_not_said_is_a_name(void **state)
{
	const struct field unsaid = { .name = "new" };

	(void)state;
	assert_int_equal(unsaid.says, SAYS_NAME);
}

static struct record taken;

static void take(void *ctx, const struct record *record)
{
	(void)ctx;
	taken = *record;
}

static void records_go_on_as_they_were_but_for_names(void **state)
{
	const struct record_sink sink = { take, NULL };
	struct record_sink in = redact_sink(redact, &sink);
	struct record record;

	(void)state;
	record_clear(&record, RECORD_KEY);
	record.key.key = (struct bytes){ "cart:zoe", 8 };
	record.key.type = "hash";
	record.key.bytes = 17;
	record_emit(&in, &record);
	assert_int_equal(taken.key.bytes, 17);
	assert_string_equal(taken.key.type, "hash");
	assert_int_equal(record_key_name_bytes(&taken.key), 8);
	assert_int_equal(taken.key.key.len, strlen("cart:") + 6);
	assert_memory_equal(taken.key.key.data, "cart:", 5);
	assert_string_equal(record.key.key.data, "cart:zoe"); /* the caller's own */
	record.key.key = (struct bytes){ NULL, 0 };
	record_emit(&in, &record);
	assert_int_equal(taken.key.key.len, 0);
	in = redact_sink(NULL, &sink); /* names are shown */
	assert_ptr_equal(in.take, take);
}

/* --- words --------------------------------------------------------------------------------- */

static void known_words_stay(void **state)
{
	(void)state;
	check_said(SAYS_COMMAND, "get", "get");
	check_said(SAYS_COMMAND, "config|get", "config|get");
	check_said(SAYS_COMMAND, "ft.search", "ft.search");
	check_said(SAYS_COMMAND, "(expiry)", "(expiry)");
	check_said(SAYS_COUNTER, "errorstat_WRONGTYPE", "errorstat_WRONGTYPE");
	check_said(SAYS_COUNTER, "refused config|get", "refused config|get");
	check_said(SAYS_COUNTER, "keyspace_hits", "keyspace_hits");
	check_said(SAYS_EVENT, "expire-cycle", "expire-cycle");
	check_said(SAYS_TYPE, "zset", "zset");
	check_said(SAYS_TASK, "io_thd_3", "io_thd_3");
	check_said(SAYS_TASK, "kswapd0", "kswapd0");
	check_said(SAYS_FRAMES, "dictFind;redis-server+0x5a120;libc.so.6+0x99;[kernel]",
		   "dictFind;redis-server+0x5a120;libc.so.6+0x99;[kernel]");
	check_said(SAYS_SENTENCE, "needs 5.8 or later; see /proc/sys/kernel/x of the kernel's",
		   "needs 5.8 or later; see /proc/sys/kernel/x of the kernel's");
	check_said(SAYS_SENTENCE, "connection: 127.0.0.1:17: (none), of all; it is so.",
		   "connection: 127.0.0.1:17: (none), of all; it is so.");
	check_said(SAYS_SENTENCE, "ext4 on /dev/vda1", "ext4 on /dev/vda1");
	assert_true(redact_is_common("appendonly", 10));
	assert_true(redact_is_common("zset", 4));
	assert_true(redact_is_common("account", 7));
	assert_false(redact_is_common("zse", 3));
	assert_false(redact_is_common("", 0));
}

static void unknown_words_go(void **state)
{
	static const struct {
		enum field_says says;
		const char *text;
	} hidden[] = {
		{ SAYS_COMMAND, "zoe.get" },
		{ SAYS_COMMAND, "get|zoe" },
		{ SAYS_COMMAND, "(zoe)" },
		{ SAYS_COMMAND, "ft.zoe zoe" },
		{ SAYS_COUNTER, "errorstat_ZOE" },
		{ SAYS_COUNTER, "cmdstat_zoe" },
		{ SAYS_EVENT, "zoe-cycle" },
		{ SAYS_TYPE, "zoe-types" },
		{ SAYS_TASK, "redis-server-zoe" },
		{ SAYS_FRAMES, "libzoe.so+0x12" },
		{ SAYS_SENTENCE, "in /srv/zoe/x" },
		{ SAYS_SENTENCE, "of 'zoe'" },
		{ SAYS_SENTENCE, "at zoe:6379 now" },
		{ SAYS_SENTENCE, "/sys/fs/cgroup/zoe" },
		{ SAYS_REFUSAL, "User zoe may not" },
		{ SAYS_PAIRS, "a zoe\nb 1\n" },
		{ SAYS_TABLES, "opt.prof_prefix: \"zoe\"\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
		char *shown = said(hidden[i].says, hidden[i].text);

		if (strcasestr(shown, SECRET))
			fail_msg("%s: %s", hidden[i].text, shown);
		free(shown);
	}
}

static void refusals_keep_what_everybody_may_know(void **state)
{
	(void)state;
	check_said(SAYS_REFUSAL, "INFO: NOPERM User zoe has no permissions to run 'info'",
		   "NOPERM (hidden)");
	check_said(SAYS_REFUSAL, "connection: zoe:6379: Connection refused; nothing listens there",
		   "Connection refused");
	check_said(SAYS_REFUSAL, "switched off by --no-connect", "switched off by --no-connect");
	check_said(SAYS_REFUSAL, "", "(hidden)");
}

static const char info_text[] =
	"# Server\r\nredis_version:7.2.6\r\nos:Linux 6.1 x86_64\r\nrun_id:zoe\r\n"
	"executable:/srv/zoe/redis-server\r\nconfig_file:/etc/zoe.conf\r\n"
	"listener0:name=tcp,bind=10.1.2.3,port=6379\r\n"
	"\r\n# "
	"Memory\r\nused_memory:1234\r\nused_memory_human:1.21K\r\nmem_fragmentation_ratio:1.52\r\n"
	"maxmemory_policy:allkeys-lru\r\nused_memory_dataset_perc:97.20%\r\n"
	"# Replication\r\nrole:slave\r\nmaster_host:10.1.2.3\r\nmaster_link_status:up\r\n"
	"slave0:ip=10.1.2.3,port=6380,state=online,offset=17,lag=0\r\n"
	"# Modules\r\nmodule:name=zoe,ver=1,api=1,filters=0,usedby=[],using=[zoe],options=[]\r\n"
	"# zoe_section\r\nzoe_field:zoe\r\nzoe_number:5\r\n"
	"# Commandstats\r\ncmdstat_get:calls=3,usec=5,usec_per_call=1.67\r\n"
	"cmdstat_zoe.get:calls=4,usec=5\r\n"
	"# Errorstats\r\nerrorstat_ERR:count=7\r\nerrorstat_ZOE:count=8\r\n"
	"# Keyspace\r\ndb0:keys=3,expires=1,avg_ttl=0\r\nzoe without a colon\r\n";

static void info_has_its_numbers_and_no_names(void **state)
{
	char *shown = said(SAYS_INFO, info_text);
	struct info *info = info_parse(shown), *as_it_was = info_parse(info_text);

	(void)state;
	assert_null(strcasestr(shown, SECRET));
	assert_null(strstr(shown, "10.1.2.3"));
	for (size_t i = 0; i < info_count(as_it_was); i++) {
		const char *name = info_name_at(as_it_was, i);

		if (info_int(as_it_was, name) != RECORD_UNKNOWN && !strstr(name, "zoe"))
			assert_int_equal(info_int(info, name), info_int(as_it_was, name));
	}
	assert_string_equal(info_get(info, "redis_version"), "7.2.6");
	assert_string_equal(info_get(info, "maxmemory_policy"), "allkeys-lru");
	assert_string_equal(info_get(info, "master_link_status"), "up");
	assert_string_equal(info_get(info, "used_memory_dataset_perc"), "97.20%");
	assert_string_equal(info_get(info, "db0"), "keys=3,expires=1,avg_ttl=0");
	assert_string_equal(info_get(info, "cmdstat_get"), "calls=3,usec=5,usec_per_call=1.67");
	assert_non_null(
		strstr(info_get(info, "slave0"), ",port=6380,state=online,offset=17,lag=0"));
	assert_string_equal(info_get(info, "errorstat_ERR"), "count=7");
	info_free(info);
	info_free(as_it_was);
	free(shown);
}

static void numbers_of_memory_stats_stay(void **state)
{
	(void)state;
	check_said(SAYS_PAIRS, "peak.allocated 5\ndb.0.overhead 1.25\n",
		   "peak.allocated 5\ndb.0.overhead 1.25\n");
	check_said(SAYS_TABLES, "bins: size\n 8 1 2\nopt.x: \"a\" 5\nopt.y: \"cut",
		   "bins: size\n 8 1 2\nopt.x: \"(hidden)\" 5\nopt.y: \"(hidden)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_part_goes_but_common_words),
		cmocka_unit_test(the_first_part_goes),
		cmocka_unit_test(prefixes_are_as_they_were),
		cmocka_unit_test(other_separators_part_it_elsewhere),
		cmocka_unit_test(long_keys_begin_as_what_sensors_keep),
		cmocka_unit_test(hosts_go_and_ports_stay),
		cmocka_unit_test(with_a_file_two_runs_agree),
		cmocka_unit_test(a_key_that_others_know_is_refused),
		cmocka_unit_test(no_field_of_any_record_has_it),
		cmocka_unit_test(what_is_not_said_is_a_name),
		cmocka_unit_test(records_go_on_as_they_were_but_for_names),
		cmocka_unit_test(known_words_stay),
		cmocka_unit_test(unknown_words_go),
		cmocka_unit_test(refusals_keep_what_everybody_may_know),
		cmocka_unit_test(info_has_its_numbers_and_no_names),
		cmocka_unit_test(numbers_of_memory_stats_stay),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
