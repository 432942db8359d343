/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A dump of Redis (RDB 1 to 15) or Valkey (to 80), read as a stream: bytes in, events out,
 * in the memory of the string being read. Strings over RDB_HELD_MAX are told of and passed
 * over, never held. Pure: whoever has the bytes gives them.
 *
 *	struct rdb *rdb = rdb_new(&sink);
 *	do {
 *		room = rdb_room(rdb, &size);
 *		n = ...at most size bytes into room, 0 = there are no more
 *		ret = n ? rdb_take(rdb, n, &err) : rdb_close(rdb, &err);
 *	} while (!ret && n);
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "record/record.h"

#define RDB_HELD_MAX ((size_t)64 << 20)

enum rdb_type {
	RDB_STRING,
	RDB_LIST,
	RDB_SET,
	RDB_ZSET,
	RDB_HASH,
	RDB_STREAM,
	RDB_MODULE,
	RDB_ARRAY, /* of Redis 8.8 */
	RDB_TYPES
};

/* What a string or number is. */
enum rdb_part {
	PART_NONE,
	PART_AUX_NAME,
	PART_AUX_VALUE,
	PART_DB,
	PART_MAIN_SIZE, /* of the database's tables, keys and expiry times */
	PART_EXPIRES_SIZE,
	PART_SLOT, /* then the two sizes, too */
	PART_EXPIRE_MS,
	PART_EXPIRE_SECONDS,
	PART_IDLE,
	PART_FREQ,
	PART_FUNCTION,
	PART_MODULE_AUX, /* the id of the module's type */
	PART_KEY,

	/* Within a value. Counts come before what they count. */
	PART_VALUE, /* of a string */
	PART_MEMBERS, /* count */
	PART_MEMBER, /* of a list, set or sorted set */
	PART_SCORE,
	PART_FIELD,
	PART_FIELD_VALUE,
	PART_FIELD_EXPIRY, /* before the field (Redis; 0 = none) or behind the value (Valkey) */
	PART_EXPIRY_BASE, /* of the fields of one hash */
	PART_NODES, /* count: of a list or stream */
	PART_CONTAINER, /* of a list's node: 1 = one plain string, 2 = listpack */
	PART_NODE, /* of a list: as its container says */
	PART_NODE_ID, /* of a stream */
	PART_ZIPLIST,
	PART_ZIPMAP,
	PART_INTSET,
	PART_LISTPACK,
	PART_LISTPACK_EXPIRY, /* field, value, time of expiry */
	PART_STREAM_LISTPACK,
	PART_STREAM_LENGTH, /* entries */
	PART_GROUPS, /* count */
	PART_GROUP,
	PART_PENDING, /* count, of a group */
	PART_CONSUMERS, /* count */
	PART_CONSUMER,
	PART_CONSUMER_PENDING, /* count, of a consumer */
	PART_MODULE_ID,
	PART_MODULE_DATA,

	/* Of streams; ids are two numbers. */
	PART_LAST_MS, /* the last id; behind PART_GROUP, the last one delivered to it */
	PART_LAST_SEQ,
	PART_DELETED_MS, /* the highest one deleted */
	PART_DELETED_SEQ,
	PART_ADDED, /* entries, ever */
	PART_ENTRIES_READ, /* of a group; UINT64_MAX = the server does not know */
	PART_ENTRY_MS, /* one that is pending: of a group, behind PART_CONSUMER of that */
	PART_ENTRY_SEQ,
	PART_DELIVERED_MS, /* when last, since 1970 */
	PART_DELIVERIES,
	PART_SEEN_MS, /* of a consumer, since 1970 */
	PART_ACTIVE_MS, /* likewise; UINT64_MAX = never */

	/* Names that many hashes share (Redis 8.10), before the hashes that have only values. */
	PART_TEMPLATE, /* number, by which hashes name it */
	PART_TEMPLATE_FIELDS, /* count */
	PART_TEMPLATE_FIELD,
	PART_TEMPLATE_LISTPACK, /* of a hash: the template's number, values */
	PART_TEMPLATE_VALUES, /* count */
	PART_TEMPLATE_VALUE,
};

/* How a string stands in the dump. */
enum rdb_text_form { TEXT_PLAIN, TEXT_NUMBER, TEXT_COMPRESSED };

struct rdb_text {
	const char *data; /* NULL where it was not held, or not expanded because nobody needs it */
	size_t len; /* as the server has it; of a number its digits */
	size_t stored; /* bytes in the dump, with its length */
	enum rdb_text_form form;
	int64_t number;
};

struct rdb_key {
	struct bytes name; /* empty when it is longer than RDB_HELD_MAX */
	size_t name_len;
	enum rdb_type type;
	uint8_t number; /* of the type, as the dump has it */
	int64_t db;
	int64_t expire_ms; /* since 1970; RECORD_UNKNOWN = none */
	int64_t idle_seconds, freq; /* RECORD_UNKNOWN = not told */
	int64_t slot; /* RECORD_UNKNOWN = not told */
	/* at RDB_KEY_END */
	int64_t stored; /* bytes in the dump */
	int64_t saved; /* bytes by which LZF shortened its strings there */
	int64_t groups, consumers, pending; /* of a stream, over its groups */
};

enum rdb_event_kind {
	RDB_BEGIN, /* number: the version; valkey */
	RDB_AUX, /* name, text */
	RDB_NUMBER, /* role, number */
	RDB_TEXT, /* role, text */
	RDB_KEY, /* key: its value follows as numbers and texts */
	RDB_KEY_END, /* key */
	RDB_END, /* number: 1 = the checksum is right, 0 = the dump has none */
};

struct rdb_event {
	enum rdb_event_kind kind;
	enum rdb_part role;
	bool valkey;
	uint64_t number;
	const char *name;
	const struct rdb_text *text;
	const struct rdb_key *key; /* from RDB_KEY to RDB_KEY_END */
};

/* What is pointed to is valid during the call. A negative errno ends the parsing; the sink
 * has set the error then. */
struct rdb_sink {
	int (*take)(void *ctx, const struct rdb_event *event, struct err *err);
	void *ctx;
};

struct rdb;

struct rdb *rdb_new(const struct rdb_sink *sink);
void rdb_free(struct rdb *rdb); /* may be NULL */
/* Where to put what comes next, at least one byte. */
void *rdb_room(struct rdb *rdb, size_t *size);
/*
 * @len bytes were put there. 0: go on; 1: the dump has ended; or a negative errno with @err:
 * the type or opcode and the offset. After both nothing more is taken.
 */
int rdb_take(struct rdb *rdb, size_t len, struct err *err);
/* There is no more: 0 when the dump had ended, or -ENODATA with @err. */
int rdb_close(struct rdb *rdb, struct err *err);
/* What stands behind a dump that has ended, of what was put in: an AOF goes on there. */
const void *rdb_rest(const struct rdb *rdb, size_t *len);
/* Bytes read and understood so far. */
int64_t rdb_offset(const struct rdb *rdb);
/* "string", ... as TYPE says it; "module" for those. */
const char *rdb_type_name(enum rdb_type type);
