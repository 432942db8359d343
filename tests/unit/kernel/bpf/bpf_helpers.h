/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands in for libbpf's headers where BPF programs are compiled as a part of a unit test:
 * the kernel is a few functions of the test, and memory of the server is the test's own.
 */
#pragma once

#include <errno.h>
#include <string.h>

#define SEC(name)
#define __weak
#undef __always_inline
#define __always_inline inline
#define __noinline
#define __uint(name, value) int(*name)[value]
#define __type(name, type)  typeof(type) *name
#define barrier_var(var)    (void)(var)

/* No relocations: structs are as this program has them. */
#define __builtin_preserve_access_index(x) (x)
#define bpf_core_field_exists(field)	   true
#define bpf_core_type_exists(type)	   false
#define bpf_core_type_size(type)	   sizeof(type)
#define bpf_core_read(out, size, address)  memcpy(out, (const void *)(address), size)
#define BPF_CORE_READ(from, field)	   ((from)->field)
#define BPF_CORE_READ_BITFIELD_PROBED	   BPF_CORE_READ

#if defined(__TARGET_ARCH_arm64)
#define PT_REGS_PARM1(ctx) ((ctx)->regs[0])
#define PT_REGS_PARM2(ctx) ((ctx)->regs[1])
#define PT_REGS_PARM3(ctx) ((ctx)->regs[2])
#define PT_REGS_PARM4(ctx) ((ctx)->regs[3])
#define PT_REGS_PARM5(ctx) ((ctx)->regs[4])
#else
#define PT_REGS_PARM1(ctx) ((ctx)->di)
#define PT_REGS_PARM2(ctx) ((ctx)->si)
#define PT_REGS_PARM3(ctx) ((ctx)->dx)
#define PT_REGS_PARM4(ctx) ((ctx)->cx)
#define PT_REGS_PARM5(ctx) ((ctx)->r8)
#endif

static void *bpf_map_lookup_elem(void *map, const void *key);
static long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags);
static long bpf_probe_read_user(void *out, __u32 size, const void *address);
static __u64 bpf_get_current_pid_tgid(void);
static struct task_struct *bpf_get_current_task_btf(void);
static long bpf_task_pt_regs(struct task_struct *task);
static long bpf_get_current_comm(void *out, __u32 size);
static __u64 bpf_ktime_get_ns(void);
static __u64 bpf_get_attach_cookie(void *ctx);
static long bpf_ringbuf_output(void *ring, void *data, __u64 size, __u64 flags);
static void *bpf_ringbuf_reserve(void *ring, __u64 size, __u64 flags);
static void bpf_ringbuf_discard(void *data, __u64 flags);
static __u64 bpf_ringbuf_query(void *ring, __u64 flags);
