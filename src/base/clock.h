/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

/* CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns(), in nanoseconds. */
int64_t clock_mono_ns(void);
/* CLOCK_REALTIME in nanoseconds since 1970. */
int64_t clock_wall_ns(void);
/* The same in milliseconds. */
int64_t clock_wall_ms(void);
/* CLOCK_REALTIME at @mono_ns of CLOCK_MONOTONIC, as the two stand to each other now. */
int64_t clock_wall_at_ns(int64_t mono_ns);
/* CPU time of this process in nanoseconds. */
int64_t clock_cpu_ns(void);
/* CPU time of the calling thread in nanoseconds. */
int64_t clock_thread_ns(void);
