/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Does the server count a command's argument before it makes it, or after? C leaves it to
 * the compiler: c->argv[c->argc++] = createStringObject(...). Bytes can be charged to keys
 * while arguments are read only when this is known, so it is asked.
 */
#pragma once

struct server;
struct sensors;

/* Send a few ECHOs of some KiB, and look at them being made. Without a connection, or when
 * the server refuses, the usual is taken: before. Takes some milliseconds. */
void arguments_learn(struct sensors *sensors, struct server *server);
