/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `redmem serve` answers over HTTP: metrics for Prometheus, its state, the diagnosis of
 * any time in the history. Everything is bounded: connections (in all and of one address),
 * memory, the length of what is asked and answered, time.
 *
 * It runs in the loop of its caller, who polls web_fd() and calls web_run(): nothing here needs
 * a lock. Two things may take long and are done in threads of their own meanwhile: checking a
 * password, and replaying the history for a report.
 *
 *	GET  /metrics             Prometheus's text, or OpenMetrics by Accept; gzip
 *	GET  /scrape?target=S     the same of one server
 *	GET  /healthz             200 "ok", 503 and the reason
 *	POST /-/reload            read the configuration again (PUT does as well)
 *	GET  /api/v1/servers      {"schema":"redmem.servers/1",...}
 *	GET  /api/v1/findings     {"schema":"redmem.findings/1",...}; ?server=S
 *	GET  /api/v1/report       ?server=S&at=TIME&for=TIME: the document of `redmem doctor`
 *	GET  /                    the page of a report, which asks for that above
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/web_source.h"
#include "base/err.h"

struct web;

/* Where it listens when nothing else is said. */
#define WEB_LISTEN "127.0.0.1:9122"

struct web_config {
	/* "ADDR:PORT", "[ADDR]:PORT", ":PORT" (all addresses), "unix:PATH"; none = WEB_LISTEN */
	const char *const *listen;
	size_t listen_count;
	const char *web_config_path; /* TLS and passwords (web_config.h); NULL = neither */
	int slow_ms; /* most that a request and its answer may take to pass; 0 = 30 s */
};

/* What it counts of itself, since the start. */
struct web_counts {
	uint64_t requests; /* answered, whatever with */
	uint64_t refused; /* connections: too many, in all or of one address */
	uint64_t unauthorized;
	int connections; /* now */
};

/*
 * Listen. @config is read here and not kept; @source is copied, its ctx borrowed. Needs what
 * binding and reading of the files takes, and no more later: call confine_enter() behind it. A
 * port that is taken is -EADDRINUSE with a line that says what to do.
 */
int web_start(struct web **out, const struct web_config *config, const struct web_source *source,
	      struct err *err);
/* Read the web config file and whatever it names, as web_start() would, and no more. */
int web_check(const char *web_config_path, struct err *err);
/* To poll for POLLIN; one for as long as @web lives. */
int web_fd(const struct web *web);
/* How long to poll at most: milliseconds, -1 = for ever. */
int web_wait_ms(const struct web *web);
/* Do all that can be done without waiting; call it also when the time is over. */
void web_run(struct web *web);
/*
 * Read the web config file again. On failure all stays as it was. A certificate that changed is
 * taken for new connections.
 */
int web_reload(struct web *web, struct err *err);
/* The port of the first address, for those who asked for port 0; 0 = none (a unix socket). */
uint16_t web_port(const struct web *web);
struct web_counts web_counts(const struct web *web);
/* Ends all connections, waits for a report that is being made. NULL is fine. */
void web_stop(struct web *web);
