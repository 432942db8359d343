/* SPDX-License-Identifier: BSD-2-Clause */
/* Looks like jemalloc to who asks for its functions; its counters never move. */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static uint64_t allocated, deallocated;

int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len);

void malloc_stats_print(void (*write)(void *, const char *), void *to, const char *options);

size_t nallocx(size_t size, int flags);

int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len)
{
	(void)old_len, (void)new, (void)new_len;
	if (old && !strcmp(name, "thread.allocatedp"))
		*(uint64_t **)old = &allocated;
	else if (old && !strcmp(name, "thread.deallocatedp"))
		*(uint64_t **)old = &deallocated;
	else
		return ENOENT;
	return 0;
}

void malloc_stats_print(void (*write)(void *, const char *), void *to, const char *options)
{
	(void)write, (void)to, (void)options;
}

size_t nallocx(size_t size, int flags)
{
	(void)flags;
	return (size + 15) & ~(size_t)15;
}
