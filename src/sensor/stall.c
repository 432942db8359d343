/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stalls as facts: what held the loop, and its time split over the causes.
 *
 * The programs measure waits and faults; CPU samples, gathered here as they come, tell
 * what the rest was spent on. Samples of a piece of work come before the record of its
 * end, so two tallies (of the work and of the loop's turn) are all there is to keep.
 */
#include "sensor/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

/* --- samples -------------------------------------------------------------------- */

static void tally_activity(struct stall_tally *tally, const char *activity, double seconds)
{
	struct tally_activity *row = tally->activity, *end = row + TALLY_ACTIVITIES;

	for (; row < end && row->name && strcmp(row->name, activity) != 0; row++)
		;
	if (row == end)
		return;
	row->name = activity;
	row->seconds += seconds;
}

static void tally_command(struct stall_tally *tally, const char *command, double seconds)
{
	struct tally_command *row = tally->command, *end = row + TALLY_COMMANDS;

	for (; row < end && *row->name && strcmp(row->name, command) != 0; row++)
		;
	if (row == end)
		return;
	snprintf(row->name, sizeof(row->name), "%s", command);
	row->seconds += seconds;
}

static void tally_add(struct stall_tally *tally, uint64_t start_ns, double seconds,
		      const struct marker_place *place, const char *command)
{
	if (!start_ns)
		return;
	if (tally->start_ns != start_ns) {
		memset(tally, 0, sizeof(*tally));
		tally->start_ns = start_ns;
	}
	tally->seconds[place->cause] += seconds;
	if (*place->activity)
		tally_activity(tally, place->activity, seconds);
	if (command && *command)
		tally_command(tally, command, seconds);
}

void stall_sample(struct sensors *s, const struct redmem_sample *sample)
{
	struct marker_place place = { MARK_COMMAND, "" };
	struct who_names names = { .command = NULL };
	double seconds = sample->ns / 1e9;

	if (s->resolver.place)
		place = s->resolver.place(s->resolver.ctx, sample);
	if (sample->who.state != WHO_LOOP)
		who_resolve(s, &sample->who, &names);
	tally_add(&s->work_tally, sample->work_ns, seconds, &place, NULL);
	tally_add(&s->turn_tally, sample->turn_ns, seconds, &place, names.command);
}

/* --- the split ------------------------------------------------------------------- */

/* System calls in which a server waits, and whether for a file or a socket. */
static const struct {
	uint32_t number;
	bool io;
	bool fd; /* its first argument is one */
	const char *name;
} waits[] = {
	{ SYS_fsync, true, true, "fsync" },
	{ SYS_fdatasync, true, true, "fdatasync" },
	{ SYS_sync_file_range, true, true, "sync_file_range" },
	{ SYS_write, true, true, "write" },
	{ SYS_writev, true, true, "writev" },
	{ SYS_pwrite64, true, true, "pwrite64" },
	{ SYS_read, true, true, "read" },
	{ SYS_readv, true, true, "readv" },
	{ SYS_pread64, true, true, "pread64" },
	{ SYS_ftruncate, true, true, "ftruncate" },
	{ SYS_fallocate, true, true, "fallocate" },
	{ SYS_close, true, true, "close" },
	{ SYS_sendto, true, true, "sendto" },
	{ SYS_recvfrom, true, true, "recvfrom" },
	{ SYS_connect, true, true, "connect" },
	{ SYS_openat, true, false, "openat" },
	{ SYS_renameat, true, false, "renameat" },
	{ SYS_unlinkat, true, false, "unlinkat" },
#ifdef SYS_open
	{ SYS_open, true, false, "open" },
	{ SYS_rename, true, false, "rename" },
	{ SYS_unlink, true, false, "unlink" },
#endif
	{ SYS_sync, true, false, "sync" },
	{ SYS_futex, false, false, "futex" },
	{ SYS_nanosleep, false, false, "nanosleep" },
	{ SYS_clock_nanosleep, false, false, "clock_nanosleep" },
	{ SYS_wait4, false, false, "wait4" },
	{ WAIT_STOPPED, false, false, "SIGSTOP" },
};

#define WAIT_COUNT (sizeof(waits) / sizeof(waits[0]))

/* Index in waits[]; WAIT_COUNT when it is another. */
static size_t wait_index(const struct redmem_wait *wait)
{
	size_t i = 0;

	while (i < WAIT_COUNT && waits[i].number != wait->id)
		i++;
	return i;
}

/* Divide what the command itself took as the samples say. */
static void split_rest(const struct sensors *s, const struct stall_tally *tally, double rest,
		       struct fact_stall *f)
{
	double *parts[MARK_CAUSES] = {
		[MARK_COMMAND] = &f->command_seconds, [MARK_ALLOCATOR] = &f->allocator_seconds,
		[MARK_EXPIRY] = &f->expiry_seconds,   [MARK_EVICTION] = &f->eviction_seconds,
		[MARK_DEFRAG] = &f->defrag_seconds,   [MARK_REHASH] = &f->rehash_seconds,
		[MARK_FORK] = &f->fork_seconds,	      [MARK_FAULT] = &f->fault_minor_seconds,
	};
	bool faults_timed = sensor_on(s, "fault");
	double sum = 0, left = rest;

	for (size_t i = 0; i < MARK_CAUSES; i++)
		if (i != MARK_FAULT || !faults_timed)
			sum += tally->seconds[i];
	for (size_t i = MARK_CAUSES; i-- > 1;) {
		double part = 0;

		if (sum > 0 && (i != MARK_FAULT || !faults_timed))
			part = fmin(rest * (tally->seconds[i] / sum), left);
		*parts[i] += part;
		left -= part;
	}
	f->command_seconds = left;
}

/*
 * Split a stall over its causes so that they sum to its duration. What the
 * scheduler and the fault events measured is taken as it is; the rest was spent
 * running, divided by CPU samples.
 */
static void split_stall(const struct sensors *s, const struct redmem_stall *stall,
			const struct stall_tally *tally, struct fact_stall *f)
{
	size_t wait = wait_index(&stall->wait);
	double blocked = stall->blocked_ns / 1e9, rest = f->duration_seconds;
	double *measured[] = { &f->cpu_wait_seconds,	&f->io_wait_seconds,
			       &f->other_seconds,	&f->fault_swap_seconds,
			       &f->fault_file_seconds,	&f->fault_cow_seconds,
			       &f->fault_minor_seconds, &f->reclaim_seconds,
			       &f->compaction_seconds };

	f->fault_minor_seconds = stall->fault_ns[0] / 1e9;
	f->fault_cow_seconds = stall->fault_ns[1] / 1e9;
	f->fault_swap_seconds = stall->fault_ns[2] / 1e9;
	f->fault_file_seconds = stall->fault_ns[3] / 1e9;
	f->reclaim_seconds = stall->reclaim_ns / 1e9;
	f->compaction_seconds = stall->compaction_ns / 1e9;
	f->cpu_wait_seconds = stall->cpu_wait_ns / 1e9;
	f->io_wait_seconds = wait < WAIT_COUNT && waits[wait].io ? blocked : 0;
	f->other_seconds = blocked - f->io_wait_seconds;
	for (size_t i = 0; i < sizeof(measured) / sizeof(measured[0]); i++) {
		if (*measured[i] > rest)
			*measured[i] = rest;
		rest -= *measured[i];
	}
	split_rest(s, tally, rest, f);
}

/* --- words ----------------------------------------------------------------------- */

static void name_activities(const struct stall_tally *tally, struct fact_stall *f)
{
	const struct tally_activity *best[2] = { NULL, NULL };
	double sum = 0, rest;

	for (size_t i = 0; i < MARK_CAUSES; i++)
		sum += tally->seconds[i];
	for (size_t i = 0; i < TALLY_ACTIVITIES && tally->activity[i].name; i++) {
		const struct tally_activity *row = &tally->activity[i];

		if (!best[0] || row->seconds > best[0]->seconds) {
			best[1] = best[0];
			best[0] = row;
		} else if (!best[1] || row->seconds > best[1]->seconds) {
			best[1] = row;
		}
	}
	/* Samples divide what was not waiting. */
	rest = f->duration_seconds - f->cpu_wait_seconds - f->io_wait_seconds - f->other_seconds;
	f->activity = best[0] ? best[0]->name : "";
	f->activity_seconds = best[0] ? rest * (best[0]->seconds / sum) : NAN;
	f->activity2 = best[1] ? best[1]->name : "";
	f->activity2_seconds = best[1] ? rest * (best[1]->seconds / sum) : NAN;
}

static int more_seconds(const void *a, const void *b)
{
	const struct tally_command *x = a, *y = b;

	return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

/* "set 0.62 get 0.38": shares of the CPU time of a turn's commands. */
static const char *name_mix(const struct stall_tally *tally)
{
	static struct buf mix;
	struct tally_command rows[TALLY_COMMANDS];
	double sum = 0;

	memcpy(rows, tally->command, sizeof(rows));
	qsort(rows, TALLY_COMMANDS, sizeof(rows[0]), more_seconds);
	for (size_t i = 0; i < TALLY_COMMANDS; i++)
		sum += rows[i].seconds;
	buf_clear(&mix);
	for (size_t i = 0; i < TALLY_COMMANDS && *rows[i].name; i++)
		buf_printf(&mix, "%s%s %.2f", i ? " " : "", rows[i].name, rows[i].seconds / sum);
	return buf_str(&mix);
}

/* What a descriptor of the server is: a path, or "socket:[123]". */
static const char *name_file(pid_t pid, int fd)
{
	static char text[256];
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	len = readlink(path, text, sizeof(text) - 1);
	text[len < 0 ? 0 : len] = '\0';
	return text;
}

static void name_waits(const struct sensors *s, const struct redmem_stall *stall,
		       struct fact_stall *f)
{
	size_t wait = wait_index(&stall->wait);

	f->wait_call = f->wait_file = f->hog = "";
	f->hog_pid = FACT_UNKNOWN;
	if (stall->wait.ns)
		f->wait_call = wait < WAIT_COUNT ? waits[wait].name : "a system call";
	if (stall->wait.ns && wait < WAIT_COUNT && waits[wait].fd)
		f->wait_file = name_file(s->config.pid, stall->wait.fd);
	if (!stall->hog.ns)
		return;
	f->hog = stall->hog.id ? stall->hog.comm : "nobody: the CPU quota of its cgroup";
	f->hog_pid = stall->hog.id == WAIT_FOREIGN ? FACT_UNKNOWN : stall->hog.id;
}

/* --- facts ------------------------------------------------------------------------ */

/* The fork tracepoint fires when the child is made: up to there the command did
 * nothing but fork (rdbSaveBackground(), rewriteAppendOnlyFileBackground()). */
static void charge_fork(const struct sensors *s, const struct redmem_stall *stall,
			struct fact_stall *f)
{
	double *from[] = { &f->command_seconds, &f->allocator_seconds, &f->fault_minor_seconds };
	double forking;

	if (s->last_fork_ns < stall->start_ns || s->last_fork_ns > stall->end_ns)
		return;
	forking = (s->last_fork_ns - stall->start_ns) / 1e9 - f->fork_seconds;
	for (size_t i = 0; i < sizeof(from) / sizeof(from[0]) && forking > 0; i++) {
		double part = fmin(forking, *from[i]);

		*from[i] -= part;
		f->fork_seconds += part;
		forking -= part;
	}
}

static const struct stall_tally *tally_of(const struct sensors *s, const struct redmem_stall *stall)
{
	static const struct stall_tally none;
	const struct stall_tally *tally = stall->commands ? &s->turn_tally : &s->work_tally;

	return tally->start_ns == stall->start_ns ? tally : &none;
}

void records_stall(struct sensors *s, const struct redmem_stall *stall, bool running,
		   struct fact_stall *f)
{
	const struct stall_tally *tally = tally_of(s, stall);

	memset(f, 0, sizeof(*f));
	f->t_seconds = sensor_seconds(s, stall->start_ns);
	f->duration_seconds = (stall->end_ns - stall->start_ns) / 1e9;
	f->running = running;
	split_stall(s, stall, tally, f);
	charge_fork(s, stall, f);
	name_activities(tally, f);
	name_waits(s, stall, f);
	f->commands_total = stall->commands ? (int64_t)stall->commands : FACT_UNKNOWN;
	f->mix = stall->commands ? name_mix(tally) : "";
	f->freed_bytes = FACT_UNKNOWN;
}

/* A script of many commands: none of them alone. Neither is one that was hardly there. */
static const char *inner_named(const struct redmem_stall *stall, const struct who_names *names)
{
	bool alone = stall->inner_votes * 2 >= stall->inner_looks &&
		     stall->inner_looks * 4 >= stall->looks;

	return alone ? names->inner : "";
}

void stall_take(struct sensors *s, const struct redmem_stall *stall)
{
	struct fact fact = { .kind = FACT_STALL };
	struct who_names names;

	records_stall(s, stall, false, &fact.stall);
	if (!who_resolve(s, &stall->who, &names)) {
		s->own_pause_seconds += fact.stall.duration_seconds;
		return;
	}
	fact.stall.command = names.command;
	fact.stall.inner = inner_named(stall, &names);
	fact.stall.key = names.key;
	fact_emit(s->sink, &fact);
}

/* --- a stall under way -------------------------------------------------------------- */

/* What waits now is charged by the programs only when it is over. */
static void charge_pending(const struct redmem_loop *loop, struct redmem_stall *stall)
{
	uint64_t out = loop->out_ns, back = loop->in_ns ? loop->in_ns : stall->end_ns;
	uint64_t ns = back - out;

	if (!out || out > back)
		return;
	if (loop->out_runnable)
		stall->cpu_wait_ns += ns;
	if (!loop->out_blocks)
		return;
	stall->blocked_ns += ns;
	stall->wait = (struct redmem_wait){ ns, loop->out_syscall, loop->out_fd, "" };
}

/* Over the threshold, as the programs saw it or because it has blocked for that long? */
static bool span_lasts(const struct sensors *s, const struct redmem_loop *loop, uint64_t now)
{
	const struct redmem_span *work = &loop->work;

	if (!work->start_ns)
		return false;
	return work->announced ||
	       (loop->out_ns && now - work->first_ns >= s->config.stall_threshold_seconds * 1e9);
}

bool sensors_stall_now(struct sensors *s, struct fact_stall *fact)
{
	static struct redmem_stall stall; /* the key points into it */
	struct redmem_loop *live, loop;
	struct who_names names;
	uint64_t now = clock_mono_ns();

	if (!s->bpf)
		return false;
	/* The programs go on writing meanwhile; a copy counts when the start is the
	 * same before and after it. */
	live = &s->target->loop;
	loop.work.start_ns = __atomic_load_n(&live->work.start_ns, __ATOMIC_ACQUIRE);
	memcpy(&loop, live, sizeof(loop));
	if (__atomic_load_n(&live->work.start_ns, __ATOMIC_ACQUIRE) != loop.work.start_ns ||
	    !span_lasts(s, &loop, now))
		return false;
	stall = loop.work.stall;
	stall.start_ns = loop.work.start_ns;
	stall.end_ns = now;
	charge_pending(&loop, &stall);
	if (!who_resolve(s, &stall.who, &names))
		return false;
	records_stall(s, &stall, true, fact);
	fact->command = names.command;
	fact->inner = inner_named(&stall, &names);
	fact->key = names.key;
	return true;
}
