/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A BPF program at one or more places of a process, by the link that is cheapest to take
 * away: a uprobe_multi link where this kernel has it. A uprobe that is a perf event costs
 * a busy server some 15 ms of work when it goes (over the 120 ms that takes, on the
 * reference machine), a multi link nothing that can be measured (over 45 ms).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bpf_link;
struct bpf_program;

/* Between opening and loading, for each program that is given to uprobe_attach(); its
 * section is "uprobe.multi". */
void uprobe_prepare(struct bpf_program *program);
#define UPROBES_MAX 16 /* with one call */

struct uprobe_place {
	pid_t pid; /* -1 = every process that has the file in its memory */
	const char *file;
	uint64_t cookie; /* PROBE_COOKIE(): whose hits count, whoever comes by */
};

/* At @count @offsets of a file in a process. As many links as it takes, at most @count,
 * go to @links, where all were NULL; the caller destroys them, also after an error. 0, or
 * a negative errno (-E2BIG for more than UPROBES_MAX). */
int uprobe_attach(struct bpf_program *program, const struct uprobe_place *place,
		  const unsigned long *offsets, size_t count, struct bpf_link **links);
/* Takes @count of them away (NULLs are passed over) and clears them. The places are free
 * again at once, or, when nothing was put in or out of late, after a grace period of RCU;
 * then it waits until nobody can be in the program: some 45 ms a link, in which the
 * process is not held up. */
void uprobe_detach(struct bpf_link **links, size_t count);
/*
 * Must the kernel step over the instruction at that offset, in a second trap, or does it do the
 * instruction's work itself (arch/x86/kernel/uprobes.c: push, nop, call and jump)? A step is the
 * dearer by far where a hypervisor is asked for it: some 18 us beside 2. True where that cannot be
 * read.
 */
bool uprobe_is_stepped(const char *file, unsigned long offset);
/* What taking one away costs a server that is busy, beyond the pause. */
double uprobe_removal_seconds(void);
