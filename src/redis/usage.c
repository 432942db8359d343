/* SPDX-License-Identifier: BSD-2-Clause */
#include "redis/usage.h"

#include <string.h>

#define NODES_A_COMMAND	   100 /* of a list, looked at in the time of one: 10 ns each */
#define ELEMENTS_A_COMMAND 7 /* of a table: 150 ns each */
#define CHEAP_NODES	   20000 /* more than nearly any list has */
#define CHEAP_ELEMENTS	   2000

/*
 * A second question in proportion to the size keeps what a pass costs in proportion to the
 * bytes it passes: some second a GB of tables, whether these are many or one. An element takes
 * that many bytes or more, so all are looked at up to the most that may be: of more, where one
 * may weigh as much as all others, no number is enough, and of those that differ as a log-normal
 * distribution with sigma 1 does a mean of 500 is right within 6 %.
 */
#define BYTES_A_SAMPLE 150
#define MOST_ELEMENTS  3000 /* half a millisecond, or twice that in cold memory */
#define LEAST_ELEMENTS 10 /* or it is no better than the first answer */

#define NODE_BYTES 8192 /* list-max-listpack-size -2 */

static bool is_list(const char *type)
{
	return type && !strcmp(type, "list");
}

bool usage_is_packed(const char *encoding)
{
	static const char *const packed[] = { "int",	 "embstr",     "raw",	 "listpack",
					      "ziplist", "listpackex", "intset", "zipmap" };

	for (size_t i = 0; i < sizeof(packed) / sizeof(*packed); i++)
		if (!strcmp(packed[i], encoding))
			return true;
	return false;
}

int64_t usage_cheap_samples(const char *type)
{
	return is_list(type) ? CHEAP_NODES : CHEAP_ELEMENTS;
}

/* Of a string there are no elements. Those of a stream are nodes of some 4 KiB. */
static bool has_elements(const char *type)
{
	static const char *const types[] = { "hash", "set", "zset", "stream" };

	for (size_t i = 0; type && i < sizeof(types) / sizeof(*types); i++)
		if (!strcmp(types[i], type))
			return true;
	return false;
}

int64_t usage_more_samples(const char *type, const char *encoding, int64_t bytes)
{
	int64_t samples = bytes / BYTES_A_SAMPLE;

	if (encoding && usage_is_packed(encoding))
		return 0;
	if (is_list(type))
		return bytes > NODE_BYTES ? CHEAP_NODES : 0;
	if (!has_elements(type) || samples < LEAST_ELEMENTS)
		return 0;
	return samples < MOST_ELEMENTS ? samples : MOST_ELEMENTS;
}

size_t usage_commands(const char *type, int64_t samples)
{
	return (size_t)(samples / (is_list(type) ? NODES_A_COMMAND : ELEMENTS_A_COMMAND));
}
