/* SPDX-License-Identifier: BSD-2-Clause */
/* Which process is meant; see find.h. */
#include "target/find.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/escape.h"
#include "host/file.h"
#include "host/maps.h"
#include "host/proc.h"
#include "host/sock_listen.h"
#include "target/image.h"

/* Uids that no person has: of packages, and of systemd's DynamicUser= (login.defs(5),
 * systemd's UIDS-GIDS). */
#define SYSTEM_UID_MAX	999
#define DYNAMIC_UID_MIN 61184
#define DYNAMIC_UID_MAX 65519
/* From an exit's first steps to its last: a process of many GB is long in giving them back. */
#define ENDING_MS 200

static bool named_like_server(const char *text)
{
	return strstr(text, "redis") || strstr(text, "valkey");
}

/* Under ld.so the process is named after the loader, and so is its file. */
static bool is_loader(const char *exe)
{
	const char *slash = strrchr(exe, '/');

	return !strncmp(slash ? slash + 1 : exe, "ld", 2);
}

static bool maps_server(pid_t pid)
{
	struct maps *maps;
	bool found = false;

	if (maps_read(&maps, pid, NULL))
		return false;
	for (size_t i = 0; i < maps->count && !found; i++)
		found = maps->map[i].perms[2] == 'x' && named_like_server(maps->map[i].path);
	maps_free(maps);
	return found;
}

/* A cheap look first, as each process that comes to the host gets one: by its name, or by a
 * program file of that name. image_is_server() then decides. */
static bool may_be_server(pid_t pid)
{
	char comm[PROC_COMM_SIZE], path[64], exe[PATH_MAX];
	ssize_t len;

	if (proc_comm(pid, pid, comm))
		return false;
	if (named_like_server(comm))
		return true;
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	len = readlink(path, exe, sizeof(exe) - 1);
	if (len < 0)
		return false;
	exe[len] = '\0';
	return named_like_server(exe) || (is_loader(exe) && maps_server(pid));
}

/* What ps(1) shows: "redis-server *:6379". */
static void read_title(pid_t pid, char *out, size_t size)
{
	struct buf text = {}, clean = {};
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	file_read(path, 4096, &text, NULL);
	for (size_t i = 0; i < text.len; i++)
		if (!text.data[i])
			text.data[i] = ' ';
	while (text.len && text.data[text.len - 1] == ' ')
		text.len--;
	escape_terminal(&clean, buf_str(&text), text.len, size - 1);
	snprintf(out, size, "%s", buf_str(&clean));
	buf_free(&text);
	buf_free(&clean);
}

/* The port a server writes into its title: its first one, and not that of the cluster's
 * bus or of TLS. Only ever chosen from ports it does listen on. */
static int title_port(const char *title)
{
	const char *colon = strrchr(title, ':');

	return colon ? atoi(colon + 1) : 0;
}

static bool is_local(const struct sock_listener *l)
{
	static const char *const local[] = { "0.0.0.0", "127.0.0.1", "::", "::1" };

	for (size_t i = 0; i < sizeof(local) / sizeof(*local); i++)
		if (!strcmp(l->address, local[i]))
			return true;
	return false;
}

/* Lower is better: a unix socket, the main port, an address of this host's own. */
static int rank(const struct sock_listener *l, int main_port)
{
	if (l->family == AF_UNIX)
		return l->path[0] == '/' ? 0 : 8;
	return 1 + 4 * (l->port != main_port) + 2 * !is_local(l) + (l->family == AF_INET6);
}

void target_listeners(struct server_candidate *candidate)
{
	struct sock_listener *listeners;
	int main_port;
	size_t count;

	read_title(candidate->pid, candidate->title, sizeof(candidate->title));
	main_port = title_port(candidate->title);
	candidate->listeners_count = 0;
	candidate->port = 0;
	candidate->socket[0] = '\0';
	if (sock_listeners(candidate->pid, &listeners, &count, NULL))
		return;
	for (int want = 0; want <= 8; want++)
		for (size_t i = 0; i < count; i++)
			if (rank(&listeners[i], main_port) == want &&
			    candidate->listeners_count < TARGET_LISTENERS)
				candidate->listeners[candidate->listeners_count++] = listeners[i];
	free(listeners);
	for (size_t i = candidate->listeners_count; i-- > 0;) {
		const struct sock_listener *l = &candidate->listeners[i];

		if (l->family == AF_UNIX)
			snprintf(candidate->socket, sizeof(candidate->socket), "%.107s", l->path);
		else
			candidate->port = l->port;
	}
}

bool target_moved(const struct server_candidate *candidate)
{
	for (size_t i = 0; i < candidate->listeners_count; i++)
		if (!sock_files_still(candidate->pid, &candidate->listeners[i].file))
			return true;
	return false;
}

/* A process whose memory is gone has ended, or is about to; but for the kernel's own, which have
 * none. */
static bool is_ending(int pidfd)
{
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };

	return pidfd >= 0 && poll(&fd, 1, ENDING_MS) > 0;
}

/* -EACCES is not "no": without the right to look, the name has to do. -ESRCH: it has ended. */
static int fill(pid_t pid, struct server_candidate *out, struct err *err)
{
	char comm[PROC_COMM_SIZE];
	struct err why = {};
	int pidfd = proc_hold(pid); /* first: all that is read from here on is of this process */
	int ret = image_is_server(pid, &why);

	if (ret && ((ret != -EACCES && ret != -EPERM) || proc_comm(pid, pid, comm) ||
		    !named_like_server(comm))) {
		if (ret == -ESRCH && !is_ending(pidfd))
			ret = -ENOENT;
		else if (proc_held_ended(pidfd))
			ret = -ESRCH;
		if (pidfd >= 0)
			close(pidfd);
		return err_set(err, ret, "%s", why.text);
	}
	memset(out, 0, sizeof(*out));
	out->pid = pid;
	out->pidfd = pidfd;
	target_listeners(out);
	return 0;
}

void target_release(struct server_candidate *candidate)
{
	if (candidate->pidfd >= 0)
		close(candidate->pidfd);
	candidate->pidfd = -1;
}

/* gVisor's kernel is a program of the host, by this name since runsc is there
 * (runsc/sandbox/sandbox.go); the processes in it are no processes of the host. */
static bool is_sandbox(pid_t pid)
{
	static const char name[] = "runsc-sandbox ";
	char title[64];

	read_title(pid, title, sizeof(title));
	return !strncmp(title, name, strlen(name));
}

static int sandbox_error(pid_t pid, struct err *err)
{
	return err_set(
		err, -ENOENT,
		"target: process %d is a gVisor sandbox (runsc): nothing on this host sees the "
		"processes in it; name its server's address, -h HOST -p PORT, to be told what "
		"that says of itself",
		pid);
}

/* 0 when there is none. */
static pid_t find_sandbox(void)
{
	pid_t *pids, found = 0;
	size_t count;

	if (proc_pids(&pids, &count, NULL))
		return 0;
	for (size_t i = 0; i < count && !found; i++)
		if (is_sandbox(pids[i]))
			found = pids[i];
	free(pids);
	return found;
}

int target_describe(pid_t pid, struct server_candidate *out, struct err *err)
{
	char comm[PROC_COMM_SIZE];
	struct err why = {};
	int ret;

	if (proc_comm(pid, pid, comm))
		return err_set(err, -ESRCH, "target: no process %d %s; see `redmem check`", pid,
			       proc_seen_where());
	ret = fill(pid, out, &why);
	if (!ret)
		return 0;
	if (ret == -ESRCH)
		return err_set(err, ret, "target: process %d has ended", pid);
	if (is_sandbox(pid))
		return sandbox_error(pid, err);
	if (ret != -ENOENT)
		return err_set(err, ret,
			       "target: process %d (%s): whether it is a redis-server or "
			       "valkey-server cannot be told: %s",
			       pid, comm, why.text);
	return err_set(err, -ENOENT,
		       "target: process %d (%s) is not a redis-server or valkey-server; leave out "
		       "--pid to "
		       "find one",
		       pid, comm);
}

/* A child of fork() (BGSAVE, AOF rewrite) is no server, though it looks like one: it runs
 * its parent's program and listens nowhere. */
static bool is_child_of_server(const struct server_candidate *candidate)
{
	struct proc_stat of;
	struct stat own, parents;
	char path[64];

	if (candidate->listeners_count || proc_stat_read(&of, candidate->pid, NULL))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/exe", candidate->pid);
	if (stat(path, &own))
		return false;
	snprintf(path, sizeof(path), "/proc/%d/exe", of.ppid);
	return !stat(path, &parents) && own.st_dev == parents.st_dev &&
	       own.st_ino == parents.st_ino;
}

static int compare_pids(const void *a, const void *b)
{
	const pid_t *x = a, *y = b;

	return *x - *y;
}

static bool was_there(const struct target_look *look, pid_t pid)
{
	for (size_t i = 0; i < 2; i++)
		if (!look->count[i] ||
		    !bsearch(&pid, look->pids[i], look->count[i], sizeof(pid), compare_pids))
			return false;
	return true;
}

int target_list_new(struct target_look *look, struct server_candidate **list, size_t *count,
		    struct err *err)
{
	pid_t *pids;
	size_t pids_count;
	int ret = proc_pids(&pids, &pids_count, err);

	*list = NULL;
	*count = 0;
	if (ret)
		return ret;
	qsort(pids, pids_count, sizeof(*pids), compare_pids);
	for (size_t i = 0; i < pids_count; i++) {
		struct server_candidate candidate;

		if (was_there(look, pids[i]) || !may_be_server(pids[i]) ||
		    fill(pids[i], &candidate, NULL))
			continue;
		if (is_child_of_server(&candidate)) {
			target_release(&candidate);
			continue;
		}
		*list = xrealloc(*list, (*count + 1) * sizeof(**list));
		(*list)[(*count)++] = candidate;
	}
	free(look->pids[1]);
	look->pids[1] = look->pids[0];
	look->count[1] = look->count[0];
	look->pids[0] = pids;
	look->count[0] = pids_count;
	return 0;
}

void target_look_again(struct target_look *look, pid_t pid)
{
	for (size_t i = 0; i < 2; i++) {
		pid_t *at = look->count[i] ? bsearch(&pid, look->pids[i], look->count[i],
						     sizeof(pid), compare_pids) :
					     NULL;

		if (!at)
			continue;
		look->count[i]--;
		memmove(at, at + 1, (size_t)(look->pids[i] + look->count[i] - at) * sizeof(*at));
	}
}

void target_look_free(struct target_look *look)
{
	free(look->pids[0]);
	free(look->pids[1]);
}

int target_list(struct server_candidate **list, size_t *count, struct err *err)
{
	struct target_look look = {};
	int ret = target_list_new(&look, list, count, err);

	target_look_free(&look);
	return ret;
}

static bool is_system_uid(int64_t uid)
{
	return (uid >= 0 && uid <= SYSTEM_UID_MAX) ||
	       (uid >= DYNAMIC_UID_MIN && uid <= DYNAMIC_UID_MAX);
}

/* Under ld.so, and for a script, it is the loader's or shell's own file: so be it, the
 * process is still one of the system. */
static bool only_root_writes(pid_t pid)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return !stat(path, &st) && !st.st_uid && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

int target_trusted(pid_t pid, struct err *err)
{
	struct proc_status status;
	int ret = proc_status_read(&status, pid, err);

	if (ret)
		return ret;
	if (!status.uid || status.uid == getuid() ||
	    (is_system_uid(status.uid) && only_root_writes(pid)))
		return 0;
	return err_set(err, -EPERM,
		       "target: process %d belongs to uid %lld, and may be anybody's; if it is the "
		       "one you mean say so with --pid %d",
		       pid, (long long)status.uid, pid);
}

int target_only(struct server_candidate *out, struct err *err)
{
	struct server_candidate *list;
	struct buf choice = {};
	pid_t sandbox;
	size_t count;
	int ret = target_list(&list, &count, err);

	if (ret)
		return ret;
	if (count == 1) {
		ret = target_trusted(list[0].pid, err);
		if (!ret)
			*out = list[0];
	} else if (!count && (sandbox = find_sandbox())) {
		ret = sandbox_error(sandbox, err);
	} else if (!count) {
		ret = err_set(err, -ENOENT,
			      "target: no redis-server or valkey-server found %s; name one with "
			      "--pid, -p or -s",
			      proc_seen_where());
	} else {
		for (size_t i = 0; i < count; i++)
			buf_printf(&choice, "%s--pid %d (%s)", i ? ", " : "", list[i].pid,
				   list[i].title);
		ret = err_set(err, -EEXIST, "target: %zu servers on this host, choose one: %s",
			      count, buf_str(&choice));
	}
	buf_free(&choice);
	for (size_t i = ret ? 0 : 1; i < count; i++)
		target_release(&list[i]);
	free(list);
	return ret;
}
