/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers that several rules ask of a model: the best source that is there, or
 * RECORD_UNKNOWN / NAN. Comparisons with an unknown number are false, so a rule
 * that lacks its data stays silent.
 */
#pragma once

#include "diagnose/finding.h"
#include "model/model.h"

/* Numbers that more than one rule, or a rule and a row of `redmem check`, compares with. */

/* Share of a limit: the alerts of the users' guide (80 % and 95 % of maxmemory). */
#define NEAR_WARNING_RATIO  0.80
#define NEAR_CRITICAL_RATIO 0.95
/* Kernel default is 60; databases are advised to run at 1 to 10 (kernel:
 * Documentation/admin-guide/sysctl/vm.rst says what it weighs). */
#define SWAPPINESS_HIGH 10

#define KIB ((int64_t)1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

/*
 * Waste below these is not worth a word. MEMORY DOCTOR (object.c,
 * getMemoryDoctorReport) takes ratio 1.1 and 10 MB, which still cries on small
 * instances; active defrag itself only starts at 10 % and 100 MB
 * (active-defrag-threshold-lower, active-defrag-ignore-bytes).
 */
#define WASTE_FLOOR_BYTES (64 * MIB)
#define WASTE_FLOOR_RATIO 0.10

/* The AOF buffer holds what one iteration of the event loop writes; this much means the
 * disk does not take it. (Twice the 16 MiB chunk Redis itself writes at most.) */
#define AOF_BUFFER_BYTES (32 * MIB)

/* Is @waste worth a finding, beside @base bytes in use? False when either is unknown. */
bool measure_waste_matters(int64_t waste, int64_t base);

/* part / whole; NAN when either is unknown or whole is not positive. */
double measure_ratio(int64_t part, int64_t whole);
/* The sum of the known ones of two numbers; RECORD_UNKNOWN when neither is. */
int64_t measure_sum(int64_t a, int64_t b);

/* Of the server at the end of the watch: the kernel's word where there is one,
 * INFO's used_memory_rss else. */
int64_t measure_rss(const struct model *m);
int64_t measure_swap(const struct model *m);
/* So many that wait to be freed in the background are much, whatever they hold. */
#define LAZYFREE_OBJECTS 1000

/* used_memory of the last INFO. */
int64_t measure_used(const struct model *m);
/* Bytes the program holds from the allocator: the ledger, else INFO, else used_memory. */
int64_t measure_allocated(const struct model *m);
/* Free regions inside slabs: the ledger, else INFO's allocator_frag_bytes. */
int64_t measure_slab_holes(const struct model *m);
/* Dirty and muzzy pages of the allocator; with its metadata (a few per cent of what is
 * allocated) where the server does not tell MALLOC-STATS. */
int64_t measure_dirty(const struct model *m);
/* Does jemalloc return dirty pages by itself here? It needs a decay time and
 * something that drives it: its background thread, or allocations
 * (jemalloc TUNING.md, background_thread and dirty_decay_ms). */
bool measure_decay_works(const struct model *m);
/* What @action would give back of that ledger line; RECORD_UNKNOWN. */
int64_t measure_reclaim(const struct model *m, const char *line, const char *action);

/* maxmemory-policy, NULL; does it begin with the prefix ("volatile-")? */
const char *measure_policy(const struct model *m);
bool measure_policy_is(const struct model *m, const char *prefix);
/* maxmemory of the last INFO, else of CONFIG; 0 = none. */
int64_t measure_max_memory(const struct model *m);
/* Of used_memory what counts against it (evict.c, getMaxmemoryState()): not the buffers of
 * replicas and of the AOF. */
int64_t measure_counted(const struct model *m);
bool measure_is_replica(const struct model *m);
/* Anonymous memory of the server at the end of the watch; its RSS where that is not known. */
int64_t measure_anonymous(const struct model *m);
/* The memory the server may use: the machine's, or the cgroup's limit or memory.high when
 * that is smaller. *what is a phrase for people. RECORD_UNKNOWN when none is known. */
int64_t measure_room(const struct model *m, const char **what);
/* An integer parameter of CONFIG GET; RECORD_UNKNOWN. */
int64_t measure_config(const struct model *m, const char *name);
bool measure_config_is(const struct model *m, const char *name, const char *value);
/* A string of the last INFO, NULL. */
const char *measure_info_text(const struct model *m, const char *field);
/* Does the server fork to save (save points or AOF)? False when not known. */
bool measure_persists(const struct model *m);
/* Did the kernel kill it for lack of memory? Which child, if that; NULL (rules_killed.c). */
bool measure_killed(const struct model *m);
const struct record_child *measure_killed_child(const struct model *m);
/* Clients that the server closed by itself in the window, for a limit of their buffers: replicas
 * left out. RECORD_UNKNOWN. (rules_refused.c) */
int64_t measure_cut_off(const struct model *m);
/* Did a save fail, and was it for want of a fork? (rules_saves.c) */
bool measure_saves_fail(const struct model *m);
bool measure_fork_refused(const struct model *m);
/* Was every fork of the window refused? Then what they took is part of that trouble. */
bool measure_forks_in_vain(const struct model *m);
/* Keys and keys with a TTL over all databases (INFO keyspace); RECORD_UNKNOWN
 * without INFO. */
void measure_keyspace(const struct model *m, int64_t *keys, int64_t *expires);
/* Most private memory a child was seen with; 0 when there was no child,
 * RECORD_UNKNOWN when there was one but not its memory. */
int64_t measure_child_private(const struct model *m);

/* What a saving child copied, or will, when server and child are near the cgroup's limit or
 * the machine has little left: fork.cow tells it then. 0 when that is not so. (rules_fork.c) */
int64_t measure_copies_short(const struct model *m);

/* What memory may not pass (rules_forecast.c). */
enum limit_kind { LIMIT_MAXMEMORY, LIMIT_CGROUP, LIMIT_HIGH, LIMIT_HOST, LIMIT_KINDS };
struct limit {
	const char *what; /* a phrase for people; static. NULL = there is none */
	int64_t bytes, room; /* the room is what is left; not above 0 where it is met */
	bool evicts; /* it is met by evicting keys, as a cache does */
};
/* "maxmemory", "cgroup", "cgroup_high", "host" */
const char *limit_kind_name(enum limit_kind kind);
/* False when there is none, or nothing is known of it. */
bool measure_limit(const struct model *m, enum limit_kind kind, struct limit *out);
/* Those there are, the one with the least room first; returns how many. */
size_t measure_limits(const struct model *m, struct limit out[LIMIT_KINDS]);
/* Bytes used_memory grew by in a second of this window, without buffers that have their own bound;
 * NAN where it did not, or too little to be told from noise. *steady: in each third of it, and more
 * than by chance (95 %). */
double measure_growth(const struct model *m, bool *steady);

/* Bytes that may wait for one replica before it is cut off; 0 = no limit, RECORD_UNKNOWN. A limit
 * below the backlog's size is taken as that (7.0 and later: networking.c,
 * checkClientOutputBufferLimits()). (rules_replicas.c) */
int64_t measure_replica_buffer_bound(const struct model *m);

/* Hashes that have fields with an expiry, and may go with the last of them; 0 where not told. */
int64_t measure_expiring_hashes(const struct model *m);

/* The limit that is met first at the growth of this window (rules_forecast.c). */
struct forecast {
	const char *limit; /* a phrase for people; static */
	double seconds; /* until then */
	double bytes_per_second; /* used_memory grows by, without what has its own bound */
	enum severity severity;
	bool weak;
	double cost;
};
/* False when none is met within a day, or it was met already. */
bool measure_forecast(const struct model *m, struct forecast *out);
/* Is the list that grows fastest (keys.h) behind most of the growth that leads to the limit? */
bool measure_list_is_behind(const struct model *m, const struct forecast *forecast);

/* Seconds the kernel held the server's cgroup, or one above it, back for its CPU quota in the
 * window: of the one where that was most, which is *row (may be NULL). NAN when not known. */
double measure_throttled(const struct model *m, const struct cpu_limit_row **row);
/* Is what a saving child shares in huge pages? Then the first write to each takes long. */
bool measure_copies_huge_pages(const struct model *m);
/* The longest time without an answer: told as such, or seen as ticks without one, whose number
 * is *ticks (may be NULL). NAN when there was none. */
double measure_silence(const struct model *m, int64_t *ticks);
/* Calls of a command in the window ("cmdstat_monitor"), of one that redmem does not use. */
int64_t measure_calls(const struct model *m, const char *field);
/* Clients that the server made wait on purpose, for the reason that lasted longest.
 * (rules_paused.c) */
struct paused {
	enum pause kind; /* PAUSE_NONE: it did not */
	double seconds;
	int64_t ticks; /* that told of it; 0 = it was concluded from who stood blocked */
	int64_t clients; /* blocked at once, at most */
	bool running; /* still, at the end */
	const struct replica_row *replica; /* that it waits for; NULL */
};
struct paused measure_paused(const struct model *m);
/* Did clients wait in one for a replica? Then that is told with it. */
bool measure_paused_by_replica(const struct model *m);
/* Of clients that were not looked at: what they have in sum, and who of them reads nothing, by
 * the host's word; NULL. */
const struct record_client *measure_unread_client(const struct model *m, int64_t *bytes);
/* The client with most memory, of those that are neither replicas nor a master nor in MONITOR,
 * which have rules of their own; NULL. (rules_clients.c) */
const struct record_client *measure_heaviest_client(const struct model *m, int64_t *bytes);
/* mem_clients_normal without what is in no buffer: subscriptions and keys under WATCH have
 * findings of their own. RECORD_UNKNOWN. (rules_clients.c) */
int64_t measure_client_buffers(const struct model *m);
/* Of the server's main thread; NULL without a profile. */
const struct charge *measure_main_thread(const struct model *m);
/* What the server's I/O thread of that name had; NULL when it is none, or had nothing. */
const struct charge *measure_io_thread(const struct model *m, const char *name);

/* The row with the most of something; NULL when nobody has any. */
const struct command_row *measure_top_command(const struct model *m,
					      double (*amount)(const struct charge *));
const struct prefix_row *measure_top_prefix(const struct model *m,
					    double (*amount)(const struct charge *));
