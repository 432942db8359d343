/* SPDX-License-Identifier: BSD-2-Clause */
/* A bar on stderr: how far a pass is, how fast, and how long it will still take; only on
 * a terminal. */
#pragma once

#include <stdint.h>

struct keys_progress;

/* @keys_total: of all databases and nodes; 0 = not known. */
struct keys_progress *keys_progress_new(int64_t keys_total);
void keys_progress_show(struct keys_progress *progress, int64_t keys_done);
/* Wipes the line and frees. May be NULL. */
void keys_progress_end(struct keys_progress *progress);
