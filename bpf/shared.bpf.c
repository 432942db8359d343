// SPDX-License-Identifier: BSD-2-Clause
/* The one place where the variables of shared.bpf.h live. */
#include "shared.bpf.h"

struct redmem_settings settings = {};
__u32 profile_active = 0;
__u32 profile_rows[2] = {};
__u64 target_mm = 0;
__u64 totals[TOTAL_KINDS] = {};
__u64 drops[DROP_KINDS] = {};

char LICENSE[] SEC("license") = "Dual BSD/GPL";
