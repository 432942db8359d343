/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "record/record.h"

#define SLOTS 16384

/* The hash slot of a cluster that a key belongs to: CRC-16/XMODEM of its name, or of what
 * stands between its first { and the next } where that is not empty.
 * Source: keyHashSlot(), cluster.c. */
int key_slot(struct bytes key);
