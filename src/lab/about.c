/* SPDX-License-Identifier: BSD-2-Clause */
/* What a result says of the machine and of the servers; see about.h. */
#include "lab/about.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "host/file.h"
#include "host/sysmem.h"
#include "record/record.h"
#include "redis/info.h"

#define GOVERNOR "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
#define THP	 "/sys/kernel/mm/transparent_hugepage/enabled"

static char *line_of(const char *path)
{
	struct buf text = {};
	char *line = NULL;

	if (!file_read(path, 4096, &text, NULL) && text.len)
		line = xmemdup(text.data, strcspn(text.data, "\n"));
	buf_free(&text);
	return line;
}

/* x86 says "model name : ...", of which all CPUs have the same. */
static int take_cpu_line(void *ctx, char *line, size_t len)
{
	char **model = ctx, *colon = strchr(line, ':');

	(void)len;
	if (strncmp(line, "model name", strlen("model name")) || !colon)
		return 0;
	*model = xstrdup(colon + 1 + strspn(colon + 1, " "));
	return 1;
}

void lab_about_host(struct lab_about_host *host)
{
	struct meminfo memory;
	struct utsname name;
	char *choices = line_of(THP);

	*host = (struct lab_about_host){ .cores = sysconf(_SC_NPROCESSORS_ONLN) };
	if (!uname(&name)) {
		host->kernel = xstrdup(name.release);
		host->machine = xstrdup(name.machine);
	}
	host->memory_bytes = meminfo_read(&memory, "") ? RECORD_UNKNOWN : memory.total_bytes;
	host->governor = line_of(GOVERNOR);
	if (choices)
		host->thp = xstrdup(thp_choice(choices));
	free(choices);
	file_lines("/proc/cpuinfo", take_cpu_line, &host->cpu, NULL);
}

static char *copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

int lab_about_ask(struct lab_about *about, int side, const struct lab_instance *one,
		  struct err *err)
{
	struct lab_about_side *said = &about->side[side];
	struct info *info = lab_instance_info(one, err);

	if (!info)
		return err->code;
	said->server = copy(info_server(info));
	said->version = copy(info_server_version(info));
	said->allocator = copy(info_get(info, "mem_allocator"));
	said->build_id = copy(info_get(info, "redis_build_id"));
	info_free(info);
	return 0;
}
