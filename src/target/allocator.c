/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's allocator; see allocator.h. */
#include "target/allocator.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "host/elf.h"
#include "host/maps.h"
#include "host/memory.h"
#include "target/scratch_cache.h"

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

static const char *by_experiment(struct allocator *a)
{
	struct scratch_result result;
	struct err why = {};
	const char *how = "cache";
	char digest[SCRATCH_DIGEST_CHARS + 1];
	int fd = elf_file_fd(a->code);
	uint64_t place;
	bool cached = scratch_cache_digest(digest, &fd, 1);

	if (!cached || !scratch_cache_read(&result, digest)) {
		how = "experiment";
		if (scratch_find(&result, a->code, &why)) {
			snprintf(a->reason, sizeof(a->reason), "%s", why.text);
			return "";
		}
		if (cached)
			scratch_cache_write(&result, digest);
	}
	a->classes = result.classes;
	if (elf_file_offset(a->code, result.event_trigger, &place) ||
	    !elf_file_same_code(a->code, a->pid, a->bias, result.event_trigger))
		return "";
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

static void find_in_image(struct allocator *a, const struct image *image)
{
	a->found_by = by_symbol(a);
	if (!*a->found_by && by_cache_functions(a, image))
		a->found_by = "symbol";
	if (!*a->found_by)
		snprintf(a->reason, sizeof(a->reason),
			 "jemalloc is part of the program, which is stripped of its symbols; "
			 "install its debug symbols");
}

static void find_in_library(struct allocator *a)
{
	a->found_by = by_symbol(a);
	if (!*a->found_by)
		a->found_by = by_experiment(a);
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
	else if (image->allocator_bundled)
		find_in_image(a, image);
	else
		find_in_library(a);
	log_msg(LOG_INFO, "allocator: %s%s", *a->found_by ? "found by " : "not followed: ",
		*a->found_by ? a->found_by : a->reason);
}
