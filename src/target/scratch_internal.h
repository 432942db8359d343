/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the scratch child and its parent. */
#pragma once

#include "target/scratch.h"

#define SCRATCH_NAME		"redmem-scratch"
#define SCRATCH_FD		3 /* the child writes its scratch_hello there */
#define SCRATCH_LIBRARY_FD	4 /* the copy of the library */
#define SCRATCH_SECONDS		5 /* longer than this no child lives */
#define SCRATCH_BLOCKS		16384
#define SCRATCH_BLOCK_BYTES	1024
#define SCRATCH_BLOCK_BYTES_MAX (16 * SCRATCH_BLOCK_BYTES) /* a class above it, at the most */
#define SCRATCH_NOT_JEMALLOC	42 /* exit status */

enum scratch_side { SCRATCH_ALLOC, SCRATCH_FREE, SCRATCH_SIDES };

struct scratch_hello {
	uint64_t counter[SCRATCH_SIDES]; /* where its main thread counts its bytes */
	uint64_t block_bytes; /* what a block of SCRATCH_BLOCK_BYTES takes */
	struct size_classes classes;
};

/* The child runs code a container may have chosen, so nothing it says is believed before
 * this: a count within the table, classes that rise, a block not smaller than asked for. */
bool scratch_hello_fits(const struct scratch_hello *hello);
