/* SPDX-License-Identifier: BSD-2-Clause */
/* Two servers that have loaded the same keys: what the second takes more or less. */
#pragma once

#include <jansson.h>

#include "model/keyspace.h"
#include "report/text.h"

/* The same keys on a second server; bytes are of used_memory. */
struct report_comparison {
	const char *server[2]; /* "redis-7.2", "valkey-8.1" */
	int64_t keys_bytes[2], tables_bytes[2];
	const struct keyspace *keys[2]; /* finished */
};

void text_comparison(struct text *t, const struct report_comparison *comparison);
json_t *json_comparison(const struct report_comparison *comparison);
