/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts that several documents have: what was watched, how things stood, what happened when,
 * the findings. */
#include <math.h>

#include "diagnose/keys.h"
#include "report/json.h"
#include "report/schema.h"

/* --- what was watched, and how things stood ---------------------------------- */

#define TARGET(M, MAYBE)                                                              \
	M("pid", integer, t->pid)                                                     \
	M("server", text, t->server)                                                  \
	M("version", text, t->version)                                                \
	M("allocator", text, t->allocator)                                            \
	M("port", integer, t->port)                                                   \
	M("socket", text, t->socket)                                                  \
	M("role", text, t->role)                                                      \
	M("executable", text, t->executable)                                          \
	M("allocator_bundled", boolean, t->allocator_bundled)                         \
	M("can_defrag", boolean, t->can_defrag)                                       \
	M("connected", boolean, t->connected)                                         \
	M("connect_reason", text, t->connect_reason)                                  \
	MAYBE(is_there(t->container), "container", text, t->container)                \
	MAYBE(is_there(t->container_name), "container_name", text, t->container_name) \
	MAYBE(is_there(t->pod), "pod", text, t->pod)
SCHEMA(target, TARGET);

static bool is_there(const char *name)
{
	return name && *name;
}

json_t *json_target(const struct model *m)
{
	const struct record_target *t = &m->target;
	json_t *o = json_object();

	PUT_MEMBERS(TARGET);
	return o;
}

#define WINDOW(M, MAYBE)                                     \
	M("start", time, m->session.wall_start_ns, 0)        \
	M("duration_seconds", real, m->duration_seconds)     \
	M("redmem_version", text, m->session.redmem_version) \
	MAYBE(isfinite(m->start_seconds), "start_seconds", real, m->start_seconds)
SCHEMA(window, WINDOW);

json_t *json_window(const struct model *m)
{
	json_t *o = json_object();

	PUT_MEMBERS(WINDOW);
	return o;
}

#define SELF(M, MAYBE)                                                               \
	M("cpu_ratio", real, self->cpu_seconds / self->window_seconds)               \
	M("rss_bytes", integer, self->rss_bytes)                                     \
	M("bpf_seconds", real, self->bpf_seconds)                                    \
	M("other_bpf_seconds", real, self->other_bpf_seconds)                        \
	MAYBE(self->bpf_scaled, "bpf_scaled", boolean, true) /* of `redmem serve` */ \
	M("events_total", integer, self->events_total)                               \
	M("drops_total", integer, self->drops_total)                                 \
	M("target_pause_seconds", real, self->target_pause_seconds)                  \
	M("cpu_seconds", real, self->cpu_seconds)                                    \
	M("setup_cpu_seconds", real, self->setup_cpu_seconds)                        \
	M("smaps_seconds", real, self->smaps_seconds)                                \
	M("drops", text, self->drops)                                                \
	M("malloc_stats_seconds", real, m->malloc_stats_seconds)                     \
	M("keys_gone_total", integer, self->keys_gone_total)
SCHEMA(self, SELF);

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

	PUT_MEMBERS(SELF);
	return o;
}

#define SENSOR(M, MAYBE)                            \
	M("id", text, sensor->id)                   \
	M("state", word, sensor->on ? "on" : "off") \
	M("reason", text, sensor->reason)           \
	M("fix", text, sensor->fix)
SCHEMA(sensor, SENSOR);

json_t *json_sensors(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->sensors_count; i++) {
		const struct record_sensor *sensor = &m->sensors[i].sensor;
		json_t *o = json_object();

		PUT_MEMBERS(SENSOR);
		put_last(rows, o);
	}
	return rows;
}

#define RECLAIM(M, MAYBE)                          \
	M("action", text, line->reclaim[n].action) \
	M("bytes", integer, line->reclaim[n].bytes)
static SCHEMA(reclaim, RECLAIM);

static json_t *json_reclaim(const struct ledger_line *line)
{
	json_t *rows = json_array();

	for (size_t n = 0; n < line->reclaim_count; n++) {
		json_t *o = json_object();

		PUT_MEMBERS(RECLAIM);
		put_last(rows, o);
	}
	return rows;
}

#define LEDGER_LINE(M, MAYBE)                           \
	M("id", text, line->id)                         \
	M("parent", text, line->parent)                 \
	M("bytes", integer, line->bytes)                \
	M("basis", text, basis_name(line->basis))       \
	M("reclaim", list(reclaim), json_reclaim(line)) \
	M("title", text, line->title)
SCHEMA(ledger_line, LEDGER_LINE);

json_t *json_ledger(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->ledger.count; i++) {
		const struct ledger_line *line = &m->ledger.lines[i];
		json_t *o = json_object();

		PUT_MEMBERS(LEDGER_LINE);
		put_last(rows, o);
	}
	return rows;
}

#define INSIDE(M, MAYBE)                                \
	M("id", word, inside_name((enum inside)i))      \
	M("objects_total", integer, row->objects_total) \
	M("bytes", integer, row->bytes)                 \
	M("basis", text, basis_name(row->basis))
SCHEMA(inside, INSIDE);

/* What is in no key: null where the server does not tell. */
json_t *json_inside(const struct model *m)
{
	json_t *rows = json_array();

	for (int i = 0; i < INSIDE_KINDS; i++) {
		const struct inside_row *row = &m->inside[i];
		json_t *o = json_object();

		PUT_MEMBERS(INSIDE);
		put_last(rows, o);
	}
	return rows;
}

#define KEYS_CHECK(M, MAYBE)                                    \
	M("keys_total", integer, check->keys_total)             \
	M("looked_total", integer, check->looked_total)         \
	M("bytes", integer, check->bytes)                       \
	M("error_bytes", integer, check->error_bytes)           \
	M("difference_bytes", integer, check->difference_bytes) \
	M("basis", text, basis_name(check->basis))
SCHEMA(keys_check, KEYS_CHECK);

json_t *json_keys_check(const struct model *m)
{
	const struct keys_check *check = &m->keys_check;
	json_t *o = json_object();

	PUT_MEMBERS(KEYS_CHECK);
	return o;
}

/* Mean distance of the ticks, to the millisecond: they are not all exactly on time. */
static double timeline_interval(const struct model *m)
{
	double span;

	if (m->timeline_count < 2)
		return NAN;
	span = m->timeline[m->timeline_count - 1].host.t_seconds - m->timeline[0].host.t_seconds;
	return round(span / (double)(m->timeline_count - 1) * 1000) / 1000;
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

#define TIMELINE(M, MAYBE)                                  \
	M("interval_seconds", number, timeline_interval(m)) \
	M("columns", words, names)                          \
	M("rows", table, rows)
SCHEMA(timeline, TIMELINE);

json_t *json_timeline(const struct model *m)
{
	/* Counters run since the start of the server; the order is that of timeline_row(). */
	static const char *const columns[] = {
		"t_seconds",	     "used_memory_bytes",  "rss_bytes",
		"swap_bytes",	     "minor_faults_total", "major_faults_total",
		"commands_total",    "evicted_keys_total", "expired_keys_total",
		"connected_clients", "cpu_seconds_total",  "reply_seconds",
	};
	json_t *names = json_array(), *rows = json_array(), *o = json_object();

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		put_last(names, json_string(columns[i]));
	for (size_t i = 0; i < m->timeline_count; i++)
		put_last(rows, timeline_row(&m->timeline[i]));
	PUT_MEMBERS(TIMELINE);
	return o;
}

#define CGROUP_NEAR(M, MAYBE)                                   \
	M("path", text, h->cgroup_near_path)                    \
	M("own", boolean, h->cgroup_near_own)                   \
	M("limit_bytes", integer, h->cgroup_near_limit_bytes)   \
	M("usage_bytes", integer, h->cgroup_near_usage_bytes)   \
	M("anon_bytes", integer, h->cgroup_near_anon_bytes)     \
	M("shmem_bytes", integer, h->cgroup_near_shmem_bytes)   \
	M("kernel_bytes", integer, h->cgroup_near_kernel_bytes) \
	M("sock_bytes", integer, h->cgroup_near_sock_bytes)     \
	M("limit_hits_total", integer, h->cgroup_near_hits_total)
static SCHEMA(cgroup_near, CGROUP_NEAR);

/* The cgroup whose limit is met first; null when none is seen. */
static json_t *json_cgroup_near(const struct record_host *h)
{
	json_t *o;

	if (h->cgroup_near_limit_bytes == RECORD_UNKNOWN)
		return json_null();
	o = json_object();
	PUT_MEMBERS(CGROUP_NEAR);
	return o;
}

#define HOST_STATE(M, MAYBE)                                                       \
	M("cpus_total", integer, h->cpus_total)                                    \
	M("page_size_bytes", integer, h->page_size_bytes)                          \
	M("mem_total_bytes", integer, h->mem_total_bytes)                          \
	M("mem_available_bytes", integer, h->mem_available_bytes)                  \
	M("mem_available_start_bytes", integer, m->host_start.mem_available_bytes) \
	M("swap_total_bytes", integer, h->swap_total_bytes)                        \
	M("swap_free_bytes", integer, h->swap_free_bytes)                          \
	M("swap_free_start_bytes", integer, m->host_start.swap_free_bytes)         \
	M("overcommit_memory", integer, h->overcommit_memory)                      \
	M("swappiness", integer, h->swappiness)                                    \
	M("thp_enabled", text, h->thp_enabled)                                     \
	M("thp_disabled_for_target", boolean, h->thp_disabled_for_target)          \
	M("max_map_count", integer, h->max_map_count)                              \
	M("maps_total", integer, h->maps_total)                                    \
	M("cgroup_version", integer, h->cgroup_version)                            \
	M("cgroup_limit_bytes", integer, h->cgroup_limit_bytes)                    \
	M("cgroup_usage_bytes", integer, h->cgroup_usage_bytes)                    \
	M("cgroup_high_bytes", integer, h->cgroup_high_bytes)                      \
	M("cgroup_high_usage_bytes", integer, h->cgroup_high_usage_bytes)          \
	M("cgroup_high_events_total", integer, h->cgroup_high_events_total)        \
	M("cgroup_swap_bytes", integer, h->cgroup_swap_bytes)                      \
	M("cgroup_high_kept_bytes", integer, h->cgroup_high_kept_bytes)            \
	M("cgroup_near", object_or_null(cgroup_near), json_cgroup_near(h))         \
	M("cgroup_own_kept_bytes", integer, h->cgroup_own_kept_bytes)              \
	M("cgroup_oom_kills_total", integer, h->cgroup_oom_kills_total)            \
	M("commit_limit_bytes", integer, h->commit_limit_bytes)                    \
	M("committed_bytes", integer, h->committed_bytes)
static SCHEMA(host_state, HOST_STATE);

#define HOST(M, MAYBE)                              \
	M("kernel", some_text, m->session.kernel)   \
	M("machine", some_text, m->session.machine) \
	MAYBE(true, NULL, all_of(host_state), o)
SCHEMA(host, HOST);

/* The state of the end, and beside it what was different at the start. */
json_t *json_host(const struct model *m)
{
	const struct record_host *h = &m->host_end;
	json_t *o = json_object();

	PUT_MEMBERS(HOST);
	if (!m->have_host)
		return o;
	PUT_MEMBERS(HOST_STATE);
	return o;
}

#define MAPPING(M, MAYBE)                                               \
	M("phase", text, mapping->phase)                                \
	M("t_seconds", real, mapping->t_seconds)                        \
	M("pid", integer, mapping->pid)                                 \
	M("class", text, mapping->class_name)                           \
	M("mappings_total", integer, mapping->mappings_total)           \
	M("size_bytes", integer, mapping->size_bytes)                   \
	M("rss_bytes", integer, mapping->rss_bytes)                     \
	M("pss_bytes", integer, mapping->pss_bytes)                     \
	M("private_dirty_bytes", integer, mapping->private_dirty_bytes) \
	M("anon_huge_bytes", integer, mapping->anon_huge_bytes)         \
	M("lazy_free_bytes", integer, mapping->lazy_free_bytes)         \
	M("swap_bytes", integer, mapping->swap_bytes)                   \
	M("read_seconds", real, mapping->read_seconds)
SCHEMA(mapping, MAPPING);

json_t *json_mappings(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->mappings_count; i++) {
		const struct record_mapping *mapping = &m->mappings[i].mapping;
		json_t *o = json_object();

		PUT_MEMBERS(MAPPING);
		put_last(rows, o);
	}
	return rows;
}

#define TOTALS(M, MAYBE)                                          \
	M("window_seconds", real, t->window_seconds)              \
	M("minor_faults_total", integer, t->minor_faults)         \
	M("major_faults_total", integer, t->major_faults)         \
	M("cow_faults_total", integer, t->cow_faults)             \
	M("context_switches_total", integer, t->context_switches) \
	M("cpu_samples_total", integer, t->cpu_samples)           \
	M("minor_fault_period", integer, t->minor_fault_period)   \
	M("major_fault_period", integer, t->major_fault_period)   \
	M("huge_collapses_total", integer, t->huge_collapses)     \
	M("reclaim_entries_total", integer, t->reclaim_entries)
SCHEMA(totals, TOTALS);

json_t *json_totals(const struct model *m)
{
	const struct record_totals *t = &m->totals;
	json_t *o;

	if (!m->have_totals)
		return json_null();
	o = json_object();
	PUT_MEMBERS(TOTALS);
	return o;
}

/* --- what happened when ------------------------------------------------------ */

#define CHILD(M, MAYBE)                                    \
	M("pid", integer, child->pid)                      \
	M("purpose", text, child->purpose)                 \
	M("t_start_seconds", real, child->t_start_seconds) \
	M("t_end_seconds", real, child->t_end_seconds)     \
	M("rss_bytes", integer, child->rss_bytes)          \
	M("private_bytes", integer, child->private_bytes)  \
	M("cow_faults_total", integer, child->cow_faults)  \
	M("fork_seconds", real, child->fork_seconds)       \
	M("exit_code", integer, child->exit_code)          \
	M("exit_signal", integer, child->exit_signal)      \
	M("done_ratio", real, m->children[i].done_ratio)   \
	M("projected_bytes", integer, m->children[i].projected_bytes)
SCHEMA(child, CHILD);

json_t *json_children(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->children_count; i++) {
		const struct record_child *child = &m->children[i].child;
		json_t *o = json_object();

		PUT_MEMBERS(CHILD);
		put_last(rows, o);
	}
	return rows;
}

#define KEY(M, MAYBE)                               \
	M("db", integer, key->db)                   \
	M("key", name, key->key)                    \
	M("type", text, key->type)                  \
	M("encoding", some_text, key->encoding)     \
	M("bytes", integer, key->bytes)             \
	M("elements_total", integer, key->elements) \
	M("ttl_seconds", number, key->ttl_seconds)
SCHEMA(key, KEY);

/* A key without expiry has ttl_seconds -1, as TTL answers. */
json_t *json_key(const struct record_key *key)
{
	json_t *o = json_object();

	PUT_MEMBERS(KEY);
	return o;
}

json_t *json_keys(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->keys_count; i++)
		put_last(rows, json_key(&m->keys[i].key));
	return rows;
}

#define KEY_COST(M, MAYBE)                   \
	M("command", word, costs[i].command) \
	M("seconds", real, costs[i].seconds) \
	M("basis", text, basis_name(BASIS_DERIVED))
SCHEMA(key_cost, KEY_COST);

json_t *json_key_costs(const struct key_speed *speed, const struct record_key *key)
{
	struct key_cost costs[KEY_COSTS_MAX];
	size_t count = key_costs(speed, key, costs);
	json_t *rows = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *o = json_object();

		PUT_MEMBERS(KEY_COST);
		put_last(rows, o);
	}
	return rows;
}

#define HOT_KEY(M, MAYBE)                                            \
	M("key", bytes, row->key)                                    \
	M("key_truncated", boolean, row->truncated)                  \
	M("db", integer, row->db)                                    \
	M("command", text, row->command)                             \
	M("cpu_seconds", real, row->cpu_seconds)                     \
	M("cpu_ratio", real, row->cpu_seconds / m->duration_seconds) \
	M("cpu_samples_total", integer, row->samples)
SCHEMA(hot_key, HOT_KEY);

json_t *json_hot_keys(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->hot_keys_count; i++) {
		const struct hot_key_row *row = &m->hot_keys[i];
		json_t *o = json_object();

		PUT_MEMBERS(HOT_KEY);
		put_last(rows, o);
	}
	return rows;
}

#define CONCENTRATION(M, MAYBE)                           \
	M("keys_total", integer, c.keys_total)            \
	M("top_1_percent_ratio", real, c.top_1_percent)   \
	M("top_20_percent_ratio", real, c.top_20_percent) \
	M("basis", text, basis_name(c.basis))
SCHEMA(concentration, CONCENTRATION);

json_t *json_concentration(const struct model *m)
{
	struct concentration c;
	json_t *o;

	if (!concentration_of(m, &c))
		return json_null();
	o = json_object();
	PUT_MEMBERS(CONCENTRATION);
	return o;
}

#define LIFE(M, MAYBE)                                                                  \
	M("t_seconds", real, life->t_seconds)                                           \
	M("event", text, life->event)                                                   \
	M("detail", text, life->detail)                                                 \
	M("duration_seconds", real, life->seconds)                                      \
	M("child_pid", integer, life->child_pid > 0 ? life->child_pid : RECORD_UNKNOWN) \
	M("held_bytes", integer, life->held_bytes > 0 ? life->held_bytes : RECORD_UNKNOWN)
SCHEMA(life, LIFE);

json_t *json_life(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->life_count; i++) {
		const struct record_life *life = &m->life[i].life;
		json_t *o = json_object();

		PUT_MEMBERS(LIFE);
		put_last(rows, o);
	}
	return rows;
}

/* Nanoseconds of that time since 1970; 0 when unknown. */
static int64_t unix_ns(int64_t seconds)
{
	return seconds <= 0 || seconds > INT64_MAX / 1000000000 ? 0 : seconds * 1000000000;
}

#define SLOWLOG(M, MAYBE)                                \
	M("id", integer, entry->id)                      \
	M("time", time, unix_ns(entry->unix_seconds), 0) \
	M("duration_seconds", real, entry->seconds)      \
	M("command", text, entry->command)               \
	M("key", bytes, entry->key)                      \
	M("client", bytes, entry->client)                \
	M("client_name", bytes, entry->client_name)
SCHEMA(slowlog, SLOWLOG);

json_t *json_slowlog(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->slowlog_count; i++) {
		const struct record_slowlog *entry = &m->slowlog[i].entry;
		json_t *o = json_object();

		PUT_MEMBERS(SLOWLOG);
		put_last(rows, o);
	}
	return rows;
}

#define LATENCY(M, MAYBE)                                \
	M("event", text, event->event)                   \
	M("time", time, unix_ns(event->unix_seconds), 0) \
	M("latest_seconds", real, event->latest_seconds) \
	M("max_seconds", real, event->max_seconds)
SCHEMA(latency, LATENCY);

json_t *json_latency(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->latency_count; i++) {
		const struct record_latency *event = &m->latency[i].event;
		json_t *o = json_object();

		PUT_MEMBERS(LATENCY);
		put_last(rows, o);
	}
	return rows;
}

#define RSS_MOVE(M, MAYBE)                         \
	M("t_seconds", real, move->t_seconds)      \
	M("member", text, move->member)            \
	M("from_bytes", integer, move->from_bytes) \
	M("to_bytes", integer, move->to_bytes)     \
	M("command", text, move->command)          \
	M("key", bytes, move->key)
SCHEMA(rss_move, RSS_MOVE);

json_t *json_rss_moves(const struct model *m)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < m->rss_moves_count; i++) {
		const struct record_rss_move *move = &m->rss_moves[i].move;
		json_t *o = json_object();

		PUT_MEMBERS(RSS_MOVE);
		put_last(rows, o);
	}
	return rows;
}

/* --- findings --- */

#define EVIDENCE(M, MAYBE)                           \
	M("name", text, e->name)                     \
	M("value", number, e->text ? NAN : e->value) \
	MAYBE(e->text, "text", text, e->text)        \
	M("unit", text, e->unit)                     \
	M("basis", text, basis_name(e->basis))
SCHEMA(evidence, EVIDENCE);

static json_t *json_evidence(const struct evidence *e)
{
	json_t *o = json_object();

	PUT_MEMBERS(EVIDENCE);
	return o;
}

json_t *json_evidence_of(const struct finding *finding)
{
	json_t *rows = json_array();

	for (size_t n = 0; n < finding->evidence_count; n++)
		put_last(rows, json_evidence(&finding->evidence[n]));
	return rows;
}

#define ACTION(M, MAYBE)                    \
	M("text", text, action->text)       \
	M("command", text, action->command) \
	M("expected_gain_bytes", integer, action->expected_gain_bytes)
static SCHEMA(action, ACTION);

static json_t *json_action(const struct action *action)
{
	json_t *o = json_object();

	PUT_MEMBERS(ACTION);
	return o;
}

#define FINDING(M, MAYBE)                                        \
	M("id", text, finding->id)                               \
	M("severity", text, severity_name(finding->severity))    \
	M("title", text, finding->title)                         \
	M("evidence", list(evidence), json_evidence_of(finding)) \
	M("cause", text, finding->cause)                         \
	M("action", list(action), actions)                       \
	M("weak", boolean, finding->weak)
SCHEMA(finding, FINDING);

json_t *json_findings(const struct findings *f)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < f->count; i++) {
		const struct finding *finding = &f->items[i];
		json_t *o = json_object(), *actions = json_array();

		for (size_t n = 0; n < finding->actions_count; n++)
			put_last(actions, json_action(&finding->actions[n]));
		PUT_MEMBERS(FINDING);
		put_last(rows, o);
	}
	return rows;
}
