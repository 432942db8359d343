/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Key positions; see command.h. The exceptions below come from the key
 * specifications in the servers' sources (src/commands/ of Redis 7, the
 * getkeys_proc column of server.c's command table before).
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "redis/command.h"

struct override {
	const char *name; /* "object|*" stands for every subcommand */
	struct command_key_rule rule;
};

/* Whatever the server says of these. */
static const struct override overrides[] = {
	{ "blmpop", { COMMAND_KEY_NUMKEYS, 2, NULL } },
	{ "bzmpop", { COMMAND_KEY_NUMKEYS, 2, NULL } },
	{ "eval", { COMMAND_KEY_NUMKEYS, 2, NULL } },
	{ "eval_ro", { COMMAND_KEY_NUMKEYS, 2, NULL } },
	{ "evalsha", { COMMAND_KEY_NUMKEYS, 2, NULL } },
	{ "evalsha_ro", { COMMAND_KEY_NUMKEYS, 2, NULL } },
	{ "fcall", { COMMAND_KEY_NUMKEYS, 2, NULL } },
	{ "fcall_ro", { COMMAND_KEY_NUMKEYS, 2, NULL } },
	{ "georadius", { COMMAND_KEY_INDEX, 1, NULL } },
	{ "georadiusbymember", { COMMAND_KEY_INDEX, 1, NULL } },
	{ "lmpop", { COMMAND_KEY_NUMKEYS, 1, NULL } },
	{ "memory|usage", { COMMAND_KEY_INDEX, 2, NULL } },
	{ "migrate", { COMMAND_KEY_INDEX, 3, NULL } },
	{ "msetex", { COMMAND_KEY_NUMKEYS, 1, NULL } },
	{ "object|*", { COMMAND_KEY_INDEX, 2, NULL } },
	{ "sintercard", { COMMAND_KEY_NUMKEYS, 1, NULL } },
	{ "sort", { COMMAND_KEY_INDEX, 1, NULL } },
	{ "sort_ro", { COMMAND_KEY_INDEX, 1, NULL } },
	/* Shard channels are placed like keys, and COMMAND gives them as such. */
	{ "spublish", { COMMAND_KEY_NONE, 0, NULL } },
	{ "ssubscribe", { COMMAND_KEY_NONE, 0, NULL } },
	{ "sunsubscribe", { COMMAND_KEY_NONE, 0, NULL } },
	{ "xgroup|*", { COMMAND_KEY_INDEX, 2, NULL } },
	{ "xinfo|*", { COMMAND_KEY_INDEX, 2, NULL } },
	{ "xread", { COMMAND_KEY_KEYWORD, 1, "STREAMS" } },
	/* After "GROUP group consumer", where a group may have any name. */
	{ "xreadgroup", { COMMAND_KEY_KEYWORD, 4, "STREAMS" } },
	{ "zdiff", { COMMAND_KEY_NUMKEYS, 1, NULL } },
	{ "zdiffstore", { COMMAND_KEY_INDEX, 1, NULL } },
	{ "zinter", { COMMAND_KEY_NUMKEYS, 1, NULL } },
	{ "zintercard", { COMMAND_KEY_NUMKEYS, 1, NULL } },
	{ "zinterstore", { COMMAND_KEY_INDEX, 1, NULL } },
	{ "zmpop", { COMMAND_KEY_NUMKEYS, 1, NULL } },
	{ "zunion", { COMMAND_KEY_NUMKEYS, 1, NULL } },
	{ "zunionstore", { COMMAND_KEY_INDEX, 1, NULL } },
	/* Servers before 7.0 know containers only as a whole. MEMORY's other
	 * subcommands have no argument there. */
	{ "memory", { COMMAND_KEY_INDEX, 2, NULL } },
	{ "object", { COMMAND_KEY_INDEX, 2, NULL } },
	{ "xgroup", { COMMAND_KEY_INDEX, 2, NULL } },
	{ "xinfo", { COMMAND_KEY_INDEX, 2, NULL } },
};

/* For a server that was not asked: the built-in commands without a key... */
static const char *const keyless[] = {
	"acl",	       "asking",     "auth",	   "bgrewriteaof", "bgsave",   "client",
	"cluster",     "command",    "commandlog", "config",	   "dbsize",   "debug",
	"discard",     "echo",	     "exec",	   "failover",	   "flushall", "flushdb",
	"function",    "hello",	     "hotkeys",	   "info",	   "keys",     "lastsave",
	"latency",     "lolwut",     "memory",	   "module",	   "monitor",  "multi",
	"ping",	       "psubscribe", "psync",	   "publish",	   "pubsub",   "punsubscribe",
	"quit",	       "randomkey",  "readonly",   "readwrite",	   "replconf", "replicaof",
	"reset",       "role",	     "save",	   "scan",	   "script",   "select",
	"shutdown",    "slaveof",    "slowlog",	   "subscribe",	   "swapdb",   "sync",
	"unsubscribe", "time",	     "unwatch",	   "wait",	   "waitaof",
};

struct command {
	char *name;
	int first_key;
};

struct command_table {
	struct command *commands; /* by name */
	size_t count;
	size_t cap;
};

static bool pattern_matches(const char *pattern, const char *name)
{
	size_t len = strlen(pattern);

	if (pattern[len - 1] == '*')
		return !strncasecmp(pattern, name, len - 1);
	return !strcasecmp(pattern, name);
}

/* Is @name, or the container before its '|', a command without a key? */
static bool is_keyless(const char *name)
{
	size_t len = strcspn(name, "|");

	for (size_t i = 0; i < sizeof(keyless) / sizeof(*keyless); i++)
		if (strlen(keyless[i]) == len && !strncasecmp(keyless[i], name, len))
			return true;
	return strchr(name, '.');
}

struct command_key_rule command_key_rule(const char *name, int first_key)
{
	struct command_key_rule rule = { COMMAND_KEY_NONE, 0, NULL };

	for (size_t i = 0; i < sizeof(overrides) / sizeof(*overrides); i++)
		if (pattern_matches(overrides[i].name, name))
			return overrides[i].rule;
	if (first_key < 0 && !strcasecmp(name, "bitop"))
		first_key = 2;
	else if (first_key < 0)
		first_key = is_keyless(name) ? 0 : 1;
	if (first_key > 0) {
		rule.kind = COMMAND_KEY_INDEX;
		rule.index = first_key;
	}
	return rule;
}

/* Is it a number of keys above 0? */
static bool is_positive(const struct bytes *word)
{
	bool positive = false;

	for (size_t i = 0; i < word->len; i++) {
		if (!isdigit((unsigned char)word->data[i]))
			return false;
		positive |= word->data[i] != '0';
	}
	return positive;
}

bool command_find_key(const struct command_key_rule *rule, const struct bytes *argv, size_t argc,
		      struct bytes *key)
{
	size_t at = (size_t)rule->index;

	if (rule->kind == COMMAND_KEY_NUMKEYS) {
		if (at >= argc || !is_positive(&argv[at]))
			return false;
		at++;
	} else if (rule->kind == COMMAND_KEY_KEYWORD) {
		size_t len = strlen(rule->keyword);

		while (at < argc &&
		       (argv[at].len != len || strncasecmp(argv[at].data, rule->keyword, len) != 0))
			at++;
		at++;
	}
	if (rule->kind == COMMAND_KEY_NONE || at >= argc)
		return false;
	*key = argv[at];
	return true;
}

static void table_add(struct command_table *table, const redisReply *name, long long first_key)
{
	char *copy = xmemdup(name->str, name->len);

	for (char *c = copy; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	if (table->count == table->cap) {
		table->cap = table->cap ? table->cap * 2 : 512;
		table->commands = xrealloc(table->commands, table->cap * sizeof(*table->commands));
	}
	table->commands[table->count++] = (struct command){ copy, (int)first_key };
}

/* One command: [name, arity, [flags], first key, ...], subcommands tenth from 7.0 on. */
static void table_add_entry(struct command_table *table, const redisReply *entry, int depth)
{
	const redisReply *name, *first_key, *subcommands;

	if (entry->type != REDIS_REPLY_ARRAY || entry->elements < 4)
		return; /* nil: COMMAND INFO of a name the server does not know */
	name = entry->element[0];
	first_key = entry->element[3];
	if ((name->type != REDIS_REPLY_STRING && name->type != REDIS_REPLY_STATUS) ||
	    first_key->type != REDIS_REPLY_INTEGER || first_key->integer < 0 ||
	    first_key->integer > 1024)
		return;
	table_add(table, name, first_key->integer);
	if (depth > 0 || entry->elements < 10)
		return;
	subcommands = entry->element[9];
	if (subcommands->type != REDIS_REPLY_ARRAY)
		return;
	for (size_t i = 0; i < subcommands->elements; i++)
		table_add_entry(table, subcommands->element[i], depth + 1);
}

static int compare_commands(const void *a, const void *b)
{
	return strcmp(((const struct command *)a)->name, ((const struct command *)b)->name);
}

int command_table_read(struct command_table **out, const redisReply *reply, struct err *err)
{
	struct command_table *table;

	*out = NULL;
	if (reply && reply->type == REDIS_REPLY_ERROR)
		return err_set(err, -EPROTO, "command table: COMMAND: %s; grant redmem's user it",
			       reply->str);
	if (!reply || reply->type != REDIS_REPLY_ARRAY)
		return err_set(err, -EPROTO, "command table: COMMAND: not a list of commands");
	table = xcalloc(1, sizeof(*table));
	for (size_t i = 0; i < reply->elements; i++)
		table_add_entry(table, reply->element[i], 0);
	if (table->count)
		qsort(table->commands, table->count, sizeof(*table->commands), compare_commands);
	*out = table;
	return 0;
}

void command_table_free(struct command_table *table)
{
	if (!table)
		return;
	for (size_t i = 0; i < table->count; i++)
		free(table->commands[i].name);
	free(table->commands);
	free(table);
}

size_t command_table_count(const struct command_table *table)
{
	return table ? table->count : 0;
}

const char *command_table_name_at(const struct command_table *table, size_t i)
{
	return i < command_table_count(table) ? table->commands[i].name : NULL;
}

int command_table_first_key(const struct command_table *table, const char *name)
{
	struct command wanted = { (char *)name, 0 };
	struct command *found = NULL;

	if (command_table_count(table))
		found = bsearch(&wanted, table->commands, table->count, sizeof(wanted),
				compare_commands);
	return found ? found->first_key : COMMAND_FIRST_KEY_UNKNOWN;
}

struct command_key_rule command_table_rule(const struct command_table *table, const char *name)
{
	return command_key_rule(name, command_table_first_key(table, name));
}
