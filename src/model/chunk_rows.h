/* SPDX-License-Identifier: BSD-2-Clause */
/* The profile of one chunk (chunk.h): rows alike added up, keys folded, and not too many. */
#pragma once

#include "record/record.h"

/* Keys told apart, and rows: those of the least weight are added to rows without a key. */
#define CHUNK_KEYS 16
#define CHUNK_ROWS 400

struct chunk_rows;

struct chunk_rows *chunk_rows_new(void);
void chunk_rows_free(struct chunk_rows *rows); /* may be NULL */
/* False when the row says something that cannot be added up: it is to be kept as it is. */
bool chunk_rows_add(struct chunk_rows *rows, const struct record_profile *record);
/* Give what it has come to, by prefix, so that what is alike stands together; once. What charges
 * of the rows add up to, with their errors (account.h), is the same. */
void chunk_rows_emit(struct chunk_rows *rows, const struct record_sink *sink);
