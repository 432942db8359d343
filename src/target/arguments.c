/* SPDX-License-Identifier: BSD-2-Clause */
/* Arguments of the command under way; see arguments.h. */
#include "target/arguments.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "host/proc.h"
#include "redis/knowledge.h"

#define ARGUMENTS_LOOKED 8 /* a key is among the first of them */

static uint64_t word(pid_t pid, uint64_t address)
{
	uint64_t value = 0;

	return address && !memory_read(pid, address, &value, sizeof(value)) ? value : 0;
}

/* Address of the text of a string object, 0 when it holds none. */
static uint64_t object_text(pid_t pid, const struct redmem_object_layout *layout, uint64_t object)
{
	int offset = object_text_offset(layout, word(pid, object));

	if (!object || offset < 0)
		return 0;
	return offset ? object + (uint64_t)offset : word(pid, object + layout->pointer);
}

/* Length of an sds string (sds.h: the low 3 bits before the text are its type). */
static size_t text_length(pid_t pid, uint64_t text)
{
	static const struct {
		int back, bytes;
	} heads[] = { { 1, 0 }, { 3, 1 }, { 5, 2 }, { 9, 4 }, { 17, 8 } };
	uint64_t len = 0;
	uint8_t flags;

	if (memory_read(pid, text - 1, &flags, 1) || (flags & 7) > 4)
		return 0;
	if (!(flags & 7))
		return flags >> 3;
	if (memory_read(pid, text - (uint64_t)heads[flags & 7].back, &len,
			(size_t)heads[flags & 7].bytes))
		return 0;
	return len;
}

static int read_argument(pid_t pid, const struct redmem_object_layout *layout, uint64_t object,
			 char *out, size_t max)
{
	uint64_t text = object_text(pid, layout, object);
	size_t len = text ? text_length(pid, text) : 0;

	if (!len)
		return -ENOENT;
	if (len > max)
		return -EMSGSIZE;
	return memory_read(pid, text, out, len) ? -ENOENT : (int)len;
}

static int find_argument(pid_t pid, const struct redmem_offsets *at, uint64_t client,
			 const char *begin, size_t len, char *out, size_t max)
{
	uint64_t argv = client ? word(pid, client + at->argv) : 0;
	uint32_t argc = 0;
	int got, ret = -ENOENT;

	if (!argv || memory_read(pid, client + at->argc, &argc, sizeof(argc)))
		return -ENOENT;
	for (uint32_t i = 1; i < argc && i < ARGUMENTS_LOOKED; i++) {
		got = read_argument(pid, &at->object, word(pid, argv + 8ULL * i), out, max);
		if (got >= (int)len && !memcmp(out, begin, len))
			return got;
		if (got == -EMSGSIZE)
			ret = got;
	}
	return ret;
}

int target_argument(pid_t pid, const struct redmem_offsets *at, const char *begin, size_t len,
		    char *out, size_t max)
{
	uint64_t inner = at->executing_client ? word(pid, at->executing_client) : 0;
	int ret = find_argument(pid, at, word(pid, at->current_client), begin, len, out, max);

	return ret < 0 && inner ? find_argument(pid, at, inner, begin, len, out, max) : ret;
}
