/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * redmem demo: a private server with known troubles, and its diagnosis. Its stage is a
 * temporary directory, the server in it, scarce memory around it (demo_server.h), and clients
 * that give it trouble. It is built and taken down by a process of its own, the keeper, which
 * outlives the caller by as long as it needs to: however the caller ends, nothing stays behind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "host/kernel.h"
#include "host/proc.h"
#include "host/sysmem.h"
#include "redis/conn.h"
#include "app/commands.h"
#include "app/demo_server.h"
#include "app/print.h"
#include "app/watch.h"

/* --- clients ----------------------------------------------------------------- */

#define BOARD	      "leaderboard:global"
#define BOARD_MEMBERS 500000
#define BOARD_BATCH   100 /* members a ZADD */

#define WINDOW	      256 /* replies waited for at most while filling */
#define NOISE_BYTES   (1 << 16) /* values are cut from this much noise */
#define KEY_MAX	      64
#define SILENCE_MS    60000 /* a server that says nothing for so long is lost */
#define TRAFFIC_BATCH 16
#define TRAFFIC_US    1000 /* between batches, so that the server is busy and not full */

/* Keys BEFORE0AFTER, BEFORE1AFTER, ... with values of any length between two. */
struct family {
	const char *before, *after;
	uint64_t keys;
	size_t value_min, value_max;
};

static const struct family users = { "user:", ":profile", 1000000, 64, 576 };
static const struct family sessions = { "session:", "", 100000, 200, 600 };
static const struct family temps = { "temp:upload:", "", 50000, 100, 400 };

struct load {
	struct conn *conn;
	uint64_t random;
	struct err error; /* the first one the server answered with */
	char noise[NOISE_BYTES];
};

/* --- sending ----------------------------------------------------------------- */

/* Below @limit; xorshift64* (Marsaglia 2003, Vigna 2014). */
static uint64_t draw(struct load *load, uint64_t limit)
{
	load->random ^= load->random >> 12;
	load->random ^= load->random << 25;
	load->random ^= load->random >> 27;
	return (load->random * 0x2545f4914f6cdd1d >> 11) % limit;
}

/* Three quarters of the users are deleted; which, their number tells (splitmix64). */
static bool stays(uint64_t number)
{
	number = (number + 1) * 0x9e3779b97f4a7c15;
	number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
	return (number ^ (number >> 27)) % 4 == 0;
}

static int load_open(struct load *load, const char *socket, struct err *err)
{
	const struct conn_options options = { .socket_path = socket };

	memset(load, 0, sizeof(*load));
	load->random = 0x9e3779b97f4a7c15;
	for (size_t i = 0; i < NOISE_BYTES; i++)
		load->noise[i] = (char)draw(load, 256);
	return conn_open(&load->conn, &options, err);
}

static int load_close(struct load *load, int ret, struct err *err)
{
	if (load->error.code)
		ret = err_set(err, load->error.code, "%s", load->error.text);
	else if (ret)
		err_set(err, ret, "%s", conn_error(load->conn)->text);
	conn_close(load->conn);
	return ret;
}

static void replied(void *ctx, redisReply *reply, double seconds)
{
	struct load *load = ctx;

	(void)seconds;
	if (reply && reply->type == REDIS_REPLY_ERROR && !load->error.code)
		err_set(&load->error, -EIO, "demo: the server answered: %s", reply->str);
	freeReplyObject(reply);
}

/* A BGSAVE while the last one still runs is refused; that is as well. */
static void ignored(void *ctx, redisReply *reply, double seconds)
{
	(void)ctx;
	(void)seconds;
	freeReplyObject(reply);
}

/* Wait until at most @most replies are outstanding. */
static int settle(struct load *load, size_t most)
{
	while (conn_pending(load->conn) > most) {
		struct pollfd fd = { .fd = conn_fd(load->conn),
				     .events = conn_poll_events(load->conn) };
		int ret;

		if (!poll(&fd, 1, SILENCE_MS))
			return -ETIMEDOUT;
		ret = conn_dispatch(load->conn, fd.revents);
		if (ret)
			return ret;
	}
	return load->error.code;
}

static int send_line(struct load *load, conn_reply_fn fn, const char *line)
{
	int ret = conn_send_line(load->conn, fn, load, line);

	return ret ? ret : settle(load, 0);
}

static size_t name(char out[KEY_MAX], const struct family *family, uint64_t number)
{
	return (size_t)snprintf(out, KEY_MAX, "%s%llu%s", family->before,
				(unsigned long long)number, family->after);
}

static int send_set(struct load *load, const struct family *family, uint64_t number)
{
	char key[KEY_MAX];
	size_t value = family->value_min + draw(load, family->value_max - family->value_min);
	const char *argv[] = { "SET", key, load->noise + draw(load, NOISE_BYTES - value) };
	size_t len[] = { 3, name(key, family, number), value };

	return conn_send(load->conn, replied, load, 3, argv, len);
}

static int send_key(struct load *load, const char *command, const struct family *family,
		    uint64_t number)
{
	char key[KEY_MAX];
	const char *argv[] = { command, key };

	name(key, family, number);
	return conn_send(load->conn, replied, load, 2, argv, NULL);
}

/* --- filling ------------------------------------------------------------------ */

static int fill_family(struct load *load, const struct family *family)
{
	int ret = 0;

	for (uint64_t i = 0; i < family->keys && !ret; i++) {
		ret = send_set(load, family, i);
		if (!ret)
			ret = settle(load, WINDOW);
	}
	return ret ? ret : settle(load, 0);
}

static int delete_users(struct load *load)
{
	int ret = 0;

	for (uint64_t i = 0; i < users.keys && !ret; i++) {
		if (stays(i))
			continue;
		ret = send_key(load, "DEL", &users, i);
		if (!ret)
			ret = settle(load, WINDOW);
	}
	return ret ? ret : settle(load, 0);
}

static int build_board(struct load *load)
{
	char score[BOARD_BATCH][24], member[BOARD_BATCH][24];
	const char *argv[2 + 2 * BOARD_BATCH] = { "ZADD", BOARD };
	int ret = 0;

	for (int i = 0; i < BOARD_BATCH; i++) {
		argv[2 + 2 * i] = score[i];
		argv[3 + 2 * i] = member[i];
	}
	for (long n = 0; n < BOARD_MEMBERS && !ret; n += BOARD_BATCH) {
		for (int i = 0; i < BOARD_BATCH; i++) {
			snprintf(score[i], sizeof(score[i]), "%llu",
				 (unsigned long long)draw(load, 1000000));
			snprintf(member[i], sizeof(member[i]), "player:%07ld", n + i);
		}
		ret = conn_send(load->conn, replied, load, 2 + 2 * BOARD_BATCH, argv, NULL);
		if (!ret)
			ret = settle(load, 4);
	}
	return ret ? ret : settle(load, 0);
}

/* A million values, three quarters of them deleted at random; sessions and temporary
 * keys without an expiry; a leaderboard of half a million. Says on stderr what it
 * does. */
static int demo_load_fill(const char *socket, struct err *err)
{
	static struct load load;
	int ret = load_open(&load, socket, err);

	if (ret)
		return ret;
	fprintf(stderr, "demo: filling 1,000,000 keys user:N:profile, 100,000 sessions, "
			"50,000 temporary keys, none with an expiry\n");
	ret = fill_family(&load, &temps);
	if (!ret)
		ret = fill_family(&load, &sessions);
	if (!ret)
		ret = fill_family(&load, &users);
	if (!ret)
		fprintf(stderr, "demo: building " BOARD " with 500,000 members\n");
	if (!ret)
		ret = build_board(&load);
	if (!ret)
		fprintf(stderr, "demo: deleting three quarters of the users at random\n");
	if (!ret)
		ret = delete_users(&load);
	return load_close(&load, ret, err);
}

/* --- trouble -------------------------------------------------------------------- */

/* One batch: reads of users that stayed, and writes of the others. */
static int send_batch(struct load *load, unsigned int writes)
{
	int ret = 0;

	for (unsigned int i = 0; i < TRAFFIC_BATCH && !ret; i++) {
		uint64_t user = draw(load, users.keys);

		if (i < writes)
			ret = send_set(load, &sessions, draw(load, sessions.keys));
		else if (i == TRAFFIC_BATCH - 1)
			ret = send_set(load, &temps, draw(load, temps.keys));
		else if (stays(user))
			ret = send_key(load, "GET", &users, user);
	}
	return ret ? ret : settle(load, 0);
}

/* @writes of each batch write sessions. */
static int traffic(struct load *load, double seconds, unsigned int writes)
{
	int64_t end = clock_mono_ns() + (int64_t)(seconds * 1e9);
	int ret = 0;

	while (!ret && clock_mono_ns() < end) {
		ret = send_batch(load, writes);
		usleep(TRAFFIC_US);
	}
	return ret;
}

static int one_round(struct load *load)
{
	int ret = traffic(load, 3, 3);

	if (!ret)
		ret = send_line(load, replied, "ZRANGE " BOARD " 0 -1");
	if (!ret)
		ret = send_line(load, replied, "SORT " BOARD " ALPHA LIMIT 0 10");
	if (!ret)
		ret = traffic(load, 1, 3);
	if (!ret)
		ret = send_line(load, ignored, "BGSAVE");
	if (!ret)
		ret = traffic(load, 4, 14);
	if (!ret)
		ret = send_line(load, replied, "DEL " BOARD);
	if (!ret)
		ret = traffic(load, 1, 3);
	return ret ? ret : build_board(load);
}

/* Reads and writes all the time, and once in them: the leaderboard is read, sorted,
 * deleted and rebuilt, and a BGSAVE meets many writes. Ends only with the
 * connection. */
static int demo_load_trouble(const char *socket, struct err *err)
{
	static struct load load;
	int ret = load_open(&load, socket, err);

	if (ret)
		return ret;
	ret = one_round(&load);
	/* Then calm: the watch ends with questions the server should have time for. */
	while (!ret)
		ret = traffic(&load, 1, 3);
	return load_close(&load, ret, err);
}

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
	struct demo_server server;
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
	if (demo_swap_squeeze(&stage->swap, limit, &why))
		fprintf(stderr, "demo: less swap than planned: %s\n", why.text);
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
	ret = demo_server_start(&stage->server, stage->dir, stage->swaps ? &stage->swap : NULL,
				err);
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
	demo_server_end(&stage->server);
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
