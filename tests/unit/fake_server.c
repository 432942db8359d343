/* SPDX-License-Identifier: BSD-2-Clause */
/* A server for tests; see fake_server.h. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <hiredis/hiredis.h>

#include "base/buf.h"
#include "fake_server.h"

struct fake_server {
	const struct fake_rule *rules;
	size_t chunk;
	const char *hello;
	const char *stall; /* request before which it stands still; NULL = none */
	struct timespec pause;
	char dir[32];
	char path[64];
	int listener;
	int stop[2]; /* pipe: closed to end the thread */
	pthread_t thread;
	struct buf seen; /* the thread's until it is joined */
};

static bool send_pieces(const struct fake_server *server, int fd, const char *text)
{
	const struct timespec pause = { .tv_nsec = 200000 };
	size_t left = strlen(text);

	while (left) {
		size_t piece = server->chunk && server->chunk < left ? server->chunk : left;
		ssize_t sent = send(fd, text, piece, MSG_NOSIGNAL);

		if (sent <= 0)
			return false;
		text += sent;
		left -= (size_t)sent;
		if (server->chunk)
			nanosleep(&pause, NULL); /* let the client read this piece alone */
	}
	return true;
}

/* Answer one request; false = hang up. */
static bool answer(struct fake_server *server, int fd, const redisReply *request)
{
	struct buf line = { 0 };
	const struct fake_rule *rule = server->rules;
	bool go_on;

	for (size_t i = 0; i < request->elements; i++)
		buf_printf(&line, "%s%s", i ? " " : "", request->element[i]->str);
	buf_printf(&server->seen, "%s\n", buf_str(&line));
	while (rule->request &&
	       strncasecmp(rule->request, buf_str(&line), strlen(rule->request)) != 0)
		rule++;
	if (server->stall && !strncmp(server->stall, buf_str(&line), strlen(server->stall)))
		nanosleep(&server->pause, NULL);
	go_on = send_pieces(server, fd, rule->request ? rule->reply : "-ERR unknown command\r\n");
	buf_free(&line);
	return go_on && !(rule->request && rule->close);
}

/* Wait until @fd can be read; false when the test ends. */
static bool wait_readable(const struct fake_server *server, int fd)
{
	struct pollfd fds[] = { { .fd = fd, .events = POLLIN },
				{ .fd = server->stop[0], .events = POLLIN } };

	return poll(fds, 2, -1) > 0 && !fds[1].revents;
}

/* A request is a reply with strings in it: the client's parser reads it. */
static void serve(struct fake_server *server, int fd)
{
	redisReader *reader = redisReaderCreate();
	bool go_on = !server->hello;
	char bytes[4096];

	if (server->hello)
		send_pieces(server, fd, server->hello);
	while (go_on && wait_readable(server, fd)) {
		ssize_t got = read(fd, bytes, sizeof(bytes));
		void *request = NULL;

		if (got <= 0)
			break;
		redisReaderFeed(reader, bytes, (size_t)got);
		while (go_on && redisReaderGetReply(reader, &request) == REDIS_OK && request) {
			go_on = answer(server, fd, request);
			freeReplyObject(request);
		}
	}
	redisReaderFree(reader);
	close(fd);
}

static void *run(void *ctx)
{
	struct fake_server *server = ctx;

	while (wait_readable(server, server->listener)) {
		int fd = accept(server->listener, NULL, NULL);

		if (fd >= 0)
			serve(server, fd);
	}
	return NULL;
}

struct fake_server *fake_server_start(const struct fake_rule *rules, size_t chunk,
				      const char *hello)
{
	struct fake_server *server = xcalloc(1, sizeof(*server));
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	server->rules = rules;
	server->chunk = chunk;
	server->hello = hello;
	strcpy(server->dir, "/tmp/redmem-test-XXXXXX");
	assert_non_null(mkdtemp(server->dir));
	snprintf(server->path, sizeof(server->path), "%s/socket", server->dir);
	strcpy(address.sun_path, server->path);
	assert_int_equal(pipe(server->stop), 0);
	server->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(server->listener, (void *)&address, sizeof(address)), 0);
	assert_int_equal(listen(server->listener, 4), 0);
	assert_int_equal(pthread_create(&server->thread, NULL, run, server), 0);
	return server;
}

void fake_server_stall(struct fake_server *server, const char *request, unsigned int ms)
{
	server->stall = request;
	server->pause.tv_nsec = (long)ms * 1000000;
}

const char *fake_server_path(const struct fake_server *server)
{
	return server->path;
}

char *fake_server_stop(struct fake_server *server)
{
	char *seen;

	close(server->stop[1]);
	pthread_join(server->thread, NULL);
	close(server->stop[0]);
	close(server->listener);
	unlink(server->path);
	rmdir(server->dir);
	seen = xstrdup(buf_str(&server->seen));
	buf_free(&server->seen);
	free(server);
	return seen;
}
