/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel offers, and how redmem says what is missing. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <cmocka.h>

#include "fact/fact.h"
#include "host/kernel.h"

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
	const struct kernel_facts good = { .release = "6.1",
					   .btf = true,
					   .root_user_namespace = true,
					   .cap_bpf = true,
					   .cap_perfmon = true,
					   .lockdown = LOCKDOWN_INTEGRITY };
	struct kernel_facts facts = good;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(kernel_bpf_verdict(&facts, &err), 0);
	facts.btf = false;
	assert_int_equal(kernel_bpf_verdict(&facts, &err), -ENOENT);
	assert_non_null(strstr(err.text, "BTF"));
	facts = good;
	facts.root_user_namespace = false;
	assert_int_equal(kernel_bpf_verdict(&facts, &err), -EPERM);
	assert_non_null(strstr(err.text, "namespace"));
	facts = good;
	facts.cap_perfmon = false;
	assert_int_equal(kernel_bpf_verdict(&facts, &err), -EPERM);
	assert_non_null(strstr(err.text, "CAP_PERFMON"));
	facts = good;
	facts.lockdown = LOCKDOWN_CONFIDENTIALITY;
	assert_int_equal(kernel_bpf_verdict(&facts, &err), -EPERM);
	assert_non_null(strstr(err.text, "lockdown"));
}

static void test_live(void **state)
{
	struct kernel_facts facts;
	struct utsname name;

	(void)state;
	kernel_facts_read(&facts, "");
	uname(&name);
	assert_string_equal(facts.release, name.release);
	assert_string_equal(facts.machine, name.machine);
	if (facts.cap_sys_admin)
		assert_true(facts.cap_bpf && facts.cap_perfmon);
	kernel_facts_read(&facts, "/nonexistent");
	assert_true(facts.perf_event_paranoid == FACT_UNKNOWN);
	assert_int_equal(facts.lockdown, LOCKDOWN_UNKNOWN);
	assert_false(facts.root_user_namespace);
}

static void test_btf(void **state)
{
	(void)state;
	if (access("/sys/kernel/btf/vmlinux", R_OK))
		skip();
	assert_true(kernel_has_tracepoint("sched_switch"));
	assert_false(kernel_has_tracepoint("sched_switch_nonsense"));
	kernel_btf_free();
	assert_true(kernel_has_tracepoint("sched_switch"));
	kernel_btf_free();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lockdown), cmocka_unit_test(test_uid_map),
		cmocka_unit_test(test_verdict),	 cmocka_unit_test(test_live),
		cmocka_unit_test(test_btf),
	};

	return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}
