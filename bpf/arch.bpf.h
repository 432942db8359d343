/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything in the BPF programs that depends on the architecture. */
#pragma once

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include "redmem/events.h"

#define NO_SYSCALL (~0ULL)

#if defined(__TARGET_ARCH_x86)

/* Bytes of the largest page an allocator is built for. */
#define ALLOCATOR_PAGE_MAX 4096

#define SYSCALL_EPOLL_WAIT  232
#define SYSCALL_EPOLL_PWAIT 281

static __always_inline bool regs_in_kernel(const struct perf_event_regs *regs)
{
	return (regs->cs & 3) == 0;
}

static __always_inline u64 regs_ip(const struct perf_event_regs *regs)
{
	return regs->ip;
}

/* Number of the system call the task is in; NO_SYSCALL for exceptions. */
static __always_inline u64 syscall_number(struct pt_regs *user)
{
	long nr = user->orig_ax;

	return nr < 0 ? NO_SYSCALL : nr;
}

/* Its first argument. */
static __always_inline u64 syscall_argument(struct pt_regs *user)
{
	return user->di;
}

static __always_inline u64 user_ip(struct pt_regs *user)
{
	return user->ip;
}

static __always_inline u64 user_sp(struct pt_regs *user)
{
	return user->sp;
}

/* Registers a function must keep for its caller: a pointer the caller works with is
 * here or on the stack. */
#define SAVED_REGISTERS 6

static __always_inline u64 saved_registers(struct pt_regs *user, u64 out[SAVED_REGISTERS])
{
	out[0] = user->bx;
	out[1] = user->bp;
	out[2] = user->r12;
	out[3] = user->r13;
	out[4] = user->r14;
	out[5] = user->r15;
	return user->sp;
}

static __always_inline u64 frame_pointer(struct pt_regs *user)
{
	return user->bp;
}

/* Those by which a stack is followed, behind the first SAVED_REGISTERS. */
static __always_inline void more_registers(struct pt_regs *user, u64 *out)
{
	(void)user;
	for (int i = SAVED_REGISTERS; i < REDMEM_SAVED_REGISTERS; i++)
		out[i] = 0;
}

/* At the first instruction of a function: where it will return to. */
static __always_inline u64 return_address(struct pt_regs *user)
{
	u64 address = 0;

	bpf_probe_read_user(&address, sizeof(address), (void *)user->sp);
	return address;
}

/* Page-fault error code (Intel SDM vol. 3, 4.7): bit 0 the page was present,
 * bit 1 a write. Both: a write to a present read-only page, copy-on-write. */
#define FAULT_COW(error) (((error)&3) == 3)

#elif defined(__TARGET_ARCH_arm64)

#define ALLOCATOR_PAGE_MAX 65536

#define SYSCALL_EPOLL_WAIT  NO_SYSCALL /* arm64 has only epoll_pwait */
#define SYSCALL_EPOLL_PWAIT 22

static __always_inline bool regs_in_kernel(const struct perf_event_regs *regs)
{
	return (regs->pstate & 0xf) != 0;
}

static __always_inline u64 regs_ip(const struct perf_event_regs *regs)
{
	return regs->pc;
}

static __always_inline u64 syscall_number(struct pt_regs *user)
{
	long nr = user->syscallno;

	return nr < 0 ? NO_SYSCALL : nr;
}

static __always_inline u64 syscall_argument(struct pt_regs *user)
{
	return user->regs[0];
}

static __always_inline u64 user_ip(struct pt_regs *user)
{
	return user->pc;
}

static __always_inline u64 user_sp(struct pt_regs *user)
{
	return user->sp;
}

#define SAVED_REGISTERS	 10

static __always_inline u64 saved_registers(struct pt_regs *user, u64 out[SAVED_REGISTERS])
{
	for (int i = 0; i < SAVED_REGISTERS; i++)
		out[i] = user->regs[19 + i];
	return user->sp;
}

static __always_inline u64 frame_pointer(struct pt_regs *user)
{
	return user->regs[29];
}

/* The frame pointer and the link register. */
static __always_inline void more_registers(struct pt_regs *user, u64 *out)
{
	for (int i = SAVED_REGISTERS; i < REDMEM_SAVED_REGISTERS; i++)
		out[i] = user->regs[19 + i];
}

static __always_inline u64 return_address(struct pt_regs *user)
{
	return user->regs[30]; /* the link register */
}

/* ESR_EL1: WnR is bit 6; a permission fault has DFSC 0b0011xx. */
#define FAULT_COW(error) (((error)&0x40) && ((error)&0x3c) == 0x0c)

#else
#error "redmem knows x86-64 and arm64"
#endif
