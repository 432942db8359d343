/* SPDX-License-Identifier: BSD-2-Clause */
/* The web config file; see web_config.h. libyaml reads it, event by event. */
#define _GNU_SOURCE 1 /* explicit_bzero() */
#include "app/web_config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yaml.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/escape.h"

#define FILE_MAX (256 << 10)

struct reader {
	yaml_parser_t parser;
	const char *path;
	struct web_file *file;
	/* Names of files, as they stand there, and where. */
	char *cert_file, *key_file, *client_ca_file;
	int line; /* of the newest key */
	int auth_line; /* client_auth_type's; 0 = it is not there */
	int tls_line, users_line; /* of the sections; 0 = not there */
	struct err *err;
};

/* --- complaints ------------------------------------------------------------------------- */

static int complain(struct reader *r, int line, const char *what, const char *whose,
		    const char *help)
{
	struct buf name = {};

	if (whose)
		escape_terminal(&name, whose, strlen(whose), 60);
	err_set(r->err, -EINVAL, "web config: %s, line %d: %s%s%s%s%s", r->path, line, what,
		whose ? " \"" : "", buf_str(&name), whose ? "\"" : "", help);
	buf_free(&name);
	return -EINVAL;
}

static int not_yaml(struct reader *r)
{
	const yaml_parser_t *p = &r->parser;

	return complain(r, (int)p->problem_mark.line + 1, "this is not YAML: ", NULL,
			p->problem ? p->problem : "cut off");
}

/* --- events ----------------------------------------------------------------------------- */

static int next_event(struct reader *r, yaml_event_t *event)
{
	return yaml_parser_parse(&r->parser, event) ? 0 : not_yaml(r);
}

static int line_of(const yaml_event_t *event)
{
	return (int)event->start_mark.line + 1;
}

/* Takes one value of a mapping: @event is where it begins. */
typedef int (*take_fn)(struct reader *r, const char *key, yaml_event_t *event);

/* The text of @event, which must be a plain word or a string; the caller's. */
static int take_text(struct reader *r, const char *key, const yaml_event_t *event, char **out)
{
	const char *text = (const char *)event->data.scalar.value;

	if (event->type != YAML_SCALAR_EVENT)
		return complain(r, r->line, "one value is wanted of", key, "");
	if (strlen(text) != event->data.scalar.length)
		return complain(r, r->line, "there is a NUL in the value of", key, "");
	if (!*text)
		return complain(r, r->line, "there is no value of", key, "");
	if (*out)
		return complain(r, r->line, "it is there twice:", key, "");
	*out = xstrdup(text);
	return 0;
}

/* A mapping that @begin has opened: @take for each of its values. */
static int take_mapping(struct reader *r, const char *name, const yaml_event_t *begin, take_fn take)
{
	yaml_event_t key, value;
	int ret = 0;

	if (begin->type == YAML_SCALAR_EVENT && !*(const char *)begin->data.scalar.value)
		return 0; /* "basic_auth_users:" and nothing below */
	if (begin->type != YAML_MAPPING_START_EVENT)
		return complain(r, line_of(begin), "lines \"name: value\" are wanted in", name, "");
	while (!ret) {
		ret = next_event(r, &key);
		if (ret)
			break;
		if (key.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&key);
			break;
		}
		if (key.type != YAML_SCALAR_EVENT)
			ret = complain(r, line_of(&key), "no name is one in", name, "");
		else if (strlen((char *)key.data.scalar.value) != key.data.scalar.length)
			ret = complain(r, line_of(&key), "there is a NUL in a name of", name, "");
		else
			ret = next_event(r, &value);
		if (!ret) {
			r->line = line_of(&key);
			ret = take(r, (const char *)key.data.scalar.value, &value);
			yaml_event_delete(&value);
		}
		yaml_event_delete(&key);
	}
	return ret;
}

/* --- what it says ----------------------------------------------------------------------- */

static int take_word(struct reader *r, const char *key, const yaml_event_t *event,
		     const char *const *words, int count, int *out)
{
	char *text = NULL;
	struct buf help = {};
	int ret = take_text(r, key, event, &text), n;

	if (ret)
		return ret;
	for (n = 0; n < count && strcmp(text, words[n]); n++)
		;
	*out = n;
	if (n == count) {
		buf_puts(&help, " is not one of");
		for (int i = 0; i < count; i++)
			buf_printf(&help, "%s %s", i ? "," : "", words[i]);
		ret = complain(r, r->line, key, text, buf_str(&help));
	}
	buf_free(&help);
	free(text);
	return ret;
}

static int take_tls(struct reader *r, const char *key, yaml_event_t *event)
{
	static const char *const auths[WEB_CLIENT_KINDS] = {
		[WEB_CLIENT_NONE] = "NoClientCert",
		[WEB_CLIENT_ASK] = "RequestClientCert",
		[WEB_CLIENT_ANY] = "RequireAnyClientCert",
		[WEB_CLIENT_VERIFY] = "VerifyClientCertIfGiven",
		[WEB_CLIENT_REQUIRE] = "RequireAndVerifyClientCert",
	};
	static const char *const versions[] = { "TLS12", "TLS13" };
	int word = 0, ret;

	if (!strcmp(key, "cert_file"))
		return take_text(r, key, event, &r->cert_file);
	if (!strcmp(key, "key_file"))
		return take_text(r, key, event, &r->key_file);
	if (!strcmp(key, "client_ca_file"))
		return take_text(r, key, event, &r->client_ca_file);
	if (!strcmp(key, "client_auth_type")) {
		r->auth_line = r->line;
		ret = take_word(r, key, event, auths, WEB_CLIENT_KINDS, &word);
		r->file->client_auth = (enum web_client_auth)word;
		return ret;
	}
	if (!strcmp(key, "min_version")) {
		ret = take_word(r, key, event, versions, 2, &word);
		r->file->tls13_only = word == 1;
		return ret;
	}
	return complain(r, r->line, "unknown key", key,
			" in tls_server_config; there are cert_file, key_file, client_ca_file, "
			"client_auth_type and min_version");
}

/* "$2y$10$" and 22 characters of salt, 31 of the hash. */
static bool is_bcrypt(const char *hash)
{
	static const char digits[] =
		"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	return strlen(hash) == 60 && hash[0] == '$' && hash[1] == '2' && strchr("aby", hash[2]) &&
	       hash[3] == '$' && hash[4] >= '0' && hash[4] <= '9' && hash[5] >= '0' &&
	       hash[5] <= '9' && hash[6] == '$' && strspn(hash + 7, digits) == 53;
}

static int take_user(struct reader *r, const char *name, yaml_event_t *event)
{
	struct web_file *file = r->file;
	struct web_user user = {};
	int ret = take_text(r, name, event, &user.hash), cost;

	if (ret)
		return ret;
	cost = is_bcrypt(user.hash) ? atoi(user.hash + 4) : 0;
	if (!*name || strchr(name, ':'))
		ret = complain(r, r->line, "no name of a user (empty, or with a colon):", name, "");
	else if (cost < 4)
		ret = complain(r, r->line, "this is no bcrypt hash, the password of", name,
			       "; make one with `htpasswd -nBC 10 \"\"`");
	else if (cost > WEB_BCRYPT_COST_MAX)
		ret = complain(r, r->line,
			       "to check it would take too long (bcrypt's cost "
			       "is at most 15 here), the password of",
			       name, "");
	else if (file->users_count == WEB_USERS_MAX)
		ret = complain(r, r->line, "there are more than 64 users, with", name, "");
	for (size_t i = 0; !ret && i < file->users_count; i++)
		if (!strcmp(file->users[i].name, name))
			ret = complain(r, r->line, "it is there twice: user", name, "");
	if (ret) {
		explicit_bzero(user.hash, strlen(user.hash));
		free(user.hash);
		return ret;
	}
	user.name = xstrdup(name);
	file->users = array_grow(file->users, file->users_count, sizeof(user));
	file->users[file->users_count++] = user;
	return 0;
}

static int take_section(struct reader *r, const char *key, yaml_event_t *event)
{
	bool tls = !strcmp(key, "tls_server_config");
	int *line = tls ? &r->tls_line : &r->users_line;

	if (!tls && strcmp(key, "basic_auth_users"))
		return complain(r, r->line, "unknown key", key,
				"; there are tls_server_config and basic_auth_users");
	if (*line)
		return complain(r, r->line, "it is there twice:", key, "");
	*line = r->line;
	return take_mapping(r, key, event, tls ? take_tls : take_user);
}

/* One document with one mapping, or an empty file. */
static int take_file(struct reader *r)
{
	yaml_event_t event;
	bool over = false;
	int ret = 0;

	while (!ret && !over) {
		ret = next_event(r, &event);
		if (ret)
			break;
		switch (event.type) {
		case YAML_STREAM_START_EVENT:
		case YAML_DOCUMENT_START_EVENT:
		case YAML_DOCUMENT_END_EVENT:
			break;
		case YAML_STREAM_END_EVENT:
			over = true;
			break;
		default:
			ret = take_mapping(r, "the file", &event, take_section);
		}
		yaml_event_delete(&event);
	}
	return ret;
}

/* --- the files it names ----------------------------------------------------------------- */

/* All of @size bytes, and a NUL behind them. A file of which a part cannot be read, or that is
 * being written, says less than it should: without a section TLS or the passwords would go. */
static int read_text(int fd, const char *path, size_t size, char **out, struct err *err)
{
	char *text = xcalloc(1, size + 1);
	size_t got = 0;
	ssize_t n;
	int ret = 0;

	do {
		n = read(fd, text + got, size + 1 - got);
		got += n > 0 ? (size_t)n : 0;
	} while ((n > 0 && got <= size) || (n < 0 && errno == EINTR));
	if (n < 0)
		ret = err_set(err, -errno, "web config: %s: %s", path, strerror(errno));
	else if (got != size)
		ret = err_set(err, -EAGAIN, "web config: %s: its size changes while it is read",
			      path);
	else if (memchr(text, '\0', size))
		ret = err_set(err, -EINVAL, "web config: %s is no text: there is a NUL in it",
			      path);
	*out = text;
	return ret;
}

/* The whole of @name, which lies beside the config file unless it begins with a slash. */
static int read_beside(const struct reader *r, const char *name, bool secret, char **out)
{
	const char *slash = strrchr(r->path, '/');
	struct buf path = {};
	struct stat st;
	int fd, ret = 0;

	*out = NULL;
	if (*name != '/' && slash)
		buf_add(&path, r->path, (size_t)(slash + 1 - r->path));
	buf_puts(&path, name);
	fd = open(buf_str(&path), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st))
		ret = err_set(r->err, -errno, "web config: %s: %s", buf_str(&path),
			      strerror(errno));
	else if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		ret = err_set(r->err, -EINVAL, "web config: %s is no file, or one beyond 256 KiB",
			      buf_str(&path));
	else if (secret && (st.st_mode & 027))
		ret = err_set(r->err, -EPERM,
			      "web config: %s: others may read the key, or its group write it; "
			      "`chmod 640` it",
			      buf_str(&path));
	if (!ret)
		ret = read_text(fd, buf_str(&path), (size_t)st.st_size, out, r->err);
	if (fd >= 0)
		close(fd);
	buf_free(&path);
	return ret;
}

static int read_files(struct reader *r)
{
	struct web_file *file = r->file;
	int ret = 0;

	if (!r->tls_line)
		return 0;
	if (!r->cert_file || !r->key_file) {
		if (!r->cert_file && !r->key_file && !r->client_ca_file && !r->auth_line)
			return 0; /* an empty section, as exporters take it: no TLS */
		return complain(r, r->tls_line, "tls_server_config wants ", NULL,
				r->cert_file ? "key_file" : "cert_file");
	}
	if (r->client_ca_file && file->client_auth == WEB_CLIENT_NONE)
		return complain(r, r->tls_line,
				"client_ca_file has no effect without "
				"client_auth_type; the usual one is RequireAndVerifyClientCert",
				NULL, "");
	if (!r->client_ca_file && file->client_auth >= WEB_CLIENT_VERIFY)
		return complain(r, r->auth_line,
				"client_auth_type wants a client_ca_file to "
				"verify by",
				NULL, "");
	ret = read_beside(r, r->cert_file, false, &file->cert);
	if (!ret)
		ret = read_beside(r, r->key_file, true, &file->key);
	if (!ret && r->client_ca_file)
		ret = read_beside(r, r->client_ca_file, false, &file->client_ca);
	return ret;
}

/* --- all of it -------------------------------------------------------------------------- */

int web_config_read(struct web_file **out, const char *path, struct err *err)
{
	struct reader r = { .path = path, .err = err };
	char *text = NULL;
	int ret;

	*out = NULL;
	r.file = xcalloc(1, sizeof(*r.file));
	/* "./" so that the name is not looked for beside itself. */
	ret = read_beside(&(struct reader){ .path = "", .err = err }, path, false, &text);
	if (!ret) {
		if (!yaml_parser_initialize(&r.parser))
			out_of_memory();
		yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
		yaml_parser_set_input_string(&r.parser, (unsigned char *)text, strlen(text));
		ret = take_file(&r);
		yaml_parser_delete(&r.parser);
	}
	if (!ret)
		ret = read_files(&r);
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	free(r.cert_file);
	free(r.key_file);
	free(r.client_ca_file);
	if (ret)
		web_config_free(r.file);
	else
		*out = r.file;
	return ret;
}

void web_config_free(struct web_file *file)
{
	if (!file)
		return;
	for (size_t i = 0; i < file->users_count; i++) {
		explicit_bzero(file->users[i].hash, strlen(file->users[i].hash));
		free(file->users[i].hash);
		free(file->users[i].name);
	}
	free(file->users);
	if (file->key)
		explicit_bzero(file->key, strlen(file->key));
	free(file->key);
	free(file->cert);
	free(file->client_ca);
	free(file);
}
