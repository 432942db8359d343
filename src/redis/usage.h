/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many elements MEMORY USAGE is to look at. It multiplies the mean of the first ones, 5
 * when nothing is said (src/object.c, objectComputeSize()), so that one element in a thousand
 * that weighs as much as all others, or large ones at the head of a list, make it wrong by a
 * hundred times. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All of it is one allocation, or a few: MEMORY USAGE is exact whatever it is told. */
bool usage_is_packed(const char *encoding);

/* As many as are cheap where nothing is known of the size: some tenths of a millisecond. */
int64_t usage_cheap_samples(const char *type);

/*
 * A key of which MEMORY USAGE has said @bytes with its usual samples is to be asked again with
 * so many; 0 = what it has said will do. @encoding may be NULL: not known.
 */
int64_t usage_more_samples(const char *type, const char *encoding, int64_t bytes);
/* As long as so many usual commands of the server, of 1 us each, it takes, at most. */
size_t usage_commands(const char *type, int64_t samples);
