/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sensors: one row each in a table (internal.h, SENSORS). What all servers share is the
 * engine's (engine.h); here is what each has of its own. A sensor that cannot run on this
 * host is off with a reason and a fix; the rest goes on. Sensors count and charge, they do
 * not interpret.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "record/record.h"
#include "redmem/events.h"
#include "target/probe.h"

struct allocator;
struct engine;
struct frames;
struct sensors;
struct target_commands;
struct target_symbols;

/* Names and places of what the programs saw; each NULL while it is not known. Borrowed. */
struct sensor_names {
	struct target_commands *commands;
	struct target_symbols *symbols;
	struct frames *frames;
};

#define STALL_FILE_MAX 256

/* Command and inner names, thread and key of somebody the programs met. */
struct context_names {
	const char *command, *inner, *thread;
	struct bytes key; /* lies in the redmem_who it was made of */
	bool key_truncated; /* only its first bytes */
	int64_t db; /* RECORD_UNKNOWN */
	char outer_text[9], inner_text[9], thread_text[17]; /* what they may point to */
};

/* A stall as a record, with what its strings point to: they live as long as it does, those
 * of the commands until the sensors are polled again. */
struct sensor_stall {
	struct record_stall record;
	struct redmem_stall seen;
	struct context_names names;
	char file[STALL_FILE_MAX];
};

struct sensor_config {
	pid_t pid; /* 0: a process that is not to be seen; the engine has no BPF then */
	struct record_sink sink; /* takes all records, in the thread that calls in here */
	int64_t start_ns; /* CLOCK_MONOTONIC of t = 0; see sensors_set_start() */
	double stall_threshold_seconds;
	int64_t page_bytes;
	const struct allocator *allocator; /* outlives the sensors; NULL = not known */
	double budget_ratio; /* what all sensors may take from the server, of one core */
	bool fine_samples; /* five times the CPU samples while the server has CPU left */
	bool stacks; /* rows of profiles with the functions that were at work */
};

/* One row of the table. */
struct sensor {
	const char *id;
	/* Before loading: switch off programs this kernel cannot have. < 0: off for all. */
	int (*probe)(struct engine *e, struct err *err);
	/* After loading, once: what all servers share. < 0: off for all, and detach() is
	 * called, which finds what was attached so far. May be NULL. */
	int (*attach)(struct engine *e, struct err *err);
	void (*detach)(struct engine *e);
	/* One server more: what is its own. < 0: off for this one. May be NULL. */
	int (*begin)(struct sensors *s, struct err *err);
	/* Once a tick: emit what is not in the shared maps. May be NULL. */
	void (*tick)(struct sensors *s, const struct record_sink *sink);
	/* Stop measuring this one. May be NULL. */
	void (*end)(struct sensors *s);
	bool needs_attribution; /* says nothing while it is off */
	const char *fix; /* what helps when it is off, "" when nothing does */
};

/*
 * The sensors of one server, for one thread: all below are called in that one, and none but
 * sensors_begin() and sensors_control() wait for anything but the engine. One engine serves
 * many. -ENOSPC when it has no room, -ESRCH when there is no such process.
 */
int sensors_open(struct sensors **out, struct engine *engine, const struct sensor_config *config,
		 struct err *err);
/* What calibration's probe needs, to be given back when that is over. -ENODATA without BPF,
 * -EBUSY while as many servers as there is room for are being calibrated. */
int sensors_probe_slots(struct sensors *s, struct probe_slots *slots);
void sensors_probe_slots_end(struct sensors *s, const struct probe_slots *slots);
/* Where programs read settings: valid after sensors_open() when BPF is loaded, else NULL. */
struct redmem_settings *sensors_settings(struct sensors *s);
/* From now on events are charged to commands and keys. */
void sensors_set_attribution(struct sensors *s, const struct redmem_offsets *at,
			     uint64_t own_client);
/* The BPF map of key rules, -1 when there is none. */
int sensors_key_rules_fd(const struct sensors *s);
/* t = 0 of the records, CLOCK_MONOTONIC; a server that is alone has its ticks each second
 * from there on. */
void sensors_set_start(struct sensors *s, int64_t start_ns);
/* Who knows names from now on. */
void sensors_set_names(struct sensors *s, const struct sensor_names *names);
/* From now on what the server does is counted. */
void sensors_begin(struct sensors *s);
/* A file descriptor that becomes readable when something waits to be taken. */
int sensors_fd(const struct sensors *s);
/* Take what the engine has for this server and emit it: records as they came, aggregates
 * of a second. The number of seconds that were over meanwhile; sensors_tick() is due then. */
size_t sensors_poll(struct sensors *s);
/* What is read and not told by programs; what may be spent. Once a second. */
void sensors_tick(struct sensors *s);
/* Called when its RECORD_MARK comes: a window ends there. What was moved up to it and is not
 * told of yet is told now. */
void sensors_window_ends(struct sensors *s);
/* Keep to the budget: probes come and go, bursts are made. Call often; it may take some
 * 100 ms, in which the server is not held up. */
void sensors_control(struct sensors *s);
/* So long nothing is to be kept to, as things go: sensors_control() need not be called. */
double sensors_rest_seconds(const struct sensors *s);
/* The window ends here: stop measuring, then emit all that was seen up to now and is not
 * told yet, each of it once. */
void sensors_finish(struct sensors *s);
/* Read the mappings of the server and its children and emit their sums. The longest
 * reading so far is returned, in seconds (0 when it could not be read). */
double sensors_mappings(struct sensors *s, const char *phase, bool jemalloc);
/* One RECORD_SENSOR a row. */
void sensors_emit_states(const struct sensors *s);
/* BPF run time so far in seconds (NAN when the kernel does not tell), events, drops; their
 * text is valid until the next call. */
void sensors_cost(struct sensors *s, struct record_self *self);
void sensors_close(struct sensors *s);

/* The stall under way now, for a live line; false when none is over the threshold. */
bool sensors_stall_now(struct sensors *s, struct sensor_stall *out);

/* The newest state of the target's life, as seen by the life sensor. */
bool sensors_target_exited(const struct sensors *s);
