/* SPDX-License-Identifier: BSD-2-Clause */
/* Types by the shape of names; see keyshape.h. */
#include "redis/keyshape.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

#define SHAPES	    4096 /* a power of 2; half of them are used at most */
#define LEARNT	    16 /* keys of one kind, until the next is taken for another */
#define ASKED_EVERY 16
#define SMALL_BYTES 4096 /* larger ones are asked: they matter */

struct shape {
	uint64_t hash; /* 0 = free */
	const char *type, *encoding;
	int64_t min_bytes, max_bytes; /* of those asked */
	uint32_t learnt, inferred;
	bool mixed;
	bool stream; /* one was */
};

struct key_shapes {
	struct shape shape[SHAPES];
	size_t count;
};

struct key_shapes *key_shapes_new(void)
{
	return xcalloc(1, sizeof(struct key_shapes));
}

void key_shapes_free(struct key_shapes *shapes)
{
	free(shapes);
}

/* --- shapes -------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, unsigned char c)
{
	return (hash ^ c) * 0x100000001b3; /* FNV-1a */
}

/* Of one part of a name: "user" is itself, "cart12" is "cart*", "3fa9" is "*". */
static uint64_t mix_part(uint64_t hash, const unsigned char *part, size_t len)
{
	size_t letters = 0, hex = 0;

	while (letters < len && !isdigit(part[letters]))
		letters++;
	while (hex < len && isxdigit(part[hex]))
		hex++;
	if (letters < len && hex == len)
		letters = 0;
	for (size_t i = 0; i < letters; i++)
		hash = mix(hash, part[i]);
	return letters < len ? mix(hash, '*') : hash;
}

static uint64_t shape_hash(const unsigned char *name, size_t len)
{
	uint64_t hash = 0xcbf29ce484222325;
	size_t start = 0;

	for (size_t i = 0; i <= len; i++) {
		if (i < len && (isalnum(name[i]) || name[i] >= 0x80))
			continue;
		hash = mix_part(hash, name + start, i - start);
		if (i < len)
			hash = mix(hash, name[i]);
		start = i + 1;
	}
	return hash ? hash : 1;
}

/* The shape's row, or the free one it would have. */
static struct shape *find(struct key_shapes *shapes, uint64_t hash)
{
	size_t at = hash % SHAPES;

	while (shapes->shape[at].hash && shapes->shape[at].hash != hash)
		at = (at + 1) % SHAPES;
	return &shapes->shape[at];
}

/* --- learning -------------------------------------------------------------------- */

void key_shapes_learn(struct key_shapes *shapes, const void *name, size_t len, int64_t bytes,
		      const char *type, const char *encoding)
{
	struct shape *shape = find(shapes, shape_hash(name, len));

	if (!type || !encoding)
		return;
	if (bytes < 0) { /* a stream whose size was not asked */
		shape->stream |= shape->hash && !strcmp(type, "stream");
		return;
	}
	if (!shape->hash) {
		if (shapes->count >= SHAPES / 2)
			return; /* names of countless shapes: each key is asked */
		shapes->count++;
		*shape = (struct shape){ .hash = shape_hash(name, len),
					 .type = type,
					 .encoding = encoding,
					 .min_bytes = bytes,
					 .max_bytes = bytes };
	}
	shape->stream |= !strcmp(type, "stream");
	shape->mixed |= shape->type != type || shape->encoding != encoding;
	if (bytes < shape->min_bytes)
		shape->min_bytes = bytes;
	if (bytes > shape->max_bytes)
		shape->max_bytes = bytes;
	shape->learnt++;
}

bool key_shapes_may_stream(struct key_shapes *shapes, const void *name, size_t len)
{
	const struct shape *shape = find(shapes, shape_hash(name, len));

	return !shape->hash || shape->stream;
}

bool key_shapes_infer(struct key_shapes *shapes, const void *name, size_t len, int64_t bytes,
		      const char **type, const char **encoding)
{
	struct shape *shape;

	if (bytes < 0 || bytes > SMALL_BYTES)
		return false;
	shape = find(shapes, shape_hash(name, len));
	if (!shape->hash || shape->mixed || shape->learnt < LEARNT || bytes < shape->min_bytes ||
	    bytes > shape->max_bytes || ++shape->inferred % ASKED_EVERY == 0)
		return false;
	*type = shape->type;
	*encoding = shape->encoding;
	return true;
}
