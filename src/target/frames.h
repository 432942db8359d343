/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * On whose behalf the server's main thread was at a CPU sample. Many builds have no
 * frame pointers, so the stack is not unwound: words of it that lie in the code of a
 * few well-known functions are taken for return addresses of theirs. A word left over
 * from an earlier call may be one of them; in many samples it does not weigh.
 */
#pragma once

#include "target/image.h"

struct frames;

/* Where the functions are in this program. Never NULL; those it does not have are left out. */
struct frames *frames_open(const struct image *image);
void frames_close(struct frames *frames);
/* What @sample is recognised as. */
enum redmem_frame frames_place(const struct frames *frames, const struct redmem_sample *sample);

/* How many words of @sample's stack, innermost first, belong to a function of that frame and
 * to what it has called; with some of what it keeps itself. 0 = it is not among them. */
size_t frames_inside(const struct frames *frames, const struct redmem_sample *sample,
		     enum redmem_frame frame);

/* Tell the programs what they look for on stacks: all that lies in code, the functions that
 * free memory in nobody's name, and those that free the commands of a transaction. */
void frames_fill(struct redmem_settings *settings, const struct image *image);

/* --- for tests --- */

/* Without a program: the one function @name lies at @range. */
void frames_add(struct frames *frames, const char *name, struct redmem_range range);
struct frames *frames_new(void);
