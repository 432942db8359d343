/* SPDX-License-Identifier: BSD-2-Clause */
/* The nodes of a tree of prefixes: who adds keys (prefix_tree.c) and who reads the tree out
 * (prefix_rows.c) know them, and nobody else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/keyspace.h"
#include "model/prefix.h"
#include "model/useful.h"

struct prefix_sums {
	int64_t keys, bytes, bytes_max, no_ttl;
	struct useful useful;
	int64_t dump_bytes, saved_bytes;
	/* Part of @keys and @bytes, so that a prefix holds whichever of two passes it is in. */
	int64_t older_keys, older_bytes;
};

struct prefix_node {
	struct prefix_node *parent, *first, *next; /* first child, next sibling */
	struct prefix_node *chain; /* in its bucket */
	struct prefix_sums own; /* of keys that end here */
	size_t children;
	size_t name; /* bytes before the digits of "shard12:", 0 without */
	bool stem; /* "shard*:", which counts its variants... */
	bool folded; /* ...until it has taken them in */
	bool turned; /* a "*" that has taken in names */
	size_t variants;
	size_t len;
	uint32_t hash; /* of the text below this parent */
	char text[]; /* with the separator behind it */
};

/* How a key was found: what begins like it goes the same way. */
#define PREFIX_STEPS 12
struct prefix_path {
	uint64_t epoch; /* of the tree, whose nodes these are */
	size_t count;
	struct {
		struct prefix_node *node, *star; /* the "*" below it that ends a key; NULL */
		struct prefix_beginning begins; /* whose bytes are those of @text that lead to it */
	} step[PREFIX_STEPS];
	char text[PREFIX_MAX];
};

#define PREFIX_PATHS 64
struct prefix_tree {
	const char *separators;
	int depth;
	struct prefix_node **bucket;
	size_t nodes;
	uint64_t epoch; /* how often a node went */
	bool plain_separators; /* none that may stand in a UUID but '-' */
	struct prefix_path path[PREFIX_PATHS]; /* by the first bytes of the keys */
	struct prefix_node root; /* last: it ends in an empty text */
};

bool prefix_node_is_star(const struct prefix_node *node);
/* Of the node and all below. */
struct prefix_sums prefix_node_sums(const struct prefix_node *node);
/* The children for which @folds is true become part of the "*" beside them. */
void prefix_node_fold(struct prefix_tree *tree, struct prefix_node *parent,
		      bool (*folds)(const struct prefix_node *child, void *ctx), void *ctx);
/* All "shard1:", "shard2:", ... of @parent become "shard*:", which is @node. */
void prefix_node_fold_stem(struct prefix_tree *tree, struct prefix_node *parent,
			   struct prefix_node *node);
/* All children of @node, whatever they are, become part of the "*" beside it with their
 * separator; @node goes. */
void prefix_node_absorb(struct prefix_tree *tree, struct prefix_node *node);
