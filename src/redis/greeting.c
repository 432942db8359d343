/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The greeting; see greeting.h. INFO comes before all that is a courtesy: each command a
 * server has never executed costs it memory (headroom.h).
 */
#include "redis/greeting.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "host/sock.h"
#include "redis/info.h"
#include "redis/own_calls.h"

#define WORDS_MAX 8

/* --- requests -------------------------------------------------------------------- */

struct request request_make(int argc, const char **argv, const size_t *argvlen)
{
	struct request request = { 0 };
	int len = redisFormatCommandArgv(&request.data, argc, argv, argvlen);

	if (len < 0)
		out_of_memory();
	request.len = (size_t)len;
	own_calls_name(request.name, sizeof(request.name), argc, argv);
	return request;
}

struct request request_line(const char *line)
{
	const char *words[WORDS_MAX];
	char *copy = xstrdup(line), *rest = copy, *word;
	struct request request;
	int count = 0;

	while (count < WORDS_MAX && (word = strsep(&rest, " ")))
		words[count++] = word;
	request = request_make(count, words, NULL);
	free(copy);
	return request;
}

void request_free(struct request *request)
{
	if (request->data) {
		explicit_bzero(request->data, request->len);
		redisFreeCommand(request->data);
	}
	*request = (struct request){ 0 };
}

/* --- what is asked --------------------------------------------------------------- */

void greeting_init(struct greeting *g, const struct conn_options *options)
{
	const char *auth[3] = { "AUTH" };
	int argc = 1;

	*g = (struct greeting){ .peer_pid = options->peer_pid,
				.db = options->db,
				.silent = options->silent,
				.with_password = options->password,
				.with_user = options->user };
	endpoint_name(g->endpoint, sizeof(g->endpoint), options);
	if (!options->password || options->silent)
		return;
	if (options->user)
		auth[argc++] = options->user;
	auth[argc++] = options->password;
	g->login = request_make(argc, auth, NULL);
}

void greeting_clear(struct greeting *g)
{
	request_free(&g->login);
}

static bool ask(struct request *out, const char *line)
{
	*out = request_line(line);
	return true;
}

/* False: this step is not needed. */
static bool ask_step(struct greeting *g, struct headroom *room, struct request *out)
{
	char line[32];

	switch (g->asked) {
	case GREETING_PEER:
		/* Any command will do to learn who is there: a server that wants a password
		 * answers with an error, and executes nothing. */
		return g->peer_pid && ask(out, g->with_password ? "PING" : "INFO memory");
	case GREETING_AUTH:
		*out = g->login;
		g->login = (struct request){ 0 };
		return out->len;
	case GREETING_MEMORY:
		return !room->known && ask(out, "INFO memory");
	case GREETING_ROLE:
		return room->tight && room->above && ask(out, "INFO replication");
	case GREETING_EVICTED:
		return room->tight && room->replica && ask(out, "INFO stats");
	case GREETING_COMMANDS:
		return room->tight && ask(out, "INFO commandstats");
	case GREETING_NAME:
		return headroom_may(room, "client|setname") &&
		       ask(out, "CLIENT SETNAME " CONN_CLIENT_NAME);
	case GREETING_SELECT:
		snprintf(line, sizeof(line), "SELECT %d", g->db);
		return g->db && ask(out, line);
	default:
		return false;
	}
}

int greeting_next(struct greeting *g, struct headroom *room, struct request *out, struct err *err)
{
	char what[300];

	while (g->next < GREETING_END) {
		g->asked = g->next++;
		if ((g->silent && g->asked != GREETING_PEER) || !ask_step(g, room, out))
			continue;
		if (g->asked != GREETING_SELECT || headroom_may(room, out->name))
			return 1;
		request_free(out);
		snprintf(what, sizeof(what), "connection: %s: SELECT %d", g->endpoint, g->db);
		return headroom_error(room, what, err);
	}
	return 0;
}

/* --- what is said ---------------------------------------------------------------- */

static bool begins(const redisReply *reply, const char *prefix)
{
	return !strncmp(reply->str, prefix, strlen(prefix));
}

/* Refusals that may answer whatever comes first. 0 = it is none of them. */
static int refused(const struct greeting *g, const redisReply *reply, struct err *err)
{
	if (begins(reply, "NOAUTH"))
		return err_set(err, -EACCES,
			       "connection: %s: the server asks for a password; give it with -a or "
			       "in REDISCLI_AUTH (and --user where it has ACLs)",
			       g->endpoint);
	if (begins(reply, "DENIED"))
		return err_set(
			err, -EACCES,
			"connection: %s: the server's protected mode refuses remote clients; "
			"connect from its own host, or use its unix socket",
			g->endpoint);
	if (begins(reply, "ERR max number of clients"))
		return err_set(err, -EACCES,
			       "connection: %s: the server has no free client slot; raise "
			       "maxclients, or run redmem with --no-connect",
			       g->endpoint);
	return 0;
}

static int auth_refused(const struct greeting *g, const redisReply *reply, struct err *err)
{
	/* A password where none is needed does no harm: redis-cli goes on, too. */
	if (strstr(reply->str, "without any password configured") ||
	    strstr(reply->str, "no password is set"))
		return 0;
	if (begins(reply, "WRONGPASS") || begins(reply, "ERR invalid password"))
		return err_set(err, -EACCES,
			       "connection: %s: wrong password%s; check -a or REDISCLI_AUTH%s",
			       g->endpoint, g->with_user ? " or user name" : "",
			       g->with_user ? " and --user" :
					      ", and --user where the server has ACLs");
	if (g->with_user && strstr(reply->str, "wrong number of arguments"))
		return err_set(err, -EACCES,
			       "connection: %s: the server knows no user names (before Redis 6); "
			       "leave --user out",
			       g->endpoint);
	return err_set(err, -EACCES,
		       "connection: %s: the server refused AUTH (%.*s); check -a and --user",
		       g->endpoint, (int)strcspn(reply->str, " "), reply->str);
}

/* The process has accepted and answered: now its socket must be among its open files. */
static int check_peer(struct greeting *g, int socket, struct err *err)
{
	struct err why;

	if (sock_check_peer(socket, g->peer_pid, &why))
		return err_set(err, -EPERM,
			       "connection: %s: %s; it was not given the password; where does "
			       "process %d listen?",
			       g->endpoint, why.text, g->peer_pid);
	g->peer_pid = 0;
	return 0;
}

static int take_error(const struct greeting *g, const redisReply *reply, struct err *err)
{
	int rc = refused(g, reply, err);

	if (rc)
		return rc;
	if (g->asked == GREETING_AUTH)
		return auth_refused(g, reply, err);
	if (g->asked == GREETING_SELECT)
		return err_set(err, -EACCES, "connection: %s: SELECT %d: %s; check -n", g->endpoint,
			       g->db, reply->str);
	return 0; /* the others are courtesies, and who may not ask for INFO goes on without */
}

int greeting_take(struct greeting *g, struct headroom *room, const redisReply *reply, int socket,
		  struct err *err)
{
	bool error = reply->type == REDIS_REPLY_ERROR;
	int rc = 0;

	if (g->asked == GREETING_PEER) {
		/* Who turns us away has closed its socket, and gets nothing anyway. */
		if (error && !begins(reply, "NOAUTH"))
			rc = refused(g, reply, err);
		if (!rc)
			rc = check_peer(g, socket, err);
	} else if (error) {
		rc = take_error(g, reply, err);
	}
	if (!rc && reply->type == REDIS_REPLY_STRING) {
		struct info *info = info_parse(reply->str);

		headroom_learn(room, info);
		info_free(info);
	}
	return rc;
}
