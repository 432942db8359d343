/* SPDX-License-Identifier: BSD-2-Clause */
/* Uprobes; see uprobe.h. */
#include "host/uprobe.h"

#include <bpf/libbpf.h>
#include <errno.h>

#include "host/kernel.h"

#define PERF_REMOVAL_SECONDS 15e-3

void uprobe_prepare(struct bpf_program *program)
{
	if (!kernel_has_uprobe_multi())
		bpf_program__set_expected_attach_type(program, 0); /* as SEC("uprobe") has it */
}

int uprobe_attach(struct bpf_program *program, pid_t pid, const char *file,
		  const unsigned long *offsets, size_t count, struct bpf_link **links)
{
	LIBBPF_OPTS(bpf_uprobe_multi_opts, all, .offsets = offsets, .cnt = count);

	if (kernel_has_uprobe_multi()) {
		links[0] = bpf_program__attach_uprobe_multi(program, pid, file, NULL, &all);
		return links[0] ? 0 : -errno;
	}
	for (size_t i = 0; i < count; i++) {
		links[i] = bpf_program__attach_uprobe(program, false, pid, file, offsets[i]);
		if (!links[i])
			return -errno;
	}
	return 0;
}

double uprobe_removal_seconds(void)
{
	return kernel_has_uprobe_multi() ? 0 : PERF_REMOVAL_SECONDS;
}
