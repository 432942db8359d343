/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding the cgroups of a process and reading them up the tree. */
#include "host/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fts.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "record/record.h"
#include "host/file.h"

/* --- where it is ----------------------------------------------------------- */

struct search {
	const char *v1; /* controller whose hierarchy of version 1 is looked for; NULL: version 2 */
	char *group; /* path within the hierarchy */
	char *mount;
	char *mount_root; /* which directory of the hierarchy is mounted there */
};

/* True when @word is among the words of @list, separated by commas. */
static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len)
		if ((p == list || p[-1] == ',') && (!p[len] || p[len] == ','))
			return true;
	return false;
}

/* "4:memory:/a/b" or "0::/a/b" of /proc/PID/cgroup. */
static int group_line(void *ctx, char *line, size_t len)
{
	struct search *s = ctx;
	char *controllers = strchr(line, ':');
	char *group = controllers ? strchr(controllers + 1, ':') : NULL;
	bool v2;

	(void)len;
	if (!group)
		return 0;
	v2 = group == controllers + 1 && !strncmp(line, "0:", 2);
	*group = '\0';
	if (s->v1 ? !has_word(controllers + 1, s->v1) : !v2)
		return 0;
	free(s->group);
	s->group = xstrdup(group + 1);
	return 0;
}

/* mountinfo writes blanks, tabs, newlines and backslashes as \ooo. */
static char *unescape_octal(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		char octal[4] = "";

		if (*p == '\\' && strspn(p + 1, "01234567") >= 3) {
			memcpy(octal, p + 1, 3);
			*to++ = (char)strtoul(octal, NULL, 8);
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
	return text;
}

/* "32 31 0:29 ROOT MOUNT OPTIONS [TAGS] - TYPE SOURCE SUPER" (proc(5)). */
static int mount_line(void *ctx, char *line, size_t len)
{
	char *field[6], *save = NULL, *type, *super;
	struct search *s = ctx;
	char *behind = strstr(line, " - ");

	(void)len;
	if (!behind || s->mount)
		return 0;
	*behind = '\0';
	for (int i = 0; i < 6; i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!field[i])
			return 0;
	}
	type = strtok_r(behind + 3, " ", &save);
	if (!type || !strtok_r(NULL, " ", &save))
		return 0;
	super = strtok_r(NULL, " ", &save);
	if (s->v1 ? strcmp(type, "cgroup") || !super || !has_word(super, s->v1) :
		    strcmp(type, "cgroup2"))
		return 0;
	s->mount_root = xstrdup(unescape_octal(field[3]));
	s->mount = xstrdup(unescape_octal(field[4]));
	return 0;
}

/* What is left of @path when it lies in @top ("/" holds all); NULL if not. */
static const char *below(const char *path, const char *top)
{
	size_t len = strcmp(top, "/") ? strlen(top) : 0;

	/* "/../x": outside of our own cgroup namespace */
	if (!strcmp(path, "/..") || !strncmp(path, "/../", 4) || strncmp(path, top, len) ||
	    (path[len] && path[len] != '/'))
		return NULL;
	return path + len + (strcmp(path + len, "/") == 0);
}

static int search_version(const char *v1, const char *cgroup_text, const char *mountinfo_text,
			  struct buf *mount, struct buf *path)
{
	struct search s = { .v1 = v1 };
	int ret = -ENOENT;
	const char *rest;

	text_lines(cgroup_text, strlen(cgroup_text), group_line, &s);
	text_lines(mountinfo_text, strlen(mountinfo_text), mount_line, &s);
	if (s.group && s.mount) {
		rest = below(s.group, s.mount_root);
		ret = rest ? 0 : -EXDEV;
		buf_puts(mount, s.mount);
		buf_printf(path, "%s%s", s.mount, rest ? rest : "");
	}
	free(s.group);
	free(s.mount);
	free(s.mount_root);
	return ret;
}

int cgroup_locate(const char *controller, const char *cgroup_text, const char *mountinfo_text,
		  int *version, struct buf *mount, struct buf *path)
{
	int ret;

	/* A hierarchy of version 1 takes the controller away from version 2. */
	*version = 1;
	ret = search_version(controller, cgroup_text, mountinfo_text, mount, path);
	if (ret != -ENOENT)
		return ret;
	*version = 2;
	return search_version(NULL, cgroup_text, mountinfo_text, mount, path);
}

/* --- what it says ---------------------------------------------------------- */

/* Version 1 writes "unlimited" as LONG_MAX cut to whole pages, of up to 64 KiB. */
#define V1_UNLIMITED (INT64_MAX - 0xffff)

/* A number of the cgroup; "max" and files that are not there are RECORD_UNKNOWN. */
static int64_t number(const char *dir, const char *file)
{
	struct buf path = { 0 };
	int64_t value;

	buf_printf(&path, "%s/%s", dir, file);
	file_int64(path.data, &value);
	buf_free(&path);
	return value >= 0 && value < V1_UNLIMITED ? value : RECORD_UNKNOWN;
}

struct keyed {
	const char *name;
	int64_t value;
};

static int keyed_line(void *ctx, char *line, size_t len)
{
	struct keyed *k = ctx;
	size_t n = strlen(k->name);

	(void)len;
	if (!strncmp(line, k->name, n) && line[n] == ' ')
		k->value = text_int64(line + n);
	return 0;
}

/* A number out of a file of "NAME NUMBER" lines. */
static int64_t keyed_number(const char *dir, const char *file, const char *name)
{
	struct keyed k = { name, RECORD_UNKNOWN };
	struct buf path = { 0 };

	buf_printf(&path, "%s/%s", dir, file);
	if (file_lines(path.data, keyed_line, &k, NULL))
		k.value = RECORD_UNKNOWN;
	buf_free(&path);
	return k.value >= 0 && k.value < V1_UNLIMITED ? k.value : RECORD_UNKNOWN;
}

int64_t cgroup_kept_bytes(const struct cgroup_kept *kept)
{
	const int64_t parts[] = { kept->anon_bytes, kept->shmem_bytes, kept->kernel_bytes,
				  kept->sock_bytes };
	int64_t sum = RECORD_UNKNOWN;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i] != RECORD_UNKNOWN)
			sum = sum == RECORD_UNKNOWN ? parts[i] : sum_of(sum, parts[i]);
	return sum;
}

static const struct cgroup_kept kept_unknown = { RECORD_UNKNOWN, RECORD_UNKNOWN, RECORD_UNKNOWN,
						 RECORD_UNKNOWN };

static int64_t known_or_0(int64_t n)
{
	return n == RECORD_UNKNOWN ? 0 : n;
}

/* memory.stat as read line by line; all in bytes. */
struct stat_values {
	bool v1;
	int64_t anon, shmem, kernel, parts, reclaimable, sock, zswap;
};

static int stat_line(void *ctx, char *line, size_t len)
{
	struct stat_values *v = ctx;
	/* Version 1 counts a cgroup alone, and with all below it as "total_". */
	const struct {
		const char *name;
		int64_t *value;
	} fields[] = {
		{ v->v1 ? "total_rss" : "anon", &v->anon },
		{ v->v1 ? "total_shmem" : "shmem", &v->shmem },
		{ "kernel", &v->kernel }, /* from 5.18 on; these are its parts */
		{ "kernel_stack", &v->parts },
		{ "pagetables", &v->parts },
		{ "percpu", &v->parts },
		{ "slab_unreclaimable", &v->parts },
		{ "slab_reclaimable", &v->reclaimable },
		{ "sock", &v->sock },
		{ "zswap", &v->zswap },
	};

	(void)len;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		size_t n = strlen(fields[i].name);
		int64_t value;

		if (strncmp(line, fields[i].name, n) != 0 || line[n] != ' ')
			continue;
		value = text_int64(line + n);
		if (value >= 0)
			*fields[i].value = sum_of(known_or_0(*fields[i].value), value);
	}
	return 0;
}

/* Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst say what is what. */
static struct cgroup_kept kept_read(const char *dir, bool v1)
{
	const int64_t unknown = RECORD_UNKNOWN;
	struct stat_values v = {
		v1, unknown, unknown, unknown, unknown, unknown, unknown, unknown
	};
	struct cgroup_kept kept = kept_unknown;
	struct buf path = { 0 };

	buf_printf(&path, "%s/memory.stat", dir);
	if (!file_lines(path.data, stat_line, &v, NULL)) {
		kept.anon_bytes = v.anon;
		kept.shmem_bytes = v.shmem;
		if (v1)
			kept.kernel_bytes = number(dir, "memory.kmem.usage_in_bytes");
		else if (v.kernel != unknown)
			kept.kernel_bytes = v.kernel - known_or_0(v.reclaimable);
		else
			kept.kernel_bytes = v.parts;
		kept.sock_bytes = v.sock;
		/* compressed pages of anonymous memory: some kernels count them as such */
		if (v.zswap > 0 && v.kernel == unknown)
			kept.kernel_bytes = sum_of(known_or_0(kept.kernel_bytes), v.zswap);
	}
	buf_free(&path);
	return kept;
}

static int64_t smaller(int64_t a, int64_t b)
{
	if (a == RECORD_UNKNOWN || b == RECORD_UNKNOWN)
		return a == RECORD_UNKNOWN ? b : a;
	return a < b ? a : b;
}

/* One level up; false at the mount point, which is the top for us. */
static bool climb(struct buf *dir, size_t top)
{
	char *slash = strrchr(dir->data, '/');

	if (dir->len <= top || !slash)
		return false;
	*slash = '\0';
	dir->len = (size_t)(slash - dir->data);
	return dir->len >= top;
}

static void read_high(struct cgroup_memory *out, const char *dir, int64_t usage,
		      const struct cgroup_kept *kept)
{
	int64_t high = number(dir, "memory.high");

	if (high == RECORD_UNKNOWN || smaller(high, out->high_bytes) != high)
		return;
	out->high_bytes = high;
	out->high_usage_bytes = usage;
	out->high_kept_bytes = cgroup_kept_bytes(kept);
	out->high_events_total = keyed_number(dir, "memory.events", "high");
}

/* Is this the limit that is met first? Of two as near the lower one: it is more the
 * server's own. */
static void read_near(struct cgroup_memory *out, const char *dir, const char *below_mount,
		      int64_t limit, int64_t usage, const struct cgroup_kept *kept)
{
	int64_t kept_bytes = cgroup_kept_bytes(kept);
	bool v1 = out->version == 1;

	if (limit == RECORD_UNKNOWN || kept_bytes == RECORD_UNKNOWN ||
	    (out->near_limit_bytes != RECORD_UNKNOWN &&
	     limit - kept_bytes >= out->near_limit_bytes - cgroup_kept_bytes(&out->near)))
		return;
	snprintf(out->near_path, sizeof(out->near_path), "%s", *below_mount ? below_mount : "/");
	out->near_own = !strcmp(dir, out->path);
	out->near_limit_bytes = limit;
	out->near_usage_bytes = usage;
	out->near = *kept;
	out->near_hits_total =
		v1 ? number(dir, "memory.failcnt") : keyed_number(dir, "memory.events", "max");
}

static void read_level(struct cgroup_memory *out, const char *dir, const char *below_mount)
{
	bool v1 = out->version == 1;
	struct cgroup_kept kept = kept_read(dir, v1);
	int64_t limit = number(dir, v1 ? "memory.limit_in_bytes" : "memory.max");
	int64_t swap = number(dir, v1 ? "memory.memsw.limit_in_bytes" : "memory.swap.max");
	int64_t usage = number(dir, v1 ? "memory.usage_in_bytes" : "memory.current");

	/* Of two equal limits the upper one has less room left. */
	if (limit != RECORD_UNKNOWN && smaller(limit, out->limit_bytes) == limit) {
		out->limit_bytes = limit;
		out->limit_usage_bytes = usage;
	}
	if (!v1)
		read_high(out, dir, usage, &kept);
	read_near(out, dir, below_mount, limit, usage, &kept);
	if (cgroup_kept_bytes(&out->own) == RECORD_UNKNOWN)
		out->own = kept;
	out->swap_limit_bytes = smaller(out->swap_limit_bytes, swap);
	/* The controller may be off for the lowest levels of version 2; what they
	 * use is then charged to the first one that has it. */
	if (out->usage_bytes == RECORD_UNKNOWN)
		out->usage_bytes = usage;
}

static void read_own(struct cgroup_memory *out, const char *dir)
{
	if (out->version == 2) {
		out->swap_usage_bytes = number(dir, "memory.swap.current");
		out->oom_kills_total = keyed_number(dir, "memory.events", "oom_kill");
		return;
	}
	out->swap_usage_bytes = keyed_number(dir, "memory.stat", "total_swap");
	out->oom_kills_total = keyed_number(dir, "memory.oom_control", "oom_kill");
	out->swappiness = number(dir, "memory.swappiness");
	/* Also counts limits above the part of the tree we see. */
	out->limit_bytes = keyed_number(dir, "memory.stat", "hierarchical_memory_limit");
	out->swap_limit_bytes = keyed_number(dir, "memory.stat", "hierarchical_memsw_limit");
}

static void read_tree(struct cgroup_memory *out, struct buf *dir, size_t top)
{
	read_own(out, dir->data);
	do {
		read_level(out, dir->data, dir->data + top);
		/* Before Linux 5.11 version 1 could leave the levels unconnected. */
	} while (climb(dir, top) &&
		 !(out->version == 1 && number(dir->data, "memory.use_hierarchy") == 0));
	if (out->limit_usage_bytes == RECORD_UNKNOWN && out->limit_bytes != RECORD_UNKNOWN)
		out->limit_usage_bytes = out->usage_bytes;
	if (out->version == 1 && out->swap_limit_bytes != RECORD_UNKNOWN &&
	    out->limit_bytes != RECORD_UNKNOWN)
		out->swap_limit_bytes -= out->limit_bytes;
	/* No usage anywhere: version 2 is mounted, but without this controller. */
	if (out->usage_bytes == RECORD_UNKNOWN && out->limit_bytes == RECORD_UNKNOWN)
		out->version = RECORD_UNKNOWN;
}

/* Version 2 counts no memory in its root: the controller may be there still. */
static bool root_has_memory(const char *mount)
{
	struct buf path = { 0 }, text = { 0 };
	bool has = false;

	buf_printf(&path, "%s/cgroup.controllers", mount);
	if (!file_read(path.data, 4096, &text, NULL)) {
		for (char *p = text.data; p && *p; p++)
			if (*p == ' ' || *p == '\n')
				*p = ',';
		has = has_word(buf_str(&text), "memory");
	}
	buf_free(&path);
	buf_free(&text);
	return has;
}

static void cgroup_clear(struct cgroup_memory *out)
{
	const int64_t unknown = RECORD_UNKNOWN;

	*out = (struct cgroup_memory){
		.version = unknown,
		.limit_bytes = unknown,
		.limit_usage_bytes = unknown,
		.high_bytes = unknown,
		.high_usage_bytes = unknown,
		.high_events_total = unknown,
		.high_kept_bytes = unknown,
		.near_limit_bytes = unknown,
		.near_usage_bytes = unknown,
		.near = kept_unknown,
		.near_hits_total = unknown,
		.own = kept_unknown,
		.usage_bytes = unknown,
		.swap_usage_bytes = unknown,
		.swap_limit_bytes = unknown,
		.swappiness = unknown,
		.oom_kills_total = unknown,
	};
}

/* The files that say where a process's cgroups are, and the place of one of them. */
struct place {
	struct buf mount, path; /* both behind the root that was given */
	int version;
};

static int find_place(struct place *place, const char *controller, const char *root, pid_t pid,
		      struct err *err)
{
	struct buf group = { 0 }, mounts = { 0 }, file = { 0 };
	int ret;

	*place = (struct place){ 0 };
	buf_puts(&place->mount, root);
	buf_puts(&place->path, root);
	buf_printf(&file, "%s/proc/%d/cgroup", root, pid);
	ret = file_read(file.data, 1 << 20, &group, err);
	buf_clear(&file);
	buf_printf(&file, "%s/proc/self/mountinfo", root);
	if (!ret)
		ret = file_read(file.data, 16 << 20, &mounts, err);
	if (!ret) {
		ret = cgroup_locate(controller, buf_str(&group), buf_str(&mounts), &place->version,
				    &place->mount, &place->path);
		if (ret == -EXDEV)
			err_set(err, ret,
				"cgroup: process %d is in a part of the tree that is not "
				"mounted here; run redmem on the host",
				pid);
		ret = ret == -ENOENT ? 1 : ret;
	}
	buf_free(&group);
	buf_free(&mounts);
	buf_free(&file);
	return ret;
}

static void place_free(struct place *place)
{
	buf_free(&place->mount);
	buf_free(&place->path);
}

int cgroup_memory_read(struct cgroup_memory *out, const char *root, pid_t pid, struct err *err)
{
	struct place place;
	int ret = find_place(&place, "memory", root, pid, err);

	cgroup_clear(out);
	if (ret == -EXDEV)
		out->version = place.version;
	if (ret)
		goto out;
	out->version = place.version;
	/* Half a path would be another cgroup's. */
	if (place.path.len < sizeof(out->path))
		memcpy(out->path, place.path.data, place.path.len + 1);
	read_tree(out, &place.path, place.mount.len);
	if (out->version == RECORD_UNKNOWN && root_has_memory(place.mount.data))
		out->version = place.version;
out:
	place_free(&place);
	return ret > 0 ? 0 : ret; /* no memory controller: nothing to say, nothing wrong */
}

/* --- who needs swap --------------------------------------------------------- */

static bool leans_on_swap(const char *dir, bool v1)
{
	struct cgroup_kept kept = kept_read(dir, v1);
	int64_t limit = number(dir, v1 ? "memory.limit_in_bytes" : "memory.max");
	int64_t swapped = v1 ? keyed_number(dir, "memory.stat", "total_swap") :
			       number(dir, "memory.swap.current");

	return limit != RECORD_UNKNOWN && known_or_0(swapped) > 0 &&
	       sum_of(known_or_0(cgroup_kept_bytes(&kept)), swapped) > limit;
}

bool cgroup_leans_on_swap(const char *top, int version, struct buf *path)
{
	char *tops[] = { (char *)top, NULL };
	FTS *tree = fts_open(tops, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	bool found = false;

	for (FTSENT *entry; tree && !found && (entry = fts_read(tree));) {
		found = entry->fts_info == FTS_D && leans_on_swap(entry->fts_path, version == 1);
		if (found)
			buf_puts(path, entry->fts_path);
	}
	if (tree)
		fts_close(tree);
	return found;
}

/* --- the CPU ---------------------------------------------------------------- */

/* "QUOTA PERIOD" of cpu.max; "max PERIOD" is no quota. NAN without. */
static double quota_of(const char *dir, int version)
{
	struct buf path = { 0 }, text = { 0 };
	int64_t quota, period;

	if (version == 1) {
		quota = number(dir, "cpu.cfs_quota_us"); /* -1: none */
		period = number(dir, "cpu.cfs_period_us");
	} else {
		const char *blank;

		buf_printf(&path, "%s/cpu.max", dir);
		file_read(path.data, 4096, &text, NULL);
		blank = strchr(buf_str(&text), ' ');
		quota = text_int64(buf_str(&text));
		period = blank ? text_int64(blank) : RECORD_UNKNOWN;
		buf_free(&path);
		buf_free(&text);
	}
	return quota > 0 && period > 0 ? (double)quota / (double)period : NAN;
}

static double throttled_of(const char *dir, int version)
{
	int64_t n =
		keyed_number(dir, "cpu.stat", version == 1 ? "throttled_time" : "throttled_usec");

	return n == RECORD_UNKNOWN ? NAN : (double)n / (version == 1 ? 1e9 : 1e6);
}

int cgroup_cpu_read(const char *root, pid_t pid,
		    void (*each)(void *ctx, const struct cgroup_cpu *cpu), void *ctx,
		    struct err *err)
{
	struct cgroup_cpu cpu;
	struct place place;
	int ret = find_place(&place, "cpu", root, pid, err);
	bool own = true;

	for (bool more = !ret; more; more = climb(&place.path, place.mount.len), own = false) {
		const char *dir = place.path.data, *below_mount = dir + place.mount.len;

		cpu.quota_cores = quota_of(dir, place.version);
		if (isnan(cpu.quota_cores))
			continue;
		snprintf(cpu.path, sizeof(cpu.path), "%s", *below_mount ? below_mount : "/");
		cpu.own = own;
		cpu.periods_total = keyed_number(dir, "cpu.stat", "nr_periods");
		cpu.throttled_periods_total = keyed_number(dir, "cpu.stat", "nr_throttled");
		cpu.throttled_seconds_total = throttled_of(dir, place.version);
		each(ctx, &cpu);
	}
	place_free(&place);
	return ret > 0 ? 0 : ret;
}
