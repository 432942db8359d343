/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stalls as records: their bounds, what the programs measured in them, and the CPU samples
 * that came meanwhile, counted by what they were recognised as. What is to blame is not
 * said here (model/stalls.c).
 *
 * Samples of a piece of work come before the record of its end, so two tallies (of the
 * work and of the iteration) are all there is to keep.
 */
#include "sensor/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "host/proc.h"
#include "record/schema.h"
#include "target/commands.h"
#include "target/frames.h"

/* --- samples -------------------------------------------------------------------- */

static void tally_command(struct stall_tally *tally, const char *command, int64_t ns)
{
	struct tally_command *row = tally->command, *end = row + RECORD_SHARES;

	for (; row < end && *row->name && strcmp(row->name, command) != 0; row++)
		;
	if (row == end)
		return;
	snprintf(row->name, sizeof(row->name), "%s", command);
	row->ns += ns;
}

static void tally_add(struct stall_tally *tally, uint64_t start_ns, int64_t ns,
		      enum redmem_frame frame, const char *command)
{
	if (!start_ns)
		return;
	if (tally->start_ns != start_ns) {
		memset(tally, 0, sizeof(*tally));
		tally->start_ns = start_ns;
	}
	tally->frame_ns[frame] += ns;
	if (command && *command)
		tally_command(tally, command, ns);
}

/* A look reads up to some hundred words of the server's memory, each in a microsecond. */
#define GONE_LOOKS 24

/* As it was learnt; of most servers where it was not. */
static const struct redmem_object_layout *object_layout(const struct sensors *s)
{
	static const struct redmem_object_layout usual = { .pointer = 8,
							   .refcount_shift = 32,
							   .refcount_bits = 32 };
	const struct redmem_object_layout *learnt =
		s->target ? &s->target->settings.at.object : &usual;

	return learnt->refcount_bits ? learnt : &usual;
}

static void look_for_key(struct sensors *s, const struct redmem_sample *sample,
			 enum redmem_frame frame)
{
	struct stall_tally *tally = &s->work_tally;
	size_t words = frames_inside(s->names.frames, sample, frame);

	if (tally->start_ns != sample->work_ns || gone_keys_looks(&tally->gone) >= GONE_LOOKS)
		return;
	gone_keys_look(&tally->gone, s->config.pid, object_layout(s), sample->word, words,
		       memory_read);
}

void stall_sample(struct sensors *s, const struct redmem_sample *sample)
{
	enum redmem_frame frame = FRAME_NONE;
	struct context_names names = { .command = NULL };
	int64_t ns = (int64_t)sample->ns;

	if (s->names.frames)
		frame = frames_place(s->names.frames, sample);
	if (sample->context.state != CONTEXT_LOOP)
		context_resolve(s, &sample->context, &names);
	tally_add(&s->work_tally, sample->work_ns, ns, frame, names.command);
	tally_add(&s->iteration_tally, sample->iteration_ns, ns, frame, names.command);
	if (frame == FRAME_EXPIRY || frame == FRAME_EVICTION)
		look_for_key(s, sample, frame);
}

/* Without the samples of @part, which came later. */
static void tally_less(struct stall_tally *tally, const struct stall_tally *part)
{
	for (size_t i = 0; i < FRAMES; i++)
		tally->frame_ns[i] -= part->frame_ns[i];
	for (size_t i = 0; i < RECORD_SHARES; i++)
		for (size_t n = 0; n < RECORD_SHARES; n++)
			if (!strcmp(tally->command[i].name, part->command[n].name))
				tally->command[i].ns -= part->command[n].ns;
}

/*
 * The samples of a stall. A work's and its iteration's start may be the same, and then their
 * samples are. An iteration may end where work begins that is told next, of which there are
 * samples already.
 */
static void fill_tally(const struct sensors *s, const struct redmem_stall *stall,
		       struct stall_tally *out)
{
	static const struct stall_tally none;

	if (s->iteration_tally.start_ns == stall->start_ns)
		*out = s->iteration_tally;
	else
		*out = s->work_tally.start_ns == stall->start_ns ? s->work_tally : none;
	if (out->start_ns && s->work_tally.start_ns >= stall->end_ns)
		tally_less(out, &s->work_tally);
}

/* --- waits ---------------------------------------------------------------------- */

/* No system call has it. What this machine does not have is never seen on it. */
#define WAIT_NUMBER_NONE 0xfffffffeU
#ifndef SYS_open
#define SYS_open   WAIT_NUMBER_NONE
#define SYS_rename WAIT_NUMBER_NONE
#define SYS_unlink WAIT_NUMBER_NONE
#endif

static enum redmem_wait_call wait_call_of(const struct redmem_wait *wait)
{
#define WAIT_NUMBER(id, number, name, cause, descriptor) [WAIT_##id] = number,
	static const uint32_t numbers[WAITS] = { REDMEM_WAITS(WAIT_NUMBER) };

	if (!wait->ns)
		return WAIT_NONE;
	for (int call = WAIT_OTHER + 1; call < WAITS; call++)
		if (numbers[call] == wait->id)
			return call;
	return WAIT_OTHER;
}

/* What a descriptor of the server is: a path, or "socket:[123]"; "" when it is gone. */
static void name_file(char out[STALL_FILE_MAX], pid_t pid, int fd)
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
	len = readlink(path, out, STALL_FILE_MAX - 1);
	out[len < 0 ? 0 : len] = '\0';
}

static void fill_waits(const struct sensors *s, struct sensor_stall *out)
{
	const struct redmem_stall *stall = &out->seen;
	struct record_stall *f = &out->record;

	f->wait_call = wait_call_of(&stall->wait);
	f->wait_file = f->preemptor = "";
	f->preemptor_pid = RECORD_UNKNOWN;
	if (wait_table[f->wait_call].descriptor) {
		name_file(out->file, s->config.pid, stall->wait.fd);
		f->wait_file = out->file;
	}
	if (!stall->preemptor.ns)
		return;
	f->preemptor_pid =
		stall->preemptor.id == WAIT_FOREIGN ? RECORD_UNKNOWN : stall->preemptor.id;
	f->preemptor = stall->preemptor.id ? out->seen.preemptor.comm : "";
}

/* --- records ------------------------------------------------------------------------ */

static void fill_measured(const struct redmem_stall *stall, struct record_stall *f)
{
	static const enum redmem_event faults[] = { EVENT_FAULT_MINOR, EVENT_FAULT_COW,
						    EVENT_FAULT_SWAP, EVENT_FAULT_FILE };

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		f->event_ns[faults[i]] = (int64_t)stall->fault_ns[i];
	f->event_ns[EVENT_RECLAIM] = (int64_t)stall->reclaim_ns;
	f->event_ns[EVENT_COMPACTION] = (int64_t)stall->compaction_ns;
	f->event_ns[EVENT_STOLEN] = (int64_t)stall->stolen_ns;
	f->event_ns[EVENT_CPU_WAIT] = (int64_t)stall->cpu_wait_ns;
	f->event_ns[EVENT_IO_WAIT] = (int64_t)stall->blocked_ns;
}

/* Keys that went in the work are looked for; an iteration of which that was a part tells them. */
static void fill_gone(const struct sensors *s, const struct redmem_stall *stall,
		      struct record_stall *f)
{
	const struct stall_tally *tally = &s->work_tally;
	const struct gone_key *top = gone_keys_top(&tally->gone);

	if (stall->commands || tally->start_ns < stall->start_ns ||
	    tally->start_ns >= stall->end_ns)
		return;
	f->gone_looks = gone_keys_looks(&tally->gone);
	f->gone_key = top ? (struct bytes){ top->text, top->len } : (struct bytes){ 0 };
	f->gone_key_looks = top ? top->looks : 0;
}

static void fill_samples(const struct stall_tally *tally, bool iteration, struct record_stall *f)
{
	memcpy(f->frame_ns, tally->frame_ns, sizeof(f->frame_ns));
	for (size_t i = 0; i < RECORD_SHARES; i++)
		f->commands[i] = iteration ? (struct record_share){ tally->command[i].name,
								    tally->command[i].ns } :
					     (struct record_share){ "", 0 };
}

/* --- whole names -------------------------------------------------------------------- */

void stall_keep_key(struct sensors *s, const struct redmem_stall *stall)
{
	const struct redmem_context *context = &stall->context;
	struct stall_key *key = &s->stall_keys[s->stall_keys_next % STALL_KEYS];
	int len;

	if (!context->key_cut)
		return;
	len = target_argument(s->config.pid, &s->target->settings.at, context->key,
			      context->key_len, key->text, sizeof(key->text));
	key->start_ns = len > 0 ? stall->start_ns : 0;
	key->len = len > 0 ? (size_t)len : 0;
	s->stall_keys_next += len > 0;
}

/* The whole name, when it was read while the command ran. */
static void complete_key(const struct sensors *s, const struct redmem_stall *stall,
			 struct context_names *names)
{
	for (size_t i = 0; i < STALL_KEYS; i++) {
		const struct stall_key *key = &s->stall_keys[i];

		if (key->start_ns != stall->start_ns || key->len < names->key.len ||
		    memcmp(key->text, names->key.data, names->key.len) != 0)
			continue;
		names->key = (struct bytes){ key->text, key->len };
		names->key_truncated = false;
	}
}

bool stall_fill(struct sensors *s, bool running, struct sensor_stall *out)
{
	const struct redmem_stall *stall = &out->seen;
	struct record_stall *f = &out->record;
	bool forked = s->last_fork_ns >= stall->start_ns && s->last_fork_ns <= stall->end_ns;
	bool others = context_resolve(s, &stall->context, &out->names);

	if (out->names.key_truncated)
		complete_key(s, stall, &out->names);

	*f = (struct record_stall){
		.t_seconds = sensor_seconds(s, stall->start_ns),
		.duration_seconds = (stall->end_ns - stall->start_ns) / 1e9,
		.running = running,
		.command = out->names.command,
		.inner = out->names.inner,
		.key = out->names.key,
		.key_truncated = out->names.key_truncated,
		.db = out->names.db,
		.looks = stall->looks,
		.inner_looks = stall->inner_looks,
		.inner_votes = stall->inner_votes,
		.faults_timed = fault_timed(s),
		.commands_total = stall->commands ? (int64_t)stall->commands : RECORD_UNKNOWN,
		.fork_ns = forked ? (int64_t)(s->last_fork_ns - stall->start_ns) : RECORD_UNKNOWN,
	};
	fill_measured(stall, f);
	fill_tally(s, stall, &s->told_tally);
	fill_samples(&s->told_tally, stall->commands, f);
	fill_gone(s, stall, f);
	fill_waits(s, out);
	return others;
}

/* One of redmem's own commands: it held the server up, but for what others took meanwhile. */
static void own_stall(struct sensors *s, const struct redmem_stall *stall)
{
	int64_t ns = (int64_t)(stall->end_ns - stall->start_ns) - (int64_t)stall->cpu_wait_ns;

	if (ns < 0)
		return;
	s->own_pause_seconds += (double)ns / 1e9;
	log_pause_of("command", (int64_t)stall->start_ns, ns);
	log_msg(LOG_INFO, "own command: waited %.1f ms for a CPU, %.1f ms in faults from swap",
		(double)stall->cpu_wait_ns / 1e6, (double)stall->fault_ns[2] / 1e6);
}

void stall_take(struct sensors *s, const struct redmem_stall *stall)
{
	struct sensor_stall ended = { .seen = *stall };
	struct record record = { .kind = RECORD_STALL };

	if (!stall_fill(s, false, &ended)) {
		own_stall(s, stall);
		if (stall->cpu_wait_ns < s->config.stall_threshold_seconds * 1e9)
			return;
		/* That others had the CPU is no doing of the command's. */
		ended.seen.context = (struct redmem_context){ .state = CONTEXT_LOOP };
		stall_fill(s, false, &ended);
	}
	record.stall = ended.record;
	record_emit(s->sink, &record);
}

/* --- a stall under way -------------------------------------------------------------- */

/* What waits now is charged by the programs only when it is over, and what was waited for a CPU
 * only when the stall is. */
static void charge_pending(const struct redmem_loop *loop, struct redmem_stall *stall)
{
	uint64_t out = loop->out_ns, back = loop->in_ns ? loop->in_ns : stall->end_ns;
	uint64_t ns = back - out;

	if (loop->out_delay > loop->work.start_delay)
		stall->cpu_wait_ns = loop->out_delay - loop->work.start_delay;
	if (!out || out > back)
		return;
	if (loop->out_runnable)
		stall->cpu_wait_ns += ns;
	if (loop->out_reclaims)
		stall->reclaim_ns += ns;
	if (!loop->out_blocks)
		return;
	stall->blocked_ns += ns;
	stall->wait = (struct redmem_wait){ .ns = ns, .id = loop->out_syscall, .fd = loop->out_fd };
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

#define COPY_TRIES 4

bool stall_copy_loop(const struct redmem_loop *live, struct redmem_loop *copy)
{
	uint64_t ended;

	for (int tries = 0; tries < COPY_TRIES; tries++) {
		ended = __atomic_load_n(&live->ended, __ATOMIC_ACQUIRE);
		memcpy(copy, live, sizeof(*copy));
		__atomic_thread_fence(__ATOMIC_ACQUIRE); /* the copy is read before the count */
		if (__atomic_load_n(&live->begun, __ATOMIC_RELAXED) == ended)
			return true;
	}
	return false; /* the next look will do */
}

bool sensors_stall_now(struct sensors *s, struct sensor_stall *out)
{
	struct redmem_loop loop;
	uint64_t now = clock_mono_ns();

	if (!s->bpf || !stall_copy_loop(&s->target->loop, &loop) || !span_lasts(s, &loop, now))
		return false;
	out->seen = loop.work.stall;
	out->seen.start_ns = loop.work.start_ns;
	out->seen.end_ns = now;
	charge_pending(&loop, &out->seen);
	return stall_fill(s, true, out);
}
