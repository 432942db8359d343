/* SPDX-License-Identifier: BSD-2-Clause */
/* What keys take in memory; see memory.h. */
#include "rdb/memory.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/sum.h"
#include "rdb/packed.h"

#define OBJECT_BYTES	   16 /* robj */
#define POINTER_BYTES	   8
#define ENTRY_BYTES	   24 /* dictEntry */
#define BARE_ENTRY_BYTES   16 /* dictEntryNoValue: member, next */
#define TABLE_MIN	   4 /* places of a dict */
#define BUCKET_BYTES	   64
#define BUCKET_ENTRIES	   7
#define NAMED_ENTRY_HEAD   17 /* value, next and a byte, before the name in an entry (8.0) */
#define QUICKLIST_BYTES	   40
#define QUICKLIST_NODE	   40
#define LISTPACK_NODE_MAX  8192 /* list-max-listpack-size -2 */
#define ZSET_BYTES	   16
#define SKIPLIST_BYTES	   32
#define SKIPLIST_LEVEL	   16
#define SKIPLIST_LEVELS	   32
#define LEVELS_COUNTED	   8 /* of 4^7 nodes one has more */
#define STREAM_BYTES	   80
#define NACK_BYTES	   24
#define RAX_ELEMENT	   48 /* a leaf with its share of the nodes above, rounded */
#define RAX_USAGE_NODE	   244 /* streamRadixTreeMemoryUsage() */
#define EXPIRING_FIELD	   18 /* times of expiry of a field (Redis): flags, links */
#define LISTPACK_EX_BYTES  32
#define LISTPACK_VALUE_MAX 64
#define LISTPACK_ENTRIES   128
#define LISTPACK_FIELDS	   512 /* of a hash */
#define INTSET_ENTRIES	   512
#define SHARED_INTEGERS	   10000

struct sizes {
	int64_t usage, real;
};

/* A database's tables; those it has announced, and those it has. */
struct database {
	int64_t keys, expires, keys_announced, expires_announced;
};

struct rdb_memory {
	const struct server_structures *server;
	struct footprint_layout layout;
	enum key_place place;
	double node_bytes; /* of a skip list, without what it holds, expected */
	bool valkey; /* the dump, not the server */
	/* the value being read */
	struct sizes parts; /* of its elements in a table, or its nodes */
	int64_t elements, largest, listpack_bytes;
	int64_t nodes, node_fill; /* of a list */
	int64_t field_len; /* of the field whose value comes next */
	int64_t value_len; /* and of that value, until all is known of them */
	bool field_expires, field_whole, has_expiry, all_numbers, packed, unheld;
	int64_t number_min, number_max;
	int64_t before_long; /* elements before the first that no listpack takes; -1 = none yet */
	int64_t container;
	int64_t packed_bytes; /* of the one string that is the whole value */
	int64_t last_node_bytes;
	const char *encoding; /* of a packed one */
	bool number; /* the string is one */
	int64_t number_value;
	struct memory_key key;
	/* sums */
	struct database database;
	int64_t tables_done, keys_bytes, unknown_total;
};

/* --- allocations ---------------------------------------------------------- */

static int64_t class_of(const struct rdb_memory *m, int64_t bytes)
{
	return footprint_class(&m->layout, bytes);
}

/* One that MEMORY USAGE counts as it is. */
static void add(const struct rdb_memory *m, struct sizes *sizes, int64_t bytes)
{
	int64_t rounded = class_of(m, bytes);

	sum_add(&sizes->usage, rounded);
	sum_add(&sizes->real, rounded);
}

/* One that it counts by the size of the structure. */
static void add_struct(const struct rdb_memory *m, struct sizes *sizes, int64_t bytes)
{
	sum_add(&sizes->usage, bytes);
	sum_add(&sizes->real, class_of(m, bytes));
}

static void add_unused(struct sizes *sizes, const struct rdb_memory *m, int64_t bytes)
{
	sum_add(&sizes->real, class_of(m, bytes));
}

/* sds.c: sdsReqType(), sdsHdrSize(); the NUL is counted. */
static int64_t sds_bytes(int64_t len)
{
	int64_t head = len < 32 ? 1 : len < 256 ? 3 : len < 65536 ? 5 : len <= UINT32_MAX ? 9 : 17;

	return sum_of(len, head + 1);
}

/* A short one that is kept to be changed: never the shortest head. */
static int64_t sds8_bytes(int64_t len)
{
	return len < 32 ? len + 4 : sds_bytes(len);
}

/* The share of places that have an entry, of @mean a place, and the buckets chained to each. */
static double places_filled(double mean, double *children)
{
	double p = exp(-mean), filled = 1 - p;

	*children = 0;
	for (int k = 1; k < 64; k++) {
		p *= mean / k;
		if (k > BUCKET_ENTRIES)
			*children += p * ceil((k - BUCKET_ENTRIES) / (double)(BUCKET_ENTRIES - 1));
	}
	return filled;
}

static int64_t power_of_two(int64_t n)
{
	return n <= 1		 ? 1 :
	       n > INT64_MAX / 4 ? INT64_MAX / 4 + 1 :
				   (int64_t)1 << (64 - __builtin_clzll((unsigned long long)n - 1));
}

/* The table for @n entries, without the entries: its places, and what grows out of them. */
static struct sizes table_of(const struct rdb_memory *m, int64_t n)
{
	struct sizes sizes = { 0 };
	double children;
	int64_t places, more;

	if (n <= 0)
		return sizes;
	if (!m->server->buckets) {
		places = power_of_two(n < TABLE_MIN ? TABLE_MIN : n);
		add_struct(m, &sizes, places > INT64_MAX / 8 ? INT64_MAX : places * POINTER_BYTES);
		return sizes;
	}
	/* nextBucketExp(), hashtable.c: 32 entries for 5 buckets at most */
	places = power_of_two(sum_whole(ceil((double)n * 5 / 32)));
	add_struct(m, &sizes, places > INT64_MAX / 64 ? INT64_MAX : places * BUCKET_BYTES);
	places_filled((double)n / (double)places, &children);
	more = sum_whole(children * (double)places + 0.5) * BUCKET_BYTES;
	sum_add(&sizes.usage, more);
	sum_add(&sizes.real, more);
	return sizes;
}

static void plus(struct sizes *to, struct sizes what)
{
	sum_add(&to->usage, what.usage);
	sum_add(&to->real, what.real);
}

/* --- elements ------------------------------------------------------------- */

/* Dict: entry, as the server counts it, beside the texts. */
static void add_entry(struct rdb_memory *m)
{
	if (!m->server->buckets)
		add_struct(m, &m->parts, ENTRY_BYTES);
}

static void add_set_member(struct rdb_memory *m, int64_t len)
{
	add(m, &m->parts, sds_bytes(len));
	if (!m->server->bare_members)
		add_entry(m);
}

/* A node of @fixed bytes and as many levels as chance gives it, a quarter one more. */
static double node_expected(const struct rdb_memory *m, int64_t fixed)
{
	double share = 0.75, bytes = 0;

	for (int level = 1; level <= LEVELS_COUNTED; level++, share /= 4)
		bytes += share * (double)class_of(m, fixed + level * SKIPLIST_LEVEL);
	return bytes;
}

static void add_zset_member(struct rdb_memory *m, int64_t len)
{
	int64_t node;

	if (m->server->member_in_node) {
		node = sum_whole(node_expected(m, 16 + 1 + sds_bytes(len)) + 0.5);
	} else {
		node = sum_whole(m->node_bytes + 0.5);
		add(m, &m->parts, sds_bytes(len));
		add_entry(m);
	}
	sum_add(&m->parts.usage, node);
	sum_add(&m->parts.real, node);
}

/* entryReqSize(), entry.c */
static void add_valkey_field(struct rdb_memory *m, int64_t field, int64_t value, bool expires)
{
	int64_t name = expires ? 8 + sds8_bytes(field) : sds_bytes(field);

	if (name + sds8_bytes(value) <= m->server->entry_max) {
		add(m, &m->parts, name + sds8_bytes(value));
	} else {
		add(m, &m->parts, (expires ? 8 : 0) + POINTER_BYTES + sds8_bytes(field));
		add(m, &m->parts, sds_bytes(value));
	}
}

static void add_field(struct rdb_memory *m, int64_t field, int64_t value, bool expires)
{
	if (m->server->buckets) {
		add_valkey_field(m, field, value, expires);
		return;
	}
	add(m, &m->parts, sds_bytes(field) + (expires ? EXPIRING_FIELD : 0));
	add(m, &m->parts, sds_bytes(value));
	add_entry(m);
}

/* The list as pushes make it: a node takes what fits. */
static void end_node(struct rdb_memory *m, int64_t bytes)
{
	add_struct(m, &m->parts, QUICKLIST_NODE);
	add(m, &m->parts, bytes);
	m->nodes++;
	m->last_node_bytes = bytes;
}

static void add_list_member(struct rdb_memory *m, int64_t bytes)
{
	if (m->node_fill && sum_of(m->node_fill, bytes) > LISTPACK_NODE_MAX) {
		end_node(m, m->node_fill);
		m->node_fill = 0;
	}
	if (!m->node_fill)
		m->node_fill = LISTPACK_HEAD;
	sum_add(&m->node_fill, bytes);
}

static void count_element(struct rdb_memory *m, const struct packed_entry *entry)
{
	int64_t len = (int64_t)entry->len, value = entry->value;

	if (len > LISTPACK_VALUE_MAX && m->before_long < 0)
		m->before_long = m->elements;
	m->elements++;
	if (len > m->largest)
		m->largest = len;
	sum_add(&m->listpack_bytes, (int64_t)listpack_entry_bytes(entry));
	if (!entry->integer && (!entry->data || !decimal_parse(entry->data, entry->len, &value)))
		m->all_numbers = false;
	if (value < m->number_min)
		m->number_min = value;
	if (value > m->number_max)
		m->number_max = value;
}

/* A member of a list, set or sorted set. */
static void take_member(struct rdb_memory *m, enum rdb_type type, const struct packed_entry *entry)
{
	count_element(m, entry);
	if (type == RDB_LIST)
		add_list_member(m, (int64_t)listpack_entry_bytes(entry));
	else if (type == RDB_SET)
		add_set_member(m, (int64_t)entry->len);
	else
		add_zset_member(m, (int64_t)entry->len);
}

/* Scores in listpacks are text; of a table's none is known, and 17 digits are the most. */
static void take_score(struct rdb_memory *m, uint64_t bits)
{
	struct packed_entry entry = { .len = 17, .data = "" };
	double score;

	memcpy(&score, &bits, sizeof(score));
	if (fabs(score) < 0x1p53 && score == trunc(score)) {
		entry = (struct packed_entry){ .integer = true, .value = (int64_t)score };
		sum_add(&m->listpack_bytes, (int64_t)listpack_entry_bytes(&entry));
		return;
	}
	sum_add(&m->listpack_bytes, 19);
}

static void end_field(struct rdb_memory *m)
{
	if (m->field_whole)
		add_field(m, m->field_len, m->value_len, m->field_expires);
	m->field_whole = false;
}

static void take_field(struct rdb_memory *m, const struct packed_entry *entry)
{
	end_field(m);
	m->field_len = (int64_t)entry->len;
	count_element(m, entry);
}

static void take_field_value(struct rdb_memory *m, const struct packed_entry *entry)
{
	m->value_len = (int64_t)entry->len;
	m->field_whole = true;
	m->elements--; /* field and value are one */
	count_element(m, entry);
}

/* Redis says it before the field, 0 = none; Valkey behind the value, -1 = none. */
static void take_field_expiry(struct rdb_memory *m, uint64_t number)
{
	bool expires = number && number != UINT64_MAX;

	if (!m->valkey)
		end_field(m);
	m->field_expires = expires;
	m->has_expiry |= expires;
	sum_add(&m->listpack_bytes, expires ? 10 : 2);
}

/* --- packed collections --------------------------------------------------- */

static int broken(struct err *err)
{
	return err_set(err, -EBADMSG, "rdb: a packed collection whose bytes make no sense");
}

/* Fields of 1 (list, set), 2 or 3 entries each. */
static int walk(struct rdb_memory *m, enum rdb_type type, enum packed_kind kind, int entries,
		const struct rdb_text *text)
{
	struct packed_entry entry;
	struct packed packed;
	int ret = packed_open(&packed, kind, text->data, text->len), at = 0;

	while (!ret && (ret = packed_next(&packed, &entry)) > 0) {
		if (type == RDB_HASH && at == 0)
			take_field(m, &entry);
		else if (type == RDB_HASH && at == 1)
			take_field_value(m, &entry);
		else if (at == 0)
			take_member(m, type, &entry);
		else
			sum_add(&m->listpack_bytes, (int64_t)listpack_entry_bytes(&entry));
		at = at + 1 == entries ? 0 : at + 1;
		ret = 0;
	}
	return ret || at ? -EBADMSG : 0;
}

/* The whole value in one string. */
static int take_packed(struct rdb_memory *m, const struct rdb_event *event, struct err *err)
{
	static const struct {
		enum rdb_part role;
		enum packed_kind kind;
		const char *encoding;
	} rows[] = {
		{ PART_ZIPLIST, PACKED_ZIPLIST, "listpack" },
		{ PART_ZIPMAP, PACKED_ZIPMAP, "listpack" },
		{ PART_INTSET, PACKED_INTSET, "intset" },
		{ PART_LISTPACK, PACKED_LISTPACK, "listpack" },
		{ PART_LISTPACK_EXPIRY, PACKED_LISTPACK, "listpackex" },
	};
	enum rdb_type type = event->key->type;
	int entries = type == RDB_LIST || type == RDB_SET ? 1 :
		      event->role == PART_LISTPACK_EXPIRY ? 3 :
							    2;

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (rows[i].role != event->role)
			continue;
		if (walk(m, type, rows[i].kind, entries, event->text))
			return broken(err);
		m->encoding = rows[i].encoding;
		m->packed = true;
		/* What is converted is packed anew. */
		m->packed_bytes = rows[i].kind == PACKED_INTSET || rows[i].kind == PACKED_LISTPACK ?
					  (int64_t)event->text->len :
					  sum_of(m->listpack_bytes, LISTPACK_HEAD);
	}
	return 0;
}

/* A node of a list: as it is, or anew from a ziplist. */
static int take_list_node(struct rdb_memory *m, const struct rdb_event *event, struct err *err)
{
	enum packed_kind kind = event->role == PART_ZIPLIST ? PACKED_ZIPLIST : PACKED_LISTPACK;
	const struct rdb_text *text = event->text;
	struct packed_entry entry = { .data = text->data, .len = text->len };
	struct packed packed;
	int64_t bytes = LISTPACK_HEAD;
	int ret;

	if (event->role == PART_NODE && m->container == 1) {
		m->elements++;
		if ((int64_t)text->len > m->largest)
			m->largest = (int64_t)text->len;
		end_node(m, (int64_t)text->len);
		m->last_node_bytes = INT64_MAX; /* never a listpack alone */
		return 0;
	}
	ret = packed_open(&packed, kind, text->data, text->len);
	while (!ret && (ret = packed_next(&packed, &entry)) > 0) {
		count_element(m, &entry);
		bytes += (int64_t)listpack_entry_bytes(&entry);
		ret = 0;
	}
	if (ret)
		return broken(err);
	end_node(m, kind == PACKED_LISTPACK ? (int64_t)text->len : bytes);
	return 0;
}

/* --- the end of a value --------------------------------------------------- */

static struct sizes table_head(const struct rdb_memory *m, int64_t n)
{
	struct sizes sizes = table_of(m, n);

	add_struct(m, &sizes, m->server->table);
	return sizes;
}

/* A table where it is not small enough for one string. */
static struct sizes end_table(struct rdb_memory *m, int64_t entries_max, const char *table)
{
	struct sizes sizes = { 0 };

	if (m->elements <= entries_max && m->largest <= LISTPACK_VALUE_MAX) {
		m->key.encoding = "listpack";
		add(m, &sizes, sum_of(m->listpack_bytes, LISTPACK_HEAD));
		return sizes;
	}
	m->key.encoding = table;
	sizes = table_head(m, m->elements);
	plus(&sizes, m->parts);
	return sizes;
}

/* The first member of a place needs no entry, whatever MEMORY USAGE says. */
static void add_bare_entries(const struct rdb_memory *m, struct sizes *sizes)
{
	double places = (double)power_of_two(m->elements < TABLE_MIN ? TABLE_MIN : m->elements);
	double unused, alone = places * places_filled((double)m->elements / places, &unused);
	int64_t bytes = sum_whole(((double)m->elements - alone) * BARE_ENTRY_BYTES + 0.5);

	sum_add(&sizes->real, bytes);
	sum_add(&sizes->usage, m->server->usage_knows_bare	     ? bytes :
			       m->elements > INT64_MAX / ENTRY_BYTES ? INT64_MAX :
								       m->elements * ENTRY_BYTES);
}

static struct sizes end_set(struct rdb_memory *m)
{
	struct sizes sizes = { 0 };
	int64_t width;

	if (m->all_numbers && m->elements <= INTSET_ENTRIES) {
		width = m->number_min >= INT16_MIN && m->number_max <= INT16_MAX ? 2 :
			m->number_min >= INT32_MIN && m->number_max <= INT32_MAX ? 4 :
										   8;
		m->key.encoding = "intset";
		add(m, &sizes, 8 + width * m->elements);
		return sizes;
	}
	sizes = end_table(m, m->server->small_sets ? LISTPACK_ENTRIES : 0, "hashtable");
	if (m->server->bare_members && m->key.encoding[0] == 'h')
		add_bare_entries(m, &sizes);
	return sizes;
}

/*
 * A hash's table is made for the fields that follow where one came that is too long for a
 * listpack, and with a first field that expires it is made for none (rdbLoadObject(),
 * dictTryExpand()). Where it is too small then, a second one stands beside it, to which nobody
 * moves the fields.
 */
static void add_outgrown_table(const struct rdb_memory *m, struct sizes *sizes)
{
	int64_t left = m->elements - m->before_long - 1, places = TABLE_MIN;

	if (m->server->buckets)
		return;
	if (!m->has_expiry) {
		if (m->elements > LISTPACK_FIELDS || m->before_long < 0)
			return;
		places = power_of_two(left < TABLE_MIN ? TABLE_MIN : left);
		if (places < m->before_long + 1)
			places = power_of_two(m->before_long + 1);
	}
	while (places * 2 < m->elements)
		places *= 2;
	if (m->elements > places && m->elements - places < places)
		add_struct(m, sizes, places * POINTER_BYTES);
}

/* Fields that expire are in a table always, but for Redis's small hashes. */
static struct sizes end_hash(struct rdb_memory *m)
{
	bool table = m->has_expiry && m->server->buckets;
	struct sizes sizes;

	end_field(m);
	sizes = end_table(m, table ? 0 : LISTPACK_FIELDS, "hashtable");
	if (m->key.encoding[0] == 'h')
		add_outgrown_table(m, &sizes);
	if (m->has_expiry && m->key.encoding[0] == 'l') {
		m->key.encoding = "listpackex";
		add(m, &sizes, LISTPACK_EX_BYTES);
	}
	return sizes;
}

static struct sizes end_zset(struct rdb_memory *m)
{
	struct sizes sizes = end_table(m, LISTPACK_ENTRIES, "skiplist");

	if (m->key.encoding[0] == 'l')
		return sizes;
	add_struct(m, &sizes, ZSET_BYTES);
	if (m->server->member_in_node) { /* the list begins with its head's node */
		add(m, &sizes, 16 + SKIPLIST_LEVEL * SKIPLIST_LEVELS);
	} else {
		add_struct(m, &sizes, SKIPLIST_BYTES);
		add(m, &sizes, 24 + SKIPLIST_LEVEL * SKIPLIST_LEVELS);
	}
	return sizes;
}

static struct sizes end_list(struct rdb_memory *m)
{
	struct sizes sizes = { 0 };

	if (m->node_fill)
		end_node(m, m->node_fill);
	if (m->server->small_lists && m->nodes == 1 && m->last_node_bytes <= LISTPACK_NODE_MAX) {
		m->key.encoding = "listpack";
		add(m, &sizes, m->last_node_bytes);
		return sizes;
	}
	m->key.encoding = "quicklist";
	sizes = m->parts;
	add_struct(m, &sizes, QUICKLIST_BYTES);
	return sizes;
}

/* Packed as the dump has it; a set where the server keeps none packed becomes a table. */
static struct sizes end_packed(struct rdb_memory *m, enum rdb_type type)
{
	struct sizes sizes = { 0 };

	if (type == RDB_SET && !m->server->small_sets && strcmp(m->encoding, "intset") != 0)
		return end_set(m);
	m->key.encoding = m->encoding;
	if (type == RDB_LIST) {
		/* As pushes make it: one node, of one listpack. */
		return end_list(m);
	}
	add(m, &sizes, m->packed_bytes);
	if (!strcmp(m->encoding, "listpackex"))
		add(m, &sizes, LISTPACK_EX_BYTES);
	return sizes;
}

/* A radix tree of @elements ids, as it is; and its nodes, two an id and what branches, as the
 * server guesses their size. */
static void add_rax(struct rdb_memory *m, int64_t elements, bool counted)
{
	int64_t n = elements < INT32_MAX ? elements : INT32_MAX;
	int64_t nodes = n < 2 ? n + 1 : 2 * n + 2 + n / 32;
	int64_t bytes = n * RAX_ELEMENT + class_of(m, POINTER_BYTES);

	sum_add(&m->parts.real, bytes);
	if (m->server->usage_knows_trees)
		sum_add(&m->parts.usage, bytes);
	else if (counted)
		sum_add(&m->parts.usage, n * 16 + nodes * RAX_USAGE_NODE);
}

static struct sizes end_stream(struct rdb_memory *m)
{
	struct sizes sizes = m->parts;

	m->key.encoding = "stream";
	add_struct(m, &sizes, STREAM_BYTES);
	add_struct(m, &sizes, m->server->rax);
	return sizes;
}

/* --- the key and its object ----------------------------------------------- */

/* The object and what it needs beside the value: @text is its length where it may lie in the
 * object's allocation, -1 where it may not. True when it does. */
static bool add_whole_object(struct rdb_memory *m, struct sizes *sizes, int64_t name, int64_t text,
			     bool expires)
{
	int64_t bytes = OBJECT_BYTES + 1 + sds_bytes(name), whole;

	if (expires)
		bytes += 8;
	if (text >= 0) {
		whole = bytes + sds8_bytes(text) - (m->server->pointer_reused ? POINTER_BYTES : 0);
		if (whole <= m->server->text_max) {
			/* Room for the pointer, should the text be put elsewhere one day. */
			if (m->server->pointer_reused && text < 4)
				whole += 4 - text;
			add(m, sizes, whole);
			return true;
		}
	}
	if (!expires && name >= 128) /* room for a time of expiry, object.c */
		bytes += 8;
	if (m->server->usage_misses_key) {
		sum_add(&sizes->usage, OBJECT_BYTES);
		sum_add(&sizes->real, class_of(m, bytes));
	} else {
		add(m, sizes, bytes);
	}
	return false;
}

static bool add_object(struct rdb_memory *m, struct sizes *sizes, const struct rdb_key *key,
		       int64_t text)
{
	int64_t name = (int64_t)key->name_len;
	bool expires = key->expire_ms != RECORD_UNKNOWN;

	if (m->place == KEY_IN_OBJECT)
		return add_whole_object(m, sizes, name, text, expires);
	if (m->place == KEY_IN_ENTRY) {
		add(m, sizes, NAMED_ENTRY_HEAD + sds_bytes(name));
	} else {
		add(m, sizes, sds_bytes(name));
		add_struct(m, sizes, ENTRY_BYTES);
	}
	if (expires)
		add_unused(sizes, m, ENTRY_BYTES);
	if (text >= 0 && text <= m->server->text_max) {
		add(m, sizes, OBJECT_BYTES + sds8_bytes(text));
		return true;
	}
	add_struct(m, sizes, OBJECT_BYTES);
	return false;
}

/* Small numbers are objects that all share, where no name lies in the object. */
static struct sizes end_string(struct rdb_memory *m, const struct rdb_key *key)
{
	struct sizes sizes = { 0 };

	m->key.elements = m->elements;
	if (m->number) {
		m->key.encoding = "int";
		add_object(m, &sizes, key, -1);
		if (m->place != KEY_IN_OBJECT && m->number_value >= 0 &&
		    m->number_value < SHARED_INTEGERS)
			sum_add(&sizes.real, -class_of(m, OBJECT_BYTES));
	} else if (add_object(m, &sizes, key, m->elements)) {
		m->key.encoding = "embstr";
	} else {
		m->key.encoding = "raw";
		add(m, &sizes, sds_bytes(m->elements));
	}
	return sizes;
}

static struct sizes end_value(struct rdb_memory *m, enum rdb_type type)
{
	if (m->packed)
		return end_packed(m, type);
	switch (type) {
	case RDB_LIST:
		return end_list(m);
	case RDB_SET:
		return end_set(m);
	case RDB_ZSET:
		return end_zset(m);
	case RDB_HASH:
		return end_hash(m);
	default:
		return end_stream(m);
	}
}

static void begin_key(struct rdb_memory *m)
{
	m->parts = (struct sizes){ 0 };
	m->elements = m->largest = m->listpack_bytes = m->nodes = m->node_fill = 0;
	m->field_expires = m->field_whole = m->has_expiry = m->packed = m->unheld = false;
	m->number = false;
	m->all_numbers = true;
	m->number_min = INT64_MAX;
	m->number_max = INT64_MIN;
	m->packed_bytes = m->last_node_bytes = 0;
	m->container = 2;
	m->before_long = -1;
}

static void end_key(struct rdb_memory *m, const struct rdb_key *key)
{
	struct sizes sizes = { 0 };

	m->key = (struct memory_key){ .encoding = "",
				      .elements = RECORD_UNKNOWN,
				      .largest = RECORD_UNKNOWN };
	m->database.keys++;
	m->database.expires += key->expire_ms != RECORD_UNKNOWN;
	if (key->type == RDB_MODULE) {
		m->key.usage_bytes = m->key.bytes = RECORD_UNKNOWN;
		m->unknown_total++;
		return;
	}
	if (key->type == RDB_STRING) {
		sizes = end_string(m, key);
	} else {
		sizes = end_value(m, key->type);
		add_object(m, &sizes, key, -1);
		m->key.elements = m->unheld ? RECORD_UNKNOWN : m->elements;
		m->key.largest = m->unheld ? RECORD_UNKNOWN : m->largest;
	}
	m->key.usage_bytes = sizes.usage;
	m->key.bytes = sizes.real;
	sum_add(&m->keys_bytes, sizes.real);
}

/* --- databases ------------------------------------------------------------ */

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

static int64_t tables_of(const struct rdb_memory *m, const struct database *db)
{
	int64_t bytes = table_of(m, larger(db->keys, db->keys_announced)).real;

	if (!db->keys && !db->keys_announced)
		return 0;
	sum_add(&bytes, table_of(m, larger(db->expires, db->expires_announced)).real);
	return bytes;
}

static void begin_database(struct rdb_memory *m)
{
	sum_add(&m->tables_done, tables_of(m, &m->database));
	m->database = (struct database){ 0 };
}

/* What a dump announces is a hint that anybody can write: at most what follows it. */
static int64_t announced(uint64_t number)
{
	return number <= INT32_MAX ? (int64_t)number : 0;
}

/* --- events --------------------------------------------------------------- */

static void take_number(struct rdb_memory *m, const struct rdb_event *event)
{
	int64_t number = (int64_t)(event->number & INT64_MAX);

	switch (event->role) {
	case PART_DB:
		begin_database(m);
		break;
	case PART_MAIN_SIZE:
		m->database.keys_announced = announced(event->number);
		break;
	case PART_EXPIRES_SIZE:
		m->database.expires_announced = announced(event->number);
		break;
	case PART_SCORE:
		take_score(m, event->number);
		break;
	case PART_FIELD_EXPIRY:
		take_field_expiry(m, event->number);
		break;
	case PART_CONTAINER:
		m->container = number;
		break;
	case PART_NODES:
		if (event->key->type == RDB_STREAM)
			add_rax(m, number, true);
		break;
	case PART_STREAM_LENGTH:
		m->elements = number;
		break;
	case PART_PENDING:
		add_rax(m, number, true);
		sum_add(&m->parts.usage, number > INT64_MAX / 32 ? INT64_MAX : number * NACK_BYTES);
		sum_add(&m->parts.real,
			number > INT64_MAX / 32 ? INT64_MAX : number * class_of(m, NACK_BYTES));
		break;
	case PART_CONSUMER_PENDING:
		add_rax(m, number, true);
		break;
	default:
		break;
	}
}

static struct packed_entry entry_of(const struct rdb_text *text)
{
	return (struct packed_entry){ .data = text->form == TEXT_NUMBER ? NULL : text->data,
				      .len = text->len,
				      .integer = text->form == TEXT_NUMBER,
				      .value = text->number };
}

static void take_string(struct rdb_memory *m, const struct rdb_text *text)
{
	m->elements = (int64_t)text->len;
	m->number_value = text->number;
	m->number = text->form == TEXT_NUMBER ||
		    (text->data && decimal_parse(text->data, text->len, &m->number_value));
}

/* Too long to be held: it counts as it stands. */
static void take_unheld(struct rdb_memory *m, const struct rdb_event *event)
{
	m->unheld = true;
	if (event->key->type == RDB_LIST) {
		end_node(m, (int64_t)event->text->len);
		return;
	}
	m->packed = true;
	m->encoding = event->role == PART_INTSET ? "intset" : "listpack";
	m->packed_bytes = (int64_t)event->text->len;
}

static int take_text(struct rdb_memory *m, const struct rdb_event *event, struct err *err)
{
	struct packed_entry entry = entry_of(event->text);

	switch (event->role) {
	case PART_VALUE:
		take_string(m, event->text);
		break;
	case PART_MEMBER:
		take_member(m, event->key->type, &entry);
		break;
	case PART_FIELD:
		take_field(m, &entry);
		break;
	case PART_FIELD_VALUE:
		take_field_value(m, &entry);
		break;
	case PART_GROUP:
		add_struct(m, &m->parts, m->server->group);
		add_unused(&m->parts, m, 2 * m->server->rax);
		add_rax(m, 1, false);
		break;
	case PART_CONSUMER:
		add_struct(m, &m->parts, m->server->consumer);
		add(m, &m->parts, sds_bytes((int64_t)event->text->len));
		add_rax(m, 1, false);
		break;
	case PART_NODE_ID:
	case PART_MODULE_DATA:
		break;
	case PART_STREAM_LISTPACK:
		add(m, &m->parts, (int64_t)event->text->len);
		break;
	default:
		if (!event->text->data)
			take_unheld(m, event);
		else if (event->role == PART_NODE ||
			 (event->role == PART_ZIPLIST && event->key->type == RDB_LIST &&
			  event->key->number == 14))
			return take_list_node(m, event, err);
		else
			return take_packed(m, event, err);
	}
	return 0;
}

int rdb_memory_take(struct rdb_memory *m, const struct rdb_event *event, struct err *err)
{
	switch (event->kind) {
	case RDB_NUMBER:
		take_number(m, event);
		return 0;
	case RDB_TEXT:
		return event->key ? take_text(m, event, err) : 0;
	case RDB_BEGIN:
		m->valkey = event->valkey;
		return 0;
	case RDB_KEY:
		begin_key(m);
		return 0;
	case RDB_KEY_END:
		end_key(m, event->key);
		return 0;
	default:
		return 0;
	}
}

const struct memory_key *rdb_memory_key(const struct rdb_memory *m)
{
	return &m->key;
}

void rdb_memory_totals(const struct rdb_memory *m, struct memory_totals *totals)
{
	*totals = (struct memory_totals){
		.keys_bytes = m->keys_bytes,
		.tables_bytes = sum_of(m->tables_done, tables_of(m, &m->database)),
		.unknown_total = m->unknown_total,
	};
}

struct rdb_memory *rdb_memory_new(const struct server_release *release, int quantum)
{
	struct rdb_memory *m = xcalloc(1, sizeof(*m));

	m->server = knowledge_structures(release);
	m->layout.quantum = quantum;
	m->place = knowledge_key_place(&m->server->since);
	m->node_bytes = node_expected(m, 24);
	return m;
}

void rdb_memory_free(struct rdb_memory *m)
{
	free(m);
}

const struct server_structures *rdb_memory_server(const struct rdb_memory *m)
{
	return m->server;
}
