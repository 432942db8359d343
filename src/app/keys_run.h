/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pass over the keys of what the options name: all databases of a server, one of
 * them, or all nodes of a cluster, one after another, into one keyspace scan.
 */
#pragma once

#include "app/options.h"
#include "app/server.h"
#include "model/keyspace.h"
#include "model/model.h"

/*
 * Keys and the account of the pass go to @sink, which also feeds @m: the pass looks again at
 * the big lists that the model has found. With --redact they have no names there. Returns 0 when
 * the pass ended well or on Ctrl-C; a negative errno when it could not go on: what was seen until
 * then, and the cursor, have gone to @sink.
 */
int keys_run(const struct options *o, struct server *server, const struct record_sink *sink,
	     const struct model *m, struct err *err);
/* For `doctor --keys`: connect anew and pass. */
int keys_run_beside(const struct options *o, const struct record_sink *sink, const struct model *m,
		    struct err *err);
/* How to count what the pass meets, for model_set_keyspace(). */
struct keyspace_options keys_keyspace_options(const struct options *o);
