/* SPDX-License-Identifier: BSD-2-Clause */
/* What the structures of a server take; see structures.h. */
#include "rdb/structures.h"

#include <math.h>

#include "base/sum.h"

#define OBJECT_BYTES	 16 /* robj */
#define POINTER_BYTES	 8
#define ENTRY_BYTES	 24 /* dictEntry */
#define BUCKET_BYTES	 64
#define BUCKET_ENTRIES	 7
#define NAMED_ENTRY_HEAD 17 /* value, next and a byte, before the name in an entry (8.0) */
#define ZSET_BYTES	 16
#define SKIPLIST_BYTES	 32
#define SKIPLIST_LEVEL	 16
#define SKIPLIST_LEVELS	 32
#define LEVELS_COUNTED	 8 /* of 4^7 nodes one has more */
#define RAX_NODE_HEAD	 4 /* struct raxNode */
#define RAX_ID		 16 /* bytes */
#define RAX_ID_END	 8 /* of it behind where it branches off: 8 to 12 take the same */
#define RAX_BRANCH	 10 /* of the node there: a byte, a pointer, what rounding makes of it */
#define RAX_USAGE_NODE	 244 /* streamRadixTreeMemoryUsage() */
#define EXPIRING_FIELD	 18 /* times of expiry of a field (Redis): flags, links */

/* --- allocations ---------------------------------------------------------- */

int64_t size_class(const struct structures *s, int64_t bytes)
{
	return footprint_class(&s->layout, bytes);
}

void sizes_plus(struct sizes *to, struct sizes what)
{
	sum_add(&to->usage, what.usage);
	sum_add(&to->real, what.real);
}

/* One that MEMORY USAGE counts as it is. */
void size_add(const struct structures *s, struct sizes *sizes, int64_t bytes)
{
	int64_t rounded = size_class(s, bytes);

	sum_add(&sizes->usage, rounded);
	sum_add(&sizes->real, rounded);
}

/* One that it counts by the size of the structure. */
void size_add_struct(const struct structures *s, struct sizes *sizes, int64_t bytes)
{
	sum_add(&sizes->usage, bytes);
	sum_add(&sizes->real, size_class(s, bytes));
}

void size_add_unused(const struct structures *s, struct sizes *sizes, int64_t bytes)
{
	sum_add(&sizes->real, size_class(s, bytes));
}

/* A short one that is kept to be changed: never the shortest head. */
static int64_t sds8_bytes(int64_t len)
{
	return len < 32 ? len + 4 : sds_bytes(len);
}

/* The buckets chained to each place of a table, of @mean elements a place. */
static double places_chained(double mean)
{
	double p = exp(-mean), children = 0;

	for (int k = 1; k < 64; k++) {
		p *= mean / k;
		if (k > BUCKET_ENTRIES)
			children += p * ceil((k - BUCKET_ENTRIES) / (double)(BUCKET_ENTRIES - 1));
	}
	return children;
}

/* The table for @n entries, without the entries: its places, and what grows out of them. */
struct sizes size_table(const struct structures *s, int64_t n)
{
	int64_t table = footprint_table(&s->layout, n), places = table / BUCKET_BYTES, more;
	struct sizes sizes = { 0 };

	size_add_struct(s, &sizes, table);
	if (n <= 0 || !s->layout.buckets)
		return sizes;
	more = sum_whole(
		places_chained((double)n / (double)places) * (double)places * BUCKET_BYTES + 0.5);
	sum_add(&sizes.usage, more);
	sum_add(&sizes.real, more);
	return sizes;
}

struct sizes size_table_with_head(const struct structures *s, int64_t n)
{
	struct sizes sizes = size_table(s, n);

	size_add_struct(s, &sizes, s->server->table);
	return sizes;
}

/* Where a table is too small, a second one stands beside it, to which nobody moves entries while
 * a dump is loaded. */
void size_add_outgrown_table(const struct structures *s, struct sizes *sizes, int64_t n,
			     int64_t made_for)
{
	int64_t places = footprint_table(&s->layout, made_for < 1 ? 1 : made_for) / POINTER_BYTES;

	if (s->server->buckets)
		return;
	while (places * 2 < n)
		places *= 2;
	if (n > places && n - places < places)
		size_add_struct(s, sizes, places * POINTER_BYTES);
}

/* The first member of a place needs no entry, whatever MEMORY USAGE says. */
void size_add_bare_entries(const struct structures *s, struct sizes *sizes, int64_t n)
{
	int64_t bytes = footprint_bare_entries(n);

	sum_add(&sizes->real, bytes);
	sum_add(&sizes->usage, s->server->usage_knows_bare ? bytes :
			       n > INT64_MAX / ENTRY_BYTES ? INT64_MAX :
							     n * ENTRY_BYTES);
}

/* --- elements ------------------------------------------------------------- */

/* Dict: entry, as the server counts it, beside the texts. */
static void add_entry(const struct structures *s, struct sizes *sizes)
{
	if (!s->server->buckets)
		size_add_struct(s, sizes, ENTRY_BYTES);
}

void size_add_set_member(const struct structures *s, struct sizes *sizes, int64_t len)
{
	size_add(s, sizes, sds_bytes(len));
	if (!s->server->bare_members)
		add_entry(s, sizes);
}

/* A node of @fixed bytes and as many levels as chance gives it, a quarter one more. */
static double node_expected(const struct structures *s, int64_t fixed)
{
	double share = 0.75, bytes = 0;

	for (int level = 1; level <= LEVELS_COUNTED; level++, share /= 4)
		bytes += share * (double)size_class(s, fixed + level * SKIPLIST_LEVEL);
	return bytes;
}

void size_add_zset_member(const struct structures *s, struct sizes *sizes, int64_t len)
{
	int64_t node;

	if (s->server->member_in_node) {
		node = sum_whole(node_expected(s, 16 + 1 + sds_bytes(len)) + 0.5);
	} else {
		node = sum_whole(s->node_bytes + 0.5);
		size_add(s, sizes, sds_bytes(len));
		add_entry(s, sizes);
	}
	sum_add(&sizes->usage, node);
	sum_add(&sizes->real, node);
}

/* entryReqSize(), entry.c */
static void add_valkey_field(const struct structures *s, struct sizes *sizes, int64_t field,
			     int64_t value, bool expires)
{
	int64_t name = expires ? 8 + sds8_bytes(field) : sds_bytes(field);

	if (name + sds8_bytes(value) <= s->server->entry_max) {
		size_add(s, sizes, name + sds8_bytes(value));
	} else {
		size_add(s, sizes, (expires ? 8 : 0) + POINTER_BYTES + sds8_bytes(field));
		size_add(s, sizes, sds_bytes(value));
	}
}

void size_add_field(const struct structures *s, struct sizes *sizes, int64_t field, int64_t value,
		    bool expires)
{
	if (s->server->buckets) {
		add_valkey_field(s, sizes, field, value, expires);
		return;
	}
	size_add(s, sizes, sds_bytes(field) + (expires ? EXPIRING_FIELD : 0));
	size_add(s, sizes, sds_bytes(value));
	add_entry(s, sizes);
}

/* vset.c: behind the table's head a pointer, to nothing for one field, and to a vector for more. */
void size_add_expiring(const struct structures *s, struct sizes *sizes, int64_t fields)
{
	int64_t head = s->server->table;

	sum_add(&sizes->usage, POINTER_BYTES);
	sum_add(&sizes->real, size_class(s, head + POINTER_BYTES) - size_class(s, head));
	if (fields > 1 && fields < INT32_MAX)
		size_add(s, sizes, POINTER_BYTES * (1 + fields));
}

/* A sorted set beside its table and members: itself, its list, and the node that begins it. */
void size_add_skiplist(const struct structures *s, struct sizes *sizes)
{
	size_add_struct(s, sizes, ZSET_BYTES);
	if (s->server->member_in_node) { /* the list begins with its head's node */
		size_add_struct(s, sizes, 16 + SKIPLIST_LEVEL * SKIPLIST_LEVELS);
	} else {
		size_add_struct(s, sizes, SKIPLIST_BYTES);
		size_add(s, sizes, 24 + SKIPLIST_LEVEL * SKIPLIST_LEVELS);
	}
}

/* rax.h: a compressed node of this many bytes with the one that follows it, or the value. */
static int64_t rax_node(const struct structures *s, int64_t len)
{
	int64_t bytes = sum_of(len, RAX_NODE_HEAD + POINTER_BYTES - 1);

	return size_class(s, sum_of(bytes / POINTER_BYTES * POINTER_BYTES, POINTER_BYTES));
}

/* What @n keys take that are told apart by their last bytes, as ids are; with their tree's head. */
static int64_t rax_of_ids(const struct structures *s, int64_t n)
{
	if (!n)
		return size_class(s, RAX_NODE_HEAD);
	if (n == 1)
		return rax_node(s, RAX_ID) + rax_node(s, 0);
	return n * (rax_node(s, 0) + rax_node(s, RAX_ID_END) + RAX_BRANCH) +
	       rax_node(s, RAX_ID / 2);
}

/* A tree of @elements ids: what it is; and its nodes, two an id and what branches, as servers
 * guess their size that do not count it. */
void size_add_rax(const struct structures *s, struct sizes *sizes, int64_t elements)
{
	int64_t n = elements < INT32_MAX ? elements : INT32_MAX;
	int64_t nodes = n < 2 ? n + 1 : 2 * n + 2 + n / 32;
	int64_t bytes = rax_of_ids(s, n) + size_class(s, s->server->rax);

	sum_add(&sizes->real, bytes);
	sum_add(&sizes->usage,
		s->server->usage_knows_trees ? bytes : n * 16 + nodes * RAX_USAGE_NODE);
}

/* MEMORY USAGE counts no trees of names. They are taken to differ in their first bytes. */
void size_add_rax_names(const struct structures *s, struct sizes *sizes, int64_t count)
{
	int64_t n = count < INT32_MAX ? count : INT32_MAX;

	size_add_unused(s, sizes, s->server->rax);
	if (n != 1)
		size_add_unused(s, sizes, RAX_NODE_HEAD + n * RAX_BRANCH);
}

void size_add_rax_name(const struct structures *s, struct sizes *sizes, int64_t len)
{
	sum_add(&sizes->real, sum_of(rax_node(s, len), rax_node(s, 0)));
}

/* --- the key and its object ----------------------------------------------- */

/* The object with its name and value, without a time of expiry. */
static int64_t with_text_bytes(const struct structures *s, int64_t name, int64_t text)
{
	int64_t bytes = OBJECT_BYTES + 1 + sds_bytes(name) + sds8_bytes(text);

	/* The value stands where the pointer to it would, and leaves room for that, should it be
	 * put elsewhere one day. */
	return s->server->pointer_reused ? bytes - POINTER_BYTES + (text < 4 ? 4 - text : 0) :
					   bytes;
}

/* Does the value lie in the object? With its name and time of expiry it must not be too long:
 * createStringObjectWithKeyAndExpire(), where 8.1 takes every name's head for one byte. The time
 * of expiry comes last, and moves nothing where the allocation has room for it. */
static bool holds_text(const struct structures *s, int64_t name, int64_t text, int64_t expiry)
{
	int64_t bytes = with_text_bytes(s, name, text);
	int64_t head = OBJECT_BYTES + 1 + sds8_bytes(text);
	int64_t counted = s->server->pointer_reused ? head - POINTER_BYTES + sds_bytes(name) :
						      head + name + 2;

	return counted + expiry <= s->server->text_max ||
	       (counted <= s->server->text_max &&
		size_class(s, bytes + expiry) == size_class(s, bytes));
}

/* The object and what it needs beside the value: @text is its length where it may lie in the
 * object's allocation, -1 where it may not. True when it does. */
static bool add_whole_object(const struct structures *s, struct sizes *sizes, int64_t name,
			     int64_t text, bool expires)
{
	int64_t expiry = expires ? 8 : 0, bytes;

	if (text >= 0 && holds_text(s, name, text, expiry)) {
		size_add(s, sizes, with_text_bytes(s, name, text) + expiry);
		return true;
	}
	bytes = OBJECT_BYTES + 1 + sds_bytes(name) + expiry;
	if (!expires && name >= 128) /* room for a time of expiry, object.c */
		bytes += 8;
	if (s->server->usage_misses_key) {
		sum_add(&sizes->usage, OBJECT_BYTES);
		sum_add(&sizes->real, size_class(s, bytes));
	} else {
		size_add(s, sizes, bytes);
	}
	return false;
}

bool size_add_object(const struct structures *s, struct sizes *sizes, const struct rdb_key *key,
		     int64_t text)
{
	int64_t name = (int64_t)key->name_len;
	bool expires = key->expire_ms != RECORD_UNKNOWN;

	if (s->place == KEY_IN_OBJECT)
		return add_whole_object(s, sizes, name, text, expires);
	if (s->place == KEY_IN_ENTRY) {
		size_add(s, sizes, NAMED_ENTRY_HEAD + sds_bytes(name));
	} else {
		size_add(s, sizes, sds_bytes(name));
		size_add_struct(s, sizes, ENTRY_BYTES);
	}
	if (expires)
		size_add_unused(s, sizes, ENTRY_BYTES);
	if (text >= 0 && text <= s->server->text_max) {
		size_add(s, sizes, OBJECT_BYTES + sds8_bytes(text));
		return true;
	}
	size_add_struct(s, sizes, OBJECT_BYTES);
	return false;
}

void structures_init(struct structures *s, const struct server_release *release, int quantum)
{
	s->server = knowledge_structures(release);
	s->layout = (struct footprint_layout){ .quantum = quantum, .buckets = s->server->buckets };
	s->place = knowledge_key_place(&s->server->since);
	s->node_bytes = node_expected(s, 24);
}
