/* SPDX-License-Identifier: BSD-2-Clause */
/* The allocator experiment: the parent, which traces the child; see experiment.h. */
#define _GNU_SOURCE 1 /* memfd_create(), close_range() */
#include <errno.h>
#include <experiment_child.inc>
#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/elf.h"
#include "host/fence.h"
#include "host/maps.h"
#include "host/proc.h"
#include "target/experiment.h"
#include "target/experiment_arch.h"

/* jemalloc counts on in steps of this many bytes: opt.tcache_gc_incr_bytes, 64 KiB. The
 * experiment allows for one step not yet told at either end. */
#define STEP_BYTES 65536
#define FILES_MAX  (256L << 20) /* bytes of all files */
/* No child lives longer. It takes 0.1 s; on a machine that swaps, seconds. */
#define SECONDS_MAX	15
#define CPU_SECONDS_MAX 3

/* Of run_on(), beside the number of a signal. */
#define RUN_ENDED	 -1
#define RUN_NOT_JEMALLOC -2

/* A function that may be the one. */
struct candidate {
	uint64_t address; /* in the child */
	uint64_t vaddr;
	uint8_t original[BREAKPOINT_BYTES];
	bool armed;
	uint64_t hits[CHILD_SIDES];
	uint64_t bytes[CHILD_SIDES];
};

struct experiment {
	struct fence_process process;
	pid_t pid; /* the same; 0 = has ended */
	pthread_t watchdog;
	bool watched, late;
	struct elf_file *library;
	int memory_fd; /* /proc/PID/mem */
	uint64_t pause; /* where the child stops by itself */
	struct child_hello hello;
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

static const char loader_path[] = "/ld.so";

/* In the child: nothing but the files, then the loader. By the environment and not by
 * options: older loaders have no --preload. Never returns. */
static void become_child(const struct fence_file *files, size_t count, bool is_program,
			 const struct sock_fprog *filter)
{
	const struct fence_limits limits = { .memory_bytes = 2ULL << 30,
					     .cpu_seconds = CPU_SECONDS_MAX,
					     .files = 32 };
	const struct fence_file *child = &files[1], *asked = &files[2];
	char preload[EXPERIMENT_NAME + 32], program[EXPERIMENT_NAME + 32];
	char *argv[] = { (char *)loader_path, program, NULL };
	char *envp[] = { preload, (char *)"LD_LIBRARY_PATH=/lib", NULL };

	snprintf(program, sizeof(program), "/%s", (is_program ? asked : child)->name);
	snprintf(preload, sizeof(preload), "LD_PRELOAD=/%s", (is_program ? child : asked)->name);
	if (fence_root(files, count) && !close_range(0, ~0U, 0) &&
	    !ptrace(PTRACE_TRACEME, 0, NULL, NULL) && fence_enter(&limits, filter))
		execve(loader_path, argv, envp);
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
	struct pollfd ended = { .fd = e->process.pidfd, .events = POLLIN };

	while (poll(&ended, 1, SECONDS_MAX * 1000) < 0 && errno == EINTR)
		;
	if (!ended.revents) {
		e->late = true;
		syscall(SYS_pidfd_send_signal, e->process.pidfd, SIGKILL, NULL, 0);
	}
	return NULL;
}

static bool start_watchdog(struct experiment *e)
{
	e->watched = !pthread_create(&e->watchdog, NULL, watch_deadline, e);
	return e->watched;
}

/* Let the child run to its next stop; the signal that stopped it, or RUN_*. */
static int run_on(struct experiment *e, enum __ptrace_request how)
{
	int status;

	if (how && ptrace(how, e->pid, NULL, NULL))
		return RUN_ENDED;
	while (waitpid(e->pid, &status, __WALL) < 0)
		if (errno != EINTR)
			return RUN_ENDED;
	if (WIFSTOPPED(status)) /* above the signal: another exec, which is not in the play */
		return status >> 16 ? RUN_ENDED : WSTOPSIG(status);
	e->pid = e->process.pid = 0;
	/* By the watchdog, or by the kernel for its limit of CPU. */
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		e->late = true;
	return WIFEXITED(status) && WEXITSTATUS(status) == CHILD_NOT_JEMALLOC ? RUN_NOT_JEMALLOC :
										RUN_ENDED;
}

bool child_hello_fits(const struct child_hello *hello)
{
	const struct size_classes *classes = &hello->classes;

	if (!classes->count || classes->count > SIZE_CLASSES_MAX ||
	    hello->block_bytes < CHILD_BLOCK_BYTES || hello->block_bytes > CHILD_BLOCK_BYTES_MAX)
		return false;
	for (size_t i = 0; i < classes->count; i++)
		if (classes->bytes[i] <= (i ? classes->bytes[i - 1] : 0))
			return false;
	return true;
}

/* The child stands at its first breakpoint: where is that, and what does it say? */
static int read_hello(struct experiment *e, struct err *err)
{
	child_regs regs;

	if (regs_read(e->pid, &regs) ||
	    memory_read(e->pid, regs_first_argument(&regs), &e->hello, sizeof(e->hello)) ||
	    !child_hello_fits(&e->hello))
		return err_set(err, -ENOTSUP,
			       "experiment: what the child with the allocator says makes no sense");
	e->pause = regs_pc(&regs) - BREAKPOINT_AFTER;
	return 0;
}

/* The files of the child's root: its loader, itself, the libraries. The caller closes the
 * second one's descriptor. */
static int list_files(struct fence_file *out, const struct experiment_files *files,
		      char names[][EXPERIMENT_NAME + 8], struct err *err)
{
	int child = memfd_create("child", MFD_CLOEXEC);
	off_t bytes = 0;

	if (child < 0 || write(child, experiment_child, sizeof(experiment_child)) !=
				 (ssize_t)sizeof(experiment_child)) {
		if (child >= 0)
			close(child);
		return err_set(err, -ENOMEM, "experiment: no memory for the child");
	}
	out[0] = (struct fence_file){ loader_path + 1, files->loader };
	out[1] = (struct fence_file){ "child", child };
	for (size_t i = 0; i < files->count; i++) {
		struct stat st;

		snprintf(names[i], sizeof(names[i]), "lib/%s", files->library[i].name);
		out[i + 2] = (struct fence_file){ names[i], files->library[i].fd };
		bytes += fstat(files->library[i].fd, &st) ? 0 : st.st_size;
	}
	if (bytes <= FILES_MAX)
		return child;
	close(child);
	return err_set(err, -EFBIG, "experiment: the libraries are too large to copy");
}

static int fork_child(struct experiment *e, const struct experiment_files *files, struct err *err)
{
	struct fence_file list[EXPERIMENT_LIBRARIES + 2];
	char names[EXPERIMENT_LIBRARIES][EXPERIMENT_NAME + 8];
	int child = list_files(list, files, names, err);
	struct sock_fprog filter;

	if (child < 0)
		return child;
	if (!fence_filter_program(&filter, loader_path))
		e->pid =
			err_set(err, -ENOTSUP, "experiment: no filter of system calls can be made");
	else
		e->pid = fence_fork(&e->process, err);
	if (!e->pid)
		become_child(list, files->count + 2, files->is_program, &filter);
	free(filter.filter);
	close(child);
	return e->pid < 0 ? e->pid : 0;
}

static int start_child(struct experiment *e, const struct experiment_files *files, struct err *err)
{
	int ret = fork_child(e, files, err), stopped;
	char path[32];

	if (ret)
		return ret;
	stopped = start_watchdog(e) ? run_on(e, 0) : RUN_ENDED; /* at exec */
	if (stopped == SIGTRAP) {
		ptrace(PTRACE_SETOPTIONS, e->pid, NULL,
		       (void *)(PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC));
		stopped = run_on(e, PTRACE_CONT);
	}
	if (stopped == RUN_NOT_JEMALLOC)
		return err_set(err, -ENOTSUP, "experiment: the allocator is not jemalloc");
	if (stopped != SIGTRAP)
		return err_set(err, -ENOTSUP,
			       "experiment: a child with the allocator does not start");
	snprintf(path, sizeof(path), "/proc/%d/mem", e->pid);
	e->memory_fd = open(path, O_RDWR | O_CLOEXEC);
	if (e->memory_fd < 0)
		return err_set(err, -errno, "experiment: %s: %s", path, strerror(errno));
	return read_hello(e, err);
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

/* Where the library's copy is in the child: the file of that name below its root. */
static int load_bias(const struct experiment *e, const char *name, uint64_t *bias)
{
	char path[EXPERIMENT_NAME + 64];
	struct map copy = {};
	struct maps *maps;
	struct stat st;
	int ret;

	snprintf(path, sizeof(path), "/proc/%d/root/lib/%s", e->pid, name);
	if (stat(path, &st))
		return -errno;
	copy.inode = st.st_ino;
	copy.dev_major = major(st.st_dev);
	copy.dev_minor = minor(st.st_dev);
	ret = maps_read(&maps, e->pid, NULL);
	if (ret)
		return ret;
	ret = -ENOENT;
	for (size_t i = 0; i < maps->count && ret; i++)
		if (map_same_file(&maps->map[i], &copy) && maps->map[i].perms[2] == 'x')
			ret = elf_file_bias(e->library, &maps->map[i], bias);
	maps_free(maps);
	return ret;
}

static int arm_all(struct experiment *e, const char *name, struct err *err)
{
	uint64_t *starts = NULL, bias;
	int ret = load_bias(e, name, &bias);

	if (ret)
		return err_set(err, -ENOTSUP, "experiment: the allocator was not loaded");
	ret = elf_file_function_starts(e->library, &starts, &e->count, err);
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
	enum child_side side;
	uint64_t now, last;

	if (memory_read(e->pid, argument, &context, sizeof(context)) || context.is_alloc > 1)
		return false;
	side = context.is_alloc ? CHILD_ALLOC : CHILD_FREE;
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
	child_regs regs;
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
		c->hits[CHILD_ALLOC] = c->hits[CHILD_FREE] = 0;
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
	child_regs regs;

	/* On from the breakpoint it stands at. */
	if (regs_read(e->pid, &regs))
		return false;
	regs_set_pc(&regs, e->pause + BREAKPOINT_BYTES);
	if (regs_write(e->pid, &regs))
		return false;
	for (;;) {
		if (run_on(e, PTRACE_CONT) != SIGTRAP || regs_read(e->pid, &regs))
			return false;
		if (regs_pc(&regs) - BREAKPOINT_AFTER == e->pause)
			return true;
		if (!take_hit(e))
			return false;
	}
}

/* --- the verdict -------------------------------------------------------------------- */

static bool side_fits(const struct experiment *e, const struct candidate *c, enum child_side side)
{
	uint64_t truth = CHILD_BLOCKS * e->hello.block_bytes, told = c->bytes[side];

	return c->hits[side] && told <= truth + 2 * STEP_BYTES && told + 2 * STEP_BYTES >= truth &&
	       c->hits[side] <= truth / STEP_BYTES + 2;
}

/* The one function that told of all bytes, in both directions, in few calls. */
static int verdict(const struct experiment *e, struct experiment_result *out, struct err *err)
{
	const struct candidate *found = NULL;

	for (size_t i = 0; i < e->count; i++) {
		const struct candidate *c = &e->candidates[i];

		if (!side_fits(e, c, CHILD_ALLOC) || !side_fits(e, c, CHILD_FREE))
			continue;
		if (found)
			return err_set(
				err, -ENOENT,
				"experiment: two functions of the allocator tell of its bytes");
		found = c;
	}
	if (!found)
		return err_set(
			err, -ENOENT,
			"experiment: no function of the allocator tells of its bytes; jemalloc "
			"does so since 5.3");
	out->event_trigger = found->vaddr;
	out->classes = e->hello.classes;
	return 0;
}

static void end_child(struct experiment *e)
{
	if (e->memory_fd >= 0)
		close(e->memory_fd);
	if (e->pid > 0)
		fence_end(&e->process);
	if (e->watched)
		pthread_join(e->watchdog, NULL);
	fence_end(&e->process);
	free(e->candidates);
	elf_file_close(e->library);
}

int experiment_run(struct experiment_result *out, const struct experiment_files *files,
		   struct err *err)
{
	struct experiment e = { .memory_fd = -1, .process = { .pidfd = -1 } };
	/* Read by a helper that reads nothing else: the result may be kept. */
	int ret, fd = fcntl(files->library[0].fd, F_DUPFD_CLOEXEC, 3);

	memset(out, 0, sizeof(*out));
	ret = elf_file_open_fd(&e.library, fd, files->library[0].name, err);
	if (!ret)
		ret = start_child(&e, files, err);
	if (!ret)
		ret = arm_all(&e, files->library[0].name, err);
	if (!ret && (!run_phase(&e) || !run_phase(&e)))
		ret = err_set(err, -ENOTSUP,
			      "experiment: the child with the allocator came to an end");
	if (!ret)
		ret = verdict(&e, out, err);
	end_child(&e);
	if (ret && e.late)
		ret = err_set(err, -ETIMEDOUT,
			      "experiment: the child with the allocator took more than %d s, or "
			      "than %d s of CPU",
			      SECONDS_MAX, CPU_SECONDS_MAX);
	return ret;
}
