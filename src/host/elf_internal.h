/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared by elf.c and elf_symtab.c only. */
#pragma once

#include <gelf.h>

#include "host/elf.h"

/* Called for each defined symbol of a table; anything but 0 ends the walk. */
typedef int (*elf_symbol_fn)(void *ctx, const GElf_Sym *symbol, const char *name);

/* All symbols of the sections of @type (SHT_DYNSYM, SHT_SYMTAB). */
int elf_each_symbol(struct elf_file *file, GElf_Word type, elf_symbol_fn fn, void *ctx);
/* The first program header of @type. */
bool elf_file_segment(struct elf_file *file, GElf_Word type, GElf_Phdr *out);
