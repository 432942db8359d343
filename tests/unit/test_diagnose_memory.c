/* SPDX-License-Identifier: BSD-2-Clause */
/* Rules on fragmentation, on resident memory beyond the data, and on swap. */
#include "scene.h"

static void slab_holes(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 300 * MIB);
	s.allocated = 300 * MIB;
	s.active = 900 * MIB;
	d = scene_diagnose(&s);
	f = expect(&d, "frag.slab", SEVERITY_WARNING);
	assert_true(evidence_value(f, "slab_holes") == 600.0 * MIB);
	assert_true(evidence_value(f, "allocated") == 300.0 * MIB);
	assert_true(fabs(evidence_value(f, "slab_holes_ratio") - 2) < 1e-9);
	assert_true(evidence_value(f, "worst_size_class_bytes") == 64);
	assert_true(evidence_value(f, "worst_size_class_holes_bytes") == 600.0 * MIB);
	assert_true(fabs(evidence_value(f, "worst_size_class_utilization_ratio") - 1.0 / 3) < 1e-6);
	assert_true(f->cost == 600.0 * MIB);
	assert_false(f->weak);
	/* This build cannot defragment: a restart gives it back, and the rule beside says so. */
	assert_int_equal(f->actions_count, 1);
	assert_int_equal(f->actions[0].expected_gain_bytes, 600 * MIB);
	f = expect(&d, "defrag.impossible", SEVERITY_INFO);
	assert_string_equal(evidence_text(f, "allocator"), "jemalloc 5.3.0");
	diagnosis_free(&d);
}

static void slab_holes_with_defrag(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 300 * MIB);
	s.active = 900 * MIB;
	s.target.can_defrag = s.target.allocator_bundled = true;
	d = scene_diagnose(&s);
	f = expect(&d, "frag.slab", SEVERITY_WARNING);
	assert_string_equal(f->actions[0].command, "redis-cli CONFIG SET activedefrag yes");
	assert_true(f->actions[0].expected_gain_bytes > 500 * MIB);
	assert_null(diagnosis_find(&d, "defrag.impossible"));
	diagnosis_free(&d);
}

/* Below its thresholds it would not start: they have to be lowered, and that is said. */
static void slab_holes_below_thresholds(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 300 * MIB);
	s.active = 390 * MIB;
	s.target.can_defrag = s.target.allocator_bundled = true;
	d = scene_diagnose(&s);
	f = expect(&d, "frag.slab", SEVERITY_WARNING);
	assert_non_null(strstr(f->actions[0].command, "active-defrag-ignore-bytes 33554432"));
	assert_true(f->actions[0].expected_gain_bytes > 0);
	assert_int_equal(measure_reclaim(d.m, "slab_holes", "defrag"), RECORD_UNKNOWN);
	diagnosis_free(&d);
}

static void sampled(struct scene *s, const char *key, int64_t bytes, int times)
{
	for (int i = 0; i < times; i++)
		scene_key(s, key, "string", bytes, RECORD_UNKNOWN, -1)->source = KEY_SOURCE_SAMPLE;
}

/* Whose objects lie between the holes; of two the one that lost keys in the watch. */
static void slab_holes_named(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	for (int deleted = 0; deleted < 2; deleted++) {
		scene_init(&s);
		scene_load(&s, 300 * MIB);
		s.active = 900 * MIB;
		sampled(&s, "stay:1", 24 + 8 + 16 + 64, 12);
		sampled(&s, "go:1", 24 + 8 + 16 + 64, 9);
		sampled(&s, "large:1", 24 + 16 + 16 + 320, 9);
		if (deleted)
			scene_profile(&s, EVENT_CPU, "del", "go:7", 50, 0.05);
		d = scene_diagnose(&s);
		f = expect(&d, "frag.slab", SEVERITY_WARNING);
		assert_string_equal(evidence_text(f, "prefix"), deleted ? "go:*" : "stay:*");
		assert_true(fabs(evidence_value(f, "prefix_share_ratio") -
				 (deleted ? 9 : 12) / 21.0) < 1e-9);
		assert_true(evidence_value(f, "sampled_keys_total") == 30);
		assert_int_equal(!!strstr(f->cause, "DEL freed such keys"), deleted);
		diagnosis_free(&d);
	}
}

/* Elements of a collection cannot be told apart from outside: said as likely. */
static void slab_holes_of_elements(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;
	struct record_key *key;

	(void)state;
	scene_init(&s);
	scene_load(&s, 300 * MIB);
	s.active = 900 * MIB;
	key = scene_key(&s, "cart:1", "hash", 9000000, RECORD_UNKNOWN, -1);
	key->encoding = "hashtable";
	key->source = KEY_SOURCE_SAMPLE;
	d = scene_diagnose(&s);
	f = expect(&d, "frag.slab", SEVERITY_WARNING);
	assert_string_equal(evidence_text(f, "prefix"), "cart:*");
	assert_non_null(strstr(f->cause, "Most likely elements of keys like cart:*"));
	diagnosis_free(&d);
}

static void rounding(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	for (int waste = 0; waste < 2; waste++) {
		scene_init(&s);
		scene_load(&s, 900 * MIB);
		for (int i = 0; i < 20; i++)
			scene_add(&s, RECORD_CALL)->call =
				(struct record_call){ .function = CALL_MALLOC,
						      .thread = "",
						      .command = "set",
						      .inner = "",
						      .requested_bytes = waste ? 49 : 63,
						      .class_bytes = 64,
						      .ns = RECORD_UNKNOWN };
		d = scene_diagnose(&s);
		if (waste)
			expect(&d, "frag.rounding", SEVERITY_INFO);
		else
			assert_null(diagnosis_find(&d, "frag.rounding"));
		diagnosis_free(&d);
	}
}

/* 300 values of 1 MiB in a class of 1.25, made before the watch: nobody touched the rest, or
 * their lengths are known. */
static void rounding_on_an_idle_server(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	for (int i = 0; i < 4; i++) {
		bool touched = i % 2, asked = i / 2;

		scene_init(&s);
		scene_load(&s, 376 * MIB);
		s.commands = 20;
		s.rss_allocator = s.active + s.dirty + s.metadata - (touched ? 0 : 75 * MIB);
		scene_info(&s, "db0:keys=300,expires=0,avg_ttl=0\r\n");
		for (int n = 0; n < 30; n++) {
			struct record_key *key = scene_key(&s, "page:1", "string", 1280 * KIB,
							   asked ? 1 * MIB : RECORD_UNKNOWN, -1);

			key->source = KEY_SOURCE_SAMPLE;
		}
		d = scene_diagnose(&s);
		f = diagnosis_find(&d, "frag.rounding");
		assert_int_equal(f != NULL, asked || !touched);
		if (f != NULL)
			assert_true(fabs(evidence_value(f, "rounding") - 75.0 * MIB) < 2.0 * MIB);
		diagnosis_free(&d);
	}
}

/* INFO alone tells the total: said, but as thin evidence. */
static void slab_holes_without_classes(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	scene_init(&s);
	scene_load(&s, 300 * MIB);
	s.active = 900 * MIB;
	s.malloc_stats = false;
	d = scene_diagnose(&s);
	assert_true(expect(&d, "frag.slab", SEVERITY_WARNING)->weak);
	diagnosis_free(&d);
}

/* MEMORY DOCTOR speaks at 10 MB and a ratio of 1.1, whatever the size. */
static void slab_holes_too_small(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	scene_load(&s, 20 * MIB);
	s.active = 80 * MIB; /* ratio 4, but 60 MiB */
	scene_expect_none(&s, "frag.slab");

	scene_init(&s);
	scene_load(&s, 2 * GIB);
	s.allocated = 2 * GIB;
	s.active = 2 * GIB + 200 * MIB; /* 200 MiB, but 9.8 % */
	scene_expect_none(&s, "frag.slab");
}

/* Running and moving nothing is not the same as running. */
static void defrag_futile(void **state)
{
	struct scene s;

	(void)state;
	for (int moved = 0; moved < 2; moved++) {
		scene_init(&s);
		scene_load(&s, 300 * MIB);
		s.target.can_defrag = s.target.allocator_bundled = true;
		buf_puts(&s.info_start, "active_defrag_hits:100\r\nactive_defrag_misses:900\r\n");
		buf_printf(&s.info_end,
			   "active_defrag_hits:%d\r\nactive_defrag_misses:90900\r\n"
			   "active_defrag_running:25\r\n",
			   moved ? 50100 : 110);
		if (moved)
			scene_expect_none(&s, "defrag.futile");
		else
			scene_expect(&s, "defrag.futile", SEVERITY_WARNING);
	}
}

static void dirty_pages(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 200 * MIB);
	s.dirty = 500 * MIB;
	s.muzzy = 100 * MIB;
	s.background_thread = false;
	s.commands = 100;
	d = scene_diagnose(&s);
	f = expect(&d, "frag.dirty", SEVERITY_WARNING);
	assert_true(evidence_value(f, "dirty") == 500.0 * MIB);
	assert_true(evidence_value(f, "muzzy") == 100.0 * MIB);
	assert_string_equal(f->actions[0].command, "redis-cli MEMORY PURGE");
	assert_int_equal(f->actions[0].expected_gain_bytes, 600 * MIB);
	diagnosis_free(&d);
}

static void dirty_pages_that_decay(void **state)
{
	struct scene s;
	struct diagnosis d;

	(void)state;
	scene_init(&s);
	scene_load(&s, 200 * MIB);
	s.dirty = 500 * MIB;
	scene_expect(&s, "frag.dirty", SEVERITY_INFO);

	scene_init(&s);
	scene_load(&s, 200 * MIB);
	s.dirty = 500 * MIB;
	s.dirty_decay_ms = -1; /* never, background thread or not */
	scene_expect(&s, "frag.dirty", SEVERITY_WARNING);

	scene_init(&s); /* only "resident" is known: dirty pages or metadata */
	scene_load(&s, 200 * MIB);
	s.dirty = 500 * MIB;
	s.malloc_stats = false;
	d = scene_diagnose(&s);
	assert_true(expect(&d, "frag.dirty", SEVERITY_INFO)->weak);
	diagnosis_free(&d);

	scene_init(&s);
	scene_load(&s, 200 * MIB);
	s.dirty = 60 * MIB;
	s.dirty_decay_ms = -1;
	scene_expect_none(&s, "frag.dirty");
}

/* The ratio looks bad, the allocator's own fragmentation is nothing. */
static void defrag_idle_scene(struct scene *s)
{
	scene_init(s);
	scene_load(s, 300 * MIB);
	s->target.can_defrag = s->target.allocator_bundled = true;
	s->heap = 400 * MIB;
	scene_config(s, "activedefrag yes\nactive-defrag-ignore-bytes 104857600\n"
			"active-defrag-threshold-lower 10\n");
}

static void defrag_idle(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	defrag_idle_scene(&s);
	d = scene_diagnose(&s);
	f = expect(&d, "defrag.idle", SEVERITY_INFO);
	assert_true(evidence_value(f, "active-defrag-ignore-bytes") == 100.0 * MIB);
	assert_true(evidence_value(f, "active-defrag-threshold-lower") == 10);
	assert_true(evidence_value(f, "mem_fragmentation_ratio") > 2);
	diagnosis_free(&d);

	defrag_idle_scene(&s);
	s.active = 600 * MIB; /* above both thresholds: it will start */
	scene_expect_none(&s, "defrag.idle");

	defrag_idle_scene(&s);
	s.heap = 0; /* nobody has a reason to wonder */
	scene_expect_none(&s, "defrag.idle");
}

static void huge_pages(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 500 * MIB);
	s.rss_allocator = s.active + s.dirty + s.metadata + 700 * MIB;
	s.huge = 1000 * MIB;
	s.host.thp_enabled = "always";
	d = scene_diagnose(&s);
	f = expect(&d, "rss.huge_pages", SEVERITY_WARNING);
	assert_true(evidence_value(f, "huge_page_excess") == 700.0 * MIB);
	assert_string_equal(evidence_text(f, "transparent_hugepage"), "always");
	assert_int_equal(f->actions_count, 2);
	assert_int_equal(f->actions[1].expected_gain_bytes, 700 * MIB);
	assert_non_null(strstr(f->actions[1].text, " MALLOC_CONF=thp:never"));
	expect(&d, "config.thp", SEVERITY_WARNING);
	diagnosis_free(&d);

	scene_init(&s);
	scene_load(&s, 500 * MIB);
	s.rss_allocator = s.active + s.dirty + s.metadata + 40 * MIB;
	s.huge = 400 * MIB;
	scene_expect_none(&s, "rss.huge_pages");
}

static void not_allocator(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 200 * MIB);
	s.heap = 300 * MIB;
	d = scene_diagnose(&s);
	f = expect(&d, "rss.not_allocator", SEVERITY_WARNING);
	assert_true(evidence_value(f, "other_heap") == 300.0 * MIB);
	assert_true(f->cost >= 306.0 * MIB);
	diagnosis_free(&d);

	scene_init(&s); /* what fell while its parts were asked for is nobody's */
	scene_load(&s, 200 * MIB);
	s.rss_allocator = s.active + s.dirty + s.metadata + 150 * MIB;
	s.rss_falls = 160 * MIB;
	scene_expect_none(&s, "rss.not_allocator");
	scene_init(&s);
	scene_load(&s, 200 * MIB);
	s.rss_allocator = s.active + s.dirty + s.metadata + 150 * MIB;
	scene_expect(&s, "rss.not_allocator", SEVERITY_WARNING);

	scene_init(&s); /* code and libraries weigh more than a tiny data set: nothing */
	s.binary = 30 * MIB;
	scene_expect_none(&s, "rss.not_allocator");
}

static void after_peak(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	scene_init(&s);
	scene_load(&s, 300 * MIB);
	s.peak = 2 * GIB;
	s.active = 1300 * MIB;
	s.dirty = 200 * MIB;
	d = scene_diagnose(&s);
	f = expect(&d, "rss.after_peak", SEVERITY_WARNING);
	assert_true(evidence_value(f, "used_memory") == 300.0 * MIB);
	assert_true(evidence_value(f, "used_memory_peak") == 2.0 * GIB);
	assert_true(evidence_value(f, "dirty_and_muzzy") == 200.0 * MIB);
	assert_string_equal(f->actions[0].command, "redis-cli MEMORY PURGE");
	assert_int_equal(f->actions[0].expected_gain_bytes, 200 * MIB);
	/* What causes it comes first. */
	assert_true(f->cost < expect(&d, "frag.slab", SEVERITY_WARNING)->cost);
	diagnosis_free(&d);

	scene_init(&s); /* MEMORY DOCTOR's rule 1 fires here: memory went back already */
	scene_load(&s, 300 * MIB);
	s.peak = 2 * GIB;
	scene_expect_none(&s, "rss.after_peak");

	scene_init(
		&s); /* no peak leaves more than it was: a buffer came and went between two looks */
	scene_load(&s, 4 * MIB);
	s.peak = 19 * MIB;
	s.dirty = 75 * MIB;
	scene_expect_none(&s, "rss.after_peak");

	scene_init(&s); /* just freed and on its way back */
	scene_load(&s, 300 * MIB);
	s.peak = 2 * GIB;
	s.dirty = 800 * MIB;
	scene_expect(&s, "rss.after_peak", SEVERITY_INFO);
}

static void libc_allocator(void **state)
{
	struct scene s;

	(void)state;
	scene_init(&s);
	s.target.allocator = "libc";
	s.malloc_stats = false;
	scene_expect(&s, "alloc.not_jemalloc", SEVERITY_INFO);

	scene_init(&s);
	scene_load(&s, 300 * MIB);
	s.target.allocator = "libc";
	s.malloc_stats = false;
	s.rss_allocator = 700 * MIB;
	scene_expect(&s, "alloc.not_jemalloc", SEVERITY_WARNING);

	scene_init(&s);
	scene_expect_none(&s, "alloc.not_jemalloc");

	scene_init(&s);
	s.target.allocator = ""; /* unknown is not libc */
	scene_expect_none(&s, "alloc.not_jemalloc");
}

static void swapping(struct scene *s)
{
	scene_init(s);
	scene_load(s, 1 * GIB);
	s->host.swap_total_bytes = 4 * GIB;
	s->host.swap_free_bytes = 3 * GIB;
	s->swap = 300 * MIB;
}

static void swap_in_path(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	swapping(&s);
	scene_profile(&s, EVENT_FAULT_SWAP, "get", "user:1001", 1200, 2.0);
	scene_profile(&s, EVENT_FAULT_SWAP, "get", "user:1002", 300, 0.5);
	scene_profile(&s, EVENT_FAULT_SWAP, "hget", "cart:7", 100, 0.1);
	d = scene_diagnose(&s);
	f = expect(&d, "swap.in_path", SEVERITY_CRITICAL);
	assert_true(evidence_value(f, "swap_faults_total") == 1600);
	assert_true(fabs(evidence_value(f, "swap_fault_seconds") - 2.6) < 1e-9);
	assert_true(fabs(evidence_value(f, "swap_fault_time_ratio") - 0.26) < 1e-9);
	assert_true(evidence_value(f, "swap") == 300.0 * MIB);
	assert_string_equal(evidence_text(f, "top_command"), "GET");
	assert_true(evidence_value(f, "top_command_swap_faults_total") == 1500);
	assert_string_equal(evidence_text(f, "top_prefix"), "user:*");
	assert_false(f->weak);
	assert_null(diagnosis_find(&d, "swap.resident"));
	diagnosis_free(&d);
}

/* Without the sensor major faults and memory in swap tell it together, weakly. */
static void swap_in_path_without_sensor(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	swapping(&s);
	s.sensors_off = "fault";
	s.tick.major_faults_total = 5000;
	s.totals.major_faults = RECORD_UNKNOWN;
	d = scene_diagnose(&s);
	f = expect(&d, "swap.in_path", SEVERITY_CRITICAL);
	assert_true(f->weak);
	assert_true(evidence_value(f, "major_faults_total") == 5000);
	diagnosis_free(&d);

	scene_init(&s); /* major faults of files, nothing in swap */
	s.sensors_off = "fault";
	s.totals.major_faults = 5000;
	scene_expect_none(&s, "swap.in_path");
}

static void swap_resident(void **state)
{
	struct scene s;
	struct diagnosis d;
	const struct finding *f;

	(void)state;
	swapping(&s);
	scene_profile(&s, EVENT_FAULT_SWAP, "get", "user:1001", 15, 0.5); /* chance */
	scene_profile(&s, EVENT_FAULT_FILE, "get", "user:1001", 900, 0.001); /* not swap */
	d = scene_diagnose(&s);
	f = expect(&d, "swap.resident", SEVERITY_WARNING);
	assert_true(evidence_value(f, "swap_faults_total") == 15);
	assert_null(diagnosis_find(&d, "swap.in_path"));
	expect(&d, "config.swappiness", SEVERITY_INFO);
	diagnosis_free(&d);
}

static void swap_too_little(void **state)
{
	struct scene s;

	(void)state;
	swapping(&s);
	s.swap = 16 * MIB;
	scene_expect_none(&s, "swap.resident");

	swapping(&s);
	scene_load(&s, 2 * GIB);
	s.swap = 40 * MIB; /* under 2 % */
	scene_expect_none(&s, "swap.resident");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slab_holes),
		cmocka_unit_test(slab_holes_with_defrag),
		cmocka_unit_test(slab_holes_below_thresholds),
		cmocka_unit_test(slab_holes_named),
		cmocka_unit_test(slab_holes_of_elements),
		cmocka_unit_test(rounding),
		cmocka_unit_test(rounding_on_an_idle_server),
		cmocka_unit_test(defrag_futile),
		cmocka_unit_test(slab_holes_without_classes),
		cmocka_unit_test(slab_holes_too_small),
		cmocka_unit_test(dirty_pages),
		cmocka_unit_test(dirty_pages_that_decay),
		cmocka_unit_test(defrag_idle),
		cmocka_unit_test(huge_pages),
		cmocka_unit_test(not_allocator),
		cmocka_unit_test(after_peak),
		cmocka_unit_test(libc_allocator),
		cmocka_unit_test(swap_in_path),
		cmocka_unit_test(swap_in_path_without_sensor),
		cmocka_unit_test(swap_resident),
		cmocka_unit_test(swap_too_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
