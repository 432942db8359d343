/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this room share, and nobody else sees. */
#pragma once

#include "base/buf.h"
#include "model/intern.h"
#include "model/model.h"

struct calls;
struct counted;
struct hot_keys;
struct alloc_flow;
struct prefix;
struct prefixes;
struct profile;
struct unseen;
struct users;
struct server_sample;

struct model_private {
	struct keep *keep;
	struct keep *self_keep; /* of m->self */
	struct prefixes *prefixes; /* in use by the next three */
	const struct blame_rule *rule;
	struct keyspace_options *keyspace_options;
	bool keyspace_fed; /* m->keyspace scan is made of records */
	double window_seconds; /* NAN = not a window, but all of a session */
	struct counted *counted; /* what is no window's comes through it */
	struct profile *profile; /* charges while records come in */
	struct hot_keys *hot_keys;
	struct alloc_flow *flow;
	struct unseen *unseen;
	struct calls *calls;
	struct users *users; /* of size classes, while records come in */
	struct server_sample *samples; /* INFO of the ticks, for the timeline */
	size_t samples_count;
	size_t settled_rows; /* of the timeline, that have theirs */
	struct info *own_calls; /* command -> calls of redmem itself */
	int64_t info_replies;
	double info_start_seconds, info_end_seconds; /* when that was told */
	struct info *stats_start; /* the one with commandstats to compare with; NULL */
	double stats_seconds; /* when it was told */
	bool commandstats_usable; /* set by commandstats_check() */
	bool errors_at_start, errors_at_end; /* info_start and info_end have errorstats */
	bool malloc_stats_refused; /* one came that could not be parsed */
	const char *memory_stats_phase; /* kept; NULL when none came */
	const char *malloc_stats_phase;
};

/* The size of a key as MEMORY USAGE takes it, from a few of its elements: RECORD_UNKNOWN when
 * it is more than the server ever held. */
static inline int64_t plausible_size(const struct model *m, int64_t bytes)
{
	int64_t most = m->info_end ? info_int(m->info_end, "used_memory_peak") : RECORD_UNKNOWN;

	return most != RECORD_UNKNOWN && bytes > most ? RECORD_UNKNOWN : bytes;
}

/* --- take.c --- */
/* model_take() of a stream in which stalls are counted (counted.h); @ctx: the model. */
void model_take_counted(void *ctx, const struct record *record);

/* --- take_kept.c --- */
/* Of the kinds that are kept as they came: its strings become the model's. What is there already is
 * left out, and of what there is no room for, what weighs least. */
void take_kept(struct model *m, const struct record *record);

/* --- timeline.c --- */
void timeline_add_tick(struct model *m, const struct record_tick *tick);
void timeline_add_info(struct model *m, double t_seconds, const struct info *info);
/* The lines of an INFO that this takes something from. */
void timeline_info_lines(struct buf *out, const char *text);
void timeline_finish(struct model *m);
void children_finish(struct model *m);

/* --- profile.c: charges while records come in --- */
struct profile *profile_new(struct prefixes *prefixes);
void profile_free(struct profile *profile);
/* @prefix: of the record's key, NULL without one; in the next ones, too. */
void profile_add(struct model *m, const struct record_profile *record, struct prefix *prefix);
/* Add to the charges of the main thread, @command (interned) and @prefix. */
void profile_merge(struct model *m, const char *command, struct prefix *prefix,
		   const struct charge *charge);
/* Make the rows of commands, prefixes and threads, sorted. */
void profile_finish(struct model *m);

/* --- hot_keys.c: CPU time of single keys while records come in --- */
struct hot_keys *hot_keys_new(void);
void hot_keys_free(struct hot_keys *hot);
void hot_keys_add(struct model *m, const struct record_profile *record);
/* Make m->hot_keys. */
void hot_keys_finish(struct model *m);

/* --- server_info.c --- */
struct commandstat {
	const char *command; /* lives as long as the model's info_end */
	int64_t calls_total; /* RECORD_UNKNOWN */
	double usec_total; /* NAN */
};
/* See whether both ends of the window can be compared. Before the other two. */
void commandstats_check(struct model *m);
/* What the server counted for a command over the window, without redmem's own. */
struct commandstat commandstats_of(const struct model *m, const char *command);
/* Hand each command with calls in the window to @each. */
void commandstats_each(const struct model *m, void (*each)(void *ctx, const char *command),
		       void *ctx);

/* Make m->replication and m->replicas. */
void replication_finish(struct model *m);
/* Make m->errors and m->refusals. After commandstats_check(). */
void errors_finish(struct model *m);

/* --- alloc.c: bytes by time and by size class --- */
struct alloc_flow *alloc_new(struct prefixes *prefixes);
void alloc_free(struct alloc_flow *flow);
void alloc_add(struct model *m, const struct record_profile *record, struct prefix *prefix);
/* Make m->alloc; after profile_finish(). */
void alloc_finish(struct model *m);
/* The class's row, added when it is new. */
struct alloc_class *alloc_class(struct model *m, int64_t size_bytes);

/* --- unseen.c: bytes that no hit stands for --- */
struct unseen *unseen_new(struct prefixes *prefixes);
void unseen_free(struct unseen *unseen);
/* Remember who had bytes lately. */
void unseen_note(struct model *m, const struct record_profile *record, struct prefix *prefix);
/* Give them the bytes of @record, when it is of that kind and there is somebody. */
bool unseen_give(struct model *m, const struct record_profile *record);

/* --- calls.c: calls of the allocator seen in bursts --- */
struct calls *calls_new(void);
void calls_free(struct calls *calls);
void calls_add(struct model *m, const struct record_call *record);
/* So many of them does a record stand for. */
static inline int64_t call_count(const struct record_call *record)
{
	return record->calls > 0 && record->calls < INT32_MAX ? record->calls : 1;
}
/* What was seen of a command's calls. */
struct call_latency calls_of(const struct model *m, const char *command);
/* Hand each command with calls to @each. */
void calls_each(const struct model *m, void (*each)(void *ctx, const char *command), void *ctx);
/* Set m->alloc.latency. */
void calls_finish(struct model *m);

/* Of @m->malloc_stats' live memory, what was not asked for but came with its size class;
 * RECORD_UNKNOWN without bursts. */
int64_t rounding_bytes(const struct model *m);

/* --- server_memory.c --- */
struct mapping_sum {
	int64_t rss_bytes, swap_bytes, anon_huge_bytes; /* RECORD_UNKNOWN when any part is */
};
/* Of the last reading; @class_name NULL adds all classes up. False when there is none. */
bool mapping_sum(const struct model *m, const char *class_name, struct mapping_sum *out);

/* --- size_classes.c --- */
struct users *users_new(struct prefixes *prefixes);
void users_free(struct users *users);
/* A key drawn at random; its strings live as long as the model. */
void users_add_key(struct users *users, const struct record_key *key);
void users_add_profile(struct model *m, const struct record_profile *record, struct prefix *prefix);
void users_add_call(struct model *m, const struct record_call *record);
/* By how much the requests for drawn strings were rounded up, scaled up to all keys; where
 * their lengths could be asked (RECORD_UNKNOWN else). After users_finish(). */
int64_t drawn_rounding_bytes(const struct model *m);
/* By how much strings were rounded up whose heads were met in the server's memory; RECORD_UNKNOWN
 * where they were not looked for, or hardly any was met. */
int64_t met_rounding_bytes(const struct model *m);
/* What plain strings of many pages take, by the keys drawn scaled up; 0 without any. After
 * users_finish(). */
int64_t large_values_bytes(const struct model *m);
/* Make the rows of classes and deletes. After defrag_finish(). */
void users_finish(struct model *m);

/* Make the rows of size classes, and say what defragmentation would do with them. */
void defrag_finish(struct model *m);

/* --- inside.c --- */
/* Make m->inside and m->keys_check, but for its difference. After users_finish(). */
void inside_finish(struct model *m);

/* --- ledger.c --- */
/* Make m->ledger, and the difference of m->keys_check. After inside_finish(). */
void ledger_build(struct model *m);
