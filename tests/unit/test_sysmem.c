/* SPDX-License-Identifier: BSD-2-Clause */
/* meminfo, vmstat, huge pages and the whole of record_host. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "host/sysmem.h"

static const char meminfo_text[] = "MemTotal:       24684084 kB\n"
				   "MemFree:        22000000 kB\n"
				   "MemAvailable:   24100000 kB\n"
				   "SwapCached:           12 kB\n"
				   "SwapTotal:       1048576 kB\n"
				   "SwapFree:        1000000 kB\n"
				   "CommitLimit:    13390616 kB\n"
				   "Committed_AS:     123456 kB\n"
				   "HugePages_Total:       0\n";

static void test_meminfo(void **state)
{
	struct meminfo m;

	(void)state;
	meminfo_parse(&m, meminfo_text, sizeof(meminfo_text) - 1);
	assert_int_equal(m.total_bytes, 24684084ll * 1024);
	assert_int_equal(m.free_bytes, 22000000ll * 1024);
	assert_int_equal(m.available_bytes, 24100000ll * 1024);
	assert_int_equal(m.swap_total_bytes, 1048576ll * 1024);
	assert_int_equal(m.swap_free_bytes, 1000000ll * 1024);
	assert_int_equal(m.commit_limit_bytes, 13390616ll * 1024);
	assert_int_equal(m.committed_bytes, 123456 * 1024);
	for (size_t len = 0; len < sizeof(meminfo_text); len++) {
		meminfo_parse(&m, meminfo_text, len);
		assert_true(m.swap_free_bytes == RECORD_UNKNOWN ||
			    m.swap_free_bytes == 1000000ll * 1024);
	}
}

static void test_thp(void **state)
{
	(void)state;
	assert_string_equal(thp_choice("always [madvise] never\n"), "madvise");
	assert_string_equal(thp_choice("[always] madvise never\n"), "always");
	assert_string_equal(thp_choice("always defer [defer+madvise] madvise never\n"),
			    "defer+madvise");
	assert_string_equal(thp_choice("always madvise never\n"), "");
	assert_string_equal(thp_choice("[surprise]\n"), "");
	assert_string_equal(thp_choice("[never"), "");
	assert_string_equal(thp_choice("][\n"), "");
	assert_string_equal(thp_choice(""), "");
}

static void test_live(void **state)
{
	struct meminfo m;

	(void)state;
	assert_int_equal(meminfo_read(&m, ""), 0);
	assert_true(m.total_bytes > 0);
	assert_true(m.available_bytes <= m.total_bytes);
	assert_true(sysctl_read("", "vm/overcommit_memory") >= 0);
	assert_true(sysctl_read("", "no/such/thing") == RECORD_UNKNOWN);
	assert_int_equal(meminfo_read(&m, "/nonexistent"), -ENOENT);
	assert_true(m.total_bytes == RECORD_UNKNOWN);
}

static void test_record(void **state)
{
	struct record_host h;

	(void)state;
	assert_int_equal(host_record_fill(&h, getpid()), 0);
	assert_true(h.mem_total_bytes > 0);
	assert_int_equal(h.page_size_bytes, sysconf(_SC_PAGESIZE));
	assert_true(h.cpus_total >= 1);
	assert_true(h.maps_total > 0 && h.max_map_count > 0);
	assert_non_null(h.thp_enabled);
	/* Nothing there: nothing known, nothing zero. */
	assert_true(host_record_fill_from(&h, "/nonexistent", getpid()) < 0);
	assert_true(h.mem_total_bytes == RECORD_UNKNOWN && h.swap_total_bytes == RECORD_UNKNOWN);
	assert_true(h.overcommit_memory == RECORD_UNKNOWN && h.swappiness == RECORD_UNKNOWN);
	assert_true(h.maps_total == RECORD_UNKNOWN && h.max_map_count == RECORD_UNKNOWN);
	assert_true(h.cgroup_version == RECORD_UNKNOWN && h.cgroup_limit_bytes == RECORD_UNKNOWN);
	assert_string_equal(h.thp_enabled, "");
	assert_false(h.thp_disabled_for_target);
}

static void keep_wall(void *ctx, const struct record *record)
{
	*(int64_t *)ctx = record->session.wall_start_ns;
}

/* A watch has begun when it did, however long ago that is when it is told. */
static void test_session_start(void **state)
{
	const int64_t ago_ns = 3600 * INT64_C(1000000000);
	int64_t start_ns = clock_mono_ns(), now, then;

	(void)state;
	host_session_emit(&(struct record_sink){ keep_wall, &now }, 0, start_ns);
	host_session_emit(&(struct record_sink){ keep_wall, &then }, 0, start_ns - ago_ns);
	assert_in_range(now - then, ago_ns - ago_ns / 100, ago_ns + ago_ns / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session_start), cmocka_unit_test(test_meminfo),
		cmocka_unit_test(test_thp),	      cmocka_unit_test(test_live),
		cmocka_unit_test(test_record),
	};

	return cmocka_run_group_tests_name("sysmem", tests, NULL, NULL);
}
