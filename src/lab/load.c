/* SPDX-License-Identifier: BSD-2-Clause */
/* The load as others see it: its connections, its thread, its slices; see load.h. */
#define _GNU_SOURCE /* cpu_set_t */
#include "lab/load.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/thread.h"
#include "lab/load_private.h"

/* --- what values are cut from ------------------------------------------------------------- */

static size_t largest_value(const struct lab_scenario *s)
{
	size_t most = 0;

	for (size_t i = 0; i < s->fills_count + s->ops_count + s->steps_count; i++) {
		const struct lab_command *command =
			i < s->fills_count ? s->fills[i].command :
			i < s->fills_count + s->ops_count ?
					     s->ops[i - s->fills_count].command :
					     s->steps[i - s->fills_count - s->ops_count].op.command;

		if (command && lab_command_value(command) > most)
			most = lab_command_value(command);
	}
	return most;
}

/* Bytes that nothing can compress, and that are no numbers: the server keeps them as they are. */
static void make_noise(struct lab_load *load, uint64_t seed)
{
	size_t bytes = LAB_NOISE + largest_value(load->scenario);
	struct lab_random random;

	lab_random_seed(&random, seed);
	load->noise = xcalloc(1, bytes);
	for (size_t i = 0; i < bytes; i++)
		load->noise[i] = (char)lab_random_below(&random, 256);
	load->source.noise = load->noise;
}

/* --- connections -------------------------------------------------------------------------- */

static int open_client(struct lab_load *load, struct load_client *client, size_t bytes,
		       struct err *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };
	int ret = load_client_open(load, client, bytes, err);

	if (ret)
		return ret;
	client->asked = xcalloc(load->scenario->pipeline, sizeof(*client->asked));
	if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, client->fd, &event))
		return err_set(err, -errno, "lab: epoll: %s", strerror(errno));
	return 0;
}

static int open_clients(struct lab_load *load, struct err *err)
{
	const struct lab_scenario *s = load->scenario;
	size_t most = 0;
	int ret = 0;

	for (size_t i = 0; i < s->ops_count; i++) {
		load->weights += s->ops[i].count;
		if (lab_command_bytes(s->ops[i].command) > most)
			most = lab_command_bytes(s->ops[i].command);
	}
	load->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (load->epoll < 0)
		return err_set(err, -errno, "lab: epoll: %s", strerror(errno));
	for (unsigned int i = 0; s->ops_count && i < s->clients && !ret; i++)
		ret = open_client(load, &load->clients[i], most * s->pipeline, err);
	return ret;
}

int lab_load_open(struct lab_load **out, const struct lab_load_options *options, struct err *err)
{
	const struct lab_scenario *s = options->scenario;
	struct lab_load *load = xcalloc(1, sizeof(*load));
	int ret;

	load->options = *options;
	load->scenario = s;
	load->clients = xcalloc(s->clients, sizeof(*load->clients));
	for (unsigned int i = 0; i < s->clients; i++)
		load->clients[i].fd = -1;
	load->idle = xcalloc(s->clients, sizeof(*load->idle));
	load->asked = xcalloc(s->ops_count + 1, sizeof(*load->asked));
	load->epoll = -1;
	load->input = xcalloc(1, LOAD_INPUT);
	load->source.keys = s->keys;
	if (s->zipf > 0)
		lab_zipf_init(&load->source.zipf, s->keys, s->zipf);
	lab_random_seed(&load->source.random, options->seed);
	lab_random_seed(&load->arrivals, options->seed + 1);
	make_noise(load, options->seed + 2);
	ret = open_clients(load, err);
	if (ret) {
		lab_load_close(load);
		load = NULL;
	}
	*out = load;
	return ret;
}

void lab_load_close(struct lab_load *load)
{
	if (!load)
		return;
	if (load->running) {
		lab_load_stop(load);
		pthread_join(load->thread, NULL);
	}
	for (unsigned int i = 0; i < load->scenario->clients; i++)
		load_client_close(&load->clients[i]);
	if (load->epoll >= 0)
		close(load->epoll);
	free(load->clients);
	free(load->idle);
	free(load->asked);
	free(load->input);
	free(load->noise);
	free(load);
}

/* --- the thread --------------------------------------------------------------------------- */

static void *run(void *ctx)
{
	struct lab_load *load = ctx;
	cpu_set_t cpus;

	prctl(PR_SET_TIMERSLACK, 1); /* what is due is due in nanoseconds */
	if (load->options.cpu >= 0) {
		CPU_ZERO(&cpus);
		CPU_SET(load->options.cpu, &cpus);
		sched_setaffinity(0, sizeof(cpus), &cpus);
	}
	load->ret = load->work(load);
	load->counts.end_ns = load->heard_ns;
	load->counts.cpu_ns = clock_thread_ns();
	return NULL;
}

int load_start(struct lab_load *load, int (*work)(struct lab_load *load), struct err *err)
{
	int ret;

	if (load->ret)
		return err_set(err, load->ret, "%s", load->error.text);
	memset(&load->counts, 0, sizeof(load->counts));
	atomic_store(&load->stop, false);
	load->work = work;
	ret = thread_start(&load->thread, run, load);
	if (ret)
		return err_set(err, -ret, "lab: the thread of the load: %s", strerror(ret));
	load->running = true;
	return 0;
}

int lab_load_begin(struct lab_load *load, const struct lab_order *order, struct err *err)
{
	const struct lab_scenario *s = load->scenario;

	if (order->loop == LAB_OPEN && !(order->rate > 0))
		return err_set(err, -EINVAL, "lab: %s: an open loop needs a rate", s->name);
	load->order = *order;
	if (s->tool && order->loop == LAB_FULL)
		return load_start(load, load_tool, err);
	if (!s->ops_count)
		return err_set(err, -EINVAL, "lab: %s: it has no line \"op\"", s->name);
	return load_start(load, order->loop == LAB_OPEN ? load_open_loop : load_full, err);
}

void lab_load_stop(struct lab_load *load)
{
	atomic_store(&load->stop, true);
}

int lab_load_end(struct lab_load *load, struct lab_load_counts *out, struct err *err)
{
	pthread_join(load->thread, NULL);
	load->running = false;
	*out = load->counts;
	return load->ret ? err_set(err, load->ret, "%s", load->error.text) : 0;
}

int lab_load_slice(struct lab_load *load, const struct lab_order *order,
		   struct lab_load_counts *out, struct err *err)
{
	int ret = lab_load_begin(load, order, err);

	return ret ? ret : lab_load_end(load, out, err);
}

int lab_load_fill(struct lab_load *load, struct err *err)
{
	struct lab_load_counts counts;
	int ret;

	load->bulk = load->scenario->fills;
	load->bulk_count = load->scenario->fills_count;
	ret = load_start(load, load_bulk, err);
	return ret ? ret : lab_load_end(load, &counts, err);
}
