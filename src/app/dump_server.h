/* SPDX-License-Identifier: BSD-2-Clause */
/* The dump of a server that runs: it is asked for a full synchronisation. */
#pragma once

#include "app/dump_file.h"
#include "app/options.h"

/*
 * Connect to @input, say on stderr what it is going to cost the server, and ask it. 0, or a
 * negative errno with @err. @o says how to log in.
 */
int dump_server_open(struct dump_file **file, const struct options *o,
		     const struct rdb_input *input, struct err *err);
