/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which keys have grown and which have shrunk between two passes over a keyspace, in memory
 * that does not grow with the number of keys. The largest of each pass are kept. The first
 * pass is gone through once more, so that what was kept of the second finds its size there;
 * then whatever grew or shrank by at least as much as the smallest kept key takes is known
 * exactly, and only what changed by less may be missing. Pure data.
 */
#pragma once

#include "record/record.h"

struct keydiff_row {
	struct bytes key; /* its name; the keydiff's */
	int64_t db;
	char type[24]; /* in the newer pass, where it is there */
	int64_t before, after; /* bytes; RECORD_UNKNOWN = it is not there */
};

struct keydiff;

/* At most @limit keys of each pass are kept; at least one. */
struct keydiff *keydiff_new(size_t limit);
void keydiff_free(struct keydiff *diff); /* may be NULL */
/* Keys of the older pass, of the newer, and of the older again: all of one before the next. Keys
 * without known bytes are passed over. */
void keydiff_older(struct keydiff *diff, const struct record_key *key);
void keydiff_newer(struct keydiff *diff, const struct record_key *key);
void keydiff_older_again(struct keydiff *diff, const struct record_key *key);
/* Sort. Once, at the end. */
void keydiff_finish(struct keydiff *diff);
/* After keydiff_finish(): the keys that grew most, or shrank most, falling; *@count of them. */
const struct keydiff_row *const *keydiff_grown(const struct keydiff *diff, size_t *count);
const struct keydiff_row *const *keydiff_shrunk(const struct keydiff *diff, size_t *count);
/* No key that grew, or shrank, by at least so many bytes is missing; 0 = none at all is. */
int64_t keydiff_grown_exact_bytes(const struct keydiff *diff);
int64_t keydiff_shrunk_exact_bytes(const struct keydiff *diff);
/* After - before, where not being there is 0. */
int64_t keydiff_change(const struct keydiff_row *row);
