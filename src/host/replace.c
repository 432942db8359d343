/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing a file that others may be reading; see replace.h. */
#include "host/replace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

static int fail(const char *path, const char *what, struct err *err)
{
	int code = errno;

	return err_set(err, -code, "%s: %s: %s", path, what, strerror(code));
}

static int write_all(int fd, const char *data, size_t len, bool lasting)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
	}
	return lasting ? fsync(fd) : 0;
}

/* In the place of a device or a pipe a file would harm more than it helps. */
static int check_kind(const char *path, struct err *err)
{
	struct stat st;

	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s: cannot be replaced: it is no file", path);
	return 0;
}

int replace_file(const char *path, const void *data, size_t len, mode_t mode, bool lasting,
		 struct err *err)
{
	struct buf beside = { 0 };
	int fd, ret = check_kind(path, err);

	if (ret)
		return ret;
	buf_printf(&beside, "%s.%ld", path, (long)getpid());
	/* Never one that is there: whoever may write to the directory cannot choose where we do. */
	fd = open(buf_str(&beside), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (fd < 0)
		ret = fail(path, "cannot be made", err);
	else if (write_all(fd, data, len, lasting))
		ret = fail(path, "cannot be written", err);
	if (fd >= 0 && close(fd) && !ret)
		ret = fail(path, "cannot be written", err);
	if (!ret && rename(buf_str(&beside), path))
		ret = fail(path, "cannot be replaced", err);
	if (ret && fd >= 0)
		unlink(buf_str(&beside));
	buf_free(&beside);
	return ret;
}

int replace_check(const char *path, struct err *err)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? xmemdup(path, (size_t)(slash - path) + 1) : xstrdup(".");
	int ret = check_kind(path, err);

	if (!ret && access(folder, W_OK | X_OK))
		ret = fail(path, "cannot be made", err);
	free(folder);
	return ret;
}
