/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where a command has its key. redmem charges work to keys, so it must know which argument
 * to take. Built-in commands are in a table; of others, newer than it or a module's, the
 * server is asked one by one (COMMAND INFO name: never the whole COMMAND, which holds it for
 * a millisecond).
 *
 * Names are the server's full names in lower case: "get", "config|get" (7.0 and
 * later) or just "config" (before).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include <hiredis/hiredis.h>

#include "record/record.h"

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

/* What the table says of command @name; false when it does not know it. */
bool command_known_rule(const char *name, struct command_key_rule *rule);
/* The rule of a command of which the server says that its first key is argv[@first_key]; 0
 * and less: it has none. */
struct command_key_rule command_told_rule(int first_key);
/* What is likely, for who cannot ask: the table, or the first argument for what is no
 * module's. */
struct command_key_rule command_key_rule(const char *name);
/* The first key of the one command that COMMAND INFO was asked of; -1 when the reply does
 * not tell (an error, a name the server does not know). */
int command_info_first_key(const redisReply *reply);

/* May it make what the server holds more? The server evicts before it, and refuses it when that is
 * not enough (flag denyoom), or it is a script, whose commands may do so. */
bool command_stores(const char *name);
/* Does it take away what it names, or a part of it, so that what is there afterwards says nothing
 * of what it worked on? */
bool command_frees(const char *name);

/* Does it run a script or a function? Its keys are what it says that it may touch. */
bool command_is_script(const char *name);
/* The error that the server answers others with while it runs for long (a script, DEBUG RELOAD), or
 * "": they wait. */
const char *command_refuses_with(const char *name);
/* Does it queue a message for each subscriber of a channel, which the loop writes behind it? */
bool command_publishes(const char *name);

/* Do commandstats and COMMAND name its subcommands ("config|get", from 7.0 on)? */
bool command_is_container(const char *name);

/* Apply @rule to a command line; false when it has no key. @key borrows from @argv. */
bool command_find_key(const struct command_key_rule *rule, const struct bytes *argv, size_t argc,
		      struct bytes *key);

/* Can command @name have @argc arguments, its name among them? The server refuses other numbers
 * before it calls one. True for what the table does not know. */
bool command_allows(const char *name, unsigned int argc);
