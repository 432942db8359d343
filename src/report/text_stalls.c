/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stalls for people: when, how long, doing what to which key, why, and what to do. As
 * the section of `redmem doctor`, longest first, and one by one for `redmem stalls`.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sum.h"
#include "diagnose/advice.h"
#include "diagnose/stall_work.h"
#include "model/stalls.h"
#include "report/text.h"

#define TOP_STALLS	3
#define TOP_PREFIXES	5
#define KEY_COLUMNS	48
#define TRUNCATED	" (its first bytes)"
#define MOMENT_COLUMNS	10
#define LENGTH_COLUMNS	16
#define FREED_MIN_BYTES (1 << 20)
#define BLOCK_LEAD	"    "
/* SLOWLOG and the loop time different things; below this they are the same. */
/* Smaller parts of a stall are in JSON only. */
#define WORTH_RATIO  0.005
#define SAME_RATIO   0.05
#define SAME_SECONDS 0.002

/* "84 % allocator, 12 % own computing" */
void text_stall_why(struct buf *out, const struct stall *stall)
{
	struct blame blame[CAUSES];
	size_t count = blame_split(stall, blame);

	for (size_t i = 0; i < count; i++) {
		if (i && blame[i].seconds < WORTH_RATIO * stall->duration_seconds)
			break;
		buf_puts(out, i ? ", " : "");
		text_percent(out, blame[i].seconds / stall->duration_seconds);
		buf_printf(out, " %s", cause_table[blame[i].cause].words);
	}
	if (!count)
		buf_puts(out, "cause not known");
}

/* A command as people write it: "CONFIG|GET". */
static void write_name(struct buf *out, const char *command)
{
	char *name = xstrdup(command);

	for (char *c = name; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	text_command(out, name);
	free(name);
}

/* ": SET 62 %, GET 38 %" */
static void write_mix(struct buf *out, const struct stall *stall)
{
	for (size_t i = 0; i < stall->mix_count; i++) {
		buf_puts(out, i ? ", " : ": ");
		write_name(out, stall->mix[i].command);
		buf_printf(out, " %.0f %%", stall->mix[i].ratio * 100);
	}
}

/* What held the loop: "DEL leaderboard:global", "10,000 commands in one turn: SET 100 %". */
void text_stall_what(struct buf *out, const struct stall *stall)
{
	const char *names[] = { stall->command, stall->inner };

	if (stall->commands_total > 0) {
		fmt_count(out, stall->commands_total);
		buf_puts(out, " commands in one turn of the loop");
		write_mix(out, stall);
		return;
	}
	for (size_t i = 0; i < 2 && names[i] && (*names[i] || !i); i++) {
		buf_puts(out, i ? " > " : "");
		write_name(out, names[i]);
	}
	if (stall->key.len) {
		buf_putc(out, ' ');
		text_key(out, stall->key, KEY_COLUMNS);
		buf_puts(out, stall->key_truncated ? TRUNCATED : "");
	}
}

void text_stall(struct buf *out, const struct stall *stall)
{
	text_stall_what(out, stall);
	buf_puts(out, ", ");
	text_stall_why(out, stall);
}

/* --- the section of doctor --------------------------------------------------------- */

static void write_row(struct text *t, const struct stall *stall)
{
	struct buf cell = { 0 };
	struct buf lead = { 0 };

	buf_puts(t->out, "  ");
	text_moment(&cell, stall->t_seconds);
	text_pad(t->out, buf_str(&cell), MOMENT_COLUMNS, false);
	buf_clear(&cell);
	fmt_seconds(&cell, stall->duration_seconds);
	buf_puts(&cell, stall->running ? " so far" : "");
	text_pad(t->out, buf_str(&cell), LENGTH_COLUMNS, false);
	text_stall_what(t->out, stall);
	buf_putc(t->out, '\n');
	buf_fill(&lead, ' ', MOMENT_COLUMNS + 2);
	buf_clear(&cell);
	text_stall_why(&cell, stall);
	text_wrap(t, buf_str(&lead), buf_str(&cell));
	buf_clear(&cell);
	advice_stall(&cell, t->m, stall);
	if (t->style->verbose && cell.len)
		text_wrap(t, buf_str(&lead), buf_str(&cell));
	buf_free(&cell);
	buf_free(&lead);
}

void text_stalls(struct text *t)
{
	size_t count = t->m->stalls_count;
	size_t shown = t->style->verbose || count < TOP_STALLS ? count : TOP_STALLS;
	struct buf note = { 0 };

	if (!count)
		buf_puts(&note, model_sensor_on(t->m, "loop") ?
					"none seen" :
					"not known: the loop sensor is off");
	else if (shown < count)
		buf_printf(&note, "the longest %zu of %zu", shown, count + t->m->stalls_left_out);
	text_head(t, "STALLS", note.len ? buf_str(&note) : NULL);
	for (size_t i = 0; i < shown; i++)
		write_row(t, &t->m->stalls[i].stall);
	buf_free(&note);
}

/* --- one by one -------------------------------------------------------------------- */

/* ", mostly freeing (1.5 s), giving pages back (220 ms)" */
static void write_activity(struct buf *out, const char *lead, const struct stall_activity *activity)
{
	if (!*activity->words || !(activity->seconds > 0))
		return;
	buf_printf(out, "%s%s (", lead, activity->words);
	fmt_seconds(out, activity->seconds);
	buf_putc(out, ')');
}

static void write_waits(struct buf *out, const struct stall *stall)
{
	double worth = WORTH_RATIO * stall->duration_seconds;

	if (stall->wait_call && *stall->wait_call &&
	    stall->seconds[CAUSE_IO_WAIT] + stall->seconds[CAUSE_OTHER] > worth) {
		buf_puts(out, "; waited in ");
		text_safe(out, stall->wait_call);
		if (*stall->wait_file)
			buf_puts(out, " on ");
		text_safe(out, stall->wait_file);
	}
	if (*stall_preemptor(stall) && stall->seconds[CAUSE_CPU_WAIT] > worth) {
		buf_puts(out, "; CPU taken by ");
		text_safe(out, stall_preemptor(stall));
		if (stall->preemptor_pid > 0)
			buf_printf(out, " (pid %lld)", (long long)stall->preemptor_pid);
	}
}

static void line_why(struct text *t, const struct stall *stall)
{
	struct buf line = { 0 };

	text_stall_why(&line, stall);
	for (size_t i = 0; i < STALL_ACTIVITIES; i++)
		write_activity(&line, i ? ", " : "; mostly ", &stall->activity[i]);
	write_waits(&line, stall);
	text_wrap(t, BLOCK_LEAD, buf_str(&line));
	buf_free(&line);
}

/* Did it free so much that the difference of two INFO says something? */
static bool frees(const struct stall *stall)
{
	return stall->freed_bytes >= FREED_MIN_BYTES && stall_frees(stall);
}

static void write_key(struct buf *line, const struct record_key *key)
{
	buf_puts(line, "the key: ");
	if (!key->type || !*key->type || !strcmp(key->type, "none")) {
		buf_printf(line, "no longer in database %lld", (long long)key->db);
		return;
	}
	text_safe(line, key->type);
	buf_puts(line, *key->encoding ? ", " : "");
	text_safe(line, key->encoding);
	if (key->elements != RECORD_UNKNOWN) {
		buf_puts(line, ", ");
		fmt_count(line, key->elements);
		buf_puts(line, strcmp(key->type, "string") ? " elements" : " bytes long");
	}
	buf_puts(line, ", ");
	fmt_bytes(line, key->bytes);
}

static void line_key(struct text *t, const struct stall *stall)
{
	const struct record_key *key = stall_key(t->m, stall);
	struct buf line = { 0 };

	if (key)
		write_key(&line, key);
	if (frees(stall)) {
		buf_puts(&line, line.len ? "; " : "");
		fmt_bytes(&line, stall->freed_bytes);
		buf_puts(&line, " less in use than before");
	}
	if (line.len)
		text_wrap(t, BLOCK_LEAD, buf_str(&line));
	buf_free(&line);
}

/* What the server's own log says of it, and why that differs. */
static void write_slowlog(struct buf *line, const struct stall *stall,
			  const struct record_slowlog *entry)
{
	double more = stall->duration_seconds - entry->seconds;

	buf_puts(line, "SLOWLOG has ");
	fmt_seconds(line, entry->seconds);
	if (fabs(more) <= SAME_RATIO * entry->seconds + SAME_SECONDS)
		return;
	if (more > 0)
		buf_puts(line, ": it leaves out waiting before the command and what comes after "
			       "it (freeing arguments, sending)");
	else
		buf_puts(line, ": the command began or ended between two looks");
}

static void line_server(struct text *t, const struct stall *stall)
{
	const struct record_slowlog *entry = stall_slowlog(t->m, stall);
	const struct record_latency *event = stall_latency(t->m, stall);
	struct buf line = { 0 };

	if (entry)
		write_slowlog(&line, stall, entry);
	if (entry && entry->client.len) {
		buf_puts(&line, "; client ");
		text_key(&line, entry->client, KEY_COLUMNS);
	}
	if (entry && entry->client_name.len) {
		buf_puts(&line, " named ");
		text_key(&line, entry->client_name, KEY_COLUMNS);
	}
	if (event) {
		buf_puts(&line, line.len ? "; LATENCY has " : "LATENCY has ");
		text_safe(&line, event->event);
		buf_putc(&line, ' ');
		fmt_seconds(&line, event->latest_seconds);
	}
	if (line.len)
		text_wrap(t, BLOCK_LEAD, buf_str(&line));
	buf_free(&line);
}

void report_stall_text(struct buf *out, const struct model *m, const struct stall *stall,
		       const struct report_style *style)
{
	struct text t = { .out = out, .m = m };
	struct buf line = { 0 };

	text_begin(&t, style);
	fmt_rfc3339(&line, sum_of(m->session.wall_start_ns, sum_whole(stall->t_seconds * 1e9)));
	buf_puts(&line, "  ");
	fmt_seconds(&line, stall->duration_seconds);
	buf_puts(&line, stall->running ? " so far  " : "  ");
	text_stall_what(&line, stall);
	text_paint(&t, PAINT_BOLD, buf_str(&line));
	buf_putc(out, '\n');
	line_why(&t, stall);
	line_key(&t, stall);
	line_server(&t, stall);
	buf_clear(&line);
	advice_stall(&line, m, stall);
	if (line.len)
		text_wrap(&t, BLOCK_LEAD, buf_str(&line));
	buf_free(&line);
}

void report_stall_live(struct buf *out, const struct stall *stall)
{
	const struct stall_activity *most = stall->activity;
	struct blame blame[CAUSES];

	fmt_seconds(out, stall->duration_seconds);
	buf_puts(out, " so far: ");
	text_stall_what(out, stall);
	for (size_t i = 0; i < STALL_ACTIVITIES && most[i].seconds > 0; i++)
		buf_printf(out, ", %.0f %% %s", 100 * most[i].seconds / stall->duration_seconds,
			   most[i].words);
	if (!(most[0].seconds > stall->duration_seconds / 2) && blame_split(stall, blame))
		buf_printf(out, ", %.0f %% %s", 100 * blame[0].seconds / stall->duration_seconds,
			   cause_table[blame[0].cause].words);
	if (stall->wait_call && *stall->wait_call &&
	    stall->seconds[CAUSE_IO_WAIT] + stall->seconds[CAUSE_OTHER] >
		    stall->duration_seconds / 2) {
		buf_puts(out, ": ");
		text_safe(out, stall->wait_call);
		buf_puts(out, *stall->wait_file ? " on " : "");
		text_safe(out, stall->wait_file);
	}
}

/* --- the end ------------------------------------------------------------------------ */

static void sum_row(struct text *t, const struct stall_sum_row *row, const char *name)
{
	struct buf line = { 0 }, cell = { 0 };

	buf_puts(&line, "  ");
	fmt_seconds(&cell, row->seconds);
	text_pad(&line, buf_str(&cell), 10, false);
	buf_clear(&cell);
	fmt_count(&cell, row->stalls_total);
	buf_puts(&cell, row->stalls_total == 1 ? " stall" : " stalls");
	text_pad(&line, buf_str(&cell), 14, false);
	buf_printf(&line, "  %s\n", name);
	buf_puts(t->out, buf_str(&line));
	buf_free(&cell);
	buf_free(&line);
}

static void write_sums(struct text *t, const struct stall_sum *sum)
{
	struct buf name = { 0 };

	text_head(t, "BY CAUSE", "time in stalls; stalls of which it was the main cause");
	for (size_t i = 0; i < sum->causes_count; i++)
		sum_row(t, &sum->causes[i], cause_table[sum->causes[i].cause].words);
	if (sum->prefixes_count)
		text_head(t, "BY KEY PREFIX", NULL);
	for (size_t i = 0; i < sum->prefixes_count && i < TOP_PREFIXES; i++) {
		const struct stall_sum_row *row = &sum->prefixes[i];

		buf_clear(&name);
		text_key(&name, (struct bytes){ row->name, row->name_len }, KEY_COLUMNS);
		sum_row(t, row, buf_str(&name));
	}
	buf_free(&name);
}

/* "longest 1.9 s (DEL leaderboard:global)" */
static void write_longest(struct buf *line, const struct stall_sum *sum)
{
	const struct stall longest = {
		.command = sum->longest_command,
		.key = { buf_str(&sum->longest_key), sum->longest_key.len },
		.key_truncated = sum->longest_key_truncated,
		.commands_total = RECORD_UNKNOWN,
	};

	buf_puts(line, ", longest ");
	fmt_seconds(line, sum->longest_seconds);
	buf_puts(line, " (");
	text_stall_what(line, &longest);
	buf_putc(line, ')');
}

void report_stalls_end_text(struct buf *out, const struct model *m, const struct stall_sum *sum,
			    const struct report_style *style)
{
	struct text t = { .out = out, .m = m };
	struct buf line = { 0 };

	text_begin(&t, style);
	if (sum->stalls_total)
		buf_putc(out, '\n');
	fmt_count(&line, sum->stalls_total);
	buf_puts(&line, sum->stalls_total == 1 ? " stall in " : " stalls in ");
	fmt_seconds(&line, m->duration_seconds);
	if (sum->stalls_total) {
		buf_puts(&line, ", ");
		fmt_seconds(&line, sum->seconds);
		buf_puts(&line, " blocked in all");
		write_longest(&line, sum);
	}
	buf_putc(&line, '.');
	if (!model_sensor_on(m, "loop"))
		buf_puts(&line, " Stalls could not be seen: the loop sensor is off.");
	text_wrap(&t, "", buf_str(&line));
	if (sum->stalls_total)
		write_sums(&t, sum);
	text_sensors(&t);
	text_own_cost(&t);
	buf_free(&line);
}
