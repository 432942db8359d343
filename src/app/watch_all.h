/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `redmem doctor --all`: every server of the host at once, each watched by a thread of its
 * own, with one engine for all. Servers that start meanwhile are watched from then on; one
 * that restarts is two.
 */
#pragma once

#include "app/options.h"

/* Watch, then print. The exit status: 1 when none could be watched. */
int watch_all(const struct options *o);
