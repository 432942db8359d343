/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process listens on, and which sockets are its own. */
#include "host/sock.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/file.h"
#include "host/sock_files.h"

static int compare_inodes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The inode of a link like "socket:[12345]", 0 for other files. */
static uint64_t socket_inode(int dir, const char *name)
{
	char target[64];
	ssize_t len = readlinkat(dir, name, target, sizeof(target) - 1);

	if (len < 0)
		return 0;
	target[len] = '\0';
	return strncmp(target, "socket:[", 8) ? 0 : strtoull(target + 8, NULL, 10);
}

int sock_files_list(pid_t pid, uint64_t **out, size_t *count)
{
	struct dirent *entry;
	size_t room = 0;
	char path[64];
	DIR *dir;

	*out = NULL;
	*count = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		uint64_t inode = socket_inode(dirfd(dir), entry->d_name);

		if (!inode)
			continue;
		if (*count == room) {
			room = room ? room * 2 : 64;
			*out = xrealloc(*out, room * sizeof(**out));
		}
		(*out)[(*count)++] = inode;
	}
	closedir(dir);
	if (*count)
		qsort(*out, *count, sizeof(**out), compare_inodes);
	return 0;
}

bool sock_files_has(pid_t pid, uint64_t inode)
{
	uint64_t *inodes;
	size_t count;
	bool has;

	if (sock_files_list(pid, &inodes, &count))
		return false;
	has = count && bsearch(&inode, inodes, count, sizeof(inode), compare_inodes);
	free(inodes);
	return has;
}

struct listening {
	uint64_t *inodes;
	size_t inodes_count;
	struct sock_listener *found;
	size_t count;
	size_t room;
};

static struct sock_listener *add_listener(struct listening *l, uint64_t inode)
{
	if (!l->inodes_count ||
	    !bsearch(&inode, l->inodes, l->inodes_count, sizeof(inode), compare_inodes))
		return NULL;
	if (l->count == l->room) {
		l->room = l->room ? l->room * 2 : 8;
		l->found = xrealloc(l->found, l->room * sizeof(*l->found));
	}
	l->found[l->count] = (struct sock_listener){ 0 };
	return &l->found[l->count++];
}

static int add_tcp(struct listening *l, const char *line, int family)
{
	struct sock_listener *s;
	struct sock_tcp tcp;

	if (!sock_tcp_parse(&tcp, line) || tcp.state != TCP_LISTEN)
		return 0;
	s = add_listener(l, tcp.inode);
	if (!s)
		return 0;
	s->family = family;
	s->port = tcp.local_port;
	inet_ntop(family, family == AF_INET ? tcp.local + 12 : tcp.local, s->address,
		  sizeof(s->address));
	return 0;
}

static int tcp_line(void *ctx, char *line, size_t len)
{
	(void)len;
	return add_tcp(ctx, line, AF_INET);
}

static int tcp6_line(void *ctx, char *line, size_t len)
{
	(void)len;
	return add_tcp(ctx, line, AF_INET6);
}

static int unix_line(void *ctx, char *line, size_t len)
{
	struct sock_listener *s;
	struct sock_unix u;

	(void)len;
	if (!sock_unix_parse(&u, line) || !u.listens)
		return 0;
	s = add_listener(ctx, u.inode);
	if (!s)
		return 0;
	s->family = AF_UNIX;
	memcpy(s->path, u.path, sizeof(s->path));
	return 0;
}

int sock_listeners(pid_t pid, struct sock_listener **out, size_t *count, struct err *err)
{
	static const struct {
		const char *table;
		line_fn fn;
	} tables[] = { { "tcp", tcp_line }, { "tcp6", tcp6_line }, { "unix", unix_line } };
	struct listening l = { 0 };
	char path[64];
	int ret;

	*out = NULL;
	*count = 0;
	ret = sock_files_list(pid, &l.inodes, &l.inodes_count);
	if (ret)
		return err_set(err, ret, "sock: open files of process %d: %s; run as root", pid,
			       strerror(-ret));
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		snprintf(path, sizeof(path), "/proc/%d/net/%s", pid, tables[i].table);
		file_lines(path, tables[i].fn, &l, NULL); /* a kernel may lack IPv6 */
	}
	free(l.inodes);
	*out = l.found;
	*count = l.count;
	return 0;
}
