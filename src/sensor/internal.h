/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this room share. */
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/bucket.h"
#include "redmem/events.h" /* types of the skeleton's variables */

#include "redmem.skel.h"
#include "sensor/perf.h"
#include "sensor/probe_cost.h"
#include "sensor/prober.h"
#include "sensor/sensor.h"
#include "sensor/targets.h"

#define SENSOR_COUNT	    10
#define SENSOR_CHILDREN_MAX 64

struct sensor_state {
	bool on;
	char reason[sizeof(((struct err *)0)->text)];
};

/* A child seen by the life sensor. */
struct sensor_child {
	pid_t pid;
	int64_t start_ns;
	uint64_t cow_at_start;
	int64_t private_bytes, rss_bytes; /* the largest seen */
	const char *purpose; /* as in fact_child */
};

/* What was spent, and what may be; see budget.c. */
struct budget {
	int64_t start_ns, tick_ns, review_ns;
	double base_seconds; /* spent before the watch began */
	double attach_seconds, burst_seconds;
	double flow_program_seconds; /* a hit */
	struct bucket all, flow, burst;
	double charged_seconds; /* paid by the bucket of all so far */
	uint64_t flow_hits; /* paid by the flow probe's */
	bool busy; /* the server has no CPU left */
	double server_cpu; /* seconds */
	double burst_price; /* of a look, lately */
	int64_t bursts, burst_ns; /* how many looks, and the end of the last one */
	bool burst_idle; /* it did not meet as many calls as it might have */
};

/* A look of the burst sensor; while it is under way, the prober's thread writes it. */
struct look {
	bool under_way;
	double hold_seconds;
	int ret;
	int64_t opened_ns, closed_ns;
	int64_t commands_before, commands_after;
	double attach_seconds;
};

/* CPU time by what the main thread did in one piece of work or one turn of the loop. */
struct stall_tally {
	uint64_t start_ns; /* whose it is */
	int64_t frame_ns[FRAMES];
	struct tally_command {
		char name[32]; /* "" = a free row */
		int64_t ns;
	} command[FACT_SHARES];
};

/* Names longer than a record holds, of commands that took long enough to be asked. */
#define STALL_KEYS    4
#define STALL_KEY_MAX 512
struct stall_key {
	uint64_t start_ns; /* of its stall; 0 = a free row */
	size_t len;
	char text[STALL_KEY_MAX];
};

struct sensors {
	struct sensor_config config;
	struct probe_cost probe_cost;
	struct budget budget;
	struct sensor_names names;
	struct redmem_bpf *bpf; /* NULL = none */
	struct targets targets;
	struct redmem_target *target; /* this server's slot */
	char no_bpf_reason[sizeof(((struct err *)0)->text)];
	struct sensor_state state[SENSOR_COUNT];
	struct ring_buffer *ring;
	const struct fact_sink *sink; /* while records are taken */
	int stats_fd; /* keeps the kernel's BPF run-time statistics on */

	struct flow *flow; /* NULL = never on */
	struct prober *burst_prober;
	struct look look;
	bool flow_partly; /* the probe did not stand all the time since the last tick */
	uint32_t draining; /* the profile map that is being read */
	int64_t drained_until_ns; /* when its last row was made, at the latest */
	int64_t switched_ns; /* when programs began to write the other one */

	struct perf_events *cpu, *fault_minor, *fault_major;
	struct bpf_link *links[24]; /* tracepoint links of all sensors */
	size_t link_count;
	uint64_t minor_period;
	int64_t minor_last; /* the machine's, at the last tick */
	int64_t minor_base, major_base; /* the server's when the window began */
	int64_t minor_total, major_total; /* the newest */
	int64_t attach_ns, detach_ns;
	int64_t last_tick_ns;

	struct sensor_child children[SENSOR_CHILDREN_MAX];
	size_t children_count;
	uint64_t last_fork_ns;
	bool target_exited;
	struct stall_tally work_tally, turn_tally; /* of what is or was last under way */
	struct stall_key stall_keys[STALL_KEYS];
	size_t stall_keys_next;
	double own_pause_seconds; /* stalls of redmem's own commands */
	char drops_text[256];
};

/* Switch off @program when the kernel has no tracepoint @name; true when it stays. */
bool sensor_tracepoint(struct bpf_program *program, const char *name);
/* Attach a tracepoint program and keep its link. */
int sensor_attach_link(struct sensors *s, struct bpf_program *program, struct err *err);
bool sensor_on(const struct sensors *s, const char *id);
void sensor_off(struct sensors *s, const char *id, const char *reason);

/* Seconds since the start of the watch. */
double sensor_seconds(const struct sensors *s, int64_t mono_ns);

/* --- profile.c: aggregates to facts --- */
void profile_drain(struct sensors *s, int map_fd, const struct fact_sink *sink);
/* Name @who; false for redmem's own doings. */
bool who_resolve(struct sensors *s, const struct redmem_who *who, struct who_names *names);

/* --- flow.c --- */
/* Have the probe come or go, unless it is on its way. */
void flow_switch(struct sensors *s, bool on);
/* Has it come or gone? A negative errno when it could not come. */
int flow_settle(struct sensors *s);
bool flow_is_out(const struct sensors *s);
bool flow_stands(const struct sensors *s);
/* How long the probe has stood so far. */
int64_t flow_on_ns(const struct sensors *s);
/* Compare what was seen with what the threads count; for the rows of profile @map, which
 * was written since the last call. */
void flow_scale_tick(struct sensors *s, uint32_t map);
/* How many times its bytes a row of the map that is being drained stands for. */
double flow_scale(struct sensors *s, const struct redmem_profile_key *key);
void flow_emit_unseen(struct sensors *s, const struct fact_sink *sink);
void flow_free(struct sensors *s);

/* --- burst.c --- */
struct burst_probes {
	struct bpf_link *entry, *ret;
};
/* Put the two programs on the functions at @offsets of @file in process @pid. */
int burst_probes_on(struct sensors *s, struct burst_probes *probes, pid_t pid, const char *file,
		    const unsigned long *offsets, const uint64_t *cookies, size_t count);
void burst_probes_off(struct burst_probes *probes);
/* Begin a look that holds the server up for some @hold_seconds; false when one is under way. */
bool burst_start(struct sensors *s, double hold_seconds);
struct look_result {
	double seconds; /* the server was held up */
	bool idle; /* for less than it might have been */
};
/* True once after each look, when it is over; emits its fact and its calls. */
bool burst_end(struct sensors *s, struct look_result *out, const struct fact_sink *sink);
/* A call from the ring, to s->sink. */
void burst_call(struct sensors *s, const struct redmem_record *record);
bool burst_is_stepped(const struct sensors *s);

/* --- budget.c --- */
void budget_start(struct sensors *s);
void budget_tick(struct sensors *s, const struct fact_sink *sink);
void budget_poll(struct sensors *s, const struct fact_sink *sink);
/* Minor faults a second that may be looked at. */
double budget_fault_rate(const struct sensors *s);

/* --- sensors.c: time the kernel spent in programs, NAN when it does not tell --- */
double sensors_bpf_seconds(const struct sensors *s);
/* In the flow sensor's, a hit. */
double sensors_flow_program_seconds(const struct sensors *s);

/* --- records.c: the ring to facts --- */
int records_take(void *ctx, void *data, size_t size);
/* A child that was there before the watch. */
void records_adopt(struct sensors *s, pid_t pid);
/* Emit a child to s->sink; @end_ns 0 = it lives. */
void records_child(struct sensors *s, const struct sensor_child *child, int64_t end_ns,
		   uint64_t cow_now);

/* --- stall.c: stalls to facts --- */
/* Make out->fact of out->seen; false when it is of redmem's own doing. */
bool stall_fill(struct sensors *s, bool running, struct sensor_stall *out);
void stall_sample(struct sensors *s, const struct redmem_sample *sample);
/* A stall is under way: read the whole name of its key, if a record does not hold it. */
void stall_keep_key(struct sensors *s, const struct redmem_stall *stall);
/* Emit a stall that has ended to s->sink. */
void stall_take(struct sensors *s, const struct redmem_stall *stall);
/* A copy of what the programs go on changing; false when none was whole in some tries. */
bool stall_copy_loop(const struct redmem_loop *live, struct redmem_loop *copy);

/* --- the rows --- */
extern const struct sensor sensor_cpu, sensor_fault, sensor_loop, sensor_offcpu, sensor_rss,
	sensor_vm, sensor_reclaim, sensor_life, sensor_flow, sensor_burst;
