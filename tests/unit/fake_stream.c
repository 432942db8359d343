/* SPDX-License-Identifier: BSD-2-Clause */
/* See fake_stream.h. */
#include "fake_stream.h"

#include <stdio.h>
#include <string.h>

#include "model_records.h"

uint64_t fake_random(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return *seed >> 33;
}

static const char *any_command(struct fake_stream *s)
{
	static const char *const names[] = { "get", "set", "", "del", "config|get" };

	return names[fake_random(&s->seed) % 5];
}

static struct bytes any_key(struct fake_stream *s)
{
	static const char *const keys[] = { "user:1", "user:2", "cart:77:x", "", "list" };
	const char *key = keys[fake_random(&s->seed) % 5];

	return (struct bytes){ key, strlen(key) };
}

static void emit_row(struct fake_stream *s, double t)
{
	struct record record = record_new(RECORD_PROFILE);

	record.profile.event = fake_random(&s->seed) % EVENT_KINDS;
	record.profile.thread = fake_random(&s->seed) % 8 ? "" : "bio_lazy_free";
	record.profile.command = *record.profile.thread ? "" : any_command(s);
	record.profile.key = any_key(s);
	record.profile.leaf = fake_random(&s->seed) % MODULES;
	record.profile.samples = 1 + (int64_t)(fake_random(&s->seed) % 9);
	record.profile.events = (double)record.profile.samples * 16;
	record.profile.timed = record.profile.samples;
	record.profile.seconds = 0.001 * (double)(1 + fake_random(&s->seed) % 20);
	record.profile.scale = fake_random(&s->seed) % 2 ? NAN : 1.5;
	record.profile.class_bytes = 16 << fake_random(&s->seed) % 3;
	record.profile.t_seconds = t;
	record_emit(s->sink, &record);
}

static void emit_stall(struct fake_stream *s, double end)
{
	struct record record = record_new(RECORD_STALL);

	record.stall.duration_seconds = 0.01 * (double)(1 + fake_random(&s->seed) % 200);
	record.stall.t_seconds = end - record.stall.duration_seconds;
	record.stall.command = any_command(s);
	record.stall.key = any_key(s);
	record.stall.event_ns[EVENT_CPU_WAIT] = (int64_t)(fake_random(&s->seed) % 3000000);
	record.stall.frame_ns[FRAME_FREE] = 1000000;
	record_emit(s->sink, &record);
}

/* Words of expiry on the stack, whether it was at work or not. */
static void emit_expiry(struct fake_stream *s, double end)
{
	struct record record = record_new(RECORD_STALL);

	record.stall.duration_seconds = 0.05;
	record.stall.t_seconds = end - record.stall.duration_seconds;
	record.stall.command = "";
	record.stall.frame_ns[FRAME_EXPIRY] = 40000000;
	record.stall.frame_ns[FRAME_FREE] = 10000000;
	record_emit(s->sink, &record);
}

/* Of some seconds it expired keys while the second before ended, which its answer to what it was
 * asked then tells already; of others it only seems to have. When it answered. */
static double expire(struct fake_stream *s, int i)
{
	if (i % 4 == 2) {
		s->expired += 100;
		emit_expiry(s, s->mark + 0.03);
		return s->mark + 0.031;
	}
	if (i % 4 == 0 && i)
		emit_expiry(s, s->mark + 0.4);
	return i ? i + 0.00005 : 0;
}

static void emit_burst(struct fake_stream *s, double t)
{
	struct record call = record_new(RECORD_CALL), burst = record_new(RECORD_BURST);

	call.call.t_seconds = burst.burst.t_seconds = t;
	for (int i = 0; i < 20; i++) {
		call.call.command = any_command(s);
		call.call.requested_bytes = 1 + (int64_t)(fake_random(&s->seed) % 16);
		call.call.class_bytes = 16;
		call.call.ns = (int64_t)(fake_random(&s->seed) % 5000);
		call.call.probe_seconds = 1e-6;
		call.call.faults = fake_random(&s->seed) % 9 == 0;
		record_emit(s->sink, &call);
	}
	burst.burst.calls_total = 20;
	record_emit(s->sink, &burst);
}

/* As the slow log, and each has ids of its own. */
static void emit_large(struct fake_stream *s, int i)
{
	struct record large = record_new(RECORD_LARGE);

	for (int64_t n = 2 * i + 1; n >= 0; n--) {
		large.large.reply = n % 2;
		large.large.id = n / 2;
		large.large.unix_seconds = FAKE_STREAM_WALL + n / 2;
		large.large.bytes = 1000000 + n;
		large.large.command = large.large.reply ? "get" : "set";
		record_emit(s->sink, &large);
	}
}

/* The server's word: its slow log again and again, one entry more each time. */
static void emit_server(struct fake_stream *s, double t, int i)
{
	struct record slow = record_new(RECORD_SLOWLOG), latency = record_new(RECORD_LATENCY);
	struct record info = record_new(RECORD_INFO);
	char text[128];

	for (int64_t id = i; id >= 0; id--) { /* the newest first, as the server has it */
		slow.slowlog.id = id;
		slow.slowlog.unix_seconds = FAKE_STREAM_WALL + id;
		slow.slowlog.command = "del";
		record_emit(s->sink, &slow);
	}
	emit_large(s, i);
	latency.latency.event = "command";
	latency.latency.unix_seconds = FAKE_STREAM_WALL + i / 3 * 3;
	latency.latency.latest_seconds = latency.latency.max_seconds = 0.1;
	record_emit(s->sink, &latency);
	snprintf(text, sizeof(text),
		 "total_commands_processed:%d\r\nexpired_keys:%lld\r\nevicted_keys:0\r\n",
		 1000 + 7 * i * i, (long long)s->expired);
	info.info = (struct record_info){ t, i ? "tick" : "start", text };
	record_emit(s->sink, &info);
}

static void emit_counters(struct fake_stream *s, double t)
{
	struct record totals = record_new(RECORD_TOTALS), self = record_new(RECORD_SELF);
	struct record budget = record_new(RECORD_BUDGET);

	s->total += (int64_t)(fake_random(&s->seed) % 1000);
	totals.totals.window_seconds = t;
	totals.totals.minor_faults = totals.totals.cpu_samples = s->total;
	totals.totals.context_switches = 3 * s->total;
	record_emit(s->sink, &totals);
	self.self.cpu_seconds = self.self.bpf_seconds = (double)s->total / 1e6;
	self.self.other_bpf_seconds = (double)s->total / 1e5;
	self.self.window_seconds = t;
	self.self.events_total = s->total;
	self.self.drops_total = s->total / 7;
	self.self.keys_gone_total = s->total / 3;
	record_emit(s->sink, &self);
	budget.budget.trap_seconds = (double)s->total / 1e7;
	budget.budget.bursts_total = s->total / 100;
	record_emit(s->sink, &budget);
}

void fake_stream_second(struct fake_stream *s, int i)
{
	double tick = i + 1 + 0.0001 * (double)(fake_random(&s->seed) % 40), now = tick + 0.0003;
	struct record record = record_new(RECORD_TICK);

	emit_server(s, expire(s, i), i);
	emit_stall(s, s->mark + 0.5);
	emit_burst(s, s->mark + 0.7);
	record.tick.t_seconds = tick;
	record_emit(s->sink, &record);
	for (int row = 0; row < 30 && s->mark > 0; row++)
		emit_row(s, s->mark);
	emit_counters(s, tick);
	record = record_new(RECORD_MARK);
	record.mark.t_seconds = now;
	record.mark.drained_seconds = s->drained = s->mark;
	s->mark = now;
	record_emit(s->sink, &record);
}

void fake_stream_emit(const struct record_sink *sink, int seconds)
{
	static const char *const sensors[] = { "cpu", "fault", "flow", "burst", "loop" };
	struct fake_stream s = { .sink = sink, .seed = 11 };
	struct record record = record_new(RECORD_SESSION);

	record.session.wall_start_ns = FAKE_STREAM_WALL * 1000000000;
	record_emit(sink, &record);
	for (size_t i = 0; i < sizeof(sensors) / sizeof(sensors[0]); i++) {
		record = record_new(RECORD_SENSOR);
		record.sensor.id = sensors[i];
		record.sensor.on = true;
		record_emit(sink, &record);
	}
	for (int i = 0; i < seconds; i++)
		fake_stream_second(&s, i);
	for (int row = 0; row < 60; row++) /* both maps, at the end */
		emit_row(&s, row % 2 ? s.mark : s.mark + 0.002);
	emit_stall(&s, s.mark + 0.001);
	emit_counters(&s, s.mark + 0.002);
}
