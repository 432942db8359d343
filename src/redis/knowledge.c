/* SPDX-License-Identifier: BSD-2-Clause */
/* What differs between servers; see knowledge.h. */
#include <stdlib.h>
#include <string.h>

#include "redis/knowledge.h"

/* --- products and versions -------------------------------------------------- */

struct server_release server_release_of(const char *server, const char *version)
{
	struct server_release release = { .product = !strcmp(server, "valkey") ? PRODUCT_VALKEY :
										 PRODUCT_REDIS };
	char *end;

	release.major = (int)strtol(version, &end, 10);
	release.minor = *end == '.' ? (int)strtol(end + 1, NULL, 10) : 0;
	return release;
}

bool server_is(const struct server_release *release, enum server_product product, int major,
	       int minor)
{
	return release->product == product &&
	       (release->major > major || (release->major == major && release->minor >= minor));
}

/* --- objects ------------------------------------------------------------------ */

/*
 * struct redisObject (server.h, object.h from Redis 8.2 on), struct serverObject. Bits are
 * counted from the lowest of the first 8 bytes: type 0-3, encoding 4-7 everywhere.
 * The newest of a product comes last.
 */
static const struct object_row {
	enum server_product product;
	int major, minor; /* since */
	struct redmem_object_layout layout;
} object_rows[] = {
	/* lru:24, then int refcount */
	{ PRODUCT_REDIS, 0, 0, { .pointer = 8, .refcount_shift = 32, .refcount_bits = 32 } },
	/* lru:24, iskvobj:1, expirable:1, refcount:30 */
	{ PRODUCT_REDIS, 8, 2, { .pointer = 8, .refcount_shift = 34, .refcount_bits = 30 } },
	/* refcount:23, iskvobj:1, metabits:8, lru:24; seen in 8.10, since when is not known */
	{ PRODUCT_REDIS, 8, 10, { .pointer = 8, .refcount_shift = 8, .refcount_bits = 23 } },
	{ PRODUCT_VALKEY, 0, 0, { .pointer = 8, .refcount_shift = 32, .refcount_bits = 32 } },
	/* lru:24, hasexpire:1, hasembkey:1, refcount:30 */
	{ PRODUCT_VALKEY,
	  8,
	  1,
	  { .pointer = 8,
	    .expire_bit = 32,
	    .key_bit = 33,
	    .refcount_shift = 34,
	    .refcount_bits = 30 } },
	/* lru:24, hasexpire:1, hasembkey:1, hasembval:1, refcount:29. What is embedded takes
	 * the pointer's place: expiry time, key, value, each where there is one. */
	{ PRODUCT_VALKEY,
	  9,
	  1,
	  { .pointer = 8,
	    .embedded = 8,
	    .expire_bit = 32,
	    .key_bit = 33,
	    .value_bit = 34,
	    .refcount_shift = 35,
	    .refcount_bits = 29 } },
};

#define OBJECT_ROWS (sizeof(object_rows) / sizeof(object_rows[0]))

struct redmem_object_layout knowledge_object_layout(const struct server_release *release)
{
	const struct object_row *found = object_rows;

	for (const struct object_row *row = object_rows; row < object_rows + OBJECT_ROWS; row++)
		if (row->product == release->product &&
		    (!release->major || server_is(release, row->product, row->major, row->minor)))
			found = row;
	return found->layout;
}

bool knowledge_object_layout_at(size_t i, struct redmem_object_layout *layout)
{
	if (i >= OBJECT_ROWS)
		return false;
	*layout = object_rows[i].layout;
	return true;
}

static bool head_has(uint64_t head, uint8_t bit)
{
	return bit && head >> bit & 1;
}

/* A string: encoding raw (0) or embstr (8). */
static bool head_is_string(uint64_t head)
{
	return (head & 0xff) == 0x00 || (head & 0xff) == 0x80;
}

int object_text_offset(const struct redmem_object_layout *layout, uint64_t head)
{
	if (!head_is_string(head))
		return -1;
	if (!head_has(head, layout->value_bit))
		return 0;
	if (head_has(head, layout->key_bit))
		return -1;
	return layout->embedded + (head_has(head, layout->expire_bit) ? OBJECT_EXPIRE_BYTES : 0) +
	       OBJECT_SDS_HEAD;
}

uint32_t object_references(const struct redmem_object_layout *layout, uint64_t head)
{
	return (uint32_t)(head >> layout->refcount_shift & ((1ULL << layout->refcount_bits) - 1));
}

bool object_layout_fits(const struct redmem_object_layout *layout, uint64_t head)
{
	return head_is_string(head) && object_references(layout, head) == 1;
}

bool object_layout_learn(struct redmem_object_layout *layout, uint64_t head)
{
	uint32_t second = (uint32_t)(head >> 32);

	if (!head_is_string(head))
		return false;
	/* One reference: the highest bit set is the lowest of its count. */
	if (second) {
		layout->refcount_shift = 32 + (31 - __builtin_clz(second));
		layout->refcount_bits = 64 - layout->refcount_shift;
		return true;
	}
	if ((head >> 8 & 0x7fffff) != 1)
		return false;
	layout->refcount_shift = 8;
	layout->refcount_bits = 23;
	return true;
}

int knowledge_querybuf_before_argv(const struct server_release *release)
{
	/* struct client (server.h) */
	static const struct {
		enum server_product product;
		int major, minor, bytes;
	} rows[] = {
		{ PRODUCT_REDIS, 5, 0, 40 }, /* pending_querybuf, peak, argc between them */
		{ PRODUCT_REDIS, 7, 0, 32 },
		{ PRODUCT_VALKEY, 7, 2, 32 },
		{ PRODUCT_VALKEY, 8, 1, 16 }, /* argv follows qb_pos */
	};
	int found = -1;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (server_is(release, rows[i].product, rows[i].major, rows[i].minor))
			found = rows[i].bytes;
	return found;
}

/* --- types, encodings, the keyspace -------------------------------------------- */

struct pair {
	const char *from, *to;
};

#define FIND(table, name) find(table, sizeof(table) / sizeof(*(table)), name)

static const char *find(const struct pair *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(name, table[i].from))
			return table[i].to;
	return NULL;
}

bool knowledge_stream_is_cheap(int64_t groups, int64_t consumers)
{
	return groups <= 100 && consumers <= 10000;
}

const char *knowledge_length_command(const char *type)
{
	static const struct pair commands[] = {
		{ "string", "STRLEN" }, { "list", "LLEN" },  { "set", "SCARD" },
		{ "hash", "HLEN" },	{ "zset", "ZCARD" }, { "stream", "XLEN" },
	};

	return FIND(commands, type);
}

const char *knowledge_type_of_encoding(const char *encoding)
{
	/* strEncoding() in src/object.c, old and new servers together. */
	static const struct pair types[] = {
		{ "embstr", "string" },	 { "int", "string" },	   { "raw", "string" },
		{ "quicklist", "list" }, { "linkedlist", "list" }, { "skiplist", "zset" },
		{ "intset", "set" },	 { "listpackex", "hash" }, { "zipmap", "hash" },
		{ "stream", "stream" },
	};

	return FIND(types, encoding);
}

enum key_place knowledge_key_place(const struct server_release *release)
{
	static const struct {
		enum server_product product;
		int major, minor;
		enum key_place place;
	} rows[] = {
		{ PRODUCT_REDIS, 8, 2, KEY_IN_OBJECT },
		{ PRODUCT_VALKEY, 8, 0, KEY_IN_ENTRY },
		{ PRODUCT_VALKEY, 8, 1, KEY_IN_OBJECT },
	};
	enum key_place place = KEY_ALONE;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (server_is(release, rows[i].product, rows[i].major, rows[i].minor))
			place = rows[i].place;
	return place;
}

bool knowledge_usage_rounds_key(const struct server_release *release)
{
	return release->major >= 7; /* objectComputeSize() and its callers, src/object.c */
}

/* --- what structures take ------------------------------------------------------- */

/* The oldest of a product comes first. */
static const struct server_structures structure_rows[] = {
	{ .name = "redis-7.0",
	  .since = { PRODUCT_REDIS, 7, 0 },
	  .table = 56,
	  .rax = 24,
	  .group = 40,
	  .consumer = 24,
	  .text_max = 44 },
	{ .name = "redis-7.2",
	  .since = { PRODUCT_REDIS, 7, 2 },
	  .table = 56,
	  .rax = 24,
	  .group = 40,
	  .consumer = 32,
	  .text_max = 44,
	  .bare_members = true,
	  .small_lists = true,
	  .small_sets = true },
	{ .name = "redis-8",
	  .since = { PRODUCT_REDIS, 8, 0 },
	  .table = 56,
	  .rax = 24,
	  .group = 40,
	  .consumer = 32,
	  .text_max = 44,
	  .bare_members = true,
	  .small_lists = true,
	  .small_sets = true },
	{ .name = "valkey-7.2",
	  .since = { PRODUCT_VALKEY, 7, 2 },
	  .table = 56,
	  .rax = 24,
	  .group = 40,
	  .consumer = 32,
	  .text_max = 44,
	  .bare_members = true,
	  .small_lists = true,
	  .small_sets = true },
	{ .name = "valkey-8.0",
	  .since = { PRODUCT_VALKEY, 8, 0 },
	  .table = 56,
	  .rax = 24,
	  .group = 40,
	  .consumer = 32,
	  .text_max = 44,
	  .bare_members = true,
	  .usage_knows_bare = true,
	  .small_lists = true,
	  .small_sets = true },
	{ .name = "valkey-8.1",
	  .since = { PRODUCT_VALKEY, 8, 1 },
	  .table = 72,
	  .rax = 32,
	  .group = 40,
	  .consumer = 32,
	  .text_max = 64,
	  .buckets = true,
	  .entry_max = 128,
	  .usage_misses_key = true,
	  .usage_knows_trees = true,
	  .small_lists = true,
	  .small_sets = true },
	{ .name = "valkey-9",
	  .since = { PRODUCT_VALKEY, 9, 0 },
	  .table = 80,
	  .rax = 32,
	  .group = 40,
	  .consumer = 32,
	  .text_max = 128,
	  .pointer_reused = true,
	  .buckets = true,
	  .entry_max = 128,
	  .member_in_node = true,
	  .usage_knows_trees = true,
	  .small_lists = true,
	  .small_sets = true },
};

const struct server_structures *knowledge_structures_at(size_t i)
{
	return i < sizeof(structure_rows) / sizeof(structure_rows[0]) ? &structure_rows[i] : NULL;
}

const struct server_structures *knowledge_structures(const struct server_release *release)
{
	const struct server_structures *row, *found = NULL;

	for (size_t i = 0; (row = knowledge_structures_at(i)); i++) {
		if (row->since.product != release->product)
			continue;
		if (!found ||
		    server_is(release, row->since.product, row->since.major, row->since.minor))
			found = row;
	}
	return found;
}

/* --- INFO ------------------------------------------------------------------------- */

const char *knowledge_loop_counter(size_t i)
{
	/* eventloop_cycles since Redis 7.2. Before, the count of replies written, which is done
	 * once an iteration, before the loop sleeps. */
	static const char *const fields[] = { "eventloop_cycles", "total_writes_processed" };

	return i < sizeof(fields) / sizeof(fields[0]) ? fields[i] : NULL;
}

/* --- functions ----------------------------------------------------------- */

/*
 * The servers' functions by role, with their names in each generation.
 * A build has those that its version knows and its compiler left: static functions of a
 * stripped program have no name, so for each work some exported function is here that is
 * on the stack while it is done.
 */

/* Names as in Redis 5 to 8 and Valkey to 9.1. */
static const struct known_function functions[] = {
	{ "activeExpireCycle", FRAME_EXPIRY },
	{ "activeExpireCycleTryExpire", FRAME_EXPIRY },
	{ "expireSlaveKeys", FRAME_EXPIRY },
	{ "expireReplicaKeys", FRAME_EXPIRY },
	{ "deleteExpiredKeyAndPropagate", FRAME_EXPIRY },
	{ "deleteExpiredKeyAndPropagateWithDictIndex", FRAME_EXPIRY },
	{ "deleteExpiredKeyFromOverwriteAndPropagate", FRAME_EXPIRY },
	{ "expireScanCallback", FRAME_EXPIRY },
	{ "fieldExpireScanCallback", FRAME_EXPIRY },
	{ "hashTypeDeleteExpiredFields", FRAME_EXPIRY },
	{ "performEvictions", FRAME_EVICTION },
	{ "freeMemoryIfNeeded", FRAME_EVICTION },
	{ "activeDefragCycle", FRAME_DEFRAG },
	{ "defragScanCallback", FRAME_DEFRAG },
	{ "activeDefragAlloc", FRAME_DEFRAG },
	/* What it calls, between that and the scan: nearer than what an expiry has left there. */
	{ "activeDefragSds", FRAME_DEFRAG },
	{ "activeDefragStringOb", FRAME_DEFRAG },
	{ "activeDefragSdsDict", FRAME_DEFRAG },
	{ "activeDefragHfieldDict", FRAME_DEFRAG },
	{ "activeDefragZsetEntry", FRAME_DEFRAG },
	{ "defragDictBucketCallback", FRAME_DEFRAG },
	{ "defragKey", FRAME_DEFRAG },
	{ "defragLaterItem", FRAME_DEFRAG },
	{ "defragLaterStep", FRAME_DEFRAG },
	{ "dictDefragTables", FRAME_DEFRAG },
	{ "zslDefrag", FRAME_DEFRAG },
	{ "je_get_defrag_hint", FRAME_DEFRAG },
	{ "dictScanDefrag", FRAME_DEFRAG },
	{ "hashtableScanDefrag", FRAME_DEFRAG },
	{ "kvstoreHashtableScanDefrag", FRAME_DEFRAG },
	{ "defragWhileBlocked", FRAME_DEFRAG },
	{ "dictRehash", FRAME_REHASH },
	{ "dictRehashMilliseconds", FRAME_REHASH },
	{ "dictRehashMicroseconds", FRAME_REHASH },
	{ "_dictExpand", FRAME_TABLE_GROWTH },
	{ "dictExpand", FRAME_TABLE_GROWTH },
	{ "dictTryExpand", FRAME_TABLE_GROWTH },
	{ "hashtableRehashMicroseconds", FRAME_REHASH },
	{ "kvstoreIncrementallyRehash", FRAME_REHASH },
	{ "hashtableExpand", FRAME_TABLE_GROWTH },
	{ "hashtableTryExpand", FRAME_TABLE_GROWTH },

	{ "zfree", FRAME_FREE },
	{ "valkey_free", FRAME_FREE },
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
	{ "raxFree", FRAME_FREE },
	{ "raxFreeWithCallback", FRAME_FREE },
	{ "freeClientMultiState", FRAME_FREE },
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
	{ "addWritePreparedReplyBulkCBuffer", FRAME_REPLY },
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
	{ "keysScanCallback", FRAME_WALK },
	{ "rdbLoadRio", FRAME_LOAD },
	{ "loadDataFromDisk", FRAME_LOAD },
	{ "loadAppendOnlyFiles", FRAME_LOAD },
	{ "rdbSaveRio", FRAME_SAVE },
	{ "flushAppendOnlyFile", FRAME_AOF },
	{ "freeClient", FRAME_CLOSE },

	{ "scriptCall", FRAME_SCRIPT },
	{ "luaCallFunction", FRAME_SCRIPT },
	{ "scriptingEngineCallFunction", FRAME_SCRIPT },
	{ "evalGenericCommand", FRAME_SCRIPT },
	{ "evalCommand", FRAME_SCRIPT },
	{ "writeToClient", FRAME_SEND },
	{ "clientsCron", FRAME_CLIENTS_CRON },
	{ "replicationCron", FRAME_REPLICAS_CRON },
	{ "databasesCron", FRAME_KEYSPACE_CRON },
};

_Static_assert(sizeof(functions) / sizeof(functions[0]) <= KNOWN_FUNCTIONS_MAX, "room");

const struct known_function *knowledge_function(size_t i)
{
	return i < sizeof(functions) / sizeof(functions[0]) ? &functions[i] : NULL;
}

#define ROLE_NAMES 3

static const char *const roles[ROLES][ROLE_NAMES] = {
	/* The expiry cycle runs at each iteration of the event loop and leaves its traces on
	 * the stack; what it calls to delete a key (7.0) is there only when it does. Valkey
	 * 8.1 calls another one, and reclaims expired fields since 9.1. */
	[ROLE_EXPIRY] = { "deleteExpiredKeyAndPropagate",
			  "deleteExpiredKeyAndPropagateWithDictIndex" },
	[ROLE_EXPIRY_OLD] = { "expireScanCallback" /* Redis 8.0 */, "activeExpireCycle" },
	[ROLE_EVICTION] = { "performEvictions", "freeMemoryIfNeeded" /* before 6.2 */ },
	/* What moves an allocation; from Valkey 8.1 and Redis 8.0 on the cycle that calls it
	 * is made of static functions. */
	[ROLE_DEFRAG] = { "activeDefragAlloc", "activeDefragCycle" },
	/* Compilers end the first one with a jump to zfree(), and put it into its callers. */
	[ROLE_FREE_QUEUED] = { "freeClientMultiState", "discardTransaction", "execCommand" },
	/* Before 7.2 also a node of a list for each client that is written to. */
	[ROLE_REPLY] = { "handleClientsWithPendingWrites", "writeToClient", "_writevToClient" },
	[ROLE_PROCESS_COMMAND] = { "processCommand" },
	[ROLE_CALL] = { "call" },
	[ROLE_AFTER_COMMAND] = { "afterCommand" /* 7.2 */ },
	[ROLE_ECHO] = { "echoCommand" },
	[ROLE_HELLO] = { "helloCommand" /* 6.0 */ },
};

const char *knowledge_role_name(enum function_role role, size_t i)
{
	return i < ROLE_NAMES ? roles[role][i] : NULL;
}
