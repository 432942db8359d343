/* SPDX-License-Identifier: BSD-2-Clause */
/* Well-known functions in stacks; see markers.h. */
#include "target/markers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/buf.h"
#include "fact/tables.h"
#include "redis/knowledge.h"

/* A place in the program, ascending. */
struct place {
	struct redmem_range range;
	const struct known_function *marker;
};

struct markers {
	struct place place[KNOWN_FUNCTIONS_MAX];
	size_t count;
	struct redmem_range allocator[REDMEM_ALLOCATOR_RANGES];
	size_t allocators;
};

struct markers *markers_new(void)
{
	return xcalloc(1, sizeof(struct markers));
}

static int by_start(const void *a, const void *b)
{
	uint64_t x = ((const struct place *)a)->range.start;
	uint64_t y = ((const struct place *)b)->range.start;

	return x < y ? -1 : x > y;
}

void markers_add(struct markers *markers, const char *name, struct redmem_range range)
{
	const struct known_function *known;

	for (size_t i = 0; (known = knowledge_function(i)); i++)
		if (!strcmp(known->name, name) && markers->count < KNOWN_FUNCTIONS_MAX)
			markers->place[markers->count++] = (struct place){ range, known };
	qsort(markers->place, markers->count, sizeof(markers->place[0]), by_start);
}

struct markers *markers_open(const struct image *image)
{
	struct markers *markers = markers_new();
	const struct known_function *known;

	for (size_t i = 0; (known = knowledge_function(i)); i++) {
		struct place *place = &markers->place[markers->count];

		place->marker = known;
		if (image_function_range(image, known->name, &place->range))
			markers->count++;
	}
	qsort(markers->place, markers->count, sizeof(markers->place[0]), by_start);
	memcpy(markers->allocator, image->allocator_range, sizeof(markers->allocator));
	markers->allocators = image->allocator_ranges;
	return markers;
}

void markers_close(struct markers *markers)
{
	free(markers);
}

static const struct known_function *find(const struct markers *markers, uint64_t address)
{
	size_t low = 0, high = markers->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (markers->place[middle].range.end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == markers->count || address <= markers->place[low].range.start)
		return NULL; /* nothing returns to a function's first instruction */
	return markers->place[low].marker;
}

/* Is @b, found further out, to be preferred? Of the causes the first in the table is
 * (an eviction frees and rehashes, not the other way round); else what is nearest. */
static bool outweighs(const struct known_function *b, const struct known_function *a)
{
	const struct frame *outer = &frame_table[b->frame],
			   *inner = a ? &frame_table[a->frame] : NULL;

	if (!inner || outer->kind != inner->kind)
		return !inner || outer->kind < inner->kind;
	return outer->kind == FRAME_KIND_CAUSE && outer->cause < inner->cause;
}

static const struct known_function *heaviest(const struct markers *markers,
					     const struct redmem_sample *sample)
{
	const struct known_function *best = NULL, *marker;

	if (!markers->count)
		return NULL;
	if (!sample->kernel_ip)
		best = find(markers, sample->user_ip);
	for (size_t i = 0; i < sample->stack_words && i < REDMEM_STACK_WORDS; i++) {
		uint64_t word = sample->stack[i];

		if (word < markers->place[0].range.start ||
		    word >= markers->place[markers->count - 1].range.end)
			continue;
		marker = find(markers, word);
		if (marker && outweighs(marker, best))
			best = marker;
	}
	return best;
}

/* What a system call says by itself; FRAME_NONE when nothing. */
static enum redmem_frame syscall_frame(uint64_t number)
{
	switch (number) {
	case SYS_madvise:
	case SYS_munmap:
		return FRAME_GIVE_PAGES;
	case SYS_mmap:
	case SYS_brk:
	case SYS_mremap:
		return FRAME_GET_PAGES;
#ifdef SYS_fork
	case SYS_fork:
	case SYS_vfork:
#endif
	case SYS_clone:
		return FRAME_FORK;
	}
	return FRAME_NONE;
}

static bool in_allocator(const struct markers *markers, uint64_t ip)
{
	for (size_t i = 0; i < markers->allocators; i++)
		if (ip >= markers->allocator[i].start && ip < markers->allocator[i].end)
			return true;
	return false;
}

enum redmem_frame markers_place(const struct markers *markers, const struct redmem_sample *sample)
{
	const struct known_function *marker = heaviest(markers, sample);
	enum redmem_frame frame = marker ? marker->frame : FRAME_NONE;

	if (sample->kernel_ip && sample->syscall == ~0ULL)
		return FRAME_FAULT;
	if (marker && frame_table[frame].kind == FRAME_KIND_CAUSE)
		return frame;
	if (sample->kernel_ip && syscall_frame(sample->syscall) != FRAME_NONE)
		return syscall_frame(sample->syscall);
	if (frame_table[frame].cause != CAUSE_ALLOCATOR && in_allocator(markers, sample->user_ip))
		return FRAME_ALLOCATE;
	return frame;
}

/* --- what the programs look for ------------------------------------------------------ */

static void widen(struct redmem_range *all, const struct redmem_range *one)
{
	if (!one->end)
		return;
	all->start = one->start < all->start ? one->start : all->start;
	all->end = one->end > all->end ? one->end : all->end;
}

/* Up to @count ranges of the role's functions, those to prefer first. */
static void fill_role(struct redmem_settings *settings, const struct image *image,
		      enum function_role role, struct redmem_range *ranges, size_t count)
{
	const char *name;
	size_t found = 0;

	for (size_t i = 0; found < count && (name = knowledge_role_name(role, i)); i++) {
		if (!image_function_range(image, name, &ranges[found]))
			continue;
		widen(&settings->duty_code, &ranges[found++]);
	}
}

void markers_fill(struct redmem_settings *settings, const struct image *image)
{
	static const enum function_role duties[DUTY_KINDS] = {
		[DUTY_EXPIRY] = ROLE_EXPIRY,
		[DUTY_EVICTION] = ROLE_EVICTION,
		[DUTY_DEFRAG] = ROLE_DEFRAG,
	};

	settings->duty_code = (struct redmem_range){ UINT64_MAX, 0 };
	for (int duty = 0; duty < DUTY_KINDS; duty++)
		fill_role(settings, image, duties[duty], settings->duty[duty], DUTY_FUNCTIONS);
	if (!settings->duty[DUTY_EXPIRY][0].end)
		fill_role(settings, image, ROLE_EXPIRY_OLD, settings->duty[DUTY_EXPIRY], 1);
	fill_role(settings, image, ROLE_FREE_QUEUED, settings->queued, 2);
}
