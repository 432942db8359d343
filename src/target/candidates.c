/* SPDX-License-Identifier: BSD-2-Clause */
/* From candidates of live commands to offsets; see candidates.h. */
#include "target/candidates.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "redis/knowledge.h"
#include "redis/knowledge_commands.h"

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
			return object_name(&layout, word);
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
 * candidate says nothing. */
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

/* argv: the one word that leads to a command's name for every candidate. */
static int find_argv(struct redmem_offsets *at, const struct candidates *s, struct err *err)
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
static int find_cmd(struct redmem_offsets *at, const struct candidates *s, struct err *err)
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

/* Could the int at @offset be argc for every candidate? */
static bool counts_arguments(const struct redmem_offsets *at, const struct candidates *s,
			     size_t offset)
{
	for (size_t i = 0; i < s->count; i++) {
		__u32 argc = int_at(s->seen[i]->client, offset);

		if (argc > REDMEM_ARGUMENTS_MAX ||
		    !command_allows(s->seen[i]->word[at->cmd / 8].name, argc))
			return false;
	}
	return true;
}

/* Is the int at @a at most the one at @b for every candidate? */
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
static int find_argc(struct redmem_offsets *at, const struct candidates *s, struct err *err)
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
static int find_current_client(struct redmem_offsets *at, const struct candidates *s,
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
static void find_querybuf(struct redmem_offsets *at, const struct candidates *s)
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
	ret = find_argv(at, &s, err);
	if (!ret) {
		find_object(at, &s);
		find_querybuf(at, &s);
	}
	if (!ret)
		ret = find_cmd(at, &s, err);
	if (!ret)
		ret = find_argc(at, &s, err);
	if (!ret)
		ret = find_current_client(at, &s, server_address, err);
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
