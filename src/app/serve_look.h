/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which servers there are on the host: all its processes are looked at each second for a while
 * after a program began that may be a server, or a server ended; else seldom.
 */
#pragma once

#include "target/find.h"

struct engine;
struct serve_look;

/* What a process that looks like a server is to who looks for them. */
enum serve_found {
	SERVE_FOUND_NEW, /* a server, which is taken: who it is now belongs to the caller */
	SERVE_FOUND_KNOWN, /* it was taken before */
	SERVE_FOUND_AGAIN, /* not yet: it is looked at again the next time */
};

/* @engine says which programs begin. */
struct serve_look *serve_look_new(struct engine *engine);
void serve_look_free(struct serve_look *look); /* may be NULL */
/* A server ended, and may come again. */
void serve_look_stir(struct serve_look *look);
/* Once a second: ask @take about each that may be new, if a look is due. */
void serve_look(struct serve_look *look,
		enum serve_found (*take)(void *ctx, const struct server_candidate *who), void *ctx);
