/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages at random; see pages.h. */
#include "host/pages.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Documentation/admin-guide/mm/pagemap.rst: 64 bits a page; this one says it is in memory. */
#define PRESENT ((uint64_t)1 << 63)

static uint64_t pages_of(const struct map_range *range, uint64_t page)
{
	return (range->end - range->start) / page;
}

static uint64_t address_of(const struct map_range *ranges, uint64_t n, uint64_t page)
{
	while (n >= pages_of(ranges, page))
		n -= pages_of(ranges++, page);
	return ranges->start + n * page;
}

static uint64_t random_below(uint64_t limit)
{
	uint64_t n = 0;

	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != sizeof(n))
		n = (uint64_t)random() << 31 ^ (uint64_t)random();
	return n % limit;
}

/* Bytes from @address on that are there, of at most two pages; negative errno. */
static int present(int fd, uint64_t address, uint64_t page)
{
	uint64_t entry[2] = { 0 };
	ssize_t got = pread(fd, entry, sizeof(entry), (off_t)(address / page * sizeof(*entry)));

	if (got < 0)
		return -errno;
	if (!(entry[0] & PRESENT))
		return 0;
	return (int)(entry[1] & PRESENT ? 2 * page : page);
}

int pages_draw(pid_t pid, const struct map_range *ranges, size_t count, size_t wanted,
	       struct drawn_page *out, int64_t *resident_bytes, struct err *err)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), all = 0;
	int fd, found = 0, bytes = 0;
	char path[64];

	for (size_t i = 0; i < count; i++)
		all += pages_of(&ranges[i], page);
	*resident_bytes = 0;
	if (!all || !wanted)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/pagemap", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, -errno, "%s: %s", path, strerror(errno));
	for (size_t i = 0; i < wanted && bytes >= 0; i++) {
		uint64_t address = address_of(ranges, random_below(all), page);

		bytes = present(fd, address, page);
		if (bytes > 0)
			out[found++] = (struct drawn_page){ address, (size_t)bytes };
	}
	close(fd);
	if (bytes < 0)
		return err_set(err, bytes, "%s: %s", path, strerror(-bytes));
	*resident_bytes = (int64_t)((double)all * (double)page * found / (double)wanted);
	return found;
}
