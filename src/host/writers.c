/* SPDX-License-Identifier: BSD-2-Clause */
/* Who writes to disks; see writers.h. */
#include "host/writers.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "host/file.h"
#include "host/proc.h"

/* What was read of other files meanwhile is written, too: less is not worth a line. */
#define WRITTEN_MIN_BYTES ((int64_t)1 << 20)
/* Between two looks, in what the last one took of CPU: no more than 1 % of a core. */
#define REST 100
/* The text of /proc/PID/io is some 130 bytes. */
#define IO_TEXT_MAX 4096

struct writer {
	pid_t pid;
	int64_t bytes;
};

/* Of all processes, for all watches that ask at about the same time. */
struct look {
	size_t users;
	int64_t start_ns, took_ns; /* ns of CPU */
	struct writer *list; /* by pid, rising */
	size_t count;
};

struct writers {
	pid_t server;
	struct look *before;
};

static pthread_mutex_t looking = PTHREAD_MUTEX_INITIALIZER;
static struct look *latest; /* a user of its own */

static int take_io_line(void *ctx, char *line, size_t len)
{
	int64_t *bytes = ctx;
	const char *value = text_field(line, "write_bytes");

	(void)len;
	if (value)
		*bytes = text_int64(value);
	return 0;
}

/* What it has caused to be sent to disks since it began; RECORD_UNKNOWN. */
static int64_t written(pid_t pid)
{
	struct buf text = { 0 };
	int64_t bytes = RECORD_UNKNOWN;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/io", (int)pid);
	if (!file_read(path, IO_TEXT_MAX, &text, NULL))
		text_lines(text.data, text.len, take_io_line, &bytes);
	buf_free(&text);
	return bytes;
}

static struct look *look_new(void)
{
	struct look *look = xcalloc(1, sizeof(*look));
	int64_t cpu_ns = clock_thread_ns();
	pid_t *pids;
	size_t count;

	look->users = 1;
	look->start_ns = clock_mono_ns();
	if (!proc_pids(&pids, &count, NULL)) {
		count = count < WRITERS_MAX ? count : WRITERS_MAX;
		look->list = xcalloc(count + 1, sizeof(*look->list));
		for (size_t i = 0; i < count; i++) {
			int64_t bytes = written(pids[i]);

			if (bytes != RECORD_UNKNOWN)
				look->list[look->count++] = (struct writer){ pids[i], bytes };
		}
		free(pids);
	}
	look->took_ns = clock_thread_ns() - cpu_ns;
	return look;
}

/* With the lock held. */
static void look_drop(struct look *look)
{
	if (!look || --look->users)
		return;
	free(look->list);
	free(look);
}

/* What was seen a moment ago will do: see REST. */
static struct look *look_get(void)
{
	struct look *look;

	pthread_mutex_lock(&looking);
	if (!latest || clock_mono_ns() - latest->start_ns > REST * latest->took_ns) {
		look_drop(latest);
		latest = look_new();
	}
	look = latest;
	look->users++;
	pthread_mutex_unlock(&looking);
	return look;
}

static void look_put(struct look *look)
{
	pthread_mutex_lock(&looking);
	look_drop(look);
	pthread_mutex_unlock(&looking);
}

struct writers *writers_new(pid_t server)
{
	struct writers *writers = xcalloc(1, sizeof(*writers));

	writers->server = server;
	writers->before = look_get();
	return writers;
}

void writers_free(struct writers *writers)
{
	if (!writers)
		return;
	look_put(writers->before);
	free(writers);
}

/* Keep the largest few, falling. */
static void keep(struct writer top[WRITERS_TOLD], size_t *count, struct writer one)
{
	size_t at = *count;

	while (at > 0 && top[at - 1].bytes < one.bytes)
		at--;
	if (at == WRITERS_TOLD)
		return;
	if (*count < WRITERS_TOLD)
		(*count)++;
	memmove(&top[at + 1], &top[at], (*count - at - 1) * sizeof(*top));
	top[at] = one;
}

static void emit(const struct writer *one, const struct record_sink *sink)
{
	struct record record = { .kind = RECORD_WRITER };
	char name[PROC_COMM_SIZE];

	if (proc_comm(one->pid, one->pid, name))
		return;
	record.writer.pid = one->pid;
	record.writer.name = name;
	record.writer.written_bytes = one->bytes;
	record_emit(sink, &record);
}

void writers_tell(struct writers *writers, const struct record_sink *sink)
{
	const struct look *before = writers->before;
	struct look *now = look_get();
	struct writer top[WRITERS_TOLD];
	size_t count = 0, was = 0;

	for (size_t i = 0; i < now->count && before->count > 0; i++) {
		struct writer one = now->list[i];

		while (was < before->count && before->list[was].pid < one.pid)
			was++;
		if (was < before->count && before->list[was].pid == one.pid) /* else it is new */
			one.bytes -= before->list[was].bytes;
		if (one.pid != writers->server && one.bytes >= WRITTEN_MIN_BYTES)
			keep(top, &count, one);
	}
	for (size_t i = 0; i < count; i++)
		emit(&top[i], sink);
	look_put(writers->before);
	writers->before = now;
}

/* --- where the AOF lies ---------------------------------------------------------------- */

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw" (proc(5)) */
bool disk_of_line(const char *line, unsigned int major, unsigned int minor, struct buf *out)
{
	unsigned int a, b;
	const char *end = strstr(line, " - ");
	char type[64], source[256];

	if (sscanf(line, "%*d %*d %u:%u", &a, &b) != 2 || a != major || b != minor || !end ||
	    sscanf(end, " - %63s %255s", type, source) != 2)
		return false;
	buf_printf(out, "%s on %s", type, source);
	return true;
}

struct search {
	unsigned int major, minor;
	struct buf *out;
};

static int take_mount(void *ctx, char *line, size_t len)
{
	struct search *search = ctx;

	(void)len;
	return disk_of_line(line, search->major, search->minor, search->out);
}

/* Its name is appendfilename's, with "aof" in it unless somebody changed that. */
static bool is_aof(const char *path)
{
	const char *name = strrchr(path, '/');

	return name && (strstr(name, "aof") || strstr(name, "appendonly"));
}

/* The descriptor of its AOF as a path of /proc, and what it links to. */
static bool find_aof(pid_t server, char *path, size_t size, char *target, size_t target_size)
{
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, size, "/proc/%d/fd", (int)server);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		ssize_t len;

		snprintf(path, size, "/proc/%d/fd/%s", (int)server, entry->d_name);
		len = readlink(path, target, target_size - 1);
		if (len <= 0)
			continue;
		target[len] = '\0';
		found = is_aof(target);
	}
	if (dir)
		closedir(dir);
	return found;
}

void disk_emit(const struct record_sink *sink, pid_t server)
{
	struct record record = { .kind = RECORD_DISK };
	char path[300], target[4096];
	struct buf device = { 0 };
	struct search search = { .out = &device };
	struct stat st;

	if (!find_aof(server, path, sizeof(path), target, sizeof(target)) || stat(path, &st))
		return;
	search.major = major(st.st_dev);
	search.minor = minor(st.st_dev);
	snprintf(path, sizeof(path), "/proc/%d/mountinfo", (int)server);
	file_lines(path, take_mount, &search, NULL);
	record.disk.file = target;
	record.disk.device = buf_str(&device);
	record_emit(sink, &record);
	buf_free(&device);
}
