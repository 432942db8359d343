/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The last RECENT_MAX names seen, in fixed memory (768 KiB), for a stream whose
 * repeats come close together. Names are told apart by 64 bits of a seeded hash:
 * among ten million the chance that one is taken for another is below 1e-7.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define RECENT_MAX 32768

struct recent;

struct recent *recent_new(void);
void recent_free(struct recent *recent); /* may be NULL */
/* Remember @name; true when it was among the last RECENT_MAX. */
bool recent_seen(struct recent *recent, const void *name, size_t len);
