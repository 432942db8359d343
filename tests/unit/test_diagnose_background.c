/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stalls by what the server does to its keys by itself: expiry, eviction, defragmentation,
 * freeing in the background, tables that grow, and copies of huge pages.
 */
#include "stall_scene.h"

static void expiry(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_config(&s, "lazyfree-lazy-expire no\n");
	scene_info(&s, "expired_keys:1\r\n");
	add_stalls(&s, CAUSE_EXPIRY, "", 1, 0.39);
	d = scene_diagnose(&s);
	f = expect(&d, "expire.blocks", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "held the server for 390 ms"));
	assert_non_null(strstr(f->actions[0].command, "lazyfree-lazy-expire yes"));
	diagnosis_free(&d);

	scene_init(&s); /* a write that met a key past its time is not to blame for it */
	keys_went(&s, CAUSE_EXPIRY);
	record_blame(scene_stall(&s, "get", "board:7", 0.2), CAUSE_EXPIRY, 0.2);
	d = scene_diagnose(&s);
	assert_string_equal(evidence_text(expect(&d, "expire.blocks", SEVERITY_WARNING), "key"),
			    "board:7");
	diagnosis_free(&d);
}

/* Fields of hashes have times of their own, which the server counts apart; that is no big key that
 * a thread could free. */
/* Of some of its samples it is seen what they are for, and the others are on the way there. */
static void expiry_half_recognised(void **state)
{
	struct record_stall *stall;
	struct diagnosis d;
	struct scene s;

	(void)state;
	scene_init(&s);
	keys_went(&s, CAUSE_EXPIRY);
	stall = scene_stall(&s, "", "", 0.3);
	record_blame(stall, CAUSE_COMMAND, 0.15);
	record_blame(stall, CAUSE_EXPIRY, 0.15);
	stall = scene_stall(&s, "", "", 0.2); /* and of this one of none */
	record_blame(stall, CAUSE_COMMAND, 0.2);
	d = scene_diagnose(&s);
	assert_true(evidence_value(expect(&d, "expire.blocks", SEVERITY_WARNING), "stalls_total") ==
		    2);
	assert_null(diagnosis_find(&d, "loop.blocks"));
	diagnosis_free(&d);
}

static void expiry_of_fields(void **state)
{
	static const char *const counts[] = { "expired_subkeys", "expired_fields" };
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		scene_init(&s);
		scene_config(&s, "lazyfree-lazy-expire no\n");
		buf_printf(&s.info_start, "expired_keys:0\r\n%s:7\r\n", counts[i]);
		buf_printf(&s.info_end, "expired_keys:2\r\n%s:400007\r\n", counts[i]);
		record_blame(scene_stall(&s, "", "", 0.2), CAUSE_EXPIRY, 0.2);
		d = scene_diagnose(&s);
		f = expect(&d, "expire.blocks", SEVERITY_WARNING);
		assert_string_equal(f->title, "Expiring fields of hashes held the server for 200 "
					      "ms, 400,000 fields");
		assert_int_equal(f->actions_count, 1);
		assert_non_null(strstr(f->actions[0].text, "HEXPIRE"));
		diagnosis_free(&d);
	}
}

/* The machine was busy, too: what is harm without that keeps its name. */
static void expiry_on_a_busy_machine(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record_stall *stall;

	(void)state;
	scene_init(&s);
	keys_went(&s, CAUSE_EXPIRY);
	stall = scene_stall(&s, "", "", 0.5);
	record_blame(stall, CAUSE_EXPIRY, 0.2);
	record_blame(stall, CAUSE_CPU_WAIT, 0.3);
	stall->gone_key = scene_bytes("niwode:board");
	stall->gone_looks = stall->gone_key_looks = 7;
	d = scene_diagnose(&s);
	assert_non_null(strstr(expect(&d, "expire.blocks", SEVERITY_WARNING)->title,
			       "Expiring keys (niwode:board) held the server for 200 ms"));
	f = expect(&d, "cpu.contended", SEVERITY_WARNING); /* tells the rest */
	assert_true(fabs(evidence_value(f, "waited_seconds") - 0.3) < 1e-9);
	diagnosis_free(&d);

	scene_init(&s); /* many: what they are like */
	keys_went(&s, CAUSE_EXPIRY);
	stall = scene_stall(&s, "", "", 0.5);
	record_blame(stall, CAUSE_EXPIRY, 0.5);
	stall->gone_key = scene_bytes("session:4711");
	stall->gone_looks = 9;
	stall->gone_key_looks = 1;
	d = scene_diagnose(&s);
	assert_non_null(
		strstr(expect(&d, "expire.blocks", SEVERITY_WARNING)->title, "(like session:*)"));
	diagnosis_free(&d);
}

/* A server that waits for a CPU has few samples: the longest stall may have none with a name. */
static void expiry_named_by_other_stalls(void **state)
{
	static const struct {
		const char *key;
		double seconds;
	} stalls[] = {
		{ "", 0.38 }, { "cart:1", 0.05 }, { "zuviru:17", 0.09 }, { "zuviru:4", 0.07 }
	};
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	for (size_t named = 1; named <= 4; named += 3) {
		scene_init(&s);
		scene_info(&s, "expired_keys:589036\r\n");
		for (size_t i = 0; i < named; i++) {
			struct record_stall *stall = scene_stall(&s, "", "", stalls[i].seconds);

			record_blame(stall, CAUSE_EXPIRY, stalls[i].seconds);
			stall->gone_key = scene_bytes(stalls[i].key);
			stall->gone_looks = stall->gone_key_looks = i > 0;
		}
		d = scene_diagnose(&s);
		f = expect(&d, "expire.blocks", SEVERITY_WARNING);
		assert_string_equal(evidence_text(f, "prefix"),
				    named > 1 ? "zuviru:*" :
						"not known: no sample met a key's name");
		assert_true(!strstr(f->title, "like") == (named == 1));
		diagnosis_free(&d);
	}
	scene_init(&s); /* what a write evicts is not what it writes */
	keys_went(&s, CAUSE_EVICTION);
	record_blame(scene_stall(&s, "set", "new:1", 0.2), CAUSE_EVICTION, 0.2);
	d = scene_diagnose(&s);
	assert_null(strstr(expect(&d, "evict.blocks", SEVERITY_WARNING)->title, "new:1"));
	diagnosis_free(&d);
}

/* The thread that frees in the background has a lock the event loop wants. */
static void waits_for_lazyfree(void **state)
{
	struct scene s;
	struct diagnosis d;
	struct record_stall *stall;

	(void)state;
	for (int pending = 0; pending < 2; pending++) {
		scene_init(&s);
		buf_printf(&s.info_end, "lazyfree_pending_objects:%d\r\n", pending * 70000);
		stall = scene_stall(&s, "", "", 0.8);
		record_blame(stall, CAUSE_OTHER, 0.8);
		stall->wait_call = WAIT_FUTEX;
		stall->wait_file = stall->preemptor = "";
		if (pending)
			expect_only(&s, "lazyfree.pending", SEVERITY_WARNING);
		else
			expect_only(&s, "loop.blocks", SEVERITY_WARNING);
	}
	scene_init(&s); /* it passes by itself */
	scene_info(&s, "lazyfree_pending_objects:70000\r\n");
	d = scene_diagnose(&s);
	expect(&d, "lazyfree.pending", SEVERITY_INFO);
	diagnosis_free(&d);
}

/* Every stall is a wait for a CPU for the most part: what expires is found all the same. */
static void expiry_between_waits(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	for (int own = 2; own <= 8; own += 6) { /* milliseconds: too short, and a stall by itself */
		scene_init(&s);
		scene_info(&s, "expired_keys:589036\r\n");
		for (int i = 0; i < 30; i++) {
			struct record_stall *stall = scene_stall(&s, "", "", 0.04 + own / 1e3);

			record_blame(stall, CAUSE_EXPIRY, own / 1e3);
			record_blame(stall, CAUSE_CPU_WAIT, 0.04);
			stall->gone_key = scene_bytes(i % 3 ? "" : "zuviru:17");
		}
		d = scene_diagnose(&s);
		expect(&d, "cpu.contended", SEVERITY_WARNING);
		f = diagnosis_find(&d, "expire.blocks");
		assert_true(!f == (own < 5));
		if (f)
			assert_string_equal(
				f->title,
				"Expiring keys (like zuviru:*) held the server for 8.0 ms, "
				"589,036 keys; in all 240 ms");
		diagnosis_free(&d);
	}
}

/* What expiry has left on the stack of a defragmentation; and most of it waits for a CPU. */
static void defragmentation(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	buf_puts(&s.info_start, "active_defrag_hits:0\r\n");
	scene_info(&s, "active_defrag_hits:260834\r\n");
	for (int i = 0; i < 20; i++) {
		struct record_stall *stall = scene_stall(&s, "", "", 0.06);

		record_blame(stall, CAUSE_EXPIRY, i % 5 ? 0.005 : 0.03);
		record_blame(stall, CAUSE_DEFRAG, i % 5 ? 0.02 : 0.005);
		record_blame(stall, CAUSE_CPU_WAIT, i % 5 ? 0.035 : 0.025);
	}
	d = scene_diagnose(&s);
	f = expect(&d, "defrag.blocks", SEVERITY_WARNING);
	assert_float_equal(evidence_value(f, "waited_seconds"), 0.64, 0.001);
	assert_null(diagnosis_find(&d, "expire.blocks"));
	for (size_t i = 0; i < d.m->stalls_count; i++) { /* the table says what the verdict does */
		const struct stall *stall = &d.m->stalls[i].stall;

		assert_true(stall->seconds[CAUSE_EXPIRY] == 0);
		assert_float_equal(stall->seconds[CAUSE_DEFRAG] + stall->seconds[CAUSE_CPU_WAIT],
				   0.06, 1e-6);
		assert_string_equal(stall->activity[0].words, "active defrag");
		assert_float_equal(stall->activity[0].seconds, stall->seconds[CAUSE_DEFRAG], 1e-6);
		assert_string_equal(stall->activity[1].words, "");
	}
	diagnosis_free(&d);
}

/* What goes on when the watch ends is counted when it is over. */
static void expiry_goes_on(void **state)
{
	struct scene s;
	struct diagnosis d;
	struct record_stall *stall;

	(void)state;
	scene_init(&s);
	stall = scene_stall(&s, "", "", 3);
	record_blame(stall, CAUSE_EXPIRY, 3);
	stall->running = true;
	d = scene_diagnose(&s);
	expect(&d, "expire.blocks", SEVERITY_CRITICAL);
	diagnosis_free(&d);
}

static void eviction(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s); /* one trouble is one finding */
	scene_info(&s, "evicted_keys:854000\r\nmaxmemory:104857600\r\n"
		       "total_eviction_exceeded_time:1400\r\n");
	add_stalls(&s, CAUSE_EVICTION, "set", 1, 1.5);
	d = scene_diagnose(&s);
	f = expect(&d, "evict.blocks", SEVERITY_CRITICAL);
	assert_ptr_equal(f, &d.f->items[0]);
	assert_non_null(strstr(f->cause, "maxmemory was lowered"));
	assert_null(diagnosis_find(&d, "evict.active"));
	assert_null(diagnosis_find(&d, "server.not_answering"));
	assert_null(diagnosis_find(&d, "command.blocks"));
	diagnosis_free(&d);
}

/* A write that frees much as it runs has the words of an eviction on its stack, which each write
 * looks for. Where the server did not answer INFO between two long ones nothing was counted around
 * it; over the whole watch it was. */
static void no_eviction(void **state)
{
	struct scene s;
	struct diagnosis d;
	struct record_stall *stall;

	(void)state;
	for (int evicted = 0; evicted < 2; evicted++) {
		scene_init(&s);
		buf_puts(&s.info_start, "evicted_keys:3\r\nexpired_keys:0\r\n");
		buf_printf(&s.info_end, "evicted_keys:%d\r\nexpired_keys:0\r\n", 3 + evicted);
		stall = scene_stall(&s, "zunionstore", "board:sum", 0.3);
		record_blame(stall, CAUSE_EVICTION, 0.3);
		stall->counted = true;
		stall->expired_total = stall->evicted_total = stall->defragged_total =
			RECORD_UNKNOWN;
		d = scene_diagnose(&s);
		expect(&d, evicted ? "evict.blocks" : "bigkey.blocks", SEVERITY_WARNING);
		assert_int_equal(diagnosis_find(&d, "evict.blocks") != NULL, evicted);
		diagnosis_free(&d);
	}
}

/* On a busy machine each stall is a wait for a CPU for the most part. Whose work it was that was
 * held up is told, too, where that alone would be harm: here SORTs that take a twentieth of the
 * time, and one whose work of several kinds is long enough in sum. */
static void works_on_a_busy_machine(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record_stall *stall;

	(void)state;
	scene_init(&s);
	for (int i = 0; i < 10; i++) {
		stall = scene_stall(&s, "sort", "jobs:all", 0.2);
		record_blame(stall, CAUSE_CPU_WAIT, 0.155);
		record_blame(stall, CAUSE_COMMAND, 0.045);
	}
	d = scene_diagnose(&s);
	expect(&d, "cpu.contended", SEVERITY_WARNING);
	f = expect(&d, "bigkey.blocks", SEVERITY_WARNING);
	assert_non_null(strstr(f->title, "SORT on jobs:all held the server for 45 ms"));
	assert_true(fabs(evidence_value(f, "stalls_seconds") - 0.45) < 1e-6);
	diagnosis_free(&d);

	scene_init(&s);
	stall = scene_stall(&s, "sort", "jobs:all", 0.3);
	record_blame(stall, CAUSE_CPU_WAIT, 0.23);
	record_blame(stall, CAUSE_COMMAND, 0.04);
	record_blame(stall, CAUSE_ALLOCATOR, 0.03);
	d = scene_diagnose(&s);
	expect(&d, "bigkey.blocks", SEVERITY_WARNING);
	diagnosis_free(&d);

	scene_init(&s); /* short commands, which waited */
	for (int i = 0; i < 10; i++) {
		stall = scene_stall(&s, "get", "user:1", 0.2);
		record_blame(stall, CAUSE_CPU_WAIT, 0.199);
		record_blame(stall, CAUSE_COMMAND, 0.001);
	}
	d = scene_diagnose(&s);
	expect(&d, "cpu.contended", SEVERITY_WARNING);
	assert_null(diagnosis_find(&d, "bigkey.blocks"));
	assert_null(diagnosis_find(&d, "command.blocks"));
	diagnosis_free(&d);
}

static void doubling(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s); /* 8,388,608 slots; grows by 10,000 keys a second */
	scene_load(&s, 1 * GIB);
	s.table = 8000000 * 40LL + 8388608 * 8LL;
	buf_puts(&s.info_start, "db0:keys=7900000,expires=0,avg_ttl=0\r\n");
	scene_info(&s, "db0:keys=8000000,expires=0,avg_ttl=0\r\n");
	d = scene_diagnose(&s);
	f = expect(&d, "rehash.blocks", SEVERITY_INFO);
	assert_true(evidence_value(f, "next_doubling_keys") == 8388608);
	assert_true(evidence_value(f, "next_doubling_bytes") == 128.0 * MIB);
	assert_true(fabs(evidence_value(f, "next_doubling_in_seconds") - 38.8608) < 1e-6);
	diagnosis_free(&d);

	scene_init(&s); /* it does not grow */
	scene_load(&s, 1 * GIB);
	s.table = 8000000 * 40LL + 8388608 * 8LL;
	buf_puts(&s.info_start, "db0:keys=8000000,expires=0,avg_ttl=0\r\n");
	scene_info(&s, "db0:keys=8000000,expires=0,avg_ttl=0\r\n");
	scene_expect_none(&s, "rehash.blocks");
}

static void copies_of_huge_pages(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_load(&s, 1 * GIB);
	s.huge = 900 * MIB;
	s.host.thp_enabled = "always";
	scene_add(&s, RECORD_CHILD)->child = (struct record_child){ .pid = 900,
								    .t_start_seconds = 1,
								    .t_end_seconds = 4,
								    .purpose = "rdb",
								    .rss_bytes = 1 * GIB,
								    .private_bytes = 1 * MIB,
								    .fork_seconds = 0.002 };
	record_blame(scene_stall(&s, "set", "page:1", 0.2), CAUSE_FAULT_COW, 0.2);
	scene_expect(&s, "thp.cow", SEVERITY_WARNING);
	scene_init(&s); /* no huge pages: copies, but not these */
	scene_load(&s, 1 * GIB);
	record_blame(scene_stall(&s, "set", "page:1", 0.2), CAUSE_FAULT_COW, 0.2);
	scene_expect_none(&s, "thp.cow");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(expiry),
		cmocka_unit_test(expiry_half_recognised),
		cmocka_unit_test(expiry_of_fields),
		cmocka_unit_test(expiry_on_a_busy_machine),
		cmocka_unit_test(expiry_named_by_other_stalls),
		cmocka_unit_test(waits_for_lazyfree),
		cmocka_unit_test(expiry_between_waits),
		cmocka_unit_test(defragmentation),
		cmocka_unit_test(expiry_goes_on),
		cmocka_unit_test(eviction),
		cmocka_unit_test(no_eviction),
		cmocka_unit_test(works_on_a_busy_machine),
		cmocka_unit_test(doubling),
		cmocka_unit_test(copies_of_huge_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
