/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Accounts: what is added up for one name, or pair of names, while records come in. One kind
 * of table for all of the model's sums: by command, thread, prefix of keys, size class, and
 * what goes together of them. Keys are folded to their prefix once, and prefixes told apart
 * by address.
 */
#pragma once

#include <uthash.h>

#include "record/record.h"

/*
 * What is charged to one name (a command, a prefix or a thread). What a sensor
 * that was off could not see is NAN or RECORD_UNKNOWN; seconds of events that were
 * seen but not timed are NAN.
 */
struct charge {
	int64_t cpu_samples;
	double cpu_seconds;
	double allocator_seconds; /* part of cpu_seconds with the leaf in the allocator */
	double kernel_seconds; /* part of cpu_seconds in the kernel */
	double minor_faults; /* estimates: samples x period */
	double cow_faults; /* part of minor_faults */
	int64_t major_faults; /* exact where each one was looked at, else as minor_faults */
	int64_t swap_faults; /* part of major_faults */
	int64_t major_looks; /* that the two stand on */
	double fault_seconds; /* time inside faults, all kinds */
	double swap_fault_seconds;
	double cow_fault_seconds, file_fault_seconds;
	double cpu_wait_seconds;
	double io_wait_seconds;
	double reclaim_seconds; /* with compaction */
	double alloc_bytes; /* through the allocator; NAN when not followed */
	double free_bytes;
	/* Sums of the squares of what each hit stands for: their error, see charge_net_error(). */
	double alloc_square, free_square;
	double shared_bytes; /* of alloc_bytes and free_bytes: moved by I/O threads for it */
	int64_t flow_hits; /* that all of these stand on */
};

/* Between two looks at who allocates, or frees, lie so many bytes (jemalloc 5.3's own step). */
#define FLOW_STEP_BYTES 65536

/* What the row stands for; at least what was seen. */
double profile_events(const struct record_profile *record);
/* And how long it took; NAN when it was not timed. */
double profile_seconds(const struct record_profile *record);
/* Sum of the squares of what each sample stands for: their error. */
double profile_square(const struct record_profile *record);
void charge_add(struct charge *charge, const struct record_profile *record);
void charge_merge(struct charge *into, const struct charge *from);
/* Compare two charges for a falling order: seconds, then faults. */
int charge_compare(const struct charge *a, const struct charge *b);
/* Bytes allocated and freed, as far as known. */
double charge_bytes(const struct charge *charge);
/*
 * How far the bytes allocated less those freed may be off, with 95 % confidence, as a part of
 * @all_alloc and @all_free bytes. @exact: those are counted, and only the parts are sampled.
 * NAN when bytes are not followed.
 */
double charge_net_error(const struct charge *charge, double all_alloc, double all_free, bool exact);
/* Set to unknown what is 0 only because a sensor was off. */
void charge_unknown(struct charge *charge, bool cpu, bool faults, bool flow);

/* A prefix that is in use; kept once. */
struct prefix {
	UT_hash_handle hh;
	size_t uses; /* accounts of it, and who holds it just now */
	struct bytes example; /* of profile.c: the first key charged, owned; without data before */
	size_t len;
	char text[]; /* folded; may hold any byte; a NUL behind it */
};

struct prefixes {
	struct prefix *by_text;
};

/* The prefix of @key, held until prefix_drop(). NULL for a key that is empty. */
struct prefix *prefix_hold(struct prefixes *prefixes, struct bytes key);
/* @prefix may be NULL; nobody uses it: it is forgotten. */
void prefix_drop(struct prefixes *prefixes, struct prefix *prefix);
/* By text; for orders that must not depend on the order of records. */
int prefix_compare(const struct prefix *a, const struct prefix *b);

/* Of what an account is. Hashed as bytes: there is no padding. */
struct account_key {
	int64_t kind; /* the owner's enum, 0 when it has only one */
	int64_t class_bytes; /* 0 = of no size class */
	const char *name; /* command or thread, interned; NULL */
	struct prefix *prefix; /* NULL = of no key */
	const char *thread, *functions; /* of profile.c: beside a command; NULL */
};

struct account {
	UT_hash_handle hh;
	struct account_key of;
	struct charge charge;
	double objects; /* of size_classes.c */
	bool estimated; /* they are */
	size_t row; /* of profile.c: which row of the model it has become */
};

struct accounts {
	struct account *rows;
	struct prefixes *prefixes;
	size_t limit; /* 0 = none */
};

/* The account of @of, made when it is new; NULL when there is no room for another. */
struct account *account_get(struct accounts *accounts, struct account_key of);
void account_remove(struct accounts *accounts, struct account *account);
void accounts_clear(struct accounts *accounts);
