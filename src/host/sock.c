/* SPDX-License-Identifier: BSD-2-Clause */
/* The other ends of connections; see sock.h. */
#define _GNU_SOURCE
#include "host/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <linux/unix_diag.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/file.h"
#include "host/proc.h"
#include "host/sock_diag.h"
#include "host/sock_files.h"

static const unsigned char v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

/* --- the kernel's tables --------------------------------------------------- */

/* "0100007F:18EB" or 32 digits: words of the address as this machine keeps them. */
static bool take_address(const char *text, unsigned char out[16], uint16_t *port)
{
	size_t digits = strspn(text, "0123456789ABCDEF"), words = digits / 8;
	unsigned int value;

	if ((digits != 8 && digits != 32) || sscanf(text + digits, ":%4x", &value) != 1)
		return false;
	*port = (uint16_t)value;
	memcpy(out, v4_prefix, sizeof(v4_prefix));
	for (size_t i = 0; i < words; i++) {
		char word[9] = "";
		uint32_t raw;

		memcpy(word, text + i * 8, 8);
		raw = (uint32_t)strtoul(word, NULL, 16);
		memcpy(out + (words == 1 ? 12 : i * 4), &raw, sizeof(raw));
	}
	return true;
}

bool sock_tcp_parse(struct sock_tcp *out, const char *line)
{
	char local[40], remote[40];

	*out = (struct sock_tcp){ 0 };
	/* sl local remote state tx:rx tr:when retransmits uid timeout inode */
	return sscanf(line, " %*u: %39s %39s %x %" SCNx32 ":%*x %*s %*s %*s %*s %" SCNu64, local,
		      remote, &out->state, &out->unsent_bytes, &out->inode) == 5 &&
	       take_address(local, out->local, &out->local_port) &&
	       take_address(remote, out->remote, &out->remote_port);
}

bool sock_unix_parse(struct sock_unix *out, const char *line)
{
	unsigned int flags;
	int at = 0;

	*out = (struct sock_unix){ 0 };
	/* Num RefCount Protocol Flags Type St Inode Path */
	if (sscanf(line, "%*x: %*x %*x %x %*x %*x %" SCNu64 "%n", &flags, &out->inode, &at) != 2)
		return false;
	out->listens = flags & 0x10000; /* __SO_ACCEPTCON */
	if (line[at] == ' ')
		snprintf(out->path, sizeof(out->path), "%s", line + at + 1);
	return true;
}

/* --- the other end --------------------------------------------------------- */

static int take_sockaddr(const struct sockaddr_storage *from, unsigned char out[16], uint16_t *port)
{
	const struct sockaddr_in *v4 = (const void *)from;
	const struct sockaddr_in6 *v6 = (const void *)from;

	if (from->ss_family == AF_INET) {
		memcpy(out, v4_prefix, sizeof(v4_prefix));
		memcpy(out + 12, &v4->sin_addr, 4);
		*port = ntohs(v4->sin_port);
		return 0;
	}
	if (from->ss_family != AF_INET6)
		return -EAFNOSUPPORT;
	memcpy(out, &v6->sin6_addr, 16);
	*port = ntohs(v6->sin6_port);
	return 0;
}

/* The peer's view of a connection swaps its two ends. */
static int find_line(void *ctx, char *line, size_t len)
{
	struct sock_tcp *want = ctx, got;

	(void)len;
	if (!sock_tcp_parse(&got, line) || got.state != TCP_ESTABLISHED || !got.inode ||
	    got.local_port != want->remote_port || got.remote_port != want->local_port ||
	    memcmp(got.local, want->remote, 16) || memcmp(got.remote, want->local, 16))
		return 0;
	want->inode = got.inode;
	return 1;
}

static bool find_in_tables(const char *proc, struct sock_tcp *want)
{
	static const char *const tables[] = { "tcp", "tcp6" };
	char path[64];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "%s/net/%s", proc, tables[i]);
		if (file_lines(path, find_line, want, NULL) == 1)
			return true;
	}
	return false;
}

/* One process of each network namespace will do: all of them show one table. */
static bool find_in_namespaces(const pid_t *pids, size_t count, struct sock_tcp *want)
{
	ino_t *seen = xcalloc(count, sizeof(*seen));
	size_t seen_count = 0;
	bool found = false;

	for (size_t i = 0; i < count && !found; i++) {
		struct stat st;
		char path[64];
		size_t at = 0;

		snprintf(path, sizeof(path), "/proc/%d/ns/net", pids[i]);
		if (stat(path, &st))
			continue;
		while (at < seen_count && seen[at] != st.st_ino)
			at++;
		if (at < seen_count)
			continue;
		seen[seen_count++] = st.st_ino;
		snprintf(path, sizeof(path), "/proc/%d", pids[i]);
		found = find_in_tables(path, want);
	}
	free(seen);
	return found;
}

static pid_t oldest_owner(const pid_t *pids, size_t count, uint64_t inode)
{
	uint64_t start, oldest = UINT64_MAX;
	pid_t owner = 0;

	for (size_t i = 0; i < count; i++) {
		if (sock_files_have(pids[i], inode) != 1 || proc_starttime(pids[i], &start))
			continue;
		if (start < oldest) {
			oldest = start;
			owner = pids[i];
		}
	}
	return owner;
}

/* The two ends of a connected socket, as its own side sees them. */
static int tcp_ends(int fd, struct sock_tcp *out, struct err *err)
{
	struct sockaddr_storage ours = { 0 }, theirs = { 0 };
	socklen_t len = sizeof(ours);
	int ret;

	*out = (struct sock_tcp){ 0 };
	if (getsockname(fd, (struct sockaddr *)&ours, &len))
		return err_set(err, -errno, "sock: file %d: %s", fd, strerror(errno));
	len = sizeof(theirs);
	if (getpeername(fd, (struct sockaddr *)&theirs, &len))
		return err_set(err, -errno, "sock: not connected: %s", strerror(errno));
	ret = take_sockaddr(&ours, out->local, &out->local_port);
	if (!ret)
		ret = take_sockaddr(&theirs, out->remote, &out->remote_port);
	return ret ? err_set(err, ret, "sock: neither a unix nor a TCP socket") : 0;
}

static int tcp_peer(int fd, pid_t *out, struct err *err)
{
	struct sock_tcp want;
	pid_t *pids;
	size_t count;
	int ret = tcp_ends(fd, &want, err);

	if (!ret)
		ret = proc_pids(&pids, &count, err);
	if (ret)
		return ret;
	*out = 0;
	if (find_in_tables("/proc/thread-self", &want) || find_in_namespaces(pids, count, &want))
		*out = oldest_owner(pids, count, want.inode);
	free(pids);
	if (*out)
		return 0;
	if (want.inode && proc_sees_all())
		return err_set(err, -EACCES,
			       "sock: no process found that owns port %u; run as root",
			       want.remote_port);
	if (want.inode)
		return err_set(err, -ENOENT, "sock: port %u belongs to no process %s",
			       want.remote_port, proc_seen_where());
	return err_set(err, -ENOENT,
		       "sock: port %u belongs to no process of this host, or to one behind address "
		       "translation; run redmem where the server runs",
		       want.remote_port);
}

/* One unix socket by its inode, together with its peer's; @inode 0: all, and what waits in them. */
static struct unix_diag_req unix_question(uint32_t inode)
{
	return (struct unix_diag_req){ .sdiag_family = AF_UNIX,
				       .udiag_states = UINT32_MAX,
				       .udiag_ino = inode,
				       .udiag_show = UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN,
				       .udiag_cookie = { UINT32_MAX, UINT32_MAX } }; /* any */
}

struct unix_socket {
	uint32_t inode, peer; /* 0 = none */
	uint32_t unread_bytes; /* sent by it and not yet taken by its peer */
};

/* A message of the kernel's answer; false when it is too short. */
static bool unix_answer(const struct nlmsghdr *head, struct unix_socket *out)
{
	const struct unix_diag_msg *message = NLMSG_DATA(head);
	struct unix_diag_rqlen waits = { 0 };
	struct rtattr *attribute;
	size_t left;

	*out = (struct unix_socket){ 0 };
	if (head->nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
		return false;
	out->inode = message->udiag_ino;
	attribute = (struct rtattr *)(message + 1);
	left = head->nlmsg_len - NLMSG_LENGTH(sizeof(*message));
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type == UNIX_DIAG_PEER &&
		    RTA_PAYLOAD(attribute) >= sizeof(out->peer))
			memcpy(&out->peer, RTA_DATA(attribute), sizeof(out->peer));
		else if (attribute->rta_type == UNIX_DIAG_RQLEN &&
			 RTA_PAYLOAD(attribute) >= sizeof(waits))
			memcpy(&waits, RTA_DATA(attribute), sizeof(waits));
	}
	if (message->udiag_state != TCP_LISTEN) /* there it is the length of its queue */
		out->unread_bytes = waits.udiag_wqueue;
	return true;
}

static void take_peer(void *ctx, const struct nlmsghdr *head)
{
	struct unix_socket found;

	if (unix_answer(head, &found))
		*(uint64_t *)ctx = found.peer;
}

/* The accepted socket at the other end of @fd; 0 where the kernel does not tell. */
static uint64_t unix_peer_inode(int fd)
{
	struct unix_diag_req ask;
	uint64_t peer = 0;
	struct stat st;

	if (fstat(fd, &st))
		return 0;
	ask = unix_question((uint32_t)st.st_ino);
	return sock_diag_one(&ask, sizeof(ask), take_peer, &peer) ? 0 : peer;
}

/* Who called listen(): not always who accepts (socket activation). */
static int unix_listener_pid(int fd, pid_t *out, struct err *err)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return err_set(err, -errno, "sock: SO_PEERCRED: %s", strerror(errno));
	/* 0: it lives outside of our pid namespace; -1: not connected. */
	if (peer.pid <= 0)
		return err_set(err, -ENOENT,
			       "sock: the server is in a pid namespace that cannot be "
			       "seen from here; run redmem on the host");
	*out = peer.pid;
	return 0;
}

static int unix_peer(int fd, pid_t *out, struct err *err)
{
	uint64_t inode = unix_peer_inode(fd);
	pid_t *pids, owner;
	size_t count;
	int ret = unix_listener_pid(fd, out, err);

	if (ret || !inode || sock_files_have(*out, inode) == 1 || proc_pids(&pids, &count, NULL))
		return ret;
	owner = oldest_owner(pids, count, inode);
	if (owner)
		*out = owner;
	free(pids);
	return 0;
}

static bool is_unix(int fd)
{
	struct sockaddr_storage ours = { 0 };
	socklen_t len = sizeof(ours);

	return !getsockname(fd, (struct sockaddr *)&ours, &len) && ours.ss_family == AF_UNIX;
}

int sock_peer_pid(int fd, pid_t *out, struct err *err)
{
	return is_unix(fd) ? unix_peer(fd, out, err) : tcp_peer(fd, out, err);
}

/* Where the accepted socket's inode cannot be told: 1 when @pid called listen(), else 0. */
static int listens_itself(int fd, pid_t pid)
{
	pid_t listener;

	return !unix_listener_pid(fd, &listener, NULL) && listener == pid;
}

static int tcp_is_with(int fd, pid_t pid, struct err *err)
{
	struct sock_tcp want;
	char proc[32];
	int ret = tcp_ends(fd, &want, err);

	snprintf(proc, sizeof(proc), "/proc/%d", pid);
	if (ret)
		return ret;
	return find_in_tables(proc, &want) ? sock_files_have(pid, want.inode) : 0;
}

int sock_check_peer(int fd, pid_t pid, struct err *err)
{
	uint64_t inode = is_unix(fd) ? unix_peer_inode(fd) : 0;
	int ret;

	if (!is_unix(fd))
		ret = tcp_is_with(fd, pid, err);
	else
		ret = inode ? sock_files_have(pid, inode) : listens_itself(fd, pid);
	if (ret == 1)
		return 0;
	if (!ret)
		return err_set(err, -EPERM, "sock: process %d is not at the other end", pid);
	return err_set(err, ret, "sock: open files of process %d: %s; run as root", pid,
		       strerror(-ret));
}

void sock_own_address(int fd, char *out, size_t size)
{
	struct sockaddr_storage ours = { 0 };
	socklen_t len = sizeof(ours);
	char host[64], port[8];

	*out = '\0';
	if (getsockname(fd, (struct sockaddr *)&ours, &len) || ours.ss_family == AF_UNIX ||
	    getnameinfo((struct sockaddr *)&ours, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV))
		return;
	snprintf(out, size, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

struct connections {
	uint16_t port;
	int64_t count;
};

static int connection_line(void *ctx, char *line, size_t len)
{
	struct connections *c = ctx;
	struct sock_tcp tcp;

	(void)len;
	if (sock_tcp_parse(&tcp, line) && tcp.state == TCP_ESTABLISHED && tcp.local_port == c->port)
		c->count++;
	return 0;
}

int64_t sock_connections(pid_t pid, uint16_t port)
{
	static const char *const tables[] = { "tcp", "tcp6" };
	struct connections c = { port, 0 };
	char path[64];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/net/%s", pid, tables[i]);
		file_lines(path, connection_line, &c, NULL);
	}
	return c.count;
}

struct unread {
	uint16_t port;
	int64_t least;
	struct sock_unread *out;
	size_t count, max;
};

/* As CLIENT LIST writes it. */
static void write_remote(char out[64], const struct sock_tcp *tcp)
{
	bool v4 = !memcmp(tcp->remote, v4_prefix, sizeof(v4_prefix));
	char host[INET6_ADDRSTRLEN] = "";

	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? tcp->remote + 12 : tcp->remote, host, sizeof(host));
	snprintf(out, 64, v4 ? "%s:%u" : "[%s]:%u", host, tcp->remote_port);
}

/* The place of one that so much waits for; NULL when others have more. */
static struct sock_unread *unread_place(struct unread *u, int64_t bytes)
{
	size_t at = u->count;

	while (at > 0 && u->out[at - 1].unsent_bytes < bytes)
		at--;
	if (at == u->max || bytes < u->least)
		return NULL;
	if (u->count < u->max)
		u->count++;
	memmove(&u->out[at + 1], &u->out[at], (u->count - at - 1) * sizeof(*u->out));
	u->out[at].unsent_bytes = bytes;
	return &u->out[at];
}

static int unread_line(void *ctx, char *line, size_t len)
{
	struct unread *u = ctx;
	struct sock_unread *place;
	struct sock_tcp tcp;

	(void)len;
	if (!sock_tcp_parse(&tcp, line) || tcp.state != TCP_ESTABLISHED ||
	    tcp.local_port != u->port)
		return 0;
	place = unread_place(u, tcp.unsent_bytes);
	if (place)
		write_remote(place->address, &tcp);
	return 0;
}

size_t sock_unread_list(pid_t pid, uint16_t port, int64_t least, struct sock_unread *out,
			size_t max)
{
	static const char *const tables[] = { "tcp", "tcp6" };
	struct unread u = { port, least, out, 0, max };
	char path[64];

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), "/proc/%d/net/%s", pid, tables[i]);
		file_lines(path, unread_line, &u, NULL);
	}
	return u.count;
}

/* --- the same of unix sockets --------------------------------------------------- */

struct unix_unread {
	struct unread unread;
	struct sock_file *files; /* the process's sockets */
	size_t files_count;
};

static void unix_unread_take(void *ctx, const struct nlmsghdr *head)
{
	struct unix_unread *u = ctx;
	struct unix_socket found;
	struct sock_unread *place;

	if (!unix_answer(head, &found) || !found.peer ||
	    !sock_files_find(u->files, u->files_count, found.inode))
		return;
	place = unread_place(&u->unread, found.unread_bytes);
	if (place) /* who that is costs a walk over all processes, and comes last */
		snprintf(place->address, sizeof(place->address), "%u", found.peer);
}

/* Whose the other ends are, in place of their inodes. */
static void unix_unread_name(struct sock_unread *out, size_t count)
{
	pid_t *pids = NULL;
	size_t pids_count = 0;

	if (!count || proc_pids(&pids, &pids_count, NULL))
		return;
	for (size_t i = 0; i < count; i++) {
		pid_t owner = oldest_owner(pids, pids_count, strtoull(out[i].address, NULL, 10));
		struct buf comm = { 0 };
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/comm", owner);
		if (owner && !file_read(path, 64, &comm, NULL) && comm.len)
			snprintf(out[i].address, sizeof(out[i].address), "process %d (%.*s)", owner,
				 (int)strcspn(buf_str(&comm), "\n"), buf_str(&comm));
		else
			snprintf(out[i].address, sizeof(out[i].address),
				 "a unix socket of no process here");
		buf_free(&comm);
	}
	free(pids);
}

size_t sock_unread_unix(pid_t pid, int64_t least, struct sock_unread *out, size_t max)
{
	struct unix_unread u = { .unread = { 0, least, out, 0, max } };
	const struct unix_diag_req ask = unix_question(0);

	if (sock_files_list(pid, &u.files, &u.files_count))
		return 0;
	sock_diag_each(&ask, sizeof(ask), unix_unread_take, &u);
	free(u.files);
	unix_unread_name(out, u.unread.count);
	return u.unread.count;
}
