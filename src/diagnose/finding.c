/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building a finding, and the small texts it is made of. The only place in this
 * room that turns a client's bytes into something a person reads or pastes.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"
#include "diagnose/finding.h"
#include "model/keyspace.h"

const char *severity_name(enum severity severity)
{
	static const char *const names[] = { "info", "warning", "critical" };

	return names[severity];
}

#define KEY_COLUMNS    60 /* of a key in a title: leaves room in 100 columns */
#define SHELL_KEY_MAX  128 /* longer keys are not offered for pasting */
#define SHELL_PATH_MAX 200 /* of a socket, likewise */
#define DEFAULT_PORT   6379
#define SHELL_HARMLESS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:._/@+,=-"

/* Move a buffer into a text; what does not fit is cut between two UTF-8 characters. */
static struct phrase phrase_from(struct buf *b)
{
	struct phrase t;
	size_t len = b->len < sizeof(t.s) ? b->len : sizeof(t.s) - 1;

	if (len < b->len)
		while (len > 0 && ((unsigned char)b->data[len] & 0xc0) == 0x80)
			len--;
	memcpy(t.s, buf_str(b), len);
	t.s[len] = '\0';
	buf_free(b);
	return t;
}

struct phrase say_bytes(int64_t bytes)
{
	struct buf b = { 0 };

	fmt_bytes(&b, bytes);
	return phrase_from(&b);
}

struct phrase say_seconds(double seconds)
{
	struct buf b = { 0 };

	fmt_seconds(&b, seconds);
	return phrase_from(&b);
}

struct phrase say_count(int64_t n)
{
	struct buf b = { 0 };

	fmt_count(&b, n);
	return phrase_from(&b);
}

struct phrase say_refused(const struct model *m, const char *error)
{
	int64_t refused = model_errors(m, error);
	struct buf b = { 0 };

	if (refused > 0) {
		buf_puts(&b, ", and ");
		fmt_count(&b, refused);
		buf_printf(&b, " request%s refused (%s)", refused == 1 ? " was" : "s were", error);
	}
	return phrase_from(&b);
}

struct phrase say_percent(double ratio)
{
	struct buf b = { 0 };

	buf_printf(&b, fabs(ratio) < 0.0995 ? "%.1f %%" : "%.0f %%", ratio * 100);
	return phrase_from(&b);
}

struct phrase say_key(const void *key, size_t len)
{
	struct buf b = { 0 };

	escape_terminal(&b, key, len, KEY_COLUMNS);
	return phrase_from(&b);
}

struct phrase say_process(const char *name, int64_t pid)
{
	struct phrase t = say_key(name, strlen(name));
	size_t len = strlen(t.s);

	if (pid > 0)
		snprintf(t.s + len, sizeof(t.s) - len, " (process %lld)", (long long)pid);
	return t;
}

struct phrase say_client(const struct record_client *client)
{
	struct phrase t = say_key(client->address.data, client->address.len);
	size_t len = strlen(t.s);

	if (client->name.len > 0)
		snprintf(t.s + len, sizeof(t.s) - len, " (name %.80s)",
			 say_key(client->name.data, client->name.len).s);
	else if (*client->user && strcmp(client->user, "default") != 0)
		snprintf(t.s + len, sizeof(t.s) - len, " (user %.80s)",
			 say_key(client->user, strlen(client->user)).s);
	return t;
}

struct phrase say_command(const char *command)
{
	struct buf b = { 0 };

	if (command == NULL || command[0] == '\0')
		buf_puts(&b, "the event loop");
	else
		for (const char *p = command; *p != '\0'; p++)
			buf_putc(&b, *p == '|' ? ' ' : *p >= 'a' && *p <= 'z' ? *p - 32 : *p);
	return phrase_from(&b);
}

/* No quoting needed in a POSIX shell, and not an option of redis-cli. */
static bool shell_harmless(const char *s, size_t len)
{
	if (len == 0 || len > SHELL_KEY_MAX || s[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (s[i] == '\0' || strchr(SHELL_HARMLESS, s[i]) == NULL)
			return false;
	return true;
}

/* A key for a line that people paste into a shell: the key itself when it is harmless there, else
 * the word KEY. Key names are chosen by the server's clients. */
static struct phrase say_shell_key(const void *key, size_t len)
{
	struct buf b = { 0 };

	if (shell_harmless(key, len))
		buf_add(&b, key, len);
	else
		buf_puts(&b, "KEY");
	return phrase_from(&b);
}

__attribute__((nonnull(2), format(printf, 2, 0))) static void
buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *s;
	int len;

	va_copy(again, ap);
	len = vsnprintf(NULL, 0, fmt, ap);
	s = xcalloc((size_t)len + 1, 1);
	vsnprintf(s, (size_t)len + 1, fmt, again);
	va_end(again);
	buf_puts(b, s);
	free(s);
}

/* Without its address the command would ask another server. */
static void say_socket(struct buf *b, const char *path)
{
	struct buf word = { 0 };

	escape_shell(&word, path, strlen(path));
	buf_printf(b, " -s %s", word.len <= SHELL_PATH_MAX ? buf_str(&word) : "SOCKET");
	buf_free(&word);
}

struct phrase say_cli(const struct model *m, const char *fmt, ...)
{
	const struct record_target *t = &m->target;
	struct buf b = { 0 };
	va_list ap;

	buf_puts(&b, t->server != NULL && strcmp(t->server, "valkey") == 0 ? "valkey-cli" :
									     "redis-cli");
	if (t->port > 0) {
		if (t->port != DEFAULT_PORT)
			buf_printf(&b, " -p %lld", (long long)t->port);
	} else if (t->socket != NULL && *t->socket != '\0') {
		say_socket(&b, t->socket);
	} else if (t->pid == RECORD_UNKNOWN) {
		buf_puts(&b, " -h HOST"); /* not on this host: never offer the one that is */
	}
	if (m->keyspace != NULL && m->keyspace->parts_count > 0 && m->keyspace->parts[0].node[0])
		buf_puts(&b, " -c"); /* a cluster: the key's node is found by redirection */
	buf_putc(&b, ' ');
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	return phrase_from(&b);
}

struct phrase say_key_cli(const struct model *m, struct bytes key, int64_t db, const char *command,
			  const char *rest)
{
	struct phrase name = say_shell_key(key.data, key.len);
	const char *blank = *rest ? " " : "";

	if (db > 0)
		return say_cli(m, "-n %lld %s %s%s%s", (long long)db, command, name.s, blank, rest);
	return say_cli(m, "%s %s%s%s", command, name.s, blank, rest);
}

static char *format(const char *fmt, va_list ap)
{
	struct buf b = { 0 };

	buf_vprintf(&b, fmt, ap);
	return b.data != NULL ? b.data : xstrdup("");
}

void finding_title(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	free(f->title);
	va_start(ap, fmt);
	f->title = format(fmt, ap);
	va_end(ap);
}

void finding_cause(struct finding *f, const char *fmt, ...)
{
	va_list ap;

	free(f->cause);
	va_start(ap, fmt);
	f->cause = format(fmt, ap);
	va_end(ap);
}

static struct evidence *evidence_add(struct finding *f, const char *name)
{
	struct evidence *e;

	f->evidence = xrealloc(f->evidence, (f->evidence_count + 1) * sizeof(*f->evidence));
	e = &f->evidence[f->evidence_count++];
	*e = (struct evidence){ .name = xstrdup(name), .value = NAN, .unit = "" };
	return e;
}

void finding_evidence(struct finding *f, const char *name, double value, const char *unit,
		      enum basis basis)
{
	struct evidence *e;

	if (isnan(value))
		return;
	e = evidence_add(f, name);
	e->value = value;
	e->unit = unit;
	e->basis = basis;
}

void finding_evidence_count(struct finding *f, const char *name, int64_t n, const char *unit,
			    enum basis basis)
{
	finding_evidence(f, name, n == RECORD_UNKNOWN ? NAN : (double)n, unit, basis);
}

void finding_evidence_bytes(struct finding *f, const char *name, int64_t bytes, enum basis basis)
{
	finding_evidence_count(f, name, bytes, "bytes", basis);
}

void finding_evidence_text(struct finding *f, const char *name, const char *text, enum basis basis)
{
	struct evidence *e;

	if (text == NULL)
		return;
	e = evidence_add(f, name);
	e->text = xstrdup(text);
	e->basis = basis;
}

void finding_action(struct finding *f, int64_t gain_bytes, const char *command, const char *fmt,
		    ...)
{
	struct action *a;
	va_list ap;

	f->actions = xrealloc(f->actions, (f->actions_count + 1) * sizeof(*f->actions));
	a = &f->actions[f->actions_count++];
	a->command = xstrdup(command);
	a->expected_gain_bytes = gain_bytes;
	va_start(ap, fmt);
	a->text = format(fmt, ap);
	va_end(ap);
}

void finding_clear(struct finding *f)
{
	for (size_t i = 0; i < f->evidence_count; i++) {
		free(f->evidence[i].name);
		free(f->evidence[i].text);
	}
	for (size_t i = 0; i < f->actions_count; i++) {
		free(f->actions[i].text);
		free(f->actions[i].command);
	}
	free(f->evidence);
	free(f->actions);
	free(f->title);
	free(f->cause);
	memset(f, 0, sizeof(*f));
}
