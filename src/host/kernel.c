/* SPDX-License-Identifier: BSD-2-Clause */
/* What the kernel lets us do, settings and rights, and its features: see kernel.h. */
#define _GNU_SOURCE 1 /* memmem() */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/file.h"
#include "host/kernel.h"
#include "host/proc.h"
#include "host/sysmem.h"
#include "record/record.h"

#define BTF_PATH "/sys/kernel/btf/vmlinux"

static const char *const lockdown_names[] = {
	[LOCKDOWN_UNKNOWN] = "",
	[LOCKDOWN_NONE] = "none",
	[LOCKDOWN_INTEGRITY] = "integrity",
	[LOCKDOWN_CONFIDENTIALITY] = "confidentiality",
};

enum kernel_lockdown kernel_lockdown_parse(const char *text)
{
	for (enum kernel_lockdown l = LOCKDOWN_NONE; l <= LOCKDOWN_CONFIDENTIALITY; l++) {
		char word[32];

		snprintf(word, sizeof(word), "[%s]", lockdown_names[l]);
		if (strstr(text, word))
			return l;
	}
	return LOCKDOWN_UNKNOWN;
}

const char *kernel_lockdown_name(enum kernel_lockdown lockdown)
{
	return lockdown_names[lockdown];
}

bool kernel_uid_map_is_root(const char *text)
{
	long long inside, outside, count;

	/* user_namespaces(7): the first namespace maps all ids onto themselves. */
	return sscanf(text, "%lld %lld %lld", &inside, &outside, &count) == 3 && inside == 0 &&
	       outside == 0 && count == UINT32_MAX;
}

static void read_text(struct buf *out, const char *root, const char *path)
{
	struct buf full = { 0 };

	buf_clear(out);
	buf_printf(&full, "%s%s", root, path);
	file_read(full.data, 1 << 16, out, NULL);
	buf_free(&full);
}

static void read_capabilities(struct kernel_records *out)
{
	/* Of this process now; libcap-ng keeps them in a variable of its own. */
	capng_get_caps_process();
	out->cap_sys_admin = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN);
	out->cap_bpf = out->cap_sys_admin || capng_have_capability(CAPNG_EFFECTIVE, CAP_BPF);
	out->cap_perfmon =
		out->cap_sys_admin || capng_have_capability(CAPNG_EFFECTIVE, CAP_PERFMON);
	out->cap_sys_ptrace = capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_PTRACE);
}

void kernel_records_read(struct kernel_records *out, const char *root)
{
	struct utsname name;
	struct buf text = { 0 };

	*out = (struct kernel_records){
		.btf = !access(BTF_PATH, R_OK),
		.tracefs = !access("/sys/kernel/tracing/events", R_OK) ||
			   !access("/sys/kernel/debug/tracing/events", R_OK),
		.perf_event_paranoid = sysctl_read(root, "kernel/perf_event_paranoid"),
		.unprivileged_bpf_disabled = sysctl_read(root, "kernel/unprivileged_bpf_disabled"),
	};
	if (!uname(&name)) {
		snprintf(out->release, sizeof(out->release), "%s", name.release);
		snprintf(out->machine, sizeof(out->machine), "%s", name.machine);
	}
	read_text(&text, root, "/sys/kernel/security/lockdown");
	out->lockdown = kernel_lockdown_parse(buf_str(&text));
	read_text(&text, root, "/proc/self/uid_map");
	out->root_user_namespace = kernel_uid_map_is_root(buf_str(&text));
	buf_free(&text);
	out->root_pid_namespace = proc_sees_all();
	read_capabilities(out);
}

int kernel_bpf_verdict(const struct kernel_records *records, struct err *err)
{
	if (!records->btf)
		return err_set(err, -ENOENT,
			       "kernel: %s has no BTF (" BTF_PATH "); use a kernel built "
			       "with CONFIG_DEBUG_INFO_BTF",
			       records->release);
	if (!records->root_user_namespace)
		return err_set(err, -EPERM,
			       "kernel: redmem runs in a user namespace, where the kernel loads no "
			       "tracing BPF; run it as root of the host");
	if (!records->cap_bpf || !records->cap_perfmon)
		return err_set(
			err, -EPERM,
			"kernel: loading BPF needs CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN; "
			"run as root");
	if (records->lockdown == LOCKDOWN_CONFIDENTIALITY)
		return err_set(
			err, -EPERM,
			"kernel: lockdown in confidentiality mode forbids BPF to read memory; "
			"boot with lockdown=integrity");
	return 0;
}

int kernel_bpf_usable(struct err *err)
{
	struct kernel_records records;

	kernel_records_read(&records, "");
	return kernel_bpf_verdict(&records, err);
}

/* --- features, asked of BTF and of bpf(2) -------------------------------- */

/* Only the names in it: libbpf parses the rest a second time for the programs, and that takes
 * 15 ms of CPU each time. */
static struct buf btf_names;
static bool btf_tried;

/* Header, types, names, each NUL-terminated (kernel: Documentation/bpf/btf.rst). */
static void read_btf_names(void)
{
	int fd = open(BTF_PATH, O_RDONLY | O_CLOEXEC);
	struct btf_header header = {};
	char page[4096]; /* the kernel gives no more at once */
	ssize_t got;

	if (fd < 0)
		return;
	if (pread(fd, &header, sizeof(header), 0) == sizeof(header) && header.magic == BTF_MAGIC)
		while (btf_names.len < header.str_len &&
		       (got = pread(fd, page, sizeof(page),
				    (off_t)header.hdr_len + header.str_off + btf_names.len)) > 0)
			buf_add(&btf_names, page, (size_t)got);
	close(fd);
}

void kernel_btf_free(void)
{
	buf_free(&btf_names);
	btf_tried = false;
}

bool kernel_has_tracepoint(const char *name)
{
	char type[128];
	int len = snprintf(type, sizeof(type), "%cbtf_trace_%s", '\0', name);

	if (!btf_tried) {
		btf_tried = true;
		read_btf_names();
	}
	return len < (int)sizeof(type) && btf_names.len &&
	       memmem(btf_names.data, btf_names.len, type, (size_t)len + 1);
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
