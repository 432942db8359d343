/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The records of a busy server, second by second, as a watch of it would give them, and a keeper
 * that puts them into a history: for its tests, its size and its kill test. All that is random
 * comes from a seed.
 */
#pragma once

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "diagnose/diagnose.h"
#include "history/history.h"
#include "model/window.h"
#include "record/schema.h"

#define PAST_SECONDS 10 /* of a window */

struct past_stream {
	struct record_sink sink;
	int64_t wall_start_ns;
	uint64_t random;
	double t;
	int commands, prefixes, settings;
	int rows; /* of commands and prefixes a second, of each kind */
	int64_t calls_total[32];
	int64_t commands_total, used, faults;
	double cpu_seconds;
};

static inline uint64_t past_random(struct past_stream *s, uint64_t below)
{
	s->random ^= s->random << 13;
	s->random ^= s->random >> 7;
	s->random ^= s->random << 17;
	return s->random % below;
}

static inline const char *past_command(int i)
{
	static const char *const names[] = { "get",    "set",	 "hset",   "hget",    "incr",
					     "lpush",  "rpop",	 "zadd",   "zrange",  "del",
					     "unlink", "expire", "exists", "mget",    "mset",
					     "sadd",   "srem",	 "hdel",   "hgetall", "setex" };

	return names[(size_t)i % (sizeof(names) / sizeof(names[0]))];
}

static inline void past_emit(struct past_stream *s, const struct record *record)
{
	record_emit(&s->sink, record);
}

static inline void past_config(struct past_stream *s, const char *name, const char *value)
{
	struct record r;

	record_clear(&r, RECORD_CONFIG);
	r.config = (struct record_config){ name, value };
	past_emit(s, &r);
}

/* What INFO says; @whole: with commandstats. */
static inline void past_info(struct past_stream *s, double t, const char *phase, bool whole)
{
	struct buf text = {};
	struct record r;

	buf_printf(
		&text,
		"# Server\r\nredis_version:7.0.15\r\nuptime_in_seconds:%lld\r\n# Clients\r\n"
		"connected_clients:%d\r\nmaxclients:10000\r\n# Memory\r\nused_memory:%lld\r\n"
		"used_memory_peak:%lld\r\nused_memory_rss:%lld\r\nmaxmemory:8589934592\r\n"
		"maxmemory_policy:noeviction\r\nused_memory_overhead:%lld\r\n"
		"allocator_allocated:%lld\r\nallocator_active:%lld\r\nallocator_resident:%lld\r\n"
		"mem_fragmentation_ratio:1.1\r\nmem_clients_normal:1800000\r\n",
		(long long)t, 40 + (int)round(s->t) % 20, (long long)s->used,
		(long long)s->used + 1000000, (long long)s->used * 11 / 10, (long long)s->used / 9,
		(long long)s->used + 900000, (long long)s->used * 21 / 20,
		(long long)s->used * 12 / 11);
	buf_printf(&text,
		   "# Stats\r\ntotal_commands_processed:%lld\r\ninstantaneous_ops_per_sec:%d\r\n"
		   "keyspace_hits:%lld\r\nkeyspace_misses:%lld\r\nexpired_keys:%lld\r\n"
		   "evicted_keys:0\r\nlatest_fork_usec:400\r\n",
		   (long long)s->commands_total, 90000 + (int)round(s->t) % 13 * 777,
		   (long long)s->commands_total / 3, (long long)s->commands_total / 17,
		   (long long)s->commands_total / 1000);
	for (int i = 0; whole && i < s->commands; i++)
		buf_printf(&text,
			   "cmdstat_%s:calls=%lld,usec=%lld,usec_per_call=2.10,rejected_calls=0,"
			   "failed_calls=0\r\n",
			   past_command(i), (long long)s->calls_total[i],
			   (long long)s->calls_total[i] * 21 / 10);
	buf_printf(&text, "# Keyspace\r\ndb0:keys=%lld,expires=1000,avg_ttl=0\r\n",
		   (long long)s->used / 600);
	record_clear(&r, RECORD_INFO);
	r.info = (struct record_info){ t, phase, buf_str(&text) };
	past_emit(s, &r);
	buf_free(&text);
}

static inline void past_mapping(struct past_stream *s, double t, const char *phase)
{
	static const char *const names[] = { "allocator", "binary", "stacks", "heap", "file" };

	for (int i = 0; i < 5; i++) {
		struct record r;

		record_clear(&r, RECORD_MAPPING);
		r.mapping.t_seconds = t;
		r.mapping.phase = phase;
		r.mapping.pid = 812;
		r.mapping.class_name = names[i];
		r.mapping.mappings_total = 4 + i;
		r.mapping.rss_bytes = i ? 1000000 * i : s->used * 11 / 10;
		r.mapping.size_bytes = r.mapping.rss_bytes * 2;
		r.mapping.pss_bytes = r.mapping.rss_bytes;
		r.mapping.private_dirty_bytes = r.mapping.rss_bytes;
		r.mapping.anon_huge_bytes = r.mapping.lazy_free_bytes = r.mapping.swap_bytes = 0;
		r.mapping.read_seconds = 0.0011;
		past_emit(s, &r);
	}
}

static inline void past_memory_stats(struct past_stream *s, double t, const char *phase)
{
	struct buf text = {};
	struct record r;

	buf_printf(&text,
		   "peak.allocated %lld\ntotal.allocated %lld\nstartup.allocated 819200\n"
		   "overhead.total %lld\ndb.0.overhead.hashtable.main %lld\n"
		   "db.0.overhead.hashtable.expires 0\ndataset.bytes %lld\n"
		   "allocator.allocated %lld\nallocator.active %lld\nallocator.resident %lld\n",
		   (long long)s->used + 1000000, (long long)s->used, (long long)s->used / 9,
		   (long long)s->used / 12, (long long)s->used - (long long)s->used / 9,
		   (long long)s->used + 900000, (long long)s->used * 21 / 20,
		   (long long)s->used * 12 / 11);
	record_clear(&r, RECORD_MEMORY_STATS);
	r.memory_stats = (struct record_memory_stats){ t, phase, buf_str(&text) };
	past_emit(s, &r);
	buf_free(&text);
}

/* What is told of a boundary. */
static inline void past_boundary(struct past_stream *s, const char *phase)
{
	past_info(s, s->t + 0.01, phase, true);
	past_memory_stats(s, s->t + 0.01, phase);
	past_mapping(s, s->t + 0.01, phase);
}

static inline void past_begin(struct past_stream *s, const struct record_sink *sink,
			      int64_t wall_start_ns, uint64_t seed)
{
	static const char *const sensors[] = { "connection", "attribution", "cpu", "fault",
					       "loop",	     "offcpu",	    "rss", "reclaim",
					       "life",	     "flow" };
	struct record r;

	*s = (struct past_stream){ .sink = *sink,
				   .wall_start_ns = wall_start_ns,
				   .random = seed * 2654435761u + 88172645463325252u,
				   .commands = 20,
				   .prefixes = 24,
				   .settings = 180,
				   .rows = 120,
				   .used = 2000000000 };
	record_clear(&r, RECORD_SESSION);
	r.session = (struct record_session){ wall_start_ns, "test", "6.1.0", "x86_64" };
	past_emit(s, &r);
	record_clear(&r, RECORD_TARGET);
	r.target.pid = 812;
	r.target.server = "redis";
	r.target.version = "7.0.15";
	r.target.executable = "/usr/bin/redis-server";
	r.target.allocator = "jemalloc 5.3.0";
	r.target.port = 6379;
	r.target.role = "master";
	r.target.connected = true;
	past_emit(s, &r);
	for (size_t i = 0; i < sizeof(sensors) / sizeof(sensors[0]); i++) {
		record_clear(&r, RECORD_SENSOR);
		r.sensor.id = sensors[i];
		r.sensor.on = true;
		past_emit(s, &r);
	}
	record_clear(&r, RECORD_HOST);
	r.host.mem_total_bytes = 16ll << 30;
	r.host.mem_available_bytes = 9ll << 30;
	r.host.cpus_total = 4;
	r.host.page_size_bytes = 4096;
	past_emit(s, &r);
	for (int i = 0; i < s->settings; i++) {
		char name[32], value[32];

		snprintf(name, sizeof(name), "some-setting-%d", i);
		snprintf(value, sizeof(value), "%d", i * 7919 % 10007);
		past_config(s, name, value);
	}
	past_boundary(s, "start");
}

static inline void past_profile(struct past_stream *s, enum redmem_event event, int command,
				int prefix, double events, double seconds)
{
	char key[64];
	struct record r;

	record_clear(&r, RECORD_PROFILE);
	snprintf(key, sizeof(key), "%c%c%c:%llu:part%d", 'a' + prefix % 26, 'a' + prefix / 26,
		 'a' + prefix % 7, (unsigned long long)past_random(s, 1000000), prefix % 3);
	r.profile.event = event;
	r.profile.command = past_command(command);
	r.profile.key = (struct bytes){ key, strlen(key) };
	r.profile.db = 0;
	r.profile.samples = 1;
	r.profile.events = events;
	r.profile.seconds = seconds;
	r.profile.t_seconds = s->t;
	past_emit(s, &r);
}

static inline void past_profiles(struct past_stream *s)
{
	for (int i = 0; i < s->rows; i++) { /* those that come often, and a long tail */
		int prefix =
			(int)(past_random(s, (uint64_t)s->prefixes) * past_random(s, 100) / 100);
		/* a kind of key has its few commands */
		int command = (prefix * 7 + (int)past_random(s, 2)) % s->commands;
		double bytes = (double)(64 + past_random(s, 60000));

		past_profile(s, EVENT_CPU, command, prefix, 1, 0.001);
		past_profile(s, EVENT_ALLOC, command, prefix, bytes, NAN);
		if (i % 2)
			past_profile(s, EVENT_FREE, command, prefix, bytes * 0.9, NAN);
		if (i % 8 == 0)
			past_profile(s, EVENT_FAULT_MINOR, command, prefix, 16, 0.0000016);
	}
}

static inline void past_tick(struct past_stream *s)
{
	struct record r;

	record_clear(&r, RECORD_TICK);
	r.tick.t_seconds = s->t;
	r.tick.rss_bytes = s->used * 11 / 10;
	r.tick.rss_anon_bytes = r.tick.rss_bytes - 6000000;
	r.tick.rss_file_bytes = 6000000;
	r.tick.rss_shmem_bytes = r.tick.swap_bytes = 0;
	r.tick.vm_size_bytes = 1ll << 32;
	r.tick.minor_faults_total = s->faults;
	r.tick.major_faults_total = 0;
	r.tick.cpu_seconds = s->cpu_seconds;
	r.tick.threads_total = 5;
	r.tick.state = 'R';
	r.tick.answered = true;
	r.tick.reply_seconds = 0.0001 + 1e-6 * (double)past_random(s, 100);
	past_emit(s, &r);
	past_info(s, s->t, "tick", false);
}

static inline void past_sums(struct past_stream *s)
{
	struct record r;

	record_clear(&r, RECORD_TOTALS);
	r.totals.window_seconds = s->t;
	r.totals.minor_faults = s->faults;
	r.totals.major_faults = 0;
	r.totals.cow_faults = 0;
	r.totals.cpu_samples = (int64_t)s->t * 120;
	past_emit(s, &r);
	record_clear(&r, RECORD_SELF);
	r.self.cpu_seconds = s->t * 0.004;
	r.self.window_seconds = s->t;
	r.self.rss_bytes = 30 << 20;
	r.self.events_total = (int64_t)s->t * 400;
	r.self.drops_total = 0;
	past_emit(s, &r);
}

static inline void past_stall(struct past_stream *s, double seconds)
{
	struct record r;
	char key[48];

	record_clear(&r, RECORD_STALL);
	snprintf(key, sizeof(key), "big:%llu", (unsigned long long)past_random(s, 1000));
	r.stall.t_seconds = s->t - 0.5;
	r.stall.duration_seconds = seconds;
	r.stall.command = "del";
	r.stall.key = (struct bytes){ key, strlen(key) };
	r.stall.frame_ns[FRAME_FREE] = (int64_t)(seconds * 9e8);
	past_emit(s, &r);
}

static inline void past_mark(struct past_stream *s, double drained)
{
	struct record r;

	record_clear(&r, RECORD_MARK);
	r.mark = (struct record_mark){ s->t, drained };
	past_emit(s, &r);
}

/* What a piece begins with: a look at the busiest key, and at the clients. */
static inline void past_look(struct past_stream *s)
{
	struct record r;

	record_clear(&r, RECORD_KEY);
	r.key.key = (struct bytes){ "board:all", strlen("board:all") };
	r.key.db = 0;
	r.key.type = "zset";
	r.key.encoding = "skiplist";
	r.key.bytes = 50 << 20;
	r.key.elements = 400000;
	past_emit(s, &r);
	record_clear(&r, RECORD_CLIENT);
	r.client.id = 70;
	r.client.address = (struct bytes){ "10.0.0.7:40070", strlen("10.0.0.7:40070") };
	r.client.name = (struct bytes){ "reader", strlen("reader") };
	r.client.user = "default";
	r.client.flags = "N";
	r.client.command = "lrange";
	r.client.memory_bytes = r.client.output_bytes = 200 << 20;
	past_emit(s, &r);
}

/* One second more, with all that ends it. */
static inline void past_second(struct past_stream *s)
{
	s->t += 1;
	s->cpu_seconds += 0.5 + 1e-3 * (double)past_random(s, 200);
	s->faults += 1000 + (int64_t)past_random(s, 500);
	s->used += (int64_t)past_random(s, 2000000) - 900000;
	for (int i = 0; i < s->commands; i++) {
		int64_t calls = (int64_t)past_random(s, 1000) * (s->commands - i);

		s->calls_total[i] += calls;
		s->commands_total += calls;
	}
	past_profiles(s);
	past_tick(s);
	past_sums(s);
	if (past_random(s, 30) == 0)
		past_stall(s, 0.006 + 1e-4 * (double)past_random(s, 400));
	past_mark(s, s->t - 1);
	if (fmod(s->t, PAST_SECONDS) == 0) {
		past_boundary(s, "window");
		past_look(s);
	}
}

/* --- a keeper -------------------------------------------------------------------------- */

/* Chunks become windows become history, as in the keeper of `redmem serve`. */
struct past_keeper {
	struct history *history;
	const char *server;
	struct chunker *chunker;
	struct windows *windows;
	const struct chunk *chunk; /* the one that is replayed */
	int64_t wall_start_ns; /* of the session */
	struct err err; /* the last of history_append() */
	int errors, appended;
	bool ending;
	/* What else is to be done with a window; NULL = nothing. */
	void (*look)(struct past_keeper *keeper, const struct history_window *window);
};

static inline void past_window(void *ctx, struct model *m, double start_seconds)
{
	struct past_keeper *k = ctx;
	struct findings *f = diagnose(m);
	int64_t start_ms = k->wall_start_ns / 1000000 + (int64_t)round(start_seconds * 1e3);
	struct history_window window = {
		.server = k->server,
		.start_ms = start_ms,
		.end_ms = start_ms + (int64_t)round(m->duration_seconds * 1e3),
		.chunk = k->chunk,
		.m = m,
		.f = f,
	};

	k->err = (struct err){};
	if (k->history && history_append(k->history, &window, &k->err))
		k->errors++;
	k->appended++;
	if (k->look)
		k->look(k, &window);
	findings_free(f);
	model_free(m);
}

static inline void past_chunk(void *ctx, const struct chunk *chunk)
{
	struct past_keeper *k = ctx;
	struct record_sink sink;
	int before = k->appended;

	if (chunk->end_seconds - chunk->start_seconds < 0.5) /* what stands behind the end */
		return;
	if (!k->windows || chunk->first) {
		windows_free(k->windows);
		k->windows = windows_new();
		windows_keep_whole(k->windows);
		sink = windows_sink(k->windows);
		chunk_replay_state(chunk, &sink, NULL);
		windows_open(k->windows, PAST_SECONDS, past_window, k);
	}
	k->chunk = chunk;
	sink = windows_sink(k->windows);
	chunk_replay(chunk, true, &sink, NULL);
	if (k->ending && k->appended == before)
		windows_end(k->windows);
}

/* A keeper for a session that begins then, and the stream that feeds it. */
static inline void past_keeper_begin(struct past_keeper *k, struct history *history,
				     const char *server, struct past_stream *s,
				     int64_t wall_start_ns, uint64_t seed)
{
	struct record_sink sink;

	*k = (struct past_keeper){ .history = history,
				   .server = server,
				   .wall_start_ns = wall_start_ns };
	k->chunker = chunker_new(PAST_SECONDS, past_chunk, k);
	sink = chunker_sink(k->chunker);
	past_begin(s, &sink, wall_start_ns, seed);
}

/* The last window is handed over, too. */
static inline void past_keeper_end(struct past_keeper *k)
{
	k->ending = true;
	chunker_end(k->chunker);
	chunker_free(k->chunker);
	windows_free(k->windows);
}
