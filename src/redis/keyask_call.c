/* SPDX-License-Identifier: BSD-2-Clause */
/* One question about a key, and its answer. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/escape.h"
#include "redis/keyask_internal.h"

#define CALL_MS 2000

static int64_t bytes_of(const redisReply *reply)
{
	int64_t bytes = 0;

	if (reply->type == REDIS_REPLY_STRING)
		return (int64_t)reply->len;
	for (size_t i = 0; i < reply->elements; i++)
		bytes += bytes_of(reply->element[i]);
	return bytes;
}

static void refused(struct ask *a, const char *text)
{
	if (a->refused[0])
		return;
	snprintf(a->refused, sizeof(a->refused), "%s", text);
	escape_sanitize(a->refused);
}

static redisReply *take_reply(struct ask *a, redisReply *reply)
{
	a->facts.commands_total++;
	if (reply->type == REDIS_REPLY_ERROR) {
		refused(a, reply->str);
		freeReplyObject(reply);
		return NULL;
	}
	a->facts.reply_bytes += bytes_of(reply);
	return reply;
}

redisReply *ask_with(struct ask *a, const char *line, struct bytes extra)
{
	char words[128], *save = NULL;
	const char *argv[12];
	size_t len[12];
	redisReply *reply;
	int argc = 0, rc;

	if (a->rc)
		return NULL;
	snprintf(words, sizeof(words), "%s", line);
	for (char *word = strtok_r(words, " ", &save); word && argc < 12;
	     word = strtok_r(NULL, " ", &save)) {
		bool is_key = !strcmp(word, "%k"), is_extra = !strcmp(word, "%x");

		argv[argc] = is_key ? a->options->key.data : is_extra ? extra.data : word;
		len[argc++] = is_key ? a->options->key.len : is_extra ? extra.len : strlen(word);
	}
	rc = conn_call(a->conn, CALL_MS, &reply, argc, argv, len);
	if (rc == CONN_WITHHELD) {
		refused(a, "not asked: the server is within 4 MB of its maxmemory");
		return NULL;
	}
	a->rc = rc;
	return rc ? NULL : take_reply(a, reply);
}

redisReply *ask(struct ask *a, const char *line)
{
	return ask_with(a, line, (struct bytes){ 0 });
}

bool ask_has_time(const struct ask *a)
{
	return !a->rc && clock_mono_ns() < a->deadline_ns;
}
