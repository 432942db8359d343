/* SPDX-License-Identifier: BSD-2-Clause */
/* What each path answers; see web_api.h, and web.h for the whole. */
#include "app/web_api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/when.h"
#include "base/clock.h"
#include "base/escape.h"
#include "diagnose/diagnose.h"
#include "model/model.h"
#include "report/html.h"
#include "report/json.h"
#include "report/schema.h"

#define SPAN		 "10m" /* of a report, when nobody says */
#define SPAN_MOST	 (6 * 3600000LL)
#define NAME_MOST	 512 /* bytes of a server's name in a request */
#define OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define PROMETHEUS_TYPE	 "text/plain; version=0.0.4; charset=utf-8"

/* --- parameters ------------------------------------------------------------------------- */

#define PARAMETERS 3

/* What stands behind the question mark: of each of @names at most once. */
struct parameters {
	const char *const *names; /* PARAMETERS, NULL = no more */
	const char *values[PARAMETERS]; /* NULL = not given; else in the request */
	struct err err; /* what is wrong with them */
};

static enum MHD_Result take_parameter(void *ctx, enum MHD_ValueKind kind, const char *name,
				      size_t name_size, const char *value, size_t value_size)
{
	struct parameters *p = ctx;
	struct buf shown = {};
	size_t i;

	(void)kind;
	for (i = 0; i < PARAMETERS && p->names[i]; i++)
		if (strlen(p->names[i]) == name_size && !memcmp(name, p->names[i], name_size))
			break;
	escape_terminal(&shown, name, name_size, 40);
	if (i == PARAMETERS || !p->names[i])
		err_set(&p->err, -EINVAL, "there is no parameter \"%s\" here", buf_str(&shown));
	else if (p->values[i])
		err_set(&p->err, -EINVAL, "the parameter \"%s\" is there twice", buf_str(&shown));
	else if (!value || !value_size)
		err_set(&p->err, -EINVAL, "the parameter \"%s\" has no value", buf_str(&shown));
	else if (value_size > NAME_MOST || memchr(value, 0, value_size))
		err_set(&p->err, -EINVAL, "the value of \"%s\" is too long, or has a NUL in it",
			buf_str(&shown));
	else
		p->values[i] = value;
	buf_free(&shown);
	return p->err.code ? MHD_NO : MHD_YES;
}

/* False: they are wrong, and that was answered. */
static bool read_parameters(const struct web_request *request, struct parameters *p)
{
	MHD_get_connection_values_n(request->connection, MHD_GET_ARGUMENT_KIND, take_parameter, p);
	if (p->err.code)
		web_answer_error(request, MHD_HTTP_BAD_REQUEST, p->err.text);
	return !p->err.code;
}

static unsigned int status_of(int code)
{
	switch (code) {
	case -ENOENT:
		return MHD_HTTP_NOT_FOUND;
	case -EINVAL:
		return MHD_HTTP_BAD_REQUEST;
	default:
		return MHD_HTTP_SERVICE_UNAVAILABLE;
	}
}

/* --- servers ---------------------------------------------------------------------------- */

/* The one whose label or address is @name, which is asked for as people ask redis_exporter. */
struct search {
	const char *name;
	char *label; /* found */
};

static void match(void *ctx, const struct web_server *server)
{
	struct search *search = ctx;
	const char *name = search->name;

	if (search->label)
		return;
	if (strcmp(server->label, name)) {
		if (!strncmp(name, "redis://", 8) || !strncmp(name, "unix://", 7))
			name = strstr(name, "//") + 2;
		if (!server->address || strcmp(server->address, name))
			return;
	}
	search->label = xstrdup(server->label);
}

/* The label of @name; the caller's. NULL: there is none, and that was answered. */
static char *find_server(const struct web_request *request, const struct web_source *source,
			 const char *name)
{
	struct search search = { .name = name };
	struct buf text = {}, shown = {};

	source->servers(source->ctx, match, &search);
	if (search.label)
		return search.label;
	escape_terminal(&shown, name, strlen(name), 80);
	buf_printf(&text, "there is no server \"%s\"; /api/v1/servers lists those that are watched",
		   buf_str(&shown));
	web_answer_error(request, MHD_HTTP_NOT_FOUND, buf_str(&text));
	buf_free(&shown);
	buf_free(&text);
	return NULL;
}

static int64_t window_end_ns(const struct web_server *server)
{
	return server->window_end_ms ? server->window_end_ms * 1000000 : RECORD_UNKNOWN;
}

#define COUNTS(M, MAYBE)                                  \
	M("critical", integer, counts[SEVERITY_CRITICAL]) \
	M("warning", integer, counts[SEVERITY_WARNING])   \
	M("info", integer, counts[SEVERITY_INFO])
static SCHEMA(counts, COUNTS);

static json_t *count_findings(const struct findings *f)
{
	int64_t counts[] = { 0, 0, 0 };
	json_t *o;

	if (!f)
		return json_null();
	o = json_object();
	for (size_t i = 0; i < f->count; i++)
		counts[f->items[i].severity]++;
	PUT_MEMBERS(COUNTS);
	return o;
}

#define WEB_SERVER(M, MAYBE)                                                                  \
	M("server", text, server->label)                                                      \
	M("address", text, server->address)                                                   \
	M("state", text, server->state)                                                       \
	M("reason", text, server->reason)                                                     \
	M("window_end", time, window_end_ns(server), 0)                                       \
	M("target", object_or_null(target), server->m ? json_target(server->m) : json_null()) \
	M("verdict", some_text, buf_str(&verdict)) /* null: none */                           \
	M("findings", object_or_null(counts), count_findings(server->f))
static SCHEMA(web_server, WEB_SERVER);

static void put_server(void *ctx, const struct web_server *server)
{
	json_t *o = json_object();
	struct buf verdict = {};

	if (server->m && server->f)
		diagnose_verdict(&verdict, server->m, server->f);
	PUT_MEMBERS(WEB_SERVER);
	put_last(ctx, o);
	buf_free(&verdict);
}

#define SERVERS(M, MAYBE)                   \
	M("time", time, clock_wall_ns(), 0) \
	M("servers", list(web_server), rows)
DOCUMENT(servers, SERVERS);

static enum web_step answer_servers(const struct web_request *request,
				    const struct web_source *source)
{
	struct parameters p = { .names = (const char *const[PARAMETERS]){} };
	json_t *o, *rows;
	struct buf body = {};

	if (!read_parameters(request, &p) || web_answer_again(request, "servers"))
		return WEB_ANSWERED;
	rows = json_array();
	source->servers(source->ctx, put_server, rows);
	o = json_document(&schema_servers);
	PUT_MEMBERS(SERVERS);
	json_write(&body, o);
	web_answer(request, "servers", WEB_JSON, &body);
	return WEB_ANSWERED;
}

struct finding_rows {
	const char *label; /* NULL = of all */
	json_t *rows;
};

#define WEB_FINDING(M, MAYBE)            \
	M("finding", all_of(finding), o) \
	M("server", text, server->label) \
	M("window_end", time, window_end_ns(server), 0)
static SCHEMA(web_finding, WEB_FINDING);

static void put_findings(void *ctx, const struct web_server *server)
{
	struct finding_rows *out = ctx;
	json_t *list, *o;
	size_t i;

	if (!server->f || (out->label && strcmp(out->label, server->label)))
		return;
	list = json_findings(server->f);
	json_array_foreach(list, i, o) {
		PUT_MEMBERS(WEB_FINDING);
		put_last(out->rows, json_incref(o));
	}
	json_decref(list);
}

#define FINDINGS(M, MAYBE)                  \
	M("time", time, clock_wall_ns(), 0) \
	M("findings", list(web_finding), out.rows)
DOCUMENT(findings, FINDINGS);

static void write_findings(struct buf *body, const struct web_source *source, const char *label)
{
	struct finding_rows out = { label, json_array() };
	json_t *o = json_document(&schema_findings);

	source->servers(source->ctx, put_findings, &out);
	PUT_MEMBERS(FINDINGS);
	json_write(body, o);
}

static enum web_step answer_findings(const struct web_request *request,
				     const struct web_source *source)
{
	struct parameters p = { .names = (const char *const[PARAMETERS]){ "server" } };
	struct buf key = {}, body = {};
	char *label = NULL;

	if (!read_parameters(request, &p))
		return WEB_ANSWERED;
	if (p.values[0] && !(label = find_server(request, source, p.values[0])))
		return WEB_ANSWERED;
	buf_printf(&key, "findings %s", label ? label : "");
	if (!web_answer_again(request, buf_str(&key))) {
		write_findings(&body, source, label);
		web_answer(request, buf_str(&key), WEB_JSON, &body);
	}
	buf_free(&key);
	free(label);
	return WEB_ANSWERED;
}

/* --- metrics ---------------------------------------------------------------------------- */

/* @label NULL = of all servers. */
static void send_metrics(const struct web_request *request, const struct web_source *source,
			 const char *label)
{
	bool openmetrics = web_wants_openmetrics(request->connection);
	struct buf key = {}, body = {};
	struct err err = {};
	int ret;

	buf_printf(&key, "metrics %d %s", openmetrics, label ? label : "");
	if (!web_answer_again(request, buf_str(&key))) {
		ret = source->metrics(source->ctx, &body, openmetrics, label, &err);
		if (ret)
			web_answer_error(request, status_of(ret), err.text);
		else
			web_answer(request, buf_str(&key),
				   openmetrics ? OPENMETRICS_TYPE : PROMETHEUS_TYPE, &body);
	}
	buf_free(&body);
	buf_free(&key);
}

static enum web_step answer_metrics(const struct web_request *request,
				    const struct web_source *source)
{
	send_metrics(request, source, NULL);
	return WEB_ANSWERED;
}

static enum web_step answer_scrape(const struct web_request *request,
				   const struct web_source *source)
{
	struct parameters p = { .names = (const char *const[PARAMETERS]){ "target" } };
	char *label;

	if (!read_parameters(request, &p))
		return WEB_ANSWERED;
	if (!p.values[0]) {
		web_answer_error(request, MHD_HTTP_BAD_REQUEST,
				 "say which server: /scrape?target=NAME; /metrics has all of them");
		return WEB_ANSWERED;
	}
	label = find_server(request, source, p.values[0]);
	if (label)
		send_metrics(request, source, label);
	free(label);
	return WEB_ANSWERED;
}

/* --- a report --------------------------------------------------------------------------- */

struct report_job {
	struct work_job job;
	const struct web_source *source;
	struct web_report what;
	char *server;
	struct buf body;
	struct err err;
	int ret;
};

static void make_report(struct work_job *job)
{
	struct report_job *report = (struct report_job *)job; /* its first member */

	report->ret = report->source->report(report->source->ctx, &report->what, &report->body,
					     &report->err);
}

static int read_span(const struct parameters *p, struct web_report *what, struct err *err)
{
	int ret = when_stretch(&what->from_ms, &what->to_ms, p->values[1],
			       p->values[2] ? p->values[2] : SPAN, clock_wall_ms(), err);

	if (!ret && what->to_ms - what->from_ms > SPAN_MOST)
		ret = err_set(err, -EINVAL,
			      "a report is of 6 hours at most; ask for less with for=");
	return ret;
}

static enum web_step answer_report(const struct web_request *request,
				   const struct web_source *source, struct work_job **out)
{
	struct parameters p = { .names = (const char *const[PARAMETERS]){ "server", "at", "for" } };
	struct web_report what = {};
	struct report_job *report;
	struct err err = {};
	char *label;

	if (!read_parameters(request, &p))
		return WEB_ANSWERED;
	if (!source->report)
		err_set(&err, -ENOENT, "no history is kept here (history = off in redmem.conf)");
	else if (!p.values[0])
		err_set(&err, -EINVAL,
			"say of which server: server=NAME; /api/v1/servers lists them");
	else
		read_span(&p, &what, &err);
	if (err.code) {
		web_answer_error(request, status_of(err.code), err.text);
		return WEB_ANSWERED;
	}
	/* One that is gone is in the history still. */
	label = xstrdup(p.values[0]);
	report = xcalloc(1, sizeof(*report));
	report->job.run = make_report;
	report->source = source;
	report->what = what;
	report->server = label;
	report->what.server = label;
	*out = &report->job;
	return WEB_REPORT;
}

void web_api_report(const struct web_request *request, struct work_job *job)
{
	struct report_job *report = (struct report_job *)job;

	if (report->ret)
		web_answer_error(request, status_of(report->ret), report->err.text);
	else
		web_answer(request, NULL, WEB_JSON, &report->body);
	web_api_drop(job);
}

void web_api_drop(struct work_job *job)
{
	struct report_job *report = (struct report_job *)job;

	buf_free(&report->body);
	free(report->server);
	free(report);
}

/* --- the rest --------------------------------------------------------------------------- */

static enum web_step answer_health(const struct web_request *request,
				   const struct web_source *source)
{
	struct buf body = {};
	struct err err = {};

	if (source->health(source->ctx, &err)) {
		web_answer_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, err.text);
		return WEB_ANSWERED;
	}
	buf_puts(&body, "ok\n");
	web_answer(request, NULL, WEB_TEXT, &body);
	return WEB_ANSWERED;
}

/* A page of another site may make a browser send this; it says so then. */
static bool from_elsewhere(const struct web_request *request)
{
	const char *site =
		MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, "Sec-Fetch-Site");

	return site && strcmp(site, "same-origin") && strcmp(site, "none");
}

static enum web_step answer_reload(const struct web_request *request,
				   const struct web_source *source)
{
	struct buf body = {};
	struct err err = {};
	int ret;

	if (!source->reload) {
		web_answer_error(request, MHD_HTTP_NOT_FOUND, "there is no configuration to read");
	} else if (from_elsewhere(request)) {
		web_answer_error(request, MHD_HTTP_FORBIDDEN, "a page of another site asks for it");
	} else {
		ret = source->reload(source->ctx, &err);
		if (ret) {
			web_answer_error(request, status_of(ret), err.text);
		} else {
			buf_puts(&body, "the configuration is read again\n");
			web_answer(request, NULL, WEB_TEXT, &body);
		}
	}
	return WEB_ANSWERED;
}

/* The same for everybody: what it shows it asks for itself, by the pages below /api/. */
static enum web_step answer_live(const struct web_request *request, const struct web_source *source)
{
	struct buf body = {};

	(void)source;
	if (web_answer_again(request, "live"))
		return WEB_ANSWERED;
	html_live(&body);
	web_answer(request, "live", WEB_HTML, &body);
	return WEB_ANSWERED;
}

static const struct page {
	const char *path;
	bool posted; /* POST or PUT, and not GET or HEAD */
	enum web_step (*answer)(const struct web_request *request, const struct web_source *source);
} pages[] = {
	{ "/metrics", false, answer_metrics },
	{ "/scrape", false, answer_scrape },
	{ "/healthz", false, answer_health },
	{ "/-/reload", true, answer_reload },
	{ "/api/v1/servers", false, answer_servers },
	{ "/api/v1/findings", false, answer_findings },
	{ "/api/v1/report", false, NULL },
	{ "/", false, answer_live },
};

static void no_such_page(const struct web_request *request)
{
	struct buf text = {}, shown = {};

	escape_terminal(&shown, request->path, strlen(request->path), 60);
	buf_printf(&text, "there is no page %s here; there are", buf_str(&shown));
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		buf_printf(&text, "%s %s", i ? "," : "", pages[i].path);
	web_answer_error(request, MHD_HTTP_NOT_FOUND, buf_str(&text));
	buf_free(&shown);
	buf_free(&text);
}

enum web_step web_api(const struct web_request *request, const struct web_source *source,
		      const char *method, struct work_job **report)
{
	bool reads = !strcmp(method, "GET") || !strcmp(method, "HEAD"),
	     posts = !strcmp(method, "POST") || !strcmp(method, "PUT");
	const struct page *page = NULL;

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++)
		if (!strcmp(request->path, pages[i].path))
			page = &pages[i];
	if (!page)
		no_such_page(request);
	else if (page->posted && !posts)
		web_answer_refusal(request, MHD_HTTP_METHOD_NOT_ALLOWED, "Allow", "POST, PUT",
				   "this takes a POST or a PUT");
	else if (!page->posted && !reads)
		web_answer_refusal(request, MHD_HTTP_METHOD_NOT_ALLOWED, "Allow", "GET, HEAD",
				   "this takes a GET");
	else
		return page->answer ? page->answer(request, source) :
				      answer_report(request, source, report);
	return WEB_ANSWERED;
}
