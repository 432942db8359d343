/* SPDX-License-Identifier: BSD-2-Clause */
/* What the writer and the reader of a recording share. */
#pragma once

#include <jansson.h>

#include "base/err.h"
#include "record/recording.h"

#define RECORDING_SCHEMA   "redmem.recording/2"
#define RECORDING_LINE_MAX (64u << 20) /* bytes; a longer line is no record of ours */

/*
 * What record_decode() does with a parsed line. Takes over the caller's reference
 * to @root, also on error. -ENOTSUP: a kind, or a row of a table, that
 * this version does not know.
 */
int record_from_json(json_t *root, struct record *record, struct record_decoded **keep,
		     struct err *err);
