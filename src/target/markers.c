/* SPDX-License-Identifier: BSD-2-Clause */
/* Well-known functions in stacks; see markers.h. */
#include "target/markers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/buf.h"
#include "fact/tables.h"

struct marker {
	const char *function;
	enum redmem_frame frame;
};

/* Names as in Redis 5 to 8 and Valkey; a build has some of them. */
static const struct marker table[] = {
	{ "activeExpireCycle", FRAME_EXPIRY },
	{ "activeExpireCycleTryExpire", FRAME_EXPIRY },
	{ "expireSlaveKeys", FRAME_EXPIRY },
	{ "expireReplicaKeys", FRAME_EXPIRY },
	{ "deleteExpiredKeyAndPropagate", FRAME_EXPIRY },
	{ "deleteExpiredKeyAndPropagateWithDictIndex", FRAME_EXPIRY },
	{ "performEvictions", FRAME_EVICTION },
	{ "freeMemoryIfNeeded", FRAME_EVICTION },
	{ "activeDefragCycle", FRAME_DEFRAG },
	{ "defragScanCallback", FRAME_DEFRAG },
	{ "dictRehash", FRAME_REHASH },
	{ "dictRehashMilliseconds", FRAME_REHASH },
	{ "dictRehashMicroseconds", FRAME_REHASH },
	{ "_dictExpand", FRAME_TABLE_GROWTH },
	{ "dictExpand", FRAME_TABLE_GROWTH },
	{ "dictTryExpand", FRAME_TABLE_GROWTH },
	{ "hashtableRehashMicroseconds", FRAME_REHASH },
	{ "hashtableExpand", FRAME_TABLE_GROWTH },

	{ "zfree", FRAME_FREE },
	{ "sdsfree", FRAME_FREE },
	{ "decrRefCount", FRAME_FREE },
	{ "freeStringObject", FRAME_FREE },
	{ "freeListObject", FRAME_FREE },
	{ "freeSetObject", FRAME_FREE },
	{ "freeZsetObject", FRAME_FREE },
	{ "freeHashObject", FRAME_FREE },
	{ "freeStreamObject", FRAME_FREE },
	{ "zslFree", FRAME_FREE },
	{ "quicklistRelease", FRAME_FREE },
	{ "dictRelease", FRAME_FREE },
	{ "dictEmpty", FRAME_FREE },
	{ "_dictClear", FRAME_FREE },
	{ "hashtableRelease", FRAME_FREE },
	{ "hashtableEmpty", FRAME_FREE },
	{ "kvstoreEmpty", FRAME_FREE },
	{ "emptyDbStructure", FRAME_FREE },
	{ "emptyData", FRAME_FREE },
	{ "listRelease", FRAME_FREE },
	{ "listEmpty", FRAME_FREE },
	{ "freeClientArgv", FRAME_FREE },

	{ "_addReplyToBufferOrList", FRAME_REPLY },
	{ "addReply", FRAME_REPLY },
	{ "addReplyBulk", FRAME_REPLY },
	{ "addReplyBulkCBuffer", FRAME_REPLY },
	{ "addReplyBulkLongLong", FRAME_REPLY },
	{ "addReplyProto", FRAME_REPLY },
	{ "addListRangeReply", FRAME_REPLY },
	{ "genericHgetallCommand", FRAME_REPLY },
	{ "sortCommandGeneric", FRAME_SORT },
	{ "sortCommand", FRAME_SORT },
	{ "sortroCommand", FRAME_SORT },
	{ "pqsort", FRAME_SORT },
	{ "sortCompare", FRAME_SORT },
	{ "zunionInterGenericCommand", FRAME_JOIN },
	{ "zunionInterDiffGenericCommand", FRAME_JOIN },
	{ "sinterGenericCommand", FRAME_JOIN },
	{ "sunionDiffGenericCommand", FRAME_JOIN },
	{ "keysCommand", FRAME_WALK },
	{ "rdbLoadRio", FRAME_LOAD },
	{ "loadDataFromDisk", FRAME_LOAD },
	{ "loadAppendOnlyFiles", FRAME_LOAD },
	{ "rdbSaveRio", FRAME_SAVE },
	{ "flushAppendOnlyFile", FRAME_AOF },
	{ "freeClient", FRAME_CLOSE },

	{ "scriptCall", FRAME_SCRIPT },
	{ "luaCallFunction", FRAME_SCRIPT },
	{ "evalGenericCommand", FRAME_SCRIPT },
	{ "evalCommand", FRAME_SCRIPT },
	{ "writeToClient", FRAME_SEND },
	{ "clientsCron", FRAME_CLIENTS_CRON },
	{ "replicationCron", FRAME_REPLICAS_CRON },
	{ "databasesCron", FRAME_KEYSPACE_CRON },
};

#define TABLE_COUNT (sizeof(table) / sizeof(table[0]))

/* A place in the program, ascending. */
struct place {
	struct redmem_range range;
	const struct marker *marker;
};

struct markers {
	struct place place[TABLE_COUNT];
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
	for (size_t i = 0; i < TABLE_COUNT; i++)
		if (!strcmp(table[i].function, name) && markers->count < TABLE_COUNT)
			markers->place[markers->count++] = (struct place){ range, &table[i] };
	qsort(markers->place, markers->count, sizeof(markers->place[0]), by_start);
}

struct markers *markers_open(const struct image *image)
{
	struct markers *markers = markers_new();

	for (size_t i = 0; i < TABLE_COUNT; i++) {
		struct place *place = &markers->place[markers->count];

		place->marker = &table[i];
		if (image_function_range(image, table[i].function, &place->range))
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

static const struct marker *find(const struct markers *markers, uint64_t address)
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
static bool outweighs(const struct marker *b, const struct marker *a)
{
	const struct frame *outer = &frame_table[b->frame],
			   *inner = a ? &frame_table[a->frame] : NULL;

	if (!inner || outer->kind != inner->kind)
		return !inner || outer->kind < inner->kind;
	return outer->kind == FRAME_KIND_CAUSE && outer->cause < inner->cause;
}

static const struct marker *heaviest(const struct markers *markers,
				     const struct redmem_sample *sample)
{
	const struct marker *best = NULL, *marker;

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
	const struct marker *marker = heaviest(markers, sample);
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
