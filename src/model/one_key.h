/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One key at length (redmem key): what the server said of it before and after a watch, the
 * elements that were looked at, and who was seen at it meanwhile. Fed by records; pure data.
 */
#pragma once

#include "model/account.h"
#include "record/record.h"

#define ONE_KEY_ELEMENTS 1024
#define ONE_KEY_GROUPS	 128
#define ONE_KEY_USERS	 16 /* commands */

/* A command that was seen at work on exactly this key. */
struct one_key_user {
	const char *command; /* interned; "eval" also for what a script does */
	struct charge charge;
};

/* How some numbers spread; count 0 = there are none, and the rest is NAN. */
struct spread {
	size_t count;
	double min, p50, p90, p99, max, mean;
};

struct one_key {
	struct record_one_key first, last; /* the same where it was asked once */
	bool asked_again;
	struct record_key_element *elements;
	size_t elements_count;
	struct record_key_group *groups;
	size_t groups_count;
	struct one_key_user users[ONE_KEY_USERS]; /* by CPU time and bytes, falling */
	size_t users_count;
};

struct model;

/* What a record says of the key, if it is of one; its strings are kept by the caller. */
void one_key_take(struct model *m, const struct record *record);
/* A row of the watch, where it is of this key. */
void one_key_take_profile(struct model *m, const struct record_profile *record);
/* Sort; what a sensor that was off could not see is unknown. @key may be NULL. */
void one_key_finish(struct one_key *key, bool no_cpu, bool no_faults, bool no_flow);
void one_key_free(struct one_key *key); /* may be NULL */

/* What is compared over the elements. */
enum element_number { ELEMENT_BYTES, ELEMENT_NAME_BYTES, ELEMENT_SCORE };
/* Of the elements at @place; NULL = of all. Unknown ones do not count. */
struct spread one_key_spread(const struct one_key *key, enum element_number number,
			     const char *place);
/* Elements more a second between the two looks; NAN without a second one. */
double one_key_growth(const struct one_key *key);
double one_key_bytes_growth(const struct one_key *key);
/*
 * Was it used between the two looks? By its idle time, which is kept in seconds, or its
 * elements. 1 yes, 0 no, -1 not known (one look, or an LFU policy and no change).
 */
int one_key_used(const struct one_key *key);
