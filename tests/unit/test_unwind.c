/* SPDX-License-Identifier: BSD-2-Clause */
/* Stacks followed from copies: made ones, hostile ones, and this program's own. */
#define _GNU_SOURCE 1 /* registers of a signal's context */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/buf.h"
#include "host/elf_wire.h"
#include "host/maps.h"
#include "host/proc.h"
#include "target/symbols.h"
#include "target/unwind.h"

#define STACK	  0x7ffe0000ULL
#define CODE	  0x400000ULL
#define RETURN_AT (ELF_SAVED_REGISTERS - 1) /* in elf_saved_registers */
#define FRAME_AT  1 /* rbp; of arm64 any one will do */

/* --- made stacks ---------------------------------------------------------------------------- */

/* Functions of 0x100 bytes from CODE on, each with one row. */
struct code {
	struct elf_frame_row row[8];
	size_t count;
};

static bool row_of(void *ctx, uint64_t address, struct elf_frame_row *row)
{
	struct code *code = ctx;
	size_t at = (size_t)((address - CODE) / 0x100);

	if (address < CODE || at >= code->count)
		return false;
	*row = code->row[at];
	return row->end > row->start;
}

/* A function that has put @bytes on the stack behind where it returns to. */
static struct elf_frame_row *add_function(struct code *code, int bytes)
{
	struct elf_frame_row *row = &code->row[code->count];

	*row = (struct elf_frame_row){
		.start = CODE + 0x100 * code->count,
		.end = CODE + 0x100 * (code->count + 1),
		.function = CODE + 0x100 * code->count,
		.cfa_register = ELF_STACK_POINTER,
		.cfa_offset = bytes + 8,
		.return_register = elf_saved_registers[RETURN_AT],
	};
	for (size_t i = 0; i < ELF_SAVED_REGISTERS; i++)
		row->rule[i].rule = ELF_RULE_SAME;
	row->rule[RETURN_AT] = (struct elf_frame_rule){ ELF_RULE_AT_CFA, 0, -8 };
	code->count++;
	return row;
}

static struct unwind_registers at(uint64_t pc)
{
	struct unwind_registers start = { .pc = pc, .known = ~0ULL >> (64 - ELF_REGISTERS) };

	start.value[ELF_STACK_POINTER] = STACK;
	start.value[ELF_PROGRAM_COUNTER] = pc;
	return start;
}

static size_t follow(struct code *code, uint64_t pc, const uint64_t *words, size_t count,
		     uint64_t *out, size_t max, enum unwind_end *end)
{
	const struct unwind_stack stack = { STACK, words, count * sizeof(*words), 0, 0 };
	const struct unwind_source source = { row_of, code };
	struct unwind_registers start = at(pc);

	return unwind(&start, &stack, &source, out, max, end);
}

/* One in another in the outermost. Return addresses are those behind the calls: the last
 * instruction of a function may be one. */
static void test_chain(void **state)
{
	const uint64_t words[] = { 1, 2, CODE + 0x200, 3, CODE + 0x210, 4 };
	struct code code = { 0 };
	enum unwind_end end;
	uint64_t out[8];

	(void)state;
	add_function(&code, 16);
	add_function(&code, 8);
	add_function(&code, 0)->outermost = 1;
	assert_int_equal(follow(&code, CODE + 0x10, words, 6, out, 8, &end), 3);
	assert_int_equal(end, UNWIND_WHOLE);
	assert_true(out[0] == CODE + 0x10);
	assert_true(out[1] == CODE + 0x1ff);
	assert_true(out[2] == CODE + 0x20f);
	/* Who is called from nowhere known is told all the same; a caller at 0 is none. */
	code.row[2].outermost = 0;
	code.row[2].cfa_offset = 8;
	assert_int_equal(follow(&code, CODE + 0x10, words, 6, out, 8, &end), 4);
	assert_int_equal(end, UNWIND_UNKNOWN); /* 4 is in no code */
	assert_int_equal(follow(&code, CODE + 0x10, (const uint64_t[]){ 1, 2, 0 }, 3, out, 8, &end),
			 1);
	assert_int_equal(end, UNWIND_WHOLE);
	/* No more than asked for. */
	assert_int_equal(follow(&code, CODE + 0x10, words, 6, out, 2, &end), 2);
	assert_int_equal(end, UNWIND_DEEP);
}

static void test_cut(void **state)
{
	const uint64_t words[] = { 1, 2, CODE + 0x180, 3, CODE + 0x210, 4 };
	struct code code = { 0 };
	enum unwind_end end;
	uint64_t out[8];

	(void)state;
	add_function(&code, 16);
	add_function(&code, 8);
	add_function(&code, 0)->outermost = 1;
	for (size_t count = 0; count < 3; count++) {
		assert_int_equal(follow(&code, CODE, words, count, out, 8, &end), 1);
		assert_int_equal(end, UNWIND_CUT);
	}
	assert_int_equal(follow(&code, CODE, words, 4, out, 8, &end), 2);
	assert_int_equal(end, UNWIND_CUT);
	/* A part of a word is none. */
	assert_int_equal(unwind(&(struct unwind_registers){ .pc = CODE,
							    .known = at(CODE).known,
							    .value[ELF_STACK_POINTER] = STACK },
				&(struct unwind_stack){ STACK, words, 39, 0, 0 },
				&(struct unwind_source){ row_of, &code }, out, 8, &end),
			 2);
	assert_int_equal(end, UNWIND_CUT);
}

/* Of a deep stack the middle is left out: that of a function with a large array. */
static void test_gap(void **state)
{
	const uint64_t words[] = { 1, CODE + 0x110, 2, CODE + 0x210, 3 };
	struct unwind_stack stack = { STACK, words, sizeof(words), 24, 0x4000 };
	struct unwind_registers start = at(CODE);
	struct code code = { 0 };
	const struct unwind_source source = { row_of, &code };
	enum unwind_end end;
	uint64_t out[8];

	(void)state;
	add_function(&code, 8);
	add_function(&code, 8 + 0x4000);
	add_function(&code, 0)->outermost = 1;
	assert_int_equal(unwind(&start, &stack, &source, out, 8, &end), 3);
	assert_int_equal(end, UNWIND_WHOLE);
	assert_true(out[2] == CODE + 0x20f);
	/* What was left out is not there, nor a word of which a part was. */
	for (int at = 24 - 7; at < 24 + 0x4000; at += 0x3ff9) {
		code.row[0].rule[RETURN_AT].offset = at - 16;
		assert_int_equal(unwind(&start, &stack, &source, out, 8, &end), 1);
		assert_int_equal(end, UNWIND_CUT);
	}
}

/* The caller's registers are where rows say. */
static void test_registers(void **state)
{
	uint64_t words[] = { STACK + 32, 0, CODE + 0x110, 5, 6, CODE + 0x210, 0 };
	struct elf_frame_row *row;
	struct code code = { 0 };
	enum unwind_end end;
	uint64_t out[8];

	(void)state;
	row = add_function(&code, 16);
	row->rule[FRAME_AT] = (struct elf_frame_rule){ ELF_RULE_AT_CFA, 0, -24 };
	row = add_function(&code, 0); /* its frame is at STACK + 32 by the register */
	row->cfa_register = elf_saved_registers[FRAME_AT];
	row->cfa_offset = 16;
	add_function(&code, 0)->outermost = 1;
	assert_int_equal(follow(&code, CODE, words, 7, out, 8, &end), 3);
	assert_int_equal(end, UNWIND_WHOLE);
	/* The CFA itself stands in memory. */
	code.row[1].cfa = ELF_CFA_LOADED;
	code.row[1].cfa_offset = 0;
	words[4] = STACK + 48;
	assert_int_equal(follow(&code, CODE, words, 7, out, 8, &end), 3);
	assert_int_equal(end, UNWIND_WHOLE);
	/* And of a register that nobody keeps nothing can be said. */
	code.row[0].rule[FRAME_AT].rule = ELF_RULE_UNDEFINED;
	assert_int_equal(follow(&code, CODE, words, 7, out, 8, &end), 2);
	assert_int_equal(end, UNWIND_BROKEN);
}

/* At its last instruction a function's frame pointer is back, but rows say where it stood: below
 * the stack pointer by then. */
static void test_below(void **state)
{
	const uint64_t words[] = { 0, STACK + 32, CODE + 0x110, 5, 6, 7, CODE + 0x210, 0 };
	const struct unwind_stack stack = { STACK - 16, words, sizeof(words), 0, 0 };
	struct unwind_registers start = at(CODE);
	struct elf_frame_row *row;
	struct code code = { 0 };
	const struct unwind_source source = { row_of, &code };
	enum unwind_end end;
	uint64_t out[8];

	(void)state;
	row = add_function(&code, 0);
	row->rule[FRAME_AT] = (struct elf_frame_rule){ ELF_RULE_AT_CFA, 0, -16 };
	row = add_function(&code, 0);
	row->cfa_register = elf_saved_registers[FRAME_AT];
	row->cfa_offset = 8;
	add_function(&code, 0)->outermost = 1;
	assert_int_equal(unwind(&start, &stack, &source, out, 8, &end), 3);
	assert_int_equal(end, UNWIND_WHOLE);
}

static void test_plt(void **state)
{
	const uint64_t words[] = { 1, CODE + 0x110, CODE + 0x120, 0 };
	struct elf_frame_row *row;
	struct code code = { 0 };
	enum unwind_end end;
	uint64_t out[8];

	(void)state;
	row = add_function(&code, 0);
	row->cfa = ELF_CFA_PLT;
	row->plt_from = 11;
	add_function(&code, 0)->outermost = 1;
	/* Before its push where it returns to is on top, behind it a word is. */
	assert_int_equal(follow(&code, CODE + 11, words, 4, out, 8, &end), 2);
	assert_true(out[1] == CODE + 0x10f);
	assert_int_equal(follow(&code, CODE + 10, words + 1, 3, out, 8, &end), 2);
	assert_true(out[1] == CODE + 0x10f);
}

/* Code without rows keeps frame pointers, or it is the end. */
static void test_pointer(void **state)
{
	const uint64_t words[] = { 0, STACK + 40, CODE + 0x110, 0, 0, 0, 0 };
	struct code code = { 0 };
	struct unwind_registers start = at(CODE);
	const struct unwind_stack stack = { STACK, words, sizeof(words), 0, 0 };
	const struct unwind_source source = { row_of, &code };
	enum unwind_end end;
	uint64_t out[8];

	(void)state;
	add_function(&code, 0)->end = 0; /* no row */
	add_function(&code, 0)->outermost = 1;
	start.value[ELF_FRAME_POINTER] = STACK + 8;
	assert_int_equal(unwind(&start, &stack, &source, out, 8, &end), 2);
	assert_int_equal(end, UNWIND_WHOLE);
	start.value[ELF_FRAME_POINTER] = STACK - 8; /* below the stack */
	assert_int_equal(unwind(&start, &stack, &source, out, 8, &end), 1);
	assert_int_equal(end, UNWIND_UNKNOWN);
	start.value[ELF_FRAME_POINTER] = STACK + 16; /* returns to nothing known */
	assert_int_equal(unwind(&start, &stack, &source, out, 8, &end), 1);
	start.value[ELF_FRAME_POINTER] = UINT64_MAX - 3;
	assert_int_equal(unwind(&start, &stack, &source, out, 8, &end), 1);
}

/* A stack that leads to itself has an end all the same. */
static void test_loops(void **state)
{
	const uint64_t words[] = { CODE + 0x10, CODE + 0x10, STACK, CODE + 0x10 };
	struct elf_frame_row *row;
	struct code code = { 0 };
	enum unwind_end end;
	uint64_t out[64];

	(void)state;
	row = add_function(&code, 0);
	assert_in_range(follow(&code, CODE, words, 4, out, 64, &end), 1, 5);
	row->cfa_offset = 0; /* the caller's stack is the same one */
	row->rule[RETURN_AT].offset = 0;
	assert_in_range(follow(&code, CODE, words, 4, out, 64, &end), 1, 64);
#if defined(__x86_64__)
	assert_int_equal(end, UNWIND_BROKEN);
#endif
	row->cfa = ELF_CFA_LOADED; /* back again */
	row->cfa_offset = 16;
	assert_in_range(follow(&code, CODE, words, 4, out, 64, &end), 1, 64);
	row->signal = 1; /* a handler's stack may be anywhere */
	assert_int_equal(follow(&code, CODE, words, 4, out, 64, &end), 64);
	assert_int_equal(end, UNWIND_DEEP);
}

static uint64_t random_state = 88172645463325252ULL;

static uint64_t draw(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	return random_state ^= random_state << 17;
}

/* Rows and stacks of anything that elf_answer_fits() lets through. */
static void test_hostile(void **state)
{
	uint64_t words[32], out[16];
	enum unwind_end end;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		struct code code = { .count = 8 };
		size_t count;

		for (size_t i = 0; i < 32; i++)
			words[i] = draw() % 3 ? CODE + draw() % 0x800 :
				   draw() % 2 ? STACK + draw() % 300 :
						draw();
		for (size_t i = 0; i < 8; i++) {
			struct elf_frame_row *row = &code.row[i];

			row->end = draw() % 8;
			row->cfa = draw() % ELF_CFAS;
			row->cfa_register = draw() % 4 ? ELF_STACK_POINTER : draw() % ELF_REGISTERS;
			row->cfa_offset = (int32_t)(draw() % 4 ? draw() % 64 : draw());
			row->plt_from = (uint8_t)draw();
			row->return_register = draw() % 4 ? elf_saved_registers[RETURN_AT] :
							    draw() % ELF_REGISTERS;
			row->signal = draw() % 8 == 0;
			for (size_t r = 0; r < ELF_SAVED_REGISTERS; r++)
				row->rule[r] = (struct elf_frame_rule){
					(uint8_t)(draw() % ELF_RULES),
					(uint8_t)(draw() % ELF_REGISTERS),
					(int32_t)(draw() % 4 ? -8 * (int)(draw() % 8) : (int)draw())
				};
		}
		count = follow(&code, CODE + draw() % 0x800, words, draw() % 33, out, 16, &end);
		assert_in_range(count, 1, 16);
		assert_in_range(end, UNWIND_WHOLE, UNWIND_DEEP);
	}
}

/* --- this program's own ---------------------------------------------------------------------- */

#define COPY_BYTES 8192

static struct caught {
	struct unwind_registers registers;
	struct unwind_stack stack;
	char data[COPY_BYTES];
} caught;

static struct maps *maps;

static void fill_registers(const ucontext_t *context, struct unwind_registers *out)
{
#if defined(__aarch64__)
	for (int i = 0; i < 31; i++)
		out->value[i] = context->uc_mcontext.regs[i];
	out->value[ELF_STACK_POINTER] = context->uc_mcontext.sp;
	out->pc = context->uc_mcontext.pc;
	out->known = ~0ULL >> (64 - 32);
#else
	const greg_t *regs = context->uc_mcontext.gregs;

	out->value[3] = (uint64_t)regs[REG_RBX];
	out->value[6] = (uint64_t)regs[REG_RBP];
	out->value[7] = (uint64_t)regs[REG_RSP];
	out->value[12] = (uint64_t)regs[REG_R12];
	out->value[13] = (uint64_t)regs[REG_R13];
	out->value[14] = (uint64_t)regs[REG_R14];
	out->value[15] = (uint64_t)regs[REG_R15];
	out->pc = (uint64_t)regs[REG_RIP];
	out->known = 1 << 3 | 1 << 6 | 1 << 7 | 0xf000;
#endif
}

/* As the programs do it: registers, and what stands from the stack pointer on. */
static void catch (int signal, siginfo_t *info, void *context)
{
	uint64_t sp;

	(void)signal, (void)info;
	fill_registers(context, &caught.registers);
	sp = caught.registers.value[ELF_STACK_POINTER];
	caught.stack = (struct unwind_stack){ sp, caught.data, COPY_BYTES, 0, 0 };
	while (caught.stack.bytes && memory_read(getpid(), sp, caught.data, caught.stack.bytes))
		caught.stack.bytes -= 64;
}

int unwind_test_deep(int depth);

__attribute__((noinline)) int unwind_test_deep(int depth)
{
	volatile int below = depth ? unwind_test_deep(depth - 1) : raise(SIGUSR1);

	return below + 1;
}

static bool known_row(void *ctx, uint64_t address, struct elf_frame_row *row)
{
	return target_symbols_row(ctx, address, row);
}

static size_t count_named(struct target_symbols *symbols, const uint64_t *frames, size_t count,
			  const char *name)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += !strcmp(target_symbols_name(symbols, frames[i]), name);
	return found;
}

static void test_own_stack(void **state)
{
	struct sigaction action = { .sa_sigaction = catch, .sa_flags = SA_SIGINFO };
	struct image image = { .pid = getpid() };
	struct target_symbols *symbols;
	struct unwind_source source;
	uint64_t frames[64];
	enum unwind_end end;
	size_t count;

	(void)state;
	assert_int_equal(maps_read(&maps, getpid(), NULL), 0);
	image.maps = maps;
	image.map = maps_find(maps, (uintptr_t)unwind_test_deep);
	symbols = target_symbols_open(&image);
	source = (struct unwind_source){ known_row, symbols };
	sigaction(SIGUSR1, &action, NULL);
	assert_int_equal(unwind_test_deep(5), 6);
	count = unwind(&caught.registers, &caught.stack, &source, frames, 64, &end);
	assert_int_equal(count_named(symbols, frames, count, "unwind_test_deep"), 6);
	assert_int_equal(count_named(symbols, frames, count, "test_own_stack"), 1);
	if (caught.stack.bytes == COPY_BYTES && end == UNWIND_CUT)
		print_message("the stack is longer than the copy\n");
	else
		assert_int_equal(count_named(symbols, frames, count, "main"), 1);
	/* What has no name is told by where it begins; outside of code nothing is known. */
	assert_string_equal(target_symbols_name(symbols, 16), "(unknown)");
	assert_null(strchr(target_symbols_name(symbols, frames[0]), ';'));
	target_symbols_close(symbols);
	maps_free(maps);
}

#define PLACES 2000

/* The same row whatever was asked before: an epilogue in the middle of a function has rows of its
 * own, and libdw takes what follows it to begin before it. */
static void test_order(void **state)
{
	struct image image = { .pid = getpid() };
	struct target_symbols *rising, *falling;
	struct elf_frame_row(*seen)[PLACES] = xcalloc(1, sizeof(*seen));
	bool has[PLACES];
	uint64_t first;

	(void)state;
	assert_int_equal(maps_read(&maps, getpid(), NULL), 0);
	image.maps = maps;
	image.map = maps_find(maps, (uintptr_t)unwind);
	first = (uintptr_t)unwind;
	rising = target_symbols_open(&image);
	falling = target_symbols_open(&image);
	for (size_t i = 0; i < PLACES; i++)
		has[i] = target_symbols_row(rising, first + i, &(*seen)[i]);
	for (size_t i = PLACES; i-- > 0;) {
		const struct elf_frame_row *before = &(*seen)[i];
		struct elf_frame_row now;

		assert_int_equal(target_symbols_row(falling, first + i, &now), has[i]);
		if (!has[i])
			continue;
		assert_int_equal(now.cfa_offset, before->cfa_offset);
		assert_int_equal(now.cfa_register, before->cfa_register);
		assert_memory_equal(now.rule, before->rule, sizeof(now.rule));
		assert_true(now.function == before->function);
	}
	assert_true(has[0]);
	target_symbols_close(rising);
	target_symbols_close(falling);
	maps_free(maps);
	free(seen);
}

/* --- what the helper may say ------------------------------------------------------------------ */

static void test_answers(void **state)
{
	struct elf_question question = { .ask = ELF_ASK_FRAME_ROW, .at = 100 };
	struct elf_answer *answer = xcalloc(1, sizeof(*answer)), good;

	(void)state;
	answer->ask = ELF_ASK_FRAME_ROW;
	answer->row = (struct elf_frame_row){ .start = 90, .end = 110, .function = 90 };
	good = *answer;
	assert_true(elf_answer_fits(answer, sizeof(*answer), &question));
	answer->row.start = 101;
	assert_false(elf_answer_fits(answer, sizeof(*answer), &question));
	*answer = good;
	answer->row.end = 100;
	assert_false(elf_answer_fits(answer, sizeof(*answer), &question));
	*answer = good;
	answer->row.function = 101;
	assert_false(elf_answer_fits(answer, sizeof(*answer), &question));
	*answer = good;
	answer->row.cfa_register = ELF_REGISTERS;
	assert_false(elf_answer_fits(answer, sizeof(*answer), &question));
	*answer = good;
	answer->row.return_register = ELF_REGISTERS;
	assert_false(elf_answer_fits(answer, sizeof(*answer), &question));
	*answer = good;
	answer->row.rule[0].rule = ELF_RULES;
	assert_false(elf_answer_fits(answer, sizeof(*answer), &question));
	*answer = good;
	answer->row.rule[1].of = ELF_REGISTERS;
	assert_false(elf_answer_fits(answer, sizeof(*answer), &question));
	*answer = good;
	answer->row.cfa = ELF_CFAS;
	assert_false(elf_answer_fits(answer, sizeof(*answer), &question));
	free(answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),	  cmocka_unit_test(test_cut),
		cmocka_unit_test(test_registers), cmocka_unit_test(test_plt),
		cmocka_unit_test(test_below),	  cmocka_unit_test(test_gap),
		cmocka_unit_test(test_pointer),	  cmocka_unit_test(test_loops),
		cmocka_unit_test(test_hostile),	  cmocka_unit_test(test_own_stack),
		cmocka_unit_test(test_order),	  cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
