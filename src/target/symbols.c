/* SPDX-License-Identifier: BSD-2-Clause */
/* What is known of a server's code by its address; see symbols.h. */
#define _GNU_SOURCE 1 /* memfd_create() */
#include "target/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/escape.h"
#include "host/elf.h"
#include "host/maps.h"
#include "host/proc.h"

#define MODULES_MAX 64
#define VDSO_MAX    (64 << 10)

/* A function, or a stretch without a name (""). */
struct known_function {
	uint64_t start, end;
	char *name;
};

/* More functions than any module has code for that is sampled: then the rest stays nameless. */
#define FUNCTIONS_MAX 32768
/* The same of rows, and of functions that are called by where they begin. */
#define ROWS_MAX 32768

/* Call frame information; one that is not there stands for a single address. */
struct known_row {
	struct elf_frame_row row;
	bool missing;
};

/* A function without a name. */
struct known_place {
	uint64_t start;
	char *text;
};

/* Names are asked for one by one, where a sample was; each is asked for once. */
struct known_module {
	const struct map *map; /* of the image's maps */
	uint64_t bias;
	struct elf_file *file; /* NULL = cannot be read */
	struct known_function *function; /* those asked for, ascending */
	size_t count;
	struct known_row *row; /* likewise */
	size_t rows;
	struct known_place *place; /* likewise */
	size_t places;
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
		for (size_t p = 0; p < known->places; p++)
			free(known->place[p].text);
		free(known->function);
		free(known->row);
		free(known->place);
	}
	free(symbols);
}

/* --- modules ------------------------------------------------------------------------------ */

static bool is_vdso(const struct map *map)
{
	return !strcmp(map->path, "[vdso]");
}

/* The kernel's own module lies in no file: it is copied from the process. */
static int open_vdso(struct elf_file **out, pid_t pid, const struct map *map, struct err *err)
{
	size_t size = map->end - map->start;
	char *copy;
	int fd, ret;

	if (size > VDSO_MAX)
		return err_set(err, -EFBIG, "symbols: %s has %zu bytes", map->path, size);
	fd = memfd_create("vdso", MFD_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "symbols: no memory for %s: %s", map->path,
			       strerror(errno));
	copy = xcalloc(1, size);
	ret = memory_read(pid, map->start, copy, size);
	if (!ret && write(fd, copy, size) != (ssize_t)size)
		ret = -EIO;
	free(copy);
	if (!ret)
		return elf_file_open_fd(out, fd, map->path, err);
	close(fd);
	return err_set(err, ret, "symbols: %s cannot be read", map->path);
}

static int open_module(struct elf_file **out, pid_t pid, const struct map *map, struct err *err)
{
	return is_vdso(map) ? open_vdso(out, pid, map, err) : elf_file_open(out, pid, map, err);
}

static bool is_same_module(const struct map *a, const struct map *b)
{
	return is_vdso(a) ? is_vdso(b) : map_same_file(a, b);
}

static struct known_module *module_of(struct target_symbols *symbols, const struct map *map)
{
	struct known_module *known;
	struct err why = {};

	for (size_t i = 0; i < symbols->count; i++)
		if (is_same_module(symbols->modules[i].map, map))
			return &symbols->modules[i];
	if (symbols->count == MODULES_MAX)
		return NULL;
	known = &symbols->modules[symbols->count++];
	known->map = map;
	if (open_module(&known->file, symbols->image->pid, map, &why)) {
		known->file = NULL;
		log_msg(LOG_INFO, "%s", why.text);
	} else if (elf_file_bias(known->file, map, &known->bias)) {
		elf_file_close(known->file);
		known->file = NULL;
	}
	return known;
}

/* The module with code at @address, NULL when there is none that can be read. */
static struct known_module *module_at(struct target_symbols *symbols, uint64_t address)
{
	const struct map *map = maps_find(symbols->image->maps, address);
	struct known_module *known = NULL;

	if (map && map->perms[2] == 'x' && (map->inode || is_vdso(map)))
		known = module_of(symbols, map);
	return known && known->file ? known : NULL;
}

/* --- names -------------------------------------------------------------------------------- */

/* Room for one more at @at of @count elements. */
static void *insert(void *array, size_t count, size_t at, size_t size)
{
	char *grown = xrealloc(array, (count + 1) * size);

	memmove(grown + (at + 1) * size, grown + at * size, (count - at) * size);
	return grown;
}

/* A name is bytes of the target's file: plain text of it, without what parts names elsewhere. */
static char *plain_name(const char *name)
{
	char *plain = xstrdup(name);

	escape_sanitize(plain);
	for (char *c = plain; (c = strchr(c, ';'));)
		*c = ':';
	return plain;
}

/* The function @vaddr lies in; of one without a name, the stretch in which none is
 * known ("" then). */
static const char *function_at(struct known_module *known, uint64_t vaddr)
{
	struct elf_function fresh;
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
	known->function = insert(known->function, known->count, low, sizeof(*known->function));
	known->function[low] =
		(struct known_function){ fresh.start, fresh.end, plain_name(fresh.name) };
	known->count++;
	return known->function[low].name;
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
	if (image_is_c_library(map) || strstr(map->path, "/libm.so"))
		return MODULE_LIBC;
	return MODULE_OTHER;
}

/* --- rows --------------------------------------------------------------------------------- */

/* A row begins at the address that was asked for and goes up to the next one that is known. */
static void ask_row(struct known_module *known, uint64_t vaddr, size_t at, struct known_row *fresh)
{
	*fresh = (struct known_row){ .missing = true };
	if (!elf_file_frame_row(known->file, vaddr, &fresh->row))
		fresh->missing = false;
	fresh->row.start = vaddr;
	if (fresh->missing)
		fresh->row.end = vaddr + 1;
	if (at < known->rows && fresh->row.end > known->row[at].row.start)
		fresh->row.end = known->row[at].row.start;
}

static const struct known_row *row_at(struct known_module *known, uint64_t vaddr)
{
	size_t low = 0, high = known->rows;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (known->row[middle].row.end <= vaddr)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == known->rows || known->row[low].row.start > vaddr) {
		struct known_row fresh;

		if (known->rows == ROWS_MAX)
			return NULL;
		ask_row(known, vaddr, low, &fresh);
		known->row = insert(known->row, known->rows, low, sizeof(fresh));
		known->row[low] = fresh;
		known->rows++;
	}
	return known->row[low].missing ? NULL : &known->row[low];
}

bool target_symbols_row(struct target_symbols *symbols, uint64_t address, struct elf_frame_row *row)
{
	struct known_module *known = module_at(symbols, address);
	const struct known_row *found = known ? row_at(known, address - known->bias) : NULL;

	if (!found)
		return false;
	*row = found->row;
	row->start += known->bias;
	row->end += known->bias;
	if (row->function)
		row->function += known->bias;
	return true;
}

/* --- functions, whether they have a name or not ------------------------------------------- */

/* "libc.so.6+0x29d90", by the last part of the module's path. */
static char *place_text(const struct known_module *known, uint64_t start)
{
	const char *path = known->map->path, *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path, *gone = strstr(name, " (deleted)");
	struct buf text = {};
	char *plain;

	buf_printf(&text, "%.*s+0x%llx", gone ? (int)(gone - name) : 100, name,
		   (unsigned long long)start);
	plain = plain_name(buf_str(&text));
	buf_free(&text);
	return plain;
}

/* The text of what begins at @start. */
static const char *place_at(struct known_module *known, uint64_t start)
{
	size_t low = 0, high = known->places;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (known->place[middle].start < start)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < known->places && known->place[low].start == start)
		return known->place[low].text;
	if (known->places == ROWS_MAX)
		return TARGET_UNKNOWN_CODE;
	known->place = insert(known->place, known->places, low, sizeof(*known->place));
	known->place[low] = (struct known_place){ start, place_text(known, start) };
	known->places++;
	return known->place[low].text;
}

const char *target_symbols_name(struct target_symbols *symbols, uint64_t address)
{
	struct known_module *known = module_at(symbols, address);
	const struct known_row *row;
	const char *name;
	uint64_t vaddr;

	if (!known)
		return TARGET_UNKNOWN_CODE;
	vaddr = address - known->bias;
	name = function_at(known, vaddr);
	if (*name)
		return name;
	row = known->file ? row_at(known, vaddr) : NULL;
	/* Code of which nothing is known is told by pages of 4 KiB. */
	return place_at(known, row && row->row.function ? row->row.function : vaddr & ~4095ULL);
}
