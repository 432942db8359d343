/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The value of one key: its elements as a dump tells them (value.c), and at its end the encoding
 * that the server would have for them, and what that takes (encoding.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "rdb/limits.h"
#include "rdb/rdb.h"
#include "rdb/structures.h"

struct value {
	/* where it is loaded */
	const struct structures *structures;
	const struct packed_limits *limits;
	bool valkey; /* the dump, not the server */

	struct sizes parts; /* of its elements in a table, or its nodes */
	int64_t elements, largest, listpack_bytes; /* of a string: its bytes */
	int64_t nodes, node_fill, node_entries; /* of a list */
	int64_t field_len; /* of the field whose value comes next */
	int64_t value_len; /* and of that value, until all is known of them */
	int64_t expiring; /* fields */
	bool field_expires, field_whole, has_expiry, all_numbers, packed, unheld, templated;
	int64_t number_min, number_max;
	int64_t value_max; /* of what a listpack takes, for its type */
	int64_t before_long; /* elements before the first that no listpack takes; -1 = none yet */
	int64_t container;
	int64_t packed_bytes; /* of the one string that is the whole value */
	int64_t last_node_bytes, last_node_entries;
	const char *encoding; /* of a packed one; of any at its end. Static */
	bool number; /* the string is one */
	int64_t number_value;
};

/* Forget the one before. */
void value_begin(struct value *v, enum rdb_type type);
/* A number or a text within it. -EBADMSG with @err for a collection whose bytes make no sense. */
int value_take(struct value *v, const struct rdb_event *event, struct err *err);
/* What the key and the value take, which is no module's and no array. */
struct sizes value_end(struct value *v, const struct rdb_key *key);

/* --- of value.c, for encoding.c --- */

/* A node of a list is full. */
void value_end_node(struct value *v, int64_t bytes, int64_t entries);
bool value_fits_node(const struct value *v, int64_t bytes, int64_t entries);
/* All is known of a field. */
void value_end_field(struct value *v);
