/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The demo's stage: a temporary directory, a private server in it, scarce memory
 * around it, and clients that give it trouble. It is built and taken down by a
 * process of its own, the keeper, which outlives the caller by as long as it
 * needs to: however the caller ends, nothing stays behind.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"

struct demo_stage;

/*
 * Build the stage, saying on stderr what is done; takes up to a minute. When this
 * returns 0 the clients are at work. -EINTR on SIGINT or SIGTERM. After a failure
 * everything is gone again.
 */
int demo_stage_open(struct demo_stage **out, struct err *err);
pid_t demo_stage_pid(const struct demo_stage *stage); /* of the server */
const char *demo_stage_socket(const struct demo_stage *stage);
/* Take it down. A negative errno when something was left, which @err tells. */
int demo_stage_close(struct demo_stage *stage, struct err *err);
