/* SPDX-License-Identifier: BSD-2-Clause */
/* All that a server can tell of one key; see keyask.h. */
#include "redis/keyask.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "base/sum.h"
#include "record/schema.h"
#include "redis/info.h"
#include "redis/keyask_internal.h"
#include "redis/knowledge.h"
#include "redis/usage.h"

#define ALL_SECONDS    3.0 /* for all questions together */
#define DEAR_SECONDS   0.01
#define ACCESSES_EACH  3 /* of MEMORY USAGE for an element: entry, name, value */
#define TIMED_ELEMENTS 500 /* below the clock's microsecond is too coarse */
#define GROUPS_MAX     100 /* of a stream that are listed */

/* An integer reply; RECORD_UNKNOWN. */
static int64_t ask_int(struct ask *a, const char *line)
{
	redisReply *reply = ask(a, line);
	int64_t n = reply && reply->type == REDIS_REPLY_INTEGER ? reply->integer : RECORD_UNKNOWN;

	freeReplyObject(reply);
	return n;
}

static void ask_text(struct ask *a, char *text, size_t size, const char *line)
{
	redisReply *reply = ask(a, line);

	if (reply && (reply->type == REDIS_REPLY_STATUS || reply->type == REDIS_REPLY_STRING))
		snprintf(text, size, "%s", reply->str);
	escape_sanitize(text);
	freeReplyObject(reply);
}

/* --- what never touches ------------------------------------------------------------ */

static void ask_no_touch(struct ask *a)
{
	redisReply *reply;

	if (conn_no_touch(a->conn) == NO_TOUCH_UNKNOWN) {
		reply = ask(a, "CLIENT NO-TOUCH ON");
		if (!a->rc)
			conn_set_no_touch(a->conn, reply && reply->type == REDIS_REPLY_STATUS);
		freeReplyObject(reply);
		a->refused[0] = '\0'; /* an older server: that is said by no_touch */
	}
	a->facts.no_touch = conn_no_touch(a->conn) == NO_TOUCH_PROMISED;
	a->may_touch = a->facts.no_touch || a->options->touch;
	a->facts.touched = a->options->touch && !a->facts.no_touch;
}

static void ask_state(struct ask *a)
{
	int64_t ttl_ms;

	if (a->options->lfu)
		a->facts.frequency = ask_int(a, "OBJECT FREQ %k");
	else
		a->facts.idle_seconds = ask_int(a, "OBJECT IDLETIME %k");
	ask_text(a, a->encoding, sizeof(a->encoding), "OBJECT ENCODING %k");
	ttl_ms = ask_int(a, "PTTL %k");
	if (ttl_ms == -1)
		a->facts.ttl_seconds = -1;
	else if (ttl_ms >= 0)
		a->facts.ttl_seconds = (double)ttl_ms / 1e3;
}

/* --- bytes ------------------------------------------------------------------------ */

/* 0 = all. */
static int64_t samples_of(const struct ask *a)
{
	int64_t cheap = usage_cheap_samples(a->type);

	if (a->options->samples >= 0)
		return a->options->samples;
	if (usage_is_packed(a->encoding))
		return 0;
	return a->facts.elements != RECORD_UNKNOWN && a->facts.elements <= cheap ? 0 : cheap;
}

/* How long MEMORY USAGE would look at so many elements. Where they were not counted, by their
 * bytes: none of a table's takes less than 50. */
static double usage_seconds(struct ask *a, int64_t samples)
{
	double elements = (double)a->facts.elements;

	if (usage_is_packed(a->encoding))
		return 0;
	if (a->facts.elements == RECORD_UNKNOWN)
		elements = (double)ask_int(a, "MEMORY USAGE %k") / 50;
	if (samples && (double)samples < elements)
		elements = (double)samples;
	return elements * ACCESSES_EACH * a->options->speed.access_seconds;
}

/* What the server has counted for MEMORY USAGE so far; false when it does not tell. */
static bool ask_counted(struct ask *a, int64_t *calls, int64_t *usec)
{
	redisReply *reply = ask(a, "INFO commandstats");
	struct info *info =
		info_parse(reply && reply->type == REDIS_REPLY_STRING ? reply->str : "");
	const char *value = info_get(info, "cmdstat_memory|usage");

	if (!value) /* before 7.0 subcommands are not told apart */
		value = info_get(info, "cmdstat_memory");
	*calls = value ? info_sub_int(value, "calls") : 0;
	*usec = value ? info_sub_int(value, "usec") : 0;
	info_free(info);
	freeReplyObject(reply);
	return reply != NULL && *calls >= 0 && *usec >= 0;
}

/*
 * MEMORY USAGE looks at elements where they lie, so what it took for one tells how far apart
 * in memory they are, and with that how long other commands will take.
 */
static void ask_timed_usage(struct ask *a, const char *line, int64_t samples)
{
	int64_t looked = samples && samples < a->facts.elements ? samples : a->facts.elements;
	int64_t calls[2], usec[2];
	bool timed = a->timed && looked >= TIMED_ELEMENTS && !usage_is_packed(a->encoding) &&
		     ask_counted(a, &calls[0], &usec[0]);

	a->facts.bytes = ask_int(a, line);
	if (timed && ask_counted(a, &calls[1], &usec[1]) && calls[1] == calls[0] + 1)
		a->facts.element_seconds = (double)(usec[1] - usec[0]) / 1e6 / (double)looked;
}

static void ask_usage(struct ask *a)
{
	int64_t samples = samples_of(a);
	double seconds = a->options->samples >= 0 ? usage_seconds(a, samples) : 0;
	char line[64];

	if (seconds > DEAR_SECONDS && a->options->dear &&
	    !a->options->dear(a->options->ctx, seconds)) {
		a->bytes_reason = "interrupted before it was asked";
		return;
	}
	snprintf(line, sizeof(line), "MEMORY USAGE %%k SAMPLES %lld", (long long)samples);
	ask_timed_usage(a, line, samples);
	a->facts.bytes_samples = usage_is_packed(a->encoding) ? 0 : samples;
	if (a->facts.elements != RECORD_UNKNOWN && samples >= a->facts.elements)
		a->facts.bytes_samples = 0;
	if (a->facts.nodes_total != RECORD_UNKNOWN && samples >= a->facts.nodes_total)
		a->facts.bytes_samples = 0;
}

/* MEMORY USAGE of a stream walks its groups and consumers, whatever SAMPLES says. */
static bool stream_is_cheap(struct ask *a)
{
	int64_t consumers = 0;

	if (!a->may_touch)
		a->bytes_reason = "MEMORY USAGE walks all consumers, and how many there are is "
				  "not known";
	else if (a->facts.groups_total == RECORD_UNKNOWN)
		a->bytes_reason = "the server does not tell how many consumers MEMORY USAGE "
				  "would walk";
	for (size_t i = 0; i < a->groups_count; i++)
		sum_add(&consumers,
			a->groups[i].consumers_total > 0 ? a->groups[i].consumers_total : 0);
	if (!a->bytes_reason && !knowledge_stream_is_cheap(a->facts.groups_total, consumers))
		a->bytes_reason = "MEMORY USAGE would walk all of its many groups and consumers";
	return !a->bytes_reason;
}

/* --- the whole -------------------------------------------------------------------- */

static void emit(struct ask *a, bool again, const struct record_sink *sink)
{
	struct record record = { .kind = RECORD_ONE_KEY, .one_key = a->facts };

	record.one_key.type = a->type;
	record.one_key.encoding = a->encoding;
	record.one_key.refused = a->refused;
	record.one_key.bytes_reason = a->bytes_reason ? a->bytes_reason : "";
	record.one_key.elements_reason = a->elements_reason ? a->elements_reason : "";
	record.one_key.content = a->content ? a->content : "";
	record.one_key.first_id = a->first_id;
	record.one_key.last_id = a->last_id;
	record_emit(sink, &record);
	for (size_t i = 0; i < a->elements_count && !again; i++)
		record_emit(sink, &(struct record){ .kind = RECORD_KEY_ELEMENT,
						    .key_element = a->elements[i] });
	for (size_t i = 0; i < a->groups_count && !again; i++)
		record_emit(sink, &(struct record){ .kind = RECORD_KEY_GROUP,
						    .key_group = a->groups[i] });
}

static void ask_all(struct ask *a, bool again)
{
	const char *length = knowledge_length_command(a->type);
	char line[32];

	ask_state(a);
	if (!a->may_touch)
		a->elements_reason = "the server has no CLIENT NO-TOUCH (7.2): to ask would count "
				     "as use of the key; --touch asks";
	if (length && a->may_touch) {
		snprintf(line, sizeof(line), "%s %%k", length);
		a->facts.elements = ask_int(a, line);
	}
	if (!strcmp(a->type, "stream") && a->may_touch)
		ask_stream(a, GROUPS_MAX);
	if (strcmp(a->type, "stream") != 0 || stream_is_cheap(a))
		ask_usage(a);
	if (a->may_touch && !again)
		ask_elements(a);
}

static int no_key(const struct ask *a, struct err *err)
{
	struct buf name = { 0 };

	escape_terminal(&name, a->options->key.data, a->options->key.len, 100);
	err_set(err, -ENOENT,
		"key: there is no key \"%s\" in database %d; choose another with -n, and list "
		"names with `redmem keys`",
		buf_str(&name), conn_db(a->conn));
	buf_free(&name);
	return -ENOENT;
}

static int failed(const struct ask *a, struct err *err)
{
	const struct err *why = conn_error(a->conn);

	if (a->rc)
		return err_set(err, a->rc, "key: %s",
			       why->code	   ? why->text :
			       a->rc == -ETIMEDOUT ? "the server did not answer for 2 s" :
						     strerror(-a->rc));
	return err_set(err, -EACCES, "key: the server does not tell its type: %s", a->refused);
}

static struct ask *ask_new(struct conn *conn, const struct keyask_options *options, double t)
{
	struct ask *a = xcalloc(1, sizeof(*a));
	struct record unknown;

	record_clear(&unknown, RECORD_ONE_KEY);
	a->conn = conn;
	a->options = options;
	a->bytes_left = KEYASK_BYTES;
	a->deadline_ns = clock_mono_ns() + (int64_t)(ALL_SECONDS * 1e9);
	a->facts = unknown.one_key;
	a->facts.t_seconds = t;
	a->facts.key = options->key;
	a->facts.db = conn_db(conn);
	a->facts.commands_total = 0;
	a->facts.reply_bytes = 0;
	a->facts.access_seconds = options->speed.access_seconds;
	a->facts.copy_byte_seconds = options->speed.copy_byte_seconds;
	return a;
}

static void ask_free(struct ask *a)
{
	for (size_t i = 0; i < a->groups_count; i++)
		free((char *)a->groups[i].name.data);
	free(a);
}

int keyask_run(struct conn *conn, const struct keyask_options *options, double t_seconds,
	       bool again, const struct record_sink *sink, struct err *err)
{
	struct ask *a = ask_new(conn, options, t_seconds);
	int64_t start_ns = clock_mono_ns();
	int ret = 0;

	a->timed = !again;
	ask_no_touch(a);
	ask_text(a, a->type, sizeof(a->type), "TYPE %k");
	if (a->rc || !*a->type)
		ret = failed(a, err);
	else if (strcmp(a->type, "none") != 0)
		ask_all(a, again);
	else if (!again)
		ret = no_key(a, err);
	if (!ret && a->rc)
		ret = failed(a, err);
	a->facts.seconds = (double)(clock_mono_ns() - start_ns) / 1e9;
	if (!ret)
		emit(a, again, sink);
	ask_free(a);
	return ret;
}
