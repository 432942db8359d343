/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dumps on their way into the model: what `redmem rdb` and `redmem diff` do alike. Each is read
 * as a stream, its keys are sized for the server that is modelled, and a thread of its own
 * counts them.
 */
#pragma once

#include "app/dump_file.h"
#include "app/key_queue.h"
#include "app/options.h"
#include "model/keydiff.h"
#include "model/model.h"
#include "rdb/memory.h"
#include "rdb/rdb.h"
#include "report/dump.h"

struct compare;

/* A file on its way. */
struct dump {
	const struct rdb_input *input;
	struct report_dump said;
	char *name; /* as it is shown */
	char *server_version, *problem;
	struct rdb_event begin;
	struct rdb_memory *memory; /* from the first key or database on */
	int64_t begun_wall_ns; /* its reading */
	int64_t part_db; /* whose keys are counted now; -1 = none yet */
	int64_t loaded_bytes; /* of used_memory */
};

/* What becomes of the keys that are read. */
enum reading { READ_ALONE, READ_OLDER, READ_NEWER, READ_OLDER_AGAIN };

struct dump_run {
	const struct options *options;
	struct redact *redact; /* NULL = names are shown, */
	struct buf name; /* else that of the key that goes on */
	struct model *model;
	struct record_sink sink;
	struct dump *dumps;
	size_t count;
	struct dump *now;
	size_t parts;
	struct key_queue *queue; /* what is below until the next blank line is its thread's */
	struct buf csv;
	int write_failed;
	int64_t csv_wall_ns; /* when the dump was made that is read */

	struct compare *compare; /* with a second server; NULL */
	struct memory_place place; /* of what is read now */
	enum reading reading; /* changes when the queue is empty */
	struct keydiff *diff; /* of two dumps; NULL */
	const char *server; /* modelled */
	int64_t keys_bytes, tables_bytes;
	int64_t start_ns;
};

/* A dump that is read next; it stands for @input, which must stay. */
struct dump dump_new(const struct dump_run *run, const struct rdb_input *input);

/* @run as @o asks. 0, or 1 when the failure has been told and there is nothing to end. */
int dump_run_begin(struct dump_run *run, const struct options *o);
/* Reads all of @dump, one of the run's; what is said of it is whole then. 0 also on Ctrl-C, or a
 * negative errno when it could not be read to its end: either is its problem. */
int dump_run_read(struct dump_run *run, struct dump *dump, struct err *err);
/* After the last dump and after key_queue_end(): how it went is the model's, too. */
void dump_run_end_pass(struct dump_run *run, double seconds, bool failed);
void dump_run_end(struct dump_run *run);
