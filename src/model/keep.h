/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model's own copies of what facts point to. The same few names come again
 * with every tick, so each text is kept once; all go with the model.
 */
#pragma once

#include "fact/fact.h"

struct keep;

struct keep *keep_new(void);
void keep_free(struct keep *keep);
/* A copy that lives as long as @keep. NULL gives "". */
char *keep_string(struct keep *keep, const char *text);
/* The same for any bytes; without data they stay without. */
struct bytes keep_bytes(struct keep *keep, struct bytes bytes);
/* @fact with every string and bytes replaced by a kept copy. */
struct fact keep_fact(struct keep *keep, const struct fact *fact);
