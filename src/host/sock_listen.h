/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process listens on. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "host/sock_files.h"

struct sock_listener {
	int family; /* AF_INET, AF_INET6, AF_UNIX */
	int port; /* 0 for AF_UNIX */
	char address[48]; /* "127.0.0.1", "::"; "" for AF_UNIX */
	char path[109]; /* in the process's own file system; "" for TCP */
	struct sock_file file; /* the listening socket */
};

/*
 * TCP ports and unix sockets @pid listens on, in the order of the kernel's tables.
 * *@out is the caller's to free().
 *
 * TCP of redmem's own network namespace by sock_diag, which walks the listening sockets alone: the
 * text of /proc/PID/net/tcp has the connections too, and the kernel walks a hash of hundreds of
 * thousands of places for them, 8 ms for tcp and tcp6 on a host with 21 GiB and ten connections.
 * To ask in another namespace takes CAP_SYS_ADMIN, so there it is the text.
 */
int sock_listeners(pid_t pid, struct sock_listener **out, size_t *count, struct err *err);
