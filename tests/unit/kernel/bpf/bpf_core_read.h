/* SPDX-License-Identifier: BSD-2-Clause */
/* See bpf_helpers.h. */
#pragma once

#include <bpf/bpf_helpers.h>
