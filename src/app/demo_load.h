/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clients that give the demo's server its troubles, at @socket. Each has a process of its
 * own. 0, or a negative errno and what the server answered or what became of the connection.
 */
#pragma once

#include "base/err.h"

/* A million values, three quarters of them deleted at random; sessions and temporary
 * keys without an expiry; a leaderboard of half a million. Says on stderr what it
 * does. */
int demo_load_fill(const char *socket, struct err *err);
/* Reads and writes all the time, and once in them: the leaderboard is read, sorted,
 * deleted and rebuilt, and a BGSAVE meets many writes. Ends only with the
 * connection. */
int demo_load_trouble(const char *socket, struct err *err);
