/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pass over the keys of what the options name: all databases of a server, one of
 * them, or all nodes of a cluster, one after another, into one census.
 */
#pragma once

#include "app/options.h"
#include "app/server.h"
#include "model/census.h"

/*
 * @census is empty and gets its account of the pass, too; @also, when not NULL, sees
 * each FACT_KEY besides. Returns 0 when the pass ended well or on Ctrl-C; a negative
 * errno when it could not go on: @census then holds what was seen until then, and the
 * cursor, unless not even the first key was reached.
 */
int keys_run(const struct options *o, struct server *server, struct census *census,
	     const struct fact_sink *also, struct err *err);
/* For `doctor --keys`: connect anew and pass; the census goes into @m, also when the pass
 * ended early. */
int keys_run_beside(const struct options *o, struct model *m, struct err *err);
/* How keys_run() counts, for census_new(). @policy: maxmemory-policy, NULL. */
struct census_options keys_census_options(const struct options *o, const char *policy);
