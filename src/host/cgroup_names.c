/* SPDX-License-Identifier: BSD-2-Clause */
/* Unit, container and pod of a process by the paths of its cgroups; see cgroup_names.h. */
#include "host/cgroup_names.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "host/file.h"

#define ID_DIGITS  64 /* of a container's id */
#define ID_SHOWN   12
#define UID_DIGITS 32 /* of a pod's uid */

static void put_name(char *out, const char *name, size_t len)
{
	snprintf(out, CGROUP_NAME_MAX, "%.*s", len < CGROUP_NAME_MAX ? (int)len : CGROUP_NAME_MAX,
		 name);
}

/* "docker-ID.scope", "cri-containerd-ID.scope", "ID": where the id begins, NULL = there is none. */
static const char *find_id(const char *name, size_t len)
{
	size_t digits = 0;

	for (size_t i = 0; i < len; i++) {
		digits = isxdigit((unsigned char)name[i]) ? digits + 1 : 0;
		if (digits == ID_DIGITS)
			return name + i + 1 - ID_DIGITS;
	}
	return NULL;
}

/* Behind @start, when @name begins so. */
static const char *behind(const char *name, size_t len, const char *start)
{
	size_t start_len = strlen(start);

	return len > start_len && !strncmp(name, start, start_len) ? name + start_len : NULL;
}

static bool is_uid(const char *text, size_t len)
{
	size_t digits = 0;

	for (size_t i = 0; i < len; i++) {
		if (isxdigit((unsigned char)text[i]))
			digits++;
		else if (text[i] != '-' && text[i] != '_')
			return false;
	}
	return digits == UID_DIGITS;
}

/*
 * "kubepods-burstable-podUID.slice" of the kubelet's systemd driver, in which the uid's dashes are
 * underscores, and "podUID" of its cgroupfs driver. Static pods have a uid without any.
 */
static bool take_pod(const char *name, size_t len, char *pod)
{
	static const char slice[] = ".slice", start[] = "pod";
	const size_t suffix = sizeof(slice) - 1, prefix = sizeof(start) - 1;

	if (len > suffix && !memcmp(name + len - suffix, slice, suffix))
		len -= suffix;
	for (size_t at = 0; at + prefix < len; at++) {
		const char *uid = name + at + prefix;
		size_t uid_len = len - at - prefix;

		if ((at && name[at - 1] != '-') || memcmp(name + at, start, prefix) != 0 ||
		    !is_uid(uid, uid_len))
			continue;
		put_name(pod, uid, uid_len);
		for (char *c = pod; *c; c++)
			*c = *c == '_' ? '-' : *c;
		return true;
	}
	return false;
}

/* One directory of the path; @before is the one above it. */
static void take_component(const char *name, size_t len, const char *before,
			   struct cgroup_names *out)
{
	static const char service[] = ".service";
	const size_t suffix = sizeof(service) - 1;
	bool is_service = len > suffix && !memcmp(name + len - suffix, service, suffix);
	const char *id = find_id(name, len), *inner;

	if (id)
		put_name(out->container, id, ID_SHOWN);
	else if (take_pod(name, len, out->pod))
		return;
	else if (!strncmp(before, "lxc/", 4))
		put_name(out->container, name, len);
	else if ((inner = behind(name, len, "lxc.payload.")))
		put_name(out->container, inner, len - (size_t)(inner - name));
	else if (is_service && (inner = behind(name, len, "systemd-nspawn@")))
		put_name(out->container, inner, len - (size_t)(inner - name) - suffix);
	else if (is_service && !behind(name, len, "user@"))
		put_name(out->unit, name, len);
}

static int take_path(void *ctx, char *line, size_t len)
{
	const char *path = strchr(line, ':'), *before = "";

	(void)len;
	path = path ? strchr(path + 1, ':') : NULL;
	if (!path)
		return 0;
	for (path++; *path;) {
		size_t part = strcspn(path, "/");

		if (part)
			take_component(path, part, before, ctx);
		before = path;
		path += part + (path[part] == '/');
	}
	return 0;
}

void cgroup_names_parse(const char *cgroup_text, struct cgroup_names *out)
{
	*out = (struct cgroup_names){ 0 };
	text_lines(cgroup_text, strlen(cgroup_text), take_path, out);
}

/* "POD_NAMESPACE_CONTAINER-ID.log": none of the three may have a "_" in Kubernetes. */
static bool take_log(const char *file, struct cgroup_names *names)
{
	const char *namespace = strchr(file, '_'),
		   *name = namespace ? strchr(namespace + 1, '_') : NULL, *id = strrchr(file, '-');

	if (!name || !id || id < name || strncmp(id + 1, names->container, ID_SHOWN) != 0)
		return false;
	snprintf(names->pod, sizeof(names->pod), "%.*s/%.*s", (int)(name - namespace - 1),
		 namespace + 1, (int)(namespace - file), file);
	put_name(names->name, name + 1, (size_t)(id - name - 1));
	return true;
}

void cgroup_names_call(struct cgroup_names *names, const char *logs)
{
	DIR *dir = strlen(names->container) == ID_SHOWN ? opendir(logs) : NULL;

	if (!dir)
		return;
	for (const struct dirent *entry; (entry = readdir(dir));)
		if (take_log(entry->d_name, names))
			break;
	closedir(dir);
}

void cgroup_names(pid_t pid, struct cgroup_names *out)
{
	struct buf text = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	file_read(path, 1 << 20, &text, NULL);
	cgroup_names_parse(buf_str(&text), out);
	cgroup_names_call(out, "/var/log/containers");
	buf_free(&text);
}
