/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The grammar of a dump, as tables: what follows each opcode and each type of value, one
 * step an atom. The parser (parser.c) runs them and can stop behind any step.
 * Source: rdb.h and rdb.c of Redis 2.0 to 8.0 and Valkey 7.2 to 9.1. What came with Redis 8.6
 * (RDB 13: streams that know their producers, what modules add to keys) and 8.8 (to 15: refused
 * entries of streams, arrays) is as keymeta.c and other readers of dumps have it, and so are the
 * hashes of 8.10 that share the names of their fields. Types 29 and 31 of those are DUMP's alone.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "rdb/rdb.h"

enum step_kind {
	STEP_END,
	STEP_STRING, /* a string in any encoding */
	STEP_LENGTH, /* a number in the encoding of lengths */
	STEP_FIXED, /* @bytes bytes, a number with the lowest first when they are at most 8 */
	STEP_SCORE, /* a number as text behind one byte of length: 253 to 255 have none */
	STEP_COUNT, /* how often what follows, to its STEP_LOOP, is there */
	STEP_ARRAY, /* the same, of an array: where it inserts stands behind the count */
	STEP_TEMPLATE, /* the same, as often as the template has fields whose number is there */
	STEP_LOOP,
	STEP_TAGGED, /* an array's element: a tag, and what it says */
	STEP_MODULE, /* what a module wrote: pairs of opcode and value up to an end */
};

struct step {
	enum step_kind kind;
	enum rdb_part role;
	uint8_t bytes;
};

/* NULL for what is not known; the magic decides what some of them mean. */
const struct step *layout_of_opcode(uint8_t opcode, bool valkey);
/* Likewise of a value, without its key; @type says what it is. */
const struct step *layout_of_value(uint8_t number, bool valkey, enum rdb_type *type);

#define OPCODE_EXPIRE_MS      252
#define OPCODE_EXPIRE_SECONDS 253
#define OPCODE_END	      255
