/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process listens on; see sock_listen.h. */
#include "host/sock_listen.h"

#include <arpa/inet.h>
#include <linux/inet_diag.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "host/file.h"
#include "host/proc.h"
#include "host/sock.h"
#include "host/sock_diag.h"
#include "host/sock_files.h"

struct listening {
	struct sock_file *files;
	size_t files_count;
	struct sock_listener *found;
	size_t count;
	size_t room;
};

static struct sock_listener *add_listener(struct listening *l, uint64_t inode)
{
	const struct sock_file *file = sock_files_find(l->files, l->files_count, inode);

	if (!file)
		return NULL;
	if (l->count == l->room) {
		l->room = l->room ? l->room * 2 : 8;
		l->found = xrealloc(l->found, l->room * sizeof(*l->found));
	}
	l->found[l->count] = (struct sock_listener){ .file = *file };
	return &l->found[l->count++];
}

static void add_tcp(struct listening *l, uint64_t inode, int family, const void *address,
		    uint16_t port)
{
	struct sock_listener *s = add_listener(l, inode);

	if (!s)
		return;
	s->family = family;
	s->port = port;
	inet_ntop(family, address, s->address, sizeof(s->address));
}

/* --- by sock_diag ------------------------------------------------------------------------- */

static void take_tcp(void *ctx, const struct nlmsghdr *message)
{
	const struct inet_diag_msg *tcp = NLMSG_DATA(message);

	if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(*tcp)) && tcp->idiag_state == TCP_LISTEN)
		add_tcp(ctx, tcp->idiag_inode, tcp->idiag_family, tcp->id.idiag_src,
			ntohs(tcp->id.idiag_sport));
}

/* False where the kernel does not tell. */
static bool ask_tcp(struct listening *l)
{
	static const unsigned char families[] = { AF_INET, AF_INET6 };

	for (size_t i = 0; i < sizeof(families); i++) {
		const struct inet_diag_req_v2 ask = { .sdiag_family = families[i],
						      .sdiag_protocol = IPPROTO_TCP,
						      .idiag_states = 1 << TCP_LISTEN };

		if (sock_diag_each(&ask, sizeof(ask), take_tcp, l)) {
			l->count = 0;
			return false;
		}
	}
	return true;
}

/* --- by the tables ------------------------------------------------------------------------ */

static int add_line(struct listening *l, const char *line, int family)
{
	struct sock_tcp tcp;

	if (sock_tcp_parse(&tcp, line) && tcp.state == TCP_LISTEN)
		add_tcp(l, tcp.inode, family, family == AF_INET ? tcp.local + 12 : tcp.local,
			tcp.local_port);
	return 0;
}

static int tcp_line(void *ctx, char *line, size_t len)
{
	(void)len;
	return add_line(ctx, line, AF_INET);
}

static int tcp6_line(void *ctx, char *line, size_t len)
{
	(void)len;
	return add_line(ctx, line, AF_INET6);
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

static void read_table(struct listening *l, pid_t pid, const char *table, line_fn take)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/net/%s", pid, table);
	file_lines(path, take, l, NULL); /* a kernel may lack IPv6 */
}

int sock_listeners(pid_t pid, struct sock_listener **out, size_t *count, struct err *err)
{
	struct listening l = { 0 };
	int ret;

	*out = NULL;
	*count = 0;
	ret = sock_files_list(pid, &l.files, &l.files_count);
	if (ret)
		return err_set(err, ret, "sock: open files of process %d: %s; run as root", pid,
			       strerror(-ret));
	if (proc_same_net(pid) != 1 || !ask_tcp(&l)) {
		read_table(&l, pid, "tcp", tcp_line);
		read_table(&l, pid, "tcp6", tcp6_line);
	}
	read_table(&l, pid, "unix", unix_line);
	free(l.files);
	*out = l.found;
	*count = l.count;
	return 0;
}
