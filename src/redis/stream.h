/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The bytes under a connection: a TCP or unix socket, with TLS or without, that never
 * blocks. Opening goes through several steps (a name is looked up in a thread of its own,
 * one address after the other is tried, keys are exchanged); the owner polls and calls
 * stream_advance() until it is open. For conn.c, and for who takes the socket over from it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "redis/endpoint.h"

struct stream;

/* What @options say is copied where it is needed later. 0, or a negative errno as
 * conn_open(). */
int stream_open(struct stream **out, const struct conn_options *options, struct err *err);
void stream_close(struct stream *stream); /* NULL is fine */

/* For poll(). The descriptor is another one after each step. */
int stream_fd(const struct stream *stream);
short stream_events(const struct stream *stream, bool to_write);

/* Go on opening. 1 = it is open, 0 = not yet, negative = it will never be. */
int stream_advance(struct stream *stream, struct err *err);
/* The socket itself, once open. */
int stream_socket(const struct stream *stream);

/*
 * Bytes read or written; -EAGAIN when there is nothing to do now, 0 read = the server has
 * closed; else a negative errno with @err saying what to do.
 */
ssize_t stream_read(struct stream *stream, void *bytes, size_t size, struct err *err);
ssize_t stream_write(struct stream *stream, const void *bytes, size_t len, struct err *err);
