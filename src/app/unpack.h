/* SPDX-License-Identifier: BSD-2-Clause */
/* Files compressed by gzip or zstd, known by their first bytes, as a stream. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "app/source.h"

struct unpack;

/* NULL when a file that begins with these @len bytes is not compressed in a way that is known.
 * @name: of the file, for messages; @source: what is in it. */
struct unpack *unpack_new(const void *head, size_t len, const char *name, source_fn source,
			  void *ctx);
/* At most @size bytes, expanded; 0 = there are no more; -EBADMSG for what is broken, -ENODATA
 * when it ends too early, or what the source gives, with @err. Members that follow each other
 * are one, as for gzip -d and zstd -d. */
ssize_t unpack_read(struct unpack *unpack, void *data, size_t size, struct err *err);
void unpack_free(struct unpack *unpack); /* may be NULL */
