/* SPDX-License-Identifier: BSD-2-Clause */
/* What `redmem lab` says of a result: as text, JSON, Markdown, a page; and as an exit status. */
#pragma once

#include "app/options.h"
#include "lab/result.h"

/* Print the verdict on @result, whose names --redact changes. The exit status: 3 where something
 * became worse by more than --max-regress; 1 where that was asked for and nothing can be said, or
 * when it could not be written. */
int lab_show_result(const struct options *o, struct lab_result *result);

/* `redmem lab show FILE`, and `redmem lab diff BEFORE AFTER`: words[1] and [2] of the options. */
int lab_show(const struct options *o);
int lab_show_diff(const struct options *o);

/* Can what --markdown names be written? 0, or 1 where that was told. */
int lab_show_check(const struct options *o);
