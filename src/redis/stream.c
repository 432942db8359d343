/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket of a connection; see stream.h. A server in a container is reached where it
 * listens: TCP from inside its network namespace, a unix socket below its root. A socket
 * stays for life in the namespace it was created in, and setns() moves only the calling
 * thread (setns(2)).
 */
#define _GNU_SOURCE 1 /* setns() */
#include "redis/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/thread.h"
#include "host/proc.h"
#include "redis/tls.h"

/* A name that is being looked up: getaddrinfo() cannot be interrupted, so it has a thread
 * of its own, and whoever of the two lets go last frees it. */
struct lookup {
	char host[256], port[8];
	struct addrinfo *found;
	int error; /* of getaddrinfo() */
	int done; /* eventfd: readable when the thread has finished */
	atomic_int users;
};

enum step { LOOKING_UP, CONNECTING, HANDSHAKE, OPEN };

struct stream {
	enum step step;
	char name[256];
	struct lookup *lookup;
	struct addrinfo *found, *at; /* addresses, and the one being tried */
	pid_t netns_pid;
	int fd;
	struct tls *tls; /* NULL = plain */
};

/* --- names --------------------------------------------------------------------- */

static void lookup_release(struct lookup *lookup)
{
	if (!lookup || atomic_fetch_sub(&lookup->users, 1) > 1)
		return;
	if (lookup->found)
		freeaddrinfo(lookup->found);
	close(lookup->done);
	free(lookup);
}

static void *look_up(void *ctx)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct lookup *lookup = ctx;
	uint64_t one = 1;

	lookup->error = getaddrinfo(lookup->host, lookup->port, &hints, &lookup->found);
	if (write(lookup->done, &one, sizeof(one)) < 0)
		lookup->error = EAI_SYSTEM; /* an eventfd takes it, always */
	lookup_release(lookup);
	return NULL;
}

static int start_thread(struct lookup *lookup)
{
	pthread_t thread;
	int error = thread_start(&thread, look_up, lookup);

	if (!error)
		pthread_detach(thread);
	return -error;
}

static int lookup_start(struct stream *stream, const char *host, const char *port, struct err *err)
{
	struct lookup *lookup = xcalloc(1, sizeof(*lookup));
	int rc;

	snprintf(lookup->host, sizeof(lookup->host), "%s", host);
	snprintf(lookup->port, sizeof(lookup->port), "%s", port);
	lookup->users = 2;
	lookup->done = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	rc = lookup->done < 0 ? -errno : start_thread(lookup);
	if (!rc) {
		stream->lookup = lookup;
		stream->step = LOOKING_UP;
		return 0;
	}
	lookup->users = 1;
	lookup_release(lookup);
	return endpoint_error(stream->name, rc, err);
}

static int lookup_error(const struct stream *stream, int error, struct err *err)
{
	return err_set(err, error == EAI_AGAIN ? -EAGAIN : -EADDRNOTAVAIL,
		       "connection: %s: the name cannot be resolved: %s; check -h", stream->name,
		       gai_strerror(error));
}

/* --- connecting ---------------------------------------------------------------- */

static int make_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

struct socket_order {
	const char *netns;
	int family;
	int fd; /* or a negative errno */
};

static void *make_socket_there(void *ctx)
{
	struct socket_order *order = ctx;
	int there = open(order->netns, O_RDONLY | O_CLOEXEC);

	if (there < 0 || setns(there, CLONE_NEWNET))
		order->fd = -errno;
	else
		order->fd = make_socket(order->family);
	if (there >= 0)
		close(there);
	return NULL;
}

/* A socket in the network namespace of @pid (0 = in ours), or a negative errno. A thread
 * goes there, so that there is no way back to fail. */
static int socket_of(pid_t pid, int family)
{
	char path[64];
	struct socket_order order = { path, family, -1 };
	pthread_t thread;
	int error;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)pid);
	if (!pid || proc_same_net(pid)) /* when unreadable, connecting will tell */
		return make_socket(family);
	error = pthread_create(&thread, NULL, make_socket_there, &order);
	if (error)
		return -error;
	pthread_join(thread, NULL);
	return order.fd;
}

/* Begin to connect to one address; 0 also when it takes its time. */
static int connect_one(struct stream *stream, const struct addrinfo *to)
{
	int yes = 1;
	int fd = socket_of(stream->netns_pid, to->ai_family);

	if (fd < 0)
		return fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (connect(fd, to->ai_addr, to->ai_addrlen) && errno != EINPROGRESS) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	stream->fd = fd;
	stream->step = CONNECTING;
	return 0;
}

/* From stream->at on, the first address that lets us begin. */
static int connect_next(struct stream *stream, int rc, struct err *err)
{
	for (; stream->at; stream->at = stream->at->ai_next) {
		rc = connect_one(stream, stream->at);
		if (!rc)
			return 0;
	}
	return endpoint_error(stream->name, rc, err);
}

static int open_tcp(struct stream *stream, const struct conn_options *options, struct err *err)
{
	const struct addrinfo numbers = { .ai_socktype = SOCK_STREAM,
					  .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
	const char *host = options->host ? options->host : "127.0.0.1";
	char port[8];
	int error;

	snprintf(port, sizeof(port), "%u", (uint16_t)(options->port ? options->port : 6379));
	stream->netns_pid = options->netns_pid;
	error = getaddrinfo(host, port, &numbers, &stream->found);
	if (error == EAI_NONAME)
		return lookup_start(stream, host, port, err);
	if (error)
		return lookup_error(stream, error, err);
	stream->at = stream->found;
	return connect_next(stream, -EADDRNOTAVAIL, err);
}

/* A descriptor of the socket's file. Inside another root links are resolved there: what a
 * container put in the place of a socket must not lead to one of ours. */
static int open_path(const struct conn_options *options)
{
	int fd = options->netns_pid ?
			 proc_root_open(options->netns_pid, options->socket_path, O_PATH, NULL) :
			 open(options->socket_path, O_PATH | O_CLOEXEC);

	return fd < 0 && !options->netns_pid ? -errno : fd;
}

/* A path may be longer than an address has room for; that of a descriptor always fits. */
static int connect_path(int path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = make_socket(AF_UNIX);

	if (fd < 0)
		return fd;
	snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		int rc = -errno; /* -EAGAIN: its queue is full */

		close(fd);
		return rc;
	}
	return fd;
}

static int open_unix(struct stream *stream, const struct conn_options *options, struct err *err)
{
	int path = open_path(options);
	int fd;

	if (path < 0)
		return endpoint_error(stream->name, path, err);
	fd = connect_path(path);
	close(path);
	if (fd < 0)
		return endpoint_error(stream->name, fd, err);
	stream->fd = fd;
	stream->step = CONNECTING;
	return 0;
}

/* --- opening, step by step ------------------------------------------------------- */

int stream_open(struct stream **out, const struct conn_options *options, struct err *err)
{
	struct stream *stream = xcalloc(1, sizeof(*stream));
	int rc = 0;

	*out = NULL;
	stream->fd = -1;
	endpoint_name(stream->name, sizeof(stream->name), options);
	if (options->tls) /* first: what is wrong with its files needs no server */
		rc = tls_new(&stream->tls, options, stream->name, err);
	if (!rc)
		rc = options->socket_path ? open_unix(stream, options, err) :
					    open_tcp(stream, options, err);
	if (rc)
		stream_close(stream);
	else
		*out = stream;
	return rc;
}

void stream_close(struct stream *stream)
{
	if (!stream)
		return;
	tls_free(stream->tls);
	lookup_release(stream->lookup);
	if (stream->found)
		freeaddrinfo(stream->found);
	if (stream->fd >= 0)
		close(stream->fd);
	free(stream);
}

int stream_fd(const struct stream *stream)
{
	return stream->step == LOOKING_UP ? stream->lookup->done : stream->fd;
}

int stream_socket(const struct stream *stream)
{
	return stream->fd;
}

short stream_events(const struct stream *stream, bool to_write)
{
	switch (stream->step) {
	case LOOKING_UP:
		return POLLIN;
	case CONNECTING:
		return POLLOUT;
	case HANDSHAKE:
		return tls_events(stream->tls);
	default:
		return (short)(POLLIN | (to_write ? POLLOUT : 0));
	}
}

static bool ready(int fd, short events)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	return poll(&poll_fd, 1, 0) > 0;
}

/* The names are here: on to the first address. */
static int take_lookup(struct stream *stream, struct err *err)
{
	struct lookup *lookup = stream->lookup;
	uint64_t finished;
	int error;

	/* Not until then is what the thread wrote here for sure: poll() alone orders nothing. */
	error = read(lookup->done, &finished, sizeof(finished)) < 0 ? EAI_SYSTEM : lookup->error;
	stream->found = stream->at = lookup->found;
	lookup->found = NULL;
	stream->lookup = NULL;
	lookup_release(lookup);
	return error ? lookup_error(stream, error, err) : connect_next(stream, -ENOENT, err);
}

/* Has the socket been connected? Else on to the next address. */
static int take_connect(struct stream *stream, struct err *err)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (!error) {
		stream->step = stream->tls ? HANDSHAKE : OPEN;
		if (stream->tls)
			tls_start(stream->tls, stream->fd);
		return 0;
	}
	close(stream->fd);
	stream->fd = -1;
	if (stream->at)
		stream->at = stream->at->ai_next;
	return connect_next(stream, -error, err);
}

int stream_advance(struct stream *stream, struct err *err)
{
	int rc = 0;

	if (stream->step == LOOKING_UP && ready(stream->lookup->done, POLLIN))
		rc = take_lookup(stream, err);
	if (!rc && stream->step == CONNECTING && ready(stream->fd, POLLOUT))
		rc = take_connect(stream, err);
	if (!rc && stream->step == HANDSHAKE) {
		rc = tls_handshake(stream->tls, err);
		if (rc == 1)
			stream->step = OPEN;
	}
	return rc < 0 ? rc : stream->step == OPEN;
}

/* --- bytes ------------------------------------------------------------------------- */

static ssize_t take_error(const struct stream *stream, struct err *err)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
		return -EAGAIN;
	return endpoint_error(stream->name, -errno, err);
}

ssize_t stream_read(struct stream *stream, void *bytes, size_t size, struct err *err)
{
	ssize_t got;

	if (stream->tls)
		return tls_read(stream->tls, bytes, size, err);
	got = recv(stream->fd, bytes, size, 0);
	return got < 0 ? take_error(stream, err) : got;
}

ssize_t stream_write(struct stream *stream, const void *bytes, size_t len, struct err *err)
{
	ssize_t put;

	if (stream->tls)
		return tls_write(stream->tls, bytes, len, err);
	put = send(stream->fd, bytes, len, MSG_NOSIGNAL);
	return put < 0 ? take_error(stream, err) : put;
}
