/* SPDX-License-Identifier: BSD-2-Clause */
/* What all reports of a lab say; see words.h. */
#include "lab/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "record/record.h"
#include "report/text.h"

/* --- numbers -------------------------------------------------------------------------------- */

static void put_share(struct buf *out, double share, bool sign)
{
	double percent = share * 100, size = fabs(percent);
	int digits = size < 0.995 ? 2 : size < 99.95 ? 1 : 0;

	if (size < 0.005 && sign) { /* no side is named by what would be shown as 0 */
		buf_puts(out, "0 %");
		return;
	}
	buf_printf(out, sign ? "%+.*f %%" : "%.*f %%", digits, percent);
}

void lab_words_change(struct buf *out, enum lab_metric_id id, bool ratio, double change)
{
	if (!isfinite(change)) {
		buf_putc(out, '-');
		return;
	}
	if (ratio) {
		put_share(out, change, true);
		return;
	}
	if (change > 0)
		buf_putc(out, '+');
	lab_metric_value(out, id, change);
}

void lab_words_interval(struct buf *out, const struct lab_row *row)
{
	if (!isfinite(row->low)) {
		buf_putc(out, '-');
		return;
	}
	lab_words_change(out, row->id, row->ratio, row->low);
	buf_puts(out, " to ");
	lab_words_change(out, row->id, row->ratio, row->high);
}

void lab_words_bound(struct buf *out, const struct lab_row *row, double bound)
{
	if (!isfinite(bound))
		buf_putc(out, '-');
	else if (row->ratio)
		put_share(out, bound, false);
	else
		lab_metric_value(out, row->id, bound);
}

void lab_words_reason(struct buf *out, const struct lab_row *row)
{
	switch (row->reason) {
	case LAB_UNKNOWN:
		buf_puts(out, "not measured");
		break;
	case LAB_UNKNOWN_A:
	case LAB_UNKNOWN_B:
		buf_printf(out, "not measured on %c", row->reason == LAB_UNKNOWN_A ? 'A' : 'B');
		break;
	case LAB_FEW_RESTARTS:
		buf_printf(out, "%zu restart%s; it takes %d", row->restarts,
			   row->restarts == 1 ? "" : "s", LAB_RESTARTS_MIN);
		break;
	case LAB_NO_AA:
		buf_puts(out, "A was not held against itself long enough");
		break;
	case LAB_AA_WIDE:
		buf_puts(out, "A to itself: ");
		lab_words_bound(out, row, row->aa_half);
		buf_puts(out, ", wanted: ");
		lab_words_bound(out, row, row->wanted);
		break;
	case LAB_AA_DIFFERS:
		buf_puts(out, "A differs from itself by ");
		lab_words_change(out, row->id, row->ratio, row->aa_change);
		break;
	default:
		break;
	}
}

/* --- sentences ------------------------------------------------------------------------------ */

void lab_words_verdict(struct buf *out, const struct lab_verdict *verdict)
{
	size_t better = verdict->counts[LAB_BETTER], worse = verdict->counts[LAB_WORSE];

	if (!verdict->judged)
		buf_puts(out, "Nothing can be said: no metric could be judged.");
	else if (!better && !worse)
		buf_printf(out, "No difference in any of the %zu metrics that could be judged.",
			   verdict->judged);
	else
		buf_printf(out,
			   "B is better in %zu and worse in %zu of the %zu metrics that could be "
			   "judged.",
			   better, worse, verdict->judged);
}

bool lab_words_none(const struct lab_row *row)
{
	return row->same && row->side[LAB_A] == 0 && row->side[LAB_B] == 0;
}

static size_t most_of(const struct lab_verdict *verdict, bool restarts)
{
	size_t most = 0;

	for (int i = 0; i < LAB_METRICS; i++) {
		size_t n = restarts ? verdict->rows[i].restarts : verdict->rows[i].pairs;

		most = n > most ? n : most;
	}
	return most;
}

static const char *const end_words[LAB_ENDS] = {
	[LAB_CUT] = "its end is missing, so it was killed or still goes on",
	[LAB_PRECISE] = "it ended as precise as was wanted",
	[LAB_LIMIT] = "it ended at its limit",
	[LAB_INTERRUPTED] = "it was interrupted",
	[LAB_FAILED] = "it failed",
};

void lab_words_basis(struct buf *out, const struct lab_result *result,
		     const struct lab_verdict *verdict)
{
	size_t restarts = most_of(verdict, true), pairs = most_of(verdict, false);

	buf_printf(out, "%zu restart%s of both sides, %zu pair%s of slices; %s", restarts,
		   restarts == 1 ? "" : "s", pairs, pairs == 1 ? "" : "s", end_words[result->end]);
	if (result->end == LAB_FAILED && result->end_detail && *result->end_detail)
		buf_printf(out, " (%s)", result->end_detail);
	buf_putc(out, '.');
	if (result->lines_left_out)
		buf_printf(out, " %lld lines of the file could not be read.",
			   (long long)result->lines_left_out);
	for (int side = 0; side < LAB_SIDES; side++)
		if (verdict->errors[side])
			buf_printf(out, " The load had %lld errors on %c.",
				   (long long)verdict->errors[side], "AB"[side]);
}

static void put_part(struct buf *out, size_t before, const char *lead, const char *text)
{
	if (!text || !*text)
		return;
	buf_printf(out, "%s%s%s", out->len > before ? ", " : "", lead, text);
}

static void put_settings(struct buf *out, size_t before, const struct lab_settings *settings)
{
	for (size_t i = 0; i < settings->count; i++)
		buf_printf(out, "%s%s=%s", out->len > before ? ", " : "", settings->rows[i].name,
			   settings->rows[i].value);
}

void lab_words_side(struct buf *out, const struct lab_about_side *side)
{
	size_t before = out->len;

	put_part(out, before, "", side->server);
	if (side->version && *side->version)
		buf_printf(out, "%s%s", out->len > before ? " " : "", side->version);
	put_part(out, before, "", side->allocator);
	put_part(out, before, "", side->program);
	put_settings(out, before, &side->settings);
	put_settings(out, before, &side->environment);
	put_settings(out, before, &side->knobs);
}

void lab_words_host(struct buf *out, const struct lab_about_host *host)
{
	size_t before = out->len;

	put_part(out, before, "Linux ", host->kernel);
	put_part(out, before, "", host->machine);
	if (host->cores != RECORD_UNKNOWN)
		buf_printf(out, "%s%lld CPUs", out->len > before ? ", " : "",
			   (long long)host->cores);
	put_part(out, before, "", host->cpu);
	if (host->memory_bytes != RECORD_UNKNOWN) {
		buf_puts(out, out->len > before ? ", " : "");
		fmt_bytes(out, host->memory_bytes);
	}
	put_part(out, before, "governor ", host->governor);
	put_part(out, before, "huge pages ", host->thp);
}

void lab_words_name(struct buf *out, const struct lab_result *result, int side)
{
	const char *label = result->about.side[side].label;

	buf_putc(out, "AB"[side]);
	if (label && *label)
		buf_printf(out, ": %s", label);
}

void lab_words_result(struct buf *out, const struct lab_about *about)
{
	size_t before = out->len;

	put_part(out, before, "", about->scenario);
	for (int side = 0; side < LAB_SIDES; side++) {
		const char *label = about->side[side].label;

		buf_printf(out, "%s%c is %s", out->len > before ? ", " : "", "AB"[side],
			   label && *label ? label : "not known");
	}
	if (about->wall_start_ns > 0) {
		buf_puts(out, ", ");
		fmt_rfc3339(out, about->wall_start_ns);
	}
}

const char *const lab_words_legend =
	"An interval holds the truth in 95 % of all cases; of what is called better or worse 5 % "
	"or less is chance.";

const char *const lab_words_sides =
	"A and B are medians, or means where the change is no share; B to A is of pairs, whose "
	"sides "
	"lie next to each other in time, and so is known better than the two beside it.";

void lab_words_compare(struct buf *out, const struct lab_compare *compare)
{
	size_t better = compare->counts[LAB_BETTER], worse = compare->counts[LAB_WORSE];

	if (!compare->judged)
		buf_puts(out, "Nothing can be said: no metric was judged in both.");
	else if (!better && !worse)
		buf_printf(out,
			   "What B is to A has not changed in any of the %zu metrics that were "
			   "judged in both.",
			   compare->judged);
	else
		buf_printf(
			out,
			"What B is to A became better in %zu and worse in %zu of the %zu metrics "
			"that were judged in both.",
			better, worse, compare->judged);
}

/* --- what differs between two results ------------------------------------------------------- */

struct moves {
	struct lab_moved *rows;
	size_t count;
};

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static void move(struct moves *moves, const char *what, const char *before, const char *after)
{
	if (same_text(before, after))
		return;
	moves->rows = xrealloc(moves->rows, (moves->count + 1) * sizeof(*moves->rows));
	moves->rows[moves->count++] = (struct lab_moved){
		what,
		before ? xstrdup(before) : NULL,
		after ? xstrdup(after) : NULL,
	};
}

static void move_settings(struct moves *moves, const char *what, const struct lab_settings *before,
			  const struct lab_settings *after)
{
	struct buf x = { 0 }, y = { 0 };

	put_settings(&x, 0, before);
	put_settings(&y, 0, after);
	move(moves, what, buf_str(&x), buf_str(&y));
	buf_free(&x);
	buf_free(&y);
}

static void move_side(struct moves *moves, const char *const what[], const struct lab_about_side *x,
		      const struct lab_about_side *y)
{
	move(moves, what[0], x->server, y->server);
	move(moves, what[1], x->version, y->version);
	move(moves, what[2], x->allocator, y->allocator);
	move(moves, what[3], x->build_id, y->build_id);
	move_settings(moves, what[4], &x->settings, &y->settings);
	move_settings(moves, what[5], &x->environment, &y->environment);
	move_settings(moves, what[6], &x->knobs, &y->knobs);
}

struct lab_moved *lab_moved(const struct lab_about *before, const struct lab_about *after,
			    size_t *count)
{
	static const char *const what[LAB_SIDES][7] = {
		{ "A: server", "A: version", "A: allocator", "A: build", "A: settings",
		  "A: environment", "A: knobs" },
		{ "B: server", "B: version", "B: allocator", "B: build", "B: settings",
		  "B: environment", "B: knobs" },
	};
	struct moves moves = { 0 };
	struct buf x = { 0 }, y = { 0 };

	move(&moves, "scenario", before->scenario, after->scenario);
	move(&moves, "load", before->load, after->load);
	for (int side = 0; side < LAB_SIDES; side++)
		move_side(&moves, what[side], &before->side[side], &after->side[side]);
	lab_words_host(&x, &before->host);
	lab_words_host(&y, &after->host);
	move(&moves, "host", buf_str(&x), buf_str(&y));
	move(&moves, "redmem", before->redmem_version, after->redmem_version);
	buf_free(&x);
	buf_free(&y);
	*count = moves.count;
	return moves.rows;
}

void lab_moved_free(struct lab_moved *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(rows[i].before);
		free(rows[i].after);
	}
	free(rows);
}
