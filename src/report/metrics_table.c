/* SPDX-License-Identifier: BSD-2-Clause */
/* The metrics there are: a row each, and what rows cannot say by naming a column or a field. */
#include "diagnose/outlook.h"
#include "report/metrics_table.h"

#include <math.h>
#include <string.h>

#include "base/hist.h"
#include "diagnose/measure.h"
#include "rdb/structures.h"

static double known(int64_t n)
{
	return n == RECORD_UNKNOWN ? NAN : (double)n;
}

/* --- of a server --------------------------------------------------------------------------- */

static double one(const struct metrics_input *in, const void *row)
{
	(void)in;
	(void)row;
	return 1;
}

static double window_end(const struct metrics_input *in, const void *row)
{
	(void)row;
	return known(in->m->session.wall_start_ns) / 1e9 + in->m->duration_seconds;
}

static double answering(const struct metrics_input *in, const void *row)
{
	const struct model *m = in->m;

	(void)row;
	return m->target.connected && m->timeline_count ?
		       m->timeline[m->timeline_count - 1].host.answered :
		       NAN;
}

static double healthy(const struct metrics_input *in, const void *row)
{
	(void)row;
	return in->f ? diagnose_healthy(in->m, in->f) : NAN;
}

static double allocated(const struct metrics_input *in, const void *row)
{
	(void)row;
	return metric_moved(in->m, false);
}

static double freed(const struct metrics_input *in, const void *row)
{
	(void)row;
	return metric_moved(in->m, true);
}

/*
 * The table that takes as many again as the largest database has: the one before stays until all
 * entries have moved. Databases of a cluster with a table a slot grow slot by slot, and less.
 */
static double next_table(const struct metrics_input *in, const void *row)
{
	const struct model *m = in->m;
	const struct server_release release =
		server_release_of(m->target.server ? m->target.server : "",
				  m->target.version ? m->target.version : "");
	struct structures structures;
	double most = NAN;

	(void)row;
	if (!m->info_end)
		return NAN;
	structures_init(&structures, &release, m->target.allocator_bundled ? 8 : 16);
	for (size_t i = 0; i < info_count(m->info_end); i++) {
		int64_t keys = info_sub_int(info_value_at(m->info_end, i), "keys");

		if (info_is_database(info_name_at(m->info_end, i)) && keys > 0 &&
		    keys < INT64_MAX / 2)
			most = fmax(most, (double)size_table(&structures, 2 * keys).real);
	}
	return most;
}

/* The server's count; where it has none, of what the host saw. */
static double forks(const struct metrics_input *in, const void *row)
{
	int64_t count = model_info_delta(in->m, "total_forks");

	(void)row;
	if (count != RECORD_UNKNOWN)
		return (double)count;
	count = 0;
	for (size_t i = 0; i < in->m->children_count; i++)
		count += in->m->children[i].child.t_start_seconds >= 0;
	return (double)count;
}

/* All of the window took as long as the last of it. */
static double fork_seconds(const struct metrics_input *in, const void *row)
{
	double count = forks(in, row), usec = known(model_info_end(in->m, "latest_fork_usec"));

	return count > 0 ? count * usec / 1e6 : 0;
}

/* The child that lives; of those that ended, the last. */
static double copy_on_write(const struct metrics_input *in, const void *row)
{
	const struct record_child *last = NULL;

	(void)row;
	for (size_t i = 0; i < in->m->children_count; i++) {
		const struct record_child *child = &in->m->children[i].child;

		if (!last ||
		    (!isnan(last->t_end_seconds) && !(child->t_end_seconds < last->t_end_seconds)))
			last = child;
	}
	return last ? known(last->private_bytes) : NAN;
}

static double left_out(const struct metrics_input *in, const void *row)
{
	(void)row;
	return model_sensor_on(in->m, "loop") ? (double)in->m->stalls_left_out : NAN;
}

static double cpu_wait(const struct metrics_input *in, const void *row)
{
	const struct charge *charge = measure_main_thread(in->m);

	(void)row;
	return charge && model_sensor_on(in->m, "offcpu") ? charge->cpu_wait_seconds : NAN;
}

static double io_wait(const struct metrics_input *in, const void *row)
{
	const struct charge *charge = measure_main_thread(in->m);

	(void)row;
	return charge && model_sensor_on(in->m, "offcpu") ? charge->io_wait_seconds : NAN;
}

static double reclaim(const struct metrics_input *in, const void *row)
{
	const struct charge *charge = measure_main_thread(in->m);

	(void)row;
	return charge && model_sensor_on(in->m, "reclaim") ? charge->reclaim_seconds : NAN;
}

static double throttled(const struct metrics_input *in, const void *row)
{
	(void)row;
	return measure_throttled(in->m, NULL);
}

static double largest_client(const struct metrics_input *in, const void *row)
{
	double most = NAN;

	(void)row;
	for (size_t i = 0; i < in->m->clients_count; i++)
		most = fmax(most, known(in->m->clients[i].client.memory_bytes));
	return most;
}

static double own_bpf(const struct metrics_input *in, const void *row)
{
	(void)row;
	return in->m->have_self ? in->m->self.bpf_seconds : NAN;
}

static double own_pauses(const struct metrics_input *in, const void *row)
{
	(void)row;
	return in->m->have_self ? in->m->self.target_pause_seconds : NAN;
}

static double own_drops(const struct metrics_input *in, const void *row)
{
	(void)row;
	return in->m->have_self ? known(in->m->self.drops_total) : NAN;
}

/* --- of a row ------------------------------------------------------------------------------ */

static double named(const struct metrics_input *in, const void *row)
{
	(void)in;
	return ((const struct metric_named *)row)->value;
}

static double line_bytes(const struct metrics_input *in, const void *row)
{
	(void)in;
	return known(((const struct ledger_line *)row)->bytes);
}

static const struct record_passed *passed_of(const void *row)
{
	return &((const struct passed_row *)row)->passed;
}

static double pass_end(const struct metrics_input *in, const void *row)
{
	(void)row;
	return known(in->m->passed_wall_ns) / 1e9;
}

static double pass_seconds(const struct metrics_input *in, const void *row)
{
	(void)in;
	return passed_of(row)->seconds;
}

static double pass_complete(const struct metrics_input *in, const void *row)
{
	(void)in;
	return !strcmp(passed_of(row)->end, "complete");
}

static double passed_keys(const struct metrics_input *in, const void *row)
{
	(void)in;
	return known(passed_of(row)->keys_total);
}

static double passed_never(const struct metrics_input *in, const void *row)
{
	(void)in;
	return known(passed_of(row)->no_ttl_total);
}

static double passed_bytes(const struct metrics_input *in, const void *row)
{
	(void)in;
	return known(passed_of(row)->bytes);
}

static double holes(const struct metrics_input *in, const void *row)
{
	(void)in;
	return known(((const struct class_row *)row)->size.holes_bytes);
}

static double limit_bytes(const struct metrics_input *in, const void *row)
{
	(void)in;
	return ((const struct metric_limit *)row)->bytes;
}

static double limit_used(const struct metrics_input *in, const void *row)
{
	(void)in;
	return ((const struct metric_limit *)row)->used_bytes;
}

static double limit_seconds(const struct metrics_input *in, const void *row)
{
	(void)in;
	return ((const struct metric_limit *)row)->seconds;
}

static double save_fork(const struct metrics_input *in, const void *row)
{
	(void)row;
	return outlook_save(in->outlook).fork_seconds;
}

static double save_seconds(const struct metrics_input *in, const void *row)
{
	(void)row;
	return outlook_save(in->outlook).seconds;
}

static double save_copied(const struct metrics_input *in, const void *row)
{
	(void)row;
	return outlook_save(in->outlook).copied_bytes;
}

static double limit_confidence(const struct metrics_input *in, const void *row)
{
	(void)in;
	return ((const struct metric_limit *)row)->confidence;
}

static double faults(const struct metrics_input *in, const void *row)
{
	(void)in;
	return ((const struct metric_fault *)row)->faults;
}

static double fault_seconds(const struct metrics_input *in, const void *row)
{
	(void)in;
	return ((const struct metric_fault *)row)->seconds;
}

static double sensor_on(const struct metrics_input *in, const void *row)
{
	(void)in;
	return ((const struct sensor_row *)row)->sensor.on;
}

/* --- histograms ----------------------------------------------------------------------------- */

static const double stall_bounds[METRIC_BOUNDS] = { 0.01, 0.03, 0.1, 0.3, 1, 3, 10 };
static const double call_bounds[METRIC_BOUNDS] = { 1e-7, 3e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2 };

static void hist_count(struct metric_hist *to, const double *bounds, double seconds, double count)
{
	for (int i = 0; i < METRIC_BOUNDS; i++)
		to->bucket[i] += seconds <= bounds[i] ? count : 0;
	to->count += count;
}

/* One that goes on counts when it is over. */
static bool add_stalls(const struct metrics_input *in, const void *row, struct metric_hist *to)
{
	const int *cause = row;
	struct blame split[CAUSES];

	for (size_t i = 0; i < in->m->stalls_count; i++) {
		const struct stall *stall = &in->m->stalls[i].stall;

		if (stall->running || !blame_split(stall, split) || (int)split[0].cause != *cause)
			continue;
		hist_count(to, stall_bounds, stall->duration_seconds, 1);
		to->sum += stall->duration_seconds;
	}
	return true;
}

static double stall_seconds(const struct metrics_input *in, const void *row)
{
	const int *cause = row;
	double seconds = 0;

	for (size_t i = 0; i < in->m->stalls_count; i++)
		if (!in->m->stalls[i].stall.running && in->m->stalls[i].stall.seconds[*cause] > 0)
			seconds += in->m->stalls[i].stall.seconds[*cause];
	return seconds;
}

/* Bounds are those of the model's own steps, within 6 %. */
static bool add_calls(const struct metrics_input *in, const void *row, struct metric_hist *to)
{
	const struct command_row *command = row;
	const struct hist *times = model_call_times(in->m, command->command);

	/* The rest of the sums is of no command. */
	if (!times || !command->latency.calls_total)
		return false;
	for (unsigned int i = 0; i < HIST_BUCKETS; i++)
		if (times->bucket[i])
			hist_count(to, call_bounds, (double)hist_value(times, i) / 1e9,
				   (double)times->bucket[i]);
	to->sum += (double)times->sum / 1e9;
	return true;
}

/* --- of redmem ------------------------------------------------------------------------------- */

static double up(const struct metrics_input *in, const void *row)
{
	(void)row;
	return in->up;
}

static double restarts(const struct metrics_input *in, const void *row)
{
	(void)row;
	return in->restarted;
}

static double servers(const struct metrics_input *in, const void *row)
{
	(void)row;
	return (double)in->servers;
}

static double process_cpu(const struct metrics_input *in, const void *row)
{
	(void)in;
	return ((const struct metrics_process *)row)->cpu_seconds;
}

static double process_resident(const struct metrics_input *in, const void *row)
{
	(void)in;
	return known(((const struct metrics_process *)row)->resident_bytes);
}

static double bpf_elsewhere(const struct metrics_input *in, const void *row)
{
	(void)row;
	return in->self->bpf_elsewhere_seconds;
}

static double lost_windows(const struct metrics_input *in, const void *row)
{
	(void)row;
	return known(in->self->lost_windows);
}

static double history_ok(const struct metrics_input *in, const void *row)
{
	(void)row;
	return in->self->history ? in->self->history_ok : NAN;
}

static double history_bytes(const struct metrics_input *in, const void *row)
{
	(void)row;
	return in->self->history ? known(in->self->history_bytes) : NAN;
}

static double history_seconds(const struct metrics_input *in, const void *row)
{
	(void)row;
	return in->self->history ? in->self->history_write_seconds : NAN;
}

/* --- the table ------------------------------------------------------------------------------- */

/* clang-format off */

#define ROW(suffix, kind, of, words) \
	.name = "redmem_" suffix, .type = METRIC_##kind, .group = GROUP_##of, .help = words
#define COLUMN_OF(table, column_name) .columns = &columns_##table, .column = column_name

static const struct metric own[] = {
	{ ROW("up", GAUGE, UP, "1 while the server is watched"), .value = up },
	{ ROW("restarts_total", COUNTER, UP,
	      "Times a server of this name came again when it was gone"), .value = restarts },
	{ ROW("server_state", GAUGE, STATE, "1 for the state that the watch of the server is in"),
	  .value = one },
	{ ROW("server_info", INFO, ABOUT, "What the server is, and the pod and container it is in"),
	  .value = one },
	{ ROW("window_end_timestamp_seconds", GAUGE, SERVER,
	      "When the newest window ended, since 1970"), .value = window_end },
	{ ROW("answering", GAUGE, SERVER,
	      "1 when the server answered at the end of the window; absent without a connection"),
	  .value = answering },
	{ ROW("healthy", GAUGE, SERVER,
	      "1 when nothing worse than a note was found in the window"), .value = healthy },
	{ ROW("finding", GAUGE, FINDINGS,
	      "1 while redmem finds this, and for a minute after; see redmem-doctor(1)"),
	  .value = one },
	{ ROW("life_events_total", COUNTER, LIFE,
	      "What happened to the server: exit, exec, oom (chosen by the kernel to be killed), "
	      "hang (no answer), answer (again), stopped"), .value = named },

	{ ROW("ledger_bytes", GAUGE, LEDGER,
	      "Memory of the server by line of the ledger; those of one parent add up to it"),
	  .value = line_bytes },
	{ ROW("reclaimable_bytes", GAUGE, RECLAIM,
	      "What the action alone would give back; two actions may give back the same bytes"),
	  .value = named },
	{ ROW("size_class_holes_bytes", GAUGE, SIZES,
	      "Free regions in slabs of the size class, which nothing else can use"),
	  .value = holes },
	{ ROW("pass_end_timestamp_seconds", GAUGE, PASS,
	      "When the newest scheduled pass over the keys ended, since 1970; absent without one"),
	  .value = pass_end },
	{ ROW("pass_seconds", GAUGE, PASS, "How long it took"), .value = pass_seconds },
	{ ROW("pass_complete", GAUGE, PASS, "1 when it saw all keys"), .value = pass_complete },
	{ ROW("pass_keys", GAUGE, PASSED, "Keys of the prefix, by the newest scheduled pass"),
	  .value = passed_keys },
	{ ROW("pass_keys_without_expiry", GAUGE, PASSED, "Those of them that never expire"),
	  .value = passed_never },
	{ ROW("pass_bytes", GAUGE, PASSED,
	      "What the keys of the prefix take (MEMORY USAGE), by the newest scheduled pass"),
	  .value = passed_bytes },
	{ ROW("next_table_growth_bytes", GAUGE, SERVER,
	      "What the next growth of the largest table of keys takes at once"),
	  .value = next_table },
	{ ROW("limit_bytes", GAUGE, LIMITS,
	      "Limits of the server's memory: maxmemory, the cgroup's limit and memory.high, "
	      "the host's memory"), .value = limit_bytes },
	{ ROW("limit_used_bytes", GAUGE, LIMITS,
	      "What counts against the limit; page cache, which the kernel can drop, does not"),
	  .value = limit_used },
	{ ROW("limit_seconds", GAUGE, LIMITS,
	      "Until the limit is met, by the trend of hours and days without what comes and goes; "
	      "absent when not in sight: a day, or 24 times as long as is known"),
	  .value = limit_seconds },
	{ ROW("limit_confidence_ratio", GAUGE, LIMITS,
	      "How near forecasts of the limit's trend would have come until now, 0 to 1; not "
	      "known in the first two minutes, which are told by the growth of a window"),
	  .value = limit_confidence },
	{ ROW("growth_behind_bytes_per_second", GAUGE, BEHIND,
	      "The prefix that grew most in the last hour, of all the one that is named here"),
	  .value = named },
	{ ROW("next_save_fork_seconds", GAUGE, SERVER,
	      "How long the next fork for a save would hold the server, by the last that was seen"),
	  .value = save_fork },
	{ ROW("next_save_seconds", GAUGE, SERVER,
	      "How long the child of the next save would live, by the last that was seen"),
	  .value = save_seconds },
	{ ROW("next_save_copied_bytes", GAUGE, SERVER,
	      "What the next save would have to copy, by the last and by what is written now"),
	  .value = save_copied },

	{ ROW("allocated_bytes_total", COUNTER, SERVER,
	      "Bytes allocated by all threads, as the allocator counts them"), .value = allocated },
	{ ROW("freed_bytes_total", COUNTER, SERVER,
	      "Bytes freed by all threads, as the allocator counts them"), .value = freed },
	{ ROW("command_allocated_bytes_total", COUNTER, COMMANDS,
	      "Bytes allocated, by command; all together are redmem_allocated_bytes_total"),
	  COLUMN_OF(alloc_commands, "alloc_bytes") },
	{ ROW("command_freed_bytes_total", COUNTER, COMMANDS,
	      "Bytes freed, by command; all together are redmem_freed_bytes_total"),
	  COLUMN_OF(alloc_commands, "free_bytes") },
	{ ROW("command_cpu_seconds_total", COUNTER, COMMANDS,
	      "CPU time of the main thread, by command"), COLUMN_OF(commands, "cpu_seconds") },
	{ ROW("command_calls_total", COUNTER, COMMANDS,
	      "Calls, as the server counts them, without redmem's own"),
	  COLUMN_OF(commands, "calls_total") },
	{ ROW("command_rejected_total", COUNTER, REFUSALS,
	      "Calls that were refused before they ran: out of memory, read-only..."),
	  COLUMN_OF(refusals, "rejected_total") },
	{ ROW("command_failed_total", COUNTER, REFUSALS, "Calls that ran and ended in an error"),
	  COLUMN_OF(refusals, "failed_total") },
	{ ROW("allocation_seconds", HISTOGRAM, COMMANDS,
	      "How long calls of the allocator took, of those that were looked at"),
	  .add = add_calls, .bounds = call_bounds },
	{ ROW("prefix_allocated_bytes_total", COUNTER, PREFIXES,
	      "Bytes allocated, by prefix of keys; with those gone, "
	      "redmem_prefix_gone_allocated_bytes_total, all together are "
	      "redmem_allocated_bytes_total"),
	  COLUMN_OF(alloc_prefixes, "alloc_bytes"),
	  .gone = "redmem_prefix_gone_allocated_bytes_total" },
	{ ROW("prefix_freed_bytes_total", COUNTER, PREFIXES,
	      "Bytes freed, by prefix of keys; with those gone, "
	      "redmem_prefix_gone_freed_bytes_total, all together are redmem_freed_bytes_total"),
	  COLUMN_OF(alloc_prefixes, "free_bytes"),
	  .gone = "redmem_prefix_gone_freed_bytes_total" },
	{ ROW("prefix_gone_allocated_bytes_total", COUNTER, GONE,
	      "Bytes allocated by prefixes while they had a series that is gone") },
	{ ROW("prefix_gone_freed_bytes_total", COUNTER, GONE,
	      "Bytes freed by prefixes while they had a series that is gone") },
	{ ROW("error_replies_total", COUNTER, ERRORS,
	      "Replies that were errors, by their first word, without redmem's own"),
	  COLUMN_OF(errors, "replies_total") },

	{ ROW("faults_total", COUNTER, FAULTS,
	      "Page faults: minor ones, of these cow (copies on write), major ones, of these "
	      "swap_in"), .value = faults },
	{ ROW("fault_seconds_total", COUNTER, FAULTS,
	      "Time in page faults; cow is a part of minor and swap_in of major"),
	  .value = fault_seconds },
	{ ROW("forks_total", COUNTER, SERVER, "Forks of the server, to save or to rewrite the AOF"),
	  .value = forks },
	{ ROW("fork_seconds_total", COUNTER, SERVER, "Time the server did nothing but fork"),
	  .value = fork_seconds },
	{ ROW("copy_on_write_bytes", GAUGE, SERVER,
	      "Pages no longer shared by the saving child that lives or, without one, lived last"),
	  .value = copy_on_write, .lasts = true },
	{ ROW("stall_seconds", HISTOGRAM, CAUSES,
	      "Times in which the event loop did not move on, by what most of it was spent on"),
	  .add = add_stalls, .bounds = stall_bounds },
	{ ROW("stall_cause_seconds_total", COUNTER, CAUSES,
	      "Time of stalls, divided among all that they were spent on"),
	  .value = stall_seconds },
	{ ROW("stalls_left_out_total", COUNTER, SERVER,
	      "Stalls in no histogram: the shortest of a window with thousands"),
	  .value = left_out },
	{ ROW("thread_cpu_seconds_total", COUNTER, THREADS, "CPU time of the server, by thread"),
	  COLUMN_OF(threads, "cpu_seconds") },
	{ ROW("cpu_wait_seconds_total", COUNTER, SERVER,
	      "Time the main thread could have run and had no CPU"), .value = cpu_wait },
	{ ROW("io_wait_seconds_total", COUNTER, SERVER,
	      "Time the main thread waited in system calls other than for its clients"),
	  .value = io_wait },
	{ ROW("reclaim_seconds_total", COUNTER, SERVER,
	      "Time the main thread was made to free or to compact memory for the kernel"),
	  .value = reclaim },
	{ ROW("cpu_throttled_seconds_total", COUNTER, SERVER,
	      "Time the server's cgroup, or one above it, was held back for its CPU quota"),
	  .value = throttled },
	{ ROW("clients", GAUGE, SERVER, "Clients that are connected"),
	  .info = "connected_clients" },
	{ ROW("clients_max", GAUGE, SERVER, "Clients that may be connected"),
	  .info = "maxclients" },
	{ ROW("client_buffers_bytes", GAUGE, CLIENT_KINDS, "Memory of clients, by their kind"),
	  .value = named },
	{ ROW("largest_client_bytes", GAUGE, SERVER, "Memory of the client that has most"),
	  .value = largest_client },

	{ ROW("sensor_on", GAUGE, SENSORS, "1 while the sensor works; see redmem-check(1)"),
	  .value = sensor_on },
	{ ROW("dropped_events_total", COUNTER, SERVER, "Events that sensors had no room for"),
	  .value = own_drops },
	{ ROW("self_bpf_seconds_total", COUNTER, SERVER,
	      "Time of the server spent in redmem's BPF programs"), .value = own_bpf },
	{ ROW("self_pause_seconds_total", COUNTER, SERVER,
	      "Pauses of the server that redmem's probes made"), .value = own_pauses },
	{ ROW("build_info", INFO, BUILD, "Which redmem this is"), .value = one },
	{ ROW("servers", GAUGE, REDMEM, "Servers that are known"), .value = servers },
	{ ROW("self_cpu_seconds_total", COUNTER, PROCESSES, "CPU time of redmem, by process"),
	  .value = process_cpu, .total = true },
	{ ROW("self_resident_bytes", GAUGE, PROCESSES,
	      "Memory of redmem, by process; that of BPF maps is the watcher's"),
	  .value = process_resident },
	{ ROW("self_bpf_elsewhere_seconds_total", COUNTER, SELF,
	      "Time of other processes than servers spent in redmem's BPF programs"),
	  .value = bpf_elsewhere, .total = true },
	{ ROW("lost_windows_total", COUNTER, SELF,
	      "Windows that were lost between redmem's processes"), .value = lost_windows,
	  .total = true },
	{ ROW("history_ok", GAUGE, SELF, "1 while windows are written to the history"),
	  .value = history_ok },
	{ ROW("history_bytes", GAUGE, SELF, "What the history takes on disk"),
	  .value = history_bytes },
	{ ROW("history_write_seconds_total", COUNTER, SELF, "Time spent on writing the history"),
	  .value = history_seconds, .total = true },
};

/*
 * What redis_exporter 1.45 (exporter.go, metricMapGauges and metricMapCounters) makes of INFO
 * that is about memory, under its names, types and values, but for what promtool finds fault
 * with.
 */
#define REDIS(suffix, kind, field, words) \
	{ .name = "redis_" suffix, .type = METRIC_##kind, .group = GROUP_SERVER, .help = words, \
	  .info = field, .total = METRIC_##kind == METRIC_COUNTER }
#define REDIS_GAUGE(suffix, field) REDIS(suffix, GAUGE, field, field " of INFO")
#define REDIS_COUNTER(suffix, field) REDIS(suffix, COUNTER, field, field " of INFO")

static const struct metric of_redis[] = {
	REDIS_GAUGE("memory_used_bytes", "used_memory"),
	REDIS_GAUGE("memory_used_rss_bytes", "used_memory_rss"),
	REDIS_GAUGE("memory_used_peak_bytes", "used_memory_peak"),
	REDIS_GAUGE("memory_used_lua_bytes", "used_memory_lua"),
	REDIS_GAUGE("memory_used_overhead_bytes", "used_memory_overhead"),
	REDIS_GAUGE("memory_used_startup_bytes", "used_memory_startup"),
	REDIS_GAUGE("memory_used_dataset_bytes", "used_memory_dataset"),
	REDIS_GAUGE("memory_used_scripts_bytes", "used_memory_scripts"),
	REDIS_GAUGE("memory_max_bytes", "maxmemory"),
	REDIS_GAUGE("number_of_cached_scripts", "number_of_cached_scripts"),
	REDIS_GAUGE("mem_fragmentation_ratio", "mem_fragmentation_ratio"),
	REDIS_GAUGE("mem_fragmentation_bytes", "mem_fragmentation_bytes"),
	REDIS_GAUGE("mem_clients_slaves", "mem_clients_slaves"),
	REDIS_GAUGE("mem_clients_normal", "mem_clients_normal"),
	REDIS_GAUGE("mem_not_counted_for_eviction_bytes", "mem_not_counted_for_evict"),
	REDIS_GAUGE("allocator_active_bytes", "allocator_active"),
	REDIS_GAUGE("allocator_allocated_bytes", "allocator_allocated"),
	REDIS_GAUGE("allocator_resident_bytes", "allocator_resident"),
	REDIS_GAUGE("allocator_frag_ratio", "allocator_frag_ratio"),
	REDIS_GAUGE("allocator_frag_bytes", "allocator_frag_bytes"),
	REDIS_GAUGE("allocator_rss_ratio", "allocator_rss_ratio"),
	REDIS_GAUGE("allocator_rss_bytes", "allocator_rss_bytes"),
	REDIS_GAUGE("lazyfree_pending_objects", "lazyfree_pending_objects"),
	REDIS_GAUGE("active_defrag_running", "active_defrag_running"),
	REDIS_GAUGE("defrag_hits", "active_defrag_hits"),
	REDIS_GAUGE("defrag_misses", "active_defrag_misses"),
	REDIS_GAUGE("defrag_key_hits", "active_defrag_key_hits"),
	REDIS_GAUGE("defrag_key_misses", "active_defrag_key_misses"),
	REDIS_GAUGE("rdb_bgsave_in_progress", "rdb_bgsave_in_progress"),
	REDIS_GAUGE("rdb_last_cow_size_bytes", "rdb_last_cow_size"),
	REDIS_GAUGE("aof_rewrite_in_progress", "aof_rewrite_in_progress"),
	REDIS_GAUGE("aof_last_cow_size_bytes", "aof_last_cow_size"),
	REDIS_GAUGE("aof_buffer_length", "aof_buffer_length"),
	REDIS_GAUGE("module_fork_last_cow_size", "module_fork_last_cow_size"),
	{ .name = "redis_latest_fork_seconds", .type = METRIC_GAUGE, .group = GROUP_SERVER,
	  .help = "latest_fork_usec of INFO, in seconds", .info = "latest_fork_usec",
	  .divisor = 1e6 },
	REDIS_GAUGE("replication_backlog_bytes", "repl_backlog_size"),
	REDIS_GAUGE("repl_backlog_history_bytes", "repl_backlog_histlen"),
	REDIS_GAUGE("connected_clients", "connected_clients"),
	REDIS_GAUGE("blocked_clients", "blocked_clients"),
	REDIS_GAUGE("client_recent_max_input_buffer_bytes", "client_recent_max_input_buffer"),
	REDIS_GAUGE("client_recent_max_output_buffer_bytes", "client_recent_max_output_buffer"),
	REDIS_GAUGE("tracking_total_keys", "tracking_total_keys"),
	REDIS_COUNTER("expired_keys_total", "expired_keys"),
	REDIS_COUNTER("evicted_keys_total", "evicted_keys"),
};
/* clang-format on */

#define TABLE_OF(rows)                                 \
	{                                              \
		rows, sizeof(rows) / sizeof((rows)[0]) \
	}
const struct metric_table metrics_own = TABLE_OF(own), metrics_of_redis = TABLE_OF(of_redis);
