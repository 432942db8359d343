/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The same keys loaded into two servers: what each of them takes, in all, by type and by
 * prefix. Bytes are of used_memory: MEMORY USAGE counts otherwise from one server to the next.
 */
#pragma once

#include "model/keyspace.h"
#include "rdb/memory.h"
#include "report/dump.h"

struct compare;

/* @options as for the report. @other is the second server; @place says all but that. */
struct compare *compare_new(const struct keyspace_options *options,
			    const struct server_structures *other,
			    const struct memory_place *place);
void compare_free(struct compare *compare); /* may be NULL */
/* A dump begins, after the one before has ended. */
void compare_begin(struct compare *compare);
/* Every event that goes to the first server's model, too; errors are those of that. */
int compare_take(struct compare *compare, const struct rdb_event *event, struct err *err);
/* After RDB_KEY_END, a key that is to be counted; @bytes: on the first server. */
void compare_key(struct compare *compare, const struct record_key *key, int64_t bytes);
/* After the last dump: what came of it, valid until compare_free(). The first server and its
 * sums are the caller's to fill in. */
const struct report_comparison *compare_finish(struct compare *compare);
