/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One life of a side's server, with its load: started in a folder of its own, set up as the
 * scenario and the side want, filled, and ended. Before a server is at work the knobs of the
 * host are those of its side.
 */
#pragma once

#include <limits.h>
#include <signal.h>

#include "base/err.h"
#include "host/cgroup_own.h"
#include "lab/cpus.h"
#include "lab/knobs.h"
#include "lab/load.h"
#include "lab/private_server.h"
#include "lab/scenario.h"
#include "lab/side.h"
#include "redis/info.h"

struct conn;

struct lab_instance {
	const struct lab_side *side;
	const struct lab_scenario *scenario;
	char dir[PATH_MAX];
	struct cgroup_own cgroup; /* where the side wants one */
	struct private_server server;
	struct conn *conn;
	struct lab_load *load;
	int64_t empty_bytes; /* used before it was filled, without clients */
};

/* Where things are. */
struct lab_place {
	struct knobs *knobs;
	const char *folder;
	struct lab_cpus cpus;
	const volatile sig_atomic_t *stop; /* not 0: all is to end now; for a handler of signals */
};

/* Once for all its lives: a folder called @name, and the cgroup where one is wanted. */
int lab_instance_prepare(struct lab_instance *one, const struct lab_side *side,
			 const struct lab_scenario *scenario, const struct lab_place *place,
			 const char *name, struct err *err);
/*
 * Start it and its load, whose seed is @seed. What it does not know of what was only tried is
 * appended to @refused, with commas in between. On failure nothing runs.
 */
int lab_instance_start(struct lab_instance *one, const struct lab_place *place, uint64_t seed,
		       struct buf *refused, struct err *err);
/* The knobs of the host are now those of its side. */
int lab_instance_knobs(const struct lab_instance *one, const struct lab_place *place,
		       struct err *err);
/* INFO everything; NULL, and why. The caller's to free. */
struct info *lab_instance_info(const struct lab_instance *one, struct err *err);
/* Of that: what is used by all but clients, which are there or not. */
int64_t lab_instance_used(const struct info *info);
/* End both, however far they came. */
void lab_instance_end(struct lab_instance *one);
