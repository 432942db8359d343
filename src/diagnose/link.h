/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A replica and its master: whether the link is there, whether anything comes over it, and what is
 * refused or kept meanwhile. Pure.
 */
#pragma once

#include "diagnose/finding.h"
#include "model/model.h"

/* What a replica knows of its link. */
struct link {
	bool down; /* at the end */
	bool was_up; /* when the watch began */
	bool syncing; /* at the end: it takes all of the data */
	int64_t down_seconds; /* RECORD_UNKNOWN, or -1 when it never had one */
	int64_t losses; /* of one that is up again: how often a tick found it without */
	int64_t longest_loss_seconds;
	int64_t silent_seconds; /* it is up, and for so long nothing came, longer than it may; 0 */
};
/* Of a server that is no replica all are 0. */
struct link link_of(const struct model *m);
/* What its master has not told a replica it does not do: remove keys whose time is over. */
bool link_tells_nothing(const struct link *link);
/* Finding repl.resync of a replica's own link; false when it is well. (rules_link.c) */
bool link_troubled(const struct model *m, struct finding *f);
/* Its master sends a ping that often, also when nothing is written. */
int64_t link_ping_seconds(const struct model *m);
/* Took the server all of its master's data in the watch, as far as it can be told? */
bool link_synced(const struct model *m);
/* The same of one that had no key before, and so nothing that anybody could ask it for. */
bool link_fills(const struct model *m);
/* Of the server's replicas one that is not online, or that has not acknowledged for longest;
 * NULL. */
const struct replica_row *link_worst_replica(const struct model *m);
/* That one, when it has not for longer than it may; NULL. */
const struct replica_row *link_silent_replica(const struct model *m);
