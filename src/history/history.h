/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The history: what `redmem serve` keeps of its servers, in one SQLite file of its state
 * folder (DIR/history.db, redmem-history(5)). One writer, that holds a lock on the folder, and
 * any number of readers beside it. A handle is for one thread at a time.
 *
 * Each window is kept twice: as rows to be queried (key figures, ledger, commands, prefixes,
 * clients, stalls, findings, forks, deaths), and as the chunk it was made of, from which the
 * model, and so any report, is made again.
 *
 * Times are milliseconds of the wall clock since 1970, sizes bytes. Functions return 0 or a
 * negative errno with @err, which may be NULL.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "diagnose/finding.h"
#include "diagnose/outlook.h"
#include "model/chunk.h"
#include "model/model.h"

#define HISTORY_DIR	   "/var/lib/redmem" /* --state */
#define HISTORY_SIZE	   (1024LL << 20) /* --history-size */
#define HISTORY_SIZE_LEAST (4LL << 20)

struct history;

struct history_config {
	int64_t size_bytes; /* most that the files may take on disk; 0 = HISTORY_SIZE */
};

/*
 * Open for writing; the folder is made (0700) when it is not there, the file too, an older one
 * is brought up to date. -EBUSY: another writer has the folder, @err says which process.
 * -ENOTSUP: a newer redmem wrote it. A damaged file is set aside (history.db.damaged-TIME,
 * never deleted) and a new one begun: success, and history_stats.set_aside says so.
 */
int history_open(struct history **out, const char *dir, const struct history_config *config,
		 struct err *err);
/* Open for reading, also while a writer writes. -ENOENT: nothing was ever kept there. */
int history_open_reader(struct history **out, const char *dir, struct err *err);
void history_close(struct history *history); /* may be NULL */

/* --- writing ------------------------------------------------------------------------- */

struct history_window {
	const char *server; /* its label: the same after a restart */
	int64_t start_ms, end_ms;
	const struct chunk *chunk; /* what it was made of; NULL = rows only */
	const struct model *m; /* finished, of this window */
	const struct findings *f; /* of diagnose(m) */
};

/*
 * Keep a window: one transaction. Windows of a server come in the order of time; one that
 * overlaps what is there (the clock was set back) is kept all the same.
 *
 * After an error nothing of that window is kept. A full disk stops the history: the first call
 * that meets it returns the error, to be told once; later ones return 0 and do nothing, but for
 * a try once a minute (history_stats.ok tells of success). A damaged file is set aside, which
 * is such an error, and the next window goes into a new one; when there are too many set aside
 * already, it stops for good. The watch goes on in any case.
 */
int history_append(struct history *history, const struct history_window *window, struct err *err);
/* Something that happened and is in no model: "started", "restarted", "gone", "serve" (with
 * @server ""); @detail is a phrase for people, "" when none. */
int history_note(struct history *history, const char *server, int64_t at_ms, const char *event,
		 const char *detail, struct err *err);
/* The server's findings and children have ended: it is not watched any more. */
int history_gone(struct history *history, const char *server, int64_t at_ms, struct err *err);
/* Another size_bytes than it was opened with; history_keep() sees to it. */
void history_resize(struct history *history, int64_t size_bytes);
/*
 * Thin (1 min after a day, 10 min after a week) and bound (the oldest go first), a slice of
 * work that takes some ms; to be called after each window, or every second. 1 = there is
 * more to do, 0 = all is done.
 */
int history_keep(struct history *history, int64_t now_ms, struct err *err);

struct history_stats {
	bool ok; /* false: it has stopped */
	char reason[480]; /* why, "" */
	char set_aside[256]; /* where the damaged file is that was found at opening, "" */
	int64_t bytes; /* the files on disk */
	double write_seconds_total; /* spent in append, note and keep */
	int64_t windows_total, lost_total; /* kept since opening; not kept as it had stopped */
};
void history_stats(const struct history *history, struct history_stats *out);

/* --- reading ------------------------------------------------------------------------- */

struct history_server {
	const char *label;
	int64_t first_ms, last_ms; /* start of the first window there is, end of the last */
};

typedef void (*history_server_take)(void *ctx, const struct history_server *server);
int history_servers(struct history *history, history_server_take take, void *ctx, struct err *err);

/* A line of what happened. Strings are valid during the call. */
struct history_event {
	int64_t at_ms, end_ms; /* end_ms: RECORD_UNKNOWN while it goes on, at_ms when it has none */
	const char *server;
	const char *kind; /* "stall", "finding", "fork", "death", "ended", "hang", "restarted"... */
	/* of a finding its id, of a stall and a death the cause, of a fork the purpose; "" */
	const char *id;
	const char *severity; /* of a finding; "" */
	const char *text; /* one line for people */
	double seconds; /* length of a stall, a fork or a hang; NAN */
	int64_t bytes; /* fork: its copies; death: what it held; RECORD_UNKNOWN */
};

typedef void (*history_event_take)(void *ctx, const struct history_event *event);
/* All that went on between the two, by time; @server NULL = of every server. */
int history_events(struct history *history, const char *server, int64_t from_ms, int64_t to_ms,
		   history_event_take take, void *ctx, struct err *err);

/* What of a span was there. */
struct history_span {
	int64_t start_ms, end_ms; /* of the windows used: whole ones */
	size_t windows;
	int64_t seconds_longest; /* the coarsest: 10, 60 or 600 */
	bool more_sessions; /* the server or redmem was restarted within: only the session with
			     * most of the span is in it */
};

/* Records of models (below) go through the sink that @filter makes for @next: names that may not be
 * shown, for one. */
typedef struct record_sink (*history_pass)(void *ctx, const struct record_sink *next);
void history_filter(struct history *history, history_pass filter, void *ctx);

/*
 * The windows that touch [from, to] of one session as one finished model, as of a watch that
 * began and ended there: *out is the caller's (model_free()), ready for diagnose() and any
 * report. @span may be NULL. -ENOENT: nothing is kept of that time; @err says what is the nearest
 * that is.
 */
int history_model(struct history *history, const char *server, int64_t from_ms, int64_t to_ms,
		  struct model **out, struct history_span *span, struct err *err);

/* Tell @o what is known of the server's last days before @now_ms, so that it goes on where the one
 * before a restart ended. A server of which nothing is kept is no error. */
int history_outlook(struct history *history, const char *server, int64_t now_ms, struct outlook *o,
		    struct err *err);

/* --- what changed, and what died ----------------------------------------------------------- */

/* What went through the allocator in a span, for one name; of the names that were among the
 * busiest of their windows. */
struct history_growth {
	bool prefix; /* else a command */
	const char *name; /* readable */
	int64_t alloc_bytes, free_bytes;
};

typedef void (*history_growth_take)(void *ctx, const struct history_growth *growth);
/* By what was allocated less what was freed, the largest change first; at most @most of each. */
int history_growth(struct history *history, const char *server, int64_t from_ms, int64_t to_ms,
		   size_t most, history_growth_take take, void *ctx, struct err *err);

struct history_death {
	const char *server;
	int64_t at_ms;
	const char *cause; /* "oom", "signal 11", "exit code 1" */
	const char *detail;
	int64_t held_bytes; /* RECORD_UNKNOWN */
};

typedef void (*history_death_take)(void *ctx, const struct history_death *death);
/* The newest death of @server (NULL = of any) of which the last minutes are kept. -ENOENT. */
int history_last_death(struct history *history, const char *server, history_death_take take,
		       void *ctx, struct err *err);

/* As history_model() of the session that went on at @at_ms, of up to @length_ms before. */
int history_model_until(struct history *history, const char *server, int64_t at_ms,
			int64_t length_ms, struct model **out, struct history_span *span,
			struct err *err);
