/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is shown of texts that are no plain names: words that everybody has are shown, all else is
 * hidden.
 */
#pragma once

#include "app/redact_names.h"
#include "record/schema.h"

/* Append what may be shown of @text, which is of that kind. */
void redact_words(struct redact_names *r, struct buf *out, enum field_says says, const char *text);
