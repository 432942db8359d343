/* SPDX-License-Identifier: BSD-2-Clause */
/* Counts of redmem's own commands; see own_calls.h. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/array.h"
#include "base/buf.h"
#include "redis/knowledge_commands.h"
#include "redis/own_calls.h"

struct own_call {
	enum own_kind kind;
	char *name;
	int64_t calls;
	int64_t calls_at_mark;
};

/* A dozen names: looked through one by one. */
struct own_calls {
	struct own_call *list;
	size_t count;
};

struct own_calls *own_calls_new(void)
{
	return xcalloc(1, sizeof(struct own_calls));
}

void own_calls_free(struct own_calls *calls)
{
	if (!calls)
		return;
	for (size_t i = 0; i < calls->count; i++)
		free(calls->list[i].name);
	free(calls->list);
	free(calls);
}

void own_calls_name(char *name, size_t size, int argc, const char **argv)
{
	bool container = command_is_container(argv[0]);

	snprintf(name, size, "%s%s%s", argv[0], container && argc > 1 ? "|" : "",
		 container && argc > 1 ? argv[1] : "");
	for (; *name; name++)
		*name = (char)tolower((unsigned char)*name);
}

static struct own_call *own_call_get(struct own_calls *calls, enum own_kind kind, const char *name,
				     size_t len)
{
	struct own_call *call;

	for (size_t i = 0; i < calls->count; i++) {
		call = &calls->list[i];
		if (call->kind == kind && strlen(call->name) == len &&
		    !strncmp(call->name, name, len))
			return call;
	}
	calls->list = array_grow(calls->list, calls->count, sizeof(*calls->list));
	call = &calls->list[calls->count++];
	*call = (struct own_call){ .kind = kind, .name = xmemdup(name, len) };
	return call;
}

static void count(struct own_calls *calls, enum own_kind kind, const char *name)
{
	own_call_get(calls, kind, name, strlen(name))->calls++;
}

void own_calls_add(struct own_calls *calls, const char *name)
{
	count(calls, OWN_COMMANDS, name);
}

/* "-CODE text": the code, or ERR (src/networking.c afterErrorReply()). */
void own_calls_error(struct own_calls *calls, const char *name, const char *error)
{
	char kind[64] = "errorstat_ERR";
	struct buf refused = { 0 };
	size_t len = strcspn(error, " ");

	if (len < sizeof(kind) - sizeof("errorstat_") && error[len])
		snprintf(kind, sizeof(kind), "errorstat_%.*s", (int)len, error);
	count(calls, OWN_ERRORS, kind);
	buf_printf(&refused, "refused %s", name);
	count(calls, OWN_COMMANDS, buf_str(&refused));
	buf_free(&refused);
}

/* Of what redmem asks of a key all but MEMORY USAGE counts as hit or miss (lookupKeyRead*()
 * in src/db.c; MEMORY USAGE looks into the table itself). */
void own_calls_lookup(struct own_calls *calls, const char *name, const redisReply *reply)
{
	static const char *const lookups[] = {
		"type",
		"object|encoding",
		"object|idletime",
		"object|freq",
		"pttl",
		"strlen",
		"llen",
		"hlen",
		"scard",
		"zcard",
		"xlen",
		"xinfo|groups",
		"xinfo|stream",
		"xinfo|consumers",
		"xpending",
		"getrange",
		"lindex",
		"lrange",
		"hrandfield",
		"hstrlen",
		"srandmember",
		"zrandmember",
		"zrange",
		"xrange",
		"xrevrange",
	};
	bool miss = reply->type == REDIS_REPLY_NIL ||
		    (reply->type == REDIS_REPLY_STATUS && !strcmp(reply->str, "none")) ||
		    (reply->type == REDIS_REPLY_INTEGER && !strcmp(name, "pttl") &&
		     reply->integer == -2) ||
		    (reply->type == REDIS_REPLY_INTEGER && strcmp(name, "pttl") != 0 &&
		     reply->integer == 0);

	for (size_t i = 0; i < sizeof(lookups) / sizeof(*lookups); i++)
		if (!strcmp(lookups[i], name))
			count(calls, OWN_LOOKUPS, miss ? "keyspace_misses" : "keyspace_hits");
}

bool own_calls_told(enum own_kind kind, const char *info)
{
	static const char *const titles[OWN_KINDS] = {
		[OWN_COMMANDS] = "# Commandstats",
		[OWN_ERRORS] = "# Errorstats",
		[OWN_LOOKUPS] = "# Stats",
	};

	return strstr(info, titles[kind]);
}

void own_calls_mark(struct own_calls *calls, enum own_kind kind)
{
	for (size_t i = 0; i < calls->count; i++)
		if (calls->list[i].kind == kind)
			calls->list[i].calls_at_mark = calls->list[i].calls;
}

void own_calls_emit(const struct own_calls *calls, enum own_kind kind, bool subcommands,
		    const struct record_own_calls *like, const struct record_sink *sink)
{
	struct own_calls *sums = own_calls_new();

	for (size_t i = 0; i < calls->count; i++) {
		const struct own_call *call = &calls->list[i];
		size_t len = strcspn(call->name, subcommands ? "" : "|");

		if (call->kind == kind)
			own_call_get(sums, kind, call->name, len)->calls +=
				call->calls - call->calls_at_mark;
	}
	for (size_t i = 0; i < sums->count; i++) {
		struct record record = { .kind = RECORD_OWN_CALLS, .own_calls = *like };

		record.own_calls.command = sums->list[i].name;
		record.own_calls.calls_total = sums->list[i].calls;
		if (sums->list[i].calls)
			record_emit(sink, &record);
	}
	own_calls_free(sums);
}
