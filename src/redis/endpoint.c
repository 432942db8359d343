/* SPDX-License-Identifier: BSD-2-Clause */
/* How an endpoint is named, and why it is not reached; see endpoint.h. */
#include "redis/endpoint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void endpoint_name(char *name, size_t size, const struct conn_options *options)
{
	const char *host = options->host ? options->host : "127.0.0.1";
	bool v6 = strchr(host, ':');

	if (options->socket_path)
		snprintf(name, size, "%s", options->socket_path);
	else
		snprintf(name, size, "%s%s%s:%d", v6 ? "[" : "", host, v6 ? "]" : "",
			 options->port ? options->port : 6379);
}

/* What a person can do about it. */
static const char *next_step(int code)
{
	switch (code) {
	case -ECONNREFUSED:
		return "nothing listens there: check -h, -p or -s, and that the server runs";
	case -ENOENT:
		return "check the path given with -s";
	case -EACCES:
	case -EPERM:
		return "run redmem as root or as the server's user";
	case -ECONNRESET:
		return "did the server exit or restart, or does this port need --tls?";
	case -EPROTO:
		return "is it a redis-server, and does this port need --tls?";
	default:
		return "check that the server runs and can be reached from here";
	}
}

int endpoint_error(const char *name, int code, struct err *err)
{
	return err_set(err, code, "connection: %s: %s; %s", name, strerror(-code), next_step(code));
}
