/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asking the helper about an ELF file: elf_ask.c starts helpers, ends them and hands them files
 * and questions, elf_file.c has what is asked.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "host/elf_wire.h"

struct helper;

struct elf_file {
	int fd;
	char name[128]; /* for messages */
	pid_t pid; /* below whose root debug files are, too; 0: nobody's */
	struct helper *helper;
	uint32_t number; /* in the helper */
	uint32_t generation; /* of the helper it is open in */
	bool bad; /* cost a helper its life: not asked about again */
	bool stripped; /* the helper asked for a debug file: its own symbols are those it exports */
	bool debug; /* and there was one */
	struct elf_records records;
};

/* Have a helper open @file, whose fd, name and pid are set. What it says of it is then known.
 * After an error, too, comes elf_leave(). */
int elf_join(struct elf_file *file, struct err *err);
/* Its answer to @question: 0, the code it gives, or an error with @err. */
int elf_ask(struct elf_file *file, struct elf_question *question, struct elf_answer *answer,
	    struct err *err);
void elf_leave(struct elf_file *file);
