/* SPDX-License-Identifier: BSD-2-Clause */
/* One server of many in a row: of `redmem doctor --all`, and of `redmem top`. */
#pragma once

#include "report/columns.h"
#include "report/report.h"

struct server_row {
	const char *verdict;
	struct buf place; /* not escaped */
	const char *server, *worst;
	char pid[16];
	const char *pid_text;
	int64_t memory, limit;
};

extern const struct columns columns_servers;

/* @row is empty, and points to itself and to what @server has. Free its place. */
void server_row_fill(struct server_row *row, const struct report_server *server);
