/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Between elf_ask.c and the helper: one question, one answer, each one packet of a seqpacket
 * socket. Meanwhile the helper may ask for a debug file, which is answered at once. What
 * the helper says is checked by elf_answer_fits() before anyone looks at it.
 */
#pragma once

#include "host/elf.h"

/* The program we are, started under this name, is the helper. */
extern const char elf_helper_name[];
#define ELF_HELPER_FD 3 /* its socket */

#define ELF_FILES    256 /* open in a helper at a time */
#define ELF_SEGMENTS 16
#define ELF_ID_MAX   64
#define ELF_NEEDED   32
#define ELF_SONAME   64
#define ELF_STARTS   500

enum elf_ask {
	ELF_ASK_OPEN, /* comes with the file's descriptor */
	ELF_ASK_SYMBOL,
	ELF_ASK_FUNCTION,
	ELF_ASK_STARTS,
	ELF_ASK_FRAME_ROW,
	ELF_ASK_CLOSE,
	ELF_ASK_DEBUG_FILE /* by the helper; the answer comes with a descriptor, or without */
};

struct elf_question {
	uint32_t ask;
	uint32_t file; /* number of an open file */
	uint32_t kind; /* elf_symbol_kind */
	uint32_t id_len;
	uint64_t at; /* address; of starts, the number of the first one wanted */
	union {
		char name[ELF_NAME_MAX];
		unsigned char id[ELF_ID_MAX];
	};
};

/* A PT_LOAD. */
struct elf_segment {
	uint64_t vaddr, offset, file_bytes, memory_bytes;
	uint64_t executable;
};

struct elf_records {
	struct elf_segment segment[ELF_SEGMENTS];
	uint32_t segments;
	uint32_t id_len;
	unsigned char id[ELF_ID_MAX];
	uint32_t needed_count;
	char soname[ELF_SONAME];
	char needed[ELF_NEEDED][ELF_SONAME];
};

struct elf_answer {
	uint32_t ask; /* of the question */
	int32_t code; /* 0 or a negative errno; then the rest is nothing */
	uint32_t count; /* of starts */
	uint32_t debug; /* symbols are of a debug file */
	union {
		struct elf_records records;
		struct elf_symbol symbol;
		struct elf_function function;
		struct elf_frame_row row;
		uint64_t start[ELF_STARTS];
	};
};

/* For tests: how long an answer may take. */
void elf_set_deadline(int ms);

/* Is @answer, of @len bytes, one that may come to @question? */
bool elf_answer_fits(const struct elf_answer *answer, size_t len,
		     const struct elf_question *question);
