/* SPDX-License-Identifier: BSD-2-Clause */
/* The grammar of a dump; see layout.h. */
#include "rdb/layout.h"

#include <stddef.h>

#define STRING(role)                        \
	{                                   \
		STEP_STRING, PART_##role, 0 \
	}
#define LENGTH(role)                        \
	{                                   \
		STEP_LENGTH, PART_##role, 0 \
	}
#define FIXED(role, bytes)                     \
	{                                      \
		STEP_FIXED, PART_##role, bytes \
	}
#define COUNT(role)                        \
	{                                  \
		STEP_COUNT, PART_##role, 0 \
	}
#define LOOP                            \
	{                               \
		STEP_LOOP, PART_NONE, 0 \
	}
#define END                            \
	{                              \
		STEP_END, PART_NONE, 0 \
	}

/* clang-format off */

/* --- opcodes -------------------------------------------------------------- */

static const struct step slot_import[] = { /* a job's name and ranges of slots */
	STRING(NONE), COUNT(NONE), LENGTH(NONE), LENGTH(NONE), LOOP, END,
};

static const struct step key_meta[] = { /* of the key that follows, by class: spec, value */
	COUNT(NONE), FIXED(NONE, 4), { STEP_MODULE, PART_NONE, 0 }, LOOP, END,
};

static const struct step template[] = {
	LENGTH(TEMPLATE), COUNT(TEMPLATE_FIELDS), STRING(TEMPLATE_FIELD), LOOP, END,
};

static const struct step slot_info[] = {
	LENGTH(SLOT), LENGTH(MAIN_SIZE), LENGTH(EXPIRES_SIZE), END,
};

static const struct step function[] = { STRING(FUNCTION), END };

static const struct step module_aux[] = { /* id; when, with the opcode of a number */
	LENGTH(MODULE_AUX), LENGTH(NONE), LENGTH(NONE), { STEP_MODULE, PART_NONE, 0 }, END,
};

static const struct step idle[] = { LENGTH(IDLE), END };
static const struct step freq[] = { FIXED(FREQ, 1), END };
static const struct step aux[] = { STRING(AUX_NAME), STRING(AUX_VALUE), END };
static const struct step sizes[] = { LENGTH(MAIN_SIZE), LENGTH(EXPIRES_SIZE), END };
static const struct step expire_ms[] = { FIXED(EXPIRE_MS, 8), END };
static const struct step expire_seconds[] = { FIXED(EXPIRE_SECONDS, 4), END };
static const struct step database[] = { LENGTH(DB), END };

/* --- values --------------------------------------------------------------- */

static const struct step string[] = { STRING(VALUE), END };
static const struct step members[] = { COUNT(MEMBERS), STRING(MEMBER), LOOP, END };

static const struct step zset_text[] = {
	COUNT(MEMBERS), STRING(MEMBER), { STEP_SCORE, PART_SCORE, 0 }, LOOP, END,
};

static const struct step zset_binary[] = {
	COUNT(MEMBERS), STRING(MEMBER), FIXED(SCORE, 8), LOOP, END,
};

static const struct step hash[] = {
	COUNT(MEMBERS), STRING(FIELD), STRING(FIELD_VALUE), LOOP, END,
};

/* Redis: times of expiry are relative to the earliest, which stands in front since 7.4.0. */
static const struct step hash_expiry_rc[] = {
	COUNT(MEMBERS), LENGTH(FIELD_EXPIRY), STRING(FIELD), STRING(FIELD_VALUE), LOOP, END,
};

static const struct step hash_expiry[] = {
	FIXED(EXPIRY_BASE, 8),
	COUNT(MEMBERS), LENGTH(FIELD_EXPIRY), STRING(FIELD), STRING(FIELD_VALUE), LOOP, END,
};

static const struct step hash_expiry_valkey[] = {
	COUNT(MEMBERS), STRING(FIELD), STRING(FIELD_VALUE), FIXED(FIELD_EXPIRY, 8), LOOP, END,
};

static const struct step zipmap[] = { STRING(ZIPMAP), END };
static const struct step ziplist[] = { STRING(ZIPLIST), END };
static const struct step intset[] = { STRING(INTSET), END };
static const struct step listpack[] = { STRING(LISTPACK), END };
static const struct step listpack_expiry_rc[] = { STRING(LISTPACK_EXPIRY), END };

static const struct step listpack_expiry[] = {
	FIXED(EXPIRY_BASE, 8), STRING(LISTPACK_EXPIRY), END,
};

static const struct step template_listpack[] = { STRING(TEMPLATE_LISTPACK), END };
static const struct step template_array[] = {
	{ STEP_TEMPLATE, PART_TEMPLATE_VALUES, 0 }, STRING(TEMPLATE_VALUE), LOOP, END,
};

static const struct step quicklist[] = { COUNT(NODES), STRING(ZIPLIST), LOOP, END };
static const struct step quicklist_2[] = {
	COUNT(NODES), LENGTH(CONTAINER), STRING(NODE), LOOP, END,
};

/* entries; the last id, and from the second version on the first id, the highest deleted id
 * and how many were ever added */
#define STREAM_NODES  COUNT(NODES), STRING(NODE_ID), STRING(STREAM_LISTPACK), LOOP
#define STREAM_ID     LENGTH(NONE), LENGTH(NONE)
#define LAST_ID       LENGTH(LAST_MS), LENGTH(LAST_SEQ)
#define STREAM_HEAD   LENGTH(STREAM_LENGTH), LAST_ID
#define STREAM_HEAD_2 \
	STREAM_HEAD, STREAM_ID, LENGTH(DELETED_MS), LENGTH(DELETED_SEQ), LENGTH(ADDED)
#define GROUP_HEAD    STRING(GROUP), LAST_ID
#define GROUP_HEAD_2  GROUP_HEAD, LENGTH(ENTRIES_READ)
#define ENTRY_ID      FIXED(ENTRY_MS, 8), FIXED(ENTRY_SEQ, 8)
#define GROUP_PENDING \
	COUNT(PENDING), ENTRY_ID, FIXED(DELIVERED_MS, 8), LENGTH(DELIVERIES), LOOP
#define OWNED         COUNT(CONSUMER_PENDING), ENTRY_ID, LOOP
#define EACH_CONSUMER COUNT(CONSUMERS), STRING(CONSUMER), FIXED(SEEN_MS, 8), OWNED, LOOP
#define EACH_CONSUMER_3 \
	COUNT(CONSUMERS), STRING(CONSUMER), FIXED(SEEN_MS, 8), FIXED(ACTIVE_MS, 8), OWNED, LOOP

static const struct step stream[] = {
	STREAM_NODES, STREAM_HEAD,
	COUNT(GROUPS), GROUP_HEAD, GROUP_PENDING, EACH_CONSUMER, LOOP, END,
};

static const struct step stream_2[] = {
	STREAM_NODES, STREAM_HEAD_2,
	COUNT(GROUPS), GROUP_HEAD_2, GROUP_PENDING, EACH_CONSUMER, LOOP, END,
};

static const struct step stream_3[] = {
	STREAM_NODES, STREAM_HEAD_2,
	COUNT(GROUPS), GROUP_HEAD_2, GROUP_PENDING, EACH_CONSUMER_3, LOOP, END,
};

/* Producers and the ids they have used, each with its entry; how long and how many are kept in
 * front, how many there were behind. */
#define PRODUCERS \
	LENGTH(NONE), LENGTH(NONE), \
	COUNT(NONE), STRING(NONE), COUNT(NONE), STRING(NONE), STREAM_ID, LOOP, LOOP, \
	LENGTH(NONE), LENGTH(NONE)
#define REFUSED COUNT(NONE), FIXED(NONE, 16), LOOP

static const struct step stream_4[] = {
	STREAM_NODES, STREAM_HEAD_2,
	COUNT(GROUPS), GROUP_HEAD_2, GROUP_PENDING, EACH_CONSUMER_3, LOOP,
	PRODUCERS, END,
};

static const struct step stream_5[] = {
	STREAM_NODES, STREAM_HEAD_2,
	COUNT(GROUPS), GROUP_HEAD_2, GROUP_PENDING, EACH_CONSUMER_3,
	REFUSED, LOOP, PRODUCERS, END,
};

static const struct step array[] = { /* place and element */
	{ STEP_ARRAY, PART_MEMBERS, 0 }, LENGTH(NONE), { STEP_TAGGED, PART_NONE, 0 }, LOOP, END,
};

static const struct step module[] = {
	LENGTH(MODULE_ID), { STEP_MODULE, PART_MODULE_DATA, 0 }, END,
};

/* --- which is which ------------------------------------------------------- */

enum { ANY, REDIS, VALKEY }; /* by the magic */

static const struct opcode_row {
	uint8_t opcode, magic;
	const struct step *steps;
} opcodes[] = {
	{ 242, REDIS, template },
	{ 243, VALKEY, slot_import },
	{ 243, REDIS, key_meta },
	{ 244, ANY, slot_info },
	{ 245, ANY, function },
	{ 247, ANY, module_aux },
	{ 248, ANY, idle },
	{ 249, ANY, freq },
	{ 250, ANY, aux },
	{ 251, ANY, sizes },
	{ OPCODE_EXPIRE_MS, ANY, expire_ms },
	{ OPCODE_EXPIRE_SECONDS, ANY, expire_seconds },
	{ 254, ANY, database },
};

static const struct value_row {
	uint8_t number, magic;
	enum rdb_type type;
	const struct step *steps;
} values[] = {
	{ 0, ANY, RDB_STRING, string },
	{ 1, ANY, RDB_LIST, members },
	{ 2, ANY, RDB_SET, members },
	{ 3, ANY, RDB_ZSET, zset_text },
	{ 4, ANY, RDB_HASH, hash },
	{ 5, ANY, RDB_ZSET, zset_binary },
	{ 7, ANY, RDB_MODULE, module },
	{ 9, ANY, RDB_HASH, zipmap },
	{ 10, ANY, RDB_LIST, ziplist },
	{ 11, ANY, RDB_SET, intset },
	{ 12, ANY, RDB_ZSET, ziplist },
	{ 13, ANY, RDB_HASH, ziplist },
	{ 14, ANY, RDB_LIST, quicklist },
	{ 15, ANY, RDB_STREAM, stream },
	{ 16, ANY, RDB_HASH, listpack },
	{ 17, ANY, RDB_ZSET, listpack },
	{ 18, ANY, RDB_LIST, quicklist_2 },
	{ 19, ANY, RDB_STREAM, stream_2 },
	{ 20, ANY, RDB_SET, listpack },
	{ 21, ANY, RDB_STREAM, stream_3 },
	{ 22, REDIS, RDB_HASH, hash_expiry_rc },
	{ 22, VALKEY, RDB_HASH, hash_expiry_valkey },
	{ 23, REDIS, RDB_HASH, listpack_expiry_rc },
	{ 24, REDIS, RDB_HASH, hash_expiry },
	{ 25, REDIS, RDB_HASH, listpack_expiry },
	{ 26, REDIS, RDB_STREAM, stream_4 },
	{ 27, REDIS, RDB_STREAM, stream_5 },
	{ 28, REDIS, RDB_ARRAY, array },
	{ 30, REDIS, RDB_HASH, template_listpack },
	{ 32, REDIS, RDB_HASH, template_array },
};

/* clang-format on */

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

static bool fits(uint8_t magic, bool valkey)
{
	return magic == ANY || (magic == VALKEY) == valkey;
}

const struct step *layout_of_opcode(uint8_t opcode, bool valkey)
{
	for (size_t i = 0; i < ROWS(opcodes); i++)
		if (opcodes[i].opcode == opcode && fits(opcodes[i].magic, valkey))
			return opcodes[i].steps;
	return NULL;
}

const struct step *layout_of_value(uint8_t number, bool valkey, enum rdb_type *type)
{
	for (size_t i = 0; i < ROWS(values); i++) {
		if (values[i].number != number || !fits(values[i].magic, valkey))
			continue;
		*type = values[i].type;
		return values[i].steps;
	}
	return NULL;
}
