/* SPDX-License-Identifier: BSD-2-Clause */
/* What the allocator experiment found, kept in files; see experiment_cache.h. */
#define _GNU_SOURCE 1 /* O_TMPFILE */
#include "target/experiment_cache.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/escape.h"

/* Changes with the meaning of what is kept. */
#define HEAD "redmem.allocator/3"

static bool add_file(EVP_MD_CTX *digest, int fd)
{
	char piece[65536];
	struct stat st;
	off_t at = 0;
	ssize_t got;
	uint64_t size;

	if (fstat(fd, &st))
		return false;
	size = (uint64_t)st.st_size; /* so that no two lists of files have the same bytes */
	if (EVP_DigestUpdate(digest, &size, sizeof(size)) != 1)
		return false;
	while ((got = pread(fd, piece, sizeof(piece), at)) > 0) {
		at += got;
		if (EVP_DigestUpdate(digest, piece, (size_t)got) != 1)
			return false;
	}
	return !got && at == st.st_size;
}

bool experiment_digest(char out[EXPERIMENT_DIGEST_CHARS + 1], const struct experiment_files *files)
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	unsigned char bytes[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	bool fine = digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1 &&
		    add_file(digest, files->loader);

	for (size_t i = 0; fine && i < files->count; i++)
		fine = EVP_DigestUpdate(digest, files->library[i].name,
					sizeof(files->library[i].name)) == 1 &&
		       add_file(digest, files->library[i].fd);
	fine = fine && EVP_DigestFinal_ex(digest, bytes, &len) == 1 &&
	       len == EXPERIMENT_DIGEST_CHARS / 2;
	EVP_MD_CTX_free(digest);
	if (fine)
		hex_encode(out, EXPERIMENT_DIGEST_CHARS + 1, bytes, len);
	return fine;
}

static bool only_root_writes(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* The directory, made when @make; -1 when it is not to be trusted. */
static int open_directory(const char *path, bool make)
{
	int fd;

	if (geteuid() != 0)
		return -1;
	if (make)
		mkdir(path, 0755);
	fd = open(path, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && !only_root_writes(fd)) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool parse(struct experiment_result *out, char *text)
{
	char *rest, *line = strtok_r(text, "\n", &rest), *word;

	if (!line || strcmp(line, HEAD) || !(line = strtok_r(NULL, "\n", &rest)))
		return false;
	out->event_trigger = strtoull(line, NULL, 0);
	while ((word = strtok_r(NULL, " \n", &rest)) && out->classes.count < SIZE_CLASSES_MAX)
		out->classes.bytes[out->classes.count++] = strtoull(word, NULL, 10);
	return out->event_trigger && out->classes.count;
}

bool experiment_recall(struct experiment_result *out, const char *digest, const char *path)
{
	int directory = open_directory(path, false), fd = -1;
	char text[SIZE_CLASSES_MAX * 21 + 64];
	bool found = false;
	ssize_t len;

	memset(out, 0, sizeof(*out));
	if (directory >= 0)
		fd = openat(directory, digest, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && only_root_writes(fd) && (len = read(fd, text, sizeof(text) - 1)) > 0) {
		text[len] = '\0';
		found = text[len - 1] == '\n' && parse(out, text);
	}
	if (fd >= 0)
		close(fd);
	if (directory >= 0)
		close(directory);
	return found;
}

/* Under a name only when it is whole: who is killed before leaves nothing behind. */
static void put(int directory, const char *name, const struct buf *text)
{
	int fd = openat(directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644);
	char path[32];

	if (fd < 0)
		return; /* a file system without nameless files: made again each time */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, buf_str(text), text->len) == (ssize_t)text->len) {
		unlinkat(directory, name, 0); /* one that could not be read */
		linkat(AT_FDCWD, path, directory, name, AT_SYMLINK_FOLLOW);
	}
	close(fd);
}

void experiment_keep(const struct experiment_result *result, const char *digest, const char *path)
{
	int directory = open_directory(path, true);
	struct buf text = {};

	if (directory < 0)
		return;
	buf_printf(&text, HEAD "\n%#llx\n", (unsigned long long)result->event_trigger);
	for (size_t i = 0; i < result->classes.count; i++)
		buf_printf(&text, "%llu ", (unsigned long long)result->classes.bytes[i]);
	buf_putc(&text, '\n');
	put(directory, digest, &text);
	close(directory);
	buf_free(&text);
}
