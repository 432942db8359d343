/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's shortage of memory; see demo_swap.h. */
#include "app/demo_swap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/swap.h>
#include <unistd.h>

#include "base/buf.h"
#include "record/record.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/sysmem.h"

#define MIB (INT64_C(1) << 20)
/* More than the server ever has above its limit, with a saving child beside it. */
#define SWAP_BYTES (768 * MIB)
/* Left on the file system beside the swap file: the demo also saves there. */
#define DISK_SPARE_BYTES (512 * MIB)
/* The limit may need some rounds of reclaim, each of them as the disk allows. */
#define LIMIT_TRIES    50
#define LIMIT_PAUSE_US 100000

/* --- the cgroup ----------------------------------------------------------- */

static int cgroup_write(const struct demo_swap *swap, const char *file, const char *text)
{
	char path[600];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "%s/%s", swap->cgroup, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* Version 2 gives a controller only to children of those that pass it on. Changing
 * that for the whole host is not the demo's to do. */
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

static int cgroup_make(struct demo_swap *swap, struct err *err)
{
	struct buf where = {}, mounts = {}, mount = {}, own = {};
	int ret;

	ret = file_read("/proc/self/cgroup", 1 << 16, &where, err);
	if (!ret)
		ret = file_read("/proc/self/mountinfo", 1 << 22, &mounts, err);
	if (ret)
		goto out;
	ret = cgroup_locate(buf_str(&where), buf_str(&mounts), &swap->cgroup_version, &mount, &own);
	if (ret) {
		err_set(err, ret, "cgroup: no memory controller can be used here");
		goto out;
	}
	if (swap->cgroup_version == 2)
		ret = cgroup_passes_on(buf_str(&mount), err);
	if (ret)
		goto out;
	snprintf(swap->cgroup, sizeof(swap->cgroup), "%s/redmem-demo-%d", buf_str(&mount),
		 getpid());
	if (mkdir(swap->cgroup, 0755)) {
		ret = err_set(err, -errno, "cgroup: mkdir %s: %s", swap->cgroup, strerror(errno));
		swap->cgroup[0] = '\0';
		goto out;
	}
	/* Version 1 has a swappiness for each cgroup, and with 0 nothing is swapped; this is
	 * the kernel's default. Version 2 swaps below a limit whatever the host's is. */
	if (swap->cgroup_version == 1)
		cgroup_write(swap, "memory.swappiness", "60");
out:
	buf_free(&where);
	buf_free(&mounts);
	buf_free(&mount);
	buf_free(&own);
	return ret;
}

/* --- the swap file --------------------------------------------------------- */

/* The header mkswap(8) writes (kernel: include/linux/swap.h, union swap_header). */
static int write_header(int fd, int64_t bytes)
{
	static const char magic[] = "SWAPSPACE2";
	long page = sysconf(_SC_PAGESIZE);
	struct {
		uint32_t version, last_page, bad_pages;
	} info = { 1, (uint32_t)(bytes / page - 1), 0 };

	if (pwrite(fd, &info, sizeof(info), 1024) != sizeof(info) ||
	    pwrite(fd, magic, sizeof(magic) - 1, page - (sizeof(magic) - 1)) != sizeof(magic) - 1 ||
	    fsync(fd))
		return -EIO;
	return 0;
}

static int file_make(const char *path, struct err *err)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int ret;

	if (fd < 0)
		return err_set(err, -errno, "swap: %s: %s", path, strerror(errno));
	/* Without holes: the kernel swaps to the blocks behind the file's back. */
	ret = -posix_fallocate(fd, 0, SWAP_BYTES);
	if (!ret)
		ret = write_header(fd, SWAP_BYTES);
	close(fd);
	if (!ret && swapon(path, 0))
		ret = -errno;
	if (ret) {
		err_set(err, ret, "swap: %s cannot be a swap file: %s", path, strerror(-ret));
		unlink(path);
	}
	return ret;
}

static int file_try(struct demo_swap *swap, const char *dir, struct err *err)
{
	struct statvfs space;
	int ret;

	if (statvfs(dir, &space))
		return err_set(err, -errno, "swap: %s: %s", dir, strerror(errno));
	if ((int64_t)(space.f_bavail * space.f_frsize) < SWAP_BYTES + DISK_SPARE_BYTES)
		return err_set(err, -ENOSPC, "swap: %s has less than %lld MiB free", dir,
			       (long long)((SWAP_BYTES + DISK_SPARE_BYTES) / MIB));
	snprintf(swap->file, sizeof(swap->file), "%s/redmem-demo-%d.swap", dir, getpid());
	ret = file_make(swap->file, err);
	if (ret)
		swap->file[0] = '\0';
	return ret;
}

static int swap_find(struct demo_swap *swap, const char *dir, struct err *err)
{
	struct meminfo memory;
	int ret;

	if (!meminfo_read(&memory, "") && memory.swap_free_bytes >= SWAP_BYTES)
		return 0;
	ret = file_try(swap, dir, err);
	/* Where /tmp lives in memory, /var/tmp usually does not. */
	return ret && ret != -EPERM ? file_try(swap, "/var/tmp", err) : ret;
}

/* --- together --------------------------------------------------------------- */

int demo_swap_open(struct demo_swap *swap, const char *dir, struct err *err)
{
	int ret;

	*swap = (struct demo_swap){};
	if (geteuid())
		return err_set(err, -EPERM, "it takes root");
	ret = cgroup_make(swap, err);
	if (!ret)
		ret = swap_find(swap, dir, err);
	if (ret)
		demo_swap_close(swap, NULL);
	return ret;
}

int demo_swap_enter(const struct demo_swap *swap)
{
	return cgroup_write(swap, "cgroup.procs", "0"); /* 0: whoever writes */
}

/* The kernel reclaims in the write, and gives up for now with EBUSY. */
static int limit_v1(const struct demo_swap *swap, const char *limit)
{
	int ret = -EBUSY;

	for (int i = 0; i < LIMIT_TRIES && (ret == -EBUSY || ret == -EINTR); i++) {
		if (i)
			usleep(LIMIT_PAUSE_US);
		ret = cgroup_write(swap, "memory.limit_in_bytes", limit);
	}
	return ret;
}

/* Down by memory.high, which only reclaims: memory.max would kill if it were not
 * reached. But memory.high would slow the server down for good, so it goes again. */
static int limit_v2(const struct demo_swap *swap, const char *limit)
{
	int ret = cgroup_write(swap, "memory.high", limit);

	if (!ret)
		ret = cgroup_write(swap, "memory.max", limit);
	cgroup_write(swap, "memory.high", "max");
	return ret;
}

int demo_swap_squeeze(const struct demo_swap *swap, int64_t limit_bytes, struct err *err)
{
	char limit[24];
	int ret;

	snprintf(limit, sizeof(limit), "%lld", (long long)limit_bytes);
	ret = swap->cgroup_version == 1 ? limit_v1(swap, limit) : limit_v2(swap, limit);
	return ret ? err_set(err, ret, "cgroup: %s: cannot set its limit to %s: %s", swap->cgroup,
			     limit, strerror(-ret)) :
		     0;
}

int demo_swap_close(struct demo_swap *swap, struct err *err)
{
	int ret = 0;

	if (swap->file[0] && swapoff(swap->file))
		ret = err_set(err, -errno, "swap: %s is still on (%s); run: swapoff %s && rm %s",
			      swap->file, strerror(errno), swap->file, swap->file);
	else if (swap->file[0])
		unlink(swap->file);
	if (swap->cgroup[0] && rmdir(swap->cgroup))
		ret = err_set(err, -errno, "cgroup: %s is still there (%s); run: rmdir %s",
			      swap->cgroup, strerror(errno), swap->cgroup);
	*swap = (struct demo_swap){};
	return ret;
}
