/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What takes most of used_memory and is in no key: where a limit is near because of it, more room
 * or fewer keys are no help. Pure.
 */
#pragma once

#include "diagnose/finding.h"
#include "model/model.h"

struct burden {
	const char *id; /* the finding that tells all of it; NULL: there is none */
	struct phrase what; /* "client 10.0.0.7:51234 (name report)", "subscriptions" */
	int64_t bytes;
};

/* The largest of them; buffers for replicas and the AOF are none, as maxmemory leaves them out. */
struct burden burden_of(const struct model *m);
/* That one if it is of clients and the window's growth by @bytes is theirs for the most part. */
struct burden burden_that_grows(const struct model *m, int64_t bytes);
