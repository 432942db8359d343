/* SPDX-License-Identifier: BSD-2-Clause */
/* How a server lays its objects out, for the BPF programs and the tables of versions. */
#pragma once

#ifndef __bpf__
#include <linux/types.h>
#endif

/* Bits of a process's addresses. On arm64 heap and libraries are in the upper half of 48; more
 * than these have only those who ask for them (Documentation/arch/arm64/memory.rst). */
#if defined(__TARGET_ARCH_arm64) || defined(__aarch64__)
#define REDMEM_ADDRESS_BITS 48
#else
#define REDMEM_ADDRESS_BITS 47
#endif

/*
 * The head of an object, its first 8 bytes, and where a string's text is. Bits are counted
 * from the lowest; 0 = this server has no such bit. With the value's bit set the object has
 * no pointer: expiry time, key and value lie in it, each where there is one.
 */
struct redmem_object_layout {
	__u8 pointer; /* offset of the pointer to the text */
	__u8 embedded; /* offset of what lies in the object instead */
	__u8 expire_bit, key_bit, value_bit;
	__u8 refcount_shift, refcount_bits;
	__u8 unused;
};

#define OBJECT_EXPIRE_BYTES 8
#define OBJECT_SDS_HEAD	    3 /* before an embedded text: length, room, flags */

/*
 * An extent of jemalloc (extent_structs.h, edata.h): is the word that has its size that of a
 * class of @bytes? In the bits below a page it has a serial number, and the size is the class's
 * or a page more (cache-oblivious). A page is what jemalloc was built for, which is 64 KiB in
 * Debian's build for arm64 on kernels of any: @page is the largest that may be.
 */
static __inline__ int redmem_extent_is_of(__u64 word, __u64 bytes, __u64 page)
{
	return bytes && word - bytes < 2 * page;
}
