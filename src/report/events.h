/* SPDX-License-Identifier: BSD-2-Clause */
/* `redmem history`: what happened, a line each. */
#pragma once

#include <jansson.h>

#include "history/history.h"
#include "report/report.h"

struct report_events {
	int64_t from_ms, to_ms;
	struct history_server *servers; /* those there are, with or without events */
	size_t servers_count;
	struct history_event *events; /* by time */
	size_t count;
	int64_t left_out; /* older ones, when there were too many */
};

void report_events_text(struct buf *out, const struct report_events *e,
			const struct report_style *style);
/* An event, and a server, as they stand in it. */
json_t *json_history_event(const struct history_event *e);
json_t *json_history_server(const struct history_server *server);
/* {"schema":"redmem.history/1",...} */
void report_events_json(struct buf *out, const struct report_events *e);
