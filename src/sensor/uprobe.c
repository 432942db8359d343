/* SPDX-License-Identifier: BSD-2-Clause */
/* One uprobe; see uprobe.h. */
#include "sensor/uprobe.h"

#include "host/kernel.h"

#define PERF_REMOVAL_SECONDS 15e-3

void uprobe_prepare(struct bpf_program *program)
{
	if (!kernel_has_uprobe_multi())
		bpf_program__set_expected_attach_type(program, 0); /* as SEC("uprobe") has it */
}

struct bpf_link *uprobe_attach(struct bpf_program *program, pid_t pid, const char *file,
			       unsigned long offset)
{
	LIBBPF_OPTS(bpf_uprobe_multi_opts, one, .offsets = &offset, .cnt = 1);

	return kernel_has_uprobe_multi() ?
		       bpf_program__attach_uprobe_multi(program, pid, file, NULL, &one) :
		       bpf_program__attach_uprobe(program, false, pid, file, offset);
}

double uprobe_removal_seconds(void)
{
	return kernel_has_uprobe_multi() ? 0 : PERF_REMOVAL_SECONDS;
}
