/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows of profiles that come with a stack: it is followed (target/unwind.h) and told as names. Rows
 * that are the same but for addresses are added up until the profile map of their time is drained,
 * so that they are told beside its rows and by the same measure: each event is told once, with its
 * stack or without.
 */
#include "sensor/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/buf.h"
#include "target/symbols.h"
#include "target/unwind.h"

/* Different stacks kept by name; the ways through a server are some hundred. Those behind are told
 * without. */
#define TEXTS_MAX 16384
#define ROWS_MAX  16384

/* What a copy of a stack takes from the server: an estimate, of 8 KiB read and written. */
#define STACK_SECONDS 4e-6

struct stack_text {
	UT_hash_handle hh;
	char text[];
};

struct stack_row {
	UT_hash_handle hh;
	struct redmem_profile_key of; /* the addresses are the text's, and 1 for the kernel */
	struct redmem_profile_key first; /* as it came */
	struct redmem_profile_value value;
	const char *text;
};

struct stacks {
	struct stack_text *texts;
	struct stack_row *rows[2]; /* by profile map */
	struct buf text; /* of the one at hand */
};

/* --- following ---------------------------------------------------------------------------- */

static bool row_of(void *ctx, uint64_t address, struct elf_frame_row *row)
{
	return target_symbols_row(ctx, address, row);
}

static void put_name(struct buf *text, const char *name)
{
	if (text->len)
		buf_putc(text, ';');
	buf_puts(text, name);
}

/* The names of the functions, the innermost first; as record_profile.stack. */
static void put_names(struct buf *text, struct target_symbols *symbols, const uint64_t *frames,
		      size_t count, enum unwind_end end)
{
	bool whole = end == UNWIND_WHOLE;

	/* What was taken for a caller and is in no module is none. */
	if (end == UNWIND_UNKNOWN && count > 1 &&
	    !strcmp(target_symbols_name(symbols, frames[count - 1]), TARGET_UNKNOWN_CODE))
		count--;
	for (size_t i = 0; i < count; i++) {
		const char *name = target_symbols_name(symbols, frames[i]);

		if (text->len + strlen(name) + sizeof(";;" RECORD_STACK_CUT) > RECORD_STACK_BYTES) {
			whole = false;
			break;
		}
		put_name(text, name);
	}
	if (!whole)
		put_name(text, RECORD_STACK_CUT);
}

static void fill_registers(const struct redmem_stack *stack, struct unwind_registers *out)
{
	*out = (struct unwind_registers){ .pc = stack->ip };
	for (size_t i = 0, n = 0; i < ELF_SAVED_REGISTERS; i++) {
		unsigned int number = elf_saved_registers[i];

		if (number == ELF_PROGRAM_COUNTER)
			continue;
		out->value[number] = stack->saved[n++];
		out->known |= 1ULL << number;
	}
	out->value[ELF_STACK_POINTER] = stack->sp;
	out->value[ELF_PROGRAM_COUNTER] = stack->ip;
	out->known |= 1ULL << ELF_STACK_POINTER | 1ULL << ELF_PROGRAM_COUNTER;
}

static void follow(struct target_symbols *symbols, const struct redmem_stack *stack, size_t bytes,
		   struct buf *text)
{
	const struct unwind_source source = { row_of, symbols };
	const struct unwind_stack copy = { stack->sp - REDMEM_STACK_BELOW, stack->stack, bytes,
					   REDMEM_STACK_HEAD, stack->gap };
	uint64_t frames[RECORD_STACK_FRAMES];
	struct unwind_registers start;
	enum unwind_end end;
	size_t count;

	buf_clear(text);
	if (!symbols)
		return;
	if (stack->key.event == EVENT_CPU && stack->key.kernel_ip)
		put_name(text, RECORD_STACK_KERNEL);
	fill_registers(stack, &start);
	count = unwind(&start, &copy, &source, frames, RECORD_STACK_FRAMES - 2, &end);
	put_names(text, symbols, frames, count, end);
}

/* --- adding up ---------------------------------------------------------------------------- */

static const char *keep_text(struct stacks *stacks)
{
	const char *text = buf_str(&stacks->text);
	struct stack_text *kept;

	HASH_FIND_STR(stacks->texts, text, kept);
	if (!kept) {
		if (HASH_COUNT(stacks->texts) >= TEXTS_MAX)
			return "";
		kept = xcalloc(1, sizeof(*kept) + stacks->text.len + 1);
		memcpy(kept->text, text, stacks->text.len);
		HASH_ADD_STR(stacks->texts, text, kept);
	}
	return kept->text;
}

static struct stack_row *row_get(struct sensors *s, uint32_t map, const struct redmem_stack *stack,
				 const char *text)
{
	struct stack_row **rows = &s->stacks->rows[map & 1], *row;
	struct redmem_profile_key of = stack->key;

	of.user_ip = (uintptr_t)text;
	of.kernel_ip = !!of.kernel_ip;
	HASH_FIND(hh, *rows, &of, sizeof(of), row);
	if (row)
		return row;
	if (HASH_COUNT(*rows) >= ROWS_MAX) {
		__atomic_fetch_add(&s->target->drops[DROP_PROFILE_FULL], 1, __ATOMIC_RELAXED);
		return NULL;
	}
	row = xcalloc(1, sizeof(*row));
	row->of = of;
	row->first = stack->key;
	row->text = text;
	HASH_ADD(hh, *rows, of, sizeof(row->of), row);
	return row;
}

void stacks_take(struct sensors *s, const struct redmem_stack *stack, size_t size)
{
	size_t bytes = size - offsetof(struct redmem_stack, stack);
	struct stack_row *row;

	if (!s->stacks)
		s->stacks = xcalloc(1, sizeof(*s->stacks));
	/* The engine may have left out some of it. */
	if (stack->bytes < bytes)
		bytes = stack->bytes;
	follow(s->names.symbols, stack, bytes, &s->stacks->text);
	row = row_get(s, stack->map, stack, keep_text(s->stacks));
	if (!row)
		return;
	row->value.samples++;
	row->value.events += stack->events;
	if (stack->timed) {
		row->value.ns += stack->ns;
		row->value.timed += stack->events;
	}
}

void stacks_emit(struct sensors *s, uint32_t map)
{
	struct stack_row *row, *next, **rows;

	if (!s->stacks)
		return;
	rows = &s->stacks->rows[map & 1];
	HASH_ITER(hh, *rows, row, next) {
		profile_row(s, &row->first, &row->value, row->text);
		HASH_DEL(*rows, row);
		free(row);
	}
}

void stacks_begin(struct sensors *s)
{
	/* Parts of the budget that copies may take, and as many as are of use to anybody. */
	static const struct {
		double part, most; /* a second */
	} limits[STACKS_OF] = {
		[STACK_OF_TIME] = { 0.4, 1.2 * CPU_FINE_HZ },
		[STACK_OF_BYTES] = { 0.2, 2000 },
		[STACK_OF_FAULT] = { 0.1, 1000 },
	};
	struct redmem_settings *settings = &s->target->settings;

	if (!s->config.stacks)
		return;
	for (int of = 0; of < STACKS_OF; of++) {
		double hz = limits[of].part * s->config.budget_ratio / STACK_SECONDS;

		settings->stack_ns[of] = (uint64_t)(1e9 / fmin(fmax(hz, 1), limits[of].most));
	}
	settings->stacks = 1;
}

void stacks_free(struct sensors *s)
{
	struct stacks *stacks = s->stacks;
	struct stack_text *text, *next_text;
	struct stack_row *row, *next_row;

	if (!stacks)
		return;
	for (int map = 0; map < 2; map++)
		HASH_ITER(hh, stacks->rows[map], row, next_row) {
			HASH_DEL(stacks->rows[map], row);
			free(row);
		}
	HASH_ITER(hh, stacks->texts, text, next_text) {
		HASH_DEL(stacks->texts, text);
		free(text);
	}
	buf_free(&stacks->text);
	free(stacks);
	s->stacks = NULL;
}
