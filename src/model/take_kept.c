/* SPDX-License-Identifier: BSD-2-Clause */
/* Records that are kept as they came, so many of each kind. */
#include <math.h>
#include <string.h>

#include "base/array.h"
#include "base/sum.h"
#include "model/account.h"
#include "model/one_key.h"
#include "model/private.h"

/* A new, zeroed element at the end of m->name[]. */
#define APPEND(m, name)                                                            \
	((m)->name = array_grow((m)->name, (m)->name##_count, sizeof(*(m)->name)), \
	 &(m)->name[(m)->name##_count++])

/*
 * A watch may go on for months: of each kind there is room for so many, and what is of least
 * weight goes. As what comes later must outweigh it, even the names kept of what has gone are
 * few.
 */
#define STALLS_MAX    4096
#define MOVES_MAX     4096
#define SLOWLOG_MAX   1024
#define LARGE_MAX     1024
#define LATENCIES_MAX 1024
#define LIFE_MAX      1024
#define CHILDREN_MAX  256
#define PASSED_MAX    512
#define KEYS_MAX      4096
#define CLIENTS_MAX   1024
#define WRITERS_KEPT  64
#define MAPPINGS_MAX  8192
/* Of things that have a name, as sensors, and are few; what is beyond is not kept. */
#define NAMED_MAX 256

static double stall_weight(const void *row)
{
	return ((const struct stall_row *)row)->stall.duration_seconds;
}

static double move_weight(const void *row)
{
	const struct record_rss_move *move = &((const struct rss_move_row *)row)->move;

	return fabs((double)move->to_bytes - (double)move->from_bytes);
}

static double slowlog_weight(const void *row)
{
	return ((const struct slowlog_row *)row)->entry.seconds;
}

static double large_weight(const void *row)
{
	return (double)((const struct large_row *)row)->entry.bytes;
}

static double latency_weight(const void *row)
{
	return ((const struct latency_row *)row)->event.latest_seconds;
}

/* Of the server's life the newest. */
static double life_weight(const void *row)
{
	return ((const struct life_row *)row)->life.t_seconds;
}

/* Of children those that live, then those that had most. */
static double child_weight(const void *row)
{
	const struct record_child *child = &((const struct child_row *)row)->child;

	return isnan(child->t_end_seconds) ? INFINITY : (double)child->private_bytes;
}

static double key_weight(const void *row)
{
	return (double)((const struct key_row *)row)->key.bytes;
}

static double client_weight(const void *row)
{
	return (double)((const struct client_row *)row)->client.memory_bytes;
}

static double writer_weight(const void *row)
{
	return (double)((const struct writer_row *)row)->writer.written_bytes;
}

/* Is there room for one more of that weight among @count rows, or is it made? */
static bool room_for(void *rows, size_t *count, size_t size, size_t max, double weight,
		     double (*weight_of)(const void *row))
{
	char *row = rows, *least = rows;

	if (*count < max)
		return true;
	for (size_t i = 1; i < *count; i++)
		if (!(weight_of(row + i * size) >= weight_of(least)))
			least = row + i * size;
	if (!(weight > weight_of(least)))
		return false;
	memmove(least, least + size, (size_t)(row + *count * size - least) - size);
	(*count)--;
	return true;
}

#define ROOM_FOR(m, name, max, weight, weight_of) \
	room_for((m)->name, &(m)->name##_count, sizeof(*(m)->name), max, weight, weight_of)

static bool stall_has_room(struct model *m, const struct record_stall *stall)
{
	double seconds = stall->duration_seconds;

	if (m->stalls_count < STALLS_MAX)
		return true;
	m->stalls_left_out++;
	return ROOM_FOR(m, stalls, STALLS_MAX, seconds, stall_weight);
}

/* The log is read more than once and holds the same entry each time. */
static bool slowlog_is_new(const struct model *m, const struct record_slowlog *record)
{
	for (size_t i = 0; i < m->slowlog_count; i++)
		if (m->slowlog[i].entry.id == record->id &&
		    m->slowlog[i].entry.unix_seconds == record->unix_seconds)
			return false;
	return true;
}

static bool large_is_new(const struct model *m, const struct record_large *record)
{
	for (size_t i = 0; i < m->large_count; i++)
		if (m->large[i].entry.id == record->id &&
		    m->large[i].entry.reply == record->reply &&
		    m->large[i].entry.unix_seconds == record->unix_seconds)
			return false;
	return true;
}

/* LATENCY LATEST may be asked more than once and tells the same until there is more. */
static bool latency_is_new(const struct model *m, const struct record_latency *record)
{
	for (size_t i = 0; i < m->latency_count; i++)
		if (m->latency[i].event.unix_seconds == record->unix_seconds &&
		    !strcmp(m->latency[i].event.event, record->event))
			return false;
	return true;
}

/* Is it to be kept? Before its strings are. */
static bool is_kept(struct model *m, const struct record *record)
{
	const struct record_rss_move *move = &record->rss_move;

	switch (record->kind) {
	case RECORD_STALL:
		return stall_has_room(m, &record->stall);
	case RECORD_RSS_MOVE:
		return ROOM_FOR(m, rss_moves, MOVES_MAX,
				fabs((double)move->to_bytes - (double)move->from_bytes),
				move_weight);
	case RECORD_SLOWLOG:
		return slowlog_is_new(m, &record->slowlog) &&
		       ROOM_FOR(m, slowlog, SLOWLOG_MAX, record->slowlog.seconds, slowlog_weight);
	case RECORD_LARGE:
		return large_is_new(m, &record->large) &&
		       ROOM_FOR(m, large, LARGE_MAX, (double)record->large.bytes, large_weight);
	case RECORD_LATENCY:
		return latency_is_new(m, &record->latency) &&
		       ROOM_FOR(m, latency, LATENCIES_MAX, record->latency.latest_seconds,
				latency_weight);
	case RECORD_LIFE:
		return ROOM_FOR(m, life, LIFE_MAX, record->life.t_seconds, life_weight);
	default:
		return true;
	}
}

/* A sensor's state may change in the watch: the last word counts, its place stays. */
static void take_sensor(struct model *m, const struct record_sensor *record)
{
	size_t i = 0;

	while (i < m->sensors_count && strcmp(m->sensors[i].sensor.id, record->id))
		i++;
	if (i == NAMED_MAX)
		return;
	if (i == m->sensors_count)
		APPEND(m, sensors);
	m->sensors[i].sensor = *record;
}

static void take_host(struct model *m, const struct record_host *record)
{
	if (!m->have_host)
		m->host_start = *record;
	m->host_end = *record;
	m->have_host = true;
}

static void take_cpu_limit(struct model *m, const struct record_cpu_limit *record)
{
	size_t i = 0;

	while (i < m->cpu_limits_count && strcmp(m->cpu_limits[i].end.cgroup, record->cgroup))
		i++;
	if (i == NAMED_MAX)
		return;
	if (i == m->cpu_limits_count)
		APPEND(m, cpu_limits)->start = *record;
	m->cpu_limits[i].end = *record;
}

static void take_held(struct model *m, const struct record_held *record)
{
	size_t i = 0;

	while (i < m->held_count && strcmp(m->held[i].held.name, record->name))
		i++;
	if (i == NAMED_MAX)
		return;
	if (i == m->held_count)
		APPEND(m, held);
	m->held[i].held = *record;
}

static bool is_window(const struct record_mapping *mapping)
{
	return !strcmp(mapping->phase, "window");
}

/* Has the server's been read before in the same phase? Then another reading begins. */
static bool begins_reading(const struct model *m, const struct record_mapping *record)
{
	if (record->pid != m->target.pid)
		return false;
	for (size_t i = 0; i < m->mappings_count; i++) {
		const struct record_mapping *row = &m->mappings[i].mapping;

		if (row->pid == record->pid && is_window(row) &&
		    (!is_window(record) || !strcmp(row->class_name, record->class_name)))
			return true;
	}
	return false;
}

/* Of those read where windows end the last reading is enough, and none when all is over. */
static void take_mapping(struct model *m, const struct record_mapping *record)
{
	size_t kept = 0;

	if (begins_reading(m, record)) {
		for (size_t i = 0; i < m->mappings_count; i++)
			if (!is_window(&m->mappings[i].mapping))
				m->mappings[kept++] = m->mappings[i];
		m->mappings_count = kept;
	}
	if (m->mappings_count < MAPPINGS_MAX)
		APPEND(m, mappings)->mapping = *record;
}

static void take_child(struct model *m, const struct record_child *record)
{
	struct record_child *child;
	int64_t rss, private;
	size_t i = 0;

	while (i < m->children_count && m->children[i].child.pid != record->pid)
		i++;
	if (i == m->children_count) {
		/* the first word of one: it lives */
		ROOM_FOR(m, children, CHILDREN_MAX, INFINITY, child_weight);
		i = m->children_count;
		APPEND(m, children)->child = *record;
	}
	child = &m->children[i].child;
	rss = larger(child->rss_bytes, record->rss_bytes);
	private = larger(child->private_bytes, record->private_bytes);
	*child = *record;
	child->rss_bytes = rss;
	child->private_bytes = private;
}

/* Told of each window that a model is of. */
static void take_writer(struct model *m, const struct record_writer *record)
{
	struct writer_row row = { *record };
	size_t i = 0;

	while (i < m->writers_count && (m->writers[i].writer.pid != record->pid ||
					strcmp(m->writers[i].writer.name, record->name) != 0))
		i++;
	if (i < m->writers_count) {
		row.writer.written_bytes =
			sum_of(m->writers[i].writer.written_bytes, record->written_bytes);
	} else {
		if (!ROOM_FOR(m, writers, WRITERS_KEPT, writer_weight(&row), writer_weight))
			return;
		i = m->writers_count;
		APPEND(m, writers);
	}
	for (; i > 0 && writer_weight(&m->writers[i - 1]) < writer_weight(&row); i--)
		m->writers[i] = m->writers[i - 1];
	m->writers[i] = row;
}

static bool same_key(const struct record_key *a, const struct record_key *b)
{
	return a->db == b->db && a->key.len && bytes_same(a->key, b->key);
}

/* Drawn at random, or looked at: that may be more than once, and the last look counts. */
static void take_key(struct model *m, const struct record_key *record)
{
	size_t i = 0;

	if (record->source == KEY_SOURCE_SAMPLE) {
		users_add_key(m->priv->users, record);
		return;
	}
	while (i < m->keys_count && !same_key(&m->keys[i].key, record))
		i++;
	if (i == m->keys_count) {
		if (!ROOM_FOR(m, keys, KEYS_MAX, (double)record->bytes, key_weight))
			return;
		i = m->keys_count;
		APPEND(m, keys);
	}
	m->keys[i].key = *record;
}

/* It is told again at the end of each chunk. */
static void take_client(struct model *m, const struct record_client *record)
{
	size_t i = 0;

	while (i < m->clients_count &&
	       (record->id == RECORD_UNKNOWN || m->clients[i].client.id != record->id))
		i++;
	if (i == m->clients_count) {
		if (!ROOM_FOR(m, clients, CLIENTS_MAX, (double)record->memory_bytes, client_weight))
			return;
		i = m->clients_count;
		APPEND(m, clients);
	}
	m->clients[i].client = *record;
}

/* The rows of a pass; those of another begin with all. */
static void take_passed(struct model *m, const struct record_passed *record)
{
	if (!strcmp(record->what, "all")) {
		m->passed_count = 0;
		m->passed_before_ns = RECORD_UNKNOWN;
		m->passed_wall_ns = m->session.wall_start_ns > 0 && isfinite(record->t_seconds) ?
					    sum_of(m->session.wall_start_ns,
						   sum_whole(record->t_seconds * 1e9)) :
					    RECORD_UNKNOWN;
	}
	if (m->passed_count < PASSED_MAX)
		*APPEND(m, passed) = (struct passed_row){ *record, RECORD_UNKNOWN };
}

/* Of these each is a row. */
static void append_kept(struct model *m, const struct record *record)
{
	switch (record->kind) {
	case RECORD_WRITER:
		take_writer(m, &record->writer);
		break;
	case RECORD_STRINGS:
		APPEND(m, strings)->strings = record->strings;
		break;
	case RECORD_RSS_MOVE:
		APPEND(m, rss_moves)->move = record->rss_move;
		break;
	case RECORD_SLOWLOG:
		APPEND(m, slowlog)->entry = record->slowlog;
		break;
	case RECORD_LARGE:
		APPEND(m, large)->entry = record->large;
		break;
	case RECORD_LATENCY:
		APPEND(m, latency)->event = record->latency;
		break;
	case RECORD_CLIENT:
		take_client(m, &record->client);
		break;
	case RECORD_LIFE:
		APPEND(m, life)->life = record->life;
		break;
	case RECORD_PASSED:
		take_passed(m, &record->passed);
		break;
	default: /* of one key, or model_take() has had it */
		one_key_take(m, record);
		break;
	}
}

static void keep(struct model *m, const struct record *record)
{
	switch (record->kind) {
	case RECORD_SESSION:
		m->session = record->session;
		break;
	case RECORD_TARGET:
		m->target = record->target;
		break;
	case RECORD_SENSOR:
		take_sensor(m, &record->sensor);
		break;
	case RECORD_HOST:
		take_host(m, &record->host);
		break;
	case RECORD_CPU_LIMIT:
		take_cpu_limit(m, &record->cpu_limit);
		break;
	case RECORD_DISK:
		m->disk = record->disk;
		m->have_disk = true;
		break;
	case RECORD_MAPPING:
		take_mapping(m, &record->mapping);
		break;
	case RECORD_STALL:
		blame_stall(&APPEND(m, stalls)->stall, &record->stall, m->priv->rule);
		break;
	case RECORD_CHILD:
		take_child(m, &record->child);
		break;
	case RECORD_HELD:
		take_held(m, &record->held);
		break;
	case RECORD_KEY:
		take_key(m, &record->key);
		break;
	case RECORD_PURGE:
		m->purge = record->purge;
		m->have_purge = true;
		break;
	default:
		append_kept(m, record);
		break;
	}
}

void take_kept(struct model *m, const struct record *record)
{
	struct record own;

	if (!is_kept(m, record))
		return;
	own = intern_record(m->priv->keep, record);
	keep(m, &own);
}
