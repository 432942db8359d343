/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing and reading a recording; the format is in recording.h. A file that is read may be
 * cut, damaged or made to hurt: zlib's check sum, the number of records in the end line and a
 * bound on the length of a line stand between it and the model.
 */
#define _GNU_SOURCE 1 /* mkostemp() */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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

/* --- reading ------------------------------------------------------------- */

#define CHUNK_BYTES (64u << 10)

struct recording_reader {
	char *path;
	gzFile gz;
	struct buf line;
	uint64_t line_number; /* of the line in `line`, from 1 */
	char chunk[CHUNK_BYTES];
	size_t chunk_at, chunk_len;
	bool ended; /* the end line was read */
	int64_t records_total; /* read so far, also those of unknown kinds */
};

static int corrupted(struct recording_reader *r, struct err *err, const char *why)
{
	return err_set(err, -EBADMSG, "recording: %s: line %" PRIu64 ": %s; the file is damaged",
		       r->path, r->line_number, why);
}

static int truncated(struct recording_reader *r, struct err *err)
{
	return err_set(err, -EBADMSG,
		       "recording: %s: truncated after line %" PRIu64 "; copy or record it again",
		       r->path, r->line_number);
}

static int foreign(struct recording_reader *r, struct err *err, const char *why)
{
	return err_set(err, -EINVAL,
		       "recording: %s: not a recording (%s); give a file made with --record",
		       r->path, why);
}

static int zlib_error(struct recording_reader *r, struct err *err)
{
	int gz_code, saved = errno;
	const char *why = gzerror(r->gz, &gz_code);

	if (gz_code == Z_ERRNO)
		return err_set(err, saved ? -saved : -EIO, "recording: %s: cannot read: %s",
			       r->path, strerror(saved));
	if (gz_code == Z_BUF_ERROR)
		return truncated(r, err);
	return corrupted(r, err, why);
}

/* 1: there are bytes in the chunk. 0: the file ended as it should. */
static int fill_chunk(struct recording_reader *r, struct err *err)
{
	int n, gz_code;

	if (r->chunk_at < r->chunk_len)
		return 1;
	n = gzread(r->gz, r->chunk, CHUNK_BYTES);
	if (n < 0)
		return zlib_error(r, err);
	/* A file cut short gives its bytes first and its error with them. */
	gzerror(r->gz, &gz_code);
	if (n == 0 && gz_code != Z_OK && gz_code != Z_STREAM_END)
		return zlib_error(r, err);
	if (n > 0 && gzdirect(r->gz))
		return foreign(r, err, "not compressed with gzip");
	r->chunk_at = 0;
	r->chunk_len = (size_t)n;
	return n > 0;
}

/* 1: r->line holds the next line. 0: the file ended behind the last one. */
static int next_line(struct recording_reader *r, struct err *err)
{
	buf_clear(&r->line);
	for (;;) {
		int rc = fill_chunk(r, err);
		const char *from = r->chunk + r->chunk_at, *newline;
		size_t len = r->chunk_len - r->chunk_at;

		if (rc < 0)
			return rc;
		if (rc == 0)
			return r->line.len ? truncated(r, err) : 0;
		newline = memchr(from, '\n', len);
		if (newline)
			len = (size_t)(newline - from);
		if (r->line.len + len > RECORDING_LINE_MAX)
			return corrupted(r, err, "longer than any line of a recording");
		buf_add(&r->line, from, len);
		r->chunk_at += len + (newline != NULL);
		if (newline) {
			r->line_number++;
			return 1;
		}
	}
}

/* What a schema is that is not ours. */
static const char *strange(const char *schema)
{
	static const char prefix[] = "redmem.recording/";
	size_t len = sizeof(prefix) - 1;

	if (strncmp(schema, prefix, len) != 0)
		return "is unknown";
	return atoi(schema + len) < atoi(RECORDING_SCHEMA + len) ?
		       "is of an older redmem (record again, or read it with that one)" :
		       "is of a newer redmem";
}

static int read_header(struct recording_reader *r, struct err *err)
{
	const char *schema;
	json_t *root;
	int rc = next_line(r, err);

	/* An empty or headless file is somebody else's, not a cut one of ours. */
	if (rc == 0)
		return foreign(r, err, "empty");
	if (rc < 0)
		return rc;
	root = json_loadb(buf_str(&r->line), r->line.len, 0, NULL);
	schema = json_string_value(json_object_get(root, "schema"));
	if (!schema)
		rc = foreign(r, err, "no schema in its first line");
	else if (strcmp(schema, RECORDING_SCHEMA))
		rc = err_set(err, -ENOTSUP, "recording: %s: schema '%s' %s; this one reads %s",
			     r->path, schema, strange(schema), RECORDING_SCHEMA);
	else
		rc = 0;
	json_decref(root);
	return rc;
}

static int read_end(struct recording_reader *r, const json_t *root, struct err *err)
{
	const json_t *total = json_object_get(root, "records_total");

	if (!json_is_integer(total) || json_integer_value(total) != r->records_total)
		return corrupted(r, err, "records are missing");
	r->ended = true;
	return 0;
}

static int read_record(struct recording_reader *r, json_t *root, const struct record_sink *sink,
		       struct err *err)
{
	struct record_decoded *keep;
	struct err why = { 0 };
	struct record record;
	int rc = record_from_json(root, &record, &keep, &why);

	r->records_total++;
	if (rc == -ENOTSUP) /* made by a newer redmem: what is known is still worth reading */
		return 0;
	if (rc)
		return err_set(err, rc, "recording: %s: line %" PRIu64 ": %s", r->path,
			       r->line_number, why.text);
	record_emit(sink, &record);
	record_decoded_free(keep);
	return 0;
}

static int read_line(struct recording_reader *r, const struct record_sink *sink, struct err *err)
{
	const char *name;
	json_error_t why;
	json_t *root;
	int rc;

	if (r->ended)
		return corrupted(r, err, "something follows the end");
	root = json_loadb(buf_str(&r->line), r->line.len, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		return corrupted(r, err, why.text);
	name = json_string_value(json_object_get(root, "record"));
	if (!name || strcmp(name, "end"))
		return read_record(r, root, sink, err);
	rc = read_end(r, root, err);
	json_decref(root);
	return rc;
}

static int open_file(struct recording_reader *r, struct err *err)
{
	int fd = open(r->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return err_set(err, -errno, "recording: %s: cannot open: %s; check the path",
			       r->path, strerror(errno));
	r->gz = gzdopen(fd, "rb");
	if (!r->gz) {
		close(fd);
		return err_set(err, -ENOMEM, "recording: %s: zlib has no memory; free some",
			       r->path);
	}
	return 0;
}

int recording_open(struct recording_reader **out, const char *path, struct err *err)
{
	struct recording_reader *r = xcalloc(1, sizeof(*r));
	int rc;

	r->path = xstrdup(path);
	rc = open_file(r, err);
	if (!rc)
		rc = read_header(r, err);
	*out = rc ? NULL : r;
	if (rc)
		recording_reader_free(r);
	return rc;
}

/* To the very end of the file: only there does zlib compare its check sum. */
int recording_read(struct recording_reader *r, const struct record_sink *sink, struct err *err)
{
	int rc = next_line(r, err);

	if (rc > 0) {
		rc = read_line(r, sink, err);
		return rc ? rc : 1;
	}
	return !rc && !r->ended ? truncated(r, err) : rc;
}

void recording_reader_free(struct recording_reader *r)
{
	if (!r)
		return;
	if (r->gz)
		gzclose_r(r->gz);
	buf_free(&r->line);
	free(r->path);
	free(r);
}

int recording_replay(const char *path, const struct record_sink *sink, struct err *err)
{
	struct recording_reader *r;
	int rc = recording_open(&r, path, err);

	if (rc)
		return rc;
	do
		rc = recording_read(r, sink, err);
	while (rc > 0);
	recording_reader_free(r);
	return rc;
}
