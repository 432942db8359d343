/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of jemalloc, as a server hands it on. What is written of it reads the same. */
#include <string.h>

#include "base/buf.h"
#include "fuzz.h"
#include "redis/malloc_stats.h"

static struct buf written(const char *text)
{
	struct malloc_stats *stats;
	struct err err = { 0 };
	struct buf out = { 0 };

	if (malloc_stats_parse(&stats, text, &err)) {
		must(*err.text);
		return out;
	}
	malloc_stats_write(&out, stats);
	must(out.len);
	malloc_stats_free(stats);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = xmemdup(data, len);
	struct buf once = written(text), twice = { 0 };

	if (once.len) {
		twice = written(buf_str(&once));
		must(!strcmp(buf_str(&once), buf_str(&twice)));
	}
	buf_free(&once);
	buf_free(&twice);
	free(text);
	return 0;
}
