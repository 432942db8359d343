/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The prefixes of a keyspace, found as its keys come by. A node is a segment with
 * the separator behind it; what looks like an identifier (prefix_segment()) is "*"
 * from the start. What only turns out to vary, such as names of users, is folded when
 * a node has too many children: the heavy ones stay, the rest becomes "*". So the
 * tree is bounded, and a prefix with its share of the keys is never lost: it is
 * heavy long before a node is full (the idea of Misra and Gries, 1982).
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/sum.h"
#include "model/keyspace.h"
#include "model/prefix.h"
#include "model/private.h"

#define BUCKETS	  65536
#define NODES_MAX 48000
#define FAN_MAX	  512 /* children of a node while keys come in... */
#define FAN_KEPT  128 /* ...and what is left when it is full */
#define STEM_MAX  12 /* "shard1" to "shard12" may be names; one more, and it is "shard*" */

struct prefix_sums {
	int64_t keys, bytes, bytes_max, no_ttl;
	struct useful useful;
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

struct prefix_tree {
	const char *separators;
	int depth;
	struct prefix_node **bucket;
	size_t nodes;
	struct prefix_node root; /* last: it ends in an empty text */
};

/* --- nodes ------------------------------------------------------------------- */

/* The first bytes of a text, at most eight; a shorter one's are all in it, in some order. */
static uint64_t word_of(const char *text, size_t len)
{
	uint64_t word = 0;
	uint32_t half[2];

	if (len >= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
	} else if (len >= sizeof(*half)) {
		memcpy(&half[0], text, sizeof(*half));
		memcpy(&half[1], text + len - sizeof(*half), sizeof(*half));
		word = (uint64_t)half[1] << 32 | half[0];
	} else {
		for (size_t i = 0; i < len; i++)
			word = word << 8 | (unsigned char)text[i];
	}
	return word;
}

static uint32_t hash_of(const struct prefix_node *parent, const char *text, size_t len)
{
	uint64_t h = (uintptr_t)parent ^ len;

	for (;;) {
		h = (h ^ word_of(text, len)) * 0x9e3779b97f4a7c15;
		h ^= h >> 32;
		if (len <= sizeof(h))
			return (uint32_t)h;
		text += sizeof(h);
		len -= sizeof(h);
	}
}

static struct prefix_node *find(const struct prefix_tree *tree, const struct prefix_node *parent,
				const char *text, size_t len)
{
	uint32_t hash = hash_of(parent, text, len);
	struct prefix_node *node = tree->bucket[hash % BUCKETS];

	while (node && (node->hash != hash || node->parent != parent || node->len != len ||
			memcmp(node->text, text, len) != 0))
		node = node->chain;
	return node;
}

static void attach(struct prefix_tree *tree, struct prefix_node *parent, struct prefix_node *node)
{
	struct prefix_node **bucket;

	node->hash = hash_of(parent, node->text, node->len);
	bucket = &tree->bucket[node->hash % BUCKETS];
	node->parent = parent;
	node->next = parent->first;
	parent->first = node;
	parent->children++;
	node->chain = *bucket;
	*bucket = node;
}

/* Out of the table; the list of siblings is the caller's. */
static void unhash(struct prefix_tree *tree, const struct prefix_node *node)
{
	struct prefix_node **at = &tree->bucket[node->hash % BUCKETS];

	while (*at != node)
		at = &(*at)->chain;
	*at = node->chain;
	node->parent->children--;
}

static struct prefix_node *child(struct prefix_tree *tree, struct prefix_node *parent,
				 const char *text, size_t len)
{
	struct prefix_node *node = find(tree, parent, text, len);

	if (node)
		return node;
	node = xcalloc(1, sizeof(*node) + len);
	memcpy(node->text, text, len);
	node->len = len;
	attach(tree, parent, node);
	tree->nodes++;
	return node;
}

static bool prefix_node_is_star(const struct prefix_node *node)
{
	return node->len && node->len <= 2 && node->text[0] == '*';
}

/* The "*" of @parent with the separator of @like. */
static struct prefix_node *prefix_node_star(struct prefix_tree *tree, struct prefix_node *parent,
					    const struct prefix_node *like)
{
	char text[2] = "*";
	char last = like->len ? like->text[like->len - 1] : 0;
	bool separated = prefix_is_separator(last, tree->separators);

	text[1] = last;
	return child(tree, parent, text, separated ? 2 : 1);
}

static void add_sums(struct prefix_sums *to, const struct prefix_sums *from)
{
	sum_add(&to->keys, from->keys);
	sum_add(&to->bytes, from->bytes);
	sum_add(&to->no_ttl, from->no_ttl);
	useful_merge(&to->useful, &from->useful);
	if (from->bytes_max > to->bytes_max)
		to->bytes_max = from->bytes_max;
}

/* Of the node and all below. */
static struct prefix_sums prefix_node_sums(const struct prefix_node *node)
{
	struct prefix_sums sums = node->own;

	for (const struct prefix_node *c = node->first; c; c = c->next) {
		struct prefix_sums below = prefix_node_sums(c);

		add_sums(&sums, &below);
	}
	return sums;
}

/* All of @from, which is in no list and no table any more, becomes part of @to. */
static void merge(struct prefix_tree *tree, struct prefix_node *to, struct prefix_node *from)
{
	struct prefix_node *c, *next;

	add_sums(&to->own, &from->own);
	for (c = from->first; c; c = next) {
		struct prefix_node *same = find(tree, to, c->text, c->len);

		next = c->next;
		unhash(tree, c);
		if (same)
			merge(tree, same, c);
		else
			attach(tree, to, c);
	}
	free(from);
	tree->nodes--;
}

/* The children for which @folds is true become part of the "*" beside them. */
static void prefix_node_fold(struct prefix_tree *tree, struct prefix_node *parent,
			     bool (*folds)(const struct prefix_node *child, void *ctx), void *ctx)
{
	struct prefix_node *list = parent->first, *folded = NULL, *next;

	parent->first = NULL;
	for (struct prefix_node *c = list; c; c = next) {
		struct prefix_node **to = folds(c, ctx) ? &folded : &parent->first;

		next = c->next;
		c->next = *to;
		*to = c;
	}
	for (struct prefix_node *c = folded; c; c = next) {
		struct prefix_node *star = prefix_node_star(tree, parent, c);

		next = c->next;
		star->turned = true;
		unhash(tree, c);
		merge(tree, star, c);
	}
}

/* All children of @node, whatever they are, become part of the "*" beside it with their
 * separator; @node goes. */
static void prefix_node_absorb(struct prefix_tree *tree, struct prefix_node *node)
{
	struct prefix_node *parent = node->parent, *list = node->first, *next;
	struct prefix_node **at = &parent->first;

	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	node->first = NULL;
	/* Out of the table before its children are moved: one may make the same "*-" anew. */
	unhash(tree, node);
	for (struct prefix_node *c = list; c; c = next) {
		struct prefix_node *star;

		next = c->next;
		unhash(tree, c);
		star = prefix_node_star(tree, parent, c);
		star->turned = true;
		merge(tree, star, c);
	}
	/* A key that ends in the separator ends in the identifier. */
	merge(tree, child(tree, parent, "*", 1), node);
}

/* --- the bounds ------------------------------------------------------------------ */

static bool is_light(const struct prefix_node *node, void *ctx)
{
	const int64_t *least = ctx;

	return !prefix_node_is_star(node) && prefix_node_sums(node).keys < *least;
}

static int rising(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

/* A full node keeps its FAN_KEPT heaviest children. */
static void prune_node(struct prefix_tree *tree, struct prefix_node *node)
{
	int64_t *keys = xcalloc(node->children, sizeof(*keys));
	size_t count = 0;
	int64_t least;

	for (const struct prefix_node *c = node->first; c; c = c->next)
		keys[count++] = prefix_node_sums(c).keys;
	qsort(keys, count, sizeof(*keys), rising);
	/* One more than the heaviest that goes: of equals all go. */
	least = keys[count - FAN_KEPT] + 1;
	free(keys);
	prefix_node_fold(tree, node, is_light, &least);
}

static void prune_below(struct prefix_tree *tree, struct prefix_node *node, int64_t least)
{
	prefix_node_fold(tree, node, is_light, &least);
	for (struct prefix_node *c = node->first; c; c = c->next)
		prune_below(tree, c, least);
}

/* A tree that is full loses what is rare everywhere. */
static void prune_tree(struct prefix_tree *tree)
{
	for (int64_t least = 2; tree->nodes > NODES_MAX / 2 && least < INT64_MAX / 2; least *= 2)
		prune_below(tree, &tree->root, least);
}

/* --- adding keys ------------------------------------------------------------------ */

struct stem {
	const struct prefix_tree *tree;
	const char *text; /* "shard*:" */
	size_t len, name;
};

static bool has_stem(const struct prefix_node *node, void *ctx)
{
	const struct stem *stem = ctx;
	size_t name = node->name;

	return !node->stem && name && name == stem->name && name < node->len &&
	       !memcmp(node->text, stem->text, name) &&
	       (node->text[node->len - 1] == stem->text[stem->len - 1] ||
		stem->text[stem->len - 1] == '*');
}

/* All "shard1:", "shard2:", ... of @parent become "shard*:". */
static void prefix_node_fold_stem(struct prefix_tree *tree, struct prefix_node *parent,
				  struct prefix_node *node)
{
	struct stem stem = { tree, node->text, node->len, node->name };
	struct prefix_node **at = &parent->first, *c;

	node->folded = true;
	while ((c = *at)) {
		if (c == node || !has_stem(c, &stem)) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		unhash(tree, c);
		merge(tree, node, c);
	}
}

/* A name with digits behind it: a name of its own, until there are too many like it. */
static struct prefix_node *numbered(struct prefix_tree *tree, struct prefix_node *parent,
				    const char *text, size_t len, size_t name, bool separated)
{
	char star[PREFIX_MAX + 2];
	struct prefix_node *stem, *node;
	size_t star_len = name;

	memcpy(star, text, name);
	star[star_len++] = '*';
	if (separated)
		star[star_len++] = text[len - 1];
	stem = child(tree, parent, star, star_len);
	stem->stem = true;
	stem->name = name;
	if (stem->folded)
		return stem;
	node = find(tree, parent, text, len);
	if (node)
		return node;
	if (++stem->variants > STEM_MAX) {
		prefix_node_fold_stem(tree, parent, stem);
		return stem;
	}
	node = child(tree, parent, text, len);
	node->name = name;
	return node;
}

/* One step down for the segment at @text; @used bytes of it. */
static struct prefix_node *descend(struct prefix_tree *tree, struct prefix_node *node,
				   const char *text, size_t len, size_t *used)
{
	struct prefix_segment segment = { 0 };
	bool separated;

	if (!prefix_is_separator(text[0], tree->separators))
		segment = prefix_segment(text, len, tree->separators);
	separated = segment.used < len;
	*used = segment.used + separated;
	if (segment.varies) {
		char star[2] = { '*', separated ? text[segment.used] : 0 };

		return child(tree, node, star, 1 + separated);
	}
	if (segment.name && segment.name < segment.used)
		return numbered(tree, node, text, *used, segment.name, separated);
	return child(tree, node, text, *used);
}

void prefix_tree_add(struct prefix_tree *tree, const struct record_key *key,
		     const struct useful *useful)
{
	struct prefix_sums one = { .keys = 1, .no_ttl = key->ttl_seconds == -1, .useful = *useful };
	struct prefix_node *node = &tree->root;
	const char *text = key->key.data;
	size_t at = 0, used = 0;

	for (int level = 0; at < key->key.len; level++, at += used) {
		if (at >= PREFIX_MAX - 2 || (tree->depth && level == tree->depth)) {
			node = child(tree, node, "*", 1);
			break;
		}
		/* No segment is longer than an identifier may be, so the sum stays in bounds. */
		node = descend(tree, node, text + at, key->key.len - at, &used);
		if (node->parent->children > FAN_MAX) {
			struct prefix_node *parent = node->parent;

			prune_node(tree, parent);
			node = descend(tree, parent, text + at, key->key.len - at, &used);
		}
	}
	if (key->bytes != RECORD_UNKNOWN)
		one.bytes = one.bytes_max = key->bytes;
	add_sums(&node->own, &one);
	if (tree->nodes > NODES_MAX)
		prune_tree(tree);
}

struct prefix_tree *prefix_tree_new(const char *separators, int depth)
{
	struct prefix_tree *tree = xcalloc(1, sizeof(*tree));

	tree->separators = separators;
	tree->depth = depth;
	tree->bucket = xcalloc(BUCKETS, sizeof(struct prefix_node *));
	return tree;
}

static void free_below(struct prefix_node *node)
{
	struct prefix_node *c, *next;

	for (c = node->first; c; c = next) {
		next = c->next;
		free_below(c);
		free(c);
	}
}

void prefix_tree_free(struct prefix_tree *tree)
{
	if (!tree)
		return;
	free_below(&tree->root);
	free(tree->bucket);
	free(tree);
}

/* --- reading it out ---------------------------------------------------------- */

/*
 * Reading the tree of prefixes out. First what turned out to vary is folded, from
 * the root down: many names with a key or two each are no names. Then the leaves are
 * the prefixes, and the nodes that branch are the tree.
 */

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
	row->keys_total = sums->keys;
	row->bytes = sums->bytes;
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
	size_t len = x->node->len < y->node->len ? x->node->len : y->node->len;
	int order;

	if (x->sums.bytes != y->sums.bytes)
		return x->sums.bytes < y->sums.bytes ? 1 : -1;
	order = memcmp(x->node->text, y->node->text, len);
	return order ? order : (x->node->len > y->node->len) - (x->node->len < y->node->len);
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
