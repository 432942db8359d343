/* SPDX-License-Identifier: BSD-2-Clause */
/* The settings of redmem.conf; see serve_setting.h. */
#include "app/serve_setting.h"

#include <errno.h>
#include <math.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/secret.h"
#include "app/web_listen.h"
#include "app/when.h"

/* --- the tables ------------------------------------------------------------------------ */

#define OF_ALL(field)	 offsetof(struct serve_config, field)
#define OF_SERVER(field) offsetof(struct serve_server, field)
#define BYTES_LEAST	 (4 << 20)

const struct serve_setting serve_settings_of_all[] = {
	{ "listen", VALUE_LISTEN, OF_ALL(listen), 0, 0, "ADDRESS:PORT...", "127.0.0.1:9122",
	  "Where HTTP is answered; several with blanks between. [ADDRESS]:PORT is IPv6, "
	  ":PORT every address, unix:PATH a unix socket." },
	{ "web_config", VALUE_TEXT, OF_ALL(web_config), 0, 0, "FILE", "none",
	  "TLS and users of the web side, a file as Prometheus's exporters have it." },
	{ "run_as", VALUE_USER, OF_ALL(run_as), 0, 0, "USER", "redmem, else nobody",
	  "What the process that judges, keeps and answers becomes." },
	{ "state", VALUE_TEXT, OF_ALL(state), 0, 0, "DIRECTORY", "/var/lib/redmem",
	  "Where the history is." },
	{ "history", VALUE_SWITCH, OF_ALL(history), 0, 0, "on | off", "on", "Keep what happens." },
	{ "history_size", VALUE_BYTES, OF_ALL(history_bytes), BYTES_LEAST, 1e15, "BYTES", "1G",
	  "Most that the history may take on disk; K, M and G stand for 1024, its square and its "
	  "cube." },
	{ "budget", VALUE_NUMBER, OF_ALL(budget_percent), 0, 100, "PERCENT", "0.5",
	  "Most that watching may take from a server, of one core." },
	{ "threshold", VALUE_NUMBER, OF_ALL(threshold_ms), 0, 3600e3, "MS", "5",
	  "Shortest stall that is told." },
	{ "redis_metrics", VALUE_SWITCH, OF_ALL(redis_metrics), 0, 0, "on | off", "on",
	  "Also serve the memory metrics of redis_exporter under its own names. Off where that "
	  "runs, too, so that nobody counts twice." },
	{ "prefixes", VALUE_WHOLE, OF_ALL(prefixes), 0, 10000, "N", "100",
	  "Series of key prefixes for each server; the rest is \"other\"." },
	{ "redact", VALUE_SWITCH, OF_ALL(redact), 0, 0, "on | off", "off",
	  "Keep and show no names: each part of the name of a key, client, user, file or host is a "
	  "keyed hash, in the history, the metrics, reports and labels; what a section of this "
	  "file is called stays. See redmem-security(7). What was kept before stays as it is." },
	{ "redact_key", VALUE_TEXT, OF_ALL(redact_key), 0, 0, "FILE", "a new key each start",
	  "What the hashes are keyed with; not readable by others. Without it a restart gives the "
	  "same key another hash, and labels other names." },
	{ "keys_at", VALUE_TIMES, OF_ALL(keys_at), 0, 0, "HH:MM...", "never",
	  "When to pass over all keys of each server, local times with blanks between: one server "
	  "after the other, and never so fast that a server is slower for it. What it finds, the "
	  "largest keys and what prefixes take, is in the history, in reports and, by prefix, in "
	  "the metrics." },
	{ "keys_of", VALUE_CHOICE, OF_ALL(keys_of), 0, 0, "primary | replica | any", "any",
	  "Which servers that is done with." },
	{ "keys_seconds", VALUE_NUMBER, OF_ALL(keys_seconds), 0, 86400, "SECONDS", "3600",
	  "How long such a pass may take; what it has seen by then is told, as not complete." },
	{ NULL },
};

const struct serve_setting serve_settings_of_server[] = {
	{ "port", VALUE_WHOLE, OF_SERVER(port), 1, 65535, "PORT", "any",
	  "Servers that listen on this port first." },
	{ "socket", VALUE_TEXT, OF_SERVER(socket), 0, 0, "GLOB", "any",
	  "Servers that listen on such a unix socket." },
	{ "unit", VALUE_TEXT, OF_SERVER(unit), 0, 0, "GLOB", "any",
	  "Servers of such a systemd unit: redis-server@*.service." },
	{ "container", VALUE_TEXT, OF_SERVER(container), 0, 0, "GLOB", "any",
	  "Servers in such a container, by the first 12 digits of its id, or its name under LXC." },
	{ "pod", VALUE_TEXT, OF_SERVER(pod), 0, 0, "GLOB", "any",
	  "Servers in such a pod and container of it, NAMESPACE/POD/CONTAINER: "
	  "shop/cache-*/redis." },
	{ "watch", VALUE_SWITCH, OF_SERVER(watch), 0, 0, "on | off", "on",
	  "Off: leave these alone." },
	{ "connect", VALUE_SWITCH, OF_SERVER(connect), 0, 0, "on | off", "on",
	  "Off: only look from the host, never talk to them." },
	{ "user", VALUE_TEXT, OF_SERVER(user), 0, 0, "NAME", "the default user",
	  "User to log in as (ACL)." },
	{ "password", VALUE_TEXT, OF_SERVER(password), 0, 0, "PASSWORD", "none",
	  "Its password. The file must then not be readable by others." },
	{ "password_file", VALUE_TEXT, OF_SERVER(password_file), 0, 0, "FILE", "none",
	  "A file whose first line is the password; not readable by others." },
	{ "uid", VALUE_UID, OF_SERVER(uid), 0, 0, "USER", "one of the system's",
	  "Whom the server's process must belong to: the password goes to nobody else. Without "
	  "it: to root, to redmem's own user, or to a user of the system (below 1000, or a dynamic "
	  "one) whose program only root can write." },
	{ "tls", VALUE_SWITCH, OF_SERVER(tls), 0, 0, "on | off", "off", "Connect with TLS." },
	{ "tls_ca_cert", VALUE_TEXT, OF_SERVER(tls_ca_cert), 0, 0, "FILE",
	  "those the system trusts", "CA to trust." },
	{ "tls_cert", VALUE_TEXT, OF_SERVER(tls_cert), 0, 0, "FILE", "none",
	  "Certificate to show to the server." },
	{ "tls_key", VALUE_TEXT, OF_SERVER(tls_key), 0, 0, "FILE", "none", "Its private key." },
	{ "tls_server_name", VALUE_TEXT, OF_SERVER(tls_server_name), 0, 0, "NAME", "the address",
	  "Whom the server's certificate must be for." },
	{ "tls_insecure", VALUE_SWITCH, OF_SERVER(tls_insecure), 0, 0, "on | off", "off",
	  "Take any certificate." },
	{ "keys", VALUE_SWITCH, OF_SERVER(keys), 0, 0, "on | off", "on",
	  "Off: no scheduled pass over their keys (keys_at)." },
	{ "budget", VALUE_NUMBER, OF_SERVER(budget_percent), 0, 100, "PERCENT", "as for all",
	  "Most that watching may take from these." },
	{ NULL },
};

_Static_assert(sizeof(serve_settings_of_all) <= SERVE_SETTINGS_MAX * sizeof(struct serve_setting) &&
		       sizeof(serve_settings_of_server) <=
			       SERVE_SETTINGS_MAX * sizeof(struct serve_setting),
	       "a line is remembered of each key");

/* --- values ---------------------------------------------------------------------------- */

static bool is_text(const struct serve_setting *setting)
{
	return setting->type <= VALUE_USER;
}

static bool read_switch(const char *text, bool *out)
{
	*out = !strcmp(text, "on");
	return *out || !strcmp(text, "off");
}

/* A number and nothing else, in @setting's bounds. */
static bool read_number(const struct serve_setting *setting, const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (end == text || *end || !(*out <= setting->max))
		return false;
	return setting->type == VALUE_NUMBER ? *out > setting->min :
					       *out >= setting->min && *out == rint(*out);
}

bool serve_setting_bytes(const struct serve_setting *setting, const char *text, int64_t *out)
{
	static const char units[] = "KMG";
	const char *unit;
	double value;
	char *end;

	value = strtod(text, &end);
	unit = *end ? strchr(units, *end) : NULL;
	if (end == text || (*end && (!unit || end[1])))
		return false;
	for (; unit && unit >= units; unit--)
		value *= 1024;
	if (!(value >= setting->min && value <= setting->max))
		return false;
	*out = (int64_t)value;
	return true;
}

static bool read_uid(const char *text, int64_t *out)
{
	const struct passwd *user = getpwnam(text);
	char *end;

	if (user) {
		*out = user->pw_uid;
		return true;
	}
	errno = 0;
	*out = strtol(text, &end, 10);
	return !errno && end != text && !*end && *out >= 0 && *out < UINT32_MAX;
}

/* Which of the words "one | other" @text is. */
static bool read_choice(const char *words, const char *text, int64_t *out)
{
	size_t len = strlen(text);

	for (*out = 0; *words; ++*out) {
		size_t word = strcspn(words, " ");

		if (word == len && !strncmp(words, text, len))
			return true;
		words += word;
		words += strspn(words, " |");
	}
	return false;
}

bool serve_setting_take(const struct serve_setting *setting, void *of, const char *text)
{
	void *at = (char *)of + setting->at;
	double number;

	if (is_text(setting)) {
		secret_forget(*(char **)at);
		*(char **)at = xstrdup(text);
	}
	switch (setting->type) {
	case VALUE_TEXT:
		return *text;
	case VALUE_TIMES:
		return when_next(text, 0) != INT64_MAX;
	case VALUE_LISTEN:
		return web_are_addresses(text);
	case VALUE_USER:
		return getpwnam(text) != NULL;
	case VALUE_SWITCH:
		return read_switch(text, at);
	case VALUE_CHOICE:
		return read_choice(setting->takes, text, at);
	case VALUE_WHOLE:
		if (!read_number(setting, text, &number))
			return false;
		*(int64_t *)at = (int64_t)number;
		return true;
	case VALUE_NUMBER:
		return read_number(setting, text, at);
	case VALUE_BYTES:
		return serve_setting_bytes(setting, text, at);
	case VALUE_UID:
		return read_uid(text, at);
	}
	return false;
}

void serve_setting_describe(const struct serve_setting *setting, char *out, size_t size)
{
	switch (setting->type) {
	case VALUE_TEXT:
		snprintf(out, size, "a text");
		break;
	case VALUE_TIMES:
		snprintf(out, size, "times of the day, as 04:00 16:30");
		break;
	case VALUE_LISTEN:
		snprintf(out, size, "addresses, as 127.0.0.1:9122 [::1]:9122 :9122 unix:/PATH");
		break;
	case VALUE_USER:
		snprintf(out, size, "the name of a user of this host");
		break;
	case VALUE_CHOICE:
		snprintf(out, size, "%s", setting->takes);
		break;
	case VALUE_SWITCH:
		snprintf(out, size, "on or off");
		break;
	case VALUE_WHOLE:
		snprintf(out, size, "a whole number from %.0f to %.0f", setting->min, setting->max);
		break;
	case VALUE_NUMBER:
		snprintf(out, size, "a number above %.0f and at most %.0f", setting->min,
			 setting->max);
		break;
	case VALUE_BYTES:
		snprintf(out, size, "bytes, as 300M or 1G, at least %.0fM",
			 setting->min / (1 << 20));
		break;
	case VALUE_UID:
		snprintf(out, size, "a user's name or number");
		break;
	}
}

/* --- all of a table ---------------------------------------------------------------------- */

const struct serve_setting *serve_setting_find(const struct serve_setting *table, const char *name)
{
	for (; table->name; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}

void serve_settings_wipe(const struct serve_setting *table, void *of)
{
	for (; table->name; table++)
		if (is_text(table))
			secret_forget(*(char **)((char *)of + table->at));
}

bool serve_setting_same(const struct serve_setting *setting, const void *a, const void *b)
{
	const char *x = (const char *)a + setting->at, *y = (const char *)b + setting->at;

	if (is_text(setting)) {
		x = *(char *const *)x;
		y = *(char *const *)y;
		return x && y ? !strcmp(x, y) : x == y;
	}
	switch (setting->type) {
	case VALUE_SWITCH:
		return *(const bool *)x == *(const bool *)y;
	case VALUE_NUMBER:
		return *(const double *)x == *(const double *)y ||
		       (isnan(*(const double *)x) && isnan(*(const double *)y));
	default:
		return *(const int64_t *)x == *(const int64_t *)y;
	}
}

/* What roff would take for its own. */
static void manual_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '-')
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
}

void serve_settings_manual(struct buf *out, const struct serve_setting *table)
{
	for (; table->name; table++) {
		buf_puts(out, ".TP\n.BI \"");
		manual_text(out, table->name);
		buf_puts(out, " = \" \"");
		manual_text(out, table->takes);
		buf_puts(out, "\"\n");
		manual_text(out, table->help);
		buf_puts(out, " Default: ");
		manual_text(out, table->otherwise);
		buf_puts(out, ".\n");
	}
}
