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
#include "model/prefix_node.h"

#define BUCKETS	  65536
#define NODES_MAX 48000
#define FAN_MAX	  512 /* children of a node while keys come in... */
#define FAN_KEPT  128 /* ...and what is left when it is full */
#define STEM_MAX  12 /* "shard1" to "shard12" may be names; one more, and it is "shard*" */

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

static bool is_text(const struct prefix_node *node, const char *text, size_t len)
{
	if (node->len != len)
		return false;
	return len > 8 ? !memcmp(node->text, text, len) :
			 word_of(node->text, len) == word_of(text, len);
}

static struct prefix_node *find(const struct prefix_tree *tree, const struct prefix_node *parent,
				const char *text, size_t len)
{
	uint32_t hash = hash_of(parent, text, len);
	struct prefix_node *node = tree->bucket[hash % BUCKETS];

	while (node && (node->hash != hash || node->parent != parent || !is_text(node, text, len)))
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

bool prefix_node_is_star(const struct prefix_node *node)
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
	sum_add(&to->dump_bytes, from->dump_bytes);
	sum_add(&to->saved_bytes, from->saved_bytes);
	sum_add(&to->older_keys, from->older_keys);
	sum_add(&to->older_bytes, from->older_bytes);
	sum_add(&to->no_ttl, from->no_ttl);
	useful_merge(&to->useful, &from->useful);
	if (from->bytes_max > to->bytes_max)
		to->bytes_max = from->bytes_max;
}

struct prefix_sums prefix_node_sums(const struct prefix_node *node)
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
	tree->epoch++;
}

void prefix_node_fold(struct prefix_tree *tree, struct prefix_node *parent,
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

void prefix_node_absorb(struct prefix_tree *tree, struct prefix_node *node)
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

void prefix_node_fold_stem(struct prefix_tree *tree, struct prefix_node *parent,
			   struct prefix_node *node)
{
	struct stem stem = { tree, node->text, node->len, node->name };
	struct prefix_node **at = &parent->first, *c;

	node->folded = true;
	tree->epoch++;
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
				   const char *text, size_t len, bool has_at, size_t *used)
{
	struct prefix_segment segment = { 0 };
	bool separated;

	if (!prefix_is_separator(text[0], tree->separators))
		segment = prefix_segment(text, len, tree->separators, has_at);
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

/* --- paths ------------------------------------------------------------------------ */

/*
 * Keys come in any order, but their families are few: the last key with the same first bytes
 * mostly went the same way, up to the first segment that differs. What a segment is depends on
 * what stands behind its separator where it may begin a UUID or an e-mail address: paths are
 * not kept of those.
 */
static struct prefix_path *path_of(struct prefix_tree *tree, const struct bytes *key)
{
	struct prefix_path *path;
	uint64_t h;

	if (!tree->plain_separators || !key->len)
		return NULL;
	h = word_of(key->data, key->len < 8 ? key->len : 8) * 0x9e3779b97f4a7c15;
	path = &tree->path[(h >> 32) % PREFIX_PATHS];
	if (path->epoch != tree->epoch)
		path->count = 0;
	path->epoch = tree->epoch;
	return path;
}

/* Bytes of the key that the steps of the path lead through. */
static size_t path_end(const struct prefix_path *path)
{
	return path->count ? path->step[path->count - 1].begins.len : 0;
}

/* Cut the path where it leaves the key. */
static void path_follow(struct prefix_path *path, const struct bytes *key)
{
	size_t same = 0, end = path_end(path), count = 0;

	if (end > key->len)
		end = key->len;
	while (end - same >= 8 && !memcmp(path->text + same, key->data + same, 8))
		same += 8;
	while (same < end && path->text[same] == key->data[same])
		same++;
	if (path->count && same == path_end(path))
		return;
	while (count < path->count && path->step[count].begins.len <= same)
		count++;
	path->count = count;
}

/* The segment of @used bytes at @at led to @node. False: nobody goes on from here. */
static bool path_add(struct prefix_path *path, const struct bytes *key, size_t at, size_t used,
		     struct prefix_node *node)
{
	bool uuid = used == 9 && key->data[at + 8] == '-';

	if (path->count == PREFIX_STEPS || at + used > PREFIX_MAX || at + used == key->len || uuid)
		return false;
	memcpy(path->text + at, key->data + at, used);
	path->step[path->count].node = node;
	path->step[path->count].star = NULL;
	path->step[path->count++].begins = (struct prefix_beginning){ at + used, -1 };
	return true;
}

static bool is_plain(const char *separators)
{
	for (const char *c = separators ? separators : ""; *c; c++)
		if ((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'f') ||
		    (*c >= 'A' && *c <= 'F'))
			return false;
	return true;
}

static bool all_digits(struct bytes text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	return text.len;
}

/* --- all ---------------------------------------------------------------------------- */

static struct prefix_node *path_node(struct prefix_tree *tree, const struct prefix_path *path)
{
	return path->count ? path->step[path->count - 1].node : &tree->root;
}

/* The node of the key, from where @path has led; NULL = from the root. */
static struct prefix_node *walk(struct prefix_tree *tree, const struct bytes *key,
				struct prefix_path *path, bool has_at)
{
	struct prefix_node *node = path ? path_node(tree, path) : &tree->root;
	size_t at = path ? path_end(path) : 0, used = 0;

	for (int level = path ? (int)path->count : 0; at < key->len; level++, at += used) {
		const char *text = key->data + at;

		if (at >= PREFIX_MAX - 2 || (tree->depth && level == tree->depth))
			return child(tree, node, "*", 1);
		/* No segment is longer than an identifier may be, so the sum stays in bounds. */
		node = descend(tree, node, text, key->len - at, has_at, &used);
		if (node->parent->children > FAN_MAX) {
			struct prefix_node *parent = node->parent;

			prune_node(tree, parent);
			node = descend(tree, parent, text, key->len - at, has_at, &used);
		}
		if (path && !path_add(path, key, at, used, node))
			path = NULL;
	}
	return node;
}

/* Mostly a number is all that keys of a family differ in, and stands at their end. */
static struct prefix_node *walk_path(struct prefix_tree *tree, const struct bytes *key,
				     struct prefix_path *path)
{
	struct bytes rest = { key->data + path_end(path), key->len - path_end(path) };

	if (path->count && all_digits(rest)) {
		struct prefix_node **star = &path->step[path->count - 1].star;

		if (!*star)
			*star = walk(tree, key, path, false);
		return *star;
	}
	if (prefix_has_at(rest.data, rest.len))
		return walk(tree, key, NULL, true);
	return walk(tree, key, path, false);
}

/* Of a key's @path, which may be NULL. */
static struct prefix_beginning *beginning(const struct prefix_tree *tree, struct prefix_path *path)
{
	return path && path->count && !tree->separators ? &path->step[path->count - 1].begins :
							  NULL;
}

struct prefix_beginning *prefix_tree_add(struct prefix_tree *tree, const struct record_key *key,
					 const struct useful *useful)
{
	struct prefix_sums one = { .keys = 1, .no_ttl = key->ttl_seconds == -1, .useful = *useful };
	struct prefix_path *path = path_of(tree, &key->key);
	struct prefix_node *node;

	if (path) {
		path_follow(path, &key->key);
		node = walk_path(tree, &key->key, path);
	} else {
		node = walk(tree, &key->key, NULL, prefix_has_at(key->key.data, key->key.len));
	}
	if (key->bytes != RECORD_UNKNOWN)
		one.bytes = one.bytes_max = key->bytes;
	if (key->older) {
		one.older_keys = 1;
		one.older_bytes = one.bytes;
		one.bytes_max = one.no_ttl = 0;
	} else if (key->dumped) {
		one.dump_bytes = key->dump_bytes;
		one.saved_bytes = key->saved_bytes;
	}
	add_sums(&node->own, &one);
	if (tree->nodes > NODES_MAX)
		prune_tree(tree);
	return beginning(tree, path);
}

struct prefix_tree *prefix_tree_new(const char *separators, int depth)
{
	struct prefix_tree *tree = xcalloc(1, sizeof(*tree));

	tree->separators = separators;
	tree->depth = depth;
	tree->plain_separators = is_plain(separators);
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
