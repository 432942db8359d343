/* SPDX-License-Identifier: BSD-2-Clause */
/* A file that `redmem push` is given: a profile, as it is or compressed by gzip. */
#include "base/buf.h"
#include "base/gzip.h"
#include "fuzz.h"
#include "report/pprof_read.h"

static void take(const void *data, size_t len)
{
	struct pprof_head head;
	struct err err = { 0 };

	if (pprof_read(&head, data, len, "input", &err)) {
		must(*err.text);
		return;
	}
	must(head.types_count && head.types_count <= PPROF_TYPES_MAX);
	pprof_head_free(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct buf packed = { 0 };

	take(data, len);
	gzip_add(&packed, data, len, 1);
	take(packed.data, packed.len);
	buf_free(&packed);
	return 0;
}
