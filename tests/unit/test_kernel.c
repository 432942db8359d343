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
#include "host/kallsyms.h"
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

static const char symbols_text[] = "ffffffff81000000 T _text\n"
				   "ffffffff81000100 t helper\n"
				   "0000000000001000 A not_text\n"
				   "ffffffff81000200 D data\n"
				   "ffffffff81000040 W alias\n"
				   "ffffffffc0000000 t module_fn\t[ext4]\n";

static void test_kallsyms(void **state)
{
	struct kallsyms *table;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(kallsyms_parse(&table, symbols_text, sizeof(symbols_text) - 1, &err), 0);
	assert_int_equal(kallsyms_count(table), 4);
	assert_string_equal(kallsyms_find(table, 0xffffffff81000000), "_text");
	assert_string_equal(kallsyms_find(table, 0xffffffff8100003f), "_text");
	assert_string_equal(kallsyms_find(table, 0xffffffff81000040), "alias");
	assert_string_equal(kallsyms_find(table, 0xffffffff81000fff), "helper");
	assert_string_equal(kallsyms_find(table, 0xffffffffc0000001), "module_fn");
	assert_null(kallsyms_find(table, 0xffffffff80ffffff));
	assert_null(kallsyms_find(table, 0));
	kallsyms_free(table);
}

static void test_kallsyms_hidden(void **state)
{
	static const char hidden[] = "0000000000000000 T _text\n0000000000000000 t helper\n";
	struct kallsyms *table;
	struct err err = { 0 };

	(void)state;
	assert_int_equal(kallsyms_parse(&table, hidden, sizeof(hidden) - 1, &err), -EPERM);
	assert_non_null(strstr(err.text, "kptr_restrict"));
	assert_int_equal(kallsyms_parse(&table, "", 0, &err), -ENOENT);
}

static void test_kallsyms_broken(void **state)
{
	char text[sizeof(symbols_text)];

	(void)state;
	srand(7);
	for (int round = 0; round < 20000; round++) {
		struct kallsyms *table;

		memcpy(text, symbols_text, sizeof(text));
		for (int i = 0; i < round % 5; i++)
			text[(size_t)rand() % sizeof(text)] = (char)rand();
		if (!kallsyms_parse(&table, text, (size_t)rand() % sizeof(text), NULL)) {
			assert_true(kallsyms_count(table) > 0);
			assert_non_null(kallsyms_find(table, UINT64_MAX));
			kallsyms_free(table);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lockdown),
		cmocka_unit_test(test_uid_map),
		cmocka_unit_test(test_verdict),
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_btf),
		cmocka_unit_test(test_kallsyms),
		cmocka_unit_test(test_kallsyms_hidden),
		cmocka_unit_test(test_kallsyms_broken),
	};

	return cmocka_run_group_tests_name("kernel", tests, NULL, NULL);
}
