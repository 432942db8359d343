/* SPDX-License-Identifier: BSD-2-Clause */
/* Well-known functions in stacks; see markers.h. */
#include "target/markers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/buf.h"

/* How a marker weighs: a cause beats an activity, that beats where it was called from. */
enum marker_kind { KIND_CAUSE, KIND_ACTIVITY, KIND_CONTEXT };

struct marker {
	const char *function;
	enum marker_kind kind;
	enum marker_cause cause;
	const char *activity;
};

/* Names as in Redis 5 to 8 and Valkey; a build has some of them. */
static const struct marker table[] = {
	{ "activeExpireCycle", KIND_CAUSE, MARK_EXPIRY, "expiring keys" },
	{ "activeExpireCycleTryExpire", KIND_CAUSE, MARK_EXPIRY, "expiring keys" },
	{ "expireSlaveKeys", KIND_CAUSE, MARK_EXPIRY, "expiring keys" },
	{ "expireReplicaKeys", KIND_CAUSE, MARK_EXPIRY, "expiring keys" },
	{ "deleteExpiredKeyAndPropagate", KIND_CAUSE, MARK_EXPIRY, "expiring keys" },
	{ "deleteExpiredKeyAndPropagateWithDictIndex", KIND_CAUSE, MARK_EXPIRY, "expiring keys" },
	{ "performEvictions", KIND_CAUSE, MARK_EVICTION, "evicting keys" },
	{ "freeMemoryIfNeeded", KIND_CAUSE, MARK_EVICTION, "evicting keys" },
	{ "activeDefragCycle", KIND_CAUSE, MARK_DEFRAG, "active defrag" },
	{ "defragScanCallback", KIND_CAUSE, MARK_DEFRAG, "active defrag" },
	{ "dictRehash", KIND_CAUSE, MARK_REHASH, "moving a hash table" },
	{ "dictRehashMilliseconds", KIND_CAUSE, MARK_REHASH, "moving a hash table" },
	{ "dictRehashMicroseconds", KIND_CAUSE, MARK_REHASH, "moving a hash table" },
	{ "_dictExpand", KIND_CAUSE, MARK_REHASH, "growing a hash table" },
	{ "dictExpand", KIND_CAUSE, MARK_REHASH, "growing a hash table" },
	{ "dictTryExpand", KIND_CAUSE, MARK_REHASH, "growing a hash table" },
	{ "hashtableRehashMicroseconds", KIND_CAUSE, MARK_REHASH, "moving a hash table" },
	{ "hashtableExpand", KIND_CAUSE, MARK_REHASH, "growing a hash table" },

	{ "zfree", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "sdsfree", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "decrRefCount", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "freeStringObject", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "freeListObject", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "freeSetObject", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "freeZsetObject", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "freeHashObject", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "freeStreamObject", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "zslFree", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "quicklistRelease", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "dictRelease", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "dictEmpty", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "_dictClear", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "hashtableRelease", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "hashtableEmpty", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "kvstoreEmpty", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "emptyDbStructure", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "emptyData", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "listRelease", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "listEmpty", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },
	{ "freeClientArgv", KIND_ACTIVITY, MARK_ALLOCATOR, "freeing" },

	{ "_addReplyToBufferOrList", KIND_ACTIVITY, MARK_COMMAND, "building the reply" },
	{ "addReply", KIND_ACTIVITY, MARK_COMMAND, "building the reply" },
	{ "addReplyBulk", KIND_ACTIVITY, MARK_COMMAND, "building the reply" },
	{ "addReplyBulkCBuffer", KIND_ACTIVITY, MARK_COMMAND, "building the reply" },
	{ "addReplyBulkLongLong", KIND_ACTIVITY, MARK_COMMAND, "building the reply" },
	{ "addReplyProto", KIND_ACTIVITY, MARK_COMMAND, "building the reply" },
	{ "addListRangeReply", KIND_ACTIVITY, MARK_COMMAND, "building the reply" },
	{ "genericHgetallCommand", KIND_ACTIVITY, MARK_COMMAND, "building the reply" },
	{ "sortCommandGeneric", KIND_ACTIVITY, MARK_COMMAND, "sorting" },
	{ "sortCommand", KIND_ACTIVITY, MARK_COMMAND, "sorting" },
	{ "sortroCommand", KIND_ACTIVITY, MARK_COMMAND, "sorting" },
	{ "pqsort", KIND_ACTIVITY, MARK_COMMAND, "sorting" },
	{ "sortCompare", KIND_ACTIVITY, MARK_COMMAND, "sorting" },
	{ "zunionInterGenericCommand", KIND_ACTIVITY, MARK_COMMAND, "joining sets" },
	{ "zunionInterDiffGenericCommand", KIND_ACTIVITY, MARK_COMMAND, "joining sets" },
	{ "sinterGenericCommand", KIND_ACTIVITY, MARK_COMMAND, "joining sets" },
	{ "sunionDiffGenericCommand", KIND_ACTIVITY, MARK_COMMAND, "joining sets" },
	{ "keysCommand", KIND_ACTIVITY, MARK_COMMAND, "walking the keyspace" },
	{ "rdbLoadRio", KIND_ACTIVITY, MARK_COMMAND, "loading the dataset" },
	{ "loadDataFromDisk", KIND_ACTIVITY, MARK_COMMAND, "loading the dataset" },
	{ "loadAppendOnlyFiles", KIND_ACTIVITY, MARK_COMMAND, "loading the dataset" },
	{ "rdbSaveRio", KIND_ACTIVITY, MARK_COMMAND, "saving the dataset" },
	{ "flushAppendOnlyFile", KIND_ACTIVITY, MARK_COMMAND, "writing the AOF" },
	{ "freeClient", KIND_ACTIVITY, MARK_COMMAND, "closing clients" },

	{ "scriptCall", KIND_CONTEXT, MARK_COMMAND, "running the script" },
	{ "luaCallFunction", KIND_CONTEXT, MARK_COMMAND, "running the script" },
	{ "evalGenericCommand", KIND_CONTEXT, MARK_COMMAND, "running the script" },
	{ "evalCommand", KIND_CONTEXT, MARK_COMMAND, "running the script" },
	{ "writeToClient", KIND_CONTEXT, MARK_COMMAND, "sending replies" },
	{ "clientsCron", KIND_CONTEXT, MARK_COMMAND, "looking after clients" },
	{ "replicationCron", KIND_CONTEXT, MARK_COMMAND, "looking after replicas" },
	{ "databasesCron", KIND_CONTEXT, MARK_COMMAND, "looking after the keyspace" },
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

/* Is the @b found further out to be preferred? Of the causes the first in the enum is
 * (an eviction frees and rehashes, not the other way round); else what is nearest. */
static bool outweighs(const struct marker *b, const struct marker *a)
{
	if (!a || b->kind != a->kind)
		return !a || b->kind < a->kind;
	return b->kind == KIND_CAUSE && b->cause < a->cause;
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

/* What a system call says by itself. */
static bool syscall_place(uint64_t number, struct marker_place *out)
{
	switch (number) {
	case SYS_madvise:
	case SYS_munmap:
		*out = (struct marker_place){ MARK_ALLOCATOR, "giving pages back" };
		return true;
	case SYS_mmap:
	case SYS_brk:
	case SYS_mremap:
		*out = (struct marker_place){ MARK_ALLOCATOR, "getting pages" };
		return true;
#ifdef SYS_fork
	case SYS_fork:
	case SYS_vfork:
#endif
	case SYS_clone:
		*out = (struct marker_place){ MARK_FORK, "forking" };
		return true;
	}
	return false;
}

static bool in_allocator(const struct markers *markers, uint64_t ip)
{
	for (size_t i = 0; i < markers->allocators; i++)
		if (ip >= markers->allocator[i].start && ip < markers->allocator[i].end)
			return true;
	return false;
}

struct marker_place markers_place(const struct markers *markers, const struct redmem_sample *sample)
{
	const struct marker *marker = heaviest(markers, sample);
	struct marker_place place = { MARK_COMMAND, "" };

	if (marker)
		place = (struct marker_place){ marker->cause, marker->activity };
	if (sample->kernel_ip && sample->syscall == ~0ULL)
		return (struct marker_place){ MARK_FAULT, "" };
	if (marker && marker->kind == KIND_CAUSE)
		return place;
	if (sample->kernel_ip && syscall_place(sample->syscall, &place))
		return place;
	if (place.cause != MARK_ALLOCATOR && in_allocator(markers, sample->user_ip))
		return (struct marker_place){ MARK_ALLOCATOR, "allocating" };
	return place;
}
