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
#include <time.h>
#include <unistd.h>

#include "host/proc.h"
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

/* A descriptor of the socket's file. Inside another root links are resolved there: what a
 * container put in the place of a socket must not lead to one of ours. */
static int open_path(const struct conn_options *options, struct err *err)
{
	const char *path = options->socket_path;
	int fd;

	if (options->netns_pid)
		return proc_root_open(options->netns_pid, path, O_PATH, err);
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "connection: %s: %s; %s", path, strerror(errno),
			       next_step(-errno));
	return fd;
}

/* hiredis is blocking with TLS (its handshake needs that), else not. It would cut a path that
 * does not fit; that of a descriptor always fits. */
static int open_unix(redisContext **out, const struct conn_options *options, struct err *err)
{
	char path[sizeof("/proc/self/fd/2147483647")];
	redisContext *redis;
	int fd = open_path(options, err);
	int rc = 0;

	if (fd < 0)
		return fd;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	errno = 0;
	redis = options->tls ? redisConnectUnixWithTimeout(path, connect_timeout(options)) :
			       redisConnectUnixNonBlock(path);
	if (redis && !redis->err) {
		*out = redis;
	} else {
		rc = conn_socket_error(redis, options->socket_path, err);
		if (redis)
			redisFree(redis);
	}
	close(fd);
	return rc;
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
