/* SPDX-License-Identifier: BSD-2-Clause */
/* Where scenarios are; see scenario.h. */
#include "lab/scenario.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

/* Behind the folder of redmem's program, in this order; "" = the folder one is in. */
static const char *const places[] = { "", "/../tools/lab", "/../share/redmem/lab" };
#define PLACES (sizeof(places) / sizeof(places[0]))

bool lab_scenario_folder(struct buf *out, size_t i)
{
	char program[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", program, sizeof(program) - 1);

	buf_clear(out);
	if (i >= PLACES)
		return false;
	if (!*places[i] || len < 0)
		return true;
	program[len] = '\0';
	*strrchr(program, '/') = '\0';
	buf_printf(out, "%s%s/", program, places[i]);
	return true;
}

bool lab_scenario_is_file_name(const char *name)
{
	size_t len = strlen(name), suffix = strlen(LAB_SCENARIO_SUFFIX);

	return len > suffix && !strcmp(name + len - suffix, LAB_SCENARIO_SUFFIX);
}

int lab_scenario_find(struct buf *path, const char *name, struct err *err)
{
	if (strchr(name, '/') || lab_scenario_is_file_name(name)) {
		buf_puts(path, name);
		return 0;
	}
	for (size_t i = 0; lab_scenario_folder(path, i); i++) {
		buf_printf(path, "%s" LAB_SCENARIO_SUFFIX, name);
		if (!access(buf_str(path), R_OK))
			return 0;
	}
	return err_set(
		err, -ENOENT,
		"lab: %s: there is no such scenario; `redmem lab list` tells those there are, "
		"or give the path of a file",
		name);
}
