/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

/*
 * @array with room for one more element behind @count, zeroed there. Grows in powers of two, so
 * the capacity need not be kept; of one that also shrinks it may be less than it was. Running
 * out of memory ends the process, as in buf.h.
 */
void *array_grow(void *array, size_t count, size_t size);
