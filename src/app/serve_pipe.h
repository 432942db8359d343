/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The watcher's end of the pipe to the keeper. Frames wait in memory, within bounds, and a
 * thread of its own writes them: whoever puts one never waits, however slow the keeper is.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/serve_wire.h"

struct serve_pipe;

/* @fd becomes the pipe's. NULL when no thread can be started. */
struct serve_pipe *serve_pipe_new(int fd);
/* From any thread. A chunk that has no room is lost, whole, and a WIRE_LOST takes its place. */
void serve_pipe_put(struct serve_pipe *pipe, const struct wire_frame *frame);
/* Chunks lost so far. */
int64_t serve_pipe_lost(const struct serve_pipe *pipe);
/* Write what waits, for at most @seconds, and close. May be NULL. */
void serve_pipe_end(struct serve_pipe *pipe, double seconds);
