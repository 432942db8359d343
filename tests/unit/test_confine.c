/* SPDX-License-Identifier: BSD-2-Clause */
/* What a confined process is, cannot do, and can: each in a child that says how it went. */
#define _GNU_SOURCE 1 /* strcasestr(), memmem() */
#include <crypt.h>
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "app/confine.h"
#include "host/file.h"
#include "skipped.h"
#include "web_scene.h"

enum { NOT_CONFINED = 99 };

static char dir[] = "/tmp/redmem-confine-XXXXXX";
static struct confine_user user;

static int set_up(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	if (confine_find(&user, NULL, dir, &err))
		fail_msg("%s", err.text);
	assert_true(user.uid != 0);
	return chown(dir, user.uid, user.gid);
}

static int tear_down(void **state)
{
	char path[128];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		static const char *const names[] = { "x.db", "x.db-wal", "x.db-shm", "web.yml" };

		snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		unlink(path);
	}
	return rmdir(dir);
}

/* --- trying ----------------------------------------------------------------- */

/* How @attempt went in a confined child, as waitpid() tells it. */
static int confined(int attempt(const void *), const void *arg)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		struct err err = { 0 };

		if (confine_enter(&user, &err)) {
			dprintf(2, "%s\n", err.text);
			_exit(NOT_CONFINED);
		}
		/* Not _exit(): before it the address sanitizer makes calls of its own. */
		syscall(SYS_exit_group, attempt(arg));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) == NOT_CONFINED);
	return status;
}

struct call {
	const char *name;
	long number;
	long args[3];
};

static int make_call(const void *arg)
{
	const struct call *call = arg;

	return syscall(call->number, call->args[0], call->args[1], call->args[2], 0, 0, 0) < 0;
}

/* Who does one of these has taken the keeper over. */
static void test_deadly(void **state)
{
	static const struct call calls[] = {
		{ "execve", SYS_execve, { (long)"/bin/true" } },
		{ "fork", SYS_clone, { SIGCHLD } },
		{ "ptrace", SYS_ptrace, { 0 } },
		{ "process_vm_readv", SYS_process_vm_readv, { 1 } },
		{ "bpf", SYS_bpf, { 0 } },
		{ "perf_event_open", SYS_perf_event_open, { 0 } },
		{ "mount", SYS_mount, { (long)"none", (long)"/", (long)"tmpfs" } },
		{ "chroot", SYS_chroot, { (long)"/" } },
		{ "unshare", SYS_unshare, { CLONE_NEWUSER } },
		{ "setns", SYS_setns, { -1 } },
		{ "init_module", SYS_init_module, { 0 } },
		{ "keyctl", SYS_keyctl, { 0 } },
		{ "setresuid", SYS_setresuid, { 0, 0, 0 } },
		{ "setgroups", SYS_setgroups, { 0, 0 } },
		{ "capset", SYS_capset, { 0 } },
		{ "kill", SYS_kill, { 1, 0 } },
		{ "connect", SYS_connect, { -1 } },
		{ "bind", SYS_bind, { -1 } },
		{ "mknod", SYS_mknodat, { AT_FDCWD, (long)"x", S_IFIFO | 0600 } },
		{ "clock_settime", SYS_clock_settime, { 0 } },
		{ "io_uring_setup", SYS_io_uring_setup, { 1 } },
		{ "userfaultfd", SYS_userfaultfd, { 0 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int status = confined(make_call, &calls[i]);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s: status %#x", calls[i].name, (unsigned)status);
	}
}

/* What fails as if it were not there: another libc may try it. */
static void test_refused(void **state)
{
	static const struct rlimit more = { 1 << 20, 1 << 20 };
	static const struct call calls[] = {
		{ "socket", SYS_socket, { AF_INET, SOCK_STREAM } },
		{ "clone3", SYS_clone3, { 0 } },
		{ "code", SYS_mmap, { 0, 4096, PROT_READ | PROT_EXEC } },
		{ "setrlimit", SYS_prlimit64, { 0, RLIMIT_NOFILE, (long)&more } },
		{ "signal to a thread of others", SYS_tgkill, { 1, 1, 0 } },
		{ "dumpable again", SYS_prctl, { PR_SET_DUMPABLE, 1 } },
		{ "TIOCSTI", SYS_ioctl, { 0, 0x5412, (long)"x" } },
		{ "chown", SYS_fchownat, { AT_FDCWD, (long)"/tmp" } },
		{ "a file of root", SYS_openat, { AT_FDCWD, (long)"/etc/shadow", O_RDONLY } },
		{ "to write", SYS_openat, { AT_FDCWD, (long)"/etc/passwd", O_WRONLY } },
		{ "its own memory", SYS_openat, { AT_FDCWD, (long)"/proc/self/mem", O_RDWR } },
		{ "init's memory", SYS_openat, { AT_FDCWD, (long)"/proc/1/environ", O_RDONLY } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int status = confined(make_call, &calls[i]);

		if (!WIFEXITED(status) || WEXITSTATUS(status) != 1)
			fail_msg("%s: status %#x", calls[i].name, (unsigned)status);
	}
}

/* Calls that a look at a server never makes fail, in each of its threads. */
static int refuses(const void *arg)
{
	const struct call *call = arg;

	return syscall(call->number, call->args[0], call->args[1], call->args[2], 0, 0, 0) >= 0 ||
	       errno != EPERM;
}

static void *refuses_beside(void *arg)
{
	return refuses(arg) ? arg : NULL;
}

static bool looks_and_refuses(const struct call *call, enum confine_for what)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		void *not_refused = NULL;
		pthread_t thread;

		if (confine_command(what, NULL) ||
		    pthread_create(&thread, NULL, refuses_beside, (void *)call) ||
		    pthread_join(thread, &not_refused))
			_exit(NOT_CONFINED);
		syscall(SYS_exit_group, refuses(call) || not_refused);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return !status;
}

static void test_look_refused(void **state)
{
	static const struct call calls[] = {
		{ "init_module", SYS_init_module, { 0 } },
		{ "kexec_load", SYS_kexec_load, { 0 } },
		{ "reboot", SYS_reboot, { 0 } },
		{ "swapon", SYS_swapon, { 0 } },
		{ "clock_settime", SYS_clock_settime, { 0 } },
		{ "keyctl", SYS_keyctl, { 0 } },
		{ "io_uring_setup", SYS_io_uring_setup, { 1 } },
		{ "process_vm_writev", SYS_process_vm_writev, { 1 } },
		{ "listen", SYS_listen, { -1 } },
		{ "mknod", SYS_mknodat, { AT_FDCWD, (long)"x", S_IFIFO | 0600 } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!looks_and_refuses(&calls[i], CONFINE_LOOK) ||
		    !looks_and_refuses(&calls[i], CONFINE_LOOK_ON))
			fail_msg("%s", calls[i].name);
}

/* --- what it is ----------------------------------------------------------------- */

static void expect_line(const char *text, const char *name, const char *value)
{
	const char *line = strstr(text, name);
	size_t len = line ? strcspn(line, "\n") : 0;

	if (!line || strlen(name) + strlen(value) != len ||
	    strncmp(line + strlen(name), value, strlen(value)))
		fail_msg("%s is \"%.*s\", not \"%s\"", name, (int)len, line ? line : "", value);
}

static void test_status(void **state)
{
	char path[64], text[8192] = "", ids[128];
	int gate[2], ready[2], fd;
	struct stat st;
	ssize_t got;
	pid_t pid;
	char byte;

	(void)state;
	if (geteuid())
		skip_because("it takes root");
	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (!pid) {
		close(gate[1]);
		byte = confine_enter(&user, NULL) ? 'n' : 'y';
		if (write(ready[1], &byte, 1) == 1)
			syscall(SYS_exit_group, (int)read(gate[0], &byte, 1));
		syscall(SYS_exit_group, 1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 'y');
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 0); /* not dumpable: nobody of that user may look in */
	fd = open(path, O_RDONLY);
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	close(gate[1]);
	close(gate[0]);
	close(ready[0]);
	waitpid(pid, NULL, 0);
	assert_true(got > 0);
	snprintf(ids, sizeof(ids), "%u\t%u\t%u\t%u", user.uid, user.uid, user.uid, user.uid);
	expect_line(text, "Uid:\t", ids);
	snprintf(ids, sizeof(ids), "%u\t%u\t%u\t%u", user.gid, user.gid, user.gid, user.gid);
	expect_line(text, "Gid:\t", ids);
	expect_line(text, "Groups:\t", " ");
	expect_line(text, "CapInh:\t", "0000000000000000");
	expect_line(text, "CapPrm:\t", "0000000000000000");
	expect_line(text, "CapEff:\t", "0000000000000000");
	expect_line(text, "CapBnd:\t", "0000000000000000");
	expect_line(text, "CapAmb:\t", "0000000000000000");
	expect_line(text, "NoNewPrivs:\t", "1");
	expect_line(text, "Seccomp:\t", "2");
}

static void test_who(void **state)
{
	struct confine_user who;
	struct err err = { 0 };

	(void)state;
	if (geteuid())
		skip_because("it takes root");
	assert_int_equal(confine_find(&who, "nobody", "/", &err), 0);
	assert_string_equal(who.name, "nobody");
	assert_int_equal(confine_find(&who, "no-such-user", "/", &err), -ENOENT);
	assert_non_null(strstr(err.text, "there is no user no-such-user"));
	assert_int_equal(confine_find(&who, "root", "/", &err), -EINVAL);
	/* The owner of the state, where nobody is named: "redmem" comes first, if it is there. */
	assert_int_equal(confine_find(&who, NULL, dir, &err), 0);
	assert_int_equal(who.uid, user.uid);
	assert_int_equal(confine_find(&who, NULL, "/nowhere", &err), 0);
	assert_true(who.uid != 0);
}

/* --- what a crash leaves --------------------------------------------------------------- */

#ifndef SANITIZED /* which catches crashes, and looks into the memory of root's redmem */
#define CORE_MAX (256 << 20)

enum left { NO_CORE, CORE_WITHOUT_SECRET, CORE_WITH_SECRET };

/* The core in the folder, and is @secret in it? It is taken away. */
static enum left take_core(const char *secret)
{
	struct buf text = { 0 };
	enum left left = NO_CORE;
	struct dirent *entry;
	char path[512];
	DIR *folder = opendir(dir);

	while ((entry = readdir(folder))) {
		if (strncmp(entry->d_name, "core", 4) != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
		assert_int_equal(file_read(path, CORE_MAX, &text, NULL), 0);
		unlink(path);
		left = text.len && memmem(text.data, text.len, secret, strlen(secret)) ?
			       CORE_WITH_SECRET :
			       CORE_WITHOUT_SECRET;
	}
	closedir(folder);
	buf_free(&text);
	return left;
}

/* Is nothing of this process's memory for cores, and nobody to look into root's? */
static bool is_closed(uid_t uid)
{
	int64_t filter = -1;

	if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != (uid ? 1 : 0))
		return false;
	/* Root's of a process into which nobody may look, and read by root. */
	return !file_int64("/proc/self/coredump_filter", &filter) && filter == 0;
}

/* A process that is @uid's crashes with a secret in its memory, and may leave a core. */
static enum left crash(uid_t uid, bool with_confine_memory)
{
	const struct rlimit any = { CORE_MAX, CORE_MAX };
	char secret[32], byte = 'n';
	int ready[2], status;
	ssize_t got;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	snprintf(secret, sizeof(secret), "Tr0ub4dor-%d", (int)getpid());
	pid = fork();
	if (!pid) {
		signal(SIGSEGV, SIG_DFL); /* cmocka catches it */
		/* As it would be had that user started it. */
		if (chdir(dir) || setrlimit(RLIMIT_CORE, &any) ||
		    (uid && setresuid(uid, uid, uid)) || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
			_exit(1);
		if (with_confine_memory)
			confine_memory();
		byte = !with_confine_memory || is_closed(uid) ? 'y' : 'n';
		if (write(ready[1], &byte, 1) == 1)
			pause();
		_exit(1);
	}
	got = read(ready[0], &byte, 1);
	kill(pid, SIGSEGV);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(got, 1);
	assert_int_equal(byte, 'y');
	assert_true(WIFSIGNALED(status));
	return take_core(secret);
}

/* A program that takes cores has them whatever the limit is, but nothing in them. */
static void test_crash(void **state)
{
	(void)state;
	if (geteuid())
		skip_because("it takes root");
	if (crash(user.uid, false) != CORE_WITH_SECRET)
		skip_because("a crash leaves no core in its folder here (core_pattern)");
	assert_int_equal(crash(0, false), CORE_WITH_SECRET);
	assert_int_equal(crash(0, true), NO_CORE);
	assert_int_equal(crash(user.uid, true), NO_CORE);
}
#endif

/* --- what it still can ----------------------------------------------------------------- */

static int keep_history(const void *arg)
{
	const char *path = arg;
	sqlite3 *db;
	int rc = sqlite3_open(path, &db);

	if (!rc)
		rc = sqlite3_exec(
			db,
			"PRAGMA journal_mode = WAL; CREATE TABLE t (x); BEGIN;"
			"INSERT INTO t VALUES (1); COMMIT; PRAGMA wal_checkpoint(TRUNCATE);"
			"CREATE INDEX i ON t (x); DELETE FROM t; VACUUM;",
			NULL, NULL, NULL);
	return rc ? rc : sqlite3_close(db);
}

static void test_history(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/x.db", dir);
	assert_int_equal(confined(keep_history, path), 0);
}

/* A blocking client: the web side is another process here. */
static int status_of(uint16_t port, const char *text)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), status = 0;
	char in[64] = "";

	if (!connect(fd, (struct sockaddr *)&to, sizeof(to)) &&
	    send(fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text) &&
	    recv(fd, in, sizeof(in) - 1, MSG_WAITALL) > 0)
		sscanf(in, "HTTP/1.1 %d", &status);
	close(fd);
	return status;
}

static void serve(const char *config_path, int out)
{
	static struct scene scene;
	struct web_config config = { .web_config_path = config_path };
	uint16_t port;

	scene_open(&scene, &config);
	port = web_port(scene.web);
	if (confine_enter(&user, NULL) || write(out, &port, sizeof(port)) != sizeof(port))
		_exit(NOT_CONFINED);
	for (;;)
		scene_turn(&scene, -1, 0);
}

/* Passwords and reports take threads, which begin behind the fence. */
static void test_web(void **state)
{
	char path[128], text[256], salt[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data data = { 0 };
	int out[2], status = 0, fd;
	uint16_t port = 0;
	pid_t pid;

	(void)state;
	snprintf(path, sizeof(path), "%s/web.yml", dir);
	crypt_gensalt_rn("$2b$", 4, NULL, 0, salt, sizeof(salt));
	snprintf(text, sizeof(text), "basic_auth_users:\n  a: %s\n", crypt_r("b", salt, &data));
	fd = open(path, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (!pid)
		serve(path, out[1]);
	close(out[1]);
	assert_int_equal(read(out[0], &port, sizeof(port)), sizeof(port));
	close(out[0]);
#define REQUEST(what, login)                                                            \
	what " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Basic " login \
	     "\r\nAccept-Encoding: gzip\r\n\r\n"
	assert_int_equal(status_of(port, REQUEST("GET /metrics", "YTpi")), 200);
	assert_int_equal(status_of(port, REQUEST("GET /metrics", "YTpj")), 401);
	assert_int_equal(status_of(port, REQUEST("GET /api/v1/report?server=x&at=03:00", "YTpi")),
			 200);
	assert_int_equal(status_of(port, REQUEST("POST /-/reload", "YTpi")), 200);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0); /* it lives */
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deadly),	     cmocka_unit_test(test_refused),
		cmocka_unit_test(test_look_refused), cmocka_unit_test(test_status),
		cmocka_unit_test(test_who),	     cmocka_unit_test(test_history),
		cmocka_unit_test(test_web),
#ifndef SANITIZED
		cmocka_unit_test(test_crash),
#endif
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
