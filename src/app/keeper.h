/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keeper of `redmem serve`: a process of its own without privileges. It takes what the
 * watcher saw (serve_wire.h), judges each window of ten seconds once, and hands it to the
 * history, the metrics and the web side. It sees no server and no kernel.
 */
#pragma once

#include "app/serve_config.h"

/* What the keeper says to the watcher, a byte each over the pipe back. */
#define KEEPER_READY  'r' /* it listens, and has its history: the service is up */
#define KEEPER_ALIVE  'a' /* what came up to a WIRE_SELF is done */
#define KEEPER_RELOAD 'l' /* POST /-/reload: read the configuration again */

/*
 * The keeper's life, until @frames_fd ends. @back_fd: to the watcher. Returns the exit status of
 * the process: 0, or 1 with a line on stderr when it cannot start (port taken, state folder held
 * by another).
 */
int keeper_run(int frames_fd, int back_fd, const struct serve_config *config);
