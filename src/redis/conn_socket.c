/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket of a connection. A server in a container is reached where it
 * listens: TCP from inside its network namespace, a unix socket under
 * /proc/PID/root. setns() moves only the calling thread, and only for the moment
 * of creating the socket, which stays in its namespace for life (setns(2)).
 */
#define _GNU_SOURCE 1 /* setns() */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "redis/conn_socket.h"

void conn_socket_name(char *name, size_t size, const struct conn_options *options)
{
	if (options->socket_path)
		snprintf(name, size, "%s", options->socket_path);
	else
		snprintf(name, size, "%s:%d", options->host ? options->host : "127.0.0.1",
			 options->port ? options->port : 6379);
}

void conn_sigpipe_block(struct conn_sigpipe *saved)
{
	sigset_t pipe_set, pending;

	sigemptyset(&pending);
	sigpending(&pending);
	saved->pending = sigismember(&pending, SIGPIPE) == 1;
	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_set, &saved->mask);
}

void conn_sigpipe_restore(const struct conn_sigpipe *saved)
{
	const struct timespec now = { 0 };
	sigset_t pipe_set;

	sigemptyset(&pipe_set);
	sigaddset(&pipe_set, SIGPIPE);
	while (!saved->pending && sigtimedwait(&pipe_set, NULL, &now) < 0 && errno == EINTR)
		;
	pthread_sigmask(SIG_SETMASK, &saved->mask, NULL);
}

/* What a person can do about a failed connect. */
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

int conn_socket_error(const redisContext *redis, const char *name, struct err *err)
{
	int number = errno;
	int code = -EIO;
	const char *reason = redis ? redis->errstr : "out of memory";

	if (redis && redis->err == REDIS_ERR_IO && number)
		code = -number;
	else if (redis && redis->err == REDIS_ERR_EOF)
		code = -ECONNRESET;
	else if (redis && redis->err == REDIS_ERR_PROTOCOL)
		code = -EPROTO;
	else if (!redis)
		code = -ENOMEM;
	return err_set(err, code, "connection: %s: %s; %s", name, reason, next_step(code));
}

static struct timeval connect_timeout(const struct conn_options *options)
{
	int ms =
		options->connect_timeout_ms ? options->connect_timeout_ms : CONN_CONNECT_TIMEOUT_MS;

	return (struct timeval){ .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
}

/* hiredis is blocking with TLS (its handshake needs that), else not. */
static redisContext *connect_unix(const struct conn_options *options, const char *path)
{
	char short_path[sizeof("/proc/self/fd/2147483647")];
	redisContext *redis;
	int fd = -1;

	/* hiredis silently cuts a path that does not fit; a descriptor always fits. */
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		fd = open(path, O_PATH | O_CLOEXEC);
		if (fd < 0)
			return NULL;
		snprintf(short_path, sizeof(short_path), "/proc/self/fd/%d", fd);
		path = short_path;
	}
	redis = options->tls ? redisConnectUnixWithTimeout(path, connect_timeout(options)) :
			       redisConnectUnixNonBlock(path);
	if (fd >= 0) {
		int number = errno;

		close(fd);
		errno = number;
	}
	return redis;
}

static int open_unix(redisContext **out, const struct conn_options *options, struct err *err)
{
	const char *path = options->socket_path;
	int code = 0;

	/* The server's view of its path before ours: that is where it bound it. */
	for (int ours = options->netns_pid && path[0] == '/' ? 0 : 1; ours < 2; ours++) {
		struct buf full = { 0 };
		redisContext *redis;
		int number;

		if (!ours)
			buf_printf(&full, "/proc/%d/root", (int)options->netns_pid);
		buf_puts(&full, path);
		errno = 0;
		redis = connect_unix(options, buf_str(&full));
		number = errno;
		buf_free(&full);
		errno = number;
		if (redis && !redis->err) {
			*out = redis;
			return 0;
		}
		/* Of two failures the one that found a socket tells more. */
		if (!code || code == -ENOENT) {
			if (redis)
				code = conn_socket_error(redis, path, err);
			else
				code = err_set(err, number ? -number : -ENOMEM,
					       "connection: %s: %s; %s", path, strerror(number),
					       next_step(-number));
		}
		if (redis)
			redisFree(redis);
	}
	return code;
}

static int open_tcp(redisContext **out, const struct conn_options *options, struct err *err)
{
	const char *host = options->host ? options->host : "127.0.0.1";
	int port = options->port ? options->port : 6379;
	char name[256];
	redisContext *redis;
	int code;

	errno = 0;
	if (options->tls)
		redis = redisConnectWithTimeout(host, port, connect_timeout(options));
	else
		redis = redisConnectNonBlock(host, port);
	if (redis && !redis->err) {
		*out = redis;
		return 0;
	}
	conn_socket_name(name, sizeof(name), options);
	code = conn_socket_error(redis, name, err);
	if (redis)
		redisFree(redis);
	return code;
}

/* Is the process in another network namespace than we are? False when unreadable:
 * then connecting will tell. */
static bool other_netns(const char *path)
{
	struct stat ours, theirs;

	return !stat("/proc/thread-self/ns/net", &ours) && !stat(path, &theirs) &&
	       (ours.st_dev != theirs.st_dev || ours.st_ino != theirs.st_ino);
}

static int open_tcp_in_netns(redisContext **out, const struct conn_options *options,
			     struct err *err)
{
	int home = -1, there = -1;
	char path[64];
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)options->netns_pid);
	if (!options->netns_pid || !other_netns(path))
		return open_tcp(out, options, err);
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	there = open(path, O_RDONLY | O_CLOEXEC);
	if (home < 0 || there < 0 || setns(there, CLONE_NEWNET)) {
		rc = err_set(err, -errno,
			     "connection: %s: cannot enter the network namespace of the server: "
			     "%s; run redmem as root",
			     path, strerror(errno));
		goto out;
	}
	rc = open_tcp(out, options, err);
	if (setns(home, CLONE_NEWNET)) {
		if (!rc)
			redisFree(*out);
		*out = NULL;
		rc = err_set(err, -errno,
			     "connection: cannot return to redmem's network namespace: %s",
			     strerror(errno));
	}
out:
	if (there >= 0)
		close(there);
	if (home >= 0)
		close(home);
	return rc;
}

/* After the TLS handshake: from now on like any other connection. */
static int make_nonblocking(redisContext *redis, const char *name, struct err *err)
{
	int flags = fcntl(redis->fd, F_GETFL);

	if (flags < 0 || fcntl(redis->fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_set(err, -errno, "connection: %s: fcntl: %s", name, strerror(errno));
	redis->flags &= ~REDIS_BLOCK;
	return 0;
}

int conn_socket_open(redisContext **out, const struct conn_options *options, struct err *err)
{
	redisContext *redis = NULL;
	char name[256];
	int rc;

	*out = NULL;
	conn_socket_name(name, sizeof(name), options);
	rc = options->tls ? conn_tls_check(name, err) : 0;
	if (!rc)
		rc = options->socket_path ? open_unix(&redis, options, err) :
					    open_tcp_in_netns(&redis, options, err);
	if (rc)
		return rc;
	if (options->tls) {
		if (redisSetTimeout(redis, connect_timeout(options)) != REDIS_OK)
			rc = conn_socket_error(redis, name, err);
		if (!rc)
			rc = conn_tls_start(redis, options, name, err);
		if (!rc)
			rc = make_nonblocking(redis, name, err);
	}
	if (rc)
		redisFree(redis);
	else
		*out = redis;
	return rc;
}
