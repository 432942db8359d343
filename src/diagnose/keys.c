/* SPDX-License-Identifier: BSD-2-Clause */
/* Judging keys; see keys.h. */
#include "diagnose/keys.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hist.h"
#include "base/sum.h"
#include "diagnose/measure.h"
#include "model/prefix.h"
#include "redis/knowledge_commands.h"

/* --- how big is big: the table of the users' guide --------------------------------------- */

#define BIG_BYTES		(1 * MIB)
#define VERY_BIG_BYTES		(10 * MIB)
#define BIG_ELEMENTS		10000
#define VERY_BIG_ELEMENTS	100000
#define BIG_STREAM_ENTRIES	100000
#define VERY_BIG_STREAM_ENTRIES 1000000
/* Of few large elements, of which the guide says nothing: to copy or free as much at once takes
 * some 10 ms and more, whatever the count. */
#define VERY_BIG_COLLECTION (50 * MIB)

static enum key_level level_of(int64_t n, int64_t big, int64_t very_big)
{
	return n > very_big ? KEY_VERY_BIG : n > big ? KEY_BIG : KEY_NORMAL;
}

enum key_level key_level(const struct record_key *key)
{
	enum key_level by_bytes = level_of(key->bytes, BIG_BYTES, VERY_BIG_BYTES);
	enum key_level by_elements;

	if (key->type == NULL || name_is(key->type, "none"))
		return KEY_NORMAL; /* gone: nothing is known of its size */
	if (name_is(key->type, "string") || key->elements == RECORD_UNKNOWN)
		return by_bytes;
	if (name_is(key->type, "stream"))
		by_elements = level_of(key->elements, BIG_STREAM_ENTRIES, VERY_BIG_STREAM_ENTRIES);
	else
		by_elements = level_of(key->elements, BIG_ELEMENTS, VERY_BIG_ELEMENTS);
	if (key->bytes > VERY_BIG_COLLECTION)
		return KEY_VERY_BIG;
	if (by_elements == KEY_VERY_BIG && key->bytes != RECORD_UNKNOWN && by_bytes < KEY_VERY_BIG)
		return KEY_BIG;
	return by_elements > KEY_NORMAL || by_bytes == KEY_NORMAL ? by_elements : KEY_BIG;
}

static const struct word {
	const char *text;
	size_t len;
	bool cache; /* nothing is temporary about it where the server may evict */
} words[] = {
	{ "temp", 4, false },	 { "tmp", 3, false },	  { "lock", 4, false },
	{ "session", 7, false }, { "sess", 4, false },	  { "otp", 3, false },
	{ "token", 5, false },	 { "captcha", 7, false }, { "cache", 5, true },
};

/* Words are small letters, which no other byte than the large one turns into. */
static bool is_word(const struct word *word, const char *segment, size_t len)
{
	size_t i = 0;

	if (word->len != len)
		return false;
	while (i < len && (segment[i] | 0x20) == word->text[i])
		i++;
	return i == len;
}

static bool is_temporary(const char *segment, size_t len, bool cache_may_evict)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (is_word(&words[i], segment, len))
			return !words[i].cache || !cache_may_evict;
	return false;
}

bool key_temporary(const struct bytes *name, bool cache_may_evict)
{
	for (size_t start = 0; start < name->len;) {
		size_t end = start;

		while (end < name->len && !prefix_is_separator(name->data[end], NULL))
			end++;
		if (end > start && is_temporary(name->data + start, end - start, cache_may_evict))
			return true;
		start = end + 1;
	}
	return false;
}

const struct record_key *key_looked_at(const struct model *m, struct bytes key)
{
	for (size_t i = 0; i < m->keys_count; i++)
		if (bytes_same(m->keys[i].key.key, key))
			return &m->keys[i].key;
	return NULL;
}

/* Big, or gone. */
static bool looks_to_blame(const struct record_key *k)
{
	return k->type == NULL || strcmp(k->type, "none") == 0 || key_level(k) != KEY_NORMAL;
}

bool key_command_is_small(const char *command)
{
	static const char *const small[] = {
		"set",	  "setex",     "psetex", "setnx",   "getset",	    "get",
		"getex",  "incr",      "incrby", "decr",    "decrby",	    "exists",
		"expire", "pexpire",   "ttl",	 "pttl",    "type",	    "hset",
		"hget",	  "hmset",     "hmget",	 "hincrby", "hincrbyfloat", "hexists",
		"sadd",	  "sismember", "zadd",	 "zscore",  "zincrby",	    "lpush",
		"rpush",  "lpop",      "rpop",	 "publish", "incrbyfloat",
	};

	for (size_t i = 0; i < sizeof(small) / sizeof(small[0]); i++)
		if (strcmp(command, small[i]) == 0)
			return true;
	return false;
}

bool key_is_walked_pending(const char *command, const struct record_key *key)
{
	static const char *const walking[] = { "xpending", "xreadgroup", "xautoclaim", "xclaim" };

	for (size_t i = 0; i < sizeof(walking) / sizeof(walking[0]); i++)
		if (strcmp(command, walking[i]) == 0)
			return key->pending_total > BIG_ELEMENTS;
	return false;
}

bool key_is_to_blame(const struct model *m, const char *command, struct bytes key)
{
	const struct record_key *k = key_looked_at(m, key);

	if (key.len == 0)
		return false;
	if (command_is_script(command)) /* which may only name it, and compute */
		return k != NULL && key_level(k) != KEY_NORMAL;
	if (k != NULL) /* what was taken away is no longer to be seen */
		return looks_to_blame(k) || command_frees(command) ||
		       key_is_walked_pending(command, k);
	return !key_command_is_small(command);
}

/* A thousand times what it takes to look one up, and to free a small value. */
#define MANY_KEYS_SECONDS 1e-3

bool keys_are_to_blame(const struct model *m, const char *command, struct bytes key,
		       int64_t keys_total, double seconds)
{
	const struct record_key *k = key_looked_at(m, key);

	if (keys_total <= 1)
		return key_is_to_blame(m, command, key);
	if (k != NULL && key_level(k) != KEY_NORMAL)
		return true;
	return command_frees(command) && seconds >= MANY_KEYS_SECONDS * (double)keys_total;
}

/* --- what commands on it cost ------------------------------------------------------------ */

/*
 * Two kinds of work: what the CPU does for an allocation freed or a piece of a reply made, and
 * waiting for memory that is in no cache. The first hardly differs between today's machines;
 * the second is measured on the host, or, for a key looked at closely, on its very elements:
 * where they were allocated one after another they cost a fifth of those of an aged key.
 * The figures are of DEL, HGETALL and their like on keys of 20,000 to 200,000 elements of 10
 * and 200 bytes, new and aged, of Redis 7.0 and Valkey 8.0 with jemalloc 5.3.
 */
#define FREE_SECONDS	   32e-9 /* an allocation given back */
#define REPLY_SECONDS	   35e-9 /* a piece of a reply */
#define REPLY_BYTE_SECONDS 1.2e-9 /* of values in their own allocations: read, copied, sent */
#define PACKED_SECONDS	   15e-9 /* an element inside a listpack: decoding */
#define PACKED_BYTE	   0.6 /* of REPLY_BYTE_SECONDS, where values lie one behind the other */
#define LOOK_ACCESSES	   0.6 /* a look at an element, where it was not measured */
#define NODE_ACCESSES	   0.8 /* a node that is freed */
#define COMPARE_ACCESSES   0.27 /* a comparison of SORT; */
#define COMPARE_PACKED	   0.15 /* of what came from a listpack */
#define CALL_SECONDS	   2e-6 /* any command */
#define LAZY_SECONDS	   12e-6 /* a job for another thread, and waking that */
#define LAZY_FREE_ELEMENTS 64 /* UNLINK frees more than these in the background (lazyfree.c) */

#define ELEMENT_BYTES	    100.0 /* of an element with its own allocations, not counted */
#define PACKED_BYTES	    16.0 /* the same in a listpack */
#define LIST_NODE_BYTES	    8192.0 /* list-max-listpack-size -2 */
#define STREAM_NODE_BYTES   4096.0 /* stream-node-max-bytes, */
#define STREAM_NODE_ENTRIES 100.0 /* and -entries, whichever comes first */
#define STREAM_NODES	    0.7 /* of the sum of both */
#define STREAM_PIECES	    8 /* of a reply: lists, the id, a field and its value */

/* A value of its own that is larger than what the allocator keeps: its pages come from the
 * kernel and go back to it. */
#define MAPPED_BYTES	    (4 * MIB)
#define MAPPED_BYTE_SECONDS 0.45e-9 /* of a copy made for a reply */
#define RETURN_SHARE	    0.1 /* of copying: what freeing a long value takes... */
#define RETURN_MAPPED	    0.3 /* ...when its pages go back */

/* An element that has allocations of its own. */
static const struct shape_row {
	const char *type, *encoding;
	double allocations;
	double overhead; /* bytes besides what clients put in */
	double free_looks, read_looks; /* in looks of MEMORY USAGE at one */
	double replies; /* pieces it makes of a reply */
} shapes[] = {
	{ "hash", "hashtable", 3, 52, 0.8, 2.0, 2 },
	{ "set", "hashtable", 2, 50, 1.0, 1.3, 1 },
	{ "zset", "skiplist", 3, 95, 1.3, 0.7, 1 },
};

struct shape {
	const struct shape_row *row; /* NULL: packed, or one value */
	double elements;
	double nodes; /* besides the elements */
	double look_seconds;
};

static const struct shape_row *shape_row(const struct record_key *key)
{
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		if (!strcmp(shapes[i].type, key->type) &&
		    !strcmp(shapes[i].encoding, key->encoding))
			return &shapes[i];
	return NULL;
}

static bool is_encoding(const struct record_key *key, const char *encoding)
{
	return !strcmp(key->encoding, encoding);
}

static struct shape shape_of(const struct key_speed *speed, const struct record_key *key)
{
	struct shape shape = { .row = shape_row(key), .nodes = 1 };
	double bytes = (double)key->bytes;

	shape.elements = bytes / (shape.row ? ELEMENT_BYTES : PACKED_BYTES);
	if (!strcmp(key->type, "string"))
		shape.elements = 0;
	else if (key->elements != RECORD_UNKNOWN)
		shape.elements = (double)key->elements;
	if (is_encoding(key, "quicklist"))
		shape.nodes += bytes / LIST_NODE_BYTES;
	else if (is_encoding(key, "stream"))
		shape.nodes += STREAM_NODES *
			       (bytes / STREAM_NODE_BYTES + shape.elements / STREAM_NODE_ENTRIES);
	shape.look_seconds = LOOK_ACCESSES * speed->access_seconds;
	if (speed->element_seconds > 0)
		shape.look_seconds = fmin(speed->element_seconds, 2 * speed->access_seconds);
	return shape;
}

static double freeing(const struct key_speed *speed, const struct record_key *key,
		      const struct shape *s)
{
	double seconds = CALL_SECONDS +
			 s->nodes * (2 * FREE_SECONDS + NODE_ACCESSES * speed->access_seconds);

	if (s->row)
		seconds += s->elements * (s->row->allocations * FREE_SECONDS +
					  s->row->free_looks * s->look_seconds);
	if (!strcmp(key->type, "string"))
		seconds += (double)key->bytes * speed->copy_byte_seconds *
			   (key->bytes > MAPPED_BYTES ? RETURN_MAPPED : RETURN_SHARE);
	return seconds;
}

/* What clients put in, as far as the bytes tell. */
static double payload(const struct record_key *key, const struct shape *s)
{
	double overhead = s->row ? s->row->overhead * s->elements : 0;

	return fmax((double)key->bytes - overhead, 0);
}

static double reading(const struct key_speed *speed, const struct record_key *key,
		      const struct shape *s)
{
	double pieces = is_encoding(key, "stream") ? STREAM_PIECES : s->row ? s->row->replies : 1;
	double element = pieces * REPLY_SECONDS +
			 (s->row ? s->row->read_looks * s->look_seconds : PACKED_SECONDS);
	double byte = REPLY_BYTE_SECONDS * (s->row ? 1 : PACKED_BYTE);

	if (!strcmp(key->type, "string"))
		byte = speed->copy_byte_seconds +
		       (key->bytes > MAPPED_BYTES ? MAPPED_BYTE_SECONDS : 0);
	return CALL_SECONDS + s->elements * element + payload(key, s) * byte;
}

static double sorting(const struct key_speed *speed, const struct record_key *key,
		      const struct shape *s)
{
	double compare = (s->row ? COMPARE_ACCESSES : COMPARE_PACKED) * speed->access_seconds;

	return reading(speed, key, s) + s->elements * log2(s->elements + 2) * compare;
}

static int longest_first(const void *a, const void *b)
{
	double x = ((const struct key_cost *)a)->seconds, y = ((const struct key_cost *)b)->seconds;

	return x < y ? 1 : x > y ? -1 : 0;
}

static const char *read_command(const char *type)
{
	static const char *const commands[][2] = {
		{ "string", "GET" },	   { "hash", "HGETALL" },     { "set", "SMEMBERS" },
		{ "list", "LRANGE 0 -1" }, { "zset", "ZRANGE 0 -1" }, { "stream", "XRANGE - +" },
	};

	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i][0], type))
			return commands[i][1];
	return NULL;
}

size_t key_costs(const struct key_speed *speed, const struct record_key *key,
		 struct key_cost out[KEY_COSTS_MAX])
{
	const char *read = read_command(key->type);
	struct shape shape;
	size_t count = 0;
	double lazy;

	if (!isfinite(speed->access_seconds) || key->bytes == RECORD_UNKNOWN || !read)
		return 0;
	shape = shape_of(speed, key);
	lazy = shape.elements > LAZY_FREE_ELEMENTS || shape.nodes > LAZY_FREE_ELEMENTS ?
		       LAZY_SECONDS :
		       freeing(speed, key, &shape);
	out[count++] =
		(struct key_cost){ "DEL", speed->lazy_del ? lazy : freeing(speed, key, &shape) };
	out[count++] = (struct key_cost){ "UNLINK", lazy };
	out[count++] = (struct key_cost){ read, reading(speed, key, &shape) };
	if (!strcmp(key->type, "list") || !strcmp(key->type, "set") || !strcmp(key->type, "zset"))
		out[count++] = (struct key_cost){ "SORT", sorting(speed, key, &shape) };
	qsort(out, count, sizeof(*out), longest_first);
	return count;
}

struct key_speed key_speed_of(const struct model *m)
{
	return (struct key_speed){
		.access_seconds = m->keyspace->access_seconds,
		.copy_byte_seconds = m->keyspace->copy_byte_seconds,
		.element_seconds = NAN,
		.lazy_del = measure_config_is(m, "lazyfree-lazy-user-del", "yes"),
	};
}

/* --- seen doing harm --------------------------------------------------------------------- */

/* The sensors keep the first bytes of a key: a longer one matches by them. */
static struct bytes as_seen(struct bytes key)
{
	if (key.len > RECORD_KEY_MAX)
		key.len = RECORD_KEY_MAX;
	return key;
}

static bool is_key_of(const struct stall *stall, const struct record_key *key)
{
	if (stall->db != RECORD_UNKNOWN && stall->db != key->db)
		return false;
	if (stall->key_truncated)
		return key->key.len > RECORD_KEY_MAX && bytes_same(stall->key, as_seen(key->key));
	return bytes_same(stall->key, key->key);
}

bool key_in_stalls(const struct model *m, const struct record_key *key)
{
	for (size_t i = 0; i < m->stalls_count; i++)
		if (key->key.len && is_key_of(&m->stalls[i].stall, key))
			return true;
	return false;
}

bool key_in_faults(const struct model *m, const struct record_key *key)
{
	struct buf prefix = { 0 };
	bool found = false;

	if (!m->prefixes_count)
		return false;
	prefix_fold(&prefix, key->key.data, as_seen(key->key).len);
	for (size_t i = 0; i < m->prefixes_count && !found; i++)
		found = m->prefixes[i].charge.major_faults > 0 &&
			m->prefixes[i].prefix_len == prefix.len &&
			!memcmp(m->prefixes[i].prefix, prefix.data, prefix.len);
	buf_free(&prefix);
	return found;
}

/* --- how bytes are spread over keys ------------------------------------------------------- */

#define DRAWN_ENOUGH 200 /* two of them are the largest 1 % */

bool concentration_of(const struct model *m, struct concentration *out)
{
	struct hist drawn = { 0 };
	const struct hist *bytes = &drawn;

	if (m->keyspace && m->keyspace->keys_total) {
		bytes = &m->keyspace->bytes_hist;
		out->basis = BASIS_DERIVED;
	} else {
		for (int64_t i = 0; i < m->sampled_keys_total; i++)
			if (m->drawn[i].bytes > 0)
				hist_add(&drawn, (uint64_t)m->drawn[i].bytes, 1);
		out->basis = BASIS_SAMPLED;
		if (drawn.count < DRAWN_ENOUGH)
			return false;
	}
	out->keys_total = (int64_t)bytes->count;
	out->top_1_percent = hist_top_share(bytes, 0.01);
	out->top_20_percent = hist_top_share(bytes, 0.20);
	return true;
}

/* --- patterns ---------------------------------------------------------------------------- */

static const struct pattern known[PATTERNS] = {
	{ .id = "big_string",
	  .title = "big strings",
	  .title_one = "big string",
	  .type = "string",
	  .advice = "Compress the value, or cut it into several keys." },
	{ .id = "large_hash",
	  .title = "hashes with very many fields",
	  .title_one = "hash with very many fields",
	  .type = "hash",
	  .advice = "Split it into several hashes, by category or by a hash of the field." },
	{ .id = "massive_zset",
	  .title = "massive sorted sets",
	  .title_one = "massive sorted set",
	  .type = "zset",
	  .advice = "Keep the top only (ZREMRANGEBYRANK), archive old scores, or use one key a "
		    "period." },
	{ .id = "undrained_list",
	  .title = "very long lists",
	  .title_one = "very long list",
	  .type = "list",
	  .advice = "More consumers, a limit for producers (LTRIM), or a stream with consumer "
		    "groups." },
	{ .id = "temp_without_ttl",
	  .title = "temporary keys without expiry",
	  .title_one = "temporary key without expiry",
	  .advice = "Write them with a TTL in one command (SET key value EX seconds), and give "
		    "those that are there an expiry once it is known that nobody needs them "
		    "longer." },
	{ .id = "large_set",
	  .title = "sets with very many members",
	  .title_one = "set with very many members",
	  .type = "set",
	  .advice = "Split it by a hash of the member, or count with a HyperLogLog or bitmap." },
	{ .id = "long_stream",
	  .title = "streams that are not trimmed",
	  .title_one = "stream that is not trimmed",
	  .type = "stream",
	  .advice = "Cap it: XADD with MAXLEN ~, or XTRIM." },
};

static void fill_from_type(struct pattern *pattern, const struct keyspace *keyspace)
{
	const struct keyspace_type *type = keyspace_find_type(keyspace, pattern->type);

	if (!type)
		return;
	pattern->keys_total = sum_of(type->level_total[KEY_BIG], type->level_total[KEY_VERY_BIG]);
	pattern->very_big_total = type->level_total[KEY_VERY_BIG];
	pattern->bytes = sum_of(type->level_bytes[KEY_BIG], type->level_bytes[KEY_VERY_BIG]);
	/* Strings are big by their bytes, others by elements where these were counted. */
	pattern->top = strcmp(pattern->type, "string") != 0 && type->elements_known_total ?
			       &type->by_elements :
			       &type->by_bytes;
}

/* Hashes of which the server says that they have fields with an expiry may go with the last of
 * them: as many as there are. */
static void fill_temporary(struct pattern *pattern, const struct model *m)
{
	const struct keyspace *keyspace = m->keyspace;
	int64_t hashes = keyspace->temporary_hashes_total, expiring = measure_expiring_hashes(m);
	double left = 1;

	if (hashes > 0)
		left = expiring < hashes ? 1 - (double)expiring / (double)hashes : 0;
	pattern->keys_total =
		keyspace->temporary_no_ttl_total - hashes + sum_whole(left * (double)hashes);
	pattern->bytes = keyspace->temporary_no_ttl_bytes - keyspace->temporary_hashes_bytes +
			 sum_whole(left * (double)keyspace->temporary_hashes_bytes);
	pattern->top = &keyspace->temporary;
}

void patterns_find(const struct model *m, struct pattern out[PATTERNS])
{
	memcpy(out, known, sizeof(known));
	for (size_t i = 0; i < PATTERNS; i++)
		if (out[i].type)
			fill_from_type(&out[i], m->keyspace);
		else
			fill_temporary(&out[i], m);
}

bool pattern_has(const struct pattern *pattern, const struct keyspace_key *key)
{
	return !pattern->type || key_level(&key->key) > KEY_NORMAL;
}

const struct keyspace_key *pattern_first(const struct pattern *pattern)
{
	for (size_t i = 0; pattern->top && i < pattern->top->count; i++)
		if (pattern_has(pattern, &pattern->top->keys[i]))
			return &pattern->top->keys[i];
	return NULL;
}

bool pattern_find(const struct model *m, const char *id, struct pattern *out)
{
	struct pattern all[PATTERNS];

	if (m->keyspace == NULL)
		return false;
	patterns_find(m, all);
	for (size_t i = 0; i < PATTERNS; i++) {
		if (strcmp(all[i].id, id) != 0)
			continue;
		*out = all[i];
		return out->keys_total > 0 && pattern_first(out) != NULL;
	}
	return false;
}

double pattern_growth(const struct keyspace_key *key)
{
	double seconds = key->later_seconds - key->seen_seconds;

	if (key->later_bytes == RECORD_UNKNOWN || key->key.bytes == RECORD_UNKNOWN ||
	    !(seconds > 0))
		return NAN;
	return (double)(key->later_bytes - key->key.bytes) / seconds;
}

#define GROWTH_MIN 1024.0 /* bytes a second that are worth a word */

const struct record_key *key_growing_list(const struct model *m, double *bytes_per_second)
{
	const struct keyspace_key *fastest = NULL;
	struct pattern lists;

	if (!pattern_find(m, "undrained_list", &lists))
		return NULL;
	for (size_t i = 0; i < lists.top->count; i++) {
		const struct keyspace_key *key = &lists.top->keys[i];

		if (!pattern_has(&lists, key) || !(pattern_growth(key) >= GROWTH_MIN))
			continue;
		if (fastest && pattern_growth(key) <= pattern_growth(fastest))
			continue;
		fastest = key;
		*bytes_per_second = pattern_growth(key);
	}
	return fastest ? &fastest->key : NULL;
}
