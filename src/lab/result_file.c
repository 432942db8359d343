/* SPDX-License-Identifier: BSD-2-Clause */
/* A stored result: its lines written and read; see result.h. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "host/file.h"
#include "lab/result.h"
#include "lab/result_json.h"
#include "record/record.h"

#define SAMPLES_MAX 65536
#define NOTES_MAX   256
#define PAIR_MAX    1000000
/* More of anything is nothing that was measured, and its sums could overflow. */
#define VALUE_MAX 1e18

static const char *const end_names[LAB_ENDS] = {
	[LAB_CUT] = "cut",	 [LAB_PRECISE] = "precise",
	[LAB_LIMIT] = "limit",	 [LAB_INTERRUPTED] = "interrupted",
	[LAB_FAILED] = "failed",
};

const char *lab_end_name(enum lab_end end)
{
	return end_names[end];
}

/* --- writing -------------------------------------------------------------------------------- */

struct lab_writer {
	char *path;
	int fd;
};

static int failed(struct err *err, int code, const char *path)
{
	return err_set(err, code, "lab: %s: cannot be written: %s", path, strerror(-code));
}

/* One line, which takes @o over. */
static int write_line(struct lab_writer *writer, json_t *o, struct err *err)
{
	char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(12));
	struct buf line = { 0 };
	size_t done = 0;
	int ret = 0;

	json_decref(o);
	if (!text)
		out_of_memory();
	buf_puts(&line, text);
	buf_putc(&line, '\n');
	free(text);
	while (done < line.len) {
		ssize_t n = write(writer->fd, line.data + done, line.len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			ret = failed(err, -errno, writer->path);
			break;
		}
		done += (size_t)n;
	}
	buf_free(&line);
	return ret;
}

int lab_writer_open(struct lab_writer **writer, const char *path, const struct lab_about *about,
		    struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
	int ret;

	*writer = NULL;
	if (fd < 0 && errno == EEXIST)
		return err_set(err, -EEXIST, "lab: %s is there already; name another file", path);
	if (fd < 0)
		return failed(err, -errno, path);
	*writer = xcalloc(1, sizeof(**writer));
	(*writer)->path = xstrdup(path);
	(*writer)->fd = fd;
	ret = write_line(*writer, json_lab_about(about), err);
	if (ret) {
		lab_writer_close(*writer);
		*writer = NULL;
	}
	return ret;
}

static json_t *json_values(const struct lab_sample *sample)
{
	json_t *values = json_object();

	for (int i = 0; i < LAB_METRICS; i++)
		if (isfinite(sample->value[i]))
			put(values, lab_metrics[i].name, json_real(sample->value[i]));
	return values;
}

int lab_writer_sample(struct lab_writer *writer, const struct lab_sample *sample, struct err *err)
{
	json_t *o = json_object();

	put(o, "line", json_string(sample->per_run ? "run" : "slice"));
	put(o, "phase", json_string(sample->aa ? "aa" : "ab"));
	put(o, "restart", json_integer(sample->restart));
	put(o, "pair", json_integer(sample->pair));
	put(o, "side", json_string(sample->side == LAB_A ? "a" : "b"));
	put(o, "t_seconds", value_real(sample->t_seconds));
	put(o, "seconds", value_real(sample->seconds));
	put(o, "operations", value_int(sample->operations));
	put(o, "errors", value_int(sample->errors));
	put(o, "metrics", json_values(sample));
	return write_line(writer, o, err);
}

int lab_writer_note(struct lab_writer *writer, const char *text, struct err *err)
{
	json_t *o = json_object();

	put(o, "line", json_string("note"));
	put(o, "text", value_text(text));
	return write_line(writer, o, err);
}

int lab_writer_end(struct lab_writer *writer, enum lab_end end, const char *detail, struct err *err)
{
	json_t *o = json_object();
	int ret;

	put(o, "line", json_string("end"));
	put(o, "reason", json_string(lab_end_name(end)));
	put(o, "detail", value_text(detail));
	ret = write_line(writer, o, err);
	if (!ret && fsync(writer->fd) && errno != EINVAL) /* a pipe has no disk */
		ret = failed(err, -errno, writer->path);
	return ret;
}

void lab_writer_close(struct lab_writer *writer)
{
	if (!writer)
		return;
	close(writer->fd);
	free(writer->path);
	free(writer);
}

/* --- reading -------------------------------------------------------------------------------- */

struct reader {
	struct lab_result *result; /* NULL before the first line */
	const char *path;
	struct err *err;
};

static int take_about(struct reader *r, const json_t *o)
{
	const char *schema = json_string_value(json_object_get(o, "schema"));
	struct lab_about about;

	if (!schema || strcmp(schema, LAB_RESULT_SCHEMA) != 0)
		return err_set(r->err, -EINVAL,
			       "lab: %s is no result of redmem lab: its first line does not say "
			       "%s; name a file that `redmem lab run` wrote",
			       r->path, LAB_RESULT_SCHEMA);
	lab_about_from_json(&about, o);
	r->result = lab_result_new(&about);
	return 0;
}

/* A whole number from 0 to @most; -1. */
static int small_from(const json_t *value, int most)
{
	json_int_t n = json_is_integer(value) ? json_integer_value(value) : -1;

	return n < 0 || n > most ? -1 : (int)n;
}

/* One of two words: 0 or 1; -1. */
static int word_from(const json_t *value, const char *zero, const char *one)
{
	const char *text = json_string_value(value);

	if (!text)
		return -1;
	return !strcmp(text, zero) ? 0 : !strcmp(text, one) ? 1 : -1;
}

static double number_from(const json_t *value)
{
	double n = json_is_number(value) ? json_number_value(value) : NAN;

	return n >= 0 && n <= VALUE_MAX ? n : NAN;
}

static int64_t total_from(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) >= 0 ?
		       json_integer_value(value) :
		       RECORD_UNKNOWN;
}

static bool take_sample(struct reader *r, const json_t *o, bool per_run)
{
	int aa = word_from(json_object_get(o, "phase"), "ab", "aa");
	const json_t *metrics = json_object_get(o, "metrics");
	struct lab_sample sample;

	lab_sample_clear(&sample);
	sample.per_run = per_run;
	sample.aa = aa == 1;
	sample.side = word_from(json_object_get(o, "side"), "a", "b");
	sample.pair = small_from(json_object_get(o, "pair"), PAIR_MAX);
	sample.restart = small_from(json_object_get(o, "restart"), PAIR_MAX);
	if (aa < 0 || sample.side < 0 || sample.pair < 0 || sample.restart < 0 ||
	    r->result->count >= SAMPLES_MAX)
		return false;
	sample.t_seconds = number_from(json_object_get(o, "t_seconds"));
	sample.seconds = number_from(json_object_get(o, "seconds"));
	sample.operations = total_from(json_object_get(o, "operations"));
	sample.errors = total_from(json_object_get(o, "errors"));
	for (int i = 0; i < LAB_METRICS; i++)
		sample.value[i] = number_from(json_object_get(metrics, lab_metrics[i].name));
	lab_result_add(r->result, &sample);
	return true;
}

static bool take_note(struct reader *r, const json_t *o)
{
	char *text = lab_text_from_json(json_object_get(o, "text"));
	bool good = text && r->result->notes_count < NOTES_MAX;

	if (good)
		lab_result_note(r->result, text);
	free(text);
	return good;
}

static bool take_end(struct reader *r, const json_t *o)
{
	const char *reason = json_string_value(json_object_get(o, "reason"));

	for (enum lab_end end = 0; reason && end < LAB_ENDS; end++) {
		if (strcmp(end_names[end], reason) != 0)
			continue;
		r->result->end = end;
		free(r->result->end_detail);
		r->result->end_detail = lab_text_from_json(json_object_get(o, "detail"));
		return true;
	}
	return false;
}

/* False for a line that cannot be taken. One of a kind that is not known is of a newer redmem. */
static bool take_object(struct reader *r, const json_t *o)
{
	const char *kind = json_string_value(json_object_get(o, "line"));

	if (!kind)
		return false;
	if (!strcmp(kind, "slice") || !strcmp(kind, "run"))
		return take_sample(r, o, *kind == 'r');
	if (!strcmp(kind, "note"))
		return take_note(r, o);
	return strcmp(kind, "end") != 0 || take_end(r, o);
}

static int take_line(void *ctx, char *line, size_t len)
{
	struct reader *r = ctx;
	json_t *o = json_loadb(line, len, 0, NULL);
	int ret = 0;

	if (!r->result)
		ret = take_about(r, o);
	else if (!take_object(r, o))
		r->result->lines_left_out++;
	json_decref(o);
	return ret;
}

int lab_result_read(struct lab_result **result, const char *path, struct err *err)
{
	struct reader r = { .path = path, .err = err };
	int ret = file_lines(path, take_line, &r, err);

	if (!ret && !r.result)
		ret = take_about(&r, NULL);
	if (ret) {
		lab_result_free(r.result);
		r.result = NULL;
	}
	*result = r.result;
	return ret;
}
