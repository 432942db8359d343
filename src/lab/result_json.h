/* SPDX-License-Identifier: BSD-2-Clause */
/* What was compared, as objects of JSON: in stored results, and in the documents of the reports. */
#pragma once

#include "lab/result.h"
#include "report/schema.h"

extern const struct schema schema_lab_side, schema_lab_host;

json_t *json_lab_side(const struct lab_about_side *side);
json_t *json_lab_host(const struct lab_about_host *host);
/* The whole first line of a stored result. */
json_t *json_lab_about(const struct lab_about *about);
/* Back from it. Whatever it holds: what is of another type than it should be is not known, and
 * texts and lists are bounded. */
void lab_about_from_json(struct lab_about *about, const json_t *o);
/* An owned copy of a text of bounded length; NULL for anything else. */
char *lab_text_from_json(const json_t *value);
