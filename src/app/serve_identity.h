/* SPDX-License-Identifier: BSD-2-Clause */
/* What a server is named and chosen by: its unit, container and pod, and where it listens. */
#pragma once

#include <stdbool.h>

#include "app/serve_config.h"
#include "base/buf.h"
#include "host/cgroup_names.h"
#include "target/find.h"

struct redact;

struct serve_identity {
	struct cgroup_names names;
	char pod[2 * CGROUP_NAME_MAX]; /* with the container's name; "" when that is not known */
	char address[160];
	int port; /* 0 = none */
	char socket[sizeof(((struct server_candidate *)0)->socket)]; /* "" = none */
	const struct serve_server *section; /* of the configuration; NULL = none */
};

/* Who @server is now. Names are safe to print. */
void serve_identify(struct serve_identity *is, const struct server_candidate *server,
		    const struct serve_config *config);
/* Has it the same name, and is it watched alike? */
bool serve_identity_same(const struct serve_identity *a, const struct serve_identity *b);
/* The server's label: always the same for the same @who and section (NULL = none), never a
 * process id. Two servers may get the same: the caller tells them apart. */
void serve_label(struct buf *out, const struct serve_server *section, const struct serve_who *who);
/* Append its label; @redact hides names, NULL does not. */
void serve_identity_label(struct buf *out, const struct serve_identity *is, struct redact *redact);
