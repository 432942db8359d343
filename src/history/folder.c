/* SPDX-License-Identifier: BSD-2-Clause */
/* The state folder: who owns it, who writes in it, what is set aside; see internal.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "history/internal.h"

/* Files set aside that there may be: of a disk that damages one after the other no more. */
#define SET_ASIDE_MAX 3
#define DAMAGED	      HISTORY_FILE ".damaged-"

/* Who may write there can put anything in place of the files. */
static int check_owner(int fd, const char *dir, bool writer, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_set(err, -errno, "history: %s: %s", dir, strerror(errno));
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(err, -EPERM,
			       "history: %s may be written to by others (mode %03o); chmod go-w it",
			       dir, (unsigned int)st.st_mode & 0777);
	if (writer && st.st_uid != geteuid() && geteuid() != 0)
		return err_set(
			err, -EPERM,
			"history: %s belongs to uid %u, and redmem runs as uid %u; chown it, "
			"or name another with --state",
			dir, st.st_uid, geteuid());
	return 0;
}

int folder_open(struct history *history, const char *dir, struct err *err)
{
	char path[PATH_MAX];

	if (history->writer && mkdir(dir, 0700) && errno != EEXIST)
		return err_set(err, -errno, "history: %s cannot be made: %s", dir, strerror(errno));
	/* SQLite refuses paths with symbolic links, of which those above are the system's own. */
	if (!realpath(dir, path))
		return err_set(err, -errno,
			       "history: %s: %s; `redmem serve` keeps it, in the folder that "
			       "--state names",
			       dir, strerror(errno));
	history->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (history->dir_fd < 0)
		return err_set(err, -errno, "history: %s: %s", dir, strerror(errno));
	history->dir = xstrdup(path);
	history->path = xcalloc(1, strlen(path) + sizeof("/" HISTORY_FILE));
	sprintf(history->path, "%s/" HISTORY_FILE, path);
	return check_owner(history->dir_fd, dir, history->writer, err);
}

/* --- the lock ----------------------------------------------------------------------------- */

int folder_lock(struct history *history, struct err *err)
{
	char text[32] = {};
	ssize_t len;
	int fd = openat(history->dir_fd, HISTORY_LOCK, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
			0600);

	if (fd < 0)
		return err_set(err, -errno, "history: %s/" HISTORY_LOCK ": %s", history->dir,
			       strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		int code = errno;

		len = pread(fd, text, sizeof(text) - 1, 0);
		close(fd);
		if (code != EWOULDBLOCK)
			return err_set(err, -code, "history: %s/" HISTORY_LOCK ": %s", history->dir,
				       strerror(code));
		return err_set(err, -EBUSY,
			       "history: process %ld has %s; end it, or name another folder with "
			       "--state",
			       len > 0 ? strtol(text, NULL, 10) : 0L, history->dir);
	}
	history->lock_fd = fd;
	/* That it is held does not hang on what is written there, which may find no room. */
	snprintf(text, sizeof(text), "%ld\n", (long)getpid());
	if (!ftruncate(fd, 0))
		(void)!pwrite(fd, text, strlen(text), 0);
	return 0;
}

/* --- files -------------------------------------------------------------------------------- */

static int64_t size_of(const struct history *history, const char *name)
{
	struct stat st;

	if (fstatat(history->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return 0;
	return st.st_size;
}

int64_t folder_wal_bytes(const struct history *history)
{
	return size_of(history, HISTORY_FILE "-wal");
}

int64_t folder_bytes(const struct history *history)
{
	return size_of(history, HISTORY_FILE) + folder_wal_bytes(history) +
	       size_of(history, HISTORY_FILE "-shm");
}

/* "history.db.damaged-20261128T030000Z", with a digit behind it where that is there already. */
static int free_name(const struct history *history, char *name, size_t size)
{
	time_t now = (time_t)(clock_wall_ns() / 1000000000);
	struct tm tm;
	size_t len;

	gmtime_r(&now, &tm);
	len = strftime(name, size, DAMAGED "%Y%m%dT%H%M%SZ", &tm);
	for (int i = 1; !faccessat(history->dir_fd, name, F_OK, AT_SYMLINK_NOFOLLOW); i++) {
		if (i > 9)
			return -EEXIST;
		snprintf(name + len, size - len, "-%d", i);
	}
	return 0;
}

static int set_aside_one(const struct history *history, const char *name, const char *suffix)
{
	char from[64], to[128];

	snprintf(from, sizeof(from), HISTORY_FILE "%s", suffix);
	snprintf(to, sizeof(to), "%s%s", name, suffix);
	if (renameat(history->dir_fd, from, history->dir_fd, to) && errno != ENOENT)
		return -errno;
	return 0;
}

static int count_damaged(const struct history *history)
{
	int fd = openat(history->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	const char *end;

	if (!dir)
		return 0;
	while ((entry = readdir(dir))) {
		end = strrchr(entry->d_name, '-');
		count += !strncmp(entry->d_name, DAMAGED, strlen(DAMAGED)) &&
			 strcmp(end, "-wal") != 0 && strcmp(end, "-shm") != 0;
	}
	closedir(dir);
	return count;
}

int folder_set_aside(struct history *history, struct err *err)
{
	char name[96];
	int ret = count_damaged(history) >= SET_ASIDE_MAX ? -EEXIST :
							    free_name(history, name, sizeof(name));

	if (ret)
		return err_set(
			err, ret,
			"history: %s is damaged, and %d like it were set aside already; look "
			"at the disk, then delete them",
			history->path, SET_ASIDE_MAX);
	/* The journal goes first: it is not to be taken for that of a new file. */
	ret = set_aside_one(history, name, "-wal");
	ret = ret ? ret : set_aside_one(history, name, "-shm");
	ret = ret ? ret : set_aside_one(history, name, "");
	if (ret)
		return err_set(err, ret, "history: %s is damaged and cannot be renamed: %s",
			       history->path, strerror(-ret));
	snprintf(history->stats.set_aside, sizeof(history->stats.set_aside), "%s/%s", history->dir,
		 name);
	return 0;
}
