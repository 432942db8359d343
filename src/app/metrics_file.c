/* SPDX-License-Identifier: BSD-2-Clause */
/* Metrics of a watch in a file; see metrics_file.h. */
#include "app/metrics_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/print.h"

static void label_of(struct buf *out, const struct options *o, const struct model *m)
{
	const struct record_target *target = &m->target;

	if (o->socket_path)
		buf_puts(out, o->socket_path);
	else if (target->port > 0)
		buf_printf(out, "%s:%lld", o->host ? o->host : "127.0.0.1",
			   (long long)target->port);
	else if (target->socket && *target->socket)
		buf_puts(out, target->socket);
	else
		buf_puts(out, target->server && *target->server ? target->server : "redis");
}

void metrics_file_take(struct metrics *metrics, const struct options *o, const struct model *m)
{
	struct findings *findings = diagnose(m);
	struct buf label = { 0 };

	label_of(&label, o, m);
	metrics_take(metrics, buf_str(&label), m, findings);
	findings_free(findings);
	buf_free(&label);
}

static int fail(const char *path, const char *what)
{
	fprintf(stderr, "redmem: metrics: %s: %s: %s; choose another file with --metrics\n", path,
		what, strerror(errno));
	return 1;
}

static bool write_all(int fd, const struct buf *text)
{
	for (size_t done = 0; done < text->len;) {
		ssize_t n = write(fd, text->data + done, text->len - done);

		if (n < 0 && errno != EINTR)
			return false;
		done += n > 0 ? (size_t)n : 0;
	}
	return true;
}

/* Whoever reads it sees the one before until this one is whole: it is made beside it, under a
 * name that the collector, which takes *.prom, leaves alone. */
static int replace(const char *path, const struct buf *text)
{
	struct buf beside = { 0 };
	int fd, ret = 0;

	buf_printf(&beside, "%s.%ld", path, (long)getpid());
	fd = open(buf_str(&beside), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		ret = fail(buf_str(&beside), "cannot be made");
	else if (!write_all(fd, text))
		ret = fail(buf_str(&beside), "cannot be written");
	if (fd >= 0 && close(fd) && !ret)
		ret = fail(buf_str(&beside), "cannot be written");
	if (!ret && rename(buf_str(&beside), path))
		ret = fail(path, "cannot be replaced");
	if (ret && fd >= 0)
		unlink(buf_str(&beside));
	buf_free(&beside);
	return ret;
}

int metrics_file_write(const struct metrics *metrics, const char *path)
{
	struct buf text = { 0 };
	int ret;

	metrics_write(metrics, &text, false, NULL);
	ret = strcmp(path, "-") != 0 ? replace(path, &text) : print_out(&text);
	buf_free(&text);
	return ret;
}
