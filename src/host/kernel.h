/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this kernel offers and what it lets us do. Features are asked for, never
 * concluded from a version: distributions carry them back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum kernel_lockdown {
	LOCKDOWN_UNKNOWN, /* the file cannot be read: no securityfs, or no lockdown */
	LOCKDOWN_NONE,
	LOCKDOWN_INTEGRITY,
	LOCKDOWN_CONFIDENTIALITY /* BPF may not read memory */
};

struct kernel_records {
	char release[65]; /* uname -r */
	char machine[65]; /* uname -m */
	bool btf; /* /sys/kernel/btf/vmlinux is there */
	bool tracefs; /* mounted, and we may read it */
	enum kernel_lockdown lockdown;
	int64_t perf_event_paranoid; /* RECORD_UNKNOWN when not there, as the next */
	int64_t unprivileged_bpf_disabled;
	bool root_user_namespace; /* capabilities count for the kernel only there */
	bool root_pid_namespace; /* all processes are seen only there */
	/* Effective capabilities of this process. */
	bool cap_sys_admin;
	bool cap_bpf; /* also true with CAP_SYS_ADMIN, as for the kernel */
	bool cap_perfmon; /* likewise */
	bool cap_sys_ptrace;
};

/* "none [integrity] confidentiality" of /sys/kernel/security/lockdown. */
enum kernel_lockdown kernel_lockdown_parse(const char *text);
const char *kernel_lockdown_name(enum kernel_lockdown lockdown); /* "" when unknown */
/* True for the text of /proc/self/uid_map in the first user namespace. */
bool kernel_uid_map_is_root(const char *text);

/* @root comes before the paths of files: "" for this machine. Names, capabilities
 * and BTF are always this machine's. */
void kernel_records_read(struct kernel_records *out, const char *root);

/*
 * Whether BPF programs that trace can be loaded here at all. 0, or a negative
 * errno and in @err the first thing that is missing with its fix: -ENOENT (no
 * BTF), -EPERM (capabilities, lockdown).
 */
int kernel_bpf_usable(struct err *err);
/* The same for given records: pure. */
int kernel_bpf_verdict(const struct kernel_records *records, struct err *err);

/*
 * Has the kernel that tracepoint for tp_btf programs? Its BTF is read at the first
 * question, its names are kept until kernel_btf_free() (some MiB); without any all say no.
 */
bool kernel_has_tracepoint(const char *name);
void kernel_btf_free(void);

/*
 * uprobe_multi links with a PID filter that means the whole process (Linux 6.10;
 * 46ba0e49b642 mended it, before it meant one thread). Asked of the kernel with
 * two links that cannot come to be; needs the right to load BPF.
 */
bool kernel_has_uprobe_multi(void);
