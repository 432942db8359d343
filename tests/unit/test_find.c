/* SPDX-License-Identifier: BSD-2-Clause */
/* Which process is meant: it stays that one when its id is given to another. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/proc.h"
#include "skipped.h"
#include "target/find.h"

/* What a server is known by: these two symbols, and its pid at the start of the first.
 * So the children of this test are servers. */
struct {
	int pid;
	char rest[64];
} server = { -1, "" };
int processCommand(void *client);

int processCommand(void *client)
{
	return client != NULL;
}

/* A server with the process id @pid, or with any (0); a negative errno. */
static pid_t start_server(pid_t pid)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD,
		.set_tid = pid ? (uint64_t)(uintptr_t)&pid : 0,
		.set_tid_size = pid ? 1 : 0,
	};
	int ready[2];
	pid_t child;
	char byte;

	assert_int_equal(pipe(ready), 0);
	child = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (child < 0)
		child = -errno;
	if (!child) {
		server.pid = getpid();
		prctl(PR_SET_NAME, "redis-server");
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (child > 0)
		assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return child;
}

static void stop_server(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void test_id_used_again(void **state)
{
	struct server_candidate first, second;
	pid_t pid = start_server(0), again;

	(void)state;
	assert_true(pid > 0);
	assert_int_equal(target_describe(pid, &first, NULL), 0);
	if (first.pidfd < 0) {
		stop_server(pid);
		skip_because("this kernel has no pidfd");
	}
	assert_false(proc_held_ended(first.pidfd));
	stop_server(pid);
	assert_true(proc_held_ended(first.pidfd));
	again = start_server(pid); /* takes root, Linux 5.5 */
	if (again == pid) {
		/* A server with that id is there, and still it is not the one that was found. */
		assert_int_equal(target_describe(pid, &second, NULL), 0);
		assert_false(proc_held_ended(second.pidfd));
		assert_true(proc_held_ended(first.pidfd));
		target_release(&second);
		stop_server(again);
	}
	target_release(&first);
	assert_int_equal(first.pidfd, -1);
	assert_false(proc_held_ended(first.pidfd));
}

static void test_no_server(void **state)
{
	struct server_candidate none = { .pidfd = -1 };

	(void)state;
	assert_int_equal(target_describe(getpid(), &none, NULL), -ENOENT);
	assert_int_equal(none.pidfd, -1);
}

/* One that ends before it was looked at. (It was "not a redis-server".) */
static void test_ended(void **state)
{
	struct server_candidate none = { .pidfd = -1 };
	struct err err = {};
	siginfo_t info;
	pid_t pid;

	(void)state;
	pid = fork();
	if (!pid)
		_exit(0);
	assert_true(pid > 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(target_describe(pid, &none, &err), -ESRCH);
	assert_non_null(strstr(err.text, "has ended"));
	assert_int_equal(none.pidfd, -1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* As recorded of a host with gVisor: the sandbox in which a container's redis-server is. */
static char *const sandbox[] = {
	(char *)"runsc-sandbox",
	(char *)"--root=/var/run/docker/runtime-runsc/moby",
	(char *)"--log-fd=3",
	(char *)"boot",
	(char *)"--bundle=/run/containerd/io.containerd.runtime.v2.task/moby/3f1c9a4be0d1",
	NULL,
};

static bool named_by_now(pid_t pid)
{
	char path[64], name[16] = "";
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	file = fopen(path, "r");
	if (!file || !fgets(name, sizeof(name), file))
		name[0] = '\0';
	if (file)
		fclose(file);
	return !strcmp(name, sandbox[0]);
}

/* gVisor is said as what it is. (It was "not a redis-server".) */
static void test_gvisor(void **state)
{
	struct server_candidate none = { .pidfd = -1 };
	struct err err = {};
	int orders[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(orders), 0);
	pid = fork();
	if (!pid) {
		dup2(orders[0], 0);
		close(orders[1]);
		execv("/proc/self/exe", sandbox); /* see main() */
		_exit(1);
	}
	assert_true(pid > 0);
	while (!named_by_now(pid)) {
		assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
		usleep(1000);
	}
	assert_int_equal(target_describe(pid, &none, &err), -ENOENT);
	assert_non_null(strstr(err.text, "gVisor sandbox"));
	assert_non_null(strstr(err.text, "-h HOST"));
	close(orders[1]);
	close(orders[0]);
	stop_server(pid);
}

int main(int argc, char **argv)
{
	char order;

	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_id_used_again),
		cmocka_unit_test(test_no_server),
		cmocka_unit_test(test_ended),
		cmocka_unit_test(test_gvisor),
	};

	/* Run as the sandbox: until its orders end. */
	if (argc && !strcmp(argv[0], sandbox[0]))
		return read(0, &order, 1) != 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
