/* SPDX-License-Identifier: BSD-2-Clause */
/* Who is connected; see web_caller.h. */
#define _GNU_SOURCE 1 /* POLLRDHUP */
#include "app/web_caller.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/clock.h"

/* --- who comes and goes ------------------------------------------------------------------ */

/* FNV-1a of the address alone: the port is another each time. */
static uint64_t hash_address(const struct sockaddr *address)
{
	const unsigned char *bytes = NULL;
	size_t len = 0;
	uint64_t hash = 14695981039346656037u;

	if (address->sa_family == AF_INET) {
		bytes = (const unsigned char *)&((const struct sockaddr_in *)address)->sin_addr;
		len = 4;
	} else if (address->sa_family == AF_INET6) {
		bytes = (const unsigned char *)&((const struct sockaddr_in6 *)address)->sin6_addr;
		len = 16;
	}
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 1099511628211u;
	return hash ^ hash >> 32;
}

void web_caller_comes(struct web_callers *all, struct MHD_Connection *connection, void **context)
{
	struct web_caller *caller = xcalloc(1, sizeof(*caller));

	caller->all = all;
	caller->connection = connection;
	caller->fd =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	caller->who =
		hash_address(MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
				     ->client_addr);
	caller->since_ns = clock_mono_ns();
	caller->next = all->first;
	if (caller->next)
		caller->next->previous = caller;
	all->first = caller;
	all->count++;
	*context = caller;
}

void web_caller_goes(struct web_caller *caller)
{
	if (caller->next)
		caller->next->previous = caller->previous;
	*(caller->previous ? &caller->previous->next : &caller->all->first) = caller->next;
	caller->all->count--;
	free(caller);
}

struct web_caller *web_caller_of(struct MHD_Connection *connection)
{
	return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
		->socket_context;
}

/* --- who waits --------------------------------------------------------------------------- */

enum MHD_Result web_caller_suspend(struct web_caller *caller, enum web_waiting what)
{
	caller->waiting = what;
	caller->all->waiting++;
	MHD_suspend_connection(caller->connection);
	return MHD_YES;
}

void web_caller_resume(struct web_caller *caller)
{
	caller->waiting = WAITS_NOT;
	caller->all->waiting--;
	caller->since_ns = clock_mono_ns();
	MHD_resume_connection(caller->connection);
}

struct web_caller *web_caller_waiting(const struct web_callers *all, enum web_waiting what,
				      const void *job)
{
	struct web_caller *caller = all->first;

	while (caller && (caller->waiting != what ||
			  (what == WAITS_CHECK && (const void *)caller->check != job) ||
			  (what == WAITS_REPORT && (const void *)caller->report != job)))
		caller = caller->next;
	return caller;
}

/* --- who is cut off ---------------------------------------------------------------------- */

void web_callers_cut_slow(const struct web_callers *all, int64_t now_ns)
{
	for (struct web_caller *caller = all->first; caller; caller = caller->next)
		if (!caller->waiting && now_ns - caller->since_ns >= all->slow_ns)
			shutdown(caller->fd, SHUT_RDWR); /* libmicrohttpd sees it, and closes */
}

/*
 * Who sent a part of a request and left would keep a place until he counts as idle, and hundreds
 * of them everybody out: where the end comes with the part, libmicrohttpd waits for another edge
 * of its epoll (connection.c takes a short recv() for the last that is there). Whoever only has
 * nothing more to ask (shutdown(), nc -N) was seen with a whole request.
 */
void web_callers_cut_left(const struct web_callers *all)
{
	struct pollfd fds[WEB_CALLERS_MAX];
	nfds_t count = 0;

	for (struct web_caller *caller = all->first; caller; caller = caller->next)
		if (!caller->waiting && !caller->seen && count < WEB_CALLERS_MAX)
			fds[count++] = (struct pollfd){ .fd = caller->fd, .events = POLLRDHUP };
	if (poll(fds, count, 0) <= 0)
		return;
	for (nfds_t i = 0; i < count; i++) {
		int unread = 0;

		if (fds[i].revents && !ioctl(fds[i].fd, FIONREAD, &unread) && !unread)
			shutdown(fds[i].fd, SHUT_RDWR);
	}
}

int web_callers_wait_ms(const struct web_callers *all)
{
	int64_t now_ns = clock_mono_ns(), least = -1;

	for (const struct web_caller *caller = all->first; caller; caller = caller->next) {
		/* A millisecond more: not a moment before it is over. */
		int64_t left = (caller->since_ns + all->slow_ns - now_ns) / 1000000 + 1;

		if (!caller->waiting && (least < 0 || left < least))
			least = left > 0 ? left : 0;
	}
	return (int)least;
}
