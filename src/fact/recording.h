/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recordings: facts as gzip-compressed JSON lines.
 *
 * The first line is {"schema":"redmem.recording/2"}, each further line one fact
 * {"fact":"tick","t_seconds":1.0,...} with the field names of fact.h, and the
 * last {"fact":"end","facts_total":N}. Unknown numbers are null. Bytes that are
 * not plain UTF-8 are in "<name>_base64". A reader skips fields and facts it
 * does not know, so that newer recordings of the same schema stay readable.
 */
#pragma once

#include "base/err.h"
#include "fact/fact.h"

struct recording;

/* Create @path (0600; replaced only when writing ends well). */
int recording_create(struct recording **out, const char *path, struct err *err);
/* A sink that writes each fact to @rec. Errors are kept for recording_close(). */
struct fact_sink recording_sink(struct recording *rec);
/* Write the end and move the file into place. Frees @rec also on error. */
int recording_close(struct recording *rec, struct err *err);
/* Leave nothing behind, also not a file of that name that was there before changed. */
void recording_abandon(struct recording *rec);

/*
 * Hand every fact of @path to @sink, in order. A truncated or corrupted file,
 * a foreign file or another schema gives a negative errno and a clear @err.
 */
int recording_replay(const char *path, const struct fact_sink *sink, struct err *err);

/* One fact as one JSON line without newline (malloc'ed), and back. The strings
 * of a decoded fact live until fact_decoded_free(). */
struct fact_decoded;
char *fact_encode(const struct fact *fact);
int fact_decode(const char *line, size_t len, struct fact *fact, struct fact_decoded **keep,
		struct err *err);
void fact_decoded_free(struct fact_decoded *keep);
