/* SPDX-License-Identifier: BSD-2-Clause */
/* gzip in memory; see gzip.h. */
#include "base/gzip.h"

#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* the largest there is, with gzip's own head and tail */
#define MEMORY	    8 /* zlib's default */

void gzip_add(struct buf *out, const void *data, size_t len, int level)
{
	size_t before = out->len, room;
	z_stream z = { 0 };

	if (deflateInit2(&z, level, Z_DEFLATED, GZIP_WINDOW, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		out_of_memory();
	room = deflateBound(&z, len);
	buf_fill(out, 0, room);
	z.next_in = (unsigned char *)data;
	z.avail_in = (unsigned int)len;
	z.next_out = (unsigned char *)out->data + before;
	z.avail_out = (unsigned int)room;
	deflate(&z, Z_FINISH); /* it fits: deflateBound() */
	out->len = before + z.total_out;
	out->data[out->len] = 0;
	deflateEnd(&z);
}
