/* SPDX-License-Identifier: BSD-2-Clause */
/* What prefix_tree.c (adding keys) and prefix_rows.c (reading it out) share. */
#pragma once

#include "model/keyspace.h"
#include "model/prefix.h"

struct prefix_sums {
	int64_t keys, bytes, bytes_max, no_ttl;
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
	char text[]; /* with the separator behind it */
};

struct prefix_tree {
	const char *separators;
	int depth;
	struct prefix_node **bucket;
	size_t nodes;
	struct prefix_node root; /* last: it ends in an empty text */
};

bool prefix_node_is_star(const struct prefix_node *node);
/* Of the node and all below. */
struct prefix_sums prefix_node_sums(const struct prefix_node *node);
/* The "*" of @parent with the separator of @like. */
struct prefix_node *prefix_node_star(struct prefix_tree *tree, struct prefix_node *parent,
				     const struct prefix_node *like);
/* The children for which @folds is true become part of the "*" beside them. */
void prefix_node_fold(struct prefix_tree *tree, struct prefix_node *parent,
		      bool (*folds)(const struct prefix_node *child, void *ctx), void *ctx);
/* All children of @node, whatever they are, become part of the "*" beside it with their
 * separator; @node goes. */
void prefix_node_absorb(struct prefix_tree *tree, struct prefix_node *node);
/* The variants of @stem, a child of @parent, become part of it. */
void prefix_node_fold_stem(struct prefix_tree *tree, struct prefix_node *parent,
			   struct prefix_node *stem);
