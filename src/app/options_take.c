/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/options_take.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/serve_config.h"
#include "app/web_listen.h"
#include "base/array.h"
#include "base/buf.h"
#include "base/escape.h"
#include "rdb/rdb.h"
#include "redis/knowledge.h"
#include "report/profile.h"

static bool is_number(const char *text, long min, long max, long *value)
{
	char *end;

	errno = 0;
	*value = strtol(text, &end, 10);
	return !errno && end != text && !*end && *value >= min && *value <= max;
}

static long number(struct argp_state *state, const char *what, const char *text, long min, long max)
{
	long value;

	if (!is_number(text, min, max, &value))
		argp_error(state, "%s must be a whole number from %ld to %ld, not '%s'", what, min,
			   max, text);
	return value;
}

/* Without what is there: of "redis://bob:secret" that is the password. */
static int uri_number(struct argp_state *state, const char *what, const char *text, long min,
		      long max)
{
	long value;

	if (!is_number(text, min, max, &value))
		argp_error(state, "URI: %s must be a whole number from %ld to %ld", what, min, max);
	return (int)value;
}

static void *member_of(const struct given *g)
{
	return (char *)g->o + g->row->at;
}

static long number_in_range(const struct given *g)
{
	return number(g->state, g->row->name, g->arg, g->row->range.min, g->row->range.max);
}

void take_flag(const struct given *g)
{
	*(bool *)member_of(g) = true;
}

void take_text(const struct given *g)
{
	*(const char **)member_of(g) = g->arg;
}

void take_int(const struct given *g)
{
	*(int *)member_of(g) = (int)number_in_range(g);
}

void take_long(const struct given *g)
{
	*(long *)member_of(g) = number_in_range(g);
}

void take_real(const struct given *g)
{
	char *end;
	double value = strtod(g->arg, &end), max = (double)g->row->range.max;

	if (end == g->arg || *end || !(value > 0) || value > max)
		argp_error(g->state, "%s must be a number above 0 and at most %g, not '%s'",
			   g->row->name, max, g->arg);
	*(double *)member_of(g) = value;
}

/* The place of what was given among @count @words. */
static int choice(const struct given *g, int count, const char *const *words)
{
	struct buf list = {};

	for (int i = 0; i < count; i++)
		if (!strcmp(words[i], g->arg))
			return i;
	for (int i = 0; i < count; i++)
		buf_printf(&list, "%s'%s'", !i ? "" : i < count - 1 ? ", " : " or ", words[i]);
	argp_error(g->state, "--%s is %s, not '%s'", g->row->name, buf_str(&list), g->arg);
	return 0;
}

#define CHOICE(given, ...)                                                             \
	choice(given, (int)(sizeof((const char *[]){ __VA_ARGS__ }) / sizeof(char *)), \
	       (const char *[]){ __VA_ARGS__ })

/* --- the server --- */

static void set_password(struct options *o, const char *password)
{
	if (o->password)
		explicit_bzero(o->password, strlen(o->password));
	free(o->password);
	o->password = xstrdup(password);
}

/* What stands before "://" is no secret. */
void take_uri(const struct given *g)
{
	char *secret = strstr(g->arg, "://");
	struct options *o = g->o;
	struct uri *uri = &o->uri;
	struct err err = {};

	if (uri->text)
		argp_error(g->state, "-u can be given only once");
	if (uri_parse(uri, g->arg, &err))
		argp_error(g->state, "%s", err.text);
	if (secret)
		memset(secret + 3, 'x', strlen(secret + 3));
	o->tls |= uri->scheme[strlen(uri->scheme) - 1] == 's' && strcmp(uri->scheme, "redis") != 0;
	if (uri->user)
		o->user = uri->user;
	if (uri->password)
		set_password(o, uri->password);
	if (uri->host)
		o->host = uri->host;
	if (uri->port)
		o->port = uri_number(g->state, "port", uri->port, 1, 65535);
	if (uri->db) {
		o->db_given = true;
		o->db = uri_number(g->state, "database", uri->db, 0, 1 << 20);
	}
}

/* Blotted out where ps(1) would show it. */
void take_password(const struct given *g)
{
	set_password(g->o, g->arg);
	memset(g->arg, 'x', strlen(g->arg));
}

void take_db(const struct given *g)
{
	g->o->db_given = true;
	g->o->db = (int)number(g->state, "database", g->arg, 0, g->row->range.max);
}

/* --- the watch and the pass over the keys --- */

void take_every(const struct given *g)
{
	g->o->every_seconds = (double)number_in_range(g);
}

void take_command_name(const struct given *g)
{
	if (!*g->arg)
		argp_error(g->state, "--command needs the name of a command");
	g->o->command = g->arg;
}

void take_elements(const struct given *g)
{
	g->o->keys.elements_big = g->arg && CHOICE(g, "all", "big") == 1;
	g->o->keys.elements_all = !g->o->keys.elements_big;
}

void take_separators(const struct given *g)
{
	if (!*g->arg)
		argp_error(g->state, "--separator needs at least one character");
	g->o->keys.separators = g->arg;
}

void take_try(const struct given *g)
{
	if (strcmp(g->arg, "purge") != 0)
		argp_error(g->state, "--try knows only purge, not '%s'", g->arg);
	g->o->try_purge = true;
}

/* --- dumps --- */

void take_as(const struct given *g)
{
	struct rdb_options *rdb = &g->o->rdb;
	const struct server_structures *row;
	size_t i = 0;

	while ((row = knowledge_structures_at(i)) && strcmp(row->name, g->arg) != 0)
		i++;
	if (!row)
		argp_error(g->state, "--as knows no server '%s'; --help names those it knows",
			   g->arg);
	if (rdb->beside)
		argp_error(g->state, "--as compares two servers, not three");
	if (rdb->as)
		rdb->beside = row;
	else
		rdb->as = row;
}

static struct rdb_input *add_input(struct rdb_options *rdb, const char *name)
{
	struct rdb_input *input;

	rdb->inputs = array_grow(rdb->inputs, rdb->count, sizeof(*rdb->inputs));
	input = &rdb->inputs[rdb->count++];
	*input = (struct rdb_input){ .name = name };
	return input;
}

/* HOST[:PORT], an IPv6 address in brackets where a port follows, or a socket's path. */
void take_from(const struct given *g)
{
	struct rdb_input *input = add_input(&g->o->rdb, g->arg);
	const char *colon = strchr(g->arg, ':');
	struct uri place = {};
	struct err err = {};

	input->server = true;
	if (!*g->arg || !strcmp(g->arg, "[]"))
		argp_error(g->state, "--from needs the name of a host, or a socket's path");
	if (strchr(g->arg, '/')) {
		input->socket_path = g->arg;
		return;
	}
	input->text = xstrdup(g->arg);
	if (g->arg[0] != '[' && colon && strchr(colon + 1, ':'))
		place.host = input->text;
	else if (uri_parse_place(&place, input->text, &err))
		argp_error(g->state, "--from: %s", err.text);
	input->host = place.host;
	if (place.port)
		input->port = (int)number(g->state, "--from: port", place.port, 1, 65535);
}

void take_allocator(const struct given *g)
{
	g->o->rdb.system = CHOICE(g, "bundled", "system") == 1;
}

/* --- profiles, and whom they are sent to --- */

void take_sample_type(const struct given *g)
{
	if (profile_kind_of(g->arg) == PROFILE_KINDS)
		argp_error(
			g->state,
			"--sample-type is alloc_space, free_space, growth, cpu, stall, faults or "
			"inuse_space, not '%s'",
			g->arg);
	g->o->profile.sample_type = g->arg;
}

void take_api(const struct given *g)
{
	g->o->push.api = CHOICE(g, "pyroscope", "parca") == 1 ? PUSH_PARCA : PUSH_PYROSCOPE;
}

void take_push_name(const struct given *g)
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789._-";

	if (!*g->arg || g->arg[strspn(g->arg, good)])
		argp_error(g->state, "--name is letters, digits, '.', '_' and '-', not '%s'",
			   g->arg);
	g->o->push.name = g->arg;
}

/* --- the service, and `redmem doctor` --- */

void take_listen(const struct given *g)
{
	if (!web_are_addresses(g->arg))
		argp_error(g->state, "--listen takes ADDR:PORT, :PORT or unix:PATH, not '%s'",
			   g->arg);
	g->o->serve.listen = g->arg;
}

void take_history_size(const struct given *g)
{
	if (!serve_config_size(&g->o->serve.history_bytes, g->arg))
		argp_error(g->state, "--history-size takes bytes, as 300M or 1G, at least 4M");
}

void take_checklist(const struct given *g)
{
	g->o->checklist = CHECKLIST_DAILY + CHOICE(g, checklist_name(CHECKLIST_DAILY),
						   checklist_name(CHECKLIST_WEEKLY),
						   checklist_name(CHECKLIST_MONTHLY));
}

void take_fail_on(const struct given *g)
{
	g->o->fail_on = SEVERITY_WARNING + CHOICE(g, severity_name(SEVERITY_WARNING),
						  severity_name(SEVERITY_CRITICAL));
}

/* --- the lab --- */

static void add_assignment(const struct given *g, enum lab_option_kind kind)
{
	struct lab_options *lab = &g->o->lab;

	lab->assignments =
		array_grow(lab->assignments, lab->assignments_count, sizeof(*lab->assignments));
	lab->assignments[lab->assignments_count++] = (struct lab_option){ kind, g->arg };
}

void take_set(const struct given *g)
{
	add_assignment(g, LAB_OPTION_SET);
}

void take_env(const struct given *g)
{
	add_assignment(g, LAB_OPTION_ENV);
}

void take_knob(const struct given *g)
{
	add_assignment(g, LAB_OPTION_KNOB);
}

/* --- what most commands have --- */

void take_redact_key(const struct given *g)
{
	g->o->redact_key_path = g->arg;
	g->o->hide_names = true;
}

void take_verbose(const struct given *g)
{
	g->o->verbose++;
}

void take_help(const struct given *g)
{
	argp_state_help(g->state, stdout, ARGP_HELP_STD_HELP);
}

void take_usage(const struct given *g)
{
	argp_state_help(g->state, stdout, ARGP_HELP_USAGE | ARGP_HELP_EXIT_OK);
}

/* --- behind the options --- */

void take_argument(struct argp_state *state, struct options *o, char *arg)
{
	if (!o->of->arguments || o->key || o->about || o->push.file || o->lab.count == LAB_WORDS)
		argp_error(state, "unexpected argument '%s'", arg);
	if (options_has_group(o->of, '1'))
		o->key = xstrdup(arg);
	else if (options_has_group(o->of, 'L'))
		o->lab.words[o->lab.count++] = arg;
	else if (options_has_group(o->of, 'n'))
		o->about = arg;
	else if (options_has_group(o->of, 'u'))
		o->push.file = arg;
	else
		add_input(&o->rdb, arg);
}

void take_key_name(struct argp_state *state, struct options *o)
{
	size_t len = o->key ? strlen(o->key) : 0;
	struct buf name = { 0 };

	if (!o->key)
		argp_error(state, "which key? give its NAME");
	if (o->key_hex && hex_decode(&name, o->key))
		argp_error(state, "--hex takes pairs of hex digits, not '%.80s'", o->key);
	else if (!o->key_hex && len > 1 && o->key[0] == '"' && o->key[len - 1] == '"' &&
		 unescape_redis(&name, o->key + 1, len - 2))
		argp_error(state, "the quoted name ends in the middle of an escape");
	if (!name.data)
		buf_add(&name, o->key, len);
	free(o->key);
	o->key = name.data;
	o->key_len = name.len;
}
