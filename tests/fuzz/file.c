/* SPDX-License-Identifier: BSD-2-Clause */
/* Inputs as files, and room for others; see fuzz.h. */
#define _GNU_SOURCE 1 /* memfd_create() */
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

const char *file_of(const uint8_t *data, size_t len)
{
	static char path[64];
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("input", MFD_CLOEXEC);
		must(fd >= 0 && !fchmod(fd, 0600));
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	must(!ftruncate(fd, 0) && pwrite(fd, data, len, 0) == (ssize_t)len);
	return path;
}

const char *own_folder(void)
{
	static char path[256];
	const char *where = getenv("TMPDIR");

	snprintf(path, sizeof(path), "%s/redmem-fuzz-XXXXXX", where ? where : "/tmp");
	must(mkdtemp(path));
	return path;
}
