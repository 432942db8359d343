/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * redmem demo: a private server with known troubles, and its diagnosis. Its stage is a
 * temporary directory, the server in it, scarce memory around it (demo_swap.h), and clients
 * that give it trouble (demo_load.h). It is built and taken down by a process of its own, the
 * keeper, which outlives the caller by as long as it needs to: however the caller ends, nothing
 * stays behind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/kernel.h"
#include "host/proc.h"
#include "host/sysmem.h"
#include "lab/private_server.h"
#include "app/commands.h"
#include "app/demo_load.h"
#include "app/demo_swap.h"
#include "app/print.h"
#include "app/watch.h"

/* --- the stage --------------------------------------------------------------- */

/*
 * The caller and the keeper hold the ends of a socket. The keeper tells what has
 * become of the stage; the caller says nothing, and that its end is closed means
 * that the stage is no longer needed. Server and clients are children of the
 * keeper and die with it (PR_SET_PDEATHSIG).
 */

#define MIB		 (INT64_C(1) << 20)
#define MEMORY_NEEDED	 (1024 * MIB) /* of the server at its peak, with a saving child */
#define SQUEEZE_FRACTION 0.70 /* of the server's memory that the limit leaves resident */

/* What the keeper tells. */
struct news {
	struct err err; /* code 0: the stage is ready, or taken down */
	pid_t pid;
	char socket[108];
};

struct demo_stage {
	pid_t keeper;
	int fd;
	struct news news;
};

/* The keeper's. */
struct stage {
	int fd;
	char dir[PATH_MAX]; /* "" = none */
	struct demo_swap swap;
	bool swaps;
	struct private_server server;
	pid_t load;
};

/* --- building -------------------------------------------------------------------- */

static int make_dir(struct stage *stage, struct err *err)
{
	const char *tmp = getenv("TMPDIR");
	struct buf path = {};
	int ret = 0;

	buf_printf(&path, "%s/redmem-demo.XXXXXX", tmp && *tmp ? tmp : "/tmp");
	if (!mkdtemp(path.data) || !realpath(path.data, stage->dir)) {
		ret = err_set(err, -errno, "demo: %s: %s", path.data, strerror(errno));
		stage->dir[0] = '\0';
	}
	buf_free(&path);
	return ret;
}

/* Has the caller gone, or does it no longer want the stage? */
static bool unwanted(const struct stage *stage, int timeout_ms)
{
	struct pollfd fd = { .fd = stage->fd, .events = POLLIN };

	return poll(&fd, 1, timeout_ms) > 0;
}

/* Run clients in a process of their own. */
static int start_load(struct stage *stage, int (*run)(const char *socket, struct err *err),
		      struct err *err)
{
	pid_t parent = getpid();
	struct err why = {};

	stage->load = fork();
	if (stage->load < 0)
		return err_set(err, -errno, "demo: fork: %s", strerror(errno));
	if (stage->load)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(stage->fd);
	if (getppid() != parent)
		_exit(1);
	if (!run(stage->server.socket, &why))
		_exit(0);
	fprintf(stderr, "redmem: %s\n", why.text);
	_exit(1);
}

static int wait_load(struct stage *stage, struct err *err)
{
	int status = 0;

	while (waitpid(stage->load, &status, WNOHANG) == 0)
		if (unwanted(stage, 20))
			return err_set(err, -EINTR, "demo: interrupted");
	stage->load = 0;
	return status ? err_set(err, -EIO, "demo: the server could not be filled") : 0;
}

static void prepare_swap(struct stage *stage)
{
	struct err why = {};

	stage->swaps = !demo_swap_open(&stage->swap, stage->dir, &why);
	if (!stage->swaps)
		fprintf(stderr, "demo: without swap: %s\n", why.text);
}

static void squeeze(struct stage *stage)
{
	struct proc_status status;
	struct err why = {};
	int64_t limit;

	if (!stage->swaps || proc_status_read(&status, stage->server.pid, &why))
		return;
	limit = (int64_t)(SQUEEZE_FRACTION * (double)status.rss_bytes);
	fprintf(stderr,
		"demo: limiting the server's memory to %lld of %lld MiB; the rest goes to "
		"swap\n",
		(long long)(limit / MIB), (long long)(status.rss_bytes / MIB));
	if (cgroup_own_limit(&stage->swap.cgroup, limit, &why))
		fprintf(stderr, "demo: less swap than planned: %s\n", why.text);
}

static int start_server(struct stage *stage, struct err *err)
{
	struct buf program = {};
	int ret = private_server_find("demo", &program, err);

	if (!ret)
		ret = private_server_start(
			&stage->server,
			&(struct private_server_config){
				.who = "demo",
				.dir = stage->dir,
				.command = (const char *const[]){ buf_str(&program), NULL },
				.cgroup = stage->swaps ? stage->swap.cgroup.path : NULL,
			},
			err);
	buf_free(&program);
	return ret;
}

static int build(struct stage *stage, struct err *err)
{
	struct meminfo memory;
	int ret;

	if (!meminfo_read(&memory, "") && memory.available_bytes < MEMORY_NEEDED)
		return err_set(err, -ENOMEM,
			       "demo: it takes %lld MiB of free memory, here are %lld",
			       (long long)(MEMORY_NEEDED / MIB),
			       (long long)(memory.available_bytes / MIB));
	ret = make_dir(stage, err);
	if (ret)
		return ret;
	prepare_swap(stage);
	fprintf(stderr, "demo: starting a private server in %s\n", stage->dir);
	ret = start_server(stage, err);
	if (!ret)
		ret = start_load(stage, demo_load_fill, err);
	if (!ret)
		ret = wait_load(stage, err);
	if (ret)
		return ret;
	squeeze(stage);
	return start_load(stage, demo_load_trouble, err);
}

/* --- taking down --------------------------------------------------------------------- */

/* The directory and what the server left in it; it makes no directories. */
static int remove_dir(const char *path, struct err *err)
{
	DIR *dir = opendir(path);
	struct dirent *entry;

	if (!dir)
		return err_set(err, -errno, "demo: %s: %s; remove it", path, strerror(errno));
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	return rmdir(path) ?
		       err_set(err, -errno, "demo: %s: %s; remove it", path, strerror(errno)) :
		       0;
}

static int take_down(struct stage *stage, struct err *err)
{
	int ret = 0;

	if (stage->load > 0)
		kill(stage->load, SIGKILL);
	private_server_end(&stage->server);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	if (stage->swaps)
		ret = demo_swap_close(&stage->swap, err);
	if (!ret && stage->dir[0])
		ret = remove_dir(stage->dir, err);
	return ret;
}

/* --- the keeper ------------------------------------------------------------------------- */

static void tell(const struct stage *stage, const struct err *err)
{
	struct news news = { .err = *err, .pid = stage->server.pid };

	memcpy(news.socket, stage->server.socket, sizeof(news.socket));
	send(stage->fd, &news, sizeof(news), MSG_NOSIGNAL);
}

static _Noreturn void keep(int fd)
{
	struct stage stage = { .fd = fd };
	struct err err = {}, left = {};

	/* Ctrl-C is the caller's to hear. */
	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	/* A saving child whose server was killed becomes ours, to be waited for. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	if (!build(&stage, &err)) {
		tell(&stage, &err);
		while (!unwanted(&stage, -1))
			;
	}
	if (take_down(&stage, &left))
		fprintf(stderr, "redmem: %s\n", left.text);
	tell(&stage, err.code ? &err : &left);
	_exit(left.code ? 1 : 0);
}

/* --- the caller ---------------------------------------------------------------------------- */

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

static void on_signals(void (*handler)(int))
{
	struct sigaction action = { .sa_handler = handler };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static int hear(struct demo_stage *stage, struct err *err)
{
	struct pollfd fd = { .fd = stage->fd, .events = POLLIN };

	while (poll(&fd, 1, -1) < 0)
		if (interrupted)
			return err_set(err, -EINTR, "demo: interrupted; everything is removed");
	if (recv(stage->fd, &stage->news, sizeof(stage->news), 0) != sizeof(stage->news))
		return err_set(err, -ECHILD,
			       "demo: its keeper has ended; look for redmem-demo* in "
			       "the directory for temporary files");
	if (stage->news.err.code)
		*err = stage->news.err;
	return stage->news.err.code;
}

/* Take it down. A negative errno when something was left, which @err tells. */
static int demo_stage_close(struct demo_stage *stage, struct err *err)
{
	int status = 0;

	close(stage->fd);
	while (stage->keeper > 0 && waitpid(stage->keeper, &status, 0) < 0 && errno == EINTR)
		;
	free(stage);
	return status ? err_set(err, -EIO, "demo: something was left behind; see above") : 0;
}

/*
 * Build the stage, saying on stderr what is done; takes up to a minute. When this
 * returns 0 the clients are at work. -EINTR on SIGINT or SIGTERM. After a failure
 * everything is gone again.
 */
static int demo_stage_open(struct demo_stage **out, struct err *err)
{
	struct demo_stage *stage = xcalloc(1, sizeof(*stage));
	int fds[2], ret;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds)) {
		free(stage);
		return err_set(err, -errno, "demo: socketpair: %s", strerror(errno));
	}
	fflush(NULL); /* not once more in the children */
	on_signals(on_signal);
	stage->fd = fds[0];
	stage->keeper = fork();
	if (!stage->keeper) {
		close(fds[0]);
		keep(fds[1]);
	}
	close(fds[1]);
	if (stage->keeper < 0)
		ret = err_set(err, -errno, "demo: fork: %s", strerror(errno));
	else
		ret = hear(stage, err);
	if (ret)
		demo_stage_close(stage, NULL);
	else
		*out = stage;
	on_signals(SIG_DFL);
	return ret;
}

/* Of the server. */
static pid_t demo_stage_pid(const struct demo_stage *stage)
{
	return stage->news.pid;
}

static const char *demo_stage_socket(const struct demo_stage *stage)
{
	return stage->news.socket;
}

/* --- the command ------------------------------------------------------------- */

/* The clients' troubles take some twelve seconds, longer when they wait for swap. */
#define DEMO_SECONDS 20.0

static int watch_stage(const struct demo_stage *stage, const struct options *o,
		       const struct record_sink *sink, struct err *err)
{
	struct options watch = *o;

	watch.pid = demo_stage_pid(stage);
	watch.socket_path = demo_stage_socket(stage);
	watch.password = NULL; /* that of the environment is another server's */
	watch.duration_seconds = DEMO_SECONDS;
	fprintf(stderr, "demo: watching it for %.0f s, as `redmem doctor` would\n", DEMO_SECONDS);
	return watch_run(&watch, sink, err);
}

int cmd_demo(const struct options *o)
{
	struct model *model = model_new();
	struct record_sink sink = model_sink(model);
	struct demo_stage *stage = NULL;
	struct err err = {}, left = {};
	int ret;

	if (kernel_bpf_usable(&err))
		fprintf(stderr, "demo: without BPF, so no command or key can be blamed: %s\n",
			err.text);
	ret = demo_stage_open(&stage, &err);
	if (ret)
		goto out;
	ret = watch_stage(stage, o, &sink, &err);
	if (demo_stage_close(stage, &left))
		print_failure(&left);
	if (ret)
		goto out;
	model_finish(model);
	ret = print_report(o, &print_doctor, model);
out:
	if (ret < 0)
		ret = print_failure(&err);
	model_free(model);
	return ret || left.code;
}
