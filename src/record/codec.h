/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One record as one line of JSON, and back: the lines of a recording (recording.h).
 */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "record/record.h"

/* One record as one JSON line without newline (malloc'ed), and back. The strings
 * of a decoded record live until record_decoded_free(). */
struct record_decoded;
char *record_encode(const struct record *record);
int record_decode(const char *line, size_t len, struct record *record, struct record_decoded **keep,
		  struct err *err);
void record_decoded_free(struct record_decoded *keep);

/*
 * What record_decode() does with a parsed line. Takes over the caller's reference
 * to @root, also on error. -ENOTSUP: a kind, or a row of a table, that
 * this version does not know.
 */
int record_from_json(json_t *root, struct record *record, struct record_decoded **keep,
		     struct err *err);
