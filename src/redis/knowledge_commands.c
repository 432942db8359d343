/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where commands have their key, and what else is to be known of them; see
 * knowledge_commands.h. From the key specifications in the servers' sources (src/commands/
 * of Redis 7 to 8.0 and Valkey to 9.1, the getkeys_proc column of server.c's command table
 * before).
 */
#include "redis/knowledge_commands.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIRST_KEY_MAX 255

struct override {
	const char *name; /* "object|*" stands for every subcommand */
	struct command_key_rule rule;
};

/* Those whose answer to COMMAND INFO says it not, or says it otherwise. */
static const struct override overrides[] = {
	{ "bitop", { COMMAND_KEY_INDEX, 2, NULL } },
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
	/* What it takes time for, and frees, is what it writes over; a value that only gets
	 * another name is not touched. */
	{ "rename", { COMMAND_KEY_INDEX, 2, NULL } },
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

/* Built-in commands without a key... */
static const char *const keyless[] = {
	"acl",	    "asking",	    "auth",	"bgrewriteaof", "bgsave",   "client",
	"cluster",  "clusterscan",  "command",	"commandlog",	"config",   "dbsize",
	"debug",    "discard",	    "echo",	"exec",		"failover", "flushall",
	"flushdb",  "function",	    "hello",	"hotkeys",	"info",	    "keys",
	"lastsave", "latency",	    "lolwut",	"memory",	"module",   "monitor",
	"multi",    "pfselftest",   "ping",	"psubscribe",	"psync",    "publish",
	"pubsub",   "punsubscribe", "quit",	"randomkey",	"readonly", "readwrite",
	"replconf", "replicaof",    "reset",	"role",		"save",	    "scan",
	"script",   "select",	    "sentinel", "sflush",	"shutdown", "slaveof",
	"slowlog",  "subscribe",    "swapdb",	"sync",		"time",	    "unsubscribe",
	"unwatch",  "wait",	    "waitaof",
};

/* ...and with it as their first argument. */
static const char *const key_first[] = {
	"append",
	"bitcount",
	"bitfield",
	"bitfield_ro",
	"bitpos",
	"blmove",
	"blpop",
	"brpop",
	"brpoplpush",
	"bzpopmax",
	"bzpopmin",
	"copy",
	"decr",
	"decrby",
	"del",
	"delifeq",
	"dump",
	"exists",
	"expire",
	"expireat",
	"expiretime",
	"geoadd",
	"geodist",
	"geohash",
	"geopos",
	"georadius_ro",
	"georadiusbymember_ro",
	"geosearch",
	"geosearchstore",
	"get",
	"getbit",
	"getdel",
	"getex",
	"getrange",
	"getset",
	"hdel",
	"hexists",
	"hexpire",
	"hexpireat",
	"hexpiretime",
	"hget",
	"hgetall",
	"hgetdel",
	"hgetex",
	"hincrby",
	"hincrbyfloat",
	"hkeys",
	"hlen",
	"hmget",
	"hmset",
	"hpersist",
	"hpexpire",
	"hpexpireat",
	"hpexpiretime",
	"hpttl",
	"hrandfield",
	"hscan",
	"hset",
	"hsetex",
	"hsetnx",
	"hstrlen",
	"httl",
	"hvals",
	"incr",
	"incrby",
	"incrbyfloat",
	"lcs",
	"lindex",
	"linsert",
	"llen",
	"lmove",
	"lpop",
	"lpos",
	"lpush",
	"lpushx",
	"lrange",
	"lrem",
	"lset",
	"ltrim",
	"mget",
	"move",
	"mset",
	"msetnx",
	"persist",
	"pexpire",
	"pexpireat",
	"pexpiretime",
	"pfadd",
	"pfcount",
	"pfmerge",
	"psetex",
	"pttl",
	"renamenx",
	"restore",
	"restore-asking",
	"rpop",
	"rpoplpush",
	"rpush",
	"rpushx",
	"sadd",
	"scard",
	"sdiff",
	"sdiffstore",
	"set",
	"setbit",
	"setex",
	"setnx",
	"setrange",
	"sinter",
	"sinterstore",
	"sismember",
	"smembers",
	"smismember",
	"smove",
	"spop",
	"srandmember",
	"srem",
	"sscan",
	"strlen",
	"substr",
	"sunion",
	"sunionstore",
	"touch",
	"ttl",
	"type",
	"unlink",
	"watch",
	"xack",
	"xadd",
	"xautoclaim",
	"xclaim",
	"xdel",
	"xlen",
	"xpending",
	"xrange",
	"xrevrange",
	"xsetid",
	"xtrim",
	"zadd",
	"zcard",
	"zcount",
	"zincrby",
	"zlexcount",
	"zmscore",
	"zpopmax",
	"zpopmin",
	"zrandmember",
	"zrange",
	"zrangebylex",
	"zrangebyscore",
	"zrangestore",
	"zrank",
	"zrem",
	"zremrangebylex",
	"zremrangebyrank",
	"zremrangebyscore",
	"zrevrange",
	"zrevrangebylex",
	"zrevrangebyscore",
	"zrevrank",
	"zscan",
	"zscore",
};

/* Those with the flag denyoom, and scripts. */
static const char *const storing[] = {
	"append",	  "bitfield",
	"bitop",	  "blmove",
	"brpoplpush",	  "copy",
	"decr",		  "decrby",
	"eval",		  "evalsha",
	"fcall",	  "geoadd",
	"georadius",	  "georadiusbymember",
	"geosearchstore", "getset",
	"hexpire",	  "hexpireat",
	"hincrby",	  "hincrbyfloat",
	"hmset",	  "hpexpire",
	"hpexpireat",	  "hset",
	"hsetex",	  "hsetnx",
	"incr",		  "incrby",
	"incrbyfloat",	  "linsert",
	"lmove",	  "lpush",
	"lpushx",	  "lset",
	"mset",		  "msetex",
	"msetnx",	  "pfadd",
	"pfmerge",	  "psetex",
	"restore",	  "restore-asking",
	"rpoplpush",	  "rpush",
	"rpushx",	  "sadd",
	"sdiffstore",	  "set",
	"setbit",	  "setex",
	"setnx",	  "setrange",
	"sinterstore",	  "sort",
	"sunionstore",	  "xadd",
	"xgroup",	  "xsetid",
	"zadd",		  "zdiffstore",
	"zincrby",	  "zinterstore",
	"zrangestore",	  "zunionstore",
};

/* Those that take away what they name, or a part of it (of RENAME that is what it writes over). */
static const char *const freeing[] = {
	"del",
	"expire",
	"expireat",
	"flushall",
	"flushdb",
	"getdel",
	"hdel",
	"hgetdel",
	"lmpop",
	"lpop",
	"lrem",
	"ltrim",
	"pexpire",
	"pexpireat",
	"rename",
	"rpop",
	"spop",
	"srem",
	"unlink",
	"xdel",
	"xtrim",
	"zmpop",
	"zpopmax",
	"zpopmin",
	"zrem",
	"zremrangebylex",
	"zremrangebyrank",
	"zremrangebyscore",
};

static const char *const scripts[] = {
	"eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro",
};

/* Commands that commandstats tells apart by their subcommands. */
static const char *const containers[] = {
	"acl",	    "client",  "cluster", "command", "commandlog", "config",
	"function", "hotkeys", "latency", "memory",  "module",	   "object",
	"pubsub",   "script",  "slowlog", "xgroup",  "xinfo",
};

static bool pattern_matches(const char *pattern, const char *name)
{
	size_t len = strlen(pattern);

	if (pattern[len - 1] == '*')
		return !strncasecmp(pattern, name, len - 1);
	return !strcasecmp(pattern, name);
}

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

/* Is @name, or the container before its '|', in the list? */
static bool is_in(const char *name, const char *const *list, size_t count)
{
	size_t len = strcspn(name, "|");

	for (size_t i = 0; i < count; i++)
		if (strlen(list[i]) == len && !strncasecmp(list[i], name, len))
			return true;
	return false;
}

bool command_stores(const char *name)
{
	return is_in(name, storing, COUNT(storing));
}

bool command_frees(const char *name)
{
	return is_in(name, freeing, COUNT(freeing));
}

bool command_is_script(const char *name)
{
	return is_in(name, scripts, COUNT(scripts));
}

const char *command_refuses_with(const char *name)
{
	if (command_is_script(name))
		return "BUSY";
	return !strcmp(name, "debug") ? "LOADING" : "";
}

bool command_publishes(const char *name)
{
	return !strcmp(name, "publish") || !strcmp(name, "spublish");
}

bool command_is_container(const char *name)
{
	return is_in(name, containers, COUNT(containers));
}

bool command_known_rule(const char *name, struct command_key_rule *rule)
{
	*rule = (struct command_key_rule){ COMMAND_KEY_NONE, 0, NULL };
	for (size_t i = 0; i < COUNT(overrides); i++) {
		if (!pattern_matches(overrides[i].name, name))
			continue;
		*rule = overrides[i].rule;
		return true;
	}
	if (is_in(name, keyless, COUNT(keyless)))
		return true;
	if (!is_in(name, key_first, COUNT(key_first)))
		return false;
	rule->kind = COMMAND_KEY_INDEX;
	rule->index = 1;
	return true;
}

struct command_key_rule command_told_rule(int first_key)
{
	if (first_key <= 0)
		return (struct command_key_rule){ COMMAND_KEY_NONE, 0, NULL };
	return (struct command_key_rule){ COMMAND_KEY_INDEX, first_key, NULL };
}

struct command_key_rule command_key_rule(const char *name)
{
	struct command_key_rule rule;

	/* Of a module's ("ft.search") nothing can be guessed, most others have it first. */
	if (command_known_rule(name, &rule) || strchr(name, '.'))
		return rule;
	return command_told_rule(1);
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

int command_info_first_key(const redisReply *reply)
{
	const redisReply *entry, *first_key;

	if (!reply || reply->type != REDIS_REPLY_ARRAY || reply->elements != 1)
		return -1;
	entry = reply->element[0];
	if (entry->type != REDIS_REPLY_ARRAY || entry->elements < 4)
		return -1; /* nil: a name the server does not know */
	first_key = entry->element[3];
	if (first_key->type != REDIS_REPLY_INTEGER || first_key->integer < 0 ||
	    first_key->integer > FIRST_KEY_MAX)
		return -1;
	return (int)first_key->integer;
}

/* Numbers of arguments, as COMMAND tells them: -3 means 3 or more. Where versions
 * differ, what all of them allow. */
static const struct {
	const char *name;
	int arity;
} arities[] = {
	{ "get", 2 },	   { "set", -3 },    { "mget", -2 },   { "mset", -3 },	 { "incr", 2 },
	{ "decr", 2 },	   { "incrby", 3 },  { "append", 3 },  { "setex", 4 },	 { "setnx", 3 },
	{ "getset", 3 },   { "strlen", 2 },  { "del", -2 },    { "exists", -2 }, { "expire", -3 },
	{ "ttl", 2 },	   { "type", 2 },    { "persist", 2 }, { "hget", 3 },	 { "hset", -4 },
	{ "hmget", -3 },   { "hgetall", 2 }, { "hdel", -3 },   { "hlen", 2 },	 { "hincrby", 4 },
	{ "llen", 2 },	   { "lrange", 4 },  { "lpush", -3 },  { "rpush", -3 },	 { "lpop", -2 },
	{ "rpop", -2 },	   { "sadd", -3 },   { "srem", -3 },   { "scard", 2 },	 { "sismember", 3 },
	{ "smembers", 2 }, { "zadd", -4 },   { "zrem", -3 },   { "zcard", 2 },	 { "zscore", 3 },
	{ "zrange", -4 },  { "zincrby", 4 }, { "publish", 3 }, { "eval", -3 },	 { "evalsha", -3 },
	{ "xadd", -5 },
};

bool command_allows(const char *name, unsigned int argc)
{
	for (size_t i = 0; i < COUNT(arities); i++) {
		int arity = arities[i].arity;

		if (!strcasecmp(name, arities[i].name))
			return arity < 0 ? argc >= (unsigned int)-arity :
					   argc == (unsigned int)arity;
	}
	return argc >= 1;
}
