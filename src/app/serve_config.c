/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem.conf; see serve_config.h. */
#include "app/serve_config.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/secret.h"
#include "base/glob.h"
#include "report/metrics.h"

#define FILE_MAX     (1 << 20) /* bytes of a configuration */
#define PASSWORD_MAX 4096
#define NAME_BYTES   64 /* of a section's */
#define SECTIONS_MAX 1000

/* --- lines ----------------------------------------------------------------------------- */

struct reading {
	struct serve_config *config;
	const char *path;
	int line;
	struct serve_server *section; /* NULL = before the first */
	int lines[SERVE_SETTINGS_MAX]; /* where each key of it was set; 0 = not yet */
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
	memset(r->lines, 0, sizeof(r->lines));
	return 0;
}

static int take_setting(struct reading *r, char *name, char *value)
{
	const struct serve_setting *own =
		r->section ? serve_settings_of_server : serve_settings_of_all;
	const struct serve_setting *other =
		r->section ? serve_settings_of_all : serve_settings_of_server;
	const struct serve_setting *key = serve_setting_find(own, name);
	size_t word = strcspn(name, " \t:"); /* behind that a password may stand */
	char what[96];

	if (!key && serve_setting_find(other, name))
		return wrong(r, -EINVAL,
			     r->section ? "%.60s stands before the first [server NAME]" :
					  "%.60s belongs into a section [server NAME]",
			     name);
	if (!key)
		return wrong(r, -EINVAL, "no key %.*s; see redmem.conf(5)",
			     word < 60 ? (int)word : 60, name);
	if (r->lines[key - own])
		return wrong(r, -EEXIST, "%s is set in line %d already", name, r->lines[key - own]);
	r->lines[key - own] = r->line;
	if (serve_setting_take(key, r->section ? (void *)r->section : (void *)r->config, value))
		return 0;
	serve_setting_describe(key, what, sizeof(what));
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
	if (!equals || equals == text)
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
		secret_forget(server->password);
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

/* Half of what a watch of a minute may take: it is always there. */
#define SERVE_BUDGET_PERCENT 0.5

static struct serve_config *defaults(void)
{
	struct serve_config *config = xcalloc(1, sizeof(*config));

	config->history = true;
	config->budget_percent = SERVE_BUDGET_PERCENT;
	config->threshold_ms = NAN;
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

void serve_config_forget_servers(struct serve_config *config)
{
	for (size_t i = 0; i < config->servers_count; i++) {
		free(config->servers[i].name);
		serve_settings_wipe(serve_settings_of_server, &config->servers[i]);
	}
	free(config->servers);
	config->servers = NULL;
	config->servers_count = 0;
}

bool serve_config_size(int64_t *out, const char *text)
{
	return serve_setting_bytes(serve_setting_find(serve_settings_of_all, "history_size"), text,
				   out);
}

void serve_config_free(struct serve_config *config)
{
	if (!config)
		return;
	serve_config_forget_servers(config);
	serve_settings_wipe(serve_settings_of_all, config);
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

bool serve_server_same(const struct serve_server *a, const struct serve_server *b)
{
	if (!a || !b || a == b)
		return a == b;
	for (const struct serve_setting *key = serve_settings_of_server; key->name; key++)
		if (!serve_setting_same(key, a, b))
			return false;
	return !strcmp(a->name, b->name);
}

/* --- the manual ------------------------------------------------------------------------ */

void serve_config_manual(struct buf *out)
{
	buf_puts(out, ".SH KEYS\n");
	serve_settings_manual(out, serve_settings_of_all);
	buf_puts(out, ".SH \"KEYS OF A SECTION [server NAME]\"\n"
		      "A server belongs to the first section whose patterns all fit; one without "
		      "patterns fits every server.\n");
	serve_settings_manual(out, serve_settings_of_server);
}
