/* SPDX-License-Identifier: BSD-2-Clause */
/* What a pass asks about a key, and what it makes of the answers. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "redis/info.h"
#include "redis/keypass_internal.h"
#include "redis/keyshape.h"
#include "redis/knowledge.h"
#include "redis/replies.h"
#include "redis/usage.h"

#define PREPARE_MS   5000
#define OTHER_NAME   "other" /* types beyond NAMES_MAX */
#define UNKNOWN_TYPE "unknown"

/* --- what the server can do ------------------------------------------------- */

static const char *text_of(const redisReply *reply)
{
	return reply && reply->type == REDIS_REPLY_STRING ? reply->str : "";
}

/* INFO keyspace: does any key of this database expire? Yes when it does not say. */
static bool has_ttl(const struct keypass *p, const char *text)
{
	char name[32];
	const char *line, *expires;

	snprintf(name, sizeof(name), "db%d:", conn_db(p->conn));
	if (strncmp(text, "# Keyspace", 10))
		return true;
	line = strstr(text, name);
	expires = line ? strstr(line, "expires=") : NULL;
	return expires && strtoll(expires + strlen("expires="), NULL, 10) > 0;
}

/* INFO memory: what the connection has to know, and the share of maxmemory in use; 0 when
 * there is no limit. */
static double used_ratio(struct conn *conn, const char *text)
{
	struct info *info = info_parse(text);
	int64_t used = info_int(info, "used_memory"), max = info_int(info, "maxmemory");

	conn_learn(conn, info);
	info_free(info);
	return used > 0 && max > 0 ? (double)used / (double)max : 0;
}

static int call(struct keypass *p, const char *line, redisReply **reply)
{
	return conn_call_line(p->conn, PREPARE_MS, reply, line);
}

static int ask_no_touch(struct keypass *p)
{
	redisReply *reply;
	int rc;

	if (conn_no_touch(p->conn) == NO_TOUCH_UNKNOWN) {
		rc = call(p, "CLIENT NO-TOUCH ON", &reply);
		if (rc && rc != CONN_WITHHELD)
			return rc;
		if (!rc) {
			conn_set_no_touch(p->conn, reply->type == REDIS_REPLY_STATUS);
			freeReplyObject(reply);
		}
	}
	p->result->no_touch = conn_no_touch(p->conn) == NO_TOUCH_PROMISED;
	p->asks_groups =
		p->result->no_touch && conn_may(p->conn, keypass_command(NULL, ASK_GROUPS));
	p->lengths = p->result->no_touch ? ELEMENTS_ALL : p->options->elements;
	return 0;
}

/* How much room is there, and is it enough for what the pass asks of every key? */
static int check_room(struct keypass *p)
{
	static const enum ask needed[] = { ASK_SCAN, ASK_USAGE, ASK_ENCODING, ASK_TYPE, ASK_TTL };
	bool enough = true;
	redisReply *reply;
	int rc = call(p, "INFO memory", &reply);

	if (rc)
		return rc;
	p->used_ratio = p->used_ratio_start = used_ratio(p->conn, text_of(reply));
	freeReplyObject(reply);
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		enough = conn_may(p->conn, keypass_command(NULL, needed[i])) && enough;
	if (!enough)
		conn_withheld_error(p->conn, "keys", &p->refusal);
	return 0;
}

int keypass_prepare(struct keypass *p)
{
	redisReply *reply;
	int rc = check_room(p);

	if (rc || p->refusal.code)
		return rc;
	rc = ask_no_touch(p);
	if (rc)
		return rc;
	rc = call(p, "INFO modules", &reply);
	if (rc)
		return rc;
	p->raw_is_string =
		!strncmp(text_of(reply), "# Modules", 9) && !strstr(text_of(reply), "module:");
	freeReplyObject(reply);
	rc = call(p, "INFO keyspace", &reply);
	if (rc)
		return rc;
	p->with_ttl = has_ttl(p, text_of(reply));
	freeReplyObject(reply);
	return 0;
}

static void memory_replied(void *ctx, redisReply *reply, double seconds)
{
	struct keypass *p = ctx;

	(void)seconds;
	if (reply)
		p->used_ratio = used_ratio(p->conn, text_of(reply));
	freeReplyObject(reply);
}

static void keyspace_replied(void *ctx, redisReply *reply, double seconds)
{
	struct keypass *p = ctx;

	(void)seconds;
	if (reply)
		p->with_ttl |= has_ttl(p, text_of(reply));
	freeReplyObject(reply);
}

/*
 * What other clients did since the last look: commands come to the server in order,
 * so all that was sent before INFO is in its count, and nothing that was sent after.
 */
static void stats_replied(void *ctx, redisReply *reply, double seconds)
{
	struct keypass *p = ctx;
	int64_t now = clock_mono_ns();
	struct info *info;
	int64_t others, loop_usec;

	(void)seconds;
	if (!reply)
		return;
	info = info_parse(text_of(reply));
	others = info_int(info, "total_commands_processed");
	loop_usec = info_int(info, "instantaneous_eventloop_duration_usec"); /* 7.2 */
	info_free(info);
	freeReplyObject(reply);
	if (others == RECORD_UNKNOWN)
		return;
	others -= p->asked_stats;
	if (p->others_ns)
		throttle_others(&p->throttle,
				(double)(others - p->others) * 1e9 / (double)(now - p->others_ns));
	if (loop_usec > p->options->max_seconds * 1e6)
		throttle_others(&p->throttle, INFINITY);
	p->others = others;
	p->others_ns = now;
}

void keypass_ask_health(struct keypass *p)
{
	/* A failure is the connection's, and told by the loop. */
	p->asked_stats = p->sent_total;
	p->sent_total += 2 + !p->with_ttl;
	conn_send_line(p->conn, stats_replied, p, "INFO stats");
	conn_send_line(p->conn, memory_replied, p, "INFO memory");
	if (!p->with_ttl)
		conn_send_line(p->conn, keyspace_replied, p, "INFO keyspace");
}

void keypass_refuse(struct keypass *p, const char *command, const redisReply *reply)
{
	const char *text =
		reply->type == REDIS_REPLY_ERROR ? reply->str : "a reply of an unknown form";

	if (!p->refusal.code)
		err_set(&p->refusal, -EACCES,
			"keys: the server refuses %s (%.200s); the pass needs SCAN, MEMORY USAGE, "
			"OBJECT ENCODING, TYPE and PTTL",
			command, text);
}

/* --- questions ---------------------------------------------------------------- */

static void put_word(struct buf *out, const void *word, size_t len)
{
	char head[24];
	size_t at = sizeof(head), n = len;

	head[--at] = '\n';
	head[--at] = '\r';
	do
		head[--at] = (char)('0' + n % 10);
	while (n /= 10);
	head[--at] = '$';
	buf_add(out, head + at, sizeof(head) - at);
	buf_add(out, word, len);
	buf_add(out, "\r\n", 2);
}

static void put_words(struct buf *out, const char *const *words, int count)
{
	for (int i = 0; i < count; i++)
		put_word(out, words[i], strlen(words[i]));
}

static void format_scan(const struct keypass *p, struct buf *out)
{
	const char *match = p->options->match;
	char count[12];
	const char *words[] = { "SCAN", p->cursor, "COUNT", count, "MATCH", match };

	snprintf(count, sizeof(count), "%d", p->scan_count);
	buf_printf(out, "*%d\r\n", match ? 6 : 4);
	put_words(out, words, match ? 6 : 4);
}

static void format_usage(const struct keypass *p, struct buf *out, const struct pass_key *key)
{
	int64_t wanted = key->samples ? key->samples : p->options->samples;
	char samples[24];

	buf_puts(out, wanted < 0 ? "*3\r\n" : "*5\r\n");
	buf_puts(out, "$6\r\nMEMORY\r\n$5\r\nUSAGE\r\n");
	put_word(out, key->name->str, key->name->len);
	if (wanted < 0)
		return;
	snprintf(samples, sizeof(samples), "%lld", (long long)wanted);
	put_words(out, (const char *[]){ "SAMPLES", samples }, 2);
}

const char *keypass_command(const struct pass_key *key, enum ask what)
{
	static const char *const names[ASK_LENGTH + 1] = {
		[ASK_SCAN] = "SCAN",
		[ASK_USAGE] = "MEMORY|USAGE",
		[ASK_ENCODING] = "OBJECT|ENCODING",
		[ASK_TTL] = "PTTL",
		[ASK_TYPE] = "TYPE",
		[ASK_GROUPS] = "XINFO|GROUPS",
	};

	return key && what == ASK_LENGTH ? knowledge_length_command(key->type) : names[what];
}

void keypass_format(struct keypass *p, struct buf *out, const struct pass_key *key, enum ask what)
{
	const char *command = keypass_command(key, what);

	switch (what) {
	case ASK_SCAN:
		format_scan(p, out);
		return;
	case ASK_USAGE:
		format_usage(p, out, key);
		return;
	case ASK_ENCODING:
		buf_puts(out, "*3\r\n$6\r\nOBJECT\r\n$8\r\nENCODING\r\n");
		break;
	case ASK_GROUPS:
		buf_puts(out, "*3\r\n$5\r\nXINFO\r\n$6\r\nGROUPS\r\n");
		break;
	default:
		buf_puts(out, "*2\r\n");
		put_word(out, command, strlen(command));
	}
	put_word(out, key->name->str, key->name->len);
}

/* --- answers -------------------------------------------------------------------- */

void keypass_key_init(struct pass_key *key, struct batch *batch, const redisReply *name)
{
	*key = (struct pass_key){ .batch = batch,
				  .name = name,
				  .bytes = RECORD_UNKNOWN,
				  .elements = RECORD_UNKNOWN,
				  .groups = RECORD_UNKNOWN,
				  .consumers = RECORD_UNKNOWN,
				  .pending = RECORD_UNKNOWN,
				  .ttl_seconds = NAN };
}

/* Types and encodings are few: each is kept once, for the length of the pass. */
static const char *intern(struct keypass *p, const char *name)
{
	for (size_t i = 0; i < p->names_count; i++)
		if (!strcmp(p->names[i], name))
			return p->names[i];
	if (p->names_count == NAMES_MAX)
		return OTHER_NAME;
	return p->names[p->names_count++] = xstrdup(name);
}

void keypass_names_free(struct keypass *p)
{
	for (size_t i = 0; i < p->names_count; i++)
		free(p->names[i]);
}

static void follow_up(struct keypass *p, struct pass_key *key, enum ask what)
{
	if (p->followups_count == p->followups_room) {
		p->followups_room = p->followups_room ? p->followups_room * 2 : 64;
		p->followups = xrealloc(p->followups, p->followups_room * sizeof(struct question));
	}
	p->followups[p->followups_count++] = (struct question){ key, what };
	key->unanswered++;
}

static void emit(struct keypass *p, const struct pass_key *key)
{
	struct record record = { .kind = RECORD_KEY };

	record.key.key = (struct bytes){ key->name->str, key->name->len };
	record.key.db = conn_db(p->conn);
	record.key.type = key->type ? key->type : UNKNOWN_TYPE;
	record.key.encoding = key->encoding ? key->encoding : "";
	record.key.bytes = key->bytes;
	record.key.elements = key->elements;
	record.key.ttl_seconds = key->ttl_seconds;
	record.key.inferred = key->inferred;
	record.key.source = KEY_SOURCE_PASS;
	record.key.groups_total = key->groups;
	record.key.consumers_total = key->consumers;
	record.key.pending_total = key->pending;
	record_emit(&p->sink, &record);
}

/* MEMORY USAGE of a stream walks its groups and consumers, whatever SAMPLES says: a million of
 * them hold the server for 50 ms. How many there are can be asked where that is no use. */
bool keypass_asks_kind_first(const struct keypass *p, const struct pass_key *key)
{
	return p->asks_groups &&
	       (!p->shapes || key_shapes_may_stream(p->shapes, key->name->str, key->name->len));
}

/* Ask for its size, or before that what it would cost; false when there is nothing to ask. */
static bool ask_size(struct keypass *p, struct pass_key *key)
{
	bool stream = key->type && !strcmp(key->type, "stream");

	if (key->gone || key->size_asked)
		return false;
	if (stream && !key->groups_asked) {
		key->groups_asked = true;
		follow_up(p, key, ASK_GROUPS);
		return true;
	}
	key->size_asked = true;
	if (stream && key->groups != RECORD_UNKNOWN &&
	    !knowledge_stream_is_cheap(key->groups, key->consumers))
		return false;
	follow_up(p, key, ASK_USAGE);
	return true;
}

/* What few elements have told is not enough; false when it is, or when it was said how many to
 * look at. */
static bool ask_size_again(struct keypass *p, struct pass_key *key)
{
	if (key->gone || key->size_again || !key->type || p->options->samples >= 0)
		return false;
	key->size_again = true;
	key->samples = usage_more_samples(key->type, key->encoding, key->bytes);
	if (key->samples)
		follow_up(p, key, ASK_USAGE);
	return key->samples;
}

static bool wants_length(const struct keypass *p, const struct pass_key *key)
{
	/* What a small string holds is known well enough by its size. */
	if (key->inferred && !strcmp(key->type, "string"))
		return false;
	if (p->lengths == ELEMENTS_NO_TOUCH || !knowledge_length_command(key->type))
		return false;
	return p->lengths == ELEMENTS_ALL || key->bytes >= p->options->big_bytes;
}

/* Free the finished batches at the head: the cursor of the first one left is where a
 * later pass has to go on. */
void keypass_release_batches(struct keypass *p)
{
	struct batch *batch;

	while ((batch = p->batches) && !batch->left) {
		p->batches = batch->next;
		if (!p->batches)
			p->batches_end = &p->batches;
		freeReplyObject(batch->reply);
		free(batch);
	}
}

/* What is this key, when it is not asked? */
static void infer(struct keypass *p, struct pass_key *key)
{
	key->inferred = key_shapes_infer(p->shapes, key->name->str, key->name->len, key->bytes,
					 &key->type, &key->encoding);
	p->result->inferred_total += key->inferred;
}

/* All questions so far are answered: ask the next, or the key is done. */
static void key_advance(struct keypass *p, struct pass_key *key)
{
	if (!key->gone && !key->encoding_asked) {
		key->encoding_asked = true;
		infer(p, key);
		if (!key->inferred) {
			follow_up(p, key, ASK_ENCODING);
			return;
		}
	}
	if (!key->gone && !key->type && !key->type_asked) {
		key->type_asked = true;
		follow_up(p, key, ASK_TYPE);
		return;
	}
	if (ask_size(p, key) || ask_size_again(p, key))
		return;
	if (!key->gone && key->type && !key->length_asked && wants_length(p, key)) {
		key->length_asked = true;
		follow_up(p, key, ASK_LENGTH);
		return;
	}
	if (p->shapes && !key->gone && !key->inferred)
		key_shapes_learn(p->shapes, key->name->str, key->name->len, key->bytes, key->type,
				 key->encoding);
	p->result->scanned_total++;
	if (key->gone)
		p->result->gone_total++;
	else
		emit(p, key);
	key->batch->left--;
	keypass_release_batches(p);
}

static void refused(struct keypass *p, enum ask what, const redisReply *reply)
{
	struct keypass_result *r = p->result;

	r->refused_total++;
	if (!r->refused[0])
		snprintf(r->refused, sizeof(r->refused), "%s", reply->str);
	/* Of one key a MOVED or ASK is no more than that; this would be of every key. */
	if (what == ASK_USAGE &&
	    (!strncmp(reply->str, "NOPERM", 6) || !strncmp(reply->str, "ERR unknown", 11)))
		keypass_refuse(p, "MEMORY USAGE", reply);
}

/* Lookups that count in keyspace_hits or _misses: all but MEMORY USAGE (src/object.c,
 * memoryCommand() takes the entry from the table). */
static void count_lookup(struct keypass *p, enum ask what, bool found)
{
	if (what == ASK_USAGE)
		return;
	if (found)
		p->result->hits_total++;
	else
		p->result->misses_total++;
}

static void take_encoding(struct keypass *p, struct pass_key *key, const char *encoding)
{
	key->encoding = intern(p, encoding);
	if (p->raw_is_string || strcmp(encoding, "raw") != 0)
		key->type = knowledge_type_of_encoding(encoding);
}

/* False when the answer says that the key is not there. */
static bool take_answer(struct keypass *p, struct pass_key *key, enum ask what,
			const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_NIL)
		return false;
	if (what == ASK_GROUPS)
		stream_groups_count(reply, &key->groups, &key->consumers, &key->pending);
	if (what == ASK_ENCODING && reply->type == REDIS_REPLY_STRING)
		take_encoding(p, key, reply->str);
	if (what == ASK_TYPE && reply->type == REDIS_REPLY_STATUS) {
		if (!strcmp(reply->str, "none"))
			return false;
		key->type = intern(p, reply->str);
	}
	if (reply->type != REDIS_REPLY_INTEGER)
		return true;
	if (what == ASK_USAGE)
		key->bytes = reply->integer;
	if (what == ASK_TTL && reply->integer == -2)
		return false;
	if (what == ASK_TTL) /* -1: no expiry */
		key->ttl_seconds = reply->integer < 0 ? -1 : (double)reply->integer / 1e3;
	/* No collection is empty: 0 is said of a key that is gone. */
	if (what == ASK_LENGTH && reply->integer == 0 && strcmp(key->type, "string") != 0 &&
	    strcmp(key->type, "stream") != 0)
		return false;
	if (what == ASK_LENGTH)
		key->elements = reply->integer;
	return true;
}

/* Of what is gone since it was met XINFO says so by an error. */
static bool is_gone_error(enum ask what, const redisReply *reply)
{
	return what == ASK_GROUPS && !strncmp(reply->str, "ERR no such key", 15);
}

void keypass_answered(struct keypass *p, struct pass_key *key, enum ask what, redisReply *reply)
{
	if (!p->draining) {
		if (reply->type == REDIS_REPLY_ERROR && is_gone_error(what, reply)) {
			key->gone = true;
		} else if (reply->type == REDIS_REPLY_ERROR) {
			refused(p, what, reply);
		} else {
			bool found = take_answer(p, key, what, reply);

			count_lookup(p, what, found);
			key->gone |= !found;
		}
		if (!--key->unanswered)
			key_advance(p, key);
	}
	freeReplyObject(reply);
}
