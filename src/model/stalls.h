/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stalls: what each was spent on, what else is known of it (SLOWLOG, LATENCY, the key it was
 * about), and their sums by cause and key prefix. A recorded stall holds what was measured
 * and sampled; a rule says which cause each of these is. The rule is data, and every report
 * goes through it: a recording is judged by the rule of the day it is read. Pure. Sums do not
 * grow with time: a watch for stalls may go on for months.
 */
#pragma once

#include "base/buf.h"
#include "record/record.h"
#include "record/schema.h"

struct model;

struct blame_rule {
	enum redmem_cause event[EVENT_KINDS]; /* of measured time */
	int order[EVENT_KINDS]; /* in which it is taken out of the duration; 0 = it is not */
	enum redmem_cause wait[WAITS]; /* of the time asleep, by where it slept */
	enum redmem_cause frame[FRAMES]; /* of the rest, by what samples were recognised as */
};

/* The rule that the tables of redmem/tables.h make. */
extern const struct blame_rule blame_by_tables;

/* What it did, as CPU samples tell. */
struct stall_activity {
	const char *words; /* "freeing"; "" = not known */
	double seconds; /* part of the causes' seconds; NAN */
};

#define STALL_ACTIVITIES 2

struct stall_share {
	const char *command;
	double ratio; /* of the CPU time of the turn's commands, to 1 % */
};

/* A stall, judged. Strings belong to the record it was judged from. */
struct stall {
	double t_seconds; /* start */
	double duration_seconds;
	bool running; /* had not ended when the watch did */
	const char *command; /* "" = no command: the loop itself */
	const char *inner; /* of a script, when one command of it is to blame; "" */
	struct bytes key; /* of several, where that is known, the one with most bytes */
	bool key_truncated; /* only its first RECORD_KEY_MAX bytes */
	int64_t keys_total; /* as in struct record_slowlog */
	int64_t db; /* the client's database; RECORD_UNKNOWN */
	double seconds[CAUSES]; /* they sum to the duration */
	struct stall_activity activity[STALL_ACTIVITIES]; /* falling */
	/* an iteration of the loop in which no command was long but all together: how many, and
	 * what, by share, falling; RECORD_UNKNOWN and none otherwise. */
	int64_t commands_total;
	struct stall_share mix[RECORD_SHARES];
	size_t mix_count;
	const char *wait_call; /* in what it slept most ("fdatasync"), "" */
	const char *wait_file; /* on which file or socket, "" */
	const char *preemptor; /* who had the CPU while it waited for one, "" */
	int64_t preemptor_pid; /* 0 = nobody had: its quota was used up; RECORD_UNKNOWN */
	/* Of keys that expired or were evicted in it: one, and whether it was that one mostly. */
	struct bytes gone_key;
	bool gone_one;
	/* Kinds of work on the keyspace of which no INFO around it says how much there was
	 * (stalls.c). */
	unsigned int uncounted;
	/* used_memory before it less used_memory after: what it freed, and all else that
	 * happened between two INFO; RECORD_UNKNOWN. Set by who knows both. */
	int64_t freed_bytes;
};

/* Judge @seen by @rule. Numbers may be any: what makes no sense counts as 0. */
void blame_stall(struct stall *out, const struct record_stall *seen, const struct blame_rule *rule);

/*
 * A server that has one long command behind the other answers INFO so late that nothing is counted
 * around some stalls. What it had none of from before a stall until behind it, as far as @m's first
 * and last INFO tell, was not at work in it either.
 */
void stalls_heed_window(struct model *m);

/*
 * A command of several keys comes with the first one. How many they were tells the server's log,
 * and the one with most bytes took the time.
 */
void stalls_heed_keys(struct model *m);

/* Seconds of a stall by one cause. */
struct blame {
	enum redmem_cause cause;
	double seconds;
};

/* The causes of @stall that took time, largest first; returns how many. */
size_t blame_split(const struct stall *stall, struct blame out[CAUSES]);

/* --- the server's word ------------------------------------------------------- */

/*
 * The slow log's entry for the same execution: the same command, ended at the same time
 * (the server stamps whole seconds, by its own clock), of about that length. NULL.
 */
const struct record_slowlog *stall_slowlog(const struct model *m, const struct stall *stall);
/* Is the slow log's entry one of the stalls? */
bool stalls_have(const struct model *m, const struct record_slowlog *entry);
/* The latency monitor's event at that time and of about that length. NULL. */
const struct record_latency *stall_latency(const struct model *m, const struct stall *stall);
/* The last look at its key, NULL when nobody looked. */
const struct record_key *stall_key(const struct model *m, const struct stall *stall);

/* --- sums -------------------------------------------------------------------------- */

struct stall_sum_row {
	char *name; /* a prefix, owned; NULL in rows by cause */
	size_t name_len; /* it may hold any byte */
	enum redmem_cause cause; /* CAUSES in rows by prefix */
	int64_t stalls_total;
	double seconds;
};

#define STALL_PREFIXES 1024

struct stall_sum {
	int64_t stalls_total;
	double seconds;
	double longest_seconds;
	char *longest_command; /* owned, NULL before the first */
	struct buf longest_key;
	bool longest_key_truncated;
	struct stall_sum_row causes[CAUSES]; /* stalls: of which it was the main cause */
	size_t causes_count;
	struct stall_sum_row *prefixes; /* of keys; stalls without one are in none */
	size_t prefixes_count; /* at most STALL_PREFIXES */
	struct stall_sum_row others; /* the prefixes with least time, when there were more */
};

void stall_sum_add(struct stall_sum *sum, const struct stall *stall);
/* Sort the rows, longest first. */
void stall_sum_sort(struct stall_sum *sum);
void stall_sum_free(struct stall_sum *sum);
