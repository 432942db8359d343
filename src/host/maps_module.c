/* SPDX-License-Identifier: BSD-2-Clause */
/* Which mappings are of files, and which of those are ELF modules. */
#include "host/maps.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

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
