/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory cgroups of both versions, as directories made for the test. */
#define _GNU_SOURCE
#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "record/record.h"
#include "host/cgroup.h"
#include "host/file.h"

static char root[64];

static int make_root(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/redmem-test-XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static int remove_root(void **state)
{
	(void)state;
	return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Write @text to @path below the root, making the directories on the way. */
static void put(const char *path, const char *text)
{
	struct buf full = { 0 };
	FILE *f;

	buf_printf(&full, "%s%s", root, path);
	for (char *p = full.data + strlen(root) + 1; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		mkdir(full.data, 0700);
	}
	f = fopen(full.data, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	buf_free(&full);
}

#define V1_MOUNTS                                                                             \
	"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"                 \
	"36 31 0:33 / /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices\n"                 \
	"35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n" \
	"41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
#define V2_MOUNTS "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

static void locate(const char *group, const char *mounts, int expected, int version,
		   const char *path)
{
	struct buf m = { 0 }, p = { 0 };
	int got;

	assert_int_equal(cgroup_locate("memory", group, mounts, &got, &m, &p), expected);
	if (!expected) {
		assert_int_equal(got, version);
		assert_string_equal(buf_str(&p), path);
	}
	buf_free(&m);
	buf_free(&p);
}

static void test_locate(void **state)
{
	(void)state;
	locate("5:devices:/\n4:memory:/a/b\n0::/x\n", V1_MOUNTS, 0, 1, "/sys/fs/cgroup/memory/a/b");
	locate("4:cpu,memory:/\n0::/\n", V1_MOUNTS, 0, 1, "/sys/fs/cgroup/memory");
	locate("0::/system.slice/redis.service\n", V2_MOUNTS, 0, 2,
	       "/sys/fs/cgroup/system.slice/redis.service");
	/* a colon in the name; a controller whose name only begins alike */
	locate("0::/a:b\n", V2_MOUNTS, 0, 2, "/sys/fs/cgroup/a:b");
	locate("4:memoryx:/a\n0::/y\n", V2_MOUNTS, 0, 2, "/sys/fs/cgroup/y");
	/* in a container only its own part is mounted */
	locate("4:memory:/docker/abc/sub\n",
	       "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n", 0, 1,
	       "/sys/fs/cgroup/memory/sub");
	locate("4:memory:/docker/abcd\n",
	       "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
	       -EXDEV, 0, NULL);
	locate("0::/../other\n", V2_MOUNTS, -EXDEV, 0, NULL);
	/* a blank in the mount point is written \040 */
	locate("0::/a\n", "30 23 0:26 / /sys/fs/c\\040g rw - cgroup2 cgroup2 rw\n", 0, 2,
	       "/sys/fs/c g/a");
	locate("", V2_MOUNTS, -ENOENT, 0, NULL);
	locate("0::/a\n", "", -ENOENT, 0, NULL);
	locate("garbage\n::\n0\n", "a b c\n - \n x - cgroup2\n", -ENOENT, 0, NULL);
}

static void test_v1(void **state)
{
	struct cgroup_memory cg;

	(void)state;
	put("/proc/812/cgroup", "4:memory:/box/redis\n");
	put("/proc/self/mountinfo", V1_MOUNTS);
#define BOX "/sys/fs/cgroup/memory/box"
	put(BOX "/redis/memory.limit_in_bytes", "9223372036854771712\n");
	put(BOX "/redis/memory.memsw.limit_in_bytes", "9223372036854771712\n");
	put(BOX "/redis/memory.usage_in_bytes", "1000\n");
	put(BOX "/redis/memory.swappiness", "30\n");
	put(BOX "/redis/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n");
	put(BOX "/redis/memory.stat", "cache 1\nswap 5\nhierarchical_memory_limit 8000\n"
				      "hierarchical_memsw_limit 9000\ntotal_swap 77\n");
	put(BOX "/memory.limit_in_bytes", "8000\n");
	put(BOX "/memory.memsw.limit_in_bytes", "9000\n");
	put(BOX "/memory.usage_in_bytes", "7000\n");
	put(BOX "/memory.use_hierarchy", "1\n");
	assert_int_equal(cgroup_memory_read(&cg, root, 812, NULL), 0);
	assert_int_equal(cg.version, 1);
	assert_int_equal(cg.limit_bytes, 8000);
	assert_int_equal(cg.limit_usage_bytes, 7000);
	assert_int_equal(cg.usage_bytes, 1000);
	assert_int_equal(cg.swap_usage_bytes, 77);
	assert_int_equal(cg.swap_limit_bytes, 1000);
	assert_int_equal(cg.swappiness, 30);
	assert_int_equal(cg.oom_kills_total, 3);
	assert_string_equal(cg.path + strlen(root), BOX "/redis");
}

/* Old kernels: the levels may be unconnected, then the one above binds nothing. */
static void test_v1_unconnected(void **state)
{
	struct cgroup_memory cg;

	(void)state;
	put("/proc/812/cgroup", "4:memory:/box/redis\n");
	put("/proc/self/mountinfo", V1_MOUNTS);
	put(BOX "/redis/memory.usage_in_bytes", "1000\n");
	put(BOX "/redis/memory.limit_in_bytes", "9223372036854710272\n"); /* 64 KiB pages */
	put(BOX "/memory.limit_in_bytes", "8000\n");
	put(BOX "/memory.use_hierarchy", "0\n");
	assert_int_equal(cgroup_memory_read(&cg, root, 812, NULL), 0);
	assert_true(cg.limit_bytes == RECORD_UNKNOWN);
	assert_int_equal(cg.usage_bytes, 1000);
	assert_true(cg.swap_limit_bytes == RECORD_UNKNOWN);
}

static void test_v2(void **state)
{
	struct cgroup_memory cg;

	(void)state;
	put("/proc/812/cgroup", "0::/a/b/c\n");
	put("/proc/self/mountinfo", V2_MOUNTS);
	put("/sys/fs/cgroup/cgroup.controllers", "cpu io memory pids\n");
	put("/sys/fs/cgroup/a/memory.max", "5000\n");
	put("/sys/fs/cgroup/a/memory.current", "4000\n");
	put("/sys/fs/cgroup/a/memory.swap.max", "max\n");
	put("/sys/fs/cgroup/a/b/memory.max", "5000\n"); /* equal: the upper one has less room */
	put("/sys/fs/cgroup/a/b/memory.current", "3000\n");
	put("/sys/fs/cgroup/a/b/memory.swap.max", "600\n");
	put("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
	put("/sys/fs/cgroup/a/b/c/memory.current", "2000\n");
	put("/sys/fs/cgroup/a/b/c/memory.swap.current", "50\n");
	put("/sys/fs/cgroup/a/b/c/memory.swap.max", "max\n");
	put("/sys/fs/cgroup/a/b/c/memory.events",
	    "low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n");
	assert_int_equal(cgroup_memory_read(&cg, root, 812, NULL), 0);
	assert_int_equal(cg.version, 2);
	assert_int_equal(cg.limit_bytes, 5000);
	assert_int_equal(cg.limit_usage_bytes, 4000);
	assert_int_equal(cg.usage_bytes, 2000);
	assert_int_equal(cg.swap_usage_bytes, 50);
	assert_int_equal(cg.swap_limit_bytes, 600);
	assert_int_equal(cg.oom_kills_total, 1);
	assert_true(cg.swappiness == RECORD_UNKNOWN);
}

/* memory.high of the parent is lower than the server's own, and was hit. */
static void test_v2_high(void **state)
{
	struct cgroup_memory cg;

	(void)state;
	put("/proc/812/cgroup", "0::/a/b\n");
	put("/proc/self/mountinfo", V2_MOUNTS);
	put("/sys/fs/cgroup/cgroup.controllers", "memory\n");
	put("/sys/fs/cgroup/a/memory.high", "4000\n");
	put("/sys/fs/cgroup/a/memory.max", "max\n");
	put("/sys/fs/cgroup/a/memory.current", "4100\n");
	put("/sys/fs/cgroup/a/memory.events", "low 0\nhigh 17\nmax 0\noom 0\noom_kill 0\n");
	put("/sys/fs/cgroup/a/b/memory.high", "5000\n");
	put("/sys/fs/cgroup/a/b/memory.max", "6000\n");
	put("/sys/fs/cgroup/a/b/memory.current", "3000\n");
	put("/sys/fs/cgroup/a/b/memory.events", "low 0\nhigh 3\nmax 0\noom 0\noom_kill 0\n");
	assert_int_equal(cgroup_memory_read(&cg, root, 812, NULL), 0);
	assert_int_equal(cg.high_bytes, 4000);
	assert_int_equal(cg.high_usage_bytes, 4100);
	assert_int_equal(cg.high_events_total, 17);
	assert_int_equal(cg.limit_bytes, 6000);
	assert_int_equal(cg.limit_usage_bytes, 3000);
	assert_int_equal(cg.usage_bytes, 3000);
	put("/sys/fs/cgroup/a/memory.high", "max\n");
	assert_int_equal(cgroup_memory_read(&cg, root, 812, NULL), 0);
	assert_int_equal(cg.high_bytes, 5000);
	assert_int_equal(cg.high_events_total, 3);
	put("/sys/fs/cgroup/a/b/memory.high", "max\n");
	assert_int_equal(cgroup_memory_read(&cg, root, 812, NULL), 0);
	assert_true(cg.high_bytes == RECORD_UNKNOWN && cg.high_events_total == RECORD_UNKNOWN);
}

/* A file of tests/unit/data, recorded from a kernel. */
static void put_recorded(const char *path, const char *name)
{
	struct buf from = { 0 }, text = { 0 };

	buf_printf(&from, "tests/unit/data/%s", name);
	assert_int_equal(file_read(from.data, 1 << 16, &text, NULL), 0);
	put(path, buf_str(&text));
	buf_free(&from);
	buf_free(&text);
}

/* What cannot be dropped, and the limit that is met first: a parent's with siblings in it. */
static void test_v2_kept(void **state)
{
	struct cgroup_memory cg;

	(void)state;
	put("/proc/812/cgroup", "0::/pod/redis\n");
	put("/proc/self/mountinfo", V2_MOUNTS);
	put("/sys/fs/cgroup/pod/memory.max", "419430400\n");
	put("/sys/fs/cgroup/pod/memory.current", "410000000\n");
	put("/sys/fs/cgroup/pod/memory.events", "low 0\nhigh 0\nmax 31\noom 0\noom_kill 0\n");
	put("/sys/fs/cgroup/pod/memory.stat",
	    "anon 200000000\nfile 180000000\nkernel 9000000\nslab_reclaimable 4000000\n"
	    "sock 1000000\nshmem 170000000\n");
	put("/sys/fs/cgroup/pod/redis/memory.max", "314572800\n");
	put("/sys/fs/cgroup/pod/redis/memory.current", "130000000\n");
	put("/sys/fs/cgroup/pod/redis/memory.events", "max 0\noom_kill 2\n");
	put_recorded("/sys/fs/cgroup/pod/redis/memory.stat", "cgroup2_memory_stat.txt");
	assert_int_equal(cgroup_memory_read(&cg, root, 812, NULL), 0);
	assert_int_equal(cg.limit_bytes, 314572800); /* the smallest */
	assert_string_equal(cg.near_path, "/pod"); /* the nearest */
	assert_false(cg.near_own);
	assert_int_equal(cg.near_limit_bytes, 419430400);
	assert_int_equal(cg.near_usage_bytes, 410000000);
	assert_int_equal(cg.near_hits_total, 31);
	assert_int_equal(cg.near.anon_bytes, 200000000);
	assert_int_equal(cg.near.shmem_bytes, 170000000);
	assert_int_equal(cg.near.kernel_bytes, 5000000); /* without what can be dropped */
	assert_int_equal(cg.near.sock_bytes, 1000000);
	assert_int_equal(cgroup_kept_bytes(&cg.near), 376000000);
	assert_int_equal(cg.oom_kills_total, 2);
	assert_int_equal(cg.own.anon_bytes, 13258752);
	assert_int_equal(cg.own.shmem_bytes, 25165824);
	assert_int_equal(cg.own.kernel_bytes, 229376 - 62488);
}

/* Before 5.18 the kernel's memory is told in parts only. */
static void test_v2_kernel_parts(void **state)
{
	struct cgroup_memory cg;

	(void)state;
	put("/proc/812/cgroup", "0::/a\n");
	put("/proc/self/mountinfo", V2_MOUNTS);
	put("/sys/fs/cgroup/a/memory.max", "1000000\n");
	put("/sys/fs/cgroup/a/memory.current", "900000\n");
	put("/sys/fs/cgroup/a/memory.stat",
	    "anon 500\nfile 700000\nkernel_stack 10\npagetables 20\npercpu 30\nsock 40\n"
	    "shmem 50\nslab_reclaimable 9000\nslab_unreclaimable 60\nslab 9060\n");
	assert_int_equal(cgroup_memory_read(&cg, root, 812, NULL), 0);
	assert_true(cg.near_own);
	assert_int_equal(cg.near.kernel_bytes, 120);
	assert_int_equal(cgroup_kept_bytes(&cg.near), 710);
}

static void test_v1_kept(void **state)
{
	struct cgroup_memory cg;

	(void)state;
	put("/proc/812/cgroup", "4:memory:/a\n");
	put("/proc/self/mountinfo", V1_MOUNTS);
	put_recorded("/sys/fs/cgroup/memory/a/memory.stat", "cgroup1_memory_stat.txt");
	put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "419430400\n");
	put("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "370000000\n");
	put("/sys/fs/cgroup/memory/a/memory.kmem.usage_in_bytes", "2500000\n");
	put("/sys/fs/cgroup/memory/a/memory.failcnt", "12\n");
	assert_int_equal(cgroup_memory_read(&cg, root, 812, NULL), 0);
	assert_string_equal(cg.near_path, "/a");
	assert_true(cg.near_own);
	assert_int_equal(cg.near_limit_bytes, 419430400);
	assert_int_equal(cg.near_hits_total, 12);
	assert_int_equal(cg.near.anon_bytes, 290816);
	assert_int_equal(cg.near.shmem_bytes, 25165824);
	assert_int_equal(cg.near.kernel_bytes, 2500000);
	assert_true(cg.near.sock_bytes == RECORD_UNKNOWN);
}

/* Who would be killed were swap taken away: limits count, and what can be dropped does not. */
static void test_leans_on_swap(void **state)
{
	struct buf top = { 0 }, path = { 0 };

	(void)state;
	buf_printf(&top, "%s/sys", root);
	put("/sys/fs/a/memory.max", "100000000\n");
	put("/sys/fs/a/memory.current", "99000000\n");
	put("/sys/fs/a/memory.stat", "anon 60000000\nfile 39000000\n");
	put("/sys/fs/a/memory.swap.current", "30000000\n");
	put("/sys/fs/free/memory.max", "max\n");
	put("/sys/fs/free/memory.stat", "anon 60000000\n");
	put("/sys/fs/free/memory.swap.current", "90000000\n");
	assert_false(cgroup_leans_on_swap(top.data, 2, &path));
	put("/sys/fs/a/b/memory.max", "50000000\n");
	put("/sys/fs/a/b/memory.stat", "anon 40000000\n");
	put("/sys/fs/a/b/memory.swap.current", "20000000\n");
	assert_true(cgroup_leans_on_swap(top.data, 2, &path));
	assert_string_equal(buf_str(&path) + strlen(root), "/sys/fs/a/b");
	buf_clear(&path);
	put("/sys/fs/a/b/memory.swap.current", "0\n");
	assert_false(cgroup_leans_on_swap(top.data, 2, &path));
	buf_free(&top);
	buf_free(&path);
}

static void test_v1_leans_on_swap(void **state)
{
	struct buf top = { 0 }, path = { 0 };

	(void)state;
	buf_printf(&top, "%s/sys", root);
	put("/sys/a/memory.limit_in_bytes", "100000000\n");
	put("/sys/a/memory.stat", "total_rss 90000000\ntotal_swap 5000000\n");
	assert_false(cgroup_leans_on_swap(top.data, 1, &path));
	put("/sys/a/memory.stat", "total_rss 90000000\ntotal_swap 15000000\n");
	assert_true(cgroup_leans_on_swap(top.data, 1, &path));
	put("/sys/a/memory.limit_in_bytes", "9223372036854771712\n");
	assert_false(cgroup_leans_on_swap(top.data, 1, &path));
	buf_free(&top);
	buf_free(&path);
}

/* A path is whole or not there at all: a part of it is another cgroup's. */
static void test_long_path(void **state)
{
	static struct cgroup_memory cg;
	struct buf group = { 0 };

	(void)state;
	put("/proc/self/mountinfo", V2_MOUNTS);
	buf_puts(&group, "0::");
	for (int i = 0; i < 10; i++)
		buf_printf(&group, "/%0100d", i);
	buf_putc(&group, '\n');
	put("/proc/812/cgroup", group.data);
	assert_int_equal(cgroup_memory_read(&cg, root, 812, NULL), 0);
	assert_int_equal(strlen(cg.path), strlen(root) + strlen("/sys/fs/cgroup") + 10 * 101);
	buf_clear(&group);
	buf_puts(&group, "0::");
	for (int i = 0; i < 50; i++)
		buf_printf(&group, "/%0100d", i);
	buf_putc(&group, '\n');
	put("/proc/812/cgroup", group.data);
	assert_int_equal(cgroup_memory_read(&cg, root, 812, NULL), 0);
	assert_string_equal(cg.path, "");
	buf_free(&group);
}

static void test_v2_unlimited_root(void **state)
{
	struct cgroup_memory cg;

	(void)state;
	put("/proc/812/cgroup", "0::/\n");
	put("/proc/self/mountinfo", V2_MOUNTS);
	put("/sys/fs/cgroup/cgroup.controllers", "memory\n");
	assert_int_equal(cgroup_memory_read(&cg, root, 812, NULL), 0);
	assert_int_equal(cg.version, 2);
	assert_true(cg.limit_bytes == RECORD_UNKNOWN && cg.usage_bytes == RECORD_UNKNOWN);
}

static void test_none(void **state)
{
	struct cgroup_memory cg;
	struct err err = { 0 };

	(void)state;
	put("/proc/812/cgroup", "0::/a\n");
	put("/proc/self/mountinfo", V2_MOUNTS);
	put("/sys/fs/cgroup/cgroup.controllers", "cpu pids\n"); /* hybrid without memory */
	assert_int_equal(cgroup_memory_read(&cg, root, 812, &err), 0);
	assert_true(cg.version == RECORD_UNKNOWN);
	put("/proc/self/mountinfo", "");
	assert_int_equal(cgroup_memory_read(&cg, root, 812, &err), 0);
	assert_true(cg.version == RECORD_UNKNOWN);
	put("/proc/812/cgroup", "0::/../b\n");
	put("/proc/self/mountinfo", V2_MOUNTS);
	assert_int_equal(cgroup_memory_read(&cg, root, 812, &err), -EXDEV);
	assert_int_equal(err.code, -EXDEV);
	assert_int_equal(cgroup_memory_read(&cg, root, 813, &err), -ENOENT);
	assert_true(cg.version == RECORD_UNKNOWN);
}

static void test_broken_text(void **state)
{
	static const char group[] = "5:devices:/\n4:memory:/a/b\n0::/x\n";
	static const char mounts[] = V1_MOUNTS;
	char g[sizeof(group)], m[sizeof(mounts)];

	(void)state;
	srand(5);
	for (int round = 0; round < 20000; round++) {
		struct buf mount = { 0 }, path = { 0 };
		int version, ret;

		memcpy(g, group, sizeof(group));
		memcpy(m, mounts, sizeof(mounts));
		for (int i = 0; i < round % 5; i++) {
			g[(size_t)rand() % (sizeof(g) - 1)] = (char)rand();
			m[(size_t)rand() % (sizeof(m) - 1)] = (char)rand();
		}
		g[(size_t)rand() % sizeof(g)] = '\0';
		m[(size_t)rand() % sizeof(m)] = '\0';
		ret = cgroup_locate("memory", g, m, &version, &mount, &path);
		assert_true(ret == 0 || ret == -ENOENT || ret == -EXDEV);
		if (!ret)
			assert_true(path.len >= mount.len);
		buf_free(&mount);
		buf_free(&path);
	}
}

static void test_self(void **state)
{
	struct cgroup_memory cg;
	int ret = cgroup_memory_read(&cg, "", getpid(), NULL);

	(void)state;
	assert_true(ret == 0 || ret == -EXDEV);
	if (cg.usage_bytes != RECORD_UNKNOWN)
		assert_true(cg.version == 1 || cg.version == 2);
}

#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_ROOT(test_v2_high),
		WITH_ROOT(test_v2_kept),
		WITH_ROOT(test_v2_kernel_parts),
		WITH_ROOT(test_v1_kept),
		WITH_ROOT(test_leans_on_swap),
		WITH_ROOT(test_v1_leans_on_swap),
		WITH_ROOT(test_long_path),
		cmocka_unit_test(test_locate),
		WITH_ROOT(test_v1),
		WITH_ROOT(test_v1_unconnected),
		WITH_ROOT(test_v2),
		WITH_ROOT(test_v2_unlimited_root),
		WITH_ROOT(test_none),
		cmocka_unit_test(test_broken_text),
		cmocka_unit_test(test_self),
	};

	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
