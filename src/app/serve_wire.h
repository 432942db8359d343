/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the watcher says to the keeper over their pipe, one frame after the other. Numbers are in
 * the machine's own order: both ends are one program. The keeper trusts no length: the watcher
 * handles what strangers name, and might be made to say anything.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define WIRE_FRAME_MAX (16u << 20) /* bytes of one frame, head and all */
#define WIRE_TEXT_MAX  1024 /* of a label, an address, a reason; longer ones are cut */

enum wire_kind {
	WIRE_SERVER = 1, /* a server is watched from now on, as @id */
	WIRE_CHUNK, /* what came of it in a window */
	WIRE_LOST, /* a chunk of it did not fit into the pipe */
	WIRE_STATE, /* how it goes with it */
	WIRE_SELF, /* what the watcher has cost, so far; every few seconds, and so a sign of life */
	WIRE_SETTINGS, /* the configuration was read again */
	WIRE_END, /* the watcher ends, and has said all: without it, it was killed or has crashed */
	WIRE_KINDS
};

/* Of a server, as /api/v1/servers and redmem_server_state{state} tell it. */
enum serve_state {
	SERVE_STARTING, /* seen, not yet attributed */
	SERVE_ATTRIBUTED,
	SERVE_NOT_ATTRIBUTED, /* watched, but who allocates is not known: the reason says why */
	SERVE_HUNG, /* it does not answer */
	SERVE_FAILED, /* it cannot be watched at all, and is tried again: the reason says why */
	SERVE_GONE, /* it is not there any more; its id may be used again */
	SERVE_STATES
};
/* "starting", "attributed", "not-attributed", "hung", "failed", "gone". */
const char *serve_state_name(enum serve_state state);

struct wire_server {
	const char *label; /* unique among those that are there */
	const char *address; /* where it listens: "127.0.0.1:6379", a socket's path, "" */
	int64_t pid; /* to be shown, never a label */
};

struct wire_chunk {
	const void *data; /* see model/chunk.h */
	size_t len;
};

struct wire_state {
	enum serve_state state;
	const char *reason; /* a sentence, "" where there is nothing to say */
};

/* Since the watcher started. */
struct wire_self {
	double cpu_seconds;
	int64_t resident_bytes; /* with the kernel's maps */
	double bpf_elsewhere_seconds; /* in redmem's programs, of everybody's time but servers' */
	int64_t lost_chunks_total;
};

/* What of the configuration the keeper goes by and can change. */
struct wire_settings {
	bool ok; /* false: the file could not be taken, and all is as before */
	bool redis_metrics;
	int64_t history_bytes; /* 0 = the default */
};

struct wire_frame {
	enum wire_kind kind;
	uint32_t id; /* of the server; 0 = of none */
	union {
		struct wire_server server;
		struct wire_chunk chunk;
		struct wire_state state;
		struct wire_self self;
		struct wire_settings settings;
	};
};

/* Append @frame. -EMSGSIZE when it is longer than WIRE_FRAME_MAX; nothing is appended then. */
int wire_put(struct buf *out, const struct wire_frame *frame);
/*
 * Read the frame at the start of @data: its length, 0 when it is not all there yet, or -EPROTO:
 * what comes is none. Texts and chunks point into @data.
 */
long wire_get(struct wire_frame *frame, const void *data, size_t len);
