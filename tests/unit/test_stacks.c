/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of profiles that come with a stack, from the ring to records: each event once. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "host/maps.h"
#include "record/schema.h"
#include "sensor/internal.h"
#include "target/symbols.h"

#define HEAD offsetof(struct redmem_stack, stack)

static struct told {
	size_t rows;
	int64_t samples;
	double events;
	char stack[RECORD_STACK_BYTES];
	struct record_profile last;
} told;

static void take(void *ctx, const struct record *record)
{
	(void)ctx;
	assert_int_equal(record->kind, RECORD_PROFILE);
	told.rows++;
	told.samples += record->profile.samples;
	told.events += record->profile.events;
	told.last = record->profile;
	snprintf(told.stack, sizeof(told.stack), "%s", record->profile.stack);
}

static const struct record_sink sink = { take, NULL };

static struct sensors *make(void)
{
	struct sensors *s = xcalloc(1, sizeof(*s));

	s->sink = &sink;
	s->target = xcalloc(1, sizeof(*s->target));
	memset(&told, 0, sizeof(told));
	return s;
}

static void drop(struct sensors *s)
{
	stacks_free(s);
	free(s->target);
	free(s);
}

/* One of @event, without any of the stack. */
static void come(struct sensors *s, enum redmem_event event, uint32_t map, uint64_t ip,
		 uint64_t kernel_ip, uint64_t events)
{
	struct redmem_stack *stack = xcalloc(1, HEAD);

	stack->kind = RING_STACK;
	stack->bytes = REDMEM_STACK_BYTES; /* the engine has left them out */
	stack->map = map;
	stack->events = events;
	stack->ip = stack->key.user_ip = ip;
	/* Where a leaf's caller is in a register (arm64), it is in no module. */
	for (size_t i = 0; i < sizeof(stack->saved) / sizeof(*stack->saved); i++)
		stack->saved[i] = 16;
	stack->key.kernel_ip = kernel_ip;
	stack->key.event = event;
	stack->key.context.state = CONTEXT_LOOP;
	ring_take(s, stack, HEAD);
	free(stack);
}

static void test_once(void **state)
{
	struct sensors *s = make();

	(void)state;
	come(s, EVENT_ALLOC, 0, 0x1000, 0, 100);
	come(s, EVENT_ALLOC, 0, 0x2000, 0, 20);
	come(s, EVENT_ALLOC, 1, 0x1000, 0, 3);
	come(s, EVENT_FREE, 0, 0x1000, 0, 7);
	assert_int_equal(told.rows, 0); /* their map is not drained yet */
	stacks_emit(s, 0);
	assert_int_equal(told.rows, 2);
	assert_int_equal(told.samples, 3);
	assert_true(told.events == 127);
	assert_string_equal(told.stack, ""); /* nobody knows names */
	stacks_emit(s, 0);
	assert_int_equal(told.rows, 2);
	stacks_emit(s, 1);
	assert_int_equal(told.samples, 4);
	assert_true(told.events == 130);
	/* What is not told stays nobody's. */
	come(s, EVENT_ALLOC, 1, 0x1000, 0, 3);
	drop(s);
}

static void test_short(void **state)
{
	struct redmem_stack *stack = xcalloc(1, HEAD);
	struct sensors *s = make();

	(void)state;
	stack->kind = RING_STACK;
	stack->map = UINT32_MAX;
	ring_take(s, stack, HEAD - 1); /* no whole head */
	stacks_emit(s, 0);
	stacks_emit(s, 1);
	assert_int_equal(told.rows, 0);
	ring_take(s, stack, HEAD);
	stacks_emit(s, 1);
	assert_int_equal(told.rows, 1);
	free(stack);
	drop(s);
}

int stacks_test_leaf(int x);

__attribute__((noinline)) int stacks_test_leaf(int x)
{
	volatile int y = x;

	return y * 3;
}

/* Only where it was is known: the rest was left out. */
static void test_names(void **state)
{
	struct image image = { .pid = getpid() };
	struct sensors *s = make();
	uint64_t ip = (uintptr_t)stacks_test_leaf;
	struct maps *maps;

	(void)state;
	assert_int_equal(maps_read(&maps, getpid(), NULL), 0);
	image.maps = maps;
	image.map = maps_find(maps, ip);
	s->names.symbols = target_symbols_open(&image);
	come(s, EVENT_CPU, 0, ip, 0, 1);
	stacks_emit(s, 0);
	assert_string_equal(told.stack, "stacks_test_leaf;" RECORD_STACK_CUT);
	assert_string_equal(told.last.symbol, "stacks_test_leaf");
	come(s, EVENT_CPU, 0, ip, 1, 1);
	stacks_emit(s, 0);
	assert_string_equal(told.stack, RECORD_STACK_KERNEL ";stacks_test_leaf;" RECORD_STACK_CUT);
	assert_int_equal(told.last.leaf, MODULE_KERNEL);
	/* In no module: the address is all there is. */
	come(s, EVENT_FAULT_MINOR, 0, 16, 0, 1);
	stacks_emit(s, 0);
	assert_string_equal(told.stack, TARGET_UNKNOWN_CODE ";" RECORD_STACK_CUT);
	/* Two in one function are one row. */
	told.rows = 0;
	come(s, EVENT_ALLOC, 0, ip, 0, 1);
	come(s, EVENT_ALLOC, 0, ip + 1, 0, 1);
	stacks_emit(s, 0);
	assert_int_equal(told.rows, 1);
	target_symbols_close(s->names.symbols);
	maps_free(maps);
	drop(s);
}

/* Asked for or not; of every CPU sample at the usual budget; never more than the budget. */
static void test_limits(void **state)
{
	struct sensors *s = make();
	const __u64 *apart = s->target->settings.stack_ns;

	(void)state;
	s->config.budget_ratio = 0.01;
	stacks_begin(s);
	assert_false(s->target->settings.stacks);
	s->config.stacks = true;
	for (double ratio = 1e-6; ratio < 200; ratio *= 10) {
		double hz = 0;

		s->config.budget_ratio = ratio;
		stacks_begin(s);
		assert_true(s->target->settings.stacks);
		for (int of = 0; of < STACKS_OF; of++)
			hz += 1e9 / (double)apart[of];
		assert_true(hz <= STACKS_OF + 1 || hz * 4e-6 <= ratio);
		assert_true(hz < 5000);
	}
	s->config.budget_ratio = 0.01;
	stacks_begin(s);
	assert_true(1e9 / (double)apart[STACK_OF_TIME] >= 2 * CPU_HZ);
	drop(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_short),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
