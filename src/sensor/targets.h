/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The servers as the BPF programs know them: a slot each in the map `targets`, found by
 * process and by memory. Programs see the ids of the kernel's first pid namespace, the rest
 * of redmem those of its own /proc; the two meet here only.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "redmem/events.h"

struct redmem_bpf;

struct targets {
	struct redmem_bpf *bpf;
	struct redmem_target *slots; /* mapped; the last is redmem's own */
	size_t count; /* with that one */
};

/* Before the object is loaded: make room for @servers. */
void targets_size(struct redmem_bpf *bpf, size_t servers);
/* After it was loaded. */
int targets_open(struct targets *targets, struct redmem_bpf *bpf, struct err *err);
void targets_close(struct targets *targets);
/* From now on events of process @pid, an id of redmem's /proc, go to the slot @index, which
 * is emptied first. -ESRCH when there is no such process. */
int targets_add(struct targets *targets, size_t index, pid_t pid, struct err *err);
/* No more of them. What the slot holds stays until it is used again. */
void targets_remove(struct targets *targets, size_t index);
/* The server has other memory than before: it called exec. */
void targets_find_memory(struct targets *targets, size_t index, pid_t pid);
/* Children of the server that are there already: their end is told, as that of new ones. */
void targets_adopt(struct targets *targets, size_t index, const pid_t *children, size_t count);
