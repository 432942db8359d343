/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * /proc/PID: stat, status, limits and names; which processes, threads and children there
 * are; a process's own root and namespaces; its memory.
 */
#define _GNU_SOURCE 1
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/array.h"
#include "host/file.h"
#include "host/proc.h"
#include "record/record.h"

/* Fields behind the name and the state, numbered as in proc(5). */
enum {
	STAT_PPID = 4,
	STAT_MINFLT = 10,
	STAT_MAJFLT = 12,
	STAT_UTIME = 14,
	STAT_STIME = 15,
	STAT_THREADS = 20,
	STAT_STARTTIME = 22,
};

int proc_stat_parse(struct proc_stat *out, const char *text)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
	int64_t value[STAT_STARTTIME + 1];
	const char *p;
	size_t len;

	/* The name may hold ")" and spaces; what follows it never does. */
	if (!open || !close || close < open || close[1] != ' ' || !close[2] || close[3] != ' ' ||
	    !strchr(close, '\n'))
		return -EINVAL;
	*out = (struct proc_stat){ .pid = (pid_t)text_int64(text), .state = close[2] };
	len = (size_t)(close - open) - 1;
	if (len >= sizeof(out->comm))
		len = sizeof(out->comm) - 1;
	memcpy(out->comm, open + 1, len);
	p = close + 3;
	for (int i = STAT_PPID; i <= STAT_STARTTIME; i++) {
		p += strspn(p, " ");
		value[i] = text_int64(p);
		if (value[i] == RECORD_UNKNOWN)
			return -EINVAL;
		p += strcspn(p, " ");
	}
	out->ppid = (pid_t)value[STAT_PPID];
	out->minor_faults = value[STAT_MINFLT];
	out->major_faults = value[STAT_MAJFLT];
	out->user_seconds = (double)value[STAT_UTIME] * tick;
	out->system_seconds = (double)value[STAT_STIME] * tick;
	out->threads = value[STAT_THREADS];
	out->starttime_ticks = (uint64_t)value[STAT_STARTTIME];
	return 0;
}

int proc_stat_read(struct proc_stat *out, pid_t pid, struct err *err)
{
	struct buf text = { 0 };
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	ret = file_read(path, 8192, &text, err);
	if (!ret && proc_stat_parse(out, buf_str(&text)))
		ret = err_set(err, -EINVAL, "proc: %s: not understood; is /proc mounted?", path);
	buf_free(&text);
	return ret;
}

int proc_waited_open(pid_t pid)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int proc_waited_ns(int fd, int64_t *ns)
{
	char text[96];
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return -ESRCH;
	text[n] = '\0';
	/* Time on a CPU, time in a queue for one, turns. */
	return sscanf(text, "%*d %" SCNd64, ns) == 1 ? 0 : -EINVAL;
}

int proc_starttime(pid_t pid, uint64_t *ticks)
{
	struct proc_stat st;
	int ret = proc_stat_read(&st, pid, NULL);

	if (!ret)
		*ticks = st.starttime_ticks;
	return ret;
}

int proc_hold(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd; /* it is close-on-exec by itself */
}

bool proc_held_ended(int pidfd)
{
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };

	return pidfd >= 0 && poll(&fd, 1, 0) > 0;
}

/* The name as the process set it: status escapes "\n" and "\\" in it. */
static void unescape_name(char out[PROC_COMM_SIZE], const char *text)
{
	size_t n = 0;

	for (; *text && n < PROC_COMM_SIZE - 1; text++) {
		char c = *text;

		if (c == '\\' && (text[1] == 'n' || text[1] == '\\'))
			c = *++text == 'n' ? '\n' : '\\';
		out[n++] = c;
	}
	out[n] = '\0';
}

static int64_t last_number(const char *text)
{
	const char *tab = strrchr(text, '\t');

	return text_int64(tab ? tab : text);
}

static int status_line(void *ctx, char *line, size_t len)
{
	struct proc_status *st = ctx;
	const struct {
		const char *name;
		int64_t *bytes;
	} sizes[] = {
		{ "VmSize", &st->vm_size_bytes },    { "VmRSS", &st->rss_bytes },
		{ "RssAnon", &st->rss_anon_bytes },  { "RssFile", &st->rss_file_bytes },
		{ "RssShmem", &st->rss_shmem_bytes }, { "VmSwap", &st->swap_bytes },
	}, numbers[] = {
		{ "Uid", &st->uid },
		{ "THP_enabled", &st->thp_enabled },
		{ "voluntary_ctxt_switches", &st->voluntary_switches },
		{ "nonvoluntary_ctxt_switches", &st->involuntary_switches },
	};
	const char *value;

	(void)len;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if ((value = text_field(line, sizes[i].name)))
			*sizes[i].bytes = text_kb(value);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if ((value = text_field(line, numbers[i].name)))
			*numbers[i].bytes = text_int64(value);
	if ((value = text_field(line, "NSpid")))
		st->ns_pid = last_number(value);
	if (!strncmp(line, "Name:\t", 6))
		unescape_name(st->name, line + 6);
	return 0;
}

void proc_status_parse(struct proc_status *out, const char *text, size_t len)
{
	const int64_t unknown = RECORD_UNKNOWN;

	*out = (struct proc_status){ "",      unknown, unknown, unknown, unknown, unknown,
				     unknown, unknown, unknown, unknown, unknown, unknown };
	text_lines(text, len, status_line, out);
}

int proc_status_read(struct proc_status *out, pid_t pid, struct err *err)
{
	struct buf text = { 0 };
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	ret = file_read(path, 1 << 20, &text, err);
	if (!ret)
		proc_status_parse(out, buf_str(&text), text.len);
	buf_free(&text);
	return ret;
}

int proc_comm(pid_t pid, pid_t tid, char out[PROC_COMM_SIZE])
{
	struct buf text = { 0 };
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", pid, tid);
	ret = file_read(path, 4096, &text, NULL);
	out[0] = '\0';
	if (!ret && text.len) /* only the last newline is the kernel's */
		snprintf(out, PROC_COMM_SIZE, "%.*s", (int)text.len - 1, text.data);
	buf_free(&text);
	return ret;
}

static int limit_line(void *ctx, char *line, size_t len)
{
	static const char name[] = "Max stack size";

	(void)len;
	if (!strncmp(line, name, sizeof(name) - 1))
		*(int64_t *)ctx = text_int64(line + sizeof(name) - 1);
	return 0;
}

int proc_stack_limit(pid_t pid, int64_t *bytes)
{
	char path[64];

	*bytes = RECORD_UNKNOWN;
	snprintf(path, sizeof(path), "/proc/%d/limits", pid);
	return file_lines(path, limit_line, bytes, NULL);
}

int64_t proc_own_peak_bytes(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage); /* cannot fail */
	return (int64_t)usage.ru_maxrss * 1024;
}

/* PROC_PID_INIT_INO (include/linux/proc_ns.h): the same on every kernel since 3.8. */
#define FIRST_PID_NAMESPACE 0xEFFFFFFCU

bool proc_sees_all(void)
{
	struct stat ours;

	return stat("/proc/self/ns/pid", &ours) || ours.st_ino == FIRST_PID_NAMESPACE;
}

const char *proc_seen_where(void)
{
	return proc_sees_all() ? "on this host" :
				 "in this container's pid namespace, and redmem sees no other "
				 "(run it on the host, or in a container with --pid=host)";
}

int proc_same_net(pid_t pid)
{
	struct stat ours, theirs;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	if (stat(path, &theirs) || stat("/proc/self/ns/net", &ours))
		return -errno;
	return ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino;
}

/* --- lists, and a process's own root ----------------------------------------------------- */

struct pid_list {
	pid_t *pid;
	size_t count;
};

static void list_add(struct pid_list *list, pid_t pid)
{
	list->pid = array_grow(list->pid, list->count, sizeof(*list->pid));
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

/* --- memory of another process ------------------------------------------- */

int memory_read(pid_t pid, uint64_t address, void *out, size_t len)
{
	struct iovec local = { out, len };
	struct iovec remote = { (void *)(uintptr_t)address, len };
	ssize_t got = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	if (got < 0)
		return -errno;
	return (size_t)got == len ? 0 : -EFAULT;
}

int memory_read_string(pid_t pid, uint64_t address, char *out, size_t size)
{
	size_t len = 0;

	/* Piece by piece up to the next 64-byte line: never past a page that may
	 * be the last one mapped. */
	while (len < size) {
		size_t piece = 64 - (address + len) % 64;
		const char *end;
		int ret;

		if (piece > size - len)
			piece = size - len;
		ret = memory_read(pid, address + len, out + len, piece);
		if (ret)
			return ret;
		end = memchr(out + len, '\0', piece);
		if (end)
			return end - out;
		len += piece;
	}
	return -ENAMETOOLONG;
}
