/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's own functions by address, from /proc/kallsyms. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct kallsyms;

/* Both fail with -EPERM when all addresses read as 0 (kernel.kptr_restrict, or no
 * CAP_SYSLOG): then no address can be named. Takes some MiB: free it when done. */
int kallsyms_parse(struct kallsyms **out, const char *text, size_t len, struct err *err);
int kallsyms_read(struct kallsyms **out, struct err *err);
void kallsyms_free(struct kallsyms *table);
size_t kallsyms_count(const struct kallsyms *table);
/* Name of the function at or before @address, NULL below the first one. */
const char *kallsyms_find(const struct kallsyms *table, uint64_t address);
