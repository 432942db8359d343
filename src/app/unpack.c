/* SPDX-License-Identifier: BSD-2-Clause */
/* Compressed files; see unpack.h. */
#include "app/unpack.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/buf.h"

#define INPUT_BYTES   ((size_t)128 << 10) /* what zstd likes: a block */
#define GZIP_WINDOW   (15 + 16) /* the largest there is, in a gzip header */
#define ZSTD_LOG2_MAX 27 /* of the window: 128 MiB, as zstd -d; --long=28 and above are refused */

/* One way to compress. A step takes from [at, have) of the input and gives at most @size bytes. */
struct format {
	const char *name, *magic;
	size_t magic_len;
	bool (*start)(struct unpack *u);
	/* Bytes given, or -1 with @u->broken; @u->between tells that a member has ended. */
	ssize_t (*step)(struct unpack *u, void *data, size_t size);
	void (*end)(struct unpack *u);
};

struct unpack {
	const struct format *format;
	char *name;
	source_fn source;
	void *ctx;
	unsigned char *input;
	size_t at, have;
	bool between; /* two members, or behind the last */
	const char *broken; /* why */
	z_stream gzip;
	ZSTD_DCtx *zstd;
};

/* --- gzip ----------------------------------------------------------------- */

static bool start_gzip(struct unpack *u)
{
	return inflateInit2(&u->gzip, GZIP_WINDOW) == Z_OK;
}

static ssize_t step_gzip(struct unpack *u, void *data, size_t size)
{
	unsigned int room = size < INPUT_BYTES ? (unsigned int)size : INPUT_BYTES;
	int ret;

	if (u->between)
		inflateReset(&u->gzip);
	u->gzip.next_in = u->input + u->at;
	u->gzip.avail_in = (unsigned int)(u->have - u->at);
	u->gzip.next_out = data;
	u->gzip.avail_out = room;
	ret = inflate(&u->gzip, Z_NO_FLUSH);
	u->at = u->have - u->gzip.avail_in;
	u->between = ret == Z_STREAM_END;
	if (ret != Z_OK && ret != Z_STREAM_END && ret != Z_BUF_ERROR) {
		u->broken = u->gzip.msg ? u->gzip.msg : "broken";
		return -1;
	}
	return room - u->gzip.avail_out;
}

static void end_gzip(struct unpack *u)
{
	inflateEnd(&u->gzip);
}

/* --- zstd ----------------------------------------------------------------- */

static bool start_zstd(struct unpack *u)
{
	u->zstd = ZSTD_createDCtx();
	return u->zstd &&
	       !ZSTD_isError(ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, ZSTD_LOG2_MAX));
}

static ssize_t step_zstd(struct unpack *u, void *data, size_t size)
{
	ZSTD_inBuffer in = { u->input, u->have, u->at };
	ZSTD_outBuffer out = { data, size, 0 };
	size_t ret = ZSTD_decompressStream(u->zstd, &out, &in);

	u->at = in.pos;
	if (ZSTD_isError(ret)) {
		u->broken = ZSTD_getErrorName(ret);
		return -1;
	}
	u->between = !ret;
	return (ssize_t)out.pos;
}

static void end_zstd(struct unpack *u)
{
	ZSTD_freeDCtx(u->zstd);
}

/* --- both ----------------------------------------------------------------- */

static const struct format formats[] = {
	{ "gzip", "\x1f\x8b", 2, start_gzip, step_gzip, end_gzip },
	{ "zstd", "\x28\xb5\x2f\xfd", 4, start_zstd, step_zstd, end_zstd },
};

struct unpack *unpack_new(const void *head, size_t len, const char *name, source_fn source,
			  void *ctx)
{
	const struct format *format = NULL;
	struct unpack *u;

	for (size_t i = 0; i < sizeof(formats) / sizeof(*formats); i++)
		if (len >= formats[i].magic_len &&
		    !memcmp(head, formats[i].magic, formats[i].magic_len))
			format = &formats[i];
	if (!format)
		return NULL;
	u = xcalloc(1, sizeof(*u));
	u->format = format;
	u->name = xstrdup(name);
	u->source = source;
	u->ctx = ctx;
	u->input = xcalloc(1, INPUT_BYTES);
	if (!format->start(u))
		out_of_memory();
	return u;
}

/* 1 when there is input, 0 when there is no more. */
static int fill(struct unpack *u, struct err *err)
{
	ssize_t n;

	if (u->at < u->have)
		return 1;
	n = u->source(u->ctx, u->input, INPUT_BYTES, err);
	if (n < 0)
		return (int)n;
	u->at = 0;
	u->have = (size_t)n;
	return n > 0;
}

ssize_t unpack_read(struct unpack *u, void *data, size_t size, struct err *err)
{
	ssize_t n = 0;
	int ret;

	while (!n) {
		ret = fill(u, err);
		if (ret < 0 || (!ret && u->between))
			return ret;
		n = u->format->step(u, data, size); /* without input: what it has held back */
		if (!n && !ret)
			return err_set(err, -ENODATA, "rdb: %s: %s: the file ends too early",
				       u->name, u->format->name);
	}
	if (n < 0)
		err_set(err, -EBADMSG, "rdb: %s: %s: %s", u->name, u->format->name, u->broken);
	return n < 0 ? -EBADMSG : n;
}

void unpack_free(struct unpack *u)
{
	if (!u)
		return;
	u->format->end(u);
	free(u->input);
	free(u->name);
	free(u);
}
