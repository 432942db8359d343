/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory that stays; see memory_lock.h. */
#define _GNU_SOURCE 1 /* MCL_ONFAULT */
#include "host/memory_lock.h"

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

static bool locked;

static int lock_all(void)
{
	return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) ? -errno : 0;
}

static bool lift_limit(void)
{
	const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit now;

	if (!setrlimit(RLIMIT_MEMLOCK, &none))
		return true;
	return !getrlimit(RLIMIT_MEMLOCK, &now) && now.rlim_cur == RLIM_INFINITY;
}

int memory_lock(struct err *err)
{
	int ret;

	if (!lift_limit())
		return err_set(err, -EPERM,
			       "memory is not locked: RLIMIT_MEMLOCK is not infinite "
			       "(LimitMEMLOCK=infinity)");
	ret = lock_all();
	locked = !ret;
	return ret ? err_set(err, ret, "memory is not locked: mlockall: %s", strerror(-ret)) : 0;
}

void memory_trim(void)
{
	/* malloc_trim() asks with MADV_DONTNEED, which locked memory refuses. */
	if (locked)
		munlockall();
	malloc_trim(0);
	if (locked)
		lock_all();
}
