/* SPDX-License-Identifier: BSD-2-Clause */
/* What memory costs on this host, for predictions of how long work on data takes. */
#pragma once

struct host_speed {
	double access_seconds; /* a read at a random place: cache and TLB miss */
	double copy_byte_seconds; /* of a long memcpy() */
};

/* Measure: some 30 ms and 16 MiB, which are given back. */
void host_speed_measure(struct host_speed *speed);
