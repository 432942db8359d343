/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process is called by those who keep it: systemd, container runtimes, Kubernetes. Read
 * from the paths of its cgroups, no API is asked. */
#pragma once

#include <sys/types.h>

/*
 * What a process belongs to by the names of its cgroups, from the text of /proc/PID/cgroup: the
 * innermost systemd service ("redis-server.service"), but for a person's session, and the
 * container: the first 12 digits of its id (Docker, Podman, containerd, CRI-O), or its name (LXC,
 * systemd-nspawn). Of a pod its uid, as Kubernetes writes it. "" for none. Names are as they stand
 * there, cut to CGROUP_NAME_MAX - 1 bytes.
 */
#define CGROUP_NAME_MAX 128
struct cgroup_names {
	char unit[CGROUP_NAME_MAX], container[CGROUP_NAME_MAX];
	char pod[CGROUP_NAME_MAX]; /* its uid, or "NAMESPACE/NAME" */
	char name[CGROUP_NAME_MAX]; /* the container's in its pod, "" when not known */
};
void cgroup_names_parse(const char *cgroup_text, struct cgroup_names *out);
/* The names of pod and container, by the container's id, from those of the links that the kubelet
 * keeps to their logs in the folder @logs. Where there is none nothing changes. */
void cgroup_names_call(struct cgroup_names *names, const char *logs);
/* Both of @pid, with the links of this host; all "" when it has ended. */
void cgroup_names(pid_t pid, struct cgroup_names *out);
