/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INFO as a table. An INFO of a busy server has some hundred fields (one for
 * each command ever called), asked for by name again and again, so names are
 * hashed; an array beside the hash keeps the order of the text.
 */
#define _GNU_SOURCE 1 /* strchrnul() */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/sum.h"
#include "record/record.h"
#include "redis/info.h"

#include <uthash.h>

struct field {
	char *name;
	char *value;
	UT_hash_handle hh;
};

struct info {
	struct field *by_name;
	struct field **in_order;
	size_t count;
};

static void info_put(struct info *info, const char *name, size_t name_len, char *value)
{
	struct field *field;

	HASH_FIND(hh, info->by_name, name, name_len, field);
	if (field) {
		free(field->value);
		field->value = value;
		return;
	}
	field = xcalloc(1, sizeof(*field));
	field->name = xmemdup(name, name_len);
	field->value = value;
	HASH_ADD_KEYPTR(hh, info->by_name, field->name, name_len, field);
	info->in_order = array_grow(info->in_order, info->count, sizeof(*info->in_order));
	info->in_order[info->count++] = field;
}

/* Lines "name<separator>value", ended by \n or \r\n; comments and others are skipped. */
static struct info *parse_lines(const char *text, char separator)
{
	struct info *info = xcalloc(1, sizeof(*info));

	while (text && *text) {
		const char *end = strchrnul(text, '\n');
		const char *next = *end ? end + 1 : end;
		const char *split = memchr(text, separator, (size_t)(end - text));

		if (end > text && end[-1] == '\r')
			end--;
		if (*text != '#' && split && split > text)
			info_put(info, text, (size_t)(split - text),
				 xmemdup(split + 1, (size_t)(end - split - 1)));
		text = next;
	}
	return info;
}

struct info *info_parse(const char *text)
{
	return parse_lines(text, ':');
}

struct info *info_parse_pairs(const char *text)
{
	return parse_lines(text, ' ');
}

void info_free(struct info *info)
{
	if (!info)
		return;
	HASH_CLEAR(hh, info->by_name);
	for (size_t i = 0; i < info->count; i++) {
		free(info->in_order[i]->name);
		free(info->in_order[i]->value);
		free(info->in_order[i]);
	}
	free(info->in_order);
	free(info);
}

void info_set(struct info *info, const char *name, const char *value)
{
	info_put(info, name, strlen(name), xstrdup(value));
}

const char *info_get(const struct info *info, const char *name)
{
	struct field *field = NULL;

	if (info)
		HASH_FIND_STR(info->by_name, name, field);
	return field ? field->value : NULL;
}

int64_t info_number(const char *text, size_t len)
{
	char copy[24];
	char *end;
	long long number;

	if (!len || len >= sizeof(copy) || !strchr("-0123456789", text[0]))
		return RECORD_UNKNOWN;
	memcpy(copy, text, len);
	copy[len] = '\0';
	errno = 0;
	number = strtoll(copy, &end, 10);
	return errno || *end || end == copy ? RECORD_UNKNOWN : number;
}

/* A decimal number likewise; "inf" and "nan" are no numbers anybody can use. */
static double parse_double(const char *text, size_t len)
{
	char copy[64];
	char *end;
	double number;

	if (!len || len >= sizeof(copy) || !strchr("-0123456789.", text[0]))
		return NAN;
	memcpy(copy, text, len);
	copy[len] = '\0';
	number = strtod(copy, &end);
	return *end || end == copy || !isfinite(number) ? NAN : number;
}

int64_t info_int(const struct info *info, const char *name)
{
	const char *value = info_get(info, name);

	return value ? info_number(value, strlen(value)) : RECORD_UNKNOWN;
}

double info_double(const struct info *info, const char *name)
{
	const char *value = info_get(info, name);

	return value ? parse_double(value, strlen(value)) : NAN;
}

size_t info_count(const struct info *info)
{
	return info ? info->count : 0;
}

const char *info_name_at(const struct info *info, size_t i)
{
	return i < info_count(info) ? info->in_order[i]->name : NULL;
}

const char *info_value_at(const struct info *info, size_t i)
{
	return i < info_count(info) ? info->in_order[i]->value : NULL;
}

const char *info_sub_text(const char *value, const char *key, size_t *len)
{
	size_t key_len = strlen(key);

	while (value && *value) {
		if (!strncmp(value, key, key_len) && value[key_len] == '=') {
			value += key_len + 1;
			*len = strcspn(value, ",");
			return value;
		}
		value += strcspn(value, ",");
		value += *value == ',';
	}
	return NULL;
}

int64_t info_sub_int(const char *value, const char *key)
{
	size_t len = 0;
	const char *text = info_sub_text(value, key, &len);

	return text ? info_number(text, len) : RECORD_UNKNOWN;
}

const char *info_server(const struct info *info)
{
	const char *name = info_get(info, "server_name");

	if (info_get(info, "valkey_version") || (name && !strcmp(name, "valkey")))
		return "valkey";
	return info_get(info, "redis_version") ? "redis" : "";
}

const char *info_server_version(const struct info *info)
{
	const char *version = info_get(info, "valkey_version");

	if (!version)
		version = info_get(info, "redis_version");
	return version ? version : "";
}

bool info_is_database(const char *name)
{
	return !strncmp(name, "db", 2) && name[2] >= '0' && name[2] <= '9' &&
	       !name[2 + strspn(name + 2, "0123456789")];
}

void info_keyspace(const struct info *info, int64_t *keys, int64_t *expires)
{
	int64_t unwanted = 0;

	expires = expires ? expires : &unwanted;
	*keys = *expires = info ? 0 : RECORD_UNKNOWN;
	for (size_t i = 0; info && i < info_count(info); i++) {
		int64_t k, e;

		if (!info_is_database(info_name_at(info, i)))
			continue;
		k = info_sub_int(info_value_at(info, i), "keys");
		e = info_sub_int(info_value_at(info, i), "expires");
		if (k == RECORD_UNKNOWN || e == RECORD_UNKNOWN)
			continue;
		sum_add(keys, k);
		sum_add(expires, e);
	}
}

int64_t info_expiring_hashes(const struct info *info)
{
	static const char *const names[] = { "subexpiry", "keys_with_volatile_items" };
	int64_t all = 0;

	for (size_t i = 0; info && i < info_count(info); i++)
		for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
			int64_t count = info_is_database(info_name_at(info, i)) ?
						info_sub_int(info_value_at(info, i), names[n]) :
						0;

			if (count > 0)
				sum_add(&all, count);
		}
	return all;
}

bool version_at_least(const char *version, int major, int minor)
{
	char *end;
	long first = strtol(version, &end, 10),
	     second = *end == '.' ? strtol(end + 1, NULL, 10) : 0;

	return first > major || (first == major && second >= minor);
}
