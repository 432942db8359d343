/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's private server and its shortage of memory; see demo_server.h. */
#include "app/demo_server.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "record/record.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/sysmem.h"
#include "redis/conn.h"

/* --- the shortage of memory -------------------------------------------------- */

#define MIB (INT64_C(1) << 20)
/* More than the server ever has above its limit, with a saving child beside it. */
#define SWAP_BYTES (768 * MIB)
/* Left on the file system beside the swap file: the demo also saves there. */
#define DISK_SPARE_BYTES (512 * MIB)
/* The limit may need some rounds of reclaim, each of them as the disk allows. */
#define LIMIT_TRIES    50
#define LIMIT_PAUSE_US 100000

/* --- the cgroup ----------------------------------------------------------- */

static int cgroup_write(const struct demo_swap *swap, const char *file, const char *text)
{
	char path[600];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s", swap->cgroup, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Version 2 gives a controller only to children of those that pass it on. Changing
 * that for the whole host is not the demo's to do. */
static int cgroup_passes_on(const char *mount, struct err *err)
{
	struct buf path = {}, text = {};
	int ret;

	buf_printf(&path, "%s/cgroup.subtree_control", mount);
	ret = file_read(buf_str(&path), 4096, &text, err);
	if (!ret && !strstr(buf_str(&text), "memory"))
		ret = err_set(err, -ENOTSUP,
			      "cgroup: %s does not pass its memory controller on to children",
			      mount);
	buf_free(&path);
	buf_free(&text);
	return ret;
}

static int cgroup_make(struct demo_swap *swap, struct err *err)
{
	struct buf where = {}, mounts = {}, mount = {}, own = {};
	int ret;

	ret = file_read("/proc/self/cgroup", 1 << 16, &where, err);
	if (!ret)
		ret = file_read("/proc/self/mountinfo", 1 << 22, &mounts, err);
	if (ret)
		goto out;
	ret = cgroup_locate("memory", buf_str(&where), buf_str(&mounts), &swap->cgroup_version,
			    &mount, &own);
	if (ret) {
		err_set(err, ret, "cgroup: no memory controller can be used here");
		goto out;
	}
	if (swap->cgroup_version == 2)
		ret = cgroup_passes_on(buf_str(&mount), err);
	if (ret)
		goto out;
	snprintf(swap->cgroup, sizeof(swap->cgroup), "%s/redmem-demo-%d", buf_str(&mount),
		 getpid());
	if (mkdir(swap->cgroup, 0755)) {
		ret = err_set(err, -errno, "cgroup: mkdir %s: %s", swap->cgroup, strerror(errno));
		swap->cgroup[0] = '\0';
		goto out;
	}
	/* Version 1 has a swappiness for each cgroup, and with 0 nothing is swapped; this is
	 * the kernel's default. Version 2 swaps below a limit whatever the host's is. */
	if (swap->cgroup_version == 1)
		cgroup_write(swap, "memory.swappiness", "60");
out:
	buf_free(&where);
	buf_free(&mounts);
	buf_free(&mount);
	buf_free(&own);
	return ret;
}

/* --- the swap file --------------------------------------------------------- */

/* The header mkswap(8) writes (kernel: include/linux/swap.h, union swap_header). */
static int write_header(int fd, int64_t bytes)
{
	static const char magic[] = "SWAPSPACE2";
	long page = sysconf(_SC_PAGESIZE);
	struct {
		uint32_t version, last_page, bad_pages;
	} info = { 1, (uint32_t)(bytes / page - 1), 0 };

	if (pwrite(fd, &info, sizeof(info), 1024) != sizeof(info) ||
	    pwrite(fd, magic, sizeof(magic) - 1, page - (sizeof(magic) - 1)) != sizeof(magic) - 1 ||
	    fsync(fd))
		return -EIO;
	return 0;
}

static int file_make(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int ret;

	if (fd < 0)
		return err_set(err, -errno, "swap: %s: %s", path, strerror(errno));
	/* Without holes: the kernel swaps to the blocks behind the file's back. */
	ret = -posix_fallocate(fd, 0, SWAP_BYTES);
	if (!ret)
		ret = write_header(fd, SWAP_BYTES);
	close(fd);
	if (!ret && swapon(path, 0))
		ret = -errno;
	if (ret) {
		err_set(err, ret, "swap: %s cannot be a swap file: %s", path, strerror(-ret));
		unlink(path);
	}
	return ret;
}

static int file_try(struct demo_swap *swap, const char *dir, struct err *err)
{
	struct statvfs space;
	int ret;

	if (statvfs(dir, &space))
		return err_set(err, -errno, "swap: %s: %s", dir, strerror(errno));
	if ((int64_t)(space.f_bavail * space.f_frsize) < SWAP_BYTES + DISK_SPARE_BYTES)
		return err_set(err, -ENOSPC, "swap: %s has less than %lld MiB free", dir,
			       (long long)((SWAP_BYTES + DISK_SPARE_BYTES) / MIB));
	snprintf(swap->file, sizeof(swap->file), "%s/redmem-demo-%d.swap", dir, getpid());
	ret = file_make(swap->file, err);
	if (ret)
		swap->file[0] = '\0';
	return ret;
}

static int swap_find(struct demo_swap *swap, const char *dir, struct err *err)
{
	struct meminfo memory;
	int ret;

	if (!meminfo_read(&memory, "") && memory.swap_free_bytes >= SWAP_BYTES)
		return 0;
	ret = file_try(swap, dir, err);
	/* Where /tmp lives in memory, /var/tmp usually does not. */
	return ret && ret != -EPERM ? file_try(swap, "/var/tmp", err) : ret;
}

/* --- together --------------------------------------------------------------- */

int demo_swap_open(struct demo_swap *swap, const char *dir, struct err *err)
{
	int ret;

	*swap = (struct demo_swap){};
	if (geteuid())
		return err_set(err, -EPERM, "it takes root");
	ret = cgroup_make(swap, err);
	if (!ret)
		ret = swap_find(swap, dir, err);
	if (ret)
		demo_swap_close(swap, NULL);
	return ret;
}

/* The calling process moves into the cgroup, and its children are born there. */
static int demo_swap_enter(const struct demo_swap *swap)
{
	return cgroup_write(swap, "cgroup.procs", "0"); /* 0: whoever writes */
}

/* The kernel reclaims in the write, and gives up for now with EBUSY. */
static int limit_v1(const struct demo_swap *swap, const char *limit)
{
	int ret = -EBUSY;

	for (int i = 0; i < LIMIT_TRIES && (ret == -EBUSY || ret == -EINTR); i++) {
		if (i)
			usleep(LIMIT_PAUSE_US);
		ret = cgroup_write(swap, "memory.limit_in_bytes", limit);
	}
	return ret;
}

/* Down by memory.high, which only reclaims: memory.max would kill if it were not
 * reached. But memory.high would slow the server down for good, so it goes again. */
static int limit_v2(const struct demo_swap *swap, const char *limit)
{
	int ret = cgroup_write(swap, "memory.high", limit);

	if (!ret)
		ret = cgroup_write(swap, "memory.max", limit);
	cgroup_write(swap, "memory.high", "max");
	return ret;
}

int demo_swap_squeeze(const struct demo_swap *swap, int64_t limit_bytes, struct err *err)
{
	char limit[24];
	int ret;

	snprintf(limit, sizeof(limit), "%lld", (long long)limit_bytes);
	ret = swap->cgroup_version == 1 ? limit_v1(swap, limit) : limit_v2(swap, limit);
	return ret ? err_set(err, ret, "cgroup: %s: cannot set its limit to %s: %s", swap->cgroup,
			     limit, strerror(-ret)) :
		     0;
}

int demo_swap_close(struct demo_swap *swap, struct err *err)
{
	int ret = 0;

	if (swap->file[0] && swapoff(swap->file))
		ret = err_set(err, -errno, "swap: %s is still on (%s); run: swapoff %s && rm %s",
			      swap->file, strerror(errno), swap->file, swap->file);
	else if (swap->file[0])
		unlink(swap->file);
	if (swap->cgroup[0] && rmdir(swap->cgroup))
		ret = err_set(err, -errno, "cgroup: %s is still there (%s); run: rmdir %s",
			      swap->cgroup, strerror(errno), swap->cgroup);
	*swap = (struct demo_swap){};
	return ret;
}

/* --- the server -------------------------------------------------------------- */

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
