/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets and their processes; see sock.h. */
#define _GNU_SOURCE
#include "host/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
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
	return sscanf(line, " %*u: %39s %39s %x %*s %*s %*s %*s %*s %" SCNu64, local, remote,
		      &out->state, &out->inode) == 4 &&
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
		if (!sock_files_has(pids[i], inode) || proc_starttime(pids[i], &start))
			continue;
		if (start < oldest) {
			oldest = start;
			owner = pids[i];
		}
	}
	return owner;
}

static int tcp_peer(const struct sockaddr_storage *ours, int fd, pid_t *out, struct err *err)
{
	struct sockaddr_storage theirs = { 0 };
	socklen_t len = sizeof(theirs);
	struct sock_tcp want = { 0 };
	pid_t *pids;
	size_t count;
	int ret;

	if (getpeername(fd, (struct sockaddr *)&theirs, &len))
		return err_set(err, -errno, "sock: not connected: %s", strerror(errno));
	ret = take_sockaddr(ours, want.local, &want.local_port);
	if (!ret)
		ret = take_sockaddr(&theirs, want.remote, &want.remote_port);
	if (ret)
		return err_set(err, ret, "sock: neither a unix nor a TCP socket");
	ret = proc_pids(&pids, &count, err);
	if (ret)
		return ret;
	*out = 0;
	if (find_in_tables("/proc/thread-self", &want) || find_in_namespaces(pids, count, &want))
		*out = oldest_owner(pids, count, want.inode);
	free(pids);
	if (*out)
		return 0;
	if (want.inode)
		return err_set(err, -EACCES,
			       "sock: no process found that owns port %u; run as root",
			       want.remote_port);
	return err_set(err, -ENOENT,
		       "sock: port %u belongs to no process of this host, or to one behind address "
		       "translation; run redmem where the server runs",
		       want.remote_port);
}

int sock_peer_pid(int fd, pid_t *out, struct err *err)
{
	struct sockaddr_storage ours = { 0 };
	socklen_t len = sizeof(ours);
	struct ucred peer;

	if (getsockname(fd, (struct sockaddr *)&ours, &len))
		return err_set(err, -errno, "sock: file %d: %s", fd, strerror(errno));
	if (ours.ss_family != AF_UNIX)
		return tcp_peer(&ours, fd, out, err);
	len = sizeof(peer);
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
