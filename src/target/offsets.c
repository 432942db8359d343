/* SPDX-License-Identifier: BSD-2-Clause */
/* From looks at the server, and from candidates of live commands, to offsets; see offsets.h. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "redis/knowledge.h"
#include "target/offsets.h"

/* Bytes of the client that both looks have. */
static size_t client_bytes(const struct looks *looks)
{
	size_t a = looks->plain.seen->client_bytes, b = looks->longer.seen->client_bytes;

	return a < b ? a : b;
}

static __u64 head_of(const struct redmem_calibration_word *word, int argument)
{
	return word_at(word->object[argument], 0);
}

/* Does the layout lead to the nonce where it was found? */
static bool layout_leads(const struct redmem_object_layout *layout,
			 const struct redmem_calibration_word *word)
{
	return object_text_offset(layout, head_of(word, 1)) == word->embedded;
}

/*
 * The layout of the objects behind @word, whose second argument, an object of one
 * reference, was found to be the nonce: the one @expected when it leads there, else another
 * known one, else what can be learnt. False when its text lies in the object in a way that
 * is not known.
 */
static bool solve_object(struct redmem_object_layout *layout,
			 const struct redmem_calibration_word *word,
			 const struct redmem_object_layout *expected)
{
	__u64 head = head_of(word, 1);

	*layout = *expected;
	if (layout_leads(layout, word) && object_layout_fits(layout, head))
		goto out;
	for (size_t i = 0; knowledge_object_layout_at(i, layout); i++)
		if (layout_leads(layout, word) && object_layout_fits(layout, head))
			goto out;
	/* None of those known; a pointer leads to the text all the same. */
	*layout = (struct redmem_object_layout){ .pointer = word->pointer };
	if (word->embedded || !object_layout_learn(layout, head))
		return false;
out:
	if (word->pointer)
		layout->pointer = word->pointer;
	return true;
}

/* Text of argv[0] behind @word; "" when it is no string. */
static const char *name_behind(const struct redmem_object_layout *layout,
			       const struct redmem_calibration_word *word)
{
	int offset = object_text_offset(layout, head_of(word, 0));
	const char *text = (const char *)word->object[0] + offset;

	if (!offset)
		return word->first;
	if (offset < 0 || offset >= CALIBRATION_OBJECT ||
	    !memchr(text, '\0', (size_t)(CALIBRATION_OBJECT - offset)))
		return "";
	return text;
}

/* argv: the one word through which argv[0] reads as the command sent and argv[1]
 * as the nonce. The nonce is random: nothing else in the client leads to it. */
static int find_argv(struct redmem_offsets *at, const struct looks *looks, struct err *err)
{
	size_t matches = 0, leads = 0, words = client_bytes(looks) / 8;

	for (size_t i = 0; i < words; i++) {
		const struct redmem_calibration_word *a = &looks->plain.seen->word[i];
		const struct redmem_calibration_word *b = &looks->longer.seen->word[i];
		struct redmem_object_layout layout;

		leads += a->nonce_at_1;
		if (!a->nonce_at_1 || !b->nonce_at_1 ||
		    !solve_object(&layout, a, &looks->expected) || !layout_leads(&layout, b) ||
		    strcasecmp(name_behind(&layout, a), looks->plain.command) ||
		    strcasecmp(name_behind(&layout, b), looks->longer.command))
			continue;
		matches++;
		at->argv = i * 8;
		at->object = layout;
	}
	if (matches == 1)
		return 0;
	return err_set(err, -ENOENT,
		       "calibration: %zu words of the client lead to its arguments, not 1%s",
		       matches, !matches && leads ? " (the layout of objects is not known)" : "");
}

/* argc: an int that says the number of arguments in both looks and 0 while the
 * client waits. Redis keeps argv_len beside it (one more candidate, equal in some
 * looks); argc is the one nearest argv, and the lower of two as near. It stands
 * before argv in Redis and after it in Valkey 8.1. */
static int find_argc(struct redmem_offsets *at, const struct looks *looks, struct err *err)
{
	size_t bytes = client_bytes(looks), best = 0, best_distance = bytes;

	for (size_t offset = 0; offset + 4 <= bytes; offset += 4) {
		size_t distance = offset > at->argv ? offset - at->argv : at->argv - offset;

		if (int_at(looks->plain.seen->client, offset) != looks->plain.argc ||
		    int_at(looks->longer.seen->client, offset) != looks->longer.argc ||
		    (looks->idle && int_at(looks->idle, offset) != 0))
			continue;
		if (distance < best_distance) {
			best = offset;
			best_distance = distance;
		}
	}
	if (best_distance == bytes)
		return err_set(err, -ENOENT,
			       "calibration: no word of the client counts its arguments");
	at->argc = best;
	return 0;
}

/* cmd: names the command in each look. lastcmd and realcmd do too, but only cmd
 * is NULL while the client waits (resetClient()). 0 when there is none: commands
 * are then named by argv[0]. */
static void find_cmd(struct redmem_offsets *at, const struct looks *looks)
{
	size_t words = client_bytes(looks) / 8;

	for (size_t i = 0; looks->idle && i < words; i++) {
		if (strcasecmp(looks->plain.seen->word[i].name, looks->plain.command) ||
		    strcasecmp(looks->longer.seen->word[i].name, looks->longer.command) ||
		    word_at(looks->idle, i * 8))
			continue;
		at->cmd = i * 8;
		return;
	}
}

/* Does the word at @offset lead to the query that holds the command of the look? */
static bool is_query(const struct look *look, size_t offset)
{
	const struct redmem_calibration *seen = look->seen;
	char begin[CALIBRATION_QUERY];
	size_t len = snprintf(begin, sizeof(begin), "*%u\r\n$%zu\r\n%s\r\n$%d\r\n%.*s\r\n",
			      look->argc, strlen(look->command), look->command, CALIBRATION_NONCE,
			      CALIBRATION_NONCE, seen->nonce);
	__u64 position = word_at(seen->client, offset + 8);

	if (strncasecmp(seen->word[offset / 8].query, begin, len))
		return false;
	return look->argc == 2 ? position == len : position > len && position < len + 100;
}

/* querybuf: the string in which the command came, and behind it how much of that was
 * read (qb_pos): with one command sent and executed, to its end. */
static void find_querybuf(struct redmem_offsets *at, const struct looks *looks)
{
	size_t bytes = client_bytes(looks);

	for (size_t offset = 0; offset + 16 <= bytes; offset += 8) {
		if (!is_query(&looks->plain, offset) || !is_query(&looks->longer, offset))
			continue;
		at->querybuf = offset;
		return;
	}
}

/* Words of the server that held our client in each look. All looks are taken on
 * the main thread inside our command, so they cannot be torn. */
static int find_current_client(struct redmem_offsets *at, const struct looks *looks,
			       struct err *err)
{
	const struct redmem_calibration *a = looks->plain.seen, *b = looks->longer.seen;
	const struct redmem_calibration *s = looks->script.seen;
	__u64 client = a->client_address;

	for (size_t offset = 0; offset + 8 <= a->server_bytes; offset += 8) {
		__u64 address = looks->server_address + offset;

		if (word_at(a->server, offset) != client || word_at(b->server, offset) != client)
			continue;
		if (s && word_at(s->server, offset) == s->client_address &&
		    s->client_address != client)
			at->executing_client = address;
		else if (s && word_at(s->server, offset) != client)
			continue;
		else if (!at->current_client)
			at->current_client = address;
		else if (!s && !at->executing_client)
			at->executing_client = address; /* always the next word */
	}
	if (at->current_client)
		return 0;
	return err_set(err, -ENOENT,
		       "calibration: no word of `server` points to the current client");
}

/* Before 7.2: script_caller (lua_caller) is our client while its script runs and
 * NULL else; the script's commands run on a client of their own. */
static void find_script_caller(struct redmem_offsets *at, const struct looks *looks)
{
	const struct redmem_calibration *a = looks->plain.seen, *s = looks->script.seen;

	if (!s || at->executing_client || s->client_address == a->client_address)
		return;
	for (size_t offset = 0; offset + 8 <= s->server_bytes; offset += 8) {
		if (word_at(s->server, offset) != a->client_address || word_at(a->server, offset))
			continue;
		at->script_caller = looks->server_address + offset;
		at->script_client = s->client_address;
		return;
	}
}

int offsets_solve(struct redmem_offsets *at, const struct looks *looks, struct err *err)
{
	int ret;

	memset(at, 0, sizeof(*at));
	ret = find_argv(at, looks, err);
	if (!ret)
		ret = find_argc(at, looks, err);
	if (!ret)
		ret = find_current_client(at, looks, err);
	if (ret)
		return ret;
	find_cmd(at, looks);
	find_querybuf(at, looks);
	find_script_caller(at, looks);
	return 0;
}

void offsets_find_db(struct redmem_offsets *at, const struct db_sighting seen[2])
{
	for (size_t offset = 0; offset + 4 <= DATABASE_BYTES; offset += 4) {
		if (int_at(seen[0].database, offset) != seen[0].number ||
		    int_at(seen[1].database, offset) != seen[1].number)
			continue;
		at->db = seen[0].word;
		at->db_id = offset;
		return;
	}
}

size_t offsets_changed_word(const __u8 *before, const __u8 *there, const __u8 *back, size_t bytes,
			    size_t from)
{
	for (size_t offset = from; offset + 8 <= bytes; offset += 8) {
		__u64 word = word_at(before, offset), other = word_at(there, offset);

		if (word != other && word == word_at(back, offset) && word > 0xffff &&
		    other > 0xffff && !(word & 7) && !(other & 7))
			return offset;
	}
	return 0;
}

/* Does the word lie between the counter's bounds in each copy, and move? */
static bool word_counts(const struct counter_sighting *seen, size_t count, size_t offset)
{
	bool moved = false;

	for (size_t i = 0; i < count; i++) {
		__u64 value = word_at(seen[i].server, offset);

		if (value < seen[i].before || value > seen[i].after)
			return false;
		moved |= value != word_at(seen[0].server, offset);
	}
	return moved;
}

/* Is the word at @a at least the one at @b in every copy? */
static bool word_leads(const struct counter_sighting *seen, size_t count, size_t a, size_t b)
{
	for (size_t i = 0; i < count; i++)
		if (word_at(seen[i].server, a) < word_at(seen[i].server, b))
			return false;
	return true;
}

long offsets_find_counter(const struct counter_sighting *seen, size_t count, size_t bytes)
{
	long found = -ENOENT;
	bool lost = false;

	for (size_t offset = 0; offset + 8 <= bytes; offset += 8) {
		if (!word_counts(seen, count, offset))
			continue;
		if (found < 0 || word_leads(seen, count, offset, found))
			found = offset;
		else if (!word_leads(seen, count, found, offset))
			lost = true; /* two words take turns: neither is sure */
	}
	return lost ? -ENOENT : found;
}

/* --- candidates of live commands ----------------------------------------- */

/* argv and cmd are among the first 160 bytes of the client in every version seen; the
 * smallest client has more than 400. Behind the client lies another, which may have the
 * arguments and the name of a command of its own. */
#define CLIENT_BYTES_MAX 256
/* The candidates that can be used. */
struct candidates {
	const struct redmem_calibration *seen[CANDIDATES_MAX];
	size_t count;
};

/* What the word at @argv says, taken as robj **argv. */
static const char *argument_name(const struct redmem_calibration *seen, size_t argv)
{
	const struct redmem_calibration_word *word = &seen->word[argv / 8];
	struct redmem_object_layout layout;

	for (size_t i = 0; !*word->first && knowledge_object_layout_at(i, &layout); i++)
		if (layout.value_bit && object_layout_fits(&layout, word_at(word->object[0], 0)))
			return name_behind(&layout, word);
	return word->first;
}

/* Does the word at @argv, taken as robj **argv, say the name behind the one at @cmd? */
static bool names_agree(const struct redmem_calibration *seen, size_t argv, size_t cmd)
{
	const char *first = argument_name(seen, argv);

	return *first && !strcasecmp(first, seen->word[cmd / 8].name);
}

static bool any_name_agrees(const struct redmem_calibration *seen, size_t argv)
{
	for (size_t cmd = 0; cmd < CLIENT_BYTES_MAX; cmd += 8)
		if (names_agree(seen, argv, cmd))
			return true;
	return false;
}

/* CONFIG GET calls itself "get", and a renamed command not what was sent: such a
 * sighting says nothing. */
static bool is_usable(const struct redmem_calibration *seen)
{
	if (!seen->server_ok || seen->client_bytes < CLIENT_BYTES_MAX)
		return false;
	for (size_t argv = 0; argv < CLIENT_BYTES_MAX; argv += 8)
		if (any_name_agrees(seen, argv))
			return true;
	return false;
}

static void select_usable(struct candidates *s, const struct redmem_calibration *seen, size_t count)
{
	for (size_t i = 0; i < count && s->count < CANDIDATES_MAX; i++)
		if (is_usable(&seen[i]))
			s->seen[s->count++] = &seen[i];
}

/* argv: the one word that leads to a command's name in every sighting. */
static int candidates_find_argv(struct redmem_offsets *at, const struct candidates *s,
				struct err *err)
{
	size_t matches = 0;

	for (size_t argv = 0; argv < CLIENT_BYTES_MAX; argv += 8) {
		size_t agree = 0;

		while (agree < s->count && any_name_agrees(s->seen[agree], argv))
			agree++;
		if (agree < s->count)
			continue;
		matches++;
		at->argv = argv;
	}
	if (matches == 1)
		return 0;
	return err_set(err, -ENOENT,
		       "calibration: %zu words of the client lead to its arguments, not 1",
		       matches);
}

/* Is that the layout of the names' objects? Each has one reference. */
static bool layout_holds(const struct redmem_object_layout *layout, const struct candidates *s,
			 size_t argv)
{
	for (size_t i = 0; i < s->count; i++) {
		const struct redmem_calibration_word *word = &s->seen[i]->word[argv / 8];
		__u64 head = word_at(word->object[0], 0);

		if (!object_layout_fits(layout, head) ||
		    (object_text_offset(layout, head) == 0) != (*word->first != '\0'))
			return false;
	}
	return true;
}

static void find_object(struct redmem_offsets *at, const struct candidates *s)
{
	for (size_t i = 0; knowledge_object_layout_at(i, &at->object); i++)
		if (layout_holds(&at->object, s, at->argv))
			return;
	at->object = (struct redmem_object_layout){ .pointer = 8 };
	object_layout_learn(&at->object, word_at(s->seen[0]->word[at->argv / 8].object[0], 0));
}

/* cmd: lastcmd and realcmd hold the same while a command begins; cmd comes first in
 * every version. */
static int candidates_find_cmd(struct redmem_offsets *at, const struct candidates *s,
			       struct err *err)
{
	for (size_t cmd = 0; cmd < CLIENT_BYTES_MAX; cmd += 8) {
		size_t agree = 0;

		while (agree < s->count && names_agree(s->seen[agree], at->argv, cmd))
			agree++;
		if (agree < s->count)
			continue;
		at->cmd = cmd;
		return 0;
	}
	return err_set(err, -ENOENT, "calibration: no word of the client always names its command");
}

/* Numbers of arguments, as COMMAND tells them: -3 means 3 or more. Where versions
 * differ, what all of them allow. The server refuses other numbers before it calls a
 * command. */
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

static bool arity_allows(const char *name, __u32 argc)
{
	for (size_t i = 0; i < sizeof(arities) / sizeof(arities[0]); i++) {
		int arity = arities[i].arity;

		if (!strcasecmp(name, arities[i].name))
			return arity < 0 ? argc >= (__u32)-arity : argc == (__u32)arity;
	}
	return argc >= 1;
}

/* Could the int at @offset be argc in every sighting? */
static bool counts_arguments(const struct redmem_offsets *at, const struct candidates *s,
			     size_t offset)
{
	for (size_t i = 0; i < s->count; i++) {
		__u32 argc = int_at(s->seen[i]->client, offset);

		if (argc > ARGUMENTS_MAX || !arity_allows(s->seen[i]->word[at->cmd / 8].name, argc))
			return false;
	}
	return true;
}

/* Is the int at @a at most the one at @b in every sighting? */
static bool is_smaller(const struct candidates *s, size_t a, size_t b)
{
	for (size_t i = 0; i < s->count; i++)
		if (int_at(s->seen[i]->client, a) > int_at(s->seen[i]->client, b))
			return false;
	return true;
}

/*
 * argc: an int beside argv; before it in Redis, behind it in Valkey 8.1. Others there
 * are larger: argv_len, argv_len_sum, qb_pos (a place in the query that holds the
 * arguments). argv_len is often as large; argc is before it in every version. Only
 * ints that begin a word: behind an int may be padding, which holds anything.
 */
static int candidates_find_argc(struct redmem_offsets *at, const struct candidates *s,
				struct err *err)
{
	size_t first = at->argv >= 8 ? at->argv - 8 : at->argv + 8;
	size_t fit[3], fits = 0;

	for (size_t offset = first; offset <= at->argv + 16; offset += 8)
		if (offset != at->argv && offset < CLIENT_BYTES_MAX &&
		    counts_arguments(at, s, offset))
			fit[fits++] = offset;
	for (size_t i = 0; i < fits; i++) {
		size_t smaller = 0;

		while (smaller < fits && is_smaller(s, fit[i], fit[smaller]))
			smaller++;
		if (smaller < fits)
			continue;
		at->argc = fit[i];
		return 0;
	}
	return err_set(err, -ENOENT,
		       "calibration: no word of the client counts the arguments of every command "
		       "seen");
}

static bool holds_client(const struct candidates *s, size_t offset)
{
	for (size_t i = 0; i < s->count; i++)
		if (offset + 8 > s->seen[i]->server_bytes ||
		    word_at(s->seen[i]->server, offset) != s->seen[i]->client_address)
			return false;
	return true;
}

/* current_client: the first word of the server that held the client each time. Words
 * behind it may hold the same client for another reason (server.master on a replica
 * nobody else talks to). */
static int candidates_find_current_client(struct redmem_offsets *at, const struct candidates *s,
					  __u64 server_address, struct err *err)
{
	for (size_t offset = 0; offset + 8 <= s->seen[0]->server_bytes; offset += 8) {
		if (!holds_client(s, offset))
			continue;
		at->current_client = server_address + offset;
		return 0;
	}
	return err_set(err, -ENOENT,
		       "calibration: no word of `server` points to the current client");
}

/* In how many candidates does the word at @offset lead to a query? One begins with a command
 * ("*3\r\n"), unless it is so long that its begin has gone when it is executed. */
static size_t leads_to_query(const struct candidates *s, size_t offset)
{
	size_t times = 0;

	for (size_t i = 0; i < s->count; i++) {
		const char *query = s->seen[i]->word[offset / 8].query;

		times += (word_at(s->seen[i]->client, offset) & 1) && query[0] == '*' &&
			 query[1] >= '1' && query[1] <= '9';
	}
	return times;
}

/* querybuf: one of the places where versions have it, the one that leads to queries. That
 * of Valkey 9.1 is known by its objects; it is done with when a command runs. */
static void candidates_find_querybuf(struct redmem_offsets *at, const struct candidates *s)
{
	static const size_t places[] = { 16, 32, 40 };
	size_t most = 0;

	if (at->object.value_bit && at->argv >= places[0])
		at->querybuf = at->argv - places[0];
	for (size_t i = 0; i < 3 && !at->object.value_bit && at->argv >= places[i]; i++) {
		size_t times = leads_to_query(s, at->argv - places[i]);

		if (times <= most)
			continue;
		most = times;
		at->querybuf = at->argv - places[i];
	}
}

int candidates_solve(struct redmem_offsets *at, const struct redmem_calibration *seen, size_t count,
		     __u64 server_address, struct err *err)
{
	struct candidates s = {};
	int ret;

	memset(at, 0, sizeof(*at));
	select_usable(&s, seen, count);
	if (s.count < CANDIDATES_MIN)
		return err_set(err, -ENOENT,
			       "calibration: %zu commands of clients seen, %zu of use, %d needed; "
			       "watch again while clients do more",
			       count, s.count, CANDIDATES_MIN);
	ret = candidates_find_argv(at, &s, err);
	if (!ret) {
		find_object(at, &s);
		candidates_find_querybuf(at, &s);
	}
	if (!ret)
		ret = candidates_find_cmd(at, &s, err);
	if (!ret)
		ret = candidates_find_argc(at, &s, err);
	if (!ret)
		ret = candidates_find_current_client(at, &s, server_address, err);
	return ret ? ret : (int)s.count;
}

/* Always the next word. Before 7.2 that one holds no client. */
void candidates_find_executing(struct redmem_offsets *at, const struct redmem_calibration *inside,
			       __u64 server_address)
{
	__u64 address = at->current_client + 8;
	size_t offset = address - server_address;

	if (inside->done && inside->server_ok && offset + 8 <= inside->server_bytes &&
	    word_at(inside->server, offset) == inside->client_address)
		at->executing_client = address;
}
