/* SPDX-License-Identifier: BSD-2-Clause */
/* LZF; see lzf.h. */
#include "rdb/lzf.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

/* What is copied may reach into what it makes: a run of one byte is a copy from one before. */
static void copy(uint8_t *to, const uint8_t *from, size_t len)
{
	if ((size_t)(to - from) >= len) {
		memcpy(to, from, len);
		return;
	}
	while (len--)
		*to++ = *from++;
}

int lzf_expand(const void *data, size_t len, void *out, size_t out_len)
{
	const uint8_t *in = data, *in_end = in + len;
	uint8_t *to = out, *to_end = to + out_len;
	size_t run, back;

	while (in < in_end) {
		unsigned int head = *in++;

		if (head < 32) {
			run = head + 1;
			if ((size_t)(in_end - in) < run || (size_t)(to_end - to) < run)
				return -EINVAL;
			memcpy(to, in, run);
			in += run;
			to += run;
			continue;
		}
		run = head >> 5;
		if (run == 7 && in < in_end)
			run += *in++;
		if (in == in_end)
			return -EINVAL;
		run += 2;
		back = ((size_t)(head & 31) << 8 | *in++) + 1;
		if ((size_t)(to_end - to) < run || (size_t)(to - (uint8_t *)out) < back)
			return -EINVAL;
		copy(to, to - back, run);
		to += run;
	}
	return to == to_end ? 0 : -EINVAL;
}
