/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose work it is: finds out where the server keeps its current command, and names
 * what the sensors saw.
 */
#pragma once

#include <stdbool.h>

#include "app/server.h"
#include "sensor/sensor.h"
#include "target/probe.h"

struct attribution {
	struct server *server; /* borrowed, as the next */
	struct sensors *sensors;
	struct probe_slots slots;
	bool on;
	char reason[480]; /* why it is off or limited, "" */
	double pause_seconds; /* that calibrating took from the server */
	struct target_commands *commands;
	struct target_symbols *symbols;
	struct frames *frames;
};

/* The sensors ask @a from now on; it must stay where it is. */
void attribution_open(struct attribution *a, struct server *server, struct sensors *sensors);
/* Calibrate, or do it again for a new connection. False when too many servers are being
 * calibrated: try again soon. */
bool attribution_calibrate(struct attribution *a);
/* Ask the server for commands that have turned up and are in no table, one by one; does not
 * wait for the answers. Call once a tick. */
void attribution_ask(struct attribution *a);
/* @a may be all zeros. */
void attribution_close(struct attribution *a);
