/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One program at one place of a process, by the link that is cheapest to take away: a
 * uprobe_multi link where this kernel has it. A uprobe that is a perf event costs a busy
 * server some 15 ms of work when it goes (over the 120 ms that takes, on the reference
 * machine), a multi link nothing that can be measured (over 45 ms).
 */
#pragma once

#include <bpf/libbpf.h>

/* Between opening and loading, for each program that is given to uprobe_attach(); its
 * section is "uprobe.multi". */
void uprobe_prepare(struct bpf_program *program);
/* NULL and errno when it cannot be. */
struct bpf_link *uprobe_attach(struct bpf_program *program, pid_t pid, const char *file,
			       unsigned long offset);
/* What taking one away costs a server that is busy, beyond the pause. */
double uprobe_removal_seconds(void);
