/* SPDX-License-Identifier: BSD-2-Clause */
/* Names as keyed hashes: what redact.h says of them. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "record/record.h"

/* What the hashes are keyed with. */
struct redact_key;

/* Out of the bytes of a file, which only its owner may read and which has at least 16; NULL =
 * drawn from the kernel, so that the hashes of two runs cannot be compared. */
int redact_key_open(struct redact_key **out, const char *path, struct err *err);
void redact_key_free(struct redact_key *key); /* may be NULL */

/* Hides names, in one thread at a time. */
struct redact_names;

/* @separators: of names, as of prefixes; NULL = the usual ones. Both stay the caller's. */
struct redact_names *redact_names_new(const struct redact_key *key, const char *separators);
void redact_names_free(struct redact_names *r); /* may be NULL */

/* Append what is shown of a name. */
void redact_name(struct redact_names *r, struct buf *out, const void *name, size_t len);
/* As much of a key: of one of which sensors keep the first RECORD_KEY_MAX bytes these are the first
 * ones here, too. @truncated: @name is no more than that. */
void redact_key_name(struct redact_names *r, struct buf *out, struct bytes name, bool truncated);
/* A host (or socket's path) with or without a port, which stays. */
void redact_address(struct redact_names *r, struct buf *out, const char *address, size_t len);

/* A word of many people's keys, paths and cgroups; it says nothing of anybody. */
bool redact_is_common(const char *word, size_t len);
