/* SPDX-License-Identifier: BSD-2-Clause */
/* Records of the ring as facts: RSS moves, the target's life; stalls are in stall.c. */
#include "sensor/internal.h"

#include <math.h>
#include <string.h>

#include "host/maps.h"

_Static_assert(FACT_KEY_MAX == REDMEM_KEY_MAX, "what events keep of a key is what facts say");

/* A stall has opened: learn its command now, so that the programs know the place of
 * its key before it ends. */
static void take_stall_open(struct sensors *s, const struct redmem_stall *stall)
{
	struct who_names names;

	who_resolve(s, &stall->who, &names);
	stall_keep_key(s, stall);
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
	if (!record->pid) {
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

void records_take(struct sensors *s, const void *data, size_t size)
{
	const struct redmem_record *record = data;

	if (size >= sizeof(struct redmem_sample) && record->kind == RECORD_SAMPLE)
		stall_sample(s, data);
	if (size < sizeof(*record))
		return;
	switch (record->kind) {
	case RECORD_STALL_OPEN:
		take_stall_open(s, &record->stall);
		break;
	case RECORD_STALL_END:
		stall_take(s, &record->stall);
		break;
	case RECORD_RSS:
		take_rss(s, record);
		break;
	case RECORD_FORK:
		take_fork(s, record);
		break;
	case RECORD_EXEC:
		engine_find_memory(s->engine, s);
		emit_life(s, record, "exec");
		break;
	case RECORD_EXIT:
		take_exit(s, record);
		break;
	case RECORD_CALL:
		burst_call(s, record);
		break;
	}
}
