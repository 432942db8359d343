/* SPDX-License-Identifier: BSD-2-Clause */
/* Clients of the web side, and a source of what it answers with; all in one thread: whoever waits
 * for an answer runs the web side meanwhile. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "app/web.h"
#include "base/buf.h"
#include "base/clock.h"

#define PATIENCE_NS 60000000000LL /* for what must happen */

/* --- what is behind it ----------------------------------------------------------------- */

struct scene {
	struct web *web;
	int metrics_calls, reload_calls, report_calls;
	size_t body_bytes; /* of the metrics; 0 = a line */
	int ill; /* health() says so */
	struct web_report asked; /* the last report */
	char asked_server[128];
	int report_ret;
	int gate[2]; /* a report waits for a byte of it when >= 0 */
};

static int scene_metrics(void *ctx, struct buf *out, bool openmetrics, const char *only_server,
			 struct err *err)
{
	struct scene *scene = ctx;

	(void)err;
	scene->metrics_calls++;
	buf_printf(out, "# TYPE redmem_up gauge\nredmem_up{server=\"%s\"} 1\n",
		   only_server ? only_server : "all");
	if (scene->body_bytes)
		buf_fill(out, 'x', scene->body_bytes);
	if (openmetrics)
		buf_puts(out, "# EOF\n");
	return 0;
}

static void scene_servers(void *ctx, void (*take)(void *, const struct web_server *),
			  void *take_ctx)
{
	const struct web_server one = { .label = "cache",
					.address = "127.0.0.1:6379",
					.state = "attributed",
					.window_end_ms = 1764331200000 },
				other = { .label = "a\"b\n\xff",
					  .state = "failed",
					  .reason = "it does not answer" };

	(void)ctx;
	take(take_ctx, &one);
	take(take_ctx, &other);
}

static int scene_report(void *ctx, const struct web_report *what, struct buf *out, struct err *err)
{
	struct scene *scene = ctx;
	char byte;

	__atomic_add_fetch(&scene->report_calls, 1, __ATOMIC_SEQ_CST);
	if (scene->gate[0] >= 0 && read(scene->gate[0], &byte, 1) != 1)
		return err_set(err, -EIO, "no byte");
	scene->asked = *what;
	snprintf(scene->asked_server, sizeof(scene->asked_server), "%s", what->server);
	if (scene->report_ret)
		return err_set(err, scene->report_ret, "nothing is kept of that time");
	buf_puts(out, "{\"schema\":\"redmem.doctor/1\"}\n");
	return 0;
}

static int scene_health(void *ctx, struct err *err)
{
	const struct scene *scene = ctx;

	return scene->ill ? err_set(err, -EIO, "the watcher says nothing any more") : 0;
}

static int scene_reload(void *ctx, struct err *err)
{
	struct scene *scene = ctx;

	(void)err;
	scene->reload_calls++;
	return 0;
}

static void scene_open(struct scene *scene, struct web_config *config)
{
	static const char *const where[] = { "127.0.0.1:0" };
	const struct web_source source = { scene,	 scene_metrics, scene_servers,
					   scene_report, scene_health,	scene_reload };
	struct err err = { 0 };

	*scene = (struct scene){ .gate = { -1, -1 } };
	if (!config->listen_count) {
		config->listen = where;
		config->listen_count = 1;
	}
	if (web_start(&scene->web, config, &source, &err))
		fail_msg("%s", err.text);
}

/* Let the web side do what there is to do, waiting for it or for @fd, but not long. */
static inline void scene_turn(struct scene *scene, int fd, short events)
{
	struct pollfd fds[] = { { .fd = web_fd(scene->web), .events = POLLIN },
				{ .fd = fd, .events = events } };
	int wait = web_wait_ms(scene->web);

	poll(fds, 2, wait < 0 || wait > 50 ? 50 : wait);
	web_run(scene->web);
}

/* --- clients ----------------------------------------------------------------- */

struct client {
	int fd;
	struct buf in; /* what came */
	bool ended; /* the other end has closed */
};

/* From 127.0.@from, or whatever address when that is NULL. */
static inline void client_open(struct client *c, const struct scene *scene, const char *from)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(web_port(scene->web)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) },
			   own = { .sin_family = AF_INET };

	*c = (struct client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
					   0) };
	assert_true(c->fd >= 0);
	if (from) {
		assert_int_equal(inet_pton(AF_INET, from, &own.sin_addr), 1);
		assert_int_equal(bind(c->fd, (struct sockaddr *)&own, sizeof(own)), 0);
	}
	assert_true(!connect(c->fd, (struct sockaddr *)&to, sizeof(to)) || errno == EINPROGRESS);
}

static inline void client_close(struct client *c)
{
	close(c->fd);
	buf_free(&c->in);
}

/* Take what has come. */
static inline void client_read(struct client *c)
{
	char data[65536];
	ssize_t got;

	while (!c->ended && (got = recv(c->fd, data, sizeof(data), 0)) != -1) {
		if (!got)
			c->ended = true;
		buf_add(&c->in, data, (size_t)got);
	}
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		c->ended = true;
}

static inline void client_send(struct scene *scene, struct client *c, const void *data, size_t len)
{
	const int64_t until = clock_mono_ns() + PATIENCE_NS;
	const char *at = data;

	while (len && !c->ended && clock_mono_ns() < until) {
		ssize_t done = send(c->fd, at, len, MSG_NOSIGNAL);

		if (done > 0) {
			at += done;
			len -= (size_t)done;
		} else if (errno == EAGAIN || errno == ENOTCONN) {
			scene_turn(scene, c->fd, POLLOUT);
		} else {
			c->ended = true;
		}
	}
}

static inline void client_wait(struct scene *scene, struct client *c)
{
	const int64_t until = clock_mono_ns() + PATIENCE_NS;

	client_read(c);
	while (!c->ended && clock_mono_ns() < until) {
		scene_turn(scene, c->fd, POLLIN);
		client_read(c);
	}
	assert_true(c->ended);
}

/* An answer, by value: what was sent back until the end of the connection. */
struct answer {
	int status; /* 0 = none came */
	char head[2048], body[65536];
	size_t body_len;
};

static inline struct answer answer_of(const struct client *c)
{
	const char *text = buf_str(&c->in), *end = strstr(text, "\r\n\r\n");
	struct answer a = { 0 };

	if (!end || sscanf(text, "HTTP/1.%*d %d", &a.status) != 1)
		return a;
	snprintf(a.head, sizeof(a.head), "%.*s", (int)(end + 2 - text), text);
	a.body_len = c->in.len - (size_t)(end + 4 - text);
	if (a.body_len < sizeof(a.body))
		memcpy(a.body, end + 4, a.body_len);
	return a;
}

static inline struct answer ask_from(struct scene *scene, const char *from, const char *text)
{
	struct client c;
	struct answer a;

	client_open(&c, scene, from);
	client_send(scene, &c, text, strlen(text));
	client_wait(scene, &c);
	a = answer_of(&c);
	client_close(&c);
	return a;
}

/* "GET /metrics", with headers of its own ("Accept: ...\r\n") or "". */
static inline struct answer ask(struct scene *scene, const char *what, const char *headers)
{
	struct buf text = {};
	struct answer a;

	buf_printf(&text, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", what, headers);
	a = ask_from(scene, NULL, buf_str(&text));
	buf_free(&text);
	return a;
}

static inline bool has_header(const struct answer *a, const char *line)
{
	struct buf text = {};
	bool found;

	buf_printf(&text, "\r\n%s\r\n", line);
	found = strcasestr(a->head, buf_str(&text)) != NULL;
	buf_free(&text);
	return found;
}
