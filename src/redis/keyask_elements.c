/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a key holds: a bounded sample of its elements, drawn by the server at random or taken
 * from both ends, of which only sizes and scores are kept; and a stream's groups.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/buf.h"
#include "base/escape.h"
#include "base/sum.h"
#include "redis/keyask_internal.h"

#define ELEMENT_MAX   (1024 * 1024) /* larger ones, in the mean, are not brought here */
#define EACH_END      32 /* elements of a list or stream that are taken from an end */
#define RANDOM_TOTAL  128
#define RANDOM_ITEMS  16 /* of a list, each found by walking its nodes */
#define WALK_BYTES    (64 * 1024 * 1024) /* lists above take too long to walk: 8,000 nodes */
#define STRING_PART   4096 /* at the start, the middle and the end */
#define CONSUMERS_MAX 1000 /* of a group that are listed */
#define LISTED_GROUPS 10 /* whose consumers are */
#define GONE_SECONDS  86400.0

static void add(struct ask *a, const char *place, int64_t name_bytes, int64_t bytes, double score)
{
	if (a->elements_count < KEYASK_ELEMENTS)
		a->elements[a->elements_count++] =
			(struct record_key_element){ place, name_bytes, bytes, score };
}

static int64_t text_len(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING ? (int64_t)reply->len : RECORD_UNKNOWN;
}

/* --- as many as there are bytes left for ------------------------------------------- */

/* One by one at first: how large elements are is not known before some have come. */
struct portion {
	size_t wanted, got; /* elements */
	int64_t largest;
};

static size_t next_count(const struct ask *a, const struct portion *p)
{
	size_t count = p->got * 3 + 1;
	int64_t fit = a->bytes_left / (p->largest + 1);

	if (count > p->wanted - p->got)
		count = p->wanted - p->got;
	if ((int64_t)count > fit)
		count = (size_t)(fit > 0 ? fit : 0);
	return ask_has_time(a) ? count : 0;
}

static void took(struct ask *a, struct portion *p, int64_t bytes)
{
	p->got++;
	a->bytes_left -= bytes;
	if (bytes > p->largest)
		p->largest = bytes;
}

static void ran_out(struct ask *a, const struct portion *p)
{
	if (p->got < p->wanted && !a->elements_reason)
		a->elements_reason = ask_has_time(a) ? "so many bytes were enough" : "time was up";
}

/* Each once, then, instead of some of them again and again. */
static bool is_few(const struct ask *a)
{
	return a->facts.elements <= RANDOM_TOTAL && a->facts.bytes != RECORD_UNKNOWN &&
	       (a->facts.bytes <= KEYASK_BYTES || !strcmp(a->type, "hash"));
}

/* --- hashes, sets, sorted sets -------------------------------------------------------- */

/* Names alone, and then how long each value is: a value of 500 MB stays where it is. */
static void ask_fields(struct ask *a)
{
	bool all = is_few(a);
	struct portion p = { .wanted = all ? (size_t)a->facts.elements : RANDOM_TOTAL };
	size_t count;

	while ((count = all ? p.wanted : next_count(a, &p))) {
		char line[48];
		redisReply *names;

		snprintf(line, sizeof(line), "HRANDFIELD %%k %s%zu", all ? "" : "-", count);
		names = ask(a, line);
		for (size_t i = 0; names && i < names->elements && ask_has_time(a); i++) {
			struct bytes name = { names->element[i]->str, names->element[i]->len };
			redisReply *value = name.data ? ask_with(a, "HSTRLEN %k %x", name) : NULL;

			if (value && value->type == REDIS_REPLY_INTEGER)
				add(a, "random", (int64_t)name.len, value->integer, NAN);
			freeReplyObject(value);
			took(a, &p, (int64_t)name.len);
		}
		if (!names || !names->elements || all)
			count = 0;
		freeReplyObject(names);
		if (!count)
			break;
	}
	ran_out(a, &p);
}

/* A score is text in RESP2. */
static double score_of(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING ? strtod(reply->str, NULL) : NAN;
}

static void ask_members(struct ask *a, bool scored)
{
	bool all = is_few(a);
	struct portion p = { .wanted = all ? (size_t)a->facts.elements : RANDOM_TOTAL };
	size_t count;

	while ((count = all ? p.wanted : next_count(a, &p))) {
		size_t step = scored ? 2 : 1, before = p.got;
		redisReply *members;
		char line[64];

		snprintf(line, sizeof(line), "%s %%k %s%zu%s",
			 scored ? "ZRANDMEMBER" : "SRANDMEMBER", all ? "" : "-", count,
			 scored ? " WITHSCORES" : "");
		members = ask(a, line);
		for (size_t i = 0; members && i + step <= members->elements; i += step) {
			int64_t bytes = text_len(members->element[i]);

			add(a, "random", RECORD_UNKNOWN, bytes,
			    scored ? score_of(members->element[i + 1]) : NAN);
			took(a, &p, bytes == RECORD_UNKNOWN ? 0 : bytes);
		}
		freeReplyObject(members);
		if (p.got == before || all)
			break;
	}
	ran_out(a, &p);
}

static double ask_score(struct ask *a, const char *line)
{
	redisReply *reply = ask(a, line);
	double score = reply && reply->elements == 2 ? score_of(reply->element[1]) : NAN;

	freeReplyObject(reply);
	return score;
}

static void ask_zset(struct ask *a)
{
	ask_members(a, true);
	a->facts.score_min = ask_score(a, "ZRANGE %k 0 0 WITHSCORES");
	a->facts.score_max = ask_score(a, "ZRANGE %k -1 -1 WITHSCORES");
}

/* --- lists and streams: from both ends -------------------------------------------------- */

/* A list's item, or an entry [id, [field, value...]]. */
static int64_t item_bytes(const redisReply *item)
{
	int64_t bytes = 0;

	if (item->type == REDIS_REPLY_STRING)
		return (int64_t)item->len;
	if (item->elements != 2)
		return 0;
	for (size_t i = 0; i < item->element[1]->elements; i++)
		bytes += (int64_t)item->element[1]->element[i]->len;
	return bytes;
}

static void end_line(char line[64], bool stream, bool tail, size_t from, size_t count)
{
	if (stream)
		snprintf(line, 64,
			 tail ? "XREVRANGE %%k + - COUNT %zu" : "XRANGE %%k - + COUNT %zu",
			 from + count);
	else if (tail)
		snprintf(line, 64, "LRANGE %%k -%zu -%zu", from + count, from + 1);
	else
		snprintf(line, 64, "LRANGE %%k %zu %zu", from, from + count - 1);
}

static void ask_end(struct ask *a, bool stream, bool tail)
{
	struct portion p = { .wanted = EACH_END };
	size_t count;

	while ((count = next_count(a, &p))) {
		size_t before = p.got;
		redisReply *items;
		char line[64];

		end_line(line, stream, tail, before, count);
		items = ask(a, line);
		/* A stream's range begins at the end again. */
		for (size_t i = stream ? before : 0; items && i < items->elements; i++) {
			int64_t bytes = item_bytes(items->element[i]);

			add(a, tail ? "tail" : "head", RECORD_UNKNOWN, bytes, NAN);
			took(a, &p, bytes);
		}
		freeReplyObject(items);
		if (p.got - before < count)
			break;
	}
	if (p.got < p.wanted && (int64_t)p.got < a->facts.elements)
		ran_out(a, &p);
}

/* Evenly over the list: what lies between its ends may be of another size. */
static void ask_inside(struct ask *a)
{
	int64_t n = a->facts.elements;

	if (n <= 2 * EACH_END || a->facts.bytes == RECORD_UNKNOWN || a->facts.bytes > WALK_BYTES ||
	    a->facts.bytes / n > ELEMENT_MAX / RANDOM_ITEMS)
		return;
	for (int i = 0; i < RANDOM_ITEMS && ask_has_time(a) && a->bytes_left > 0; i++) {
		char line[48];
		redisReply *item;

		snprintf(line, sizeof(line), "LINDEX %%k %lld",
			 (long long)(n / RANDOM_ITEMS * i + n / RANDOM_ITEMS / 2));
		item = ask(a, line);
		if (item && item->type == REDIS_REPLY_STRING) {
			add(a, "random", RECORD_UNKNOWN, (int64_t)item->len, NAN);
			a->bytes_left -= (int64_t)item->len;
		}
		freeReplyObject(item);
	}
}

/* --- strings ------------------------------------------------------------------------------ */

/* What the value is, by its first bytes: RFC 1950 and 1952, zstd and LZ4 frames, LZO. */
static const struct {
	const char *bytes;
	size_t len;
} compressed[] = {
	{ "\x1f\x8b", 2 },
	{ "\x78\x01", 2 },
	{ "\x78\x9c", 2 },
	{ "\x78\xda", 2 },
	{ "\x28\xb5\x2f\xfd", 4 },
	{ "\x04\x22\x4d\x18", 4 },
	{ "\xff\x06\x00\x00sNaPpY", 10 },
	{ "BZh", 3 },
};

#define HARDLY_SMALLER 0.95

static const char *content_of(const struct buf *part, double ratio)
{
	size_t at = strspn(buf_str(part), " \t\r\n"), cut = part->len;

	for (size_t i = 0; i < sizeof(compressed) / sizeof(*compressed); i++)
		if (part->len >= compressed[i].len &&
		    !memcmp(part->data, compressed[i].bytes, compressed[i].len))
			return "compressed";
	if (at < part->len && strchr("{[", part->data[at]))
		return "json";
	/* A character may be cut at the end. */
	for (; cut + 4 > part->len && cut; cut--)
		if (utf8_is_plain(part->data, cut))
			return "text";
	return ratio > HARDLY_SMALLER && part->len >= STRING_PART ? "compressed" : "binary";
}

/* How small zlib makes these bytes. */
static double ratio_of(const struct buf *part)
{
	uLongf len = compressBound(part->len);
	Bytef *out = xcalloc(1, len);
	double ratio = NAN;

	if (part->len && compress2(out, &len, (const Bytef *)part->data, part->len, 6) == Z_OK)
		ratio = (double)len / (double)part->len;
	free(out);
	return ratio;
}

static void ask_string(struct ask *a)
{
	int64_t len = a->facts.elements, from[3] = { 0, len / 2, len - STRING_PART };
	struct buf all = { 0 }, first = { 0 };

	if (!strcmp(a->encoding, "int")) {
		a->content = "number";
		return;
	}
	for (int i = 0; i < 3 && from[i] >= 0 && (!i || len > 3 * STRING_PART); i++) {
		redisReply *part;
		char line[80];

		snprintf(line, sizeof(line), "GETRANGE %%k %lld %lld", (long long)from[i],
			 (long long)from[i] + STRING_PART - 1);
		part = ask(a, line);
		if (part && part->type == REDIS_REPLY_STRING) {
			buf_add(&all, part->str, part->len);
			if (!i)
				buf_add(&first, part->str, part->len);
		}
		freeReplyObject(part);
	}
	if (first.len) {
		a->facts.content_bytes = (int64_t)all.len;
		a->facts.compressed_ratio = ratio_of(&all);
		a->content = content_of(&first, a->facts.compressed_ratio);
	}
	buf_free(&all);
	buf_free(&first);
}

void ask_elements(struct ask *a)
{
	int64_t n = a->facts.elements, bytes = a->facts.bytes;

	if (n == RECORD_UNKNOWN || !n)
		return;
	if (!strcmp(a->type, "string")) {
		ask_string(a);
		return;
	}
	if (strcmp(a->type, "hash") != 0 && bytes != RECORD_UNKNOWN && bytes / n > ELEMENT_MAX) {
		a->elements_reason = "its elements are larger than 1 MiB in the mean: to look at "
				     "one would bring it here";
		return;
	}
	if (!strcmp(a->type, "hash"))
		ask_fields(a);
	else if (!strcmp(a->type, "set"))
		ask_members(a, false);
	else if (!strcmp(a->type, "zset"))
		ask_zset(a);
	if (strcmp(a->type, "list") != 0 && strcmp(a->type, "stream") != 0)
		return;
	ask_end(a, !strcmp(a->type, "stream"), false);
	ask_end(a, !strcmp(a->type, "stream"), true);
	if (!strcmp(a->type, "list"))
		ask_inside(a);
}

/* --- streams: groups ------------------------------------------------------------------------ */

/* A value of a flat list of names and values; NULL. */
static const redisReply *value_of(const redisReply *pairs, const char *name)
{
	for (size_t i = 0; i + 1 < pairs->elements; i += 2)
		if (pairs->element[i]->type == REDIS_REPLY_STRING &&
		    !strcmp(pairs->element[i]->str, name))
			return pairs->element[i + 1];
	return NULL;
}

static int64_t int_of(const redisReply *pairs, const char *name)
{
	const redisReply *value = value_of(pairs, name);

	return value && value->type == REDIS_REPLY_INTEGER ? value->integer : RECORD_UNKNOWN;
}

static void id_of(char id[48], const redisReply *pairs, const char *name)
{
	const redisReply *value = value_of(pairs, name);

	if (value && value->type == REDIS_REPLY_ARRAY && value->elements) /* an entry */
		value = value->element[0];
	if (value && value->type == REDIS_REPLY_STRING)
		snprintf(id, 48, "%s", value->str);
	escape_sanitize(id);
}

/* The entry that waits longest: [[id, consumer, milliseconds, deliveries]]. */
static double oldest_pending(struct ask *a, struct bytes group)
{
	redisReply *reply = ask_with(a, "XPENDING %k %x - + 1", group);
	const redisReply *entry = reply && reply->elements ? reply->element[0] : NULL;
	double seconds = NAN;

	if (entry && entry->elements == 4 && entry->element[2]->type == REDIS_REPLY_INTEGER)
		seconds = (double)entry->element[2]->integer / 1e3;
	freeReplyObject(reply);
	return seconds;
}

static void ask_consumers(struct ask *a, struct record_key_group *group)
{
	redisReply *reply = ask_with(a, "XINFO CONSUMERS %k %x", group->name);

	if (!reply)
		return;
	group->consumers_seen = (int64_t)reply->elements;
	for (size_t i = 0; i < reply->elements; i++) {
		int64_t idle_ms = int_of(reply->element[i], "idle");
		int64_t pending = int_of(reply->element[i], "pending");

		if (idle_ms == RECORD_UNKNOWN || (double)idle_ms / 1e3 < GONE_SECONDS)
			continue;
		group->consumers_gone++;
		sum_add(&group->pending_of_gone, pending > 0 ? pending : 0);
	}
	freeReplyObject(reply);
}

static void take_group(struct ask *a, const redisReply *row)
{
	const redisReply *name = value_of(row, "name");
	struct record_key_group *group;

	if (!name || name->type != REDIS_REPLY_STRING || a->groups_count == KEYASK_GROUPS)
		return;
	group = &a->groups[a->groups_count++];
	*group = (struct record_key_group){
		.name = { xmemdup(name->str, name->len), name->len },
		.consumers_total = int_of(row, "consumers"),
		.pending_total = int_of(row, "pending"),
		.lag = int_of(row, "lag"),
		.oldest_pending_seconds = NAN,
		.consumers_seen = RECORD_UNKNOWN,
	};
	if (a->groups_count > LISTED_GROUPS)
		return;
	if (group->pending_total > 0)
		group->oldest_pending_seconds = oldest_pending(a, group->name);
	if (group->consumers_total > 0 && group->consumers_total <= CONSUMERS_MAX)
		ask_consumers(a, group);
}

void ask_stream(struct ask *a, int64_t groups_max)
{
	redisReply *reply = ask(a, "XINFO STREAM %k");

	if (!reply)
		return;
	a->facts.groups_total = int_of(reply, "groups");
	a->facts.nodes_total = int_of(reply, "radix-tree-keys");
	a->facts.added_total = int_of(reply, "entries-added"); /* 7.0 */
	id_of(a->first_id, reply, "first-entry");
	id_of(a->last_id, reply, "last-generated-id");
	freeReplyObject(reply);
	if (a->facts.groups_total <= 0 || a->facts.groups_total > groups_max)
		return;
	reply = ask(a, "XINFO GROUPS %k");
	for (size_t i = 0; reply && i < reply->elements; i++)
		take_group(a, reply->element[i]);
	freeReplyObject(reply);
}
