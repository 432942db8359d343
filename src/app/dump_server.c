/* SPDX-License-Identifier: BSD-2-Clause */
/* The dump of a server that runs; see dump_server.h. */
#include "app/dump_server.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "app/progress.h"
#include "app/server.h"
#include "base/buf.h"
#include "record/record.h"
#include "redis/info.h"

#define CALL_MS 5000

static void say_under_way(struct buf *line, const struct info *info)
{
	if (info_int(info, "rdb_bgsave_in_progress") > 0)
		buf_puts(line, "; a save is under way, which comes first or is shared");
	if (info_int(info, "aof_rewrite_in_progress") > 0)
		buf_puts(line, "; an AOF rewrite is under way, which comes first");
}

/* The child copies each page that is written meanwhile. */
static void warn(struct conn *conn, const char *name)
{
	struct buf line = {};
	struct info *info = NULL;
	struct err err = {};
	char *text;

	buf_printf(&line, "%s: a full synchronisation makes the server fork and write all its keys",
		   name);
	if (!conn_call_text(conn, CALL_MS, &text, "INFO", &err)) {
		info = info_parse(text);
		free(text);
	}
	if (info && info_int(info, "used_memory") != RECORD_UNKNOWN) {
		buf_puts(&line, ": used_memory ");
		fmt_bytes(&line, info_int(info, "used_memory"));
		buf_puts(&line, ", of which it copies what is written meanwhile");
	}
	if (info)
		say_under_way(&line, info);
	log_msg(LOG_WARN, "%s", buf_str(&line));
	buf_free(&line);
	info_free(info);
}

static void say_waiting(const char *name)
{
	struct buf line = {};

	if (!isatty(STDERR_FILENO))
		return;
	buf_printf(&line, "%.40s: waiting for the server to begin its dump", name);
	progress_line(&line);
	buf_free(&line);
}

int dump_server_open(struct dump_file **file, const struct options *o,
		     const struct rdb_input *input, struct err *err)
{
	struct conn_options options = server_conn_options(o);
	struct fullsync *sync;
	struct conn *conn;
	int ret;

	options.host = input->host;
	options.port = input->port;
	options.socket_path = input->socket_path;
	options.db = 0; /* a dump is of all of them */
	ret = conn_open(&conn, &options, err);
	if (ret)
		return ret;
	ret = conn_greet(conn, CONN_CONNECT_TIMEOUT_MS);
	if (ret == -ETIMEDOUT && !conn_error(conn)->code)
		conn_hang_up(conn);
	if (ret == -EINTR) {
		err_set(err, ret, "rdb: %s: interrupted", input->name);
	} else if (ret) {
		err_set(err, ret, "%s", conn_error(conn)->text);
	} else {
		warn(conn, input->name);
		ret = fullsync_start(&sync, conn, err);
	}
	conn_close(conn);
	if (ret)
		return ret;
	*file = dump_file_of_server(input->name, sync);
	say_waiting(input->name);
	return 0;
}
