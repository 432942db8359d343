/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes of a dump; see dump_file.h. */
#include "app/dump_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "app/progress.h"
#include "app/read_ahead.h"
#include "base/buf.h"

#define HEAD_BYTES  2048
#define GZIP_INPUT  (64 * 1024)
#define GZIP_WINDOW (15 + 16) /* the largest there is, in a gzip header */
#define HOPS_MAX    2 /* a manifest's base is no manifest */

struct dump_file {
	char *path;
	int fd;
	char head[HEAD_BYTES + 1]; /* what was read to see what it is */
	size_t head_len, head_at;
	z_stream *gzip; /* NULL = as it is */
	unsigned char *gzip_input;
	bool gzip_ended; /* between two members, or behind the last */
	int64_t size, read; /* of the file itself; size 0 = not known */
	struct fullsync *sync; /* in place of @fd; NULL */
	struct read_ahead *ahead; /* of it */
};

static int failed(const struct dump_file *f, int code, struct err *err)
{
	return err_set(err, -code, "rdb: %s: %s", f->path, strerror(code));
}

static ssize_t read_raw(struct dump_file *f, void *data, size_t size, struct err *err)
{
	ssize_t n;

	if (f->ahead) {
		n = read_ahead_take(f->ahead, data, size, err);
		if (n < 0)
			return n;
	} else {
		do
			n = read(f->fd, data, size);
		while (n < 0 && errno == EINTR && !interrupted());
		if (n < 0)
			return failed(f, errno, err);
	}
	f->read += n;
	return n;
}

static int read_head(struct dump_file *f, struct err *err)
{
	ssize_t n = 1;

	while (n > 0 && f->head_len < HEAD_BYTES) {
		n = read_raw(f, f->head + f->head_len, HEAD_BYTES - f->head_len, err);
		if (n < 0)
			return (int)n;
		f->head_len += (size_t)n;
	}
	return 0;
}

static int open_gzip(struct dump_file *f, struct err *err)
{
	f->gzip = xcalloc(1, sizeof(*f->gzip));
	f->gzip_input = xcalloc(1, GZIP_INPUT);
	if (inflateInit2(f->gzip, GZIP_WINDOW) != Z_OK)
		return failed(f, ENOMEM, err);
	return 0;
}

/* "file appendonly.aof.1.base.rdb seq 1 type b": the name that stands in @f's head, beside
 * it; NULL when there is no such line. */
static char *manifest_base(const struct dump_file *f)
{
	const char *slash = strrchr(f->path, '/'), *line = f->head;
	char name[256], type;
	struct buf path = {};

	for (; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "file %255s seq %*d type %c", name, &type) != 2 || type != 'b')
			continue;
		if (strchr(name, '/'))
			return NULL; /* it never is: who says so means another file */
		buf_printf(&path, "%.*s%s", slash ? (int)(slash + 1 - f->path) : 0, f->path, name);
		return path.data;
	}
	return NULL;
}

static int open_path(struct dump_file *f, struct err *err)
{
	struct stat st;

	memset(f->head, 0, sizeof(f->head));
	f->head_len = f->head_at = 0;
	f->read = f->size = 0;
	f->fd = strcmp(f->path, "-") ? open(f->path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
	if (f->fd < 0)
		return failed(f, errno, err);
	if (fstat(f->fd, &st))
		return failed(f, errno, err);
	if (S_ISDIR(st.st_mode))
		return err_set(err, -EISDIR,
			       "rdb: %s is a directory; name the dump in it, or the AOF's manifest",
			       f->path);
	if (S_ISREG(st.st_mode))
		f->size = st.st_size;
	return read_head(f, err);
}

static int open_hops(struct dump_file *f, int hops, struct err *err)
{
	static const char zstd[] = "\x28\xb5\x2f\xfd";
	int ret = open_path(f, err);
	char *base;

	if (ret)
		return ret;
	if (f->head_len >= 2 && !memcmp(f->head, "\x1f\x8b", 2))
		return open_gzip(f, err);
	if (f->head_len >= 4 && !memcmp(f->head, zstd, 4))
		return err_set(err, -EPROTONOSUPPORT,
			       "rdb: %s: compressed by zstd; use zstd -dc %s | redmem rdb -",
			       f->path, f->path);
	if (hops == HOPS_MAX || f->head_len < 5 || memcmp(f->head, "file ", 5) != 0)
		return 0;
	base = manifest_base(f);
	if (!base)
		return err_set(err, -EINVAL, "rdb: %s: the manifest names no base", f->path);
	close(f->fd);
	free(f->path);
	f->path = base;
	return open_hops(f, hops + 1, err);
}

int dump_file_open(struct dump_file **file, const char *path, struct err *err)
{
	struct dump_file *f = xcalloc(1, sizeof(*f));
	int ret;

	f->path = xstrdup(path);
	f->fd = -1;
	ret = open_hops(f, 1, err);
	if (ret) {
		dump_file_close(f);
		return ret;
	}
	*file = f;
	return 0;
}

static ssize_t read_server(void *ctx, void *data, size_t size, struct err *err)
{
	return fullsync_read(ctx, data, size, err);
}

struct dump_file *dump_file_of_server(const char *name, struct fullsync *sync)
{
	struct dump_file *f = xcalloc(1, sizeof(*f));

	f->path = xstrdup(name);
	f->fd = -1;
	f->sync = sync;
	f->ahead = read_ahead_new(read_server, sync);
	return f;
}

void dump_file_close(struct dump_file *f)
{
	if (f->sync)
		fullsync_stop(f->sync);
	read_ahead_free(f->ahead);
	fullsync_free(f->sync);
	if (f->gzip)
		inflateEnd(f->gzip);
	free(f->gzip);
	free(f->gzip_input);
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f);
}

/* As it stands in the file. */
static ssize_t read_plain(struct dump_file *f, void *data, size_t size, struct err *err)
{
	size_t n = f->head_len - f->head_at;

	if (!n)
		return read_raw(f, data, size, err);
	n = n < size ? n : size;
	memcpy(data, f->head + f->head_at, n);
	f->head_at += n;
	return (ssize_t)n;
}

/* 1 when there is input, 0 when there is no more. */
static int fill_gzip(struct dump_file *f, struct err *err)
{
	ssize_t n;

	if (f->gzip->avail_in)
		return 1;
	n = read_plain(f, f->gzip_input, GZIP_INPUT, err);
	if (n < 0)
		return (int)n;
	f->gzip->next_in = f->gzip_input;
	f->gzip->avail_in = (unsigned int)n;
	return n > 0;
}

static ssize_t read_gzip(struct dump_file *f, void *data, size_t size, struct err *err)
{
	unsigned int room = size < GZIP_INPUT ? (unsigned int)size : GZIP_INPUT;
	int ret;

	f->gzip->next_out = data;
	f->gzip->avail_out = room;
	while (f->gzip->avail_out == room) {
		ret = fill_gzip(f, err);
		if (ret < 0 || (!ret && f->gzip_ended))
			return ret;
		if (!ret)
			return err_set(err, -ENODATA, "rdb: %s: gzip: the file ends too early",
				       f->path);
		if (f->gzip_ended)
			inflateReset(f->gzip);
		ret = inflate(f->gzip, Z_NO_FLUSH);
		f->gzip_ended = ret == Z_STREAM_END;
		if (ret != Z_OK && ret != Z_STREAM_END && ret != Z_BUF_ERROR)
			return err_set(err, -EBADMSG, "rdb: %s: gzip: %s", f->path,
				       f->gzip->msg ? f->gzip->msg : "broken");
	}
	return room - f->gzip->avail_out;
}

ssize_t dump_file_read(struct dump_file *f, void *data, size_t size, struct err *err)
{
	return f->gzip ? read_gzip(f, data, size, err) : read_plain(f, data, size, err);
}

double dump_file_share(const struct dump_file *f)
{
	int64_t told = f->sync ? fullsync_size(f->sync) : f->size;

	return told > 0 ? (double)f->read / (double)told : NAN;
}
