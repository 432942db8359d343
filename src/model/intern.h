/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model's memory. What records point to is copied: the same few names come again
 * with every tick, so each text is kept once; all go with the model.
 */
#pragma once

#include <stddef.h>

#include "record/record.h"

struct keep;

struct keep *intern_new(void);
void intern_free(struct keep *keep);
/* A copy that lives as long as @keep. NULL gives "". */
char *intern_string(struct keep *keep, const char *text);
/* The same for any bytes; without data they stay without. */
struct bytes intern_bytes(struct keep *keep, struct bytes bytes);
/* @record with every string and bytes replaced by a kept copy. */
struct record intern_record(struct keep *keep, const struct record *record);
