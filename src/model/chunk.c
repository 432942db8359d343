/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making chunks, and replaying them; see chunk.h.
 *
 * The bytes of a chunk are a head, a pack (record/pack.h) of the state at its start, and a pack of
 * what came. As in window.c more than one may be under way: one that has ended still gets what
 * happened in it and comes late, until a mark says that all has come.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/sum.h"
#include "record/pack.h"
#include "record/schema.h"
#include "redis/malloc_stats.h"
#include "model/chunk.h"
#include "model/chunk_rows.h"
#include "model/counted.h"
#include "model/private.h"
#include "model/state.h"
#include "model/moments.h"

#define MAGIC	  "RMCK1"
#define MAGIC_LEN (sizeof(MAGIC) - 1)
#define NONE	  SIZE_MAX
/* Ticks of a chunk, by their distance; a second's may come a little early. */
#define TICKS	  10
#define TICK_NEAR 0.75

/* Behind the magic, as redmem's machines have it in memory. */
struct head {
	double start_seconds, end_seconds;
	int64_t wall_start_ns;
	uint64_t state_len; /* bytes of the state's pack */
	uint64_t first;
};

/* Allocator calls, evenly picked: of those that came each @stride'th is here, and stands for those
 * up to the next. */
struct picked {
	struct record_call calls[CHUNK_CALLS];
	size_t count, stride, came;
};

/* Of a kind that comes with each tick: the newest, which may be too near to the one kept before. */
struct newest {
	size_t at; /* among the records; NONE */
	double kept_seconds;
};

/* A chunk under way. */
struct part {
	double start, end; /* INFINITY = it has not ended */
	double due;
	bool first;
	struct buf state; /* a pack that has not ended */
	struct packer *state_packer;
	struct state *latest; /* of what the last of a chunk is enough */
	struct keep *keep; /* of the strings of those below */
	struct record *records;
	size_t count;
	size_t kinds[RECORD_KINDS]; /* so many of each */
	struct newest tick, info; /* info: of a tick */
	struct picked *calls;
	struct chunk_rows *rows;
};

struct chunker {
	double seconds;
	void (*take)(void *ctx, const struct chunk *chunk);
	void *ctx;
	struct counted *counted; /* all that comes goes through it first */
	struct moments stream;
	struct part *parts; /* oldest first; the last one has not ended */
	size_t count;
	int64_t wall_start_ns; /* of t = 0 */
	bool begun; /* anything came */
	bool waiting; /* for chunker_begin(): what comes is state */
};

/* --- parts -------------------------------------------------------------------------- */

static void pack_state(void *ctx, const struct record *record)
{
	struct part *part = ctx;

	pack_record(&part->state, part->state_packer, record);
}

static void part_begin(struct chunker *c)
{
	struct part *part;

	c->parts = array_grow(c->parts, c->count, sizeof(*c->parts));
	part = &c->parts[c->count++];
	*part = (struct part){
		.start = c->stream.mark,
		.end = INFINITY,
		.due = moments_due(c->stream.mark, c->seconds),
		.first = !c->begun,
		.state_packer = packer_new(),
		.latest = state_new(),
		.keep = intern_new(),
		.tick = { NONE, -INFINITY },
		.info = { NONE, -INFINITY },
		.rows = chunk_rows_new(),
	};
	state_emit(c->stream.state, &(struct record_sink){ pack_state, part });
}

static void part_free(struct part *part)
{
	buf_free(&part->state);
	packer_free(part->state_packer);
	state_free(part->latest);
	intern_free(part->keep);
	free(part->records);
	free(part->calls);
	chunk_rows_free(part->rows);
}

static struct record *part_append(struct part *part, const struct record *record)
{
	struct record *own;

	part->records = array_grow(part->records, part->count, sizeof(*part->records));
	own = &part->records[part->count++];
	*own = intern_record(part->keep, record);
	part->kinds[record->kind]++;
	return own;
}

/* --- what is kept --------------------------------------------------------------------- */

static double weight(const struct record *record)
{
	switch (record->kind) {
	case RECORD_STALL:
		return record->stall.duration_seconds;
	case RECORD_RSS_MOVE:
		return fabs((double)record->rss_move.to_bytes -
			    (double)record->rss_move.from_bytes);
	case RECORD_SLOWLOG:
		return record->slowlog.seconds;
	case RECORD_LARGE:
		return (double)record->large.bytes;
	case RECORD_CLIENT:
		return (double)record->client.memory_bytes;
	case RECORD_KEY:
		return (double)record->key.bytes;
	default:
		return 0;
	}
}

/* Take the place of the one of its kind with the least weight, if that is less. */
static void displace(struct part *part, const struct record *record)
{
	struct record *least = NULL;

	for (size_t i = 0; i < part->count; i++) {
		struct record *other = &part->records[i];

		if (other->kind == record->kind && (!least || weight(other) < weight(least)))
			least = other;
	}
	if (least && weight(record) > weight(least))
		*least = intern_record(part->keep, record);
}

static void add_record(struct part *part, const struct record *record)
{
	if (part->kinds[record->kind] < CHUNK_KIND)
		part_append(part, record);
	else
		displace(part, record);
}

/* When there is no more room every other one goes. */
static void thin_calls(struct picked *p)
{
	for (size_t i = 0; i < CHUNK_CALLS / 2; i++) {
		p->calls[i] = p->calls[2 * i];
		sum_add(&p->calls[i].calls, p->calls[2 * i + 1].calls);
	}
	p->count = CHUNK_CALLS / 2;
	p->stride *= 2;
}

static void add_call(struct part *part, const struct record *record)
{
	struct picked *p = part->calls;
	struct record_call *own;

	if (!p) {
		p = part->calls = xcalloc(1, sizeof(*p));
		p->stride = 1;
	}
	if (p->came++ % p->stride) {
		sum_add(&p->calls[p->count - 1].calls, call_count(&record->call));
		return;
	}
	if (p->count == CHUNK_CALLS)
		thin_calls(p);
	own = &p->calls[p->count++];
	*own = intern_record(part->keep, record).call;
	own->calls = call_count(&record->call);
}

static bool is_of_tick(const struct record *record)
{
	return record_is_phase(record, "tick") || record_is_phase(record, "event");
}

/* One newer than @newest comes, which is dropped when it is too near to the one before it. The
 * record, unless it was. */
static struct record *settle_newest(const struct chunker *c, struct part *part,
				    struct newest *newest)
{
	struct record *record = newest->at == NONE ? NULL : &part->records[newest->at];
	double t;

	newest->at = NONE;
	if (!record)
		return NULL;
	t = record->kind == RECORD_TICK ? record->tick.t_seconds : record->info.t_seconds;
	if (t < newest->kept_seconds + c->seconds / TICKS * TICK_NEAR) {
		record->kind = RECORD_KINDS; /* none */
		return NULL;
	}
	newest->kept_seconds = t;
	return record;
}

static void add_tick(const struct chunker *c, struct part *part, const struct record *record)
{
	settle_newest(c, part, &part->tick);
	part->tick.at = part->count;
	part_append(part, record);
}

/* Of the one before only the timeline knows any more. */
static void add_info(const struct chunker *c, struct part *part, const struct record *record)
{
	struct record *before = settle_newest(c, part, &part->info);
	struct buf lines = { 0 };

	if (before) {
		timeline_info_lines(&lines, before->info.text);
		before->info.text = intern_string(part->keep, buf_str(&lines));
		buf_free(&lines);
	}
	if (is_of_tick(record))
		part->info.at = part->count;
	part_append(part, record);
}

/* Of jemalloc's text what is parsed: its counters are as long again, and never twice the same. */
static void add_malloc_stats(struct part *part, const struct record *record)
{
	struct malloc_stats *stats;
	struct record own = *record;
	struct buf text = { 0 };
	struct err err;

	if (malloc_stats_parse(&stats, record->malloc_stats.text, &err)) {
		add_record(part, record);
		return;
	}
	malloc_stats_write(&text, stats);
	own.malloc_stats.text = buf_str(&text);
	add_record(part, &own);
	buf_free(&text);
	malloc_stats_free(stats);
}

static bool is_latest(enum record_kind kind)
{
	return kind == RECORD_SELF || kind == RECORD_TOTALS || kind == RECORD_BUDGET ||
	       kind == RECORD_OWN_CALLS;
}

static void add_to(const struct chunker *c, struct part *part, const struct record *record)
{
	struct record own = *record;

	record_no_null(&own);
	if (own.kind == RECORD_PROFILE && chunk_rows_add(part->rows, &own.profile))
		return;
	if (own.kind == RECORD_CALL)
		add_call(part, &own);
	else if (own.kind == RECORD_TICK)
		add_tick(c, part, &own);
	else if (own.kind == RECORD_INFO)
		add_info(c, part, &own);
	else if (own.kind == RECORD_MALLOC_STATS)
		add_malloc_stats(part, &own);
	else if (is_latest(own.kind) && isinf(part->end))
		state_take(part->latest, &own);
	else
		add_record(part, &own);
}

static void append(void *ctx, const struct record *record)
{
	part_append(ctx, record);
}

/* What does not say when it was belongs before the mark that ends the part. */
static void part_settle(struct part *part)
{
	state_emit(part->latest, &(struct record_sink){ append, part });
	state_free(part->latest);
	part->latest = state_new();
}

/* --- handing over ---------------------------------------------------------------------- */

struct packing {
	struct buf *out;
	struct packer *packer;
};

static void pack(void *ctx, const struct record *record)
{
	struct packing *p = ctx;

	pack_record(p->out, p->packer, record);
}

static void pack_calls(const struct picked *p, struct packing *out)
{
	for (size_t i = 0; p && i < p->count; i++) {
		struct record record = { .kind = RECORD_CALL, .call = p->calls[i] };

		if (record.call.calls == 1)
			record.call.calls = RECORD_UNKNOWN;
		pack(out, &record);
	}
}

static void part_pack(struct part *part, struct buf *out)
{
	struct packing to = { out, packer_new() };
	struct record mark = { .kind = RECORD_MARK };

	for (size_t i = 0; i < part->count; i++)
		pack(&to, &part->records[i]);
	pack_calls(part->calls, &to);
	chunk_rows_emit(part->rows, &(struct record_sink){ pack, &to });
	mark.mark.t_seconds = mark.mark.drained_seconds = part->end;
	if (isfinite(part->end))
		pack(&to, &mark);
	pack_end(out, to.packer);
	packer_free(to.packer);
}

static int64_t wall_of(const struct chunker *c, double t)
{
	return c->wall_start_ns == RECORD_UNKNOWN ? RECORD_UNKNOWN :
						    sum_of(c->wall_start_ns, sum_whole(t * 1e9));
}

/* Hand over the oldest; @end: where it ends when no mark has ended it. */
static void part_finish(struct chunker *c, double end)
{
	struct part *part = &c->parts[0];
	struct buf out = { 0 };
	struct head head = { part->start, isinf(part->end) ? end : part->end,
			     wall_of(c, part->start), 0, part->first };

	if (!part->first)
		pack_end(&part->state, part->state_packer);
	head.state_len = part->state.len;
	buf_add(&out, MAGIC, MAGIC_LEN);
	buf_add(&out, &head, sizeof(head));
	buf_add(&out, part->state.data, part->state.len);
	part_pack(part, &out);
	c->take(c->ctx, &(struct chunk){ .start_seconds = head.start_seconds,
					 .end_seconds = head.end_seconds,
					 .wall_start_ns = head.wall_start_ns,
					 .first = part->first,
					 .data = out.data,
					 .len = out.len });
	buf_free(&out);
	part_free(part);
	memmove(part, part + 1, --c->count * sizeof(*part));
}

/* --- the stream ------------------------------------------------------------------------- */

void chunker_free(struct chunker *c)
{
	if (!c)
		return;
	while (c->count)
		part_free(&c->parts[--c->count]);
	free(c->parts);
	counted_free(c->counted);
	moments_clear(&c->stream);
	free(c);
}

static bool is_due(const struct chunker *c, double t)
{
	const struct part *last = &c->parts[c->count - 1];

	return moments_is_due(last->due, last->start, t);
}

bool chunker_end_at(const struct chunker *chunker, double t_seconds)
{
	return is_due(chunker, t_seconds);
}

static void take_mark(struct chunker *c, const struct record *record)
{
	struct part *last = &c->parts[c->count - 1];

	if (is_due(c, record->mark.t_seconds)) {
		part_settle(last);
		part_append(last, record);
		last->end = record->mark.t_seconds;
		part_begin(c);
	} else {
		add_record(last, record);
	}
	while (c->count > 1 && c->parts[0].end <= record->mark.drained_seconds)
		part_finish(c, INFINITY);
}

/* The part it happened in; that is over and gone: the oldest there is. */
static size_t part_of(const struct chunker *c, double t)
{
	size_t i = 0;

	if (isnan(t))
		return c->count - 1;
	while (i + 1 < c->count && t > c->parts[i].end)
		i++;
	return i;
}

static void chunker_take(void *ctx, const struct record *record)
{
	struct chunker *c = ctx;
	struct moment moment;
	size_t i;

	if (!record_schema(record->kind))
		return;
	/* A session begins with itself, and the state of a chunk with a mark. */
	if (!c->begun)
		c->waiting = record->kind == RECORD_MARK;
	c->begun = true;
	if (record->kind == RECORD_SESSION)
		c->wall_start_ns = record->session.wall_start_ns;
	if (!moments_read(&c->stream, record, &moment))
		return;
	if (record->kind == RECORD_MARK) {
		if (!c->waiting)
			take_mark(c, record);
		return;
	}
	if (c->waiting) {
		moments_keep(&c->stream, &moment);
		return;
	}
	i = part_of(c, moment.t);
	if (!moment.again)
		add_to(c, &c->parts[i], record);
	/* A state that comes late is what the parts after it began with. */
	for (i++; i < c->count && state_is(record); i++)
		pack_state(&c->parts[i], &moment.record);
	moments_keep(&c->stream, &moment);
}

struct chunker *chunker_new(double seconds, void (*take)(void *ctx, const struct chunk *chunk),
			    void *ctx)
{
	struct chunker *c = xcalloc(1, sizeof(*c));

	c->seconds = seconds;
	c->take = take;
	c->ctx = ctx;
	c->wall_start_ns = RECORD_UNKNOWN;
	c->counted = counted_new(&(struct record_sink){ chunker_take, c });
	moments_init(&c->stream);
	part_begin(c);
	return c;
}

struct record_sink chunker_sink(struct chunker *chunker)
{
	return counted_sink(chunker->counted);
}

void chunker_begin(struct chunker *c)
{
	while (c->count)
		part_free(&c->parts[--c->count]);
	c->waiting = false;
	part_begin(c);
}

void chunker_end(struct chunker *c)
{
	counted_flush(c->counted);
	part_settle(&c->parts[c->count - 1]);
	while (c->count > 1)
		part_finish(c, INFINITY);
	if (c->begun)
		part_finish(c, fmax(c->stream.now, c->parts[0].start));
}

/* --- replaying ------------------------------------------------------------------------- */

static int read_head(struct head *head, const void *data, size_t len, struct err *err)
{
	const char *bytes = data;

	if (len < MAGIC_LEN + sizeof(*head) || memcmp(bytes, MAGIC, MAGIC_LEN) != 0)
		return err_set(err, -EBADMSG, "chunk: no chunk of redmem's");
	memcpy(head, bytes + MAGIC_LEN, sizeof(*head));
	if (!isfinite(head->start_seconds) || !(head->end_seconds >= head->start_seconds) ||
	    isinf(head->end_seconds) || head->state_len > len - MAGIC_LEN - sizeof(*head) ||
	    head->first != !head->state_len)
		return err_set(err, -EBADMSG, "chunk: its head is damaged");
	return 0;
}

int chunk_open(struct chunk *chunk, const void *data, size_t len, struct err *err)
{
	struct head head;
	int ret = read_head(&head, data, len, err);

	if (ret)
		return ret;
	*chunk = (struct chunk){ .start_seconds = head.start_seconds,
				 .end_seconds = head.end_seconds,
				 .wall_start_ns = head.wall_start_ns,
				 .first = head.first,
				 .data = data,
				 .len = len };
	return 0;
}

int chunk_replay_state(const struct chunk *chunk, const struct record_sink *sink, struct err *err)
{
	struct record mark = { .kind = RECORD_MARK };
	struct head head;
	int ret = read_head(&head, chunk->data, chunk->len, err);

	if (ret || head.first)
		return ret;
	mark.mark.t_seconds = mark.mark.drained_seconds = head.start_seconds;
	record_emit(sink, &mark);
	return pack_replay((const char *)chunk->data + MAGIC_LEN + sizeof(head), head.state_len,
			   sink, err);
}

int chunk_replay(const struct chunk *chunk, bool go_on, const struct record_sink *sink,
		 struct err *err)
{
	struct head head;
	int ret = go_on ? 0 : chunk_replay_state(chunk, sink, err);
	size_t before;

	if (!ret)
		ret = read_head(&head, chunk->data, chunk->len, err);
	if (ret)
		return ret;
	before = MAGIC_LEN + sizeof(head) + head.state_len;
	return pack_replay((const char *)chunk->data + before, chunk->len - before, sink, err);
}
