/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's private server; see demo_server.h. */
#include "app/demo_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "host/file.h"
#include "redis/conn.h"

#define START_TIMEOUT_NS INT64_C(10000000000)
#define START_PAUSE_US	 20000

/* The full name of @program by PATH, "" when there is none. */
static void find_program(struct buf *out, const char *program)
{
	const char *path = getenv("PATH");

	for (path = path ? path : ""; *path;) {
		size_t len = strcspn(path, ":");

		buf_clear(out);
		buf_add(out, path, len);
		buf_printf(out, "%s%s", len ? "/" : "./", program);
		if (!access(buf_str(out), X_OK))
			return;
		path += len + (path[len] == ':');
	}
	buf_clear(out);
}

/* In the child: become the server. Its words go to a file, for when it fails. */
static _Noreturn void become_server(const struct demo_server *server, const char *program,
				    const char *dir, const struct demo_swap *swap, pid_t parent)
{
	const char *argv[] = { program,
			       "--port",
			       "0",
			       "--unixsocket",
			       server->socket,
			       "--unixsocketperm",
			       "700",
			       "--dir",
			       dir,
			       "--save",
			       "",
			       "--appendonly",
			       "no",
			       "--daemonize",
			       "no",
			       "--stop-writes-on-bgsave-error",
			       "no",
			       NULL };
	int log, null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	setpgid(0, 0);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	null = open("/dev/null", O_RDONLY);
	log = chdir(dir) ? -1 : open("server.log", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (null < 0 || log < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(1);
	if (swap && demo_swap_enter(swap))
		dprintf(2, "cannot enter %s\n", swap->cgroup);
	else
		execv(program, (char **)argv);
	dprintf(2, "%s: %s\n", program, strerror(errno));
	_exit(1);
}

static bool answers(const struct demo_server *server)
{
	const struct conn_options options = { .socket_path = server->socket };
	struct conn *conn = NULL;
	redisReply *reply = NULL;
	bool yes;

	if (conn_open(&conn, &options, NULL))
		return false;
	yes = !conn_call_line(conn, 1000, &reply, "PING") && reply->type == REDIS_REPLY_STATUS;
	freeReplyObject(reply);
	conn_close(conn);
	return yes;
}

/* What the server said last before it ended. */
static void last_words(struct buf *out, const char *dir)
{
	struct buf path = {}, log = {};
	char *line;

	buf_printf(&path, "%s/server.log", dir);
	file_read(buf_str(&path), 1 << 20, &log, NULL);
	while (log.len && log.data[log.len - 1] == '\n')
		log.data[--log.len] = '\0';
	line = log.len ? strrchr(log.data, '\n') : NULL;
	buf_puts(out, line ? line + 1 : log.len ? log.data : "it said nothing");
	buf_free(&path);
	buf_free(&log);
}

static int wait_answer(const struct demo_server *server, const char *program, const char *dir,
		       struct err *err)
{
	int64_t end = clock_mono_ns() + START_TIMEOUT_NS;
	struct buf words = {};
	int ret = 0;

	while (!answers(server)) {
		if (waitpid(server->pid, NULL, WNOHANG) == server->pid)
			ret = -ECHILD;
		else if (clock_mono_ns() > end)
			ret = -ETIMEDOUT;
		if (ret)
			break;
		usleep(START_PAUSE_US);
	}
	if (ret) {
		last_words(&words, dir);
		err_set(err, ret, "demo: %s %s: %s", program,
			ret == -ECHILD ? "ended at once" : "does not answer", buf_str(&words));
		buf_free(&words);
	}
	return ret;
}

int demo_server_start(struct demo_server *server, const char *dir, const struct demo_swap *swap,
		      struct err *err)
{
	struct buf program = {};
	pid_t parent = getpid();
	int ret;

	find_program(&program, "redis-server");
	if (!program.len)
		find_program(&program, "valkey-server");
	if (!program.len) {
		ret = err_set(
			err, -ENOENT,
			"demo: neither redis-server nor valkey-server is in PATH; install one "
			"(apt-get install redis-server)");
		goto out;
	}
	ret = snprintf(server->socket, sizeof(server->socket), "%s/redis.sock", dir);
	if ((size_t)ret >= sizeof(server->socket)) {
		ret = err_set(err, -ENAMETOOLONG,
			      "demo: %s is too long for a unix socket; set TMPDIR to a shorter one",
			      dir);
		goto out;
	}
	server->pid = fork();
	if (!server->pid)
		become_server(server, buf_str(&program), dir, swap, parent);
	if (server->pid < 0) {
		ret = err_set(err, -errno, "demo: fork: %s", strerror(errno));
		goto out;
	}
	setpgid(server->pid, server->pid); /* whoever of us comes first */
	ret = wait_answer(server, buf_str(&program), dir, err);
	if (ret == -ETIMEDOUT)
		demo_server_end(server);
out:
	buf_free(&program);
	return ret;
}

void demo_server_end(const struct demo_server *server)
{
	if (server->pid > 0)
		kill(-server->pid, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
}
