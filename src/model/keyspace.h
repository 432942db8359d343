/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keyspace scan of a keyspace: what a pass over its keys adds up to. Fed one record_key
 * at a time, in memory that does not grow with the number of keys: sums, heaps of
 * the largest, histograms, and a tree of prefixes with a bound. Pure data.
 */
#pragma once

#include "base/hist.h"
#include "model/dumped.h"
#include "model/useful.h"
#include "record/record.h"

#define KEYSPACE_TYPES_MAX 24 /* six of the server's own, the rest of modules */
#define KEYSPACE_ENCODINGS 32
#define KEYSPACE_KEY_MAX   (128 * 1024) /* bytes of a key's name that are kept */

/* A key that is worth a line. */
struct keyspace_key {
	struct record_key key; /* its strings belong to the keyspace scan */
	bool cut; /* the name is longer than KEYSPACE_KEY_MAX */
	double seen_seconds; /* since the start of the pass */
	/* A second look, for keys that may grow; RECORD_UNKNOWN, NAN without one. */
	int64_t later_bytes;
	double later_seconds;
};

/* The keys with the largest weight, at most @limit; sorted, falling, by keyspace_finish(). */
struct keyspace_top {
	struct keyspace_key *keys;
	int64_t *weight;
	size_t count, limit;
};

enum key_level { KEY_NORMAL, KEY_BIG, KEY_VERY_BIG, KEY_LEVELS };

struct keyspace_type {
	char *type;
	int64_t keys_total;
	int64_t bytes;
	int64_t bytes_unknown_total; /* keys whose size is not known */
	int64_t elements_total; /* of the keys below */
	int64_t elements_known_total;
	int64_t level_total[KEY_LEVELS];
	int64_t level_bytes[KEY_LEVELS];
	struct useful useful;
	struct keyspace_top by_bytes, by_elements;
};

struct keyspace_encoding {
	char *type, *encoding;
	int64_t keys_total, bytes;
	struct useful useful;
	struct keyspace_key largest;
};

#define KEYSPACE_TTL_BUCKETS 9
struct keyspace_ttl {
	const char *id; /* "none", "1h", ...: static */
	const char *title;
	double below_seconds; /* upper bound; 0 for keys without expiry, INFINITY for the last */
	int64_t keys_total, bytes;
};

/* One family of keys. */
struct keyspace_prefix {
	char *prefix; /* "user:*:profile" */
	size_t prefix_len;
	int depth; /* segments above it in the tree's rows */
	int64_t keys_total, bytes, bytes_max, no_ttl_total;
	struct useful useful;
	int64_t dump_bytes, saved_bytes; /* of dumps: what it takes there, and LZF saved */
	int64_t older_keys_total, older_bytes; /* in the pass it is compared with, beside these */
};

struct keyspace_prefixes {
	struct keyspace_prefix *rows;
	size_t count;
};

struct keyspace_options {
	size_t top; /* keys kept in each list */
	int64_t min_bytes; /* of keys that are listed; 0 = all */
	const char *type; /* count only this type; NULL = all */
	const char *separators; /* NULL = PREFIX_SEPARATORS */
	int depth; /* segments of a prefix; 0 = all */
	bool slots; /* of keys of dumps: by a cluster's slot */
	/* How big a key is; the thresholds are not this room's business. */
	enum key_level (*level)(const struct record_key *key);
	/* Is its name one of temporary data? */
	bool (*temporary)(const struct bytes *name, bool cache_may_evict);
};

/* One database or node that was passed over. */
struct keyspace_part {
	char *node; /* cluster node id, "" */
	char *address;
	char *role;
	int64_t db;
	int64_t keys_total, bytes;
	int64_t dbsize; /* what the server said at the start; RECORD_UNKNOWN */
};

struct keyspace {
	struct keyspace_options options;
	int64_t keys_total, bytes, bytes_unknown_total, name_bytes, no_ttl_total;
	struct keyspace_type types[KEYSPACE_TYPES_MAX];
	size_t types_count;
	struct keyspace_encoding encodings[KEYSPACE_ENCODINGS];
	size_t encodings_count;
	struct keyspace_ttl ttl[KEYSPACE_TTL_BUCKETS];
	struct hist bytes_hist; /* of one key */
	struct keyspace_top top; /* by bytes */
	struct keyspace_top temporary; /* temporary by name, without expiry */
	int64_t temporary_total, temporary_no_ttl_total, temporary_no_ttl_bytes;
	int64_t temporary_hashes_total, temporary_hashes_bytes; /* of those without expiry */
	struct prefix_tree *tree;
	struct keyspace_prefixes prefixes; /* whole prefixes, by bytes, falling */
	struct keyspace_prefixes branches; /* the tree, parents before children */
	struct keyspace_part *parts;
	size_t parts_count;
	struct dumped dumped; /* of keys that come from dumps */
	int64_t older_keys_total, older_bytes; /* of keys of an older pass: in the prefixes alone */

	bool may_evict; /* the server evicts what is not used, also without expiry */

	/* How the pass went. */
	bool complete;
	char *end; /* "complete", "interrupted", "lost", "memory", "latency" */
	char *cursor; /* to go on from */
	bool no_touch, elements_asked;
	int64_t repeats_total, gone_total, refused_total, commands_total, hits_total, misses_total;
	int64_t inferred_total; /* keys whose type and encoding were not asked; RECORD_UNKNOWN */
	int64_t before_total, after_total, expired_total, hidden_total; /* as in record_pass */
	char *refused; /* the first refusal, "" */
	double seconds, rested_seconds;
	struct hist latency; /* nanoseconds */
	int64_t own_rss_bytes; /* redmem's largest */
	double own_cpu_seconds;
	/* What memory costs on this host (host/sysmem.h), for predictions; NAN. */
	double access_seconds, copy_byte_seconds;
};

struct keyspace *keyspace_new(const struct keyspace_options *options);
void keyspace_free(struct keyspace *keyspace); /* may be NULL */
/* Count one key, seen @t_seconds after the start, for the part begun last. */
void keyspace_take(struct keyspace *keyspace, const struct record_key *key, double t_seconds);
/* Begin a part; strings are copied. */
void keyspace_part_begin(struct keyspace *keyspace, const char *node, const char *address,
			 const char *role, int64_t db, int64_t dbsize);
/* The account of the pass; strings are copied. */
void keyspace_account(struct keyspace *keyspace, const struct record_pass *pass);
/* A later look at a key that is listed among its type's largest. */
void keyspace_take_later(struct keyspace *keyspace, const struct record_key *key, double t_seconds);
/* Sort, and read the tree out. Once, after the last key. */
void keyspace_finish(struct keyspace *keyspace);
/* The row of a type, NULL when no key has it. */
const struct keyspace_type *keyspace_find_type(const struct keyspace *keyspace, const char *type);

/* --- prefix_tree.c ----------------------------------------------------------- */
struct prefix_tree *prefix_tree_new(const char *separators, int depth);
void prefix_tree_free(struct prefix_tree *tree);
/* What many keys begin with, of whole segments, and what the keyspace has found out of it. */
struct prefix_beginning {
	size_t len;
	int temporary; /* is a word of temporary data in it? 1, 0; -1 = not asked */
};
/* What the key begins with; NULL = not kept. Valid until the next key. */
struct prefix_beginning *prefix_tree_add(struct prefix_tree *tree, const struct record_key *key,
					 const struct useful *useful);
/* Fold what varies, then list the leaves (by bytes) and the branches. */
void prefix_tree_finish(struct prefix_tree *tree, struct keyspace_prefixes *leaves,
			struct keyspace_prefixes *branches);
void keyspace_prefixes_free(struct keyspace_prefixes *prefixes);
