/* SPDX-License-Identifier: BSD-2-Clause */
/* The rule table, the peace of healthy servers, ranking and the verdict. */
#include "blame_records.h"
#include "scene.h"

#include "base/escape.h"
#include "diagnose/rules.h"

/* Every id a report may show; users match on them, so none may change by accident. */
static const char *const documented[] = {
	"frag.slab",
	"frag.dirty",
	"frag.rounding",
	"rss.huge_pages",
	"rss.not_allocator",
	"rss.after_peak",
	"swap.resident",
	"swap.in_path",
	"fork.cow",
	"fork.no_room",
	"fork.pause",
	"bigkey.blocks",
	"bigkey.size",
	"bigkey.uncertain",
	"stream.consumers",
	"stream.pending",
	"keys.no_ttl",
	"keys.undrained_list",
	"keys.long_list",
	"mem.near_max",
	"mem.no_max",
	"mem.cgroup",
	"mem.high",
	"evict.active",
	"clients.buffers",
	"repl.buffer",
	"repl.backlog",
	"aof.buffer",
	"hashtable.overhead",
	"scripts.memory",
	"config.thp",
	"config.overcommit",
	"config.swappiness",
	"defrag.impossible",
	"defrag.idle",
	"keys.big_string",
	"keys.large_hash",
	"keys.massive_zset",
	"keys.large_set",
	"keys.long_stream",
	"keys.temp_without_ttl",
	"keys.one_prefix",
	"keys.many_small",
	"keys.encoding_lost",
	"map_count",
	"server.not_answering",
	"alloc.not_jemalloc",
	"command.blocks",
	"defrag.futile",
	"cpu.throttled",
	"cpu.contended",
	"cpu.steal",
	"cpu.io_threads",
	"aof.disk",
	"io.blocks",
	"expire.blocks",
	"evict.blocks",
	"defrag.blocks",
	"rehash.blocks",
	"reclaim.blocks",
	"compaction.blocks",
	"thp.cow",
	"fault.file",
	"clients.pipelines",
	"clients.paused",
	"clients.churn",
	"clients.cut_off",
	"clients.denied",
	"clients.errors",
	"clients.broadcast",
	"clients.monitor",
	"clients.large_messages",
	"loop.blocks",
	"stalls.mixed",
	"server.loading",
	"save.failing",
	"save.often",
	"writes.refused",
	"killed.limit",
	"repl.resync",
	"repl.sync_blocks",
	"lazyfree.pending",
	"clients.near_max",
	"mem.shmem",
	"mem.forecast",
	"evict.nothing_to_evict",
	"evict.pushed_by",
	"expired.resident",
	"client.one",
	"memory.slowlog",
	"memory.tracking",
	"memory.pubsub",
	"memory.watch",
	"memory.tls",
	"memory.in_no_key",
	"hotkey.cpu",
	"keys.one_key",
	"key.big",
	"key.growing",
	"key.no_ttl",
	"key.encoding_lost",
	"key.pending",
};

static void table_ids_are_documented_and_unique(void **state)
{
	(void)state;
	assert_true(rules_count > 0);
	for (size_t i = 0; i < rules_count; i++) {
		bool known = false;

		for (size_t n = 0; n < sizeof(documented) / sizeof(documented[0]); n++)
			known = known || strcmp(rules[i].id, documented[n]) == 0;
		if (!known)
			fail_msg("%s is not documented", rules[i].id);
		for (size_t n = 0; n < i; n++)
			assert_string_not_equal(rules[i].id, rules[n].id);
	}
}

static void expect_no_warning(struct scene *s)
{
	struct diagnosis d = scene_diagnose(s);

	for (size_t i = 0; i < d.f->count; i++)
		if (d.f->items[i].severity != SEVERITY_INFO)
			fail_msg("%s: %s", d.f->items[i].id, d.f->items[i].title);
	diagnosis_free(&d);
}

static void healthy_idle_server(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	expect_no_warning(&s);
}

static void healthy_loaded_server(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_load(&s, 200 * MIB);
	s.table = 90 * MIB; /* redis-benchmark's values are tiny */
	s.peak = s.used + 2 * MIB;
	scene_profile(&s, EVENT_CPU, "set", "key:000000001234", 5000, 5.0);
	scene_profile(&s, EVENT_FAULT_MINOR, "set", "key:000000001234", 20000, 0.2);
	record_blame(scene_stall(&s, "set", "key:000000004711", 0.03), CAUSE_CPU_WAIT, 0.028);
	scene_key(&s, "key:000000001234", "string", 88, 3, -1);
	scene_key(&s, "mylist", "list", 2 * MIB, 200000, -1); /* after LPUSH of 3 bytes each */
	expect_no_warning(&s);
}

/* BGSAVE under full load copies nearly everything: with room for it, no harm. */
static void healthy_saving_server(void **state)
{
	struct scene s;
	struct record *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 200 * MIB);
	f = scene_add(&s, RECORD_CHILD);
	f->child = (struct record_child){ .pid = 900,
					  .t_start_seconds = 1,
					  .t_end_seconds = 4,
					  .purpose = "rdb",
					  .rss_bytes = 210 * MIB,
					  .private_bytes = 190 * MIB,
					  .cow_faults = 48000,
					  .fork_seconds = 0.012 };
	expect_no_warning(&s);
}

static void healthy_without_connection(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	s.connected = s.target.connected = false;
	s.sensors_off = "connection";
	expect_no_warning(&s);
}

/* Nothing known, nothing said: a rule must not read unknown as small or large. */
static void nothing_known(void **state)
{
	struct model *m = model_new();
	struct findings *f;
	struct buf out = { 0 };

	(void)state;
	model_finish(m);
	f = diagnose(m);
	assert_int_equal(f->count, 0);
	diagnose_verdict(&out, m, f);
	assert_non_null(strstr(buf_str(&out), "unknown"));
	buf_free(&out);
	findings_free(f);
	model_free(m);
}

static void add_swap_trouble(struct scene *s)
{
	scene_load(s, 1 * GIB);
	s->host.swap_total_bytes = 4 * GIB;
	s->host.swap_free_bytes = 3 * GIB;
	s->swap = 300 * MIB;
	scene_profile(s, EVENT_FAULT_SWAP, "get", "user:1001", 18231, 3.2);
}

static void ranked_by_severity_then_harm(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	scene_init(&s);
	add_swap_trouble(&s);
	s.active = 2 * GIB;
	d = scene_diagnose(&s);
	assert_true(d.f->count >= 4);
	assert_string_equal(d.f->items[0].id, "swap.in_path");
	expect(&d, "frag.slab", SEVERITY_WARNING);
	for (size_t i = 1; i < d.f->count; i++) {
		const struct finding *a = &d.f->items[i - 1], *b = &d.f->items[i];

		assert_true(a->severity >= b->severity);
		assert_true(a->severity != b->severity || a->rank <= b->rank);
		assert_true(a->severity != b->severity || a->rank != b->rank || a->cost >= b->cost);
	}
	diagnosis_free(&d);
}

/* Whatever is found says its number, its cause and something to do. */
static void findings_are_complete(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	scene_init(&s);
	add_swap_trouble(&s);
	s.active = 2 * GIB;
	s.heap = 400 * MIB;
	s.host.thp_enabled = "always";
	d = scene_diagnose(&s);
	for (size_t i = 0; i < d.f->count; i++) {
		const struct finding *f = &d.f->items[i];

		assert_true(f->title != NULL && f->title[0] != '\0');
		assert_true(f->cause != NULL && f->cause[0] != '\0');
		assert_true(f->evidence_count > 0 && f->actions_count > 0);
		assert_false(isnan(f->cost));
		for (size_t n = 0; n < f->evidence_count; n++)
			assert_true(f->evidence[n].text != NULL || !isnan(f->evidence[n].value));
		for (size_t n = 0; n < f->actions_count; n++)
			assert_true(f->actions[n].text[0] != '\0' && f->actions[n].command != NULL);
	}
	diagnosis_free(&d);
}

static char *verdict(struct scene *s)
{
	struct diagnosis d = scene_diagnose(s);
	struct buf out = { 0 };

	diagnose_verdict(&out, d.m, d.f);
	diagnosis_free(&d);
	return out.data;
}

static void verdict_healthy(void **state)
{
	struct scene s;
	char *text;

	(void)state;
	scene_init(&s);
	text = verdict(&s);
	assert_non_null(strstr(text, "healthy: nothing wrong found in 10"));
	assert_null(strstr(text, "nothing is known"));
	assert_int_equal(text[strlen(text) - 1], '.');
	free(text);
}

static void verdict_says_what_is_not_known(void **state)
{
	struct scene s;
	char *text;

	(void)state;
	scene_init(&s);
	s.sensors_off = "fault";
	text = verdict(&s);
	assert_non_null(strstr(text, "healthy"));
	assert_non_null(strstr(text, "but nothing is known about page faults and swap-ins because "
				     "bpf: not permitted"));
	free(text);

	scene_init(&s);
	s.sensors_off = "attribution cpu fault loop offcpu";
	text = verdict(&s);
	assert_non_null(strstr(text, "which command and key it was, page faults and swap-ins, "
				     "stalls and 2 more because"));
	free(text);
}

static void verdict_names_the_worst(void **state)
{
	struct scene s;
	struct record *f;
	char *text;

	(void)state;
	scene_init(&s);
	add_swap_trouble(&s);
	f = scene_add(&s, RECORD_SELF);
	f->self = (struct record_self){ .drops_total = 1234, .drops = "ring_full=1234" };
	text = verdict(&s);
	assert_int_equal(strncmp(text, "critical: 18,231 swap-ins in 10", 31), 0);
	assert_non_null(strstr(text, "1,234 events were lost"));
	free(text);
}

/* Key names are chosen by clients: no byte of theirs may reach a terminal as it is,
 * nor a shell through a line meant for pasting. */
static void hostile_keys_are_harmless(void **state)
{
	static const char *const keys[] = { "\x1b[2J\x07", "$(reboot)", "a;b", "a'b\"", "-x",
					    "\xff\xfe",	   "",		"a b", "`id`",	"a\nb" };

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct scene s;
		struct diagnosis d;
		const struct finding *f;

		scene_init(&s);
		scene_key(&s, keys[i], "zset", 90 * MIB, 1000000, -1);
		d = scene_diagnose(&s);
		f = expect(&d, "bigkey.size", SEVERITY_WARNING);
		assert_true(utf8_is_plain(f->title, strlen(f->title)));
		for (size_t n = 0; n < f->actions_count; n++)
			if (strstr(f->actions[n].command, "OBJECT") != NULL)
				assert_string_equal(f->actions[n].command,
						    "redis-cli OBJECT IDLETIME KEY");
		diagnosis_free(&d);
	}
}

static void long_keys_are_cut(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	size_t len = 65536;
	char *key = xcalloc(len, 1);

	(void)state;
	memset(key, 0xc3, len);
	scene_init(&s);
	scene_key(&s, "", "zset", 90 * MIB, 1000000, -1)->key = (struct bytes){ key, len };
	d = scene_diagnose(&s);
	f = expect(&d, "bigkey.size", SEVERITY_WARNING);
	assert_true(strlen(f->title) < 300);
	assert_true(utf8_is_plain(f->title, strlen(f->title)));
	diagnosis_free(&d);
	free(key);
}

static void commands_name_the_target(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	s.target.port = 6380;
	s.target.server = "valkey";
	d = scene_diagnose(&s);
	f = expect(&d, "mem.no_max", SEVERITY_INFO);
	assert_int_equal(strncmp(f->actions[0].command, "valkey-cli -p 6380 CONFIG SET ", 30), 0);
	diagnosis_free(&d);
}

static void commands_name_the_socket(void **state)
{
	static const struct {
		const char *path, *command;
	} rows[] = {
		{ "/run/redis/redis.sock", "redis-cli -s /run/redis/redis.sock CONFIG SET " },
		{ "/run/my redis.sock", "redis-cli -s '/run/my redis.sock' CONFIG SET " },
		{ "/run/$(x)\n", "redis-cli -s $'/run/$(x)\\012' CONFIG SET " },
	};
	char path[300] = "", *command;

	(void)state;
	memset(path, '/', sizeof(path) - 1);
	for (size_t i = 0; i <= sizeof(rows) / sizeof(rows[0]); i++) {
		bool named = i < sizeof(rows) / sizeof(rows[0]);
		struct scene s;
		struct diagnosis d;

		scene_init(&s);
		s.target.port = RECORD_UNKNOWN;
		s.target.socket = named ? rows[i].path : path;
		d = scene_diagnose(&s);
		command = expect(&d, "mem.no_max", SEVERITY_INFO)->actions[0].command;
		assert_ptr_equal(strstr(command, named ? rows[i].command : "redis-cli -s SOCKET "),
				 command);
		diagnosis_free(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_ids_are_documented_and_unique),
		cmocka_unit_test(healthy_idle_server),
		cmocka_unit_test(healthy_loaded_server),
		cmocka_unit_test(healthy_saving_server),
		cmocka_unit_test(healthy_without_connection),
		cmocka_unit_test(nothing_known),
		cmocka_unit_test(ranked_by_severity_then_harm),
		cmocka_unit_test(findings_are_complete),
		cmocka_unit_test(verdict_healthy),
		cmocka_unit_test(verdict_says_what_is_not_known),
		cmocka_unit_test(verdict_names_the_worst),
		cmocka_unit_test(hostile_keys_are_harmless),
		cmocka_unit_test(long_keys_are_cut),
		cmocka_unit_test(commands_name_the_target),
		cmocka_unit_test(commands_name_the_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
