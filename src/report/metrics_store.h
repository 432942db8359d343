/* SPDX-License-Identifier: BSD-2-Clause */
/* What the metrics have added up to: filled by metrics.c, written by metrics_write.c. */
#pragma once

#include <uthash.h>

#include "report/metrics_table.h"

/* One metric of one series. */
struct metric_cell {
	double value; /* NAN = not known */
	struct metric_hist *hist; /* NULL = not known */
};

/* What one row of a group has come to: a series of each metric of the group. */
struct metric_series {
	UT_hash_handle hh;
	struct metric_cell *cells;
	unsigned long turn; /* in which it was told last, */
	double told_seconds; /* and when: of the server's windows */
	double since_seconds; /* it has been there */
	double recent; /* weight, mostly of the last ten minutes */
	char labels[]; /* as they are written: line="dataset",parent="allocated" */
};

struct metric_server {
	UT_hash_handle hh;
	char *name;
	struct buf label; /* server="cache-1"; empty for what is of none */
	double seconds; /* of all windows */
	struct outlook *outlook;
	double replaced_seconds; /* when a series was given to another prefix last */
	unsigned long turn;
	bool begun; /* a window has come */
	bool stated; /* its state was told */
	struct metric_series *series[METRIC_GROUPS];
};

struct metrics {
	struct metrics_options options;
	const struct metric **metric; /* all there are, redis_exporter's last */
	size_t *cell; /* of each: which cell of its group's series */
	size_t count, own_count;
	size_t cells[METRIC_GROUPS];
	struct metric_server *servers; /* sorted by name */
	struct metric_server own;
};
