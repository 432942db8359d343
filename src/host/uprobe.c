/* SPDX-License-Identifier: BSD-2-Clause */
/* Uprobes; see uprobe.h. */
#include "host/uprobe.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "host/kernel.h"

#define PERF_REMOVAL_SECONDS 15e-3

void uprobe_prepare(struct bpf_program *program)
{
	if (!kernel_has_uprobe_multi())
		bpf_program__set_expected_attach_type(program, 0); /* as SEC("uprobe") has it */
}

static int attach(struct bpf_program *program, const struct uprobe_place *place,
		  const unsigned long *offsets, size_t count, struct bpf_link **links)
{
	LIBBPF_OPTS(bpf_uprobe_opts, one, .bpf_cookie = place->cookie);
	__u64 cookies[UPROBES_MAX];
	LIBBPF_OPTS(bpf_uprobe_multi_opts, all, .offsets = offsets, .cookies = cookies,
		    .cnt = count);

	if (count > UPROBES_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count; i++)
		cookies[i] = place->cookie;
	if (kernel_has_uprobe_multi()) {
		links[0] = bpf_program__attach_uprobe_multi(program, place->pid, place->file, NULL,
							    &all);
		return links[0] ? 0 : -errno;
	}
	for (size_t i = 0; i < count; i++) {
		links[i] = bpf_program__attach_uprobe_opts(program, place->pid, place->file,
							   offsets[i], &one);
		if (!links[i])
			return -errno;
	}
	return 0;
}

int uprobe_attach(struct bpf_program *program, const struct uprobe_place *place,
		  const unsigned long *offsets, size_t count, struct bpf_link **links)
{
	int64_t start = clock_mono_ns();
	int ret = attach(program, place, offsets, count, links);

	log_pause("probe-in", start);
	return ret;
}

void uprobe_detach(struct bpf_link **links, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int64_t start = clock_mono_ns();

		if (!links[i])
			continue;
		bpf_link__destroy(links[i]);
		links[i] = NULL;
		log_pause("probe-out", start);
	}
}

#if defined(__x86_64__)
static bool is_stepped(const unsigned char first[2])
{
	bool rex = first[0] == 0x41;
	unsigned char opcode = rex ? first[1] : first[0];

	if (opcode >= 0x50 && opcode <= 0x57)
		return false; /* push */
	return rex || !(opcode == 0x90 || opcode == 0xe8 || opcode == 0xe9 || opcode == 0xeb);
}
#else
/* arm64 does so with branches and the like, and no function begins with one. */
static bool is_stepped(const unsigned char first[2])
{
	(void)first;
	return true;
}
#endif

bool uprobe_is_stepped(const char *file, unsigned long offset)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	unsigned char first[2];
	bool known;

	if (fd < 0)
		return true;
	known = pread(fd, first, sizeof(first), (off_t)offset) == sizeof(first);
	close(fd);
	return !known || is_stepped(first);
}

double uprobe_removal_seconds(void)
{
	return kernel_has_uprobe_multi() ? 0 : PERF_REMOVAL_SECONDS;
}
