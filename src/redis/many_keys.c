/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands of several keys; see many_keys.h. */
#include "redis/many_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ARGUMENTS 32 /* of an entry; the last says how many more there were */

/* Where they are among the arguments: from @first on, each @step-th, up to @last; 0 = all that
 * follow. Where @count is not 0 that argument says how many follow it. */
static const struct keys_row {
	const char *command;
	int first, step, last, count;
} rows[] = {
	{ "del", 1, 1, 0, 0 },	       { "unlink", 1, 1, 0, 0 },
	{ "mget", 1, 1, 0, 0 },	       { "exists", 1, 1, 0, 0 },
	{ "touch", 1, 1, 0, 0 },       { "sunion", 1, 1, 0, 0 },
	{ "sinter", 1, 1, 0, 0 },      { "sdiff", 1, 1, 0, 0 },
	{ "sunionstore", 1, 1, 0, 0 }, { "sinterstore", 1, 1, 0, 0 },
	{ "sdiffstore", 1, 1, 0, 0 },  { "pfcount", 1, 1, 0, 0 },
	{ "pfmerge", 1, 1, 0, 0 },     { "mset", 1, 2, 0, 0 },
	{ "msetnx", 1, 2, 0, 0 },      { "bitop", 2, 1, 0, 0 },
	{ "lcs", 1, 1, 2, 0 },	       { "geosearchstore", 1, 1, 2, 0 },
	{ "zrangestore", 1, 1, 2, 0 }, { "sintercard", 2, 1, 0, 1 },
	{ "zintercard", 2, 1, 0, 1 },  { "zunion", 2, 1, 0, 1 },
	{ "zinter", 2, 1, 0, 1 },      { "zdiff", 2, 1, 0, 1 },
	{ "zunionstore", 3, 1, 0, 2 }, { "zinterstore", 3, 1, 0, 2 },
	{ "zdiffstore", 3, 1, 0, 2 },
};

static const struct keys_row *row_of(const char *command)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (!strcasecmp(rows[i].command, command))
			return &rows[i];
	return NULL;
}

bool command_takes_keys(const char *command)
{
	return row_of(command) != NULL;
}

/* Arguments of the command as it was sent: the last one listed may stand for more. */
static int64_t arguments_sent(const redisReply *arguments)
{
	const redisReply *last = arguments->element[arguments->elements - 1];
	int more;

	if (arguments->elements == ARGUMENTS && last->type == REDIS_REPLY_STRING &&
	    sscanf(last->str, "... (%d more arguments)", &more) == 1 && more > 0)
		return ARGUMENTS - 1 + (int64_t)more;
	return (int64_t)arguments->elements;
}

/* The argument behind the last key. */
static int64_t keys_end(const struct keys_row *row, const redisReply *arguments)
{
	int64_t end = arguments_sent(arguments), count;

	if (row->last && end > row->last + 1)
		end = row->last + 1;
	if (!row->count || (size_t)row->count >= arguments->elements)
		return end;
	count = strtol(arguments->element[row->count]->str, NULL, 10);
	return count > 0 && count < end - row->first ? row->first + count : end;
}

static void add_other(struct record_slowlog *slow, const redisReply *argument)
{
	struct bytes name = { argument->str, argument->len };
	struct bytes *const places[] = { &slow->key_2, &slow->key_3, &slow->key_4 };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (bytes_same(name, slow->key) || bytes_same(name, *places[i]))
			return;
		if (places[i]->len)
			continue;
		*places[i] = name;
		return;
	}
}

void slowlog_keys(const redisReply *arguments, struct record_slowlog *slow)
{
	const struct keys_row *row = row_of(slow->command);
	int64_t end, listed = (int64_t)arguments->elements;

	if (!row || listed <= row->first)
		return;
	for (int64_t i = 0; i < listed; i++)
		if (arguments->element[i]->type != REDIS_REPLY_STRING)
			return;
	end = keys_end(row, arguments);
	if (arguments_sent(arguments) > listed)
		listed--;
	slow->keys_total = (end - row->first + row->step - 1) / row->step;
	slow->keys_total += row->count == 2; /* and where the result goes */
	for (int64_t i = row->first; i < end && i < listed; i += row->step)
		add_other(slow, arguments->element[i]);
}
