/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the experiment's child and its parent. */
#pragma once

#include "target/experiment.h"

#define CHILD_BLOCKS	      16384
#define CHILD_BLOCK_BYTES     1024
#define CHILD_BLOCK_BYTES_MAX (16 * CHILD_BLOCK_BYTES) /* a class above it, at the most */
#define CHILD_NOT_JEMALLOC    42 /* exit status */

enum child_side { CHILD_ALLOC, CHILD_FREE, CHILD_SIDES };

/* The child stops at a breakpoint three times: with this in its memory, at the address its
 * first argument's register has; when all blocks are allocated; and when all are freed. */
struct child_hello {
	uint64_t counter[CHILD_SIDES]; /* where its main thread counts its bytes */
	uint64_t block_bytes; /* what a block of CHILD_BLOCK_BYTES takes */
	struct size_classes classes;
};

/* Nothing a child says is believed before this: a count within the table, classes that
 * rise, a block not smaller than asked for. */
bool child_hello_fits(const struct child_hello *hello);
