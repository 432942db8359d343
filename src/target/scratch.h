/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A scratch child: a process of redmem's own that loads a copy of the very library the
 * server uses, allocates known amounts, and is watched at the entry of every function of
 * it. So it is seen, not guessed, which function jemalloc 5.3 calls each time a thread
 * has allocated or freed another 64 KiB (te_event_trigger, src/thread_event.c), in a
 * library without symbols. The server is not involved: a copy has an inode of its own.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct elf_file;

#define SIZE_CLASSES_MAX 256

/* Size classes of an allocator, rising. */
struct size_classes {
	uint64_t bytes[SIZE_CLASSES_MAX];
	size_t count; /* 0 = not known */
};

struct scratch_result {
	uint64_t event_trigger; /* vaddr in the library */
	struct size_classes classes; /* as nallocx() has them */
};

/*
 * Make the experiment with @library. -ENOENT when the child ran and no function behaves
 * as it must, -ENOTSUP when the library is no jemalloc or cannot be loaded here. The
 * child runs as nobody and is gone afterwards. Takes some 30 ms.
 */
int scratch_find(struct scratch_result *out, struct elf_file *library, struct err *err);

/*
 * The program itself is the child when it is started under this name: main() must then
 * return what scratch_child_main() does, before anything else.
 */
bool scratch_is_child(const char *argv0);
int scratch_child_main(void);
