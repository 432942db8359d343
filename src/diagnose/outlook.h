/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When a server that is watched for days meets its limits: of each limit what counts against it,
 * window after window, and the trend of that (trend.h). A window alone says little
 * (rules_forecast.c); hours tell saw-teeth and steps from growth, and days tell the morning's rise
 * from a leak. Of a fixed size, some 40 KiB.
 */
#pragma once

#include "diagnose/measure.h"
#include "diagnose/trend.h"
#include "model/model.h"

struct outlook;

struct outlook *outlook_new(void);
void outlook_free(struct outlook *o); /* may be NULL */
/* What a window that ended at @end_seconds (of any clock that goes on) says. */
void outlook_take(struct outlook *o, const struct model *window, double end_seconds);
/*
 * What a history knows of windows that are over, for an outlook that begins again after a restart:
 * in the order of time, before the first outlook_take().
 */
struct outlook_past {
	double end_seconds;
	double limit[LIMIT_KINDS], used[LIMIT_KINDS]; /* bytes; NAN = there was none */
};
void outlook_refill(struct outlook *o, const struct outlook_past *point);
/* A prefix has grown by so much in the window that was told last. */
void outlook_refill_prefix(struct outlook *o, struct bytes prefix, double bytes);
/* A save that ended well, and the server then; NAN = not known. */
struct outlook_save {
	double rss, used, alloc_rate; /* bytes, bytes, bytes a second */
	double fork_seconds, seconds, copied; /* copied: bytes */
};
void outlook_refill_save(struct outlook *o, const struct outlook_save *save);
bool outlook_is_empty(const struct outlook *o);

/* The trend of what counts against the limit, at the last window. Until there are windows enough:
 * not in sight, with no confidence. Reckoned at most once a minute. */
struct trend outlook_trend(struct outlook *o, enum limit_kind kind);
/* The prefix that grew most in the last hour or so, by @bytes_per_second; false when none did. It
 * belongs to @o. */
bool outlook_behind(const struct outlook *o, struct bytes *prefix, double *bytes_per_second);

/* What the next BGSAVE or AOF rewrite would take, by the last that was seen: NAN = none was, or not
 * known. */
struct next_save {
	double fork_seconds; /* the server stands still: as page tables grow with resident memory */
	double seconds; /* the child lives: as it grows with what is stored */
	double copied_bytes; /* as that takes longer, and as more or less is written now */
};
struct next_save outlook_save(const struct outlook *o);
