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

/* --- labels ------------------------------------------------------------------------------ */

static bool exact(const char *pattern)
{
	return pattern && !strpbrk(pattern, "*?[\\");
}

/* Can the section mean one server only? A unit and a container, of a pod or not, have one. Pods
 * have networks of their own, and in each the same port. */
static bool means_one(const struct serve_server *section)
{
	return (section->port && !section->pod) || exact(section->socket) || exact(section->unit) ||
	       exact(section->container) || exact(section->pod);
}

/* "redis-server@a.service" is "redis-server@a". */
static size_t unit_len(const char *unit)
{
	const char *end = strstr(unit, ".service");

	return end && !end[8] ? (size_t)(end - unit) : strlen(unit);
}

void serve_label(struct buf *out, const struct serve_server *section, const struct serve_who *who)
{
	if (section && means_one(section)) {
		buf_puts(out, section->name);
		return;
	}
	if (section && section->pod)
		buf_printf(out, "%s/%s", section->name, who->pod);
	else if (section)
		buf_puts(out, section->name);
	else if (*who->pod)
		buf_puts(out, who->pod);
	else if (*who->container)
		buf_puts(out, who->container);
	else if (*who->unit)
		buf_add(out, who->unit, unit_len(who->unit));
	if (!out->len)
		buf_puts(out, *who->address ? who->address : "unknown");
	else if (who->port)
		buf_printf(out, ":%d", who->port);
	else if (*who->socket)
		buf_printf(out, ":%s", who->socket);
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
