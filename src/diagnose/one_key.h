/* SPDX-License-Identifier: BSD-2-Clause */
/* Judging one key that was asked for at length: why it is encoded as it is, and what its
 * scores are. */
#pragma once

#include "base/buf.h"
#include "diagnose/keys.h"
#include "model/model.h"
#include "model/one_key.h"

/*
 * Append why the server keeps it as it does, in a sentence without an end: what it has against
 * the limits of the server's settings. Nothing where that is not known.
 */
void one_key_encoding_reason(struct buf *out, const struct model *m);

/* A setting that decides about an encoding, by the name this server has for it. */
struct encoding_limit {
	const char *name; /* static */
	int64_t value; /* RECORD_UNKNOWN */
};

/* How many elements, and how long one, a small encoding of @type may have; name NULL where
 * the type has no such limit. */
struct encoding_limit one_key_entries_limit(const struct model *m, const char *type);
struct encoding_limit one_key_value_limit(const struct model *m, const char *type);

/* Is a collection of @type compact only where all of it are integers (sets before 7.2)? */
bool one_key_only_integers(const struct model *m, const char *type);

/* Do the scores look like times? Seconds since 1970 of the smallest and largest. */
bool one_key_score_times(const struct one_key *key, double *first, double *last);
/* Was anybody looking at who uses it? @note: how much was looked at, or why not. */
bool one_key_users_known(struct buf *note, const struct model *m);
/* Was somebody seen at it, and only with commands that add to it? */
bool one_key_only_fed(const struct one_key *key);
/* The record as others judge it: record_key of the last look. */
struct record_key one_key_as_key(const struct one_key *key);
/* What work on its elements costs. */
struct key_speed one_key_speed(const struct model *m);
