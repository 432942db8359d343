/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From looks at the server to offsets: which word of its structs is which. Pure; the looks
 * are taken by calibrate.c at commands that redmem sent (those at commands of clients:
 * candidates.h). Why each rule is safe, and on which builds it was tried, is said at the rule.
 */
#pragma once

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/err.h"
#include "redmem/events.h"

/* One look, with what redmem had sent. */
struct look {
	const struct redmem_calibration *seen; /* NULL = this look could not be had */
	const char *command; /* "echo" */
	unsigned int argc;
};

struct looks {
	struct look plain; /* a command with 2 arguments */
	struct look longer; /* the same client, another number of arguments */
	struct look script; /* ECHO called by a script of the same client; optional */
	const __u8 *idle; /* the client while it waits, as many bytes as plain has */
	__u64 server_address;
	struct redmem_object_layout expected; /* what the tables say of this server */
};

/*
 * Work out @at. What cannot be found stays 0: without script looks the inner
 * command of scripts, without cmd the command table (names come from argv[0]).
 * -ENOENT with a reason when argv is not unique or current_client or argc not found.
 */
int offsets_solve(struct redmem_offsets *at, const struct looks *looks, struct err *err);

/*
 * The client's database: two of them, the first @word of the client that changed with
 * SELECT (offsets_changed_word()) pointing to @database while @number was selected. Sets
 * db and db_id where a number stands in both.
 */
#define DATABASE_BYTES 256
struct db_sighting {
	size_t word;
	__u8 database[DATABASE_BYTES];
	__u32 number;
};
void offsets_find_db(struct redmem_offsets *at, const struct db_sighting seen[2]);
/* The first pointer of the client, at @from or behind, that was one in database A, another
 * one in B and the first again back in A; 0 when there is none. */
size_t offsets_changed_word(const __u8 *before, const __u8 *there, const __u8 *back, size_t bytes,
			    size_t from);

/*
 * The word of the server struct that is a counter INFO tells: @seen holds, for each
 * copy of the struct (@bytes long), what INFO said just before and just after. Of
 * several words that fit every copy the leading one is it: 7.2 also keeps the value
 * the counter had when the event loop's round began (el_cmd_cnt_start).
 * Returns its offset, or -ENOENT when none fits or none leads.
 */
struct counter_sighting {
	const __u8 *server;
	__u64 before, after;
};
long offsets_find_counter(const struct counter_sighting *seen, size_t count, size_t bytes);

/* Words and ints of a copied struct of the server; the copy need not be aligned. */
static inline __u64 word_at(const __u8 *data, size_t offset)
{
	__u64 word;

	memcpy(&word, data + offset, sizeof(word));
	return word;
}

static inline __u32 int_at(const __u8 *data, size_t offset)
{
	__u32 value;

	memcpy(&value, data + offset, sizeof(value));
	return value;
}

/* Text of argv[0] behind @word, an object of @layout; "" when it is no string. */
const char *object_name(const struct redmem_object_layout *layout,
			const struct redmem_calibration_word *word);
