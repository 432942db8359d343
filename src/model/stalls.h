/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stalls and what else is known of them: the server's own word (SLOWLOG, LATENCY), the
 * key they were about; and their sums by cause and key prefix. Pure. What is kept does not
 * grow with time: a watch for stalls may go on for months.
 */
#pragma once

#include "model/blame.h"
#include "model/model.h"

/*
 * The slow log's entry for the same execution: the same command, ended at the same time
 * (the server stamps whole seconds, by its own clock), of about that length. NULL.
 */
const struct record_slowlog *stall_slowlog(const struct model *m, const struct stall *stall);
/* The latency monitor's event at that time and of about that length. NULL. */
const struct record_latency *stall_latency(const struct model *m, const struct stall *stall);
/* The last look at its key, NULL when nobody looked. */
const struct record_key *stall_key(const struct model *m, const struct stall *stall);

/* --- what explains them --------------------------------------------------------------- */

/*
 * Of all that is seen what explains a stall: the newest of each thing that describes a
 * state, and what the server said of commands and keys of late.
 */
struct stall_context;
struct stall_context *stall_context_new(void);
void stall_context_free(struct stall_context *context);
/* Records that explain no stall are let pass. */
void stall_context_take(struct stall_context *context, const struct record *record);
/* For the functions above and the reports; until it is renewed. */
struct model *stall_context_model(struct stall_context *context);
/* No stall waits to be told that the server has said anything of: that may be forgotten. */
void stall_context_renew(struct stall_context *context);

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
