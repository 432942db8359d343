/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dumps hurt in any way, for libFuzzer: each input is read twice, whole and in pieces, into
 * the memory model of some server. Both must say the same, an error says what is wrong, and
 * what the sanitizers watch over must hold. See tests/fuzz/rdb for how it is run.
 */
#include "told.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct server_release release = release_of(len);
	struct told whole = read_dump(data, len, SIZE_MAX, &release);
	struct told pieces = read_dump(data, len, 1 + len % 97, &release);

	if (whole.ret != pieces.ret || whole.sum != pieces.sum)
		fail("in pieces it is another dump", &pieces.err);
	return 0;
}
