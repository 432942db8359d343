/* SPDX-License-Identifier: BSD-2-Clause */
/* Features of this kernel, asked of its BTF and of bpf(2). */
#include "host/kernel.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct btf *vmlinux;
static bool vmlinux_tried;

static const struct btf *kernel_btf(void)
{
	if (!vmlinux_tried) {
		vmlinux_tried = true;
		vmlinux = btf__load_vmlinux_btf();
		if (libbpf_get_error(vmlinux)) /* libbpf before 1.0 gives an error pointer */
			vmlinux = NULL;
	}
	return vmlinux;
}

void kernel_btf_free(void)
{
	btf__free(vmlinux);
	vmlinux = NULL;
	vmlinux_tried = false;
}

bool kernel_has_tracepoint(const char *name)
{
	const struct btf *btf = kernel_btf();
	char type[128];

	snprintf(type, sizeof(type), "btf_trace_%s", name);
	return btf && btf__find_by_name_kind(btf, type, BTF_KIND_TYPEDEF) > 0;
}

#if LIBBPF_MAJOR_VERSION > 1 || LIBBPF_MINOR_VERSION >= 3
/* BPF_TRACE_UPROBE_MULTI (Linux 6.6, 89ae89f53d20); headers of 6.1 lack it. */
#define ATTACH_UPROBE_MULTI ((enum bpf_attach_type)48)

/* The error of a uprobe_multi link to "/", for @pid. */
static int refusal(int program, int pid)
{
	const unsigned long offset = 0;
	LIBBPF_OPTS(bpf_link_create_opts, opts, .uprobe_multi.path = "/",
		    .uprobe_multi.offsets = &offset, .uprobe_multi.cnt = 1,
		    .uprobe_multi.pid = (__u32)pid);
	int fd = bpf_link_create(program, -1, ATTACH_UPROBE_MULTI, &opts);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? fd : 0;
}

static bool has_uprobe_multi(void)
{
	/* r0 = 0; exit */
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = ATTACH_UPROBE_MULTI);
	int program = bpf_prog_load(BPF_PROG_TYPE_KPROBE, NULL, "GPL", code, 2, &opts);
	bool has;

	if (program < 0)
		return false;
	/* "/" is no regular file: EBADF from a kernel that got that far. With a PID
	 * that cannot be, mended kernels say EINVAL and the others EBADF or ESRCH. */
	has = refusal(program, 0) == -EBADF && refusal(program, -1) == -EINVAL;
	close(program);
	return has;
}

bool kernel_has_uprobe_multi(void)
{
	static enum { UNKNOWN, NO, YES } has;

	if (has == UNKNOWN)
		has = has_uprobe_multi() ? YES : NO;
	return has == YES;
}
#else
bool kernel_has_uprobe_multi(void)
{
	return false; /* this libbpf cannot make such links */
}
#endif
