/* SPDX-License-Identifier: BSD-2-Clause */
/* Which process is behind a socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* A line of /proc/PID/net/tcp or tcp6. Addresses are IPv6, IPv4 ones mapped
 * (::ffff:a.b.c.d), so that both files compare. Ports in host order. */
struct sock_tcp {
	unsigned char local[16];
	unsigned char remote[16];
	uint16_t local_port;
	uint16_t remote_port;
	unsigned int state; /* TCP_ESTABLISHED is 1, TCP_LISTEN 10 */
	uint32_t unsent_bytes; /* written to it, and not taken by the other end */
	uint64_t inode;
};

/* A line of /proc/PID/net/unix. */
struct sock_unix {
	bool listens;
	uint64_t inode;
	char path[109]; /* as its owner bound it; "@name" when abstract; may be "" */
};

/* False when the line is none (the heading, a truncated one). */
bool sock_tcp_parse(struct sock_tcp *out, const char *line);
bool sock_unix_parse(struct sock_unix *out, const char *line);

/*
 * The process at the other end of the connected socket @fd.
 *
 * TCP: found by both addresses in the tables of every network namespace, then by
 * the inode among the open files of all processes. Unix: by the inode of the
 * accepted socket (sock_diag), where that cannot be told by who called listen().
 * The oldest of several, as children of fork() hold the socket too. That needs root
 * for processes of others.
 *
 * -ENOENT when it is not on this host or behind address translation.
 */
int sock_peer_pid(int fd, pid_t *out, struct err *err);

/*
 * Is @pid at the other end of the connected socket @fd, which has answered already?
 * Until the other side has called accept() its socket is nobody's. Looks at the open
 * files of @pid only. 0 when it is, -EPERM when it is not, -EACCES without the right
 * to look, -ESRCH or -ENOENT when it is gone.
 */
int sock_check_peer(int fd, pid_t pid, struct err *err);

/* "10.0.0.1:40500", "[::1]:40500": this end of a TCP connection; "" of another socket. */
void sock_own_address(int fd, char *out, size_t size);

/* Connections to TCP port @port of the network @pid lives in, by the kernel's table of it; 0 when
 * that cannot be read. */
int64_t sock_connections(pid_t pid, uint16_t port);

/* The other end of a connection that does not read. */
struct sock_unread {
	char address[64]; /* "10.0.0.7:51234", "[::1]:51234"; "process 812 (python3)" */
	int64_t unsent_bytes;
};

/* Of the connections to TCP port @port, as above, those for which @least bytes or more wait in
 * the kernel: at most @max, the largest first. Returns how many. */
size_t sock_unread_list(pid_t pid, uint16_t port, int64_t least, struct sock_unread *out,
			size_t max);

/*
 * Likewise of all unix sockets @pid has open, in redmem's own network namespace: the other end
 * is named by the process that has it. None where the kernel does not tell (CONFIG_UNIX_DIAG).
 */
size_t sock_unread_unix(pid_t pid, int64_t least, struct sock_unread *out, size_t max);
