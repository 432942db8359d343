/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Self-calibration: redmem sends the server three harmless commands with a nonce
 * and looks at its memory from inside them, through a probe that stands for some
 * 50 ms on functions nobody else calls. What it costs the server: a connection,
 * three pauses of 10-40 us, one error reply, one cached script.
 *
 * A server that cannot be asked (no connection, no free place for a client) is
 * watched instead: a few of its clients' commands are looked at as they come.
 */
#pragma once

#include "base/err.h"
#include "redmem/events.h"
#include "redis/conn.h"
#include "target/image.h"

struct probe_slots;

struct calibration {
	struct redmem_offsets at;
	__u64 own_client; /* redmem's connection, as a client of the server */
	__u32 fullname_offset; /* in redisCommand; 0 = none */
	double pause_seconds; /* that the looks took from the server */
	char note[280]; /* what could not be found, "" when all was */
};

/* Fill the note: @how it was found ("" or a phrase that ends in "; "), and what is
 * missing. */
void calibration_note(struct calibration *c, const char *how);

/* With -vv: what a look took of the server's time, at @what. */
void calibration_log(const struct redmem_calibration *look, const char *what);

/*
 * Calibrate by asking over @conn. -ENOENT with a reason when the server's memory
 * does not look as expected, -ETIMEDOUT when the server does not answer, or what
 * attaching the probe failed with. No probe is left in any case.
 */
int calibrate(struct calibration *out, const struct image *image, const struct probe_slots *slots,
	      struct conn *conn, struct err *err);

/*
 * Calibrate by watching what clients do, at most 2 s. The probe stands on the function
 * every command goes through, so while it stands (50-100 ms on a busy server) each
 * command pays for a trap, 1 to 10 us; pause_seconds has only the looks. What asking
 * alone can tell stays 0. -ETIMEDOUT when no client's command ran, -ENOENT when those
 * seen do not lead to offsets or the offsets do not stand a test, or what attaching
 * the probe failed with. No probe is left in any case.
 */
int calibrate_passively(struct calibration *out, const struct image *image,
			const struct probe_slots *slots, struct err *err);
