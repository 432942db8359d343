/* SPDX-License-Identifier: BSD-2-Clause */
/* A watch; see watch.h. */
#include "app/watch.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/confine.h"
#include "app/debug_files.h"
#include "app/progress.h"
#include "app/purge.h"
#include "app/redact.h"
#include "app/seen_keys.h"
#include "app/watch_state.h"
#include "base/err.h"
#include "host/proc.h"
#include "host/sysmem.h"
#include "host/writers.h"
#include "record/schema.h"
#include "redis/clientsearch.h"
#include "redis/info.h"
#include "redis/keysample.h"
#include "redis/snapshot.h"
#include "sensor/engine.h"
#include "sensor/sensor.h"
#include "target/frames.h"

#define SEEN_KEYS	20000 /* remembered, for a look at a few of them */
#define SEEN_KEYS_CHUNK 2000

/* Records on their way. */
struct info_tap {
	struct watch *watch;
	struct record_sink next;
};

/* The newest INFO also tells what the target record needs; the first one makes it. */
static void learn_info(struct watch *w, const struct record_info *record)
{
	bool first = !w->info;

	info_free(w->info);
	w->info = info_parse(record->text);
	if (!first)
		return;
	w->connections = info_int(w->info, "total_connections_received");
	server_emit(&w->server, w->info, &w->sink);
}

static void tap(void *ctx, const struct record *record)
{
	struct info_tap *t = ctx;
	struct watch *w = t->watch;

	if (record->kind == RECORD_MARK)
		watch_mark(w, record->mark.t_seconds);
	if (record->kind == RECORD_CONFIG && !strcmp(record->config.name, "tls-port"))
		w->tls_port = atoi(record->config.value);
	if (record->kind == RECORD_MALLOC_STATS && w->options->try_purge)
		w->purgeable = purge_expected(record->malloc_stats.text);
	record_emit(&t->next, record);
	if (record->kind == RECORD_INFO && strcmp(record->info.phase, "tick") != 0 &&
	    strcmp(record->info.phase, "event") != 0)
		learn_info(w, &record->info);
}

/* Which process it is from here on. Another may have its id by now: no probe goes into that
 * one. */
static int hold_process(struct watch *w, struct err *err)
{
	pid_t pid = w->server.where.pid;
	int ret;

	if (!pid && w->plan->stalls)
		return err_set(err, -ENOENT,
			       "stalls: %s; stalls are seen from the server's host alone",
			       w->server.where_error.text);
	if (!pid)
		return 0;
	ret = proc_starttime(pid, &w->server_starttime);
	if (!ret && proc_held_ended(w->server.where.pidfd))
		ret = -ESRCH;
	return ret ? err_set(err, ret, "target: process %d has ended", pid) : 0;
}

static void fill_settings(struct watch *w)
{
	struct redmem_settings *settings = sensors_settings(w->sensors);
	const struct image *image = w->server.image;

	if (!settings || !image)
		return;
	memcpy(settings->file_range, image->file_range, sizeof(image->file_range));
	settings->file_ranges = image->file_ranges;
	memcpy(settings->allocator_range, image->allocator_range, sizeof(image->allocator_range));
	settings->allocator_ranges = image->allocator_ranges;
	frames_fill(settings, image);
}

static int open_sensors(struct watch *w, struct err *err)
{
	const struct options *o = w->options;
	const struct allocator *allocator = w->server.image ? &w->server.allocator : NULL;
	const struct engine_config machine = {
		.servers = 1,
		.wanted = o->sensors,
		.disabled = o->no_bpf,
		.away = w->server.where.pid ? NULL : w->server.where_error.text,
		.fine_samples = w->plan->stalls,
		.frugal = w->plan->looked_at,
		.stacks = o->stacks,
		.allocator = allocator,
		.thread_begins = confine_thread,
	};
	const struct sensor_config config = {
		.pid = w->server.where.pid,
		.sink = w->sink,
		.start_ns = w->start_ns,
		.page_bytes = sysconf(_SC_PAGESIZE),
		.stall_threshold_seconds =
			(isnan(o->threshold_ms) ? WATCH_THRESHOLD_MS : o->threshold_ms) / 1e3,
		.budget_ratio = watch_budget(o),
		.fine_samples = w->plan->stalls,
		.stacks = o->stacks,
		.allocator = allocator,
	};
	int ret = 0;

	w->engine = w->plan->engine;
	if (!w->engine)
		ret = engine_open(&w->engine, &machine, err);
	return ret ? ret : sensors_open(&w->sensors, w->engine, &config, err);
}

static int prepare(struct watch *w, struct err *err)
{
	int ret = server_open(&w->server, w->options, err);

	if (!ret && w->options->stacks && !w->plan->looked_at && w->server.image)
		debug_files_fetch(w->server.image);
	if (!ret)
		ret = hold_process(w, err);
	w->start_ns = clock_mono_ns();
	if (!ret)
		ret = open_sensors(w, err);
	if (ret)
		return ret;
	fill_settings(w);
	attribution_open(&w->attribution, &w->server, w->sensors);
	w->uncalibrated = !attribution_calibrate(&w->attribution);
	return 0;
}

int watch_run(const struct options *o, const struct record_sink *sink, struct err *err)
{
	struct watch_plan plan = {
		.seconds = isnan(o->duration_seconds) ? WATCH_SECONDS : o->duration_seconds,
	};

	return watch_plan_run(o, &plan, sink, err);
}

int watch_plan_run(const struct options *o, const struct watch_plan *plan,
		   const struct record_sink *sink, struct err *err)
{
	struct watch w = {
		.options = o,
		.plan = plan,
		.purgeable = RECORD_UNKNOWN,
		.looked_at = -INFINITY,
		.closer_at = -INFINITY,
	};
	struct info_tap info_tap = { .watch = &w };
	int ret;

	if (!plan->engine && !plan->looked_at)
		interrupt_catch();
	w.redact_stalls = redact_new_of(o);
	w.redact = plan->names ? NULL : redact_new_of(o);
	info_tap.next = redact_sink(w.redact, sink);
	w.seen = seen_keys_new(&(struct record_sink){ tap, &info_tap },
			       watch_goes_on(&w) ? SEEN_KEYS_CHUNK : SEEN_KEYS);
	w.sink = seen_keys_sink(w.seen);
	w.snapshot = snapshot_new(&w.sink, plan->seconds);
	ret = prepare(&w, err);
	if (ret)
		goto out;
	sensors_begin(w.sensors);
	/* t = 0 is when the sensors see. */
	w.start_ns = clock_mono_ns();
	w.setup_cpu_seconds = clock_cpu_ns() / 1e9;
	w.kernel_bytes = engine_memory_bytes(w.engine);
	sensors_set_start(w.sensors, w.start_ns);
	host_session_emit(&w.sink, w.server.where.pid, w.start_ns);
	server_emit(&w.server, NULL, &w.sink);
	host_emit(&w.sink, w.server.where.pid);
	w.writers = writers_new(w.server.where.pid);
	watch_emit_sensors(&w);
	if (w.server.conn)
		snapshot_begin(w.snapshot, w.server.conn, SNAPSHOT_START, 0);
	confine_attached(w.server.where.pid);
	w.progress =
		progress_new(w.server.where.pid, plan->seconds, plan->engine || plan->looked_at);
	watch_finish(&w, watch_emit_tick(&w, w.server.conn != NULL, NAN) && watch_loop(&w));
	progress_end(w.progress);
out:
	server_close(&w.server); /* before the snapshot its requests point to */
	snapshot_free(w.snapshot);
	keysample_free(w.sample);
	writers_free(w.writers);
	clientsearch_free(w.clients);
	sensors_close(w.sensors);
	if (!plan->engine)
		engine_close(w.engine);
	attribution_close(&w.attribution);
	seen_keys_free(w.seen);
	redact_free(w.redact);
	redact_free(w.redact_stalls);
	info_free(w.info);
	return ret;
}
