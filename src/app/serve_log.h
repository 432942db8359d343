/* SPDX-License-Identifier: BSD-2-Clause */
/* What `redmem serve` tells the journal: a line an event on stderr, and what systemd wants to
 * know of it. */
#pragma once

/* A line; of very many in a short time most are left out, and how many is said. One process's. */
void serve_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Tell the service manager (sd_notify(3)): "READY=1". Nothing where none waits for it. */
void serve_notify(const char *state);
/* How often it wants to hear from us, in ns; 0 = never (sd_watchdog_enabled(3)). */
long long serve_watchdog_ns(void);
