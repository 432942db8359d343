/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Profiles: who allocated, freed, computed, stalled and faulted, as samples with a stack of
 * command, prefix of keys and functions. Made of a model once, whatever they are written as:
 * for pprof, as folded stacks, for speedscope. The values of each kind add up to what the JSON
 * has for the whole, to the byte.
 */
#pragma once

#include "base/buf.h"
#include "model/model.h"

/* What is counted. X(ID, name, unit), as pprof spells units; of several the first that is known
 * is shown when nobody says. */
#define REPORT_PROFILE_KINDS(X)                \
	X(ALLOC_SPACE, "alloc_space", "bytes") \
	X(FREE_SPACE, "free_space", "bytes")   \
	X(GROWTH, "growth", "bytes")           \
	X(CPU, "cpu", "nanoseconds")           \
	X(STALL, "stall", "nanoseconds")       \
	X(FAULTS, "faults", "count")           \
	X(INUSE_SPACE, "inuse_space", "bytes")

#define PROFILE_KIND_ENUM(id, name, unit) PROFILE_##id,
enum profile_kind { REPORT_PROFILE_KINDS(PROFILE_KIND_ENUM) PROFILE_KINDS };
#undef PROFILE_KIND_ENUM

struct profile_kind_row {
	const char *name, *unit;
};
extern const struct profile_kind_row profile_kind_table[PROFILE_KINDS];

/* By its name; PROFILE_KINDS when there is none. */
enum profile_kind profile_kind_of(const char *name);

/* Texts are places in the profile's names; 0 = none. */
enum profile_label {
	LABEL_COMMAND,
	LABEL_PREFIX,
	LABEL_CLIENT,
	LABEL_THREAD,
	LABEL_SERVER,
	PROFILE_LABELS
};
extern const char *const profile_label_names[PROFILE_LABELS];

struct profile_sample {
	size_t labels[PROFILE_LABELS];
	size_t *frames; /* the root first */
	size_t depth;
	int64_t values[PROFILE_KINDS];
};

struct report_profile {
	bool has[PROFILE_KINDS];
	int64_t totals[PROFILE_KINDS];
	struct bytes *names; /* as they came, but cut where they are long; the first is empty */
	size_t names_count;
	struct profile_sample *samples;
	size_t samples_count;
	size_t server; /* its label: a place in names */
	int64_t wall_start_ns; /* RECORD_UNKNOWN */
	int64_t duration_ns;
	const char *executable, *build_id; /* "" = not known */
	enum profile_kind period_of; /* PROFILE_KINDS = none */
	int64_t period;
	struct buf comments; /* a line each */
	struct profile_making *making; /* until it is finished */
};

struct report_profile *report_profile_new(void);
void report_profile_free(struct report_profile *p);
/* All that a finished model has. */
void report_profile_take(struct report_profile *p, const struct model *m);
/* A stall. Bounded: for watches that go on for months. */
void report_profile_take_stall(struct report_profile *p, const struct model *m,
			       const struct stall *stall);
/* What it is of, after the last sample. @m must outlive it; @server is its label. */
void report_profile_finish(struct report_profile *p, const struct model *m, const char *server);
/* The first kind it has; PROFILE_KINDS = it has none. */
enum profile_kind report_profile_first(const struct report_profile *p);

/* A gzipped profile as pprof.proto has it; @shown is what pprof shows first. */
void report_pprof(struct buf *out, const struct report_profile *p, enum profile_kind shown);
/*
 * "command;prefix;function 1234", a line a stack. Growth can be negative, a width cannot: below
 * "(grown)" stands what grew, below "(shrunk)" by how much the others shrank.
 */
void report_profile_folded(struct buf *out, const struct report_profile *p, enum profile_kind kind);
/* https://www.speedscope.app's own format: each kind a profile, growth as above. */
void report_speedscope(struct buf *out, const struct report_profile *p, enum profile_kind shown);

/* What a stack of @sample in @kind begins with beside its frames; NULL. */
const char *profile_direction(const struct profile_sample *sample, enum profile_kind kind);
/* Its width. */
int64_t profile_width(const struct profile_sample *sample, enum profile_kind kind);
