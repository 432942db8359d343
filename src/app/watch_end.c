/* SPDX-License-Identifier: BSD-2-Clause */
/* What is asked and told when a watch is over; see watch_state.h. */
#include <string.h>

#include "app/purge.h"
#include "app/seen_keys.h"
#include "app/watch_state.h"
#include "base/err.h"
#include "host/sock.h"
#include "host/sysmem.h"
#include "host/writers.h"
#include "redis/clientsearch.h"
#include "redis/info.h"
#include "redis/keylook.h"
#include "redis/keysample.h"
#include "redis/snapshot.h"
#include "sensor/sensor.h"
#include "target/strings.h"

#define END_TIMEOUT_SECONDS 2.0 /* how long the last questions may take */
#define KEYLOOK_SECONDS	    0.5
#define KEYSAMPLE_SECONDS   2.0
#define CLIENTS_SECONDS	    0.25
#define UNREAD_CLIENTS	    8
#define UNREAD_BYTES	    (64 << 10) /* more than a reader lets wait */
#define LOOKED_KEYS	    48

static void look_at_keys(struct watch *w)
{
	struct bytes keys[LOOKED_KEYS];
	int64_t dbs[LOOKED_KEYS];
	size_t count = seen_keys_pick(w->seen, keys, dbs, LOOKED_KEYS);

	if (!w->server.conn || !count || w->hanging)
		return;
	keylook_found(w->server.conn, &w->sink, keys, dbs, count);
	watch_drain(w, KEYLOOK_SECONDS);
}

/* Sampled last: what it costs the server is not part of what was watched. */
static void sample_keys(struct watch *w)
{
	if (!w->server.conn || w->hanging || !w->info || !w->options->sample_keys)
		return;
	w->sample = keysample_start(w->server.conn, &w->sink, w->info, w->options->sample_keys);
	watch_drain(w, KEYSAMPLE_SECONDS);
}

/* The server does not tell which of its clients speak TLS; the kernel does. */
static void count_tls(struct watch *w)
{
	struct record record = { .kind = RECORD_HELD };

	if (w->tls_port <= 0 || w->tls_port > UINT16_MAX)
		return;
	record.held.t_seconds = watch_seconds(w);
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

	record.held.t_seconds = watch_seconds(w);
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
	w->clients = clientsearch_start(w->server.conn, &w->sink, w->info, watch_connections(w));
	if (!w->clients) {
		if (conn_tight(w->server.conn))
			tell_unlisted(w);
		return;
	}
	watch_drain(w, CLIENTS_SECONDS);
	clientsearch_emit(w->clients, watch_seconds(w));
	tell_unread(w);
}

static void drain(void *ctx, double seconds)
{
	watch_drain(ctx, seconds);
}

static void try_purge(struct watch *w)
{
	const struct purge_try how = {
		.conn = w->server.conn,
		.pid = w->server.where.pid,
		.t_seconds = watch_seconds(w),
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
	if (strings_emit(w->server.where.pid, &layout, watch_seconds(w), &w->sink, &why))
		log_msg(LOG_INFO, "strings: %s", why.text);
}

/* What only a ledger needs. */
static void finish_ledger(struct watch *w)
{
	if (w->server.conn) {
		snapshot_begin(w->snapshot, w->server.conn, SNAPSHOT_END, watch_seconds(w));
		watch_drain(w, END_TIMEOUT_SECONDS);
	}
	/* Right after the server told what it holds: the two must fit. */
	if (!watch_goes_on(w) || watch_look_is_due(w))
		watch_emit_mappings(w, "end");
	try_purge(w);
}

/* Is the server asked what a report needs? Of windows that somebody looks at nobody sees the last;
 * a watch into chunks is ended by who is in a hurry, and not to wait for a server that hangs. */
static bool asks(const struct watch *w, bool alive)
{
	return alive && !w->plan->stalls && !w->plan->looked_at &&
	       !(w->plan->chunks && w->hanging);
}

void watch_finish(struct watch *w, bool alive)
{
	bool whole = asks(w, alive);

	if (whole)
		finish_ledger(w);
	sensors_finish(w->sensors);
	if (w->hanging)
		watch_emit_life(w, "hang", watch_seconds(w) - w->hang_start);
	if (!alive && !sensors_target_exited(w->sensors))
		watch_emit_life(w, "exit", NAN);
	for (int i = 0; i < 2 && alive && w->plan->turn && watch_look_on(w); i++)
		watch_drain(w, KEYLOOK_SECONDS);
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
	watch_emit_sensors(w);
	watch_emit_self(w);
}
