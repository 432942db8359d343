/* SPDX-License-Identifier: BSD-2-Clause */
/* A side of a lab; see side.h. */
#include "lab/side.h"

#include <errno.h>
#include <gelf.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "lab/private_server.h"

/* --- knobs ------------------------------------------------------------------------------- */

static const struct {
	const char *name, *path;
} knobs[] = {
	{ "thp", "/sys/kernel/mm/transparent_hugepage/enabled" },
	{ "thp_defrag", "/sys/kernel/mm/transparent_hugepage/defrag" },
	{ "overcommit_memory", "/proc/sys/vm/overcommit_memory" },
	{ "swappiness", "/proc/sys/vm/swappiness" },
};

const char *lab_knob_name(size_t i)
{
	return i < sizeof(knobs) / sizeof(*knobs) ? knobs[i].name : NULL;
}

const char *lab_knob_path(const char *name)
{
	for (size_t i = 0; lab_knob_name(i); i++)
		if (!strcmp(knobs[i].name, name))
			return knobs[i].path;
	return NULL;
}

static void list_knobs(struct buf *out)
{
	for (size_t i = 0; lab_knob_name(i); i++)
		buf_printf(out, "%s, ", lab_knob_name(i));
	buf_puts(out, "and " LAB_KNOB_MEMORY);
}

int lab_knob_check(const char *name, const char *value, struct err *err)
{
	struct buf names = {};
	int ret;

	if (lab_knob_path(name))
		return 0;
	if (!strcmp(name, LAB_KNOB_MEMORY)) {
		if (lab_size(value) > 0)
			return 0;
		return err_set(err, -EINVAL, "knob %s takes bytes, as 512M, not '%.80s'", name,
			       value);
	}
	list_knobs(&names);
	ret = err_set(err, -EINVAL, "there is no knob '%.80s'; there are %s", name,
		      buf_str(&names));
	buf_free(&names);
	return ret;
}

const char *lab_settings_get(const struct lab_settings *settings, const char *name)
{
	const char *value = NULL;

	for (size_t i = 0; i < settings->count; i++)
		if (!strcmp(settings->rows[i].name, name))
			value = settings->rows[i].value;
	return value;
}

int64_t lab_size(const char *text)
{
	static const char units[] = "kmgt";
	char *end;
	long long size = strtoll(text, &end, 10);
	const char *unit = *end ? strchr(units, *end | 0x20) : NULL;
	int shift = unit ? 10 * (int)(unit - units + 1) : 0;

	if (end == text || size <= 0 || (*end && (!unit || end[1])) || size > INT64_MAX >> shift)
		return -1;
	return size << shift;
}

/* --- settings ------------------------------------------------------------------------------ */

static int assign(struct lab_settings *to, const char *what, const char *assignment,
		  struct err *err)
{
	const char *equals = strchr(assignment, '=');
	char *name;

	if (!equals || equals == assignment)
		return err_set(err, -EINVAL, "lab: %s '%.80s' is not NAME=VALUE", what, assignment);
	name = xmemdup(assignment, (size_t)(equals - assignment));
	lab_settings_add(to, name, equals + 1);
	free(name);
	return 0;
}

int lab_side_set(struct lab_side *side, const char *assignment, struct err *err)
{
	return assign(&side->about->settings, "setting", assignment, err);
}

/* The loader goes on without a library that it does not find, and the sides would be alike. */
static int check_preload(const char *libraries, struct err *err)
{
	char *copy = xstrdup(libraries), *rest = copy, *path;
	int ret = 0;

	while (!ret && (path = strtok_r(rest, ": ", &rest))) {
		if (*path != '/' && strchr(path, '/'))
			ret = err_set(
				err, -EINVAL,
				"lab: LD_PRELOAD=%s: servers begin in another folder; name it "
				"from /",
				path);
		else if (*path == '/' && access(path, R_OK))
			ret = err_set(err, -errno, "lab: LD_PRELOAD=%s: %s", path, strerror(errno));
	}
	free(copy);
	return ret;
}

int lab_side_environ(struct lab_side *side, const char *assignment, struct err *err)
{
	struct lab_settings *all = &side->about->environment;
	int ret = assign(all, "environment", assignment, err);

	if (!ret && !strcmp(all->rows[all->count - 1].name, "LD_PRELOAD"))
		ret = check_preload(all->rows[all->count - 1].value, err);
	return ret;
}

int lab_side_knob(struct lab_side *side, const char *assignment, struct err *err)
{
	struct lab_settings *all = &side->about->knobs;
	int ret = assign(all, "knob", assignment, err);
	const struct lab_setting *last = ret ? NULL : &all->rows[all->count - 1];
	struct err why = {};

	if (!last || !lab_knob_check(last->name, last->value, &why))
		return ret;
	return err_set(err, why.code, "lab: %s", why.text);
}

/* --- which server -------------------------------------------------------------------------- */

static void add_word(struct lab_side *side, size_t *count, const char *word)
{
	side->command = xrealloc(side->command, (*count + 2) * sizeof(*side->command));
	side->command[(*count)++] = xstrdup(word);
	side->command[*count] = NULL;
}

static bool is_program(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISREG(st.st_mode) && !access(path, X_OK);
}

/* The server in the folder @root. */
static void find_in(struct buf *out, const char *root)
{
	static const char *const places[] = { "usr/local/bin", "usr/bin", "bin", "src", "." };
	static const char *const names[] = { "redis-server", "valkey-server" };

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++)
		for (size_t j = 0; j < sizeof(names) / sizeof(*names); j++) {
			buf_clear(out);
			buf_printf(out, "%s/%s/%s", root, places[i], names[j]);
			if (is_program(buf_str(out)))
				return;
		}
	buf_clear(out);
}

/* The loader that @program asks for, "" without. */
static void read_loader(struct buf *out, const char *program)
{
	int fd = open(program, O_RDONLY | O_CLOEXEC);
	Elf *elf;
	GElf_Phdr phdr;
	size_t count = 0;
	char text[256];
	ssize_t len;

	elf_version(EV_CURRENT);
	elf = fd < 0 ? NULL : elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || elf_getphdrnum(elf, &count))
		count = 0;
	for (size_t i = 0; i < count; i++) {
		if (!gelf_getphdr(elf, (int)i, &phdr) || phdr.p_type != PT_INTERP)
			continue;
		len = pread(fd, text, sizeof(text), (off_t)phdr.p_offset);
		if (len > 0)
			buf_add(out, text, strnlen(text, (size_t)len));
	}
	elf_end(elf);
	if (fd >= 0)
		close(fd);
}

/* Those of the folders that libraries are in that @root has. */
static void list_libraries(struct buf *out, const char *root)
{
	static const char *const places[] = {
		"usr/local/lib", "lib/*-linux-*", "usr/lib/*-linux-*", "lib64",
		"usr/lib64",	 "lib",		  "usr/lib",
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		struct buf pattern = {};
		glob_t found;

		buf_printf(&pattern, "%s/%s", root, places[i]);
		if (!glob(buf_str(&pattern), 0, NULL, &found)) {
			for (size_t j = 0; j < found.gl_pathc; j++)
				buf_printf(out, "%s%s", out->len ? ":" : "", found.gl_pathv[j]);
			globfree(&found);
		}
		buf_free(&pattern);
	}
}

static int open_folder(struct lab_side *side, const char *root, struct err *err)
{
	struct buf program = {}, loader = {}, libraries = {}, own = {};
	size_t count = 0;
	int ret = 0;

	find_in(&program, root);
	if (!program.len) {
		ret = err_set(err, -ENOENT,
			      "lab: %s holds neither redis-server nor valkey-server in usr/bin, "
			      "usr/local/bin, bin or src",
			      root);
		goto out;
	}
	read_loader(&loader, buf_str(&program));
	list_libraries(&libraries, root);
	buf_printf(&own, "%s%s", root, buf_str(&loader));
	if (loader.len && is_program(buf_str(&own))) {
		add_word(side, &count, buf_str(&own));
		add_word(side, &count, "--library-path");
		add_word(side, &count, buf_str(&libraries));
	} else if (libraries.len) {
		lab_settings_add(&side->about->environment, "LD_LIBRARY_PATH", buf_str(&libraries));
	}
	add_word(side, &count, buf_str(&program));
	side->about->program = xstrdup(buf_str(&program));
out:
	buf_free(&program);
	buf_free(&loader);
	buf_free(&libraries);
	buf_free(&own);
	return ret;
}

static void make_absolute(struct buf *path)
{
	struct buf relative = *path;
	char *here = getcwd(NULL, 0);

	*path = (struct buf){};
	buf_printf(path, "%s/%s", here ? here : "", buf_str(&relative));
	free(here);
	buf_free(&relative);
}

int lab_side_open(struct lab_side *side, struct lab_about_side *about, const char *server,
		  struct err *err)
{
	char path[PATH_MAX];
	struct buf found = {};
	struct stat st;
	size_t count = 0;
	int ret = 0;

	*side = (struct lab_side){ .about = about };
	if (!server)
		ret = private_server_find("lab", &found, err);
	else
		private_server_program(&found, server);
	if (ret)
		goto out;
	if (!found.len || !realpath(buf_str(&found), path) || stat(path, &st))
		ret = err_set(err, -ENOENT, "lab: %s: there is no such server", server);
	else if (S_ISDIR(st.st_mode))
		ret = open_folder(side, path, err);
	else if (!is_program(path))
		ret = err_set(err, -EACCES, "lab: %s is not a program", path);
	else {
		/* By the name it was given: servers look at that. They begin in a folder of their
		 * own, where a name that depends on ours is another. */
		if (found.data[0] != '/')
			make_absolute(&found);
		add_word(side, &count, buf_str(&found));
		side->about->program = xstrdup(buf_str(&found));
	}
out:
	buf_free(&found);
	return ret;
}

void lab_side_close(struct lab_side *side)
{
	for (size_t i = 0; side->command && side->command[i]; i++)
		free(side->command[i]);
	free(side->command);
	*side = (struct lab_side){};
}
