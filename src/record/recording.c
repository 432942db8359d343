/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing a recording; the format is in recording.h, reading it in replay.c. */
#define _GNU_SOURCE 1 /* mkostemp() */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/buf.h"
#include "record/codec.h"
#include "record/recording.h"

struct recording {
	char *path, *tmp;
	gzFile gz;
	int fd; /* of the same file, for when zlib has closed its own */
	int64_t records_total;
	struct err err; /* the first that happened */
};

static void write_line(struct recording *rec, const char *line)
{
	size_t len = strlen(line);
	int gz_code;

	if (rec->err.code)
		return;
	/* Never write what recording_replay() would refuse to read. */
	if (len > RECORDING_LINE_MAX) {
		err_set(&rec->err, -EFBIG,
			"recording: %s: a record of %zu bytes is too long; record for a shorter "
			"time",
			rec->path, len);
		return;
	}
	if (gzwrite(rec->gz, line, (unsigned int)len) != (int)len || gzputc(rec->gz, '\n') < 0) {
		gzerror(rec->gz, &gz_code);
		err_set(&rec->err, gz_code == Z_ERRNO ? -errno : -EIO,
			"recording: %s: cannot write: %s; check the space on that disk", rec->tmp,
			gz_code == Z_ERRNO ? strerror(errno) : gzerror(rec->gz, &gz_code));
	}
}

static void recording_take(void *ctx, const struct record *record)
{
	struct recording *rec = ctx;
	char *line = record_encode(record);

	if (line) {
		write_line(rec, line);
		rec->records_total++;
	} else if (!rec->err.code) {
		err_set(&rec->err, -ENOMEM,
			"recording: %s: a record cannot be encoded; report this", rec->path);
	}
	free(line);
}

/* Replacing a device or a pipe by a file would harm more than it helps. */
static int check_path(const char *path, struct err *err)
{
	struct stat st;

	if (!stat(path, &st) && !S_ISREG(st.st_mode))
		return err_set(err, -EINVAL,
			       "recording: %s: not a regular file; name a file to create", path);
	return 0;
}

static void recording_free(struct recording *rec)
{
	if (rec->gz)
		gzclose_w(rec->gz);
	if (rec->fd >= 0)
		close(rec->fd);
	free(rec->path);
	free(rec->tmp);
	free(rec);
}

/*
 * A file beside the one it becomes, of a name nobody has: never one that is there
 * already, and whoever may write to the directory cannot choose where we write.
 */
static int open_tmp(struct recording *rec, struct err *err)
{
	int fd = mkostemp(rec->tmp, O_CLOEXEC); /* 0600, O_EXCL */

	if (fd < 0)
		return err_set(err, -errno,
			       "recording: %s: cannot create: %s; choose a place you can write to",
			       rec->path, strerror(errno));
	rec->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	rec->gz = rec->fd < 0 ? NULL : gzdopen(fd, "wb");
	if (rec->gz)
		return 0;
	close(fd);
	unlink(rec->tmp);
	return err_set(err, -ENOMEM, "recording: %s: zlib has no memory; free some", rec->path);
}

int recording_create(struct recording **out, const char *path, struct err *err)
{
	struct recording *rec;
	struct buf tmp = { 0 };
	int rc;

	*out = NULL;
	rc = check_path(path, err);
	if (rc)
		return rc;
	buf_printf(&tmp, "%s.XXXXXX", path);
	rec = xcalloc(1, sizeof(*rec));
	rec->fd = -1;
	rec->path = xstrdup(path);
	rec->tmp = tmp.data;
	rc = open_tmp(rec, err);
	if (rc) {
		recording_free(rec);
		return rc;
	}
	write_line(rec, "{\"schema\":\"" RECORDING_SCHEMA "\"}");
	*out = rec;
	return 0;
}

struct record_sink recording_sink(struct recording *rec)
{
	return (struct record_sink){ .take = recording_take, .ctx = rec };
}

void recording_abandon(struct recording *rec)
{
	unlink(rec->tmp);
	recording_free(rec);
}

/* The name must not be on the disk before the data is: a crash between the two would
 * leave an empty file in the place of the one that was there. */
static void move_into_place(struct recording *rec)
{
	if (fsync(rec->fd))
		err_set(&rec->err, -errno,
			"recording: %s: cannot write: %s; check the space on that disk", rec->path,
			strerror(errno));
	else if (rename(rec->tmp, rec->path))
		err_set(&rec->err, -errno,
			"recording: %s: cannot move into place: %s; choose another file", rec->path,
			strerror(errno));
}

int recording_close(struct recording *rec, struct err *err)
{
	char end[64];
	int rc;

	snprintf(end, sizeof(end), "{\"record\":\"end\",\"records_total\":%lld}",
		 (long long)rec->records_total);
	write_line(rec, end);
	errno = 0;
	rc = gzclose_w(rec->gz);
	rec->gz = NULL;
	if (rc != Z_OK && !rec->err.code)
		err_set(&rec->err, errno ? -errno : -EIO,
			"recording: %s: cannot write: %s; check the space on that disk", rec->tmp,
			errno ? strerror(errno) : zError(rc));
	if (!rec->err.code)
		move_into_place(rec);
	rc = rec->err.code;
	if (rc) {
		unlink(rec->tmp);
		if (err)
			*err = rec->err;
	}
	recording_free(rec);
	return rc;
}
