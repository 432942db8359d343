/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes give up what they do not need; see confine.h. */
#define _GNU_SOURCE 1 /* setresuid(), CLONE_* */
#include "app/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cap-ng.h>
#include <seccomp.h>

#include "base/err.h"
#include "host/file.h"

#define NOBODY	     65534
#define FILES_MOST   1024
#define MEMORY_BYTES (4ULL << 30) /* of addresses; of memory it takes a hundredth */

/* --- who --------------------------------------------------------------------------------- */

static int take_user(struct confine_user *out, const struct passwd *pw)
{
	*out = (struct confine_user){ .uid = pw->pw_uid, .gid = pw->pw_gid };
	snprintf(out->name, sizeof(out->name), "%s", pw->pw_name);
	return 0;
}

int confine_find(struct confine_user *out, const char *name, const char *state_dir, struct err *err)
{
	const struct passwd *pw;
	struct stat st;

	*out = (struct confine_user){ .uid = geteuid(), .gid = getegid(), .name = "itself" };
	if (geteuid())
		return 0;
	if (name) {
		pw = getpwnam(name);
		if (!pw)
			return err_set(err, -ENOENT,
				       "confine: there is no user %s; make it, or name another in "
				       "redmem.conf",
				       name);
		if (!pw->pw_uid)
			return err_set(err, -EINVAL,
				       "confine: user %s is root, whose rights are to be given up; "
				       "name another in redmem.conf",
				       name);
		return take_user(out, pw);
	}
	pw = getpwnam("redmem");
	if (!pw && !stat(state_dir, &st) && st.st_uid)
		pw = getpwuid(st.st_uid);
	if (!pw)
		pw = getpwnam("nobody");
	if (pw && pw->pw_uid)
		return take_user(out, pw);
	*out = (struct confine_user){ .uid = NOBODY, .gid = NOBODY, .name = "nobody" };
	return 0;
}

/* --- system calls ------------------------------------------------------------------------ */

/* What the loop, the history (SQLite), HTTP and TLS, libc and its threads do. */
static const int allowed[] = {
	/* memory, threads, time */
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(mlock),
	SCMP_SYS(mlock2),
	SCMP_SYS(munlock),
	SCMP_SYS(futex),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(membarrier),
	SCMP_SYS(sched_yield),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(getpriority),
	SCMP_SYS(setpriority),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(nanosleep),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(times),
	SCMP_SYS(getrandom),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(timerfd_settime),
	SCMP_SYS(timerfd_gettime),
	/* itself */
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
	SCMP_SYS(getpid),
	SCMP_SYS(gettid),
	SCMP_SYS(getppid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getrusage),
	SCMP_SYS(getrlimit),
	SCMP_SYS(sysinfo),
	SCMP_SYS(uname),
	SCMP_SYS(umask),
	SCMP_SYS(getcwd),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(rt_sigtimedwait),
	SCMP_SYS(rt_sigpending),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(signalfd4),
	SCMP_SYS(restart_syscall),
	/* files, as far as its user may */
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(close),
	SCMP_SYS(read),
	SCMP_SYS(readv),
	SCMP_SYS(pread64),
	SCMP_SYS(write),
	SCMP_SYS(writev),
	SCMP_SYS(pwrite64),
	SCMP_SYS(lseek),
	SCMP_SYS(fchown),
	SCMP_SYS(fstat),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(newfstatat),
	SCMP_SYS(statx),
	SCMP_SYS(fstatfs),
	SCMP_SYS(statfs),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getdents64),
	SCMP_SYS(fcntl),
	SCMP_SYS(flock),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate),
	SCMP_SYS(fadvise64),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(fchmod),
	SCMP_SYS(utimensat),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(dup3),
	SCMP_SYS(pipe2),
	SCMP_SYS(eventfd2),
	/* the sockets that it has, and those that come of them */
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(select),
	SCMP_SYS(pselect6),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(sendfile),
	SCMP_SYS(setsockopt),
	SCMP_SYS(getsockopt),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(shutdown),
};

/* What nothing in it does: who does it has taken it over. All else that is not allowed fails
 * with ENOSYS, as on a kernel that does not have it: another libc may try it. */
static const int deadly[] = {
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(kcmp),
	SCMP_SYS(bpf),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(move_mount),
	SCMP_SYS(fsopen),
	SCMP_SYS(open_tree),
	SCMP_SYS(pivot_root),
	SCMP_SYS(chroot),
	SCMP_SYS(unshare),
	SCMP_SYS(setns),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(setuid),
	SCMP_SYS(setreuid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setregid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setgroups),
	SCMP_SYS(capset),
	SCMP_SYS(kill),
	SCMP_SYS(connect),
	SCMP_SYS(bind),
	SCMP_SYS(listen),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(acct),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(clock_adjtime),
};

/* What a look at a server never does; its helpers, which read foreign files and run foreign code,
 * have filters of their own, and so this is no list of all that it does. */
static const int never[] = {
	SCMP_SYS(io_uring_setup),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(reboot),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(keyctl),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(fanotify_init),
	SCMP_SYS(quotactl),
	SCMP_SYS(listen),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(acct),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(adjtimex),
	SCMP_SYS(clock_adjtime),
	SCMP_SYS(sethostname),
	SCMP_SYS(setdomainname),
};

static bool add(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (seccomp_rule_add(filter, action, calls[i], 0))
			return false;
	return true;
}

/* Allow @call where each of the comparisons holds. */
#define ALLOW(call, ...)                                                          \
	(!seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, SCMP_SYS(call),          \
				 sizeof((struct scmp_arg_cmp[]){ __VA_ARGS__ }) / \
					 sizeof(struct scmp_arg_cmp),             \
				 (struct scmp_arg_cmp[]){ __VA_ARGS__ }))

/* The keeper, and who only reads files. */
static bool allow_some(scmp_filter_ctx filter)
{
	const uint64_t thread = CLONE_VM | CLONE_THREAD | CLONE_SIGHAND;

	return filter && add(filter, SCMP_ACT_ALLOW, allowed, sizeof(allowed) / sizeof(int)) &&
	       add(filter, SCMP_ACT_KILL_PROCESS, deadly, sizeof(deadly) / sizeof(int)) &&
	       ALLOW(mmap, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) &&
	       ALLOW(mprotect, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) &&
	       /* Threads, and no processes. clone3() hides its flags: libc takes clone() then. */
	       ALLOW(clone, SCMP_A0(SCMP_CMP_MASKED_EQ, thread, thread)) &&
	       !seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
				 SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)) &&
	       ALLOW(prctl, SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME)) &&
	       ALLOW(prlimit64, SCMP_A2(SCMP_CMP_EQ, 0)) &&
	       ALLOW(tgkill, SCMP_A0(SCMP_CMP_EQ, (uint64_t)getpid())) && /* abort() */
	       ALLOW(ioctl, SCMP_A1(SCMP_CMP_EQ, TCGETS)) && /* isatty() */
	       ALLOW(ioctl, SCMP_A1(SCMP_CMP_EQ, TIOCGWINSZ)) && /* how wide it is */
	       ALLOW(ioctl, SCMP_A1(SCMP_CMP_EQ, FIONREAD)) &&
	       ALLOW(ioctl, SCMP_A1(SCMP_CMP_EQ, FIONBIO));
}

static bool looks(enum confine_for what)
{
	return what == CONFINE_LOOK || what == CONFINE_LOOK_ON;
}

static bool filter_calls(enum confine_for what)
{
	scmp_filter_ctx filter =
		seccomp_init(looks(what) ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(ENOSYS));
	bool fine = filter &&
		    (looks(what) ? add(filter, SCMP_ACT_ERRNO(EPERM), never,
				       sizeof(never) / sizeof(int)) :
				   allow_some(filter)) &&
		    !seccomp_load(filter);

	seccomp_release(filter);
	return fine;
}

/* --- all of it --------------------------------------------------------------------------- */

static int failed(struct err *err, const char *what, const char *help)
{
	int code = errno ? errno : EPERM;

	return err_set(err, -code, "confine: %s: %s%s", what, strerror(code), help);
}

static bool limit(int resource, uint64_t most)
{
	struct rlimit both;

	if (getrlimit((__rlimit_resource_t)resource, &both))
		return false;
	if (both.rlim_max > most)
		both.rlim_max = most;
	if (both.rlim_cur > both.rlim_max)
		both.rlim_cur = both.rlim_max;
	return !setrlimit((__rlimit_resource_t)resource, &both);
}

static bool limits(void)
{
#ifndef SANITIZED /* its shadow takes more */
	if (!limit(RLIMIT_AS, MEMORY_BYTES))
		return false;
#endif
	return limit(RLIMIT_CORE, 0) && limit(RLIMIT_NOFILE, FILES_MOST) && limit(RLIMIT_RTPRIO, 0);
}

/* The bounding set takes CAP_SETPCAP, which is gone behind setresuid(). */
static int become(const struct confine_user *user, struct err *err)
{
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_apply(CAPNG_SELECT_BOUNDS))
		return failed(err, "the bounding set of capabilities cannot be emptied",
			      "; that takes CAP_SETPCAP");
	if (setgroups(0, NULL) || setresgid(user->gid, user->gid, user->gid) ||
	    setresuid(user->uid, user->uid, user->uid))
		return failed(err, "cannot become another user",
			      "; that takes CAP_SETUID and CAP_SETGID");
	return 0;
}

int confine_enter(const struct confine_user *user, struct err *err)
{
	tzset(); /* reads files of its own */
	errno = 0;
	if (!limits())
		return failed(err, "limits cannot be set", "");
	if (!geteuid() && become(user, err))
		return err ? err->code : -EPERM;
	capng_clear(CAPNG_SELECT_ALL);
	if (capng_apply(CAPNG_SELECT_CAPS) || capng_apply(CAPNG_SELECT_AMBIENT))
		return failed(err, "capabilities cannot be given up", "");
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return failed(err, "new rights cannot be given up", "");
	if (!filter_calls(CONFINE_FILES))
		return failed(err, "system calls cannot be filtered",
			      "; that takes a kernel with CONFIG_SECCOMP_FILTER");
	return 0;
}

/* --- commands ---------------------------------------------------------------------------- */

/* A program that takes cores (core_pattern's) is given them whatever the limit is: with nothing of
 * any memory in them (core(5)). */
static void empty_cores(void)
{
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "0", 1) != 1)
		log_msg(LOG_INFO, "confine: the kernel has no coredump_filter");
	if (fd >= 0)
		close(fd);
}

void confine_memory(void)
{
	limit(RLIMIT_CORE, 0);
	empty_cores();
#ifndef __SANITIZE_ADDRESS__ /* which looks for leaks in it */
	/* Of a process that is not root's /proc/self would be root's then, and a helper in a user
	 * namespace could not say who it is. */
	if (!geteuid())
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
}

/* Who reads files. The journal that SQLite makes beside a history is given to the history's owner,
 * as whom serve could not open it else. */
static const int of_files[] = { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_CHOWN };

/* To begin to look; the first few are for longer: confine_attached(). */
static const int of_looks[] = {
	CAP_BPF, /* programs and maps */
	CAP_PERFMON, /* samples and probes, also those that come and go while it watches */
	CAP_SYS_PTRACE, /* maps, memory and files of other users' processes */
	CAP_DAC_OVERRIDE, /* sockets and files of other users */
	CAP_SETUID, /* to become nobody for foreign files and code */
	CAP_SETGID,
	CAP_KILL, /* and to end that */
	CAP_SYS_ADMIN, /* see needs_admin() */
	CAP_DAC_READ_SEARCH,
	CAP_SYS_RESOURCE, /* limits of locked memory, of kernels that have them for BPF */
	CAP_IPC_LOCK,
	CAP_SYS_NICE, /* the thread that takes probes out comes to its CPU at once */
	CAP_SYSLOG, /* addresses of the kernel's functions */
	CAP_CHOWN, /* as of_files, for mcp */
};
#define LONGER 7

static enum confine_for confined = CONFINE_NOT; /* what this process is for */

static bool keep_only(const int *keep, size_t count)
{
	bool bounds;

	if (capng_get_caps_process())
		return false;
	bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++) {
		bool kept = false;

		for (size_t i = 0; i < count; i++)
			kept |= keep[i] == cap;
		if (!kept)
			capng_update(CAPNG_DROP,
				     CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_INHERITABLE |
					     CAPNG_BOUNDING_SET,
				     (unsigned int)cap);
	}
	return !capng_apply(bounds ? CAPNG_SELECT_BOTH : CAPNG_SELECT_CAPS);
}

int confine_command(enum confine_for what, struct err *err)
{
	bool look = looks(what);

	confined = what;
	if (what == CONFINE_NOT)
		return 0;
	tzset(); /* reads files of its own */
	errno = 0;
	if (!keep_only(look ? of_looks : of_files,
		       look ? sizeof(of_looks) / sizeof(int) : sizeof(of_files) / sizeof(int)))
		return failed(err, "capabilities cannot be given up", "");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return failed(err, "new rights cannot be given up", "");
#ifdef SANITIZED /* it looks for leaks at the end, in a process of its own: no reader may */
	if (!look)
		return 0;
#endif
	if (!filter_calls(what)) /* a kernel without is as before */
		log_msg(LOG_INFO, "confine: system calls cannot be filtered");
	return 0;
}

static bool setting_is(const char *path, const char *first)
{
	struct buf text = {};
	bool is = !file_read(path, 64, &text, NULL) && *buf_str(&text) &&
		  strchr(first, *buf_str(&text));

	buf_free(&text);
	return is;
}

static bool same_network(pid_t server)
{
	char path[64];
	struct stat own, its;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)server);
	return !stat("/proc/self/ns/net", &own) && !stat(path, &its) && own.st_ino == its.st_ino;
}

/* To count what programs take anew, to come again into a container's network, to have helpers in
 * namespaces where users may have none of their own, and for probes where a kernel wants more than
 * CAP_PERFMON. */
static bool needs_admin(pid_t server)
{
	return confined == CONFINE_LOOK_ON || (server && !same_network(server)) ||
	       setting_is("/proc/sys/user/max_user_namespaces", "0") ||
	       setting_is("/proc/sys/kernel/unprivileged_userns_clone", "0") ||
	       setting_is("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1") ||
	       setting_is("/proc/sys/kernel/perf_event_paranoid", "3456789");
}

void confine_attached(pid_t server)
{
	if (looks(confined) && !keep_only(of_looks, LONGER + needs_admin(server)))
		log_msg(LOG_INFO, "confine: capabilities cannot be given up");
}

void confine_thread(void)
{
	confine_attached(0);
}
