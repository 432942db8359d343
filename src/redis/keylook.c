/* SPDX-License-Identifier: BSD-2-Clause */
/* A look at keys without touching them; see keylook.h. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/sum.h"
#include "redis/keylook.h"
#include "redis/knowledge.h"
#include "redis/replies.h"
#include "redis/usage.h"

struct look {
	struct conn *conn;
	struct record_sink sink;
	int64_t db;
	bool drawn; /* at random */
	bool refused; /* its database: what was looked at is another's */
	size_t users; /* keys not done, and the NO-TOUCH request */
	struct keylook_refusal *refusal; /* NULL = nobody asks */
};

struct look_key {
	struct look *look;
	char *key;
	size_t key_len;
	char *type; /* NULL = not known */
	char *encoding;
	int64_t bytes;
	int64_t elements;
	int64_t groups, consumers, pending; /* of a stream */
	double ttl_seconds;
	size_t unanswered;
};

static void look_release(struct look *look)
{
	if (!--look->users)
		free(look);
}

/* One reply less to come; after the last the record goes out. */
static void key_release(struct look_key *key)
{
	struct record record = { .kind = RECORD_KEY };

	if (--key->unanswered)
		return;
	record.key.key.data = key->key;
	record.key.key.len = key->key_len;
	record.key.db = key->look->db;
	record.key.source = key->look->drawn ? KEY_SOURCE_SAMPLE : KEY_SOURCE_LOOK;
	record.key.pass_seconds = NAN;
	record.key.type = key->type;
	record.key.encoding = key->encoding ? key->encoding : "";
	record.key.bytes = key->bytes;
	record.key.elements = key->elements;
	record.key.groups_total = key->groups;
	record.key.consumers_total = key->consumers;
	record.key.pending_total = key->pending;
	record.key.ttl_seconds = key->ttl_seconds;
	if (key->type && !key->look->refused)
		record_emit(&key->look->sink, &record);
	look_release(key->look);
	free(key->type);
	free(key->encoding);
	free(key->key);
	free(key);
}

/* False when it does not go out. */
static bool key_ask(struct look_key *key, conn_reply_fn fn, const char *command,
		    const char *subcommand, const char *samples)
{
	const char *argv[5] = { command };
	size_t argvlen[5] = { strlen(command) };
	int argc = 1;

	if (subcommand) {
		argv[argc] = subcommand;
		argvlen[argc++] = strlen(subcommand);
	}
	argv[argc] = key->key;
	argvlen[argc++] = key->key_len;
	if (samples) {
		argv[argc] = "SAMPLES";
		argvlen[argc++] = strlen("SAMPLES");
		argv[argc] = samples;
		argvlen[argc++] = strlen(samples);
	}
	if (conn_send(key->look->conn, fn, key, argc, argv, argvlen))
		return false;
	key->unanswered++;
	return true;
}

static bool is_integer(const redisReply *reply)
{
	return reply && reply->type == REDIS_REPLY_INTEGER;
}

void keylook_note(struct keylook_refusal *refusal, const redisReply *reply)
{
	if (refusal && !*refusal->text && reply && reply->type == REDIS_REPLY_ERROR &&
	    !strncmp(reply->str, "NOPERM", strlen("NOPERM")))
		snprintf(refusal->text, sizeof(refusal->text), "%s", reply->str);
}

/* A reply was taken. */
static void key_answered(struct look_key *key, redisReply *reply)
{
	keylook_note(key->look->refusal, reply);
	freeReplyObject(reply);
	key_release(key);
}

static void elements_replied(void *ctx, redisReply *reply, double seconds)
{
	struct look_key *key = ctx;

	(void)seconds;
	if (is_integer(reply))
		key->elements = reply->integer;
	key_answered(key, reply);
}

static void forget_reply(void *ctx, redisReply *reply, double seconds)
{
	(void)ctx, (void)seconds;
	freeReplyObject(reply);
}

static int select_db(struct conn *conn, conn_reply_fn fn, void *ctx, int64_t db)
{
	char line[40];

	snprintf(line, sizeof(line), "SELECT %lld", (long long)db);
	return conn_send_line(conn, fn, ctx, line);
}

/* A second question. The connection has left the key's database meanwhile, if it is not its
 * own. */
static void ask_more(struct look_key *key, conn_reply_fn fn, const char *command,
		     const char *subcommand, const char *samples)
{
	const struct look *look = key->look;
	bool other = !look->drawn && look->db != conn_db(look->conn);

	if (other && select_db(look->conn, forget_reply, NULL, look->db))
		return;
	key_ask(key, fn, command, subcommand, samples);
	if (other)
		select_db(look->conn, forget_reply, NULL, conn_db(look->conn));
}

static void usage_replied(void *ctx, redisReply *reply, double seconds)
{
	struct look_key *key = ctx;

	(void)seconds;
	if (is_integer(reply))
		key->bytes = reply->integer;
	key_answered(key, reply);
}

static void first_usage_replied(void *ctx, redisReply *reply, double seconds)
{
	struct look_key *key = ctx;
	int64_t samples = 0;
	char words[24];

	if (is_integer(reply) && key->type && !key->look->refused)
		samples = usage_more_samples(key->type, key->encoding, reply->integer);
	snprintf(words, sizeof(words), "%lld", (long long)samples);
	if (samples)
		ask_more(key, usage_replied, "MEMORY", "USAGE", words);
	usage_replied(ctx, reply, seconds);
}

/* MEMORY USAGE of a stream walks its groups and consumers, whatever SAMPLES says. */
static void groups_replied(void *ctx, redisReply *reply, double seconds)
{
	struct look_key *key = ctx;

	(void)seconds;
	if (reply && !stream_groups_count(reply, &key->groups, &key->consumers, &key->pending)) {
		if (knowledge_stream_is_cheap(key->groups, key->consumers))
			ask_more(key, first_usage_replied, "MEMORY", "USAGE", NULL);
	}
	key_answered(key, reply);
}

static void type_replied(void *ctx, redisReply *reply, double seconds)
{
	struct look_key *key = ctx;
	const char *command;
	bool may;

	(void)seconds;
	if (reply && reply->type == REDIS_REPLY_STATUS) {
		key->type = xstrdup(reply->str);
		command = knowledge_length_command(key->type);
		may = conn_no_touch(key->look->conn) == NO_TOUCH_PROMISED && !key->look->refused;
		if (command && may)
			ask_more(key, elements_replied, command, NULL, NULL);
		/* Where the look would count as use nobody says how many consumers there are. */
		if (!strcmp(key->type, "stream") && may)
			ask_more(key, groups_replied, "XINFO", "GROUPS", NULL);
		else if (strcmp(key->type, "none") != 0 && !key->look->refused)
			ask_more(key, first_usage_replied, "MEMORY", "USAGE", NULL);
	}
	key_answered(key, reply);
}

static void encoding_replied(void *ctx, redisReply *reply, double seconds)
{
	struct look_key *key = ctx;

	(void)seconds;
	if (reply && reply->type == REDIS_REPLY_STRING)
		key->encoding = xstrdup(reply->str);
	key_answered(key, reply);
}

/* Milliseconds; -1 = no expiry, -2 = no such key. */
static void ttl_replied(void *ctx, redisReply *reply, double seconds)
{
	struct look_key *key = ctx;

	(void)seconds;
	if (is_integer(reply) && reply->integer >= 0)
		key->ttl_seconds = (double)reply->integer / 1e3;
	else if (is_integer(reply) && reply->integer == -1)
		key->ttl_seconds = -1;
	key_answered(key, reply);
}

static void no_touch_replied(void *ctx, redisReply *reply, double seconds)
{
	struct look *look = ctx;

	(void)seconds;
	if (reply)
		conn_set_no_touch(look->conn, reply->type == REDIS_REPLY_STATUS);
	freeReplyObject(reply);
	look_release(look);
}

static void select_replied(void *ctx, redisReply *reply, double seconds)
{
	struct look *look = ctx;

	(void)seconds;
	look->refused = !reply || reply->type != REDIS_REPLY_STATUS;
	freeReplyObject(reply);
	look_release(look);
}

static void look_at(struct look *look, const struct bytes *bytes)
{
	struct look_key *key = xcalloc(1, sizeof(*key));

	key->look = look;
	key->key = xmemdup(bytes->data, bytes->len);
	key->key_len = bytes->len;
	key->bytes = key->elements = RECORD_UNKNOWN;
	key->groups = key->consumers = key->pending = RECORD_UNKNOWN;
	key->ttl_seconds = NAN;
	key->unanswered = 1; /* this function, until all is asked */
	look->users++;
	if (key_ask(key, type_replied, "TYPE", NULL, NULL)) { /* nothing is told without */
		key_ask(key, encoding_replied, "OBJECT", "ENCODING", NULL);
		key_ask(key, ttl_replied, "PTTL", NULL, NULL);
	}
	key_release(key);
}

/* A look that begins; NULL when the connection is lost. */
static struct look *look_new(const struct look *like)
{
	struct look *look;

	if (conn_fd(like->conn) < 0)
		return NULL;
	look = xcalloc(1, sizeof(*look));
	*look = *like;
	look->users = 1; /* the caller */
	if (conn_no_touch(look->conn) == NO_TOUCH_UNKNOWN &&
	    !conn_send_line(look->conn, no_touch_replied, look, "CLIENT NO-TOUCH ON"))
		look->users++;
	return look;
}

static int start(const struct look *like, const struct bytes *keys, size_t count)
{
	struct look *look = look_new(like);

	if (!look)
		return -ENOTCONN;
	for (size_t i = 0; i < count && i < KEYLOOK_MAX; i++)
		look_at(look, &keys[i]);
	look_release(look);
	return 0;
}

static int64_t db_of(const struct conn *conn, int64_t db)
{
	return db == RECORD_UNKNOWN ? conn_db(conn) : db;
}

/* Those of the keys that are in @db. */
static int start_in(struct conn *conn, const struct record_sink *sink, int64_t db,
		    const struct bytes *keys, const int64_t *dbs, size_t count)
{
	struct look *look = look_new(&(struct look){ .conn = conn, .sink = *sink, .db = db });
	int rc = 0;

	if (!look)
		return -ENOTCONN;
	if (db != conn_db(conn)) {
		rc = select_db(conn, select_replied, look, db);
		look->users += !rc;
	}
	for (size_t i = 0; i < count && !rc; i++)
		if (db_of(conn, dbs[i]) == db)
			look_at(look, &keys[i]);
	look_release(look);
	if (rc)
		return rc == CONN_WITHHELD ? 0 : rc;
	/* Its own again, whatever came of it. */
	return db == conn_db(conn) ? 0 : select_db(conn, forget_reply, NULL, conn_db(conn));
}

int keylook_found(struct conn *conn, const struct record_sink *sink, const struct bytes *keys,
		  const int64_t *dbs, size_t count)
{
	int rc = 0;

	if (count > KEYLOOK_MAX)
		count = KEYLOOK_MAX;
	for (size_t i = 0; i < count && !rc; i++) {
		int64_t db = db_of(conn, dbs[i]);
		size_t before = 0;

		while (before < i && db_of(conn, dbs[before]) != db)
			before++;
		if (before == i)
			rc = start_in(conn, sink, db, keys, dbs, count);
	}
	return rc;
}

int keylook_start(struct conn *conn, const struct record_sink *sink, const struct bytes *keys,
		  size_t count)
{
	return start(&(struct look){ .conn = conn, .sink = *sink, .db = conn_db(conn) }, keys,
		     count);
}

int keylook_drawn(struct conn *conn, const struct record_sink *sink, int64_t db,
		  const struct bytes *keys, size_t count, struct keylook_refusal *refusal)
{
	const struct look like = {
		.conn = conn, .sink = *sink, .db = db, .drawn = true, .refusal = refusal
	};

	return start(&like, keys, count);
}
