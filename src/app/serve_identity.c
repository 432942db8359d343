/* SPDX-License-Identifier: BSD-2-Clause */
/* What a server is named and chosen by; see serve_identity.h. */
#include "app/serve_identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/redact.h"
#include "base/escape.h"

static void name_address(const struct server_candidate *who, char *out, size_t size)
{
	const struct sock_listener *l = who->listeners_count ? &who->listeners[0] : NULL;

	/* By its port where it has one: a socket's path says less. */
	for (size_t i = 0; i < who->listeners_count; i++)
		if (who->listeners[i].port == who->port && who->port) {
			snprintf(out, size,
				 strchr(who->listeners[i].address, ':') ? "[%s]:%d" : "%s:%d",
				 who->listeners[i].address, who->port);
			return;
		}
	snprintf(out, size, "%s", l ? l->path : "");
}

void serve_identify(struct serve_identity *is, const struct server_candidate *server,
		    const struct serve_config *config)
{
	struct cgroup_names *names = &is->names;
	struct serve_who who;

	*is = (struct serve_identity){ .port = server->port };
	snprintf(is->socket, sizeof(is->socket), "%s", server->socket);
	cgroup_names(server->pid, names);
	name_address(server, is->address, sizeof(is->address));
	escape_sanitize(names->unit);
	escape_sanitize(names->container);
	if (*names->name)
		snprintf(is->pod, sizeof(is->pod), "%s/%s", names->pod, names->name);
	escape_sanitize(is->pod);
	escape_sanitize(is->address);
	who = (struct serve_who){ is->port,    is->address,	 is->socket,
				  names->unit, names->container, is->pod };
	is->section = serve_config_find(config, &who);
}

bool serve_identity_same(const struct serve_identity *a, const struct serve_identity *b)
{
	return !strcmp(a->names.unit, b->names.unit) &&
	       !strcmp(a->names.container, b->names.container) && !strcmp(a->pod, b->pod) &&
	       !strcmp(a->address, b->address) && serve_server_same(a->section, b->section);
}

void serve_identity_label(struct buf *out, const struct serve_identity *is, struct redact *redact)
{
	char *hidden[] = { redact_text(redact, is->address), redact_text(redact, is->socket),
			   redact_text(redact, is->names.unit),
			   redact_text(redact, is->names.container), redact_text(redact, is->pod) };
	const struct serve_who shown = { is->port,  hidden[0], hidden[1],
					 hidden[2], hidden[3], hidden[4] };

	serve_label(out, is->section, &shown);
	for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++)
		free(hidden[i]);
	escape_sanitize(out->data);
}
