/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Windows: what adds up adds up, nothing is lost between two and nothing is in both.
 *
 *	test_window [RECORDING...]	the same of these recordings
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "record/recording.h"
#include "model/window.h"
#include "fake_stream.h"
#include "model_records.h"

/* --- all numbers that add up, by name -------------------------------------------- */

struct number {
	char name[160];
	double sum;
};

struct numbers {
	struct number *rows;
	size_t count;
	size_t windows;
	double seconds; /* of all windows */
	double end; /* of the last one */
};

static void add(struct numbers *n, const char *what, const char *of, double value)
{
	char name[160];

	snprintf(name, sizeof(name), "%s %s", what, of);
	if (!isfinite(value) || value == 0)
		return;
	for (size_t i = 0; i < n->count; i++) {
		if (strcmp(n->rows[i].name, name) != 0)
			continue;
		n->rows[i].sum += value;
		return;
	}
	n->rows = xrealloc(n->rows, (n->count + 1) * sizeof(*n->rows));
	n->rows[n->count] = (struct number){ .sum = value };
	memcpy(n->rows[n->count++].name, name, sizeof(name));
}

static void add_int(struct numbers *n, const char *what, const char *of, int64_t value)
{
	if (value != RECORD_UNKNOWN)
		add(n, what, of, (double)value);
}

static void add_charge(struct numbers *n, const char *of, const struct charge *c)
{
	add_int(n, "cpu_samples", of, c->cpu_samples);
	add(n, "cpu_seconds", of, c->cpu_seconds);
	add(n, "allocator_seconds", of, c->allocator_seconds);
	add(n, "kernel_seconds", of, c->kernel_seconds);
	add(n, "minor_faults", of, c->minor_faults);
	add(n, "cow_faults", of, c->cow_faults);
	add_int(n, "major_faults", of, c->major_faults);
	add_int(n, "swap_faults", of, c->swap_faults);
	add(n, "fault_seconds", of, c->fault_seconds);
	add(n, "swap_fault_seconds", of, c->swap_fault_seconds);
	add(n, "cpu_wait_seconds", of, c->cpu_wait_seconds);
	add(n, "io_wait_seconds", of, c->io_wait_seconds);
	add(n, "reclaim_seconds", of, c->reclaim_seconds);
	add_int(n, "flow_hits", of, c->flow_hits);
}

/* Bytes that no hit told of are given to who had some lately (model/unseen.c), and a window knows
 * less of that than the whole: by name they are an estimate, in sum they are exact. */
static void add_bytes(struct numbers *n, const char *of, const struct charge *c)
{
	add(n, "alloc_bytes", of, c->alloc_bytes);
	add(n, "free_bytes", of, c->free_bytes);
}

static void add_rows(struct numbers *n, const struct model *m)
{
	char name[128];

	for (size_t i = 0; i < m->commands_count; i++) {
		snprintf(name, sizeof(name), "command %s", m->commands[i].command);
		add_charge(n, name, &m->commands[i].charge);
		add_bytes(n, "commands", &m->commands[i].charge);
		add_int(n, "calls_timed", name, m->commands[i].latency.calls_total);
	}
	for (size_t i = 0; i < m->prefixes_count; i++) {
		snprintf(name, sizeof(name), "prefix %.*s", (int)m->prefixes[i].prefix_len,
			 m->prefixes[i].prefix);
		add_charge(n, name, &m->prefixes[i].charge);
	}
	for (size_t i = 0; i < m->threads_count; i++) {
		snprintf(name, sizeof(name), "thread %s", m->threads[i].thread);
		add_charge(n, name, &m->threads[i].charge);
		add_bytes(n, name, &m->threads[i].charge);
	}
}

static void add_alloc(struct numbers *n, const struct alloc *a)
{
	static const char *const paths[CALL_PATHS] = { "fast", "slow", "fault" };
	char name[32];

	add(n, "alloc_bytes", "all", a->alloc_bytes);
	add(n, "free_bytes", "all", a->free_bytes);
	add_int(n, "hits", "all", a->flow_hits);
	add_int(n, "bursts", "all", a->bursts_total);
	add_int(n, "calls", "all", a->latency.calls_total);
	for (int path = 0; path < CALL_PATHS; path++) {
		add_int(n, "path_calls", paths[path], a->latency.path_calls[path]);
		add(n, "path_seconds", paths[path], a->latency.path_seconds[path]);
	}
	for (size_t i = 0; i < a->ticks_count; i++) {
		add(n, "alloc_bytes", "ticks", a->ticks[i].alloc_bytes);
		add(n, "free_bytes", "ticks", a->ticks[i].free_bytes);
	}
	for (size_t i = 0; i < a->classes_count; i++) {
		snprintf(name, sizeof(name), "class %lld", (long long)a->classes[i].size_bytes);
		add(n, "alloc_bytes", name, a->classes[i].alloc_bytes);
		add(n, "free_bytes", name, a->classes[i].free_bytes);
		add_int(n, "calls", name, a->classes[i].calls_total);
		add_int(n, "requested_bytes", name, a->classes[i].requested_bytes);
	}
}

static void add_events(struct numbers *n, const struct model *m)
{
	for (size_t i = 0; i < m->stalls_count; i++) {
		add_int(n, "stalls", m->stalls[i].stall.command, 1);
		for (int cause = 0; cause < CAUSES; cause++)
			add(n, "stalled", cause_table[cause].name,
			    m->stalls[i].stall.seconds[cause]);
	}
	add_int(n, "slowlog", "", (int64_t)m->slowlog_count);
	for (size_t i = 0; i < m->large_count; i++)
		add_int(n, "large", m->large[i].entry.command, m->large[i].entry.bytes);
	add_int(n, "latency", "", (int64_t)m->latency_count);
	add_int(n, "life", "", (int64_t)m->life_count);
	add_int(n, "rss_moves", "", (int64_t)m->rss_moves_count);
	add_int(n, "keys", "", (int64_t)m->keys_count);
	add_int(n, "sampled_keys", "", m->sampled_keys_total);
	add_int(n, "commands", "INFO", model_info_delta(m, "total_commands_processed"));
}

static void add_totals(struct numbers *n, const struct model *m)
{
	const struct record_totals *t = &m->totals;
	const struct record_self *s = &m->self;

	add(n, "window_seconds", "totals", t->window_seconds);
	add_int(n, "minor_faults", "totals", t->minor_faults);
	add_int(n, "major_faults", "totals", t->major_faults);
	add_int(n, "cow_faults", "totals", t->cow_faults);
	add_int(n, "context_switches", "totals", t->context_switches);
	add_int(n, "cpu_samples", "totals", t->cpu_samples);
	add_int(n, "reclaim_entries", "totals", t->reclaim_entries);
	add(n, "cpu_seconds", "self", s->cpu_seconds);
	add(n, "bpf_seconds", "self", s->bpf_seconds);
	add(n, "other_bpf_seconds", "self", s->other_bpf_seconds);
	add_int(n, "events_total", "self", s->events_total);
	add_int(n, "drops_total", "self", s->drops_total);
	add_int(n, "keys_gone_total", "self", s->keys_gone_total);
	add(n, "target_pause_seconds", "self", s->target_pause_seconds);
	add(n, "trap_seconds", "budget", m->alloc.budget.trap_seconds);
	add_int(n, "bursts_total", "budget", m->alloc.budget.bursts_total);
}

static void take_window(void *ctx, struct model *m, double start)
{
	struct numbers *n = ctx;

	/* no gap, no overlap */
	assert_true(n->windows == 0 || fabs(start - n->end) < 1e-9);
	n->windows++;
	n->seconds += m->duration_seconds;
	n->end = start + m->duration_seconds;
	add_rows(n, m);
	add_alloc(n, &m->alloc);
	add_events(n, m);
	add_totals(n, m);
	model_free(m);
}

static void assert_same(const struct numbers *a, const struct numbers *b)
{
	for (size_t i = 0; i < a->count; i++) {
		size_t j = 0;

		while (j < b->count && strcmp(a->rows[i].name, b->rows[j].name) != 0)
			j++;
		if (j == b->count)
			fail_msg("%s: %g in %zu windows, none in %zu", a->rows[i].name,
				 a->rows[i].sum, a->windows, b->windows);
		else if (fabs(a->rows[i].sum - b->rows[j].sum) > 1e-9 * fabs(a->rows[i].sum) + 1e-9)
			fail_msg("%s: %.17g in %zu windows, %.17g in %zu", a->rows[i].name,
				 a->rows[i].sum, a->windows, b->rows[j].sum, b->windows);
	}
}

#define SECONDS 10

/* --- tests ---------------------------------------------------------------------------- */

static void numbers_free(struct numbers *n)
{
	free(n->rows);
}

static void test_sums(void **state)
{
	struct numbers one = { 0 }, ten = { 0 }, all = { 0 }, two = { 0 };
	struct windows *windows = windows_new();
	struct record_sink sink = windows_sink(windows);

	(void)state;
	windows_open(windows, 1, take_window, &one);
	windows_open(windows, 10, take_window, &ten);
	windows_open(windows, INFINITY, take_window, &all);
	windows_open(windows, 2, take_window, &two);
	fake_stream_emit(&sink, SECONDS);
	windows_end(windows);
	windows_free(windows);
	assert_in_range(one.windows, 10, 11); /* what came behind the last mark is one */
	assert_in_range(ten.windows, 1, 2);
	assert_in_range(two.windows, 5, 6);
	assert_int_equal(all.windows, 1);
	assert_true(one.count > 100);
	assert_true(fabs(one.seconds - ten.seconds) < 1e-9);
	assert_true(fabs(one.seconds - all.seconds) < 1e-9);
	assert_same(&one, &ten);
	assert_same(&ten, &one);
	assert_same(&two, &ten);
	assert_same(&all, &one);
	assert_same(&one, &all);
	numbers_free(&one);
	numbers_free(&ten);
	numbers_free(&all);
	numbers_free(&two);
}

struct second {
	size_t count;
	double starts[32], lengths[32];
	int64_t minor_faults, commands;
	size_t ticks, sensors;
	int64_t wall_start_ns;
};

static void take_second(void *ctx, struct model *m, double start)
{
	struct second *s = ctx;

	s->starts[s->count] = start;
	s->lengths[s->count++] = m->duration_seconds;
	if (s->count == 4) {
		s->commands = model_info_delta(m, "total_commands_processed");
		s->ticks = m->timeline_count;
		s->sensors = m->sensors_count;
		s->wall_start_ns = m->session.wall_start_ns;
		assert_true(m->timeline[0].host.t_seconds < 0.001);
	}
	model_free(m);
}

/* Each ends at a second, knows the state it began with, and tells its own time. */
static void test_window_of_its_own(void **state)
{
	struct second s = { 0 };
	struct windows *windows = windows_new();
	struct record_sink sink = windows_sink(windows);

	(void)state;
	windows_open(windows, 1, take_second, &s);
	fake_stream_emit(&sink, SECONDS);
	/* The last but one is not finished before all of its time has come. */
	assert_int_equal(s.count, 9);
	windows_end(windows);
	windows_free(windows);
	for (size_t i = 1; i < 10; i++) {
		assert_true(s.starts[i] == s.starts[i - 1] + s.lengths[i - 1]);
		assert_true(fabs(s.starts[i] - (double)i) < 0.01);
	}
	assert_int_equal(s.sensors, 5);
	assert_int_equal(s.ticks, 2); /* that of its start, and that of its end */
	assert_int_equal(s.commands, 7 * (4 * 4 - 3 * 3)); /* from the replies of two ticks */
	assert_true(s.wall_start_ns / 1000000 ==
		    FAKE_STREAM_WALL * 1000 + (int64_t)(s.starts[3] * 1e3));
}

/* One that is opened in the middle begins at the last mark; the end hands over what there is. */
static void test_open_late(void **state)
{
	struct second early = { 0 }, late = { 0 };
	struct windows *windows = windows_new();
	struct record_sink sink = windows_sink(windows);
	struct fake_stream s = { .sink = &sink, .seed = 3 };

	(void)state;
	windows_open(windows, 4, take_second, &early);
	for (int i = 0; i < 5; i++)
		fake_stream_second(&s, i);
	windows_open(windows, 2, take_second, &late);
	for (int i = 5; i < 9; i++)
		fake_stream_second(&s, i);
	windows_end(windows);
	assert_int_equal(early.count, 3);
	assert_true(fabs(late.starts[0] - 5) < 0.01);
	assert_true(fabs(late.lengths[0] - 2) < 0.01);
	windows_free(windows);
}

/* --- what is asked where a window ends -------------------------------------------------- */

/* A window as its report has it. */
struct edge {
	int64_t commands, sets, redmem; /* INFO; commandstats without redmem's own */
	int64_t errors;
	bool memory; /* MALLOC-STATS, MEMORY STATS and mappings: all or none */
	int64_t rss;
	size_t slowlog, latency, keys;
	double stalled;
};

struct edges {
	size_t count;
	struct edge edge[16];
};

static int64_t calls_of_command(const struct model *m, const char *command)
{
	for (size_t i = 0; i < m->commands_count; i++)
		if (!strcmp(m->commands[i].command, command))
			return m->commands[i].calls_total;
	return 0;
}

static void take_edge(void *ctx, struct model *m, double start)
{
	struct edges *edges = ctx;
	struct edge *edge = &edges->edge[edges->count++];

	(void)start;
	edge->commands = model_info_delta(m, "total_commands_processed");
	edge->sets = calls_of_command(m, "set");
	edge->redmem = calls_of_command(m, "info");
	edge->errors = model_errors(m, "OOM");
	edge->memory = m->memory_stats;
	edge->rss = model_mapping_rss(m, "allocator");
	assert_true(edge->memory == (edge->rss != RECORD_UNKNOWN));
	edge->slowlog = m->slowlog_count;
	edge->latency = m->latency_count;
	edge->keys = m->keys_count;
	for (size_t i = 0; i < m->stalls_count; i++)
		edge->stalled += m->stalls[i].stall.duration_seconds;
	model_free(m);
}

static void emit_info(const struct record_sink *sink, double t, const char *phase, int64_t n)
{
	struct record info = record_new(RECORD_INFO), own = record_new(RECORD_OWN_CALLS);
	char text[256];
	int len;

	own.own_calls = (struct record_own_calls){ t, phase, "info", 10 * n };
	if (strcmp(phase, "start") != 0 && strcmp(phase, "tick") != 0)
		record_emit(sink, &own);
	len = snprintf(text, sizeof(text),
		       "total_commands_processed:%lld\r\n"
		       "# Errorstats\r\nerrorstat_OOM:count=%lld\r\n",
		       (long long)(1000 * n), (long long)(7 * n));
	if (strcmp(phase, "tick") != 0)
		snprintf(text + len, sizeof(text) - (size_t)len,
			 "cmdstat_set:calls=%lld,usec=1\r\ncmdstat_info:calls=%lld,usec=1\r\n",
			 (long long)(100 * n * n), (long long)(10 * n));
	info.info = (struct record_info){ t, phase, text };
	record_emit(sink, &info);
}

static void emit_memory(const struct record_sink *sink, double t, const char *phase, int64_t rss)
{
	struct record stats = record_new(RECORD_MEMORY_STATS);
	struct record mapping = record_new(RECORD_MAPPING);

	stats.memory_stats = (struct record_memory_stats){ t, phase, "total.allocated 1\n" };
	record_emit(sink, &stats);
	mapping.mapping.t_seconds = t;
	mapping.mapping.phase = phase;
	mapping.mapping.pid = 7;
	mapping.mapping.class_name = "allocator";
	mapping.mapping.rss_bytes = rss;
	record_emit(sink, &mapping);
}

static void emit_slowlog(const struct record_sink *sink, int64_t id, int64_t second)
{
	struct record slow = record_new(RECORD_SLOWLOG);

	slow.slowlog.id = id;
	slow.slowlog.unix_seconds = FAKE_STREAM_WALL + second;
	slow.slowlog.command = "del";
	record_emit(sink, &slow);
}

static void emit_mark(const struct record_sink *sink, double t, double drained)
{
	struct record mark = record_new(RECORD_MARK);

	mark.mark = (struct record_mark){ t, drained };
	record_emit(sink, &mark);
}

static void emit_begin(const struct record_sink *sink)
{
	struct record session = record_new(RECORD_SESSION), target = record_new(RECORD_TARGET);

	session.session.wall_start_ns = FAKE_STREAM_WALL * 1000000000;
	record_emit(sink, &session);
	target.target.pid = 7;
	record_emit(sink, &target);
}

/* As a watch with windows of two seconds has it: the answers come after the mark they belong
 * to, those of a busy server almost a second after; one that hung at 6 answers nothing but
 * a tick's. Memory is told at every second end. */
static void emit_edges(const struct record_sink *sink)
{
	struct record stall = record_new(RECORD_STALL), latency = record_new(RECORD_LATENCY);
	struct record key = record_new(RECORD_KEY);

	emit_begin(sink);
	emit_info(sink, 0.001, "start", 0);
	emit_memory(sink, 0.001, "start", 1);
	for (int i = 1; i <= 8; i++) {
		double late = i == 4 ? 0.9 : i == 6 ? 0.7 : 0.01;

		if (i == 3) { /* it began in the window before */
			stall.stall.t_seconds = 1.5;
			stall.stall.duration_seconds = 1.0;
			record_emit(sink, &stall);
		}
		emit_mark(sink, i, i - 1);
		emit_info(sink, i + late, i % 2 || i == 6 ? "tick" : "window", i);
		if (i % 4 == 0)
			emit_memory(sink, i + late, "window", 100 * i);
		if (i == 4) { /* all of it at once, the newest first */
			emit_slowlog(sink, 3, 3);
			emit_slowlog(sink, 2, 2);
			latency.latency.event = "command";
			latency.latency.unix_seconds = FAKE_STREAM_WALL + 3;
			record_emit(sink, &latency);
		}
		if (i == 5)
			emit_slowlog(sink, 3, 3);
	}
	emit_info(sink, 9, "end", 9);
	emit_memory(sink, 9, "end", 900);
	key.key.key = (struct bytes){ "k", 1 };
	record_emit(sink, &key);
}

/* Each ends with what was said where it ended, and the next begins with that. */
static void test_edges(void **state)
{
	struct edges two = { 0 }, all = { 0 };
	struct windows *windows = windows_new();
	struct record_sink sink = windows_sink(windows);
	/* What was not told at 6 is told with the next. */
	static const int64_t commands[] = { 2000, 2000, 1000, 3000, 1000 };
	static const int64_t sets[] = { 400, 1200, 0, 4800, 1700 };

	(void)state;
	windows_open(windows, 2, take_edge, &two);
	windows_open(windows, INFINITY, take_edge, &all);
	emit_edges(&sink);
	windows_end(windows);
	windows_free(windows);
	assert_int_equal(two.count, 5);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(two.edge[i].commands, commands[i]);
		assert_int_equal(two.edge[i].sets, sets[i]);
		/* Ticks have them, too: each is of one window. */
		assert_int_equal(two.edge[i].errors, 7 * commands[i] / 1000);
		assert_int_equal(two.edge[i].redmem, 0);
	}
	assert_int_equal(all.edge[0].sets, 400 + 1200 + 4800 + 1700);
	assert_int_equal(all.edge[0].commands, 9000);
	assert_int_equal(all.edge[0].errors, 63);
	/* old numbers are no new ones */
	assert_int_equal(two.edge[0].rss, RECORD_UNKNOWN);
	assert_int_equal(two.edge[1].rss, 400);
	assert_int_equal(two.edge[2].rss, RECORD_UNKNOWN);
	assert_int_equal(two.edge[3].rss, 800);
	assert_int_equal(two.edge[4].rss, 900);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(two.edge[i].slowlog, i == 1 ? 2 : 0);
		assert_int_equal(two.edge[i].latency, i == 1 ? 1 : 0);
		assert_true(two.edge[i].stalled == (i == 1 ? 1.0 : 0.0));
		assert_int_equal(two.edge[i].keys, 0); /* looks at the end are of the whole */
	}
	assert_int_equal(all.edge[0].keys, 1);
}

static void test_end_at(void **state)
{
	struct edges two = { 0 }, three = { 0 };
	struct windows *windows = windows_new();
	struct record_sink sink = windows_sink(windows);

	(void)state;
	assert_false(windows_end_at(windows, 2));
	windows_open(windows, INFINITY, take_edge, &two);
	assert_false(windows_end_at(windows, 2));
	windows_open(windows, 2, take_edge, &two);
	windows_open(windows, 3, take_edge, &three);
	emit_begin(&sink);
	for (int i = 1; i <= 6; i++) {
		/* A mark is a little early or late. */
		assert_true(windows_end_at(windows, i + (i % 2 ? 0.2 : -0.01)) ==
			    (i % 2 == 0 || i % 3 == 0));
		emit_mark(&sink, i, i - 1);
	}
	windows_free(windows);
}

/* --- for days ----------------------------------------------------------------------------- */

#define LONG 4500 /* seconds in which all that is bounded is full */

static void emit_busy_second(const struct record_sink *sink, uint64_t *seed, int i)
{
	struct record record = record_new(RECORD_STALL);
	char key[32], drops[32];
	int len = snprintf(key, sizeof(key), "key:%d", i);

	record.stall.t_seconds = i - 0.5;
	record.stall.duration_seconds = 0.001 * (double)(fake_random(seed) % 1000);
	record.stall.key = (struct bytes){ key, (size_t)len };
	record_emit(sink, &record);
	record = record_new(RECORD_RSS_MOVE);
	record.rss_move.t_seconds = i - 0.4;
	record.rss_move.from_bytes = 0;
	record.rss_move.to_bytes = (int64_t)(fake_random(seed) % 1000000);
	record.rss_move.key = (struct bytes){ key, (size_t)len };
	record_emit(sink, &record);
	record = record_new(RECORD_LIFE);
	record.life.t_seconds = i - 0.3;
	record.life.event = "hang";
	record_emit(sink, &record);
	record = record_new(RECORD_CHILD);
	record.child.pid = 1000 + i;
	record.child.t_start_seconds = i - 0.3;
	record.child.t_end_seconds = i - 0.2;
	record_emit(sink, &record);
	record = record_new(RECORD_PROFILE);
	snprintf(key, sizeof(key), "%c%c:", 'a' + i % 26, 'a' + i / 26 % 26);
	record.profile.event = EVENT_ALLOC;
	record.profile.key = (struct bytes){ key, 3 };
	record.profile.events = (double)(fake_random(seed) % 65536);
	record.profile.t_seconds = i - 1;
	record_emit(sink, &record);
	record = record_new(RECORD_SELF);
	snprintf(drops, sizeof(drops), "ring_full=%d", i);
	record.self.window_seconds = i;
	record.self.drops = drops;
	record_emit(sink, &record);
}

/* A watch for days: all that a server can do happens each second. */
static void emit_second_of_days(const struct record_sink *sink, uint64_t *seed, int i)
{
	struct record tick = record_new(RECORD_TICK), latency = record_new(RECORD_LATENCY);

	emit_busy_second(sink, seed, i);
	tick.tick.t_seconds = i + 0.001;
	tick.tick.rss_bytes = i == 1000 ? 2000000 : 1000000;
	record_emit(sink, &tick);
	emit_mark(sink, i, i - 1);
	emit_info(sink, i + 0.01, i % 10 ? "tick" : "window", i);
	emit_slowlog(sink, i, i);
	latency.latency.event = "command";
	latency.latency.unix_seconds = FAKE_STREAM_WALL + i;
	latency.latency.latest_seconds = 0.001 * (double)(fake_random(seed) % 1000);
	record_emit(sink, &latency);
	if (i % 10 == 0)
		emit_memory(sink, i + 0.02, "window", i);
}

struct days {
	size_t windows, stalls, stalls_of_all;
	double longest, peak;
};

static void take_days(void *ctx, struct model *m, double start)
{
	struct days *days = ctx;
	bool whole = isnan(m->start_seconds);

	(void)start;
	if (whole) {
		days->stalls_of_all = m->stalls_count + m->stalls_left_out;
		days->longest = m->stalls[0].stall.duration_seconds;
		for (size_t i = 0; i < m->timeline_count; i++)
			days->peak = fmax(days->peak, (double)m->timeline[i].host.rss_bytes);
		assert_in_range(m->timeline_count, 2000, 4096);
		assert_true(m->timeline[0].host.t_seconds < 2);
		for (size_t i = 1; i < m->timeline_count; i++)
			assert_true(m->timeline[i].used_memory_bytes == RECORD_UNKNOWN &&
				    m->timeline[i].commands_total ==
					    1000 * (int64_t)m->timeline[i].host.t_seconds);
		assert_in_range(m->alloc.ticks_count, 1000, 4096);
	} else {
		days->windows++;
		days->stalls += m->stalls_count;
		assert_true(m->stalls_left_out == 0);
	}
	model_free(m);
}

/* A watch with windows is as large after days as after hours, but for the names of the longest
 * stalls, of which there are ever fewer new ones: as many while its age doubles as while it
 * doubles again. */
static void test_days(void **state)
{
	struct days days = { 0 };
	struct windows *windows = windows_new();
	struct record_sink sink = windows_sink(windows);
	size_t used[3] = { 0 }, grown[2];
	uint64_t seed = 5;

	(void)state;
	windows_open(windows, INFINITY, take_days, &days);
	windows_open(windows, 10, take_days, &days);
	emit_begin(&sink);
	for (int i = 1; i <= 4 * LONG; i++) {
		emit_second_of_days(&sink, &seed, i);
		for (int n = 0; n < 3; n++)
			if (i == LONG << n)
				used[n] = mallinfo2().uordblks;
	}
	windows_end(windows);
	windows_free(windows);
	grown[0] = used[1] > used[0] ? used[1] - used[0] : 0;
	grown[1] = used[2] > used[1] ? used[2] - used[1] : 0;
	if (grown[1] > grown[0] + grown[0] / 4 + used[0] / 20)
		fail_msg("%zu bytes after %d s, %zu after twice, %zu after four times that",
			 used[0], LONG, used[1], used[2]);
	assert_int_equal(days.stalls, 4 * LONG);
	assert_int_equal(days.stalls_of_all, 4 * LONG);
	assert_true(days.longest > 0.998);
	assert_true(days.peak == 2000000);
}

static void emit_hostile(const struct record_sink *sink, double t)
{
	struct record record = record_new(RECORD_MARK);

	record.mark.t_seconds = t;
	record.mark.drained_seconds = t;
	record_emit(sink, &record);
	record = record_new(RECORD_TOTALS);
	record.totals.minor_faults = t > 0 ? INT64_MAX : INT64_MIN + 1;
	record.totals.window_seconds = t;
	record_emit(sink, &record);
	record = record_new(RECORD_STALL);
	record.stall.t_seconds = t;
	record.stall.duration_seconds = -t;
	record_emit(sink, &record);
}

/* Times of a recording may be any. */
static void test_hostile(void **state)
{
	static const double times[] = { NAN, -1e308, 1e308, INFINITY, 0, -INFINITY, 5, 4 };
	struct numbers n = { 0 };
	struct windows *windows = windows_new();
	struct record_sink sink = windows_sink(windows);

	(void)state;
	windows_open(windows, 1, take_window, &n);
	n.windows = 0;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		emit_hostile(&sink, times[i]);
	windows_free(windows); /* what is under way goes with them */
	numbers_free(&n);
}

static int check_recording(const char *path)
{
	struct numbers one = { 0 }, ten = { 0 };
	struct windows *windows = windows_new();
	struct record_sink sink = windows_sink(windows);
	struct err err = { 0 };

	windows_open(windows, 1, take_window, &one);
	windows_open(windows, 1000, take_window, &ten);
	if (recording_replay(path, &sink, &err)) {
		printf("%s\n", err.text);
		return 1;
	}
	windows_end(windows);
	windows_free(windows);
	printf("%s: %zu windows, %zu numbers\n", path, one.windows, one.count);
	assert_true(one.windows > 1);
	assert_same(&one, &ten);
	assert_same(&ten, &one);
	numbers_free(&one);
	numbers_free(&ten);
	return 0;
}

static char **recordings;

static void test_recordings(void **state)
{
	(void)state;
	for (char **path = recordings; *path; path++)
		assert_int_equal(check_recording(*path), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),	  cmocka_unit_test(test_window_of_its_own),
		cmocka_unit_test(test_open_late), cmocka_unit_test(test_edges),
		cmocka_unit_test(test_end_at),	  cmocka_unit_test(test_days),
		cmocka_unit_test(test_hostile),	  cmocka_unit_test(test_recordings),
	};

	recordings = argv + (argc > 0);
	return cmocka_run_group_tests_name("window", tests, NULL, NULL);
}
