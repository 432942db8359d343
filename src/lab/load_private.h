/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the load share; see load.h. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "lab/command.h"
#include "lab/load.h"
#include "lab/reply.h"
#include "redis/conn.h"

#define LOAD_SILENCE_NS 60000000000 /* a server that owes replies for so long is given up */
#define LOAD_STOP_NS	1000000000 /* the same, once all is to end */
#define LOAD_ASK_MS	60000 /* for what it asks itself: a server that frees a lot is silent */
#define LOAD_LOOK_MS	50 /* how often it is seen that the load is to stop */
#define LOAD_INPUT	(64 << 10) /* bytes read at once */

/* A connection. What it has sent and not yet got the replies of is one batch. */
struct load_client {
	int fd;
	char *out; /* what is to be sent, or partly sent */
	size_t out_len, out_at;
	bool polls_out; /* in epoll */
	uint32_t batch, left; /* commands of the batch, replies that are still to come */
	uint16_t *asked; /* which op each command of the batch is; NULL = all are @command */
	const struct lab_command *command;
	int64_t due_ns; /* that of the batch; what latency counts from */
	struct lab_reply reply;
};

struct lab_load {
	struct lab_load_options options;
	const struct lab_scenario *scenario;
	struct lab_source source;
	struct lab_random arrivals; /* apart, so that both loops ask the same */
	char *noise;
	char *input; /* what was read last, of any client */
	uint64_t *asked; /* {n} of each op */
	uint64_t weights; /* of all ops */
	struct load_client *clients;
	unsigned int *idle; /* ring of clients without a batch */
	unsigned int idle_first, idle_count;
	int epoll;
	/* What is under way */
	pthread_t thread;
	bool running;
	int (*work)(struct lab_load *load);
	struct lab_order order;
	const struct lab_op *bulk; /* ops of load_bulk() */
	size_t bulk_count;
	atomic_bool stop;
	struct lab_load_counts counts;
	int64_t heard_ns; /* when the last reply came */
	int ret; /* of @work; once an error came, there is nothing more to be had */
	struct err error;
};

/* --- a connection (load_client.c) --------------------------------------------------------- */

/* To options.socket, and it is options.pid that is there. */
int load_client_open(struct lab_load *load, struct load_client *client, size_t bytes,
		     struct err *err);
void load_client_close(struct load_client *client);
/* Send as much of what is to be sent as goes. */
int load_client_send(struct lab_load *load, struct load_client *client);
/* Take the replies that are there; counts them, and their latency from due_ns if that is not 0. */
int load_client_take(struct lab_load *load, struct load_client *client);
/* Has somebody told it to end? */
bool load_stopped(const struct lab_load *load);
/* The server owes replies and is silent: -ETIMEDOUT; -EINTR where somebody wants it to end. */
int load_silence(struct lab_load *load, int64_t now_ns);

/* --- what is done in the thread; each returns 0 or the code of load->error ---------------- */

int load_full(struct lab_load *load); /* load_loop.c */
int load_open_loop(struct lab_load *load);
int load_bulk(struct lab_load *load); /* load_bulk.c: load->bulk, in order, over one connection */
int load_tool(struct lab_load *load); /* load_tool.c: another program asks */

/* --- what is asked beside it (load_ask.c) ------------------------------------------------- */

/* To the same server; conn_close() it. */
int load_ask_open(const struct lab_load *load, struct conn **conn, struct err *err);
/* Field @name of what @line ("INFO memory") answers; "" when the server does not know it. */
int load_ask_info(struct conn *conn, const char *line, const char *name, struct buf *out,
		  struct err *err);

/* Start load->work; see lab_load_begin(). */
int load_start(struct lab_load *load, int (*work)(struct lab_load *load), struct err *err);
