/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stored result of a lab run: what was compared, on which machine, and every sample as it was
 * measured. Verdicts are not stored: they are made from the samples, by whoever reads them.
 *
 * The file is JSON Lines. The first line says what it is ("schema": "redmem.lab_result/1"), then
 * come lines of samples and notes as they are made, each with one write(), then one that says why
 * it ended. A file that was cut short is as good as its whole lines; that the end is missing is
 * told. A reader skips lines and metrics that it does not know, of an older or newer redmem.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "lab/metric.h"

#define LAB_RESULT_SCHEMA "redmem.lab_result/1"

/* A name and what it was set to; both owned. */
struct lab_setting {
	char *name, *value;
};

struct lab_settings {
	struct lab_setting *rows;
	size_t count;
};

/* Copies of both are added. */
void lab_settings_add(struct lab_settings *settings, const char *name, const char *value);

/* Texts are owned; NULL = not known. */
struct lab_about_side {
	char *label; /* what the reports call it */
	char *program; /* path of the server's binary */
	char *server, *version; /* "redis", "7.0.15" */
	char *allocator; /* "jemalloc 5.3.0" */
	char *build_id; /* hex digits */
	struct lab_settings settings; /* of the server, that were set for this side */
	struct lab_settings environment;
	struct lab_settings
		knobs; /* of the host: "thp", "overcommit_memory", "cgroup_memory_max" */
};

struct lab_about_host {
	char *kernel, *machine, *cpu; /* uname -r, -m; the CPU's model */
	char *governor, *thp; /* "performance"; "madvise" */
	int64_t cores, memory_bytes; /* RECORD_UNKNOWN */
};

enum { LAB_A, LAB_B, LAB_SIDES };

struct lab_about {
	char *redmem_version; /* NULL: this one */
	int64_t wall_start_ns; /* since 1970 */
	char *scenario, *scenario_title;
	char *load; /* who made the load, and how, in a line */
	uint64_t seed;
	double precision; /* wanted half-width of an interval, as a share: 0.02 */
	int64_t pairs_most; /* at which it would have ended whatever the precision */
	struct lab_about_side side[LAB_SIDES];
	struct lab_about_host host;
};

/*
 * One measurement of one side. The two sides of a pair have the same @aa and @pair, and the two
 * servers of a pair live and are restarted together: @restart counts their lives, on through both
 * phases, from 0. What is one number a run is a sample with @per_run; its @pair is its @restart.
 */
struct lab_sample {
	bool per_run;
	bool aa; /* of the check of A against itself; side B is then A again */
	int pair, restart;
	int side; /* LAB_A, LAB_B */
	double t_seconds; /* when it began, since the start of the lab */
	double seconds; /* of the slice; NAN of a run */
	int64_t operations, errors; /* of the load; RECORD_UNKNOWN */
	double value[LAB_METRICS]; /* NAN = not known */
};

/* All not known. */
void lab_sample_clear(struct lab_sample *sample);

/* Why a lab ended. */
enum lab_end {
	LAB_CUT, /* nobody said: it was killed, or it goes on */
	LAB_PRECISE, /* the intervals are as narrow as was wanted */
	LAB_LIMIT, /* as many pairs as it may */
	LAB_INTERRUPTED, /* by Ctrl-C or a signal */
	LAB_FAILED,
	LAB_ENDS
};

/* "cut", "precise", "limit", "interrupted", "failed" */
const char *lab_end_name(enum lab_end end);

struct lab_result {
	struct lab_about about;
	struct lab_sample *samples;
	size_t count;
	char **notes; /* for people: what could not be measured, and why */
	size_t notes_count;
	enum lab_end end;
	char *end_detail; /* NULL */
	int64_t lines_left_out; /* that could not be read */
};

/* Takes @about over. */
struct lab_result *lab_result_new(struct lab_about *about);
void lab_result_add(struct lab_result *result, const struct lab_sample *sample);
/* A note once, however often it is added. */
void lab_result_note(struct lab_result *result, const char *text);
void lab_result_free(struct lab_result *result); /* may be NULL */
void lab_about_free(struct lab_about *about);

/* Read the file @path. -EINVAL for what is no result; a damaged or cut line is left out and
 * counted. Memory is bounded, whatever the file says. */
int lab_result_read(struct lab_result **result, const char *path, struct err *err);

/* --- writing ---------------------------------------------------------------------------- */

struct lab_writer;

/* Create @path, which must not be there (-EEXIST), and write its first line. Readable for its
 * owner only: labels and settings may say more than everybody should know. */
int lab_writer_open(struct lab_writer **writer, const char *path, const struct lab_about *about,
		    struct err *err);
int lab_writer_sample(struct lab_writer *writer, const struct lab_sample *sample, struct err *err);
int lab_writer_note(struct lab_writer *writer, const char *text, struct err *err);
/* The last line, safely on disk. @detail may be NULL. */
int lab_writer_end(struct lab_writer *writer, enum lab_end end, const char *detail,
		   struct err *err);
void lab_writer_close(struct lab_writer *writer); /* NULL is fine */
