/* SPDX-License-Identifier: BSD-2-Clause */
/* What the BPF programs count where jemalloc is older than 5.3: fills and flushes of a thread's
 * caches. */
#include "bpf_scene.h"

/* A thread's cache of jemalloc 5.2 with room for 200 regions of 48 bytes, and what leads to it. */
static struct {
	uint64_t tsd, tcache, arena, bin;
} cache;

static void make_cache(void)
{
	struct redmem_settings *settings = &sv.target->settings;
	uint64_t table = room(4), info = room(2);

	cache.tsd = room(8);
	cache.tcache = room(64);
	cache.arena = room(1);
	*word(table + 8) = 48;
	*word(table + 24) = 20480;
	((uint32_t *)info)[1] = 200;
	settings->class_table = table;
	*word(settings->bin_info = room(1)) = info;
	settings->small_classes = 2;
	sv.target->flow_open = 1;
	cache.bin = cache.tcache + TCACHE_BINS + sizeof(struct cache_bin);
	*word(cache.bin + sizeof(struct cache_bin) + TCACHE_ARENA) = cache.arena;
	((uint8_t *)(cache.bin + sizeof(struct cache_bin) + TCACHE_ARENA + TCACHE_FILL_SHIFT))[1] =
		2;
	*word(cache.tsd + 16) = 5000; /* allocated by the thread */
	*word(cache.tsd + 24) = 2000; /* freed */
}

/* arena_tcache_fill_small(tsdn, arena, tcache, tbin, binind) */
static void fill(uint64_t arena)
{
	PT_REGS_PARM1(&sv.at_probe) = cache.tsd;
	PT_REGS_PARM2(&sv.at_probe) = arena;
	PT_REGS_PARM3(&sv.at_probe) = cache.tcache;
	PT_REGS_PARM4(&sv.at_probe) = cache.bin;
	PT_REGS_PARM5(&sv.at_probe) = 1;
	flow_fill(&sv.at_probe);
}

/* tcache_bin_flush_small(tsd, tcache, tbin, binind, rem) */
static void flush_to(uint32_t cached, uint32_t rest)
{
	((struct cache_bin *)cache.bin)->cached = (int32_t)cached;
	PT_REGS_PARM1(&sv.at_probe) = cache.tsd;
	PT_REGS_PARM2(&sv.at_probe) = cache.tcache;
	PT_REGS_PARM3(&sv.at_probe) = cache.bin;
	PT_REGS_PARM4(&sv.at_probe) = 1;
	PT_REGS_PARM5(&sv.at_probe) = rest;
	flow_flush_small(&sv.at_probe);
}

static int rows_of(enum redmem_event event, uint64_t bytes)
{
	int rows = 0;

	for (struct entry *entry = entries; entry; entry = entry->next) {
		const struct redmem_profile_key *key = entry->key;

		if (entry->map->map == &profile_0 && key->event == event) {
			const struct redmem_profile_value *value = entry->value;

			rows++;
			assert_int_equal(value->events, bytes);
		}
	}
	return rows;
}

static struct redmem_profile_key freed_row(uint64_t bytes)
{
	for (struct entry *entry = entries; entry; entry = entry->next) {
		const struct redmem_profile_key *key = entry->key;

		if (entry->map->map == &profile_0 && key->event == EVENT_FREE &&
		    ((const struct redmem_profile_value *)entry->value)->events == bytes)
			return *key;
	}
	fail_msg("nobody has freed %llu bytes", (unsigned long long)bytes);
	return (struct redmem_profile_key){ 0 };
}

static struct redmem_flow_thread *main_thread(void)
{
	uint32_t tid = TGID;

	return bpf_map_lookup_elem(&flow_threads, &tid);
}

/* As many regions as a fill brings, and where the thread counts. */
static void test_cache(void **state)
{
	struct redmem_profile_key row;

	(void)state;
	make_cache();
	fill(cache.arena);
	assert_int_equal(rows_of(EVENT_ALLOC, 200 / 4 * 48), 1);
	assert_int_equal(rows_of(EVENT_ALLOC_CLASS, 200 / 4 * 48), 1);
	assert_int_equal(main_thread()->counter[FLOW_ALLOC], cache.tsd + 16);
	assert_int_equal(main_thread()->first[FLOW_ALLOC], 5000);
	assert_int_equal(main_thread()->first[FLOW_FREE], 2000);
	assert_int_equal(main_thread()->seen_bytes[0][FLOW_ALLOC], 200 / 4 * 48);
	teardown(state);
	setup(state);
	fill(cache.arena + 8); /* another arena's: it is no such call */
	assert_int_equal(profile_rows[0], 0);
	assert_null(main_thread());
	moves(true, 70000);
	row = only_row(70000);
	assert_int_equal(row.context.state, CONTEXT_LOOP);
}

/* A full cache gives back what is freed; the others what they had no use for, which is nobody's
 * when the cache was not filled since the watch began. */
static void test_cache_flush(void **state)
{
	(void)state;
	make_cache();
	flush_to(200, 100);
	assert_int_equal(rows_of(EVENT_FREE, 100 * 48), 1);
	assert_int_equal(rows_of(EVENT_FREE_CLASS, 100 * 48), 1);
	assert_int_equal(main_thread()->counter[FLOW_ALLOC], cache.tsd + 16);
	assert_int_equal(main_thread()->seen_bytes[0][FLOW_FREE], 100 * 48);
	flush_to(80, 20);
	assert_int_equal(rows_of(EVENT_FREE, 100 * 48), 1);
	assert_int_equal(rows_of(EVENT_FREE_CLASS, 160 * 48), 1);
	assert_int_equal(main_thread()->seen_bytes[0][FLOW_FREE], 100 * 48);
	fill(cache.arena);
	flush_to(80, 20);
	assert_int_equal(rows_of(EVENT_FREE, 160 * 48), 1);
	assert_int_equal(main_thread()->seen_bytes[0][FLOW_FREE], 160 * 48);
}

/* What a cache gives back for want of use goes to whom it was filled for, and not to who runs. */
static void test_cache_filler(void **state)
{
	(void)state;
	make_cache();
	fill(cache.arena);
	assert_int_equal(sv.target->filler[1].state, CONTEXT_LOOP);
	run_command(sv.client, sv.command, set, 3);
	*word(sv.current) = sv.client;
	flush_to(80, 20);
	assert_int_equal(freed_row(60 * 48).context.state, CONTEXT_LOOP);
	flush_to(200, 70); /* this one is full: it is what runs that frees */
	assert_int_equal(freed_row(130 * 48).context.command, sv.command);
	PT_REGS_PARM3(&sv.at_probe) = 20480; /* no small class has so many */
	flow_large_alloc(&sv.at_probe);
	assert_int_equal(sv.target->filler[3].command, sv.command);
	assert_int_equal(sv.target->filled, 1 << 1 | 1 << 3);
}

/* 5.1 has a word more in front. Nothing is counted where jemalloc was built without, and nothing is
 * believed of a cache that is elsewhere: then what a cache had no use for is charged, too. */
static void test_cache_counters(void **state)
{
	(void)state;
	make_cache();
	*word(cache.tsd + 16) = cache.tsd | 1ULL << 47;
	*word(cache.tsd + 24) = 5000;
	fill(cache.arena);
	assert_int_equal(main_thread()->counter[FLOW_ALLOC], cache.tsd + 24);
	teardown(state);
	setup(state);
	make_cache();
	*word(cache.tsd + 16) = *word(cache.tsd + 24) = 0;
	flush_to(80, 20);
	assert_int_equal(rows_of(EVENT_FREE, 60 * 48), 1);
	teardown(state);
	setup(state);
	make_cache();
	cache.tsd = cache.tcache + 8;
	flush_to(80, 20);
	assert_int_equal(rows_of(EVENT_FREE, 60 * 48), 1);
	assert_int_equal(main_thread()->counter[FLOW_ALLOC], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_cache),
		TEST(test_cache_flush),
		TEST(test_cache_filler),
		TEST(test_cache_counters),
	};

	return cmocka_run_group_tests_name("bpf_caches", tests, NULL, NULL);
}
