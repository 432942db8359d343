/* SPDX-License-Identifier: BSD-2-Clause */
/* The two ways to ask, closed loop and open loop; see load.h. */
#define _GNU_SOURCE /* ppoll() */

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/clock.h"
#include "lab/load_private.h"

#define EVENTS	 64 /* looked at at once */
#define NS	 1e9
#define LATE_NS	 1000000
#define SPIN_NS	 60000 /* before a time that is due: sleeping would wake up too late */
#define EXTRA_NS 1000000000 /* that an open loop may be behind beside its length */
#define FOREVER	 INT64_MAX

/* --- batches ------------------------------------------------------------------------------ */

static bool is_owed(const struct lab_load *load)
{
	return load->counts.replies < load->counts.sent;
}

static unsigned int draw_op(struct lab_load *load)
{
	const struct lab_scenario *s = load->scenario;
	unsigned int op = 0;
	uint64_t at;

	if (s->ops_count == 1)
		return 0;
	for (at = lab_random_below(&load->source.random, load->weights); at >= s->ops[op].count;
	     op++)
		at -= s->ops[op].count;
	return op;
}

/* How many commands the next batch has: 0 when the order has no more. */
static uint32_t next_batch(const struct lab_load *load)
{
	const struct lab_load_counts *counts = &load->counts;
	uint64_t left =
		load->order.ops ? load->order.ops - counts->sent - counts->unsent : UINT64_MAX;

	return left < load->scenario->pipeline ? (uint32_t)left : load->scenario->pipeline;
}

static int send_batch(struct lab_load *load, struct load_client *client, uint32_t batch,
		      int64_t due_ns)
{
	char *end = client->out;

	for (uint32_t i = 0; i < batch; i++) {
		unsigned int op = draw_op(load);

		client->asked[i] = (uint16_t)op;
		end = lab_command_write(load->scenario->ops[op].command, end, &load->source,
					load->asked[op]++);
	}
	client->out_len = (size_t)(end - client->out);
	client->batch = client->left = batch;
	client->due_ns = due_ns;
	if (!is_owed(load)) /* it was silent because it was not asked */
		load->heard_ns = clock_mono_ns();
	load->counts.sent += batch;
	return load_client_send(load, client);
}

static struct load_client *take_idle(struct lab_load *load)
{
	unsigned int at = load->idle_first;

	load->idle_first = (at + 1) % load->scenario->clients;
	load->idle_count--;
	return &load->clients[load->idle[at]];
}

static void put_idle(struct lab_load *load, const struct load_client *client)
{
	unsigned int at = (load->idle_first + load->idle_count++) % load->scenario->clients;

	load->idle[at] = (unsigned int)(client - load->clients);
}

/* --- waiting ------------------------------------------------------------------------------ */

/* Ask epoll for room to send as long as there is something to be sent, and no longer. */
static int watch_out(struct lab_load *load, struct load_client *client)
{
	bool wanted = client->out_len > 0;
	struct epoll_event event = { .events = EPOLLIN | (wanted ? EPOLLOUT : 0),
				     .data.ptr = client };

	if (wanted == client->polls_out)
		return 0;
	client->polls_out = wanted;
	if (epoll_ctl(load->epoll, EPOLL_CTL_MOD, client->fd, &event))
		return err_set(&load->error, -errno, "lab: epoll: %s", strerror(errno));
	return 0;
}

static int serve_client(struct lab_load *load, struct load_client *client, uint32_t events)
{
	uint32_t before = client->left;
	int ret = 0;

	if (events & EPOLLOUT)
		ret = load_client_send(load, client);
	if (!ret && (events & ~(uint32_t)EPOLLOUT))
		ret = load_client_take(load, client);
	if (!ret)
		ret = watch_out(load, client);
	if (!ret && before && !client->left)
		put_idle(load, client);
	return ret;
}

/* Until something comes from the server, or it is @until_ns, or a while has passed. */
static int wait_server(struct lab_load *load, int64_t until_ns)
{
	struct epoll_event events[EVENTS];
	struct pollfd readable = { .fd = load->epoll, .events = POLLIN };
	int64_t now = clock_mono_ns(), left = LOAD_LOOK_MS * 1000000;
	int count, ret = 0;

	if (until_ns - now < left)
		left = until_ns - now - SPIN_NS;
	count = epoll_wait(load->epoll, events, EVENTS, 0);
	if (!count && left > 0) { /* epoll's own timeout knows milliseconds only */
		struct timespec timeout = { .tv_nsec = left };

		ppoll(&readable, 1, &timeout, NULL);
		count = epoll_wait(load->epoll, events, EVENTS, 0);
	}
	for (int i = 0; i < count && !ret; i++)
		ret = serve_client(load, events[i].data.ptr, events[i].events);
	return ret ? ret : load_silence(load, now);
}

static void begin_loop(struct lab_load *load)
{
	load->idle_count = load->idle_first = 0;
	for (unsigned int i = 0; i < load->scenario->clients; i++)
		put_idle(load, &load->clients[i]);
	load->counts.start_ns = load->heard_ns = clock_mono_ns();
}

/* When the order ends. */
static int64_t order_end(const struct lab_load *load)
{
	if (!load->order.seconds)
		return FOREVER;
	return load->counts.start_ns + (int64_t)(load->order.seconds * NS);
}

/* --- the loops ---------------------------------------------------------------------------- */

int load_full(struct lab_load *load)
{
	int64_t end;
	int ret = 0;

	begin_loop(load);
	end = order_end(load);
	for (;;) {
		int64_t now = clock_mono_ns();
		/* However late this thread comes to it, there is one round at least. */
		bool more = (now < end || !load->counts.sent) && !load_stopped(load);

		while (more && load->idle_count && next_batch(load) && !ret) {
			struct load_client *client = take_idle(load);

			ret = send_batch(load, client, next_batch(load), clock_mono_ns());
			if (!ret)
				ret = watch_out(load, client);
		}
		if (ret || !is_owed(load))
			return ret;
		ret = wait_server(load, FOREVER);
		if (ret)
			return ret;
	}
}

/* Commands that were due by @until_ns and will not be sent: they are as late as that at least. */
static void give_up(struct lab_load *load, int64_t due, int64_t until_ns, double gap_ns)
{
	while (due < until_ns && next_batch(load)) {
		uint32_t batch = next_batch(load);

		load->counts.unsent += batch;
		hist_add(&load->counts.latency, (uint64_t)(clock_mono_ns() - due), batch);
		due += (int64_t)lab_random_wait(&load->arrivals, gap_ns);
	}
}

/* Send what is due by now, as far as there are clients without a batch. */
static int send_due(struct lab_load *load, int64_t *due, int64_t end, double gap_ns)
{
	int64_t now = clock_mono_ns();
	int ret = 0;

	while (*due <= now && *due < end && load->idle_count && next_batch(load) && !ret) {
		struct load_client *client = take_idle(load);
		uint32_t batch = next_batch(load);

		if (now - *due > LATE_NS)
			load->counts.late += batch;
		ret = send_batch(load, client, batch, *due);
		if (!ret)
			ret = watch_out(load, client);
		*due += (int64_t)lab_random_wait(&load->arrivals, gap_ns);
	}
	return ret;
}

int load_open_loop(struct lab_load *load)
{
	/* Batches come at random times (a Poisson process), as from users who know nothing of each
	 * other. */
	double gap_ns = load->scenario->pipeline / load->order.rate * NS;
	int64_t due, end, last;
	bool given_up = false;
	int ret;

	begin_loop(load);
	end = order_end(load);
	last = end == FOREVER ? FOREVER : end + (end - load->counts.start_ns) + EXTRA_NS;
	due = load->counts.start_ns + (int64_t)lab_random_wait(&load->arrivals, gap_ns);
	for (;;) {
		int64_t now = clock_mono_ns();

		if (!given_up && (now > last || load_stopped(load))) {
			given_up = true;
			give_up(load, due, now < end ? now : end, gap_ns);
			end = due; /* nothing more is sent; what is owed is waited for */
		}
		ret = send_due(load, &due, end, gap_ns);
		if (ret || (!is_owed(load) && (due >= end || !next_batch(load))))
			return ret;
		ret = wait_server(load, due < end && load->idle_count ? due : FOREVER);
		if (ret)
			return ret;
	}
}
