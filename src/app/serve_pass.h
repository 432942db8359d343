/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The scheduled pass over a server's keys: in a thread and on a connection of its own, throttled as
 * `redmem keys` is. What it has found becomes records of the server's stream (record_passed), a
 * bounded number of them.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "app/options.h"
#include "app/serve_config.h"

struct serve_pass;

/* Begin one of the server that @o names; @label is for what is logged. NULL when no thread can be
 * had. */
struct serve_pass *serve_pass_start(const struct options *o, const struct serve_config *config,
				    const char *label);
/* It is over: what it has found may be emitted. */
bool serve_pass_done(const struct serve_pass *pass);
/* What was found, as of @t_seconds; nothing when it was not to be made, or has failed. */
void serve_pass_emit(const struct serve_pass *pass, double t_seconds,
		     const struct record_sink *sink);
/* Ends it when it is not over. May be NULL. */
void serve_pass_free(struct serve_pass *pass);
