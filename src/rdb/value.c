/* SPDX-License-Identifier: BSD-2-Clause */
/* A value as its elements come; see value.h. */
#include "rdb/value.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "rdb/packed.h"

#define QUICKLIST_NODE	40
#define NODE_BYTES_SAFE 8192 /* of a list's node that is told in entries */
#define NACK_BYTES	24

/* --- elements ------------------------------------------------------------- */

/* The list as pushes make it: a node takes what fits. */
void value_end_node(struct value *v, int64_t bytes, int64_t entries)
{
	size_add_struct(v->structures, &v->parts, QUICKLIST_NODE);
	size_add(v->structures, &v->parts, bytes);
	v->nodes++;
	v->last_node_bytes = bytes;
	v->last_node_entries = entries;
}

/* Does a node of a list hold so much? quicklistNodeLimit() */
bool value_fits_node(const struct value *v, int64_t bytes, int64_t entries)
{
	static const int64_t levels[] = { 4096, 8192, 16384, 32768, 65536 };
	int64_t size = v->limits->list_size, last = sizeof(levels) / sizeof(*levels);

	if (size < 0)
		return bytes <= levels[(-size < last ? -size : last) - 1];
	return bytes <= NODE_BYTES_SAFE && entries <= (size ? size : 1);
}

static void add_list_member(struct value *v, int64_t bytes)
{
	if (v->node_fill && !value_fits_node(v, sum_of(v->node_fill, bytes), v->node_entries + 1)) {
		value_end_node(v, v->node_fill, v->node_entries);
		v->node_fill = 0;
	}
	if (!v->node_fill) {
		v->node_fill = LISTPACK_HEAD;
		v->node_entries = 0;
	}
	sum_add(&v->node_fill, bytes);
	v->node_entries++;
}

static void count_element(struct value *v, const struct packed_entry *entry)
{
	int64_t len = (int64_t)entry->len, value = entry->value;

	if (len > v->value_max && v->before_long < 0)
		v->before_long = v->elements;
	v->elements++;
	if (len > v->largest)
		v->largest = len;
	sum_add(&v->listpack_bytes, (int64_t)listpack_entry_bytes(entry));
	if (!entry->integer && (!entry->data || !decimal_parse(entry->data, entry->len, &value)))
		v->all_numbers = false;
	if (value < v->number_min)
		v->number_min = value;
	if (value > v->number_max)
		v->number_max = value;
}

/* A member of a list, set or sorted set. */
static void take_member(struct value *v, enum rdb_type type, const struct packed_entry *entry)
{
	count_element(v, entry);
	if (type == RDB_LIST)
		add_list_member(v, (int64_t)listpack_entry_bytes(entry));
	else if (type == RDB_SET)
		size_add_set_member(v->structures, &v->parts, (int64_t)entry->len);
	else
		size_add_zset_member(v->structures, &v->parts, (int64_t)entry->len);
}

/* Scores in listpacks are text; of a table's none is known, and 17 digits are the most. */
static void take_score(struct value *v, uint64_t bits)
{
	struct packed_entry entry = { .len = 17, .data = "" };
	double score;

	memcpy(&score, &bits, sizeof(score));
	if (fabs(score) < 0x1p53 && score == trunc(score)) {
		entry = (struct packed_entry){ .integer = true, .value = (int64_t)score };
		sum_add(&v->listpack_bytes, (int64_t)listpack_entry_bytes(&entry));
		return;
	}
	sum_add(&v->listpack_bytes, 19);
}

void value_end_field(struct value *v)
{
	if (v->field_whole)
		size_add_field(v->structures, &v->parts, v->field_len, v->value_len,
			       v->field_expires);
	v->field_whole = false;
}

static void take_field(struct value *v, const struct packed_entry *entry)
{
	value_end_field(v);
	v->field_len = (int64_t)entry->len;
	count_element(v, entry);
}

static void take_field_value(struct value *v, const struct packed_entry *entry)
{
	v->value_len = (int64_t)entry->len;
	v->field_whole = true;
	v->elements--; /* field and value are one */
	count_element(v, entry);
}

/* Redis says it before the field, 0 = none; Valkey behind the value, -1 = none. */
static void take_field_expiry(struct value *v, uint64_t number)
{
	bool expires = number && number != UINT64_MAX;

	if (!v->valkey)
		value_end_field(v);
	v->field_expires = expires;
	v->has_expiry |= expires;
	v->expiring += expires;
	sum_add(&v->listpack_bytes, expires ? 10 : 2);
}

/* --- packed collections --------------------------------------------------- */

static int broken(struct err *err)
{
	return err_set(err, -EBADMSG, "rdb: a packed collection whose bytes make no sense");
}

/* A score, or when a field expires. */
static void take_beside(struct value *v, enum rdb_type type, const struct packed_entry *entry)
{
	sum_add(&v->listpack_bytes, (int64_t)listpack_entry_bytes(entry));
	if (type != RDB_HASH)
		return;
	v->field_expires = !entry->integer || entry->value;
	v->has_expiry |= v->field_expires;
}

/* Fields of 1 (list, set), 2 or 3 entries each. */
static int walk(struct value *v, enum rdb_type type, enum packed_kind kind, int entries,
		const struct rdb_text *text)
{
	struct packed_entry entry;
	struct packed packed;
	int ret = packed_open(&packed, kind, text->data, text->len), at = 0;

	while (!ret && (ret = packed_next(&packed, &entry)) > 0) {
		if (type == RDB_HASH && at == 0)
			take_field(v, &entry);
		else if (type == RDB_HASH && at == 1)
			take_field_value(v, &entry);
		else if (at == 0)
			take_member(v, type, &entry);
		else
			take_beside(v, type, &entry);
		at = at + 1 == entries ? 0 : at + 1;
		ret = 0;
	}
	return ret || at ? -EBADMSG : 0;
}

/* The whole value in one string. */
static int take_packed(struct value *v, const struct rdb_event *event, struct err *err)
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
		if (walk(v, type, rows[i].kind, entries, event->text))
			return broken(err);
		v->encoding = rows[i].encoding;
		v->packed = true;
		/* What is converted is packed anew. */
		v->packed_bytes = rows[i].kind == PACKED_INTSET || rows[i].kind == PACKED_LISTPACK ?
					  (int64_t)event->text->len :
					  sum_of(v->listpack_bytes, LISTPACK_HEAD);
	}
	return 0;
}

/* Values behind the number of the template that has the names of their fields. */
static int take_template_listpack(struct value *v, const struct rdb_text *text, struct err *err)
{
	struct packed_entry entry;
	struct packed packed;
	int ret = packed_open(&packed, PACKED_LISTPACK, text->data, text->len);

	if (ret || packed_next(&packed, &entry) <= 0 || !entry.integer)
		return broken(err);
	while ((ret = packed_next(&packed, &entry)) > 0)
		count_element(v, &entry);
	if (ret)
		return broken(err);
	v->templated = v->packed = true;
	v->encoding = "template-listpack";
	v->packed_bytes = (int64_t)text->len;
	return 0;
}

static void take_template_value(struct value *v, const struct packed_entry *entry)
{
	v->templated = true;
	count_element(v, entry);
	size_add(v->structures, &v->parts, sds_bytes((int64_t)entry->len));
}

/* A node of a list: as it is, or anew from a ziplist. */
static int take_list_node(struct value *v, const struct rdb_event *event, struct err *err)
{
	enum packed_kind kind = event->role == PART_ZIPLIST ? PACKED_ZIPLIST : PACKED_LISTPACK;
	const struct rdb_text *text = event->text;
	struct packed_entry entry = { .data = text->data, .len = text->len };
	struct packed packed;
	int64_t bytes = LISTPACK_HEAD, before = v->elements;
	int ret;

	if (event->role == PART_NODE && v->container == 1) {
		v->elements++;
		if ((int64_t)text->len > v->largest)
			v->largest = (int64_t)text->len;
		value_end_node(v, (int64_t)text->len, 1);
		v->last_node_bytes = INT64_MAX; /* never a listpack alone */
		return 0;
	}
	ret = packed_open(&packed, kind, text->data, text->len);
	while (!ret && (ret = packed_next(&packed, &entry)) > 0) {
		count_element(v, &entry);
		bytes += (int64_t)listpack_entry_bytes(&entry);
		ret = 0;
	}
	if (ret)
		return broken(err);
	value_end_node(v, kind == PACKED_LISTPACK ? (int64_t)text->len : bytes,
		       v->elements - before);
	return 0;
}

/* --- events --------------------------------------------------------------- */

static int64_t value_max(const struct packed_limits *limits, enum rdb_type type)
{
	return type == RDB_HASH ? limits->hash_value :
	       type == RDB_SET	? limits->set_value :
	       type == RDB_ZSET ? limits->zset_value :
				  INT64_MAX;
}

void value_begin(struct value *v, enum rdb_type type)
{
	v->elements = 0;
	v->number = false;
	if (type == RDB_STRING) /* most keys are, and the rest is of elements */
		return;
	*v = (struct value){
		.structures = v->structures,
		.limits = v->limits,
		.valkey = v->valkey,
		.value_max = value_max(v->limits, type),
		.all_numbers = true,
		.number_min = INT64_MAX,
		.number_max = INT64_MIN,
		.container = 2,
		.before_long = -1,
	};
}

static void take_number(struct value *v, const struct rdb_event *event)
{
	int64_t number = (int64_t)(event->number & INT64_MAX);

	switch (event->role) {
	case PART_SCORE:
		take_score(v, event->number);
		break;
	case PART_FIELD_EXPIRY:
		take_field_expiry(v, event->number);
		break;
	case PART_CONTAINER:
		v->container = number;
		break;
	case PART_NODES:
		if (event->key->type == RDB_STREAM)
			size_add_rax(v->structures, &v->parts, number);
		break;
	case PART_MEMBERS:
		if (event->key->type == RDB_ARRAY)
			v->elements = number;
		break;
	case PART_STREAM_LENGTH:
		v->elements = number;
		break;
	case PART_GROUPS:
		if (number)
			size_add_rax_names(v->structures, &v->parts, number);
		break;
	case PART_CONSUMERS:
		size_add_rax_names(v->structures, &v->parts, number);
		break;
	case PART_PENDING:
		size_add_rax(v->structures, &v->parts, number);
		sum_add(&v->parts.usage, number > INT64_MAX / 32 ? INT64_MAX : number * NACK_BYTES);
		sum_add(&v->parts.real, number > INT64_MAX / 32 ?
						INT64_MAX :
						number * size_class(v->structures, NACK_BYTES));
		break;
	case PART_CONSUMER_PENDING:
		size_add_rax(v->structures, &v->parts, number);
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

static void take_string(struct value *v, const struct rdb_text *text)
{
	v->elements = (int64_t)text->len;
	v->number_value = text->number;
	v->number = text->form == TEXT_NUMBER ||
		    (text->data && decimal_parse(text->data, text->len, &v->number_value));
}

/* Too long to be held: it counts as it stands. */
static void take_unheld(struct value *v, const struct rdb_event *event)
{
	v->unheld = true;
	if (event->key->type == RDB_LIST) {
		value_end_node(v, (int64_t)event->text->len, 0);
		return;
	}
	v->packed = true;
	v->encoding = event->role == PART_INTSET ? "intset" : "listpack";
	v->packed_bytes = (int64_t)event->text->len;
}

static int take_text(struct value *v, const struct rdb_event *event, struct err *err)
{
	struct packed_entry entry = entry_of(event->text);

	switch (event->role) {
	case PART_VALUE:
		take_string(v, event->text);
		break;
	case PART_MEMBER:
		take_member(v, event->key->type, &entry);
		break;
	case PART_FIELD:
		take_field(v, &entry);
		break;
	case PART_FIELD_VALUE:
		take_field_value(v, &entry);
		break;
	case PART_TEMPLATE_VALUE:
		take_template_value(v, &entry);
		break;
	case PART_GROUP:
		size_add_struct(v->structures, &v->parts, v->structures->server->group);
		size_add_rax_name(v->structures, &v->parts, (int64_t)event->text->len);
		break;
	case PART_CONSUMER:
		size_add_struct(v->structures, &v->parts, v->structures->server->consumer);
		size_add_unused(v->structures, &v->parts, sds_bytes((int64_t)event->text->len));
		sum_add(&v->parts.usage, (int64_t)event->text->len);
		size_add_rax_name(v->structures, &v->parts, (int64_t)event->text->len);
		break;
	case PART_NODE_ID:
	case PART_MODULE_DATA:
		break;
	case PART_STREAM_LISTPACK:
		size_add(v->structures, &v->parts, (int64_t)event->text->len);
		break;
	default:
		if (!event->text->data)
			take_unheld(v, event);
		else if (event->role == PART_NODE ||
			 (event->role == PART_ZIPLIST && event->key->type == RDB_LIST &&
			  event->key->number == 14))
			return take_list_node(v, event, err);
		else if (event->role == PART_TEMPLATE_LISTPACK)
			return take_template_listpack(v, event->text, err);
		else
			return take_packed(v, event, err);
	}
	return 0;
}

int value_take(struct value *v, const struct rdb_event *event, struct err *err)
{
	if (event->kind == RDB_TEXT)
		return take_text(v, event, err);
	take_number(v, event);
	return 0;
}
