/* SPDX-License-Identifier: BSD-2-Clause */
/* A cgroup of one's own; see cgroup_own.h. */
#include "host/cgroup_own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/cgroup.h"
#include "host/file.h"

/* The limit may need some rounds of reclaim, each of them as the disk allows. */
#define LIMIT_TRIES    50
#define LIMIT_PAUSE_US 100000

static int cgroup_write(const char *cgroup, const char *file, const char *text)
{
	char path[600];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s", cgroup, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Version 2 gives a controller only to children of those that pass it on. Changing
 * that for the whole host is not ours to do. */
static int cgroup_passes_on(const char *mount, struct err *err)
{
	struct buf path = {}, text = {};
	int ret;

	buf_printf(&path, "%s/cgroup.subtree_control", mount);
	ret = file_read(buf_str(&path), 4096, &text, err);
	if (!ret && !strstr(buf_str(&text), "memory"))
		ret = err_set(err, -ENOTSUP,
			      "cgroup: %s does not pass its memory controller on to children",
			      mount);
	buf_free(&path);
	buf_free(&text);
	return ret;
}

int cgroup_own_place(struct cgroup_own *cgroup, const char *name, struct err *err)
{
	struct buf where = {}, mounts = {}, mount = {}, own = {};
	int ret;

	*cgroup = (struct cgroup_own){};
	ret = file_read("/proc/self/cgroup", 1 << 16, &where, err);
	if (!ret)
		ret = file_read("/proc/self/mountinfo", 1 << 22, &mounts, err);
	if (ret)
		goto out;
	ret = cgroup_locate("memory", buf_str(&where), buf_str(&mounts), &cgroup->version, &mount,
			    &own);
	if (ret) {
		err_set(err, ret, "cgroup: no memory controller can be used here");
		goto out;
	}
	if (cgroup->version == 2)
		ret = cgroup_passes_on(buf_str(&mount), err);
	if (!ret)
		snprintf(cgroup->path, sizeof(cgroup->path), "%s/%s", buf_str(&mount), name);
out:
	buf_free(&where);
	buf_free(&mounts);
	buf_free(&mount);
	buf_free(&own);
	return ret;
}

/* Version 1 has a swappiness for each cgroup, and with 0 nothing is swapped; this is
 * the kernel's default. Version 2 swaps below a limit whatever the host's is. */
void cgroup_own_swaps(const struct cgroup_own *cgroup)
{
	if (cgroup->version == 1)
		cgroup_write(cgroup->path, "memory.swappiness", "60");
}

int cgroup_own_enter(const char *path)
{
	return cgroup_write(path, "cgroup.procs", "0"); /* 0: whoever writes */
}

/* The kernel reclaims in the write, and gives up for now with EBUSY. */
static int limit_v1(const char *cgroup, const char *limit)
{
	int ret = -EBUSY;

	for (int i = 0; i < LIMIT_TRIES && (ret == -EBUSY || ret == -EINTR); i++) {
		if (i)
			usleep(LIMIT_PAUSE_US);
		ret = cgroup_write(cgroup, "memory.limit_in_bytes", limit);
	}
	return ret;
}

/* Down by memory.high, which only reclaims: memory.max would kill if it were not
 * reached. But memory.high would slow the server down for good, so it goes again. */
static int limit_v2(const char *cgroup, const char *limit)
{
	int ret = cgroup_write(cgroup, "memory.high", limit);

	if (!ret)
		ret = cgroup_write(cgroup, "memory.max", limit);
	cgroup_write(cgroup, "memory.high", "max");
	return ret;
}

int cgroup_own_limit(const struct cgroup_own *cgroup, int64_t limit_bytes, struct err *err)
{
	char limit[24];
	int ret;

	snprintf(limit, sizeof(limit), "%lld", (long long)limit_bytes);
	ret = cgroup->version == 1 ? limit_v1(cgroup->path, limit) : limit_v2(cgroup->path, limit);
	return ret ? err_set(err, ret, "cgroup: %s: cannot set its limit to %s: %s", cgroup->path,
			     limit, strerror(-ret)) :
		     0;
}
