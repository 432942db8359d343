/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine: what is there once, however many servers are watched. One BPF object, its
 * programs on the machine's tracepoints and CPUs, the ring, the two profile maps, and one
 * thread that takes what they hold and puts it into the inbox of the server it belongs to
 * (inbox.h). That thread does nothing else: no server's silence, no look-up and no file
 * holds it up, so the ring is emptied in time whatever a server's own thread waits for.
 *
 * Once a second it marks a tick in all inboxes: what a server did before it stands before
 * it, what comes after it behind, each of it once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct allocator;
struct engine;
struct redmem_bpf;

/* What helps where the server's process cannot be seen. */
#define AWAY_FIX	   "run redmem as root on the server's own host"
#define ENGINE_SERVERS_MAX 256 /* as many slots as the programs have for servers */

struct engine_config {
	size_t servers; /* watched at once, at most; 1 to ENGINE_SERVERS_MAX */
	const char *wanted; /* ids of the sensors to use, with blanks between; NULL = all */
	bool disabled; /* no BPF at all (--no-bpf) */
	const char
		*away; /* why the server's process cannot be seen: no BPF either; NULL = it can */
	bool fine_samples; /* a server may ask for them (sensor_config) */
	bool stacks; /* likewise */
	/* For a watch of months, which takes little memory, and as little as can be of everybody
	 * else: maps have room for a few servers at work at once, not for all of @servers; and the
	 * kernel's BPF statistics, which make every program of the host dearer, are on for a second
	 * in a minute. What programs took is scaled from that. */
	bool frugal;
	/* Nobody looks on: what need not be told at once is taken with the tick, or when there is
	 * much of it, and not ten times a second. */
	bool at_ticks;
	/* Whose allocator programs are loaded for: that of the only server, NULL where it is
	 * not known; with several servers, those of all kinds. */
	const struct allocator *allocator;
	/* What each thread that it or a sensor starts does first, such as giving up rights; NULL =
	 * nothing. */
	void (*thread_begins)(void);
};

/*
 * Open and load the BPF object with the programs this host can run. Without any BPF (no
 * privilege, no BTF) this still succeeds: all that needs it is off, with a reason.
 */
int engine_open(struct engine **out, const struct engine_config *config, struct err *err);
/* After the last server's sensors_close(). May be NULL. */
void engine_close(struct engine *engine);

/* Hand every process, with a number that is another one after exec(), to @take. -EOPNOTSUPP without
 * BPF, or what the kernel says. */
int engine_each_process(struct engine *engine, void (*take)(void *ctx, pid_t pid, uint64_t memory),
			void *ctx);
/* How often a program began that may be a server, of all processes of the host, since the first
 * server is watched. False where nobody counts. */
bool engine_servers_begun(const struct engine *engine, uint32_t *count);
/* What everybody but the servers has spent in the programs, in seconds; NAN = not known. */
double engine_others_seconds(struct engine *engine);
/* What the programs and their maps take of the kernel's memory beside redmem's own resident one, in
 * bytes, which is below 0 where a map counts more than once there; 0 = not known. */
int64_t engine_memory_bytes(const struct engine *engine);
