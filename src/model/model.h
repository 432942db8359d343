/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model: everything known about one watch, as plain data. Records go in
 * through model_take(); model_finish() derives what needs all of them; rules and
 * reports read the struct. No I/O, no clock.
 */
#pragma once

#include "base/buf.h"
#include "record/record.h"
#include "model/account.h"
#include "model/stalls.h"
#include "redis/info.h"
#include "redis/malloc_stats.h"

enum basis { BASIS_EXACT, BASIS_SAMPLED, BASIS_DERIVED };
const char *basis_name(enum basis basis);

/* --- timeline ---------------------------------------------------------- */

/* Why the server makes clients wait, by its own word (server.c, genRedisInfoString();
 * before Valkey 8.1 it does not tell of a CLIENT PAUSE). */
enum pause { PAUSE_NONE, PAUSE_COMMAND, PAUSE_FAILOVER, PAUSE_SHUTDOWN, PAUSE_MIGRATION };

/* One row a tick: the host's word and, when it answered, the server's. */
struct timeline_row {
	struct record_tick host; /* no strings inside: a plain copy */
	int64_t used_memory_bytes; /* RECORD_UNKNOWN when the server did not answer */
	int64_t commands_total;
	int64_t evicted_keys_total;
	int64_t expired_keys_total;
	int64_t expired_fields_total; /* of hashes: since Redis 7.4 and Valkey 9 */
	int64_t connected_clients;
	int64_t blocked_clients;
	int64_t aof_buffer_bytes;
	int64_t clients_bytes; /* part of used_memory: mem_clients_normal */
	int64_t link_down_seconds; /* of a replica without its master; RECORD_UNKNOWN: it has it */
	enum pause pause; /* PAUSE_NONE also when it did not answer */
};

/* --- ledger ------------------------------------------------------------ */

#define RECLAIM_MAX 4
struct reclaim {
	const char *action; /* "defrag", "purge", "thp", "restart", "none" (static) */
	int64_t bytes;
};

/* One line. Children's bytes sum to their parent's exactly. A contra line
 * ("swapped_out", "untouched") is negative: memory the server counts that is
 * not resident. */
struct ledger_line {
	const char *id; /* static: "rss", "swap", "allocated", "dataset", ... */
	const char *parent; /* id of the parent, NULL for a root */
	const char *title; /* a few words for people, static */
	int depth; /* 0 for roots */
	int64_t bytes;
	enum basis basis;
	struct reclaim reclaim[RECLAIM_MAX];
	size_t reclaim_count;
};

struct ledger {
	struct ledger_line *lines; /* parents before children, in report order */
	size_t count;
};

/* The line with that id, or NULL. */
const struct ledger_line *ledger_find(const struct ledger *ledger, const char *id);
/* Its bytes, or RECORD_UNKNOWN. */
int64_t ledger_bytes(const struct ledger *ledger, const char *id);

/* --- what is in no key --------------------------------------------------- */

/* In no key, and not counted by the server itself: all in used_memory but for that of TLS, which
 * its library takes from malloc(). */
enum inside {
	INSIDE_SLOWLOG,
	INSIDE_TRACKING,
	INSIDE_PUBSUB,
	INSIDE_WATCH,
	INSIDE_TLS,
	INSIDE_KINDS
};
const char *inside_name(enum inside what); /* "slowlog": also its line of the ledger */

/* What a log takes that the server has of commands ("slowlog", "large-request", "large-reply"), by
 * some of its entries; RECORD_UNKNOWN. */
int64_t inside_log_bytes(const struct model *m, const char *name);

struct inside_row {
	int64_t objects_total; /* entries, keys, channels, connections; RECORD_UNKNOWN */
	int64_t bytes; /* RECORD_UNKNOWN */
	enum basis basis; /* of the bytes */
	int64_t clients_bytes; /* beside them, counted as its clients' memory; 0 */
};

/* What the keys hold, with their tables, by those that were looked at, against what the server
 * has for them. RECORD_UNKNOWN where too few were. */
struct keys_check {
	int64_t keys_total, looked_total;
	int64_t bytes;
	int64_t error_bytes; /* it may be so much more or less (95 %) */
	int64_t difference_bytes; /* what the server has beyond it: less when negative */
	enum basis basis; /* exact: all keys were met in a pass */
};

/* --- profiles ---------------------------------------------------------- */

/* Calls of the allocator as bursts saw them. All 0 or NAN without any. */
enum call_path { CALL_FAST, CALL_SLOW, CALL_FAULT, CALL_PATHS };

struct call_latency {
	int64_t calls_total; /* those that were timed */
	double mean_seconds, p50_seconds, p99_seconds, max_seconds;
	int64_t path_calls[CALL_PATHS];
	double path_seconds[CALL_PATHS];
	int64_t requested_bytes, class_bytes; /* of the calls that allocate */
};

struct command_row {
	char *command; /* "" = no command: event loop, cron, clients' I/O */
	int64_t calls_total; /* commandstats over the window without redmem's own; RECORD_UNKNOWN */
	double usec_total; /* commandstats; NAN */
	struct charge charge;
	struct call_latency latency;
};

/* Errors the server replied with in the window, by their first word ("WRONGTYPE"). */
struct error_row {
	char *error;
	int64_t replies_total; /* without redmem's own */
};

/* A command that was refused, or failed, in the window. Before 6.2 servers do not tell. */
struct refusal_row {
	char *command;
	int64_t rejected_total; /* not run: MISCONF, OOM, READONLY, wrong arguments... */
	int64_t failed_total; /* run, and ended in an error */
};

/* A replica as its master sees it at the end. */
struct replica_row {
	char *address; /* "10.0.0.2:6379" */
	char *state; /* "online", "wait_bgsave", "send_bulk"... */
	int64_t lag_seconds; /* since it acknowledged last */
	int64_t behind_bytes; /* what it has not acknowledged; RECORD_UNKNOWN unless online */
	double behind_seconds; /* of writes as in this window; NAN */
};

/* The stream to the replicas. */
struct replication {
	double write_bytes_per_second; /* in the window; NAN */
	int64_t backlog_bytes; /* what is kept for those who come back; RECORD_UNKNOWN */
	double backlog_seconds; /* of writes as in this window; NAN */
};

struct prefix_row {
	char *prefix; /* folded: "user:*:profile" */
	size_t prefix_len; /* may hold any byte */
	char *example; /* one key seen, with its length */
	size_t example_len;
	char *top_command; /* the command with most of its charge, "" */
	struct charge charge;
};

/* A single key, by its whole name. */
struct hot_key_row {
	struct bytes key;
	bool truncated; /* only its first RECORD_KEY_MAX bytes */
	int64_t db; /* RECORD_UNKNOWN */
	const char *command; /* the one with most of its time */
	int64_t samples;
	double cpu_seconds; /* of the main thread; at least */
};
#define HOT_KEY_ROWS 10

struct thread_row {
	char *thread; /* "main", "bio_lazy_free", ... */
	struct charge charge;
};

/* What was charged, told apart by all that is known of who it was. Over all rows it adds up to
 * what the threads were charged with. */
struct profile_row {
	const char *thread, *command; /* as in thread_row and command_row */
	const char *prefix; /* folded; without length = of no key */
	size_t prefix_len;
	const char *functions; /* leaf first, ';' in between; "" = not known */
	bool other; /* of prefixes and functions that there was no room for */
	struct charge charge;
};

struct stall_row {
	struct stall stall; /* judged; its strings point into the model's own copies */
};

struct child_row {
	struct record_child child;
	double done_ratio; /* of its work, while it lives; NAN */
	int64_t projected_bytes; /* private_bytes when it will be done; RECORD_UNKNOWN */
};

struct key_row {
	struct record_key key;
};

struct slowlog_row {
	struct record_slowlog entry;
};

struct large_row {
	struct record_large entry;
};

struct latency_row {
	struct record_latency event;
};

/* What a scheduled pass found; see record_passed. */
struct passed_row {
	struct record_passed passed;
	int64_t before_bytes; /* of the same by the pass before; RECORD_UNKNOWN */
};

struct life_row {
	struct record_life life;
};

struct client_row {
	struct record_client client;
};

struct writer_row {
	struct record_writer writer;
};

struct strings_row {
	struct record_strings strings;
};

struct held_row {
	struct record_held held;
};

/* A CPU quota over the window. */
struct cpu_limit_row {
	struct record_cpu_limit start, end; /* equal when only one came */
};

struct sensor_row {
	struct record_sensor sensor;
};

struct rss_move_row {
	struct record_rss_move move;
};

struct mapping_row {
	struct record_mapping mapping;
};

/* --- the allocator ------------------------------------------------------ */

/* A name with most of the bytes of one interval. */
struct alloc_top {
	const char *name; /* command, or prefix of keys */
	size_t name_len;
	double alloc_bytes, free_bytes;
};

#define ALLOC_TOP 3

/* What was allocated between the tick before and this one. */
struct alloc_tick {
	double t_seconds; /* its end */
	double alloc_bytes, free_bytes;
	/* by alloc_bytes, falling; those behind the last have no name */
	struct alloc_top commands[ALLOC_TOP], prefixes[ALLOC_TOP];
};

/* A size class: what came into and left threads' caches, and what bursts saw of it. */
struct alloc_class {
	int64_t size_bytes;
	double alloc_bytes, free_bytes; /* NAN where caches are not followed */
	int64_t calls_total; /* of bursts that allocate */
	int64_t requested_bytes; /* by those calls */
};

/* Orders are indexes of the model's arrays; rows without any byte are left out. */
struct alloc {
	size_t *commands, *prefixes, *threads; /* by bytes allocated and freed, falling */
	size_t commands_count, prefixes_count, threads_count;
	/* Prefixes with more allocated than freed, by the difference; behind all of which that is
	 * certain (model_net_is_certain()) those that it may be chance of. */
	size_t *growth;
	size_t growth_count;
	double alloc_bytes, free_bytes; /* of all threads; NAN when not followed */
	double shared_bytes; /* of both, by I/O threads: shared out over commands and prefixes */
	int64_t flow_hits;
	bool by_caches; /* of threads' caches (jemalloc before 5.3): what is freed and taken
			 * again within one is not seen, and totals are scaled up */
	struct alloc_tick *ticks;
	size_t ticks_count;
	const struct alloc_tick *peak; /* the one that led to the most used_memory; NULL */
	double peak_seconds;
	int64_t peak_bytes; /* used_memory then */
	struct alloc_class *classes; /* by size, rising */
	size_t classes_count;
	int64_t bursts_total;
	struct record_burst burst; /* the last one, for the cost of probes */
	struct record_budget budget; /* the last one; unknown when none came */
	bool have_budget;
	double flow_duty_ratio; /* mean over the window; NAN without */
	bool partly; /* not followed all the time */
	struct call_latency latency; /* of all commands */
};

/* --- size classes ------------------------------------------------------- */

/* Whom allocations of a size class belong to, or who makes and frees them. */
struct class_user {
	char *prefix; /* folded; "" when no key is known */
	size_t prefix_len;
	char *command; /* "" for what was found lying there */
	double objects; /* found: allocations of the class among the keys sampled */
	bool estimated; /* found: their size is typical, not known */
	double alloc_bytes; /* in the window: into and out of the class */
	double free_bytes;
};

#define CLASS_USERS 3
struct class_row {
	struct size_class size;
	int64_t defrag_bytes; /* of its holes, what active defragmentation would take */
	struct class_user holders[CLASS_USERS]; /* by objects, falling */
	size_t holders_count;
	double holders_objects; /* of all prefixes */
	double explained_ratio; /* sample scaled up / objects there are; NAN */
	struct class_user movers[CLASS_USERS]; /* by bytes, falling */
	size_t movers_count;
};

/* Deletes seen in the window, by prefix. */
struct delete_row {
	char *prefix;
	size_t prefix_len;
	char *command;
	int64_t samples; /* CPU samples and faults in it */
	double free_bytes; /* NAN when frees were not measured */
};

/* What active defragmentation would do with the settings it has. */
struct defrag_forecast {
	bool starts; /* fragmentation is past both its thresholds */
	int64_t gain_bytes; /* until it stops; when it would not start, what it could take */
	int64_t ignore_bytes; /* its thresholds, */
	int64_t lower_percent;
	double percent; /* and what it compares with them */
};

/* --- the whole ---------------------------------------------------------- */

/* Arrays are `count` long. All strings belong to the model. */
struct hist;
struct keyspace;
struct keyspace_options;
struct one_key;

struct model {
	struct record_session session;
	struct record_target target;
	struct record_host host_start, host_end; /* equal when only one came */
	bool have_host;
	struct record_totals totals;
	bool have_totals;
	struct record_self self;
	bool have_self;

	struct info *info_start, *info_end; /* NULL when the server never answered */
	struct info *memory_stats; /* "name value" pairs; NULL */
	struct malloc_stats *malloc_stats; /* parsed, NULL when absent or not understood */
	bool malloc_stats_not_understood;
	double malloc_stats_seconds; /* longest time its answer took; NAN */
	struct info *config; /* CONFIG GET pairs seen; never NULL */

	struct timeline_row *timeline;
	size_t timeline_count;
	int64_t aof_buffer_most_bytes; /* at a tick or at the end; RECORD_UNKNOWN */
	struct ledger ledger; /* empty when smaps could not be read */
	struct inside_row inside[INSIDE_KINDS];
	struct keys_check keys_check;
	struct command_row *commands; /* by cpu_seconds + fault_seconds, falling */
	size_t commands_count;
	struct error_row *errors; /* by replies, falling */
	size_t errors_count;
	bool have_errors; /* false: nothing is known of errors, rather than that there were none */
	struct refusal_row *refusals; /* by rejected and failed, falling */
	size_t refusals_count;
	struct replication replication;
	struct replica_row *replicas; /* as INFO has them */
	size_t replicas_count;
	struct prefix_row *prefixes; /* same order */
	size_t prefixes_count;
	struct hot_key_row hot_keys[HOT_KEY_ROWS]; /* by CPU time, falling */
	size_t hot_keys_count;
	struct thread_row *threads;
	size_t threads_count;
	struct profile_row *profile; /* same order */
	size_t profile_count;
	struct stall_row *stalls; /* by duration, falling */
	size_t stalls_count;
	size_t stalls_left_out; /* shorter ones, of a watch with thousands */
	struct child_row *children;
	size_t children_count;
	struct class_row *classes; /* by size, rising; empty without MALLOC-STATS */
	size_t classes_count;
	struct class_user unplaced[CLASS_USERS]; /* prefixes with most bytes of unknown class */
	size_t unplaced_count;
	struct record_key *drawn; /* keys drawn at random */
	int64_t sampled_keys_total; /* of them */
	struct delete_row deletes[CLASS_USERS]; /* by bytes or samples, falling */
	size_t deletes_count;
	struct defrag_forecast defrag;
	bool have_defrag; /* false: not jemalloc, or its classes are not known */
	struct record_purge purge;
	bool have_purge;
	struct key_row *keys; /* by bytes, falling; those that showed up in the watch */
	size_t keys_count;
	struct slowlog_row *slowlog; /* only entries of the window */
	size_t slowlog_count;
	struct large_row *large; /* requests and replies, likewise */
	size_t large_count;
	struct latency_row *latency;
	size_t latency_count;
	struct client_row *clients; /* at the end; where there are too many to list, the largest */
	size_t clients_count;
	struct strings_row *strings; /* of each size class, where they were looked for */
	size_t strings_count;
	struct held_row *held; /* what else the server holds that is no key */
	size_t held_count;
	struct cpu_limit_row *cpu_limits;
	size_t cpu_limits_count;
	struct record_disk disk; /* of the AOF */
	bool have_disk;
	struct writer_row *writers; /* by bytes, falling */
	size_t writers_count;
	struct life_row *life;
	size_t life_count;
	struct passed_row *passed; /* the newest scheduled pass: its row "all" first */
	size_t passed_count;
	int64_t passed_wall_ns, passed_before_ns; /* when it ended, and the one before */
	struct sensor_row *sensors;
	size_t sensors_count;
	struct rss_move_row *rss_moves;
	size_t rss_moves_count;
	struct mapping_row *mappings; /* all phases; "end" is what the ledger used */
	size_t mappings_count;

	struct alloc alloc;
	struct keyspace *keyspace; /* of all keys; NULL when no pass was made */
	struct one_key *one_key; /* asked for at length; NULL when none was */

	double start_seconds; /* of a window, from the start of the watch; NAN = it is all of it */
	double duration_seconds; /* of the window, or the watch */
	struct model_private *priv; /* interned strings and lookup tables */
};

struct model *model_new(void);
/* Judge stalls by @rule from now on; it must outlive the model. blame_by_tables without. */
void model_set_rule(struct model *m, const struct blame_rule *rule);
void model_take(struct model *m, const struct record *record);
/* As a record of this key of a pass, whose type and encoding are there. */
void model_take_key(struct model *m, const struct record_key *key);
/* The model as a sink for records. */
struct record_sink model_sink(struct model *m);
/* How to count what a pass over all keys meets; @options are copied, what they point to is not. */
void model_set_keyspace(struct model *m, const struct keyspace_options *options);
/* It is a window of @seconds whose start is t = 0, and @start in the watch; without it the
 * records say how long it was. */
void model_set_window(struct model *m, double start, double seconds);
/* Sort, fold prefixes, subtract, build the ledger. Call once, after the last record. */
void model_finish(struct model *m);
void model_free(struct model *m);

/* How far what @charge, a part of all, allocated less what it freed may be off, in bytes with 95 %
 * confidence; see charge_net_error(). */
/* What is known of a command; NULL = nothing. */
const struct command_row *model_command(const struct model *m, const char *command);
/* Is that the name of one of the server's I/O threads? */
bool model_is_io_thread(const char *thread);
double model_net_error(const struct model *m, const struct charge *charge);
/* Is it more than may be chance: does that interval leave out zero? */
bool model_net_is_certain(const struct model *m, const struct charge *charge);

/* The row of the end; NULL without any. */
const struct timeline_row *model_last_row(const struct model *m);
/* Value of a config parameter, or NULL when not seen. */
const char *model_config(const struct model *m, const char *name);
/* Integer from the last INFO / first INFO, RECORD_UNKNOWN when absent. */
int64_t model_info_end(const struct model *m, const char *field);
int64_t model_info_start(const struct model *m, const char *field);
/* end - start of a counter, RECORD_UNKNOWN when either is missing or it went back. */
int64_t model_info_delta(const struct model *m, const char *field);
/* Replies of the window that began with @error ("OOM"); RECORD_UNKNOWN where the server does
 * not tell (errorstats came with 6.2). */
int64_t model_errors(const struct model *m, const char *error);
/* What was told of that kind of thing that is no key ("clients"); NULL. */
const struct record_held *model_held(const struct model *m, const char *name);
/* How long the calls of @command to the allocator took, in nanoseconds, that were timed; NULL
 * without any. */
const struct hist *model_call_times(const struct model *m, const char *command);
/* Is that sensor on? False also when it is not in the table. */
bool model_sensor_on(const struct model *m, const char *id);
/* What MEMORY PURGE would free by the ledger, and what the one tried did free (rss
 * before - after); RECORD_UNKNOWN. */
int64_t model_purgeable(const struct model *m);
int64_t model_purged(const struct model *m);
/* Who wrote to pages a saving child shared: the rows with most copy-on-write faults. */
#define COW_ROWS 5
struct cow_rows {
	const struct command_row *commands[COW_ROWS]; /* falling */
	size_t commands_count;
	const struct prefix_row *prefixes[COW_ROWS];
	size_t prefixes_count;
};
void model_cow(const struct model *m, struct cow_rows *out);
/* Sum of a mapping class of the server in the last phase; RECORD_UNKNOWN when none. */
int64_t model_mapping_rss(const struct model *m, const char *class_name);
