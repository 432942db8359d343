/* SPDX-License-Identifier: BSD-2-Clause */
/* What a server is called; see label.h. */
#include "app/label.h"

void label_of_server(struct buf *out, const struct options *o, const struct model *m)
{
	const struct record_target *target = &m->target;

	if (o->socket_path)
		buf_puts(out, o->socket_path);
	else if (target->port > 0)
		buf_printf(out, "%s:%lld", o->host ? o->host : "127.0.0.1",
			   (long long)target->port);
	else if (target->socket && *target->socket)
		buf_puts(out, target->socket);
	else
		buf_puts(out, target->server && *target->server ? target->server : "redis");
}
