/* SPDX-License-Identifier: BSD-2-Clause */
/* What keys take in memory; see memory.h. */
#include "rdb/memory.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/sum.h"
#include "rdb/structures.h"
#include "rdb/value.h"

/* A database's tables; those it has announced, and those it has. */
struct database {
	int64_t keys, expires, keys_announced, expires_announced;
};

struct rdb_memory {
	struct packed_limits limits;
	struct structures structures;
	struct value value; /* the one being read */
	struct memory_key key; /* the one that has ended */
	/* sums */
	struct database database;
	int64_t tables_done; /* with what belongs to no key */
	int64_t keys_bytes, unknown_total;
};

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

static void end_key(struct rdb_memory *m, const struct rdb_key *key)
{
	const struct value *v = &m->value;
	struct sizes sizes;

	m->key = (struct memory_key){ .encoding = "",
				      .elements = RECORD_UNKNOWN,
				      .largest = RECORD_UNKNOWN,
				      .usage_bytes = RECORD_UNKNOWN,
				      .bytes = RECORD_UNKNOWN };
	m->database.keys++;
	m->database.expires += key->expire_ms != RECORD_UNKNOWN;
	if (key->type == RDB_ARRAY)
		m->key.elements = v->elements;
	if (key->type == RDB_MODULE || key->type == RDB_ARRAY) {
		m->unknown_total++;
		return;
	}
	sizes = value_end(&m->value, key);
	m->key.encoding = v->encoding;
	m->key.usage_bytes = sizes.usage;
	m->key.bytes = sizes.real;
	sum_add(&m->keys_bytes, sizes.real);
	if (key->type == RDB_STRING) {
		m->key.elements = v->elements;
	} else if (!v->unheld) {
		m->key.elements = v->elements;
		m->key.largest = v->largest;
	}
}

static int take_number(struct rdb_memory *m, const struct rdb_event *event, struct err *err)
{
	switch (event->role) {
	case PART_DB:
		begin_database(m);
		return 0;
	case PART_MAIN_SIZE:
		m->database.keys_announced = announced(event->number);
		return 0;
	case PART_EXPIRES_SIZE:
		m->database.expires_announced = announced(event->number);
		return 0;
	default:
		return value_take(&m->value, event, err);
	}
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
		return take_number(m, event, err);
	case RDB_TEXT:
		if (event->role == PART_TEMPLATE_FIELD)
			take_template_field(m, event->text);
		return event->key ? value_take(&m->value, event, err) : 0;
	case RDB_BEGIN:
		m->value.valkey = event->valkey;
		return 0;
	case RDB_KEY:
		value_begin(&m->value, event->key->type);
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
	m->value.structures = &m->structures;
	m->value.limits = &m->limits;
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
