/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `redmem doctor --metrics FILE`: what a watch has seen as Prometheus' text, in a file as the
 * textfile collector of node_exporter reads it, which is never there by half.
 */
#pragma once

#include "app/options.h"
#include "diagnose/diagnose.h"
#include "report/metrics.h"

/* Diagnose a finished model and add it; its label is the address that was asked for, or where it
 * listens. */
void metrics_file_take(struct metrics *metrics, const struct options *o, const struct model *m);
/* Write all to @path, "-" being stdout. 0, or 1 with a line on stderr. */
int metrics_file_write(const struct metrics *metrics, const char *path);
