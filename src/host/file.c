/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the kernel's text files; see file.h. */
#include "host/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "record/record.h"

#define READ_SIZE (64 << 10)

static int open_failed(const char *path, int code, struct err *err)
{
	const char *step = code == -EACCES || code == -EPERM ? "; run as root" : "";

	return err_set(err, code, "file: %s: %s%s", path, strerror(-code), step);
}

static ssize_t read_some(int fd, void *data, size_t size)
{
	ssize_t n;

	do
		n = read(fd, data, size);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

int file_read(const char *path, size_t max, struct buf *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t before = out->len;
	char piece[4096];
	ssize_t n;

	if (fd < 0)
		return open_failed(path, -errno, err);
	while ((n = read_some(fd, piece, sizeof(piece))) > 0) {
		if (out->len - before + (size_t)n > max) {
			n = -EFBIG;
			break;
		}
		buf_add(out, piece, (size_t)n);
	}
	close(fd);
	if (n < 0)
		return open_failed(path, (int)n, err);
	return 0;
}

/*
 * Hand out the whole lines of @data[0..len), return in @rest how many bytes at
 * the end are no whole line.
 */
static int cut_lines(char *data, size_t len, line_fn fn, void *ctx, size_t *rest)
{
	char *end;
	int ret;

	while ((end = memchr(data, '\n', len))) {
		size_t n = (size_t)(end - data);

		*end = '\0';
		ret = fn(ctx, data, n);
		if (ret)
			return ret;
		data = end + 1;
		len -= n + 1;
	}
	*rest = len;
	return 0;
}

int text_lines(const char *text, size_t len, line_fn fn, void *ctx)
{
	char *copy = xmemdup(text, len);
	size_t rest;
	int ret = cut_lines(copy, len, fn, ctx, &rest);

	free(copy);
	return ret;
}

static int fd_lines(int fd, const char *path, line_fn fn, void *ctx, struct err *err)
{
	size_t size = READ_SIZE, len = 0, rest = 0;
	char *data = xrealloc(NULL, size);
	int ret = 0;

	while (true) {
		ssize_t n = read_some(fd, data + len, size - len);

		if (n <= 0) {
			ret = n ? open_failed(path, (int)n, err) : 0;
			break;
		}
		len += (size_t)n;
		ret = cut_lines(data, len, fn, ctx, &rest);
		if (ret)
			break;
		memmove(data, data + len - rest, rest);
		len = rest;
		if (len < size)
			continue;
		if (size >= FILE_LINE_MAX) {
			ret = err_set(err, -EOVERFLOW, "file: %s: a line of more than %d bytes",
				      path, FILE_LINE_MAX);
			break;
		}
		size *= 2;
		data = xrealloc(data, size);
	}
	free(data);
	return ret;
}

int file_lines(const char *path, line_fn fn, void *ctx, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return open_failed(path, -errno, err);
	ret = fd_lines(fd, path, fn, ctx, err);
	close(fd);
	return ret;
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " \t");
}

int64_t text_int64(const char *text)
{
	const char *p = skip_blanks(text);
	const char *digits = p + (*p == '-');
	char *end;
	long long value;

	if (*digits < '0' || *digits > '9')
		return RECORD_UNKNOWN;
	errno = 0;
	value = strtoll(p, &end, 10);
	return errno ? RECORD_UNKNOWN : value;
}

int64_t text_kb(const char *text)
{
	int64_t kb = text_int64(text), bytes;

	if (kb < 0 || __builtin_mul_overflow(kb, 1024, &bytes))
		return RECORD_UNKNOWN;
	return bytes;
}

int file_int64(const char *path, int64_t *out)
{
	struct buf text = { 0 };
	int ret = file_read(path, 4096, &text, NULL);

	*out = ret ? RECORD_UNKNOWN : text_int64(buf_str(&text));
	buf_free(&text);
	if (!ret && *out == RECORD_UNKNOWN)
		ret = -EINVAL;
	return ret;
}

const char *text_field(const char *line, const char *name)
{
	size_t len = strlen(name);

	if (strncmp(line, name, len) || line[len] != ':')
		return NULL;
	return skip_blanks(line + len + 1);
}
