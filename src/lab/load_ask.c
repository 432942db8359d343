/* SPDX-License-Identifier: BSD-2-Clause */
/* What the load asks the server itself, beside what the scenario asks; see load_private.h. */
#include <stdlib.h>

#include "lab/load_private.h"
#include "redis/info.h"

int load_ask_open(const struct lab_load *load, struct conn **conn, struct err *err)
{
	const struct conn_options options = { .socket_path = load->options.socket,
					      .peer_pid = load->options.pid,
					      .ours = true };
	int ret = conn_open(conn, &options, err);

	if (ret)
		return ret;
	ret = conn_greet(*conn, LOAD_ASK_MS);
	if (ret) {
		err_set(err, ret, "lab: %s", conn_error(*conn)->text);
		conn_close(*conn);
	}
	return ret;
}

int load_ask_info(struct conn *conn, const char *line, const char *name, struct buf *out,
		  struct err *err)
{
	struct info *info;
	char *text;
	int ret = conn_call_text(conn, LOAD_ASK_MS, &text, line, err);

	if (ret)
		return ret;
	info = info_parse(text);
	buf_clear(out);
	buf_puts(out, info_get(info, name) ? info_get(info, name) : "");
	info_free(info);
	free(text);
	return 0;
}
