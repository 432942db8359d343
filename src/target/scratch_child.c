/* SPDX-License-Identifier: BSD-2-Clause */
/* The scratch child's side: allocate known amounts, stop in between; see scratch.h. */
#define _GNU_SOURCE 1 /* RTLD_DEFAULT */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "target/scratch_internal.h"

/* Larger classes than this are their own size rounded to pages anyway. */
#define CLASS_LIMIT (1ULL << 32)

typedef int mallctl_fn(const char *name, void *old, size_t *old_len, void *new, size_t new_len);
typedef size_t nallocx_fn(size_t size, int flags);

bool scratch_is_child(const char *argv0)
{
	return argv0 && !strcmp(argv0, SCRATCH_NAME);
}

static bool counter(mallctl_fn *mallctl, const char *name, uint64_t *address)
{
	uint64_t *pointer = NULL;
	size_t len = sizeof(pointer);

	if (mallctl(name, &pointer, &len, NULL, 0))
		return false;
	*address = (uint64_t)(uintptr_t)pointer;
	return true;
}

static void fill_classes(struct size_classes *classes, nallocx_fn *nallocx)
{
	size_t size = 1;

	while (classes->count < SIZE_CLASSES_MAX && size < CLASS_LIMIT) {
		size_t bytes = nallocx(size, 0);

		if (bytes < size)
			return;
		classes->bytes[classes->count++] = bytes;
		size = bytes + 1;
	}
}

/* Stop until the parent says to go on. */
static void pause_here(void)
{
	raise(SIGSTOP);
}

int scratch_child_main(void)
{
	static struct scratch_hello hello;
	static void *blocks[SCRATCH_BLOCKS];
	mallctl_fn *mallctl = (mallctl_fn *)dlsym(RTLD_DEFAULT, "mallctl");
	nallocx_fn *nallocx = (nallocx_fn *)dlsym(RTLD_DEFAULT, "nallocx");

	if (!mallctl || !nallocx ||
	    !counter(mallctl, "thread.allocatedp", &hello.counter[SCRATCH_ALLOC]) ||
	    !counter(mallctl, "thread.deallocatedp", &hello.counter[SCRATCH_FREE]))
		return SCRATCH_NOT_JEMALLOC;
	fill_classes(&hello.classes, nallocx);
	hello.block_bytes = nallocx(SCRATCH_BLOCK_BYTES, 0);
	if (write(SCRATCH_FD, &hello, sizeof(hello)) != sizeof(hello))
		return 1;
	pause_here();
	for (size_t i = 0; i < SCRATCH_BLOCKS; i++) {
		/* volatile: a compiler may leave out what is allocated and only freed */
		*(void *volatile *)&blocks[i] = malloc(SCRATCH_BLOCK_BYTES);
	}
	pause_here();
	for (size_t i = 0; i < SCRATCH_BLOCKS; i++)
		free(*(void *volatile *)&blocks[i]);
	pause_here();
	return 0;
}
