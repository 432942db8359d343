/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Another program as the load: redis-benchmark and its like, as far as they are installed. It runs
 * for as long as the slice; what it got done, the server says.
 */
#define _GNU_SOURCE /* execvpe() */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "lab/load_private.h"
#include "record/record.h"

#define WORDS_MAX 128 /* of its command line */
#define NS	  1e9

struct tool {
	char *line; /* the words, cut */
	char *words[WORDS_MAX + 3];
};

static int cut_words(struct lab_load *load, struct tool *tool)
{
	char *save = NULL, *word;
	int count = 0;

	tool->line = xstrdup(load->scenario->tool);
	for (word = strtok_r(tool->line, " \t", &save); word; word = strtok_r(NULL, " \t", &save)) {
		if (count == WORDS_MAX)
			return err_set(&load->error, -E2BIG, "lab: %s: load: more than %d words",
				       load->scenario->name, WORDS_MAX);
		tool->words[count++] = word;
	}
	tool->words[count++] = strncmp(tool->words[0], "memtier", 7) ? "-s" : "-S";
	tool->words[count] = (char *)load->options.socket;
	return 0;
}

/* The child: nothing of it is seen, and it does not outlive the load. */
static void become(const struct tool *tool)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	execvp(tool->words[0], tool->words);
	_exit(127);
}

/* Until it ends, or is ended: then the slice is over. */
static int wait_tool(struct lab_load *load, const struct tool *tool, pid_t pid)
{
	int64_t end = load->counts.start_ns + (int64_t)(load->order.seconds * NS);
	bool ended = false;
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		if (!ended &&
		    (load_stopped(load) || (load->order.seconds > 0 && clock_mono_ns() >= end))) {
			ended = true;
			kill(pid, SIGKILL);
		}
		usleep(1000);
	}
	load->heard_ns = clock_mono_ns();
	if (ended || !status)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(&load->error, -ENOENT,
			       "lab: %s: %s cannot be started; is it installed?",
			       load->scenario->name, tool->words[0]);
	return err_set(&load->error, -EIO, "lab: %s: \"%s\" failed; run it by hand to see why",
		       load->scenario->name, load->scenario->tool);
}

static int count_commands(struct lab_load *load, struct conn *conn, int64_t *count)
{
	struct buf value = { 0 };
	int ret =
		load_ask_info(conn, "INFO stats", "total_commands_processed", &value, &load->error);

	*count = strtoll(buf_str(&value), NULL, 10);
	buf_free(&value);
	return ret;
}

static int run_tool(struct lab_load *load, const struct tool *tool, struct conn *conn)
{
	int64_t before, after;
	int ret = count_commands(load, conn, &before);
	pid_t pid;

	if (ret)
		return ret;
	load->counts.start_ns = clock_mono_ns();
	pid = fork();
	if (pid < 0)
		return err_set(&load->error, -errno, "lab: fork: %s", strerror(errno));
	if (!pid)
		become(tool);
	ret = wait_tool(load, tool, pid);
	if (!ret)
		ret = count_commands(load, conn, &after);
	if (!ret) /* but the INFO that asked first */
		load->counts.sent = load->counts.replies = (uint64_t)(after - before - 1);
	return ret;
}

int load_tool(struct lab_load *load)
{
	struct tool tool = { 0 };
	struct conn *conn;
	int ret = cut_words(load, &tool);

	if (!ret)
		ret = load_ask_open(load, &conn, &load->error);
	if (!ret) {
		ret = run_tool(load, &tool, conn);
		conn_close(conn);
	}
	free(tool.line);
	return ret;
}
