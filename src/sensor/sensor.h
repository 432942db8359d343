/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sensors: one row each in the table of sensors.c, one BPF object for all.
 * A sensor that cannot run on this host is off with a reason and a fix; the rest
 * goes on. Sensors count and charge, they do not interpret.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "fact/fact.h"
#include "redmem/events.h"

struct allocator;
struct markers;
struct redmem_bpf;
struct sensors;
struct target_commands;
struct target_symbols;

/* Names and places of what the programs saw; each NULL while it is not known. Borrowed. */
struct sensor_names {
	struct target_commands *commands;
	struct target_symbols *symbols;
	struct markers *markers;
};

#define STALL_FILE_MAX 256

/* Command and inner names, thread and key of somebody the programs met. */
struct who_names {
	const char *command, *inner, *thread;
	struct bytes key; /* lies in the redmem_who it was made of */
	bool key_truncated; /* only its first bytes */
	int64_t db; /* FACT_UNKNOWN */
	char outer_text[9], inner_text[9], thread_text[17]; /* what they may point to */
};

/* A stall as a fact, with what its strings point to: they live as long as it does, those
 * of the commands until the sensors are polled again. */
struct sensor_stall {
	struct fact_stall fact;
	struct redmem_stall seen;
	struct who_names names;
	char file[STALL_FILE_MAX];
};

struct sensor_config {
	pid_t pid;
	int64_t start_ns; /* CLOCK_MONOTONIC of t = 0; see sensors_set_start() */
	double stall_threshold_seconds;
	int64_t page_bytes;
	const struct allocator *allocator; /* outlives the sensors; NULL = not known */
	double budget_ratio; /* what all sensors may take from the server, of one core */
	const char *wanted; /* ids of the sensors to use, with blanks between; NULL = all */
	bool disabled; /* no BPF at all (--no-bpf) */
	bool fine_samples; /* five times the CPU samples while the server has CPU left */
};

/* One row of the table. */
struct sensor {
	const char *id;
	/* Before loading: switch off programs this kernel cannot have. < 0: sensor off. */
	int (*probe)(struct sensors *s, struct err *err);
	/* After loading: start to measure. < 0: sensor off. */
	int (*attach)(struct sensors *s, struct err *err);
	/* Once a tick: adapt, emit what is not in the shared maps. May be NULL. */
	void (*tick)(struct sensors *s, const struct fact_sink *sink);
	/* Stop measuring. May be NULL. */
	void (*detach)(struct sensors *s);
	bool needs_attribution; /* says nothing while it is off */
	const char *fix; /* what helps when it is off, "" when nothing does */
};

/*
 * Open and load the BPF object with the programs this host can run. Without any
 * BPF (no privilege, no BTF) this still succeeds: every row is off, with reason.
 */
int sensors_open(struct sensors **out, const struct sensor_config *config, struct err *err);
/* The loaded skeleton for calibration, NULL when there is none. */
struct redmem_bpf *sensors_bpf(struct sensors *s);
/* Where programs read settings: valid after sensors_open() when BPF is loaded, else NULL. */
struct redmem_settings *sensors_settings(struct sensors *s);
/* From now on events are charged to commands and keys. */
void sensors_set_attribution(struct sensors *s, const struct redmem_offsets *at,
			     uint64_t own_client);
/* The BPF map of key rules, -1 when there is none. */
int sensors_key_rules_fd(const struct sensors *s);
/* t = 0 of the facts, CLOCK_MONOTONIC. */
void sensors_set_start(struct sensors *s, int64_t start_ns);
/* Who knows names from now on. */
void sensors_set_names(struct sensors *s, const struct sensor_names *names);
/* Attach every sensor that can be. */
void sensors_attach(struct sensors *s);
/* A file descriptor that becomes readable when rare records wait; -1 when none. */
int sensors_fd(const struct sensors *s);
/* Take rare records (stalls, forks, exits, RSS moves) and emit them. */
void sensors_poll(struct sensors *s, const struct fact_sink *sink);
/* Drain aggregates and emit them; adapt rates. Call once a tick. */
void sensors_tick(struct sensors *s, const struct fact_sink *sink);
/* Drain aggregates before they are full. Keep to the budget: probes come and go, bursts are
 * made. Call often; it may take some 100 ms, in which the server is not held up. */
void sensors_control(struct sensors *s, const struct fact_sink *sink);
/* Stop measuring, then emit what is left: profiles, totals, stalls still going on. */
void sensors_finish(struct sensors *s, const struct fact_sink *sink);
/* Read the mappings of the server and its children and emit their sums. The longest
 * reading so far is returned, in seconds (0 when it could not be read). */
double sensors_mappings(struct sensors *s, const char *phase, bool jemalloc,
			const struct fact_sink *sink);
/* One FACT_SENSOR a row. */
void sensors_emit_states(const struct sensors *s, const struct fact_sink *sink);
/* BPF run time so far in seconds (NAN when the kernel does not tell), events, drops; their
 * text is valid until the next call. */
void sensors_cost(struct sensors *s, struct fact_self *self);
void sensors_close(struct sensors *s);

/* The stall under way now, for a live line; false when none is over the threshold. */
bool sensors_stall_now(struct sensors *s, struct sensor_stall *out);

/* The newest state of the target's life, as seen by the life sensor. */
bool sensors_target_exited(const struct sensors *s);
