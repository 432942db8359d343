/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small collections in one string: listpack, ziplist, zipmap and intset, as a dump holds
 * them. Read entry by entry and never beyond the string, whatever its bytes say.
 * Sources: listpack.c, ziplist.c, zipmap.c and intset.c of the servers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum packed_kind { PACKED_LISTPACK, PACKED_ZIPLIST, PACKED_ZIPMAP, PACKED_INTSET };

struct packed {
	enum packed_kind kind;
	const uint8_t *at, *end;
	uint64_t read; /* entries so far */
	uint64_t declared; /* what its head says; UINT64_MAX = it does not say */
	int int_bytes; /* of one member of an intset */
	bool value_next; /* zipmap: after a field */
};

struct packed_entry {
	const void *data; /* NULL for a number */
	size_t len; /* as text, in decimal for a number */
	bool integer;
	int64_t value;
};

/* @data stays the caller's and must outlive the reading. -EINVAL when its head is wrong. */
int packed_open(struct packed *p, enum packed_kind kind, const void *data, size_t len);
/* 1 with @entry, 0 behind the last, -EINVAL when the bytes make no sense. */
int packed_next(struct packed *p, struct packed_entry *entry);

/* Head and end of a listpack, and what an entry takes in it. */
#define LISTPACK_HEAD 7
size_t listpack_entry_bytes(const struct packed_entry *entry);
/* Digits of @value, with its sign. */
size_t decimal_len(int64_t value);
/* Is the text of @len bytes a number as the servers write it, with no zero or plus in front? */
bool decimal_parse(const void *text, size_t len, int64_t *value);
