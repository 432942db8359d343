/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packs: records as bytes, for pipes and for the history. A recording (recording.h) is for people
 * and their tools; a pack is small, and quick to write and to read.
 *
 * Like a recording it says itself what it holds. Before the first record of a kind stands the
 * kind's name with the names and types of its fields; names and short texts come once and are
 * numbers from then on; and of a record only those fields are there that differ from the record
 * of its kind before. A reader skips kinds, fields and rows of a table that it does not know, so
 * that packs of an older or newer redmem stay readable. The bytes are told in pack_format.h.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "record/record.h"

/* A longer one is neither written nor read. */
#define PACK_BYTES_MAX (64u << 20)

struct packer;

struct packer *packer_new(void);
void packer_free(struct packer *packer); /* may be NULL */
/* Add @record to the pack that grows in @out, whose first record begins it. -EFBIG when there is
 * no room for it: @out is as it was, and what is in it may still be ended. */
int pack_record(struct buf *out, struct packer *packer, const struct record *record);
/* End the pack; the next record given to @packer begins another, which may stand in @out behind
 * this one. */
void pack_end(struct buf *out, struct packer *packer);

/*
 * Hand every record of the pack, which is all of @data, to @sink, in order; their strings point
 * into @data. One that is cut or damaged gives -EBADMSG and a line in @err, after the records
 * before the damage. Memory does not depend on what it says of itself.
 */
int pack_replay(const void *data, size_t len, const struct record_sink *sink, struct err *err);
