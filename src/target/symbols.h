/* SPDX-License-Identifier: BSD-2-Clause */
/* Code addresses of the server as names: where a CPU sample was. */
#pragma once

#include <stdint.h>

#include "target/image.h"

struct target_symbols;

/* Never NULL; what cannot be read has no names. Each is asked for when first needed. */
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
