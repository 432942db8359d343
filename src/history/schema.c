/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables, as steps from one version to the next: PRAGMA user_version says how many have
 * been taken. A step is never changed once it was released. redmem-history(5) describes them.
 */
#include <errno.h>
#include <string.h>

#include "history/internal.h"

static const char *const steps[] = {
	/* 1 */
	"CREATE TABLE server (id INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE);"
	/* day: the last on which it was used, since 1970 */
	"CREATE TABLE name (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE, day INTEGER NOT "
	"NULL);"
	"CREATE TABLE window (id INTEGER PRIMARY KEY, server INTEGER NOT NULL REFERENCES server,"
	" start INTEGER NOT NULL, end INTEGER NOT NULL, level INTEGER NOT NULL,"
	" session INTEGER NOT NULL,"
	" used_memory INTEGER, rss INTEGER, swap INTEGER, maxmemory INTEGER, clients INTEGER,"
	" commands INTEGER, evicted INTEGER, expired INTEGER, alloc INTEGER, free INTEGER,"
	" cpu_us INTEGER, minor_faults INTEGER, major_faults INTEGER, cow_faults INTEGER,"
	" stalls INTEGER, stall_us INTEGER, longest_us INTEGER, drops INTEGER, severity INTEGER);"
	"CREATE INDEX window_by_time ON window (server, start);"
	"CREATE INDEX window_by_level ON window (level, start);"
	"CREATE TABLE keychunk (id INTEGER PRIMARY KEY, server INTEGER NOT NULL REFERENCES server,"
	" level INTEGER NOT NULL, hour INTEGER NOT NULL, data BLOB NOT NULL);"
	"CREATE INDEX keychunk_by_hour ON keychunk (server, level, hour);"
	"CREATE TABLE chunk (window INTEGER PRIMARY KEY REFERENCES window,"
	" keychunk INTEGER NOT NULL REFERENCES keychunk, data BLOB NOT NULL);"
	"CREATE INDEX chunk_by_key ON chunk (keychunk);"
	"CREATE TABLE line (name INTEGER PRIMARY KEY REFERENCES name, parent TEXT,"
	" title TEXT NOT NULL, depth INTEGER NOT NULL);"
	"CREATE TABLE ledger (window INTEGER NOT NULL REFERENCES window,"
	" line INTEGER NOT NULL REFERENCES name, bytes INTEGER NOT NULL,"
	" PRIMARY KEY (window, line)) WITHOUT ROWID;"
	"CREATE TABLE command (window INTEGER NOT NULL REFERENCES window,"
	" name INTEGER NOT NULL REFERENCES name, calls INTEGER, cpu_us INTEGER, fault_us INTEGER,"
	" alloc INTEGER, free INTEGER, PRIMARY KEY (window, name)) WITHOUT ROWID;"
	"CREATE TABLE prefix (window INTEGER NOT NULL REFERENCES window,"
	" name INTEGER NOT NULL REFERENCES name, cpu_us INTEGER, fault_us INTEGER,"
	" alloc INTEGER, free INTEGER, PRIMARY KEY (window, name)) WITHOUT ROWID;"
	"CREATE TABLE client (window INTEGER NOT NULL REFERENCES window,"
	" name INTEGER NOT NULL REFERENCES name, connections INTEGER NOT NULL, memory INTEGER,"
	" output INTEGER, PRIMARY KEY (window, name)) WITHOUT ROWID;"
	"CREATE TABLE stall (id INTEGER PRIMARY KEY, server INTEGER NOT NULL REFERENCES server,"
	" at INTEGER NOT NULL, us INTEGER NOT NULL, command TEXT NOT NULL, key TEXT NOT NULL,"
	" cause TEXT NOT NULL, causes TEXT NOT NULL);"
	"CREATE INDEX stall_by_time ON stall (server, at);"
	"CREATE TABLE finding (id INTEGER PRIMARY KEY, server INTEGER NOT NULL REFERENCES server,"
	" finding TEXT NOT NULL, severity INTEGER NOT NULL, begin INTEGER NOT NULL,"
	" seen INTEGER NOT NULL, end INTEGER, title TEXT NOT NULL, cause TEXT NOT NULL);"
	"CREATE INDEX finding_by_time ON finding (server, begin);"
	"CREATE INDEX finding_open ON finding (server, finding) WHERE end IS NULL;"
	"CREATE TABLE fork (id INTEGER PRIMARY KEY, server INTEGER NOT NULL REFERENCES server,"
	" pid INTEGER NOT NULL, begin INTEGER NOT NULL, end INTEGER, purpose TEXT NOT NULL,"
	" fork_us INTEGER, rss INTEGER, copied INTEGER, exit_code INTEGER, exit_signal INTEGER);"
	"CREATE INDEX fork_by_time ON fork (server, begin);"
	"CREATE TABLE death (id INTEGER PRIMARY KEY, server INTEGER NOT NULL REFERENCES server,"
	" at INTEGER NOT NULL, cause TEXT NOT NULL, detail TEXT NOT NULL, held INTEGER);"
	"CREATE INDEX death_by_time ON death (server, at);"
	"CREATE TABLE event (id INTEGER PRIMARY KEY, server INTEGER REFERENCES server,"
	" at INTEGER NOT NULL, event TEXT NOT NULL, detail TEXT NOT NULL, us INTEGER);"
	"CREATE INDEX event_by_time ON event (server, at);"
	/* for people: names and times put in */
	"CREATE VIEW windows AS SELECT s.label AS server,"
	" datetime(w.start / 1000, 'unixepoch') AS time, (w.end - w.start) / 1000.0 AS seconds,"
	" w.used_memory, w.rss, w.swap, w.maxmemory, w.clients, w.commands, w.evicted, w.expired,"
	" w.alloc, w.free, w.cpu_us, w.minor_faults, w.major_faults, w.cow_faults, w.stalls,"
	" w.stall_us, w.longest_us, w.drops, w.severity, w.id, w.start, w.end, w.level, w.session"
	" FROM window w JOIN server s ON s.id = w.server;"
	"CREATE VIEW ledgers AS SELECT s.label AS server,"
	" datetime(w.start / 1000, 'unixepoch') AS time, n.text AS line, l.parent, l.title, "
	"r.bytes,"
	" w.start, w.level FROM ledger r JOIN window w ON w.id = r.window"
	" JOIN server s ON s.id = w.server JOIN name n ON n.id = r.line JOIN line l ON l.name = "
	"n.id;"
	"CREATE VIEW commands AS SELECT s.label AS server,"
	" datetime(w.start / 1000, 'unixepoch') AS time, n.text AS command, r.calls, r.cpu_us,"
	" r.fault_us, r.alloc, r.free, w.start, w.level FROM command r"
	" JOIN window w ON w.id = r.window JOIN server s ON s.id = w.server"
	" JOIN name n ON n.id = r.name;"
	"CREATE VIEW prefixes AS SELECT s.label AS server,"
	" datetime(w.start / 1000, 'unixepoch') AS time, n.text AS prefix, r.cpu_us, r.fault_us,"
	" r.alloc, r.free, w.start, w.level FROM prefix r JOIN window w ON w.id = r.window"
	" JOIN server s ON s.id = w.server JOIN name n ON n.id = r.name;"
	"CREATE VIEW clients AS SELECT s.label AS server,"
	" datetime(w.start / 1000, 'unixepoch') AS time, n.text AS client, r.connections, r.memory,"
	" r.output, w.start, w.level FROM client r JOIN window w ON w.id = r.window"
	" JOIN server s ON s.id = w.server JOIN name n ON n.id = r.name;",
	/* 2: kept: the windows of its last ten minutes have level 0 */
	"ALTER TABLE death ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;",
	/* 3: the window whose chunk it is packed against, beside the key chunk */
	"ALTER TABLE chunk ADD COLUMN before INTEGER REFERENCES window;",
	/* 4: for forecasts that go on after a restart */
	"CREATE TABLE limits (window INTEGER NOT NULL REFERENCES window,"
	" name INTEGER NOT NULL REFERENCES name, bytes INTEGER NOT NULL, used INTEGER NOT NULL,"
	" PRIMARY KEY (window, name)) WITHOUT ROWID;",
	/* 5: scheduled passes over the keys; kind: 0 all, 1 a prefix, 2 a key */
	"CREATE TABLE pass (id INTEGER PRIMARY KEY, server INTEGER NOT NULL REFERENCES server,"
	" at INTEGER NOT NULL, us INTEGER, ending TEXT NOT NULL);"
	"CREATE INDEX pass_by_time ON pass (server, at);"
	"CREATE TABLE passed (id INTEGER PRIMARY KEY, pass INTEGER NOT NULL REFERENCES pass,"
	" kind INTEGER NOT NULL, name TEXT NOT NULL, db INTEGER, type TEXT NOT NULL,"
	" keys INTEGER, never INTEGER, elements INTEGER, bytes INTEGER);"
	"CREATE INDEX passed_by_pass ON passed (pass, kind, name);",
};

#define NEWEST ((int)(sizeof(steps) / sizeof(steps[0])))

static int version_of(struct history *history, int64_t *version, struct err *err)
{
	int code = db_number(history, version, "PRAGMA user_version", "");

	return code == SQLITE_OK ? 0 : db_error(history, code, "its version", err);
}

/* New, or not begun. */
static bool is_empty(struct history *history)
{
	int64_t count;

	return db_number(history, &count, "SELECT count(*) FROM sqlite_schema", "") == SQLITE_OK &&
	       !count;
}

int schema_fits(struct history *history, struct err *err)
{
	int64_t version, id;
	int code = db_number(history, &id, "PRAGMA application_id", ""), ret;

	if (code != SQLITE_OK)
		return db_error(history, code, "its head", err);
	ret = version_of(history, &version, err);
	if (ret)
		return ret;
	if (!version && !id && history->writer && is_empty(history))
		return 0;
	if (id != SCHEMA_ID)
		return err_set(err, -EBADMSG, "history: %s is no history of redmem's",
			       history->path);
	if (version > NEWEST)
		return err_set(err, -ENOTSUP,
			       "history: %s was written by a newer redmem (its version is %lld, "
			       "this one knows %d): use that one, or another folder with --state",
			       history->path, (long long)version, NEWEST);
	if (version < NEWEST && !history->writer)
		return err_set(err, -ENOTSUP,
			       "history: %s was written by an older redmem (its version is %lld, "
			       "this one reads %d): `redmem serve` brings it up to date",
			       history->path, (long long)version, NEWEST);
	return 0;
}

static int take_step(struct history *history, int version)
{
	struct buf text = {};
	int code;

	buf_printf(&text,
		   "BEGIN IMMEDIATE; %s PRAGMA application_id = %d; PRAGMA user_version = %d; "
		   "COMMIT;",
		   steps[version - 1], SCHEMA_ID, version);
	code = sqlite3_exec(history->db, buf_str(&text), NULL, NULL, NULL);
	if (code != SQLITE_OK)
		sqlite3_exec(history->db, "ROLLBACK", NULL, NULL, NULL);
	buf_free(&text);
	return code;
}

int schema_migrate(struct history *history, int version, struct err *err)
{
	int64_t now;
	int ret = version_of(history, &now, err), code;

	if (ret)
		return ret;
	if (version == SCHEMA_NEWEST)
		version = NEWEST;
	for (int next = (int)now + 1; next <= version; next++) {
		code = take_step(history, next);
		if (code != SQLITE_OK)
			return db_error(history, code, "bringing it up to date", err);
	}
	return 0;
}
