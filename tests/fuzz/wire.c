/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames from the watcher, who handles what strangers name, to the keeper. A frame that is written
 * and read again is the same. */
#include <string.h>

#include "app/serve_wire.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct wire_frame frame, again;
	struct buf out = { 0 }, twice = { 0 };
	long got;

	while ((got = wire_get(&frame, data, len)) > 0) {
		must((size_t)got <= len && got <= (long)WIRE_FRAME_MAX);
		must(frame.kind >= WIRE_SERVER && frame.kind < WIRE_KINDS);
		buf_clear(&out);
		buf_clear(&twice);
		must(!wire_put(&out, &frame));
		must(wire_get(&again, out.data, out.len) == (long)out.len);
		must(!wire_put(&twice, &again));
		must(out.len == twice.len && !memcmp(out.data, twice.data, out.len));
		data += got;
		len -= (size_t)got;
	}
	buf_free(&out);
	buf_free(&twice);
	return 0;
}
