/* SPDX-License-Identifier: BSD-2-Clause */
/* Packed records, and chunks of them, as the keeper gets them from the watcher and the history
 * from its file. */
#include <math.h>
#include <string.h>

#include "../unit/every_report.h"
#include "fuzz.h"
#include "model/chunk.h"
#include "model/window.h"
#include "record/pack.h"

#define RECORDS_MAX 4096 /* that are packed again */

struct copy {
	struct packer *packer;
	struct buf out;
	size_t count;
};

static void pack_again(void *ctx, const struct record *record)
{
	struct copy *copy = ctx;

	if (copy->count++ < RECORDS_MAX)
		must(!pack_record(&copy->out, copy->packer, record));
}

static void count_record(void *ctx, const struct record *record)
{
	size_t *count = ctx;

	(void)record;
	++*count;
}

/* What was read is written and read again: as many records, and the same bytes. */
static void replay(const uint8_t *data, size_t len)
{
	struct copy copy = { .packer = packer_new() }, again = { .packer = packer_new() };
	size_t count = 0;

	pack_replay(data, len, &(struct record_sink){ pack_again, &copy }, NULL);
	pack_end(&copy.out, copy.packer);
	if (copy.count && copy.count <= RECORDS_MAX) {
		must(!pack_replay(copy.out.data, copy.out.len,
				  &(struct record_sink){ count_record, &count }, NULL));
		must(count == copy.count);
		must(!pack_replay(copy.out.data, copy.out.len,
				  &(struct record_sink){ pack_again, &again }, NULL));
		pack_end(&again.out, again.packer);
		must(again.out.len == copy.out.len &&
		     !memcmp(again.out.data, copy.out.data, copy.out.len));
	}
	packer_free(copy.packer);
	packer_free(again.packer);
	buf_free(&copy.out);
	buf_free(&again.out);
}

static void report(void *ctx, struct model *m, double start_seconds)
{
	(void)start_seconds;
	every_report(m, *(size_t *)ctx);
	model_free(m);
}

static void judge(const uint8_t *data, size_t len)
{
	struct windows *windows = windows_new();
	struct record_sink sink = windows_sink(windows);
	struct chunk chunk;

	if (!chunk_open(&chunk, data, len, NULL) && !chunk_replay_state(&chunk, &sink, NULL)) {
		windows_open(windows, INFINITY, report, &len);
		chunk_replay(&chunk, true, &sink, NULL);
		windows_end(windows);
	}
	windows_free(windows);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	replay(data, len);
	judge(data, len);
	return 0;
}
