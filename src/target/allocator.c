/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's allocator; see allocator.h. */
#include "target/allocator.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "host/elf.h"
#include "host/file.h"
#include "host/maps.h"
#include "host/proc.h"
#include "target/experiment_cache.h"

/* Before 2 pages of 4 KiB times 4 there are slabs: the first class from extents of its
 * own is 16 KiB in every jemalloc 5.x with 4 KiB pages (include/jemalloc/internal/sc.h). */
#define LARGE_MIN 16384

/* Where a function of the allocator is in its file, for a probe. */
static bool site(const struct allocator *a, const char *name, unsigned long *offset)
{
	return image_site(a->pid, a->code, a->bias, name, offset);
}

/* --- the public entry points ------------------------------------------------------- */

static void find_entries(struct allocator *a, const struct image *image)
{
	static const struct {
		const char *symbol, *function;
	} known[] = {
		{ "malloc", "malloc" }, { "calloc", "calloc" },	 { "realloc", "realloc" },
		{ "free", "free" },	{ "mallocx", "malloc" }, { "rallocx", "realloc" },
		{ "dallocx", "free" },	{ "sdallocx", "free" },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct entry_site *entry = &a->entry[a->entries];
		char name[32];

		snprintf(name, sizeof(name), "%s%s", image->allocator_bundled ? "je_" : "",
			 known[i].symbol);
		if (!site(a, name, &entry->offset))
			continue;
		entry->function = known[i].function;
		a->entries++;
	}
}

/* --- jemalloc 5.3 ------------------------------------------------------------------- */

/* By its symbol, the file's own or one a distribution keeps apart. */
static const char *by_symbol(struct allocator *a)
{
	if (!site(a, "je_te_event_trigger", &a->event_trigger) &&
	    !site(a, "te_event_trigger", &a->event_trigger))
		return "";
	return elf_file_has_debug(a->code) ? "debug file" : "symbol";
}

/* The value of @type in the auxiliary vector the kernel gave the process; 0. */
static uint64_t auxiliary(pid_t pid, uint64_t type)
{
	struct buf text = {};
	uint64_t value = 0;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	file_read(path, 65536, &text, NULL);
	for (size_t at = 0; at + sizeof(Elf64_auxv_t) <= text.len; at += sizeof(Elf64_auxv_t)) {
		Elf64_auxv_t entry;

		memcpy(&entry, text.data + at, sizeof(entry));
		if (entry.a_type == type)
			value = entry.a_un.a_val;
	}
	buf_free(&text);
	return value;
}

/* The code of the loader: where the kernel put the interpreter of the program; where there
 * is none, the loader was started as the program. NULL for a program without a loader. */
static const struct map *loader_map(const struct image *image)
{
	uint64_t base = auxiliary(image->pid, AT_BASE);
	const struct map *map =
		maps_find(image->maps, base ? base : auxiliary(image->pid, AT_ENTRY));

	return map && map->inode && !map_same_file(map, image->map) ? map : NULL;
}

/* Mapped libraries; what the experiment's files are chosen from. */
struct libraries {
	struct elf_file *file[EXPERIMENT_LIBRARIES * 4];
	size_t count;
};

static void open_libraries(struct libraries *all, const struct image *image,
			   const struct map *loader)
{
	const struct maps *maps = image->maps;
	size_t room = sizeof(all->file) / sizeof(all->file[0]);

	all->count = 0;
	for (size_t i = 0; i < maps->count && all->count < room; i++) {
		const struct map *map = &maps->map[i];

		if (image_is_new_file(maps, i) && !map_same_file(map, image->map) &&
		    !map_same_file(map, loader) &&
		    (!image->allocator_map || !map_same_file(map, image->allocator_map)) &&
		    !elf_file_open(&all->file[all->count], image->pid, map, NULL))
			all->count++;
	}
}

static bool is_listed(const struct experiment_files *files, const char *name)
{
	for (size_t i = 0; i < files->count; i++)
		if (!strcmp(files->library[i].name, name))
			return true;
	return false;
}

static void list_library(struct experiment_files *files, const struct elf_file *file,
			 const char *name)
{
	if (files->count == EXPERIMENT_LIBRARIES || !*name || strchr(name, '/') || *name == '.' ||
	    is_listed(files, name))
		return;
	files->library[files->count].fd = elf_file_fd(file);
	snprintf(files->library[files->count].name, EXPERIMENT_NAME, "%s", name);
	files->count++;
}

/* The file that has the allocator, what it needs, what that needs. A name nothing here has is
 * the loader's own, or the loader will complain. */
static void list_closure(struct experiment_files *files, const struct libraries *all,
			 struct elf_file *asked)
{
	const struct elf_file *listed[EXPERIMENT_LIBRARIES] = { asked };
	const char *name = elf_file_soname(asked);

	list_library(files, asked, *name && !strchr(name, '/') ? name : "allocator");
	for (size_t i = 0; i < files->count; i++)
		for (size_t n = 0; (name = elf_file_needed(listed[i], n)); n++)
			for (size_t l = 0; l < all->count; l++) {
				size_t before = files->count;

				if (!strcmp(elf_file_soname(all->file[l]), name))
					list_library(files, all->file[l], name);
				if (files->count > before)
					listed[before] = all->file[l];
			}
}

/* The result, from the cache or by an experiment; how, or NULL. */
static const char *experiment(struct experiment_result *out, const struct experiment_files *files,
			      struct err *err)
{
	char digest[EXPERIMENT_DIGEST_CHARS + 1];
	bool known = experiment_digest(digest, files);

	if (known && experiment_recall(out, digest, EXPERIMENT_CACHE))
		return "cache";
	if (experiment_run(out, files, err))
		return NULL;
	if (known)
		experiment_keep(out, digest, EXPERIMENT_CACHE);
	return "experiment";
}

static const char *by_experiment(struct allocator *a, const struct image *image)
{
	const struct map *map = loader_map(image);
	struct experiment_result result = {};
	struct experiment_files files = { .is_program = image->allocator_bundled };
	struct elf_file *loader = NULL;
	struct libraries all;
	const char *how = NULL;
	struct err why = {};
	uint64_t place;

	if (!map)
		err_set(&why, -ENOTSUP, "experiment: the program has no loader");
	else if (!elf_file_open(&loader, image->pid, map, &why)) {
		files.loader = elf_file_fd(loader);
		open_libraries(&all, image, map);
		list_closure(&files, &all, a->code);
		how = experiment(&result, &files, &why);
		for (size_t i = 0; i < all.count; i++)
			elf_file_close(all.file[i]);
		elf_file_close(loader);
	}
	if (how && (elf_file_offset(a->code, result.event_trigger, &place) ||
		    !elf_file_same_code(a->code, a->pid, a->bias, result.event_trigger)))
		how = NULL;
	if (!how) {
		snprintf(a->reason, sizeof(a->reason), "%s", why.text);
		return "";
	}
	a->classes = result.classes;
	a->event_trigger = place;
	return how;
}

/* --- jemalloc before 5.3 ------------------------------------------------------------ */

static bool variable(const struct image *image, const char *name, uint64_t *address)
{
	struct elf_symbol symbol;

	if (elf_file_symbol(image->module, name, ELF_OBJECT, &symbol))
		return false;
	*address = image->bias + symbol.value;
	return true;
}

/* sz_index2size_tab of the process is the list of its size classes. */
static bool read_classes(struct allocator *a, const struct image *image)
{
	struct size_classes *classes = &a->classes;

	for (size_t i = 0; i < SIZE_CLASSES_MAX; i++) {
		uint64_t bytes;

		if (memory_read(image->pid, a->class_table + 8 * i, &bytes, sizeof(bytes)) ||
		    bytes <= (i ? classes->bytes[i - 1] : 0))
			break;
		classes->bytes[classes->count++] = bytes;
		if (bytes < LARGE_MIN)
			a->small_classes = (uint32_t)classes->count;
	}
	return a->small_classes > 20;
}

static bool by_cache_functions(struct allocator *a, const struct image *image)
{
	static const char *const names[CACHE_SITES] = {
		[CACHE_FILL] = "je_arena_tcache_fill_small",
		[CACHE_FLUSH_SMALL] = "je_tcache_bin_flush_small",
		[CACHE_FLUSH_LARGE] = "je_tcache_bin_flush_large",
		[CACHE_LARGE_ALLOC] = "je_large_palloc",
		[CACHE_LARGE_FREE] = "je_large_dalloc",
	};

	for (size_t i = 0; i < CACHE_SITES; i++) {
		if (site(a, names[i], &a->cache[i]))
			continue;
		memset(a->cache, 0, sizeof(a->cache));
		return false;
	}
	return variable(image, "je_sz_index2size_tab", &a->class_table) &&
	       variable(image, "je_tcache_bin_info", &a->bin_info) && read_classes(a, image);
}

/* --- all of it ----------------------------------------------------------------------- */

static void find_jemalloc(struct allocator *a, const struct image *image)
{
	a->found_by = by_symbol(a);
	if (!*a->found_by && image->allocator_bundled && by_cache_functions(a, image))
		a->found_by = "symbol";
	if (!*a->found_by)
		a->found_by = by_experiment(a, image);
}

void allocator_find(struct allocator *a, const struct image *image)
{
	bool bundled = !image->allocator_module;

	memset(a, 0, sizeof(*a));
	a->found_by = "";
	a->pid = image->pid;
	a->code = bundled ? image->module : image->allocator_module;
	a->bias = image->bias;
	if (!bundled && elf_file_bias(a->code, image->allocator_map, &a->bias)) {
		snprintf(a->reason, sizeof(a->reason),
			 "where the allocator's library was loaded is not clear");
		return;
	}
	snprintf(a->file, sizeof(a->file), "/proc/self/fd/%d", elf_file_fd(a->code));
	find_entries(a, image);
	if (image->allocator != ALLOCATOR_JEMALLOC)
		snprintf(a->reason, sizeof(a->reason),
			 "the server uses libc's malloc, which does not tell of its bytes; page "
			 "faults and the address space are followed instead");
	else
		find_jemalloc(a, image);
	log_msg(LOG_INFO, "allocator: %s%s", *a->found_by ? "found by " : "not followed: ",
		*a->found_by ? a->found_by : a->reason);
}
