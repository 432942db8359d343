/* SPDX-License-Identifier: BSD-2-Clause */
/* Parts that several documents have: what was watched, and how things stood. */
#include <math.h>

#include "report/json.h"
#include "report/schema.h"

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
