/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of metrics: a row each, of a kind of row ("group") of what is known of a window, as a
 * table of a report has columns. metrics.c adds up what the rows say, metrics_write.c writes it.
 */
#pragma once

#include "report/columns.h"
#include "report/metrics.h"

/* What a group's rows, and the values of them, are taken from. */
struct metrics_input {
	const struct model *m; /* a window, with its findings */
	const struct findings *f;
	struct outlook *outlook; /* of the server, with the window in it */
	const char *state; /* of the server */
	bool up, restarted;
	const struct metrics_self *self;
	size_t servers;
};

enum metric_source {
	FROM_WINDOW,
	FROM_PASS, /* a window in which a scheduled pass was over */
	FROM_STATE,
	FROM_SELF, /* no label `server` */
	FROM_REDMEM, /* likewise: what is always known */
	FROM_GONE, /* what series had that went */
	METRIC_SOURCES
};

/* What becomes of a series that is told no more. */
enum metric_keep {
	KEEP_NONE, /* it vanishes; a counter stays */
	KEEP_ZERO, /* it stays as 0 */
	KEEP_A_MINUTE, /* likewise, after a minute in which it stays as it was */
};

#define METRIC_LABELS 8

/* One row of a group. */
struct metric_row {
	struct bytes label[METRIC_LABELS]; /* values */
	const void *row; /* of the group's kind; valid until the group is done */
	bool other; /* of no name */
	double weight; /* for who has a series; only where there is a limit */
};

struct metric_rows {
	void (*take)(void *ctx, const struct metric_row *row);
	void *ctx;
};

struct metric_group {
	const char *labels[METRIC_LABELS]; /* beside server; NULL behind the last */
	void (*each)(const struct metrics_input *in, const struct metric_rows *rows);
	enum metric_source source;
	enum metric_keep keep;
	int limit; /* names with a series, beside "other"; 0 = none, -1 = the options' */
};

enum group {
	GROUP_SERVER,
	GROUP_ABOUT,
	GROUP_COMMANDS,
	GROUP_REFUSALS,
	GROUP_PREFIXES,
	GROUP_GONE,
	GROUP_PASS,
	GROUP_PASSED,
	GROUP_THREADS,
	GROUP_ERRORS,
	GROUP_LEDGER,
	GROUP_RECLAIM,
	GROUP_SIZES,
	GROUP_LIMITS,
	GROUP_BEHIND,
	GROUP_FAULTS,
	GROUP_CAUSES,
	GROUP_FINDINGS,
	GROUP_LIFE,
	GROUP_CLIENT_KINDS,
	GROUP_SENSORS,
	GROUP_UP,
	GROUP_STATE,
	GROUP_BUILD,
	GROUP_REDMEM,
	GROUP_PROCESSES,
	GROUP_SELF,
	METRIC_GROUPS
};

extern const struct metric_group metric_groups[METRIC_GROUPS];

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM, METRIC_INFO, METRIC_TYPES };

#define METRIC_BOUNDS 7

/* How many were at most as long as each bound, and how long all were. */
struct metric_hist {
	double bucket[METRIC_BOUNDS];
	double count, sum;
};

/* Where the number comes from: a column, a field of INFO, or what @value or @add makes of it. */
struct metric {
	const char *name;
	enum metric_type type;
	enum group group;
	const char *help;
	const struct columns *columns;
	const char *column;
	const char *info;
	double divisor; /* of the field of INFO; 0 = none */
	double (*value)(const struct metrics_input *in, const void *row);
	/* false: nothing is known */
	bool (*add)(const struct metrics_input *in, const void *row, struct metric_hist *to);
	const double *bounds; /* METRIC_BOUNDS, rising */
	bool total; /* a counter: the value is all since the start, not what is new */
	bool lasts; /* a gauge: it stays while nothing newer is known */
	const char *gone; /* the counter that takes over what a series had that goes */
};

/* The text format knows no info: it is a gauge there. */
const char *metric_type_name(enum metric_type type, bool openmetrics);

struct metric_table {
	const struct metric *metric;
	size_t count;
};

/* redmem's own, and redis_exporter's. */
extern const struct metric_table metrics_own, metrics_of_redis;

/* --- metrics_rows.c: rows that are not those of the model ----------------------------- */

struct metric_limit {
	const char *name;
	double bytes, used_bytes, seconds, confidence;
};

struct metric_fault {
	const char *name;
	double faults, seconds;
};

struct metric_named {
	const char *name;
	double value;
};

/* Bytes of the window that the sums are of: whole ones, and no less than those of all prefixes
 * or all commands. NAN when not known. */
double metric_moved(const struct model *m, bool freed);
