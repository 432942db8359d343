// SPDX-License-Identifier: BSD-2-Clause
/*
 * Where the state of loop.bpf.h lives; its programs are those of the other sensors.
 */
#include "loop.bpf.h"

struct redmem_loop loop = {};
/* The server's main thread, learnt at its first switch. */
__u64 main_task = 0;
