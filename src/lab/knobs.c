/* SPDX-License-Identifier: BSD-2-Clause */
/* The journal of what the lab changes; see knobs.h. */
#define _GNU_SOURCE 1 /* nftw() */
#include "lab/knobs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/file.h"
#include "base/clock.h"

#define SUFFIX	      ".journal"
#define FOLDER_PREFIX "redmem-lab." /* nothing of another name is ever removed */
#define JOURNAL_MAX   (1 << 20)
#define VALUE_MAX     4096
#define WAIT_NS	      INT64_C(10000000000) /* for processes that were killed */
#define WAIT_US	      5000

enum change_kind { CHANGE_FILE, CHANGE_FOLDER, CHANGE_CGROUP, CHANGE_KINDS };
static const char *const kind_names[CHANGE_KINDS] = { "file", "folder", "cgroup" };

struct change {
	enum change_kind kind;
	char *path;
	char *value; /* CHANGE_FILE: what it was */
};

struct changes {
	struct change *list; /* oldest first */
	size_t count;
	bool rebooted; /* since they were made */
};

struct knobs {
	char *path; /* of the journal */
	int fd;
	struct changes changes;
};

static void changes_add(struct changes *c, enum change_kind kind, const char *path,
			const char *value)
{
	c->list = xrealloc(c->list, (c->count + 1) * sizeof(*c->list));
	c->list[c->count++] = (struct change){ kind, xstrdup(path), value ? xstrdup(value) : NULL };
}

static void changes_free(struct changes *c)
{
	for (size_t i = 0; i < c->count; i++) {
		free(c->list[i].path);
		free(c->list[i].value);
	}
	free(c->list);
	*c = (struct changes){};
}

/* --- files ---------------------------------------------------------------- */

static int write_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, value, strlen(value)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* The choice in brackets, else the whole without its newline. */
static int read_value(const char *path, struct buf *out, struct err *err)
{
	struct buf text = {};
	const char *from, *to;
	int ret = file_read(path, VALUE_MAX, &text, err);

	from = strchr(buf_str(&text), '[');
	to = from ? strchr(from, ']') : NULL;
	if (to)
		buf_add(out, from + 1, (size_t)(to - from - 1));
	else
		buf_add(out, buf_str(&text), strcspn(buf_str(&text), "\n"));
	buf_free(&text);
	return ret;
}

static void read_boot(struct buf *out)
{
	read_value("/proc/sys/kernel/random/boot_id", out, NULL);
}

/* --- undoing -------------------------------------------------------------- */

/* Does the process work in @folder, or in a folder in it? Told by the folders' own numbers: that
 * holds in whatever namespace it sees them. */
static bool works_in(const char *pid, const char *folder)
{
	struct stat cwd, there;
	struct dirent *entry;
	char path[64];
	bool yes = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%.20s/cwd", pid);
	if (stat(path, &cwd))
		return false;
	dir = opendir(folder);
	while (dir && !yes && (entry = readdir(dir)))
		yes = strcmp(entry->d_name, "..") &&
		      !fstatat(dirfd(dir), entry->d_name, &there, AT_SYMLINK_NOFOLLOW) &&
		      there.st_dev == cwd.st_dev && there.st_ino == cwd.st_ino;
	if (dir)
		closedir(dir);
	return yes;
}

/* Kill those that work in @folder, the caller not among them; how many there are. */
static size_t kill_workers(const char *folder)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	size_t count = 0;

	while (proc && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && pid != getpid() && works_in(entry->d_name, folder)) {
			kill(pid, SIGKILL);
			count++;
		}
	}
	if (proc)
		closedir(proc);
	return count;
}

static size_t end_workers(const char *folder)
{
	int64_t end = clock_mono_ns() + WAIT_NS;
	size_t most = 0, count;

	while ((count = kill_workers(folder)) && clock_mono_ns() < end) {
		if (count > most)
			most = count;
		usleep(WAIT_US);
	}
	return most;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path) && errno != ENOENT ? -errno : 0;
}

static int remove_folder(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash || strncmp(slash + 1, FOLDER_PREFIX, strlen(FOLDER_PREFIX)))
		return -EPERM;
	return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) && errno != ENOENT ?
		       -errno :
		       0;
}

/* The kernel takes a while until the last that was in it has left. */
static int remove_cgroup(const char *path)
{
	int64_t end = clock_mono_ns() + WAIT_NS;

	while (rmdir(path)) {
		if (errno == ENOENT)
			return 0;
		if (errno != EBUSY || clock_mono_ns() > end)
			return -errno;
		usleep(WAIT_US);
	}
	return 0;
}

static void say(struct buf *said, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct buf *said, const char *fmt, ...)
{
	char text[PATH_MAX + VALUE_MAX];
	va_list args;

	if (!said)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	buf_printf(said, "%s%s", said->len ? ", " : "", text);
}

static int undo(const struct change *change, bool rebooted, struct buf *said)
{
	struct stat there;
	size_t ended;
	int ret = 0;

	switch (change->kind) {
	case CHANGE_FILE:
		ret = rebooted ? 0 : write_file(change->path, change->value);
		if (!ret && !rebooted)
			say(said, "%s is '%s' again", change->path, change->value);
		return ret == -ENOENT ? 0 : ret;
	case CHANGE_FOLDER:
		if (lstat(change->path, &there))
			return 0;
		ended = end_workers(change->path);
		if (ended)
			say(said, "%zu process%s ended", ended, ended == 1 ? "" : "es");
		ret = remove_folder(change->path);
		break;
	default:
		if (lstat(change->path, &there))
			return 0;
		ret = remove_cgroup(change->path);
		break;
	}
	if (!ret)
		say(said, "%s is removed", change->path);
	return ret;
}

/* Newest first; goes on after a failure, the first of which is told. Folders come before
 * all else: what still runs in them is in the cgroups. */
static int undo_all(const struct changes *c, struct buf *said, struct err *err)
{
	int ret = 0;

	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = c->count; i-- > 0;) {
			const struct change *change = &c->list[i];
			int failed;

			if ((change->kind == CHANGE_FOLDER) != (pass == 0))
				continue;
			failed = undo(change, c->rebooted, said);
			if (!failed || ret)
				continue;
			ret = err_set(err, failed,
				      "lab: %s: %s%s%s; the next redmem command tries again",
				      change->path,
				      change->kind == CHANGE_FILE ? "cannot be made what it was, " :
								    "cannot be removed: ",
				      change->kind == CHANGE_FILE ? change->value : "",
				      strerror(-failed));
		}
	}
	return ret;
}

/* --- the journal ---------------------------------------------------------- */

void knobs_folder(struct buf *out)
{
	const char *given = getenv("REDMEM_LAB_STATE"), *state = getenv("XDG_STATE_HOME"),
		   *home = getenv("HOME");

	if (given && *given)
		buf_puts(out, given);
	else if (!geteuid())
		buf_puts(out, "/var/lib/redmem-lab");
	else if (state && *state)
		buf_printf(out, "%s/redmem-lab", state);
	else if (home && *home)
		buf_printf(out, "%s/.local/state/redmem-lab", home);
}

/* What stands there is done as whoever reads it: nobody else may write there. */
static int check_folder(const char *folder, struct err *err)
{
	struct stat st;

	if (lstat(folder, &st))
		return err_set(err, -errno, "lab: %s: %s", folder, strerror(errno));
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022)
		return err_set(
			err, -EPERM,
			"lab: %s is not a folder that only its owner, who runs this, can write; "
			"make it so, or name another one in REDMEM_LAB_STATE",
			folder);
	return 0;
}

/* With the folders it is in. */
static int make_folder(const char *folder, struct err *err)
{
	char *path = xstrdup(folder);

	for (char *slash = path; *slash && (slash = strchr(slash + 1, '/'));) {
		*slash = '\0';
		mkdir(path, 0755);
		*slash = '/';
	}
	free(path);
	mkdir(folder, 0700);
	return check_folder(folder, err);
}

/* The lock is the process's, and gone with it; children do not have it. */
static int lock(int fd)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	return fcntl(fd, F_SETLK, &whole) ? -errno : 0;
}

/* On the disk when this returns 0. */
static int journal_add(const struct knobs *k, const char *line, size_t len)
{
	ssize_t n = write(k->fd, line, len);

	if (n >= 0 && n < (ssize_t)len)
		return -ENOSPC;
	return n < 0 || fsync(k->fd) ? -errno : 0;
}

static int note(struct knobs *k, enum change_kind kind, const char *path, const char *value,
		struct err *err)
{
	struct buf line = {};
	int ret;

	if (path[strcspn(path, "\t\n")] || (value && value[strcspn(value, "\t\n")]))
		return err_set(err, -EINVAL, "lab: %s: a name or a value with a tab or a newline",
			       path);
	buf_printf(&line, "%s\t%s%s%s\n", kind_names[kind], path, value ? "\t" : "",
		   value ? value : "");
	ret = journal_add(k, line.data, line.len);
	if (ret)
		err_set(err, ret, "lab: %s cannot be written, so nothing is changed: %s", k->path,
			strerror(-ret));
	else
		changes_add(&k->changes, kind, path, value);
	buf_free(&line);
	return ret;
}

static void sync_folder(const char *folder)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0) {
		fsync(fd);
		close(fd);
	}
}

int knobs_open(struct knobs **out, const char *folder, struct err *err)
{
	struct knobs *k = xcalloc(1, sizeof(*k));
	struct buf path = {}, line = {};
	struct stat st;
	int ret = make_folder(folder, err);

	k->fd = -1;
	buf_printf(&path, "%s/%d" SUFFIX, folder, getpid());
	k->path = xstrdup(buf_str(&path));
	buf_puts(&line, "boot\t");
	read_boot(&line);
	buf_putc(&line, '\n');
	/* Between its making and the lock another redmem may have found and removed it. */
	while (!ret && (k->fd < 0 || fstat(k->fd, &st) || !st.st_nlink)) {
		if (k->fd >= 0)
			close(k->fd);
		k->fd = open(k->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (k->fd < 0)
			ret = -errno;
		else if (lock(k->fd) == 0)
			ret = journal_add(k, line.data, line.len);
		if (ret)
			err_set(err, ret, "lab: %s: %s", k->path, strerror(-ret));
	}
	if (!ret)
		sync_folder(folder);
	buf_free(&path);
	buf_free(&line);
	if (ret)
		knobs_close(k, NULL);
	else
		*out = k;
	return ret;
}

static const struct change *noted(const struct knobs *k, const char *path)
{
	for (size_t i = 0; i < k->changes.count; i++)
		if (!strcmp(k->changes.list[i].path, path))
			return &k->changes.list[i];
	return NULL;
}

int knobs_set(struct knobs *k, const char *path, const char *value, struct err *err)
{
	struct buf now = {};
	int ret = read_value(path, &now, err);

	if (!ret && !strcmp(buf_str(&now), value))
		goto out;
	if (!ret && !noted(k, path))
		ret = note(k, CHANGE_FILE, path, buf_str(&now), err);
	if (ret)
		goto out;
	ret = write_file(path, value);
	if (ret)
		err_set(err, ret, "lab: %s cannot be set to '%s': %s", path, value, strerror(-ret));
out:
	buf_free(&now);
	return ret;
}

int knobs_reset(struct knobs *k, const char *path, struct err *err)
{
	const struct change *change = noted(k, path);

	return change ? knobs_set(k, path, change->value, err) : 0;
}

int knobs_folder_make(struct knobs *k, const char *parent, struct buf *out, struct err *err)
{
	struct buf path = {};
	int ret;

	buf_printf(&path, "%s/" FOLDER_PREFIX "%d.%llx", parent, getpid(),
		   (unsigned long long)clock_mono_ns());
	ret = note(k, CHANGE_FOLDER, buf_str(&path), NULL, err);
	if (!ret && mkdir(buf_str(&path), 0700))
		ret = err_set(err, -errno, "lab: %s: %s", buf_str(&path), strerror(errno));
	if (!ret)
		buf_puts(out, buf_str(&path));
	buf_free(&path);
	return ret;
}

int knobs_cgroup_make(struct knobs *k, const char *path, struct err *err)
{
	int ret = note(k, CHANGE_CGROUP, path, NULL, err);

	if (!ret && mkdir(path, 0755))
		ret = err_set(err, -errno, "lab: %s: %s", path, strerror(errno));
	return ret;
}

int knobs_close(struct knobs *k, struct err *err)
{
	int ret;

	if (!k)
		return 0;
	ret = undo_all(&k->changes, NULL, err);
	if (!ret && k->fd >= 0)
		unlink(k->path);
	if (k->fd >= 0)
		close(k->fd);
	changes_free(&k->changes);
	free(k->path);
	free(k);
	return ret;
}

/* --- what was left -------------------------------------------------------- */

/* A last line that is not whole, for which file_lines() has no ear, was never acted upon. */
static int take_line(void *ctx, char *line, size_t len)
{
	struct changes *c = ctx;
	char *path = strchr(line, '\t'), *value;
	struct buf boot = {};

	(void)len;
	if (!path)
		return 0;
	*path++ = '\0';
	value = strchr(path, '\t');
	if (value)
		*value++ = '\0';
	if (!strcmp(line, "boot")) {
		read_boot(&boot);
		c->rebooted = strcmp(path, buf_str(&boot)) != 0;
		buf_free(&boot);
	}
	for (enum change_kind kind = 0; kind < CHANGE_KINDS; kind++)
		if (!strcmp(line, kind_names[kind]) && !value == (kind != CHANGE_FILE))
			changes_add(c, kind, path, value);
	return 0;
}

/* What only its owner can have written. */
static int read_journal(const char *path, int fd, struct changes *c, struct err *err)
{
	struct stat st;
	char *text;
	ssize_t len;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 022 ||
	    st.st_size > JOURNAL_MAX)
		return err_set(err, -EPERM, "lab: %s is no journal of this user; remove it", path);
	text = xcalloc(1, (size_t)st.st_size + 1);
	len = pread(fd, text, (size_t)st.st_size, 0);
	if (len > 0)
		text_lines(text, (size_t)len, take_line, c);
	free(text);
	return len < 0 ? err_set(err, -EIO, "lab: %s cannot be read", path) : 0;
}

static int recover_one(const char *path, struct buf *said, struct err *err)
{
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC), ret = 0;
	struct changes c = {};

	if (fd < 0)
		return errno == ENOENT ? 0 :
					 err_set(err, -errno, "lab: %s: %s", path, strerror(errno));
	if (lock(fd) == 0) { /* else its writer lives, or somebody else is at it */
		ret = read_journal(path, fd, &c, err);
		if (!ret)
			ret = undo_all(&c, said, err);
		if (!ret)
			unlink(path);
	}
	changes_free(&c);
	close(fd);
	return ret;
}

int knobs_recover(const char *folder, struct buf *said, struct err *err)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	struct buf path = {};
	int ret = dir ? check_folder(folder, err) : 0;

	while (dir && !ret && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		if (len <= strlen(SUFFIX) || strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX))
			continue;
		buf_clear(&path);
		buf_printf(&path, "%s/%s", folder, entry->d_name);
		ret = recover_one(buf_str(&path), said, err);
	}
	if (dir)
		closedir(dir);
	buf_free(&path);
	return ret;
}
