/* SPDX-License-Identifier: BSD-2-Clause */
/* The patterns of the users' guide; see patterns.h. */
#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/key_size.h"
#include "diagnose/patterns.h"

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
	  .title = "lists that are not drained",
	  .title_one = "list that is not drained",
	  .type = "list",
	  .advice = "More consumers, a limit for producers (LTRIM), or a stream with consumer "
		    "groups." },
	{ .id = "temp_without_ttl",
	  .title = "temporary keys without expiry",
	  .title_one = "temporary key without expiry",
	  .advice = "Write them with a TTL in one command (SET key value EX seconds), and give "
		    "those that are there an expiry." },
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

static void fill_from_type(struct pattern *pattern, const struct census *census)
{
	const struct census_type *type = census_find_type(census, pattern->type);

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

void patterns_find(const struct census *census, struct pattern out[PATTERNS])
{
	memcpy(out, known, sizeof(known));
	for (size_t i = 0; i < PATTERNS; i++) {
		if (out[i].type) {
			fill_from_type(&out[i], census);
			continue;
		}
		out[i].keys_total = census->temporary_no_ttl_total;
		out[i].bytes = census->temporary_no_ttl_bytes;
		out[i].top = &census->temporary;
	}
}

bool pattern_has(const struct pattern *pattern, const struct census_key *key)
{
	return !pattern->type || key_level(&key->key) > KEY_NORMAL;
}

const struct census_key *pattern_first(const struct pattern *pattern)
{
	for (size_t i = 0; pattern->top && i < pattern->top->count; i++)
		if (pattern_has(pattern, &pattern->top->keys[i]))
			return &pattern->top->keys[i];
	return NULL;
}

double pattern_growth(const struct census_key *key)
{
	double seconds = key->later_seconds - key->seen_seconds;

	if (key->later_bytes == FACT_UNKNOWN || key->key.bytes == FACT_UNKNOWN || !(seconds > 0))
		return NAN;
	return (double)(key->later_bytes - key->key.bytes) / seconds;
}
