/* SPDX-License-Identifier: BSD-2-Clause */
/* What is asked and told when a watch is over; see watch_state.h. */
#include "app/purge.h"
#include "app/seen_keys.h"
#include "app/watch_state.h"
#include "base/err.h"
#include "host/sysmem.h"
#include "host/writers.h"
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

static void search_clients(struct watch *w)
{
	if (!watch_search_clients(w))
		return;
	watch_drain(w, CLIENTS_SECONDS);
	watch_found_clients(w);
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

/* Is the server asked what a report needs? Of windows that somebody looks at nobody sees the
 * last. */
static bool asks(const struct watch *w, bool alive)
{
	return alive && !w->plan->stalls && !w->plan->looked_at;
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
		watch_count_tls(w);
		search_clients(w);
		sample_keys(w);
		look_at_strings(w);
	}
	host_emit(&w->sink, w->server.where.pid);
	disk_emit(&w->sink, w->server.where.pid);
	if (w->writers)
		writers_tell(w->writers, &w->sink);
	server_emit(&w->server, w->info, &w->sink);
	watch_emit_sensors(w);
	watch_emit_self(w);
}
