/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys drawn at random; see keysample.h. */
#include "redis/keysample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "redis/keylook.h"

/* COUNT, SCAN's own default: several places of the table rather than one. Each key is met cold, and
 * on a virtual machine whose memory was slow a step of 32 held the server for up to 4 ms. */
#define STEP_KEYS     10
#define DATABASES_MAX 64
/* A step may find nothing in a sparse table: no more than so many for each that must be. */
#define STEPS_EACH 4

struct database {
	int64_t number;
	size_t wanted, seen;
	size_t steps_left;
	bool all; /* few keys: from one end to the other, each once */
	unsigned long long cursor; /* then: of the next step */
};

struct keysample {
	struct conn *conn;
	struct record_sink sink;
	struct database database[DATABASES_MAX];
	size_t count;
	size_t current;
	struct keylook_refusal refusal;
};

static void step(struct keysample *sample);

static void ignored(void *ctx, redisReply *reply, double seconds)
{
	(void)ctx;
	(void)seconds;
	freeReplyObject(reply);
}

static int select_database(struct keysample *sample, int64_t number)
{
	char line[32];

	snprintf(line, sizeof(line), "SELECT %lld", (long long)number);
	return conn_send_line(sample->conn, ignored, sample, line);
}

static void end(struct keysample *sample)
{
	sample->current = sample->count;
	select_database(sample, conn_db(sample->conn));
}

/* After the last look at a batch, so that its records come before the next begins. */
static void batch_done(void *ctx, redisReply *reply, double seconds)
{
	struct keysample *sample = ctx;
	struct database *at = &sample->database[sample->current];
	bool lost = !reply;

	ignored(ctx, reply, seconds);
	if (lost)
		return;
	if (at->seen >= at->wanted || !at->steps_left) {
		sample->current++;
		if (sample->current < sample->count && select_database(sample, at[1].number))
			sample->current = sample->count;
	}
	if (sample->current < sample->count)
		step(sample);
	else
		end(sample);
}

static void take_names(struct keysample *sample, const redisReply *names)
{
	struct database *at = &sample->database[sample->current];
	struct bytes keys[KEYLOOK_MAX];
	size_t count = 0;

	for (size_t i = 0; i < names->elements && count < KEYLOOK_MAX; i++) {
		const redisReply *name = names->element[i];

		if (name->type == REDIS_REPLY_STRING && at->seen + count < at->wanted)
			keys[count++] = (struct bytes){ name->str, (size_t)name->len };
	}
	at->seen += count;
	if (count)
		keylook_drawn(sample->conn, &sample->sink, at->number, keys, count,
			      &sample->refusal);
}

static void scanned(void *ctx, redisReply *reply, double seconds)
{
	struct keysample *sample = ctx;
	bool understood = reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
			  reply->element[0]->type == REDIS_REPLY_STRING &&
			  reply->element[1]->type == REDIS_REPLY_ARRAY;
	struct database *at = &sample->database[sample->current];

	(void)seconds;
	keylook_note(&sample->refusal, reply);
	if (understood) {
		take_names(sample, reply->element[1]);
		at->cursor = strtoull(reply->element[0]->str, NULL, 10);
	}
	if (!understood || (at->all && !at->cursor))
		at->steps_left = 0; /* refused, or at the end */
	if (reply && conn_send_line(sample->conn, batch_done, sample, "ECHO redmem"))
		end(sample);
	freeReplyObject(reply);
}

/* Any cursor is a valid place: bits beyond the table's size are masked (src/dict.c,
 * dictScan()); with a table for each slot its lowest bits name the slot. */
static unsigned long long random_cursor(void)
{
	unsigned long long cursor;

	if (getrandom(&cursor, sizeof(cursor), GRND_NONBLOCK) != sizeof(cursor))
		cursor = (unsigned long long)random();
	return cursor >> 1;
}

static void step(struct keysample *sample)
{
	struct database *at = &sample->database[sample->current];
	char line[64];

	at->steps_left--;
	snprintf(line, sizeof(line), "SCAN %llu COUNT %d", at->all ? at->cursor : random_cursor(),
		 STEP_KEYS);
	if (conn_send_line(sample->conn, scanned, sample, line))
		end(sample);
}

static void add_database(struct keysample *sample, const char *name, const char *value,
			 int64_t keys_total, size_t keys)
{
	int64_t here = info_sub_int(value, "keys");
	size_t wanted;

	if (here <= 0 || sample->count == DATABASES_MAX)
		return;
	wanted = (size_t)((double)keys * (double)here / (double)keys_total + 0.5);
	if (keys_total <= KEYSAMPLE_ALL)
		wanted = (size_t)here;
	/* Of few keys each once, rather than the same again and again. */
	if (wanted > (size_t)here)
		wanted = (size_t)here;
	if (wanted)
		sample->database[sample->count++] = (struct database){
			.number = strtoll(name + 2, NULL, 10),
			.wanted = wanted,
			.steps_left = (wanted / STEP_KEYS + 1) * STEPS_EACH,
			.all = wanted == (size_t)here,
		};
}

/* A server near its limit may have no room for what a drawing cannot do without. */
static bool may_draw(struct conn *conn)
{
	static const char *const names[] = { "select", "scan", "echo", "type", NULL };
	bool may = true;

	for (size_t i = 0; names[i]; i++)
		may = conn_may(conn, names[i]) && may;
	return may;
}

struct keysample *keysample_start(struct conn *conn, const struct record_sink *sink,
				  const struct info *info, size_t keys)
{
	struct keysample *sample;
	int64_t keys_total;

	info_keyspace(info, &keys_total, NULL);
	if (keys_total <= 0 || !may_draw(conn))
		return NULL;
	sample = xcalloc(1, sizeof(*sample));
	sample->conn = conn;
	sample->sink = *sink;
	for (size_t i = 0; i < info_count(info); i++)
		if (info_is_database(info_name_at(info, i)))
			add_database(sample, info_name_at(info, i), info_value_at(info, i),
				     keys_total, keys);
	if (sample->count && !select_database(sample, sample->database[0].number))
		step(sample);
	return sample;
}

const char *keysample_refusal(const struct keysample *sample)
{
	return sample ? sample->refusal.text : "";
}

void keysample_free(struct keysample *sample)
{
	free(sample);
}
