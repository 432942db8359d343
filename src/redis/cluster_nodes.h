/* SPDX-License-Identifier: BSD-2-Clause */
/* The nodes of a cluster, from CLUSTER NODES, which all versions have. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct cluster_node {
	char id[64];
	char host[256]; /* "" = the node does not know its own address */
	int port;
	char primary[64]; /* of a replica: its primary's id */
	bool is_primary, with_slots, myself;
	bool usable; /* connected, not failing, with an address */
};

/* Parse the reply; @out is to be freed. Lines that are not understood are left out.
 * Returns how many nodes there are. */
size_t cluster_nodes_parse(const char *text, struct cluster_node **out);
/* The nodes whose keys together are all keys, in the order of the primaries' ids: each
 * primary with slots, or with @replicas a usable replica of it where there is one. Writes
 * at most @count pointers to @chosen; returns how many. */
size_t cluster_nodes_choose(const struct cluster_node *nodes, size_t count, bool replicas,
			    const struct cluster_node **chosen);
