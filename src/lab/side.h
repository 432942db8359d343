/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A side of a lab: which server, with which settings, environment and knobs of the host. A server
 * is a binary, or a folder: an unpacked package, or the root of a container. Out of a folder with
 * a dynamic loader of its own it is started by that one, with the folder's libraries; out of one
 * without, by the host's, with the folder's libraries before the host's.
 */
#pragma once

#include "base/err.h"
#include "lab/result.h"

struct lab_side {
	struct lab_about_side *about; /* borrowed */
	char **command; /* to start it: the program, with what is before its own arguments; owned */
};

/*
 * @about is filled in as far as that is known before it runs. @server: NULL = redis-server, else
 * valkey-server, by PATH. -ENOENT and the like.
 */
int lab_side_open(struct lab_side *side, struct lab_about_side *about, const char *server,
		  struct err *err);
/* Add "NAME=VALUE" to its settings, its environment, or its knobs. -EINVAL. */
int lab_side_set(struct lab_side *side, const char *assignment, struct err *err);
int lab_side_environ(struct lab_side *side, const char *assignment, struct err *err);
int lab_side_knob(struct lab_side *side, const char *assignment, struct err *err);
void lab_side_close(struct lab_side *side);

/* --- knobs ------------------------------------------------------------------------------- */

/* A knob of its own: the limit of the cgroup it runs in, in bytes (512M). */
#define LAB_KNOB_MEMORY "memory_max"

/* The file of the host's knob @name; NULL for one of the side's own, or none. */
const char *lab_knob_path(const char *name);
/* Names of the host's, to a NULL. */
const char *lab_knob_name(size_t i);
/* -EINVAL and why where there is no knob @name, or where it cannot be @value. What a file of the
 * host takes, the kernel knows. */
int lab_knob_check(const char *name, const char *value, struct err *err);
/* The value it has on @side; NULL. */
const char *lab_settings_get(const struct lab_settings *settings, const char *name);
/* "512M" in bytes; -1. */
int64_t lab_size(const char *text);
