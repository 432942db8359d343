/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of harms, whose each stall is, and what is left unconcluded; see harm.h. */
#include "diagnose/harm.h"

#include <math.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/finding.h"
#include "diagnose/keys.h"
#include "diagnose/measure.h"

#define HARM_ROW(id, bound, unit, words, reason) [HARM_##id] = { bound, unit, words, reason },
const struct harm_row harm_table[HARM_KINDS] = { HARMS(HARM_ROW) };

/* --- whose a stall is ------------------------------------------------------------- */

/* From this share of what was waited for a CPU on, the quota is the reason. */
#define THROTTLED_SHARE 0.5

/* Causes that one finding concludes whatever the command was. */
static const char *const finding_by_cause[CAUSES] = {
	[CAUSE_FAULT_SWAP] = "swap.in_path", [CAUSE_FAULT_FILE] = "fault.file",
	[CAUSE_RECLAIM] = "reclaim.blocks",  [CAUSE_COMPACTION] = "compaction.blocks",
	[CAUSE_EXPIRY] = "expire.blocks",    [CAUSE_EVICTION] = "evict.blocks",
	[CAUSE_DEFRAG] = "defrag.blocks",    [CAUSE_REHASH] = "rehash.blocks",
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

static bool does(const struct stall *stall, enum redmem_frame frame)
{
	return !strcmp(stall->activity[0].words, frame_table[frame].words);
}

static bool does_also(const struct stall *stall, enum redmem_frame frame)
{
	for (size_t i = 0; i < STALL_ACTIVITIES; i++)
		if (!strcmp(stall->activity[i].words, frame_table[frame].words))
			return true;
	return false;
}

/*
 * A server that loads answers now and then (loading-process-events-interval-bytes), and holds its
 * loop up between: by reading and decoding, new memory, and tables that grow. When it was done in
 * the window what follows is told from it by what it did.
 */
static bool is_loading(const struct model *m, const struct stall *stall, enum redmem_cause cause)
{
	static const bool loads[CAUSES] = {
		[CAUSE_COMMAND] = true, [CAUSE_ALLOCATOR] = true, [CAUSE_FAULT_MINOR] = true,
		[CAUSE_REHASH] = true,	[CAUSE_IO_WAIT] = true,
	};

	if (!loads[cause] || *stall->command || stall->commands_total > 0 ||
	    model_info_start(m, "loading") != 1)
		return false;
	return model_info_end(m, "loading") == 1 || cause == CAUSE_REHASH ||
	       does_also(stall, FRAME_LOAD);
}

bool stall_frees(const struct stall *stall)
{
	return does(stall, FRAME_FREE);
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
	bool moves = does(stall, FRAME_AOF);

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
	       stall->activity[0].seconds >= stall->duration_seconds / 2;
}

/* Its own work: of a command, of many in one turn of the loop, or of the loop itself. */
static const char *own_work(const struct model *m, const struct stall *stall)
{
	if (moves_aof_buffer(m, stall))
		return m->aof_buffer_most_bytes >= AOF_BUFFER_BYTES ? "aof.buffer" : "aof.disk";
	if (stall->commands_total > 0)
		return "clients.pipelines";
	if (*stall->command == '\0')
		return "loop.blocks";
	return key_is_to_blame(m, stall->command, stall->key) || frees_old_value(stall) ?
		       "bigkey.blocks" :
		       "command.blocks";
}

/* Its name is appendfilename's, "appendonly.aof" unless somebody changed it; from 7.0 on its
 * parts are NAME.1.incr.aof. */
bool stall_waits_for_aof(const struct stall *stall)
{
	return strstr(stall->wait_file, "aof") || strstr(stall->wait_file, "appendonly");
}

/* A sync whose descriptor was another's when its name was looked up: nothing but the AOF is
 * synced in the event loop. */
static bool syncs_unknown_file(const struct model *m, const struct stall *stall)
{
	bool sync = !strcmp(stall->wait_call, wait_table[WAIT_FDATASYNC].name) ||
		    !strcmp(stall->wait_call, wait_table[WAIT_FSYNC].name);

	return sync && !strchr(stall->wait_file, '/') &&
	       (measure_config_is(m, "appendonly", "yes") || model_info_end(m, "aof_enabled") == 1);
}

static const char *waited_for_io(const struct model *m, const struct stall *stall)
{
	return stall_waits_for_aof(stall) || syncs_unknown_file(m, stall) ? "aof.disk" :
									    "io.blocks";
}

/* Causes of a command's own work, or of the loop's: what it would take on a machine of its own. */
static const bool own_cause[CAUSES] = {
	[CAUSE_COMMAND] = true,
	[CAUSE_ALLOCATOR] = true,
	[CAUSE_FAULT_MINOR] = true,
	[CAUSE_OTHER] = true, /* asleep on no disk (DEBUG SLEEP, a lock) */
};

double stall_own_seconds(const struct stall *stall)
{
	double seconds = 0;

	for (int cause = 0; cause < CAUSES; cause++)
		if (own_cause[cause])
			seconds += stall->seconds[cause];
	return seconds;
}

/* What is harm without the wait for a CPU beside it is that harm, however long the wait. */
static enum redmem_cause main_cause(const struct stall *stall)
{
	struct blame blame[CAUSES];
	size_t count = blame_split(stall, blame);
	double beside;

	if (count == 0)
		return CAUSE_COMMAND;
	if (count == 1 || blame[0].cause != CAUSE_CPU_WAIT)
		return blame[0].cause;
	beside = own_cause[blame[1].cause] ? stall_own_seconds(stall) : blame[1].seconds;
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

	if (blame_split(stall, blame) < 2 || main_cause(stall) != CAUSE_CPU_WAIT ||
	    !own_cause[blame[1].cause] || stall_own_seconds(stall) < STALL_SECONDS)
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

/* --- one trouble is one finding ------------------------------------------------------ */

/* What the first of a pair says is said by the second, which knows more. */
static const struct {
	const char *id, *by;
} said_by[] = {
	{ "evict.active", "evict.blocks" }, /* the evictions held the loop, too */
	{ "aof.buffer", "aof.disk" }, /* what waits to be written, and for what */
	{ "config.thp", "thp.cow" }, /* the setting, and the harm it does */
	{ "cpu.contended", "cpu.throttled" }, /* whoever ran while the quota was used up */
	{ "mem.near_max", "writes.refused" }, /* the limit is met */
	{ "mem.near_max", "evict.nothing_to_evict" }, /* or will be, and eviction cannot help */
	{ "writes.refused", "evict.nothing_to_evict" }, /* and why nothing could be evicted */
	{ "evict.active", "evict.pushed_by" }, /* and by whom */
	{ "hotkey.cpu", "bigkey.blocks" }, /* its time is that of what held the loop */
	{ "reclaim.blocks", "swap.in_path" }, /* both are what is paid for too little memory */
	{ "reclaim.blocks", "mem.high" }, /* and what the limit is */
	{ "memory.in_no_key", "bigkey.uncertain" }, /* and in which keys it may be */
	{ "mem.cgroup", "killed.limit" }, /* the limit was met */
	{ "mem.forecast", "killed.limit" },
	{ "reclaim.blocks", "killed.limit" }, /* before it was met the kernel looked for more */
	{ "mem.no_max", "killed.limit" }, /* and nothing kept the server below it */
	{ "fork.cow", "killed.limit" }, /* nor its child */
	{ "fork.no_room", "killed.limit" }, /* it did not fit */
	{ "server.loading", "repl.resync" }, /* a replica loads what its master sent */
	{ "fork.no_room", "fork.cow" }, /* nor did the one before, which is told with it */
};

const char *finding_said_by(const char *id, size_t n)
{
	for (size_t i = 0; i < sizeof(said_by) / sizeof(said_by[0]); i++)
		if (!strcmp(said_by[i].id, id) && n-- == 0)
			return said_by[i].by;
	return NULL;
}

/* --- how long clients waited -------------------------------------------------------- */

bool finding_met_first(struct met_findings *met, const char *id)
{
	for (size_t i = 0; i < met->count; i++)
		if (!strcmp(met->ids[i], id))
			return false;
	if (met->count < sizeof(met->ids) / sizeof(met->ids[0]))
		met->ids[met->count++] = id;
	return true;
}

bool stall_adds_up(const char *id, const struct stall *stall)
{
	return strcmp(id, "clients.pipelines") != 0 ||
	       stall->duration_seconds >= harm_table[HARM_STALL].bound;
}

static void waits_add(struct waits *w, const struct stall *stall, double seconds)
{
	w->stalls_total++;
	w->seconds += seconds;
	if (!w->longest || seconds > w->longest_seconds) {
		w->longest = stall;
		w->longest_seconds = seconds;
	}
}

struct waits waits_of(const struct model *m, const char *id)
{
	struct waits w = { 0 };

	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *stall = &m->stalls[i].stall;

		if (strcmp(stall_finding(m, stall), id) != 0 || !stall_adds_up(id, stall))
			continue;
		waits_add(&w, stall, stall->duration_seconds);
	}
	return w;
}

struct waits waits_of_work(const struct model *m, const char *id, enum redmem_cause cause)
{
	struct waits w = waits_of(m, id);

	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *stall = &m->stalls[i].stall;
		double seconds = stall->seconds[cause];

		if (seconds < STALL_SECONDS || !strcmp(stall_finding(m, stall), id))
			continue;
		waits_add(&w, stall, seconds);
	}
	return w;
}

struct waits waits_with_own_work(const struct model *m, const char *id)
{
	struct waits w = waits_of(m, id);

	for (size_t i = 0; i < m->stalls_count; i++) {
		const struct stall *stall = &m->stalls[i].stall;
		double seconds = stall_own_seconds(stall);

		if (!strcmp(stall_finding(m, stall), id) || !stall_works_for(m, stall, id))
			continue;
		waits_add(&w, stall, seconds);
	}
	return w;
}

void waits_include(struct waits *w, double seconds)
{
	if (seconds > w->seconds)
		w->seconds = seconds;
}

/* @w->seconds of the window; NAN. */
static double waits_ratio(const struct model *m, const struct waits *w)
{
	return m->duration_seconds > 0 ? w->seconds / m->duration_seconds : NAN;
}

enum severity waits_severity(const struct model *m, const struct waits *w)
{
	double ratio = waits_ratio(m, w);

	if (w->longest_seconds >= STALL_CRITICAL_SECONDS || ratio >= STALLS_CRITICAL_RATIO)
		return SEVERITY_CRITICAL;
	if (w->longest_seconds >= harm_table[HARM_STALL].bound ||
	    ratio >= harm_table[HARM_STALLS].bound)
		return SEVERITY_WARNING;
	return SEVERITY_INFO;
}

void waits_tell(const struct model *m, struct finding *f, const struct waits *w)
{
	f->severity = waits_severity(m, w);
	f->cost = w->seconds * COST_PER_SECOND;
	finding_evidence(f, "waited_seconds", w->seconds, "seconds", BASIS_EXACT);
	finding_evidence(f, "window_ratio", waits_ratio(m, w), "ratio", BASIS_DERIVED);
	finding_evidence_count(f, "stalls_total", w->stalls_total, "stalls", BASIS_EXACT);
	finding_evidence(f, "longest_seconds", w->longest ? w->longest_seconds : NAN, "seconds",
			 BASIS_EXACT);
}

/* --- what the server counted meanwhile ------------------------------------------------ */

static int64_t difference(int64_t before, int64_t after)
{
	return before == RECORD_UNKNOWN || after == RECORD_UNKNOWN ? RECORD_UNKNOWN :
								     sum_less(after, before);
}

struct around stall_around(const struct model *m, const struct stall *stall)
{
	double end = stall->t_seconds + stall->duration_seconds;
	const struct timeline_row *before = NULL, *after = NULL;

	for (size_t i = 0; i < m->timeline_count; i++) {
		const struct timeline_row *row = &m->timeline[i];

		if (row->used_memory_bytes == RECORD_UNKNOWN)
			continue;
		if (row->host.t_seconds <= stall->t_seconds)
			before = row;
		else if (row->host.t_seconds >= end && !after)
			after = row;
	}
	if (!before || !after)
		return (struct around){ RECORD_UNKNOWN, RECORD_UNKNOWN, RECORD_UNKNOWN };
	return (struct around){
		.expired_keys = difference(before->expired_keys_total, after->expired_keys_total),
		.evicted_keys = difference(before->evicted_keys_total, after->evicted_keys_total),
		.freed_bytes = difference(after->used_memory_bytes, before->used_memory_bytes),
	};
}

/* --- what no finding concludes -------------------------------------------------------- */

struct search {
	const struct model *m;
	const struct findings *f;
	struct harm_left *out;
	size_t count;
};

static bool concluded(const struct search *s, const char *id, enum severity least)
{
	const char *by;

	for (size_t n = 0; (by = finding_said_by(id, n)); n++)
		if (concluded(s, by, least))
			return true;
	for (size_t i = 0; i < s->f->count; i++)
		if (!strcmp(s->f->items[i].id, id) && s->f->items[i].severity >= least)
			return true;
	return false;
}

/* Does any finding tell that clients waited? */
static bool waits_concluded(const struct search *s)
{
	for (size_t i = 0; i < s->f->count; i++)
		if (s->f->items[i].rank == RANK_WAITED && s->f->items[i].severity > SEVERITY_INFO)
			return true;
	return false;
}

static bool waits_left(const struct search *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->out[i].harm == HARM_STALL || s->out[i].harm == HARM_STALLS)
			return true;
	return false;
}

static void leave(struct search *s, enum harm harm, const char *finding, double amount)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->out[i].harm == harm && !strcmp(s->out[i].finding, finding))
			return;
	if (s->count < HARM_LEFT_MAX)
		s->out[s->count++] = (struct harm_left){ harm, finding, amount };
}

/* Stalls come longest first. */
static void search_stalls(struct search *s)
{
	double sum = 0, window = s->m->duration_seconds;
	struct met_findings met = { .count = 0 };

	for (size_t i = 0; i < s->m->stalls_count; i++) {
		const struct stall *stall = &s->m->stalls[i].stall;
		const char *id = stall_finding(s->m, stall);
		struct waits w;

		if (stall_adds_up(id, stall))
			sum += stall->duration_seconds;
		if (!finding_met_first(&met, id) || concluded(s, id, SEVERITY_WARNING))
			continue;
		w = waits_of(s->m, id);
		if (w.longest_seconds >= harm_table[HARM_STALL].bound)
			leave(s, HARM_STALL, id, w.longest_seconds);
		else if (waits_severity(s->m, &w) > SEVERITY_INFO)
			leave(s, HARM_STALLS, id, w.seconds / window);
	}
	if (window > 0 && sum / window >= harm_table[HARM_STALLS].bound && !waits_concluded(s) &&
	    !waits_left(s))
		leave(s, HARM_STALLS, "stalls.mixed", sum / window);
}

/* Errors that tell a client its write was not taken. */
static const char *const refusals[] = { "OOM", "MISCONF", "NOREPLICAS" };

/* Writes that were refused are told by why they were. */
static bool refusal_concluded(const struct search *s)
{
	return concluded(s, "writes.refused", SEVERITY_WARNING) ||
	       concluded(s, "evict.nothing_to_evict", SEVERITY_WARNING) ||
	       concluded(s, "save.failing", SEVERITY_WARNING) ||
	       concluded(s, "killed.limit", SEVERITY_WARNING);
}

static void search_refusals(struct search *s)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		int64_t count = model_errors(s->m, refusals[i]);

		if (count >= harm_table[HARM_REFUSED].bound && !refusal_concluded(s))
			leave(s, HARM_REFUSED, "writes.refused", (double)count);
	}
}

static void search_cut_off(struct search *s)
{
	int64_t cut = measure_cut_off(s->m);

	if (cut >= harm_table[HARM_CUT_OFF].bound &&
	    !concluded(s, "clients.cut_off", SEVERITY_WARNING))
		leave(s, HARM_CUT_OFF, "clients.cut_off", (double)cut);
}

static void search_saves(struct search *s)
{
	if (measure_saves_fail(s->m) && !concluded(s, "save.failing", SEVERITY_WARNING) &&
	    !concluded(s, "killed.limit", SEVERITY_WARNING))
		leave(s, HARM_UNSAVED, "save.failing", 1);
}

static void search_life(struct search *s)
{
	for (size_t i = 0; i < s->m->life_count; i++) {
		const struct record_life *life = &s->m->life[i].life;

		if (!strcmp(life->event, "hang") &&
		    life->seconds >= harm_table[HARM_SILENCE].bound && !waits_concluded(s))
			leave(s, HARM_SILENCE, "server.not_answering", life->seconds);
		if ((!strcmp(life->event, "oom") || !strcmp(life->event, "exit")) &&
		    !concluded(s, "server.not_answering", SEVERITY_CRITICAL) &&
		    !concluded(s, "killed.limit", SEVERITY_CRITICAL))
			leave(s, HARM_SILENCE, "server.not_answering", NAN);
	}
}

static void search_evictions(struct search *s)
{
	int64_t evicted = model_info_delta(s->m, "evicted_keys");

	if (evicted >= harm_table[HARM_THROWN_OUT].bound &&
	    !concluded(s, "evict.active", SEVERITY_INFO) &&
	    !concluded(s, "evict.blocks", SEVERITY_INFO) &&
	    !concluded(s, "evict.pushed_by", SEVERITY_INFO))
		leave(s, HARM_THROWN_OUT, "evict.active", (double)evicted);
}

/* What is lost to the server until something is done; each line of the ledger says what. */
static void search_memory(struct search *s)
{
	static const struct {
		const char *line, *finding;
	} kept[] = {
		{ "slab_holes", "frag.slab" },
		{ "huge_page_excess", "rss.huge_pages" },
		{ "other_heap", "rss.not_allocator" },
	};

	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		int64_t bytes = ledger_bytes(&s->m->ledger, kept[i].line);

		if (bytes >= harm_table[HARM_KEPT].bound &&
		    measure_waste_matters(bytes, measure_allocated(s->m)) &&
		    !concluded(s, kept[i].finding, SEVERITY_INFO))
			leave(s, HARM_KEPT, kept[i].finding, (double)bytes);
	}
}

size_t harm_left(const struct model *m, const struct findings *f,
		 struct harm_left out[HARM_LEFT_MAX])
{
	struct search s = { m, f, out, 0 };

	search_refusals(&s);
	search_cut_off(&s);
	search_saves(&s);
	search_evictions(&s);
	search_life(&s);
	search_stalls(&s);
	search_memory(&s);
	return s.count;
}
