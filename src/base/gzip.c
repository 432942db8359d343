/* SPDX-License-Identifier: BSD-2-Clause */
/* gzip in memory; see gzip.h. */
#include "base/gzip.h"

#include <errno.h>

#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* the largest there is, with gzip's own head and tail */
#define MEMORY	    8 /* zlib's default */
#define PIECE	    65536

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

int gzip_read(struct buf *out, const void *data, size_t len, size_t max)
{
	unsigned char piece[PIECE];
	size_t before = out->len;
	z_stream z = { 0 };
	int ret = Z_OK;

	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		out_of_memory();
	z.next_in = (unsigned char *)data;
	z.avail_in = (unsigned int)len;
	while (ret == Z_OK && out->len - before <= max) {
		z.next_out = piece;
		z.avail_out = PIECE;
		ret = inflate(&z, Z_NO_FLUSH); /* Z_BUF_ERROR: it ends too early */
		buf_add(out, piece, PIECE - z.avail_out);
	}
	inflateEnd(&z);
	if (out->len - before > max)
		ret = -EFBIG;
	else
		ret = ret == Z_STREAM_END ? 0 : -EBADMSG;
	if (!ret)
		return 0;
	out->len = before;
	if (out->data)
		out->data[before] = 0;
	return ret;
}
