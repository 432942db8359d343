/* SPDX-License-Identifier: BSD-2-Clause */
/* Strings in the server's memory; see strings.h. */
#include "target/strings.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "host/pages.h"
#include "host/proc.h"
#include "host/smaps.h"
#include "redis/sds.h"

/* Enough for a value of a page or two to be met some hundred times where most of the memory is
 * such values; reading them takes some milliseconds of redmem's time. */
#define PAGES_DRAWN 1024
/* Of strings, all sizes together: four classes to a doubling, and those of a few bytes. */
#define CLASSES_MAX 128

struct tally {
	struct record_strings class[CLASSES_MAX];
	size_t count;
};

static void count_string(void *ctx, int64_t request_bytes, int64_t class_bytes)
{
	struct tally *tally = ctx;
	size_t i = 0;

	while (i < tally->count && tally->class[i].class_bytes != class_bytes)
		i++;
	if (i == CLASSES_MAX)
		return;
	if (i == tally->count)
		tally->class[tally->count++] =
			(struct record_strings){ .class_bytes = class_bytes };
	tally->class[i].found_total++;
	tally->class[i].requested_bytes += request_bytes;
}

/* Returns how many bytes were looked at. */
static int64_t look(struct tally *tally, pid_t pid, const struct footprint_layout *layout,
		    const struct drawn_page *drawn, size_t count)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *memory = xcalloc(2, page);
	int64_t looked = 0;

	for (size_t i = 0; i < count; i++) {
		if (memory_read(pid, drawn[i].address, memory, drawn[i].bytes))
			continue; /* given back meanwhile */
		sds_find(memory, drawn[i].bytes, page, drawn[i].address, layout, count_string,
			 tally);
		looked += (int64_t)page;
	}
	free(memory);
	return looked;
}

int strings_emit(pid_t pid, const struct footprint_layout *layout, double t_seconds,
		 const struct record_sink *sink, struct err *err)
{
	struct drawn_page *drawn = xcalloc(PAGES_DRAWN, sizeof(*drawn));
	struct map_range *ranges = NULL;
	struct tally tally = { .count = 0 };
	int64_t resident = 0, looked;
	size_t count = 0;
	int ret = maps_of_class(pid, CLASS_ALLOCATOR, &ranges, &count, err);

	if (!ret)
		ret = pages_draw(pid, ranges, count, PAGES_DRAWN, drawn, &resident, err);
	free(ranges);
	looked = ret > 0 ? look(&tally, pid, layout, drawn, (size_t)ret) : 0;
	free(drawn);
	for (size_t i = 0; i < tally.count; i++) {
		struct record record = { .kind = RECORD_STRINGS, .strings = tally.class[i] };

		record.strings.t_seconds = t_seconds;
		record.strings.looked_bytes = looked;
		record.strings.resident_bytes = resident;
		record_emit(sink, &record);
	}
	return ret < 0 ? ret : 0;
}
