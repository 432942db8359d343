/* SPDX-License-Identifier: BSD-2-Clause */
/* The rows of `redmem check`, from given records of kernel, host and server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "app/check.h"

#define MIB (INT64_C(1) << 20)

static const struct kernel_records capable = {
	.release = "6.1.0",
	.machine = "x86_64",
	.btf = true,
	.lockdown = LOCKDOWN_NONE,
	.perf_event_paranoid = 3,
	.unprivileged_bpf_disabled = 2,
	.root_user_namespace = true,
	.root_pid_namespace = true,
	.cap_sys_admin = true,
	.cap_bpf = true,
	.cap_perfmon = true,
	.cap_sys_ptrace = true,
};

static const struct record_host tuned = {
	.mem_total_bytes = 1024 * MIB,
	.mem_available_bytes = 512 * MIB,
	.swap_total_bytes = 0,
	.swap_free_bytes = 0,
	.overcommit_memory = 1,
	.swappiness = 60,
	.thp_enabled = "madvise",
	.max_map_count = 65530,
	.maps_total = RECORD_UNKNOWN,
};

static const struct check_row *find(const struct check_rows *rows, const char *id)
{
	for (size_t i = 0; i < rows->count; i++)
		if (!strcmp(rows->row[i].id, id))
			return &rows->row[i];
	fail_msg("no row %s", id);
	return NULL;
}

static void assert_row(const struct check_rows *rows, const char *id, enum check_state state,
		       const char *value, const char *fix)
{
	const struct check_row *row = find(rows, id);

	assert_string_equal(check_state_name(row->state), check_state_name(state));
	assert_string_equal(row->value, value);
	assert_non_null(strstr(row->fix, fix));
	/* A warning says why, and what is fine needs neither reason nor fix. */
	assert_int_equal(state != CHECK_OK, row->reason[0] != '\0');
	if (state == CHECK_OK)
		assert_string_equal(row->fix, "");
}

static void test_capable_kernel(void **state)
{
	struct check_rows rows = {};

	(void)state;
	check_kernel(&rows, &capable);
	assert_row(&rows, "btf", CHECK_OK, "yes", "");
	assert_row(&rows, "cap_bpf", CHECK_OK, "yes", "");
	assert_row(&rows, "lockdown", CHECK_OK, "none", "");
	/* With CAP_PERFMON the setting does not matter. */
	assert_row(&rows, "perf_event_paranoid", CHECK_OK, "3", "");
	assert_row(&rows, "tracefs", CHECK_OK, "not readable, and not needed", "");
}

static void test_incapable_kernel(void **state)
{
	struct kernel_records kernel = { .lockdown = LOCKDOWN_CONFIDENTIALITY,
					 .perf_event_paranoid = 2,
					 .unprivileged_bpf_disabled = RECORD_UNKNOWN };
	struct check_rows rows = {};

	(void)state;
	check_kernel(&rows, &kernel);
	assert_row(&rows, "btf", CHECK_WARNING, "no", "CONFIG_DEBUG_INFO_BTF");
	assert_row(&rows, "cap_bpf", CHECK_WARNING, "no", "run as root");
	assert_row(&rows, "cap_sys_ptrace", CHECK_WARNING, "no", "setcap");
	assert_row(&rows, "user_namespace", CHECK_WARNING, "an inner one", "on the host");
	assert_row(&rows, "pid_namespace", CHECK_WARNING, "an inner one", "--pid=host");
	assert_row(&rows, "lockdown", CHECK_WARNING, "confidentiality", "lockdown=integrity");
	assert_row(&rows, "perf_event_paranoid", CHECK_WARNING, "2", "run as root");
	assert_row(&rows, "unprivileged_bpf_disabled", CHECK_UNKNOWN, "", "");
}

static void test_tuned_host(void **state)
{
	struct model m = { .host_end = tuned };
	struct check_rows rows = {};

	(void)state;
	check_host(&rows, &m, false);
	for (size_t i = 0; i < rows.count; i++)
		assert_int_equal(rows.row[i].state, CHECK_OK);
	assert_row(&rows, "memory", CHECK_OK, "512.0 MiB available of 1.0 GiB", "");
	assert_row(&rows, "swap", CHECK_OK, "none", "");
	assert_row(&rows, "max_map_count", CHECK_OK, "65530", "");
}

static void test_untuned_host(void **state)
{
	struct model m = { .host_end = tuned };
	struct record_host *host = &m.host_end;
	struct check_rows rows = {};

	(void)state;
	host->thp_enabled = "always";
	host->overcommit_memory = 0;
	host->swap_total_bytes = 100 * MIB;
	host->swap_free_bytes = 40 * MIB;
	host->maps_total = 60000;
	check_host(&rows, &m, false);
	assert_row(&rows, "thp", CHECK_WARNING, "always", "echo madvise >");
	assert_row(&rows, "overcommit", CHECK_WARNING, "0", "sysctl -w vm.overcommit_memory=1");
	assert_row(&rows, "swap", CHECK_OK, "40.0 MiB free of 100.0 MiB", "");
	assert_row(&rows, "swappiness", CHECK_WARNING, "60", "sysctl -w vm.swappiness=1");
	assert_row(&rows, "max_map_count", CHECK_WARNING, "60000 of 65530", "vm.max_map_count");
}

static void test_unknown_host(void **state)
{
	struct model m = { .host_end = tuned };
	struct record_host *host = &m.host_end;
	struct check_rows rows = {};

	(void)state;
	host->thp_enabled = "";
	host->overcommit_memory = host->swappiness = host->max_map_count = RECORD_UNKNOWN;
	host->swap_total_bytes = RECORD_UNKNOWN;
	check_host(&rows, &m, false);
	assert_row(&rows, "overcommit", CHECK_UNKNOWN, "", "");
	assert_row(&rows, "swap", CHECK_UNKNOWN, "", "");
	assert_row(&rows, "swappiness", CHECK_UNKNOWN, "", "");
	assert_row(&rows, "max_map_count", CHECK_UNKNOWN, "", "");
	assert_row(&rows, "thp", CHECK_OK, "not in this kernel", "");
}

/* Redis 6.2 and later switch huge pages off for themselves. */
static void test_huge_pages_off_for_server(void **state)
{
	struct model m = { .host_end = tuned };
	struct check_rows rows = {};

	(void)state;
	m.host_end.thp_enabled = "always";
	m.host_end.thp_disabled_for_target = true;
	check_host(&rows, &m, false);
	assert_row(&rows, "thp", CHECK_OK, "always, but the server has them off", "");
}

static struct cgroup_memory cgroup_of(const char *path)
{
	struct cgroup_memory cg = { .version = 2,
				    .limit_bytes = 1000 * MIB,
				    .high_bytes = RECORD_UNKNOWN };

	memcpy(cg.path, path, strlen(path) + 1);
	return cg;
}

/* A cgroup's name is chosen by whoever made it, and its limit is raised by root. */
static void test_cgroup(void **state)
{
	char dir[] = "/tmp/redmem $(id);'x' XXXXXX", file[64], deep[600] = "";
	struct cgroup_memory cg;
	struct check_row row = {};
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/memory.max", dir);
	f = fopen(file, "w");
	assert_non_null(f);
	fprintf(f, "%lld\n", (long long)(1000 * MIB));
	fclose(f);
	cg = cgroup_of(dir);
	check_cgroup(&row, &cg, 900 * MIB);
	assert_string_equal(check_state_name(row.state), "warning");
	assert_string_equal(row.value, "900.0 MiB of 1000.0 MiB");
	assert_memory_equal(row.fix, "echo 2097152000 > '/tmp/redmem $(id);'\\''x'\\'' ",
			    strlen("echo 2097152000 > '/tmp/redmem $(id);'\\''x'\\'' "));
	assert_string_equal(row.fix + strlen(row.fix) - 12, "/memory.max'");
	unlink(file);
	rmdir(dir);
	/* A parent's limit. */
	check_cgroup(&row, &cg, 900 * MIB);
	assert_memory_equal(row.fix, "raise memory.max of a cgroup above '/tmp/",
			    strlen("raise memory.max of a cgroup above '/tmp/"));
	/* Longer than a row has room for: no part of it. */
	while (strlen(deep) < 500)
		strcat(deep, "/'");
	cg = cgroup_of(deep);
	check_cgroup(&row, &cg, 900 * MIB);
	assert_string_equal(row.fix, "raise memory.max of the server's cgroup");
}

static void test_cgroup_high(void **state)
{
	struct cgroup_memory cg = cgroup_of("/nowhere");
	struct check_row row = {};

	(void)state;
	cg.high_bytes = 500 * MIB;
	check_cgroup(&row, &cg, 450 * MIB);
	assert_string_equal(check_state_name(row.state), "warning");
	assert_string_equal(row.value, "450.0 MiB of 500.0 MiB (memory.high)");
	assert_non_null(strstr(row.fix, "memory.high"));
	row = (struct check_row){ .state = CHECK_OK };
	cg.limit_bytes = RECORD_UNKNOWN;
	check_cgroup(&row, &cg, 100 * MIB);
	assert_string_equal(check_state_name(row.state), "ok");
	assert_string_equal(row.value, "100.0 MiB of 500.0 MiB (memory.high)");
	cg.high_bytes = RECORD_UNKNOWN;
	check_cgroup(&row, &cg, 100 * MIB);
	assert_string_equal(row.value, "no limit");
}

static void test_server(void **state)
{
	struct model m = { .target = { .executable = "/usr/bin/redis-server",
				       .allocator = "jemalloc 5.3.0",
				       .allocator_bundled = true,
				       .can_defrag = true } };
	struct check_rows rows = {};

	(void)state;
	check_server(&rows, &m);
	assert_row(&rows, "server_symbols", CHECK_OK, "found", "");
	assert_row(&rows, "allocator", CHECK_OK, "jemalloc 5.3.0, bundled", "");
	rows.count = 0;
	m.target.allocator_bundled = m.target.can_defrag = false;
	check_server(&rows, &m);
	assert_row(&rows, "allocator", CHECK_OK,
		   "jemalloc 5.3.0, the system's library, without active defrag", "");
	rows.count = 0;
	m.target.allocator = "libc";
	check_server(&rows, &m);
	assert_row(&rows, "allocator", CHECK_WARNING, "libc", "jemalloc");
	rows.count = 0;
	m.target.executable = "";
	check_server(&rows, &m);
	assert_int_equal(find(&rows, "server_symbols")->state, CHECK_WARNING);
	assert_row(&rows, "allocator", CHECK_UNKNOWN, "", "");
}

/* --- written out ------------------------------------------------------------ */

static struct check sample(const struct model *m)
{
	struct check check = { .kernel = capable, .m = m, .no_server = "no \"server\"" };
	struct kernel_records poor = { .perf_event_paranoid = RECORD_UNKNOWN };

	check_kernel(&check.host, &poor);
	return check;
}

static void test_json(void **state)
{
	struct model m = {};
	struct check check = sample(&m);
	struct buf out = {};
	json_t *o, *row;
	size_t i;

	(void)state;
	check_report_json(&out, &check);
	o = json_loads(buf_str(&out), 0, NULL);
	assert_non_null(o);
	assert_string_equal(json_string_value(json_object_get(o, "schema")), "redmem.check/1");
	assert_string_equal(json_string_value(json_object_get(o, "kernel")), "6.1.0");
	assert_true(json_is_null(json_object_get(o, "target")));
	assert_int_equal(json_array_size(json_object_get(o, "host")), check.host.count);
	json_array_foreach(json_object_get(o, "host"), i, row)
		if (!strcmp(json_string_value(json_object_get(row, "id")), "perf_event_paranoid"))
			assert_true(json_is_null(json_object_get(row, "value")));
	json_decref(o);
	buf_free(&out);
}

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (; (text = strstr(text, word)); text += strlen(word))
		n++;
	return n;
}

/* Rows that share their remedy show it once, in one line whatever the width. */
static void test_text(void **state)
{
	const struct report_style style = { .columns = 60 };
	struct model m = {};
	struct check check = sample(&m);
	struct buf out = {};
	const char *text, *fix, *end;

	(void)state;
	check_report_text(&out, &check, &style);
	text = buf_str(&out);
	assert_int_equal(count(text, "warn  cap_"), 4);
	assert_int_equal(count(text, "fix: run as root, or: setcap"), 1);
	fix = strstr(text, "fix: run as root, or: setcap");
	end = strchr(fix, '\n');
	assert_non_null(end);
	assert_memory_equal(end - strlen("redmem)"), "redmem)", strlen("redmem)"));
	assert_non_null(strstr(text, "no \"server\""));
	assert_null(strstr(text, " \n"));
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capable_kernel),
		cmocka_unit_test(test_incapable_kernel),
		cmocka_unit_test(test_tuned_host),
		cmocka_unit_test(test_untuned_host),
		cmocka_unit_test(test_unknown_host),
		cmocka_unit_test(test_huge_pages_off_for_server),
		cmocka_unit_test(test_cgroup),
		cmocka_unit_test(test_cgroup_high),
		cmocka_unit_test(test_server),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
