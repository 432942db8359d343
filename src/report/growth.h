/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How much of what a prefix grew by is more than chance. Bytes are counted each 64 KiB and belong
 * to who is met then, so of a prefix that allocates and frees 20 MB a second some MB come out as
 * grown or shrunk, and its commands, of which one allocates and another frees, as ten times that.
 */
#pragma once

struct growth;
struct model;
struct profile_row;

/* The rows of @m by prefix. It must outlive what is returned. */
struct growth *growth_new(const struct model *m);
/*
 * What the row allocated less what it freed, in bytes; 0 where that of its prefix may be chance:
 * the interval of 95 % (charge_net_error()) holds zero.
 */
double growth_of(const struct growth *growth, const struct profile_row *row);
void growth_free(struct growth *growth);
