/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers that more than one rule, or a rule and a row of `redmem check`, compares with. */
#pragma once

/* Share of a limit: the alerts of the users' guide (80 % and 95 % of maxmemory). */
#define NEAR_WARNING_RATIO  0.80
#define NEAR_CRITICAL_RATIO 0.95
/* Kernel default is 60; databases are advised to run at 1 to 10 (kernel:
 * Documentation/admin-guide/sysctl/vm.rst says what it weighs). */
#define SWAPPINESS_HIGH 10
