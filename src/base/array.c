/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/array.h"

#include <string.h>

#include "base/buf.h"

void *array_grow(void *array, size_t count, size_t size)
{
	if (!(count & (count - 1))) /* 0 or a power of two: full */
		array = xrealloc(array, (count ? 2 * count : 1) * size);
	memset((char *)array + count * size, 0, size);
	return array;
}
