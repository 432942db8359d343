/* SPDX-License-Identifier: BSD-2-Clause */
/* The terminal under `redmem top`; see top_term.h. */
#define NCURSES_WIDECHAR 1
#define _GNU_SOURCE	 1 /* memfd_create(), wcwidth() */
#include "app/top_term.h"

#include <curses.h>
#include <errno.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

/* Capabilities of terminals, which <term.h> has as macros. */
#undef columns
#undef lines

#include "app/top_keys.h"
#include "base/escape.h"

#define ESCAPE_MS  100 /* a terminal far away sends the rest of a key's bytes within that */
#define SAID_BYTES 16384 /* of what was written to stderr meanwhile, the last */
#define PIECE_MOST 512 /* characters of a piece; no terminal is wider */

/* For the handler of fatal signals: written before it may come, and read only. */
static struct {
	bool open;
	pid_t pid;
	bool have_termios;
	struct termios termios;
	char restore[256]; /* what a terminal is sent to be as it was */
	size_t restore_len;
	int said_fd, stderr_fd; /* -1 = none */
} saved = { .said_fd = -1, .stderr_fd = -1 };

static volatile sig_atomic_t asked;
static SCREEN *terminal;
static bool utf8;
static attr_t attrs[SCREEN_ATTRS];

/* --- signals ----------------------------------------------------------------------------- */

static const int fatal[] = { SIGSEGV, SIGBUS,  SIGILL,	SIGFPE,	 SIGABRT, SIGQUIT,
			     SIGSYS,  SIGTRAP, SIGALRM, SIGUSR1, SIGUSR2, SIGXCPU };

/* Nothing here may be anything but a call that a handler may make (signal-safety(7)). */
static void restore_now(void)
{
	if (saved.have_termios)
		tcsetattr(STDIN_FILENO, TCSANOW, &saved.termios);
	if (write(STDOUT_FILENO, saved.restore, saved.restore_len) < 0)
		return; /* it is gone */
}

/* A child of fork() has not the terminal, though it has the handlers. */
static void on_fatal(int sig)
{
	if (saved.open && getpid() == saved.pid) {
		restore_now();
		if (saved.stderr_fd >= 0)
			dup2(saved.stderr_fd, STDERR_FILENO);
	}
	/* It was reset when this was called, and comes when this is over. */
	raise(sig);
}

static void on_end(int sig)
{
	(void)sig;
	asked = 1;
}

static void catch_signals(void)
{
	struct sigaction end = { .sa_handler = on_end };
	struct sigaction die = { .sa_handler = on_fatal,
				 .sa_flags = SA_RESETHAND | SA_NODEFER | SA_ONSTACK };
	/* A stack that has run over has no room for a handler. */
	static char stack[16384];
	stack_t other = { .ss_sp = stack, .ss_size = sizeof(stack) };

	sigaltstack(&other, NULL);
	sigaction(SIGINT, &end, NULL);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGHUP, &end, NULL);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++)
		sigaction(fatal[i], &die, NULL);
	signal(SIGPIPE, SIG_IGN);
}

bool top_term_asked_to_end(void)
{
	return asked;
}

/* --- what is said on stderr meanwhile ------------------------------------------------------ */

static void keep_stderr(void)
{
	saved.said_fd = memfd_create("redmem-top", MFD_CLOEXEC);
	saved.stderr_fd = dup(STDERR_FILENO);
	if (saved.said_fd < 0 || saved.stderr_fd < 0)
		return;
	fflush(stderr);
	dup2(saved.said_fd, STDERR_FILENO);
}

static void say_what_was_kept(void)
{
	char text[SAID_BYTES];
	off_t end = lseek(saved.said_fd, 0, SEEK_END);
	off_t from = end > SAID_BYTES ? end - SAID_BYTES : 0;
	ssize_t len;

	fflush(stderr);
	if (saved.stderr_fd < 0)
		return;
	dup2(saved.stderr_fd, STDERR_FILENO);
	close(saved.stderr_fd);
	len = saved.said_fd < 0 ? 0 : pread(saved.said_fd, text, sizeof(text), from);
	if (len > 0)
		fwrite(text, 1, (size_t)len, stderr);
	close(saved.said_fd);
	saved.said_fd = saved.stderr_fd = -1;
}

/* --- taking it and giving it back ----------------------------------------- */

int top_term_check(struct err *err)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return err_set(err, -ENOTTY,
			       "top: stdin and stdout must be a terminal; for a pipe or a file use "
			       "`redmem doctor --every 1`");
	return 0;
}

static int put_restore(int c)
{
	if (saved.restore_len == sizeof(saved.restore))
		return EOF;
	saved.restore[saved.restore_len++] = (char)c;
	return c;
}

static void learn_restore(void)
{
	static const char *const names[] = { "sgr0", "op", "rmkx", "cnorm", "rmcup" };

	saved.restore_len = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *text = tigetstr(names[i]);

		if (text && text != (const char *)-1)
			tputs(text, 1, put_restore);
		else if (!strcmp(names[i], "rmcup"))
			tputs("\r\n", 1, put_restore); /* no other screen to go back to */
	}
}

static void set_attrs(void)
{
	static const struct {
		enum screen_attr attr;
		short colour;
		attr_t plain; /* without colours, and with */
		attr_t coloured;
	} looks[] = {
		{ SCREEN_BOLD, -1, A_BOLD, A_BOLD },
		{ SCREEN_DIM, -1, A_NORMAL, A_DIM },
		{ SCREEN_GOOD, COLOR_GREEN, A_BOLD, A_BOLD },
		{ SCREEN_WARNING, COLOR_YELLOW, A_BOLD, A_BOLD },
		{ SCREEN_BAD, COLOR_RED, A_BOLD | A_UNDERLINE, A_BOLD },
		{ SCREEN_HEAD, -1, A_REVERSE, A_REVERSE },
		{ SCREEN_CHOSEN, -1, A_REVERSE | A_BOLD, A_REVERSE | A_BOLD },
	};
	bool colours = !getenv("NO_COLOR") && has_colors() && start_color() == OK;

	if (colours)
		use_default_colors();
	for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++) {
		attrs[looks[i].attr] = colours ? looks[i].coloured : looks[i].plain;
		if (!colours || looks[i].colour < 0)
			continue;
		init_pair((short)(i + 1), looks[i].colour, -1);
		attrs[looks[i].attr] |= (attr_t)COLOR_PAIR(i + 1);
	}
}

/* Terminals that one cannot move about on are known, too. */
static bool take_terminal(void)
{
	const char *move;

	terminal = newterm(NULL, stdout, stdin);
	if (!terminal)
		return false;
	move = tigetstr("cup");
	if (move && move != (const char *)-1)
		return true;
	endwin();
	delscreen(terminal);
	return false;
}

int top_term_open(struct err *err)
{
	const char *name = getenv("TERM");

	/* Of characters alone: numbers keep their point. */
	setlocale(LC_CTYPE, "");
	utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	saved.have_termios = !tcgetattr(STDIN_FILENO, &saved.termios);
	saved.pid = getpid();
	if (!take_terminal())
		return err_set(err, -ENOTTY,
			       "top: the terminal '%.40s' (TERM) is not known, or has no way to "
			       "move about on it; use `redmem doctor --every 1`",
			       name ? name : "");
	learn_restore();
	saved.open = true;
	atexit(top_term_close);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(ESCAPE_MS);
	curs_set(0);
	set_attrs();
	catch_signals(); /* after ncurses has set its own */
	keep_stderr();
	return 0;
}

void top_term_close(void)
{
	if (!saved.open)
		return;
	saved.open = false;
	/* Where there is no other screen to go back to, what follows has its own line. */
	move(LINES - 1, 0);
	clrtoeol();
	refresh();
	endwin();
	/* ncurses gives back what it has found; what others set before is ours to give back. */
	if (saved.have_termios)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &saved.termios);
	delscreen(terminal);
	terminal = NULL;
	say_what_was_kept();
}

/* --- drawing -------------------------------------------------------------- */

void top_term_size(int *rows, int *columns)
{
	getmaxyx(stdscr, *rows, *columns);
}

void top_term_redraw(void)
{
	clearok(stdscr, TRUE);
}

/* One character of plain UTF-8; its length. */
static size_t next_char(const char *text, uint32_t *c)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	*c = n == 1 ? p[0] : p[0] & (0xffU >> (n + 1));
	for (size_t i = 1; i < n; i++)
		*c = *c << 6 | (p[i] & 0x3f);
	return n;
}

/* As the terminal can show it: what this libc or this terminal does not know, what has no width of
 * its own, or more than was reckoned with, is a question mark. */
static wchar_t shown_char(uint32_t c, const char *text, size_t len)
{
	char one[5] = "";
	int width;

	if (c < 0x80)
		return (wchar_t)c;
	if (!utf8)
		return c == 0x2588 ? L'#' : c == 0x2591 ? L'.' : L'?';
	memcpy(one, text, len);
	width = wcwidth((wchar_t)c);
	return width > 0 && (size_t)width <= utf8_columns(one) ? (wchar_t)c : L'?';
}

static void draw_piece(const char *text, size_t len)
{
	wchar_t shown[PIECE_MOST];
	size_t count = 0;

	while (len && count < PIECE_MOST) {
		uint32_t c;
		size_t n = next_char(text, &c);

		shown[count++] = shown_char(c, text, n);
		text += n;
		len -= n;
	}
	addnwstr(shown, (int)count);
}

static void draw_line(int row, const struct screen_line *line)
{
	move(row, 0);
	attrset(A_NORMAL);
	clrtoeol();
	for (size_t i = 0; i < line->runs; i++) {
		const struct screen_run *run = &line->run[i];
		size_t end = i + 1 < line->runs ? line->run[i + 1].at : line->text.len;

		attrset((int)attrs[run->attr]);
		move(row, run->column);
		draw_piece(line->text.data + run->at, end - run->at);
	}
	attrset(A_NORMAL);
}

void top_term_draw(const struct screen *screen)
{
	for (int row = 0; row < screen->rows; row++)
		draw_line(row, &screen->line[row]);
	refresh();
}

/* --- keys ----------------------------------------------------------------- */

static uint32_t special(wint_t key)
{
	static const struct {
		wint_t code;
		enum top_key key;
	} keys[] = {
		{ KEY_UP, TOP_KEY_UP },		{ KEY_DOWN, TOP_KEY_DOWN },
		{ KEY_LEFT, TOP_KEY_LEFT },	{ KEY_RIGHT, TOP_KEY_RIGHT },
		{ KEY_PPAGE, TOP_KEY_PAGE_UP }, { KEY_NPAGE, TOP_KEY_PAGE_DOWN },
		{ KEY_HOME, TOP_KEY_HOME },	{ KEY_END, TOP_KEY_END },
		{ KEY_ENTER, TOP_KEY_ENTER },	{ KEY_BACKSPACE, TOP_KEY_BACKSPACE },
		{ KEY_BTAB, TOP_KEY_BACK_TAB }, { KEY_RESIZE, TOP_KEY_RESIZE },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (keys[i].code == key)
			return keys[i].key;
	return TOP_KEY_RESIZE; /* of no meaning but that it is drawn */
}

uint32_t top_term_key(void)
{
	wint_t key;
	int ret = get_wch(&key);

	if (ret == ERR)
		return TOP_KEY_NONE;
	if (ret == KEY_CODE_YES)
		return special(key);
	if (key == '\r' || key == '\n')
		return TOP_KEY_ENTER;
	return key == 127 || key == 8 ? TOP_KEY_BACKSPACE : (uint32_t)key;
}
