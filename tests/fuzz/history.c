/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A history in which somebody has written: values of its rows, and bytes of its chunks before they
 * are packed. Inputs are edits, one behind the other; the database itself stays whole, as sqlite
 * sees to that.
 */
#include <string.h>
#include <zstd.h>

#include "../unit/every_report.h"
#include "../unit/past_stream.h"
#include "fuzz.h"
#include "history/internal.h"

#define START_NS 1700002800000000000LL
#define SECONDS	 40

/* What can be edited: all that is read again. */
static const char *const places[] = {
	"window.start",	 "window.end",	    "window.level",  "window.session", "window.used_memory",
	"window.server", "server.label",    "name.text",     "chunk.keychunk", "chunk.before",
	"keychunk.hour", "keychunk.server", "command.alloc", "command.free",   "prefix.alloc",
	"prefix.free",	 "stall.at",	    "stall.us",	     "stall.cause",    "stall.causes",
	"stall.key",	 "finding.finding", "finding.begin", "finding.end",    "finding.severity",
	"finding.title", "fork.begin",	    "fork.end",	     "fork.purpose",   "fork.copied",
	"death.at",	 "death.cause",	    "death.held",    "event.at",       "event.event",
	"event.us",	 "limits.bytes",    "limits.used",   "pass.at",	       "pass.us",
	"pass.ending",	 "passed.kind",	    "passed.name",   "passed.keys",    "passed.bytes",
	"passed.type",	 "passed.elements", "chunk.data",    "keychunk.data",  "chunk.data",
};
#define PLACES (sizeof(places) / sizeof(places[0]))

static struct history *history;

/* What is read is read in a transaction of its own: here it all is in one that is undone. */
static int no_transaction(void *ctx, int what, const char *a, const char *b, const char *c,
			  const char *d)
{
	(void)ctx, (void)a, (void)b, (void)c, (void)d;
	return what == SQLITE_TRANSACTION ? SQLITE_DENY : SQLITE_OK;
}

static void fill(void)
{
	struct past_stream s;
	struct past_keeper k;

	must(!history_open(&history, own_folder(), &(struct history_config){ 0 }, NULL));
	past_keeper_begin(&k, history, "cache1", &s, START_NS, 1);
	while (s.t <= SECONDS)
		past_second(&s);
	past_keeper_end(&k);
	must(!k.errors);
	sqlite3_set_authorizer(history->db, no_transaction, NULL);
}

static void edit(const char *place, const char *value, const void *bytes, size_t len,
		 int64_t number)
{
	const char *dot = strchr(place, '.');
	sqlite3_stmt *stmt;
	char sql[128];

	snprintf(sql, sizeof(sql), "UPDATE OR IGNORE %.*s SET %s = %s", (int)(dot - place), place,
		 dot + 1, value);
	if (sqlite3_prepare_v2(history->db, sql, -1, &stmt, NULL) != SQLITE_OK) {
		fprintf(stderr, "%s: %s\n", sql, sqlite3_errmsg(history->db));
		abort();
	}
	if (bytes)
		sqlite3_bind_blob(stmt, 1, bytes, (int)len, SQLITE_STATIC);
	else
		sqlite3_bind_int64(stmt, 1, number);
	sqlite3_step(stmt); /* what the table does not allow stays as it was */
	sqlite3_finalize(stmt);
}

/* A chunk of these bytes, packed as it is in the file. */
static void put_chunk(const char *place, const uint8_t *data, size_t len)
{
	struct buf packed = {};

	buf_fill(&packed, 0, ZSTD_compressBound(len));
	edit(place, "?", packed.data, ZSTD_compress(packed.data, packed.len, data, len, 1), 0);
	buf_free(&packed);
}

static void put_value(const char *place, uint8_t how, const uint8_t *data, size_t len)
{
	static const char *const values[] = { "?", "CAST(? AS TEXT)", "NULL", "-9e999" };
	int64_t number = 0;

	memcpy(&number, data, len < sizeof(number) ? len : sizeof(number));
	edit(place, values[how % 4], how % 4 == 1 ? data : NULL, len, number);
}

static void no_event(void *ctx, const struct history_event *event)
{
	must(event->server && event->kind && event->id && event->severity && event->text);
	++*(size_t *)ctx;
}

static void no_server(void *ctx, const struct history_server *server)
{
	must(server->label);
	++*(size_t *)ctx;
}

static void no_growth(void *ctx, const struct history_growth *growth)
{
	must(growth->name);
	++*(size_t *)ctx;
}

static void no_death(void *ctx, const struct history_death *death)
{
	must(death->server && death->cause && death->detail);
	++*(size_t *)ctx;
}

static void read_all(uint64_t seed)
{
	const int64_t start = START_NS / 1000000, end = start + SECONDS * 1000;
	struct outlook *outlook = outlook_new();
	struct model *m;
	size_t count = 0;

	history_servers(history, no_server, &count, NULL);
	history_events(history, NULL, 0, INT64_MAX, no_event, &count, NULL);
	history_growth(history, "cache1", start, end, 8, no_growth, &count, NULL);
	history_last_death(history, NULL, no_death, &count, NULL);
	history_outlook(history, "cache1", end, outlook, NULL);
	if (!history_model(history, "cache1", start, end, &m, NULL, NULL)) {
		every_report(m, seed);
		model_free(m);
	}
	outlook_free(outlook);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (!history)
		fill();
	sqlite3_exec(history->db, "SAVEPOINT whole", NULL, NULL, NULL);
	/* An edit: where, how, how long the value is, the value. */
	for (size_t used; len > 3; data += used, len -= used) {
		const char *place = places[data[0] % PLACES];
		size_t size = data[2];

		if (strstr(place, ".data"))
			size |= (size_t)data[1] << 8;
		if (size > len - 3)
			size = len - 3;
		used = 3 + size;
		if (strstr(place, ".data"))
			put_chunk(place, data + 3, size);
		else
			put_value(place, data[1], data + 3, size);
	}
	read_all(len);
	sqlite3_exec(history->db, "ROLLBACK TO whole; RELEASE whole", NULL, NULL, NULL);
	return 0;
}
