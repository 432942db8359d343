/* SPDX-License-Identifier: BSD-2-Clause */
/* Whose work it is; see attribution.h. */
#include "app/attribution.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "redis/knowledge_commands.h"
#include "target/calibrate.h"
#include "target/commands.h"
#include "target/frames.h"
#include "target/image.h"
#include "target/symbols.h"

/* Who knows names, as far as it is known yet. */
static void tell_names(struct attribution *a)
{
	sensors_set_names(a->sensors, &(struct sensor_names){ .commands = a->commands,
							      .symbols = a->symbols,
							      .frames = a->frames });
}

#define GREETING_MS 2000
#define QUESTIONS   4 /* at once: each takes a microsecond or two of the server */

/* --- calibration --------------------------------------------------------------- */

/* Ask over redmem's connection, or over one just for this where the password is
 * not known. */
static int calibrate_by_asking(struct attribution *a, struct calibration *found, struct err *why)
{
	struct server *server = a->server;
	struct conn *conn = server->conn;
	int ret;

	if (!conn && server->conn_error.code == -EACCES)
		conn = server_knock(server);
	if (!conn)
		return err_set(why, -ENOTCONN, "cannot ask the server: %s",
			       server->conn_error.text);
	ret = conn_greet(conn, GREETING_MS);
	if (ret == -ETIMEDOUT)
		err_set(why, ret, "calibration: the server did not answer within %d ms",
			GREETING_MS);
	else if (ret)
		err_set(why, ret, "calibration: %s", conn_error(conn)->text);
	else if (conn_tight(conn)) /* commands of its own would cost the server memory */
		ret = err_set(why, -EBUSY, "calibration: not asked within 4 MB of maxmemory");
	else
		ret = calibrate(found, server->image, &a->slots, conn, why);
	if (conn != server->conn) {
		conn_close(conn);
		found->own_client = 0;
	}
	return ret;
}

/* A server that cannot be asked is watched. One that hangs has nothing to show; it is
 * asked again when it answers. */
static int calibrate_somehow(struct attribution *a, struct calibration *found, struct err *why)
{
	struct err asking = {}, watching = {};
	int ret = calibrate_by_asking(a, found, &asking);
	__u64 own_client = found->own_client; /* may be known all the same */

	*why = asking;
	if (!ret || ret == -ETIMEDOUT)
		return ret;
	a->pause_seconds += found->pause_seconds;
	ret = calibrate_passively(found, a->server->image, &a->slots, &watching);
	found->own_client = own_client;
	return ret ? err_set(why, ret, "%.240s; %s", asking.text, watching.text) : 0;
}

static void log_offsets(const struct attribution *a, const struct calibration *found)
{
	const struct redmem_offsets *at = &found->at;
	uint64_t server = a->server->image->server_address;

	log_msg(LOG_DEBUG,
		"offsets: current_client %llu executing_client %llu argc %u argv %u cmd %u "
		"querybuf %u db %u id %u ptr %u embedded %u references %u fullname %u commands "
		"%llu "
		"turns %llu",
		at->current_client - server,
		at->executing_client ? at->executing_client - server : 0, at->argc, at->argv,
		at->cmd, at->querybuf, at->db, at->db_id, at->object.pointer, at->object.embedded,
		at->object.refcount_shift, found->fullname_offset,
		at->commands_done ? at->commands_done - server : 0,
		at->iterations ? at->iterations - server : 0);
}

/* False when it cannot be done, or not yet. */
static bool may_calibrate(struct attribution *a, struct err *why)
{
	int ret;

	if (!a->server->image) {
		*why = a->server->image_error;
		return false;
	}
	ret = sensors_probe_slots(a->sensors, &a->slots);
	if (ret == -EBUSY)
		err_set(why, ret, "waits until other servers are calibrated");
	else if (ret)
		err_set(why, ret, "needs BPF, which is off");
	return !ret;
}

bool attribution_calibrate(struct attribution *a)
{
	struct calibration found = {};
	struct err why = {};
	bool may = may_calibrate(a, &why);

	if (why.code == -EBUSY) {
		if (!a->on) /* else it goes by what was found before */
			snprintf(a->reason, sizeof(a->reason), "%s", why.text);
		return false;
	}
	a->on = may && calibrate_somehow(a, &found, &why) == 0;
	if (may)
		sensors_probe_slots_end(a->sensors, &a->slots);
	snprintf(a->reason, sizeof(a->reason), "%s", a->on ? found.note : why.text);
	log_msg(LOG_INFO, "attribution %s: %s", a->on ? "on" : "off", a->reason);
	a->pause_seconds += found.pause_seconds;
	if (!a->on)
		return true;
	log_offsets(a, &found);
	if (!a->commands)
		a->commands = target_commands_new(a->server->where.pid, found.fullname_offset,
						  sensors_key_rules_fd(a->sensors),
						  sensors_settings(a->sensors)->index);
	tell_names(a);
	sensors_set_attribution(a->sensors, &found.at, found.own_client);
	return true;
}

/* --- commands no table knows ------------------------------------------------------------ */

struct question {
	struct attribution *attribution;
	char *name;
};

static void command_replied(void *ctx, redisReply *reply, double seconds)
{
	struct question *question = ctx;
	int first_key = command_info_first_key(reply);

	(void)seconds;
	if (first_key >= 0)
		target_commands_told(question->attribution->commands, question->name, first_key);
	/* What it is called may be anything that was read while the server went on, and a name that
	 * is to be hidden. */
	log_msg(LOG_INFO,
		"a command that is not known: the server says its first key is argument %d",
		first_key);
	freeReplyObject(reply);
	free(question->name);
	free(question);
}

void attribution_ask(struct attribution *a)
{
	struct conn *conn = a->server->conn;
	const char *name;

	if (!conn || !a->commands)
		return;
	for (int i = 0; i < QUESTIONS && conn_may(conn, "command|info"); i++) {
		struct question *question;

		name = target_commands_unknown(a->commands);
		if (!name)
			return;
		question = xcalloc(1, sizeof(*question));
		*question = (struct question){ a, xstrdup(name) };
		if (!conn_send(conn, command_replied, question, 3,
			       (const char *[]){ "COMMAND", "INFO", name }, NULL))
			continue;
		free(question->name);
		free(question);
	}
}

void attribution_open(struct attribution *a, struct server *server, struct sensors *sensors)
{
	*a = (struct attribution){ .server = server, .sensors = sensors };
	if (server->image) {
		a->symbols = target_symbols_open(server->image);
		a->frames = frames_open(server->image);
	}
	tell_names(a);
}

void attribution_close(struct attribution *a)
{
	target_commands_free(a->commands);
	target_symbols_close(a->symbols);
	frames_close(a->frames);
}
