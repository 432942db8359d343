/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading another process's memory; see memory.h. */
#define _GNU_SOURCE
#include "host/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

int memory_read(pid_t pid, uint64_t address, void *out, size_t len)
{
	struct iovec local = { out, len };
	struct iovec remote = { (void *)(uintptr_t)address, len };
	ssize_t got = process_vm_readv(pid, &local, 1, &remote, 1, 0);

	if (got < 0)
		return -errno;
	return (size_t)got == len ? 0 : -EFAULT;
}

int memory_read_string(pid_t pid, uint64_t address, char *out, size_t size)
{
	size_t len = 0;

	/* Piece by piece up to the next 64-byte line: never past a page that may
	 * be the last one mapped. */
	while (len < size) {
		size_t piece = 64 - (address + len) % 64;
		const char *end;
		int ret;

		if (piece > size - len)
			piece = size - len;
		ret = memory_read(pid, address + len, out + len, piece);
		if (ret)
			return ret;
		end = memchr(out + len, '\0', piece);
		if (end)
			return end - out;
		len += piece;
	}
	return -ENAMETOOLONG;
}
