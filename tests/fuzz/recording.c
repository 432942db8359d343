/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines of a recording: records, and the reports that are made of them. */
#include <string.h>

#include "../unit/every_report.h"
#include "fuzz.h"
#include "record/codec.h"

/* A record that is written and read again is the same. */
static void write_again(const struct record *record)
{
	char *text = record_encode(record), *again;
	struct record_decoded *keep;
	struct record copy;

	must(!record_decode(text, strlen(text), &copy, &keep, NULL));
	again = record_encode(&copy);
	must(!strcmp(text, again));
	record_decoded_free(keep);
	free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *end = data + len, *newline;
	struct model *m = model_new();

	for (; data < end; data = newline + 1) {
		struct record_decoded *keep;
		struct record record;

		newline = memchr(data, '\n', (size_t)(end - data));
		if (!newline)
			newline = end;
		if (record_decode((const char *)data, (size_t)(newline - data), &record, &keep,
				  NULL))
			continue;
		write_again(&record);
		model_take(m, &record);
		record_decoded_free(keep);
	}
	model_finish(m);
	every_report(m, len);
	model_free(m);
	return 0;
}
