/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processes, threads and children there are, and a process's own root. */
#define _GNU_SOURCE
#include "host/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fact/fact.h"
#include "host/file.h"

struct pid_list {
	pid_t *pid;
	size_t count;
	size_t room;
};

static void list_add(struct pid_list *list, pid_t pid)
{
	if (list->count == list->room) {
		list->room = list->room ? list->room * 2 : 64;
		list->pid = xrealloc(list->pid, list->room * sizeof(*list->pid));
	}
	list->pid[list->count++] = pid;
}

static int compare_pids(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

static void list_give(struct pid_list *list, pid_t **out, size_t *count)
{
	if (list->count)
		qsort(list->pid, list->count, sizeof(*list->pid), compare_pids);
	*out = list->pid;
	*count = list->count;
}

/* The entries of a directory that are numbers. */
static int list_directory(const char *path, pid_t **out, size_t *count, struct err *err)
{
	struct pid_list list = { 0 };
	struct dirent *entry;
	DIR *dir = opendir(path);

	*out = NULL;
	*count = 0;
	if (!dir)
		return err_set(err, -errno, "proc: %s: %s", path, strerror(errno));
	while ((entry = readdir(dir))) {
		int64_t n = text_int64(entry->d_name);

		if (n > 0 && n <= INT32_MAX)
			list_add(&list, (pid_t)n);
	}
	closedir(dir);
	list_give(&list, out, count);
	return 0;
}

int proc_pids(pid_t **out, size_t *count, struct err *err)
{
	return list_directory("/proc", out, count, err);
}

int proc_threads(pid_t pid, pid_t **out, size_t *count, struct err *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	return list_directory(path, out, count, err);
}

/* By the parent each process names: right everywhere, but reads all of /proc. */
static int children_by_parent(pid_t pid, struct pid_list *list, struct err *err)
{
	pid_t *all;
	size_t count;
	int ret = proc_pids(&all, &count, err);

	for (size_t i = 0; i < count; i++) {
		struct proc_stat st;

		if (!proc_stat_read(&st, all[i], NULL) && st.ppid == pid)
			list_add(list, all[i]);
	}
	free(all);
	return ret;
}

/* The children one thread made ("12 34 "). -ENOENT also when the kernel was built
 * without CONFIG_PROC_CHILDREN. */
static int children_of_thread(pid_t pid, pid_t tid, struct pid_list *list)
{
	struct buf text = { 0 };
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, tid);
	ret = file_read(path, 1 << 20, &text, NULL);
	for (const char *p = buf_str(&text); !ret && *p; p += strspn(p, " ")) {
		int64_t n = text_int64(p);

		if (n > 0 && n <= INT32_MAX)
			list_add(list, (pid_t)n);
		p += strcspn(p, " ");
	}
	buf_free(&text);
	return ret;
}

int proc_children(pid_t pid, pid_t **out, size_t *count, struct err *err)
{
	struct pid_list list = { 0 };
	pid_t *tids;
	size_t n, answered = 0;
	int ret;

	*out = NULL;
	*count = 0;
	ret = proc_threads(pid, &tids, &n, err);
	if (ret)
		return ret;
	for (size_t i = 0; i < n; i++)
		answered += children_of_thread(pid, tids[i], &list) == 0;
	free(tids);
	if (!answered)
		ret = children_by_parent(pid, &list, err);
	if (ret) {
		free(list.pid);
		return ret;
	}
	list_give(&list, out, count);
	return 0;
}

int proc_root_open(pid_t pid, const char *path, int flags, struct err *err)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NONBLOCK),
		.resolve = RESOLVE_IN_ROOT,
	};
	char root[64];
	int dir, fd;

	if (flags & O_PATH) /* openat2() takes nothing that O_PATH ignores */
		how.flags &= ~(uint64_t)O_NONBLOCK;
	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(err, -errno, "proc: %s: %s; run as root", root, strerror(errno));
	fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
	if (fd < 0 && (errno == ENOSYS || errno == EPERM)) /* EPERM: an old seccomp filter */
		fd = openat(dir, path + strspn(path, "/"), (int)how.flags);
	if (fd < 0)
		fd = err_set(err, -errno, "proc: %s in process %d: %s", path, pid, strerror(errno));
	close(dir);
	return fd;
}
