/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ELF files of a process: where a symbol is, what a function is called, and how
 * addresses in the file, in the module and in the process relate:
 *
 *	address in the process = load bias + address in the module (vaddr)
 *
 * The files belong to the target and may be broken on purpose. So redmem only opens them;
 * they are read, through libdw, in a fenced helper (elf_helper.c, fence.h) that gets their
 * descriptors and gives back small messages, which are checked. A helper that dies over a
 * file, or is too late, is an error of that file; the next question gets a new one. Files
 * of processes that share a user and a mount namespace share a helper: who took it over
 * could only lie about what is his own.
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
 * by its path below the root of the process, if it is still the same file.
 */
int elf_file_open(struct elf_file **out, pid_t pid, const struct map *map, struct err *err);
/* The same for a file of nobody's, with a helper that reads nothing else. @fd is taken
 * over, also after an error; @name is for messages. */
int elf_file_open_fd(struct elf_file **out, int fd, const char *name, struct err *err);
int elf_file_open_path(struct elf_file **out, const char *path, struct err *err);
void elf_file_close(struct elf_file *file);
/* An open file is of the thread that opened it; before such a thread ends, and after the last
 * file was closed, it gives the helpers back. */
void elf_thread_end(void);
/* This thread's helpers that were not asked for so long end; they come again when they are. For
 * who watches for months: a helper takes some MiB. */
void elf_thread_rest(double seconds);

/* The open file; "/proc/self/fd/N" names it for as long as it is open. */
int elf_file_fd(const struct elf_file *file);

enum elf_symbol_kind { ELF_OBJECT, ELF_FUNCTION, ELF_SYMBOL_KINDS };

struct elf_symbol {
	uint64_t value; /* vaddr */
	uint64_t size; /* bytes; 0 when the table does not say */
};

/*
 * A defined symbol by name, of the file or of its debug file: /usr/lib/debug/.build-id, on this
 * host or below the root of the process, and where DEBUGINFOD_URLS is set what gdb, perf or redmem
 * have brought into debuginfod's cache. -ENOENT, or why it cannot be told.
 */
int elf_file_symbol(struct elf_file *file, const char *name, enum elf_symbol_kind kind,
		    struct elf_symbol *out);
/* True when the symbols came from a debug file; after the first elf_file_symbol(). */
bool elf_file_has_debug(const struct elf_file *file);
/* True when it has been stripped and this host has no debug file of it; likewise. */
bool elf_file_lacks_debug(const struct elf_file *file);

#define ELF_NAME_MAX 160

/* A function, or a stretch of addresses in which no symbol lies. */
struct elf_function {
	uint64_t start; /* vaddr */
	uint64_t end; /* first byte behind it; of a symbol without size, where the next begins */
	char name[ELF_NAME_MAX]; /* cut to this length; "" when not known */
};

/* What @vaddr lies in. The name is bytes of the target's file. */
int elf_file_function(struct elf_file *file, uint64_t vaddr, struct elf_function *out);

/* Where in the file the byte at @vaddr is; -ENOENT when it has none (.bss). */
int elf_file_offset(const struct elf_file *file, uint64_t vaddr, uint64_t *offset);

/*
 * Load bias from an executable mapping of the module: the PT_LOAD with PF_X whose
 * page-aligned file offset is the mapping's. -ENOENT when none fits.
 */
int elf_file_bias(const struct elf_file *file, const struct map *map, uint64_t *bias);

/*
 * Do the first instructions at @vaddr of the file stand in the memory of @pid, where the
 * module has @bias? To be asked before a probe is put there: it must not be in the middle
 * of something else. A breakpoint on the place itself is no difference.
 */
bool elf_file_same_code(const struct elf_file *file, pid_t pid, uint64_t bias, uint64_t vaddr);

/* The build-id note; NULL and 0 when there is none. Lives as long as the file. */
const unsigned char *elf_file_build_id(const struct elf_file *file, size_t *len);

/* What it is called when another one needs it ("libm.so.6"), or "". */
const char *elf_file_soname(const struct elf_file *file);
/* The @i-th library it needs; NULL behind the last. */
const char *elf_file_needed(const struct elf_file *file, size_t i);

/* --- call frame information ------------------------------------------------------------ */

/* Registers by their DWARF numbers (System V ABI for x86-64, 3.6.2; DWARF for the Arm 64-bit
 * Architecture), and those of them that a function keeps for its caller, in the order of
 * struct elf_frame_row. */
#define ELF_REGISTERS 33
#if defined(__aarch64__)
#define ELF_STACK_POINTER   31
#define ELF_FRAME_POINTER   29
#define ELF_PROGRAM_COUNTER 32
#define ELF_SAVED_REGISTERS 12
#else
#define ELF_STACK_POINTER   7
#define ELF_FRAME_POINTER   6
#define ELF_PROGRAM_COUNTER 16
#define ELF_SAVED_REGISTERS 7
#endif
extern const uint8_t elf_saved_registers[ELF_SAVED_REGISTERS];

/* Where a register of the caller is. */
enum elf_rule {
	ELF_RULE_UNDEFINED, /* nowhere */
	ELF_RULE_SAME, /* it was not touched */
	ELF_RULE_AT_CFA, /* in memory, offset bytes from the CFA */
	ELF_RULE_CFA, /* it is the CFA plus the offset */
	ELF_RULE_REGISTER, /* it is another one plus the offset */
	ELF_RULE_AT_REGISTER, /* in memory, offset bytes from where another one points */
	ELF_RULES
};

/* What the CFA is, the stack pointer before the function was called. */
enum elf_cfa {
	ELF_CFA_REGISTER, /* a register plus an offset */
	ELF_CFA_LOADED, /* in memory, there */
	ELF_CFA_PLT, /* a register plus an offset, and a word more behind so many bytes of 16 */
	ELF_CFAS
};

struct elf_frame_rule {
	uint8_t rule; /* enum elf_rule */
	uint8_t of; /* a register's number */
	int32_t offset; /* bytes */
};

/* What holds for the instructions from @start, the one asked for, on and before @end. */
struct elf_frame_row {
	uint64_t start, end; /* vaddr */
	uint64_t function; /* where the function of it begins, at most @start; 0 = not known */
	uint8_t cfa; /* enum elf_cfa */
	uint8_t cfa_register;
	uint8_t plt_from; /* bytes of 16 */
	uint8_t return_register; /* holds where the caller goes on */
	uint8_t signal; /* 1: a signal interrupted the caller, which has called nothing */
	uint8_t outermost; /* 1: there is no caller */
	int32_t cfa_offset;
	struct elf_frame_rule rule[ELF_SAVED_REGISTERS];
};

/*
 * The row of the instruction at @vaddr (.eh_frame, or .debug_frame where there is none). -ENOENT
 * when no row is for it, -ENOTSUP when it is written in a way that no compiler uses.
 */
int elf_file_frame_row(struct elf_file *file, uint64_t vaddr, struct elf_frame_row *out);

/*
 * Addresses (vaddr) at which functions begin, rising, of a file without symbols: its
 * table of frames has them. The caller frees *@out. -ENOTSUP when there is none.
 */
int elf_file_function_starts(struct elf_file *file, uint64_t **out, size_t *count, struct err *err);
