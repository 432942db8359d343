/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fenced helpers say, which whoever took one over may choose: answers about files, and the
 * hello of the allocator experiment. Rows that are taken are followed through a stack of any bytes.
 */
#include <string.h>

#include "fuzz.h"
#include "host/elf_wire.h"
#include "target/experiment.h"
#include "target/unwind.h"

#define FRAMES_MAX 64

/* Bytes of the input that are not used yet; zeros behind its end. */
struct input {
	const uint8_t *at;
	size_t left;
};

static void take(struct input *in, void *out, size_t len)
{
	size_t got = len < in->left ? len : in->left;

	memset(out, 0, len);
	memcpy(out, in->at, got);
	in->at += got;
	in->left -= got;
}

static void answer(struct input *in)
{
	static const uint32_t asks[] = { ELF_ASK_OPEN, ELF_ASK_SYMBOL, ELF_ASK_FUNCTION,
					 ELF_ASK_STARTS };
	static struct elf_answer got;
	struct elf_question question = { 0 };
	uint8_t which;

	take(in, &which, sizeof(which));
	take(in, &question.at, sizeof(question.at));
	take(in, &got, sizeof(got));
	question.ask = got.ask = asks[which % 4];
	if (!elf_answer_fits(&got, sizeof(got), &question) || got.code)
		return;
	if (question.ask == ELF_ASK_OPEN) {
		must(strlen(got.records.soname) < ELF_SONAME);
		for (size_t i = 0; i < got.records.needed_count; i++)
			must(strlen(got.records.needed[i]) < ELF_SONAME);
	}
	if (question.ask == ELF_ASK_FUNCTION)
		must(strlen(got.function.name) < ELF_NAME_MAX);
}

static bool row_of(void *ctx, uint64_t address, struct elf_frame_row *row)
{
	static struct elf_answer got;
	const struct elf_question question = { .ask = ELF_ASK_FRAME_ROW, .at = address };

	got.ask = ELF_ASK_FRAME_ROW;
	got.code = 0;
	take(ctx, &got.row, sizeof(got.row));
	if (!elf_answer_fits(&got, sizeof(got), &question))
		return false;
	*row = got.row;
	return true;
}

static void follow(struct input *in)
{
	struct unwind_registers registers;
	uint64_t frames[FRAMES_MAX];
	struct unwind_stack stack;
	enum unwind_end end;
	uint8_t bytes[512], small;

	take(in, &registers, sizeof(registers));
	take(in, &stack.address, sizeof(stack.address));
	take(in, &small, sizeof(small));
	stack.gap = small % 8 * 512;
	take(in, bytes, sizeof(bytes));
	stack.bytes = small & 128 ? sizeof(bytes) : small;
	stack.head = stack.bytes / 2;
	stack.data = bytes;
	must(unwind(&registers, &stack, &(struct unwind_source){ row_of, in }, frames, FRAMES_MAX,
		    &end) <= FRAMES_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct child_hello hello;
	struct input in = { data, len };
	uint8_t which;

	take(&in, &which, sizeof(which));
	if (which % 4 == 0) {
		answer(&in);
	} else if (which % 4 == 1) {
		take(&in, &hello, sizeof(hello));
		if (child_hello_fits(&hello))
			must(hello.classes.count <= SIZE_CLASSES_MAX);
	} else {
		follow(&in);
	}
	return 0;
}
