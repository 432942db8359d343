/* SPDX-License-Identifier: BSD-2-Clause */
/* How the server counts arguments; see arguments.h. */
#include "app/arguments.h"

#include <string.h>

#include "app/server.h"
#include "base/buf.h"
#include "base/log.h"
#include "sensor/sensor.h"

/* Below what the server reads in place (PROTO_MBULK_BIG_ARG, 32 KiB). Each has about one
 * chance in two to be the one at which the allocator tells of its bytes. */
#define ECHO_BYTES 30000
#define ECHO_TIMES 24
#define TIMEOUT_MS 500

/* True when there is more to learn. */
static bool echo(struct server *server, const char *text)
{
	const char *argv[] = { "ECHO", text };
	redisReply *reply = NULL;
	int ret = conn_call(server->conn, TIMEOUT_MS, &reply, 2, argv, NULL);
	bool good = !ret && reply && reply->type == REDIS_REPLY_STRING;

	if (reply)
		freeReplyObject(reply);
	return good;
}

void arguments_learn(struct sensors *sensors, struct server *server)
{
	struct redmem_settings *settings = sensors_settings(sensors);
	struct buf text = {};

	if (!settings || !server->conn || !settings->own_client)
		return;
	buf_fill(&text, 'x', ECHO_BYTES);
	for (int i = 0; i < ECHO_TIMES; i++)
		if (sensors_own_arguments(sensors) > 1 || !echo(server, buf_str(&text)))
			break;
	buf_free(&text);
	settings->argument_first = sensors_own_arguments(sensors) == 1;
	log_msg(LOG_INFO, "arguments: counted %s they are made",
		settings->argument_first ? "after" : "before");
}
