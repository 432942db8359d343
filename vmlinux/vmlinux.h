/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few kernel types redmem's BPF programs read, cut down to the fields they
 * read. CO-RE relocates every access against the running kernel's BTF by name
 * (preserve_access_index), so order, size and missing fields do not matter and
 * nothing here is tied to one kernel or architecture. What does depend on the
 * architecture is in bpf/arch.bpf.h.
 */
#pragma once

#define __VMLINUX_H__ /* bpf_tracing.h: the kernel's register names */

#include <linux/types.h>
#include <linux/bpf.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;
#ifndef __cplusplus
typedef _Bool bool;
#define true 1
#define false 0
#endif

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct sched_entity {
	u64 sum_exec_runtime;
	u64 prev_sum_exec_runtime;
};

struct sched_info {
	unsigned long long run_delay;
};

struct percpu_counter {
	s64 count;
};

struct mm_struct {
	unsigned long start_stack;
	struct percpu_counter rss_stat[4]; /* since 6.2, f1a7941243c1 */
};

typedef struct {
	s64 counter;
} atomic_long_t;

struct mm_rss_stat {
	atomic_long_t count[4];
};

struct mm_struct___before_6_2 {
	struct mm_rss_stat rss_stat;
};

struct pid_namespace;

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[];
};

struct task_struct {
	unsigned int __state; /* since 5.14, 2f064a59a11f */
	unsigned int flags;
	int pid;
	int tgid;
	int exit_code;
	char comm[16];
	struct mm_struct *mm;
	struct pid *thread_pid;
	struct sched_entity se;
	struct sched_info sched_info; /* absent without CONFIG_SCHED_INFO */
};

struct task_struct___before_5_14 {
	long state;
};

/* What mark_victim tells; with this field the tracepoint is given the task (since 6.10,
 * 72ba14deb40a). */
struct trace_event_raw_mark_victim {
	u32 uid;
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct pt_regs {
#if defined(__TARGET_ARCH_x86)
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax;
	unsigned long ip, cs, flags, sp, ss;
#elif defined(__TARGET_ARCH_arm64)
	unsigned long regs[31];
	unsigned long sp, pc, pstate;
	s32 syscallno;
#endif
};

#pragma clang attribute pop

#if defined(__TARGET_ARCH_arm64)
/* The part of pt_regs that user space has been promised (uapi asm/ptrace.h); by this name
 * bpf_tracing.h finds arguments. */
struct user_pt_regs {
	__u64 regs[31];
	__u64 sp, pc, pstate;
};
#endif

/* The context of a perf_event program (uapi linux/bpf_perf_event.h); its
 * registers have the layout of the architecture's user_regs. Not relocated: the
 * verifier rewrites accesses itself. */
struct perf_event_regs {
#if defined(__TARGET_ARCH_x86)
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax;
	unsigned long ip, cs, flags, sp, ss;
#elif defined(__TARGET_ARCH_arm64)
	unsigned long regs[31];
	unsigned long sp, pc, pstate;
#endif
};

struct bpf_perf_event_data {
	struct perf_event_regs regs;
	__u64 sample_period;
	__u64 addr;
};
