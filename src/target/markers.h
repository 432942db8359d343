/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On whose behalf the server's main thread was at a CPU sample. Many builds have no
 * frame pointers, so the stack is not unwound: words of it that lie in the code of a
 * few well-known functions are taken for return addresses of theirs. A word left over
 * from an earlier call may be one of them; in many samples it does not weigh.
 */
#pragma once

#include "target/image.h"

/* Causes of a stall a sample can tell (DESIGN.md "Causes"). */
enum marker_cause {
	MARK_COMMAND, /* own computing */
	MARK_ALLOCATOR,
	MARK_EXPIRY,
	MARK_EVICTION,
	MARK_DEFRAG,
	MARK_REHASH,
	MARK_FORK,
	MARK_FAULT, /* in a page fault; its time is measured otherwise */
	MARK_CAUSES
};

struct marker_place {
	enum marker_cause cause;
	const char *activity; /* "freeing"; static, "" when not known */
};

struct markers;

/* Where the functions are in this program. Never NULL; those it does not have are left out. */
struct markers *markers_open(const struct image *image);
void markers_close(struct markers *markers);
/* What @sample tells. */
struct marker_place markers_place(const struct markers *markers,
				  const struct redmem_sample *sample);

/* --- for tests --- */

/* Without a program: the one function @name lies at @range. */
void markers_add(struct markers *markers, const char *name, struct redmem_range range);
struct markers *markers_new(void);
