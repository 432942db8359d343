/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets among the open files of a process; see sock_files.h. */
#include "host/sock_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"

static int compare_inodes(const void *a, const void *b)
{
	uint64_t x = ((const struct sock_file *)a)->inode, y = ((const struct sock_file *)b)->inode;

	return (x > y) - (x < y);
}

/* The inode of a link like "socket:[12345]", 0 for other files. */
static uint64_t socket_inode(int dir, const char *name)
{
	char target[64];
	ssize_t len = readlinkat(dir, name, target, sizeof(target) - 1);

	if (len < 0)
		return 0;
	target[len] = '\0';
	return strncmp(target, "socket:[", 8) ? 0 : strtoull(target + 8, NULL, 10);
}

int sock_files_list(pid_t pid, struct sock_file **files, size_t *count)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	*files = NULL;
	*count = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		uint64_t inode = socket_inode(dirfd(dir), entry->d_name);

		if (!inode)
			continue;
		*files = array_grow(*files, *count, sizeof(**files));
		(*files)[(*count)++] = (struct sock_file){ inode, atoi(entry->d_name) };
	}
	closedir(dir);
	if (*count)
		qsort(*files, *count, sizeof(**files), compare_inodes);
	return 0;
}

const struct sock_file *sock_files_find(const struct sock_file *files, size_t count, uint64_t inode)
{
	const struct sock_file want = { .inode = inode };

	return count ? bsearch(&want, files, count, sizeof(want), compare_inodes) : NULL;
}

int sock_files_have(pid_t pid, uint64_t inode)
{
	struct sock_file *files;
	size_t count;
	int ret = sock_files_list(pid, &files, &count);

	if (ret)
		return ret;
	ret = sock_files_find(files, count, inode) != NULL;
	free(files);
	return ret;
}

bool sock_files_still(pid_t pid, const struct sock_file *file)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, file->number);
	return socket_inode(AT_FDCWD, path) == file->inode;
}
