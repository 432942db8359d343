/* SPDX-License-Identifier: BSD-2-Clause */
/* From looks at the server to offsets; see offsets.h. */
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

const char *object_name(const struct redmem_object_layout *layout,
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
		    strcasecmp(object_name(&layout, a), looks->plain.command) ||
		    strcasecmp(object_name(&layout, b), looks->longer.command))
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
