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

struct known_module {
	uint64_t inode;
	uint64_t bias;
	struct elf_file *module;
	struct elf_symtab *table; /* NULL = cannot be read */
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
		elf_symtab_free(symbols->modules[i].table);
		elf_file_close(symbols->modules[i].module);
	}
	free(symbols);
}

static const struct known_module *module_of(struct target_symbols *symbols, const struct map *map)
{
	struct known_module *known;
	struct err why = {};

	for (size_t i = 0; i < symbols->count; i++)
		if (symbols->modules[i].inode == map->inode)
			return &symbols->modules[i];
	if (symbols->count == MODULES_MAX)
		return NULL;
	known = &symbols->modules[symbols->count++];
	known->inode = map->inode;
	if (elf_file_open(&known->module, symbols->image->pid, map, &why)) {
		known->module = NULL;
	} else if (!elf_file_bias(known->module, map, &known->bias) &&
		   elf_symtab_read(&known->table, known->module, &why)) {
		known->table = NULL;
	}
	if (why.code)
		log_msg(LOG_INFO, "%s", why.text);
	return known;
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
	const struct known_module *known;
	const struct map *map;
	const char *name = NULL;

	*symbol = "";
	if (kernel_ip)
		return MODULE_KERNEL;
	map = maps_find(symbols->image->maps, user_ip);
	if (!map || !map->inode)
		return MODULE_OTHER;
	known = module_of(symbols, map);
	if (known && known->table)
		name = elf_symtab_find(known->table, user_ip - known->bias, NULL);
	if (name)
		*symbol = name;
	if (in_allocator(symbols->image, user_ip) || (name && !strncmp(name, "je_", 3)))
		return MODULE_ALLOCATOR;
	if (map->inode == symbols->image->inode)
		return MODULE_SERVER;
	if (strstr(map->path, "/libc.so") || strstr(map->path, "/libc-") ||
	    strstr(map->path, "/libm.so"))
		return MODULE_LIBC;
	return MODULE_OTHER;
}
