/* SPDX-License-Identifier: BSD-2-Clause */
/* What the screen of `redmem top` is made of: what is known, where the viewer is, and lines. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "diagnose/diagnose.h"
#include "model/model.h"

/* --- what is known ---------------------------------------------------------------------- */

/* A window of the last seconds, judged. */
struct screen_window {
	struct model *m; /* finished; NULL = none yet */
	struct findings *f;
	char *verdict;
	bool healthy, unknown; /* as diagnose_healthy() and diagnose_unknown() */
};

/* A stall that is over, in words of its own. */
struct screen_stall {
	int64_t wall_ns; /* when it began, since 1970; RECORD_UNKNOWN */
	double seconds;
	char *when; /* "03:04:05.678" */
	char *what, *why;
	char *whole; /* all that is known of it, lines */
};

/* All borrowed. */
struct screen_server {
	pid_t pid; /* 0 = not known */
	const char *title; /* what ps shows, or the address; not escaped */
	const char *state; /* why it is not watched; "" = it is */
	const char *stall; /* the one under way ("1.9 s so far: DEL ..."); NULL = none */
	struct screen_window second, longer; /* the newest of a second, and of SCREEN_SECONDS */
	const struct model *clients, *classes; /* the newest that tells of them; NULL */
	const struct screen_stall *stalls; /* newest first */
	size_t stalls_count;
};

#define SCREEN_SECONDS 10.0

/* --- where the viewer is ------------------------------------------------------------------- */

enum screen_tab {
	SCREEN_PREFIXES,
	SCREEN_COMMANDS,
	SCREEN_CLIENTS,
	SCREEN_CLASSES,
	SCREEN_STALLS,
	SCREEN_FINDINGS,
	SCREEN_MEMORY, /* lines, no rows */
	SCREEN_SERVERS,
	SCREEN_TABS
};

/* Where he is in a tab. All zeros: at its first row, in its own order. */
struct screen_place {
	size_t sort; /* by which of the tab's columns, from 1; 0 = as it is */
	bool reverse;
	size_t at, top; /* the row chosen, and the first that is shown */
	struct buf mark; /* how the row chosen begins: it stays chosen where it goes */
};

struct screen_view {
	int rows, columns;
	enum screen_tab tab;
	struct screen_place place[SCREEN_TABS];
	size_t server; /* which one */
	size_t server_chosen; /* of the table of servers; set by screen_make() */
	bool longer; /* tables of SCREEN_SECONDS, not of a second */
	bool paused, help;
	bool details; /* of the row chosen, in place of the table */
	size_t details_top; /* the first line of them, or of what is no table */
	bool typing; /* the filter is being written */
	struct buf filter; /* plain; only rows that have it in a name */
	const char *note; /* what has gone wrong; NULL */
	int64_t now_ns; /* wall clock; of what is replayed the time there */
	struct {
		bool on, over, seeking;
		double at_seconds, speed;
	} replay;
};

/* --- what is seen --------------------------------------------------------------------------- */

enum screen_attr {
	SCREEN_PLAIN,
	SCREEN_BOLD,
	SCREEN_DIM,
	SCREEN_GOOD,
	SCREEN_WARNING,
	SCREEN_BAD,
	SCREEN_HEAD, /* of a table; the keys */
	SCREEN_CHOSEN,
	SCREEN_ATTRS
};

#define SCREEN_RUNS 40

/* A line: pieces, each where it begins, so that one whose characters a terminal has narrower
 * does not move the next. */
struct screen_run {
	size_t at; /* byte of the text */
	int column;
	enum screen_attr attr;
};

struct screen_line {
	struct buf text;
	int columns;
	struct screen_run run[SCREEN_RUNS];
	size_t runs;
};

struct screen {
	struct screen_line *line;
	int rows;
};
