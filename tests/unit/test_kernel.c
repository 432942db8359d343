/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel offers, and how redmem says what is missing. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <cmocka.h>

#include "record/record.h"
#include "host/kernel.h"
#include "skipped.h"

static void test_lockdown(void **state)
{
	(void)state;
	assert_int_equal(kernel_lockdown_parse("[none] integrity confidentiality\n"),
			 LOCKDOWN_NONE);
	assert_int_equal(kernel_lockdown_parse("none [integrity] confidentiality\n"),
			 LOCKDOWN_INTEGRITY);
	assert_int_equal(kernel_lockdown_parse("none integrity [confidentiality]\n"),
			 LOCKDOWN_CONFIDENTIALITY);
	assert_int_equal(kernel_lockdown_parse("none integrity confidentiality\n"),
			 LOCKDOWN_UNKNOWN);
	assert_int_equal(kernel_lockdown_parse(""), LOCKDOWN_UNKNOWN);
	assert_string_equal(kernel_lockdown_name(LOCKDOWN_CONFIDENTIALITY), "confidentiality");
	assert_string_equal(kernel_lockdown_name(LOCKDOWN_UNKNOWN), "");
}

static void test_uid_map(void **state)
{
	(void)state;
	assert_true(kernel_uid_map_is_root("         0          0 4294967295\n"));
	assert_false(kernel_uid_map_is_root("         0       1000          1\n"));
	assert_false(kernel_uid_map_is_root("         0          0      65536\n"));
	assert_false(kernel_uid_map_is_root(""));
}

static void test_verdict(void **state)
{
	const struct kernel_records good = { .release = "6.1",
					     .btf = true,
					     .root_user_namespace = true,
					     .cap_bpf = true,
					     .cap_perfmon = true,
					     .lockdown = LOCKDOWN_INTEGRITY };
	struct kernel_records records = good;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(kernel_bpf_verdict(&records, &err), 0);
	records.btf = false;
	assert_int_equal(kernel_bpf_verdict(&records, &err), -ENOENT);
	assert_non_null(strstr(err.text, "BTF"));
	records = good;
	records.root_user_namespace = false;
	assert_int_equal(kernel_bpf_verdict(&records, &err), -EPERM);
	assert_non_null(strstr(err.text, "namespace"));
	records = good;
	records.cap_perfmon = false;
	assert_int_equal(kernel_bpf_verdict(&records, &err), -EPERM);
	assert_non_null(strstr(err.text, "CAP_PERFMON"));
	records = good;
	records.lockdown = LOCKDOWN_CONFIDENTIALITY;
	assert_int_equal(kernel_bpf_verdict(&records, &err), -EPERM);
	assert_non_null(strstr(err.text, "lockdown"));
}

static void test_live(void **state)
{
	struct kernel_records records;
	struct utsname name;

	(void)state;
	kernel_records_read(&records, "");
	uname(&name);
	assert_string_equal(records.release, name.release);
	assert_string_equal(records.machine, name.machine);
	if (records.cap_sys_admin)
		assert_true(records.cap_bpf && records.cap_perfmon);
	kernel_records_read(&records, "/nonexistent");
	assert_true(records.perf_event_paranoid == RECORD_UNKNOWN);
	assert_int_equal(records.lockdown, LOCKDOWN_UNKNOWN);
	assert_false(records.root_user_namespace);
}

static void test_btf(void **state)
{
	(void)state;
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		skip_because("this kernel has no BTF");
	assert_true(kernel_has_tracepoint("sched_switch"));
	assert_false(kernel_has_tracepoint("sched_switch_nonsense"));
	assert_false(kernel_has_tracepoint("sched_switc")); /* whole names */
	assert_false(kernel_has_tracepoint(""));
	kernel_btf_free();
	assert_true(kernel_has_tracepoint("sched_switch"));
	kernel_btf_free();
}

/* The names alone say what libbpf says, which parses all there is. */
static void test_btf_names(void **state)
{
	static const char *const names[] = { "sched_process_exit", "rss_stat",
					     "page_fault_user",	   "mm_collapse_huge_page",
					     "task_struct",	   "int" };
	struct btf *btf;

	(void)state;
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		skip_because("this kernel has no BTF");
	btf = btf__load_vmlinux_btf();
	assert_int_equal(libbpf_get_error(btf), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char type[64];

		snprintf(type, sizeof(type), "btf_trace_%s", names[i]);
		assert_int_equal(kernel_has_tracepoint(names[i]),
				 btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0);
	}
	btf__free(btf);
	kernel_btf_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lockdown), cmocka_unit_test(test_uid_map),
		cmocka_unit_test(test_verdict),	 cmocka_unit_test(test_live),
		cmocka_unit_test(test_btf),	 cmocka_unit_test(test_btf_names),
	};

	return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}
