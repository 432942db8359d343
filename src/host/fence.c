/* SPDX-License-Identifier: BSD-2-Clause */
/* Fenced processes; see fence.h. */
#define _GNU_SOURCE 1 /* memfd_create(), CLONE_*, setresuid() */
#include "host/fence.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"

#define NOBODY 65534
#define SPACES (CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)

/* --- starting and ending -------------------------------------------------------------- */

/* In a user namespace: be its root, who may make the others what they shall be. */
static void map_user(uid_t uid, gid_t gid)
{
	static const char *const files[] = { "/proc/self/setgroups", "/proc/self/uid_map",
					     "/proc/self/gid_map" };
	char text[3][32] = { "deny" };

	snprintf(text[1], sizeof(text[1]), "0 %u 1", uid);
	snprintf(text[2], sizeof(text[2]), "0 %u 1", gid);
	for (size_t i = 0; i < 3; i++) {
		int fd = open(files[i], O_WRONLY | O_CLOEXEC);

		/* What was not written is missed by whoever needs it: mount() fails. */
		if (fd >= 0 && write(fd, text[i], strlen(text[i])) < 0)
			errno = 0;
		if (fd >= 0)
			close(fd);
	}
}

pid_t fence_fork(struct fence_process *out, struct err *err)
{
	static const uint64_t tries[] = { SPACES, SPACES | CLONE_NEWUSER, 0 };
	uid_t uid = geteuid();
	gid_t gid = getegid();
	pid_t pid = -1;
	sigset_t none;

	*out = (struct fence_process){ .pidfd = -1 };
	for (size_t i = 0; pid < 0 && i < sizeof(tries) / sizeof(tries[0]); i++) {
		/* Without a stack of its own it is fork(); the third argument takes the pidfd. */
		pid = (pid_t)syscall(SYS_clone, tries[i] | CLONE_PIDFD | SIGCHLD, NULL, &out->pidfd,
				     NULL, NULL);
		if (!pid) {
			if (tries[i] & CLONE_NEWUSER)
				map_user(uid, gid);
			setsid(); /* Ctrl-C is for redmem */
			/* Our threads have all signals blocked, and what is blocked stays so past
			 * exec(): the stop at a tracee's exec would come at its next stop. */
			sigemptyset(&none);
			sigprocmask(SIG_SETMASK, &none, NULL);
			return 0;
		}
	}
	if (pid < 0)
		return err_set(err, -errno, "fence: no process can be started: %s",
			       strerror(errno));
	out->pid = pid;
	return pid;
}

void fence_end(struct fence_process *process)
{
	if (process->pid > 0) {
		int status = 0;
		pid_t got;

		syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
		do /* also past what a traced one stopped for before */
			got = waitpid(process->pid, &status, __WALL);
		while (got < 0 ? errno == EINTR : WIFSTOPPED(status));
	}
	if (process->pidfd >= 0)
		close(process->pidfd);
	*process = (struct fence_process){ .pidfd = -1 };
}

/* --- the root ---------------------------------------------------------------------------- */

static bool put_file(const struct fence_file *file)
{
	const char *slash = strchr(file->name, '/');
	char directory[64];
	struct stat st;
	off_t at = 0;
	bool whole;
	int fd;

	if (slash) {
		snprintf(directory, sizeof(directory), "%.*s", (int)(slash - file->name),
			 file->name);
		if (mkdir(directory, 0755) && errno != EEXIST)
			return false;
	}
	fd = open(file->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0555);
	if (fd < 0 || fstat(file->fd, &st))
		return false;
	while (at < st.st_size)
		if (sendfile(fd, file->fd, &at, (size_t)(st.st_size - at)) <= 0)
			break;
	whole = at == st.st_size;
	return !close(fd) && whole && !chmod(file->name, 0555);
}

bool fence_root(const struct fence_file *files, size_t count)
{
	/* /proc is there wherever redmem runs; what is mounted on it is ours alone. In a chroot /
	 * is no mount, and cannot be left for another one; who has no rights stays in the next
	 * chroot, too. */
	bool chrooted = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);

	if ((chrooted && mount(NULL, "/proc", NULL, MS_REC | MS_PRIVATE, NULL)) ||
	    mount("redmem", "/proc", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755,size=512m") ||
	    chdir("/proc"))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!put_file(&files[i]))
			return false;
	if (chrooted ? chroot(".") : syscall(SYS_pivot_root, ".", ".") || umount2(".", MNT_DETACH))
		return false;
	return !chdir("/") &&
	       !mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, NULL);
}

/* --- rights and limits -------------------------------------------------------------------- */

static bool limit(int resource, uint64_t most)
{
	const struct rlimit both = { most, most };

	return !setrlimit((__rlimit_resource_t)resource, &both);
}

static bool drop_user(void)
{
	/* Of the kernel, not of libc: that one would have all threads do so, and waits for
	 * those which only the parent has. In a user namespace with one user there is nobody
	 * else to become. */
	if (geteuid() == 0 && !syscall(SYS_setgroups, 0, NULL))
		return !syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY) &&
		       !syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY);
	return true;
}

static bool drop_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

	return !syscall(SYS_capset, &head, none);
}

bool fence_enter(const struct fence_limits *limits, const struct sock_fprog *filter)
{
	if (!drop_user())
		return false;
	/* One wall more where it can be had; it comes with capabilities, of that namespace. */
	if (unshare(CLONE_NEWUSER))
		errno = 0;
	return drop_capabilities() && limit(RLIMIT_CORE, 0) && limit(RLIMIT_FSIZE, 0) &&
	       limit(RLIMIT_NPROC, 0) && limit(RLIMIT_NOFILE, limits->files) &&
	       limit(RLIMIT_CPU, limits->cpu_seconds) &&
	       (!limits->memory_bytes || limit(RLIMIT_AS, limits->memory_bytes)) &&
	       !prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) &&
	       !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter, 0, 0);
}

/* --- system calls -------------------------------------------------------------------------- */

/* Memory, time, the end; what libc and loaders ask about themselves. */
static const int allowed_always[] = {
	SCMP_SYS(brk),	      SCMP_SYS(clock_gettime), SCMP_SYS(close),	       SCMP_SYS(exit),
	SCMP_SYS(exit_group), SCMP_SYS(fstat),	       SCMP_SYS(futex),	       SCMP_SYS(getrandom),
	SCMP_SYS(lseek),      SCMP_SYS(madvise),       SCMP_SYS(mremap),       SCMP_SYS(munmap),
	SCMP_SYS(pread64),    SCMP_SYS(read),	       SCMP_SYS(rt_sigreturn), SCMP_SYS(sysinfo),
};

static const int allowed_reader[] = { SCMP_SYS(recvmsg), SCMP_SYS(sendmsg) };

static const int allowed_program[] = {
	SCMP_SYS(access),
	SCMP_SYS(arch_prctl),
	SCMP_SYS(faccessat),
	SCMP_SYS(getegid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(mmap),
	SCMP_SYS(mprotect),
	SCMP_SYS(newfstatat),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(rseq),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(set_tid_address),
	SCMP_SYS(stat),
	SCMP_SYS(statx),

	SCMP_SYS(uname),
};

static bool allow(scmp_filter_ctx filter, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0))
			return false;
	return true;
}

#define ALLOW(filter, list) allow(filter, list, sizeof(list) / sizeof((list)[0]))

/* The program of @filter, which is freed. */
static bool export_filter(scmp_filter_ctx filter, bool fine, struct sock_fprog *out)
{
	int fd = memfd_create("filter", MFD_CLOEXEC);
	struct stat st;
	ssize_t got = -1;

	*out = (struct sock_fprog){ 0 };
	if (fine && fd >= 0 && !seccomp_export_bpf(filter, fd) && !fstat(fd, &st)) {
		out->filter = xcalloc(1, (size_t)st.st_size);
		out->len = (unsigned short)((size_t)st.st_size / sizeof(*out->filter));
		got = pread(fd, out->filter, (size_t)st.st_size, 0);
		fine = got == st.st_size;
	}
	if (fd >= 0)
		close(fd);
	seccomp_release(filter);
	return fine && got > 0;
}

bool fence_filter_reader(struct sock_fprog *out)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
				  by_descriptor = SCMP_A3(SCMP_CMP_EQ, AT_EMPTY_PATH),
				  flags_only = SCMP_A1(SCMP_CMP_LE, F_GETFL);
	bool fine =
		filter && ALLOW(filter, allowed_always) && ALLOW(filter, allowed_reader) &&
		!seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_code) &&
		!seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_code) &&
		!seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1, by_descriptor) &&
		!seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1, flags_only);

	return export_filter(filter, fine, out);
}

bool fence_filter_program(struct sock_fprog *out, const char *program)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(ENOSYS));
	const uint64_t writing = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | O_PATH;
	const struct scmp_arg_cmp ours = SCMP_A0(SCMP_CMP_EQ, (uintptr_t)program),
				  open_to_read = SCMP_A1(SCMP_CMP_MASKED_EQ, writing, O_RDONLY),
				  openat_to_read = SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY),
				  only_asks = SCMP_A2(SCMP_CMP_EQ, 0);
	bool fine =
		filter && ALLOW(filter, allowed_always) && ALLOW(filter, allowed_program) &&
		!seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(execve), 1, ours) &&
		!seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(open), 1, open_to_read) &&
		!seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1, openat_to_read) &&
		!seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1, only_asks);

	return export_filter(filter, fine, out);
}
