/* SPDX-License-Identifier: BSD-2-Clause */
/* Sockets among the open files of a process; see sock_files.h. */
#include "host/sock_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"

int sock_files_compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

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

int sock_files_list(pid_t pid, uint64_t **inodes, size_t *count)
{
	struct dirent *entry;
	size_t room = 0;
	char path[64];
	DIR *dir;

	*inodes = NULL;
	*count = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		uint64_t inode = socket_inode(dirfd(dir), entry->d_name);

		if (!inode)
			continue;
		if (*count == room) {
			room = room ? room * 2 : 64;
			*inodes = xrealloc(*inodes, room * sizeof(**inodes));
		}
		(*inodes)[(*count)++] = inode;
	}
	closedir(dir);
	if (*count)
		qsort(*inodes, *count, sizeof(**inodes), sock_files_compare);
	return 0;
}

int sock_files_have(pid_t pid, uint64_t inode)
{
	uint64_t *inodes;
	size_t count;
	int ret = sock_files_list(pid, &inodes, &count);

	if (ret)
		return ret;
	ret = count && bsearch(&inode, inodes, count, sizeof(inode), sock_files_compare);
	free(inodes);
	return ret;
}
