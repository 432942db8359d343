/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parser says of every stream of a dump on stdin, in the lines of tests/load/streams.c:
 * each is written when the last of its numbers has come.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"
#include "rdb/rdb.h"

/* Types of streams. */
#define OLDEST	      15
#define WITH_ACTIVITY 21

struct teller {
	struct buf group, consumer; /* empty = not in one */
	uint64_t length, last_ms, deleted_ms, last_seq, deleted_seq, entry_ms, seen_ms;
	uint64_t entry_seq, delivered_ms;
};

static void begin(const struct teller *t, const struct rdb_key *key, const char *what)
{
	printf("%" PRId64 "\t%.*s\t%s", key->db, (int)key->name.len, key->name.data, what);
	if (t->group.len)
		printf("\t%s", buf_str(&t->group));
}

/* Before the second version there is no more of a stream than its last id. */
static void tell_head(const struct teller *t, const struct rdb_key *key, uint64_t added)
{
	begin(t, key, "stream");
	printf("\t%" PRIu64 "\t%" PRIu64 "-%" PRIu64, t->length, t->last_ms, t->last_seq);
	if (key->number == OLDEST)
		puts("\t-\t-");
	else
		printf("\t%" PRIu64 "-%" PRIu64 "\t%" PRIu64 "\n", t->deleted_ms, t->deleted_seq,
		       added);
}

static void tell_group(const struct teller *t, const struct rdb_key *key, const char *entries_read)
{
	begin(t, key, "group");
	printf("\t%" PRIu64 "-%" PRIu64 "\t%s\n", t->last_ms, t->last_seq, entries_read);
}

static void tell_consumer(const struct teller *t, const struct rdb_key *key, const char *active)
{
	begin(t, key, "consumer");
	printf("\t%s\t%" PRIu64 "\t%s\n", buf_str(&t->consumer), t->seen_ms, active);
}

static void tell_entry(const struct teller *t, const struct rdb_key *key)
{
	begin(t, key, "owned");
	printf("\t%s\t%" PRIu64 "-%" PRIu64 "\n", buf_str(&t->consumer), t->entry_ms, t->entry_seq);
}

static void take_number(struct teller *t, const struct rdb_event *event)
{
	bool old = event->key->number == OLDEST, no_activity = event->key->number < WITH_ACTIVITY;
	uint64_t number = event->number;
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, (int64_t)number);
	switch (event->role) {
	case PART_STREAM_LENGTH:
		t->length = number;
		break;
	case PART_LAST_MS:
		t->last_ms = number;
		break;
	case PART_LAST_SEQ:
		t->last_seq = number;
		if (old && t->group.len)
			tell_group(t, event->key, "-");
		else if (old)
			tell_head(t, event->key, 0);
		break;
	case PART_DELETED_MS:
		t->deleted_ms = number;
		break;
	case PART_DELETED_SEQ:
		t->deleted_seq = number;
		break;
	case PART_ADDED:
		tell_head(t, event->key, number);
		break;
	case PART_ENTRIES_READ:
		tell_group(t, event->key, number == UINT64_MAX ? "-" : text);
		break;
	case PART_ENTRY_MS:
		t->entry_ms = number;
		break;
	case PART_ENTRY_SEQ:
		t->entry_seq = number;
		if (t->consumer.len)
			tell_entry(t, event->key);
		break;
	case PART_DELIVERED_MS:
		t->delivered_ms = number;
		break;
	case PART_DELIVERIES:
		begin(t, event->key, "pending");
		printf("\t%" PRIu64 "-%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n", t->entry_ms,
		       t->entry_seq, t->delivered_ms, number);
		break;
	case PART_SEEN_MS:
		t->seen_ms = number;
		if (no_activity)
			tell_consumer(t, event->key, "-");
		break;
	case PART_ACTIVE_MS:
		tell_consumer(t, event->key, text);
		break;
	default:
		break;
	}
}

static int take(void *ctx, const struct rdb_event *event, struct err *err)
{
	struct teller *t = ctx;

	(void)err;
	if (!event->key || event->key->type != RDB_STREAM)
		return 0;
	if (event->kind == RDB_KEY) {
		buf_clear(&t->group);
		buf_clear(&t->consumer);
	} else if (event->kind == RDB_NUMBER) {
		take_number(t, event);
	} else if (event->kind == RDB_TEXT && event->role == PART_GROUP) {
		buf_clear(&t->consumer);
		buf_clear(&t->group);
		buf_add(&t->group, event->text->data, event->text->len);
	} else if (event->kind == RDB_TEXT && event->role == PART_CONSUMER) {
		buf_clear(&t->consumer);
		buf_add(&t->consumer, event->text->data, event->text->len);
	}
	return 0;
}

int main(void)
{
	struct teller teller = {};
	struct rdb *rdb = rdb_new(&(struct rdb_sink){ take, &teller });
	struct err err = {};
	size_t size, n;
	void *room;
	int ret;

	do {
		room = rdb_room(rdb, &size);
		n = fread(room, 1, size, stdin);
		ret = n ? rdb_take(rdb, n, &err) : rdb_close(rdb, &err);
	} while (!ret && n);
	if (ret < 0)
		fprintf(stderr, "%s\n", err.text);
	rdb_free(rdb);
	buf_free(&teller.group);
	buf_free(&teller.consumer);
	return ret < 0;
}
