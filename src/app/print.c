/* SPDX-License-Identifier: BSD-2-Clause */
/* Results and failures; see print.h. */
#include "app/print.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app/redact.h"
#include "host/replace.h"
#include "report/html.h"

#define DEFAULT_COLUMNS 100
#define HEAD_EVERY	20 /* windows; as vmstat, about a screen */

int print_start(void)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return -1;
	return 0;
}

struct report_style print_style(const struct options *o)
{
	struct winsize size = {};
	struct report_style style = { .verbose = o->verbose > 0, .columns = DEFAULT_COLUMNS };

	style.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_col)
		style.columns = size.ws_col;
	return style;
}

/* Told once. Whoever reads no further, as head(1), knows. */
static int stdout_failed(void)
{
	static bool told;

	if (errno != EPIPE && !told)
		fprintf(stderr, "redmem: stdout: %s\n", strerror(errno));
	told = true;
	return 1;
}

int print_out(const struct buf *out)
{
	bool written = fwrite(buf_str(out), 1, out->len, stdout) == out->len && !fflush(stdout);

	return written ? 0 : stdout_failed();
}

int print_finish(int status)
{
	errno = EIO; /* of what failed before, and is not tried again */
	if (!fflush(stdout) && !ferror(stdout))
		return status;
	stdout_failed();
	return status ? status : 1;
}

/* --- failures ----------------------------------------------------------------------------- */

static struct redact *hidden; /* NULL = names are shown */

void print_hide_names(const struct options *o)
{
	redact_free(hidden);
	hidden = o ? redact_new_of(o) : NULL;
}

int print_failure(const struct err *err)
{
	char *text = redact_error(hidden, err);

	fprintf(stderr, "redmem: %s\n", text);
	free(text);
	return 1;
}

/* --- files that are asked for ----------------------------------------------------------- */

static int file_failure(const char *option, const struct err *err)
{
	char *text = redact_error(hidden, err);

	fprintf(stderr, "redmem: %s: %s; choose another file with --%s\n", option, text, option);
	free(text);
	return 1;
}

int print_file(const char *option, const char *path, const struct buf *data, mode_t mode,
	       bool lasting)
{
	struct err err = {};

	if (options_is_stdout(path))
		return print_out(data);
	if (!replace_file(path, buf_str(data), data->len, mode, lasting, &err))
		return 0;
	return file_failure(option, &err);
}

int print_file_check(const char *option, const char *path)
{
	struct err err = {};

	if (!path || options_is_stdout(path) || !replace_check(path, &err))
		return 0;
	return file_failure(option, &err);
}

/* --- a report, in one form or several ------------------------------------------------- */

bool print_wants_text(const struct options *o)
{
	return !o->json && !options_is_stdout(o->html_path) && !options_profile_alone(o);
}

bool print_wants_document(const struct options *o)
{
	return o->json || o->html_path;
}

static int write_page(const struct options *o, const struct buf *document)
{
	struct buf page = {};
	int ret;

	html_page(&page, document);
	ret = print_file("html", o->html_path, &page, 0600, true);
	buf_free(&page);
	return ret;
}

int print_said(const struct options *o, struct print_said *said)
{
	int ret = o->html_path ? write_page(o, &said->document) : 0;

	if (o->json && !isnan(o->every_seconds)) /* below the windows */
		report_json_line(&said->document);
	if (!options_is_stdout(o->html_path))
		ret |= print_out(o->json ? &said->document : &said->text);
	buf_free(&said->text);
	buf_free(&said->document);
	return ret;
}

int print_check(const struct options *o)
{
	return print_file_check("html", o->html_path);
}

/* --- what commands say ------------------------------------------------------------------ */

static void alloc_text(struct buf *out, const struct model *m, const struct findings *f,
		       const struct report_style *style)
{
	(void)f;
	report_alloc_text(out, m, style);
}

static void alloc_json(struct buf *out, const struct model *m, const struct findings *f)
{
	(void)f;
	report_alloc_json(out, m);
}

const struct print_command print_doctor = { true, report_doctor_text, report_doctor_json };
const struct print_command print_memory = { true, report_memory_text, report_memory_json };
const struct print_command print_alloc = { false, alloc_text, alloc_json };
const struct print_command print_oom = { true, report_oom_text, report_oom_json };

#define CHECKLIST_PRINT(name, which)                                                              \
	static void name##_text(struct buf *out, const struct model *m, const struct findings *f, \
				const struct report_style *style)                                 \
	{                                                                                         \
		report_checklist_text(out, which, m, f, style);                                   \
	}                                                                                         \
	static void name##_json(struct buf *out, const struct model *m, const struct findings *f) \
	{                                                                                         \
		report_checklist_json(out, which, m, f);                                          \
	}
CHECKLIST_PRINT(daily, CHECKLIST_DAILY)
CHECKLIST_PRINT(weekly, CHECKLIST_WEEKLY)
CHECKLIST_PRINT(monthly, CHECKLIST_MONTHLY)

const struct print_command print_checklists[CHECKLISTS] = {
	[CHECKLIST_DAILY] = { true, daily_text, daily_json },
	[CHECKLIST_WEEKLY] = { true, weekly_text, weekly_json },
	[CHECKLIST_MONTHLY] = { true, monthly_text, monthly_json },
};

int print_status(const struct options *o, const struct model *m, const struct findings *f)
{
	if (o->fail_on == SEVERITY_INFO)
		return 0;
	if (diagnose_reaches(m, f, o->fail_on))
		return 3;
	if (!diagnose_unknown(m))
		return 0;
	fputs("redmem: nothing is known of this server, so nothing can be said of its health\n",
	      stderr);
	return 1;
}

int print_report(const struct options *o, const struct print_command *command,
		 const struct model *m)
{
	struct findings *findings = command->diagnosed ? diagnose(m) : NULL;
	struct report_style style = print_style(o);
	struct print_said said = {};
	int ret;

	if (!o->json && !isnan(o->every_seconds))
		buf_putc(&said.text, '\n'); /* below the windows */
	if (print_wants_text(o))
		command->text(&said.text, m, findings, &style);
	if (print_wants_document(o))
		command->json(&said.document, m, findings);
	ret = print_said(o, &said) ||
	      (command == &print_memory && m->have_purge && *m->purge.error);
	if (!ret && findings)
		ret = print_status(o, m, findings);
	findings_free(findings);
	return ret;
}

int print_window(const struct options *o, const struct print_command *command,
		 struct print_windows *windows, const struct model *m)
{
	struct findings *findings = command->diagnosed ? diagnose(m) : NULL;
	struct report_style style = print_style(o);
	struct buf out = {};
	int ret;

	/* -v is a report of each, the whole's is with everything */
	style.verbose = false;
	if (o->json)
		command->json(&out, m, findings);
	else if (o->verbose)
		command->text(&out, m, findings, &style);
	else
		report_window_text(&out, m, findings, windows->before, &style,
				   windows->count % HEAD_EVERY == 0);
	if (o->json)
		report_json_line(&out);
	else if (o->verbose)
		buf_putc(&out, '\n');
	windows->count++;
	if (findings && o->fail_on > SEVERITY_INFO && diagnose_reaches(m, findings, o->fail_on))
		windows->status = 3;
	findings_free(windows->before);
	windows->before = findings;
	ret = print_out(&out);
	buf_free(&out);
	return ret;
}

void print_windows_end(struct print_windows *windows)
{
	findings_free(windows->before);
	*windows = (struct print_windows){ 0 };
}
