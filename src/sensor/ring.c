/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of the ring as records: RSS moves, the target's life; stalls are in stall.c. */
#include "sensor/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "host/maps.h"

_Static_assert(RECORD_KEY_MAX == REDMEM_KEY_MAX, "what events keep of a key is what records say");

/* A stall has opened: learn its command now, so that the programs know the place of
 * its key before it ends. */
static void take_stall_open(struct sensors *s, const struct redmem_stall *stall)
{
	struct context_names names;

	context_resolve(s, &stall->context, &names);
	stall_keep_key(s, stall);
}

static void take_rss(struct sensors *s, const struct redmem_ring_record *raw)
{
	static const char *const members[] = { "file", "anon", "swap", "shmem" };
	struct record record = { .kind = RECORD_RSS_MOVE };
	struct context_names names;

	if (raw->rss.member > 3)
		return;
	if (!context_resolve(s, &raw->rss.context, &names))
		names = (struct context_names){ .command = "", .inner = "", .thread = "" };
	record.rss_move.t_seconds = sensor_seconds(s, raw->ns);
	record.rss_move.member = members[raw->rss.member];
	record.rss_move.from_bytes = raw->rss.from_pages * s->config.page_bytes;
	record.rss_move.to_bytes = raw->rss.to_pages * s->config.page_bytes;
	record.rss_move.command = names.command;
	record.rss_move.key = names.key;
	record_emit(s->sink, &record);
}

static struct sensor_child *add_child(struct sensors *s, pid_t pid)
{
	struct sensor_child *child;

	if (s->children_count == SENSOR_CHILDREN_MAX)
		return NULL;
	child = &s->children[s->children_count++];
	*child = (struct sensor_child){
		.pid = pid,
		.private_bytes = RECORD_UNKNOWN,
		.rss_bytes = RECORD_UNKNOWN,
		.purpose = "",
	};
	return child;
}

void ring_adopt(struct sensors *s, pid_t pid)
{
	struct sensor_child *child = add_child(s, pid);

	if (child)
		child->start_ns = s->attach_ns;
}

static void take_fork(struct sensors *s, const struct redmem_ring_record *raw)
{
	struct sensor_child *child;
	struct context_names names;

	s->last_fork_ns = raw->ns;
	child = add_child(s, raw->pid);
	if (!child)
		return;
	child->start_ns = raw->ns;
	child->cow_at_start = raw->life.cow_faults;
	if (context_resolve(s, &raw->life.context, &names))
		child->purpose = !strcmp(names.command, "bgsave")	? "rdb" :
				 !strcmp(names.command, "bgrewriteaof") ? "aof" :
									  "";
}

/* It called exec. */
static void find_memory(struct sensors *s)
{
	struct engine *e = s->engine;

	pthread_mutex_lock(&e->lock);
	targets_find_memory(&e->targets, s->index, s->config.pid);
	pthread_mutex_unlock(&e->lock);
}

static void emit_life(struct sensors *s, const struct redmem_ring_record *raw, const char *event,
		      const char *detail)
{
	struct record record = { .kind = RECORD_LIFE };

	record.life.t_seconds = sensor_seconds(s, raw->ns);
	record.life.event = event;
	record.life.detail = detail;
	record.life.seconds = NAN;
	record.life.held_bytes = RECORD_UNKNOWN;
	if (raw->kind == RING_OOM) {
		record.life.child_pid = raw->pid;
		if (raw->life.held_pages)
			record.life.held_bytes =
				(int64_t)raw->life.held_pages * s->config.page_bytes;
	}
	record_emit(s->sink, &record);
}

/* "killed by signal 9", "exit code 1"; nothing when it ended well (wait(2) has the code). */
static void emit_exit(struct sensors *s, const struct redmem_ring_record *raw)
{
	unsigned int signal = raw->life.exit_code & 0x7f, code = raw->life.exit_code >> 8 & 0xff;
	char detail[32] = "";

	if (signal)
		snprintf(detail, sizeof(detail), "killed by signal %u", signal);
	else if (code)
		snprintf(detail, sizeof(detail), "exit code %u", code);
	emit_life(s, raw, "exit", detail);
}

void ring_child(struct sensors *s, const struct sensor_child *child,
		const struct redmem_ring_record *end, uint64_t cow_now)
{
	struct record record = { .kind = RECORD_CHILD };

	record.child.pid = child->pid;
	record.child.t_start_seconds = sensor_seconds(s, child->start_ns);
	record.child.t_end_seconds = end ? sensor_seconds(s, end->ns) : NAN;
	record.child.exit_code = end ? end->life.exit_code >> 8 & 0xff : RECORD_UNKNOWN;
	record.child.exit_signal = end ? end->life.exit_code & 0x7f : RECORD_UNKNOWN;
	record.child.purpose = child->purpose;
	record.child.rss_bytes = child->rss_bytes;
	record.child.private_bytes = child->private_bytes;
	record.child.cow_faults =
		fault_timed(s) ? (int64_t)(cow_now - child->cow_at_start) : RECORD_UNKNOWN;
	record.child.fork_seconds = NAN;
	record_emit(s->sink, &record);
}

static void take_exit(struct sensors *s, const struct redmem_ring_record *raw)
{
	if (!raw->pid) {
		s->target_exited = true;
		emit_exit(s, raw);
		return;
	}
	for (size_t i = 0; i < s->children_count; i++) {
		if (s->children[i].pid != (pid_t)raw->pid)
			continue;
		ring_child(s, &s->children[i], raw, raw->life.cow_faults);
		s->children[i] = s->children[--s->children_count];
		return;
	}
}

/* How long a record of this kind is, at least. */
static size_t bytes_of(uint32_t kind)
{
	switch (kind) {
	case RING_STALL_OPEN:
	case RING_STALL_END:
		return RING_BYTES(stall);
	case RING_RSS:
		return RING_BYTES(rss);
	case RING_CALL:
		return RING_BYTES(call);
	case RING_SAMPLE:
		return offsetof(struct redmem_sample, word);
	case RING_STACK:
		return offsetof(struct redmem_stack, stack);
	default:
		return RING_BYTES(life);
	}
}

void ring_take(struct sensors *s, const void *data, size_t size)
{
	const struct redmem_ring_record *raw = data;

	if (size < bytes_of(raw->kind))
		return;
	switch (raw->kind) {
	case RING_SAMPLE:
		stall_sample(s, data);
		break;
	case RING_STACK:
		stacks_take(s, data, size);
		break;
	case RING_STALL_OPEN:
		take_stall_open(s, &raw->stall);
		break;
	case RING_STALL_END:
		stall_take(s, &raw->stall);
		break;
	case RING_RSS:
		take_rss(s, raw);
		break;
	case RING_FORK:
		take_fork(s, raw);
		break;
	case RING_EXEC:
		find_memory(s);
		emit_life(s, raw, "exec", "");
		break;
	case RING_EXIT:
		take_exit(s, raw);
		break;
	case RING_OOM:
		emit_life(s, raw, "oom", raw->pid ? "a child of it" : "");
		break;
	case RING_CALL:
		burst_call(s, raw);
		break;
	}
}
