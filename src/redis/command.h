/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a command has its key. redmem charges work to keys, so it must know
 * which argument to take: mostly the server tells (COMMAND), for a few commands
 * its answer is not enough (the position depends on the arguments).
 *
 * Names are the server's full names in lower case: "get", "config|get" (7.0 and
 * later) or just "config" (before).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <hiredis/hiredis.h>

#include "base/err.h"
#include "fact/fact.h"

enum command_key_kind {
	COMMAND_KEY_NONE,
	COMMAND_KEY_INDEX, /* the key is argv[index] */
	COMMAND_KEY_NUMKEYS, /* argv[index] is the number of keys; when above 0 they follow it */
	COMMAND_KEY_KEYWORD, /* the key follows the first `keyword` at argv[index] or later */
};

struct command_key_rule {
	enum command_key_kind kind;
	int index; /* argv[0] is the command's own name */
	const char *keyword; /* any case; static; NULL but for COMMAND_KEY_KEYWORD */
};

#define COMMAND_FIRST_KEY_UNKNOWN (-1)

/*
 * The rule of command @name. @first_key is what the server says of it (0 = no
 * key), or COMMAND_FIRST_KEY_UNKNOWN when it was not asked: then built-in
 * commands without keys are known, commands of modules ("ft.search") have no
 * key, and all others have it first.
 */
struct command_key_rule command_key_rule(const char *name, int first_key);

/* Apply @rule to a command line; false when it has no key. @key borrows from @argv. */
bool command_find_key(const struct command_key_rule *rule, const struct bytes *argv, size_t argc,
		      struct bytes *key);

/* The commands of a server with their first keys. */
struct command_table;

/*
 * Read the reply of COMMAND or COMMAND INFO, with subcommands where the server
 * lists them (7.0). -EPROTO with a reason when it is no such reply (an error
 * reply's text becomes the reason).
 */
int command_table_read(struct command_table **out, const redisReply *reply, struct err *err);
void command_table_free(struct command_table *table);
size_t command_table_count(const struct command_table *table);
/* Name of entry @i, in alphabetic order. Valid as long as the table. */
const char *command_table_name_at(const struct command_table *table, size_t i);
/* First key of @name as the server says it; unknown also when @table is NULL. */
int command_table_first_key(const struct command_table *table, const char *name);
/* command_key_rule() with that. */
struct command_key_rule command_table_rule(const struct command_table *table, const char *name);
