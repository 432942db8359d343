/* SPDX-License-Identifier: BSD-2-Clause */
/* What an assistant can ask; see mcp.h. */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/keys_run.h"
#include "app/mcp.h"
#include "app/mcp_past.h"
#include "app/progress.h"
#include "app/redact.h"
#include "app/watch.h"
#include "diagnose/diagnose.h"
#include "diagnose/explain.h"
#include "redis/keysample.h"
#include "report/json.h"
#include "target/find.h"

#define WATCH_DEFAULT 5.0 /* seconds of a live look, */
#define WATCH_MOST    60.0
#define PASS_DEFAULT  20.0 /* and of a pass over the keys */
#define PASS_MOST     120.0
#define TOP_DEFAULT   10
#define TOP_MOST      50
#define ROWS	      10 /* of each table in an answer */
#define EVENTS_MOST   500

/* Of `redmem doctor`, and with what `redmem alloc` sees beside it. */
#define SENSORS "cpu fault loop offcpu rss vm reclaim life flow burst"

/* --- answers --------------------------------------------------------------------------- */

/* Move the members of those names from @document, which goes; of a list the first @rows. */
static json_t *pick(json_t *document, const char *const *names, size_t rows)
{
	json_t *o = json_object();

	for (; *names; names++) {
		json_t *value = json_object_get(document, *names);

		if (!value)
			continue;
		while (json_is_array(value) && json_array_size(value) > rows)
			json_array_remove(value, json_array_size(value) - 1);
		put(o, *names, json_incref(value));
	}
	json_decref(document);
	return o;
}

/* --- which server ------------------------------------------------------------------------ */

static bool is_named(const struct server_candidate *c, const char *name)
{
	const char *digits = *name == ':' ? name + 1 : name;
	char *end;
	long number = strtol(digits, &end, 10);

	if (!strcmp(c->title, name) || (*c->socket && !strcmp(c->socket, name)))
		return true;
	return *digits && !*end && number > 0 &&
	       (c->port == number || (digits == name && c->pid == number));
}

/* The process that is meant by @name, one of this host's servers. */
static int find_pid(const char *name, pid_t *pid, struct err *err)
{
	struct server_candidate *list;
	size_t count;
	int ret = target_list(&list, &count, err);

	if (ret)
		return ret;
	*pid = 0;
	for (size_t i = 0; i < count; i++) {
		if (!*pid && is_named(&list[i], name))
			*pid = list[i].pid;
		target_release(&list[i]);
	}
	free(list);
	if (!*pid)
		return err_set(err, -ENOENT,
			       "no server of this host is '%.80s'; the tool servers "
			       "lists them",
			       name);
	/* Whoever can start a process of that name would be told the password. */
	return target_trusted(*pid, err);
}

/* The options for a look at the server that the call names, or the only one. */
static int look_options(const struct mcp_call *call, struct options *o, struct err *err)
{
	const char *name = mcp_text(call, "server");

	*o = *call->options;
	o->sensors = SENSORS;
	if (!name)
		return 0;
	if (o->pid || options_name_server(o))
		return err_set(err, -EINVAL,
			       "this redmem was started for one server: leave out "
			       "'server'");
	return find_pid(name, &o->pid, err);
}

/* --- looks ------------------------------------------------------------------------------- */

/* A model that is filled by records. */
struct look {
	struct model *model;
	struct record_sink sink;
};

static void look_open(struct look *look)
{
	look->model = model_new();
	look->sink = model_sink(look->model);
}

/* Watch a server for some seconds. */
static int watch_live(const struct mcp_call *call, struct model **out, struct err *err)
{
	struct options o;
	struct look look;
	int ret = look_options(call, &o, err);

	look_open(&look);
	o.duration_seconds = mcp_number(call, "seconds", WATCH_DEFAULT);
	o.sample_keys = KEYSAMPLE_MAX;
	if (!ret)
		ret = watch_run(&o, &look.sink, err);
	if (!ret)
		model_finish(look.model);
	*out = look.model;
	return ret;
}

/* Of now, or of the time that the call names: 0, and a finished model. It is the caller's in any
 * case, and may be NULL. */
static int look_at(const struct mcp_call *call, struct model **out, struct err *err)
{
	return mcp_text(call, "at") ? mcp_past_model(call, out, err) : watch_live(call, out, err);
}

/* --- servers ----------------------------------------------------------------------------- */

static json_t *json_candidate(struct redact *redact, const struct server_candidate *c)
{
	char *title = redact_text(redact, c->title), *socket = redact_text(redact, c->socket);
	json_t *o = json_object();
	struct err err = {};

	put(o, "pid", json_integer(c->pid));
	put(o, "title", value_text(title));
	put(o, "port", c->port ? json_integer(c->port) : json_null());
	put(o, "socket", value_some_text(socket));
	put(o, "looked_at_by_name",
	    target_trusted(c->pid, &err) ? value_text(err.text) : json_true());
	free(title);
	free(socket);
	return o;
}

static json_t *run_servers(const struct mcp_call *call, struct err *err)
{
	struct server_candidate *list;
	json_t *o, *rows;
	size_t count;

	if (target_list(&list, &count, err))
		return NULL;
	o = json_object();
	rows = json_array();
	for (size_t i = 0; i < count; i++) {
		put_last(rows, json_candidate(call->redact, &list[i]));
		target_release(&list[i]);
	}
	free(list);
	put(o, "running", rows);
	put(o, "in_the_history", mcp_past_servers(call));
	return o;
}

/* --- diagnosis --------------------------------------------------------------------------- */

static json_t *json_diagnosis(const struct model *m)
{
	static const char *const members[] = { "target",   "window",   "verdict",  "findings",
					       "ledger",   "commands", "prefixes", "stalls",
					       "hot_keys", "children", "life",	   "errors",
					       "sensors",  NULL };
	struct findings *f = diagnose(m);
	json_t *o = pick(json_doctor(m, f), members, 3 * ROWS);
	static const char *const tables[] = { "commands", "prefixes", "stalls", "life", NULL };

	for (size_t i = 0; tables[i]; i++)
		while (json_array_size(json_object_get(o, tables[i])) > ROWS)
			json_array_remove(json_object_get(o, tables[i]), ROWS);
	findings_free(f);
	return o;
}

static json_t *run_diagnosis(const struct mcp_call *call, struct err *err)
{
	struct model *m;
	json_t *o = NULL;

	if (!look_at(call, &m, err))
		o = json_diagnosis(m);
	model_free(m);
	return o;
}

/* --- who allocated ------------------------------------------------------------------------ */

static json_t *run_allocated(const struct mcp_call *call, struct err *err)
{
	static const char *const members[] = { "target",   "window", "totals", "commands",
					       "prefixes", "growth", "peak",   NULL };
	struct model *m;
	json_t *o = NULL;

	if (!look_at(call, &m, err))
		o = pick(json_alloc(m), members, ROWS);
	model_free(m);
	return o;
}

/* --- biggest keys --------------------------------------------------------------------------- */

/* The pass ends as with Ctrl-C, and says that it did not meet all. */
static void end_pass(int sig)
{
	(void)sig;
	raise(SIGINT);
}

static int pass(const struct options *o, struct look *look, struct err *err)
{
	struct keyspace_options options = keys_keyspace_options(o);
	struct server server = {};
	int ret = server_open_connected(&server, o, err);

	if (!ret)
		ret = server_ask(&server, o, &look->sink, err);
	if (!ret) {
		model_set_keyspace(look->model, &options);
		ret = keys_run(o, &server, &look->sink, look->model, err);
		/* what was met until it failed is something */
		if (ret && look->model->keyspace->keys_total)
			ret = 0;
	}
	server_close(&server);
	return ret;
}

static json_t *run_biggest(const struct mcp_call *call, struct err *err)
{
	static const char *const members[] = { "scanned_total", "complete", "end",   "bytes",
					       "no_ttl_total",	"top",	    "types", "prefixes",
					       "concentration", "ttl",	    NULL };
	struct findings *f;
	struct look look;
	struct options o;
	json_t *answer = NULL;
	int ret = look_options(call, &o, err);

	o.keys.top = (int)mcp_number(call, "top", TOP_DEFAULT);
	look_open(&look);
	interrupt_catch();
	signal(SIGALRM, end_pass);
	alarm((unsigned int)mcp_number(call, "seconds", PASS_DEFAULT));
	if (!ret)
		ret = pass(&o, &look, err);
	if (!ret) {
		model_finish(look.model);
		answer = pick(json_keyspace(look.model), members, TOP_MOST);
		f = diagnose_some(look.model, "keys.");
		put(answer, "target", json_target(look.model));
		put(answer, "findings", json_findings(f));
		findings_free(f);
	}
	model_free(look.model);
	return answer;
}

/* --- explain --------------------------------------------------------------------------------- */

static json_t *json_explanation(const char *id, const char *meaning)
{
	json_t *o = json_object();

	put(o, "id", json_string(id));
	put(o, "meaning", json_string(meaning));
	return o;
}

static json_t *run_explain(const struct mcp_call *call, struct err *err)
{
	const char *id = mcp_text(call, "id");
	json_t *o, *rows;

	if (id && !explain(id)) {
		err_set(err, -ENOENT,
			"redmem has no finding '%.80s'; without an id this tool lists "
			"all",
			id);
		return NULL;
	}
	if (id)
		return json_explanation(id, explain(id));
	o = json_object();
	rows = json_array();
	for (size_t i = 0; i < explanations_count; i++)
		put_last(rows, json_explanation(explanations[i].id, explanations[i].meaning));
	put(o, "findings", rows);
	return o;
}

/* --- the table ------------------------------------------------------------------------------- */

#define SERVER_ARGUMENT                                                                     \
	{                                                                                   \
		"server", ARGUMENT_TEXT, false, 0, 0,                                       \
			"Which server: its port, process id or socket as the tool servers " \
			"tells them. Not needed where there is only one"                    \
	}

static const struct argument no_arguments[] = { { .name = NULL } };

static const struct argument look_arguments[] = {
	SERVER_ARGUMENT,
	{ "seconds", ARGUMENT_NUMBER, false, 1, WATCH_MOST,
	  "How long to watch (default 5). Longer sees rarer things" },
	{ "at", ARGUMENT_TEXT, false, 0, 0,
	  "A time that is over, out of the history of redmem serve, instead of now: 03:00 (the "
	  "last, "
	  "local), -1h, 2026-11-28T03:00:00Z. 'server' is then its label there" },
	{ "for", ARGUMENT_TEXT, false, 0, 0, "With 'at': how long from then on (10m by default)" },
	{ .name = NULL },
};

static const struct argument pass_arguments[] = {
	SERVER_ARGUMENT,
	{ "top", ARGUMENT_NUMBER, false, 1, TOP_MOST, "How many keys to list (default 10)" },
	{ "seconds", ARGUMENT_NUMBER, false, 1, PASS_MOST,
	  "When to stop (default 20); what was met until then is reported" },
	{ .name = NULL },
};

#define LABEL_ARGUMENT                                                                     \
	{                                                                                  \
		"server", ARGUMENT_TEXT, false, 0, 0,                                      \
			"Label of a server in the history, as the tool servers tells them" \
	}

static const struct argument history_arguments[] = {
	LABEL_ARGUMENT,
	{ "from", ARGUMENT_TEXT, false, 0, 0, "From when on (default -24h)" },
	{ "to", ARGUMENT_TEXT, false, 0, 0, "Until when (default now)" },
	{ "limit", ARGUMENT_NUMBER, false, 1, EVENTS_MOST,
	  "How many lines, the newest (default 100)" },
	{ .name = NULL },
};

static const struct argument diff_arguments[] = {
	LABEL_ARGUMENT,
	{ "before", ARGUMENT_TEXT, false, 0, 0, "The earlier time (default -24h)" },
	{ "after", ARGUMENT_TEXT, false, 0, 0, "The later time (default now)" },
	{ .name = NULL },
};

static const struct argument explain_arguments[] = {
	{ "id", ARGUMENT_TEXT, false, 0, 0,
	  "Id of a finding, such as swap.in_path; without it all are listed" },
	{ .name = NULL },
};

const struct mcp_tool mcp_tools[] = {
	{ "servers", "Servers",
	  "Which redis-server and valkey-server processes run on this host, and which are in the "
	  "history "
	  "of redmem serve. Takes no time.",
	  no_arguments, 10, run_servers },
	{ "diagnosis", "Diagnosis",
	  "Watch one server for some seconds, from the kernel's side and its own, or take a time "
	  "that is "
	  "over, and diagnose it: "
	  "a verdict, ranked findings each with id, severity, evidence, cause and commands for a "
	  "person to run, where the memory is (ledger), which commands and key prefixes are busy, "
	  "and what stalled. Bytes and seconds are exact unless a basis says sampled or derived; "
	  "null is not known.",
	  look_arguments, 60, run_diagnosis },
	{ "who_allocated", "Who allocated",
	  "Watch one server for some seconds, or take a time that is over, and tell which commands "
	  "and key prefixes allocated "
	  "and "
	  "freed how many bytes, and which prefixes grew.",
	  look_arguments, 60, run_allocated },
	{ "biggest_keys", "Biggest keys",
	  "Pass over the keys of one server without touching them, for a bounded time: the biggest "
	  "keys with type, size and how long a command on them would block, sums by type and by "
	  "prefix, and how many never expire. 'complete' says whether all keys were met.",
	  pass_arguments, 30, run_biggest },
	{ "history", "What happened",
	  "What happened to the servers that redmem serve watches, a line each: stalls, findings "
	  "with "
	  "begin and end, forks, hangs, restarts, deaths. Looks at no server.",
	  history_arguments, 30, mcp_past_events },
	{ "diff", "What changed",
	  "What changed of one server between two times of the history: figures, where the memory "
	  "is "
	  "(ledger), prefixes and commands by what they allocated and freed in between, holes by "
	  "size class, settings; the largest change first.",
	  diff_arguments, 60, mcp_past_diff },
	{ "explain", "Explain a finding",
	  "What the id of a finding means. Takes no time and looks at no server.",
	  explain_arguments, 10, run_explain },
};
const size_t mcp_tools_count = sizeof(mcp_tools) / sizeof(mcp_tools[0]);
