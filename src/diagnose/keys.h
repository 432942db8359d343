/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Judging keys: how big is big, what commands on one will cost, whether it was seen doing
 * harm, and the patterns of the users' guide that a pass over all of them has found.
 */
#pragma once

#include "model/keyspace.h"
#include "model/model.h"

/*
 * The users' guide (14.2, "Seuils problématiques"): strings 1 MB and 10 MB; lists,
 * sets, hashes and sorted sets 10,000 and 100,000 elements; streams 100,000 and
 * 1,000,000 entries. The guide counts elements alone, which makes a list of
 * 200,000 one-digit numbers (1 MB) look like trouble: here a collection is very
 * big only when its bytes, where known, are over 10 MB too. A collection whose
 * elements could not be counted goes by its bytes, as the guide's own script does.
 */
enum key_level key_level(const struct record_key *key);

/* What was seen of @key when it was looked at in the watch; NULL when nobody looked. */
const struct record_key *key_looked_at(const struct model *m, struct bytes key);
/* Does @command touch one value or element of a key, whatever else is in it ("set", "hget")? */
bool key_command_is_small(const char *command);
/* Is @key of a stream with very many entries that were handed out and not acknowledged, which
 * @command walks over? */
bool key_is_walked_pending(const char *command, const struct record_key *key);
/* @command on @key took long: is the key the reason? Yes when it is big, or gone (deleted by
 * the very command); not when it is there and small. One that nobody looked at is,
 * unless the command is small. */
bool key_is_to_blame(const struct model *m, const char *command, struct bytes key);

/* The same of one of @keys_total that @command had at once, in @seconds of work; that may be
 * unknown. Of those that are gone one had very many elements when there were few for the time. */
bool keys_are_to_blame(const struct model *m, const char *command, struct bytes key,
		       int64_t keys_total, double seconds);

/* Does the name say that the key is temporary: one of the words as a segment? Words
 * of the users' guide (pattern 5) and their usual relatives. A cache that may
 * evict any key needs no TTL on what it caches. */
bool key_temporary(const struct bytes *name, bool cache_may_evict);

/* --- what commands on it cost ------------------------------------------------------------ */

#define KEY_COSTS_MAX 4

struct key_cost {
	const char *command; /* "DEL", "HGETALL", ...: static */
	double seconds;
};

/* What work on data costs. */
struct key_speed {
	double access_seconds, copy_byte_seconds; /* host/sysmem.h, struct host_speed */
	double element_seconds; /* a look at one of the key's elements, as measured; NAN */
	bool lazy_del; /* DEL frees in the background, as UNLINK */
};

/* On the host a pass was made from, with the server's settings. */
struct key_speed key_speed_of(const struct model *m);

/*
 * The commands that matter for the type of @key, longest first; returns how many, 0 where
 * the host's speed or the key's size is not known. Derived: its elements (from the bytes
 * where they are not known) times what each costs; keys.c has the table. Within a factor of two
 * where the elements were counted, and a look at one was measured; within three else.
 */
size_t key_costs(const struct key_speed *speed, const struct record_key *key,
		 struct key_cost out[KEY_COSTS_MAX]);

/* --- seen doing harm --------------------------------------------------------------------- */

/* A command stalled the server on exactly this key. */
bool key_in_stalls(const struct model *m, const struct record_key *key);
/* Major faults were charged to its prefix (the sensors' keys are added up by prefix). */
bool key_in_faults(const struct model *m, const struct record_key *key);

/* --- how bytes are spread over keys ------------------------------------------------------- */

struct concentration {
	int64_t keys_total; /* looked at */
	double top_1_percent, top_20_percent; /* share of all their bytes the largest hold */
	enum basis basis; /* derived: of all keys, by a histogram; sampled: of keys drawn */
};

/* Of the pass over all keys where there was one, else of enough keys drawn at random; false
 * without. */
bool concentration_of(const struct model *m, struct concentration *out);

/* --- patterns ---------------------------------------------------------------------------- */

#define PATTERNS 7

struct pattern {
	const char *id; /* static: "big_string" */
	const char *title, *title_one; /* a few words, of many and of one; static */
	const char *type; /* of the keys; NULL: of any */
	const char *advice; /* the solution in one line, static */
	int64_t keys_total; /* 0 = not seen */
	int64_t very_big_total;
	int64_t bytes;
	const struct keyspace_top *top; /* where its keys are, among others; NULL */
};

/* Fill @out with all patterns of the pass that @m has, seen or not, in the guide's order. */
void patterns_find(const struct model *m, struct pattern out[PATTERNS]);
/* Does @key of pattern->top belong to it? */
bool pattern_has(const struct pattern *pattern, const struct keyspace_key *key);
/* The first key of it, NULL when none is listed. */
const struct keyspace_key *pattern_first(const struct pattern *pattern);
/* The one of that id; false when the pass met no key of it, or lists none. */
bool pattern_find(const struct model *m, const char *id, struct pattern *out);
/* Growth of a key between two looks, in bytes a second; NAN without a second look. */
double pattern_growth(const struct keyspace_key *key);
/* The long list that grew fastest between two looks of a pass, and by how many bytes a second;
 * NULL when none did. */
const struct record_key *key_growing_list(const struct model *m, double *bytes_per_second);
