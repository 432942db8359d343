/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scenarios of redmem lab as data: a small text file tells how a server is set up, what lies
 * in it, what is asked of it all the time, and what comes once a run. The grammar is that of
 * redmem-lab(5); this reads it, checks it, and knows no scenario itself.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define LAB_SCENARIO_SUFFIX ".lab"

struct lab_command; /* command.h: a command with what varies in it */

/* A line of the server's configuration, or a knob of the host. */
struct lab_config_line {
	char *name, *value;
	bool may_refuse; /* `try`: a server that does not know it goes without, and that is told */
};

/* `fill COUNT COMMAND`, `op WEIGHT COMMAND`. */
struct lab_op {
	uint64_t count; /* how often; of an op its weight among all */
	struct lab_command *command;
};

/* What comes once a run, after the slices, in the order of the file. */
enum lab_step_kind {
	LAB_STEP_DO, /* `once do COUNT COMMAND`: at full speed, nothing beside it */
	LAB_STEP_SAVE, /* `once save`: BGSAVE until it has ended, the ops go on at their rate */
	LAB_STEP_LOAD, /* `once load SECONDS`: the ops, at their rate */
	LAB_STEP_IDLE, /* `once idle SECONDS`: nothing */
	LAB_STEP_DEFRAG, /* `once defrag SECONDS`: until active defrag has nothing to do, at most */
};

struct lab_step {
	enum lab_step_kind kind;
	double seconds; /* NAN where there are none */
	struct lab_op op; /* LAB_STEP_DO */
};

struct lab_scenario {
	char *name; /* that of the file without ".lab" */
	char *path;
	char *about; /* one line */
	struct lab_config_line
		*settings; /* `config`, `try`: the last of a name is the one that counts */
	size_t settings_count;
	struct lab_config_line *knobs; /* `knob`: of the host, as lab-run knows them */
	size_t knobs_count;
	uint64_t keys; /* {key} is below; 0 = there is none */
	double zipf; /* exponent of how keys are drawn; 0 = all alike */
	unsigned int clients; /* connections */
	unsigned int pipeline; /* commands sent at once by each */
	/* Commands a second in open loop; or, where rate_share is > 0, that share of what the
	 * slower side does at full speed. One of the two is 0. */
	double rate, rate_share;
	double slice_seconds; /* of one slice */
	double warm_seconds; /* most that a warm-up may take */
	char **expect; /* beginnings of error replies that are part of it: "OOM" */
	size_t expect_count;
	char *tool; /* `load redis-benchmark ...`: words of its command line; NULL = the ops */
	struct lab_op *fills;
	size_t fills_count;
	struct lab_op *ops;
	size_t ops_count;
	struct lab_step *steps;
	size_t steps_count;
};

/* The value of the host's knob @name, by the last line that has it; NULL = none has. */
const char *lab_scenario_knob(const struct lab_scenario *scenario, const char *name);
/* Is setting @i the last of its name? */
bool lab_scenario_counts(const struct lab_scenario *scenario, size_t i);

/*
 * Read the scenario @name, found as lab_scenario_find() does. 0, or a negative errno with one line
 * that names file and line.
 */
int lab_scenario_read(struct lab_scenario **out, const char *name, struct err *err);
/* The same from @len bytes of text; @path is for messages, its last part the name; scenarios it
 * uses (`use NAME`) are searched in its folder first. */
int lab_scenario_parse(struct lab_scenario **out, const char *path, const char *text, size_t len,
		       struct err *err);
void lab_scenario_free(struct lab_scenario *scenario); /* may be NULL */

/* Where @name is: itself if there is a '/' in it or it ends in ".lab"; else NAME.lab in ./, in
 * tools/lab of a checkout that redmem runs from, in $PREFIX/share/redmem/lab. -ENOENT with what
 * to do. */
int lab_scenario_find(struct buf *path, const char *name, struct err *err);
/* Does @name end in ".lab"? */
bool lab_scenario_is_file_name(const char *name);
/* The folders that are searched, with a '/' at their end or "" for ./; false = no more. */
bool lab_scenario_folder(struct buf *out, size_t i);
/* `redmem lab list`: all that are found, a line each: name, what it is. Of a file that cannot be
 * read, why. Or, with a name, that file as it is. */
int lab_scenario_list(struct buf *out, struct err *err);
int lab_scenario_show(struct buf *out, const char *name, struct err *err);
