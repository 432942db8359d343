/* SPDX-License-Identifier: BSD-2-Clause */
/* The screen of `redmem top`: its lines, its head and its foot; see screen.h. The table between
 * them is in screen_table.c. */
#include "report/screen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/escape.h"
#include "base/sum.h"
#include "diagnose/measure.h"
#include "report/screen_table.h"
#include "report/text.h"

#define RECENT_NS     60000000000LL /* a stall that is over is told for so long */
#define NARROW_ROWS   14 /* with fewer the numbers make room for the table */
#define TITLE_COLUMNS 60
#define WHOLE_COLUMNS 78 /* of all that is known of a stall */

/* --- the head ------------------------------------------------------------------------------ */

static void put_clock(struct buf *out, int64_t wall_ns, bool fine)
{
	time_t seconds = (time_t)(wall_ns / 1000000000);
	struct tm tm;

	if (wall_ns < 0 || !gmtime_r(&seconds, &tm)) {
		buf_putc(out, '-');
		return;
	}
	buf_printf(out, "%02d:%02d:%02d", tm.tm_hour, tm.tm_min, tm.tm_sec);
	if (fine)
		buf_printf(out, ".%03d", (int)(wall_ns / 1000000 % 1000));
}

/* "redis 7.0.15 :6379, pid 4242, master" */
static void put_server(struct buf *out, const struct screen_server *server)
{
	const struct model *m = screen_judged(server)->m;
	const struct record_target *target = m ? &m->target : NULL;

	if (!target || !target->server || !*target->server) {
		escape_terminal(out, server->title, strlen(server->title), TITLE_COLUMNS);
	} else {
		text_safe(out, target->server);
		buf_putc(out, ' ');
		text_safe(out, target->version);
		if (target->port > 0)
			buf_printf(out, " :%lld", (long long)target->port);
		else if (target->socket && *target->socket)
			buf_putc(out, ' ');
		if (target->port <= 0 && target->socket)
			escape_terminal(out, target->socket, strlen(target->socket), TITLE_COLUMNS);
	}
	if (server->pid)
		buf_printf(out, ", pid %ld", (long)server->pid);
	if (target && target->role && *target->role) {
		buf_puts(out, ", ");
		text_safe(out, target->role);
	}
}

static void put_where(struct buf *out, const struct screen_view *view, size_t count)
{
	if (count > 1)
		buf_printf(out, "  %zu/%zu", view->server + 1, count);
	if (view->paused)
		buf_puts(out, "  PAUSED");
	if (view->replay.on) {
		buf_printf(out, "  replay %.0f s", view->replay.at_seconds);
		if (view->replay.seeking)
			buf_puts(out, ", seeking");
		else if (view->replay.over)
			buf_puts(out, ", its end");
		else
			buf_printf(out, " x%g", view->replay.speed);
	}
	buf_puts(out, "  ");
	put_clock(out, view->now_ns, false);
	buf_puts(out, view->now_ns >= 0 ? "Z" : "");
}

static void line_title(struct screen_pen *pen, const struct screen_server *server, size_t count)
{
	struct screen_line *line = screen_next(pen);
	struct buf left = { 0 }, right = { 0 };
	int width;

	if (!line)
		return;
	put_where(&right, pen->view, count);
	buf_puts(&left, "redmem top: ");
	if (server)
		put_server(&left, server);
	width = pen->columns - (int)utf8_columns(buf_str(&right));
	width = width < 0 ? 0 : width;
	screen_field(line, SCREEN_HEAD, buf_str(&left), (size_t)width, false);
	screen_put(line, SCREEN_HEAD, buf_str(&right));
	screen_end(line, pen->columns);
	buf_free(&left);
	buf_free(&right);
}

static enum screen_attr severity_attr(const struct findings *f)
{
	if (!f || !f->count || f->items[0].severity == SEVERITY_INFO)
		return SCREEN_GOOD;
	return f->items[0].severity == SEVERITY_CRITICAL ? SCREEN_BAD : SCREEN_WARNING;
}

static void line_verdict(struct screen_pen *pen, const struct screen_server *server)
{
	const struct screen_window *window = screen_judged(server);
	struct screen_line *line = screen_next(pen);
	enum screen_attr attr = SCREEN_DIM;
	struct buf safe = { 0 };

	if (!line)
		return;
	if (window->verdict && !window->unknown)
		attr = severity_attr(window->f);
	if (attr == SCREEN_GOOD && !window->healthy)
		attr = SCREEN_WARNING;
	text_safe(&safe, window->verdict ? window->verdict : "nothing seen yet");
	screen_put(line, attr, buf_str(&safe));
	screen_end(line, pen->columns);
	buf_free(&safe);
}

static bool has(const struct findings *f, const struct finding *like)
{
	for (size_t i = 0; f && i < f->count; i++)
		if (!strcmp(f->items[i].id, like->id) && f->items[i].severity >= like->severity)
			return true;
	return false;
}

/* What the last second has beyond the verdict; NULL. */
static const struct finding *new_finding(const struct screen_server *server)
{
	const struct findings *now = server->second.f;

	for (size_t i = 0; server->longer.f && now && i < now->count; i++)
		if (now->items[i].severity > SEVERITY_INFO &&
		    !has(server->longer.f, &now->items[i]))
			return &now->items[i];
	return NULL;
}

/* The stall that was last, while it is news; NULL. */
static const struct screen_stall *recent_stall(const struct screen_view *view,
					       const struct screen_server *server)
{
	const struct screen_stall *last = server->stalls_count ? &server->stalls[0] : NULL;

	if (!last || last->wall_ns < 0 || view->now_ns < 0)
		return NULL;
	return sum_less(view->now_ns, last->wall_ns) < RECENT_NS ? last : NULL;
}

static void put_recent(struct buf *out, const struct screen_stall *stall)
{
	buf_puts(out, "last stall: ");
	fmt_seconds(out, stall->seconds);
	buf_printf(out, " at %s: ", stall->when);
	text_safe(out, stall->what);
	buf_puts(out, ", ");
	text_safe(out, stall->why);
}

/* What goes on now, or what was last. */
static void line_news(struct screen_pen *pen, const struct screen_server *server)
{
	const struct screen_stall *stall = recent_stall(pen->view, server);
	const struct finding *finding = new_finding(server);
	struct screen_line *line = screen_next(pen);
	const struct model *m = server->second.m;
	enum screen_attr attr = SCREEN_PLAIN;
	struct buf text = { 0 };

	if (!line)
		return;
	if (server->stall) {
		attr = SCREEN_BAD;
		buf_puts(&text, "STALL ");
		text_safe(&text, server->stall);
	} else if (*server->state) {
		attr = SCREEN_WARNING;
		text_safe(&text, server->state);
	} else if (finding) {
		attr = finding->severity == SEVERITY_CRITICAL ? SCREEN_BAD : SCREEN_WARNING;
		buf_puts(&text, "this second: ");
		text_safe(&text, finding->title);
	} else if (stall) {
		put_recent(&text, stall);
	} else {
		attr = SCREEN_DIM;
		if (m)
			buf_puts(&text, model_sensor_on(m, "loop") ?
						"no stall within a minute" :
						"stalls are not seen: the loop sensor is off");
	}
	screen_put(line, attr, buf_str(&text));
	screen_end(line, pen->columns);
	buf_free(&text);
}

/* "NAME VALUE  " */
static void put_number(struct screen_line *line, const char *name, struct buf *value)
{
	screen_put(line, SCREEN_DIM, name);
	screen_put(line, SCREEN_BOLD, buf_str(value));
	screen_put(line, SCREEN_PLAIN, "  ");
	buf_clear(value);
}

static void put_window(struct screen_line *line, const struct model *m, const char *name,
		       const char *head)
{
	struct buf value = { 0 };

	text_window_value(&value, m, head);
	put_number(line, name, &value);
	buf_free(&value);
}

static void put_bytes(struct screen_line *line, const char *name, int64_t bytes)
{
	struct buf value = { 0 };

	fmt_bytes(&value, bytes);
	put_number(line, name, &value);
	buf_free(&value);
}

static void put_count(struct screen_line *line, const char *name, int64_t n)
{
	struct buf value = { 0 };

	fmt_count(&value, n);
	put_number(line, name, &value);
	buf_free(&value);
}

static void put_limit(struct screen_line *line, const char *name, int64_t limit, int64_t held)
{
	double ratio = measure_ratio(held, limit);
	enum screen_attr attr = ratio >= NEAR_CRITICAL_RATIO ? SCREEN_BAD :
				ratio >= NEAR_WARNING_RATIO  ? SCREEN_WARNING :
							       SCREEN_BOLD;
	struct buf value = { 0 };

	screen_put(line, SCREEN_DIM, name);
	fmt_bytes(&value, limit);
	screen_put(line, SCREEN_BOLD, buf_str(&value));
	buf_clear(&value);
	if (isfinite(ratio)) {
		buf_puts(&value, " ");
		text_percent(&value, ratio);
		screen_put(line, attr, buf_str(&value));
	}
	screen_put(line, SCREEN_PLAIN, "  ");
	buf_free(&value);
}

static void line_memory(struct screen_pen *pen, const struct model *m)
{
	const char *what;
	int64_t room = measure_room(m, &what), own = measure_max_memory(m);
	struct screen_line *line = screen_next(pen);

	if (!line)
		return;
	put_window(line, m, "used ", "used");
	put_window(line, m, "rss ", "rss");
	if (measure_swap(m) != 0)
		put_bytes(line, "swap ", measure_swap(m));
	if (own > 0)
		put_limit(line, "maxmemory ", own, measure_counted(m));
	if (room > 0)
		put_limit(line, room == m->host_end.mem_total_bytes ? "machine " : "cgroup ", room,
			  measure_rss(m));
	screen_end(line, pen->columns);
}

static void line_load(struct screen_pen *pen, const struct model *m)
{
	const struct timeline_row *last = model_last_row(m);
	struct screen_line *line = screen_next(pen);

	if (!line)
		return;
	put_window(line, m, "commands/s ", "commands/s");
	put_window(line, m, "cpu ", "cpu");
	put_count(line, "clients ", last ? last->connected_clients : RECORD_UNKNOWN);
	put_count(line, "blocked ", last ? last->blocked_clients : RECORD_UNKNOWN);
	put_count(line, "evicted ", model_info_delta(m, "evicted_keys"));
	put_count(line, "expired ", model_info_delta(m, "expired_keys"));
	screen_end(line, pen->columns);
}

static void line_faults(struct screen_pen *pen, const struct model *m)
{
	struct screen_line *line = screen_next(pen);

	if (!line)
		return;
	put_window(line, m, "faults/s ", "minor/s");
	put_window(line, m, "major ", "major");
	put_window(line, m, "alloc/s ", "alloc/s");
	put_window(line, m, "free/s ", "free/s");
	put_window(line, m, "stalls ", "stalls");
	put_window(line, m, "longest ", "longest");
	screen_end(line, pen->columns);
}

/* --- tabs and keys ---------------------------------------------------------------------------- */

static void line_tabs(struct screen_pen *pen)
{
	static const char *const names[SCREEN_TABS] = {
		"1prefixes", "2commands", "3clients", "4sizes",
		"5stalls",   "6findings", "7memory",  "8servers",
	};
	struct screen_line *line = screen_next(pen);

	if (!line)
		return;
	for (int tab = 0; tab < SCREEN_TABS; tab++) {
		bool here = tab == (int)pen->view->tab;
		struct buf name = { 0 };

		buf_printf(&name, here ? "[%s]" : " %s ", names[tab]);
		screen_put(line, here ? SCREEN_BOLD : SCREEN_DIM, buf_str(&name));
		buf_free(&name);
	}
	screen_end(line, pen->columns);
}

static const char help[] = SCREEN_KEYS
	"\n"
	"The verdict is of the last ten seconds, the numbers below it of the last one.\n"
	"\"-\" is what is not known: `redmem check` says why.\n";

/* What watching costs: of the window of a second, or of ten. */
static void put_own(struct buf *out, const struct screen_server *server)
{
	const struct model *m = screen_judged(server)->m;

	if (!m || !m->have_self || !(m->self.window_seconds > 0))
		return;
	buf_printf(out, "redmem %.1f %% cpu, ", m->self.cpu_seconds / m->self.window_seconds * 100);
	fmt_bytes(out, m->self.rss_bytes);
}

static void put_keys(struct buf *out, const struct screen_view *view)
{
	if (view->note)
		text_safe(out, view->note);
	else if (view->typing)
		buf_printf(out, "filter: %s_", buf_str(&view->filter));
	else if (view->help || view->details)
		buf_puts(out, "Esc back  q quit");
	else if (view->replay.on)
		buf_puts(out, "q quit  + - speed  Left Right seek  s sort  / filter  ? help");
	else
		buf_puts(out, "q quit  s sort  / filter  p pause  w 1|10 s  Enter more  ? help");
}

static void line_keys(struct screen_pen *pen, const struct screen_server *server)
{
	struct screen_line *line = screen_next(pen);
	struct buf left = { 0 }, right = { 0 };
	int width;

	if (!line)
		return;
	put_keys(&left, pen->view);
	if (server)
		put_own(&right, server);
	width = pen->columns - (int)utf8_columns(buf_str(&right));
	if (width < (int)utf8_columns(buf_str(&left)) + 2) {
		buf_clear(&right);
		width = pen->columns;
	}
	screen_field(line, SCREEN_HEAD, buf_str(&left), (size_t)width, false);
	screen_put(line, SCREEN_HEAD, buf_str(&right));
	screen_end(line, pen->columns);
	buf_free(&left);
	buf_free(&right);
}

/* --- all of it ------------------------------------------------------------ */

static void make_head(struct screen_pen *pen, const struct screen_server *server, size_t count)
{
	const struct model *m = server ? screen_shown(pen->view, server)->m : NULL;

	line_title(pen, server, count);
	if (!server)
		return;
	line_verdict(pen, server);
	line_news(pen, server);
	if (!m || pen->view->rows < NARROW_ROWS)
		return;
	line_memory(pen, m);
	line_load(pen, m);
	line_faults(pen, m);
}

static void grow(struct screen *screen, int rows)
{
	for (int i = rows; i < screen->rows; i++)
		buf_free(&screen->line[i].text);
	screen->line = xrealloc(screen->line, (size_t)(rows ? rows : 1) * sizeof(*screen->line));
	for (int i = screen->rows; i < rows; i++)
		screen->line[i] = (struct screen_line){ .runs = 0 };
	screen->rows = rows;
}

void screen_make(struct screen *screen, struct screen_view *view,
		 const struct screen_server *servers, size_t count)
{
	struct screen_pen pen = { screen, view, 0, view->columns, view->rows - 2 };
	const struct screen_server *server;

	if (view->rows != screen->rows)
		grow(screen, view->rows);
	if (view->server >= count)
		view->server = count ? count - 1 : 0;
	server = count ? &servers[view->server] : NULL;
	make_head(&pen, server, count);
	line_tabs(&pen);
	if (view->help)
		screen_text(&pen, help);
	else if (server)
		screen_table(&pen, servers, count);
	while (screen_next(&pen))
		;
	pen.last = view->rows - 1;
	line_keys(&pen, server);
}

void screen_free(struct screen *screen)
{
	grow(screen, 0);
	free(screen->line);
	*screen = (struct screen){ 0 };
}

void screen_view_clear(struct screen_view *view)
{
	for (int tab = 0; tab < SCREEN_TABS; tab++)
		buf_free(&view->place[tab].mark);
	buf_free(&view->filter);
}

/* --- windows, and stalls that are over ------------------------------------------------- */

/* What was written, which is never nothing at all: NULL is no text. */
static char *taken(struct buf *out)
{
	char *text = xstrdup(buf_str(out));

	buf_free(out);
	return text;
}

void screen_window_judge(struct screen_window *out, struct model *m)
{
	struct buf verdict = { 0 };

	out->m = m;
	out->f = diagnose(m);
	diagnose_verdict(&verdict, m, out->f);
	out->verdict = taken(&verdict);
	out->healthy = diagnose_healthy(m, out->f);
	out->unknown = diagnose_unknown(m);
}

void screen_window_clear(struct screen_window *window)
{
	findings_free(window->f);
	model_free(window->m);
	free(window->verdict);
	*window = (struct screen_window){ 0 };
}

void screen_stall_fill(struct screen_stall *out, const struct model *m, const struct stall *stall)
{
	const struct report_style style = { .columns = WHOLE_COLUMNS };
	struct buf text = { 0 };

	out->wall_ns = RECORD_UNKNOWN;
	if (m->session.wall_start_ns >= 0)
		out->wall_ns = sum_of(m->session.wall_start_ns, sum_whole(stall->t_seconds * 1e9));
	out->seconds = stall->duration_seconds;
	put_clock(&text, out->wall_ns, true);
	out->when = taken(&text);
	text_stall_what(&text, stall);
	out->what = taken(&text);
	text_stall_why(&text, stall);
	out->why = taken(&text);
	report_stall_text(&text, m, stall, &style);
	out->whole = taken(&text);
}

void screen_stall_clear(struct screen_stall *stall)
{
	free(stall->when);
	free(stall->what);
	free(stall->why);
	free(stall->whole);
	*stall = (struct screen_stall){ 0 };
}
