/* SPDX-License-Identifier: BSD-2-Clause */
/* What a server is called; see label.h. */
#include "app/label.h"

#include <stdlib.h>

#include "app/redact.h"

/* What the user has called it, as it may be shown. */
static void put_given(struct buf *out, const struct options *o, const char *place)
{
	struct redact *redact = redact_new_of(o);
	char *shown = redact_text(redact, place);

	buf_puts(out, shown);
	free(shown);
	redact_free(redact);
}

void label_of_server(struct buf *out, const struct options *o, const struct model *m)
{
	const struct record_target *target = &m->target;

	if (o->socket_path) {
		put_given(out, o, o->socket_path);
	} else if (target->port > 0) {
		put_given(out, o, o->host ? o->host : "127.0.0.1");
		buf_printf(out, ":%lld", (long long)target->port);
	} else if (target->socket && *target->socket) {
		buf_puts(out, target->socket);
	} else {
		buf_puts(out, target->server && *target->server ? target->server : "redis");
	}
}
