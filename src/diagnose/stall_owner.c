/* SPDX-License-Identifier: BSD-2-Clause */
/* Which finding concludes a stall; see stall_owner.h. */
#include "diagnose/stall_owner.h"

#include <math.h>
#include <string.h>

#include "diagnose/harm.h"
#include "diagnose/keys.h"
#include "diagnose/link.h"
#include "diagnose/measure.h"
#include "diagnose/stall_command.h"
#include "diagnose/stall_work.h"
#include "redis/knowledge_commands.h"

/* From this share of what was waited for a CPU on, the quota is the reason. */
#define THROTTLED_SHARE 0.5
/* No longer than so many times the longest stall of a command is alike. */
#define ALIKE_TIMES 2
/* I/O threads that waited for a CPU for so much of the window: the main thread waited for them. */
#define IO_THREADS_WAIT_RATIO 0.05

/* Causes that one finding concludes whatever the command was. */
static const char *const finding_by_cause[CAUSES] = {
	[CAUSE_FAULT_SWAP] = "swap.in_path", [CAUSE_FAULT_FILE] = "fault.file",
	[CAUSE_RECLAIM] = "reclaim.blocks",  [CAUSE_COMPACTION] = "compaction.blocks",
	[CAUSE_EXPIRY] = "expire.blocks",    [CAUSE_EVICTION] = "evict.blocks",
	[CAUSE_DEFRAG] = "defrag.blocks",    [CAUSE_REHASH] = "rehash.blocks",
	[CAUSE_STOLEN] = "cpu.steal",
};

/*
 * Waiting for a CPU. When the kernel says that it held the whole cgroup back, whoever ran
 * meanwhile (the migration thread, often) is not to blame; pid 0 is the idle task: the CPU
 * was free, and the server was not let on it.
 */
static const char *waited_for_cpu(const struct model *m, const struct stall *stall)
{
	double waited = 0, throttled = measure_throttled(m, NULL);

	for (size_t i = 0; i < m->stalls_count; i++)
		waited += m->stalls[i].stall.seconds[CAUSE_CPU_WAIT];
	if (stall->preemptor_pid == 0 || throttled >= THROTTLED_SHARE * waited)
		return "cpu.throttled";
	return "cpu.contended";
}

/*
 * A server that loads answers now and then (loading-process-events-interval-bytes), and holds its
 * loop up between: by reading and decoding, new memory, and tables that grow. When it was done in
 * the window what follows is told from it by what it did. A replica takes its first data between
 * two ticks, if they are few.
 */
static bool is_loading(const struct model *m, const struct stall *stall, enum redmem_cause cause)
{
	static const bool loads[CAUSES] = {
		[CAUSE_COMMAND] = true, [CAUSE_ALLOCATOR] = true, [CAUSE_FAULT_MINOR] = true,
		[CAUSE_REHASH] = true,	[CAUSE_IO_WAIT] = true,
	};

	if (!loads[cause] || *stall->command || stall->commands_total > 0)
		return false;
	if (link_fills(m))
		return true;
	if (model_info_start(m, "loading") != 1)
		return false;
	return model_info_end(m, "loading") == 1 || cause == CAUSE_REHASH ||
	       stall_does_also(stall, FRAME_LOAD);
}

/* A buffer of the AOF that a tick saw, or a disk that was late for it: then what is written
 * meanwhile has piled up. */
static bool aof_piles_up(const struct model *m)
{
	if (m->aof_buffer_most_bytes >= AOF_BUFFER_BYTES ||
	    model_info_delta(m, "aof_delayed_fsync") > 0)
		return true;
	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *stall = &m->stalls[i].stall;

		if (stall->duration_seconds < harm_table[HARM_STALL].bound)
			break; /* they come longest first */
		if (stall->seconds[CAUSE_IO_WAIT] >= harm_table[HARM_STALL].bound &&
		    stall_waits_for_aof(stall))
			return true;
	}
	return false;
}

/* Is most of @memory seconds it spent in the allocator and on new pages freeing? Who moves a large
 * string frees the old one, too. */
static bool frees_mostly(const struct stall *stall, double memory)
{
	return stall_frees(stall) && stall->activity[0].seconds >= memory / 2;
}

/*
 * What waits to be written to the AOF is one string, which each command is added to: when it
 * has to be moved to have room, whichever command came then takes the time of copying it all.
 */
static bool moves_aof_buffer(const struct model *m, const struct stall *stall)
{
	double memory = stall->seconds[CAUSE_ALLOCATOR] + stall->seconds[CAUSE_FAULT_MINOR];
	bool moves = stall_does(stall, FRAME_AOF);

	if (stall->commands_total > 0 || *stall->command == '\0')
		moves |= memory >= stall->duration_seconds / 2;
	else
		moves |= key_command_is_small(stall->command) &&
			 !key_is_to_blame(m, stall->command, stall->key);
	return moves && !frees_mostly(stall, memory) && aof_piles_up(m);
}

/* A SET or a RENAME over a key of many elements: what is there afterwards is small. */
static bool frees_old_value(const struct stall *stall)
{
	double memory = stall->seconds[CAUSE_ALLOCATOR] + stall->seconds[CAUSE_FAULT_MINOR];

	return stall->key.len > 0 && frees_mostly(stall, memory) &&
	       stall->activity[0].seconds >= stall_own_seconds(stall) / 2;
}

/* The main thread waits for its I/O threads in a loop, on the CPU: where they get none that is what
 * it does, and no sample tells. */
static bool spins_for_io_threads(const struct model *m, const struct stall *stall)
{
	double waited = 0;

	if (*stall->activity[0].words)
		return false;
	for (size_t i = 0; i < m->threads_count; i++)
		if (measure_io_thread(m, m->threads[i].thread))
			waited += m->threads[i].charge.cpu_wait_seconds;
	return waited >= IO_THREADS_WAIT_RATIO * m->duration_seconds &&
	       waited >= stall->duration_seconds;
}

/* Neither a command was met in it, nor anything that only the loop does: both allocate and free. */
static bool is_unknown(const struct stall *stall)
{
	return !*stall->command && stall->commands_total <= 0 && !*stall->wait_call &&
	       (!*stall->activity[0].words || stall_does(stall, FRAME_ALLOCATE) ||
		stall_does(stall, FRAME_FREE));
}

/*
 * Of many stalls alike few looks miss the command in some, and the reply of a long one is written
 * behind it. The longest stall of a command, when such ones took more time than all that are not
 * known, and are as long; NULL.
 */
static const struct stall *stall_alike(const struct model *m, const struct stall *stall)
{
	const struct stall *longest = NULL;
	double known = 0, unknown = 0;

	if (!is_unknown(stall))
		return NULL;
	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *other = &m->stalls[i].stall;

		if (is_unknown(other)) {
			unknown += stall_own_seconds(other);
		} else if (*other->command) {
			known += stall_own_seconds(other);
			if (!longest || stall_own_seconds(other) > stall_own_seconds(longest))
				longest = other;
		}
	}
	if (!longest || known < unknown ||
	    stall_own_seconds(stall) > ALIKE_TIMES * stall_own_seconds(longest))
		return NULL;
	return longest;
}

/* A replica makes room for all of its master's data: what it had before goes first. */
static bool frees_for_sync(const struct model *m, const struct stall *stall)
{
	return stall->commands_total <= 0 && stall_frees(stall) && link_synced(m) &&
	       !measure_config_is(m, "replica-lazy-flush", "yes");
}

/* --- whose it is --------------------------------------------------------------------- */

/* A task of the loop that was recognised in a third of what it did: two of its samples may be on
 * the way there. NULL. */
static const char *task_of_loop(const struct stall *stall)
{
	static const enum redmem_cause tasks[] = { CAUSE_EXPIRY, CAUSE_EVICTION, CAUSE_DEFRAG,
						   CAUSE_REHASH };

	for (size_t i = 0; i < sizeof(tasks) / sizeof(tasks[0]); i++)
		if (stall->seconds[tasks[i]] > 0 &&
		    stall->seconds[tasks[i]] >= stall_own_seconds(stall) / 2)
			return finding_by_cause[tasks[i]];
	return NULL;
}

/* Of the second before or behind. */
#define BESIDE_SECONDS 1.0

/* Nothing of it was recognised, and the loop was held up by a task just before or behind: as few
 * samples as there are in a short stall may all be on the way there. NULL. */
static const char *task_beside(const struct model *m, const struct stall *stall)
{
	const char *found = NULL;
	double longest = 0;

	for (size_t i = 0; i < m->stalls_count && !*stall->activity[0].words; i++) {
		const struct stall *other = &m->stalls[i].stall;
		const char *task = *other->command ? NULL : task_of_loop(other);

		if (!task || other->duration_seconds <= longest ||
		    fabs(other->t_seconds - stall->t_seconds) > BESIDE_SECONDS)
			continue;
		found = task;
		longest = other->duration_seconds;
	}
	return ALIKE_TIMES * longest >= stall->duration_seconds ? found : NULL;
}

/* Its own work: of a command, of many in one turn of the loop, or of the loop itself. */
static const char *own_work(const struct model *m, const struct stall *stall)
{
	const struct stall *alike, *request;
	const char *task;

	if (moves_aof_buffer(m, stall))
		return m->aof_buffer_most_bytes >= AOF_BUFFER_BYTES ? "aof.buffer" : "aof.disk";
	if (stall->commands_total > 0)
		return "clients.pipelines";
	if (*stall->command == '\0') {
		task = task_of_loop(stall);
		if (task)
			return task;
		if (frees_for_sync(m, stall))
			return "repl.sync_blocks";
		request = stall_request(m, stall);
		if (request)
			return own_work(m, request);
		if (*stall_command(m, stall))
			return "command.blocks";
		task = task_beside(m, stall);
		if (task)
			return task;
		alike = stall_alike(m, stall);
		if (alike)
			stall = alike;
		else
			return spins_for_io_threads(m, stall) ? "cpu.contended" : "loop.blocks";
	}
	if (keys_are_to_blame(m, stall->command, stall->key, stall->keys_total,
			      stall_own_seconds(stall)))
		return "bigkey.blocks";
	return stall->keys_total <= 1 && frees_old_value(stall) ? "bigkey.blocks" :
								  "command.blocks";
}

/* Its name is appendfilename's, "appendonly.aof" unless somebody changed it; from 7.0 on its
 * parts are NAME.1.incr.aof. */
bool stall_waits_for_aof(const struct stall *stall)
{
	return strstr(stall->wait_file, "aof") || strstr(stall->wait_file, "appendonly");
}

/* A sync whose descriptor was another's when its name was looked up: nothing but the AOF is
 * synced in the event loop. Nor is anything renamed there but what a rewrite of it has made, and a
 * replica's dump that has come. */
static bool syncs_unknown_file(const struct model *m, const struct stall *stall)
{
	bool sync = !strcmp(stall->wait_call, wait_table[WAIT_FDATASYNC].name) ||
		    !strcmp(stall->wait_call, wait_table[WAIT_FSYNC].name) ||
		    !strcmp(stall->wait_call, wait_table[WAIT_RENAME].name);

	return sync && !strchr(stall->wait_file, '/') &&
	       (measure_config_is(m, "appendonly", "yes") || model_info_end(m, "aof_enabled") == 1);
}

static const char *waited_for_io(const struct model *m, const struct stall *stall)
{
	return stall_waits_for_aof(stall) || syncs_unknown_file(m, stall) ? "aof.disk" :
									    "io.blocks";
}

/* It had no CPU that ran: not its doing, whatever it did beside. */
static bool is_without_cpu(enum redmem_cause cause)
{
	return cause == CAUSE_CPU_WAIT || cause == CAUSE_STOLEN;
}

/* What is harm without the wait for a CPU beside it is that harm, however long the wait. */
static enum redmem_cause main_cause(const struct stall *stall)
{
	struct blame blame[CAUSES];
	size_t count = blame_split(stall, blame);
	double beside;

	if (count == 0)
		return CAUSE_COMMAND;
	if (count == 1 || !is_without_cpu(blame[0].cause))
		return blame[0].cause;
	beside = cause_is_own(blame[1].cause) ? stall_own_seconds(stall) : blame[1].seconds;
	return blame[beside >= harm_table[HARM_STALL].bound ? 1 : 0].cause;
}

/* The thread that frees in the background holds locks of the allocator meanwhile: where it gets
 * no CPU, whoever allocates waits for it. */
static bool waits_for_lazyfree(const struct model *m, const struct stall *stall)
{
	return !strcmp(stall->wait_call, wait_table[WAIT_FUTEX].name) &&
	       (model_info_end(m, "lazyfree_pending_objects") > 0 ||
		model_info_delta(m, "lazyfreed_objects") > 0);
}

const char *stall_finding(const struct model *m, const struct stall *stall)
{
	enum redmem_cause cause = main_cause(stall);

	if (is_loading(m, stall, cause))
		return "server.loading";
	if (finding_by_cause[cause])
		return finding_by_cause[cause];
	switch (cause) {
	case CAUSE_CPU_WAIT:
		return waited_for_cpu(m, stall);
	case CAUSE_IO_WAIT:
		return waited_for_io(m, stall);
	case CAUSE_FORK:
		return measure_forks_in_vain(m) ? "save.failing" : "fork.pause";
	case CAUSE_FAULT_COW:
		return measure_copies_huge_pages(m) ? "thp.cow" : "fork.cow";
	case CAUSE_OTHER:
		if (!strcmp(stall->wait_call, wait_table[WAIT_SIGSTOP].name))
			return "server.not_answering";
		return waits_for_lazyfree(m, stall) ? "lazyfree.pending" : own_work(m, stall);
	default:
		return own_work(m, stall);
	}
}

/* Of a stall that was mostly waiting for a CPU: whose the rest is, where that is its own work and
 * would be a stall by itself. NULL. */
static const char *finding_of_rest(const struct model *m, const struct stall *stall)
{
	struct blame blame[CAUSES];

	if (blame_split(stall, blame) < 2 || !is_without_cpu(main_cause(stall)) ||
	    !cause_is_own(blame[1].cause) || stall_own_seconds(stall) < STALL_SECONDS)
		return NULL;
	return own_work(m, stall);
}

bool stall_works_for(const struct model *m, const struct stall *stall, const char *id)
{
	const char *rest;

	if (!strcmp(stall_finding(m, stall), id))
		return true;
	rest = finding_of_rest(m, stall);
	return rest && !strcmp(rest, id);
}
