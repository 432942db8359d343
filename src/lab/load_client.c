/* SPDX-License-Identifier: BSD-2-Clause */
/* One connection of the load; see load_private.h. */
#define _GNU_SOURCE /* struct ucred */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "lab/load_private.h"

#define TOLD_BYTES 100 /* of a command, in a message */

/* A scenario asks only the server that the lab started: not one that took its place. */
static int check_peer(const struct lab_load_options *options, int fd, struct err *err)
{
	struct ucred peer = { 0 };
	socklen_t len = sizeof(peer);

	if (!options->pid)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len))
		return err_set(err, -errno, "lab: %s: %s", options->socket, strerror(errno));
	if (peer.pid != options->pid)
		return err_set(err, -EPERM, "lab: %s: process %d is there, not the lab's server %d",
			       options->socket, peer.pid, options->pid);
	return 0;
}

int load_client_open(struct lab_load *load, struct load_client *client, size_t bytes,
		     struct err *err)
{
	const char *path = load->options.socket;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int ret;

	memset(client, 0, sizeof(*client));
	client->fd = -1;
	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, -ENAMETOOLONG, "lab: %s: too long for a unix socket", path);
	memcpy(address.sun_path, path, strlen(path));
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0 ||
	    connect(client->fd, (const struct sockaddr *)&address, sizeof(address))) {
		ret = err_set(err, -errno, "lab: %s: %s", path, strerror(errno));
		load_client_close(client);
		return ret;
	}
	ret = check_peer(&load->options, client->fd, err);
	if (ret)
		load_client_close(client);
	else
		client->out = xcalloc(1, bytes);
	return ret;
}

void load_client_close(struct load_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
	free(client->out);
	free(client->asked);
	client->out = NULL;
	client->asked = NULL;
}

static int lost(struct lab_load *load, int code)
{
	return err_set(&load->error, code, "lab: %s: the server is gone: %s", load->options.socket,
		       code == -ECONNRESET ? "it closed the connection" : strerror(-code));
}

int load_client_send(struct lab_load *load, struct load_client *client)
{
	while (client->out_at < client->out_len) {
		ssize_t n = send(client->fd, client->out + client->out_at,
				 client->out_len - client->out_at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != EINTR)
			return lost(load, errno == EPIPE ? -ECONNRESET : -errno);
		if (n > 0)
			client->out_at += (size_t)n;
	}
	client->out_at = client->out_len = 0;
	return 0;
}

static bool is_expected(const struct lab_scenario *scenario, const char *text)
{
	for (size_t i = 0; i < scenario->expect_count; i++)
		if (!strncmp(text, scenario->expect[i], strlen(scenario->expect[i])))
			return true;
	return false;
}

static int failed(struct lab_load *load, const struct load_client *client)
{
	const struct lab_command *command = client->command;

	if (client->asked)
		command = load->scenario->ops[client->asked[client->batch - client->left]].command;
	return err_set(&load->error, -EIO, "lab: %s: the server answered to \"%.*s\": %s",
		       load->scenario->name, TOLD_BYTES, lab_command_text(command),
		       client->reply.line);
}

static int take_replies(struct lab_load *load, struct load_client *client, const char *data,
			const char *end)
{
	while (data < end) {
		switch (lab_reply_take(&client->reply, &data, end)) {
		case LAB_REPLY_MORE:
			return 0;
		case LAB_REPLY_ERROR:
			if (!is_expected(load->scenario, client->reply.line))
				return failed(load, client);
			load->counts.refused++;
			break;
		case LAB_REPLY_GOOD:
			break;
		default:
			return err_set(&load->error, -EPROTO,
				       "lab: %s: what the server says is not the protocol",
				       load->options.socket);
		}
		if (!client->left)
			return err_set(&load->error, -EPROTO,
				       "lab: %s: the server said something it was not asked",
				       load->options.socket);
		client->left--;
	}
	return 0;
}

int load_client_take(struct lab_load *load, struct load_client *client)
{
	uint32_t before = client->left;
	ssize_t n;
	int ret;

	do
		n = recv(client->fd, load->input, LOAD_INPUT, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n <= 0)
		return lost(load, n ? -errno : -ECONNRESET);
	load->heard_ns = clock_mono_ns();
	ret = take_replies(load, client, load->input, load->input + n);
	load->counts.replies += before - client->left;
	if (client->due_ns)
		hist_add(&load->counts.latency, (uint64_t)(load->heard_ns - client->due_ns),
			 before - client->left);
	return ret;
}

bool load_stopped(const struct lab_load *load)
{
	return atomic_load_explicit(&load->stop, memory_order_relaxed) ||
	       (load->options.stop && *load->options.stop);
}

int load_silence(struct lab_load *load, int64_t now_ns)
{
	int64_t silent_ns = now_ns - load->heard_ns;

	if (load->counts.replies == load->counts.sent)
		return 0;
	if (load->options.stop && *load->options.stop && silent_ns >= LOAD_STOP_NS)
		return err_set(&load->error, -EINTR,
			       "lab: %s: stopped, while the server was silent",
			       load->options.socket);
	if (silent_ns < LOAD_SILENCE_NS)
		return 0;
	return err_set(&load->error, -ETIMEDOUT,
		       "lab: %s: the server has said nothing for a minute", load->options.socket);
}
