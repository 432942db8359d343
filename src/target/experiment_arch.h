/* SPDX-License-Identifier: BSD-2-Clause */
/* What a breakpoint and a function's arguments look like; see experiment.c. */
#pragma once

#include <elf.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/user.h>

#if defined(__x86_64__)

#define BREAKPOINT_BYTES 1
#define BREAKPOINT_AFTER 1 /* how far the program counter is behind it when it has hit */

typedef struct user_regs_struct child_regs;

static const uint8_t breakpoint[BREAKPOINT_BYTES] = { 0xcc };

static inline uint64_t regs_pc(const child_regs *regs)
{
	return regs->rip;
}

static inline void regs_set_pc(child_regs *regs, uint64_t pc)
{
	regs->rip = pc;
}

static inline uint64_t regs_first_argument(const child_regs *regs)
{
	return regs->rdi;
}

static inline uint64_t regs_second_argument(const child_regs *regs)
{
	return regs->rsi;
}

#elif defined(__aarch64__)

#define BREAKPOINT_BYTES 4
#define BREAKPOINT_AFTER 0

typedef struct user_regs_struct child_regs;

static const uint8_t breakpoint[BREAKPOINT_BYTES] = { 0x00, 0x00, 0x20, 0xd4 }; /* brk #0 */

static inline uint64_t regs_pc(const child_regs *regs)
{
	return regs->pc;
}

static inline void regs_set_pc(child_regs *regs, uint64_t pc)
{
	regs->pc = pc;
}

static inline uint64_t regs_first_argument(const child_regs *regs)
{
	return regs->regs[0];
}

static inline uint64_t regs_second_argument(const child_regs *regs)
{
	return regs->regs[1];
}

#else
_Static_assert(0, "redmem knows x86-64 and arm64");
#endif

static inline int regs_read(pid_t pid, child_regs *regs)
{
	struct iovec io = { regs, sizeof(*regs) };

	return (int)ptrace(PTRACE_GETREGSET, pid, (void *)NT_PRSTATUS, &io);
}

static inline int regs_write(pid_t pid, child_regs *regs)
{
	struct iovec io = { regs, sizeof(*regs) };

	return (int)ptrace(PTRACE_SETREGSET, pid, (void *)NT_PRSTATUS, &io);
}
