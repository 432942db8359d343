/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF files of a process: where a symbol is, what a function is called, and how
 * addresses in the file, in the module and in the process relate:
 *
 *	address in the process = load bias + address in the module (vaddr)
 *
 * The files belong to the target and may be broken on purpose; libelf checks
 * what it reads, and nothing here trusts a size or an offset.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "host/maps.h"

struct elf_file;

/*
 * Open the file behind @map of @pid: through /proc/PID/map_files, which also
 * finds deleted and hidden files (CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE), else
 * by its path below the root of the process, if it is still the same inode.
 */
int elf_file_open(struct elf_file **out, pid_t pid, const struct map *map, struct err *err);
int elf_file_open_path(struct elf_file **out, const char *path, struct err *err);
void elf_file_close(struct elf_file *file);

/* The open file; "/proc/self/fd/N" names it for as long as the module is open. */
int elf_file_fd(const struct elf_file *file);

enum elf_symbol_kind { ELF_OBJECT, ELF_FUNCTION };

struct elf_symbol {
	uint64_t value; /* vaddr */
	uint64_t size; /* bytes; 0 when the table does not say */
};

/* A defined symbol by name: .dynsym first, it survives strip, then .symtab. -ENOENT. */
int elf_file_symbol(struct elf_file *file, const char *name, enum elf_symbol_kind kind,
		    struct elf_symbol *out);

/* Where in the file the byte at @vaddr is; -ENOENT when it has none (.bss). */
int elf_file_offset(struct elf_file *file, uint64_t vaddr, uint64_t *offset);

/*
 * Load bias from an executable mapping of the module: the PT_LOAD with PF_X whose
 * page-aligned file offset is the mapping's. -ENOENT when none fits.
 */
int elf_file_bias(struct elf_file *file, const struct map *map, uint64_t *bias);

/* The build-id note; NULL and 0 when there is none. Lives as long as the module. */
const unsigned char *elf_file_build_id(struct elf_file *file, size_t *len);

/*
 * Addresses (vaddr) at which functions begin, rising, of a file without symbols: its
 * table of frames has them. The caller frees *@out. -ENOTSUP when there is none.
 */
int elf_file_function_starts(struct elf_file *file, uint64_t **out, size_t *count, struct err *err);

/* Function symbols by address. Names are bytes of the target's file. */
struct elf_symtab;

int elf_symtab_read(struct elf_symtab **out, struct elf_file *file, struct err *err);
void elf_symtab_free(struct elf_symtab *table);
size_t elf_symtab_count(const struct elf_symtab *table);
/* Name of the function @vaddr lies in and, if not NULL, how far behind its start;
 * NULL when none is known to reach there. A symbol without size reaches to the
 * next one. */
const char *elf_symtab_find(const struct elf_symtab *table, uint64_t vaddr, uint64_t *behind);
