/* SPDX-License-Identifier: BSD-2-Clause */
/* What a fenced process cannot do. Each child tries one thing and says how that went. */
#define _GNU_SOURCE 1 /* memfd_create() */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/fence.h"

enum { REFUSED = 0, DONE = 1, NO_FENCE = 2 };

static const char program[] = "/program";
static struct sock_fprog reader_filter, program_filter;

static int refused_if(bool failed)
{
	return failed ? REFUSED : DONE;
}

static int open_outside(void)
{
	return refused_if(open("/etc/passwd", O_RDONLY) < 0 &&
			  open("/proc/self/mem", O_RDONLY) < 0);
}

static int open_to_write(void)
{
	return refused_if(open("/new", O_WRONLY | O_CREAT, 0600) < 0 &&
			  open("/lib/given", O_RDWR) < 0 &&
			  open("/", O_TMPFILE | O_RDWR, 0600) < 0);
}

static int make_socket(void)
{
	return refused_if(socket(AF_UNIX, SOCK_STREAM, 0) < 0 &&
			  socket(AF_INET, SOCK_STREAM, 0) < 0);
}

static int make_process(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);

	if (!pid)
		_exit(0);
	return refused_if(pid < 0);
}

static int run_other(void)
{
	char *argv[] = { (char *)"x", NULL };

	execve("/lib/given", argv, argv + 1);
	return REFUSED;
}

static int signal_others(void)
{
	return refused_if(kill(-1, SIGTERM) < 0 && kill(getppid(), 0) < 0);
}

static int look_at_others(void)
{
	return refused_if(syscall(SYS_ptrace, PTRACE_SEIZE, 1, NULL, NULL) < 0 &&
			  syscall(SYS_bpf, 0, NULL, 0) < 0 && unshare(0x10000000) < 0 &&
			  syscall(SYS_keyctl, 0, 0, 0, 0, 0) < 0);
}

static int mount_again(void)
{
	return refused_if(syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL) < 0 && chroot("/") < 0);
}

#ifndef SANITIZED /* its shadow takes more than the fence grants */
static int take_memory(void)
{
	return refused_if(mmap(NULL, 4UL << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       -1, 0) == MAP_FAILED);
}
#endif

static int make_code(void)
{
	return refused_if(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0) == MAP_FAILED);
}

/* How @attempt went in a process behind @filter. */
static int behind_fence(const struct sock_fprog *filter, int attempt(void))
{
	const struct fence_limits limits = {
#ifndef SANITIZED
		.memory_bytes = 1ULL << 30,
#endif
		.cpu_seconds = 10,
		.files = 16,
	};
	struct fence_process process;
	siginfo_t how = { 0 };
	int given = memfd_create("given", MFD_CLOEXEC);
	const struct fence_file files[] = { { "lib/given", given } };
	pid_t pid;

	assert_int_equal(write(given, "x", 1), 1);
	pid = fence_fork(&process, NULL);
	if (!pid) {
		if (!fence_root(files, 1) || !fence_enter(&limits, filter))
			_exit(NO_FENCE);
		/* Not _exit(): before it the address sanitizer makes calls the fence refuses. */
		syscall(SYS_exit_group, attempt());
	}
	assert_true(pid > 0);
	assert_int_equal(waitid(P_PID, (id_t)pid, &how, WEXITED | WNOWAIT), 0);
	fence_end(&process);
	close(given);
	assert_int_equal(how.si_code, CLD_EXITED);
	return how.si_status;
}

/* As redmem is in a chroot, whose root is no mount. */
static int from_chroot(int attempt(void))
{
	char root[] = "/tmp/redmem-fence.XXXXXX", proc[64];
	int status = 0;
	pid_t pid;

	assert_non_null(mkdtemp(root));
	snprintf(proc, sizeof(proc), "%s/proc", root);
	assert_int_equal(mkdir(proc, 0755), 0);
	pid = fork();
	if (!pid) {
		if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("proc", proc, "proc", 0, NULL) || chroot(root) || chdir("/"))
			_exit(NO_FENCE);
		_exit(behind_fence(&program_filter, attempt));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rmdir(proc);
	rmdir(root);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* (No child of it came up in a chroot.) */
static void test_chroot(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(from_chroot(open_outside), REFUSED);
	assert_int_equal(from_chroot(open_to_write), REFUSED);
	assert_int_equal(from_chroot(mount_again), REFUSED);
}

static void refuse_both(int attempt(void))
{
	assert_int_equal(behind_fence(&reader_filter, attempt), REFUSED);
	assert_int_equal(behind_fence(&program_filter, attempt), REFUSED);
}

static void test_files(void **state)
{
	(void)state;
	refuse_both(open_outside);
	refuse_both(open_to_write);
	refuse_both(mount_again);
}

static void test_others(void **state)
{
	(void)state;
	refuse_both(make_socket);
	refuse_both(make_process);
	refuse_both(run_other);
	refuse_both(signal_others);
	refuse_both(look_at_others);
}

static void test_memory(void **state)
{
	(void)state;
#ifndef SANITIZED
	refuse_both(take_memory);
#endif
	assert_int_equal(behind_fence(&reader_filter, make_code), REFUSED);
}

static int read_given(void)
{
	char c = 0;
	int fd = open("/lib/given", O_RDONLY);

	return fd >= 0 && read(fd, &c, 1) == 1 && c == 'x' ? DONE : REFUSED;
}

/* The fence is no wall around what was given. */
static void test_given(void **state)
{
	(void)state;
	assert_int_equal(behind_fence(&program_filter, read_given), DONE);
	assert_int_equal(behind_fence(&reader_filter, read_given), REFUSED);
}

static int make_filters(void **state)
{
	(void)state;
	return fence_filter_reader(&reader_filter) &&
			       fence_filter_program(&program_filter, program) ?
		       0 :
		       -1;
}

static int free_filters(void **state)
{
	(void)state;
	free(reader_filter.filter);
	free(program_filter.filter);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),  cmocka_unit_test(test_others),
		cmocka_unit_test(test_chroot), cmocka_unit_test(test_memory),
		cmocka_unit_test(test_given),
	};

	return cmocka_run_group_tests_name("fence", tests, make_filters, free_filters);
}
