/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Up to where a server packs a value into one allocation: the settings of redis.conf that
 * decide what a key takes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Elements of a value, and bytes of its longest one. */
struct packed_limits {
	int64_t hash_entries, hash_value;
	int64_t set_intset, set_entries, set_value;
	int64_t zset_entries, zset_value;
	int64_t list_size; /* of a node: entries; below 0 the bytes of a level, -1 to -5 */
};

/* What all servers come with. */
extern const struct packed_limits packed_limits_default;

/* The @i-th of them as redis.conf names it, and its @value; NULL behind the last. */
const char *packed_limits_at(const struct packed_limits *limits, size_t i, int64_t *value);

/*
 * Set those of @limits that @text names, the lines of a redis.conf, or what CONFIG GET has
 * answered to redis-cli: name and value on a line each. Both names of a setting are known;
 * what is another setting is passed over, and the last line counts. -EINVAL with @err when a
 * value cannot be one, with its line in @file.
 */
int packed_limits_parse(struct packed_limits *limits, const char *text, size_t len,
			const char *file, struct err *err);
