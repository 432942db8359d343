/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Key names without what is in them of people: each part of a name becomes a keyed hash, but for
 * the one before the first separator where it is letters only ("session:90937" becomes
 * "session:3f2a9c81d5e0"). The same part is the same hash as long as the process lives; the hash
 * of another process cannot be compared, and none can be looked up in a table.
 */
#pragma once

#include "base/buf.h"
#include "record/record.h"

struct redact;

/* With a key drawn from the kernel. */
struct redact *redact_new(void);
void redact_free(struct redact *r); /* may be NULL */
/* Append the name without what varies. */
void redact_name(const struct redact *r, struct buf *out, const void *name, size_t len);
/* Where records come in that go on to @next, which is copied; all that are of a key have it
 * replaced. One sink at a time. */
struct record_sink redact_sink(struct redact *r, const struct record_sink *next);
