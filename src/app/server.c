/* SPDX-License-Identifier: BSD-2-Clause */
/* The server a command works on; see server.h. */
#include "app/server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "app/progress.h"
#include "app/redact.h"
#include "base/clock.h"
#include "base/escape.h"
#include "host/cgroup_names.h"
#include "host/elf.h"
#include "host/proc.h"
#include "host/sock.h"
#include "redis/info.h"
#include "redis/replies.h"

#define CALL_MS	     5000
#define INTERRUPT_MS 20 /* how often a wait looks whether it was interrupted */
#define COMING_NS    1000000000LL /* for one address, until the next is tried */

struct conn_options server_conn_options(const struct options *o)
{
	return (struct conn_options){
		.host = o->host,
		.port = o->port,
		.socket_path = o->socket_path,
		.user = o->user,
		.password = o->password,
		.db = o->db,
		.tls = o->tls,
		.tls_ca_cert = o->tls_ca_cert,
		.tls_ca_dir = o->tls_ca_dir,
		.tls_cert = o->tls_cert,
		.tls_key = o->tls_key,
		.tls_server_name = o->tls_server_name,
		.tls_insecure = o->tls_insecure,
		.ours = o->ours,
	};
}

static void connect_options(struct server *server, const struct options *o)
{
	server->connect = server_conn_options(o);
	server->connect.calls = server->calls;
	server->address_given = options_name_server(o);
	server->tls = o->tls;
}

/* One attempt, at most @timeout_ms for the greeting. @refused: the server itself will not
 * have us. */
static int try_connect(struct server *server, int timeout_ms, bool *refused)
{
	int ret = conn_open(&server->conn, &server->connect, &server->conn_error);

	*refused = false;
	if (ret)
		return ret;
	ret = conn_greet(server->conn, timeout_ms);
	/* A server that hangs answers later: keep the connection. */
	if (!ret || (ret == -ETIMEDOUT && conn_reached(server->conn)))
		return 0;
	if (ret == -ETIMEDOUT)
		conn_hang_up(server->conn);
	*refused = ret == -EACCES;
	server_disconnect(server, conn_error(server->conn));
	return ret;
}

/* Where it listens now. */
static void look_for_listeners(struct server *server)
{
	target_listeners(&server->where);
	server->connect.netns_pid = server->where.pid;
}

static void use_listener(struct server *server, size_t i)
{
	const struct sock_listener *l = &server->where.listeners[i];
	bool tcp = l->family != AF_UNIX;

	server->connect.socket_path = tcp ? NULL : l->path;
	server->connect.host = tcp ? l->address : NULL;
	server->connect.port = l->port;
	server->connect.tls = tcp && server->tls; /* unix sockets have none */
}

static void nowhere(const struct server *server, struct err *err)
{
	err_set(err, -ENOENT, "process %d listens on no port and no socket that can be seen",
		server->where.pid);
}

/* One after the other: a socket may be closed to us, a port be the one of the cluster's bus
 * or of TLS. */
static bool connect_listeners(struct server *server, int timeout_ms)
{
	struct err first = {};
	bool refused = false;

	look_for_listeners(server);
	nowhere(server, &first);
	for (size_t i = 0; i < server->where.listeners_count && !refused; i++) {
		use_listener(server, i);
		if (!try_connect(server, timeout_ms, &refused))
			return true;
		if (!i || refused)
			first = server->conn_error;
	}
	server->conn_error = first;
	return false;
}

/* Connect (again); true when it worked. Waits for the greeting at most @timeout_ms. */
static bool server_connect(struct server *server, int timeout_ms)
{
	bool refused;

	server_disconnect(server, NULL);
	if (server->address_given)
		return try_connect(server, timeout_ms, &refused) == 0;
	return connect_listeners(server, timeout_ms);
}

/* --- again, without waiting ------------------------------------------------------------ */

/* Begin at the next address that does not refuse at once. */
static void come_next(struct server *server)
{
	struct coming *coming = &server->coming;
	size_t count = server->address_given ? 1 : server->where.listeners_count;
	struct err why = {};

	while (!coming->conn && coming->next < count) {
		if (!server->address_given)
			use_listener(server, coming->next);
		if (conn_open(&coming->conn, &server->connect, &why) && !coming->next)
			server->conn_error = why; /* that of the first is told */
		coming->next++;
		coming->until_ns = clock_mono_ns() + COMING_NS;
	}
}

void server_reconnect(struct server *server)
{
	if (server->conn || server->coming.conn)
		return;
	server->coming = (struct coming){};
	if (!server->address_given) {
		look_for_listeners(server);
		if (!server->where.listeners_count)
			nowhere(server, &server->conn_error);
	}
	come_next(server);
}

/* This address does not do. */
static void come_elsewhere(struct server *server)
{
	struct coming *coming = &server->coming;
	struct err why;

	if (!conn_error(coming->conn)->code)
		conn_hang_up(coming->conn);
	why = *conn_error(coming->conn);
	conn_close(coming->conn);
	coming->conn = NULL;
	if (coming->next == 1 || why.code == -EACCES)
		server->conn_error = why;
	if (why.code != -EACCES) /* else the server itself will not have us */
		come_next(server);
}

bool server_reconnect_on(struct server *server, short revents)
{
	struct coming *coming = &server->coming;

	if (!coming->conn)
		return false;
	if (conn_dispatch(coming->conn, revents)) {
		come_elsewhere(server);
		return false;
	}
	if (!conn_connected(coming->conn)) {
		if (clock_mono_ns() < coming->until_ns)
			return false;
		if (!conn_reached(coming->conn)) {
			come_elsewhere(server);
			return false;
		}
		/* A server that hangs answers later: keep the connection. */
	}
	server->conn = coming->conn;
	server->conn_error = (struct err){};
	coming->conn = NULL;
	return true;
}

struct conn *server_knock(const struct server *server)
{
	struct conn_options options = server->connect;
	struct conn *conn;

	options.silent = true;
	return conn_open(&conn, &options, NULL) ? NULL : conn;
}

void server_disconnect(struct server *server, const struct err *why)
{
	struct err copy = {};

	if (why)
		copy = *why; /* it may belong to the connection */
	conn_close(server->conn);
	server->conn = NULL;
	server->conn_error = copy;
}

/* The process behind the address the user gave: the socket's other end. Where that cannot be
 * seen or is none (a proxy), the server is what answers. */
static int find_by_connection(struct server *server, struct err *err)
{
	struct err why = {};
	pid_t pid = 0;
	int ret;

	if (!server_connect(server, CONN_CONNECT_TIMEOUT_MS))
		return err_set(err, server->conn_error.code ? server->conn_error.code : -ENOTCONN,
			       "%s", server->conn_error.text);
	ret = sock_peer_pid(conn_fd(server->conn), &pid, &why);
	if (!ret && target_describe(pid, &server->where, NULL))
		ret = err_set(&why, -ENOENT,
			      "at the other end is process %d, which is no server (a proxy?); give "
			      "the server's with --pid",
			      pid);
	if (!ret)
		return 0;
	server->where.pid = 0;
	err_set(&server->where_error, ret, "the server's process cannot be seen: %s", why.text);
	return 0;
}

static int find(struct server *server, const struct options *o, struct err *err)
{
	if (o->pid)
		return target_describe(o->pid, &server->where, err);
	if (!options_name_server(o))
		return target_only(&server->where, err);
	if (o->no_connect)
		return err_set(err, -EINVAL, "target: --no-connect needs --pid to know the server");
	return find_by_connection(server, err);
}

int server_open(struct server *server, const struct options *o, struct err *err)
{
	int ret;

	memset(server, 0, sizeof(*server));
	server->where.pidfd = -1;
	server->calls = own_calls_new();
	connect_options(server, o);
	ret = find(server, o, err);
	if (ret)
		return ret;
	if (!server->where.pid)
		server->image_error = server->where_error;
	else if (image_open(&server->image, server->where.pid, &server->image_error))
		server->image = NULL;
	else
		allocator_find(&server->allocator, server->image);
	if (server->conn)
		return 0;
	/* From here on it is known who has to answer. */
	server->connect.peer_pid = server->where.pid;
	if (o->no_connect)
		err_set(&server->conn_error, -ECANCELED, "switched off by --no-connect");
	else
		server_connect(server, 1000);
	return 0;
}

int server_open_connected(struct server *server, const struct options *o, struct err *err)
{
	int ret = server_open(server, o, err);

	if (!ret && !server->conn)
		ret = err_set(err, server->conn_error.code ? server->conn_error.code : -ENOTCONN,
			      "%s", server->conn_error.text);
	return ret;
}

void server_emit(const struct server *server, const struct info *info,
		 const struct record_sink *sink)
{
	const struct image *image = server->image;
	struct record record = { .kind = RECORD_TARGET };
	struct record_target *t = &record.target;
	const char *role = info ? info_get(info, "role") : NULL;
	const char *allocator = info ? info_get(info, "mem_allocator") : NULL;
	char text[96] = "", build_id[96] = "";
	struct cgroup_names names = { 0 };
	const unsigned char *id;
	size_t id_len;

	if (image) {
		id = elf_file_build_id(image->module, &id_len);
		hex_encode(build_id, sizeof(build_id), id, id_len);
	}
	t->build_id = build_id;
	t->pid = server->where.pid ? server->where.pid : RECORD_UNKNOWN;
	t->server = info ? info_server(info) : image ? (image->valkey ? "valkey" : "redis") : "";
	t->version = info && info_server_version(info) ? info_server_version(info) : "";
	t->executable = image ? image->executable : "";
	if (image && image->allocator == ALLOCATOR_JEMALLOC)
		snprintf(text, sizeof(text), "jemalloc");
	else if (image && image->allocator == ALLOCATOR_LIBC)
		snprintf(text, sizeof(text), "libc");
	t->allocator = text;
	/* The server names the version it was built with: "jemalloc-5.3.0". */
	if (allocator && !strncmp(allocator, "jemalloc-", 9))
		snprintf(text, sizeof(text), "jemalloc %s", allocator + 9);
	t->allocator_bundled = image && image->allocator_bundled;
	t->can_defrag = image && image->can_defrag;
	t->port = server->where.port ? server->where.port : RECORD_UNKNOWN;
	t->socket = server->where.socket;
	t->role = role ? (strcmp(role, "slave") ? role : "replica") : "";
	if (server->where.pid)
		cgroup_names(server->where.pid, &names);
	t->container = names.container;
	t->container_name = names.name;
	t->pod = names.pod;
	t->connected = server->conn != NULL;
	t->connect_reason = server->conn ? "" : server->conn_error.text;
	record_emit(sink, &record);
}

int server_ask(struct server *server, const struct options *o, const struct record_sink *sink,
	       struct err *err)
{
	struct redact *redact = redact_new_of(o);
	struct record_sink shown = redact_sink(redact, sink);
	struct record record = { .kind = RECORD_INFO };
	struct info *info;
	char *text = NULL;
	int ret = conn_call_text(server->conn, CALL_MS, &text, "INFO", err);

	if (!ret) {
		record.info.phase = "start";
		record.info.text = text;
		record_emit(&shown, &record);
		info = info_parse(text);
		server_emit(server, info, &shown);
		info_free(info);
		/* without it the report only knows less */
		config_read(server->conn, CALL_MS, &shown);
	}
	redact_free(redact);
	free(text);
	return ret;
}

int server_drive(struct conn *conn, double seconds, bool until_idle)
{
	int64_t end = clock_mono_ns() + (int64_t)(seconds * 1e9);
	int ret = 0;

	while (!ret && !interrupted() && clock_mono_ns() < end &&
	       (!until_idle || conn_pending(conn))) {
		struct pollfd fd = { .fd = conn_fd(conn), .events = conn_poll_events(conn) };

		poll(&fd, 1, INTERRUPT_MS);
		ret = conn_dispatch(conn, fd.revents);
	}
	return ret;
}

void server_close(struct server *server)
{
	conn_close(server->coming.conn);
	conn_close(server->conn);
	image_close(server->image);
	target_release(&server->where);
	own_calls_free(server->calls);
}
