/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lies in used_memory and in no key, beside what the server counts itself: its slow log,
 * the keys clients track, channels they subscribe to, keys they WATCH; and beside used_memory
 * TLS. The server tells at most how many there are; what one takes is looked up (slow log) or
 * follows from how it is kept. And what the keys hold by those that were looked at, against
 * which "keys and values" is checked.
 */
#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "model/keyspace.h"
#include "model/private.h"
#include "redis/footprint.h"

/*
 * What one takes of the server's memory, less what counts as its client's (MEMORY STATS,
 * clients.normal): measured as used_memory before and after 100,000 of them on 7.0.15 and Valkey
 * 8.0.1. A third more or less with their names.
 */
#define TRACKED_KEY_BYTES 120 /* src/tracking.c: a path in a tree of names, a tree of ids */
#define TRACKED_ID_BYTES  72 /* another client of the same key */
#define CHANNEL_BYTES	  180 /* src/pubsub.c: name, entry, and the clients' list */
#define WATCHED_KEY_BYTES 150 /* src/multi.c: likewise */
/* And what counts as its client's (src/pubsub.c, pubsubMemOverhead()). */
#define CLIENT_CHANNEL_BYTES 40

/* A connection of OpenSSL 3, its state and a buffer each way: 56 to 67 KB as measured on 7.0.15. */
#define TLS_BYTES 60000

/* Of fewer keys drawn nothing is said of all. */
#define KEYS_LEAST 100
/* What no look tells: MEMORY USAGE looks at five elements of a collection, and layouts vary. */
#define KEYS_ERROR 0.10
/* Of names and objects MEMORY USAGE leaves out the rounding: at most so much a key. */
#define KEYS_ROUNDING 48

/* Below this a client's memory without a name is the rounding of its buffers. */
#define WATCH_FLOOR_BYTES ((int64_t)32 << 10)

const char *inside_name(enum inside what)
{
	static const char *const names[INSIDE_KINDS] = {
		[INSIDE_SLOWLOG] = "slowlog", [INSIDE_TRACKING] = "tracking",
		[INSIDE_PUBSUB] = "pubsub",   [INSIDE_WATCH] = "watch",
		[INSIDE_TLS] = "tls",
	};

	return names[what];
}

static int64_t known_sum(const struct model *m, const char *const *fields, size_t count)
{
	int64_t sum = RECORD_UNKNOWN;

	for (size_t i = 0; i < count; i++) {
		int64_t n = model_info_end(m, fields[i]);

		if (n >= 0)
			sum = sum_of(sum == RECORD_UNKNOWN ? 0 : sum, n);
	}
	return sum;
}

static int64_t of_each(int64_t count, double bytes)
{
	return count == RECORD_UNKNOWN ? RECORD_UNKNOWN : sum_whole((double)count * bytes);
}

static int64_t none_if_unknown(int64_t bytes)
{
	return bytes == RECORD_UNKNOWN ? 0 : bytes;
}

/* --- one by one ---------------------------------------------------------------- */

int64_t inside_log_bytes(const struct model *m, const char *name)
{
	const struct record_held *held = model_held(m, name);

	if (!held || held->objects_total < 0)
		return RECORD_UNKNOWN;
	if (!held->objects_total)
		return 0;
	if (held->looked_total <= 0 || held->looked_bytes < 0)
		return RECORD_UNKNOWN;
	return of_each(held->objects_total,
		       (double)held->looked_bytes / (double)held->looked_total);
}

/* With what Valkey logs of large requests and replies, in entries of the same kind. What a short
 * log takes is not looked at. */
static struct inside_row slowlog(const struct model *m)
{
	static const char *const names[] = { "slowlog", "large-request", "large-reply" };
	struct inside_row row = { RECORD_UNKNOWN, RECORD_UNKNOWN, BASIS_SAMPLED, 0 };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const struct record_held *held = model_held(m, names[i]);
		int64_t bytes = inside_log_bytes(m, names[i]);

		if (held && held->objects_total >= 0)
			row.objects_total =
				sum_of(none_if_unknown(row.objects_total), held->objects_total);
		if (bytes >= 0)
			row.bytes = sum_of(none_if_unknown(row.bytes), bytes);
	}
	return row;
}

static struct inside_row tracking(const struct model *m)
{
	int64_t keys = model_info_end(m, "tracking_total_keys");
	int64_t ids = model_info_end(m, "tracking_total_items");
	struct inside_row row = { keys >= 0 ? keys : RECORD_UNKNOWN, RECORD_UNKNOWN, BASIS_DERIVED,
				  0 };

	row.bytes = of_each(row.objects_total, TRACKED_KEY_BYTES);
	if (keys >= 0 && ids > keys)
		sum_add(&row.bytes, of_each(ids - keys, TRACKED_ID_BYTES));
	return row;
}

static struct inside_row pubsub(const struct model *m)
{
	static const char *const fields[] = { "pubsub_channels", "pubsubshard_channels",
					      "pubsub_patterns" };
	int64_t count = known_sum(m, fields, sizeof(fields) / sizeof(fields[0]));

	return (struct inside_row){ count, of_each(count, CHANNEL_BYTES), BASIS_DERIVED,
				    count > 0 ? of_each(count, CLIENT_CHANNEL_BYTES) : 0 };
}

/* What a client has of the memory of its keys under WATCH, each a node of a list (src/multi.c,
 * multiStateMemOverhead()); 0 where it does not count. */
static int64_t watch_bytes(const struct model *m)
{
	if (!strcmp(m->target.server, "valkey") || version_at_least(m->target.version, 7, 2))
		return 80;
	return version_at_least(m->target.version, 7, 0) ? 56 : 0;
}

/* Beside what a client queued in a MULTI (queued_bytes) there is a table of the commands, which
 * doubles as it fills (src/multi.c, queueMultiCommand()). */
#define QUEUED_COMMAND_BYTES 24
#define QUEUED_LEAST	     2

static int64_t queue_table_bytes(int64_t commands)
{
	int64_t room = QUEUED_LEAST;

	if (commands <= 0)
		return 0;
	while (room < commands && room < INT64_MAX / 2)
		room *= 2;
	return of_each(room, QUEUED_COMMAND_BYTES);
}

/* Keys that a client watches: as it is told, or, before 7.4, what it takes beyond all that has a
 * name, when WATCH is what it did last or a MULTI follows. */
static int64_t watched_by(const struct model *m, const struct record_client *client)
{
	int64_t each = watch_bytes(m), left = client->memory_bytes;

	if (client->watched_total != RECORD_UNKNOWN)
		return client->watched_total;
	if (!each || left == RECORD_UNKNOWN || client->reply_bytes == RECORD_UNKNOWN ||
	    client->subscriptions_total > 0 ||
	    (strcmp(client->command, "watch") != 0 && !strchr(client->flags, 'x')))
		return 0;
	left = sum_less(left, none_if_unknown(client->query_bytes));
	left = sum_less(left, none_if_unknown(client->query_free_bytes));
	left = sum_less(left, none_if_unknown(client->output_bytes));
	left = sum_less(left, none_if_unknown(client->argument_bytes));
	left = sum_less(left, none_if_unknown(client->queued_bytes));
	left = sum_less(left, queue_table_bytes(client->queued_total));
	left = sum_less(left, client->reply_bytes);
	return left < WATCH_FLOOR_BYTES ? 0 : left / each;
}

static struct inside_row watch(const struct model *m)
{
	int64_t total = model_info_end(m, "total_watched_keys"); /* 7.4 and later */
	struct inside_row row = { RECORD_UNKNOWN, RECORD_UNKNOWN, BASIS_DERIVED, 0 };

	if (total < 0 && m->clients_count) {
		total = 0;
		for (size_t i = 0; i < m->clients_count; i++)
			sum_add(&total, watched_by(m, &m->clients[i].client));
		if (!total) /* those not listed may have some, and few are not seen */
			total = RECORD_UNKNOWN;
	}
	if (total >= 0) {
		row.objects_total = total;
		row.bytes = of_each(total, WATCHED_KEY_BYTES);
		row.clients_bytes = of_each(total, (double)watch_bytes(m));
	}
	return row;
}

static struct inside_row tls(const struct model *m)
{
	const struct record_held *held = model_held(m, "tls");
	int64_t count = held && held->objects_total >= 0 ? held->objects_total : RECORD_UNKNOWN;

	return (struct inside_row){ count, of_each(count, TLS_BYTES), BASIS_DERIVED, 0 };
}

/* --- what the keys hold --------------------------------------------------------- */

/* Of keys added one by one: how many, what they take, the sum of its squares, and by how much each
 * may be wrong, all in the same direction. */
struct spread {
	int64_t count;
	double sum, squares, error;
};

/* A database's two. */
static int64_t tables(const struct footprint_layout *layout, int64_t keys, int64_t expires)
{
	return sum_of(footprint_table(layout, keys), footprint_table(layout, expires));
}

/* What MEMORY USAGE left out of all keys of one encoding, taken as one. */
static int64_t untold_of(const struct keyspace_encoding *row, const struct footprint_layout *layout,
			 int64_t *error_bytes)
{
	const struct record_key all = { .type = row->type,
					.encoding = row->encoding,
					.bytes = row->bytes,
					.elements = RECORD_UNKNOWN,
					.ttl_seconds = -1 };
	struct footprint print;

	footprint_of(&print, &all, layout);
	sum_add(error_bytes, print.error_bytes);
	return sum_less(print.bytes, row->bytes);
}

/* All keys were met: what MEMORY USAGE says of them, and what it leaves out. */
static void check_by_pass(struct model *m, const struct footprint_layout *layout, int64_t expires)
{
	const struct keyspace *keyspace = m->keyspace;
	struct keys_check *check = &m->keys_check;
	double rounding = KEYS_ROUNDING * (double)keyspace->keys_total;
	int64_t untold = 0, error = 0;

	for (size_t i = 0; i < keyspace->encodings_count; i++)
		sum_add(&untold, untold_of(&keyspace->encodings[i], layout, &error));
	check->basis = BASIS_EXACT;
	check->looked_total = check->keys_total = keyspace->keys_total;
	check->bytes = sum_of(sum_of(keyspace->bytes, untold), sum_whole(rounding / 2));
	sum_add(&check->bytes, tables(layout, check->keys_total, expires));
	check->error_bytes = sum_of(sum_whole(rounding + KEYS_ERROR * (double)check->bytes), error);
}

static void spread_add(struct spread *s, const struct record_key *key,
		       const struct footprint_layout *layout)
{
	struct footprint print;

	footprint_of(&print, key, layout);
	s->count++;
	s->sum += (double)print.bytes;
	s->squares += (double)print.bytes * (double)print.bytes;
	s->error += (double)print.error_bytes;
}

static bool is_known(const struct record_key *key)
{
	return key->bytes != RECORD_UNKNOWN && strcmp(key->type, "none") != 0;
}

/* Was it looked at because it was busy, too? */
static bool was_met(const struct model *m, const struct record_key *drawn)
{
	for (size_t i = 0; i < m->keys_count; i++) {
		const struct record_key *met = &m->keys[i].key;

		if (is_known(met) && met->db == drawn->db && bytes_same(met->key, drawn->key))
			return true;
	}
	return false;
}

/* Keys that showed up in the watch are no chance: each counts as it is, and those drawn stand for
 * all the others. One big list that is busy is in no sample of a million keys. */
static void check_by_sample(struct model *m, const struct footprint_layout *layout, int64_t keys,
			    int64_t expires)
{
	struct keys_check *check = &m->keys_check;
	struct spread met = { 0 }, s = { 0 };
	double mean = 0, variance = 0, error = 0, left, others;

	for (size_t i = 0; i < m->keys_count; i++)
		if (is_known(&m->keys[i].key))
			spread_add(&met, &m->keys[i].key, layout);
	for (int64_t i = 0; i < m->sampled_keys_total; i++)
		if (m->drawn[i].bytes != RECORD_UNKNOWN && !was_met(m, &m->drawn[i]))
			spread_add(&s, &m->drawn[i], layout);
	others = fmax((double)sum_less(keys, met.count), 0);
	if (s.count < KEYS_LEAST && (double)s.count < others)
		return;
	if (s.count) {
		mean = s.sum / (double)s.count;
		error = s.error / (double)s.count;
		variance = fmax(s.squares / (double)s.count - mean * mean, 0) / (double)s.count;
	}
	/* Of few keys all were drawn: then nothing is left to chance. */
	left = (double)s.count < others ? 1 - (double)s.count / others : 0;
	check->basis = BASIS_SAMPLED;
	check->looked_total = s.count + met.count;
	check->keys_total = keys;
	check->bytes = sum_of(sum_whole(met.sum + mean * others), tables(layout, keys, expires));
	check->error_bytes = sum_whole(2 * sqrt(variance * left) * others + met.error +
				       error * others + KEYS_ERROR * (double)check->bytes);
}

static void check_keys(struct model *m)
{
	struct footprint_layout layout = footprint_layout_of(m->target.server, m->target.version,
							     m->target.allocator_bundled);
	int64_t keys, expires;

	info_keyspace(m->info_end, &keys, &expires);
	m->keys_check = (struct keys_check){ .keys_total = keys,
					     .bytes = RECORD_UNKNOWN,
					     .error_bytes = RECORD_UNKNOWN,
					     .difference_bytes = RECORD_UNKNOWN,
					     .basis = BASIS_SAMPLED };
	if (m->keyspace && m->keyspace->complete && !m->keyspace->bytes_unknown_total)
		check_by_pass(m, &layout, expires);
	else if (keys > 0)
		check_by_sample(m, &layout, keys, expires);
	else if (keys == 0 && info_int(m->memory_stats, "keys.count") == 0)
		m->keys_check.bytes = m->keys_check.error_bytes = 0;
}

void inside_finish(struct model *m)
{
	m->inside[INSIDE_SLOWLOG] = slowlog(m);
	m->inside[INSIDE_TRACKING] = tracking(m);
	m->inside[INSIDE_PUBSUB] = pubsub(m);
	m->inside[INSIDE_WATCH] = watch(m);
	m->inside[INSIDE_TLS] = tls(m);
	check_keys(m);
}
