/* SPDX-License-Identifier: BSD-2-Clause */
/* A lab's verdict as JSON (redmem.lab/1), and two beside each other (redmem.lab_diff/1); see
 * report.h. What is in words there is in the same words in every report. */
#include <math.h>

#include "lab/report.h"
#include "lab/result_json.h"
#include "lab/words.h"
#include "report/json.h"
#include "report/schema.h"

static const char *const unit_names[] = {
	[LAB_RATE] = "per_second", [LAB_SECONDS] = "seconds", [LAB_BYTES] = "bytes",
	[LAB_NUMBER] = "count",	   [LAB_RATIO] = "ratio",     [LAB_SHARE] = "share",
};

/* The text that @words makes; gives up @text. */
static json_t *said(struct buf *text)
{
	json_t *value = text->len ? value_text(buf_str(text)) : json_null();

	buf_free(text);
	return value;
}

static json_t *reason_of(const struct lab_row *row)
{
	struct buf text = { 0 };

	lab_words_reason(&text, row);
	return said(&text);
}

#define LAB_METRIC(M, MAYBE)                                                            \
	M("name", word, lab_metrics[row->id].name)                                      \
	M("title", word, lab_metrics[row->id].title)                                    \
	M("unit", word, unit_names[lab_metrics[row->id].unit])                          \
	M("more_is_better", boolean, lab_metrics[row->id].better == LAB_MORE_IS_BETTER) \
	M("verdict", word, lab_judgement_name(row->judgement))                          \
	M("reason", word, lab_reason_name(row->reason))                                 \
	M("why", json_text, reason_of(row))                                             \
	M("a", real, row->side[LAB_A])                                                  \
	M("b", real, row->side[LAB_B])                                                  \
	M("change_is_ratio", boolean, row->ratio)                                       \
	M("change", real, row->change)                                                  \
	M("low", real, row->low)                                                        \
	M("high", real, row->high)                                                      \
	M("confidence", real, row->confidence)                                          \
	M("not_more_than", real, row->bound)                                            \
	M("same", boolean, row->same)                                                   \
	M("p", real, row->p)                                                            \
	M("wanted", real, row->wanted)                                                  \
	M("aa_change", real, row->aa_change)                                            \
	M("aa_half_width", real, row->aa_half)                                          \
	M("restarts_total", integer, (int64_t)row->restarts)                            \
	M("pairs_total", integer, (int64_t)row->pairs)
static SCHEMA(lab_metric, LAB_METRIC);

static json_t *json_metrics(const struct lab_verdict *verdict)
{
	json_t *list = json_array();

	for (int i = 0; i < LAB_METRICS; i++) {
		const struct lab_row *row = &verdict->rows[i];
		json_t *o = json_object();

		PUT_MEMBERS(LAB_METRIC);
		put_last(list, o);
	}
	return list;
}

static json_t *json_notes(const struct lab_result *result)
{
	json_t *list = json_array();

	for (size_t i = 0; i < result->notes_count; i++)
		put_last(list, value_text(result->notes[i]));
	return list;
}

/* What was compared, and how the run went. */
#define LAB_ABOUT(M, MAYBE)                                          \
	M("scenario", text, about->scenario)                         \
	M("scenario_title", text, about->scenario_title)             \
	M("load", text, about->load)                                 \
	M("started", time, about->wall_start_ns, 0)                  \
	M("redmem_version", text, about->redmem_version)             \
	M("seed", integer, (int64_t)about->seed)                     \
	M("precision", real, about->precision)                       \
	M("end", word, lab_end_name(result->end))                    \
	M("end_detail", text, result->end_detail)                    \
	M("lines_left_out_total", integer, result->lines_left_out)   \
	M("a", object(lab_side), json_lab_side(&about->side[LAB_A])) \
	M("b", object(lab_side), json_lab_side(&about->side[LAB_B])) \
	M("host", object(lab_host), json_lab_host(&about->host))     \
	M("notes", words, json_notes(result))
static SCHEMA(lab_about, LAB_ABOUT);

static void put_about(json_t *o, const struct lab_result *result)
{
	const struct lab_about *about = &result->about;

	PUT_MEMBERS(LAB_ABOUT);
}

static json_t *json_about(const struct lab_result *result)
{
	json_t *o = json_object();

	put_about(o, result);
	return o;
}

static json_t *verdict_of(const struct lab_verdict *verdict)
{
	struct buf text = { 0 };

	lab_words_verdict(&text, verdict);
	return said(&text);
}

static json_t *basis_of(const struct lab_report *r)
{
	struct buf text = { 0 };

	lab_words_basis(&text, r->result, r->verdict);
	return said(&text);
}

#define LAB(M, MAYBE)                                                                     \
	M(NULL, all_of(lab_about), put_about(o, r->result))                               \
	M("verdict", json_text, verdict_of(r->verdict))                                   \
	M("basis", json_text, basis_of(r))                                                \
	M("better_total", integer, (int64_t)r->verdict->counts[LAB_BETTER])               \
	M("worse_total", integer, (int64_t)r->verdict->counts[LAB_WORSE])                 \
	M("no_difference_total", integer, (int64_t)r->verdict->counts[LAB_NO_DIFFERENCE]) \
	M("not_judged_total", integer, (int64_t)r->verdict->counts[LAB_NOT_JUDGED])       \
	M("errors_a_total", integer, r->verdict->errors[LAB_A])                           \
	M("errors_b_total", integer, r->verdict->errors[LAB_B])                           \
	M("metrics", list(lab_metric), json_metrics(r->verdict))
DOCUMENT(lab, LAB);

void lab_report_json(struct buf *out, const struct lab_report *r)
{
	json_t *o = json_document(&schema_lab);

	PUT_MEMBERS(LAB);
	json_write(out, o);
}

/* --- two ------------------------------------------------------------------------------------ */

#define LAB_MOVED(M, MAYBE)               \
	M("what", word, rows[i].what)     \
	M("before", text, rows[i].before) \
	M("after", text, rows[i].after)
static SCHEMA(lab_moved, LAB_MOVED);

static json_t *json_moved(const struct lab_report_diff *d)
{
	size_t count;
	struct lab_moved *rows = lab_moved(&d->before->about, &d->after->about, &count);
	json_t *list = json_array();

	for (size_t i = 0; i < count; i++) {
		json_t *o = json_object();

		PUT_MEMBERS(LAB_MOVED);
		put_last(list, o);
	}
	lab_moved_free(rows, count);
	return list;
}

#define LAB_CHANGE(M, MAYBE)                                                            \
	M("name", word, lab_metrics[row->id].name)                                      \
	M("title", word, lab_metrics[row->id].title)                                    \
	M("unit", word, unit_names[lab_metrics[row->id].unit])                          \
	M("more_is_better", boolean, lab_metrics[row->id].better == LAB_MORE_IS_BETTER) \
	M("verdict", word, lab_judgement_name(row->judgement))                          \
	M("change_is_ratio", boolean, row->ratio)                                       \
	M("before_change", real, row->before->change)                                   \
	M("before_low", real, row->before->low)                                         \
	M("before_high", real, row->before->high)                                       \
	M("before_verdict", word, lab_judgement_name(row->before->judgement))           \
	M("after_change", real, row->after->change)                                     \
	M("after_low", real, row->after->low)                                           \
	M("after_high", real, row->after->high)                                         \
	M("after_verdict", word, lab_judgement_name(row->after->judgement))             \
	M("change", real, row->change)                                                  \
	M("low", real, row->low)                                                        \
	M("high", real, row->high)                                                      \
	M("confidence", real, row->confidence)                                          \
	M("not_more_than", real, row->bound)                                            \
	M("p", real, row->p)
static SCHEMA(lab_change, LAB_CHANGE);

static json_t *json_changes_of(const struct lab_compare *compare)
{
	json_t *list = json_array();

	for (int i = 0; i < LAB_METRICS; i++) {
		const struct lab_compare_row *row = &compare->rows[i];
		json_t *o = json_object();

		PUT_MEMBERS(LAB_CHANGE);
		put_last(list, o);
	}
	return list;
}

static json_t *compare_of(const struct lab_compare *compare)
{
	struct buf text = { 0 };

	lab_words_compare(&text, compare);
	return said(&text);
}

#define LAB_DIFF(M, MAYBE)                                                                \
	M("verdict", json_text, compare_of(d->compare))                                   \
	M("before", object(lab_about), json_about(d->before))                             \
	M("after", object(lab_about), json_about(d->after))                               \
	M("moved", list(lab_moved), json_moved(d))                                        \
	M("better_total", integer, (int64_t)d->compare->counts[LAB_BETTER])               \
	M("worse_total", integer, (int64_t)d->compare->counts[LAB_WORSE])                 \
	M("no_difference_total", integer, (int64_t)d->compare->counts[LAB_NO_DIFFERENCE]) \
	M("not_judged_total", integer, (int64_t)d->compare->counts[LAB_NOT_JUDGED])       \
	M("metrics", list(lab_change), json_changes_of(d->compare))
DOCUMENT(lab_diff, LAB_DIFF);

void lab_diff_json(struct buf *out, const struct lab_report_diff *d)
{
	json_t *o = json_document(&schema_lab_diff);

	PUT_MEMBERS(LAB_DIFF);
	json_write(out, o);
}
