/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stalls and what else is known of them: the server's own word (SLOWLOG, LATENCY), the
 * key they were about; and their sums by cause and key prefix. Pure.
 */
#pragma once

#include "model/blame.h"
#include "model/model.h"

/*
 * The slow log's entry for the same execution: the same command, ended at the same time
 * (the server stamps whole seconds, by its own clock), of about that length. NULL.
 */
const struct fact_slowlog *stall_slowlog(const struct model *m, const struct stall *stall);
/* The latency monitor's event at that time and of about that length. NULL. */
const struct fact_latency *stall_latency(const struct model *m, const struct stall *stall);
/* The last look at its key, NULL when nobody looked. */
const struct fact_key *stall_key(const struct model *m, const struct stall *stall);

/* --- sums -------------------------------------------------------------------------- */

struct stall_sum_row {
	char *name; /* a prefix, owned; NULL in rows by cause */
	size_t name_len; /* it may hold any byte */
	enum redmem_cause cause; /* CAUSES in rows by prefix */
	int64_t stalls_total;
	double seconds;
};

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
	size_t prefixes_count;
};

void stall_sum_add(struct stall_sum *sum, const struct stall *stall);
/* Sort the rows, longest first. */
void stall_sum_sort(struct stall_sum *sum);
void stall_sum_free(struct stall_sum *sum);
