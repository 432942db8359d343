/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The lab's run. Three servers are alive at once: A, A once more, and B; each pair of slices of A
 * and A is of the check of A against itself, each of A and B of the comparison. Their slices are
 * cut into short turns that alternate in random order, so that a machine which is slow for a
 * second is slow for all of them. They are started anew for every few pairs, as the lay-out of a
 * heap and of addresses is a matter of luck: what of a restart is one number comes once in it.
 *
 * A restart: start, fill, warm up until steady; pairs; a watch of each, with a save in it; what
 * the scenario wants once; the end, and some idle time.
 */
#pragma once

#include "lab/instance.h"
#include "lab/result.h"

struct model;

/* A watch of redmem's, of a server of ours. */
struct lab_watch {
	pid_t pid;
	const char *socket;
	bool (*over)(void *ctx); /* it is to end; asked now and then */
	void *ctx;
};

struct lab_run {
	const struct lab_scenario *scenario;
	struct lab_side side[LAB_SIDES];
	struct lab_place place;
	uint64_t seed;
	double limit_seconds; /* in which it ends, if two restarts fit */
	int restarts_most;
	int pairs; /* of a restart */
	double idle_seconds;
	const char *note; /* that belongs to the result; NULL = none */
	/* Have redmem watch a server; NULL = nobody does. */
	int (*watch)(void *ctx, const struct lab_watch *watch, struct model *m, struct err *err);
	void (*say)(void *ctx, const char *text); /* how far it is; may be NULL */
	void *ctx;
};

/*
 * Run it. @about is taken over, and completed by what the servers say of themselves. Each sample is
 * written to @path at once. @result is all of them, also of a lab that failed; NULL when it
 * never began. 0 also where it was interrupted.
 */
int lab_run(const struct lab_run *run, struct lab_about *about, const char *path,
	    struct lab_result **result, struct err *err);
