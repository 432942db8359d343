/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Following a stack from a copy of it: who called whom, by the call frame information of the code
 * (DWARF 5, 6.4), which says for each instruction where a function's caller's registers are. Code
 * without it is taken to keep frame pointers. Nothing here reads a file or a process: rows come
 * from whoever knows them, and both they and the stack may be anything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "host/elf.h"

/* Registers by their DWARF numbers, as far as they are known. */
struct unwind_registers {
	uint64_t value[ELF_REGISTERS];
	uint64_t known; /* a bit each */
	uint64_t pc;
};

/* A copy of @bytes of memory that stood at @address; behind the first @head of them @gap more stood
 * that were left out. */
struct unwind_stack {
	uint64_t address;
	const void *data;
	size_t bytes;
	size_t head;
	uint64_t gap;
};

/* What is known of code: the row for the instruction at @address of the process. False when there
 * is none. */
struct unwind_source {
	bool (*row)(void *ctx, uint64_t address, struct elf_frame_row *row);
	void *ctx;
};

enum unwind_end {
	UNWIND_WHOLE, /* the outermost function was reached: it has no caller */
	UNWIND_CUT, /* the copy ends */
	UNWIND_UNKNOWN, /* code of which nothing is known */
	UNWIND_BROKEN, /* the rows or the stack make no sense */
	UNWIND_DEEP, /* there are more functions than asked for */
};

/*
 * Addresses of the functions that are at work, the innermost first, each within the instruction
 * that is carried out or that called the one before: at most @max of them are written to @out, and
 * at least one. Their number is returned, and why there are no more is told in *@end.
 */
size_t unwind(const struct unwind_registers *start, const struct unwind_stack *stack,
	      const struct unwind_source *source, uint64_t *out, size_t max, enum unwind_end *end);
