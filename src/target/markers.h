/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On whose behalf the server's main thread was at a CPU sample. Many builds have no
 * frame pointers, so the stack is not unwound: words of it that lie in the code of a
 * few well-known functions are taken for return addresses of theirs. A word left over
 * from an earlier call may be one of them; in many samples it does not weigh.
 */
#pragma once

#include "target/image.h"

struct markers;

/* Where the functions are in this program. Never NULL; those it does not have are left out. */
struct markers *markers_open(const struct image *image);
void markers_close(struct markers *markers);
/* What @sample is recognised as. */
enum redmem_frame markers_place(const struct markers *markers, const struct redmem_sample *sample);

/* Tell the programs where the functions are that free memory in nobody's name, and those
 * that free the commands of a transaction. */
void markers_fill(struct redmem_settings *settings, const struct image *image);

/* --- for tests --- */

/* Without a program: the one function @name lies at @range. */
void markers_add(struct markers *markers, const char *name, struct redmem_range range);
struct markers *markers_new(void);
