/* SPDX-License-Identifier: BSD-2-Clause */
/* What goes on in a watch, and where its windows end; see watch_state.h. */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <string.h>

#include "app/progress.h"
#include "app/redact.h"
#include "app/seen_keys.h"
#include "app/watch_state.h"
#include "base/err.h"
#include "base/escape.h"
#include "host/elf.h"
#include "host/proc.h"
#include "host/sysmem.h"
#include "host/writers.h"
#include "model/chunk.h"
#include "model/window.h"
#include "redis/info.h"
#include "redis/keylook.h"
#include "redis/keysample.h"
#include "redis/snapshot.h"
#include "sensor/engine.h"
#include "sensor/sensor.h"

#define TICK_SECONDS   1.0 /* the engine's */
#define TURN_MS	       100 /* how often the loop turns when nothing comes... */
#define STILL_MS       1000 /* ...and a watch without end, where nothing is to be decided */
#define SHORT_MS       5 /* ...and any other, where the budget has something to decide */
#define HANG_SECONDS   1.0 /* no answer for this long is told as a hang */
#define CUT_KEYS       8
#define REASON_COLUMNS 200
#define HELPER_REST    60.0
/* Of a watch without end, until calibration is tried again; twice as long each time. */
#define CALIBRATE_REST	   10.0
#define CALIBRATE_REST_MAX 600.0

/* --- records of the host and of the watch ---------------------------------------- */

void watch_emit_life(struct watch *w, const char *event, double seconds)
{
	struct record record = { .kind = RECORD_LIFE };

	record.life.t_seconds = watch_seconds(w);
	if (!isnan(seconds))
		record.life.t_seconds -= seconds;
	record.life.event = event;
	record.life.detail = "";
	record.life.seconds = seconds;
	record.life.held_bytes = RECORD_UNKNOWN;
	record_emit(&w->sink, &record);
}

bool watch_emit_tick(struct watch *w, bool answered, double reply_seconds)
{
	struct record record = { .kind = RECORD_TICK };
	char state;

	if (proc_held_ended(w->server.where.pidfd) ||
	    host_tick_fill(&record.tick, w->server.where.pid, w->server_starttime))
		return false;
	state = record.tick.state;
	record.tick.t_seconds = watch_seconds(w);
	record.tick.answered = answered;
	record.tick.reply_seconds = reply_seconds;
	record_emit(&w->sink, &record);
	if (state == 'T' && !w->stopped) {
		w->stopped = true;
		watch_emit_life(w, "stopped", NAN);
	} else if (state != 'T') {
		w->stopped = false;
	}
	return true;
}

void watch_emit_self(struct watch *w)
{
	struct record record = { .kind = RECORD_SELF };
	struct record_self *self = &record.self;

	self->target_pause_seconds = w->attribution.pause_seconds;
	sensors_cost(w->sensors, self);
	self->rss_bytes = proc_own_peak_bytes() + w->kernel_bytes;
	self->setup_cpu_seconds = w->setup_cpu_seconds;
	self->cpu_seconds = clock_cpu_ns() / 1e9 - w->setup_cpu_seconds;
	self->window_seconds = watch_seconds(w);
	self->smaps_seconds = w->smaps_seconds;
	record_emit(&w->sink, &record);
}

/* --- rows of the sensor table that are not in the sensor room ---------------- */

static void emit_row(struct watch *w, const char *id, bool on, const char *reason, const char *fix)
{
	struct record record = { .kind = RECORD_SENSOR };

	record.sensor.id = id;
	record.sensor.on = on;
	record.sensor.reason = reason;
	record.sensor.fix = on ? "" : fix;
	record_emit(&w->sink, &record);
}

void watch_emit_sensors(struct watch *w)
{
	const char *refusal = keysample_refusal(w->sample), *reason;
	struct buf reasons = {};

	for (size_t i = 0; (reason = snapshot_reason_at(w->snapshot, i)); i++)
		buf_printf(&reasons, "%s%s", i ? "; " : "", reason);
	if (*refusal) {
		buf_printf(&reasons, "%skeys drawn at random: ", reasons.len ? "; " : "");
		escape_terminal(&reasons, refusal, strlen(refusal), REASON_COLUMNS);
	}
	if (w->server.conn && *conn_withheld(w->server.conn))
		buf_printf(&reasons,
			   "%snot asked within 4 MB of maxmemory, where a command's first use "
			   "takes 24 KB for good, and MALLOC-STATS' reply as much: %s",
			   reasons.len ? "; " : "", conn_withheld(w->server.conn));
	emit_row(w, "connection", w->server.conn != NULL,
		 w->server.conn ? buf_str(&reasons) : w->server.conn_error.text,
		 "give the server with -h/-p or -s and its password with REDISCLI_AUTH");
	emit_row(w, "attribution", w->attribution.on, w->attribution.reason,
		 w->server.where.pid ? "see what `redmem check` says of it" : AWAY_FIX);
	sensors_emit_states(w->sensors);
	buf_free(&reasons);
}

void watch_emit_mappings(struct watch *w, const char *phase)
{
	bool jemalloc = w->server.image && w->server.image->allocator == ALLOCATOR_JEMALLOC;
	double seconds = sensors_mappings(w->sensors, phase, jemalloc);

	if (seconds > w->smaps_seconds)
		w->smaps_seconds = seconds;
}

/* --- where windows end ----------------------------------------------------------- */

static bool border_is_due(const struct watch *w, double t_seconds)
{
	if (w->plan->windows)
		return windows_end_at(w->plan->windows, t_seconds);
	return w->plan->chunks && chunker_end_at(w->plan->chunks, t_seconds);
}

/* Reading the server's mappings takes longer the larger it is, and keeps it from mapping. */
bool watch_look_is_due(const struct watch *w)
{
	if (w->plan->looked_at && !w->longest_ends)
		return false;
	return watch_seconds(w) - w->looked_at >= w->look_seconds / watch_budget(w->options);
}

/* A server that could not be calibrated (it loaded its data) may be by now. */
static void keep_going(struct watch *w, double t_seconds)
{
	elf_thread_rest(HELPER_REST);
	if (w->attribution.on || t_seconds < w->calibrate_at)
		return;
	w->calibrate_rest = fmin(fmax(2 * w->calibrate_rest, CALIBRATE_REST), CALIBRATE_REST_MAX);
	w->calibrate_at = t_seconds + w->calibrate_rest;
	w->uncalibrated = true;
}

/* Who writes beside a server that appends its writes to a file. Other watches tell it when they
 * end: it is of the whole, and no window but a chunk's has it. */
static void tell_writers(struct watch *w)
{
	bool appends = w->info && info_int(w->info, "aof_enabled") == 1;

	if (!w->plan->chunks)
		return;
	if (appends && w->writers) {
		writers_tell(w->writers, &w->sink);
	} else if (appends) {
		w->writers = writers_new(w->server.where.pid);
	} else {
		writers_free(w->writers);
		w->writers = NULL;
	}
}

/* Before the mark that ends it: what the ending window is told of the host and of redmem. */
static void border_reached(struct watch *w)
{
	int64_t start_ns = clock_thread_ns();

	w->border = BORDER_REACHED;
	sensors_window_ends(w->sensors);
	server_emit(&w->server, w->info, &w->sink);
	watch_emit_sensors(w);
	tell_writers(w);
	if (!watch_look_is_due(w))
		return;
	host_emit(&w->sink, w->server.where.pid);
	if (w->plan->chunks && w->writers)
		disk_emit(&w->sink, w->server.where.pid);
	w->look_seconds = (clock_thread_ns() - start_ns) / 1e9;
}

/* A few looks at the keys that mattered since the last, which do not wait. */
static void look_at_busy_keys(struct watch *w)
{
	struct bytes keys[CUT_KEYS];
	int64_t dbs[CUT_KEYS];
	size_t count = seen_keys_pick(w->seen, keys, dbs, CUT_KEYS);

	if (w->server.conn && !w->hanging && w->info)
		keylook_found(w->server.conn, &w->sink, keys, dbs, count);
	seen_keys_forget(w->seen);
}

/* A chunk ends with the next tick or so: what its keys are is known while it goes on, so that a
 * trouble of some seconds is concluded of the window it was in. */
static bool chunk_ends_soon(const struct watch *w, double t_seconds)
{
	return w->plan->chunks && !w->border &&
	       chunker_end_at(w->plan->chunks, t_seconds + TICK_SECONDS);
}

/* A chunk is long enough; windows that somebody looks at may be of a second. */
static bool closer_is_due(const struct watch *w)
{
	return watch_goes_on(w) &&
	       (w->plan->chunks ||
		watch_seconds(w) >= w->closer_at + CLOSER_SECONDS - TURN_MS / 1e3);
}

/* The mappings belong to what the server said of its memory just before. */
static void border_left(struct watch *w)
{
	int64_t start_ns = clock_thread_ns();

	w->border = BORDER_NONE;
	if (closer_is_due(w)) {
		w->closer_at = watch_seconds(w);
		if (w->server.conn && !w->hanging && w->info)
			watch_look_at_clients(w);
		look_at_busy_keys(w);
	}
	if (!watch_look_is_due(w))
		return;
	watch_emit_mappings(w, "window");
	watch_count_tls(w);
	w->look_seconds += (clock_thread_ns() - start_ns) / 1e9;
	w->looked_at = watch_seconds(w);
}

/* A server that is busy then is asked as soon as it is not, but for a tick at most. */
static void border_follow(struct watch *w)
{
	if (w->border == BORDER_REACHED && w->server.conn &&
	    snapshot_begin(w->snapshot, w->server.conn, SNAPSHOT_WINDOW, watch_seconds(w)) ==
		    -EBUSY)
		return;
	if (w->border == BORDER_REACHED)
		w->border = BORDER_ASKED;
	if (w->border == BORDER_ASKED && (!w->server.conn || !snapshot_pending(w->snapshot)))
		border_left(w);
}

void watch_mark(struct watch *w, double t_seconds)
{
	if (!border_is_due(w, t_seconds))
		return;
	w->longest_ends =
		w->plan->looked_at && windows_longest_ends_at(w->plan->windows, t_seconds);
	border_reached(w);
	if (watch_goes_on(w))
		keep_going(w, t_seconds);
}

/* --- the loop -------------------------------------------------------------------- */

/* A server that does not answer: told when it begins and when it is over. */
static void follow_hang(struct watch *w)
{
	double waiting = w->server.conn ? conn_pending_seconds(w->server.conn) : 0;

	if (!w->hanging && waiting > HANG_SECONDS) {
		w->hanging = true;
		w->hang_start = watch_seconds(w) - waiting;
	} else if (w->hanging && waiting < HANG_SECONDS) {
		w->hanging = false;
		watch_emit_life(w, "hang", watch_seconds(w) - w->hang_start);
		if (!w->attribution.on)
			w->uncalibrated = true; /* it could not be asked before */
	}
}

/* A connection the server closed comes back, if the server does. */
static void reconnect(struct watch *w)
{
	if (w->options->no_connect || w->server.conn_error.code == -EACCES ||
	    (w->server.conn_error.code == -ENOENT && !w->server.coming.next))
		return;
	server_reconnect(&w->server);
}

/* Who was ended with all others (CLIENT KILL) is back before the next tick asks, so that no silence
 * of the server is made of it. Once a tick: a server may close each. */
static void lost_connection(struct watch *w)
{
	server_disconnect(&w->server, conn_error(w->server.conn));
	log_msg(LOG_INFO, "connection lost: %s", w->server.conn_error.text);
	if (!w->came_back)
		reconnect(w);
	w->came_back = true;
}

/* Servers are not to be looked at ten times a second for years. What is seen of one wakes its
 * thread, and so do ticks; else it wakes for what the budget decides. Of a watch that ends the
 * budget is heeded closely: a flow probe that stands for 100 ms unheeded takes what a small
 * budget has for seconds. */
static int64_t turn_ms(const struct watch *w)
{
	double rest_ms = sensors_rest_seconds(w->sensors) * 1e3;

	if (!w->plan->chunks)
		return (int64_t)fmin(fmax(rest_ms, SHORT_MS), TURN_MS);
	if (w->border || w->server.coming.conn || rest_ms < TURN_MS)
		return TURN_MS;
	return rest_ms < STILL_MS ? (int64_t)rest_ms : STILL_MS;
}

/* Wait for the engine, replies or the time @until_ns, and take what came. */
static void wait_events(struct watch *w, int64_t until_ns)
{
	struct conn *conn = w->server.conn ? w->server.conn : w->server.coming.conn;
	struct pollfd fds[2] = { { .fd = sensors_fd(w->sensors), .events = POLLIN }, { .fd = -1 } };
	int64_t left_ms = (until_ns - clock_mono_ns()) / 1000000 + 1;

	if (left_ms > turn_ms(w))
		left_ms = turn_ms(w);
	if (left_ms < 0)
		left_ms = 0;
	if (conn) {
		fds[1].fd = conn_fd(conn);
		fds[1].events = conn_poll_events(conn);
	}
	poll(fds, 2, left_ms);
	if (!w->server.conn)
		w->uncalibrated |= server_reconnect_on(&w->server, fds[1].revents);
	else if (conn_dispatch(w->server.conn, fds[1].revents))
		lost_connection(w);
	w->ticks += sensors_poll(w->sensors);
	follow_hang(w);
}

/* Look again where a server is that answers now: redmem may be another client than before. */
static void calibrate_again(struct watch *w)
{
	struct conn *conn = w->server.conn;

	if (!w->uncalibrated || (conn ? !conn_connected(conn) : w->attribution.on))
		return;
	w->uncalibrated = !attribution_calibrate(&w->attribution);
}

static bool tick(struct watch *w)
{
	double reply_seconds = NAN, t_seconds = watch_seconds(w);
	bool answered = w->server.conn && snapshot_tick_answered(w->snapshot, &reply_seconds);

	if (w->border)
		border_left(w);
	if (!watch_emit_tick(w, answered, reply_seconds))
		return false;
	watch_emit_self(w);
	sensors_tick(w->sensors);
	border_follow(w);
	watch_follow_clients(w);
	if (chunk_ends_soon(w, t_seconds))
		look_at_busy_keys(w);
	attribution_ask(&w->attribution);
	reconnect(w);
	w->came_back = false;
	if (w->server.conn && !w->border)
		snapshot_tick(w->snapshot, w->server.conn, t_seconds);
	progress_tick(w->progress, watch_seconds(w));
	return !sensors_target_exited(w->sensors);
}

static void blame_seen(struct watch *w, struct stall *stall, const struct record_stall *seen)
{
	const struct record record = { .kind = RECORD_STALL, .stall = *seen };

	if (w->redact_stalls)
		seen = &redact_record(w->redact_stalls, &record)->stall;
	blame_stall(stall, seen, &blame_by_tables);
}

bool watch_look_on(struct watch *w)
{
	const struct watch_plan *plan = w->plan;
	struct sensor_stall seen;
	struct stall stall;
	bool stalls = sensors_stall_now(w->sensors, &seen);

	if (stalls)
		blame_seen(w, &stall, &seen.record);
	progress_stall(w->progress, stalls ? &stall : NULL);
	if (plan->stall)
		plan->stall(plan->ctx, stalls ? &stall : NULL);
	return !plan->turn || !plan->turn(plan->ctx, w->hanging ? NULL : w->server.conn,
					  w->snapshot, watch_seconds(w));
}

bool watch_loop(struct watch *w)
{
	double seconds = w->plan->seconds;
	int64_t end = isinf(seconds) ? INT64_MAX : w->start_ns + (int64_t)(seconds * 1e9);

	while (!interrupted() && clock_mono_ns() < end) {
		wait_events(w, end);
		border_follow(w);
		sensors_control(w->sensors);
		calibrate_again(w);
		if (sensors_target_exited(w->sensors))
			return false;
		if (!watch_look_on(w))
			break;
		/* The last tick is the one at the end. */
		if (!w->ticks || (double)(end - clock_mono_ns()) / 1e9 < TICK_SECONDS / 2)
			continue;
		w->ticks = 0;
		if (!tick(w))
			return false;
	}
	return watch_emit_tick(w, w->server.conn && !w->hanging, NAN);
}

void watch_drain(struct watch *w, double seconds)
{
	int64_t end = clock_mono_ns() + (int64_t)(seconds * 1e9);

	while (w->server.conn && conn_pending(w->server.conn) && clock_mono_ns() < end)
		wait_events(w, end);
}
