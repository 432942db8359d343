/* SPDX-License-Identifier: BSD-2-Clause */
/* Judging one key; see one_key.h. */
#include "diagnose/one_key.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/advice.h"
#include "diagnose/finding.h"
#include "diagnose/measure.h"

#define EMBSTR_MAX 44 /* OBJ_ENCODING_EMBSTR_SIZE_LIMIT, src/object.c */

/* --- limits of encodings --------------------------------------------------------------- */

/* The names of the settings, new (7.0) and old. */
static const struct limit_row {
	const char *type;
	const char *entries[2], *value[2];
} limits[] = {
	{ "hash",
	  { "hash-max-listpack-entries", "hash-max-ziplist-entries" },
	  { "hash-max-listpack-value", "hash-max-ziplist-value" } },
	{ "zset",
	  { "zset-max-listpack-entries", "zset-max-ziplist-entries" },
	  { "zset-max-listpack-value", "zset-max-ziplist-value" } },
	{ "set",
	  { "set-max-listpack-entries", "set-max-intset-entries" },
	  { "set-max-listpack-value", NULL } },
};

static const struct limit_row *row_of(const char *type)
{
	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++)
		if (!strcmp(limits[i].type, type))
			return &limits[i];
	return NULL;
}

static struct encoding_limit limit_of(const struct model *m, const char *const names[2])
{
	struct encoding_limit limit = { .value = RECORD_UNKNOWN };

	for (int i = 0; i < 2 && names[i]; i++) {
		if (!model_config(m, names[i]))
			continue;
		return (struct encoding_limit){ names[i], measure_config(m, names[i]) };
	}
	return limit;
}

struct encoding_limit one_key_entries_limit(const struct model *m, const char *type)
{
	static const char *const none[2];
	const struct limit_row *row = row_of(type);

	return limit_of(m, row ? row->entries : none);
}

struct encoding_limit one_key_value_limit(const struct model *m, const char *type)
{
	static const char *const none[2];
	const struct limit_row *row = row_of(type);

	return limit_of(m, row ? row->value : none);
}

bool one_key_only_integers(const struct model *m, const char *type)
{
	return !strcmp(type, "set") && model_config(m, "set-max-intset-entries") &&
	       !model_config(m, "set-max-listpack-entries");
}

/* The longest element seen, names of fields too. */
static double longest(const struct one_key *key)
{
	return fmax(one_key_spread(key, ELEMENT_BYTES, NULL).max,
		    one_key_spread(key, ELEMENT_NAME_BYTES, NULL).max);
}

static void say_limit(struct buf *out, const struct encoding_limit *limit)
{
	buf_printf(out, "%s (", limit->name);
	fmt_count(out, limit->value);
	buf_putc(out, ')');
}

/* A table or skiplist: what has outgrown the small encoding? */
static void outgrown(struct buf *out, const struct model *m, const struct one_key *key)
{
	const char *type = key->last.type;
	struct encoding_limit entries = one_key_entries_limit(m, type);
	struct encoding_limit value = one_key_value_limit(m, type);
	double most = longest(key);

	if (entries.name && key->last.elements > entries.value) {
		buf_puts(out, "its ");
		fmt_count(out, key->last.elements);
		buf_puts(out, " elements are more than ");
		say_limit(out, &entries);
	} else if (value.name && value.value != RECORD_UNKNOWN && most > (double)value.value) {
		buf_puts(out, "an element of ");
		fmt_bytes(out, sum_whole(most));
		buf_puts(out, " is longer than ");
		say_limit(out, &value);
	} else if (entries.name && one_key_only_integers(m, type)) {
		buf_puts(out, "a member is, or once was, no integer, or there were more than ");
		say_limit(out, &entries);
	} else if (entries.name && value.name) {
		buf_puts(out, "it has, or once had, more elements than ");
		say_limit(out, &entries);
		buf_puts(out, " or one longer than ");
		say_limit(out, &value);
		buf_puts(out, "; it never goes back by itself");
	}
}

/* What a small encoding has, and may have. */
static void within(struct buf *out, const struct model *m, const struct one_key *key)
{
	struct encoding_limit entries = one_key_entries_limit(m, key->last.type);
	struct encoding_limit value = one_key_value_limit(m, key->last.type);

	if (!entries.name || entries.value == RECORD_UNKNOWN)
		return;
	if (key->last.elements != RECORD_UNKNOWN) {
		buf_puts(out, "its ");
		fmt_count(out, key->last.elements);
		buf_puts(out, " elements are within ");
	} else {
		buf_puts(out, "its elements are within ");
	}
	say_limit(out, &entries);
	if (value.name && value.value != RECORD_UNKNOWN) {
		buf_puts(out, " and none is longer than ");
		say_limit(out, &value);
	}
}

static void string_reason(struct buf *out, const struct one_key *key)
{
	const char *encoding = key->last.encoding;

	if (!strcmp(encoding, "int"))
		buf_puts(out, "a whole number of 64 bits takes the place of the pointer");
	else if (!strcmp(encoding, "embstr"))
		buf_printf(out, "at most %d bytes lie in one allocation with the object",
			   EMBSTR_MAX);
	else if (!strcmp(encoding, "raw") && key->last.elements > EMBSTR_MAX)
		buf_printf(out, "more than %d bytes have an allocation of their own", EMBSTR_MAX);
	else if (!strcmp(encoding, "raw") && key->last.elements != RECORD_UNKNOWN)
		buf_puts(out, "it was appended to or written into, so it keeps an allocation of "
			      "its own");
}

void one_key_encoding_reason(struct buf *out, const struct model *m)
{
	const struct one_key *key = m->one_key;
	const char *encoding = key->last.encoding;

	if (!strcmp(key->last.type, "string"))
		string_reason(out, key);
	else if (!strcmp(encoding, "hashtable") || !strcmp(encoding, "skiplist"))
		outgrown(out, m, key);
	else if (!strcmp(encoding, "quicklist"))
		buf_printf(out, "a chain of nodes, list-max-listpack-size %s says how large",
			   model_config(m, "list-max-listpack-size") ?
				   model_config(m, "list-max-listpack-size") :
				   "");
	else if (!strcmp(encoding, "intset"))
		buf_puts(out, "all members are whole numbers, and few");
	else if (!strncmp(encoding, "listpack", 8) || !strcmp(encoding, "ziplist"))
		within(out, m, key);
}

/* --- scores ------------------------------------------------------------------------------- */

#define TIME_FIRST 946684800.0 /* 2000-01-01 */
#define TIME_LAST  4102444800.0 /* 2100-01-01 */

static bool in_time(double low, double high, double unit)
{
	return low >= TIME_FIRST * unit && high <= TIME_LAST * unit && high > low;
}

bool one_key_score_times(const struct one_key *key, double *first, double *last)
{
	static const double units[] = { 1, 1e3, 1e6 }; /* seconds, milliseconds, microseconds */
	double low = key->first.score_min, high = key->first.score_max;

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (!in_time(low, high, units[i]))
			continue;
		*first = low / units[i];
		*last = high / units[i];
		return true;
	}
	return false;
}

/* --- who uses it --------------------------------------------------------------------------- */

bool one_key_users_known(struct buf *note, const struct model *m)
{
	static const char *const needed[] = { "attribution", "cpu" };

	for (size_t n = 0; n < sizeof(needed) / sizeof(*needed); n++)
		for (size_t i = 0; i < m->sensors_count; i++) {
			const struct record_sensor *sensor = &m->sensors[i].sensor;

			if (strcmp(sensor->id, needed[n]) != 0 || sensor->on)
				continue;
			buf_puts(note, "not known: ");
			buf_puts(note, *sensor->reason ? sensor->reason : "the sensor is off");
			return false;
		}
	if (!model_sensor_on(m, "cpu")) {
		buf_puts(note, "not known: nobody watched the server's process");
		return false;
	}
	buf_puts(note, "sampled: ");
	fmt_count(note, m->totals.cpu_samples);
	buf_puts(note, " CPU samples in ");
	fmt_seconds(note, m->duration_seconds);
	return true;
}

bool one_key_only_fed(const struct one_key *key)
{
	static const char *const feeds[] = { "lpush", "rpush", "lpushx", "rpushx", "xadd",
					     "sadd",  "zadd",  "hset",	 "hmset",  "append" };

	for (size_t i = 0; i < key->users_count; i++) {
		bool feed = false;

		for (size_t n = 0; n < sizeof(feeds) / sizeof(*feeds); n++)
			feed |= advice_command_is(key->users[i].command, feeds[n]);
		if (!feed)
			return false;
	}
	return key->users_count > 0;
}

struct record_key one_key_as_key(const struct one_key *key)
{
	const struct record_one_key *last = &key->last;

	return (struct record_key){ .key = last->key,
				    .db = last->db,
				    .type = last->type,
				    .encoding = last->encoding,
				    .bytes = last->bytes,
				    .elements = last->elements,
				    .ttl_seconds = last->ttl_seconds,
				    .pass_seconds = NAN };
}

struct key_speed one_key_speed(const struct model *m)
{
	const struct record_one_key *first = &m->one_key->first;

	return (struct key_speed){
		.access_seconds = first->access_seconds,
		.copy_byte_seconds = first->copy_byte_seconds,
		.element_seconds = first->element_seconds,
		.lazy_del = measure_config_is(m, "lazyfree-lazy-user-del", "yes"),
	};
}
