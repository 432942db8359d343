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
#include "rdb/structures.h"

#define OBJECT_BYTES	  16 /* robj */
#define QUICKLIST_BYTES	  40
#define QUICKLIST_NODE	  40
#define NODE_BYTES_SAFE	  8192 /* of a list's node that is told in entries */
#define STREAM_BYTES	  80
#define NACK_BYTES	  24
#define LISTPACK_EX_BYTES 32
#define SHARED_INTEGERS	  10000

/* A database's tables; those it has announced, and those it has. */
struct database {
	int64_t keys, expires, keys_announced, expires_announced;
};

struct rdb_memory {
	struct packed_limits limits;
	struct structures structures;
	bool valkey; /* the dump, not the server */
	/* the value being read */
	struct sizes parts; /* of its elements in a table, or its nodes */
	int64_t elements, largest, listpack_bytes;
	int64_t nodes, node_fill, node_entries; /* of a list */
	int64_t field_len; /* of the field whose value comes next */
	int64_t value_len; /* and of that value, until all is known of them */
	int64_t expiring; /* fields */
	bool field_expires, field_whole, has_expiry, all_numbers, packed, unheld, templated;
	int64_t number_min, number_max;
	int64_t value_max; /* of what a listpack takes, for its type */
	int64_t before_long; /* elements before the first that no listpack takes; -1 = none yet */
	int64_t container;
	int64_t packed_bytes; /* of the one string that is the whole value */
	int64_t last_node_bytes, last_node_entries;
	const char *encoding; /* of a packed one */
	bool number; /* the string is one */
	int64_t number_value;
	struct memory_key key;
	/* sums */
	struct database database;
	int64_t tables_done; /* with what belongs to no key */
	int64_t keys_bytes, unknown_total;
};

/* --- elements ------------------------------------------------------------- */

/* The list as pushes make it: a node takes what fits. */
static void end_node(struct rdb_memory *m, int64_t bytes, int64_t entries)
{
	size_add_struct(&m->structures, &m->parts, QUICKLIST_NODE);
	size_add(&m->structures, &m->parts, bytes);
	m->nodes++;
	m->last_node_bytes = bytes;
	m->last_node_entries = entries;
}

/* Does a node of a list hold so much? quicklistNodeLimit() */
static bool fits_node(const struct rdb_memory *m, int64_t bytes, int64_t entries)
{
	static const int64_t levels[] = { 4096, 8192, 16384, 32768, 65536 };
	int64_t size = m->limits.list_size, last = sizeof(levels) / sizeof(*levels);

	if (size < 0)
		return bytes <= levels[(-size < last ? -size : last) - 1];
	return bytes <= NODE_BYTES_SAFE && entries <= (size ? size : 1);
}

static void add_list_member(struct rdb_memory *m, int64_t bytes)
{
	if (m->node_fill && !fits_node(m, sum_of(m->node_fill, bytes), m->node_entries + 1)) {
		end_node(m, m->node_fill, m->node_entries);
		m->node_fill = 0;
	}
	if (!m->node_fill) {
		m->node_fill = LISTPACK_HEAD;
		m->node_entries = 0;
	}
	sum_add(&m->node_fill, bytes);
	m->node_entries++;
}

static void count_element(struct rdb_memory *m, const struct packed_entry *entry)
{
	int64_t len = (int64_t)entry->len, value = entry->value;

	if (len > m->value_max && m->before_long < 0)
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
		size_add_set_member(&m->structures, &m->parts, (int64_t)entry->len);
	else
		size_add_zset_member(&m->structures, &m->parts, (int64_t)entry->len);
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
		size_add_field(&m->structures, &m->parts, m->field_len, m->value_len,
			       m->field_expires);
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
	m->expiring += expires;
	sum_add(&m->listpack_bytes, expires ? 10 : 2);
}

/* --- packed collections --------------------------------------------------- */

static int broken(struct err *err)
{
	return err_set(err, -EBADMSG, "rdb: a packed collection whose bytes make no sense");
}

/* A score, or when a field expires. */
static void take_beside(struct rdb_memory *m, enum rdb_type type, const struct packed_entry *entry)
{
	sum_add(&m->listpack_bytes, (int64_t)listpack_entry_bytes(entry));
	if (type != RDB_HASH)
		return;
	m->field_expires = !entry->integer || entry->value;
	m->has_expiry |= m->field_expires;
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
			take_beside(m, type, &entry);
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

/* Values behind the number of the template that has the names of their fields. */
static int take_template_listpack(struct rdb_memory *m, const struct rdb_text *text,
				  struct err *err)
{
	struct packed_entry entry;
	struct packed packed;
	int ret = packed_open(&packed, PACKED_LISTPACK, text->data, text->len);

	if (ret || packed_next(&packed, &entry) <= 0 || !entry.integer)
		return broken(err);
	while ((ret = packed_next(&packed, &entry)) > 0)
		count_element(m, &entry);
	if (ret)
		return broken(err);
	m->templated = m->packed = true;
	m->encoding = "template-listpack";
	m->packed_bytes = (int64_t)text->len;
	return 0;
}

static void take_template_value(struct rdb_memory *m, const struct packed_entry *entry)
{
	m->templated = true;
	count_element(m, entry);
	size_add(&m->structures, &m->parts, sds_bytes((int64_t)entry->len));
}

/* A node of a list: as it is, or anew from a ziplist. */
static int take_list_node(struct rdb_memory *m, const struct rdb_event *event, struct err *err)
{
	enum packed_kind kind = event->role == PART_ZIPLIST ? PACKED_ZIPLIST : PACKED_LISTPACK;
	const struct rdb_text *text = event->text;
	struct packed_entry entry = { .data = text->data, .len = text->len };
	struct packed packed;
	int64_t bytes = LISTPACK_HEAD, before = m->elements;
	int ret;

	if (event->role == PART_NODE && m->container == 1) {
		m->elements++;
		if ((int64_t)text->len > m->largest)
			m->largest = (int64_t)text->len;
		end_node(m, (int64_t)text->len, 1);
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
	end_node(m, kind == PACKED_LISTPACK ? (int64_t)text->len : bytes, m->elements - before);
	return 0;
}

/* --- the end of a value --------------------------------------------------- */

/* A table where it is not small enough for one string. */
static struct sizes end_table(struct rdb_memory *m, int64_t entries_max, const char *table)
{
	struct sizes sizes = { 0 };

	if (m->elements <= entries_max && m->largest <= m->value_max) {
		m->key.encoding = "listpack";
		size_add(&m->structures, &sizes, sum_of(m->listpack_bytes, LISTPACK_HEAD));
		return sizes;
	}
	m->key.encoding = table;
	sizes = size_table_with_head(&m->structures, m->elements);
	sizes_plus(&sizes, m->parts);
	return sizes;
}

static struct sizes end_set(struct rdb_memory *m)
{
	struct sizes sizes = { 0 };
	int64_t width, entries_max = 0;

	if (!(m->packed && m->structures.server->small_sets) && m->all_numbers &&
	    m->elements <= m->limits.set_intset) {
		width = m->number_min >= INT16_MIN && m->number_max <= INT16_MAX ? 2 :
			m->number_min >= INT32_MIN && m->number_max <= INT32_MAX ? 4 :
										   8;
		m->key.encoding = "intset";
		size_add(&m->structures, &sizes, 8 + width * m->elements);
		return sizes;
	}
	/* Of more than an intset may have a table is made at once. */
	if (m->structures.server->small_sets && m->elements <= m->limits.set_intset)
		entries_max = m->limits.set_entries;
	sizes = end_table(m, entries_max, "hashtable");
	if (m->structures.server->bare_members && m->key.encoding[0] == 'h')
		size_add_bare_entries(&m->structures, &sizes, m->elements);
	return sizes;
}

/*
 * A hash's table is made for the fields that follow where one came that is too long for a
 * listpack, and with a first field that expires it is made for none (rdbLoadObject(),
 * dictTryExpand()).
 */
static void add_outgrown_table(const struct rdb_memory *m, struct sizes *sizes)
{
	int64_t before = m->before_long + 1, left = m->elements - before, made_for = 0;

	if (!m->has_expiry) {
		if (m->elements > m->limits.hash_entries || m->before_long < 0)
			return;
		made_for = left > before ? left : before;
	}
	size_add_outgrown_table(&m->structures, sizes, m->elements, made_for);
}

/* Fields that expire are in a table always, but for Redis's small hashes. */
static struct sizes end_hash(struct rdb_memory *m)
{
	bool table = m->has_expiry && m->structures.server->buckets;
	struct sizes sizes;

	if (m->templated) { /* the template, and a pointer to each value */
		sizes = m->parts;
		size_add(&m->structures, &sizes, 8 * (1 + m->elements));
		m->key.encoding = "template-array";
		return sizes;
	}
	end_field(m);
	sizes = end_table(m, table ? 0 : m->limits.hash_entries, "hashtable");
	if (m->key.encoding[0] == 'h')
		add_outgrown_table(m, &sizes);
	if (table)
		size_add_expiring(&m->structures, &sizes, m->expiring);
	if (m->has_expiry && m->key.encoding[0] == 'l') {
		m->key.encoding = "listpackex";
		size_add(&m->structures, &sizes, LISTPACK_EX_BYTES);
	}
	return sizes;
}

static struct sizes end_zset(struct rdb_memory *m)
{
	struct sizes sizes = end_table(m, m->limits.zset_entries, "skiplist");

	if (m->key.encoding[0] == 'l')
		return sizes;
	size_add_skiplist(&m->structures, &sizes);
	return sizes;
}

static struct sizes end_list(struct rdb_memory *m)
{
	struct sizes sizes = { 0 };

	if (m->node_fill)
		end_node(m, m->node_fill, m->node_entries);
	if (m->structures.server->small_lists && m->nodes == 1 &&
	    fits_node(m, m->last_node_bytes, m->last_node_entries)) {
		m->key.encoding = "listpack";
		size_add(&m->structures, &sizes, m->last_node_bytes);
		return sizes;
	}
	m->key.encoding = "quicklist";
	sizes = m->parts;
	size_add_struct(&m->structures, &sizes, QUICKLIST_BYTES);
	return sizes;
}

static struct sizes end_stream(struct rdb_memory *m)
{
	struct sizes sizes = m->parts;

	m->key.encoding = "stream";
	size_add_struct(&m->structures, &sizes, STREAM_BYTES);
	return sizes;
}

static struct sizes end_unpacked(struct rdb_memory *m, enum rdb_type type)
{
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

/* Is it more than the server keeps packed? Loading looks at the elements alone, not at their
 * length (rdbLoadObject()). */
static bool outgrows(const struct rdb_memory *m, enum rdb_type type)
{
	const struct packed_limits *limits = &m->limits;

	if (m->templated)
		return false;
	switch (type) {
	case RDB_HASH:
		return m->elements > limits->hash_entries;
	case RDB_ZSET:
		return m->elements > limits->zset_entries;
	case RDB_SET:
		return m->encoding[0] == 'i' ? m->elements > limits->set_intset :
					       !m->structures.server->small_sets ||
						       m->elements > limits->set_entries;
	default:
		return false;
	}
}

/* Packed as the dump has it, where the server keeps so many packed. */
static struct sizes end_packed(struct rdb_memory *m, enum rdb_type type)
{
	struct sizes sizes = { 0 };

	if (!m->unheld && outgrows(m, type))
		return end_unpacked(m, type);
	m->key.encoding = m->encoding;
	if (type == RDB_LIST) {
		/* As pushes make it: one node, of one listpack. */
		return end_list(m);
	}
	size_add(&m->structures, &sizes, m->packed_bytes);
	if (!strcmp(m->encoding, "listpackex"))
		size_add(&m->structures, &sizes, LISTPACK_EX_BYTES);
	return sizes;
}

/* Small numbers are objects that all share, where no name lies in the object. */
static struct sizes end_string(struct rdb_memory *m, const struct rdb_key *key)
{
	struct sizes sizes = { 0 };

	m->key.elements = m->elements;
	if (m->number) {
		m->key.encoding = "int";
		size_add_object(&m->structures, &sizes, key, -1);
		if (m->structures.place != KEY_IN_OBJECT && m->number_value >= 0 &&
		    m->number_value < SHARED_INTEGERS)
			sum_add(&sizes.real, -size_class(&m->structures, OBJECT_BYTES));
	} else if (size_add_object(&m->structures, &sizes, key, m->elements)) {
		m->key.encoding = "embstr";
	} else {
		m->key.encoding = "raw";
		size_add(&m->structures, &sizes, sds_bytes(m->elements));
	}
	return sizes;
}

static struct sizes end_value(struct rdb_memory *m, enum rdb_type type)
{
	return m->packed ? end_packed(m, type) : end_unpacked(m, type);
}

static int64_t value_max(const struct packed_limits *limits, enum rdb_type type)
{
	return type == RDB_HASH ? limits->hash_value :
	       type == RDB_SET	? limits->set_value :
	       type == RDB_ZSET ? limits->zset_value :
				  INT64_MAX;
}

static void begin_key(struct rdb_memory *m, enum rdb_type type)
{
	m->elements = 0;
	m->number = false;
	if (type == RDB_STRING) /* most keys are, and the rest is of elements */
		return;
	m->value_max = value_max(&m->limits, type);
	m->parts = (struct sizes){ 0 };
	m->largest = m->listpack_bytes = m->nodes = m->node_fill = 0;
	m->expiring = 0;
	m->field_expires = m->field_whole = m->has_expiry = m->packed = m->unheld = false;
	m->templated = false;
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
	if (key->type == RDB_MODULE || key->type == RDB_ARRAY) {
		if (key->type == RDB_ARRAY)
			m->key.elements = m->elements;
		m->key.usage_bytes = m->key.bytes = RECORD_UNKNOWN;
		m->unknown_total++;
		return;
	}
	if (key->type == RDB_STRING) {
		sizes = end_string(m, key);
	} else {
		sizes = end_value(m, key->type);
		size_add_object(&m->structures, &sizes, key, -1);
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
	int64_t bytes = size_table(&m->structures, larger(db->keys, db->keys_announced)).real;

	if (!db->keys && !db->keys_announced)
		return 0;
	sum_add(&bytes,
		size_table(&m->structures, larger(db->expires, db->expires_announced)).real);
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
			size_add_rax(&m->structures, &m->parts, number);
		break;
	case PART_MEMBERS:
		if (event->key->type == RDB_ARRAY)
			m->elements = number;
		break;
	case PART_STREAM_LENGTH:
		m->elements = number;
		break;
	case PART_GROUPS:
		if (number)
			size_add_rax_names(&m->structures, &m->parts, number);
		break;
	case PART_CONSUMERS:
		size_add_rax_names(&m->structures, &m->parts, number);
		break;
	case PART_PENDING:
		size_add_rax(&m->structures, &m->parts, number);
		sum_add(&m->parts.usage, number > INT64_MAX / 32 ? INT64_MAX : number * NACK_BYTES);
		sum_add(&m->parts.real, number > INT64_MAX / 32 ?
						INT64_MAX :
						number * size_class(&m->structures, NACK_BYTES));
		break;
	case PART_CONSUMER_PENDING:
		size_add_rax(&m->structures, &m->parts, number);
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
		end_node(m, (int64_t)event->text->len, 0);
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
	case PART_TEMPLATE_VALUE:
		take_template_value(m, &entry);
		break;
	case PART_GROUP:
		size_add_struct(&m->structures, &m->parts, m->structures.server->group);
		size_add_rax_name(&m->structures, &m->parts, (int64_t)event->text->len);
		break;
	case PART_CONSUMER:
		size_add_struct(&m->structures, &m->parts, m->structures.server->consumer);
		size_add_unused(&m->structures, &m->parts, sds_bytes((int64_t)event->text->len));
		sum_add(&m->parts.usage, (int64_t)event->text->len);
		size_add_rax_name(&m->structures, &m->parts, (int64_t)event->text->len);
		break;
	case PART_NODE_ID:
	case PART_MODULE_DATA:
		break;
	case PART_STREAM_LISTPACK:
		size_add(&m->structures, &m->parts, (int64_t)event->text->len);
		break;
	default:
		if (!event->text->data)
			take_unheld(m, event);
		else if (event->role == PART_NODE ||
			 (event->role == PART_ZIPLIST && event->key->type == RDB_LIST &&
			  event->key->number == 14))
			return take_list_node(m, event, err);
		else if (event->role == PART_TEMPLATE_LISTPACK)
			return take_template_listpack(m, event->text, err);
		else
			return take_packed(m, event, err);
	}
	return 0;
}

/* Names that hashes share belong to none of them. */
static void take_template_field(struct rdb_memory *m, const struct rdb_text *text)
{
	sum_add(&m->tables_done, 8 + size_class(&m->structures, sds_bytes((int64_t)text->len)));
}

int rdb_memory_take(struct rdb_memory *m, const struct rdb_event *event, struct err *err)
{
	switch (event->kind) {
	case RDB_NUMBER:
		take_number(m, event);
		return 0;
	case RDB_TEXT:
		if (event->role == PART_TEMPLATE_FIELD)
			take_template_field(m, event->text);
		return event->key ? take_text(m, event, err) : 0;
	case RDB_BEGIN:
		m->valkey = event->valkey;
		return 0;
	case RDB_KEY:
		begin_key(m, event->key->type);
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

struct rdb_memory *rdb_memory_new(const struct memory_place *place)
{
	struct rdb_memory *m = xcalloc(1, sizeof(*m));

	structures_init(&m->structures, &place->release, place->quantum);
	m->limits = place->limits;
	return m;
}

void rdb_memory_free(struct rdb_memory *m)
{
	free(m);
}

const struct server_structures *rdb_memory_server(const struct rdb_memory *m)
{
	return m->structures.server;
}
