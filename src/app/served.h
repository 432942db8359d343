/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server that `redmem serve` has found, and the watch of it: a thread whose chunks go into the
 * pipe to the keeper. Which there are, what they are called and when they are begun is the matter
 * of serve_watch.c.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "app/options.h"
#include "app/serve_identity.h"
#include "app/serve_pipe.h"
#include "app/serve_wire.h"
#include "app/watch.h"
#include "record/record.h"
#include "target/find.h"

struct chunker;
struct engine;
struct redact;
struct serve_pass;

/* What all watches have in common; borrowed. */
struct serve_common {
	const struct options *options;
	struct redact *redact; /* NULL = names are shown */
	struct engine *engine;
	struct serve_pipe *pipe;
	int wake_fd; /* an eventfd: a watch sees now, or is over */
};

/* A server that was found. Its thread's while that runs, but for what is said. */
struct served {
	struct served *next;
	const struct serve_common *common;
	uint32_t id;
	struct server_candidate who;
	int64_t found_ns;
	struct serve_identity is;
	char *label; /* NULL = the keeper does not know it */
	const struct serve_config *config; /* the one that @is.section is of */
	bool moved; /* it is another one than @is by now */
	struct options options;
	struct watch_plan plan;
	struct chunker *chunker;
	struct record_sink chunks;
	struct err err; /* why it is not watched */
	pthread_t thread;
	bool running; /* the thread was started and is to be joined */
	int64_t again_ns, pause_ns; /* when it is tried next, and for how long it rests then */
	int64_t pass_ms; /* when its keys are passed over next, by the wall clock; 0 = not known */
	/* atomic */
	bool begun, done, stop;
	struct serve_pass *pass; /* under way, or over and not told; who takes it out frees it */
	/* as the sensors told it last */
	bool attributed, connected;
	char attribution[WIRE_TEXT_MAX / 2], connection[WIRE_TEXT_MAX / 2];
	/* as the keeper was told last */
	bool told;
	enum serve_state state;
	char reason[WIRE_TEXT_MAX / 2];
};

/* Tell the keeper a state that is not the last it was told. */
void served_tell(struct served *one, enum serve_state state, const char *reason);
/* Tell the keeper of a new server, or a new name. */
void served_introduce(struct served *one);
/* Is its process gone? */
bool served_ended(const struct served *one);
/* Start its watch: @running is true then. Otherwise @err says why not, and @again_ns when to try
 * again. */
void served_begin(struct served *one);
/* Its watch is @done: wait for the thread, and say when the next one is due. */
void served_settle(struct served *one);
/* Its watch is to end as soon as it can. */
void served_stop(struct served *one);
/* Waits for its watch, which was told to stop. */
void served_free(struct served *one);
