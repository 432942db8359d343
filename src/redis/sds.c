/* SPDX-License-Identifier: BSD-2-Clause */
/* Strings in memory; see sds.h. */
#include "redis/sds.h"

#include <string.h>

/* sds.h, struct sdshdr8 to sdshdr32: length and room, @width bytes each, then @type in a byte.
 * A length that would fit a shorter head has that one; up to 31 bytes it is one without room. */
static const struct head {
	size_t width;
	unsigned char type;
	int64_t least, most;
} heads[] = {
	{ 1, 1, 32, (1 << 8) - 1 },
	{ 2, 2, 1 << 8, (1 << 16) - 1 },
	{ 4, 3, 1 << 16, UINT32_MAX },
};

/* server.h, struct redisObject: type and encoding in a byte, and 8 bytes on a pointer. */
#define OBJECT_BYTES	16
#define OBJECT_POINTER	8
#define EMBEDDED_STRING 0x80 /* OBJ_STRING, OBJ_ENCODING_EMBSTR << 4 */
#define EMBEDDED_HEAD	3 /* struct sdshdr8 */

static int64_t number_at(const unsigned char *memory, size_t width)
{
	uint64_t number = 0;

	memcpy(&number, memory, width);
	return (int64_t)number;
}

/* Behind the text of a string there is a NUL, as far as that can be seen. */
static bool ends(const unsigned char *memory, size_t len, int64_t at)
{
	return at >= (int64_t)len || memory[at] == '\0';
}

/*
 * What was asked for a string whose head begins at @memory; 0 when there is none. From 6.2 on
 * its room is what the size class has, before that its length. One that has more is made to
 * grow, which is no rounding.
 */
static int64_t raw_request(const unsigned char *memory, size_t len,
			   const struct footprint_layout *layout)
{
	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		const struct head *head = &heads[i];
		int64_t bytes = 2 * (int64_t)head->width + 1, length, room, fits;

		if ((int64_t)len < bytes || memory[bytes - 1] != head->type)
			continue;
		length = number_at(memory, head->width);
		room = number_at(memory + head->width, head->width);
		fits = footprint_class(layout, bytes + length + 1) - bytes - 1;
		if (fits > head->most)
			fits = head->most;
		if (length >= head->least && (room == length || room == fits) &&
		    ends(memory, len, bytes + length))
			return bytes + length + 1;
	}
	return 0;
}

/* Likewise of one that lies behind its object (object.c, createEmbeddedStringObject()). */
static int64_t embedded_request(const unsigned char *memory, size_t len, uint64_t address)
{
	const unsigned char *head = memory + OBJECT_BYTES;
	uint64_t pointer;

	if (len < OBJECT_BYTES + EMBEDDED_HEAD || memory[0] != EMBEDDED_STRING)
		return 0;
	memcpy(&pointer, memory + OBJECT_POINTER, sizeof(pointer));
	if (pointer != address + OBJECT_BYTES + EMBEDDED_HEAD ||
	    head[EMBEDDED_HEAD - 1] != heads[0].type ||
	    !ends(memory, len, OBJECT_BYTES + EMBEDDED_HEAD + head[0]))
		return 0;
	return OBJECT_BYTES + EMBEDDED_HEAD + head[0] + 1;
}

void sds_find(const unsigned char *memory, size_t len, size_t starts, uint64_t address,
	      const struct footprint_layout *layout, sds_found_fn found, void *ctx)
{
	size_t step = (size_t)layout->quantum;

	for (size_t at = 0; at < starts && at < len; at += step) {
		int64_t request = embedded_request(memory + at, len - at, address + at);

		if (request == 0)
			request = raw_request(memory + at, len - at, layout);
		if (request == 0)
			continue;
		found(ctx, request, footprint_class(layout, request));
		/* Nothing begins in the middle of it. */
		at += ((size_t)request - 1) / step * step;
	}
}
