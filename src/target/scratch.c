/* SPDX-License-Identifier: BSD-2-Clause */
/* The scratch child's parent; see scratch.h. */
#define _GNU_SOURCE 1 /* memfd_create(), close_range() */
#include "target/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/elf.h"
#include "host/maps.h"
#include "host/memory.h"
#include "target/scratch_arch.h"
#include "target/scratch_internal.h"

#define NOBODY 65534
/* jemalloc counts on in steps of this many bytes: opt.tcache_gc_incr_bytes, 64 KiB. The
 * experiment allows for one step not yet told at either end. */
#define STEP_BYTES  65536
#define LIBRARY_MAX (256L << 20)

/* A function that may be the one. */
struct candidate {
	uint64_t address; /* in the child */
	uint64_t vaddr;
	uint8_t original[BREAKPOINT_BYTES];
	bool armed;
	uint64_t hits[SCRATCH_SIDES];
	uint64_t bytes[SCRATCH_SIDES];
};

struct experiment {
	pid_t pid;
	int pidfd;
	pthread_t watchdog;
	bool watched, late;
	int library_fd; /* the copy */
	int memory_fd; /* /proc/PID/mem */
	struct scratch_hello hello;
	struct candidate *candidates;
	size_t count;
};

/* What te_event_trigger's second argument points to: te_ctx_t of jemalloc 5.3. */
struct event_context {
	uint8_t is_alloc;
	uint8_t padding[7];
	uint64_t current; /* address of the thread's counter of bytes */
	uint64_t last_event; /* address of its value at the last event */
};

/* --- the child -------------------------------------------------------------------- */

static int copy_library(struct elf_file *library, struct err *err)
{
	int from = elf_file_fd(library), fd;
	struct stat st;
	off_t at = 0;

	if (fstat(from, &st) || st.st_size > LIBRARY_MAX)
		return err_set(err, -EFBIG, "scratch: the library is too large to copy");
	fd = memfd_create("redmem-scratch", 0);
	if (fd < 0)
		return err_set(err, -errno, "scratch: memfd: %s", strerror(errno));
	while (at < st.st_size)
		if (sendfile(fd, from, &at, (size_t)(st.st_size - at)) <= 0)
			break;
	if (at == st.st_size && !fchmod(fd, 0555))
		return fd;
	close(fd);
	return err_set(err, -EIO, "scratch: the library cannot be copied");
}

/* The library may come from a container: it gets no rights of ours. */
static bool drop_rights(void)
{
	if (geteuid() == 0 && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
			       setresuid(NOBODY, NOBODY, NOBODY)))
		return false;
	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* In the child: become the scratch program. Never returns. */
static void become_child(int hello_fd, int library_fd)
{
	char path[32], preload[64];
	char *argv[] = { (char *)SCRATCH_NAME, NULL }, *envp[] = { preload, NULL };
	int null = open("/dev/null", O_RDWR);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", SCRATCH_LIBRARY_FD);
	snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", path);
	/* Out of the way first: either may have the number the other one gets. */
	hello_fd = fcntl(hello_fd, F_DUPFD, 16);
	library_fd = fcntl(library_fd, F_DUPFD, 16);
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	dup2(hello_fd, SCRATCH_FD);
	dup2(library_fd, SCRATCH_LIBRARY_FD);
	close_range(SCRATCH_LIBRARY_FD + 1, ~0U, 0);
	if (drop_rights() && !ptrace(PTRACE_TRACEME, 0, NULL, NULL))
		execve("/proc/self/exe", argv, envp);
	_exit(1);
}

/*
 * waitpid() knows no deadline, and the library's constructors run before anything of ours
 * does: so a thread waits beside it, and kills a child that takes too long. The descriptor
 * means this child, whatever becomes of its number.
 */
static void *watch_deadline(void *ctx)
{
	struct experiment *e = ctx;
	struct pollfd ended = { .fd = e->pidfd, .events = POLLIN };

	while (poll(&ended, 1, SCRATCH_SECONDS * 1000) < 0 && errno == EINTR)
		;
	if (!ended.revents) {
		e->late = true;
		syscall(SYS_pidfd_send_signal, e->pidfd, SIGKILL, NULL, 0);
	}
	return NULL;
}

static bool start_watchdog(struct experiment *e)
{
	e->pidfd = (int)syscall(SYS_pidfd_open, e->pid, 0);
	e->watched = e->pidfd >= 0 && !pthread_create(&e->watchdog, NULL, watch_deadline, e);
	return e->watched;
}

/* Let the child run to its next stop; the signal that stopped it, or -1 when it ended. */
static int run_on(struct experiment *e, enum __ptrace_request how)
{
	int status;

	if (how && ptrace(how, e->pid, NULL, NULL))
		return -1;
	while (waitpid(e->pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return -1;
	if (WIFSTOPPED(status))
		return WSTOPSIG(status);
	e->pid = 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == SCRATCH_NOT_JEMALLOC ? -2 : -1;
}

bool scratch_hello_fits(const struct scratch_hello *hello)
{
	const struct size_classes *classes = &hello->classes;

	if (!classes->count || classes->count > SIZE_CLASSES_MAX ||
	    hello->block_bytes < SCRATCH_BLOCK_BYTES ||
	    hello->block_bytes > SCRATCH_BLOCK_BYTES_MAX)
		return false;
	for (size_t i = 0; i < classes->count; i++)
		if (classes->bytes[i] <= (i ? classes->bytes[i - 1] : 0))
			return false;
	return true;
}

static int start_child(struct experiment *e, struct err *err)
{
	int pipe_fds[2], stopped;
	char path[32];

	if (pipe2(pipe_fds, O_CLOEXEC))
		return err_set(err, -errno, "scratch: pipe: %s", strerror(errno));
	e->pid = fork();
	if (!e->pid)
		become_child(pipe_fds[1], e->library_fd);
	close(pipe_fds[1]);
	stopped = e->pid > 0 && start_watchdog(e) ? run_on(e, 0) : -1; /* at exec */
	if (stopped == SIGTRAP) {
		ptrace(PTRACE_SETOPTIONS, e->pid, NULL, (void *)PTRACE_O_EXITKILL);
		stopped = run_on(e, PTRACE_CONT);
	}
	if (stopped == SIGSTOP &&
	    (read(pipe_fds[0], &e->hello, sizeof(e->hello)) != sizeof(e->hello) ||
	     !scratch_hello_fits(&e->hello)))
		stopped = -3;
	close(pipe_fds[0]);
	if (stopped == -3)
		return err_set(err, -ENOTSUP,
			       "scratch: what the child with the library says makes no sense");
	if (stopped == -2)
		return err_set(err, -ENOTSUP, "scratch: the library is not jemalloc");
	if (stopped != SIGSTOP)
		return err_set(err, -ENOTSUP, "scratch: a child with the library does not start");
	snprintf(path, sizeof(path), "/proc/%d/mem", e->pid);
	e->memory_fd = open(path, O_RDWR | O_CLOEXEC);
	return e->memory_fd < 0 ? err_set(err, -errno, "scratch: %s: %s", path, strerror(errno)) :
				  0;
}

/* --- breakpoints ------------------------------------------------------------------- */

static bool child_write(const struct experiment *e, uint64_t address, const void *data, size_t len)
{
	return pwrite(e->memory_fd, data, len, (off_t)address) == (ssize_t)len;
}

static void arm(struct experiment *e, struct candidate *c)
{
	c->armed = child_write(e, c->address, breakpoint, sizeof(breakpoint));
}

static void disarm(struct experiment *e, struct candidate *c)
{
	child_write(e, c->address, c->original, sizeof(c->original));
	c->armed = false;
}

/* Where the copy's code is in the child. */
static int load_bias(const struct experiment *e, struct elf_file *library, uint64_t *bias)
{
	struct maps *maps;
	struct stat st;
	int ret;

	if (fstat(e->library_fd, &st))
		return -errno;
	ret = maps_read(&maps, e->pid, NULL);
	if (ret)
		return ret;
	ret = -ENOENT;
	for (size_t i = 0; i < maps->count && ret; i++)
		if (maps->map[i].inode == st.st_ino && maps->map[i].perms[2] == 'x')
			ret = elf_file_bias(library, &maps->map[i], bias);
	maps_free(maps);
	return ret;
}

static int arm_all(struct experiment *e, struct elf_file *library, struct err *err)
{
	uint64_t *starts = NULL, bias;
	int ret = load_bias(e, library, &bias);

	if (ret)
		return err_set(err, -ENOTSUP, "scratch: the library was not loaded");
	ret = elf_file_function_starts(library, &starts, &e->count, err);
	if (ret)
		return ret;
	e->candidates = xcalloc(e->count, sizeof(*e->candidates));
	for (size_t i = 0; i < e->count; i++) {
		struct candidate *c = &e->candidates[i];

		c->vaddr = starts[i];
		c->address = starts[i] + bias;
		if (!memory_read(e->pid, c->address, c->original, sizeof(c->original)))
			arm(e, c);
	}
	free(starts);
	return 0;
}

static struct candidate *candidate_at(const struct experiment *e, uint64_t address)
{
	for (size_t low = 0, high = e->count; low < high;) {
		size_t middle = low + (high - low) / 2;
		struct candidate *c = &e->candidates[middle];

		if (c->address == address)
			return c;
		if (c->address < address)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* Does its second argument say what te_event_trigger's must? Adds up when it does. */
static bool behaves(const struct experiment *e, struct candidate *c, uint64_t argument)
{
	struct event_context context;
	enum scratch_side side;
	uint64_t now, last;

	if (memory_read(e->pid, argument, &context, sizeof(context)) || context.is_alloc > 1)
		return false;
	side = context.is_alloc ? SCRATCH_ALLOC : SCRATCH_FREE;
	if (context.current != e->hello.counter[side] ||
	    memory_read(e->pid, context.current, &now, sizeof(now)) ||
	    memory_read(e->pid, context.last_event, &last, sizeof(last)) || now <= last)
		return false;
	c->hits[side]++;
	c->bytes[side] += now - last;
	return true;
}

/* A breakpoint was hit: look, and let the function go on. A function that has once
 * behaved differently is left alone from then on. */
static bool take_hit(struct experiment *e)
{
	struct candidate *c;
	scratch_regs regs;
	bool keep;

	if (regs_read(e->pid, &regs))
		return false;
	regs_set_pc(&regs, regs_pc(&regs) - BREAKPOINT_AFTER);
	c = candidate_at(e, regs_pc(&regs));
	if (!c || !c->armed || regs_write(e->pid, &regs))
		return false;
	keep = behaves(e, c, regs_second_argument(&regs));
	disarm(e, c);
	if (!keep) {
		c->hits[SCRATCH_ALLOC] = c->hits[SCRATCH_FREE] = 0;
		return true;
	}
	if (run_on(e, PTRACE_SINGLESTEP) != SIGTRAP)
		return false;
	arm(e, c);
	return true;
}

/* From one stop of the child to the next, through all breakpoints. */
static bool run_phase(struct experiment *e)
{
	for (;;) {
		int stopped = run_on(e, PTRACE_CONT);

		if (stopped == SIGSTOP)
			return true;
		if (stopped != SIGTRAP || !take_hit(e))
			return false;
	}
}

/* --- the verdict -------------------------------------------------------------------- */

static bool side_fits(const struct experiment *e, const struct candidate *c, enum scratch_side side)
{
	uint64_t truth = SCRATCH_BLOCKS * e->hello.block_bytes, told = c->bytes[side];

	return c->hits[side] && told <= truth + 2 * STEP_BYTES && told + 2 * STEP_BYTES >= truth &&
	       c->hits[side] <= truth / STEP_BYTES + 2;
}

/* The one function that told of all bytes, in both directions, in few calls. */
static int verdict(const struct experiment *e, struct scratch_result *out, struct err *err)
{
	const struct candidate *found = NULL;

	for (size_t i = 0; i < e->count; i++) {
		const struct candidate *c = &e->candidates[i];

		if (!side_fits(e, c, SCRATCH_ALLOC) || !side_fits(e, c, SCRATCH_FREE))
			continue;
		if (found)
			return err_set(err, -ENOENT,
				       "scratch: two functions of the library tell of its bytes");
		found = c;
	}
	if (!found)
		return err_set(err, -ENOENT,
			       "scratch: no function of the library tells of its bytes; jemalloc "
			       "does so since 5.3");
	out->event_trigger = found->vaddr;
	out->classes = e->hello.classes;
	return 0;
}

static void end_child(struct experiment *e)
{
	if (e->memory_fd >= 0)
		close(e->memory_fd);
	if (e->pid > 0) {
		kill(e->pid, SIGKILL);
		while (waitpid(e->pid, NULL, __WALL) < 0 && errno == EINTR)
			;
	}
	if (e->watched)
		pthread_join(e->watchdog, NULL);
	if (e->pidfd >= 0)
		close(e->pidfd);
	free(e->candidates);
}

int scratch_find(struct scratch_result *out, struct elf_file *library, struct err *err)
{
	struct experiment e = { .memory_fd = -1, .pidfd = -1 };
	int ret;

	memset(out, 0, sizeof(*out));
	e.library_fd = copy_library(library, err);
	if (e.library_fd < 0)
		return e.library_fd;
	ret = start_child(&e, err);
	if (!ret)
		ret = arm_all(&e, library, err);
	if (!ret && (!run_phase(&e) || !run_phase(&e)))
		ret = err_set(err, -ENOTSUP, "scratch: the child with the library came to an end");
	if (!ret)
		ret = verdict(&e, out, err);
	end_child(&e);
	if (ret && e.late)
		err_set(err, -ETIMEDOUT, "scratch: the child with the library took more than %d s",
			SCRATCH_SECONDS);
	close(e.library_fd);
	return ret;
}
