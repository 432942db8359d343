/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much stack the BPF programs and all they call need at most. The verifier allows
 * MAX_BPF_STACK bytes for a program and one chain of its calls, each frame rounded up to 32
 * (check_max_stack_depth() of kernel/bpf/verifier.c; the rounding is finer since 6.9), and it
 * refuses a program only on the kernels that count so: here it is counted on every build.
 */
#include <gelf.h>
#include <linux/bpf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "redmem.skel.h"

#define STACK_MAX  512 /* MAX_BPF_STACK, include/linux/filter.h */
#define FRAME_UNIT 32
#define FRAMES_MAX 8 /* MAX_CALL_FRAMES, include/linux/bpf_verifier.h */
#define FUNCTIONS  256
#define CALLS	   64

struct function {
	const char *name;
	size_t section; /* where its code is... */
	uint64_t start, bytes; /* ...and from where on in it */
	int own; /* bytes of its frame */
	size_t call[CALLS]; /* functions it calls */
	size_t calls;
};

struct code {
	struct function function[FUNCTIONS];
	size_t count;
};

static size_t function_at(const struct code *code, size_t section, uint64_t at)
{
	for (size_t i = 0; i < code->count; i++)
		if (code->function[i].section == section && code->function[i].start == at)
			return i;
	fail_msg("no function at %zu:%#llx", section, (unsigned long long)at);
	return 0;
}

static void keep_deepest(struct function *function, int offset)
{
	if (-offset > function->own)
		function->own = -offset;
}

/* What an instruction does to the frame; @frame has for each register by how much it is off the
 * frame's top, 1 when it is no address in it. */
static void take_instruction(struct function *function, const struct bpf_insn *insn, int frame[16])
{
	int class = BPF_CLASS(insn->code);

	switch (class) {
	case BPF_LDX:
		if (frame[insn->src_reg] < 1)
			keep_deepest(function, frame[insn->src_reg] + insn->off);
		frame[insn->dst_reg] = 1;
		break;
	case BPF_ST:
	case BPF_STX:
		if (frame[insn->dst_reg] < 1)
			keep_deepest(function, frame[insn->dst_reg] + insn->off);
		break;
	case BPF_ALU64:
		if (insn->code == (BPF_ALU64 | BPF_MOV | BPF_X))
			frame[insn->dst_reg] = frame[insn->src_reg];
		else if (insn->code == (BPF_ALU64 | BPF_ADD | BPF_K) && frame[insn->dst_reg] < 1)
			frame[insn->dst_reg] += insn->imm;
		else
			frame[insn->dst_reg] = 1;
		keep_deepest(function, frame[insn->dst_reg]);
		break;
	case BPF_LD:
	case BPF_ALU:
		frame[insn->dst_reg] = 1;
		break;
	}
	if (insn->code == (BPF_JMP | BPF_CALL))
		for (int i = 0; i <= 5; i++)
			frame[i] = 1;
}

static bool is_call(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == BPF_PSEUDO_CALL;
}

static void read_frame(struct function *function, const struct bpf_insn *insn)
{
	int frame[16];

	for (int i = 0; i < 16; i++)
		frame[i] = i == BPF_REG_10 ? 0 : 1;
	for (size_t i = 0; i < function->bytes / sizeof(*insn); i++)
		take_instruction(function, &insn[i], frame);
}

/* The most that @function and what it calls need; *frames is how many frames deep they go. */
static int depth(const struct code *code, const struct function *function, int *frames)
{
	int own = (function->own > 0 ? function->own : 1) + FRAME_UNIT - 1, below = 0, most = 0;

	for (size_t i = 0; i < function->calls; i++) {
		int deeper = 0, bytes;

		assert_ptr_not_equal(&code->function[function->call[i]], function);
		bytes = depth(code, &code->function[function->call[i]], &deeper);
		below = bytes > below ? bytes : below;
		most = deeper > most ? deeper : most;
	}
	*frames = most + 1;
	return own / FRAME_UNIT * FRAME_UNIT + below;
}

/* --- the object redmem has inside it ---------------------------------------------------- */

static Elf_Data *section_data(Elf *elf, size_t index, GElf_Shdr *header)
{
	Elf_Scn *section = elf_getscn(elf, index);

	assert_non_null(section);
	assert_non_null(gelf_getshdr(section, header));
	return elf_getdata(section, NULL);
}

static size_t find_symbols(Elf *elf, Elf_Data **symbols, size_t *names)
{
	GElf_Shdr header;
	size_t sections;

	assert_int_equal(elf_getshdrnum(elf, &sections), 0);
	for (size_t i = 1; i < sections; i++) {
		*symbols = section_data(elf, i, &header);
		if (header.sh_type == SHT_SYMTAB) {
			*names = header.sh_link;
			return sections;
		}
	}
	fail_msg("the object has no symbols");
	return 0;
}

static void read_functions(struct code *code, Elf *elf, Elf_Data *symbols, size_t names)
{
	GElf_Sym symbol;

	for (int i = 0; gelf_getsym(symbols, i, &symbol); i++) {
		struct function *function = &code->function[code->count];
		GElf_Shdr header;
		Elf_Data *data;

		if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC)
			continue;
		assert_true(++code->count < FUNCTIONS);
		function->name = elf_strptr(elf, names, symbol.st_name);
		function->section = symbol.st_shndx;
		function->start = symbol.st_value;
		function->bytes = symbol.st_size;
		data = section_data(elf, symbol.st_shndx, &header);
		assert_true(symbol.st_value + symbol.st_size <= data->d_size);
		read_frame(function, (const void *)((const char *)data->d_buf + symbol.st_value));
	}
}

static struct function *function_around(struct code *code, size_t section, uint64_t at)
{
	for (size_t i = 0; i < code->count; i++) {
		struct function *function = &code->function[i];

		if (function->section == section && at - function->start < function->bytes)
			return function;
	}
	return NULL; /* of a function that several objects had: one of them was taken */
}

static void read_calls(struct code *code, Elf *elf, Elf_Data *symbols, size_t section)
{
	GElf_Shdr header, text;
	Elf_Data *data = section_data(elf, section, &header), *words;
	GElf_Rel place;
	GElf_Sym symbol;

	if (header.sh_type != SHT_REL)
		return;
	words = section_data(elf, header.sh_info, &text);
	if (!(text.sh_flags & SHF_EXECINSTR))
		return;
	for (int i = 0; gelf_getrel(data, i, &place); i++) {
		const struct bpf_insn *insn =
			(const void *)((const char *)words->d_buf + place.r_offset);
		struct function *from = function_around(code, header.sh_info, place.r_offset);

		if (!from || !is_call(insn))
			continue;
		assert_non_null(gelf_getsym(symbols, (int)GELF_R_SYM(place.r_info), &symbol));
		assert_true(from->calls < CALLS);
		from->call[from->calls++] = function_at(
			code, symbol.st_shndx, symbol.st_value + (uint64_t)(insn->imm + 1) * 8);
	}
}

static void test_object(void **state)
{
	static struct code code;
	size_t bytes, sections, names = 0;
	const void *object = redmem_bpf__elf_bytes(&bytes);
	Elf *elf;
	Elf_Data *symbols = NULL;
	int deepest = 0;

	(void)state;
	elf_version(EV_CURRENT);
	elf = elf_memory((char *)(uintptr_t)object, bytes);
	assert_non_null(elf);
	sections = find_symbols(elf, &symbols, &names);
	read_functions(&code, elf, symbols, names);
	for (size_t i = 1; i < sections; i++)
		read_calls(&code, elf, symbols, i);
	for (size_t i = 0; i < code.count; i++) {
		int frames, needs = depth(&code, &code.function[i], &frames);

		if (needs > STACK_MAX || frames > FRAMES_MAX)
			fail_msg("%s: its frame is %d bytes, with what it calls %d in %d frames, "
				 "and "
				 "%d in %d are allowed",
				 code.function[i].name, code.function[i].own, needs, frames,
				 STACK_MAX, FRAMES_MAX);
		deepest = needs > deepest ? needs : deepest;
	}
	/* All of them were looked at: the attribution context alone has 88. */
	assert_true(code.count > 40 && deepest > 256);
	elf_end(elf);
}

/* --- the counting itself ------------------------------------------------------------------ */

/* A function that writes at @direct and hands on the address of @handed, both of its frame. */
static struct function frame_of(int direct, int handed)
{
	const struct bpf_insn insn[] = {
		{ .code = BPF_STX | BPF_MEM | BPF_DW,
		  .dst_reg = BPF_REG_10,
		  .off = (int16_t)direct },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = BPF_REG_10 },
		{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = handed },
		{ .code = BPF_JMP | BPF_CALL },
		{ .code = BPF_LDX | BPF_MEM | BPF_DW, .dst_reg = 1, .src_reg = 2, .off = -4000 },
	};
	struct function function = { .name = "one", .bytes = sizeof(insn) };

	read_frame(&function, insn);
	return function;
}

static void test_chain(void **state)
{
	struct code code = { .count = 3 };
	int frames;

	(void)state;
	code.function[0] = frame_of(-8, -288); /* what kernel 6.1 refused: 288, 64, 96, 96 */
	code.function[1] = frame_of(-72, -40);
	code.function[2] = frame_of(0, 0);
	assert_int_equal(code.function[0].own, 288);
	assert_int_equal(code.function[1].own, 72);
	code.function[0].call[code.function[0].calls++] = 2;
	code.function[0].call[code.function[0].calls++] = 1;
	assert_int_equal(depth(&code, &code.function[2], &frames), 32);
	assert_int_equal(frames, 1);
	/* One chain of calls, not all that are called. */
	assert_int_equal(depth(&code, &code.function[0], &frames), 288 + 96);
	assert_int_equal(frames, 2);
	code.function[1].call[code.function[1].calls++] = 2;
	assert_int_equal(depth(&code, &code.function[0], &frames), 288 + 96 + 32);
	assert_int_equal(frames, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_object),
		cmocka_unit_test(test_chain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
