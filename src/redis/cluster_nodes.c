/* SPDX-License-Identifier: BSD-2-Clause */
/* The nodes of a cluster; see cluster_nodes.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "redis/cluster_nodes.h"

#define WORDS 9 /* of a line up to the first slots */

/* "10.0.0.1:7000@17000,name": the port is behind the last ':' before the '@'. */
static void take_address(struct cluster_node *node, char *address)
{
	char *colon;

	address[strcspn(address, "@,")] = '\0';
	colon = strrchr(address, ':');
	if (!colon)
		return;
	*colon = '\0';
	snprintf(node->host, sizeof(node->host), "%s", address);
	node->port = atoi(colon + 1);
}

static bool has_flag(const char *flags, const char *flag)
{
	size_t len = strlen(flag);

	for (const char *p = flags; *p;) {
		size_t word = strcspn(p, ",");

		if (word == len && !memcmp(p, flag, len))
			return true;
		p += word + (p[word] == ',');
	}
	return false;
}

/* "id address flags primary ping pong epoch link slots..." */
static bool take_line(struct cluster_node *node, char *line)
{
	char *word[WORDS] = { NULL }, *rest = line;
	size_t count = 0;

	while (count < WORDS && (word[count] = strsep(&rest, " ")))
		count++;
	if (count < WORDS - 1)
		return false;
	*node = (struct cluster_node){ 0 };
	snprintf(node->id, sizeof(node->id), "%s", word[0]);
	take_address(node, word[1]);
	node->is_primary = has_flag(word[2], "master");
	node->myself = has_flag(word[2], "myself");
	node->usable = node->port > 0 && !strcmp(word[7], "connected") &&
		       !has_flag(word[2], "fail") && !has_flag(word[2], "noaddr") &&
		       !has_flag(word[2], "handshake");
	snprintf(node->primary, sizeof(node->primary), "%s", word[3]);
	node->with_slots = word[8] && word[8][0] && word[8][0] != '[';
	return node->port > 0 || node->myself;
}

size_t cluster_nodes_parse(const char *text, struct cluster_node **out)
{
	char *copy = xstrdup(text), *rest = copy, *line;
	size_t count = 0, lines = 1;

	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	*out = xcalloc(lines, sizeof(**out));
	while ((line = strsep(&rest, "\n"))) {
		line[strcspn(line, "\r")] = '\0';
		if (take_line(&(*out)[count], line))
			count++;
	}
	free(copy);
	return count;
}

static const struct cluster_node *replica_of(const struct cluster_node *nodes, size_t count,
					     const struct cluster_node *primary)
{
	for (size_t i = 0; i < count; i++)
		if (!nodes[i].is_primary && nodes[i].usable &&
		    !strcmp(nodes[i].primary, primary->id))
			return &nodes[i];
	return primary;
}

/* The first primary behind @after in the order of ids. */
static const struct cluster_node *next_primary(const struct cluster_node *nodes, size_t count,
					       const char *after)
{
	const struct cluster_node *next = NULL;

	for (size_t i = 0; i < count; i++)
		if (nodes[i].is_primary && nodes[i].with_slots && strcmp(nodes[i].id, after) > 0 &&
		    (!next || strcmp(nodes[i].id, next->id) < 0))
			next = &nodes[i];
	return next;
}

size_t cluster_nodes_choose(const struct cluster_node *nodes, size_t count, bool replicas,
			    const struct cluster_node **chosen)
{
	const struct cluster_node *primary;
	const char *after = "";
	size_t n = 0;

	while ((primary = next_primary(nodes, count, after))) {
		after = primary->id;
		chosen[n++] = replicas ? replica_of(nodes, count, primary) : primary;
	}
	return n;
}
