/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the server counted while a stall lasted: keys that expired, keys evicted, what active
 * defragmentation did. By that the stack is believed or not (blame_stall()).
 *
 * It is read off the INFO around the stall: the last one answered before it began, and the newest
 * there is when the stall is told. Both may be of other windows than the stall. So this stands
 * before all that cuts the stream into pieces (window.h, chunk.h): a stall is held back until its
 * counts are known, which is at the mark that says that its time has been handed over, before
 * which no window that it belongs to ends. What it says then goes with the record, and every
 * window has the same.
 */
#pragma once

#include "record/record.h"

struct counted;

/* All records go to @next (copied) in their order, but for stalls, each of which comes just before
 * the mark by which its counts are known. @next may be NULL: who asks by counted_fill(). */
struct counted *counted_new(const struct record_sink *next);
void counted_free(struct counted *counted); /* may be NULL */
struct record_sink counted_sink(struct counted *counted);
/* Who does not wait for a mark: what is known of @stall by the INFO that have come by now. */
void counted_fill(const struct counted *counted, struct record_stall *stall);
/* No more comes before the next question: hand on what is held back, by what there is. */
void counted_flush(struct counted *counted);
