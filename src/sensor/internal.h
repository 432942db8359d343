/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this room share. */
#pragma once

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <pthread.h>

#include "base/bucket.h"
#include "redmem/events.h" /* types of the skeleton's variables */

#include "redmem.skel.h"
#include "sensor/gone_key.h"
#include "sensor/engine.h"
#include "sensor/inbox.h"
#include "sensor/perf.h"
#include "sensor/probe_cost.h"
#include "sensor/prober.h"
#include "sensor/sensor.h"
#include "sensor/targets.h"

/*
 * The table of sensors. Adding one: its programs in bpf/NAME.bpf.c, `const struct sensor
 * sensor_NAME` with its functions in a file of this room, and a name here, behind those it needs.
 */
#define SENSORS(X) \
	X(cpu) X(fault) X(offcpu) X(loop) X(rss) X(vm) X(reclaim) X(life) X(flow) X(burst)

#define SENSOR_ONE(name) +1
#define SENSOR_COUNT	 (SENSORS(SENSOR_ONE))

#define SENSOR_CHILDREN_MAX 64
#define ENGINE_LINKS_MAX    32

/* Highest rates in use, a second: the ring has room for them (targets.c). */
#define CPU_HZ	       199 /* CPU samples */
#define CPU_HZ_SHARES  61 /* enough for shares of commands, where nobody asks for stalls */
#define CPU_FINE_HZ    997 /* a server that has CPU left loses nothing by more of them */
#define BURST_CALLS    400 /* in one look at the allocator, at most... */
#define BURST_CALLS_HZ (11 * BURST_CALLS) /* ...of which there are eleven (budget.c) */

struct sensor_state {
	const char *id; /* the row's */
	bool on;
	char reason[sizeof(((struct err *)0)->text)];
};

/* A child seen by the life sensor. */
struct sensor_child {
	pid_t pid;
	int64_t start_ns;
	uint64_t cow_at_start;
	int64_t private_bytes, rss_bytes; /* the largest seen */
	const char *purpose; /* as in record_child */
};

/* What was spent, and what may be; see budget.c. */
struct budget {
	int64_t start_ns, tick_ns, review_ns, poll_ns;
	int64_t waited_base_ns, waited_ns; /* by the server for a CPU: at the start, and since */
	double base_seconds; /* spent before the watch began */
	double attach_seconds, burst_seconds;
	double flow_program_seconds; /* a hit */
	struct bucket all, flow, burst;
	struct bucket flow_least; /* what the flow probe has when all is spent, */
	bool on_least; /* as it is now */
	double charged_seconds; /* paid by the bucket of all so far */
	uint64_t flow_hits; /* paid by the flow probe's */
	double flow_spends; /* and what it spends in a second, when it stands: as seen last */
	bool flow_stood; /* when that was looked at */
	double rest_seconds; /* from poll_ns on nothing is to be decided for so long */
	bool busy; /* the server has no CPU left */
	double server_wanted; /* seconds of CPU, those it had to wait for one included */
	bool unlimited, calm;
	double look_price; /* lately */
	int64_t looks, look_ns; /* how many, and the end of the last one */
	bool look_idle; /* it did not meet as many calls as it might have */
};

/* A look of the burst sensor; while it is under way, the prober's thread writes it. */
struct look {
	bool under_way, idle;
	double hold_seconds;
	int ret;
	int64_t opened_ns, closed_ns;
	int64_t commands_before, commands_after;
	double attach_seconds;
	bool stepped; /* one of its probes is of the dearer kind */
};

/* CPU time by what the main thread did in one piece of work or one iteration of the loop. */
struct stall_tally {
	uint64_t start_ns; /* whose it is */
	int64_t frame_ns[FRAMES];
	struct tally_command {
		char name[32]; /* "" = a free row */
		int64_t ns;
	} command[RECORD_SHARES];
	struct gone_keys gone; /* that expired or were evicted in it */
};

/* Names longer than a record holds, of commands that took long enough to be asked. */
#define STALL_KEYS    4
#define STALL_KEY_MAX 512
struct stall_key {
	uint64_t start_ns; /* of its stall; 0 = a free row */
	size_t len;
	char text[STALL_KEY_MAX];
};

/* A row of a profile map (INBOX_ROW). */
struct inbox_row {
	struct redmem_profile_key key;
	struct redmem_profile_value value;
};

/* Time the kernel spent in programs: in those that every process of the machine comes to,
 * and how often; and in those on a server's own functions. */
struct program_time {
	uint64_t ns, runs, probe_ns;
};

/* What the servers' programs counted. */
struct program_share {
	uint64_t runs, run_ns, hits;
};

/* Of a frugal engine: what a second with the kernel's statistics said, by which all is told. */
struct cost_slice {
	int ticks; /* until the next one */
	int64_t start_ns;
	struct program_time before; /* at its start, as the next */
	struct program_share own_before;
	double run_seconds, hit_seconds; /* a run's way to its filter; a probe's program */
	double others_ratio; /* of the time, everybody else's */
	int64_t others_ns; /* up to when that is told */
};

/* What is there once; engine.c. */
struct engine {
	struct engine_config config;
	struct redmem_bpf *bpf; /* NULL = none */
	char no_bpf_reason[sizeof(((struct err *)0)->text)];
	struct sensor_state state[SENSOR_COUNT]; /* of what all servers share */
	struct targets targets;
	struct ring_buffer *ring;
	int64_t memory_bytes; /* engine_memory_bytes() */
	int stats_fd; /* keeps the kernel's BPF run-time statistics on */
	bool stats; /* it does tell, now or in slices */

	struct perf_events *cpu, *fault_minor, *fault_major;
	struct bpf_link *links[ENGINE_LINKS_MAX]; /* tracepoint links of all sensors */
	size_t link_count;
	uint64_t cpu_period, minor_period, major_period;
	int64_t minor_last, faults_ns; /* the machine's faults, at the last tick */

	pthread_mutex_t setup; /* what is done once, and redmem's own slot */
	pthread_t thread;
	bool running, stop;
	int wake_fd;

	pthread_mutex_t lock; /* of all below */
	struct sensors *server[REDMEM_TARGETS_MAX]; /* by index; NULL = a free one */
	bool calibrating[REDMEM_TARGETS_MAX]; /* pairs of slots in use */
	int64_t next_ns; /* the next tick */
	int64_t switched_ns; /* when programs began to write the active map */
	struct program_time shared; /* what was shared out among the servers */
	double others_seconds; /* of it, what other processes paid */
	struct program_share own; /* all servers', so far */
	struct cost_slice slice;
	/* the thread's own */
	size_t taken; /* records in this turn */
	struct redmem_profile_key *keys;
	struct redmem_profile_value *values;
};

/* One server. Its own thread's, but for what is said. */
struct sensors {
	struct sensor_config config;
	struct engine *engine;
	struct redmem_bpf *bpf; /* the engine's; NULL = none */
	size_t index; /* of the server among the targets */
	struct redmem_target *target; /* its slot */
	struct inbox *inbox;
	struct probe_cost probe_cost;
	struct pairs_seen pairs_seen;
	struct budget budget;
	int waited_fd; /* of proc_waited_ns(); below 0 = none */
	struct sensor_names names;
	struct sensor_state state[SENSOR_COUNT];
	const struct record_sink *sink;

	/* under the engine's lock */
	bool flush_wanted;
	double bpf_seconds; /* its part of the time in programs */
	uint64_t shared_runs, shared_run_ns, shared_hits;
	uint64_t major_seen; /* major faults up to the last tick */
	/* what it would have of the engine, read by its thread at a tick; atomic */
	uint32_t fault_rate; /* faults a second that may be looked at; 0 = it has not said */
	bool fine_samples;
	int affordable_hz; /* samples a second that its budget has room for; 0 = not known yet */

	struct flow *flow; /* NULL = never on */
	struct stacks *stacks; /* NULL = none came */
	struct prober *burst_prober;
	struct look look;
	bool flow_partly; /* the probe did not stand all the time since the last tick */
	uint32_t draining; /* the profile map whose rows are taken */
	int64_t drained_until_ns; /* when its last row was made, at the latest */
	int64_t switched_ns; /* when programs began to write the other one, as far as is taken */
	size_t ticks; /* taken from the inbox, not told yet */
	bool flushed;

	int64_t minor_base, major_base; /* the server's when the window began */
	int64_t minor_total, major_total; /* the newest */
	int64_t attach_ns, detach_ns; /* 0 = not yet */
	int64_t last_tick_ns;

	struct sensor_child children[SENSOR_CHILDREN_MAX];
	size_t children_count;
	uint64_t last_fork_ns;
	bool target_exited;
	struct stall_tally work_tally, iteration_tally; /* of what is or was last under way */
	struct stall_tally told_tally; /* of the newest record of a stall: names in it lie here */
	struct stall_key stall_keys[STALL_KEYS];
	size_t stall_keys_next;
	double own_pause_seconds; /* stalls of redmem's own commands */
	char drops_text[256];
};

/* --- row.c --- */
/* The engine takes what there is. */
void engine_wake(struct engine *e);
bool sensor_on(const struct sensors *s, const char *id);
/* Is the row's part that all servers share on? */
bool engine_on(const struct engine *e, const char *id);
void sensor_off(struct sensors *s, const char *id, const char *reason);
void state_off(struct sensor_state *state, const char *reason);
/* Seconds since the start of the watch. */
double sensor_seconds(const struct sensors *s, int64_t mono_ns);
/* Switch off @program when the kernel has no tracepoint @name; true when it stays. */
bool sensor_tracepoint(struct bpf_program *program, const char *name);
/* Attach a tracepoint program and keep its link. */
int sensor_attach_link(struct engine *e, struct bpf_program *program, struct err *err);

/* --- engine.c --- */
extern const struct sensor *const sensor_table[SENSOR_COUNT];
bool engine_wants(const struct engine *e, const struct sensor *row);
/* Attach what all servers share, and begin to take what comes. Under the lock `setup`. */
void engine_start(struct engine *e);
/* One server more or less. */
int engine_add(struct engine *e, struct sensors *s, struct err *err);
void engine_remove(struct engine *e, struct sensors *s);
/* The only server's seconds begin at @start_ns, and so do the engine's. */
void engine_align(struct engine *e, const struct sensors *s, int64_t start_ns);

/* --- simple.c, fault.c: follow what the servers would have; once a tick, under the lock --- */
void cpu_adapt(struct engine *e);
void fault_adapt(struct engine *e);
/* Does it see how a fault begins: how long it takes, and whether it is a copy? */
bool fault_timed(const struct sensors *s);
/* Major faults came too fast: do not wait for the tick. */
void fault_curb(struct engine *e);

/* Of one server. */
struct fault_load {
	double allowed; /* faults a second that may be looked at; 0 = it has not said */
	double major_rate; /* its major faults, a second */
};
struct fault_periods {
	uint64_t minor, major; /* one fault in so many is looked at; 0 = as before */
};
/* The periods that keep each of @count @servers to its allowance, when the machine has
 * @machine_minor_rate minor faults a second. */
struct fault_periods fault_periods(const struct fault_load *servers, size_t count,
				   double machine_minor_rate);

/* --- profile.c: aggregates to records --- */
/* @stack: as in record_profile. */
void profile_row(struct sensors *s, const struct redmem_profile_key *key,
		 const struct redmem_profile_value *value, const char *stack);
/* Name @context; false for redmem's own doings. */
bool context_resolve(struct sensors *s, const struct redmem_context *context,
		     struct context_names *names);

/* --- stacks.c: rows that come with a stack --- */
/* Have them from now on, if that is asked for. */
void stacks_begin(struct sensors *s);
void stacks_take(struct sensors *s, const struct redmem_stack *stack, size_t size);
/* To s->sink, those of the time of profile @map, which is being drained. */
void stacks_emit(struct sensors *s, uint32_t map);
void stacks_free(struct sensors *s);

/* --- flow.c, and flow_scale.c, flow_side.c and flow_caches.c for what its rows stand for --- */
/* What a thread allocated, or what it freed, in bytes. */
struct flow_side {
	double told; /* of what it moved since its first hit: rows stand for so much */
	double moved; /* up to the last hit */
	double moved_lately, seen_lately; /* halved at each tick that has hits */
	bool owes; /* the last rows stood for less than was moved */
};
/* Hits have @seen so much more of it, when the thread had @moved so much since its first one. */
void flow_side_meet(struct flow_side *side, double seen, double moved);
/* A few times the mean of what hits stood for at those meetings; INFINITY before the first. */
double flow_side_most(const struct flow_side *side);
/*
 * How many times their bytes rows stand for, of which hits have @seen when the thread had
 * @moved so much since its first one: for all that was not told before. Where the probe did
 * not stand all the time (@partly), @most at most: what is over is owed.
 */
double flow_side_scale(struct flow_side *side, double seen, double moved, bool partly, double most);
/*
 * Before 5.3: change what rows tell of, bytes allocated and bytes freed, in proportion so that it
 * grows by @net; no side by more than a few times.
 */
void flow_balance(double bytes[FLOW_SIDES], double net);
/* Have the probe come or go, unless it is on its way. */
void flow_switch(struct sensors *s, bool on);
/* Has it come or gone? A negative errno when it could not come. */
int flow_settle(struct sensors *s);
bool flow_is_out(const struct sensors *s);
bool flow_stands(const struct sensors *s);
/* On how many places of the allocator it stands, when it does. */
size_t flow_places(const struct sensors *s);
/* How long the probe has stood so far. */
int64_t flow_on_ns(const struct sensors *s);
/* Compare what was seen with what the threads count; for the rows of profile @map, which
 * was written since the last call. */
void flow_scale_tick(struct sensors *s, uint32_t map);
/* Has the main thread been met on both sides, or before 5.3 at all? What it moved before cannot be
 * known. */
bool flow_is_known(struct sensors *s);
/* How many times its bytes a row of the map that is being drained stands for. */
double flow_scale(struct sensors *s, const struct redmem_profile_key *key);
void flow_emit_unseen(struct sensors *s, int64_t mono_ns, const struct record_sink *sink);
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
/* True once after each look, when it is over; emits its record and its calls. */
bool burst_end(struct sensors *s, struct look_result *out, const struct record_sink *sink);
/* A call from the ring, to s->sink. */
void burst_call(struct sensors *s, const struct redmem_ring_record *raw);

/* --- budget.c --- */
struct budget_plan {
	double ratio; /* of a core that may be spent */
	bool bursts; /* wanted */
	bool calm; /* probes come and go seldom: redmem's own CPU counts, too */
};
/* What may be spent, by numbers alone. */
void budget_begin(struct budget *b, const struct budget_plan *plan, int64_t now_ns);
/* The time by which credit is earned, @now_ns below: it stands while the server waits for a CPU,
 * which it did for @waited_ns since the watch began. */
int64_t budget_time(struct budget *b, int64_t now_ns, int64_t waited_ns);
/* Something took @seconds from the server. */
void budget_spend(struct budget *b, double seconds);
/* So did the flow probe, by its hits or by coming and going. */
void budget_spend_flow(struct budget *b, double seconds);
/* It stands until its bucket is empty, and comes again when that holds enough for a while. */
bool budget_flow_may_stand(struct budget *b, bool stands, int64_t now_ns);
/* How long it will stand, or stay away, where it spends @spends seconds a second while it
 * stands. */
double budget_flow_rest(struct budget *b, bool stands, double spends, int64_t now_ns);
/* How long the next look may hold the server up; 0 = none now. */
double budget_look_seconds(struct budget *b, int64_t now_ns);
/* How long until there may be one. */
double budget_look_rest(struct budget *b, int64_t now_ns);
/* A look took @seconds; @idle: it waited for calls in vain. */
void budget_look_done(struct budget *b, double seconds, bool idle, int64_t now_ns);
/*
 * What it takes from a running server when a probe is put in at @places, or taken out: the
 * kernel writes to the page of each and has the CPU the server runs on forget it, which is an
 * interrupt (2.1 us on the reference machine, as is a trap: 17,000 of them in 0.4 s took 72 ms),
 * and the server comes to another page afterwards.
 */
double budget_move_seconds(const struct probe_cost *cost, size_t places);
void budget_start(struct sensors *s);
void budget_tick(struct sensors *s, const struct record_sink *sink);
void budget_poll(struct sensors *s, const struct record_sink *sink);
/* Faults a second that may be looked at. */
double budget_fault_rate(const struct sensors *s);

/* --- cost.c: the server's part of the time the kernel spent in programs, NAN when it does
 * not tell --- */
double sensors_bpf_seconds(const struct sensors *s);
/* What processes that nobody watches spent there, all of the host's. */
double sensors_other_seconds(const struct sensors *s);
/* What programs and maps take, once they are loaded. */
void cost_of_memory(struct engine *e);
/* Begin to count, and end it. A tick, under the lock: of a frugal engine slices begin and end. */
void cost_begin(struct engine *e);
void cost_tick(struct engine *e);
void cost_end(struct engine *e);
/* Share out what is not yet, under the lock: a server goes. */
void cost_take(struct engine *e);
/* In the flow sensor's, a hit. */
double sensors_flow_program_seconds(const struct sensors *s);

/* --- ring.c: the ring to records --- */
void ring_take(struct sensors *s, const void *data, size_t size);
/* A child that was there before the watch. */
void ring_adopt(struct sensors *s, pid_t pid);
/* Emit a child to s->sink; @end: its exit, NULL = it lives. */
void ring_child(struct sensors *s, const struct sensor_child *child,
		const struct redmem_ring_record *end, uint64_t cow_now);

/* --- stall.c: stalls to records --- */
/* Make out->record of out->seen; false when it is of redmem's own doing. */
bool stall_fill(struct sensors *s, bool running, struct sensor_stall *out);
void stall_sample(struct sensors *s, const struct redmem_sample *sample);
/* A stall is under way: read the whole name of its key, if a record does not hold it. */
void stall_keep_key(struct sensors *s, const struct redmem_stall *stall);
/* Emit a stall that has ended to s->sink. */
void stall_take(struct sensors *s, const struct redmem_stall *stall);
/* A copy of what the programs go on changing; false when none was whole in some tries. */
bool stall_copy_loop(const struct redmem_loop *live, struct redmem_loop *copy);

/* --- the rows --- */
#define SENSOR_EXTERN(name) extern const struct sensor sensor_##name;
SENSORS(SENSOR_EXTERN)
