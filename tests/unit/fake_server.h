/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server for tests: a thread on a unix socket that takes one client at a time
 * and answers each request by rule, whole or in pieces, or not at all.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct fake_rule {
	const char *request; /* how it begins, in any case; words joined by a space */
	const char *reply; /* protocol text; "" = none */
	bool close; /* then hang up */
};

struct fake_server;

/*
 * @rules end with a NULL request; the first that fits counts, without one the
 * answer is "-ERR unknown command". @chunk: bytes a write (0 = all at once).
 * @hello is sent, and the connection closed, as soon as a client connects; NULL
 * = serve it. Rules are borrowed.
 */
struct fake_server *fake_server_start(const struct fake_rule *rules, size_t chunk,
				      const char *hello);
/* Before a client comes: a request that begins with @request (borrowed) is answered after @ms
 * (below 1000), and meanwhile nobody is. */
void fake_server_stall(struct fake_server *server, const char *request, unsigned int ms);
const char *fake_server_path(const struct fake_server *server);
/* After the client is closed. Returns the requests seen, a line each, to be freed. */
char *fake_server_stop(struct fake_server *server);
