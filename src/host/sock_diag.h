/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's own account of the sockets of redmem's network namespace (sock_diag(7)): unlike
 * /proc/net it can be asked for some of them, and then walks no others.
 */
#pragma once

#include <stddef.h>

#include <linux/netlink.h>

/*
 * Ask for all sockets that @ask (an unix_diag_req, an inet_diag_req_v2; of @bytes) describes, and
 * hand each message of the answer to @take. 0 after the last one; a negative errno where the kernel
 * does not tell (CONFIG_INET_DIAG, CONFIG_UNIX_DIAG), or not all.
 */
int sock_diag_each(const void *ask, size_t bytes,
		   void (*take)(void *ctx, const struct nlmsghdr *message), void *ctx);
/* The same for the one socket that @ask names. */
int sock_diag_one(const void *ask, size_t bytes,
		  void (*take)(void *ctx, const struct nlmsghdr *message), void *ctx);
