/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the web side listens. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct web_listener {
	int fd; /* non-blocking, listening; -1 = none */
	uint16_t port; /* 0: a unix socket */
	char *path; /* of a unix socket, else NULL */
};

/*
 * Listen at @where: "127.0.0.1:9122", "localhost:9122", "[::1]:9122", ":9122" (all addresses,
 * IPv6 and IPv4), "unix:/run/redmem/web.sock". Port 0 is any that is free. A unix socket may be
 * used by everybody who may enter its folder; one that nobody listens on any more is replaced.
 *
 * -EINVAL: that is no address. -EADDRINUSE, -EACCES, -EADDRNOTAVAIL...: the line says what to do.
 */
int web_listen(struct web_listener *out, const char *where, struct err *err);
/* Are they such addresses, at least one, with blanks between? Nothing is opened: whether this host
 * has them is seen by who listens. */
bool web_are_addresses(const char *text);
/* Close it; a unix socket goes. */
void web_listen_end(struct web_listener *listener);
