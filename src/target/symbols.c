/* SPDX-License-Identifier: BSD-2-Clause */
/* Code addresses as names; see symbols.h. */
#include "target/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "host/elf.h"
#include "host/maps.h"

#define MODULES_MAX 64

/* A function, or a stretch without a name (""). */
struct known_function {
	uint64_t start, end;
	char *name;
};

/* More functions than any module has code for that is sampled: then the rest stays nameless. */
#define FUNCTIONS_MAX 32768

/* Names are asked for one by one, where a sample was; each is asked for once. */
struct known_module {
	const struct map *map; /* of the image's maps */
	uint64_t bias;
	struct elf_file *file; /* NULL = cannot be read */
	struct known_function *function; /* those asked for, ascending */
	size_t count;
};

struct target_symbols {
	const struct image *image;
	struct known_module modules[MODULES_MAX];
	size_t count;
};

struct target_symbols *target_symbols_open(const struct image *image)
{
	struct target_symbols *symbols = xcalloc(1, sizeof(*symbols));

	symbols->image = image;
	return symbols;
}

void target_symbols_close(struct target_symbols *symbols)
{
	if (!symbols)
		return;
	for (size_t i = 0; i < symbols->count; i++) {
		struct known_module *known = &symbols->modules[i];

		elf_file_close(known->file);
		for (size_t f = 0; f < known->count; f++)
			free(known->function[f].name);
		free(known->function);
	}
	free(symbols);
}

static struct known_module *module_of(struct target_symbols *symbols, const struct map *map)
{
	struct known_module *known;
	struct err why = {};

	for (size_t i = 0; i < symbols->count; i++)
		if (map_same_file(symbols->modules[i].map, map))
			return &symbols->modules[i];
	if (symbols->count == MODULES_MAX)
		return NULL;
	known = &symbols->modules[symbols->count++];
	known->map = map;
	if (elf_file_open(&known->file, symbols->image->pid, map, &why)) {
		known->file = NULL;
		log_msg(LOG_INFO, "%s", why.text);
	} else if (elf_file_bias(known->file, map, &known->bias)) {
		elf_file_close(known->file);
		known->file = NULL;
	}
	return known;
}

/* The function @vaddr lies in; of one without a name, the stretch in which none is
 * known ("" then). */
static const char *function_at(struct known_module *known, uint64_t vaddr)
{
	struct elf_function fresh;
	struct known_function *at;
	size_t low = 0, high = known->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (known->function[middle].end <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < known->count && known->function[low].start <= vaddr)
		return known->function[low].name;
	if (known->count == FUNCTIONS_MAX)
		return "";
	if (elf_file_function(known->file, vaddr, &fresh)) {
		elf_file_close(known->file);
		known->file = NULL;
		return "";
	}
	/* What is told may not overlap what was told before: then it is believed for this
	 * address alone. */
	if ((low && fresh.start < known->function[low - 1].end) ||
	    (low < known->count && fresh.end > known->function[low].start)) {
		fresh.start = vaddr;
		fresh.end = vaddr + 1;
	}
	known->function = xrealloc(known->function, (known->count + 1) * sizeof(*at));
	at = &known->function[low];
	memmove(at + 1, at, (known->count - low) * sizeof(*at));
	*at = (struct known_function){ fresh.start, fresh.end, xstrdup(fresh.name) };
	known->count++;
	return at->name;
}

static bool in_allocator(const struct image *image, uint64_t ip)
{
	for (size_t i = 0; i < image->allocator_ranges; i++)
		if (ip >= image->allocator_range[i].start && ip < image->allocator_range[i].end)
			return true;
	return false;
}

enum redmem_module target_symbols_leaf(struct target_symbols *symbols, uint64_t user_ip,
				       uint64_t kernel_ip, const char **symbol)
{
	struct known_module *known;
	const struct map *map;

	*symbol = "";
	if (kernel_ip)
		return MODULE_KERNEL;
	map = maps_find(symbols->image->maps, user_ip);
	if (!map || !map->inode)
		return MODULE_OTHER;
	known = module_of(symbols, map);
	if (known && known->file)
		*symbol = function_at(known, user_ip - known->bias);
	if (in_allocator(symbols->image, user_ip) || !strncmp(*symbol, "je_", 3))
		return MODULE_ALLOCATOR;
	if (map_same_file(map, symbols->image->map))
		return MODULE_SERVER;
	if (strstr(map->path, "/libc.so") || strstr(map->path, "/libc-") ||
	    strstr(map->path, "/libm.so"))
		return MODULE_LIBC;
	return MODULE_OTHER;
}
