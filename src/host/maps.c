/* SPDX-License-Identifier: BSD-2-Clause */
/* Parsing maps and smaps; which mappings are of files, and which of those are modules. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "host/file.h"
#include "host/maps.h"
#include "record/record.h"

struct maps_builder {
	struct maps *maps;
	bool with_use;
};

/* Mappings of one file stand together, so comparing with the last path stores
 * each about once. */
static const char *keep_path(struct maps *m, const char *path)
{
	if (!*path)
		return "";
	if (m->paths_count && !strcmp(m->paths[m->paths_count - 1], path))
		return m->paths[m->paths_count - 1];
	m->paths = array_grow(m->paths, m->paths_count, sizeof(*m->paths));
	m->paths[m->paths_count] = xstrdup(path);
	return m->paths[m->paths_count++];
}

/* A hexadecimal number and the byte @end behind it; NULL when it is not so. */
static const char *take_hex(const char *p, char end, uint64_t *out)
{
	uint64_t value = 0;
	int digits = 0;

	for (; digits <= 16; digits++, p++) {
		unsigned char c = (unsigned char)*p;

		if (c >= '0' && c <= '9')
			value = value << 4 | (c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (c - 'a' + 10u);
		else
			break;
	}
	*out = value;
	return digits && digits <= 16 && *p == end ? p + 1 : NULL;
}

/* "START-END PERMS OFFSET MAJOR:MINOR INODE   PATH"; writes to the path's end. */
static bool take_header(struct map *map, char *line, char **path)
{
	static const char deleted[] = " (deleted)";
	const char *p = take_hex(line, '-', &map->start);
	uint64_t major, minor;
	size_t len;
	char *end;

	if (!p || !(p = take_hex(p, ' ', &map->end)) || map->end <= map->start)
		return false;
	if (strnlen(p, 5) < 5 || p[4] != ' ' || strspn(p, "rwxsp-") != 4)
		return false;
	memcpy(map->perms, p, 4);
	p = take_hex(p + 5, ' ', &map->offset);
	if (!p || !(p = take_hex(p, ':', &major)) || !(p = take_hex(p, ' ', &minor)))
		return false;
	if (*p < '0' || *p > '9')
		return false;
	map->dev_major = (uint32_t)major;
	map->dev_minor = (uint32_t)minor;
	map->inode = strtoull(p, &end, 10);
	*path = end + strspn(end, " ");
	len = strlen(*path);
	if (len >= sizeof(deleted) && !strcmp(*path + len + 1 - sizeof(deleted), deleted))
		(*path)[len + 1 - sizeof(deleted)] = '\0';
	return true;
}

static void add_map(struct maps_builder *b, const struct map *map, const char *path)
{
	struct maps *m = b->maps;

	m->map = array_grow(m->map, m->count, sizeof(*m->map));
	if (b->with_use)
		m->use = array_grow(m->use, m->count, sizeof(*m->use));
	m->map[m->count] = *map;
	m->map[m->count++].path = keep_path(m, path);
}

static void take_use(struct map_use *use, const char *line)
{
	const struct {
		const char *name;
		int64_t *bytes;
	} fields[] = {
		{ "Size", &use->size },
		{ "Rss", &use->rss },
		{ "Pss", &use->pss },
		{ "Private_Dirty", &use->private_dirty },
		{ "LazyFree", &use->lazy_free },
		{ "AnonHugePages", &use->anon_huge },
		{ "Swap", &use->swap },
	};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *value = text_field(line, fields[i].name);

		if (!value)
			continue;
		*fields[i].bytes = text_kb(value);
		if (*fields[i].bytes == RECORD_UNKNOWN)
			*fields[i].bytes = 0;
		return;
	}
}

static int maps_line(void *ctx, char *line, size_t len)
{
	struct maps_builder *b = ctx;
	struct map map = { 0 };
	char *path;

	(void)len;
	/* A field's name begins with a capital, an address never does. */
	if (*line >= 'A' && *line <= 'Z') {
		if (b->with_use && b->maps->count)
			take_use(&b->maps->use[b->maps->count - 1], line);
	} else if (take_header(&map, line, &path)) {
		add_map(b, &map, path);
	}
	return 0;
}

int maps_parse(struct maps **out, const char *text, size_t len, bool with_use)
{
	struct maps_builder b = { .maps = xcalloc(1, sizeof(*b.maps)), .with_use = with_use };

	text_lines(text, len, maps_line, &b);
	*out = b.maps;
	return 0;
}

static int read_into(struct maps **out, pid_t pid, const char *name, struct err *err)
{
	struct maps_builder b = { .maps = xcalloc(1, sizeof(*b.maps)),
				  .with_use = !strcmp(name, "smaps") };
	char path[64];
	int ret;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	ret = file_lines(path, maps_line, &b, err);
	if (!ret && !b.maps->count)
		ret = err_set(err, -ESRCH, "maps: process %d has no memory; it has ended", pid);
	if (ret) {
		maps_free(b.maps);
		return ret;
	}
	*out = b.maps;
	return 0;
}

int maps_read(struct maps **out, pid_t pid, struct err *err)
{
	return read_into(out, pid, "maps", err);
}

int maps_read_use(struct maps **out, pid_t pid, struct err *err)
{
	return read_into(out, pid, "smaps", err);
}

void maps_free(struct maps *maps)
{
	if (!maps)
		return;
	for (size_t i = 0; i < maps->paths_count; i++)
		free(maps->paths[i]);
	free(maps->paths);
	free(maps->map);
	free(maps->use);
	free(maps);
}

static int count_line(void *ctx, char *line, size_t len)
{
	(void)len;
	/* x86 lists [vsyscall], which is no mapping of the process. */
	if (!strstr(line, "[vsyscall]"))
		++*(int64_t *)ctx;
	return 0;
}

int64_t maps_count_file(const char *path)
{
	int64_t count = 0;

	return file_lines(path, count_line, &count, NULL) || !count ? RECORD_UNKNOWN : count;
}

int64_t maps_count(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	return maps_count_file(path);
}

const struct map *maps_find(const struct maps *maps, uint64_t address)
{
	size_t low = 0, high = maps->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address >= maps->map[middle].end)
			low = middle + 1;
		else
			high = middle;
	}
	return low < maps->count && address >= maps->map[low].start ? &maps->map[low] : NULL;
}

static int rollup_line(void *ctx, char *line, size_t len)
{
	struct smaps_rollup *r = ctx;
	const struct {
		const char *name;
		int64_t *bytes;
	} fields[] = {
		{ "Rss", &r->rss_bytes },
		{ "Pss", &r->pss_bytes },
		{ "Private_Clean", &r->private_clean_bytes },
		{ "Private_Dirty", &r->private_dirty_bytes },
		{ "AnonHugePages", &r->anon_huge_bytes },
		{ "LazyFree", &r->lazy_free_bytes },
		{ "Swap", &r->swap_bytes },
	};

	(void)len;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *value = text_field(line, fields[i].name);
		int64_t bytes = value ? text_kb(value) : RECORD_UNKNOWN;

		if (bytes != RECORD_UNKNOWN) /* smaps has a line for each mapping: add up */
			*fields[i].bytes =
				(*fields[i].bytes == RECORD_UNKNOWN ? 0 : *fields[i].bytes) + bytes;
	}
	return 0;
}

static void rollup_clear(struct smaps_rollup *r)
{
	const int64_t unknown = RECORD_UNKNOWN;

	*r = (struct smaps_rollup){ unknown, unknown, unknown, unknown, unknown, unknown, unknown };
}

void smaps_rollup_parse(struct smaps_rollup *out, const char *text, size_t len)
{
	rollup_clear(out);
	text_lines(text, len, rollup_line, out);
}

int smaps_rollup_read(pid_t pid, struct smaps_rollup *out, struct err *err)
{
	char path[64];
	int ret;

	rollup_clear(out);
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	ret = file_lines(path, rollup_line, out, err);
	if (ret == -ENOENT) {
		snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
		ret = file_lines(path, rollup_line, out, err);
	}
	if (!ret && out->rss_bytes == RECORD_UNKNOWN)
		ret = err_set(err, -ESRCH, "maps: process %d has no memory; it has ended", pid);
	return ret;
}

/* --- files and modules --------------------------------------------------- */

bool map_is_guard(const struct map *map)
{
	return !strncmp(map->perms, "---", 3);
}

bool map_is_anonymous(const struct map *map)
{
	/* MAP_ANONYMOUS|MAP_HUGETLB and transparent huge shmem show these names; the
	 * first is private memory without a file of the user's. */
	if (!strcmp(map->path, "/anon_hugepage"))
		return map->perms[3] == 'p';
	return !map->path[0] || map->path[0] == '[';
}

/* What identifies a mapped file within one process. */
struct file_id {
	uint64_t inode;
	uint32_t dev_major;
	uint32_t dev_minor;
};

static int compare_files(const void *a, const void *b)
{
	const struct file_id *x = a, *y = b;

	if (x->inode != y->inode)
		return x->inode < y->inode ? -1 : 1;
	if (x->dev_major != y->dev_major)
		return x->dev_major < y->dev_major ? -1 : 1;
	return (x->dev_minor > y->dev_minor) - (x->dev_minor < y->dev_minor);
}

static struct file_id file_of(const struct map *map)
{
	return (struct file_id){ map->inode, map->dev_major, map->dev_minor };
}

bool map_same_file(const struct map *a, const struct map *b)
{
	struct file_id x = file_of(a), y = file_of(b);

	return a->inode && !compare_files(&x, &y);
}

/* Shared memory has inodes too, but is memory. */
static bool map_is_file(const struct map *map)
{
	return !map_is_anonymous(map) && map->inode && map->perms[3] == 'p';
}

static struct file_id *executable_files(const struct maps *maps, size_t *count)
{
	struct file_id *files = xcalloc(maps->count, sizeof(*files));
	size_t n = 0;

	for (size_t i = 0; i < maps->count; i++)
		if (map_is_file(&maps->map[i]) && maps->map[i].perms[2] == 'x')
			files[n++] = file_of(&maps->map[i]);
	qsort(files, n, sizeof(*files), compare_files);
	*count = n;
	return files;
}

void maps_mark_modules(const struct maps *maps, bool *out)
{
	size_t count;
	struct file_id *files = executable_files(maps, &count);

	for (size_t i = 0; i < maps->count; i++) {
		const struct map *map = &maps->map[i];

		out[i] = false;
		if (map_is_file(map)) {
			struct file_id id = file_of(map);

			out[i] = bsearch(&id, files, count, sizeof(id), compare_files) != NULL;
		} else if (i && !map->path[0] && !strcmp(map->perms, "rw-p")) {
			/* .bss: directly behind its file, so not behind another anonymous one */
			const struct map *before = &maps->map[i - 1];

			out[i] = before->end == map->start && map_is_file(before) && out[i - 1];
		}
	}
	free(files);
}

static int compare_sizes_down(const void *a, const void *b)
{
	const struct map_range *x = a, *y = b;
	uint64_t m = x->end - x->start, n = y->end - y->start;

	return (m < n) - (m > n);
}

static int compare_starts(const void *a, const void *b)
{
	const struct map_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* A hole between two neighbouring mappings of one module is reserved for it. */
static bool same_module(const struct map *a, const struct map *b)
{
	return map_is_file(a) && map_is_file(b) && map_same_file(a, b);
}

size_t maps_file_ranges(const struct maps *maps, struct map_range *out, size_t max)
{
	struct map_range *all = xcalloc(maps->count, sizeof(*all));
	bool *module = xcalloc(maps->count, sizeof(*module));
	size_t n = 0;

	maps_mark_modules(maps, module);
	for (size_t i = 0; i < maps->count; i++) {
		const struct map *map = &maps->map[i];

		if (!module[i] && !map_is_file(map))
			continue;
		if (n && (all[n - 1].end == map->start ||
			  (module[i] && same_module(&maps->map[i - 1], map))))
			all[n - 1].end = map->end;
		else
			all[n++] = (struct map_range){ map->start, map->end };
	}
	if (n > max) {
		qsort(all, n, sizeof(*all), compare_sizes_down);
		n = max;
		qsort(all, n, sizeof(*all), compare_starts);
	}
	if (n)
		memcpy(out, all, n * sizeof(*all));
	free(module);
	free(all);
	return n;
}
