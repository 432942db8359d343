/* SPDX-License-Identifier: BSD-2-Clause */
/* Which redmem this is: what tools/version says of the sources. */
#pragma once

extern const char redmem_version[];
