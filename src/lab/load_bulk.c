/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands in their order and as many as asked for, at full speed: one connection, so that what a
 * server is filled with comes the same way each time. The next are written while the server is at
 * the last.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "lab/load_private.h"

#define BATCH	    512 /* commands; twice as many are without a reply at most */
#define BATCH_BYTES (256 << 10) /* or of more than so many bytes one */

struct bulk {
	struct load_client client;
	uint64_t done, count; /* commands of the op */
	size_t bytes; /* of the client's buffer */
};

static void write_batch(struct lab_load *load, struct bulk *bulk)
{
	struct load_client *client = &bulk->client;
	size_t most = lab_command_bytes(client->command);
	char *end = client->out;
	uint32_t batch = 0;

	while (batch < BATCH && bulk->done < bulk->count &&
	       (size_t)(end - client->out) + most <= bulk->bytes) {
		end = lab_command_write(client->command, end, &load->source, bulk->done++);
		batch++;
	}
	client->out_len = (size_t)(end - client->out);
	client->left += batch;
	load->counts.sent += batch;
}

/* What the socket allows. Never waits for the one while the other could go on: a server that
 * cannot get rid of replies reads no commands. */
static int exchange(struct lab_load *load, struct load_client *client)
{
	struct pollfd fd = { .fd = client->fd, .events = POLLIN };
	int ret = 0;

	if (client->out_len)
		fd.events |= POLLOUT;
	if (poll(&fd, 1, LOAD_LOOK_MS) < 0 && errno != EINTR)
		return err_set(&load->error, -errno, "lab: poll: %s", strerror(errno));
	if (fd.revents & POLLOUT)
		ret = load_client_send(load, client);
	if (!ret && (fd.revents & ~POLLOUT))
		ret = load_client_take(load, client);
	return ret ? ret : load_silence(load, clock_mono_ns());
}

static int do_op(struct lab_load *load, struct bulk *bulk, const struct lab_op *op)
{
	struct load_client *client = &bulk->client;
	int ret = 0;

	client->command = op->command;
	bulk->done = 0;
	bulk->count = op->count;
	while (!ret && (client->left || bulk->done < bulk->count)) {
		if (load_stopped(load))
			return err_set(&load->error, -EINTR, "lab: %s: stopped",
				       load->scenario->name);
		if (!client->out_len && client->left <= BATCH)
			write_batch(load, bulk);
		if (client->left)
			ret = exchange(load, client);
	}
	return ret;
}

int load_bulk(struct lab_load *load)
{
	struct bulk bulk = { .bytes = BATCH_BYTES };
	int ret;

	for (size_t i = 0; i < load->bulk_count; i++)
		if (lab_command_bytes(load->bulk[i].command) > bulk.bytes)
			bulk.bytes = lab_command_bytes(load->bulk[i].command);
	ret = load_client_open(load, &bulk.client, bulk.bytes, &load->error);
	if (ret)
		return ret;
	load->counts.start_ns = load->heard_ns = clock_mono_ns();
	for (size_t i = 0; i < load->bulk_count && !ret; i++)
		ret = do_op(load, &bulk, &load->bulk[i]);
	load_client_close(&bulk.client);
	return ret;
}
