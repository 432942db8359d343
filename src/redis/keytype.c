/* SPDX-License-Identifier: BSD-2-Clause */
/* Types and encodings of keys; see keytype.h. */
#include <stddef.h>
#include <string.h>

#include "redis/keytype.h"

struct pair {
	const char *from, *to;
};

#define FIND(table, name) find(table, sizeof(table) / sizeof(*(table)), name)

static const char *find(const struct pair *table, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(name, table[i].from))
			return table[i].to;
	return NULL;
}

const char *keytype_length_command(const char *type)
{
	static const struct pair commands[] = {
		{ "string", "STRLEN" }, { "list", "LLEN" },  { "set", "SCARD" },
		{ "hash", "HLEN" },	{ "zset", "ZCARD" }, { "stream", "XLEN" },
	};

	return FIND(commands, type);
}

const char *keytype_of_encoding(const char *encoding)
{
	/* strEncoding() in src/object.c, old and new servers together. */
	static const struct pair types[] = {
		{ "embstr", "string" },	 { "int", "string" },	   { "raw", "string" },
		{ "quicklist", "list" }, { "linkedlist", "list" }, { "skiplist", "zset" },
		{ "intset", "set" },	 { "listpackex", "hash" }, { "zipmap", "hash" },
		{ "stream", "stream" },
	};

	return FIND(types, encoding);
}
