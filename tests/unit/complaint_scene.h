/* SPDX-License-Identifier: BSD-2-Clause */
/* Scenes of servers that complain. */
#pragma once

#include "scene.h"

/* A server that tells its errors and saves by itself. */
static inline void begin(struct scene *s)
{
	scene_init(s);
	scene_load(s, 200 * MIB);
	scene_info_both(s,
			"# Persistence\r\nrdb_last_bgsave_status:ok\r\naof_last_write_status:ok\r\n"
			"aof_last_bgrewrite_status:ok\r\nrdb_saves:3\r\ntotal_forks:3\r\n"
			"# Errorstats\r\nerrorstat_ERR:count=7\r\n");
	scene_config(s, "stop-writes-on-bgsave-error yes\n");
}

static inline struct record_child *child(struct scene *s, int64_t exit_code, int64_t exit_signal)
{
	struct record *f = scene_add(s, RECORD_CHILD);

	f->child = (struct record_child){ .pid = 900,
					  .t_start_seconds = 1,
					  .t_end_seconds = 1.5,
					  .purpose = "rdb",
					  .rss_bytes = 100 * MIB,
					  .private_bytes = 20 * MIB,
					  .fork_seconds = NAN,
					  .exit_code = exit_code,
					  .exit_signal = exit_signal };
	return &f->child;
}
