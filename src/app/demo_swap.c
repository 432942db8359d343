/* SPDX-License-Identifier: BSD-2-Clause */
/* The demo's shortage of memory; see demo_swap.h. */
#include "app/demo_swap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/swap.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/cgroup.h"
#include "host/file.h"
#include "host/sysmem.h"

#define MIB (INT64_C(1) << 20)
/* More than the server ever has above its limit, with a saving child beside it. */
#define SWAP_BYTES (768 * MIB)
/* Left on the file system beside the swap file: the demo also saves there. */
#define DISK_SPARE_BYTES (512 * MIB)
/* How long others are waited for. */
#define OTHERS_TRIES	50
#define OTHERS_PAUSE_US 200000

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

static int cgroup_make(struct demo_swap *swap, struct err *err)
{
	char name[32];
	int ret;

	snprintf(name, sizeof(name), "redmem-demo-%d", getpid());
	ret = cgroup_own_place(&swap->cgroup, name, err);
	if (!ret && mkdir(swap->cgroup.path, 0755)) {
		ret = err_set(err, -errno, "cgroup: mkdir %s: %s", swap->cgroup.path,
			      strerror(errno));
		swap->cgroup.path[0] = '\0';
	}
	if (!ret)
		cgroup_own_swaps(&swap->cgroup);
	return ret;
}

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

static int used_line(void *ctx, char *line, size_t len)
{
	const char **file = ctx;
	size_t n = strlen(*file);
	long long size, used;

	(void)len;
	/* "FILE TYPE SIZE USED PRIORITY" */
	return !strncmp(line, *file, n) && line[n] == ' ' &&
	       sscanf(line + n, "%*s %lld %lld", &size, &used) == 2 && !used;
}

/* Nobody's memory is in the file; false also when that cannot be told. */
static bool file_is_empty(const char *file)
{
	return file_lines("/proc/swaps", used_line, &file, NULL) == 1;
}

/*
 * While the file is on, whatever is short of memory on this host goes there, too. Taking it away
 * from a cgroup that is at its limit would have the kernel kill in it: then the file stays. Short
 * spells are waited for.
 */
static int others_need(const struct demo_swap *swap, struct err *err)
{
	struct buf top = {}, who = {};
	int ret = 0;

	buf_printf(&top, "%.*s", (int)(strrchr(swap->cgroup.path, '/') - swap->cgroup.path),
		   swap->cgroup.path);
	for (int i = 0; i < OTHERS_TRIES; i++) {
		if (i)
			usleep(OTHERS_PAUSE_US);
		buf_clear(&who);
		if (file_is_empty(swap->file) ||
		    !cgroup_leans_on_swap(buf_str(&top), swap->cgroup.version, &who))
			goto out;
	}
	ret = err_set(err, -EBUSY,
		      "swap: %s stays on: %s does not fit below its limit without; when it does: "
		      "swapoff %s && rm %s",
		      swap->file, buf_str(&who), swap->file, swap->file);
out:
	buf_free(&top);
	buf_free(&who);
	return ret;
}

int demo_swap_close(struct demo_swap *swap, struct err *err)
{
	int ret = swap->file[0] ? others_need(swap, err) : 0;

	if (!ret && swap->file[0] && swapoff(swap->file))
		ret = err_set(err, -errno, "swap: %s is still on (%s); run: swapoff %s && rm %s",
			      swap->file, strerror(errno), swap->file, swap->file);
	else if (!ret && swap->file[0])
		unlink(swap->file);
	if (swap->cgroup.path[0] && rmdir(swap->cgroup.path))
		ret = err_set(err, -errno, "cgroup: %s is still there (%s); run: rmdir %s",
			      swap->cgroup.path, strerror(errno), swap->cgroup.path);
	*swap = (struct demo_swap){};
	return ret;
}
