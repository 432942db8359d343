/* SPDX-License-Identifier: BSD-2-Clause */
/* The fields of every kind of record; see schema.h. */
#include <stddef.h>

#include "record/schema.h"

#define ANY_RECORD   ((struct record *)0)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Macros and tables stay one row a line. */
/* clang-format off */

/* The compiler reads the type off the member, so that no row can be wrong about it. */
#define FIELD_TYPE(member) _Generic((member), \
	int64_t: FIELD_I64, double: FIELD_F64, bool: FIELD_BOOL, \
	const char *: FIELD_STRING, struct bytes: FIELD_BYTES, char: FIELD_CHAR, \
	unsigned int: FIELD_ENUM, int64_t *: FIELD_COUNTS, struct record_share *: FIELD_SHARES)
#define ROW(kind, member, names, role) \
	{ #member, offsetof(struct record, kind.member), FIELD_TYPE(ANY_RECORD->kind.member), \
	  names, role, SAYS_NAME }
#define FIELD(kind, member) ROW(kind, member, NULL, ROLE_VALUE)
/* A text that is no name: see enum field_says. */
#define TEXT(kind, member, what) \
	{ #member, offsetof(struct record, kind.member), FIELD_TYPE(ANY_RECORD->kind.member), \
	  NULL, ROLE_VALUE, SAYS_##what }
/* One whose values, or whose places in an array, have names. */
#define NAMED(kind, member, names) ROW(kind, member, &(names), ROLE_VALUE)
#define TIME(kind, member) ROW(kind, member, NULL, ROLE_TIME)
#define COUNTER(kind, member) ROW(kind, member, NULL, ROLE_COUNTER)
#define SCHEMA(kind, of) { #kind, RECORD_OF_##of, kind##_fields, COUNT(kind##_fields) }

static const struct field session_fields[] = {
	FIELD(session, wall_start_ns),
	TEXT(session, redmem_version, WORD),
	TEXT(session, kernel, WORD),
	TEXT(session, machine, WORD),
};

static const struct field target_fields[] = {
	FIELD(target, pid),
	TEXT(target, server, WORD),
	TEXT(target, version, WORD),
	FIELD(target, executable),
	TEXT(target, build_id, WORD),
	TEXT(target, allocator, WORD),
	FIELD(target, allocator_bundled),
	FIELD(target, can_defrag),
	FIELD(target, port),
	TEXT(target, socket, ADDRESS),
	TEXT(target, role, WORD),
	FIELD(target, container),
	FIELD(target, container_name),
	FIELD(target, pod),
	FIELD(target, connected),
	TEXT(target, connect_reason, REFUSAL),
};

static const struct field sensor_fields[] = {
	TEXT(sensor, id, WORD),
	FIELD(sensor, on),
	TEXT(sensor, reason, SENTENCE),
	TEXT(sensor, fix, SENTENCE),
};

static const struct field host_fields[] = {
	FIELD(host, mem_total_bytes),
	FIELD(host, mem_available_bytes),
	FIELD(host, swap_total_bytes),
	FIELD(host, swap_free_bytes),
	FIELD(host, commit_limit_bytes),
	FIELD(host, committed_bytes),
	FIELD(host, overcommit_memory),
	FIELD(host, swappiness),
	TEXT(host, thp_enabled, WORD),
	FIELD(host, thp_disabled_for_target),
	FIELD(host, max_map_count),
	FIELD(host, maps_total),
	FIELD(host, cgroup_version),
	FIELD(host, cgroup_limit_bytes),
	FIELD(host, cgroup_usage_bytes),
	FIELD(host, cgroup_high_bytes),
	FIELD(host, cgroup_high_usage_bytes),
	FIELD(host, cgroup_high_events_total),
	FIELD(host, cgroup_high_kept_bytes),
	FIELD(host, cgroup_near_path),
	FIELD(host, cgroup_near_own),
	FIELD(host, cgroup_near_limit_bytes),
	FIELD(host, cgroup_near_usage_bytes),
	FIELD(host, cgroup_near_anon_bytes),
	FIELD(host, cgroup_near_shmem_bytes),
	FIELD(host, cgroup_near_kernel_bytes),
	FIELD(host, cgroup_near_sock_bytes),
	FIELD(host, cgroup_near_hits_total),
	FIELD(host, cgroup_own_kept_bytes),
	FIELD(host, cgroup_oom_kills_total),
	FIELD(host, cgroup_swap_bytes),
	FIELD(host, cpus_total),
	FIELD(host, page_size_bytes),
	FIELD(host, cpu_busy_seconds_total),
	FIELD(host, cpu_steal_seconds_total),
};

static const struct field cpu_limit_fields[] = {
	FIELD(cpu_limit, cgroup),
	FIELD(cpu_limit, own),
	FIELD(cpu_limit, quota_cores),
	FIELD(cpu_limit, periods_total),
	FIELD(cpu_limit, throttled_periods_total),
	FIELD(cpu_limit, throttled_seconds_total),
};

static const struct field disk_fields[] = {
	FIELD(disk, file),
	TEXT(disk, device, SENTENCE),
};

static const struct field writer_fields[] = {
	FIELD(writer, pid),
	TEXT(writer, name, TASK),
	FIELD(writer, written_bytes),
};

static const struct field config_fields[] = {
	TEXT(config, name, WORD),
	TEXT(config, value, WORD),
};

static const struct field tick_fields[] = {
	TIME(tick, t_seconds),
	FIELD(tick, rss_bytes),
	FIELD(tick, rss_anon_bytes),
	FIELD(tick, rss_file_bytes),
	FIELD(tick, rss_shmem_bytes),
	FIELD(tick, swap_bytes),
	FIELD(tick, vm_size_bytes),
	FIELD(tick, minor_faults_total),
	FIELD(tick, major_faults_total),
	FIELD(tick, cpu_seconds),
	FIELD(tick, threads_total),
	FIELD(tick, state),
	FIELD(tick, answered),
	FIELD(tick, reply_seconds),
};

static const struct field info_fields[] = {
	TIME(info, t_seconds),
	TEXT(info, phase, WORD),
	TEXT(info, text, INFO),
};

static const struct field memory_stats_fields[] = {
	TIME(memory_stats, t_seconds),
	TEXT(memory_stats, phase, WORD),
	TEXT(memory_stats, text, PAIRS),
};

static const struct field malloc_stats_fields[] = {
	TIME(malloc_stats, t_seconds),
	TEXT(malloc_stats, phase, WORD),
	TEXT(malloc_stats, text, TABLES),
	FIELD(malloc_stats, reply_seconds),
};

static const struct field mapping_fields[] = {
	TIME(mapping, t_seconds),
	TEXT(mapping, phase, WORD),
	FIELD(mapping, pid),
	TEXT(mapping, class_name, WORD),
	FIELD(mapping, mappings_total),
	FIELD(mapping, size_bytes),
	FIELD(mapping, rss_bytes),
	FIELD(mapping, pss_bytes),
	FIELD(mapping, private_dirty_bytes),
	FIELD(mapping, anon_huge_bytes),
	FIELD(mapping, lazy_free_bytes),
	FIELD(mapping, swap_bytes),
	FIELD(mapping, read_seconds),
};

static const struct field profile_fields[] = {
	NAMED(profile, event, event_names),
	TEXT(profile, thread, TASK),
	TEXT(profile, command, COMMAND),
	TEXT(profile, inner, COMMAND),
	FIELD(profile, key),
	FIELD(profile, key_truncated),
	FIELD(profile, folded),
	FIELD(profile, db),
	NAMED(profile, leaf, module_names),
	TEXT(profile, symbol, FRAMES),
	FIELD(profile, samples),
	FIELD(profile, events),
	FIELD(profile, scale),
	FIELD(profile, seconds),
	FIELD(profile, timed),
	TIME(profile, t_seconds),
	FIELD(profile, class_bytes),
	FIELD(profile, uneven),
	TEXT(profile, stack, FRAMES),
};

static const struct field totals_fields[] = {
	COUNTER(totals, window_seconds),
	COUNTER(totals, minor_faults),
	COUNTER(totals, major_faults),
	COUNTER(totals, cow_faults),
	COUNTER(totals, context_switches),
	COUNTER(totals, cpu_samples),
	FIELD(totals, minor_fault_period),
	FIELD(totals, major_fault_period),
	COUNTER(totals, huge_collapses),
	COUNTER(totals, reclaim_entries),
};

static const struct field stall_fields[] = {
	TIME(stall, t_seconds),
	FIELD(stall, duration_seconds),
	FIELD(stall, running),
	TEXT(stall, command, COMMAND),
	TEXT(stall, inner, COMMAND),
	FIELD(stall, key),
	FIELD(stall, key_truncated),
	FIELD(stall, db),
	FIELD(stall, looks),
	FIELD(stall, inner_looks),
	FIELD(stall, inner_votes),
	NAMED(stall, event_ns, event_names),
	FIELD(stall, faults_timed),
	NAMED(stall, frame_ns, frame_names),
	FIELD(stall, commands_total),
	TEXT(stall, commands, COMMAND),
	NAMED(stall, wait_call, wait_names),
	FIELD(stall, wait_file),
	FIELD(stall, preemptor_pid),
	TEXT(stall, preemptor, TASK),
	FIELD(stall, fork_ns),
	FIELD(stall, gone_key),
	FIELD(stall, gone_key_looks),
	FIELD(stall, gone_looks),
	FIELD(stall, counted),
	FIELD(stall, expired_total),
	FIELD(stall, evicted_total),
	FIELD(stall, defragged_total),
};

static const struct field rss_move_fields[] = {
	TIME(rss_move, t_seconds),
	TEXT(rss_move, member, WORD),
	FIELD(rss_move, from_bytes),
	FIELD(rss_move, to_bytes),
	TEXT(rss_move, command, COMMAND),
	FIELD(rss_move, key),
};

static const struct field child_fields[] = {
	FIELD(child, pid),
	TIME(child, t_start_seconds),
	TIME(child, t_end_seconds),
	TEXT(child, purpose, WORD),
	FIELD(child, rss_bytes),
	FIELD(child, private_bytes),
	FIELD(child, cow_faults),
	FIELD(child, fork_seconds),
	FIELD(child, exit_code),
	FIELD(child, exit_signal),
};

static const struct field slowlog_fields[] = {
	FIELD(slowlog, id),
	FIELD(slowlog, unix_seconds),
	FIELD(slowlog, seconds),
	TEXT(slowlog, command, COMMAND),
	FIELD(slowlog, key),
	TEXT(slowlog, client, ADDRESS),
	FIELD(slowlog, client_name),
	FIELD(slowlog, keys_total),
	FIELD(slowlog, key_2),
	FIELD(slowlog, key_3),
	FIELD(slowlog, key_4),
};

static const struct field large_fields[] = {
	FIELD(large, reply),
	FIELD(large, id),
	FIELD(large, unix_seconds),
	FIELD(large, bytes),
	TEXT(large, command, COMMAND),
	FIELD(large, key),
	TEXT(large, client, ADDRESS),
	FIELD(large, client_name),
};

static const struct field latency_fields[] = {
	TEXT(latency, event, EVENT),
	FIELD(latency, unix_seconds),
	FIELD(latency, latest_seconds),
	FIELD(latency, max_seconds),
};

static const struct field client_fields[] = {
	FIELD(client, id),
	TEXT(client, address, ADDRESS),
	FIELD(client, name),
	FIELD(client, user),
	TEXT(client, flags, WORD),
	TEXT(client, command, COMMAND),
	FIELD(client, age_seconds),
	FIELD(client, idle_seconds),
	FIELD(client, query_bytes),
	FIELD(client, output_bytes),
	FIELD(client, memory_bytes),
	FIELD(client, query_free_bytes),
	FIELD(client, argument_bytes),
	FIELD(client, queued_bytes),
	FIELD(client, reply_bytes),
	FIELD(client, queued_total),
	FIELD(client, subscriptions_total),
	FIELD(client, watched_total),
	FIELD(client, unsent_bytes),
};

static const struct field held_fields[] = {
	TIME(held, t_seconds),
	TEXT(held, name, WORD),
	FIELD(held, objects_total),
	FIELD(held, looked_total),
	FIELD(held, looked_bytes),
};

static const struct field key_fields[] = {
	FIELD(key, key),
	FIELD(key, name_bytes),
	FIELD(key, db),
	TEXT(key, type, TYPE),
	TEXT(key, encoding, WORD),
	FIELD(key, bytes),
	FIELD(key, elements),
	FIELD(key, ttl_seconds),
	FIELD(key, inferred),
	NAMED(key, source, key_source_names),
	FIELD(key, pass_seconds),
	FIELD(key, groups_total),
	FIELD(key, consumers_total),
	FIELD(key, pending_total),
	FIELD(key, dumped),
	FIELD(key, largest_bytes),
	FIELD(key, idle_seconds),
	FIELD(key, frequency),
	FIELD(key, slot),
	FIELD(key, dump_bytes),
	FIELD(key, saved_bytes),
	FIELD(key, older),
};

static const struct field life_fields[] = {
	TIME(life, t_seconds),
	TEXT(life, event, WORD),
	TEXT(life, detail, WORD),
	FIELD(life, seconds),
	FIELD(life, child_pid),
	FIELD(life, held_bytes),
};

static const struct field own_calls_fields[] = {
	TIME(own_calls, t_seconds),
	TEXT(own_calls, phase, WORD),
	TEXT(own_calls, command, COUNTER),
	COUNTER(own_calls, calls_total),
};

static const struct field self_fields[] = {
	FIELD(self, setup_cpu_seconds),
	COUNTER(self, cpu_seconds),
	COUNTER(self, window_seconds),
	FIELD(self, rss_bytes),
	COUNTER(self, bpf_seconds),
	COUNTER(self, other_bpf_seconds),
	FIELD(self, bpf_scaled),
	COUNTER(self, events_total),
	COUNTER(self, drops_total),
	TEXT(self, drops, WORD),
	COUNTER(self, keys_gone_total),
	COUNTER(self, target_pause_seconds),
	FIELD(self, smaps_seconds),
};

static const struct field call_fields[] = {
	TIME(call, t_seconds),
	NAMED(call, function, call_names),
	TEXT(call, thread, TASK),
	TEXT(call, command, COMMAND),
	TEXT(call, inner, COMMAND),
	FIELD(call, key),
	FIELD(call, requested_bytes),
	FIELD(call, class_bytes),
	FIELD(call, ns),
	FIELD(call, waited_ns),
	FIELD(call, probe_seconds),
	FIELD(call, probe_error_seconds),
	FIELD(call, faults),
	FIELD(call, calls),
};

static const struct field burst_fields[] = {
	TIME(burst, t_seconds),
	FIELD(burst, duration_seconds),
	FIELD(burst, calls_total),
	FIELD(burst, commands_total),
	FIELD(burst, probe_seconds),
	FIELD(burst, probe_error_seconds),
	FIELD(burst, attach_seconds),
};

static const struct field budget_fields[] = {
	TIME(budget, t_seconds),
	FIELD(budget, budget_ratio),
	FIELD(budget, spent_ratio),
	COUNTER(budget, bpf_seconds),
	COUNTER(budget, trap_seconds),
	COUNTER(budget, attach_seconds),
	FIELD(budget, trap_cost_seconds),
	FIELD(budget, flow_duty_ratio),
	COUNTER(budget, flow_seconds),
	FIELD(budget, fault_period),
	COUNTER(budget, bursts_total),
};

static const struct field mark_fields[] = {
	TIME(mark, t_seconds),
	TIME(mark, drained_seconds),
};

static const struct field pass_part_fields[] = {
	TEXT(pass_part, node, WORD),
	TEXT(pass_part, address, ADDRESS),
	TEXT(pass_part, role, WORD),
	FIELD(pass_part, db),
	FIELD(pass_part, dbsize),
};

static const struct field pass_reply_fields[] = {
	FIELD(pass_reply, ns),
	FIELD(pass_reply, replies_total),
};

static const struct field pass_fields[] = {
	TEXT(pass, end, WORD),
	TEXT(pass, cursor, WORD),
	FIELD(pass, no_touch),
	FIELD(pass, elements_asked),
	FIELD(pass, repeats_total),
	FIELD(pass, gone_total),
	FIELD(pass, before_total),
	FIELD(pass, after_total),
	FIELD(pass, expired_total),
	FIELD(pass, hidden_total),
	FIELD(pass, refused_total),
	TEXT(pass, refused, REFUSAL),
	FIELD(pass, inferred_total),
	FIELD(pass, commands_total),
	FIELD(pass, hits_total),
	FIELD(pass, misses_total),
	FIELD(pass, seconds),
	FIELD(pass, rested_seconds),
	FIELD(pass, own_rss_bytes),
	FIELD(pass, own_cpu_seconds),
	FIELD(pass, access_seconds),
	FIELD(pass, copy_byte_seconds),
};

static const struct field strings_fields[] = {
	TIME(strings, t_seconds),
	FIELD(strings, class_bytes),
	FIELD(strings, found_total),
	FIELD(strings, requested_bytes),
	FIELD(strings, looked_bytes),
	FIELD(strings, resident_bytes),
};

static const struct field purge_fields[] = {
	TIME(purge, t_seconds),
	FIELD(purge, reply_seconds),
	TEXT(purge, error, REFUSAL),
	FIELD(purge, rss_before_bytes),
	FIELD(purge, rss_after_bytes),
};

static const struct field one_key_fields[] = {
	TIME(one_key, t_seconds),
	FIELD(one_key, key),
	FIELD(one_key, db),
	TEXT(one_key, type, TYPE),
	TEXT(one_key, encoding, WORD),
	FIELD(one_key, bytes),
	FIELD(one_key, bytes_samples),
	TEXT(one_key, bytes_reason, WORD),
	FIELD(one_key, elements),
	FIELD(one_key, ttl_seconds),
	FIELD(one_key, idle_seconds),
	FIELD(one_key, frequency),
	FIELD(one_key, no_touch),
	FIELD(one_key, touched),
	TEXT(one_key, refused, REFUSAL),
	TEXT(one_key, elements_reason, WORD),
	TEXT(one_key, content, WORD),
	FIELD(one_key, compressed_ratio),
	FIELD(one_key, content_bytes),
	FIELD(one_key, score_min),
	FIELD(one_key, score_max),
	FIELD(one_key, groups_total),
	FIELD(one_key, nodes_total),
	FIELD(one_key, added_total),
	TEXT(one_key, first_id, WORD),
	TEXT(one_key, last_id, WORD),
	FIELD(one_key, commands_total),
	FIELD(one_key, reply_bytes),
	FIELD(one_key, seconds),
	FIELD(one_key, element_seconds),
	FIELD(one_key, access_seconds),
	FIELD(one_key, copy_byte_seconds),
};

static const struct field key_element_fields[] = {
	TEXT(key_element, place, WORD),
	FIELD(key_element, name_bytes),
	FIELD(key_element, bytes),
	FIELD(key_element, score),
};

static const struct field passed_fields[] = {
	TIME(passed, t_seconds),
	TEXT(passed, what, WORD),
	FIELD(passed, key),
	FIELD(passed, db),
	TEXT(passed, type, TYPE),
	FIELD(passed, elements),
	FIELD(passed, keys_total),
	FIELD(passed, no_ttl_total),
	FIELD(passed, bytes),
	TEXT(passed, end, WORD),
	FIELD(passed, seconds),
};

static const struct field key_group_fields[] = {
	FIELD(key_group, name),
	FIELD(key_group, consumers_total),
	FIELD(key_group, pending_total),
	FIELD(key_group, lag),
	FIELD(key_group, oldest_pending_seconds),
	FIELD(key_group, consumers_seen),
	FIELD(key_group, consumers_gone),
	FIELD(key_group, pending_of_gone),
};

static const struct record_schema schemas[RECORD_KINDS] = {
	[RECORD_SESSION] = SCHEMA(session, STATE),
	[RECORD_TARGET] = SCHEMA(target, STATE),
	[RECORD_SENSOR] = SCHEMA(sensor, STATE),
	[RECORD_HOST] = SCHEMA(host, STATE),
	[RECORD_CPU_LIMIT] = SCHEMA(cpu_limit, STATE),
	[RECORD_DISK] = SCHEMA(disk, STATE),
	[RECORD_WRITER] = SCHEMA(writer, WHOLE),
	[RECORD_CONFIG] = SCHEMA(config, STATE),
	[RECORD_TICK] = SCHEMA(tick, STATE),
	[RECORD_INFO] = SCHEMA(info, STATE),
	[RECORD_MEMORY_STATS] = SCHEMA(memory_stats, MOMENT),
	[RECORD_MALLOC_STATS] = SCHEMA(malloc_stats, MOMENT),
	[RECORD_MAPPING] = SCHEMA(mapping, MOMENT),
	[RECORD_STRINGS] = SCHEMA(strings, WHOLE),
	[RECORD_PROFILE] = SCHEMA(profile, EVENT),
	[RECORD_TOTALS] = SCHEMA(totals, STATE),
	[RECORD_STALL] = SCHEMA(stall, EVENT),
	[RECORD_RSS_MOVE] = SCHEMA(rss_move, EVENT),
	[RECORD_CHILD] = SCHEMA(child, STATE),
	[RECORD_SLOWLOG] = SCHEMA(slowlog, EVENT),
	[RECORD_LATENCY] = SCHEMA(latency, STATE),
	[RECORD_CLIENT] = SCHEMA(client, WHOLE),
	[RECORD_HELD] = SCHEMA(held, STATE),
	[RECORD_KEY] = SCHEMA(key, WHOLE),
	[RECORD_LIFE] = SCHEMA(life, EVENT),
	[RECORD_OWN_CALLS] = SCHEMA(own_calls, STATE),
	[RECORD_SELF] = SCHEMA(self, STATE),
	[RECORD_CALL] = SCHEMA(call, EVENT),
	[RECORD_BURST] = SCHEMA(burst, EVENT),
	[RECORD_BUDGET] = SCHEMA(budget, STATE),
	[RECORD_PURGE] = SCHEMA(purge, WHOLE),
	[RECORD_MARK] = SCHEMA(mark, EVENT),
	[RECORD_PASS_PART] = SCHEMA(pass_part, WHOLE),
	[RECORD_PASS_REPLY] = SCHEMA(pass_reply, WHOLE),
	[RECORD_PASS] = SCHEMA(pass, WHOLE),
	[RECORD_ONE_KEY] = SCHEMA(one_key, EVENT),
	[RECORD_KEY_ELEMENT] = SCHEMA(key_element, EVENT),
	[RECORD_KEY_GROUP] = SCHEMA(key_group, EVENT),
	[RECORD_PASSED] = SCHEMA(passed, EVENT),
	[RECORD_LARGE] = SCHEMA(large, EVENT),
};

/* clang-format on */

const struct record_schema *record_schema(enum record_kind kind)
{
	return (unsigned int)kind < RECORD_KINDS ? &schemas[kind] : NULL;
}
