/* SPDX-License-Identifier: BSD-2-Clause */
/* Following a stack from a copy of it; see unwind.h. */
#include "target/unwind.h"

#include <string.h>

/* arm64 signs return addresses in their upper bits (pointer authentication). */
#if defined(__aarch64__)
#define CODE_BITS ((1ULL << 48) - 1)
#else
#define CODE_BITS UINT64_MAX
#endif

static bool is_known(const struct unwind_registers *registers, unsigned int number)
{
	return number < ELF_REGISTERS && registers->known >> number & 1;
}

static void set(struct unwind_registers *registers, unsigned int number, uint64_t value)
{
	registers->value[number] = value;
	registers->known |= 1ULL << number;
}

/* The word at @address, of the copy only. */
static bool load(const struct unwind_stack *stack, uint64_t address, uint64_t *out)
{
	uint64_t at = address - stack->address;

	if (stack->gap && at >= stack->head) {
		if (at - stack->head < stack->gap)
			return false;
		at -= stack->gap;
	} else if (stack->gap && at + sizeof(*out) > stack->head) {
		return false;
	}
	if (stack->bytes < sizeof(*out) || at > stack->bytes - sizeof(*out))
		return false;
	memcpy(out, (const char *)stack->data + at, sizeof(*out));
	return true;
}

/* --- one step ---------------------------------------------------------------------------- */

/* The address of the stack before the function was called (CFA). */
static enum unwind_end frame_address(const struct unwind_registers *now,
				     const struct unwind_stack *stack,
				     const struct elf_frame_row *row, uint64_t *out)
{
	uint64_t base;

	if (!is_known(now, row->cfa_register))
		return UNWIND_BROKEN;
	base = now->value[row->cfa_register] + (uint64_t)(int64_t)row->cfa_offset;
	switch (row->cfa) {
	case ELF_CFA_REGISTER:
		*out = base;
		return UNWIND_WHOLE;
	case ELF_CFA_LOADED:
		return load(stack, base, out) ? UNWIND_WHOLE : UNWIND_CUT;
	case ELF_CFA_PLT:
		/* A jump to another module: behind its push there is a word more. */
		*out = base + ((now->pc & 15) >= row->plt_from ? 8 : 0);
		return UNWIND_WHOLE;
	}
	return UNWIND_BROKEN;
}

/* A register of the caller; what cannot be had is not known from there on. */
static enum unwind_end restore(const struct unwind_registers *now, const struct unwind_stack *stack,
			       const struct elf_frame_rule *rule, unsigned int number, uint64_t cfa,
			       struct unwind_registers *caller)
{
	uint64_t offset = (uint64_t)(int64_t)rule->offset, value;

	switch (rule->rule) {
	case ELF_RULE_SAME:
		return UNWIND_WHOLE;
	case ELF_RULE_AT_CFA:
		if (!load(stack, cfa + offset, &value))
			return UNWIND_CUT;
		break;
	case ELF_RULE_CFA:
		value = cfa + offset;
		break;
	case ELF_RULE_REGISTER:
	case ELF_RULE_AT_REGISTER:
		if (!is_known(now, rule->of)) {
			caller->known &= ~(1ULL << number);
			return UNWIND_WHOLE;
		}
		value = now->value[rule->of] + offset;
		if (rule->rule == ELF_RULE_AT_REGISTER && !load(stack, value, &value))
			return UNWIND_CUT;
		break;
	default:
		caller->known &= ~(1ULL << number);
		return UNWIND_WHOLE;
	}
	set(caller, number, value);
	return UNWIND_WHOLE;
}

/* From a function to its caller. UNWIND_WHOLE with pc 0 when it has none. */
static enum unwind_end step(struct unwind_registers *now, const struct unwind_stack *stack,
			    const struct elf_frame_row *row)
{
	struct unwind_registers caller = *now;
	enum unwind_end end;
	uint64_t cfa;

	caller.pc = 0;
	if (row->outermost)
		goto done;
	end = frame_address(now, stack, row, &cfa);
	if (end != UNWIND_WHOLE)
		return end;
	/* A stack grows by each call, or this has no end. */
	if (!row->signal &&
	    (cfa < now->value[ELF_STACK_POINTER] ||
	     (cfa == now->value[ELF_STACK_POINTER] && row->return_register == ELF_PROGRAM_COUNTER)))
		return UNWIND_BROKEN;
	set(&caller, ELF_STACK_POINTER, cfa);
	for (unsigned int i = 0; i < ELF_SAVED_REGISTERS; i++) {
		end = restore(now, stack, &row->rule[i], elf_saved_registers[i], cfa, &caller);
		if (end == UNWIND_WHOLE)
			continue;
		if (elf_saved_registers[i] == row->return_register)
			return end;
		caller.known &= ~(1ULL << elf_saved_registers[i]);
	}
	if (!is_known(&caller, row->return_register))
		return UNWIND_BROKEN;
	caller.pc = caller.value[row->return_register] & CODE_BITS;
done:
	*now = caller;
	return UNWIND_WHOLE;
}

/*
 * Where no row is: the frame pointer leads to the caller's, and the return address stands beside
 * it. Believed when that lies in code of which something is known.
 */
static bool step_by_pointer(struct unwind_registers *now, const struct unwind_stack *stack,
			    const struct unwind_source *source)
{
	uint64_t frame = now->value[ELF_FRAME_POINTER], pointer, pc;
	struct elf_frame_row caller;

	if (!is_known(now, ELF_FRAME_POINTER) || frame < now->value[ELF_STACK_POINTER] ||
	    !load(stack, frame, &pointer) || !load(stack, frame + 8, &pc))
		return false;
	pc &= CODE_BITS;
	if (!pc || !source->row(source->ctx, pc - 1, &caller))
		return false;
	set(now, ELF_STACK_POINTER, frame + 16);
	set(now, ELF_FRAME_POINTER, pointer);
	now->pc = pc;
	return true;
}

size_t unwind(const struct unwind_registers *start, const struct unwind_stack *stack,
	      const struct unwind_source *source, uint64_t *out, size_t max, enum unwind_end *end)
{
	struct unwind_registers now = *start;
	bool exact = true; /* the pc is the instruction's, not the one behind a call */
	size_t count = 0;

	*end = UNWIND_DEEP;
	while (count < max) {
		struct elf_frame_row row;
		uint64_t at = exact ? now.pc : now.pc - 1;

		out[count++] = at;
		if (!source->row(source->ctx, at, &row)) {
			*end = UNWIND_UNKNOWN;
			if (!step_by_pointer(&now, stack, source))
				break;
			*end = UNWIND_DEEP;
			exact = false;
			continue;
		}
		*end = step(&now, stack, &row);
		if (*end != UNWIND_WHOLE || !now.pc)
			break;
		*end = UNWIND_DEEP;
		exact = row.signal;
	}
	return count;
}
