/* SPDX-License-Identifier: BSD-2-Clause */
/* Well-known functions in stacks; see frames.h. */
#include "target/frames.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/buf.h"
#include "record/schema.h"
#include "redis/knowledge.h"

/* A place in the program, ascending. */
struct place {
	struct redmem_range range;
	const struct known_function *row;
};

struct frames {
	struct place place[KNOWN_FUNCTIONS_MAX];
	size_t count;
	struct redmem_range allocator[REDMEM_ALLOCATOR_RANGES];
	size_t allocators;
};

struct frames *frames_new(void)
{
	return xcalloc(1, sizeof(struct frames));
}

static int by_start(const void *a, const void *b)
{
	uint64_t x = ((const struct place *)a)->range.start;
	uint64_t y = ((const struct place *)b)->range.start;

	return x < y ? -1 : x > y;
}

void frames_add(struct frames *frames, const char *name, struct redmem_range range)
{
	const struct known_function *known;

	for (size_t i = 0; (known = knowledge_function(i)); i++)
		if (!strcmp(known->name, name) && frames->count < KNOWN_FUNCTIONS_MAX)
			frames->place[frames->count++] = (struct place){ range, known };
	qsort(frames->place, frames->count, sizeof(frames->place[0]), by_start);
}

struct frames *frames_open(const struct image *image)
{
	struct frames *frames = frames_new();
	const struct known_function *known;

	for (size_t i = 0; (known = knowledge_function(i)); i++) {
		struct place *place = &frames->place[frames->count];

		place->row = known;
		if (image_function_range(image, known->name, &place->range))
			frames->count++;
	}
	qsort(frames->place, frames->count, sizeof(frames->place[0]), by_start);
	memcpy(frames->allocator, image->allocator_range, sizeof(frames->allocator));
	frames->allocators = image->allocator_ranges;
	return frames;
}

void frames_close(struct frames *frames)
{
	free(frames);
}

static const struct known_function *find(const struct frames *frames, uint64_t address)
{
	size_t low = 0, high = frames->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (frames->place[middle].range.end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == frames->count || address <= frames->place[low].range.start)
		return NULL; /* nothing returns to a function's first instruction */
	return frames->place[low].row;
}

/*
 * Is @b, found further out, to be preferred? A cause to an activity, and one that moves a hash
 * table to the moving (an eviction does so, not the other way round). Else what is nearest:
 * expiry, eviction and defragmentation do not call one another, but the loop calls them one
 * after the other, and what one has left on the stack the next does not always write over.
 */
static bool outweighs(const struct known_function *b, const struct known_function *a)
{
	const struct frame *outer = &frame_table[b->frame],
			   *inner = a ? &frame_table[a->frame] : NULL;

	if (!inner || outer->kind != inner->kind)
		return !inner || outer->kind < inner->kind;
	return inner->cause == CAUSE_REHASH && outer->cause < inner->cause;
}

static const struct known_function *heaviest(const struct frames *frames,
					     const struct redmem_sample *sample)
{
	const struct known_function *best = NULL, *row;

	if (!frames->count)
		return NULL;
	if (!sample->kernel_ip)
		best = find(frames, sample->user_ip);
	for (size_t i = 0; i < sample->words && i < REDMEM_SAMPLE_WORDS; i++) {
		uint64_t word = sample->word[i];

		if (word < frames->place[0].range.start ||
		    word >= frames->place[frames->count - 1].range.end)
			continue;
		row = find(frames, word);
		if (row && outweighs(row, best))
			best = row;
	}
	return best;
}

size_t frames_inside(const struct frames *frames, const struct redmem_sample *sample,
		     enum redmem_frame frame)
{
	size_t inside = 0, words = sample->words;

	if (words > REDMEM_SAMPLE_WORDS)
		words = REDMEM_SAMPLE_WORDS;
	for (size_t i = 0; i < words; i++) {
		const struct known_function *row = find(frames, sample->word[i]);

		if (row && row->frame == frame)
			inside = i + 1 + REDMEM_FRAME_WORDS;
	}
	return inside < words ? inside : words;
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

static bool in_allocator(const struct frames *frames, uint64_t ip)
{
	for (size_t i = 0; i < frames->allocators; i++)
		if (ip >= frames->allocator[i].start && ip < frames->allocator[i].end)
			return true;
	return false;
}

enum redmem_frame frames_place(const struct frames *frames, const struct redmem_sample *sample)
{
	const struct known_function *row = heaviest(frames, sample);
	enum redmem_frame frame = row ? row->frame : FRAME_NONE;

	if (sample->kernel_ip && sample->syscall == ~0ULL)
		return FRAME_FAULT;
	if (row && frame_table[frame].kind == FRAME_KIND_CAUSE)
		return frame;
	if (sample->kernel_ip && syscall_frame(sample->syscall) != FRAME_NONE)
		return syscall_frame(sample->syscall);
	if (frame_table[frame].cause != CAUSE_ALLOCATOR && in_allocator(frames, sample->user_ip))
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

/* A function of no more than a jump to another one (Redis 8.0's deleteExpiredKeyAndPropagate(), 16
 * bytes) is never on a stack. */
#define JUMP_BYTES 32

/* Up to @count ranges of the role's functions, those to prefer first. */
static void fill_role(struct redmem_settings *settings, const struct image *image,
		      enum function_role role, struct redmem_range *ranges, size_t count)
{
	const char *name;
	size_t found = 0;

	for (size_t i = 0; found < count && (name = knowledge_role_name(role, i)); i++) {
		if (!image_function_range(image, name, &ranges[found]))
			continue;
		if (ranges[found].end - ranges[found].start < JUMP_BYTES) {
			ranges[found] = (struct redmem_range){ 0, 0 };
			continue;
		}
		widen(&settings->background_code, &ranges[found++]);
	}
}

void frames_fill(struct redmem_settings *settings, const struct image *image)
{
	static const enum function_role background_tasks[BACKGROUND_KINDS] = {
		[BACKGROUND_EXPIRY] = ROLE_EXPIRY,
		[BACKGROUND_EVICTION] = ROLE_EVICTION,
		[BACKGROUND_DEFRAG] = ROLE_DEFRAG,
	};

	image_code(image, settings->code_range);
	settings->background_code = (struct redmem_range){ UINT64_MAX, 0 };
	for (int background = 0; background < BACKGROUND_KINDS; background++)
		fill_role(settings, image, background_tasks[background],
			  settings->background[background], BACKGROUND_FUNCTIONS);
	if (!settings->background[BACKGROUND_EXPIRY][0].end)
		fill_role(settings, image, ROLE_EXPIRY_OLD, settings->background[BACKGROUND_EXPIRY],
			  1);
	fill_role(settings, image, ROLE_FREE_QUEUED, settings->queued, QUEUED_FUNCTIONS);
	fill_role(settings, image, ROLE_REPLY, settings->reply, REPLY_FUNCTIONS);
}
