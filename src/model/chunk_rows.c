/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rows of a profile added up; see chunk_rows.h. A row stands for events, with the seconds they
 * took, seen in so many samples, with a square that tells the error (account.h). Of CPU time keys
 * are told apart until the end, when it is known which have most.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/buf.h"
#include "base/sum.h"
#include "model/account.h"
#include "model/chunk_rows.h"
#include "model/private.h"

/* While rows come in. A name that is new then goes to the rows without a key. */
#define ROWS_MAX 16384
#define KEYS_MAX 4096
/* Bits of a sum that are told: to a part in a hundred thousand, where a sample is good for one in a
 * hundred or so; and of what only tells its error. */
#define SUM_BITS    17
#define UNEVEN_BITS 10
#define OTHERS	    "(other)"

/* A key with CPU time. */
struct key {
	UT_hash_handle hh;
	double seconds;
	struct prefix *prefix;
	bool folded; /* it is not told apart */
	size_t len;
	struct key_name {
		int64_t db;
		int64_t truncated;
		char data[RECORD_KEY_MAX]; /* 0 behind the key */
	} name;
};

/* Hashed as bytes: there is no padding. */
struct identity {
	int64_t event, leaf, class_bytes;
	const char *thread, *command, *inner; /* kept */
	struct prefix *prefix; /* NULL = no key */
	struct key *key; /* NULL = any of the prefix */
};

struct row {
	UT_hash_handle hh;
	struct identity of;
	size_t order;
	int64_t samples;
	double events; /* that samples stand for */
	double silent; /* that none does */
	double square;
	double seconds; /* of those that were timed */
	bool untimed; /* some were not */
	double weight;
};

struct chunk_rows {
	struct keep *keep;
	struct prefixes prefixes;
	struct row *rows;
	struct key *keys;
	size_t rows_came; /* for their order */
	double t_seconds; /* of the last of all */
};

struct chunk_rows *chunk_rows_new(void)
{
	struct chunk_rows *rows = xcalloc(1, sizeof(*rows));

	rows->keep = intern_new();
	rows->t_seconds = NAN;
	return rows;
}

static void row_free(struct chunk_rows *rows, struct row *row)
{
	HASH_DEL(rows->rows, row);
	prefix_drop(&rows->prefixes, row->of.prefix);
	free(row);
}

static void key_free(struct chunk_rows *rows, struct key *key)
{
	HASH_DEL(rows->keys, key);
	prefix_drop(&rows->prefixes, key->prefix);
	free(key);
}

void chunk_rows_free(struct chunk_rows *rows)
{
	struct row *row, *next_row;
	struct key *key, *next_key;

	if (!rows)
		return;
	HASH_ITER(hh, rows->rows, row, next_row)
		row_free(rows, row);
	HASH_ITER(hh, rows->keys, key, next_key)
		key_free(rows, key);
	intern_free(rows->keep);
	free(rows);
}

/* --- rows ------------------------------------------------------------------------- */

static struct row *row_find(struct chunk_rows *rows, const struct identity *of)
{
	struct row *row;

	HASH_FIND(hh, rows->rows, of, sizeof(*of), row);
	return row;
}

static struct row *row_get(struct chunk_rows *rows, struct identity of)
{
	struct row *row = row_find(rows, &of);

	if (!row && HASH_COUNT(rows->rows) >= ROWS_MAX) {
		of.prefix = NULL;
		of.key = NULL;
		row = row_find(rows, &of);
	}
	if (!row && HASH_COUNT(rows->rows) >= 2 * ROWS_MAX) {
		of.command = intern_string(rows->keep, OTHERS);
		of.inner = intern_string(rows->keep, "");
		row = row_find(rows, &of);
	}
	if (row)
		return row;
	row = xcalloc(1, sizeof(*row));
	row->of = of;
	row->order = rows->rows_came++;
	if (of.prefix)
		of.prefix->uses++;
	HASH_ADD(hh, rows->rows, of, sizeof(row->of), row);
	return row;
}

static void row_merge(struct row *into, const struct row *from)
{
	if (from->order < into->order)
		into->order = from->order;
	sum_add(&into->samples, from->samples);
	into->events += from->events;
	into->silent += from->silent;
	into->square += from->square;
	into->seconds += from->seconds;
	into->untimed |= from->untimed;
}

/* Add @row to that of @of, and forget it. */
static void row_move(struct chunk_rows *rows, struct row *row, struct identity of)
{
	row_merge(row_get(rows, of), row);
	row_free(rows, row);
}

/* --- keys ------------------------------------------------------------------------- */

static int most_time_first(const void *a, const void *b)
{
	const struct key *x = *(struct key *const *)a, *y = *(struct key *const *)b;
	int order = (x->seconds < y->seconds) - (x->seconds > y->seconds);

	return order ? order : memcmp(&x->name, &y->name, sizeof(x->name));
}

/* Only the @count keys with most time are told apart from here on. */
static void fold_keys(struct chunk_rows *rows, size_t count)
{
	size_t all = HASH_COUNT(rows->keys), n = 0;
	struct key **sorted, *key, *next_key;
	struct row *row, *next_row;

	if (all <= count)
		return;
	sorted = xcalloc(all, sizeof(struct key *));
	HASH_ITER(hh, rows->keys, key, next_key)
		sorted[n++] = key;
	qsort(sorted, n, sizeof(struct key *), most_time_first);
	for (size_t i = count; i < n; i++)
		sorted[i]->folded = true;
	HASH_ITER(hh, rows->rows, row, next_row) {
		struct identity of = row->of;

		of.key = NULL;
		if (row->of.key && row->of.key->folded)
			row_move(rows, row, of);
	}
	for (size_t i = count; i < n; i++)
		key_free(rows, sorted[i]);
	free(sorted);
}

static struct key *key_get(struct chunk_rows *rows, const struct record_profile *record,
			   struct prefix *prefix)
{
	struct key_name name;
	struct key *key;

	memset(&name, 0, sizeof(name));
	name.db = record->db;
	name.truncated = record->key_truncated;
	memcpy(name.data, record->key.data, record->key.len);
	HASH_FIND(hh, rows->keys, &name, sizeof(name), key);
	if (key && key->len == record->key.len)
		return key;
	if (key) /* the same but for a NUL at its end */
		return NULL;
	if (HASH_COUNT(rows->keys) == KEYS_MAX)
		fold_keys(rows, KEYS_MAX / 2);
	key = xcalloc(1, sizeof(*key));
	key->name = name;
	key->len = record->key.len;
	key->prefix = prefix;
	prefix->uses++;
	HASH_ADD(hh, rows->keys, name, sizeof(key->name), key);
	return key;
}

/* What hot_keys.c goes by. */
static struct key *key_of(struct chunk_rows *rows, const struct record_profile *record,
			  struct prefix *prefix)
{
	double seconds = profile_seconds(record);
	struct key *key;

	if (record->event != EVENT_CPU || *record->thread || !prefix || record->folded ||
	    record->key.len > RECORD_KEY_MAX || !(seconds > 0))
		return NULL;
	key = key_get(rows, record, prefix);
	if (key)
		key->seconds += seconds;
	return key;
}

/* --- adding ----------------------------------------------------------------------- */

/* Of modules charges know these. */
static int64_t leaf_of(const struct record_profile *record)
{
	return record->leaf == MODULE_ALLOCATOR || record->leaf == MODULE_KERNEL ? record->leaf : 0;
}

static bool is_major(const struct record_profile *record)
{
	return record->event == EVENT_FAULT_FILE || record->event == EVENT_FAULT_SWAP;
}

static void row_add(struct row *row, const struct record_profile *record)
{
	double events = profile_events(record), seconds = profile_seconds(record);

	if (is_major(record)) /* they are counted by the row */
		events = floor(events);
	if (record->samples > 0) {
		sum_add(&row->samples, record->samples);
		row->events += events;
		row->square += profile_square(record);
	} else {
		row->silent += events;
	}
	if (!isfinite(seconds))
		row->untimed = true;
	else if (seconds > 0)
		row->seconds += seconds;
}

bool chunk_rows_add(struct chunk_rows *rows, const struct record_profile *record)
{
	struct prefix *prefix;
	struct identity of;

	if (!isfinite(record->events) || record->events < 0)
		return false;
	prefix = prefix_hold(&rows->prefixes, record->key);
	if (prefix && !prefix->example.data)
		prefix->example = (struct bytes){ xmemdup(record->key.data, record->key.len),
						  record->key.len };
	of = (struct identity){
		.event = record->event,
		.leaf = leaf_of(record),
		.class_bytes = record->class_bytes,
		.thread = intern_string(rows->keep, record->thread),
		.command = intern_string(rows->keep, record->command),
		.inner = intern_string(rows->keep, record->inner),
		.prefix = prefix,
		.key = key_of(rows, record, prefix),
	};
	row_add(row_get(rows, of), record);
	rows->t_seconds = fmax(rows->t_seconds, record->t_seconds);
	prefix_drop(&rows->prefixes, prefix);
	return true;
}

/* --- bounding --------------------------------------------------------------------- */

struct sums {
	double events[EVENT_KINDS], seconds[EVENT_KINDS];
};

static double share(double part, double all)
{
	return all > 0 ? part / all : 0;
}

static int most_weight_first(const void *a, const void *b)
{
	const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;
	int order = (x->weight < y->weight) - (x->weight > y->weight);

	return order ? order : (x->order > y->order) - (x->order < y->order);
}

static int compare_int(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

enum place { PLACE_PREFIX, PLACE_KEY, PLACE_UNSEEN };

/* What is of any key of a prefix before what is of one, as it has the first as example; and bytes
 * to be shared out behind all who may get some. */
static enum place place_of(const struct row *row)
{
	return !strcmp(row->of.command, RECORD_UNSEEN) ? PLACE_UNSEEN :
	       row->of.key			       ? PLACE_KEY :
							 PLACE_PREFIX;
}

/* By prefix, but single keys as they came. */
static int compare_rows(const void *a, const void *b)
{
	const struct row *x = *(struct row *const *)a, *y = *(struct row *const *)b;
	int order = compare_int(place_of(x), place_of(y));

	if (order || x->of.key)
		return order ? order : compare_int((int64_t)x->order, (int64_t)y->order);
	order = prefix_compare(x->of.prefix, y->of.prefix);
	if (!order)
		order = compare_int(x->of.event, y->of.event);
	if (!order)
		order = strcmp(x->of.command, y->of.command);
	if (!order)
		order = compare_int(x->of.class_bytes, y->of.class_bytes);
	return order ? order : compare_int((int64_t)x->order, (int64_t)y->order);
}

/* All rows, to be freed. */
static struct row **sorted_rows(struct chunk_rows *rows, size_t *count,
				int (*order)(const void *a, const void *b))
{
	struct row **sorted = xcalloc(HASH_COUNT(rows->rows) + 1, sizeof(struct row *));
	struct row *row, *next;

	*count = 0;
	HASH_ITER(hh, rows->rows, row, next)
		sorted[(*count)++] = row;
	qsort(sorted, *count, sizeof(struct row *), order);
	return sorted;
}

/* A row weighs what it has of all events of its kind, or of their time. */
static void weigh(struct chunk_rows *rows)
{
	struct sums all = { 0 };
	struct row *row, *next;

	HASH_ITER(hh, rows->rows, row, next) {
		all.events[row->of.event] += row->events + row->silent;
		all.seconds[row->of.event] += row->seconds;
	}
	HASH_ITER(hh, rows->rows, row, next)
		row->weight = fmax(share(row->events + row->silent, all.events[row->of.event]),
				   share(row->seconds, all.seconds[row->of.event]));
}

static void bound(struct chunk_rows *rows)
{
	struct row **sorted;
	size_t count;

	if (HASH_COUNT(rows->rows) <= CHUNK_ROWS)
		return;
	weigh(rows);
	sorted = sorted_rows(rows, &count, most_weight_first);
	for (size_t i = CHUNK_ROWS; i < count; i++) {
		struct identity of = sorted[i]->of;

		of.prefix = NULL;
		of.key = NULL;
		if (sorted[i]->of.prefix)
			row_move(rows, sorted[i], of);
	}
	free(sorted);
}

/* --- giving ----------------------------------------------------------------------- */

/* @x to so many bits; whole numbers that have few digits anyhow stay. */
static double rounded_to(double x, int bits)
{
	int exponent;
	double fraction;

	if (!isfinite(x) || x == 0 || (x == floor(x) && fabs(x) < 1 << bits))
		return x;
	fraction = frexp(x, &exponent);
	return ldexp(round(ldexp(fraction, bits)), exponent - bits);
}

static void give(const struct record_sink *sink, struct record *record, int64_t samples,
		 double events)
{
	record->profile.samples = samples;
	record->profile.events = rounded_to(events, SUM_BITS);
	record_emit(sink, record);
	/* What they took was told with the first. */
	record->profile.seconds = 0;
}

/* How much more than that of samples that are all alike the square is. */
static double uneven(const struct row *row)
{
	double even = row->events * row->events / (double)row->samples;

	return (row->of.event == EVENT_ALLOC || row->of.event == EVENT_FREE) && row->samples > 1 &&
			       row->square > even * (1 + 1e-4) ?
		       rounded_to(row->square / even, UNEVEN_BITS) :
		       NAN;
}

static void give_row(const struct record_sink *sink, const struct row *row, double t_seconds)
{
	const struct key *key = row->of.key;
	struct record record = { .kind = RECORD_PROFILE };
	struct record_profile *p = &record.profile;

	*p = (struct record_profile){
		.event = (enum redmem_event)row->of.event,
		.thread = row->of.thread,
		.command = row->of.command,
		.inner = row->of.inner,
		.db = RECORD_UNKNOWN,
		.leaf = (enum redmem_module)row->of.leaf,
		.symbol = "",
		.scale = NAN,
		.uneven = NAN,
		.seconds = row->seconds > 0 ? rounded_to(row->seconds, SUM_BITS) :
			   row->untimed	    ? NAN :
					      0,
		.timed = RECORD_UNKNOWN,
		.t_seconds = t_seconds,
		.class_bytes = row->of.class_bytes,
	};
	if (key) {
		p->key = (struct bytes){ key->name.data, key->len };
		p->key_truncated = key->name.truncated;
		p->db = key->name.db;
	} else if (row->of.prefix) {
		p->key = row->of.prefix->example;
		p->folded = true;
	}
	if (row->samples > 0) {
		p->uneven = uneven(row);
		give(sink, &record, row->samples, row->events);
		p->uneven = NAN;
	}
	if (row->silent > 0 || row->samples <= 0)
		give(sink, &record, 0, row->silent);
}

void chunk_rows_emit(struct chunk_rows *rows, const struct record_sink *sink)
{
	struct row **sorted;
	size_t count;

	fold_keys(rows, CHUNK_KEYS);
	bound(rows);
	sorted = sorted_rows(rows, &count, compare_rows);
	for (size_t i = 0; i < count; i++)
		give_row(sink, sorted[i], rows->t_seconds);
	free(sorted);
}
