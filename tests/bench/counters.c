/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Loaded into a server (LD_PRELOAD), writes to the file $COUNTERS_AT where jemalloc counts the
 * bytes that the main thread has allocated, so that they can be read from outside at any time,
 * without a command. Builds with a jemalloc of their own call its functions je_*.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef int mallctl_fn(const char *name, void *old, size_t *old_len, void *new, size_t new_len);

__attribute__((constructor)) static void tell_counters(void)
{
	const char *path = getenv("COUNTERS_AT");
	mallctl_fn *mallctl = (mallctl_fn *)dlsym(RTLD_DEFAULT, "mallctl");
	uint64_t *allocated = NULL;
	size_t len = sizeof(allocated);
	FILE *file;

	if (!mallctl)
		mallctl = (mallctl_fn *)dlsym(RTLD_DEFAULT, "je_mallctl");
	if (!path || !mallctl || mallctl("thread.allocatedp", &allocated, &len, NULL, 0))
		return;
	file = fopen(path, "we");
	if (!file)
		return;
	fprintf(file, "%ju\n", (uintmax_t)(uintptr_t)allocated);
	fclose(file);
}
