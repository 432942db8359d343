/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts that several documents have: what was watched, how things stood, what happened when,
 * the findings. */
#include <math.h>

#include "diagnose/keys.h"
#include "report/json.h"

/* --- what was watched, and how things stood ---------------------------------- */

json_t *json_target(const struct model *m)
{
	const struct record_target *t = &m->target;
	json_t *o = json_object();

	put(o, "pid", value_int(t->pid));
	put(o, "server", value_text(t->server));
	put(o, "version", value_text(t->version));
	put(o, "allocator", value_text(t->allocator));
	put(o, "port", value_int(t->port));
	put(o, "socket", value_text(t->socket));
	put(o, "role", value_text(t->role));
	put(o, "executable", value_text(t->executable));
	put(o, "allocator_bundled", json_boolean(t->allocator_bundled));
	put(o, "can_defrag", json_boolean(t->can_defrag));
	put(o, "connected", json_boolean(t->connected));
	put(o, "connect_reason", value_text(t->connect_reason));
	return o;
}

json_t *json_window(const struct model *m)
{
	json_t *o = json_object();

	put(o, "start", value_time(m->session.wall_start_ns, 0));
	put(o, "duration_seconds", value_real(m->duration_seconds));
	put(o, "redmem_version", value_text(m->session.redmem_version));
	if (isfinite(m->start_seconds)) /* one of many: where it begins in the watch */
		put(o, "start_seconds", value_real(m->start_seconds));
	return o;
}

json_t *json_self(const struct model *m)
{
	/* Without the record every number is unknown, not 0. */
	static const struct record_self unknown = {
		.setup_cpu_seconds = NAN,
		.cpu_seconds = NAN,
		.window_seconds = NAN,
		.rss_bytes = RECORD_UNKNOWN,
		.bpf_seconds = NAN,
		.other_bpf_seconds = NAN,
		.events_total = RECORD_UNKNOWN,
		.drops_total = RECORD_UNKNOWN,
		.keys_gone_total = RECORD_UNKNOWN,
		.target_pause_seconds = NAN,
		.smaps_seconds = NAN,
	};
	const struct record_self *self = m->have_self ? &m->self : &unknown;
	json_t *o = json_object();

	put(o, "cpu_ratio", value_real(self->cpu_seconds / self->window_seconds));
	put(o, "rss_bytes", value_int(self->rss_bytes));
	put(o, "bpf_seconds", value_real(self->bpf_seconds));
	put(o, "other_bpf_seconds", value_real(self->other_bpf_seconds));
	if (self->bpf_scaled) /* of `redmem serve` */
		put(o, "bpf_scaled", json_true());
	put(o, "events_total", value_int(self->events_total));
	put(o, "drops_total", value_int(self->drops_total));
	put(o, "target_pause_seconds", value_real(self->target_pause_seconds));
	put(o, "cpu_seconds", value_real(self->cpu_seconds));
	put(o, "setup_cpu_seconds", value_real(self->setup_cpu_seconds));
	put(o, "smaps_seconds", value_real(self->smaps_seconds));
	put(o, "drops", value_text(self->drops));
	put(o, "malloc_stats_seconds", value_real(m->malloc_stats_seconds));
	/* looks that met a key while it was made or freed: nothing is lost by that */
	put(o, "keys_gone_total", value_int(self->keys_gone_total));
	return o;
}

json_t *json_sensors(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->sensors_count; i++) {
		const struct record_sensor *sensor = &m->sensors[i].sensor;
		json_t *o = json_object();

		put(o, "id", value_text(sensor->id));
		put(o, "state", json_string(sensor->on ? "on" : "off"));
		put(o, "reason", value_text(sensor->reason));
		put(o, "fix", value_text(sensor->fix));
		put_last(rows, o);
	}
	return rows;
}

json_t *json_ledger(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->ledger.count; i++) {
		const struct ledger_line *line = &m->ledger.lines[i];
		json_t *o = json_object(), *reclaim = json_array();

		for (size_t n = 0; n < line->reclaim_count; n++) {
			json_t *way = json_object();

			put(way, "action", value_text(line->reclaim[n].action));
			put(way, "bytes", value_int(line->reclaim[n].bytes));
			put_last(reclaim, way);
		}
		put(o, "id", value_text(line->id));
		put(o, "parent", value_text(line->parent));
		put(o, "bytes", value_int(line->bytes));
		put(o, "basis", value_text(basis_name(line->basis)));
		put(o, "reclaim", reclaim);
		put(o, "title", value_text(line->title));
		put_last(rows, o);
	}
	return rows;
}

/* What is in no key: null where the server does not tell. */
json_t *json_inside(const struct model *m)
{
	json_t *rows = json_array();

	for (int i = 0; i < INSIDE_KINDS; i++) {
		const struct inside_row *row = &m->inside[i];
		json_t *o = json_object();

		put(o, "id", json_string(inside_name((enum inside)i)));
		put(o, "objects_total", value_int(row->objects_total));
		put(o, "bytes", value_int(row->bytes));
		put(o, "basis", value_text(basis_name(row->basis)));
		put_last(rows, o);
	}
	return rows;
}

json_t *json_keys_check(const struct model *m)
{
	const struct keys_check *check = &m->keys_check;
	json_t *o = json_object();

	put(o, "keys_total", value_int(check->keys_total));
	put(o, "looked_total", value_int(check->looked_total));
	put(o, "bytes", value_int(check->bytes));
	put(o, "error_bytes", value_int(check->error_bytes));
	put(o, "difference_bytes", value_int(check->difference_bytes));
	put(o, "basis", value_text(basis_name(check->basis)));
	return o;
}

/* Mean distance of the ticks, to the millisecond: they are not all exactly on time. */
static json_t *timeline_interval(const struct model *m)
{
	double span;

	if (m->timeline_count < 2)
		return json_null();
	span = m->timeline[m->timeline_count - 1].host.t_seconds - m->timeline[0].host.t_seconds;
	return value_number(round(span / (double)(m->timeline_count - 1) * 1000) / 1000);
}

static json_t *timeline_row(const struct timeline_row *row)
{
	const struct record_tick *host = &row->host;
	json_t *a = json_array();

	put_last(a, value_real(host->t_seconds));
	put_last(a, value_int(row->used_memory_bytes));
	put_last(a, value_int(host->rss_bytes));
	put_last(a, value_int(host->swap_bytes));
	put_last(a, value_int(host->minor_faults_total));
	put_last(a, value_int(host->major_faults_total));
	put_last(a, value_int(row->commands_total));
	put_last(a, value_int(row->evicted_keys_total));
	put_last(a, value_int(row->expired_keys_total));
	put_last(a, value_int(row->connected_clients));
	put_last(a, value_real(host->cpu_seconds));
	put_last(a, value_real(host->reply_seconds));
	return a;
}

json_t *json_timeline(const struct model *m)
{
	/* Counters run since the start of the server; the order is that of timeline_row(). */
	static const char *const columns[] = {
		"t_seconds",	     "used_memory_bytes",  "rss_bytes",
		"swap_bytes",	     "minor_faults_total", "major_faults_total",
		"commands_total",    "evicted_keys_total", "expired_keys_total",
		"connected_clients", "cpu_seconds_total",  "reply_seconds",
	};
	json_t *o = json_object(), *names = json_array(), *rows = json_array();

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		put_last(names, json_string(columns[i]));
	for (size_t i = 0; i < m->timeline_count; i++)
		put_last(rows, timeline_row(&m->timeline[i]));
	put(o, "interval_seconds", timeline_interval(m));
	put(o, "columns", names);
	put(o, "rows", rows);
	return o;
}

/* The state of the end, and beside it what was different at the start. */
/* The cgroup whose limit is met first; null when none is seen. */
static json_t *json_cgroup_near(const struct record_host *h)
{
	json_t *o;

	if (h->cgroup_near_limit_bytes == RECORD_UNKNOWN)
		return json_null();
	o = json_object();
	put(o, "path", value_text(h->cgroup_near_path));
	put(o, "own", json_boolean(h->cgroup_near_own));
	put(o, "limit_bytes", value_int(h->cgroup_near_limit_bytes));
	put(o, "usage_bytes", value_int(h->cgroup_near_usage_bytes));
	put(o, "anon_bytes", value_int(h->cgroup_near_anon_bytes));
	put(o, "shmem_bytes", value_int(h->cgroup_near_shmem_bytes));
	put(o, "kernel_bytes", value_int(h->cgroup_near_kernel_bytes));
	put(o, "sock_bytes", value_int(h->cgroup_near_sock_bytes));
	put(o, "limit_hits_total", value_int(h->cgroup_near_hits_total));
	return o;
}

json_t *json_host(const struct model *m)
{
	const struct record_host *h = &m->host_end;
	json_t *o = json_object();

	put(o, "kernel", *m->session.kernel ? value_text(m->session.kernel) : json_null());
	put(o, "machine", *m->session.machine ? value_text(m->session.machine) : json_null());
	if (!m->have_host)
		return o;
	put(o, "cpus_total", value_int(h->cpus_total));
	put(o, "page_size_bytes", value_int(h->page_size_bytes));
	put(o, "mem_total_bytes", value_int(h->mem_total_bytes));
	put(o, "mem_available_bytes", value_int(h->mem_available_bytes));
	put(o, "mem_available_start_bytes", value_int(m->host_start.mem_available_bytes));
	put(o, "swap_total_bytes", value_int(h->swap_total_bytes));
	put(o, "swap_free_bytes", value_int(h->swap_free_bytes));
	put(o, "swap_free_start_bytes", value_int(m->host_start.swap_free_bytes));
	put(o, "overcommit_memory", value_int(h->overcommit_memory));
	put(o, "swappiness", value_int(h->swappiness));
	put(o, "thp_enabled", value_text(h->thp_enabled));
	put(o, "thp_disabled_for_target", json_boolean(h->thp_disabled_for_target));
	put(o, "max_map_count", value_int(h->max_map_count));
	put(o, "maps_total", value_int(h->maps_total));
	put(o, "cgroup_version", value_int(h->cgroup_version));
	put(o, "cgroup_limit_bytes", value_int(h->cgroup_limit_bytes));
	put(o, "cgroup_usage_bytes", value_int(h->cgroup_usage_bytes));
	put(o, "cgroup_high_bytes", value_int(h->cgroup_high_bytes));
	put(o, "cgroup_high_usage_bytes", value_int(h->cgroup_high_usage_bytes));
	put(o, "cgroup_high_events_total", value_int(h->cgroup_high_events_total));
	put(o, "cgroup_swap_bytes", value_int(h->cgroup_swap_bytes));
	put(o, "cgroup_high_kept_bytes", value_int(h->cgroup_high_kept_bytes));
	put(o, "cgroup_near", json_cgroup_near(h));
	put(o, "cgroup_own_kept_bytes", value_int(h->cgroup_own_kept_bytes));
	put(o, "cgroup_oom_kills_total", value_int(h->cgroup_oom_kills_total));
	put(o, "commit_limit_bytes", value_int(h->commit_limit_bytes));
	put(o, "committed_bytes", value_int(h->committed_bytes));
	return o;
}

json_t *json_mappings(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->mappings_count; i++) {
		const struct record_mapping *mapping = &m->mappings[i].mapping;
		json_t *o = json_object();

		put(o, "phase", value_text(mapping->phase));
		put(o, "t_seconds", value_real(mapping->t_seconds));
		put(o, "pid", value_int(mapping->pid));
		put(o, "class", value_text(mapping->class_name));
		put(o, "mappings_total", value_int(mapping->mappings_total));
		put(o, "size_bytes", value_int(mapping->size_bytes));
		put(o, "rss_bytes", value_int(mapping->rss_bytes));
		put(o, "pss_bytes", value_int(mapping->pss_bytes));
		put(o, "private_dirty_bytes", value_int(mapping->private_dirty_bytes));
		put(o, "anon_huge_bytes", value_int(mapping->anon_huge_bytes));
		put(o, "lazy_free_bytes", value_int(mapping->lazy_free_bytes));
		put(o, "swap_bytes", value_int(mapping->swap_bytes));
		put(o, "read_seconds", value_real(mapping->read_seconds));
		put_last(rows, o);
	}
	return rows;
}

json_t *json_totals(const struct model *m)
{
	const struct record_totals *t = &m->totals;
	json_t *o;

	if (!m->have_totals)
		return json_null();
	o = json_object();
	put(o, "window_seconds", value_real(t->window_seconds));
	put(o, "minor_faults_total", value_int(t->minor_faults));
	put(o, "major_faults_total", value_int(t->major_faults));
	put(o, "cow_faults_total", value_int(t->cow_faults));
	put(o, "context_switches_total", value_int(t->context_switches));
	put(o, "cpu_samples_total", value_int(t->cpu_samples));
	put(o, "minor_fault_period", value_int(t->minor_fault_period));
	put(o, "major_fault_period", value_int(t->major_fault_period));
	put(o, "huge_collapses_total", value_int(t->huge_collapses));
	put(o, "reclaim_entries_total", value_int(t->reclaim_entries));
	return o;
}

/* --- what happened when ------------------------------------------------------ */

json_t *json_children(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->children_count; i++) {
		const struct record_child *child = &m->children[i].child;
		json_t *o = json_object();

		put(o, "pid", value_int(child->pid));
		put(o, "purpose", value_text(child->purpose));
		put(o, "t_start_seconds", value_real(child->t_start_seconds));
		put(o, "t_end_seconds", value_real(child->t_end_seconds));
		put(o, "rss_bytes", value_int(child->rss_bytes));
		put(o, "private_bytes", value_int(child->private_bytes));
		put(o, "cow_faults_total", value_int(child->cow_faults));
		put(o, "fork_seconds", value_real(child->fork_seconds));
		put(o, "exit_code", value_int(child->exit_code));
		put(o, "exit_signal", value_int(child->exit_signal));
		put(o, "done_ratio", value_real(m->children[i].done_ratio));
		put(o, "projected_bytes", value_int(m->children[i].projected_bytes));
		put_last(rows, o);
	}
	return rows;
}

/* A key without expiry has ttl_seconds -1, as TTL answers. */
json_t *json_key(const struct record_key *key)
{
	json_t *o = json_object();

	put(o, "db", value_int(key->db));
	if (key->key.len)
		put_bytes(o, "key", key->key);
	else
		put(o, "key", json_string(""));
	put(o, "type", value_text(key->type));
	put(o, "encoding", key->encoding[0] ? value_text(key->encoding) : json_null());
	put(o, "bytes", value_int(key->bytes));
	put(o, "elements_total", value_int(key->elements));
	put(o, "ttl_seconds", value_number(key->ttl_seconds));
	return o;
}

json_t *json_keys(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->keys_count; i++)
		put_last(rows, json_key(&m->keys[i].key));
	return rows;
}

json_t *json_key_costs(const struct key_speed *speed, const struct record_key *key)
{
	struct key_cost costs[KEY_COSTS_MAX];
	size_t count = key_costs(speed, key, costs);
	json_t *rows = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *row = json_object();

		put(row, "command", json_string(costs[i].command));
		put(row, "seconds", value_real(costs[i].seconds));
		put(row, "basis", value_text(basis_name(BASIS_DERIVED)));
		put_last(rows, row);
	}
	return rows;
}

json_t *json_hot_keys(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->hot_keys_count; i++) {
		const struct hot_key_row *row = &m->hot_keys[i];
		json_t *o = json_object();

		put_bytes(o, "key", row->key);
		put(o, "key_truncated", json_boolean(row->truncated));
		put(o, "db", value_int(row->db));
		put(o, "command", value_text(row->command));
		put(o, "cpu_seconds", value_real(row->cpu_seconds));
		put(o, "cpu_ratio", value_real(row->cpu_seconds / m->duration_seconds));
		put(o, "cpu_samples_total", value_int(row->samples));
		put_last(rows, o);
	}
	return rows;
}

json_t *json_concentration(const struct model *m)
{
	struct concentration c;
	json_t *o;

	if (!concentration_of(m, &c))
		return json_null();
	o = json_object();
	put(o, "keys_total", value_int(c.keys_total));
	put(o, "top_1_percent_ratio", value_real(c.top_1_percent));
	put(o, "top_20_percent_ratio", value_real(c.top_20_percent));
	put(o, "basis", value_text(basis_name(c.basis)));
	return o;
}

json_t *json_life(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->life_count; i++) {
		const struct record_life *life = &m->life[i].life;
		json_t *o = json_object();

		put(o, "t_seconds", value_real(life->t_seconds));
		put(o, "event", value_text(life->event));
		put(o, "detail", value_text(life->detail));
		put(o, "duration_seconds", value_real(life->seconds));
		put(o, "child_pid",
		    value_int(life->child_pid > 0 ? life->child_pid : RECORD_UNKNOWN));
		put(o, "held_bytes",
		    value_int(life->held_bytes > 0 ? life->held_bytes : RECORD_UNKNOWN));
		put_last(rows, o);
	}
	return rows;
}

/* Seconds since 1970 as RFC 3339; null when unknown. */
static json_t *unix_time(int64_t seconds)
{
	if (seconds <= 0 || seconds > INT64_MAX / 1000000000)
		return json_null();
	return value_time(seconds * 1000000000, 0);
}

json_t *json_slowlog(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->slowlog_count; i++) {
		const struct record_slowlog *entry = &m->slowlog[i].entry;
		json_t *o = json_object();

		put(o, "id", value_int(entry->id));
		put(o, "time", unix_time(entry->unix_seconds));
		put(o, "duration_seconds", value_real(entry->seconds));
		put(o, "command", value_text(entry->command));
		put_bytes(o, "key", entry->key);
		put_bytes(o, "client", entry->client);
		put_bytes(o, "client_name", entry->client_name);
		put_last(rows, o);
	}
	return rows;
}

json_t *json_latency(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->latency_count; i++) {
		const struct record_latency *event = &m->latency[i].event;
		json_t *o = json_object();

		put(o, "event", value_text(event->event));
		put(o, "time", unix_time(event->unix_seconds));
		put(o, "latest_seconds", value_real(event->latest_seconds));
		put(o, "max_seconds", value_real(event->max_seconds));
		put_last(rows, o);
	}
	return rows;
}

json_t *json_rss_moves(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->rss_moves_count; i++) {
		const struct record_rss_move *move = &m->rss_moves[i].move;
		json_t *o = json_object();

		put(o, "t_seconds", value_real(move->t_seconds));
		put(o, "member", value_text(move->member));
		put(o, "from_bytes", value_int(move->from_bytes));
		put(o, "to_bytes", value_int(move->to_bytes));
		put(o, "command", value_text(move->command));
		put_bytes(o, "key", move->key);
		put_last(rows, o);
	}
	return rows;
}

/* --- findings --- */

static json_t *json_evidence(const struct evidence *e)
{
	json_t *row = json_object();

	put(row, "name", value_text(e->name));
	put(row, "value", e->text ? json_null() : value_number(e->value));
	if (e->text)
		put(row, "text", value_text(e->text));
	put(row, "unit", value_text(e->unit));
	put(row, "basis", value_text(basis_name(e->basis)));
	return row;
}

static json_t *json_action(const struct action *action)
{
	json_t *row = json_object();

	put(row, "text", value_text(action->text));
	put(row, "command", value_text(action->command));
	put(row, "expected_gain_bytes", value_int(action->expected_gain_bytes));
	return row;
}

json_t *json_findings(const struct findings *f)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < f->count; i++) {
		const struct finding *finding = &f->items[i];
		json_t *row = json_object(), *evidence = json_array(), *actions = json_array();

		for (size_t n = 0; n < finding->evidence_count; n++)
			put_last(evidence, json_evidence(&finding->evidence[n]));
		for (size_t n = 0; n < finding->actions_count; n++)
			put_last(actions, json_action(&finding->actions[n]));
		put(row, "id", value_text(finding->id));
		put(row, "severity", value_text(severity_name(finding->severity)));
		put(row, "title", value_text(finding->title));
		put(row, "evidence", evidence);
		put(row, "cause", value_text(finding->cause));
		put(row, "action", actions);
		put(row, "weak", json_boolean(finding->weak));
		put_last(rows, row);
	}
	return rows;
}
