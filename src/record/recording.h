/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recordings: records as gzip-compressed JSON lines.
 *
 * The first line is {"schema":"redmem.recording/2"}, each further line one record
 * {"record":"tick","t_seconds":1.0,...} with the field names of record.h, and the
 * last {"record":"end","facts_total":N}. Unknown numbers are null. Bytes that are
 * not plain UTF-8 are in "<name>_base64". A reader skips fields and records it
 * does not know, so that newer recordings of the same schema stay readable.
 */
#pragma once

#include "base/err.h"
#include "record/record.h"

#define RECORDING_SCHEMA   "redmem.recording/2"
#define RECORDING_LINE_MAX (64u << 20) /* bytes; a longer line is no record of ours */

struct recording;

/* Create @path (0600; replaced only when writing ends well). */
int recording_create(struct recording **out, const char *path, struct err *err);
/* A sink that writes each record to @rec. Errors are kept for recording_close(). */
struct record_sink recording_sink(struct recording *rec);
/* Write the end and move the file into place. Frees @rec also on error. */
int recording_close(struct recording *rec, struct err *err);
/* Leave nothing behind, also not a file of that name that was there before changed. */
void recording_abandon(struct recording *rec);

/*
 * Hand every record of @path to @sink, in order. A truncated or corrupted file,
 * a foreign file or another schema gives a negative errno and a clear @err.
 */
int recording_replay(const char *path, const struct record_sink *sink, struct err *err);

/* The same one after another, for who stops in between. */
struct recording_reader;

int recording_open(struct recording_reader **out, const char *path, struct err *err);
/* Hand the next record, if it is of a known kind, to @sink. 1, 0 at the end, or an error. */
int recording_read(struct recording_reader *reader, const struct record_sink *sink,
		   struct err *err);
void recording_reader_free(struct recording_reader *reader); /* may be NULL */
