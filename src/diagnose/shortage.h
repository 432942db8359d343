/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When memory runs out: how long until each limit is met, what a save would take beside, and
 * what makes room, by risk and gain. From the model and its findings alone. Pure.
 */
#pragma once

#include "diagnose/finding.h"
#include "diagnose/measure.h"

/* What a step costs whom, the least first. */
enum risk {
	RISK_PAUSE, /* nothing is lost; the server may stand still for milliseconds */
	RISK_CPU, /* it works beside the clients */
	RISK_ROOM, /* memory that others on the machine may want */
	RISK_CLIENTS, /* some are cut off, or have to ask again */
	RISK_DATA, /* what is deleted is gone */
	RISK_DOWN, /* the server starts again */
	RISKS
};
const char *risk_name(enum risk risk); /* "pause" */
const char *risk_words(enum risk risk); /* a phrase for people */

struct step {
	enum risk risk;
	const char *text; /* one sentence */
	char *command; /* what to type, "" when nothing */
	int64_t room_bytes; /* that it makes */
	const char *finding; /* id, NULL = it follows from the ledger or the settings */
};

/* Texts belong to the findings. */
struct shortage {
	struct limit limits[LIMIT_KINDS]; /* the nearest first */
	double seconds[LIMIT_KINDS]; /* until it is met, at this window's growth; NAN, 0 = it is */
	size_t limits_count;
	double bytes_per_second; /* used_memory grows by; NAN = it does not, or not for sure */
	bool steady;
	bool saves; /* it forks to save */
	int64_t save_bytes; /* what a save copies at most: all there is; RECORD_UNKNOWN */
	struct step *steps; /* by risk, then by room, falling */
	size_t steps_count;
};

struct shortage *shortage_new(const struct model *m, const struct findings *f);
void shortage_free(struct shortage *shortage);
/* In one sentence. */
void shortage_verdict(struct buf *out, const struct shortage *shortage);
