/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is known of a server's code by its address: names of functions, where a CPU sample was,
 * and the rows by which a stack is followed. All of it comes from the files the process has
 * mapped, through the fenced helper (host/elf.h); each thing is asked for once, when it is first
 * needed, and some hundred places cover a server.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "redmem/events.h"
#include "target/image.h"

struct elf_frame_row;
struct target_symbols;

/* Never NULL; what cannot be read has no names. */
struct target_symbols *target_symbols_open(const struct image *image);
void target_symbols_close(struct target_symbols *symbols);

/*
 * Where the code of a sample lies: the kernel when @kernel_ip is not 0, else by @user_ip.
 * *@symbol is the server's or library's function, "" when not known; the kernel's are not
 * named: reading /proc/kallsyms takes more CPU than the rest of a watch. It is valid as
 * long as @symbols.
 */
enum redmem_module target_symbols_leaf(struct target_symbols *symbols, uint64_t user_ip,
				       uint64_t kernel_ip, const char **symbol);

/* The call frame information of the instruction at @address of the process, whose addresses the
 * row's are, too. False where there is none. */
bool target_symbols_row(struct target_symbols *symbols, uint64_t address,
			struct elf_frame_row *row);

#define TARGET_UNKNOWN_CODE "(unknown)"
/*
 * What the function at @address is called, or "module+0xOFFSET" of its first instruction where it
 * has no name, so that all addresses in it are one; TARGET_UNKNOWN_CODE in no module. Plain text,
 * without ';'. Valid as long as @symbols.
 */
const char *target_symbols_name(struct target_symbols *symbols, uint64_t address);
