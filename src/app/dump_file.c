/* SPDX-License-Identifier: BSD-2-Clause */
/* The bytes of a dump; see dump_file.h. */
#include "app/dump_file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/progress.h"
#include "app/read_ahead.h"
#include "app/unpack.h"
#include "base/buf.h"

#define HEAD_BYTES 2048
#define HOPS_MAX   2 /* a manifest's base is no manifest */
/* Of what is expanded; enough for two cores to work at once. */
#define FILE_AHEAD   ((size_t)4 << 20)
#define INTERRUPT_MS 50 /* how often a wait looks whether it was interrupted */

/*
 * A server whose dump is read too slowly holds its child, and so the copies of all pages that
 * are written meanwhile, for longer, and before Redis 6.2 all writes, too: at 64 MB for a
 * minute (the soft client-output-buffer-limit of replicas) it hangs up. A server writes a dump
 * at some 100 to 200 MB/s, and it is taken faster; what is to be evened out are the pauses of
 * one large value and of a terminal that takes its time. So much is half a second of that,
 * and small beside any server.
 */
#define SERVER_AHEAD ((size_t)64 << 20)

struct dump_file {
	char *path;
	int fd;
	char head[HEAD_BYTES + 1]; /* what was read to see what it is */
	size_t head_len, head_at;
	struct unpack *unpack; /* NULL = as it is */
	int64_t size; /* of the file itself; 0 = not known */
	_Atomic int64_t read; /* of it */
	struct fullsync *sync; /* in place of @fd; NULL */
	struct read_ahead *ahead; /* of @sync or @unpack; NULL = read here */
	atomic_bool stop; /* for it */
};

static int failed(const struct dump_file *f, int code, struct err *err)
{
	return err_set(err, -code, "rdb: %s: %s", f->path, strerror(code));
}

/* A pipe may be silent for long. */
static bool wait_readable(const struct dump_file *f)
{
	struct pollfd fd = { .fd = f->fd, .events = POLLIN };

	while (!interrupted() && !atomic_load(&f->stop))
		if (poll(&fd, 1, INTERRUPT_MS) > 0)
			return true;
	return false;
}

static ssize_t read_raw(struct dump_file *f, void *data, size_t size, struct err *err)
{
	ssize_t n = -1;

	errno = EINTR;
	if (wait_readable(f))
		n = read(f->fd, data, size);
	if (n < 0)
		return failed(f, errno, err);
	atomic_fetch_add(&f->read, n);
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
	int ret = open_path(f, err);
	char *base;

	if (ret)
		return ret;
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

/* As it stands in the file. */
static ssize_t read_plain(void *ctx, void *data, size_t size, struct err *err)
{
	struct dump_file *f = ctx;
	size_t n = f->head_len - f->head_at;

	if (!n)
		return read_raw(f, data, size, err);
	n = n < size ? n : size;
	memcpy(data, f->head + f->head_at, n);
	f->head_at += n;
	return (ssize_t)n;
}

static ssize_t read_packed(void *ctx, void *data, size_t size, struct err *err)
{
	return unpack_read(ctx, data, size, err);
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
	f->unpack = unpack_new(f->head, f->head_len, f->path, read_plain, f);
	if (f->unpack)
		f->ahead = read_ahead_new(FILE_AHEAD, read_packed, f->unpack);
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
	f->ahead = read_ahead_new(SERVER_AHEAD, read_server, sync);
	return f;
}

void dump_file_close(struct dump_file *f)
{
	atomic_store(&f->stop, true);
	if (f->sync)
		fullsync_stop(f->sync);
	read_ahead_free(f->ahead);
	fullsync_free(f->sync);
	unpack_free(f->unpack);
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f);
}

ssize_t dump_file_read(struct dump_file *f, void *data, size_t size, struct err *err)
{
	ssize_t n = f->ahead ? read_ahead_take(f->ahead, data, size, err) :
			       read_plain(f, data, size, err);

	if (f->sync && n > 0)
		atomic_fetch_add(&f->read, n);
	return n;
}

double dump_file_share(const struct dump_file *f)
{
	int64_t told = f->sync ? fullsync_size(f->sync) : f->size;

	return told > 0 ? (double)atomic_load(&f->read) / (double)told : NAN;
}
