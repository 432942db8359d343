/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The probe of calibration: it stands on functions of the server for a moment and
 * takes a look from inside them (bpf/calibrate.bpf.c).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "redis/knowledge.h"
#include "redmem/events.h"
#include "target/image.h"

struct bpf_link;
struct redmem_bpf;

#define PROBES_MAX 2

/* Where the programs put what they see of one server. */
struct probe_slots {
	struct redmem_bpf *bpf;
	struct redmem_settings *settings; /* the server's */
	uint32_t first; /* of its CALIBRATION_SLOTS in the map */
};

struct probe {
	const struct image *image;
	const struct probe_slots *slots;
	struct bpf_link *links[PROBES_MAX];
};

/*
 * Put the probe on the functions of @roles (at most PROBES_MAX) that the image has.
 * -ENOENT when it has none, -EPERM without CAP_SYS_ADMIN. On an error none is left.
 */
int probe_on(struct probe *probe, const enum function_role *roles, size_t count, struct err *err);
/* Takes 15 to 40 ms for one link; the kernel waits until nobody can be in it. */
void probe_off(struct probe *probe);

/* Arm the map's entry @slot with @look; the fields of the loader are filled in but
 * for the nonce and whom to look at. Programs use @slot from now on. */
int probe_arm(struct probe *probe, unsigned int slot, struct redmem_calibration *look);
/* Copy what the program has written to @slot so far. */
int probe_read(struct probe *probe, unsigned int slot, struct redmem_calibration *look);
