/* SPDX-License-Identifier: BSD-2-Clause */
/* Judging keys; see keys.h. */
#include "diagnose/keys.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hist.h"
#include "base/sum.h"
#include "diagnose/measure.h"
#include "model/prefix.h"

/* --- how big is big: the table of the users' guide --------------------------------------- */

#define BIG_BYTES		(1 * MIB)
#define VERY_BIG_BYTES		(10 * MIB)
#define BIG_ELEMENTS		10000
#define VERY_BIG_ELEMENTS	100000
#define BIG_STREAM_ENTRIES	100000
#define VERY_BIG_STREAM_ENTRIES 1000000

static enum key_level level_of(int64_t n, int64_t big, int64_t very_big)
{
	return n > very_big ? KEY_VERY_BIG : n > big ? KEY_BIG : KEY_NORMAL;
}

enum key_level key_level(const struct record_key *key)
{
	enum key_level by_bytes = level_of(key->bytes, BIG_BYTES, VERY_BIG_BYTES);
	enum key_level by_elements;

	if (key->type == NULL || strcmp(key->type, "none") == 0)
		return KEY_NORMAL; /* gone: nothing is known of its size */
	if (strcmp(key->type, "string") == 0 || key->elements == RECORD_UNKNOWN)
		return by_bytes;
	if (strcmp(key->type, "stream") == 0)
		by_elements = level_of(key->elements, BIG_STREAM_ENTRIES, VERY_BIG_STREAM_ENTRIES);
	else
		by_elements = level_of(key->elements, BIG_ELEMENTS, VERY_BIG_ELEMENTS);
	if (by_elements == KEY_VERY_BIG && key->bytes != RECORD_UNKNOWN && by_bytes < KEY_VERY_BIG)
		return KEY_BIG;
	return by_elements > KEY_NORMAL || by_bytes == KEY_NORMAL ? by_elements : KEY_BIG;
}

bool key_temporary(const struct bytes *name, bool cache_may_evict)
{
	static const char *const words[] = { "temp", "tmp",   "lock",	 "session", "sess",
					     "otp",  "token", "captcha", "cache" };

	for (size_t start = 0; start < name->len;) {
		size_t end = start;

		while (end < name->len && !prefix_is_separator(name->data[end], NULL))
			end++;
		for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
			if (cache_may_evict && strcmp(words[i], "cache") == 0)
				continue;
			/* the first letter decides nearly always, and costs no call */
			if ((name->data[start] | 0x20) == words[i][0] &&
			    strlen(words[i]) == end - start &&
			    strncasecmp(words[i], name->data + start, end - start) == 0)
				return true;
		}
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

/* Those looked at whose name folds to the same prefix: none of them is to blame. */
static bool alike_are_small(const struct model *m, struct bytes key)
{
	struct buf mine = { 0 }, other = { 0 };
	size_t alike = 0, to_blame = 0;

	prefix_fold(&mine, key.data, key.len);
	for (size_t i = 0; i < m->keys_count; i++) {
		const struct record_key *k = &m->keys[i].key;

		buf_clear(&other);
		prefix_fold(&other, k->key.data, k->key.len);
		if (other.len != mine.len || memcmp(other.data, mine.data, mine.len) != 0)
			continue;
		alike++;
		to_blame += looks_to_blame(k);
	}
	buf_free(&mine);
	buf_free(&other);
	return alike > 0 && to_blame == 0;
}

bool key_is_to_blame(const struct model *m, const char *command, struct bytes key)
{
	const struct record_key *k = key_looked_at(m, key);

	if (key.len == 0)
		return false;
	if (k != NULL)
		return looks_to_blame(k);
	return !key_command_is_small(command) && !alike_are_small(m, key);
}

/* --- what commands on it cost ------------------------------------------------------------ */

/* An element that is an allocation of its own costs a few accesses to memory that is in no
 * cache; one inside a listpack, ziplist or intset costs a few nanoseconds. */

#define ELEMENT_BYTES	   80.0 /* of a table's or skiplist's element where they were not counted */
#define PACKED_BYTES	   16.0 /* the same in a listpack */
#define NODE_BYTES	   8192.0 /* quicklist node (list-max-listpack-size -2), stream node */
#define PACKED_SECONDS	   20e-9 /* an element inside a listpack: decoding, no miss */
#define REPLY_SECONDS	   60e-9 /* an element in a reply: formatting, buffers */
#define CALL_SECONDS	   2e-6 /* any command */
#define LAZY_FREE_ELEMENTS 64 /* UNLINK frees more than these in the background (lazyfree.c) */
#define RETURN_SHARE	   0.3 /* of copying: giving pages of a large allocation back */

/* Accesses an element costs: to free it (entry, field, value), to read it. */
static const struct {
	const char *encoding;
	double free_accesses, read_accesses;
} shapes[] = {
	{ "hashtable", 3.0, 2.0 },
	{ "skiplist", 4.0, 2.0 },
};

struct shape {
	double elements;
	double allocations; /* besides the elements: nodes */
	double free_accesses, read_accesses; /* of an element; 0: packed */
};

static struct shape shape_of(const struct record_key *key)
{
	double bytes = (double)key->bytes;
	struct shape shape = { .elements = bytes / PACKED_BYTES, .allocations = 1 };

	if (!strcmp(key->encoding, "quicklist") || !strcmp(key->encoding, "stream"))
		shape.allocations = 1 + bytes / NODE_BYTES;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		if (strcmp(shapes[i].encoding, key->encoding) != 0)
			continue;
		shape.free_accesses = shapes[i].free_accesses;
		shape.read_accesses = shapes[i].read_accesses;
		shape.elements = bytes / ELEMENT_BYTES;
	}
	if (!strcmp(key->type, "string"))
		shape.elements = 0;
	else if (key->elements != RECORD_UNKNOWN)
		shape.elements = (double)key->elements;
	return shape;
}

static double freeing(const struct host_speed *c, const struct record_key *key,
		      const struct shape *s)
{
	return CALL_SECONDS +
	       (s->elements * s->free_accesses + s->allocations) * c->access_seconds +
	       RETURN_SHARE * (double)key->bytes * c->copy_byte_seconds;
}

static double reading(const struct host_speed *c, const struct record_key *key,
		      const struct shape *s)
{
	double element =
		REPLY_SECONDS +
		(s->read_accesses > 0 ? s->read_accesses * c->access_seconds : PACKED_SECONDS);

	return CALL_SECONDS + s->elements * element + (double)key->bytes * c->copy_byte_seconds;
}

static double sorting(const struct host_speed *c, const struct record_key *key,
		      const struct shape *s)
{
	return reading(c, key, s) + s->elements * log2(s->elements + 2) * c->access_seconds / 2;
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

size_t key_costs_at(const struct host_speed *speed, const struct record_key *key,
		    struct key_cost out[KEY_COSTS_MAX])
{
	const char *read = read_command(key->type);
	struct shape shape;
	size_t count = 0;
	double lazy;

	if (!isfinite(speed->access_seconds) || key->bytes == RECORD_UNKNOWN || !read)
		return 0;
	shape = shape_of(key);
	lazy = shape.elements > LAZY_FREE_ELEMENTS || shape.allocations > LAZY_FREE_ELEMENTS ?
		       CALL_SECONDS + speed->access_seconds :
		       freeing(speed, key, &shape);
	out[count++] = (struct key_cost){ "DEL", freeing(speed, key, &shape) };
	out[count++] = (struct key_cost){ "UNLINK", lazy };
	out[count++] = (struct key_cost){ read, reading(speed, key, &shape) };
	if (!strcmp(key->type, "list") || !strcmp(key->type, "set") || !strcmp(key->type, "zset"))
		out[count++] = (struct key_cost){ "SORT", sorting(speed, key, &shape) };
	qsort(out, count, sizeof(*out), longest_first);
	return count;
}

size_t key_costs(const struct keyspace *keyspace, const struct record_key *key,
		 struct key_cost out[KEY_COSTS_MAX])
{
	return key_costs_at(
		&(struct host_speed){ keyspace->access_seconds, keyspace->copy_byte_seconds }, key,
		out);
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

void patterns_find(const struct keyspace *keyspace, struct pattern out[PATTERNS])
{
	memcpy(out, known, sizeof(known));
	for (size_t i = 0; i < PATTERNS; i++) {
		if (out[i].type) {
			fill_from_type(&out[i], keyspace);
			continue;
		}
		out[i].keys_total = keyspace->temporary_no_ttl_total;
		out[i].bytes = keyspace->temporary_no_ttl_bytes;
		out[i].top = &keyspace->temporary;
	}
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

double pattern_growth(const struct keyspace_key *key)
{
	double seconds = key->later_seconds - key->seen_seconds;

	if (key->later_bytes == RECORD_UNKNOWN || key->key.bytes == RECORD_UNKNOWN ||
	    !(seconds > 0))
		return NAN;
	return (double)(key->later_bytes - key->key.bytes) / seconds;
}
