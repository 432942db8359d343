/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keys drawn at random, a bounded number of them, looked at without touching
 * (keylook.h). SCAN from a random cursor: a table's order is that of the keys'
 * hashes, so any few neighbours are a random sample; a step visits at most ten
 * times COUNT buckets (src/db.c, scanGenericCommand), however many keys there are.
 * Each database gives as many as its share of all keys; one with no more than are wanted
 * is gone through from end to end.
 */
#pragma once

#include "record/record.h"
#include "redis/conn.h"
#include "redis/info.h"

#define KEYSAMPLE_MAX 1000
/* A server with no more keys than these is gone through whatever is wanted of it: it costs
 * some 20 ms in small steps, and one big key among few is not missed. */
#define KEYSAMPLE_ALL 4000

struct keysample;

/*
 * Queue the first request; the rest follow as replies come. Records of kind RECORD_KEY
 * with `sampled` set go to @sink, which is copied. @info is an INFO with its keyspace
 * section. NULL when there is nothing to draw from.
 */
struct keysample *keysample_start(struct conn *conn, const struct record_sink *sink,
				  const struct info *info, size_t keys);
/* What the user may not do of it, in the server's words, to be escaped: "NOPERM ..."; "" = it was
 * refused nothing, or @sample is NULL. */
const char *keysample_refusal(const struct keysample *sample);
/* After the connection is closed: its requests point here. NULL is harmless. */
void keysample_free(struct keysample *sample);
