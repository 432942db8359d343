/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel's verifier takes to load the BPF programs, at each start of redmem: it follows
 * every path through a program and all it calls, and tells how many instructions that were. No
 * time is asserted. Whatever stands at the end of a loop's turn counts once a turn: so one
 * function can make all programs dear that call it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "host/kernel.h"
#include "sensor/internal.h"
#include "skipped.h"

/* Instructions of one program; 24,000 are the most on 6.18, some 0.03 s. */
#define VERIFIED_MAX 40000
/* Of all, with those for every allocator; 230,000 on 6.18. A watch of one server that has
 * jemalloc 5.3 loads half of them. */
#define VERIFIED_ALL_MAX 350000

/* 0 = the kernel does not tell (before 5.16). */
static uint32_t verified(const struct bpf_program *program)
{
	struct bpf_prog_info info = {};
	uint32_t bytes = sizeof(info);

	assert_int_equal(bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &bytes), 0);
	return info.verified_insns;
}

/* All there are: with several servers, those for every allocator are loaded. */
static void test_verified(void **state)
{
	const struct engine_config config = { .servers = 2 };
	struct bpf_program *program;
	struct engine *engine;
	uint32_t needs, all = 0;
	size_t count = 0;

	(void)state;
	assert_int_equal(engine_open(&engine, &config, NULL), 0);
	if (!engine->bpf) {
		if (!kernel_bpf_usable(NULL)) /* it is not the kernel that has none */
			fail_msg("%s", engine->no_bpf_reason);
		engine_close(engine);
		skip_because("no BPF can be used here");
	}
	bpf_object__for_each_program(program, engine->bpf->obj) {
		if (!bpf_program__autoload(program))
			continue;
		needs = verified(program);
		if (needs > VERIFIED_MAX)
			fail_msg("%s: %u instructions are verified, and %u are allowed",
				 bpf_program__name(program), needs, VERIFIED_MAX);
		count += needs > 0;
		all += needs;
	}
	engine_close(engine);
	if (all > VERIFIED_ALL_MAX)
		fail_msg("%u instructions are verified in all, and %u are allowed", all,
			 VERIFIED_ALL_MAX);
	if (!count)
		skip_because("the kernel tells nobody how many instructions it verified");
	assert_true(count > 15);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
