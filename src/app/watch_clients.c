/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who a server's clients are; see watch_state.h. Few are listed; of many none is asked for unless
 * they have more memory than so many need, and then those with most are searched for. Whom the
 * server was not asked for the host may still know.
 */
#include <errno.h>
#include <string.h>

#include "app/watch_state.h"
#include "host/sock.h"
#include "redis/clientsearch.h"
#include "redis/snapshot.h"

#define UNREAD_CLIENTS 8
#define UNREAD_BYTES   (64 << 10) /* more than a reader lets wait */

/* --- by the host ------------------------------------------------------------------- */

void watch_count_tls(struct watch *w)
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
	record.held.objects_total = snapshot_client_counts(w->snapshot)->connected;
	record_emit(&w->sink, &record);
	tell_unread(w);
}

/* --- by the server ----------------------------------------------------------------- */

/* That it has taken since the watch began; of all where it is not known when that was. */
static int64_t connections_since(const struct watch *w)
{
	int64_t connections = snapshot_client_counts(w->snapshot)->connections;

	return connections != RECORD_UNKNOWN && w->connections != RECORD_UNKNOWN ?
		       connections - w->connections :
		       connections;
}

static void start_search(struct watch *w)
{
	w->clients = clientsearch_start(w->server.conn, &w->sink,
					snapshot_client_counts(w->snapshot), connections_since(w));
	if (!w->clients && conn_tight(w->server.conn))
		tell_unlisted(w);
}

void watch_found_clients(struct watch *w)
{
	clientsearch_emit(w->clients, watch_seconds(w));
	tell_unread(w);
}

/* Whoever has it may be gone when the window ends, so they are looked at in the second in which
 * they are suspected; once a window, as a search is not for nothing. */
void watch_follow_clients(struct watch *w)
{
	if (w->clients && clientsearch_done(w->clients)) {
		watch_found_clients(w);
		clientsearch_free(w->clients);
		w->clients = NULL;
	}
	if (!watch_goes_on(w) || !w->server.conn || w->hanging || w->clients ||
	    w->clients_looked_at || !client_counts_suspicious(snapshot_client_counts(w->snapshot)))
		return;
	w->clients_looked_at = true;
	if (snapshot_clients(w->snapshot, w->server.conn, watch_seconds(w)) == -E2BIG)
		start_search(w);
}

void watch_look_at_clients(struct watch *w)
{
	w->clients_looked_at = !snapshot_clients(w->snapshot, w->server.conn, watch_seconds(w)) &&
			       client_counts_suspicious(snapshot_client_counts(w->snapshot));
	watch_follow_clients(w);
}

bool watch_search_clients(struct watch *w)
{
	if (!w->server.conn || w->hanging || !w->info)
		return false;
	if (!w->clients)
		start_search(w);
	return w->clients;
}
