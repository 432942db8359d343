/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients by ranges of ids; see clientsearch.h. */
#include "redis/clientsearch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "redis/replies.h"

/* A client that is found takes the server some 4 us, an id that is nobody's 0.03 us (measured on
 * 7.0.15 and Valkey 8.0.1): a piece holds it for about 0.1 ms, and one that meets many clients
 * after none for 0.5 ms. */
#define PIECE_FIRST 24
#define PIECE_MOST  128
#define PIECE_FOUND 24 /* clients a piece is to find */
/* All of them together: some 50 ms at most. */
#define PIECES_MOST 512
#define FOUND_MOST  32
/* Ids between ours and the newest client's that nobody's connection took: of modules, of Lua. */
#define IDS_SPARE 64
/* What an ordinary client takes, and how much more all may have before one is suspected. */
#define CLIENT_BYTES   ((int64_t)40 << 10)
#define SUSPECT_BYTES  ((int64_t)8 << 20)
#define MONITOR_WEIGHT INT64_MAX

struct found {
	int64_t weight;
	struct record record; /* its strings are its own */
};

struct clientsearch {
	struct conn *conn;
	struct record_sink sink;
	int64_t connected; /* clients there are beside ours */
	int64_t connections; /* that came after ours */
	int64_t oldest, newest; /* ids not asked for yet: these two and those between */
	int64_t asked; /* ids of the piece under way */
	int64_t piece_ids; /* of the next one */
	int pieces_left;
	bool from_oldest; /* the next one */
	int64_t looked, looked_bytes;
	int64_t piece_found;
	struct found found[FOUND_MOST]; /* by weight, falling */
	size_t count;
	bool done;
};

static void next_piece(struct clientsearch *search);

/* --- is there anything to search for? ------------------------------------------ */

static void take_count(int64_t *count, const struct info *info, const char *name)
{
	int64_t value = info_int(info, name);

	if (value != RECORD_UNKNOWN)
		*count = value;
}

void client_counts_take(struct client_counts *counts, const struct info *info)
{
	take_count(&counts->connected, info, "connected_clients");
	take_count(&counts->bytes, info, "mem_clients_normal");
	take_count(&counts->connections, info, "total_connections_received");
}

bool client_counts_suspicious(const struct client_counts *counts)
{
	return counts->connected != RECORD_UNKNOWN && counts->bytes != RECORD_UNKNOWN &&
	       (double)counts->bytes >
		       (double)SUSPECT_BYTES + (double)counts->connected * CLIENT_BYTES;
}

/* --- those with most ----------------------------------------------------------- */

static int64_t weight_of(const struct record_client *client)
{
	if (strchr(client->flags, 'O'))
		return MONITOR_WEIGHT;
	return larger(client->memory_bytes, larger(client->output_bytes, client->query_bytes));
}

static struct bytes own_bytes(struct bytes bytes)
{
	return (struct bytes){ xmemdup(bytes.data ? bytes.data : "", bytes.len), bytes.len };
}

static void found_clear(struct found *found)
{
	struct record_client *client = &found->record.client;

	free((char *)client->address.data);
	free((char *)client->name.data);
	free((char *)client->user);
	free((char *)client->flags);
	free((char *)client->command);
}

static struct found found_of(const struct record *record)
{
	struct found found = { weight_of(&record->client), *record };
	struct record_client *client = &found.record.client;

	client->address = own_bytes(client->address);
	client->name = own_bytes(client->name);
	client->user = xstrdup(client->user);
	client->flags = xstrdup(client->flags);
	client->command = xstrdup(client->command);
	return found;
}

static void take_client(void *ctx, const struct record *record)
{
	struct clientsearch *search = ctx;
	int64_t weight = weight_of(&record->client);
	size_t at = search->count;

	search->looked++;
	search->piece_found++;
	if (record->client.memory_bytes > 0)
		sum_add(&search->looked_bytes, record->client.memory_bytes);
	while (at > 0 && search->found[at - 1].weight < weight)
		at--;
	if (at == FOUND_MOST)
		return;
	if (search->count == FOUND_MOST)
		found_clear(&search->found[--search->count]);
	memmove(&search->found[at + 1], &search->found[at],
		(search->count - at) * sizeof(search->found[0]));
	search->found[at] = found_of(record);
	search->count++;
}

/* --- asking ---------------------------------------------------------------------- */

/* So many ids that they find what a piece is to find, if it is there as in the last one. */
static void set_piece(struct clientsearch *search)
{
	int64_t ids = 2 * search->asked;

	if (search->piece_found * ids > PIECE_FOUND * search->asked)
		ids = PIECE_FOUND * search->asked / search->piece_found;
	search->piece_ids = ids < PIECE_FIRST ? PIECE_FIRST : ids > PIECE_MOST ? PIECE_MOST : ids;
}

static void piece_replied(void *ctx, redisReply *reply, double seconds)
{
	struct clientsearch *search = ctx;
	struct record_sink sink = { take_client, search };

	(void)seconds;
	search->piece_found = 0;
	if (search->done || !reply || client_list_emit(reply, conn_address(search->conn), &sink)) {
		search->done = true; /* lost, or refused: what is known is known */
	} else {
		set_piece(search);
		next_piece(search);
	}
	freeReplyObject(reply);
}

/* Not all clients are seen, and there are ids and pieces left. */
static bool goes_on(const struct clientsearch *search)
{
	return search->looked < search->connected && search->pieces_left > 0 &&
	       search->oldest <= search->newest;
}

static int ask_piece(struct clientsearch *search, int64_t first)
{
	const char *argv[3 + PIECE_MOST] = { "CLIENT", "LIST", "ID" };
	char ids[PIECE_MOST][24];

	for (int64_t i = 0; i < search->asked; i++) {
		snprintf(ids[i], sizeof(ids[i]), "%lld", (long long)(first + i));
		argv[3 + i] = ids[i];
	}
	return conn_send(search->conn, piece_replied, search, (int)(3 + search->asked), argv, NULL);
}

static void next_piece(struct clientsearch *search)
{
	int64_t left = search->newest - search->oldest + 1, first;

	if (!goes_on(search)) {
		search->done = true;
		return;
	}
	search->asked = left < search->piece_ids ? left : search->piece_ids;
	first = search->from_oldest ? search->oldest : search->newest - search->asked + 1;
	if (search->from_oldest)
		search->oldest += search->asked;
	else
		search->newest -= search->asked;
	search->from_oldest = !search->from_oldest;
	search->pieces_left--;
	if (ask_piece(search, first))
		search->done = true;
}

static void id_replied(void *ctx, redisReply *reply, double seconds)
{
	struct clientsearch *search = ctx;

	(void)seconds;
	if (!search->done && reply && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0) {
		search->newest = sum_of(reply->integer, sum_of(search->connections, IDS_SPARE));
		next_piece(search);
	} else {
		search->done = true;
	}
	freeReplyObject(reply);
}

struct clientsearch *clientsearch_start(struct conn *conn, const struct record_sink *sink,
					const struct client_counts *counts, int64_t connections)
{
	struct clientsearch *search;

	if (counts->connected <= CLIENTS_LISTED || !client_counts_suspicious(counts) ||
	    conn_tight(conn) || !conn_may(conn, "client|list"))
		return NULL;
	search = xcalloc(1, sizeof(*search));
	search->conn = conn;
	search->sink = *sink;
	search->connected = counts->connected - 1; /* ours is none of them */
	search->connections = connections > 0 ? connections : 0;
	search->oldest = 1;
	search->piece_ids = PIECE_FIRST;
	search->pieces_left = PIECES_MOST;
	search->done = conn_send_line(conn, id_replied, search, "CLIENT ID") != 0;
	return search;
}

bool clientsearch_done(const struct clientsearch *search)
{
	return search->done;
}

/* --- what was found ----------------------------------------------------------------- */

void clientsearch_emit(struct clientsearch *search, double t_seconds)
{
	struct record record = { .kind = RECORD_HELD };

	if (!search)
		return;
	search->done = true;
	for (size_t i = 0; i < search->count; i++)
		record_emit(&search->sink, &search->found[i].record);
	record.held.t_seconds = t_seconds;
	record.held.name = "clients";
	record.held.objects_total = search->connected;
	record.held.looked_total = search->looked;
	record.held.looked_bytes = search->looked_bytes;
	record_emit(&search->sink, &record);
}

bool clientsearch_missed(const struct clientsearch *search, const char *address)
{
	const struct bytes wanted = { address, strlen(address) };

	if (!search || search->looked >= search->connected)
		return false;
	for (size_t i = 0; i < search->count; i++)
		if (bytes_same(search->found[i].record.client.address, wanted))
			return false;
	return true;
}

void clientsearch_free(struct clientsearch *search)
{
	if (!search)
		return;
	for (size_t i = 0; i < search->count; i++)
		found_clear(&search->found[i]);
	free(search);
}
