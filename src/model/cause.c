/* SPDX-License-Identifier: BSD-2-Clause */
/* The causes of a stall; see cause.h. */
#include <stdlib.h>

#include "model/cause.h"

static const struct {
	struct cause cause;
	size_t seconds; /* offset in struct fact_stall */
} causes[] = {
	{ { "command", "own computing",
	    "Do less at a time: a range or the SCAN family instead of the whole value, or split "
	    "the key." },
	  offsetof(struct fact_stall, command_seconds) },
	{ { "allocator", "allocator",
	    "Free big values in the background: UNLINK instead of DEL, and the lazyfree-lazy-* "
	    "settings for expiry, eviction and overwriting." },
	  offsetof(struct fact_stall, allocator_seconds) },
	{ { "fault_minor", "first touch of memory",
	    "The kernel hands out these pages one by one; it passes once the memory is in use." },
	  offsetof(struct fact_stall, fault_minor_seconds) },
	{ { "fault_cow", "copy on write",
	    "Pages shared with a saving child are copied when written: save when writes are few, "
	    "or on a replica." },
	  offsetof(struct fact_stall, fault_cow_seconds) },
	{ { "fault_swap", "swap-in",
	    "The memory it touched was in swap: give the server more memory or lower maxmemory." },
	  offsetof(struct fact_stall, fault_swap_seconds) },
	{ { "fault_file", "file pages",
	    "Pages of the binary or of a mapped file were read from disk: the machine is short of "
	    "memory for its page cache." },
	  offsetof(struct fact_stall, fault_file_seconds) },
	{ { "reclaim", "memory reclaim",
	    "The kernel made the server wait while it freed memory: raise the memory limit or "
	    "lower maxmemory." },
	  offsetof(struct fact_stall, reclaim_seconds) },
	{ { "compaction", "memory compaction",
	    "The kernel moved pages together for a huge page: switch transparent huge pages off "
	    "for the server." },
	  offsetof(struct fact_stall, compaction_seconds) },
	{ { "cpu_wait", "waiting for a CPU",
	    "Other work had the CPU: give the server a CPU of its own or a larger CPU quota." },
	  offsetof(struct fact_stall, cpu_wait_seconds) },
	{ { "io_wait", "waiting for I/O",
	    "The server waited for a disk: look at appendfsync, the AOF's disk and swap." },
	  offsetof(struct fact_stall, io_wait_seconds) },
	{ { "fork", "fork",
	    "Fork copies the page tables: its time grows with resident memory; save less often or "
	    "on a replica." },
	  offsetof(struct fact_stall, fork_seconds) },
	{ { "expiry", "expiring keys",
	    "Many or big keys expired at once: spread their TTLs, and let the server free them in "
	    "the background (lazyfree-lazy-expire yes)." },
	  offsetof(struct fact_stall, expiry_seconds) },
	{ { "eviction", "evicting keys",
	    "The server was at maxmemory and had to evict before it could go on: raise maxmemory, "
	    "or let it free in the background (lazyfree-lazy-eviction yes)." },
	  offsetof(struct fact_stall, eviction_seconds) },
	{ { "defrag", "active defrag",
	    "Active defragmentation took its turn: lower active-defrag-cycle-max." },
	  offsetof(struct fact_stall, defrag_seconds) },
	{ { "rehash", "rehashing",
	    "A hash table grew and its entries move to the new one: it passes; keep keyspaces and "
	    "hashes smaller, or spread them over more servers." },
	  offsetof(struct fact_stall, rehash_seconds) },
	{ { "other", "other", NULL }, offsetof(struct fact_stall, other_seconds) },
};

_Static_assert(sizeof(causes) / sizeof(causes[0]) == CAUSE_MAX, "CAUSE_MAX counts the table");

static int by_seconds(const void *a, const void *b)
{
	const struct blame *x = a, *y = b;

	if (x->seconds != y->seconds)
		return x->seconds < y->seconds ? 1 : -1;
	/* qsort() is not stable: equal times keep the order of the table. */
	return x->cause < y->cause ? -1 : x->cause > y->cause;
}

size_t cause_split(const struct fact_stall *stall, struct blame out[CAUSE_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < CAUSE_MAX; i++) {
		double seconds = *(const double *)((const char *)stall + causes[i].seconds);

		if (seconds > 0) /* false for NAN too */
			out[count++] = (struct blame){ &causes[i].cause, seconds };
	}
	qsort(out, count, sizeof(out[0]), by_seconds);
	return count;
}
