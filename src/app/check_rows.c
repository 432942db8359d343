/* SPDX-License-Identifier: BSD-2-Clause */
/* What redmem check finds of the kernel, the host and the server, row by row; see check.h. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/sysmem.h"
#include "diagnose/measure.h"
#include "app/check.h"

/* --- the rows ---------------------------------------------------------------- */

#define GRANT                                                                          \
	"run as root, or: setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_sys_admin=ep " \
	"$(command -v redmem)"

const char *check_state_name(enum check_state state)
{
	static const char *const names[] = { "ok", "warning", "unknown" };

	return names[state];
}

static struct check_row *add(struct check_rows *rows, const char *id, enum check_state state)
{
	struct check_row *row = &rows->row[rows->count];

	if (rows->count < CHECK_ROWS_MAX - 1)
		rows->count++;
	*row = (struct check_row){ .id = id, .state = state };
	return row;
}

/* A row that is fine, or a warning that says why and what helps. */
static struct check_row *add_if(struct check_rows *rows, const char *id, bool fine,
				const char *reason, const char *fix)
{
	struct check_row *row = add(rows, id, fine ? CHECK_OK : CHECK_WARNING);

	if (!fine) {
		snprintf(row->reason, sizeof(row->reason), "%s", reason);
		snprintf(row->fix, sizeof(row->fix), "%s", fix);
	}
	return row;
}

static void __attribute__((format(printf, 2, 3)))
row_value(struct check_row *row, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(row->value, sizeof(row->value), format, args);
	va_end(args);
}

static void unknown(struct check_row *row, const char *reason)
{
	row->state = CHECK_UNKNOWN;
	snprintf(row->reason, sizeof(row->reason), "%s", reason);
	row->fix[0] = '\0';
}

static void row_number(struct check_row *row, int64_t n)
{
	if (n == RECORD_UNKNOWN)
		unknown(row, "cannot be read");
	else
		row_value(row, "%lld", (long long)n);
}

static void row_bytes(struct check_row *row, int64_t part, const char *between, int64_t whole,
		      const char *behind)
{
	struct buf text = {};

	fmt_bytes(&text, part);
	buf_puts(&text, between);
	fmt_bytes(&text, whole);
	buf_puts(&text, behind);
	row_value(row, "%s", buf_str(&text));
	buf_free(&text);
}

/* --- the kernel -------------------------------------------------------------------- */

static void capability(struct check_rows *rows, const char *id, bool have, const char *what)
{
	row_value(add_if(rows, id, have, what, GRANT), "%s", have ? "yes" : "no");
}

static void capabilities(struct check_rows *rows, const struct kernel_records *kernel)
{
	capability(rows, "cap_bpf", kernel->cap_bpf, "loading the sensors takes it");
	capability(rows, "cap_perfmon", kernel->cap_perfmon, "attaching the sensors takes it");
	capability(rows, "cap_sys_admin", kernel->cap_sys_admin,
		   "the probe that finds the server's command and key takes it");
	capability(rows, "cap_sys_ptrace", kernel->cap_sys_ptrace,
		   "reading memory and mappings of another user's server takes it");
	row_value(add_if(rows, "user_namespace", kernel->root_user_namespace,
			 "capabilities of an inner user namespace do not count for the kernel",
			 "run redmem on the host, or in a container without a user namespace"),
		  "%s", kernel->root_user_namespace ? "the host's" : "an inner one");
	row_value(
		add_if(rows, "pid_namespace", kernel->root_pid_namespace,
		       "servers outside it cannot be found, and who else used the CPU has no name",
		       "run redmem on the host, or in a container with --pid=host"),
		"%s", kernel->root_pid_namespace ? "the host's" : "an inner one");
}

static void lockdown(struct check_rows *rows, const struct kernel_records *kernel)
{
	struct check_row *row = add_if(
		rows, "lockdown", kernel->lockdown != LOCKDOWN_CONFIDENTIALITY,
		"in confidentiality mode BPF may not read memory", "boot with lockdown=integrity");

	if (kernel->lockdown == LOCKDOWN_UNKNOWN)
		unknown(row, "/sys/kernel/security/lockdown cannot be read");
	else
		row_value(row, "%s", kernel_lockdown_name(kernel->lockdown));
}

void check_kernel(struct check_rows *rows, const struct kernel_records *kernel)
{
	struct check_row *row;

	row_value(add_if(rows, "btf", kernel->btf, "the sensors find the kernel's structures by it",
			 "use a kernel built with CONFIG_DEBUG_INFO_BTF=y"),
		  "%s", kernel->btf ? "yes" : "no");
	capabilities(rows, kernel);
	lockdown(rows, kernel);
	row = add_if(rows, "perf_event_paranoid",
		     kernel->cap_perfmon || kernel->perf_event_paranoid < 0,
		     "without CAP_PERFMON it forbids the sensors to count", GRANT);
	row_number(row, kernel->perf_event_paranoid);
	row = add(rows, "unprivileged_bpf_disabled", CHECK_OK);
	row_number(row, kernel->unprivileged_bpf_disabled);
	row = add(rows, "tracefs", CHECK_OK);
	row_value(row, "%s, and not needed", kernel->tracefs ? "readable" : "not readable");
}

/* --- the host ------------------------------------------------------------------------- */

static void huge_pages(struct check_rows *rows, const struct record_host *host)
{
	bool always = host->thp_enabled && !strcmp(host->thp_enabled, "always");
	struct check_row *row =
		add_if(rows, "thp", !always || host->thp_disabled_for_target,
		       "freed memory becomes resident again in huge pages, and "
		       "copies during a save are 2 MiB each",
		       "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");

	row_value(row, "%s", host->thp_enabled ? host->thp_enabled : "");
	if (!row->value[0])
		row_value(row, "not in this kernel");
	else if (always && host->thp_disabled_for_target)
		row_value(row, "always, but the server has them off");
}

static void overcommit(struct check_rows *rows, const struct record_host *host)
{
	struct check_row *row = add_if(rows, "overcommit", host->overcommit_memory == 1,
				       "the kernel may refuse the fork of a save",
				       "sysctl -w vm.overcommit_memory=1");

	row_number(row, host->overcommit_memory);
}

static void swap(struct check_rows *rows, const struct record_host *host)
{
	bool none = host->swap_total_bytes == 0;
	struct check_row *row = add(rows, "swap", CHECK_OK);

	if (host->swap_total_bytes == RECORD_UNKNOWN)
		unknown(row, "cannot be read");
	else if (none)
		row_value(row, "none");
	else
		row_bytes(row, host->swap_free_bytes, " free of ", host->swap_total_bytes, "");
	row = add_if(rows, "swappiness", none || host->swappiness <= SWAPPINESS_HIGH,
		     "the kernel moves the server's idle data to swap rather early",
		     "sysctl -w vm.swappiness=1");
	row_number(row, host->swappiness);
}

/* Memory of the server that no page cache can make room for. */
static int64_t held_bytes(const struct model *m)
{
	return m->timeline_count ? m->timeline[m->timeline_count - 1].host.rss_anon_bytes :
				   RECORD_UNKNOWN;
}

/* What raises @file of the server's cgroup to @bytes; the path of a cgroup is chosen by
 * whoever made it, and half of it would be another's. */
static void cgroup_fix(struct check_row *row, const struct cgroup_memory *memory, const char *file,
		       int64_t bytes)
{
	struct buf path = {}, word = {}, fix = {};
	int64_t own;

	buf_printf(&path, "%s/%s", memory->path, file);
	if (!file_int64(path.data, &own) && own == bytes) {
		escape_shell(&word, path.data, path.len);
		buf_printf(&fix, "echo %lld > %s",
			   (long long)(bytes < INT64_MAX / 2 ? bytes * 2 : INT64_MAX),
			   buf_str(&word));
	} else {
		escape_shell(&word, memory->path, strlen(memory->path));
		buf_printf(&fix, "raise %s of a cgroup above %s", file, buf_str(&word));
	}
	if (!memory->path[0] || fix.len >= sizeof(row->fix))
		snprintf(row->fix, sizeof(row->fix), "raise %s of the server's cgroup", file);
	else
		memcpy(row->fix, fix.data, fix.len + 1);
	buf_free(&path);
	buf_free(&word);
	buf_free(&fix);
}

void check_cgroup(struct check_row *row, const struct cgroup_memory *memory, int64_t held)
{
	bool high =
		memory->high_bytes != RECORD_UNKNOWN &&
		(memory->limit_bytes == RECORD_UNKNOWN || memory->high_bytes < memory->limit_bytes);
	int64_t limit = high ? memory->high_bytes : memory->limit_bytes;
	const char *file = high			? "memory.high" :
			   memory->version == 1 ? "memory.limit_in_bytes" :
						  "memory.max";

	if (limit == RECORD_UNKNOWN) {
		row_value(row, "no limit");
		return;
	}
	row_bytes(row, held, " of ", limit, high ? " (memory.high)" : "");
	if (held == RECORD_UNKNOWN || (double)held < NEAR_WARNING_RATIO * (double)limit)
		return;
	row->state = CHECK_WARNING;
	snprintf(row->reason, sizeof(row->reason), "%s",
		 high ? "above it the kernel makes the server reclaim memory and sleep" :
			"at the limit the kernel swaps or kills the server");
	cgroup_fix(row, memory, file, limit);
}

static void cgroup(struct check_rows *rows, const struct model *m)
{
	struct check_row *row = add(rows, "cgroup", CHECK_OK);
	struct cgroup_memory memory;

	if (cgroup_memory_read(&memory, "", (pid_t)m->target.pid, NULL))
		unknown(row, "cannot be read");
	else
		check_cgroup(row, &memory, held_bytes(m));
}

static void map_count(struct check_rows *rows, const struct record_host *host)
{
	bool known = host->maps_total != RECORD_UNKNOWN && host->max_map_count != RECORD_UNKNOWN;
	bool fine = !known ||
		    (double)host->maps_total < NEAR_WARNING_RATIO * (double)host->max_map_count;
	struct check_row *row = add_if(rows, "max_map_count", fine,
				       "at the limit the server dies for want of mappings",
				       "sysctl -w vm.max_map_count=1048576");

	if (known)
		row_value(row, "%lld of %lld", (long long)host->maps_total,
			  (long long)host->max_map_count);
	else
		row_number(row, host->max_map_count);
}

void check_host(struct check_rows *rows, const struct model *m, bool have_server)
{
	const struct record_host *host = &m->host_end;

	row_bytes(add(rows, "memory", CHECK_OK), host->mem_available_bytes, " available of ",
		  host->mem_total_bytes, "");
	huge_pages(rows, host);
	overcommit(rows, host);
	swap(rows, host);
	if (have_server)
		cgroup(rows, m);
	map_count(rows, host);
}

/* --- the server ------------------------------------------------------------------------- */

void check_server(struct check_rows *rows, const struct model *m)
{
	const struct record_target *t = &m->target;
	bool looked = t->executable && *t->executable;
	bool jemalloc = t->allocator && !strncmp(t->allocator, "jemalloc", 8);
	struct check_row *row;

	row = add_if(rows, "server_symbols", looked,
		     "the server's program could not be looked at: see the row attribution", "");
	row_value(row, "%s", looked ? "found" : "");
	row = add_if(rows, "allocator", !looked || jemalloc,
		     "only jemalloc tells what it holds and can be defragmented",
		     "use a server built with jemalloc (the default on Linux)");
	if (!looked || !t->allocator || !*t->allocator)
		unknown(row, "cannot be told without a look at the program");
	else
		row_value(row, "%.40s%s%s", t->allocator,
			  t->allocator_bundled ? ", bundled" :
			  jemalloc	       ? ", the system's library" :
						 "",
			  jemalloc && !t->can_defrag ? ", without active defrag" : "");
}
