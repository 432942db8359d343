/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommands. Each returns the exit status: 0 done, 1 failed, 2 wrong usage,
 * 3 found what --fail-on names, or worse than --max-regress. */
#pragma once

#include "app/options.h"

int cmd_doctor(const struct options *o);
int cmd_alloc(const struct options *o);
int cmd_keys(const struct options *o);
int cmd_key(const struct options *o);
int cmd_check(const struct options *o);
int cmd_rdb(const struct options *o);
int cmd_diff(const struct options *o);
int cmd_memory(const struct options *o);
int cmd_serve(const struct options *o);
int cmd_stalls(const struct options *o);
int cmd_top(const struct options *o);
int cmd_report(const struct options *o);
int cmd_history(const struct options *o);
int cmd_push(const struct options *o);
int cmd_demo(const struct options *o);
int cmd_lab(const struct options *o);
int cmd_schema(const struct options *o);
int cmd_mcp(const struct options *o);
