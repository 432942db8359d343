/* SPDX-License-Identifier: BSD-2-Clause */
/* Settings; see limits.h. Source: config.c of the servers. */
#include "rdb/limits.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct packed_limits packed_limits_default = {
	.hash_entries = 512,
	.hash_value = 64,
	.set_intset = 512,
	.set_entries = 128,
	.set_value = 64,
	.zset_entries = 128,
	.zset_value = 64,
	.list_size = -2,
};

#define LIMIT(member) offsetof(struct packed_limits, member)

static const struct setting {
	const char *name, *old; /* before Redis 7.0; NULL = there was none */
	size_t at;
	enum { COUNT, BYTES, LEVEL } kind; /* BYTES may have a unit */
} settings[] = {
	{ "hash-max-listpack-entries", "hash-max-ziplist-entries", LIMIT(hash_entries), COUNT },
	{ "hash-max-listpack-value", "hash-max-ziplist-value", LIMIT(hash_value), BYTES },
	{ "set-max-intset-entries", NULL, LIMIT(set_intset), COUNT },
	{ "set-max-listpack-entries", NULL, LIMIT(set_entries), COUNT },
	{ "set-max-listpack-value", NULL, LIMIT(set_value), BYTES },
	{ "zset-max-listpack-entries", "zset-max-ziplist-entries", LIMIT(zset_entries), COUNT },
	{ "zset-max-listpack-value", "zset-max-ziplist-value", LIMIT(zset_value), BYTES },
	{ "list-max-listpack-size", "list-max-ziplist-size", LIMIT(list_size), LEVEL },
};

const char *packed_limits_at(const struct packed_limits *limits, size_t i, int64_t *value)
{
	if (i >= sizeof(settings) / sizeof(*settings))
		return NULL;
	memcpy(value, (const char *)limits + settings[i].at, sizeof(*value));
	return settings[i].name;
}

/* A word of the file. */
struct word {
	const char *text;
	size_t len;
};

struct reader {
	struct packed_limits *limits;
	const char *file;
	struct err *err;
	int line;
	const struct setting *open; /* named alone on the line before: its value comes */
};

static bool is(const struct word *word, const char *text)
{
	return text && word->len == strlen(text) && !strncasecmp(word->text, text, word->len);
}

static const struct setting *find(const struct word *word)
{
	for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
		if (is(word, settings[i].name) || is(word, settings[i].old))
			return &settings[i];
	return NULL;
}

/* The next word of a line, without its quotes; false when there is none. */
static bool next_word(const char **at, const char *end, struct word *word)
{
	const char *p = *at;
	char quote;

	while (p < end && isspace((unsigned char)*p))
		p++;
	if (p == end)
		return false;
	quote = *p == '"' || *p == '\'' ? *p : '\0';
	p += quote != '\0';
	word->text = p;
	while (p < end && (quote ? *p != quote : !isspace((unsigned char)*p)))
		p++;
	word->len = (size_t)(p - word->text);
	*at = p + (quote && p < end);
	return true;
}

/* memtoull(): 1k is 1000, 1kb is 1024. 0 = no unit of this name. */
static int64_t unit_of(const char *unit)
{
	static const struct {
		const char *name;
		int64_t bytes;
	} rows[] = {
		{ "", 1 },	     { "b", 1 },
		{ "k", 1000 },	     { "kb", 1024 },
		{ "m", 1000000 },    { "mb", 1024 * 1024 },
		{ "g", 1000000000 }, { "gb", 1024 * 1024 * 1024 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (!strcasecmp(rows[i].name, unit))
			return rows[i].bytes;
	return 0;
}

static bool value_of(const struct setting *setting, const struct word *word, int64_t *value)
{
	int64_t least = setting->kind == LEVEL ? INT_MIN : 0, unit;
	int64_t most = setting->kind == LEVEL ? INT_MAX : INT64_MAX;
	char text[32], *end;

	if (!word->len || word->len >= sizeof(text) || isspace((unsigned char)word->text[0]))
		return false;
	memcpy(text, word->text, word->len);
	text[word->len] = '\0';
	errno = 0;
	*value = strtoll(text, &end, 10);
	unit = setting->kind == BYTES ? unit_of(end) : !*end;
	if (errno || end == text || strlen(text) < word->len || !unit || *value < least ||
	    *value > most / unit)
		return false;
	*value *= unit;
	return true;
}

static int take_value(struct reader *r, const struct setting *setting, const struct word *word)
{
	int64_t value;

	if (!value_of(setting, word, &value))
		return err_set(r->err, -EINVAL, "rdb: %s: line %d: %s cannot be '%.*s'", r->file,
			       r->line, setting->name, (int)(word->len < 40 ? word->len : 40),
			       word->text);
	memcpy((char *)r->limits + setting->at, &value, sizeof(value));
	return 0;
}

/* "1) " before what redis-cli shows on a terminal. */
static const char *behind_number(const char *at, const char *end)
{
	const char *p = at;

	while (p < end && isspace((unsigned char)*p))
		p++;
	while (p < end && isdigit((unsigned char)*p))
		p++;
	return p > at && p + 1 < end && p[0] == ')' && p[1] == ' ' ? p + 2 : at;
}

static int no_value(const struct reader *r, const struct setting *setting)
{
	return err_set(r->err, -EINVAL, "rdb: %s: line %d: %s has no value", r->file, r->line - 1,
		       setting->name);
}

static int take_line(struct reader *r, const char *at, const char *end)
{
	const struct setting *setting = r->open;
	struct word name, value, more;
	bool any;

	r->open = NULL;
	at = behind_number(at, end);
	any = next_word(&at, end, &name);
	if (setting)
		return any && !find(&name) ? take_value(r, setting, &name) : no_value(r, setting);
	setting = any ? find(&name) : NULL;
	if (!setting)
		return 0;
	if (!next_word(&at, end, &value)) {
		r->open = setting;
		return 0;
	}
	if (next_word(&at, end, &more))
		return err_set(r->err, -EINVAL, "rdb: %s: line %d: %s takes one value", r->file,
			       r->line, setting->name);
	return take_value(r, setting, &value);
}

int packed_limits_parse(struct packed_limits *limits, const char *text, size_t len,
			const char *file, struct err *err)
{
	struct reader r = { .limits = limits, .file = file, .err = err };
	const char *end = text + len, *line_end;
	int rc = 0;

	for (const char *at = text; at < end && !rc; at = line_end + 1) {
		line_end = memchr(at, '\n', (size_t)(end - at));
		line_end = line_end ? line_end : end;
		r.line++;
		rc = take_line(&r, at, line_end);
	}
	r.line++;
	return !rc && r.open ? no_value(&r, r.open) : rc;
}
