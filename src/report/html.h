/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A report as a page for a browser: one file that asks nobody for anything. It is a skeleton, a
 * style and a script (src/report/page/ and the library dygraphs, put in by the build), the same
 * in every page, and the document of --json as a block of data, which is all that differs.
 *
 * What came from a server is in that block only, where no byte of it can end the block, and the
 * script writes it as text. Its policy (Content-Security-Policy) lets run what has the hash of
 * that script and of that style, and nothing else.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

/* The page of @document, a JSON text as --json prints it. */
void html_page(struct buf *out, const struct buf *document);
/* The page of `redmem serve`: without a document; it asks where it came from, and may. */
void html_live(struct buf *out);
/* What a browser may do with one of them. */
void html_policy(struct buf *out, bool live);
