/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem.conf; see serve_config.h. */
#include "app/serve_config.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/secret.h"
#include "app/when.h"
#include "base/glob.h"
#include "report/metrics.h"

#define FILE_MAX     (1 << 20) /* bytes of a configuration */
#define PASSWORD_MAX 4096
#define NAME_BYTES   64 /* of a section's */
#define SECTIONS_MAX 1000

/* --- the keys -------------------------------------------------------------------------- */

enum value_type {
	VALUE_TEXT,
	VALUE_TIMES, /* a text, too */
	VALUE_SWITCH,
	VALUE_CHOICE, /* one of the words of @takes */
	VALUE_WHOLE,
	VALUE_NUMBER,
	VALUE_BYTES,
	VALUE_UID
};

struct key {
	const char *name;
	enum value_type type;
	size_t at; /* in struct serve_config, or serve_server */
	double min, max; /* of numbers; of VALUE_NUMBER the least is not reached */
	const char *takes, *otherwise; /* for the manual */
	const char *help;
};

#define OF_ALL(field)	 offsetof(struct serve_config, field)
#define OF_SERVER(field) offsetof(struct serve_server, field)
#define BYTES_LEAST	 (4 << 20)

static const struct key keys_of_all[] = {
	{ "listen", VALUE_TEXT, OF_ALL(listen), 0, 0, "ADDRESS:PORT...", "127.0.0.1:9122",
	  "Where HTTP is answered; several with blanks between. [ADDRESS]:PORT is IPv6, :PORT "
	  "every "
	  "address, unix:PATH a unix socket." },
	{ "web_config", VALUE_TEXT, OF_ALL(web_config), 0, 0, "FILE", "none",
	  "TLS and users of the web side, a file as Prometheus's exporters have it." },
	{ "run_as", VALUE_TEXT, OF_ALL(run_as), 0, 0, "USER", "redmem, else nobody",
	  "What the process that judges, keeps and answers becomes." },
	{ "state", VALUE_TEXT, OF_ALL(state), 0, 0, "DIRECTORY", "/var/lib/redmem",
	  "Where the history is." },
	{ "history", VALUE_SWITCH, OF_ALL(history), 0, 0, "on | off", "on", "Keep what happens." },
	{ "history_size", VALUE_BYTES, OF_ALL(history_bytes), BYTES_LEAST, 1e15, "BYTES", "1G",
	  "Most that the history may take on disk; K, M and G stand for 1024, its square and its "
	  "cube." },
	{ "budget", VALUE_NUMBER, OF_ALL(budget_percent), 0, 100, "PERCENT", "1",
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

static const struct key keys_of_server[] = {
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

/* --- values ---------------------------------------------------------------------------- */

static void wipe(char *text)
{
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
}

static bool read_switch(const char *text, bool *out)
{
	*out = !strcmp(text, "on");
	return *out || !strcmp(text, "off");
}

/* A number and nothing else, in @key's bounds. */
static bool read_number(const struct key *key, const char *text, double *out)
{
	char *end;

	*out = strtod(text, &end);
	if (end == text || *end || !(*out <= key->max))
		return false;
	return key->type == VALUE_NUMBER ? *out > key->min : *out >= key->min && *out == rint(*out);
}

static bool read_bytes(const struct key *key, const char *text, int64_t *out)
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
	if (!(value >= key->min && value <= key->max))
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

/* Put @text where @key says, in @of. False when it is no such value. */
static bool set_value(const struct key *key, void *of, const char *text)
{
	void *at = (char *)of + key->at;
	double number;

	switch (key->type) {
	case VALUE_TEXT:
		wipe(*(char **)at);
		*(char **)at = xstrdup(text);
		return *text;
	case VALUE_TIMES:
		wipe(*(char **)at);
		*(char **)at = xstrdup(text);
		return when_next(text, 0) != INT64_MAX;
	case VALUE_SWITCH:
		return read_switch(text, at);
	case VALUE_CHOICE:
		return read_choice(key->takes, text, at);
	case VALUE_WHOLE:
		if (!read_number(key, text, &number))
			return false;
		*(int64_t *)at = (int64_t)number;
		return true;
	case VALUE_NUMBER:
		return read_number(key, text, at);
	case VALUE_BYTES:
		return read_bytes(key, text, at);
	case VALUE_UID:
		return read_uid(text, at);
	}
	return false;
}

static void describe_value(const struct key *key, char *out, size_t size)
{
	switch (key->type) {
	case VALUE_TEXT:
		snprintf(out, size, "a text");
		break;
	case VALUE_TIMES:
		snprintf(out, size, "times of the day, as 04:00 16:30");
		break;
	case VALUE_CHOICE:
		snprintf(out, size, "%s", key->takes);
		break;
	case VALUE_SWITCH:
		snprintf(out, size, "on or off");
		break;
	case VALUE_WHOLE:
		snprintf(out, size, "a whole number from %.0f to %.0f", key->min, key->max);
		break;
	case VALUE_NUMBER:
		snprintf(out, size, "a number above %g and at most %g", key->min, key->max);
		break;
	case VALUE_BYTES:
		snprintf(out, size, "bytes, as 300M or 1G, at least %.0fM", key->min / (1 << 20));
		break;
	case VALUE_UID:
		snprintf(out, size, "a user's name or number");
		break;
	}
}

/* --- lines ----------------------------------------------------------------------------- */

struct reading {
	struct serve_config *config;
	const char *path;
	int line;
	struct serve_server *section; /* NULL = before the first */
	struct err *err;
};

static int wrong(const struct reading *r, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int wrong(const struct reading *r, int code, const char *format, ...)
{
	char text[400];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return err_set(r->err, code, "config: %s line %d: %s", r->path, r->line, text);
}

/* Without the blanks around it. */
static char *trim(char *text)
{
	char *end = text + strlen(text);

	while (end > text && strchr(" \t\r", end[-1]))
		*--end = '\0';
	return text + strspn(text, " \t");
}

static bool good_name(const char *name)
{
	size_t len = strlen(name);

	for (const char *c = name; *c; c++)
		if ((unsigned char)*c <= ' ' || *c == 0x7f || *c == '"' || *c == '\\')
			return false;
	return len && len < NAME_BYTES;
}

static int begin_section(struct reading *r, char *text)
{
	struct serve_config *config = r->config;
	size_t len = strlen(text);
	char *name;

	if (text[len - 1] != ']')
		return wrong(r, -EINVAL, "a section ends with ]");
	text[len - 1] = '\0';
	text = trim(text + 1);
	if (strncmp(text, "server", 6) != 0 || !strchr(" \t", text[6]))
		return wrong(r, -EINVAL, "the only sections are [server NAME]");
	name = trim(text + 6);
	if (!good_name(name))
		return wrong(r, -EINVAL,
			     "a server's name has 1 to %d characters, none of them a blank, a "
			     "quote or a backslash",
			     NAME_BYTES - 1);
	for (size_t i = 0; i < config->servers_count; i++)
		if (!strcmp(config->servers[i].name, name))
			return wrong(r, -EEXIST, "server %s is in line %d already", name,
				     config->servers[i].line);
	if (config->servers_count == SECTIONS_MAX)
		return wrong(r, -E2BIG, "more than %d servers; use patterns", SECTIONS_MAX);
	config->servers =
		xrealloc(config->servers, (config->servers_count + 1) * sizeof(*config->servers));
	r->section = &config->servers[config->servers_count++];
	*r->section = (struct serve_server){ .name = xstrdup(name),
					     .line = r->line,
					     .uid = -1,
					     .watch = true,
					     .connect = true,
					     .keys = true,
					     .budget_percent = NAN };
	return 0;
}

static const struct key *find_key(const struct key *keys, const char *name)
{
	for (; keys->name; keys++)
		if (!strcmp(keys->name, name))
			return keys;
	return NULL;
}

static int take_setting(struct reading *r, char *name, char *value)
{
	const struct key *own = r->section ? keys_of_server : keys_of_all;
	const struct key *other = r->section ? keys_of_all : keys_of_server;
	const struct key *key = find_key(own, name);
	char what[96];

	if (!key && find_key(other, name))
		return wrong(r, -EINVAL,
			     r->section ? "%.60s stands before the first [server NAME]" :
					  "%.60s belongs into a section [server NAME]",
			     name);
	if (!key)
		return wrong(r, -EINVAL, "no key %.60s; see redmem.conf(5)", name);
	if (set_value(key, r->section ? (void *)r->section : (void *)r->config, value))
		return 0;
	describe_value(key, what, sizeof(what));
	/* What stands there may be a password in the wrong place. */
	return wrong(r, -EINVAL, "%s takes %s", name, what);
}

static int take_line(struct reading *r, char *text)
{
	char *equals;

	text = trim(text);
	if (!*text || *text == '#')
		return 0;
	if (*text == '[')
		return begin_section(r, text);
	equals = strchr(text, '=');
	if (!equals)
		return wrong(r, -EINVAL, "neither \"key = value\" nor [server NAME]");
	*equals = '\0';
	return take_setting(r, trim(text), trim(equals + 1));
}

/* --- files ----------------------------------------------------------------------------- */

static int read_password(struct serve_server *server, struct err *err)
{
	struct buf text = { 0 };
	struct stat st;
	int ret;

	if (!server->password_file)
		return 0;
	ret = secret_read(&text, server->password_file, PASSWORD_MAX, &st, "config", err);
	if (!ret)
		ret = secret_check(server->password_file, &st, "config", err);
	if (!ret) {
		wipe(server->password);
		server->password = xmemdup(buf_str(&text), strcspn(buf_str(&text), "\r\n"));
		if (!*server->password)
			ret = err_set(err, -EINVAL, "config: %s: its first line is empty",
				      server->password_file);
	}
	secret_wipe(&text);
	return ret;
}

/* What only the whole of a section tells. */
static int check_section(struct reading *r, struct serve_server *server, const struct stat *st)
{
	r->line = server->line;
	if (server->password && server->password_file)
		return wrong(r, -EINVAL,
			     "server %s has a password and a password_file; leave out "
			     "one",
			     server->name);
	if (server->user && !server->password && !server->password_file)
		return wrong(r, -EINVAL, "server %s has a user and no password", server->name);
	if (!server->tls_cert != !server->tls_key)
		return wrong(r, -EINVAL, "server %s: tls_cert and tls_key go together",
			     server->name);
	if (!server->tls && (server->tls_ca_cert || server->tls_cert || server->tls_server_name ||
			     server->tls_insecure))
		return wrong(r, -EINVAL, "server %s has settings of TLS without tls = on",
			     server->name);
	if (server->password && secret_check(r->path, st, "config", r->err))
		return -EPERM;
	return read_password(server, r->err);
}

static struct serve_config *defaults(void)
{
	struct serve_config *config = xcalloc(1, sizeof(*config));

	config->history = true;
	config->budget_percent = config->threshold_ms = NAN;
	config->redis_metrics = true;
	config->prefixes = METRICS_PREFIXES;
	config->keys_of = SERVE_KEYS_ANY;
	config->keys_seconds = 3600;
	return config;
}

static int take_file(struct reading *r, char *text, const struct stat *st)
{
	char *next;
	int ret = 0;

	for (; text && !ret; text = next) {
		next = strchr(text, '\n');
		if (next)
			*next++ = '\0';
		r->line++;
		ret = take_line(r, text);
	}
	for (size_t i = 0; !ret && i < r->config->servers_count; i++)
		ret = check_section(r, &r->config->servers[i], st);
	return ret;
}

int serve_config_read(struct serve_config **out, const char *path, struct err *err)
{
	struct reading r = { .path = path ? path : SERVE_CONFIG_PATH, .err = err };
	struct buf text = { 0 };
	struct stat st;
	int ret = 0;

	r.config = defaults();
	if (path || access(r.path, F_OK) == 0 || errno != ENOENT) {
		ret = secret_read(&text, r.path, FILE_MAX, &st, "config", err);
		if (!ret && text.len)
			ret = take_file(&r, text.data, &st);
		r.config->path = xstrdup(r.path);
	}
	secret_wipe(&text);
	if (ret)
		serve_config_free(r.config);
	else
		*out = r.config;
	return ret;
}

static void free_texts(const struct key *keys, void *of)
{
	for (; keys->name; keys++)
		if (keys->type == VALUE_TEXT || keys->type == VALUE_TIMES)
			wipe(*(char **)((char *)of + keys->at));
}

void serve_config_forget_servers(struct serve_config *config)
{
	for (size_t i = 0; i < config->servers_count; i++) {
		free(config->servers[i].name);
		free_texts(keys_of_server, &config->servers[i]);
	}
	free(config->servers);
	config->servers = NULL;
	config->servers_count = 0;
}

bool serve_config_size(int64_t *out, const char *text)
{
	return read_bytes(find_key(keys_of_all, "history_size"), text, out);
}

void serve_config_free(struct serve_config *config)
{
	if (!config)
		return;
	serve_config_forget_servers(config);
	free_texts(keys_of_all, config);
	free(config->path);
	free(config);
}

/* --- whose ----------------------------------------------------------------------------- */

static bool fits(const char *pattern, const char *text)
{
	return !pattern || glob_fits(pattern, strlen(pattern), text, strlen(text));
}

const struct serve_server *serve_config_find(const struct serve_config *config,
					     const struct serve_who *who)
{
	for (size_t i = 0; i < config->servers_count; i++) {
		const struct serve_server *server = &config->servers[i];

		if ((!server->port || server->port == who->port) &&
		    fits(server->socket, who->socket) && fits(server->unit, who->unit) &&
		    fits(server->container, who->container) && fits(server->pod, who->pod))
			return server;
	}
	return NULL;
}

static bool same_value(const struct key *key, const void *a, const void *b)
{
	const char *x = (const char *)a + key->at, *y = (const char *)b + key->at;

	switch (key->type) {
	case VALUE_TEXT:
		x = *(char *const *)x;
		y = *(char *const *)y;
		return x && y ? !strcmp(x, y) : x == y;
	case VALUE_SWITCH:
		return *(const bool *)x == *(const bool *)y;
	case VALUE_NUMBER:
		return *(const double *)x == *(const double *)y ||
		       (isnan(*(const double *)x) && isnan(*(const double *)y));
	default:
		return *(const int64_t *)x == *(const int64_t *)y;
	}
}

bool serve_server_same(const struct serve_server *a, const struct serve_server *b)
{
	if (!a || !b || a == b)
		return a == b;
	for (const struct key *key = keys_of_server; key->name; key++)
		if (!same_value(key, a, b))
			return false;
	return !strcmp(a->name, b->name);
}

static bool exact(const char *pattern)
{
	return pattern && !strpbrk(pattern, "*?[\\");
}

/* Can the section mean one server only? A unit and a container, of a pod or not, have one. Pods
 * have networks of their own, and in each the same port. */
static bool means_one(const struct serve_server *section)
{
	return (section->port && !section->pod) || exact(section->socket) || exact(section->unit) ||
	       exact(section->container) || exact(section->pod);
}

/* "redis-server@a.service" is "redis-server@a". */
static size_t unit_len(const char *unit)
{
	const char *end = strstr(unit, ".service");

	return end && !end[8] ? (size_t)(end - unit) : strlen(unit);
}

void serve_label(struct buf *out, const struct serve_server *section, const struct serve_who *who)
{
	if (section && means_one(section)) {
		buf_puts(out, section->name);
		return;
	}
	if (section && section->pod)
		buf_printf(out, "%s/%s", section->name, who->pod);
	else if (section)
		buf_puts(out, section->name);
	else if (*who->pod)
		buf_puts(out, who->pod);
	else if (*who->container)
		buf_puts(out, who->container);
	else if (*who->unit)
		buf_add(out, who->unit, unit_len(who->unit));
	if (!out->len)
		buf_puts(out, *who->address ? who->address : "unknown");
	else if (who->port)
		buf_printf(out, ":%d", who->port);
	else if (*who->socket)
		buf_printf(out, ":%s", who->socket);
}

/* --- the manual ------------------------------------------------------------------------ */

/* What roff would take for its own. */
static void manual_text(struct buf *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\' || *text == '-')
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
}

static void manual_keys(struct buf *out, const struct key *keys)
{
	for (; keys->name; keys++) {
		buf_puts(out, ".TP\n.BI \"");
		manual_text(out, keys->name);
		buf_puts(out, " = \" \"");
		manual_text(out, keys->takes);
		buf_puts(out, "\"\n");
		manual_text(out, keys->help);
		buf_puts(out, " Default: ");
		manual_text(out, keys->otherwise);
		buf_puts(out, ".\n");
	}
}

void serve_config_manual(struct buf *out)
{
	buf_puts(out, ".SH KEYS\n");
	manual_keys(out, keys_of_all);
	buf_puts(out, ".SH \"KEYS OF A SECTION [server NAME]\"\n"
		      "A server belongs to the first section whose patterns all fit; one without "
		      "patterns fits every server.\n");
	manual_keys(out, keys_of_server);
}
