/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's program in memory; see image.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/escape.h"
#include "host/elf.h"
#include "host/maps.h"
#include "host/proc.h"
#include "target/image.h"

#define SERVER_BYTES_MAX (1 << 20) /* Redis 7.2 and Valkey 8.0 have 6 KB */

/* First and last objects of libjemalloc.a: functions that bound its code when it
 * is linked into the server (deps/jemalloc/Makefile, C_SRCS). */
static const char *const jemalloc_marks[] = {
	"je_malloc",
	"je_free",
	"je_calloc",
	"je_realloc",
	"je_mallctl",
	"je_arena_choose_hard",
	"je_arena_malloc_hard",
	"je_large_palloc",
	"je_tcache_create_explicit",
	"je_tsd_cleanup",
	"je_witness_init",
	"je_witnesses_cleanup",
};

static bool is_executable(const struct map *map)
{
	return map->perms[2] == 'x' && map->inode;
}

/* Does this file hold a server? Its symbols say so. */
static bool is_server_module(struct elf_file *module, struct elf_symbol *server)
{
	struct elf_symbol process;

	return !elf_file_symbol(module, "server", ELF_OBJECT, server) &&
	       !elf_file_symbol(module, "processCommand", ELF_FUNCTION, &process);
}

/* The first field of struct redisServer is the server's pid, as it sees itself. */
static bool pid_matches(pid_t pid, uint64_t address)
{
	struct proc_status status;
	int stored;

	if (memory_read(pid, address, &stored, sizeof(stored)))
		return false;
	if (stored == pid)
		return true;
	return !proc_status_read(&status, pid, NULL) && status.ns_pid == stored;
}

static int use_module(struct image *image, const struct map *map, struct elf_file *module,
		      const struct elf_symbol *server, struct err *err)
{
	struct buf path = {};

	if (elf_file_bias(module, map, &image->bias))
		return err_set(err, -ENOENT,
			       "target: process %d: its program's load address is not clear",
			       image->pid);
	if (server->size > SERVER_BYTES_MAX)
		return err_set(err, -ENOENT, "target: `server` of process %d has %llu bytes",
			       image->pid, (unsigned long long)server->size);
	image->server_address = image->bias + server->value;
	image->server_bytes = (uint32_t)server->size;
	if (!pid_matches(image->pid, image->server_address))
		return err_set(
			err, -ENOENT,
			"target: process %d: `server` does not begin with its pid: not a server "
			"redmem knows",
			image->pid);
	escape_terminal(&path, map->path, strlen(map->path), 200);
	snprintf(image->executable, sizeof(image->executable), "%s", buf_str(&path));
	buf_free(&path);
	image->module = module;
	snprintf(image->file, sizeof(image->file), "/proc/self/fd/%d", elf_file_fd(module));
	image->valkey = strstr(image->executable, "valkey") != NULL;
	image->map = map;
	return 0;
}

bool image_is_new_file(const struct maps *maps, size_t i)
{
	if (!is_executable(&maps->map[i]))
		return false;
	for (size_t j = 0; j < i; j++)
		if (is_executable(&maps->map[j]) && map_same_file(&maps->map[j], &maps->map[i]))
			return false;
	return true;
}

/* The failure is the helper's (late, gone, not to be had), so the file may be a server's. */
static bool is_of_helper(int code)
{
	return code == -ETIMEDOUT || code == -EPIPE || code == -ENFILE;
}

/* The mapped file with the symbols of a server; its module stays open. */
static int find_module(struct image *image, const struct maps *maps, struct err *err)
{
	struct err why = {}, one = {};
	bool opened = false;

	for (size_t i = 0; i < maps->count; i++) {
		const struct map *map = &maps->map[i];
		struct elf_file *module;
		struct elf_symbol server;

		if (!image_is_new_file(maps, i))
			continue;
		if (elf_file_open(&module, image->pid, map, &one)) {
			if (!is_of_helper(why.code))
				why = one;
			continue;
		}
		opened = true;
		if (is_server_module(module, &server)) {
			int ret = use_module(image, map, module, &server, err);

			if (ret)
				elf_file_close(module);
			return ret;
		}
		elf_file_close(module);
	}
	if (why.code && (!opened || is_of_helper(why.code)))
		return err_set(err, why.code, "%s", why.text);
	return err_set(
		err, -ENOENT,
		"target: process %d is not a redis-server or valkey-server (no symbol `server` in "
		"its program)",
		image->pid);
}

static void add_range(struct image *image, uint64_t start, uint64_t end)
{
	if (image->allocator_ranges < REDMEM_ALLOCATOR_RANGES)
		image->allocator_range[image->allocator_ranges++] =
			(struct redmem_range){ start, end };
}

/* jemalloc linked into the server, with the je_ prefix. */
static bool find_bundled(struct image *image)
{
	uint64_t low = UINT64_MAX, high = 0;
	struct elf_symbol symbol;

	if (elf_file_symbol(image->module, "je_malloc", ELF_FUNCTION, &symbol))
		return false;
	for (size_t i = 0; i < sizeof(jemalloc_marks) / sizeof(jemalloc_marks[0]); i++) {
		if (elf_file_symbol(image->module, jemalloc_marks[i], ELF_FUNCTION, &symbol))
			continue;
		if (symbol.value < low)
			low = symbol.value;
		if (symbol.value + symbol.size > high)
			high = symbol.value + symbol.size;
	}
	image->allocator = ALLOCATOR_JEMALLOC;
	image->allocator_bundled = true;
	image->can_defrag = true;
	add_range(image, image->bias + low, image->bias + high);
	return true;
}

static bool defines(struct elf_file *module, const char *function)
{
	struct elf_symbol symbol;

	return !elf_file_symbol(module, function, ELF_FUNCTION, &symbol);
}

static void use_allocator(struct image *image, enum allocator_kind kind, struct elf_file *module,
			  const struct map *map)
{
	elf_file_close(image->allocator_module);
	image->allocator = kind;
	image->allocator_module = module;
	image->allocator_map = map;
}

/*
 * Of the libraries the one that has jemalloc's own interface, else the C library: known by
 * what they define, as a file may have any name.
 */
static void find_shared(struct image *image, const struct maps *maps)
{
	for (size_t i = 0; i < maps->count && image->allocator != ALLOCATOR_JEMALLOC; i++) {
		const struct map *map = &maps->map[i];
		struct elf_file *module;

		if (!image_is_new_file(maps, i) || map_same_file(map, image->map) ||
		    elf_file_open(&module, image->pid, map, NULL))
			continue;
		if (defines(module, "mallctl"))
			use_allocator(image, ALLOCATOR_JEMALLOC, module, map);
		else if (image->allocator == ALLOCATOR_UNKNOWN &&
			 defines(module, "__libc_start_main"))
			use_allocator(image, ALLOCATOR_LIBC, module, map);
		else
			elf_file_close(module);
	}
	if (image->allocator == ALLOCATOR_UNKNOWN)
		image->allocator = ALLOCATOR_LIBC; /* linked into the program */
	for (size_t i = 0; i < maps->count && image->allocator == ALLOCATOR_JEMALLOC; i++)
		if (is_executable(&maps->map[i]) &&
		    map_same_file(&maps->map[i], image->allocator_map))
			add_range(image, maps->map[i].start, maps->map[i].end);
}

static void fill_file_ranges(struct image *image, const struct maps *maps)
{
	struct map_range ranges[REDMEM_FILE_RANGES];

	image->file_ranges = maps_file_ranges(maps, ranges, REDMEM_FILE_RANGES);
	for (size_t i = 0; i < image->file_ranges; i++)
		image->file_range[i] = (struct redmem_range){ ranges[i].start, ranges[i].end };
}

static int open_program(struct image **out, pid_t pid, struct err *err)
{
	struct image *image = xcalloc(1, sizeof(*image));
	int ret;

	image->pid = pid;
	ret = maps_read(&image->maps, pid, err);
	if (!ret)
		ret = find_module(image, image->maps, err);
	if (ret)
		image_close(image);
	else
		*out = image;
	return ret;
}

int image_is_server(pid_t pid, struct err *err)
{
	struct image *image;
	int ret = open_program(&image, pid, err);

	if (!ret)
		image_close(image);
	return ret;
}

int image_open(struct image **out, pid_t pid, struct err *err)
{
	int ret = open_program(out, pid, err);

	if (ret)
		return ret;
	if (!find_bundled(*out))
		find_shared(*out, (*out)->maps);
	fill_file_ranges(*out, (*out)->maps);
	return 0;
}

void image_close(struct image *image)
{
	if (!image)
		return;
	elf_file_close(image->allocator_module);
	elf_file_close(image->module);
	maps_free(image->maps);
	free(image);
}

bool image_function_offset(const struct image *image, const char *name, unsigned long *offset)
{
	return image_site(image->pid, image->module, image->bias, name, offset);
}

bool image_site(pid_t pid, struct elf_file *module, uint64_t bias, const char *name,
		unsigned long *offset)
{
	struct elf_symbol symbol;
	uint64_t place;

	if (elf_file_symbol(module, name, ELF_FUNCTION, &symbol) ||
	    elf_file_offset(module, symbol.value, &place) ||
	    !elf_file_same_code(module, pid, bias, symbol.value))
		return false;
	*offset = place;
	return true;
}

bool image_function_range(const struct image *image, const char *name, struct redmem_range *range)
{
	struct elf_symbol symbol;

	if (elf_file_symbol(image->module, name, ELF_FUNCTION, &symbol) || !symbol.size)
		return false;
	range->start = image->bias + symbol.value;
	range->end = range->start + symbol.size;
	return true;
}

bool image_is_c_library(const struct map *map)
{
	return strstr(map->path, "/libc.so") || strstr(map->path, "/libc-") ||
	       strstr(map->path, "/ld-musl");
}

/* All executable mappings of @map's file; nothing for NULL. */
static struct redmem_range code_of(const struct maps *maps, const struct map *map)
{
	struct redmem_range range = { UINT64_MAX, 0 };

	for (size_t i = 0; map && i < maps->count; i++) {
		const struct map *part = &maps->map[i];

		if (!is_executable(part) || !map_same_file(part, map))
			continue;
		range.start = part->start < range.start ? part->start : range.start;
		range.end = part->end > range.end ? part->end : range.end;
	}
	return range.end ? range : (struct redmem_range){ 0, 0 };
}

void image_code(const struct image *image, struct redmem_range ranges[REDMEM_CODE_RANGES])
{
	const struct maps *maps = image->maps;
	const struct map *library = NULL;

	for (size_t i = 0; i < maps->count && !library; i++)
		if (is_executable(&maps->map[i]) && image_is_c_library(&maps->map[i]))
			library = &maps->map[i];
	ranges[0] = code_of(maps, image->map);
	ranges[1] = code_of(maps, image->allocator_map);
	ranges[2] = code_of(maps, library);
}

void image_touch(const struct image *image, const unsigned long *offsets, size_t count)
{
	char byte;

	for (size_t i = 0; i < count; i++)
		if (pread(elf_file_fd(image->module), &byte, 1, offsets[i]) != 1)
			return; /* then the kernel reads the page itself */
}
