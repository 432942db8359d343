/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of /proc: of mappings, of processes, sockets and cgroups. A process names what it maps and
 * binds, and its cgroup is named by others. */
#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
#include "host/cgroup.h"
#include "host/cgroup_names.h"
#include "host/maps.h"
#include "host/proc.h"
#include "host/smaps.h"
#include "host/sock.h"
#include "host/sysmem.h"

static void take_maps(const char *text, size_t len, bool with_use)
{
	static const uint64_t pointers[] = { 0x7ffc00001000, 0x55d0c0000100, UINT64_MAX };
	const struct map_hints hints = { pointers, 3, 1, 8 << 20, len % 2 };
	struct map_range ranges[4];
	unsigned char *classes;
	struct smaps sum = { 0 };
	struct maps *maps;
	bool *marks;

	if (maps_parse(&maps, text, len, with_use))
		return;
	classes = malloc(maps->count + 1);
	marks = calloc(maps->count + 1, sizeof(*marks));
	maps_classify(maps, &hints, classes);
	maps_mark_modules(maps, marks);
	must(maps_file_ranges(maps, ranges, 4) <= 4);
	for (size_t i = 0; i < maps->count; i++) {
		const struct map *map = &maps->map[i];

		must(classes[i] < CLASS_COUNT);
		maps_find(maps, map->start);
		map_is_guard(map);
		map_same_file(map, &maps->map[0]);
	}
	if (with_use)
		smaps_add_up(&sum, maps, &hints);
	free(marks);
	free(classes);
	maps_free(maps);
}

static void take_process(const char *text, size_t len)
{
	struct proc_status status;
	struct meminfo meminfo;
	struct proc_stat stat;
	struct sock_unix listener;
	struct sock_tcp tcp;

	proc_stat_parse(&stat, text);
	proc_status_parse(&status, text, len);
	meminfo_parse(&meminfo, text, len);
	sock_tcp_parse(&tcp, text);
	if (sock_unix_parse(&listener, text))
		must(memchr(listener.path, '\0', sizeof(listener.path)));
	smaps_stack_pointer(text);
}

/* /proc/PID/cgroup, and behind a line that is empty /proc/self/mountinfo. */
static void take_cgroups(char *text)
{
	char *mounts = strstr(text, "\n\n");
	struct cgroup_names names;
	struct buf mount = { 0 }, path = { 0 };
	int version;

	if (mounts)
		mounts[1] = '\0';
	if (!cgroup_locate("memory", text, mounts ? mounts + 2 : "", &version, &mount, &path))
		must(version == 1 || version == 2);
	buf_free(&mount);
	buf_free(&path);
	cgroup_names_parse(text, &names);
	must(memchr(names.unit, '\0', sizeof(names.unit)) &&
	     memchr(names.container, '\0', sizeof(names.container)) &&
	     memchr(names.pod, '\0', sizeof(names.pod)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct smaps_rollup rollup;
	char *text;

	if (!len)
		return 0;
	text = xmemdup(data + 1, len - 1);
	switch (*data % 4) {
	case 0:
		take_maps(text, len - 1, false);
		break;
	case 1:
		take_maps(text, len - 1, true);
		smaps_rollup_parse(&rollup, text, len - 1);
		break;
	case 2:
		take_process(text, len - 1);
		break;
	case 3:
		take_cgroups(text);
		break;
	}
	free(text);
	return 0;
}
