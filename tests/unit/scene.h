/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server and its machine in a few numbers, for tests of the rules. A scene
 * begins as a healthy idle server; a test changes what it is about, and
 * scene_model() feeds it through the model as records, the way a watch does.
 */
#pragma once

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "diagnose/diagnose.h"
#include "diagnose/measure.h"

#define SCENE_EXTRA    64
#define SCENE_SECONDS  10
#define SCENE_COMMANDS 1000

struct scene {
	struct record_session session;
	struct record_target target;
	struct record_host host;
	const struct record_host *host_end; /* NULL = as at the start */
	struct record_tick tick; /* every second, but for t_seconds */
	struct record_totals totals;
	/* The allocator, in bytes. What is left of active is slab holes. */
	int64_t used, peak, allocated, active, dirty, muzzy, metadata;
	int64_t dirty_decay_ms;
	bool background_thread;
	/* Mappings, in bytes of RSS. */
	int64_t rss_allocator, huge, swap, binary, stacks, heap;
	int64_t rss_falls; /* by so much at the last tick */
	int64_t table; /* hashtable main of db 0 */
	struct buf info_start, info_end, config, memory_stats; /* further lines */
	double busy, stolen; /* seconds of the machine's CPUs in the window */
	int64_t commands; /* total_commands_processed grows by */
	bool connected, malloc_stats;
	const char *sensors_off; /* ids that are off: " fault loop " */
	struct record extra[SCENE_EXTRA];
	size_t extra_count;
};

static inline struct record_host scene_host(void)
{
	return (struct record_host){ .commit_limit_bytes = RECORD_UNKNOWN,
				     .committed_bytes = RECORD_UNKNOWN,
				     .cgroup_high_kept_bytes = RECORD_UNKNOWN,
				     .cgroup_near_path = "",
				     .cgroup_near_limit_bytes = RECORD_UNKNOWN,
				     .cgroup_near_usage_bytes = RECORD_UNKNOWN,
				     .cgroup_near_anon_bytes = RECORD_UNKNOWN,
				     .cgroup_near_shmem_bytes = RECORD_UNKNOWN,
				     .cgroup_near_kernel_bytes = RECORD_UNKNOWN,
				     .cgroup_near_sock_bytes = RECORD_UNKNOWN,
				     .cgroup_near_hits_total = RECORD_UNKNOWN,
				     .cgroup_own_kept_bytes = RECORD_UNKNOWN,
				     .cgroup_oom_kills_total = RECORD_UNKNOWN,
				     .mem_total_bytes = 8 * GIB,
				     .mem_available_bytes = 6 * GIB,
				     .swap_total_bytes = 0,
				     .swap_free_bytes = 0,
				     .overcommit_memory = 0,
				     .swappiness = 60,
				     .thp_enabled = "madvise",
				     .max_map_count = 65530,
				     .maps_total = 90,
				     .cgroup_version = 2,
				     .cgroup_limit_bytes = RECORD_UNKNOWN,
				     .cgroup_usage_bytes = 20 * MIB,
				     .cgroup_high_bytes = RECORD_UNKNOWN,
				     .cgroup_high_usage_bytes = RECORD_UNKNOWN,
				     .cgroup_high_events_total = RECORD_UNKNOWN,
				     .cgroup_swap_bytes = 0,
				     .cpus_total = 2,
				     .page_size_bytes = 4096 };
}

static inline void scene_init(struct scene *s)
{
	memset(s, 0, sizeof(*s));
	s->session = (struct record_session){ 1700000000000000000, "0", "6.1.0", "x86_64" };
	s->target = (struct record_target){ .pid = 812,
					    .server = "redis",
					    .version = "7.0.15",
					    .executable = "/usr/bin/redis-server",
					    .allocator = "jemalloc 5.3.0",
					    .port = 6379,
					    .socket = "",
					    .role = "master",
					    .connected = true,
					    .connect_reason = "" };
	s->host = scene_host();
	s->tick = (struct record_tick){ .rss_file_bytes = 6 * MIB,
					.threads_total = 5,
					.state = 'S',
					.answered = true,
					.reply_seconds = 0.0002 };
	s->totals.window_seconds = SCENE_SECONDS;
	s->used = s->peak = 900 * KIB;
	s->allocated = 1 * MIB;
	s->active = 1228 * KIB;
	s->dirty = 512 * KIB;
	s->metadata = 2 * MIB;
	s->dirty_decay_ms = 10000;
	s->binary = 6 * MIB;
	s->stacks = 132 * KIB;
	s->rss_allocator = -1; /* all that is active, dirty or metadata */
	s->table = 0;
	s->commands = SCENE_COMMANDS;
	s->connected = s->malloc_stats = true;
	s->sensors_off = "";
	buf_puts(&s->config, "save 3600 1 300 100 60 10000\nappendonly no\nactivedefrag no\n"
			     "maxmemory-policy noeviction\nlazyfree-lazy-user-del no\n");
}

/* A server with @used bytes of data under load, otherwise healthy. */
static inline void scene_load(struct scene *s, int64_t used)
{
	s->used = s->peak = used;
	s->allocated = used + 1 * MIB;
	s->active = used / 100 * 103 / 4096 * 4096;
	s->dirty = 4 * MIB;
	s->metadata = 8 * MIB;
	s->commands = 4000000;
	s->background_thread = true;
}

/* Further lines of the last INFO, which replace the scene's own; of both; of CONFIG GET. */
static inline void scene_info(struct scene *s, const char *text)
{
	buf_puts(&s->info_end, text);
}

static inline void scene_info_both(struct scene *s, const char *text)
{
	buf_puts(&s->info_start, text);
	scene_info(s, text);
}

static inline void scene_config(struct scene *s, const char *text)
{
	buf_puts(&s->config, text);
}

static inline struct record *scene_add(struct scene *s, enum record_kind kind)
{
	assert_true(s->extra_count < SCENE_EXTRA);
	s->extra[s->extra_count].kind = kind;
	return &s->extra[s->extra_count++];
}

static inline struct bytes scene_bytes(const char *text)
{
	return (struct bytes){ text, strlen(text) };
}

/* @events of @event charged to @command on @key. */
static inline void scene_profile(struct scene *s, enum redmem_event event, const char *command,
				 const char *key, int64_t events, double seconds)
{
	struct record *f = scene_add(s, RECORD_PROFILE);

	f->profile = (struct record_profile){ .event = event,
					      .thread = "",
					      .command = command,
					      .inner = "",
					      .key = scene_bytes(key),
					      .symbol = "",
					      .samples = events,
					      .events = (double)events,
					      .seconds = seconds };
}

/* All of it the command's own, unless the caller says otherwise (blame_records.h). */
static inline struct record_stall *scene_stall(struct scene *s, const char *command,
					       const char *key, double seconds)
{
	struct record *f = scene_add(s, RECORD_STALL);

	f->stall = (struct record_stall){ .t_seconds = 2,
					  .duration_seconds = seconds,
					  .command = command,
					  .inner = "",
					  .key = scene_bytes(key),
					  .commands_total = RECORD_UNKNOWN,
					  .preemptor_pid = RECORD_UNKNOWN,
					  .fork_ns = RECORD_UNKNOWN };
	return &f->stall;
}

static inline struct record_key *scene_key(struct scene *s, const char *key, const char *type,
					   int64_t bytes, int64_t elements, double ttl)
{
	struct record *f = scene_add(s, RECORD_KEY);

	f->key = (struct record_key){ .key = scene_bytes(key),
				      .type = type,
				      .encoding = "raw",
				      .bytes = bytes,
				      .elements = elements,
				      .ttl_seconds = ttl };
	return &f->key;
}

static inline int64_t scene_rss_allocator(const struct scene *s)
{
	return s->rss_allocator >= 0 ? s->rss_allocator :
				       s->active + s->dirty + s->muzzy + s->metadata - s->swap;
}

static inline int64_t scene_rss(const struct scene *s)
{
	return scene_rss_allocator(s) + s->binary + s->stacks + s->heap;
}

static inline void scene_emit_mapping(const struct scene *s, struct model *m, const char *name,
				      int64_t rss, int64_t huge, int64_t swap)
{
	struct record f = { .kind = RECORD_MAPPING };

	f.mapping = (struct record_mapping){ .t_seconds = SCENE_SECONDS,
					     .phase = "end",
					     .pid = s->target.pid,
					     .class_name = name,
					     .mappings_total = 1,
					     .size_bytes = rss + swap,
					     .rss_bytes = rss,
					     .pss_bytes = rss,
					     .private_dirty_bytes = rss,
					     .anon_huge_bytes = huge,
					     .swap_bytes = swap,
					     .read_seconds = 0.001 };
	model_take(m, &f);
}

static inline void scene_emit_info(const struct scene *s, struct model *m, bool end)
{
	struct buf text = { 0 };
	struct record f = { .kind = RECORD_INFO };

	buf_printf(&text,
		   "# Server\r\nredis_version:%s\r\n# Clients\r\nconnected_clients:50\r\n"
		   "# Memory\r\nused_memory:%" PRId64 "\r\nused_memory_peak:%" PRId64
		   "\r\nused_memory_rss:%" PRId64 "\r\nmaxmemory:0\r\n"
		   "maxmemory_policy:noeviction\r\nmem_not_counted_for_evict:0\r\n"
		   "mem_clients_normal:1800000\r\nmem_clients_slaves:0\r\nmem_aof_buffer:0\r\n"
		   "number_of_cached_scripts:0\r\nused_memory_vm_total:40000\r\n"
		   "used_memory_scripts:200\r\nallocator_allocated:%" PRId64
		   "\r\nallocator_active:%" PRId64 "\r\nallocator_frag_ratio:%.2f"
		   "\r\nallocator_frag_bytes:%" PRId64 "\r\nactive_defrag_running:0\r\n",
		   s->target.version, s->used, s->peak, scene_rss(s), s->allocated, s->active,
		   (double)s->active / (double)s->allocated, s->active - s->allocated);
	buf_printf(&text,
		   "# Stats\r\ntotal_commands_processed:%" PRId64 "\r\nevicted_keys:0\r\n"
		   "expired_keys:0\r\nlatest_fork_usec:400\r\ntotal_forks:0\r\n"
		   "total_eviction_exceeded_time:0\r\n# Replication\r\nrole:master\r\n"
		   "connected_slaves:0\r\n",
		   end ? 5000 + s->commands : 5000);
	buf_puts(&text, buf_str(end ? &s->info_end : &s->info_start));
	f.info = (struct record_info){ end ? SCENE_SECONDS : 0, end ? "end" : "start", text.data };
	model_take(m, &f);
	buf_free(&text);
}

static inline void scene_emit_memory_stats(const struct scene *s, struct model *m)
{
	struct buf text = { 0 };
	struct record f = { .kind = RECORD_MEMORY_STATS };
	int64_t overhead = 800 * KIB + s->table;

	buf_printf(&text,
		   "peak.allocated %" PRId64 "\ntotal.allocated %" PRId64
		   "\nstartup.allocated 819200\noverhead.total %" PRId64
		   "\ndb.0.overhead.hashtable.main %" PRId64
		   "\ndb.0.overhead.hashtable.expires 0\ndataset.bytes %" PRId64
		   "\nallocator.allocated %" PRId64 "\nallocator.active %" PRId64
		   "\nallocator.resident %" PRId64 "\n",
		   s->peak, s->used, overhead, s->table, s->used - overhead, s->allocated,
		   s->active, s->active + s->dirty + s->metadata);
	buf_puts(&text, buf_str(&s->memory_stats));
	f.memory_stats = (struct record_memory_stats){ SCENE_SECONDS, "end", text.data };
	model_take(m, &f);
	buf_free(&text);
}

/* All small objects are of 64 bytes, 64 in a slab of one page. */
static inline void scene_emit_malloc_stats(const struct scene *s, struct model *m)
{
	struct buf text = { 0 };
	struct record f = { .kind = RECORD_MALLOC_STATS };
	int64_t slabs = s->active / 4096, resident = s->active + s->dirty + s->metadata;

	buf_printf(&text,
		   "___ Begin jemalloc statistics ___\nVersion: \"5.3.0-0-g54eaed\"\n"
		   "  opt.dirty_decay_ms: 10000 (arenas.dirty_decay_ms: %" PRId64 ")\n"
		   "  opt.muzzy_decay_ms: 0 (arenas.muzzy_decay_ms: 0)\n"
		   "  opt.background_thread: false (background_thread: %s)\nPage size: 4096\n"
		   "Allocated: %" PRId64 ", active: %" PRId64 ", metadata: %" PRId64
		   " (n_thp 0), resident: %" PRId64 ", mapped: %" PRId64 ", retained: 0\n",
		   s->dirty_decay_ms, s->background_thread ? "true" : "false", s->allocated,
		   s->active, s->metadata, resident, resident);
	buf_printf(&text,
		   "arenas[0]:\ndecaying: time npages sweeps madvises purged\n"
		   "   dirty: N/A %" PRId64 " 0 0 0\n   muzzy: N/A %" PRId64 " 0 0 0\n"
		   "bins: size ind allocated nmalloc ndalloc curregs curslabs regs pgs\n"
		   "64 5 %" PRId64 " 9 9 %" PRId64 " %" PRId64 " 64 1\n"
		   "--- End jemalloc statistics ---\n",
		   s->dirty / 4096, s->muzzy / 4096, s->allocated, s->allocated / 64, slabs);
	f.malloc_stats = (struct record_malloc_stats){ SCENE_SECONDS, "end", text.data, 0.001 };
	model_take(m, &f);
	buf_free(&text);
}

static inline void scene_emit_config(const struct scene *s, struct model *m)
{
	for (const char *p = buf_str(&s->config), *end; (end = strchr(p, '\n')) != NULL;
	     p = end + 1) {
		struct record f = { .kind = RECORD_CONFIG };
		char *line = xmemdup(p, (size_t)(end - p)), *space = strchr(line, ' ');

		assert_non_null(space);
		*space = '\0';
		f.config = (struct record_config){ line, space + 1 };
		model_take(m, &f);
		free(line);
	}
}

static inline void scene_emit_sensors(const struct scene *s, struct model *m)
{
	static const char *const ids[] = { "connection", "attribution", "cpu",	   "fault", "loop",
					   "offcpu",	 "rss",		"reclaim", "life" };

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct record f = { .kind = RECORD_SENSOR };
		bool on = strstr(s->sensors_off, ids[i]) == NULL;

		f.sensor = (struct record_sensor){ ids[i], on, on ? "" : "bpf: not permitted", "" };
		model_take(m, &f);
	}
}

static inline void scene_emit_ticks(const struct scene *s, struct model *m)
{
	for (int t = 0; t <= SCENE_SECONDS; t++) {
		struct record f = { .kind = RECORD_TICK, .tick = s->tick };

		f.tick.t_seconds = t;
		f.tick.rss_bytes = scene_rss(s) - (t == SCENE_SECONDS ? s->rss_falls : 0);
		f.tick.rss_anon_bytes = f.tick.rss_bytes - s->tick.rss_file_bytes;
		f.tick.swap_bytes = s->swap;
		f.tick.major_faults_total = s->tick.major_faults_total * t / SCENE_SECONDS;
		f.tick.cpu_seconds = s->tick.cpu_seconds * t / SCENE_SECONDS;
		f.tick.answered = s->tick.answered && s->connected;
		model_take(m, &f);
	}
}

static inline void scene_emit_server(const struct scene *s, struct model *m, bool end)
{
	if (!s->connected)
		return;
	scene_emit_info(s, m, end);
	if (!end) {
		scene_emit_config(s, m);
		return;
	}
	scene_emit_memory_stats(s, m);
	if (s->malloc_stats)
		scene_emit_malloc_stats(s, m);
}

/* The model of a whole watch. The scene's buffers are gone afterwards. */
static inline struct model *scene_model(struct scene *s)
{
	struct model *m = model_new();
	struct record f = { .kind = RECORD_SESSION, .session = s->session };

	model_take(m, &f);
	model_take(m, &(struct record){ .kind = RECORD_TARGET, .target = s->target });
	scene_emit_sensors(s, m);
	model_take(m, &(struct record){ .kind = RECORD_HOST, .host = s->host });
	scene_emit_server(s, m, false);
	scene_emit_ticks(s, m);
	for (size_t i = 0; i < s->extra_count; i++)
		model_take(m, &s->extra[i]);
	scene_emit_server(s, m, true);
	scene_emit_mapping(s, m, "allocator", scene_rss_allocator(s), s->huge, s->swap);
	scene_emit_mapping(s, m, "binary", s->binary, 0, 0);
	scene_emit_mapping(s, m, "stacks", s->stacks, 0, 0);
	scene_emit_mapping(s, m, "heap", s->heap, 0, 0);
	f = (struct record){ .kind = RECORD_HOST, .host = s->host_end ? *s->host_end : s->host };
	f.host.cpu_busy_seconds_total += s->busy;
	f.host.cpu_steal_seconds_total += s->stolen;
	model_take(m, &f);
	model_take(m, &(struct record){ .kind = RECORD_TOTALS, .totals = s->totals });
	model_finish(m);
	buf_free(&s->info_start);
	buf_free(&s->info_end);
	buf_free(&s->config);
	buf_free(&s->memory_stats);
	return m;
}

/* What is offered for pasting looks, or changes a setting: it takes no data away. */
static inline void assert_takes_no_data(const struct finding *f)
{
	static const char *const verbs[] = { "DEL ",
					     "UNLINK",
					     "EXPIRE",
					     "FLUSH",
					     "TRIM",
					     "REMRANGE",
					     "SET maxmemory-policy",
					     "SHUTDOWN",
					     "KILL",
					     "RENAME",
					     "RESTORE",
					     "MIGRATE",
					     "GETDEL" };

	for (size_t i = 0; i < f->actions_count; i++)
		for (size_t n = 0; n < sizeof(verbs) / sizeof(verbs[0]); n++)
			if (strstr(f->actions[i].command, verbs[n]))
				fail_msg("%s offers: %s", f->id, f->actions[i].command);
}

/* A scene's model with what was found in it. */
struct diagnosis {
	struct model *m;
	struct findings *f;
};

static inline struct diagnosis scene_diagnose(struct scene *s)
{
	struct diagnosis d = { .m = scene_model(s) };

	d.f = diagnose(d.m);
	for (size_t i = 0; i < d.f->count; i++)
		assert_takes_no_data(&d.f->items[i]);
	return d;
}

static inline void diagnosis_free(struct diagnosis *d)
{
	findings_free(d->f);
	model_free(d->m);
}

static inline const struct finding *diagnosis_find(const struct diagnosis *d, const char *id)
{
	for (size_t i = 0; i < d->f->count; i++)
		if (strcmp(d->f->items[i].id, id) == 0)
			return &d->f->items[i];
	return NULL;
}

/* The value of a number in the evidence; fails when it is not there. */
static inline double evidence_value(const struct finding *f, const char *name)
{
	for (size_t i = 0; i < f->evidence_count; i++)
		if (strcmp(f->evidence[i].name, name) == 0)
			return f->evidence[i].value;
	fail_msg("%s has no evidence %s", f->id, name);
	return NAN;
}

static inline const char *evidence_text(const struct finding *f, const char *name)
{
	for (size_t i = 0; i < f->evidence_count; i++)
		if (strcmp(f->evidence[i].name, name) == 0)
			return f->evidence[i].text;
	fail_msg("%s has no evidence %s", f->id, name);
	return "";
}

/* The scene must give this finding, at this severity. */
static inline const struct finding *expect(const struct diagnosis *d, const char *id,
					   enum severity severity)
{
	const struct finding *f = diagnosis_find(d, id);

	if (f == NULL)
		fail_msg("%s was not found", id);
	else if (f->severity != severity)
		fail_msg("%s: %s is %s, not %s", f->title, id, severity_name(f->severity),
			 severity_name(severity));
	return f;
}

/* Diagnose the scene: it must not give this finding. */
static inline void scene_expect_none(struct scene *s, const char *id)
{
	struct diagnosis d = scene_diagnose(s);
	const struct finding *f = diagnosis_find(&d, id);

	if (f != NULL)
		fail_msg("%s: %s", id, f->title);
	diagnosis_free(&d);
}

/* Diagnose the scene: it must give this finding at this severity. */
static inline void scene_expect(struct scene *s, const char *id, enum severity severity)
{
	struct diagnosis d = scene_diagnose(s);

	expect(&d, id, severity);
	diagnosis_free(&d);
}
