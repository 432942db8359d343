/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One pass over the keys; see keypass.h. Requests go out in chunks; a chunk holds
 * follow-up questions on keys looked at already, the first questions on new keys,
 * and the SCAN for the keys to come, so that one trip serves all three. Keys borrow
 * their names from the SCAN reply of their batch, which lives until its last key is
 * done.
 */
#define _GNU_SOURCE /* ppoll() */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/recent.h"
#include "redis/keypass_internal.h"
#include "redis/keyshape.h"
#include "redis/usage.h"

#define TICK_NS		100000000LL
#define HEALTH_NS	250000000LL
#define FIRST_HEALTH_NS 30000000LL
#define SPIN_NS		60000LL
#define REST_KEYS	1000 /* as redis-cli -i: 100 times SCAN with its 10 keys */
#define SCAN_MIN	10
#define SCAN_MAX	1000
#define SCAN_REPLY_MAX \
	16384 /* bytes of names a SCAN should bring at most: they wait in the
			       * server's memory until we have read them */
/* Of a server near its maxmemory: what waits there for us takes some kilobytes only. */
#define WINDOW_TIGHT	 64
#define SCAN_REPLY_TIGHT 2048
#define MEMORY_LIMIT	 0.99 /* of maxmemory: stop there... */
#define MEMORY_MARGIN	 0.95 /* ...when this was kept at the start */

/* --- SCAN ------------------------------------------------------------------ */

static bool is_scan_reply(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements == 2 &&
	       reply->element[0]->type == REDIS_REPLY_STRING && reply->element[0]->len > 0 &&
	       reply->element[0]->len < KEYPASS_CURSOR &&
	       reply->element[1]->type == REDIS_REPLY_ARRAY;
}

/* The keys of a SCAN reply that are new. */
static struct batch *batch_new(struct keypass *p, redisReply *reply)
{
	const redisReply *names = reply->element[1];
	struct batch *batch = xcalloc(1, sizeof(*batch) + names->elements * sizeof(*batch->keys));
	size_t bytes = 0;

	batch->reply = reply;
	snprintf(batch->cursor, sizeof(batch->cursor), "%s", p->cursor);
	for (size_t i = 0; i < names->elements; i++) {
		const redisReply *name = names->element[i];
		struct pass_key *key = &batch->keys[batch->count];

		if (name->type != REDIS_REPLY_STRING)
			continue;
		bytes += name->len;
		if (recent_seen(p->recent, name->str, name->len)) {
			p->result->repeats_total++;
			continue;
		}
		keypass_key_init(key, batch, name);
		batch->count++;
	}
	if (names->elements)
		p->name_bytes = (double)bytes / (double)names->elements;
	batch->left = batch->count;
	return batch;
}

static void adapt_scan(struct keypass *p, size_t got)
{
	if (got * 2 < (size_t)p->scan_count)
		p->scan_stretch = fmin(p->scan_stretch * 2, SCAN_MAX);
	else
		p->scan_stretch = fmax(p->scan_stretch / 2, 1);
}

static void scanned(struct keypass *p, redisReply *reply)
{
	struct batch *batch;

	p->scan_out = false;
	if (!is_scan_reply(reply)) {
		keypass_refuse(p, "SCAN", reply);
		freeReplyObject(reply);
		return;
	}
	adapt_scan(p, reply->element[1]->elements);
	batch = batch_new(p, reply);
	snprintf(p->cursor, sizeof(p->cursor), "%s", reply->element[0]->str);
	p->scan_done = !strcmp(p->cursor, "0");
	p->rest_keys += batch->count;
	p->waiting_keys += batch->count;
	*p->batches_end = batch;
	p->batches_end = &batch->next;
	if (!p->asking && batch->count)
		p->asking = batch;
	keypass_release_batches(p);
}

/* --- chunks --------------------------------------------------------------- */

static struct chunk *chunk_take(struct keypass *p)
{
	struct chunk *chunk = p->spare;

	if (chunk) {
		p->spare = chunk->next;
		chunk->next = NULL;
		chunk->count = chunk->at = chunk->weight = 0;
		chunk->names[0] = NULL;
		return chunk;
	}
	chunk = xcalloc(1, sizeof(*chunk));
	chunk->pass = p;
	return chunk;
}

static void chunk_done(struct chunk *chunk)
{
	struct keypass *p = chunk->pass;
	int64_t now = clock_mono_ns();
	int64_t since = p->done_ns > chunk->sent_ns ? p->done_ns : chunk->sent_ns;

	throttle_chunk(&p->throttle, chunk->weight, (double)(now - chunk->sent_ns) / 1e9,
		       (double)(now - since) / 1e9);
	hist_add(&p->result->latency, (uint64_t)(now - chunk->sent_ns), 1);
	p->done_ns = now;
	p->not_before_ns = now + (int64_t)(p->throttle.rest_seconds * 1e9);
	p->result->rested_seconds += p->throttle.rest_seconds;
	p->under_way--;
	chunk->next = p->spare;
	p->spare = chunk;
}

static void chunk_replied(void *ctx, redisReply *reply, double seconds)
{
	struct chunk *chunk = ctx;
	struct keypass *p = chunk->pass;
	struct question *q;

	(void)seconds;
	if (!reply) { /* lost: the pass ends, and frees this with the others */
		chunk->next = p->spare;
		p->spare = chunk;
		return;
	}
	q = &chunk->question[chunk->at++];
	if (q->what == ASK_SCAN)
		scanned(p, reply);
	else
		keypass_answered(p, q->key, q->what, reply);
	if (chunk->at == chunk->count)
		chunk_done(chunk);
}

static void add_name(struct chunk *chunk, const char *name)
{
	size_t i = 0;

	while (chunk->names[i] && chunk->names[i] != name)
		i++;
	if (i + 1 < CHUNK_NAMES)
		chunk->names[i] = name;
}

static void ask(struct keypass *p, struct chunk *chunk, struct pass_key *key, enum ask what)
{
	if (chunk->count == chunk->room) {
		chunk->room = chunk->room ? chunk->room * 2 : 64;
		chunk->question = xrealloc(chunk->question, chunk->room * sizeof(struct question));
	}
	chunk->question[chunk->count++] = (struct question){ key, what };
	chunk->weight++;
	if (what == ASK_USAGE && key->samples)
		chunk->weight += usage_commands(key->type, key->samples);
	add_name(chunk, keypass_command(key, what));
	keypass_format(p, &p->out, key, what);
}

/* What a chunk may take, in usual commands. */
static size_t window_of(const struct keypass *p)
{
	bool small = conn_tight(p->conn) && p->throttle.window > WINDOW_TIGHT;

	return small ? WINDOW_TIGHT : p->throttle.window;
}

/* How many keys SCAN should bring: a chunk's worth, fewer when their names are long,
 * more when most of what it looks at does not match. */
static void ask_scan(struct keypass *p, struct chunk *chunk)
{
	size_t per_key = 1 + !p->shapes + p->with_ttl + (p->lengths == ELEMENTS_ALL);
	double count = (double)window_of(p) / (double)per_key * p->scan_stretch;
	double bytes = conn_tight(p->conn) ? SCAN_REPLY_TIGHT : SCAN_REPLY_MAX;

	if (p->name_bytes > 0 && count > bytes / p->name_bytes)
		count = bytes / p->name_bytes;
	p->scan_count = count < SCAN_MIN ? SCAN_MIN : count > SCAN_MAX ? SCAN_MAX : (int)count;
	p->scan_out = true;
	ask(p, chunk, NULL, ASK_SCAN);
}

/* Fill a chunk with what there is to ask; false when there is nothing now. */
static bool chunk_fill(struct keypass *p, struct chunk *chunk)
{
	size_t window = window_of(p);

	buf_clear(&p->out);
	while (p->followups_count && chunk->weight < window) {
		struct question *q = &p->followups[--p->followups_count];

		ask(p, chunk, q->key, q->what);
	}
	while (p->asking && chunk->weight < window) {
		struct batch *batch = p->asking;
		struct pass_key *key = &batch->keys[batch->asked++];

		key->size_asked = !keypass_asks_kind_first(p, key);
		key->encoding_asked = !p->shapes || !key->size_asked;
		key->unanswered = key->size_asked + key->encoding_asked + p->with_ttl;
		if (key->size_asked)
			ask(p, chunk, key, ASK_USAGE);
		if (key->encoding_asked)
			ask(p, chunk, key, ASK_ENCODING);
		if (p->with_ttl)
			ask(p, chunk, key, ASK_TTL);
		else
			key->ttl_seconds = -1;
		p->waiting_keys--;
		/* On to the next batch with any: a batch of repeats alone is empty. */
		while (p->asking && p->asking->asked == p->asking->count)
			p->asking = p->asking->next;
	}
	if (!p->scan_out && !p->scan_done && p->waiting_keys < window)
		ask_scan(p, chunk);
	return chunk->count > 0;
}

/* --- the loop ---------------------------------------------------------------- */

static bool work_left(const struct keypass *p)
{
	return !p->scan_done || p->batches || p->under_way || p->followups_count;
}

static void end(struct keypass *p, enum keypass_end why)
{
	p->result->end = why;
	p->ended = true;
}

static int send_chunks(struct keypass *p)
{
	while (p->under_way < throttle_depth(&p->throttle) && clock_mono_ns() >= p->not_before_ns) {
		struct chunk *chunk = chunk_take(p);
		int rc;

		if (!chunk_fill(p, chunk)) {
			chunk->next = p->spare;
			p->spare = chunk;
			return 0;
		}
		chunk->sent_ns = clock_mono_ns();
		p->under_way++;
		p->result->commands_total += (int64_t)chunk->count;
		p->sent_total += (int64_t)chunk->count;
		rc = conn_send_raw(p->conn, chunk_replied, chunk, &p->out, chunk->count,
				   chunk->names);
		if (rc) {
			chunk->next = p->spare;
			p->spare = chunk;
			p->under_way--;
			if (rc != CONN_WITHHELD)
				return rc;
			end(p, PASS_MEMORY); /* it came near its limit meanwhile */
			return 0;
		}
	}
	return 0;
}

static void look_around(struct keypass *p, int64_t now)
{
	if (now >= p->tick_ns) {
		p->tick_ns = now + TICK_NS;
		if (p->tick(p->tick_ctx, p->result))
			end(p, PASS_INTERRUPTED);
		else if (throttle_hopeless(&p->throttle))
			end(p, PASS_LATENCY);
	}
	if (now >= p->health_ns) {
		p->health_ns = now + HEALTH_NS;
		keypass_ask_health(p);
	}
	if (p->used_ratio > MEMORY_LIMIT && p->used_ratio_start < MEMORY_MARGIN)
		end(p, PASS_MEMORY);
	if (p->options->interval_seconds > 0 && p->rest_keys >= REST_KEYS) {
		p->rest_keys = 0;
		p->not_before_ns = now + (int64_t)(p->options->interval_seconds * 1e9);
		p->result->rested_seconds += p->options->interval_seconds;
	}
}

/* A small chunk is back before this process could be asleep and awake again. */
static bool spin(const struct keypass *p, struct pollfd *fd)
{
	int64_t until = clock_mono_ns() + SPIN_NS;

	if (!p->under_way || p->throttle.rest_seconds > 0)
		return false;
	while (clock_mono_ns() < until)
		if (poll(fd, 1, 0) > 0)
			return true;
	return false;
}

/* Wait for replies, the next chunk's turn or the next tick. */
static int wait_and_dispatch(struct keypass *p)
{
	struct pollfd fd = { .fd = conn_fd(p->conn), .events = conn_poll_events(p->conn) };
	int64_t now, until = p->tick_ns, left;
	struct timespec timeout;

	if (spin(p, &fd))
		return conn_dispatch(p->conn, fd.revents);
	now = clock_mono_ns();
	if (p->not_before_ns > now && p->not_before_ns < until)
		until = p->not_before_ns;
	left = until > now ? until - now : 0;
	timeout.tv_sec = left / 1000000000;
	timeout.tv_nsec = left % 1000000000;
	if (ppoll(&fd, 1, &timeout, NULL) < 0)
		return errno == EINTR ? 0 : -errno;
	return conn_dispatch(p->conn, fd.revents);
}

static int loop(struct keypass *p)
{
	int rc = 0;

	while (!rc && !p->refusal.code && !p->ended && work_left(p)) {
		rc = send_chunks(p);
		/* What is queued goes out now, not after the next reply. */
		if (!rc && conn_poll_events(p->conn) & POLLOUT)
			rc = conn_dispatch(p->conn, POLLOUT);
		if (!rc)
			rc = wait_and_dispatch(p);
		look_around(p, clock_mono_ns());
	}
	return rc;
}

/* Replies still to come belong to a pass that is over: take them and forget. */
static int drain(struct keypass *p)
{
	int64_t deadline = clock_mono_ns() + 2000000000LL;
	int rc = 0;

	p->draining = true;
	p->not_before_ns = 0;
	p->tick_ns = deadline;
	while (!rc && conn_pending(p->conn) && clock_mono_ns() < deadline)
		rc = wait_and_dispatch(p);
	return rc || !conn_pending(p->conn) ? rc : -ETIMEDOUT;
}

static void pass_free(struct keypass *p)
{
	struct batch *batch;
	struct chunk *chunk;

	while ((batch = p->batches)) {
		p->batches = batch->next;
		freeReplyObject(batch->reply);
		free(batch);
	}
	while ((chunk = p->spare)) {
		p->spare = chunk->next;
		free(chunk->question);
		free(chunk);
	}
	keypass_names_free(p);
	free(p->followups);
	buf_free(&p->out);
	recent_free(p->recent);
	key_shapes_free(p->shapes);
	free(p);
}

static void finish(struct keypass *p, int rc, int64_t start_ns)
{
	struct keypass_result *r = p->result;
	const char *cursor = p->batches ? p->batches->cursor : p->cursor;

	if (rc)
		r->end = PASS_LOST;
	else if (!p->ended && !p->refusal.code)
		r->end = PASS_COMPLETE;
	snprintf(r->cursor, sizeof(r->cursor), "%s", r->end == PASS_COMPLETE ? "0" : cursor);
	r->seconds += (double)(clock_mono_ns() - start_ns) / 1e9;
}

int keypass_run(struct conn *conn, const struct keypass_options *options,
		const struct record_sink *sink, keypass_tick_fn tick, void *ctx,
		struct keypass_result *result, struct err *err)
{
	struct keypass *p = xcalloc(1, sizeof(*p));
	int64_t start_ns = clock_mono_ns();
	int rc;

	*p = (struct keypass){ .conn = conn,
			       .options = options,
			       .sink = *sink,
			       .tick = tick,
			       .tick_ctx = ctx,
			       .result = result,
			       .scan_stretch = 1,
			       .recent = recent_new(),
			       .shapes = options->exact ? NULL : key_shapes_new(),
			       .tick_ns = start_ns + TICK_NS,
			       .health_ns = start_ns + FIRST_HEALTH_NS };
	p->batches_end = &p->batches;
	snprintf(p->cursor, sizeof(p->cursor), "%s", options->cursor ? options->cursor : "0");
	throttle_init(&p->throttle, options->max_seconds);
	rc = keypass_prepare(p);
	if (!rc) {
		keypass_ask_health(p); /* what others do counts from here */
		rc = loop(p);
	}
	if (rc == -EINTR) {
		end(p, PASS_INTERRUPTED);
		rc = 0;
	}
	finish(p, rc, start_ns);
	if (!rc)
		rc = drain(p);
	if (rc)
		err_set(err, rc, "%s",
			conn_error(conn)->code ? conn_error(conn)->text :
						 "connection: the server does not answer");
	else if (p->refusal.code)
		rc = err_set(err, p->refusal.code, "%s", p->refusal.text);
	/* Requests that wait still point to the pass: they end before it does. */
	if (conn_pending(conn))
		conn_hang_up(conn);
	pass_free(p);
	return rc;
}
