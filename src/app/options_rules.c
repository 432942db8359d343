/* SPDX-License-Identifier: BSD-2-Clause */
#include "app/options_rules.h"

#include <argp.h>
#include <math.h>
#include <string.h>

#include "app/when.h"
#include "base/clock.h"
#include "rdb/rdb.h"

/* The pages of `redmem doctor` are of one server and a whole watch. */
static void check_pages(const struct argp_state *state, const struct options *o)
{
	const char *page = o->oom ? "--oom" : o->checklist ? "--checklist" : NULL;

	if (o->metrics_path && (page || o->fail_on != SEVERITY_INFO))
		argp_error(state, "--metrics is no report: leave out %s, or --metrics",
			   page ? page : "--fail-on");
	if (!page)
		return;
	if (o->html_path)
		argp_error(state, "--html is of a report, which %s is not: leave out one", page);
	if (o->oom && o->checklist)
		argp_error(state, "--checklist and --oom are two pages: ask for one");
	if (o->all)
		argp_error(state, "%s is of one server: leave out --all", page);
	if (!isnan(o->every_seconds))
		argp_error(state, "%s is of a whole watch: leave out --every", page);
}

/* A page is of a report; as what stdout gets it is alone there. */
static void check_html(const struct argp_state *state, const struct options *o)
{
	const char *no_report = o->metrics_path ? "--metrics" : o->keys.csv ? "--csv" : NULL;
	const char *more = o->json				   ? "--json" :
			   o->keys.folded			   ? "--folded" :
			   !isnan(o->every_seconds)		   ? "--every" :
			   options_is_stdout(o->lab.markdown_path) ? "--markdown -" :
								     NULL;

	if (options_is_stdout(o->lab.markdown_path) && o->json)
		argp_error(state, "--markdown - and --json would both go to stdout: name a file");
	if (!o->html_path)
		return;
	if (no_report)
		argp_error(state, "--html is of a report, which %s is not: leave out one",
			   no_report);
	if (options_is_stdout(o->html_path) && more)
		argp_error(state, "--html - and %s would both go to stdout: name a file", more);
}

static void check_push(const struct argp_state *state, const struct options *o)
{
	if (!o->push.url)
		argp_error(state, "where to? give --url");
	if (o->push.file && (o->pid || options_name_server(o) || !isnan(o->duration_seconds)))
		argp_error(state, "a profile is sent from a file or from a watch: leave out the "
				  "file, or the server and -d");
}

/* On stdout there is one thing. */
static void check_profiles(const struct argp_state *state, const struct options *o)
{
	const struct profile_options *p = &o->profile;
	int here = options_is_stdout(p->pprof) + options_is_stdout(p->folded) +
		   options_is_stdout(p->speedscope);
	const char *other = o->json			       ? "--json" :
			    !isnan(o->every_seconds)	       ? "--every" :
			    options_is_stdout(o->metrics_path) ? "--metrics -" :
			    options_is_stdout(o->html_path)    ? "--html -" :
								 NULL;

	if (o->all && (p->pprof || p->folded || p->speedscope))
		argp_error(state, "a profile is of one server: leave out --all");
	if (o->past.last_death && (p->pprof || p->folded || p->speedscope))
		argp_error(state, "a profile is of a time, not of a death: leave out "
				  "--last-death, or give --at and --for");
	if (here > 1)
		argp_error(state, "one profile on stdout: name a file for the other");
	if (here && other)
		argp_error(state,
			   "a profile on stdout takes the place of the report: leave out %s, or "
			   "name a file",
			   other);
}

static void check_exclusions(const struct argp_state *state, const struct options *o)
{
	bool no_server = o->replay_path || o->no_connect;
	const char *one_server = o->record_path ? "--record" :
				 o->replay_path ? "--replay" :
				 o->keys.wanted ? "--keys" :
						  NULL;

	if (!o->tls && (o->tls_ca_cert || o->tls_ca_dir || o->tls_cert || o->tls_key ||
			o->tls_server_name || o->tls_insecure))
		argp_error(state, "--cacert, --cacertdir, --cert, --key, --sni and --insecure are "
				  "for --tls; give that, too");
	if (!o->tls_cert != !o->tls_key)
		argp_error(state, "--cert and --key go together; give both");
	if (o->record_path && o->replay_path)
		argp_error(state, "--record and --replay exclude each other");
	if (o->keys.wanted && no_server)
		argp_error(state, "--keys needs the server itself");
	if (o->keys.csv + o->keys.folded + o->json > 1)
		argp_error(state, "--csv, --folded and --json exclude each other");
	if (o->metrics_path && o->json)
		argp_error(state, "--metrics and --json exclude each other");
	if (o->all && (o->pid || options_name_server(o)))
		argp_error(state, "--all is every server: leave out the one");
	if (o->all && one_server)
		argp_error(state,
			   "%s is of one server and --all of every one: leave out --all, or %s",
			   one_server, one_server);
	if (o->all && !isnan(o->every_seconds))
		argp_error(state, "--every is of one server: leave out --all");
	if (o->past.last_death && (o->past.at || o->past.length))
		argp_error(state,
			   "--last-death says which time it is of: leave out --at and --for");
	if (o->try_purge && no_server)
		argp_error(state, "--try needs a server to talk to");
}

static bool is_dump_type(const char *name)
{
	for (enum rdb_type type = 0; type < RDB_TYPES; type++)
		if (!strcmp(rdb_type_name(type), name))
			return true;
	return false;
}

static void check_files(const struct argp_state *state, const struct options *o)
{
	bool two = !strcmp(o->of->name, "diff");

	if (!o->rdb.count)
		argp_error(state, "no file; name a dump, - for stdin%s",
			   two ? "" : ", or a server with --from");
	if (o->keys.type && !is_dump_type(o->keys.type))
		argp_error(state,
			   "no key of a dump is a '%s'; types are string, list, set, zset, hash, "
			   "stream, array and module",
			   o->keys.type);
	if (two && o->rdb.count != 2)
		argp_error(state,
			   "diff compares two dumps: name the one before, and the one after");
	if (two && o->rdb.beside)
		argp_error(state, "diff compares dumps on one server: give --as once");
	if (two && !strcmp(o->rdb.inputs[0].name, "-"))
		argp_error(state,
			   "the dump before is read twice, which stdin cannot be: name a file");
}

/* The first that only `redmem lab run` heeds; NULL. */
static const char *of_a_run(const struct lab_options *lab)
{
	return lab->server[0]		  ? "--a" :
	       lab->server[1]		  ? "--b" :
	       lab->assignments_count	  ? "--set, --env and --knob" :
	       !isnan(lab->limit_seconds) ? "--limit" :
	       lab->restarts		  ? "--restarts" :
	       lab->seed		  ? "--seed" :
	       lab->out			  ? "--out" :
					    NULL;
}

/* The first of how a verdict is judged and written; NULL. */
static const char *of_a_verdict(const struct options *o)
{
	return o->json				  ? "--json" :
	       o->html_path			  ? "--html" :
	       o->lab.markdown_path		  ? "--markdown" :
	       !isnan(o->lab.precision_percent)	  ? "--precision" :
	       !isnan(o->lab.max_regress_percent) ? "--max-regress" :
						    NULL;
}

static void check_lab(const struct argp_state *state, const struct options *o)
{
	const char *word = o->lab.count ? o->lab.words[0] : "";
	bool list = !strcmp(word, "list"), diff = !strcmp(word, "diff");

	if ((list || diff || !strcmp(word, "show")) && of_a_run(&o->lab))
		argp_error(state, "%s: of that only `redmem lab run` knows: leave it out",
			   of_a_run(&o->lab));
	if (list && of_a_verdict(o))
		argp_error(state,
			   "%s is of a verdict, which `redmem lab list` is not: leave it out",
			   of_a_verdict(o));
	if (diff && !isnan(o->lab.max_regress_percent))
		argp_error(state, "--max-regress is of one result: see `redmem lab show`");
}

/* What is no time is told before anything is opened. */
static void check_times(const struct argp_state *state, const struct options *o)
{
	const char *const times[] = { o->past.at, o->past.since, o->past.until };
	int64_t ms, now_ms = clock_wall_ms();
	struct err err = {};
	int ret = o->past.length ? when_span(&ms, o->past.length, &err) : 0;

	for (size_t i = 0; !ret && i < sizeof(times) / sizeof(times[0]); i++)
		ret = times[i] ? when_parse(&ms, times[i], now_ms, &err) : 0;
	if (ret)
		argp_error(state, "%s", err.text);
}

static void check_service(const struct argp_state *state, const struct options *o)
{
	if (o->json)
		argp_error(state, "--json is of a report, which the service does not print: it "
				  "answers that under /api/v1");
	if (o->db_given)
		argp_error(state, "the service looks at every database: leave out -n");
}

void options_check(struct argp_state *state, const struct options *o)
{
	if (o->of->arguments && !strpbrk(o->of->takes, "1Lnu"))
		check_files(state, o);
	if (options_has_group(o->of, 'n') && !o->about)
		argp_error(state, "which command? give its name");
	check_exclusions(state, o);
	check_pages(state, o);
	check_html(state, o);
	check_profiles(state, o);
	check_times(state, o);
	if (options_has_group(o->of, 'u'))
		check_push(state, o);
	if (options_has_group(o->of, 'L'))
		check_lab(state, o);
	if (options_has_group(o->of, 'V'))
		check_service(state, o);
}
