/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzzer begins with, where it is bytes and no text:
 *
 *	seeds DIR RECORDING...	packs, chunks, profiles of recordings' lines into DIR/TARGET/
 */
#include <string.h>

#include "app/serve_wire.h"
#include "base/gzip.h"
#include "fuzz.h"
#include "host/elf_wire.h"
#include "model/chunk.h"
#include "record/codec.h"
#include "record/pack.h"
#include "record/schema.h"
#include "report/profile.h"
#include "target/unwind.h"

#define CHUNK_SECONDS 10

static const char *dir;
static int written;

static void write_seed(const char *target, const void *data, size_t len)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s/%03d", dir, target, written++);
	file = fopen(path, "we");
	if (!file) {
		perror(path);
		exit(1);
	}
	must(fwrite(data, 1, len, file) == len);
	must(!fclose(file));
}

/* As the history has it; see history.c for what an edit is. */
static void take_chunk(void *ctx, const struct chunk *chunk)
{
	struct buf edit = { 0 };
	const unsigned char head[] = { 47, (unsigned char)(chunk->len >> 8),
				       (unsigned char)chunk->len };

	(void)ctx;
	write_seed("pack", chunk->data, chunk->len);
	if (chunk->len <= 65535) {
		buf_add(&edit, head, sizeof(head));
		buf_add(&edit, chunk->data, chunk->len);
		write_seed("history", edit.data, edit.len);
		buf_free(&edit);
	}
}

static void write_profile(struct model *m)
{
	struct report_profile *p = report_profile_new();
	struct buf out = { 0 }, plain = { 0 };

	model_finish(m);
	report_profile_take(p, m);
	report_profile_finish(p, m, "cache");
	report_pprof(&out, p, report_profile_first(p));
	must(!gzip_read(&plain, out.data, out.len, 64 << 20));
	write_seed("pprof", plain.data, plain.len);
	buf_free(&plain);
	buf_free(&out);
	report_profile_free(p);
}

static void take_recording(const char *path)
{
	struct chunker *chunker = chunker_new(CHUNK_SECONDS, take_chunk, NULL);
	struct record_sink sink = chunker_sink(chunker);
	struct packer *packer = packer_new();
	struct model *m = model_new();
	FILE *file = fopen(path, "re");
	struct buf pack = { 0 };
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	must(file);
	while ((len = getline(&line, &room, file)) > 0) {
		struct record_decoded *keep;
		struct record record;

		if (record_decode(line, (size_t)len, &record, &keep, NULL))
			continue;
		must(!pack_record(&pack, packer, &record));
		record_emit(&sink, &record);
		model_take(m, &record);
		record_decoded_free(keep);
	}
	fclose(file);
	free(line);
	pack_end(&pack, packer);
	write_seed("pack", pack.data, pack.len);
	write_profile(m);
	model_free(m);
	packer_free(packer);
	buf_free(&pack);
	chunker_end(chunker);
	chunker_free(chunker);
}

/* A record of each kind in which nothing is known: the names of all fields. */
static void write_kinds(void)
{
	struct packer *packer = packer_new();
	struct buf pack = { 0 }, lines = { 0 };

	for (int kind = 0; kind < RECORD_KINDS; kind++) {
		struct record record;
		char *text;

		record_clear(&record, (enum record_kind)kind);
		must(!pack_record(&pack, packer, &record));
		text = record_encode(&record);
		buf_printf(&lines, "%s\n", text);
		free(text);
	}
	pack_end(&pack, packer);
	write_seed("pack", pack.data, pack.len);
	write_seed("recording", lines.data, lines.len);
	packer_free(packer);
	buf_free(&pack);
	buf_free(&lines);
}

static void write_frames(void)
{
	const struct wire_frame frames[] = {
		{ .kind = WIRE_SERVER, .id = 1, .server = { "cache", "127.0.0.1:6379", 812 } },
		{ .kind = WIRE_STATE, .id = 1, .state = { SERVE_ATTRIBUTED, "" } },
		{ .kind = WIRE_CHUNK, .id = 1, .chunk = { "chunk", 5 } },
		{ .kind = WIRE_SELF, .self = { 1.5, 1 << 20, 0.25, 3 } },
		{ .kind = WIRE_SETTINGS, .settings = { true, false, 1 << 30 } },
		{ .kind = WIRE_LOST, .id = 1 },
	};
	struct buf out = { 0 };

	for (size_t i = 0; i < sizeof(frames) / sizeof(frames[0]); i++)
		must(!wire_put(&out, &frames[i]));
	write_seed("wire", out.data, out.len);
	buf_free(&out);
}

/* A stack of functions that all keep their return address above 8 bytes of their own. */
static void write_stack(void)
{
	struct unwind_registers registers = { .pc = 0x1000, .known = UINT64_MAX };
	struct elf_frame_row row = { .end = UINT64_MAX,
				     .cfa_register = ELF_STACK_POINTER,
				     .cfa_offset = 16,
				     .return_register = ELF_PROGRAM_COUNTER };
	const uint64_t address = 0x7ffc00001000;
	struct buf out = { 0 };

	registers.value[ELF_STACK_POINTER] = address;
	for (size_t i = 0; i < ELF_SAVED_REGISTERS; i++)
		row.rule[i].rule = ELF_RULE_SAME;
	row.rule[ELF_SAVED_REGISTERS - 1] =
		(struct elf_frame_rule){ .rule = ELF_RULE_AT_CFA, .offset = -8 };
	buf_add(&out, "\2", 1);
	buf_add(&out, &registers, sizeof(registers));
	buf_add(&out, &address, sizeof(address));
	buf_add(&out, "\x80", 1);
	for (int i = 0; i < 64; i++)
		buf_add(&out, (const uint64_t[]){ 0x2000 + (unsigned int)i }, 8);
	for (int i = 0; i < 8; i++)
		buf_add(&out, &row, sizeof(row));
	write_seed("answers", out.data, out.len);
	buf_free(&out);
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "seeds DIR RECORDING...\n");
		return 2;
	}
	dir = argv[1];
	write_kinds();
	write_frames();
	write_stack();
	for (int i = 2; i < argc; i++)
		take_recording(argv[i]);
	return 0;
}
