/* SPDX-License-Identifier: BSD-2-Clause */
/* What all reports of a lab say in the same words. */
#pragma once

#include "lab/compare.h"
#include "lab/verdict.h"

/* A change of the metric: "+5.0 %", or with its unit, "-12 ms"; NAN gives "-". */
void lab_words_change(struct buf *out, enum lab_metric_id id, bool ratio, double change);
/* "+4.1 % to +5.9 %" */
void lab_words_interval(struct buf *out, const struct lab_row *row);
/* The same without a sign: "1.9 %". */
void lab_words_bound(struct buf *out, const struct lab_row *row, double bound);
/* Why it is not judged: "A to itself: 4.1 %, wanted: 1.0 %". */
void lab_words_reason(struct buf *out, const struct lab_row *row);
/* Is there none of it on either side? Reports for people say so in a line, of all such together. */
bool lab_words_none(const struct lab_row *row);
/* The whole in a sentence: in how many metrics B is better, and in how many worse. */
void lab_words_verdict(struct buf *out, const struct lab_verdict *verdict);
/* How it was reckoned: "8 restarts and 40 pairs...; it ended as precise as was wanted". */
void lab_words_basis(struct buf *out, const struct lab_result *result,
		     const struct lab_verdict *verdict);
/* Of a side: "redis 7.0.15, jemalloc 5.3.0, maxmemory 100mb". */
void lab_words_side(struct buf *out, const struct lab_about_side *side);
/* "Linux 6.1.0 x86_64, 2 x Xeon, governor performance, thp madvise" */
void lab_words_host(struct buf *out, const struct lab_about_host *host);
/* "A" or its label behind it: "A: redis". */
void lab_words_name(struct buf *out, const struct lab_result *result, int side);

/* What intervals and verdicts mean. */
extern const char *const lab_words_legend;
/* What the numbers of a table of both sides are. */
extern const char *const lab_words_sides;

/* Of one of two results, in a line: which scenario, which sides, when. */
void lab_words_result(struct buf *out, const struct lab_about *about);
/* Of a diff: what it says in a sentence. */
void lab_words_compare(struct buf *out, const struct lab_compare *compare);

/* What differs between what was compared, a row each. */
struct lab_moved {
	const char *what; /* "A: version" */
	char *before, *after; /* owned; NULL = not known */
};

/* To be freed by lab_moved_free(). */
struct lab_moved *lab_moved(const struct lab_about *before, const struct lab_about *after,
			    size_t *count);
void lab_moved_free(struct lab_moved *rows, size_t count);
