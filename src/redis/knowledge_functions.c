/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The servers' functions by role, with their names in each generation; see knowledge.h.
 * A build has those that its version knows and its compiler left: static functions of a
 * stripped program have no name, so for each work some exported function is here that is
 * on the stack while it is done.
 */
#include "redis/knowledge.h"

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
	[ROLE_EXPIRY_OLD] = { "activeExpireCycle" },
	[ROLE_EVICTION] = { "performEvictions", "freeMemoryIfNeeded" /* before 6.2 */ },
	/* What moves an allocation; from Valkey 8.1 and Redis 8.0 on the cycle that calls it
	 * is made of static functions. */
	[ROLE_DEFRAG] = { "activeDefragAlloc", "activeDefragCycle" },
	[ROLE_FREE_QUEUED] = { "freeClientMultiState", "discardTransaction" },
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
