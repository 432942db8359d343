/* SPDX-License-Identifier: BSD-2-Clause */
/* Secrets in files; see secret.h. */
#include "app/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int secret_check(const char *path, const struct stat *st, const char *subsystem, struct err *err)
{
	if (st->st_uid && st->st_uid != geteuid())
		return err_set(err, -EPERM,
			       "%s: %s holds a secret and belongs to uid %u; chown it to root",
			       subsystem, path, st->st_uid);
	if (st->st_mode & (S_IRWXO | S_IWGRP))
		return err_set(err, -EPERM,
			       "%s: %s holds a secret and others may read or write it; chmod "
			       "0600 %s",
			       subsystem, path, path);
	return 0;
}

int secret_read(struct buf *out, const char *path, size_t max, struct stat *st,
		const char *subsystem, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), ret = 0;
	char piece[4096];
	ssize_t got = 0;

	if (fd < 0 || fstat(fd, st))
		ret = err_set(err, -errno, "%s: %s: %s", subsystem, path, strerror(errno));
	else if (!S_ISREG(st->st_mode))
		ret = err_set(err, -EINVAL, "%s: %s is no file", subsystem, path);
	while (!ret && out->len <= max && (got = read(fd, piece, sizeof(piece))) > 0)
		buf_add(out, piece, (size_t)got);
	if (!ret && got < 0)
		ret = err_set(err, -errno, "%s: %s: %s", subsystem, path, strerror(errno));
	if (!ret && (out->len > max || strlen(buf_str(out)) != out->len))
		ret = err_set(err, -EINVAL, "%s: %s is longer than %zu bytes, or no text",
			      subsystem, path, max);
	if (fd >= 0)
		close(fd);
	explicit_bzero(piece, sizeof(piece));
	return ret;
}

void secret_wipe(struct buf *text)
{
	if (text->data)
		explicit_bzero(text->data, text->len);
	buf_free(text);
}

void secret_forget(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}
