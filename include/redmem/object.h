/* SPDX-License-Identifier: BSD-2-Clause */
/* How a server lays its objects out, for the BPF programs and the tables of versions. */
#pragma once

#ifndef __bpf__
#include <linux/types.h>
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
