/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What somebody sends to the port of redmem serve: requests, one behind the other in a connection,
 * whole or cut. The web side answers, or closes; it never stops answering others.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app/web.h"
#include "fuzz.h"

#define QUIET_MS    2
#define PATIENCE_MS 20000

static int metrics(void *ctx, struct buf *out, bool openmetrics, const char *only_server,
		   struct err *err)
{
	(void)ctx, (void)err;
	buf_printf(out, "redmem_up{server=\"%s\"} 1\n%s", only_server ? only_server : "",
		   openmetrics ? "# EOF\n" : "");
	return 0;
}

static void servers(void *ctx, void (*take)(void *, const struct web_server *), void *take_ctx)
{
	(void)ctx;
	take(take_ctx, &(struct web_server){ .label = "a\"b\n\xff",
					     .address = "127.0.0.1:6379",
					     .state = "failed",
					     .reason = "it does not answer" });
}

static int report(void *ctx, const struct web_report *what, struct buf *out, struct err *err)
{
	(void)ctx;
	must(what->from_ms <= what->to_ms && *what->server);
	if (what->from_ms % 2)
		return err_set(err, -ENOENT, "nothing is kept of that time");
	buf_puts(out, "{}\n");
	return 0;
}

static int health(void *ctx, struct err *err)
{
	(void)ctx, (void)err;
	return 0;
}

static int reload(void *ctx, struct err *err)
{
	(void)ctx, (void)err;
	return 0;
}

static struct web *start(struct sockaddr_un *address)
{
	static const struct web_source source = { NULL, metrics, servers, report, health, reload };
	static char where[sizeof("unix:") + sizeof(address->sun_path) - 1]; /* what fits there */
	const char *const listen[] = { where };
	struct web *web;
	struct err err = { 0 };

	snprintf(where, sizeof(where), "unix:%s/s", own_folder());
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address->sun_path, sizeof(address->sun_path), "%s", where + strlen("unix:"));
	if (web_start(&web, &(struct web_config){ .listen = listen, .listen_count = 1 }, &source,
		      &err)) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	return web;
}

/* Send it all, and take what comes, until the other side closes or says nothing for so long: of a
 * request that is not whole it waits for the rest. */
static size_t talk(struct web *web, int fd, const uint8_t *data, size_t len, int quiet_ms)
{
	size_t came = 0;
	ssize_t got;
	int events;

	do {
		struct pollfd fds[] = { { .fd = web_fd(web), .events = POLLIN },
					{ .fd = fd, .events = POLLIN | (len ? POLLOUT : 0) } };
		const int wait = web_wait_ms(web);
		char answer[65536];

		events = poll(fds, 2, wait >= 0 && wait < quiet_ms ? wait : quiet_ms);
		events += wait >= 0 && wait < quiet_ms;
		web_run(web);
		if (len && (got = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT)) > 0) {
			data += got;
			len -= (size_t)got;
		}
		got = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
		if (got == 0 || (got < 0 && errno != EAGAIN))
			return came;
		if (got > 0)
			came += (size_t)got;
	} while (events > 0);
	return came;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char good[] = "GET /healthz HTTP/1.0\r\n\r\n";
	static struct sockaddr_un address;
	static struct web *web;

	if (!web)
		web = start(&address);
	for (int i = 0; i < 2; i++) {
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		must(!connect(fd, (struct sockaddr *)&address, sizeof(address)));
		if (i)
			must(talk(web, fd, (const uint8_t *)good, strlen(good), PATIENCE_MS));
		else if (len)
			talk(web, fd, data, len, QUIET_MS);
		close(fd);
	}
	return 0;
}
