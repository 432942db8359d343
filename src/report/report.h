/* SPDX-License-Identifier: BSD-2-Clause */
/* Reports: a model and its findings, written out. They decide nothing. */
#pragma once

#include <sys/types.h>

#include "base/buf.h"
#include "diagnose/diagnose.h"
#include "model/model.h"
#include "model/stalls.h"

struct report_style {
	bool colour; /* ANSI colours (a terminal) */
	bool verbose; /* everything instead of a screenful */
	int columns; /* width of the terminal; 100 when unknown */
};

/* `redmem doctor` for people. */
void report_doctor_text(struct buf *out, const struct model *m, const struct findings *f,
			const struct report_style *style);
/* {"schema":"redmem.doctor/1",...} with a closing newline. */
void report_doctor_json(struct buf *out, const struct model *m, const struct findings *f);

/* A window of a watch in a line, below a line of names with @head, and what happened in it:
 * stalls, and those findings of @f (may be NULL) that were not in @before (the window
 * before, or NULL). */
void report_window_text(struct buf *out, const struct model *m, const struct findings *f,
			const struct findings *before, const struct report_style *style, bool head);

/* `redmem doctor --all`: one server of many. */
struct report_server {
	pid_t pid;
	const char *title; /* what ps shows */
	const struct model *m; /* finished; NULL = it was not watched, and */
	const char *reason; /* why */
	const struct findings *f; /* of the model */
};

/* For qsort(): the worst first. */
int report_server_compare(const void *a, const void *b);
/* @servers in that order: a line each, then the report of the first. */
void report_all_text(struct buf *out, const struct report_server *servers, size_t count,
		     const struct report_style *style);
/* {"schema":"redmem.doctor_all/1",...}: the documents of all in "servers". */
void report_all_json(struct buf *out, const struct report_server *servers, size_t count);

/* `redmem memory`: where it is, by size class, and what would give it back. */
void report_memory_text(struct buf *out, const struct model *m, const struct findings *f,
			const struct report_style *style);
/* {"schema":"redmem.memory/1",...} */
void report_memory_json(struct buf *out, const struct model *m, const struct findings *f);

/* `redmem alloc`: who allocates, who frees, how long it takes. */
void report_alloc_text(struct buf *out, const struct model *m, const struct report_style *style);
/* {"schema":"redmem.alloc/1",...} */
void report_alloc_json(struct buf *out, const struct model *m);

/* Make a JSON report one of a line: none of its strings has a newline as it is. */
void report_json_line(struct buf *document);

/* `redmem keys`: the keyspace scan of a finished model, for people and for programs. */
void report_keys_text(struct buf *out, const struct model *m, const struct findings *f,
		      const struct report_style *style);
/* {"schema":"redmem.keys/1",...} */
void report_keys_json(struct buf *out, const struct model *m, const struct findings *f);
/* A line a prefix for a flame graph: "user:;*:;profile 1234", bytes of its keys. */
void report_keys_folded(struct buf *out, const struct model *m);
/* The columns of rdb-tools' memory report, and a row of them. The name stands as
 * redis-cli shows it, with a ' in front where a spreadsheet would take it for a formula
 * (escape_csv()); @wall_ns is now, for the time of expiry. */
void report_keys_csv_head(struct buf *out);
void report_keys_csv_row(struct buf *out, const struct record_key *key, int64_t wall_ns);
/* The same with columns behind them for what only a dump tells; a row has them when the key
 * comes from one. */
void report_dump_csv_head(struct buf *out);

/* `redmem key`: the one key of a finished model that has one. */
void report_key_text(struct buf *out, const struct model *m, const struct findings *f,
		     const struct report_style *style);
/* {"schema":"redmem.key/1",...} */
void report_key_json(struct buf *out, const struct model *m, const struct findings *f);

/* `redmem stalls`: one that has ended, joined with what @m knows of its key and of the
 * server's word. A block of text, or one line of JSON as in doctor.stalls. */
void report_stall_text(struct buf *out, const struct model *m, const struct stall *stall,
		       const struct report_style *style);
void report_stall_json(struct buf *out, const struct model *m, const struct stall *stall);
/* One that goes on: "1.9 s so far: DEL leaderboard:global, 84 % freeing". */
void report_stall_live(struct buf *out, const struct stall *stall);
/* Those that were told, for a page of them: the longest where there are very many. */
struct stall_rows;
struct stall_rows *stall_rows_new(void);
void stall_rows_add(struct stall_rows *rows, const struct model *m, const struct stall *stall);
void stall_rows_free(struct stall_rows *rows); /* NULL is fine */
/* The closing summary; @sum is sorted. In JSON one line, {"schema":"redmem.stalls/1",...}; with
 * @rows (may be NULL) in "stalls". */
void report_stalls_end_text(struct buf *out, const struct model *m, const struct stall_sum *sum,
			    const struct report_style *style);
void report_stalls_end_json(struct buf *out, const struct model *m, const struct stall_sum *sum,
			    const struct stall_rows *rows);
