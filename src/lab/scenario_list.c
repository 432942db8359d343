/* SPDX-License-Identifier: BSD-2-Clause */
/* Which scenarios there are; see scenario.h. */
#include "lab/scenario.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/file.h"

#define SHOWN_BYTES (256 << 10)

struct found {
	char *name; /* without the suffix */
	char *path;
};

struct finds {
	struct found *list;
	size_t count;
};

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->name, ((const struct found *)b)->name);
}

/* What is in an earlier place hides what has the same name in a later one. */
static bool is_hidden(const struct finds *finds, const char *name, size_t len)
{
	for (size_t i = 0; i < finds->count; i++)
		if (strlen(finds->list[i].name) == len && !memcmp(finds->list[i].name, name, len))
			return true;
	return false;
}

static void look_in(struct finds *finds, const char *folder)
{
	DIR *dir = opendir(*folder ? folder : ".");
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name) - strlen(LAB_SCENARIO_SUFFIX);
		struct buf path = { 0 };

		if (!lab_scenario_is_file_name(entry->d_name) ||
		    is_hidden(finds, entry->d_name, len))
			continue;
		finds->list = xrealloc(finds->list, (finds->count + 1) * sizeof(*finds->list));
		buf_printf(&path, "%s%s", *folder ? folder : "./", entry->d_name);
		finds->list[finds->count].name = xmemdup(entry->d_name, len);
		finds->list[finds->count++].path = path.data;
	}
	if (dir)
		closedir(dir);
}

static void list_one(struct buf *out, const struct found *found, int width)
{
	struct lab_scenario *scenario = NULL;
	struct err err = { 0 };

	lab_scenario_read(&scenario, found->path, &err);
	buf_printf(out, "%-*s  %s\n", width, found->name, scenario ? scenario->about : err.text);
	lab_scenario_free(scenario);
}

int lab_scenario_list(struct buf *out, struct err *err)
{
	struct finds finds = { 0 };
	struct buf folder = { 0 };
	int width = 0;

	for (size_t i = 0; lab_scenario_folder(&folder, i); i++)
		look_in(&finds, buf_str(&folder));
	buf_free(&folder);
	if (!finds.count)
		return err_set(err, -ENOENT,
			       "lab: no scenarios are installed beside redmem, and there "
			       "are none here; `make install` installs them");
	qsort(finds.list, finds.count, sizeof(*finds.list), by_name);
	for (size_t i = 0; i < finds.count; i++)
		if ((int)strlen(finds.list[i].name) > width)
			width = (int)strlen(finds.list[i].name);
	for (size_t i = 0; i < finds.count; i++) {
		list_one(out, &finds.list[i], width);
		free(finds.list[i].name);
		free(finds.list[i].path);
	}
	free(finds.list);
	return 0;
}

int lab_scenario_show(struct buf *out, const char *name, struct err *err)
{
	struct buf path = { 0 };
	int ret = lab_scenario_find(&path, name, err);

	if (!ret)
		ret = file_read(buf_str(&path), SHOWN_BYTES, out, err);
	buf_free(&path);
	return ret;
}
