/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server's program as it is in memory: which mapped file holds `server`,
 * where it was loaded, which allocator it uses. Found by its symbols, never by a
 * file name: Debian's redis-server is a link to redis-check-rdb, under ld.so
 * /proc/PID/exe is the loader, and after an upgrade the file is gone.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "redmem/events.h"

struct elf_file;
struct map;
struct maps;

enum allocator_kind { ALLOCATOR_UNKNOWN, ALLOCATOR_JEMALLOC, ALLOCATOR_LIBC };

struct image {
	pid_t pid;
	char executable[256]; /* path as the server sees it */
	char file[64]; /* path by which we can open it: /proc/self/fd/N */
	struct elf_file *module;
	struct maps *maps; /* as they were when looked at */
	const struct map *map; /* the program's code, one of maps */
	uint64_t bias; /* added to a symbol's value to get its address */
	uint64_t server_address; /* of the global `server` */
	uint32_t server_bytes;
	bool valkey; /* the symbol table speaks of valkey */

	enum allocator_kind allocator;
	bool allocator_bundled; /* jemalloc linked into the binary (je_ prefix) */
	bool can_defrag; /* built with jemalloc's defrag hint */
	/* The library the allocator is in, and its code; NULL when it is in the program. */
	struct elf_file *allocator_module;
	const struct map *allocator_map;
	struct redmem_range allocator_range[REDMEM_ALLOCATOR_RANGES];
	size_t allocator_ranges;
	struct redmem_range file_range[REDMEM_FILE_RANGES];
	size_t file_ranges;
};

/*
 * Look at process @pid. -ENOENT when it is no redis-server or valkey-server
 * (none of its files has `server` and processCommand), -ESRCH when it is gone,
 * -EACCES without the right to look.
 */
int image_open(struct image **out, pid_t pid, struct err *err);
void image_close(struct image *image);
/* The same question without an answer to keep: 0 when it is a server. */
int image_is_server(pid_t pid, struct err *err);

/* Offset of a function in the image's file, as uprobes want it. False also when other
 * instructions stand there in the process than in the file: a probe would break them. */
bool image_function_offset(const struct image *image, const char *name, unsigned long *offset);
/* The same for any @module of the process, which has it at @bias. */
bool image_site(pid_t pid, struct elf_file *module, uint64_t bias, const char *name,
		unsigned long *offset);
/* Where the function's code is in the process; false when it or its size is not known. */
bool image_function_range(const struct image *image, const char *name, struct redmem_range *range);
/* Is the @i-th mapping the first executable one of its file? */
bool image_is_new_file(const struct maps *maps, size_t i);
/* By its name, as a C library may be any file. */
bool image_is_c_library(const struct map *map);
/* Where the code is: of the server's program, of the library with its allocator, of the C
 * library. Zeros for what is in none of its own. */
void image_code(const struct image *image, struct redmem_range ranges[REDMEM_CODE_RANGES]);
/* Read a byte of each place, so that the kernel finds its page in memory when it
 * puts a probe there. */
void image_touch(const struct image *image, const unsigned long *offsets, size_t count);
