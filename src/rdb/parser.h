/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser from within, for its three files: parser.c has what follows on what, atoms.c how
 * numbers and strings are written, events.c what of them goes to the sink, and what cannot be.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "rdb/crc64.h"
#include "rdb/layout.h"

#define LOOPS_MAX    4
#define AUX_NAME_MAX 64

/* What an atom came to; a negative errno is an error. */
enum { MORE = 0, DONE = 1 };

struct loop {
	const struct step *start;
	uint64_t left;
};

struct rdb {
	struct rdb_sink sink;
	struct err *err; /* of the call */
	/* the window: [at, have) is not parsed, [summed, at) not in the checksum */
	uint8_t *window;
	size_t size, at, have, summed;
	int64_t base; /* offset of the window in the dump */
	size_t want; /* bytes from @at without which it does not go on */
	uint64_t skip; /* bytes of a string that is not held */
	/* where in the grammar */
	const struct step *step; /* NULL between items */
	struct loop loops[LOOPS_MAX];
	int depth;
	uint64_t module_opcode; /* whose value comes next; 0 = an opcode comes */
	enum { AT_HEADER, AT_ITEM, AT_KEY, AT_VALUE, AT_END } state;
	int64_t item; /* its offset */
	const struct step *value; /* of the key being read */
	const struct step *opcodes[256], *values[256];
	enum rdb_type types[256];
	uint32_t *templates; /* fields of each, 0 = there is none */
	size_t templates_size;
	uint64_t template; /* the one being read */
	int version;
	bool valkey;
	/* what was read */
	struct rdb_key key; /* its name lies in the window, or in @name */
	struct buf name;
	char aux_name[AUX_NAME_MAX];
	uint8_t *expanded;
	size_t expanded_size;
	char digits[24];
	uint64_t sum;
	struct crc64 crc;
};

/* Of what is parsed next, in the dump. */
static inline int64_t parser_offset(const struct rdb *r)
{
	return r->base + (int64_t)r->at;
}

/* Are @bytes there behind @from of the window's unparsed part? */
static inline bool there(struct rdb *r, size_t from, uint64_t bytes)
{
	if (r->have - r->at >= from && r->have - r->at - from >= bytes)
		return true;
	r->want = from + bytes;
	return false;
}

static inline uint64_t little_endian(const uint8_t *at, int bytes)
{
	uint64_t value = 0;

	for (int i = bytes; i--;)
		value = value << 8 | at[i];
	return value;
}

/* --- events.c: 0, or a negative errno of the sink or of what cannot be --- */

int parser_emit(struct rdb *r, const struct rdb_event *event);
int parser_emit_key(struct rdb *r, enum rdb_event_kind kind);
/* What the parser has to know it keeps. */
int parser_take_number(struct rdb *r, enum rdb_part role, uint64_t number);
int parser_take_text(struct rdb *r, enum rdb_part role, const struct rdb_text *text);
/* The name is wanted to the end of the value, and what it lies in is not that patient. */
void parser_hold_name(struct rdb *r);
/* Says where that is, and in which key. Returns @code. */
int parser_broken(struct rdb *r, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* --- atoms.c: they leave @at alone until they are whole. MORE, DONE or a negative errno --- */

int atom_length(struct rdb *r, uint64_t *value);
int atom_array_count(struct rdb *r, uint64_t *count);
int atom_template_count(struct rdb *r, uint64_t *count);
/* These are told of. */
int atom_number(struct rdb *r, enum rdb_part role);
int atom_string(struct rdb *r, enum rdb_part role);
int atom_fixed(struct rdb *r, enum rdb_part role, size_t bytes);
int atom_module(struct rdb *r, enum rdb_part role);
int atom_tagged(struct rdb *r, enum rdb_part role);
/* This one is passed over. */
int atom_score(struct rdb *r);
