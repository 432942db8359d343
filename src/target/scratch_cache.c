/* SPDX-License-Identifier: BSD-2-Clause */
/* Results of experiments; see scratch_cache.h. */
#include "target/scratch_cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/elf.h"

#define DIRECTORY "/var/cache/redmem"
/* Changes with the meaning of what is kept. */
#define HEAD   "redmem.allocator/1"
#define ID_MAX 64

void scratch_cache_id(struct buf *out, struct elf_file *file, const char *before,
		      const char *between, const char *after)
{
	const unsigned char *id;
	size_t len;

	id = elf_file_build_id(file, &len);
	if (!id || len < 2 || len > ID_MAX)
		return;
	buf_puts(out, before);
	for (size_t i = 0; i < len; i++)
		buf_printf(out, "%02x%s", id[i], i ? "" : between);
	buf_puts(out, after);
}

static bool only_root_writes(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* The directory, made when @make; -1 when it is not to be trusted. */
static int open_directory(bool make)
{
	int fd;

	if (geteuid() != 0)
		return -1;
	if (make)
		mkdir(DIRECTORY, 0755);
	fd = open(DIRECTORY, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && !only_root_writes(fd)) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool parse(struct scratch_result *out, char *text)
{
	char *rest, *line = strtok_r(text, "\n", &rest), *word;

	if (!line || strcmp(line, HEAD) || !(line = strtok_r(NULL, "\n", &rest)))
		return false;
	out->event_trigger = strtoull(line, NULL, 0);
	while ((word = strtok_r(NULL, " \n", &rest)) && out->classes.count < SIZE_CLASSES_MAX)
		out->classes.bytes[out->classes.count++] = strtoull(word, NULL, 10);
	return out->event_trigger && out->classes.count;
}

bool scratch_cache_read(struct scratch_result *out, struct elf_file *library)
{
	int directory = open_directory(false), fd = -1;
	char text[SIZE_CLASSES_MAX * 21 + 64];
	struct buf name = {};
	bool found = false;
	ssize_t len;

	memset(out, 0, sizeof(*out));
	scratch_cache_id(&name, library, "", "", "");
	if (directory >= 0 && name.len)
		fd = openat(directory, buf_str(&name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && only_root_writes(fd) && (len = read(fd, text, sizeof(text) - 1)) > 0) {
		text[len] = '\0';
		found = text[len - 1] == '\n' && parse(out, text);
	}
	if (fd >= 0)
		close(fd);
	if (directory >= 0)
		close(directory);
	buf_free(&name);
	return found;
}

void scratch_cache_write(const struct scratch_result *result, struct elf_file *library)
{
	int directory = open_directory(true), fd = -1;
	struct buf name = {}, text = {}, fresh = {};

	scratch_cache_id(&name, library, "", "", "");
	buf_printf(&fresh, "%s.%d", buf_str(&name), getpid());
	buf_printf(&text, HEAD "\n%#llx\n", (unsigned long long)result->event_trigger);
	for (size_t i = 0; i < result->classes.count; i++)
		buf_printf(&text, "%llu ", (unsigned long long)result->classes.bytes[i]);
	buf_putc(&text, '\n');
	if (directory >= 0 && name.len)
		fd = openat(directory, buf_str(&fresh), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			    0644);
	/* Whole or not at all. */
	if (fd >= 0 && (write(fd, buf_str(&text), text.len) != (ssize_t)text.len ||
			renameat(directory, buf_str(&fresh), directory, buf_str(&name))))
		unlinkat(directory, buf_str(&fresh), 0);
	if (fd >= 0)
		close(fd);
	if (directory >= 0)
		close(directory);
	buf_free(&name);
	buf_free(&text);
	buf_free(&fresh);
}
