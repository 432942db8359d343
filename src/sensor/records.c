/* SPDX-License-Identifier: BSD-2-Clause */
/* Rare records of the ring as facts: stalls, RSS moves, the target's life. */
#include "sensor/internal.h"

#include <math.h>
#include <string.h>

#include "host/maps.h"

/*
 * Split a stall over its causes so that they sum to its duration. What the
 * scheduler and the fault events measured is taken as it is; the rest was spent
 * running the command, divided between the allocator and the command's own work
 * by CPU samples.
 */
static void split_stall(const struct redmem_stall *stall, struct fact_stall *f)
{
	double rest, total = f->duration_seconds, share = 0;
	double *waits[] = { &f->cpu_wait_seconds,   &f->io_wait_seconds,   &f->fault_swap_seconds,
			    &f->fault_file_seconds, &f->fault_cow_seconds, &f->fault_minor_seconds,
			    &f->reclaim_seconds,    &f->compaction_seconds };

	f->fault_minor_seconds = stall->fault_ns[0] / 1e9;
	f->fault_cow_seconds = stall->fault_ns[1] / 1e9;
	f->fault_swap_seconds = stall->fault_ns[2] / 1e9;
	f->fault_file_seconds = stall->fault_ns[3] / 1e9;
	f->reclaim_seconds = stall->reclaim_ns / 1e9;
	f->compaction_seconds = stall->compaction_ns / 1e9;
	f->cpu_wait_seconds = stall->cpu_wait_ns / 1e9;
	f->io_wait_seconds = stall->io_wait_ns / 1e9;
	f->fork_seconds = 0;
	f->other_seconds = 0;
	rest = total;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		if (*waits[i] > rest)
			*waits[i] = rest;
		rest -= *waits[i];
	}
	/* At most 1: the copy of a stall still going on may be torn between the two. */
	if (stall->cpu_samples)
		share = fmin((double)stall->allocator_samples / stall->cpu_samples, 1);
	f->allocator_seconds = rest * share;
	f->command_seconds = rest - f->allocator_seconds;
}

void records_stall(struct sensors *s, const struct redmem_stall *stall, bool running,
		   struct fact_stall *f)
{
	memset(f, 0, sizeof(*f));
	f->t_seconds = sensor_seconds(s, stall->start_ns);
	f->duration_seconds = (stall->end_ns - stall->start_ns) / 1e9;
	f->running = running;
	split_stall(stall, f);
}

/* The fork tracepoint fires when the child is made: up to there the command did
 * nothing but fork (rdbSaveBackground(), rewriteAppendOnlyFileBackground()). */
static void charge_fork(const struct sensors *s, const struct redmem_stall *stall,
			struct fact_stall *f)
{
	double forking;

	if (s->last_fork_ns < stall->start_ns || s->last_fork_ns > stall->end_ns)
		return;
	forking = (s->last_fork_ns - stall->start_ns) / 1e9;
	f->fork_seconds = forking < f->command_seconds ? forking : f->command_seconds;
	f->command_seconds -= f->fork_seconds;
}

static void take_stall(struct sensors *s, const struct redmem_stall *stall)
{
	struct fact fact = { .kind = FACT_STALL };
	struct who_names names;

	records_stall(s, stall, false, &fact.stall);
	charge_fork(s, stall, &fact.stall);
	if (!who_resolve(s, &stall->who, &names)) {
		s->own_pause_seconds += fact.stall.duration_seconds;
		return;
	}
	fact.stall.command = names.command;
	fact.stall.inner = names.inner;
	fact.stall.key = names.key;
	fact_emit(s->sink, &fact);
}

/* A stall has opened: learn its command now, so that the programs know the place of
 * its key before it ends. */
static void take_stall_open(struct sensors *s, const struct redmem_stall *stall)
{
	struct who_names names;

	who_resolve(s, &stall->who, &names);
}

static void take_rss(struct sensors *s, const struct redmem_record *record)
{
	static const char *const members[] = { "file", "anon", "swap", "shmem" };
	struct fact fact = { .kind = FACT_RSS_MOVE };
	struct who_names names;

	if (record->rss.member > 3)
		return;
	if (!who_resolve(s, &record->rss.who, &names))
		names = (struct who_names){ .command = "", .inner = "", .thread = "" };
	fact.rss_move.t_seconds = sensor_seconds(s, record->ns);
	fact.rss_move.member = members[record->rss.member];
	fact.rss_move.from_bytes = record->rss.from_pages * s->config.page_bytes;
	fact.rss_move.to_bytes = record->rss.to_pages * s->config.page_bytes;
	fact.rss_move.command = names.command;
	fact.rss_move.key = names.key;
	fact_emit(s->sink, &fact);
}

static struct sensor_child *add_child(struct sensors *s, pid_t pid)
{
	struct sensor_child *child;

	if (s->children_count == SENSOR_CHILDREN_MAX)
		return NULL;
	child = &s->children[s->children_count++];
	*child = (struct sensor_child){
		.pid = pid,
		.private_bytes = FACT_UNKNOWN,
		.rss_bytes = FACT_UNKNOWN,
		.purpose = "",
	};
	return child;
}

void records_adopt(struct sensors *s, pid_t pid)
{
	struct sensor_child *child = add_child(s, pid);

	if (child)
		child->start_ns = s->attach_ns;
}

static void take_fork(struct sensors *s, const struct redmem_record *record)
{
	struct sensor_child *child;
	struct who_names names;

	s->last_fork_ns = record->ns;
	child = add_child(s, record->pid);
	if (!child)
		return;
	child->start_ns = record->ns;
	child->cow_at_start = record->life.cow_faults;
	if (who_resolve(s, &record->life.who, &names))
		child->purpose = !strcmp(names.command, "bgsave")	? "rdb" :
				 !strcmp(names.command, "bgrewriteaof") ? "aof" :
									  "";
}

static void emit_life(struct sensors *s, const struct redmem_record *record, const char *event)
{
	struct fact fact = { .kind = FACT_LIFE };

	fact.life.t_seconds = sensor_seconds(s, record->ns);
	fact.life.event = event;
	fact.life.detail = "";
	fact.life.seconds = NAN;
	fact_emit(s->sink, &fact);
}

void records_child(struct sensors *s, const struct sensor_child *child, int64_t end_ns,
		   uint64_t cow_now)
{
	struct fact fact = { .kind = FACT_CHILD };

	fact.child.pid = child->pid;
	fact.child.t_start_seconds = sensor_seconds(s, child->start_ns);
	fact.child.t_end_seconds = end_ns ? sensor_seconds(s, end_ns) : NAN;
	fact.child.purpose = child->purpose;
	fact.child.rss_bytes = child->rss_bytes;
	fact.child.private_bytes = child->private_bytes;
	fact.child.cow_faults =
		sensor_on(s, "fault") ? (int64_t)(cow_now - child->cow_at_start) : FACT_UNKNOWN;
	fact.child.fork_seconds = NAN;
	fact_emit(s->sink, &fact);
}

static void take_exit(struct sensors *s, const struct redmem_record *record)
{
	if (record->pid == (uint32_t)s->config.pid) {
		s->target_exited = true;
		emit_life(s, record, "exit");
		return;
	}
	for (size_t i = 0; i < s->children_count; i++) {
		if (s->children[i].pid != (pid_t)record->pid)
			continue;
		records_child(s, &s->children[i], record->ns, record->life.cow_faults);
		s->children[i] = s->children[--s->children_count];
		return;
	}
}

int records_take(void *ctx, void *data, size_t size)
{
	const struct redmem_record *record = data;
	struct sensors *s = ctx;

	if (size < sizeof(*record) || !s->sink)
		return 0;
	switch (record->kind) {
	case RECORD_STALL_OPEN:
		take_stall_open(s, &record->stall);
		break;
	case RECORD_STALL_END:
		take_stall(s, &record->stall);
		break;
	case RECORD_RSS:
		take_rss(s, record);
		break;
	case RECORD_FORK:
		take_fork(s, record);
		break;
	case RECORD_EXEC:
		emit_life(s, record, "exec");
		break;
	case RECORD_EXIT:
		take_exit(s, record);
		break;
	case RECORD_CALL:
		burst_call(s, record);
		break;
	}
	return 0;
}
