/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that a server can tell of one key, for a bounded price: no command of it works on more
 * than some thousand elements, and some hundred KB come back, however big the key is.
 *
 * Nothing moves the key's LRU clock or LFU counter: TYPE, OBJECT, PTTL and MEMORY USAGE never
 * do (LOOKUP_NOTOUCH, src/db.c), and what does (the length, elements, XINFO) is asked only
 * where the server takes CLIENT NO-TOUCH (Redis 7.2, Valkey), or where the user allows it.
 * Values are measured and thrown away.
 */
#pragma once

#include "host/sysmem.h"
#include "record/record.h"
#include "redis/conn.h"

struct keyask_options {
	struct bytes key; /* in the connection's database */
	int64_t samples; /* for MEMORY USAGE; 0 = all elements, -1 = as many as are cheap */
	bool touch; /* ask also what counts as use */
	bool lfu; /* the server's policy keeps how often, not since when */
	struct host_speed speed;
	/* Called before a MEMORY USAGE that @samples make dear: it will hold the server for some
	 * @seconds. False = leave it. */
	bool (*dear)(void *ctx, double seconds);
	void *ctx;
};

/*
 * Ask, and emit a RECORD_ONE_KEY with time @t_seconds, then a RECORD_KEY_ELEMENT and
 * RECORD_KEY_GROUP each; with @again only the first, of what may have changed. Waits for each
 * reply. -ENOENT when there is no such key (with @again that is no error: type "none"),
 * -EACCES with what the server says where it does not even tell the type, else as conn_call().
 */
int keyask_run(struct conn *conn, const struct keyask_options *options, double t_seconds,
	       bool again, const struct record_sink *sink, struct err *err);
