/* SPDX-License-Identifier: BSD-2-Clause */
/* Debug files from debuginfod; see debug_files.h. */
#include "app/debug_files.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/progress.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/escape.h"
#include "host/elf.h"
#include "host/maps.h"
#include "target/image.h"

#define FETCH_NS     60000000000LL /* for all files together */
#define NAME_COLUMNS 60

/* elfutils' interface (debuginfod.h), which has had these since 0.179. It is loaded and not linked,
 * as in elfutils' own libraries: it brings another HTTP client into the process. */
typedef struct debuginfod_client debuginfod_client;

struct library {
	void *handle;
	debuginfod_client *client;
	debuginfod_client *(*begin)(void);
	void (*end)(debuginfod_client *);
	int (*find)(debuginfod_client *, const unsigned char *id, int id_len, char **path);
	void (*set_progress)(debuginfod_client *, int (*)(debuginfod_client *, long, long));
};

struct fetch {
	struct library library;
	const char *name; /* of the file that is being brought, as the server sees it */
	bool terminal; /* stderr is one */
	int64_t end_ns;
};

/* The one that goes on in this thread: before 0.180 the library hands its callback nothing. */
static _Thread_local struct fetch *current;

#ifdef REDMEM_STATIC
static bool load(struct library *library)
{
	(void)library;
	fprintf(stderr, "redmem: functions have fewer names: DEBUGINFOD_URLS is set, and this "
			"redmem is one static file, which cannot load libdebuginfod\n");
	return false;
}
#else
/* POSIX lets a pointer to data hold that of a function: dlsym() is made so. */
static bool load_symbol(struct library *library, const char *name, void *out)
{
	void *found = dlsym(library->handle, name);

	memcpy(out, &found, sizeof(found));
	return found != NULL;
}

static bool load(struct library *library)
{
	library->handle = dlopen("libdebuginfod.so.1", RTLD_LAZY | RTLD_LOCAL);
	if (library->handle && load_symbol(library, "debuginfod_begin", &library->begin) &&
	    load_symbol(library, "debuginfod_end", &library->end) &&
	    load_symbol(library, "debuginfod_find_debuginfo", &library->find) &&
	    load_symbol(library, "debuginfod_set_progressfn", &library->set_progress))
		library->client = library->begin();
	if (!library->client)
		fprintf(stderr,
			"redmem: functions have fewer names: DEBUGINFOD_URLS is set, but there is "
			"no libdebuginfod.so.1 (Debian: libdebuginfod1; Fedora: "
			"elfutils-debuginfod-client)\n");
	return library->client != NULL;
}
#endif

/* Called now and then while a file comes: @done of @total bytes, 0 where it is not known. Not 0
 * ends it. */
static int go_on(debuginfod_client *client, long done, long total)
{
	const struct fetch *fetch = current;
	struct buf line = {};

	(void)client;
	if (fetch->terminal) {
		buf_puts(&line, "debuginfod: ");
		escape_terminal(&line, fetch->name, strlen(fetch->name), NAME_COLUMNS);
		if (total > 0)
			buf_printf(&line, ", %.1f of %.1f MB", (double)done / 1e6,
				   (double)total / 1e6);
		progress_line(&line);
		buf_free(&line);
	}
	return interrupted() || clock_mono_ns() >= fetch->end_ns;
}

static void tell_failure(const struct fetch *fetch, int ret)
{
	struct buf line = {};

	progress_clear();
	buf_puts(&line, "redmem: functions of ");
	escape_terminal(&line, fetch->name, strlen(fetch->name), NAME_COLUMNS);
	buf_printf(&line, " have fewer names: debuginfod: %s\n",
		   ret == -ENOENT ? "no server of DEBUGINFOD_URLS has its build" : strerror(-ret));
	fputs(buf_str(&line), stderr);
	buf_free(&line);
}

/* False when there is no use in going on. */
static bool fetch_file(struct fetch *fetch, const struct elf_file *file)
{
	size_t len;
	const unsigned char *id = elf_file_build_id(file, &len);
	char *path = NULL;
	int fd;

	if (!id)
		return true;
	if (!fetch->library.client) {
		if (!load(&fetch->library))
			return false;
		current = fetch;
		fetch->library.set_progress(fetch->library.client, go_on);
	}
	fd = fetch->library.find(fetch->library.client, id, (int)len, &path);
	free(path);
	if (fd >= 0)
		close(fd);
	else if (!interrupted())
		tell_failure(fetch, fd);
	return !interrupted() && clock_mono_ns() < fetch->end_ns;
}

/* Only a name that is asked for shows whether a file has symbols. */
static bool lacks_symbols(struct elf_file *file)
{
	struct elf_symbol symbol;

	elf_file_symbol(file, "main", ELF_FUNCTION, &symbol);
	return elf_file_lacks_debug(file);
}

void debug_files_fetch(const struct image *image)
{
	struct fetch fetch = { .end_ns = clock_mono_ns() + FETCH_NS,
			       .terminal = isatty(STDERR_FILENO) };
	const char *urls = getenv("DEBUGINFOD_URLS");
	bool more = urls && *urls;

	for (size_t i = 0; more && i < image->maps->count; i++) {
		const struct map *map = &image->maps->map[i];
		struct elf_file *file;

		if (!image_is_new_file(image->maps, i) ||
		    elf_file_open(&file, image->pid, map, NULL))
			continue;
		fetch.name = map->path;
		if (lacks_symbols(file))
			more = fetch_file(&fetch, file);
		elf_file_close(file);
	}
	if (fetch.library.client)
		fetch.library.end(fetch.library.client);
	progress_clear();
}
