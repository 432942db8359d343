/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The allocator experiment: a fenced child (fence.h) that loads a copy of the very file the
 * server's allocator is in, by a copy of the server's own loader and with copies of the
 * libraries that file needs, allocates known amounts, and is watched at the entry of every
 * function of the file. So it is seen, not guessed, which function jemalloc 5.3 calls each time
 * a thread has allocated or freed another 64 KiB (te_event_trigger, src/thread_event.c), in a
 * file without symbols and under whatever C library the server has. A library is preloaded to a
 * program that does this. Where the allocator is part of the server's program, it is that
 * program which is loaded, and what does this is preloaded: it takes the place of the C
 * library's function that would begin the program's main(), which never runs. The server is
 * not involved: copies have inodes of their own.
 *
 * All of that is code a container may have chosen. Nothing it says is believed before it
 * fits, and what comes out is at worst the wrong function of the same file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SIZE_CLASSES_MAX 256

/* Size classes of an allocator, rising. */
struct size_classes {
	uint64_t bytes[SIZE_CLASSES_MAX];
	size_t count; /* 0 = not known */
};

struct experiment_result {
	uint64_t event_trigger; /* vaddr in the library */
	struct size_classes classes; /* as nallocx() has them */
};

#define EXPERIMENT_LIBRARIES 30
#define EXPERIMENT_NAME	     64

/* The files that take part; descriptors are the caller's. */
struct experiment_files {
	int loader;
	struct {
		int fd;
		char name[EXPERIMENT_NAME]; /* by which others need it; no '/' */
	} library[EXPERIMENT_LIBRARIES]; /* the first is the one asked about */
	size_t count;
	bool is_program; /* and that one is a program */
};

/*
 * Make the experiment. -ENOENT when the child ran and no function behaves as it must,
 * -ENOTSUP when the library is no jemalloc or cannot be loaded here, -ETIMEDOUT when it
 * took too long. The child is gone afterwards. Takes some 40 ms.
 */
int experiment_run(struct experiment_result *out, const struct experiment_files *files,
		   struct err *err);

/* --- between the child and its parent ------------------------------------------ */

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
