/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The experiment's child: allocate known amounts, stop in between; see experiment.h. It must
 * start under any C library, so it is built without one: a shared object with an entry point,
 * whose only wishes are four functions of no particular version, by the names that a library
 * gives them or those in a server's program. It is part of redmem as an array of bytes
 * (Makefile).
 */
#include <stddef.h>
#include <sys/syscall.h>

#include "target/experiment.h"

/* Larger classes than this are their own size rounded to pages anyway. */
#define CLASS_LIMIT (1ULL << 32)

#define WEAK __attribute__((weak))

struct allocator {
	void *(*allocate)(size_t size);
	void (*release)(void *block);
	int (*control)(const char *name, void *old, size_t *old_len, void *new, size_t new_len);
	size_t (*class_of)(size_t size, int flags);
};

extern void *malloc(size_t size) WEAK, *je_malloc(size_t size) WEAK;
extern void free(void *block) WEAK, je_free(void *block) WEAK;
extern int mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len) WEAK;
extern int je_mallctl(const char *name, void *old, size_t *old_len, void *new, size_t new_len) WEAK;
extern size_t nallocx(size_t size, int flags) WEAK, je_nallocx(size_t size, int flags) WEAK;

#if defined(__x86_64__)
#define ENTRY __attribute__((force_align_arg_pointer)) /* the loader jumps, it does not call */

static _Noreturn void end(long status)
{
	for (;;)
		__asm__ volatile("syscall"
				 :
				 : "a"(SYS_exit_group), "D"(status)
				 : "rcx", "r11", "memory");
}

/* One place, by which the parent knows it. */
static __attribute__((noinline)) void pause_here(const struct child_hello *hello)
{
	__asm__ volatile("int3" : : "D"(hello) : "memory");
}
#elif defined(__aarch64__)
#define ENTRY

static _Noreturn void end(long status)
{
	register long number __asm__("x8") = SYS_exit_group, first __asm__("x0") = status;

	for (;;)
		__asm__ volatile("svc #0" : : "r"(number), "r"(first) : "memory");
}

static __attribute__((noinline)) void pause_here(const struct child_hello *hello)
{
	register const struct child_hello *first __asm__("x0") = hello;

	__asm__ volatile("brk #0" : : "r"(first) : "memory");
}
#endif

/* Without one glibc's loader takes a file that needs no library for a static program. */
__attribute__((section(".interp"), used)) static const char interpreter[] = "/ld.so";

static struct allocator find_allocator(void)
{
	if (je_malloc)
		return (struct allocator){ je_malloc, je_free, je_mallctl, je_nallocx };
	return (struct allocator){ malloc, free, mallctl, nallocx };
}

static bool counter(const struct allocator *a, const char *name, uint64_t *address)
{
	uint64_t *pointer = NULL;
	size_t len = sizeof(pointer);

	if (a->control(name, &pointer, &len, NULL, 0))
		return false;
	*address = (uint64_t)(uintptr_t)pointer;
	return true;
}

static void fill_classes(const struct allocator *a, struct size_classes *classes)
{
	size_t size = 1;

	while (classes->count < SIZE_CLASSES_MAX && size < CLASS_LIMIT) {
		size_t bytes = a->class_of(size, 0);

		if (bytes < size)
			return;
		classes->bytes[classes->count++] = bytes;
		size = bytes + 1;
	}
}

_Noreturn void child_start(void);

ENTRY _Noreturn void child_start(void)
{
	static struct child_hello hello;
	static void *volatile blocks[CHILD_BLOCKS];
	struct allocator a = find_allocator();

	if (!a.allocate || !a.release || !a.control || !a.class_of ||
	    !counter(&a, "thread.allocatedp", &hello.counter[CHILD_ALLOC]) ||
	    !counter(&a, "thread.deallocatedp", &hello.counter[CHILD_FREE]))
		end(CHILD_NOT_JEMALLOC);
	fill_classes(&a, &hello.classes);
	hello.block_bytes = a.class_of(CHILD_BLOCK_BYTES, 0);
	pause_here(&hello);
	for (size_t i = 0; i < CHILD_BLOCKS; i++)
		blocks[i] = a.allocate(CHILD_BLOCK_BYTES);
	pause_here(&hello);
	for (size_t i = 0; i < CHILD_BLOCKS; i++)
		a.release(blocks[i]);
	pause_here(&hello);
	end(0);
}

/* What a program's first instructions call, to have its main() called. */
_Noreturn void __libc_start_main(void) __attribute__((alias("child_start")));
