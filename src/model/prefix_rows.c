/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading the tree of prefixes out. First what turned out to vary is folded, from
 * the root down: many names with a key or two each are no names. Then the leaves are
 * the prefixes, and the nodes that branch are the tree.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/sum.h"
#include "model/keyspace.h"
#include "model/prefix_node.h"
#include "model/private.h"

#define RARE_KEYS    2 /* a name with no more keys is rare */
#define RARE_MIN     16 /* so many rare names under one node are identifiers */
#define STAR_KEYS    100 /* beside a "*" with so many keys a rare name is one of them */
#define FAN_SHOWN    64 /* above, the light ones go... */
#define LIGHT_SHARE  0.005 /* ...which hold less than this of their node */
#define HEAVY_SHARE  0.01 /* of all bytes: a key that stays whatever its name */
#define WHOLE_SHARE  0.1 /* of the keys of a node: identifiers without '-' and '_' */
#define TOKEN_SHARE  0.01 /* of the keys of a node of tokens: no name */
#define STEM_AVERAGE 8 /* keys of a variant; with fewer it is no name */

struct fold {
	struct prefix_tree *tree;
	int64_t heavy_bytes;
	struct prefix_sums node;
	int64_t rare; /* children with a key or two */
	size_t names; /* children that are no "*" */
	bool with_star;
};

static bool is_name(const struct prefix_node *node)
{
	return !prefix_node_is_star(node) && !node->stem;
}

static bool varies(const struct prefix_node *node, void *ctx)
{
	const struct fold *fold = ctx;
	struct prefix_sums sums;

	if (!is_name(node))
		return false;
	sums = prefix_node_sums(node);
	if (sums.bytes >= fold->heavy_bytes)
		return false;
	if (sums.keys <= RARE_KEYS && (fold->rare >= RARE_MIN || fold->with_star))
		return true;
	return fold->names > FAN_SHOWN &&
	       (double)sums.keys < LIGHT_SHARE * (double)fold->node.keys &&
	       (double)sums.bytes < LIGHT_SHARE * (double)fold->node.bytes;
}

/* The keys of the variants of a stem. */
static int64_t variant_keys(const struct prefix_node *parent, const struct prefix_node *stem)
{
	int64_t keys = 0;

	for (const struct prefix_node *c = parent->first; c; c = c->next)
		if (!c->stem && c->name == stem->name && !memcmp(c->text, stem->text, stem->name))
			keys += prefix_node_sums(c).keys;
	return keys;
}

static void fold_stems(struct prefix_tree *tree, struct prefix_node *node)
{
	struct prefix_node *c = node->first;

	while (c) {
		if (c->stem && !c->folded && c->variants > 1 &&
		    variant_keys(node, c) < STEM_AVERAGE * (int64_t)c->variants) {
			prefix_node_fold_stem(tree, node, c);
			c = node->first; /* the list has changed */
			continue;
		}
		c = c->next;
	}
}

/* "*-" or "*_" made of names */
static bool is_weak(const struct prefix_node *node)
{
	return node->turned && node->len == 2 && (node->text[1] == '-' || node->text[1] == '_');
}

/*
 * Tokens in base64url have '-' and '_' in some of them, at any place: no structure, but
 * part of the identifier. Such a separator stands after names that vary, has names that
 * vary behind it, and beside it are many identifiers without it.
 */
static struct prefix_node *weak_child(const struct prefix_node *node)
{
	struct prefix_node *weak = NULL;
	int64_t whole = 0;

	for (struct prefix_node *c = node->first; c; c = c->next) {
		if (is_weak(c) && c->children >= RARE_MIN)
			weak = c;
		else if (c->turned && !is_weak(c))
			whole += prefix_node_sums(c).keys;
	}
	return weak && (double)whole >= WHOLE_SHARE * (double)prefix_node_sums(node).keys ? weak :
											    NULL;
}

/* A token may begin with one, too. */
static bool is_separator_alone(const struct prefix_node *node)
{
	return node->len == 1 && (node->text[0] == '-' || node->text[0] == '_');
}

static bool is_token_part(const struct prefix_node *node, void *ctx)
{
	const struct fold *fold = ctx;

	return is_name(node) && !is_separator_alone(node) &&
	       (double)prefix_node_sums(node).keys < TOKEN_SHARE * (double)fold->node.keys;
}

static void absorb_weak(struct fold *fold, struct prefix_node *node)
{
	struct prefix_node *weak = weak_child(node);

	/* Once it is known that they are tokens, all their separators are. */
	if (weak)
		prefix_node_fold(fold->tree, node, is_token_part, fold);
	while (weak) {
		prefix_node_absorb(fold->tree, weak);
		weak = NULL;
		for (struct prefix_node *c = node->first; c && !weak; c = c->next)
			weak = is_weak(c) || is_separator_alone(c) ? c : NULL;
	}
}

static void fold_below(struct fold *fold, struct prefix_node *node)
{
	fold_stems(fold->tree, node);
	fold->node = prefix_node_sums(node);
	fold->rare = 0;
	fold->names = 0;
	fold->with_star = false;
	for (const struct prefix_node *c = node->first; c; c = c->next) {
		int64_t keys = prefix_node_sums(c).keys;

		fold->names += is_name(c);
		fold->rare += is_name(c) && keys <= RARE_KEYS;
		fold->with_star |= prefix_node_is_star(c) && keys >= STAR_KEYS;
	}
	prefix_node_fold(fold->tree, node, varies, fold);
	absorb_weak(fold, node);
	for (struct prefix_node *c = node->first; c; c = c->next)
		fold_below(fold, c);
}

/* --- rows ------------------------------------------------------------------------ */

static void add_row(struct keyspace_prefixes *rows, const struct buf *prefix,
		    const struct prefix_sums *sums, int depth)
{
	struct keyspace_prefix *row;

	rows->rows = array_grow(rows->rows, rows->count, sizeof(*row));
	row = &rows->rows[rows->count++];
	row->prefix = xmemdup(buf_str(prefix), prefix->len);
	row->prefix_len = prefix->len;
	row->depth = depth;
	row->keys_total = sum_less(sums->keys, sums->older_keys);
	row->bytes = sum_less(sums->bytes, sums->older_bytes);
	row->older_keys_total = sums->older_keys;
	row->older_bytes = sums->older_bytes;
	row->dump_bytes = sums->dump_bytes;
	row->saved_bytes = sums->saved_bytes;
	row->bytes_max = sums->bytes_max;
	row->no_ttl_total = sums->no_ttl;
	row->useful = sums->useful;
}

struct ranked {
	struct prefix_node *node;
	struct prefix_sums sums;
};

static int by_bytes(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->sums.bytes != y->sums.bytes)
		return x->sums.bytes < y->sums.bytes ? 1 : -1;
	return bytes_order((struct bytes){ x->node->text, x->node->len },
			   (struct bytes){ y->node->text, y->node->len });
}

/* The children that hold keys, heaviest first; to be freed. */
static struct ranked *rank(const struct prefix_node *node, size_t *count)
{
	struct ranked *list = xcalloc(node->children + 1, sizeof(*list));

	*count = 0;
	for (struct prefix_node *c = node->first; c; c = c->next) {
		struct prefix_sums sums = prefix_node_sums(c);

		if (sums.keys)
			list[(*count)++] = (struct ranked){ c, sums };
	}
	if (*count)
		qsort(list, *count, sizeof(*list), by_bytes);
	return list;
}

/* Keys that end at a node make a leaf. A node with one way to go on is no row of the
 * tree: it is part of the next one. */
static void list_below(const struct prefix_node *node, struct buf *prefix, int depth,
		       struct keyspace_prefixes *leaves, struct keyspace_prefixes *branches)
{
	size_t count, len = prefix->len;
	struct ranked *list = rank(node, &count);
	bool row = node->parent && count + (node->own.keys > 0) != 1;

	if (node->own.keys)
		add_row(leaves, prefix, &node->own, 0);
	if (row || node->own.keys) {
		struct prefix_sums sums = prefix_node_sums(node);

		/* What is below begins with it: "user:" and something. */
		if (count)
			buf_putc(prefix, '*');
		add_row(branches, prefix, &sums, depth++);
	}
	for (size_t i = 0; i < count; i++) {
		prefix->len = len;
		buf_add(prefix, list[i].node->text, list[i].node->len);
		list_below(list[i].node, prefix, depth, leaves, branches);
	}
	prefix->len = len;
	free(list);
}

static int rows_by_bytes(const void *a, const void *b)
{
	const struct keyspace_prefix *x = a, *y = b;

	if (x->bytes != y->bytes)
		return x->bytes < y->bytes ? 1 : -1;
	return strcmp(x->prefix, y->prefix);
}

void prefix_tree_finish(struct prefix_tree *tree, struct keyspace_prefixes *leaves,
			struct keyspace_prefixes *branches)
{
	struct prefix_sums all = prefix_node_sums(&tree->root);
	struct fold fold = { .tree = tree };
	struct buf prefix = { 0 };

	fold.heavy_bytes = (int64_t)(HEAVY_SHARE * (double)all.bytes) + 1;
	fold_below(&fold, &tree->root);
	list_below(&tree->root, &prefix, 0, leaves, branches);
	if (leaves->count)
		qsort(leaves->rows, leaves->count, sizeof(*leaves->rows), rows_by_bytes);
	buf_free(&prefix);
}

void keyspace_prefixes_free(struct keyspace_prefixes *prefixes)
{
	for (size_t i = 0; i < prefixes->count; i++)
		free(prefixes->rows[i].prefix);
	free(prefixes->rows);
	*prefixes = (struct keyspace_prefixes){ 0 };
}
