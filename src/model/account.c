/* SPDX-License-Identifier: BSD-2-Clause */
/* Accounts, and what one row of a profile adds to the charge of a name; see account.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "model/account.h"
#include "model/prefix.h"

#define NET_DEVIATIONS 1.96 /* 95 % of a normal distribution */
/* A step may be under way at either end, of what is allocated and freed. */
#define NET_EDGES 2
/* Of what was allocated: the same steps meet the same places of a command again and again
 * (tests/bench/bytes), so not all of the error is chance. */
#define NET_PLACES 0.005
/* Of what I/O threads have moved for it, which nobody saw the key of. */
#define NET_SHARED 0.3

/* --- charges ----------------------------------------------------------------- */

/* Counts come from recordings too: never past the end of the type, never back. */
static void count_add(int64_t *sum, int64_t n)
{
	if (n > 0 && *sum != RECORD_UNKNOWN && __builtin_add_overflow(*sum, n, sum))
		*sum = INT64_MAX;
}

/* An estimate as a count; recordings may say anything. */
static int64_t whole(double n)
{
	return n < (double)INT64_MAX ? (int64_t)n : INT64_MAX;
}

/*
 * Add @seconds, NAN when not known. A sum is unknown only while nothing in it is
 * known: rows without a time among others make it a lower bound, and rows alone
 * without a time must not look like 0.
 */
static void seconds_add(double *sum, double seconds)
{
	if (!isfinite(seconds))
		*sum = *sum == 0 ? NAN : *sum;
	else if (seconds > 0)
		*sum = isnan(*sum) ? seconds : *sum + seconds;
}

double profile_events(const struct record_profile *record)
{
	double events = isfinite(record->events) && record->events >= 0 ? record->events :
			record->samples > 0				? (double)record->samples :
									  0;

	return isfinite(record->scale) && record->scale > 0 ? events * record->scale : events;
}

/* Events whose start was not seen took as long as the others. */
double profile_seconds(const struct record_profile *record)
{
	if (record->timed <= 0 || !(record->events >= 0))
		return record->seconds;
	return record->seconds * (record->events / (double)record->timed);
}

static void charge_cpu(struct charge *charge, const struct record_profile *record)
{
	count_add(&charge->cpu_samples, record->samples);
	seconds_add(&charge->cpu_seconds, profile_seconds(record));
	if (record->leaf == MODULE_ALLOCATOR)
		seconds_add(&charge->allocator_seconds, profile_seconds(record));
	else if (record->leaf == MODULE_KERNEL)
		seconds_add(&charge->kernel_seconds, profile_seconds(record));
}

static void charge_minor(struct charge *charge, const struct record_profile *record)
{
	charge->minor_faults += profile_events(record);
	seconds_add(&charge->fault_seconds, profile_seconds(record));
}

static void charge_cow(struct charge *charge, const struct record_profile *record)
{
	charge->cow_faults += profile_events(record);
	seconds_add(&charge->cow_fault_seconds, profile_seconds(record));
	charge_minor(charge, record);
}

static void charge_major(struct charge *charge, const struct record_profile *record)
{
	count_add(&charge->major_faults, whole(profile_events(record)));
	count_add(&charge->major_looks, record->samples);
	seconds_add(&charge->fault_seconds, profile_seconds(record));
}

static void charge_file(struct charge *charge, const struct record_profile *record)
{
	seconds_add(&charge->file_fault_seconds, profile_seconds(record));
	charge_major(charge, record);
}

static void charge_swap(struct charge *charge, const struct record_profile *record)
{
	count_add(&charge->swap_faults, whole(profile_events(record)));
	seconds_add(&charge->swap_fault_seconds, profile_seconds(record));
	charge_major(charge, record);
}

static void charge_cpu_wait(struct charge *charge, const struct record_profile *record)
{
	seconds_add(&charge->cpu_wait_seconds, profile_seconds(record));
}

static void charge_io_wait(struct charge *charge, const struct record_profile *record)
{
	seconds_add(&charge->io_wait_seconds, profile_seconds(record));
}

static void charge_reclaim(struct charge *charge, const struct record_profile *record)
{
	seconds_add(&charge->reclaim_seconds, profile_seconds(record));
}

double profile_square(const struct record_profile *record)
{
	double events = profile_events(record);
	double square = record->samples > 0 ? events * events / (double)record->samples : 0;

	return isfinite(record->uneven) && record->uneven > 1 ? square * record->uneven : square;
}

static void charge_alloc(struct charge *charge, const struct record_profile *record)
{
	charge->alloc_bytes += profile_events(record);
	charge->alloc_square += profile_square(record);
	count_add(&charge->flow_hits, record->samples);
}

static void charge_free(struct charge *charge, const struct record_profile *record)
{
	charge->free_bytes += profile_events(record);
	charge->free_square += profile_square(record);
	count_add(&charge->flow_hits, record->samples);
}

/* Other events (sleep) cost nobody anything; compaction is the kernel making room in
 * another way. */
static void (*const charge_by_event[EVENT_KINDS])(struct charge *,
						  const struct record_profile *) = {
	[EVENT_CPU] = charge_cpu,
	[EVENT_FAULT_MINOR] = charge_minor,
	[EVENT_FAULT_COW] = charge_cow,
	[EVENT_FAULT_SWAP] = charge_swap,
	[EVENT_FAULT_FILE] = charge_file,
	[EVENT_CPU_WAIT] = charge_cpu_wait,
	[EVENT_IO_WAIT] = charge_io_wait,
	[EVENT_RECLAIM] = charge_reclaim,
	[EVENT_COMPACTION] = charge_reclaim,
	[EVENT_ALLOC] = charge_alloc,
	[EVENT_FREE] = charge_free,
};

void charge_add(struct charge *charge, const struct record_profile *record)
{
	if (charge_by_event[record->event])
		charge_by_event[record->event](charge, record);
}

void charge_merge(struct charge *into, const struct charge *from)
{
	count_add(&into->cpu_samples, from->cpu_samples);
	seconds_add(&into->cpu_seconds, from->cpu_seconds);
	seconds_add(&into->allocator_seconds, from->allocator_seconds);
	seconds_add(&into->kernel_seconds, from->kernel_seconds);
	into->minor_faults += from->minor_faults;
	into->cow_faults += from->cow_faults;
	count_add(&into->major_faults, from->major_faults);
	count_add(&into->swap_faults, from->swap_faults);
	count_add(&into->major_looks, from->major_looks);
	seconds_add(&into->fault_seconds, from->fault_seconds);
	seconds_add(&into->swap_fault_seconds, from->swap_fault_seconds);
	seconds_add(&into->cow_fault_seconds, from->cow_fault_seconds);
	seconds_add(&into->file_fault_seconds, from->file_fault_seconds);
	seconds_add(&into->cpu_wait_seconds, from->cpu_wait_seconds);
	seconds_add(&into->io_wait_seconds, from->io_wait_seconds);
	seconds_add(&into->reclaim_seconds, from->reclaim_seconds);
	into->alloc_bytes += from->alloc_bytes;
	into->free_bytes += from->free_bytes;
	into->alloc_square += from->alloc_square;
	into->free_square += from->free_square;
	count_add(&into->flow_hits, from->flow_hits);
}

static double known(double value)
{
	return isnan(value) ? 0 : value;
}

/* CPU and fault seconds, as far as known: what rows are ranked by. */
static double charge_seconds(const struct charge *charge)
{
	return known(charge->cpu_seconds) + known(charge->fault_seconds);
}

static double charge_faults(const struct charge *charge)
{
	double major = charge->major_faults == RECORD_UNKNOWN ? 0 : (double)charge->major_faults;

	return known(charge->minor_faults) + major;
}

static int falling(double a, double b)
{
	return (a < b) - (a > b);
}

int charge_compare(const struct charge *a, const struct charge *b)
{
	int order = falling(charge_seconds(a), charge_seconds(b));

	return order ? order : falling(charge_faults(a), charge_faults(b));
}

double charge_bytes(const struct charge *charge)
{
	return known(charge->alloc_bytes) + known(charge->free_bytes);
}

/* Variance of a part of @all bytes, when the squares of its hits add up to @square. Whoever
 * has all of what is counted, has it for certain. */
static double part_variance(double bytes, double all, double square, bool exact)
{
	return exact ? square * fmax(1 - bytes / fmax(all, 1), 0) : square;
}

double charge_net_error(const struct charge *charge, double all_alloc, double all_free, bool exact)
{
	double variance =
		part_variance(charge->alloc_bytes, all_alloc, charge->alloc_square, exact) +
		part_variance(charge->free_bytes, all_free, charge->free_square, exact);

	return NET_DEVIATIONS * sqrt(variance) + NET_EDGES * FLOW_STEP_BYTES +
	       NET_PLACES * charge->alloc_bytes + NET_SHARED * charge->shared_bytes;
}

void charge_unknown(struct charge *charge, bool cpu, bool faults, bool flow)
{
	if (flow && !charge->flow_hits)
		charge->alloc_bytes = charge->free_bytes = NAN;
	if (cpu && !charge->cpu_samples) {
		charge->cpu_samples = RECORD_UNKNOWN;
		charge->cpu_seconds = charge->allocator_seconds = charge->kernel_seconds = NAN;
	}
	if (faults && charge->minor_faults <= 0 && !charge->major_faults) {
		charge->minor_faults = charge->cow_faults = NAN;
		charge->major_faults = charge->swap_faults = RECORD_UNKNOWN;
		charge->fault_seconds = charge->swap_fault_seconds = NAN;
		charge->cow_fault_seconds = charge->file_fault_seconds = NAN;
	} else if (charge->minor_faults > 0 && isnan(charge->fault_seconds)) {
		/* Nobody saw how they began: were they copies? */
		charge->cow_faults = NAN;
	}
}

/* --- accounts ---------------------------------------------------------------- */

struct prefix *prefix_hold(struct prefixes *prefixes, struct bytes key)
{
	struct buf text = { 0 };
	struct prefix *prefix;

	if (!key.data || !key.len)
		return NULL;
	prefix_fold(&text, key.data, key.len);
	HASH_FIND(hh, prefixes->by_text, buf_str(&text), text.len, prefix);
	if (!prefix) {
		prefix = xcalloc(1, sizeof(*prefix) + text.len + 1);
		memcpy(prefix->text, buf_str(&text), text.len);
		prefix->len = text.len;
		HASH_ADD_KEYPTR(hh, prefixes->by_text, prefix->text, prefix->len, prefix);
	}
	prefix->uses++;
	buf_free(&text);
	return prefix;
}

void prefix_drop(struct prefixes *prefixes, struct prefix *prefix)
{
	if (!prefix || --prefix->uses)
		return;
	HASH_DEL(prefixes->by_text, prefix);
	free((char *)prefix->example.data);
	free(prefix);
}

int prefix_compare(const struct prefix *a, const struct prefix *b)
{
	return bytes_order(a ? (struct bytes){ a->text, a->len } : (struct bytes){ "", 0 },
			   b ? (struct bytes){ b->text, b->len } : (struct bytes){ "", 0 });
}

struct account *account_get(struct accounts *accounts, struct account_key of)
{
	struct account *account;

	HASH_FIND(hh, accounts->rows, &of, sizeof(of), account);
	if (account || (accounts->limit && HASH_COUNT(accounts->rows) >= accounts->limit))
		return account;
	account = xcalloc(1, sizeof(*account));
	account->of = of;
	if (of.prefix)
		of.prefix->uses++;
	HASH_ADD(hh, accounts->rows, of, sizeof(account->of), account);
	return account;
}

void account_remove(struct accounts *accounts, struct account *account)
{
	HASH_DEL(accounts->rows, account);
	prefix_drop(accounts->prefixes, account->of.prefix);
	free(account);
}

void accounts_clear(struct accounts *accounts)
{
	struct account *account, *next;

	HASH_ITER(hh, accounts->rows, account, next)
		account_remove(accounts, account);
}
