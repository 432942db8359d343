/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A finding: what is wrong, how sure that is, why, and what to do. A rule says it in a few
 * calls. Strings are copied; numbers that are not known are left out of the evidence, so
 * that a rule can offer all it would like to show.
 */
#pragma once

#include "model/model.h"

enum severity { SEVERITY_INFO, SEVERITY_WARNING, SEVERITY_CRITICAL };
const char *severity_name(enum severity severity);

/* What harm a finding speaks of; of two as severe the one further up comes first. */
enum rank {
	RANK_LOST, /* writes refused, data lost or thrown out */
	RANK_WAITED, /* time clients waited */
	RANK_LIMIT, /* a limit that will be met */
	RANK_BYTES, /* memory */
};

struct evidence {
	char *name; /* as in INFO, the ledger or the JSON */
	double value;
	char *text; /* instead of value when not NULL ("madvise") */
	const char *unit; /* "bytes", "faults", "ratio", "seconds", "keys", ... static */
	enum basis basis;
};

struct action {
	char *text; /* one sentence */
	char *command; /* what to type, "" when nothing */
	int64_t expected_gain_bytes; /* RECORD_UNKNOWN when it frees no memory or is not known */
};

struct finding {
	const char *id; /* static: "swap.in_path" */
	enum severity severity;
	char *title; /* one line with the number that matters */
	char *cause; /* one sentence */
	struct evidence *evidence;
	size_t evidence_count;
	struct action *actions;
	size_t actions_count;
	bool weak; /* evidence is thin: said in the report */
	enum rank rank; /* by the rule table: ranking inside a severity */
	double cost; /* and inside a rank: bytes at stake, or seconds x 1 GiB */
};

struct findings {
	struct finding *items; /* critical first, then by rank and cost */
	size_t count;
};

/* --- building one, in a rule ------------------------------------------------------------ */

/* A short text by value, to be used inside the arguments of one call. */
struct phrase {
	char s[384];
};

struct phrase say_bytes(int64_t bytes); /* "1.5 GiB" */
struct phrase say_seconds(double seconds); /* "12 ms" */
struct phrase say_count(int64_t n); /* "18,231" */
struct phrase say_percent(double ratio); /* 0.123 -> "12 %" */
/* A key for people: escaped, valid UTF-8, at most 60 columns. */
struct phrase say_key(const void *key, size_t len);
/* "backup (process 815)"; the name alone when @pid is not one. */
struct phrase say_process(const char *name, int64_t pid);
/* "10.0.0.7:51234 (name worker)", or its user when it has no name. */
struct phrase say_client(const struct record_client *client);
/* A command's name for people; "" is the event loop itself. */
struct phrase say_command(const char *command);
/* ", and 438 requests were refused (BUSY)" in the window, or "" when none was with that @error. */
struct phrase say_refused(const struct model *m, const char *error);
/* "redis-cli -p 6380 <words>" for this target; valkey-cli for a Valkey. */
struct phrase say_cli(const struct model *m, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The same of a command on a key, "@command KEY @rest", in the key's database; @rest may be "". A
 * name that is not harmless in a shell stands as the word KEY. */
struct phrase say_key_cli(const struct model *m, struct bytes key, int64_t db, const char *command,
			  const char *rest);

void finding_title(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void finding_cause(struct finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* @unit is a literal. Nothing is added when @value is NAN. */
void finding_evidence(struct finding *f, const char *name, double value, const char *unit,
		      enum basis basis);
/* Nothing is added when @n is RECORD_UNKNOWN. */
void finding_evidence_count(struct finding *f, const char *name, int64_t n, const char *unit,
			    enum basis basis);
void finding_evidence_bytes(struct finding *f, const char *name, int64_t bytes, enum basis basis);
/* Nothing is added when @text is NULL. */
void finding_evidence_text(struct finding *f, const char *name, const char *text, enum basis basis);
/* @command is what to type ("" for nothing), @fmt one sentence, @gain_bytes what
 * it frees (RECORD_UNKNOWN when that is not memory or not known). */
void finding_action(struct finding *f, int64_t gain_bytes, const char *command, const char *fmt,
		    ...) __attribute__((format(printf, 4, 5)));
/* Free what the finding holds, not the struct. */
void finding_clear(struct finding *f);

/* One second of a blocked server ranks like this many bytes (struct finding: cost). */
#define COST_PER_SECOND (1024.0 * 1024 * 1024)
