/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the frames of a file (.eh_frame, .debug_frame) tell of it: where functions begin, and how
 * to get from one to its caller. Of the helper; see elf.h.
 */
#pragma once

#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <stdbool.h>

#include "host/elf_wire.h"

/* All zeros but for the module, which is the caller's. */
struct elf_frames {
	Dwfl_Module *module;
	uint64_t *starts; /* of functions, rising; NULL = not read */
	size_t starts_count;
	Dwarf_CFI *cfi; /* of the file itself */
	bool cfi_read;
};

/* As many as an answer has room for, from the one of number @from on. -ENOTSUP. */
int elf_frames_starts(struct elf_frames *frames, uint64_t from, struct elf_answer *answer);
/* As elf_file_frame_row(). */
int elf_frames_row(struct elf_frames *frames, uint64_t vaddr, struct elf_frame_row *row);
/* Before the module is. */
void elf_frames_close(struct elf_frames *frames);
