/* SPDX-License-Identifier: BSD-2-Clause */
/* Listening; see web_listen.h. */
#define _GNU_SOURCE 1 /* SOCK_CLOEXEC */
#include "app/web_listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/proc.h"
#include "host/sock_listen.h"

#define BACKLOG 1024

/* --- who has it already ----------------------------------------------------------------- */

static bool listens_on(pid_t pid, uint16_t port, const char *path)
{
	struct sock_listener *list = NULL;
	size_t count = 0;
	bool found = false;

	/* A port of another network is no matter. */
	if ((!path && !proc_same_net(pid)) || sock_listeners(pid, &list, &count, NULL))
		return false;
	for (size_t i = 0; i < count && !found; i++)
		found = path ? list[i].family == AF_UNIX && !strcmp(list[i].path, path) :
			       list[i].family != AF_UNIX && list[i].port == port;
	free(list);
	return found;
}

static int taken(const char *where, uint16_t port, const char *path, struct err *err)
{
	char comm[PROC_COMM_SIZE] = "";
	pid_t *pids = NULL, holder = 0;
	size_t count = 0;

	proc_pids(&pids, &count, NULL);
	for (size_t i = 0; i < count && !holder; i++)
		if (pids[i] != getpid() && listens_on(pids[i], port, path) &&
		    !proc_comm(pids[i], pids[i], comm))
			holder = pids[i];
	free(pids);
	if (!holder)
		return err_set(
			err, -EADDRINUSE,
			"web: %s is taken, by a process that cannot be seen from here; listen "
			"elsewhere with --listen",
			where);
	return err_set(err, -EADDRINUSE,
		       "web: %s is taken by %s (process %d); end that, or listen elsewhere with "
		       "--listen",
		       where, comm, (int)holder);
}

static int failed(const char *where, uint16_t port, const char *path, struct err *err)
{
	int code = errno;
	const char *help = code == EACCES	 ? "; ports below 1024 take root" :
			   code == EADDRNOTAVAIL ? "; this host has no such address" :
						   "";

	if (code == EADDRINUSE)
		return taken(where, port, path, err);
	return err_set(err, -code, "web: cannot listen on %s: %s%s", where, strerror(code),
		       path ? "" : help);
}

/* --- unix sockets ----------------------------------------------------------------------- */

/* A socket of a process that is gone is in the way. */
static void remove_stale(const struct sockaddr_un *address)
{
	struct stat st;
	int fd;

	if (lstat(address->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) &&
	    errno == ECONNREFUSED)
		unlink(address->sun_path);
	close(fd);
}

static int listen_unix(struct web_listener *out, const char *where, const char *path,
		       struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if (!len || len >= sizeof(address.sun_path))
		return err_set(err, -EINVAL,
			       "web: %s: the path of a unix socket has 1 to 107 characters", where);
	memcpy(address.sun_path, path, len);
	remove_stale(&address);
	out->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (out->fd < 0 || bind(out->fd, (struct sockaddr *)&address, sizeof(address)))
		return failed(where, 0, path, err);
	out->path = xstrdup(path);
	if (chmod(path, 0666) || listen(out->fd, BACKLOG))
		return failed(where, 0, path, err);
	return 0;
}

/* --- TCP -------------------------------------------------------------------------------- */

/* "[HOST]:PORT" or "HOST:PORT" in its two parts. */
static bool split(const char *where, char host[64], char port[8])
{
	const char *colon = strrchr(where, ':');
	size_t len;

	if (!colon || strlen(colon + 1) > 5 || !colon[1] ||
	    strspn(colon + 1, "0123456789") != strlen(colon + 1) || atoi(colon + 1) > 65535)
		return false;
	snprintf(port, 8, "%s", colon + 1);
	len = (size_t)(colon - where);
	if (len >= 2 && where[0] == '[' && where[len - 1] == ']') {
		where++;
		len -= 2;
	} else if (memchr(where, ':', len)) {
		return false; /* an IPv6 address without its brackets */
	}
	if (len >= 64)
		return false;
	snprintf(host, 64, "%.*s", (int)len, where);
	if (!strcmp(host, "localhost"))
		strcpy(host, "127.0.0.1");
	return true;
}

static int open_tcp(const struct addrinfo *address)
{
	const int yes = 1, no = 0;
	int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int code;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (address->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (!bind(fd, address->ai_addr, address->ai_addrlen) && !listen(fd, BACKLOG))
		return fd;
	code = errno;
	close(fd);
	errno = code;
	return -1;
}

static int listen_tcp(struct web_listener *out, const char *where, struct err *err)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				  .ai_socktype = SOCK_STREAM },
			*list = NULL;
	struct sockaddr_storage bound = {};
	socklen_t len = sizeof(bound);
	char host[64] = "", port[8] = "";
	bool all;

	if (!split(where, host, port))
		return err_set(err, -EINVAL,
			       "web: \"%s\" is no address to listen on; write ADDRESS:PORT, "
			       "[ADDRESS]:PORT, :PORT or unix:PATH",
			       where);
	all = !*host || !strcmp(host, "*");
	if (getaddrinfo(all ? "::" : host, port, &hints, &list))
		return err_set(
			err, -EINVAL,
			"web: \"%s\": the address is to be a number, such as 127.0.0.1 or ::1",
			where);
	out->fd = open_tcp(list);
	freeaddrinfo(list);
	if (out->fd < 0 && all && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) &&
	    !getaddrinfo("0.0.0.0", port, &hints, &list)) { /* a host without IPv6 */
		out->fd = open_tcp(list);
		freeaddrinfo(list);
	}
	if (out->fd < 0)
		return failed(where, (uint16_t)atoi(port), NULL, err);
	getsockname(out->fd, (struct sockaddr *)&bound, &len);
	out->port = ntohs(bound.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&bound)->sin6_port :
							((struct sockaddr_in *)&bound)->sin_port);
	return 0;
}

static bool is_address(const char *where)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	char host[64] = "", port[8] = "";
	size_t path = strlen(where) - 5;

	if (!strncmp(where, "unix:", 5))
		return path && path < sizeof(((struct sockaddr_un *)0)->sun_path);
	if (!split(where, host, port))
		return false;
	if (!*host || !strcmp(host, "*"))
		return true;
	if (getaddrinfo(host, port, &hints, &list))
		return false;
	freeaddrinfo(list);
	return true;
}

bool web_are_addresses(const char *text)
{
	char *words = xstrdup(text), *rest = NULL, *word = strtok_r(words, " \t", &rest);
	bool good = word != NULL;

	for (; word; word = strtok_r(NULL, " \t", &rest))
		good = good && is_address(word);
	free(words);
	return good;
}

int web_listen(struct web_listener *out, const char *where, struct err *err)
{
	int ret;

	*out = (struct web_listener){ .fd = -1 };
	if (!strncmp(where, "unix:", 5))
		ret = listen_unix(out, where, where + 5, err);
	else
		ret = listen_tcp(out, where, err);
	if (ret)
		web_listen_end(out);
	return ret;
}

void web_listen_end(struct web_listener *listener)
{
	if (listener->fd >= 0)
		close(listener->fd);
	if (listener->path)
		unlink(listener->path); /* where that is allowed; the next one replaces it */
	free(listener->path);
	*listener = (struct web_listener){ .fd = -1 };
}
