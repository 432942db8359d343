/* SPDX-License-Identifier: BSD-2-Clause */
/* A private server; see private_server.h. */
#define _GNU_SOURCE 1 /* CPU_SET() */
#include "lab/private_server.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/cgroup_own.h"
#include "host/file.h"
#include "redis/conn.h"

#define START_TIMEOUT_NS INT64_C(10000000000)
#define START_PAUSE_US	 20000

void private_server_program(struct buf *out, const char *program)
{
	const char *path = strchr(program, '/') ? "" : getenv("PATH");

	if (strchr(program, '/'))
		buf_puts(out, program);
	for (path = path ? path : ""; *path;) {
		size_t len = strcspn(path, ":");

		buf_clear(out);
		buf_add(out, path, len);
		buf_printf(out, "%s%s", len ? "/" : "./", program);
		if (!access(buf_str(out), X_OK))
			return;
		path += len + (path[len] == ':');
		buf_clear(out);
	}
}

int private_server_find(const char *who, struct buf *program, struct err *err)
{
	private_server_program(program, "redis-server");
	if (!program->len)
		private_server_program(program, "valkey-server");
	return program->len ? 0 :
			      err_set(err, -ENOENT,
				      "%s: neither redis-server nor valkey-server is in PATH; "
				      "install one (apt-get install redis-server)",
				      who);
}

/* --- in the child ------------------------------------------------------------------ */

static size_t length(const char *const *list)
{
	size_t count = 0;

	while (list && list[count])
		count++;
	return count;
}

/* Its arguments: how each private server is set up, then what the caller wants. */
static char **arguments(const struct private_server *server,
			const struct private_server_config *config)
{
	const char *const own[] = { "--port",
				    "0",
				    "--unixsocket",
				    server->socket,
				    "--unixsocketperm",
				    "700",
				    "--dir",
				    config->dir,
				    "--save",
				    "",
				    "--appendonly",
				    "no",
				    "--daemonize",
				    "no",
				    "--stop-writes-on-bgsave-error",
				    "no",
				    NULL };
	const char *const *parts[] = { config->command, own, config->settings };
	const char **all = xcalloc(
		length(config->command) + length(own) + length(config->settings) + 1, sizeof(*all));
	size_t count = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		for (size_t j = 0; j < length(parts[i]); j++)
			all[count++] = parts[i][j];
	return (char **)all;
}

static void pin(const int *cpus, size_t count)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (size_t i = 0; i < count; i++)
		CPU_SET(cpus[i], &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Become the server. Its words go to a file, for when it fails. */
static _Noreturn void become_server(const struct private_server_config *config, char **argv,
				    pid_t parent)
{
	int log, null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	setpgid(0, 0);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGHUP, SIG_DFL);
	null = open("/dev/null", O_RDONLY);
	log = chdir(config->dir) ? -1 : open("server.log", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (null < 0 || log < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(1);
	if (config->cpus_count)
		pin(config->cpus, config->cpus_count);
	for (size_t i = 0; i < length(config->environment); i++)
		putenv((char *)config->environment[i]);
	if (config->cgroup && cgroup_own_enter(config->cgroup))
		dprintf(2, "cannot enter %s\n", config->cgroup);
	else
		execv(argv[0], argv);
	dprintf(2, "%s: %s\n", argv[0], strerror(errno));
	_exit(1);
}

/* --- in the caller ------------------------------------------------------------------- */

static bool answers(const struct private_server *server)
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

/* The line of a server that crashed that says of what; NULL. */
static char *crash_line(char *log)
{
	static const char *const signs[] = { "crashed by signal", "ASSERTION FAILED",
					     "Guru Meditation" };
	char *sign = NULL;

	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
		char *found = strstr(log, signs[i]);

		if (found && (!sign || found < sign))
			sign = found;
	}
	while (sign && sign > log && sign[-1] != '\n')
		sign--;
	return sign;
}

/* What the server said last before it ended: two lines, for the last alone ("Bad directive") often
 * does not say of what; of a crash, whose report is long, why. */
static void last_words(struct buf *out, const char *dir)
{
	struct buf path = {}, log = {};
	char *words, *from;

	buf_printf(&path, "%s/server.log", dir);
	file_read(buf_str(&path), 1 << 20, &log, NULL);
	while (log.len && log.data[log.len - 1] == '\n')
		log.data[--log.len] = '\0';
	words = log.len ? crash_line(log.data) : NULL;
	from = log.len && !words ? strrchr(log.data, '\n') : NULL;
	if (from) {
		*from = ' ';
		words = strrchr(log.data, '\n');
		words = words ? words + 1 : log.data;
	}
	words = words ? words : log.len ? log.data : (char *)"it said nothing";
	buf_add(out, words, strcspn(words, "\n"));
	buf_free(&path);
	buf_free(&log);
}

static void put_end(struct buf *out, int status)
{
	if (WIFSIGNALED(status))
		buf_printf(out, "was ended by signal %d", WTERMSIG(status));
	else
		buf_printf(out, "ended with status %d", WEXITSTATUS(status));
}

bool private_server_ended(struct private_server *server, struct buf *how, const char *dir)
{
	struct buf words = {};
	int status;

	if (server->pid <= 0 || waitpid(server->pid, &status, WNOHANG) != server->pid)
		return false;
	last_words(&words, dir);
	put_end(how, status);
	buf_printf(how, ": %s", buf_str(&words));
	buf_free(&words);
	return true;
}

static int wait_answer(struct private_server *server, const struct private_server_config *config,
		       struct err *err)
{
	int64_t end = clock_mono_ns() + START_TIMEOUT_NS;
	struct buf how = {};
	int ret = 0;

	while (!answers(server)) {
		if (private_server_ended(server, &how, config->dir))
			ret = -ECHILD;
		else if (config->stop && *config->stop)
			ret = -EINTR;
		else if (clock_mono_ns() > end)
			ret = -ETIMEDOUT;
		if (ret)
			break;
		usleep(START_PAUSE_US);
	}
	if (ret == -ETIMEDOUT) {
		buf_puts(&how, "does not answer: ");
		last_words(&how, config->dir);
	}
	if (ret == -EINTR)
		err_set(err, ret, "%s: interrupted", config->who);
	else if (ret)
		err_set(err, ret, "%s: %s %s", config->who, config->command[0], buf_str(&how));
	buf_free(&how);
	return ret;
}

int private_server_start(struct private_server *server, const struct private_server_config *config,
			 struct err *err)
{
	pid_t parent = getpid();
	char **argv;
	int ret;

	*server = (struct private_server){};
	ret = snprintf(server->socket, sizeof(server->socket), "%s/redis.sock", config->dir);
	if ((size_t)ret >= sizeof(server->socket))
		return err_set(err, -ENAMETOOLONG,
			       "%s: %s is too long for a unix socket; set TMPDIR to a shorter one",
			       config->who, config->dir);
	argv = arguments(server, config);
	server->pid = fork();
	if (!server->pid)
		become_server(config, argv, parent);
	free(argv);
	if (server->pid < 0)
		return err_set(err, -errno, "%s: fork: %s", config->who, strerror(errno));
	setpgid(server->pid, server->pid); /* whoever of us comes first */
	ret = wait_answer(server, config, err);
	if (ret)
		private_server_end(server);
	return ret;
}

void private_server_end(struct private_server *server)
{
	if (server->pid <= 0)
		return;
	kill(-server->pid, SIGKILL);
	while (waitpid(-server->pid, NULL, 0) > 0 || errno == EINTR)
		;
	server->pid = 0;
}
