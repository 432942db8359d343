/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys that turned up in a watch, for a look at a few of them at its end. A
 * sink that passes records on and remembers keys; bounded.
 */
#pragma once

#include "record/record.h"

struct seen_keys;

/* Records go on to @next, which is copied. Of at most @most keys; where more turn up those with the
 * least time are forgotten. */
struct seen_keys *seen_keys_new(const struct record_sink *next, size_t most);
struct record_sink seen_keys_sink(struct seen_keys *seen);
/* Up to @max keys worth a look: those with the most time charged, and one of each
 * first segment; @dbs has the database of each. They belong to @seen. Keys cut by the
 * sensors are left out. */
size_t seen_keys_pick(struct seen_keys *seen, struct bytes *out, int64_t *dbs, size_t max);
/* As if none had turned up yet. */
void seen_keys_forget(struct seen_keys *seen);
void seen_keys_free(struct seen_keys *seen);
