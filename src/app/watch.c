/* SPDX-License-Identifier: BSD-2-Clause */
/* A watch; see watch.h. */
#include "app/watch.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/attribution.h"
#include "app/confine.h"
#include "app/debug_files.h"
#include "app/progress.h"
#include "app/purge.h"
#include "app/redact.h"
#include "app/seen_keys.h"
#include "app/server.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/escape.h"
#include "host/elf.h"
#include "host/proc.h"
#include "host/sock.h"
#include "host/sysmem.h"
#include "host/writers.h"
#include "model/chunk.h"
#include "model/window.h"
#include "record/schema.h"
#include "redis/clientsearch.h"
#include "redis/info.h"
#include "redis/keylook.h"
#include "redis/keysample.h"
#include "redis/snapshot.h"
#include "sensor/engine.h"
#include "sensor/sensor.h"
#include "target/frames.h"
#include "target/strings.h"

#define TICK_SECONDS	    1.0 /* the engine's */
#define TURN_MS		    100 /* how often the loop turns when nothing comes... */
#define STILL_MS	    1000 /* ...and a watch without end, where nothing is to be decided */
#define HANG_SECONDS	    1.0 /* no answer for this long is told as a hang */
#define END_TIMEOUT_SECONDS 2.0 /* how long the last questions may take */
#define KEYLOOK_SECONDS	    0.5
#define KEYSAMPLE_SECONDS   2.0
#define CLIENTS_SECONDS	    0.25
#define UNREAD_CLIENTS	    8
#define UNREAD_BYTES	    (64 << 10) /* more than a reader lets wait */
#define SEEN_KEYS	    20000 /* remembered, for a look at a few of them */
#define SEEN_KEYS_CHUNK	    2000
#define REASON_COLUMNS	    200
#define LOOKED_KEYS	    48
#define CUT_KEYS	    8
#define HELPER_REST	    60.0
/* Of a watch without end, until calibration is tried again; twice as long each time. */
#define CALIBRATE_REST	   10.0
#define CALIBRATE_REST_MAX 600.0

/* The end of a window, seen from the watch: the server is asked, then the host. */
enum border { BORDER_NONE, BORDER_REACHED, BORDER_ASKED };

struct watch {
	const struct options *options;
	const struct watch_plan *plan;
	struct seen_keys *seen;
	struct record_sink sink; /* remembers keys, then on to the caller's */
	struct redact *redact, *redact_stalls; /* of records, and of the stall that goes on; NULL */
	struct server server;
	struct engine *engine;
	struct sensors *sensors;
	size_t ticks; /* seconds that are over and were not looked at */
	struct snapshot *snapshot;
	struct keysample *sample;
	struct writers *writers; /* what others had written when it began */
	struct clientsearch *clients;
	int64_t connections; /* total_connections_received, when it was told first */
	int tls_port; /* 0 = none */
	int64_t purgeable; /* by the last MALLOC-STATS, for --try purge */
	struct attribution attribution;
	struct progress *progress;
	struct info *info; /* the newest INFO, for the target record; NULL */
	bool uncalibrated; /* since the connection was made, or the server hung */
	double calibrate_at, calibrate_rest; /* when that is tried next, which did not work */
	enum border border;
	double looked_at, look_seconds; /* the host's side of the last one; what CPU it took */
	double closer_at; /* the last look at the busiest */
	bool longest_ends; /* at the border: where windows are looked at, only then is the host */
	bool hanging;
	bool stopped; /* SIGSTOP seen */
	bool came_back; /* in this tick, behind a connection that was lost */
	double hang_start;
	double smaps_seconds;
	int64_t start_ns;
	double setup_cpu_seconds;
	int64_t kernel_bytes; /* that programs and maps take */
	uint64_t server_starttime;
};

static double budget_ratio(const struct options *o)
{
	return (isnan(o->budget_percent) ? WATCH_BUDGET_PERCENT : o->budget_percent) / 100;
}

static double now_seconds(const struct watch *w)
{
	return (clock_mono_ns() - w->start_ns) / 1e9;
}

/* --- records of the host ------------------------------------------------------ */

static void emit_life(struct watch *w, const char *event, double seconds)
{
	struct record record = { .kind = RECORD_LIFE };

	record.life.t_seconds = now_seconds(w);
	if (!isnan(seconds))
		record.life.t_seconds -= seconds;
	record.life.event = event;
	record.life.detail = "";
	record.life.seconds = seconds;
	record.life.held_bytes = RECORD_UNKNOWN;
	record_emit(&w->sink, &record);
}

/* The host's side of a tick. False when the server has ended. */
static bool emit_tick(struct watch *w, bool answered, double reply_seconds)
{
	struct record record = { .kind = RECORD_TICK };
	char state;

	if (proc_held_ended(w->server.where.pidfd) ||
	    host_tick_fill(&record.tick, w->server.where.pid, w->server_starttime))
		return false;
	state = record.tick.state;
	record.tick.t_seconds = now_seconds(w);
	record.tick.answered = answered;
	record.tick.reply_seconds = reply_seconds;
	record_emit(&w->sink, &record);
	if (state == 'T' && !w->stopped) {
		w->stopped = true;
		emit_life(w, "stopped", NAN);
	} else if (state != 'T') {
		w->stopped = false;
	}
	return true;
}

static void emit_self(struct watch *w)
{
	struct record record = { .kind = RECORD_SELF };
	struct record_self *self = &record.self;

	self->target_pause_seconds = w->attribution.pause_seconds;
	sensors_cost(w->sensors, self);
	self->rss_bytes = proc_own_peak_bytes() + w->kernel_bytes;
	self->setup_cpu_seconds = w->setup_cpu_seconds;
	self->cpu_seconds = clock_cpu_ns() / 1e9 - w->setup_cpu_seconds;
	self->window_seconds = now_seconds(w);
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

static void emit_sensors(struct watch *w)
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

static void read_mappings(struct watch *w, const char *phase)
{
	bool jemalloc = w->server.image && w->server.image->allocator == ALLOCATOR_JEMALLOC;
	double seconds = sensors_mappings(w->sensors, phase, jemalloc);

	if (seconds > w->smaps_seconds)
		w->smaps_seconds = seconds;
}

/* --- where windows end -------------------------------------------------------------- */

/* Reading the server's mappings takes longer the larger it is, and keeps it from mapping. */
static bool look_is_due(const struct watch *w)
{
	if (w->plan->looked_at && !w->longest_ends)
		return false;
	return now_seconds(w) - w->looked_at >= w->look_seconds / budget_ratio(w->options);
}

/* Is it without end, and nothing may grow? */
static bool goes_on(const struct watch *w)
{
	return w->plan->chunks || w->plan->looked_at;
}

static bool border_is_due(const struct watch *w, double t_seconds)
{
	if (w->plan->windows)
		return windows_end_at(w->plan->windows, t_seconds);
	return w->plan->chunks && chunker_end_at(w->plan->chunks, t_seconds);
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

/* Before the mark that ends it: what the ending window is told of the host and of redmem. */
static void border_reached(struct watch *w)
{
	int64_t start_ns = clock_thread_ns();

	w->border = BORDER_REACHED;
	sensors_window_ends(w->sensors);
	server_emit(&w->server, w->info, &w->sink);
	emit_sensors(w);
	if (!look_is_due(w))
		return;
	host_emit(&w->sink, w->server.where.pid);
	w->look_seconds = (clock_thread_ns() - start_ns) / 1e9;
}

static int64_t connections_since(const struct watch *w)
{
	int64_t connections = info_int(w->info, "total_connections_received");

	return connections != RECORD_UNKNOWN && w->connections != RECORD_UNKNOWN ?
		       connections - w->connections :
		       connections;
}

/* Of few clients all, of many those with most memory: what the search before has found. */
static void look_at_clients(struct watch *w)
{
	if (snapshot_clients(w->snapshot, w->server.conn, now_seconds(w)) != -E2BIG)
		return;
	clientsearch_emit(w->clients, now_seconds(w));
	if (conn_pending(w->server.conn))
		return; /* it is not over, and its replies come into it */
	clientsearch_free(w->clients);
	w->clients = clientsearch_start(w->server.conn, &w->sink, w->info, connections_since(w));
}

/* What goes on has begun anew: a few looks at what mattered before, which do not wait. */
static void look_at_the_busiest(struct watch *w)
{
	struct bytes keys[CUT_KEYS];
	int64_t dbs[CUT_KEYS];
	size_t count = seen_keys_pick(w->seen, keys, dbs, CUT_KEYS);

	if (w->server.conn && !w->hanging && w->info) {
		look_at_clients(w);
		keylook_found(w->server.conn, &w->sink, keys, dbs, count);
	}
	seen_keys_forget(w->seen);
}

/* A chunk is long enough; windows that somebody looks at may be of a second. */
static bool closer_is_due(const struct watch *w)
{
	return goes_on(w) &&
	       (w->plan->chunks || now_seconds(w) >= w->closer_at + CLOSER_SECONDS - TURN_MS / 1e3);
}

/* The mappings belong to what the server said of its memory just before. */
static void border_left(struct watch *w)
{
	int64_t start_ns = clock_thread_ns();

	w->border = BORDER_NONE;
	if (closer_is_due(w)) {
		w->closer_at = now_seconds(w);
		look_at_the_busiest(w);
	}
	if (!look_is_due(w))
		return;
	read_mappings(w, "window");
	w->look_seconds += (clock_thread_ns() - start_ns) / 1e9;
	w->looked_at = now_seconds(w);
}

/* A server that is busy then is asked as soon as it is not, but for a tick at most. */
static void border_follow(struct watch *w)
{
	if (w->border == BORDER_REACHED && w->server.conn &&
	    snapshot_begin(w->snapshot, w->server.conn, SNAPSHOT_WINDOW, now_seconds(w)) == -EBUSY)
		return;
	if (w->border == BORDER_REACHED)
		w->border = BORDER_ASKED;
	if (w->border == BORDER_ASKED && (!w->server.conn || !snapshot_pending(w->snapshot)))
		border_left(w);
}

/* --- the loop -------------------------------------------------------------------- */

/* A server that does not answer: told when it begins and when it is over. */
static void follow_hang(struct watch *w)
{
	double waiting = w->server.conn ? conn_pending_seconds(w->server.conn) : 0;

	if (!w->hanging && waiting > HANG_SECONDS) {
		w->hanging = true;
		w->hang_start = now_seconds(w) - waiting;
	} else if (w->hanging && waiting < HANG_SECONDS) {
		w->hanging = false;
		emit_life(w, "hang", now_seconds(w) - w->hang_start);
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
 * thread, and so do ticks; else it wakes for what the budget decides. */
static int64_t turn_ms(const struct watch *w)
{
	double rest_ms = sensors_rest_seconds(w->sensors) * 1e3;

	if (!w->plan->chunks || w->border || w->server.coming.conn || rest_ms < TURN_MS)
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
	double reply_seconds = NAN, t_seconds = now_seconds(w);
	bool answered = w->server.conn && snapshot_tick_answered(w->snapshot, &reply_seconds);

	if (w->border)
		border_left(w);
	if (!emit_tick(w, answered, reply_seconds))
		return false;
	emit_self(w);
	sensors_tick(w->sensors);
	border_follow(w);
	attribution_ask(&w->attribution);
	reconnect(w);
	w->came_back = false;
	if (w->server.conn && !w->border)
		snapshot_tick(w->snapshot, w->server.conn, t_seconds);
	progress_tick(w->progress, now_seconds(w));
	return !sensors_target_exited(w->sensors);
}

static void blame_seen(struct watch *w, struct stall *stall, const struct record_stall *seen)
{
	const struct record record = { .kind = RECORD_STALL, .stall = *seen };

	if (w->redact_stalls)
		seen = &redact_record(w->redact_stalls, &record)->stall;
	blame_stall(stall, seen, &blame_by_tables);
}

/* Between ticks: the live line, and what the plan does. False when it has enough. */
static bool look_on(struct watch *w)
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
					  w->snapshot, now_seconds(w));
}

/* True when the server was there until the end. */
static bool loop(struct watch *w)
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
		if (!look_on(w))
			break;
		/* The last tick is the one at the end. */
		if (!w->ticks || (double)(end - clock_mono_ns()) / 1e9 < TICK_SECONDS / 2)
			continue;
		w->ticks = 0;
		if (!tick(w))
			return false;
	}
	return emit_tick(w, w->server.conn && !w->hanging, NAN);
}

/* Drive the connection until nothing is pending or @seconds have passed. */
static void drain_connection(struct watch *w, double seconds)
{
	int64_t end = clock_mono_ns() + (int64_t)(seconds * 1e9);

	while (w->server.conn && conn_pending(w->server.conn) && clock_mono_ns() < end)
		wait_events(w, end);
}

static void look_at_keys(struct watch *w)
{
	struct bytes keys[LOOKED_KEYS];
	int64_t dbs[LOOKED_KEYS];
	size_t count = seen_keys_pick(w->seen, keys, dbs, LOOKED_KEYS);

	if (!w->server.conn || !count || w->hanging)
		return;
	keylook_found(w->server.conn, &w->sink, keys, dbs, count);
	drain_connection(w, KEYLOOK_SECONDS);
}

/* Sampled last: what it costs the server is not part of what was watched. */
static void sample_keys(struct watch *w)
{
	if (!w->server.conn || w->hanging || !w->info || !w->options->sample_keys)
		return;
	w->sample = keysample_start(w->server.conn, &w->sink, w->info, w->options->sample_keys);
	drain_connection(w, KEYSAMPLE_SECONDS);
}

/* The server does not tell which of its clients speak TLS; the kernel does. */
static void count_tls(struct watch *w)
{
	struct record record = { .kind = RECORD_HELD };

	if (w->tls_port <= 0 || w->tls_port > UINT16_MAX)
		return;
	record.held.t_seconds = now_seconds(w);
	record.held.name = "tls";
	record.held.objects_total = sock_connections(w->server.where.pid, (uint16_t)w->tls_port);
	record.held.looked_bytes = RECORD_UNKNOWN;
	record_emit(&w->sink, &record);
}

/* Of clients that were not looked at the host still knows who does not read. Those of a unix
 * socket have no address by which one could tell that they were looked at. */
static void tell_unread(struct watch *w)
{
	struct sock_unread unread[2 * UNREAD_CLIENTS];
	int port = w->server.where.port;
	pid_t pid = w->server.where.pid;
	size_t count = 0;

	if (port > 0 && port <= UINT16_MAX)
		count = sock_unread_list(pid, (uint16_t)port, UNREAD_BYTES, unread, UNREAD_CLIENTS);
	if (!w->clients && pid)
		count += sock_unread_unix(pid, UNREAD_BYTES, unread + count, UNREAD_CLIENTS);
	for (size_t i = 0; i < count; i++) {
		struct record record;

		if (w->clients && !clientsearch_missed(w->clients, unread[i].address))
			continue;
		record_clear(&record, RECORD_CLIENT);
		record.client.address =
			(struct bytes){ unread[i].address, strlen(unread[i].address) };
		record.client.unsent_bytes = unread[i].unsent_bytes;
		record_emit(&w->sink, &record);
	}
}

/* Near maxmemory the server is not asked for its clients: none was looked at. */
static void tell_unlisted(struct watch *w)
{
	struct record record = { .kind = RECORD_HELD };

	record.held.t_seconds = now_seconds(w);
	record.held.name = "clients";
	record.held.objects_total = info_int(w->info, "connected_clients");
	record_emit(&w->sink, &record);
	tell_unread(w);
}

/* Of very many clients those with most memory. */
static void search_clients(struct watch *w)
{
	if (!w->server.conn || w->hanging || !w->info)
		return;
	w->clients = clientsearch_start(w->server.conn, &w->sink, w->info, connections_since(w));
	if (!w->clients) {
		if (conn_tight(w->server.conn))
			tell_unlisted(w);
		return;
	}
	drain_connection(w, CLIENTS_SECONDS);
	clientsearch_emit(w->clients, now_seconds(w));
	tell_unread(w);
}

static void drain(void *ctx, double seconds)
{
	drain_connection(ctx, seconds);
}

static void try_purge(struct watch *w)
{
	const struct purge_try how = {
		.conn = w->server.conn,
		.pid = w->server.where.pid,
		.t_seconds = now_seconds(w),
		.expected_bytes = w->purgeable,
		.drain = drain,
		.ctx = w,
	};

	if (w->options->try_purge && how.conn && !w->hanging)
		purge_run(&how, &w->sink);
}

/* How far values were rounded up, where the server tells nobody their lengths without counting
 * that as use: before 7.2. */
static void look_at_strings(struct watch *w)
{
	const struct image *image = w->server.image;
	struct footprint_layout layout;
	struct err why = {};

	if (!w->server.conn || !w->info || !image || image->allocator != ALLOCATOR_JEMALLOC ||
	    conn_no_touch(w->server.conn) == NO_TOUCH_PROMISED || !w->options->sample_keys)
		return;
	layout = footprint_layout_of(info_server(w->info), info_server_version(w->info),
				     image->allocator_bundled);
	if (strings_emit(w->server.where.pid, &layout, now_seconds(w), &w->sink, &why))
		log_msg(LOG_INFO, "strings: %s", why.text);
}

/* What only a ledger needs. */
static void finish_ledger(struct watch *w)
{
	if (w->server.conn) {
		snapshot_begin(w->snapshot, w->server.conn, SNAPSHOT_END, now_seconds(w));
		drain_connection(w, END_TIMEOUT_SECONDS);
	}
	/* Right after the server told what it holds: the two must fit. */
	read_mappings(w, "end");
	try_purge(w);
}

static void finish(struct watch *w, bool alive)
{
	bool whole = alive && !w->plan->stalls && !goes_on(w);

	if (whole)
		finish_ledger(w);
	sensors_finish(w->sensors);
	if (w->hanging)
		emit_life(w, "hang", now_seconds(w) - w->hang_start);
	if (!alive && !sensors_target_exited(w->sensors))
		emit_life(w, "exit", NAN);
	for (int i = 0; i < 2 && alive && w->plan->turn && look_on(w); i++)
		drain_connection(w, KEYLOOK_SECONDS);
	if (whole) {
		look_at_keys(w);
		count_tls(w);
		search_clients(w);
		sample_keys(w);
		look_at_strings(w);
	}
	host_emit(&w->sink, w->server.where.pid);
	disk_emit(&w->sink, w->server.where.pid);
	writers_emit(w->writers, &w->sink);
	server_emit(&w->server, w->info, &w->sink);
	emit_sensors(w);
	emit_self(w);
}

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

	if (record->kind == RECORD_MARK && border_is_due(w, record->mark.t_seconds)) {
		w->longest_ends = w->plan->looked_at &&
				  windows_longest_ends_at(w->plan->windows, record->mark.t_seconds);
		border_reached(w);
		if (goes_on(w))
			keep_going(w, record->mark.t_seconds);
	}
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
	};
	const struct sensor_config config = {
		.pid = w->server.where.pid,
		.sink = w->sink,
		.start_ns = w->start_ns,
		.page_bytes = sysconf(_SC_PAGESIZE),
		.stall_threshold_seconds =
			(isnan(o->threshold_ms) ? WATCH_THRESHOLD_MS : o->threshold_ms) / 1e3,
		.budget_ratio = budget_ratio(o),
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
			       goes_on(&w) ? SEEN_KEYS_CHUNK : SEEN_KEYS);
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
	emit_sensors(&w);
	if (w.server.conn)
		snapshot_begin(w.snapshot, w.server.conn, SNAPSHOT_START, 0);
	/* A watch without end counts what its programs take anew each minute, which is for who may
	 * do all; serve has what its unit gives. */
	if (!goes_on(&w))
		confine_attached(w.server.where.pid);
	w.progress =
		progress_new(w.server.where.pid, plan->seconds, plan->engine || plan->looked_at);
	finish(&w, emit_tick(&w, w.server.conn != NULL, NAN) && loop(&w));
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
