/* SPDX-License-Identifier: BSD-2-Clause */
/* Results on stdout, failures on stderr: what the subcommands have in common. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "app/options.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/model.h"
#include "report/pages.h"
#include "report/report.h"

/* Before any file is opened: those of stdin, stdout and stderr that are closed become /dev/null,
 * for what is opened next would take their place, and a server be sent the report. 0, or -1. */
int print_start(void);
/* When all is said: @status, the program's; 1 in place of 0 where some of it could not be written
 * to stdout, which is told. */
int print_finish(int status);
/* Colours and width of stdout, and how much was asked for. */
struct report_style print_style(const struct options *o);
/* Write @out to stdout. 0, or 1 when it could not be written, which was told (unless nobody reads
 * there any longer): the exit status. */
int print_out(const struct buf *out);
/* Write @data where --@option says: to stdout where that is "-", else to a file that takes the
 * place of the old one; @mode and @lasting as for replace_file(). 0, or 1 where it could not be,
 * which was told. */
int print_file(const char *option, const char *path, const struct buf *data, mode_t mode,
	       bool lasting);
/* Could it be? NULL and stdout can. 0, or 1 where that was told. */
int print_file_check(const char *option, const char *path);

/* A report on its way out: as it is for people, and as the document of --json. */
struct print_said {
	struct buf text, document; /* each empty where it is not wanted */
};

/* Does anybody want the text, or the document? --html is made of that. */
bool print_wants_text(const struct options *o);
bool print_wants_document(const struct options *o);
/* Print @said, write the page of --html, and free it. The exit status: 0, or 1. */
int print_said(const struct options *o, struct print_said *said);
/* Can the page of --html be written where it is to be? 0, or 1 where that was told. */
int print_check(const struct options *o);

/* What a command has to say of a finished model: @f is of diagnose(), NULL where that was
 * not asked for. */
struct print_command {
	bool diagnosed;
	void (*text)(struct buf *out, const struct model *m, const struct findings *f,
		     const struct report_style *style);
	void (*json)(struct buf *out, const struct model *m, const struct findings *f);
};

extern const struct print_command print_doctor, print_memory, print_alloc, print_oom,
	print_checklists[CHECKLISTS]; /* by enum checklist */

/* The exit status of a report on @m that was printed: 3 where --fail-on says so, 1 where it was
 * asked for and nothing is known, which is told on stderr; else 0. */
int print_status(const struct options *o, const struct model *m, const struct findings *f);
/* Print the report, as text or as JSON. The exit status: as print_status(); 1 where it could not
 * be written, or when a purge was asked for and not done. */
int print_report(const struct options *o, const struct print_command *command,
		 const struct model *m);

/* What was printed of the windows of a watch. */
struct print_windows {
	size_t count;
	struct findings *before; /* of the one before */
	int status; /* 3 where --fail-on says so of one of them */
};

/* Print one more window: a line of text (with -v the report), or of JSON. 0, or 1 when it could
 * not be written. */
int print_window(const struct options *o, const struct print_command *command,
		 struct print_windows *windows, const struct model *m);
void print_windows_end(struct print_windows *windows);
/* From here on failures are told without names, if @o says so; NULL = with them, and nothing is
 * kept for it. */
void print_hide_names(const struct options *o);
/* "redmem: ..." on stderr; returns 1, the exit status. */
int print_failure(const struct err *err);
