/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `redmem check` says beside the sensors: one row for each thing of the
 * kernel, the host and the server that decides what can be measured, or that
 * hurts a Redis server.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "record/record.h"
#include "host/cgroup.h"
#include "host/kernel.h"
#include "model/model.h"
#include "report/report.h"

struct schema;
extern const struct schema schema_host_check;

#define CHECK_ROWS_MAX 32

enum check_state { CHECK_OK, CHECK_WARNING, CHECK_UNKNOWN };

struct check_row {
	const char *id;
	enum check_state state;
	char value[96];
	char reason[200]; /* why it matters, "" when it is fine */
	char fix[1024]; /* the command that mends it, "" when there is none */
};

struct check_rows {
	struct check_row row[CHECK_ROWS_MAX];
	size_t count;
};

/* The kernel and what it lets this process do. */
void check_kernel(struct check_rows *rows, const struct kernel_records *kernel);
/* How the host manages memory. @m holds a short watch of a server (@have_server), or
 * only what is known without one. */
void check_host(struct check_rows *rows, const struct model *m, bool have_server);
/* The row of the server's cgroup; @held_bytes is what no page cache can make room for. */
void check_cgroup(struct check_row *row, const struct cgroup_memory *memory, int64_t held_bytes);
/* The server's program: its symbols and its allocator. */
void check_server(struct check_rows *rows, const struct model *m);

/* "ok", "warning", "unknown" */
const char *check_state_name(enum check_state state);

/* --- written out, for people and as JSON ------------------------------------- */

struct check {
	struct kernel_records kernel;
	struct check_rows host; /* kernel, rights, memory settings */
	struct check_rows server; /* empty without one */
	const struct model *m; /* the rows of sensors; the server, if there is one */
	bool have_server;
	const char *no_server; /* why there is none, "" when there is */
};

void check_report_text(struct buf *out, const struct check *check,
		       const struct report_style *style);
/* {"schema":"redmem.check/1",...} with a closing newline. */
void check_report_json(struct buf *out, const struct check *check);
