/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem lab run; see lab_work.h. */
#define _GNU_SOURCE 1 /* CPU_SET() */
#include "app/lab_work.h"

#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/lab_show.h"
#include "app/print.h"
#include "app/progress.h"
#include "app/watch.h"
#include "base/clock.h"
#include "host/kernel.h"
#include "lab/about.h"
#include "lab/run.h"
#include "lab/stats.h"

#define LIMIT_SECONDS 540.0
#define RESTARTS_MOST 200
#define PAIRS	      5 /* of a restart */
#define IDLE_SECONDS  2.0
/* What a watch may take: it is the same of both sides, and nothing is timed beside it. */
#define WATCH_BUDGET 10.0

/* --- sides ---------------------------------------------------------------- */

/* "a:NAME=VALUE" is of that side, "NAME=VALUE" of both. */
static int assign(struct lab_side side[LAB_SIDES], const struct lab_option *option, struct err *err)
{
	static int (*const take[])(struct lab_side *, const char *, struct err *) = {
		[LAB_OPTION_SET] = lab_side_set,
		[LAB_OPTION_ENV] = lab_side_environ,
		[LAB_OPTION_KNOB] = lab_side_knob,
	};
	const char *text = option->text;
	bool one = (text[0] == 'a' || text[0] == 'b') && text[1] == ':';
	int ret = 0;

	for (int i = 0; i < LAB_SIDES && !ret; i++)
		if (!one || text[0] == "ab"[i])
			ret = take[option->kind](&side[i], text + (one ? 2 : 0), err);
	return ret;
}

static void name_side(struct lab_about_side *about, const char *server)
{
	const struct lab_settings *all[] = { &about->settings, &about->environment, &about->knobs };
	struct buf label = {};

	buf_puts(&label, server ? server : about->program);
	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		for (size_t j = 0; j < all[i]->count; j++)
			buf_printf(&label, " %s=%s", all[i]->rows[j].name, all[i]->rows[j].value);
	about->label = label.data;
}

static int open_sides(struct lab_side side[LAB_SIDES], struct lab_about *about,
		      const struct lab_options *o, struct err *err)
{
	int ret = 0;

	for (int i = 0; i < LAB_SIDES && !ret; i++)
		ret = lab_side_open(&side[i], &about->side[i], o->server[i], err);
	for (size_t i = 0; i < o->assignments_count && !ret; i++)
		ret = assign(side, &o->assignments[i], err);
	for (int i = 0; i < LAB_SIDES && !ret; i++)
		name_side(&about->side[i], o->server[i]);
	return ret;
}

/* --- the watch ------------------------------------------------------------ */

static bool watch_turn(void *ctx, struct conn *conn, struct snapshot *snapshot, double t_seconds)
{
	const struct lab_watch *watch = ctx;

	(void)conn;
	(void)snapshot;
	(void)t_seconds;
	return watch->over(watch->ctx);
}

static int watch(void *ctx, const struct lab_watch *of, struct model *m, struct err *err)
{
	const struct options *o = ctx;
	struct record_sink sink = model_sink(m);
	struct options own = *o;
	struct watch_plan plan = {
		.seconds = INFINITY, .stalls = true, .turn = watch_turn, .ctx = (void *)of
	};

	own.pid = of->pid;
	own.socket_path = of->socket;
	own.ours = true; /* it is asked also when it is full, or nothing is told of stalls */
	own.password = NULL; /* that of the environment is another server's */
	own.budget_percent = WATCH_BUDGET;
	progress_clear();
	return watch_plan_run(&own, &plan, &sink, err);
}

/* --- the run -------------------------------------------------------------- */

static void say(void *ctx, const char *text)
{
	struct buf line = {};

	(void)ctx;
	if (!isatty(STDERR_FILENO))
		return;
	buf_puts(&line, text);
	progress_line(&line);
	buf_free(&line);
}

/* Of those that we may use; we leave the servers theirs. */
static void choose_cpus(struct lab_run *run, struct buf *note)
{
	size_t wanted = lab_cpus_wanted(run->side, run->scenario), count = 0;
	struct lab_cpus *cpus = &run->place.cpus;
	int all[CPU_SETSIZE];
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set))
		CPU_ZERO(&set);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			all[count++] = cpu;
	lab_cpus_choose(cpus, all, count, wanted);
	lab_cpus_note(note, cpus, wanted);
	for (size_t i = 0; i < cpus->servers; i++)
		CPU_CLR(cpus->server[i], &set);
	if (cpus->servers)
		sched_setaffinity(0, sizeof(set), &set);
}

static void fill_about(struct lab_about *about, const struct options *o,
		       const struct lab_scenario *scenario, uint64_t seed)
{
	about->wall_start_ns = clock_wall_ns();
	about->scenario = xstrdup(scenario->name);
	about->scenario_title = xstrdup(scenario->about ? scenario->about : "");
	about->load = xstrdup(scenario->tool ? scenario->tool : "redmem lab");
	about->seed = seed;
	about->precision =
		isnan(o->lab.precision_percent) ? LAB_PRECISION : o->lab.precision_percent / 100;
	about->pairs_most = (int64_t)(o->lab.restarts ? o->lab.restarts : RESTARTS_MOST) * PAIRS;
	lab_about_host(&about->host);
}

/* SCENARIO-TIME.jsonl here, unless it was named. */
static void name_result(struct buf *path, const struct options *o, const char *scenario)
{
	time_t now = time(NULL);
	struct tm utc;
	char text[32];

	strftime(text, sizeof(text), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
	if (o->lab.out)
		buf_puts(path, o->lab.out);
	else
		buf_printf(path, "%s-%s.jsonl", scenario, text);
}

static int run_in(struct lab_run *run, struct lab_about *about, const char *path,
		  struct lab_result **result, struct err *err)
{
	const char *tmp = getenv("TMPDIR");
	struct buf state = {}, folder = {}, note = {};
	struct err left = {};
	int ret;

	knobs_folder(&state);
	ret = knobs_open(&run->place.knobs, buf_str(&state), err);
	if (!ret)
		ret = knobs_folder_make(run->place.knobs, tmp && *tmp ? tmp : "/tmp", &folder, err);
	run->place.folder = buf_str(&folder);
	choose_cpus(run, &note);
	run->note = note.len ? buf_str(&note) : NULL;
	if (!ret)
		ret = lab_run(run, about, path, result, err);
	if (knobs_close(run->place.knobs, &left)) {
		print_failure(&left);
		ret = ret ? ret : left.code;
	}
	buf_free(&state);
	buf_free(&folder);
	buf_free(&note);
	return ret;
}

static int run_scenario(const struct options *o, struct lab_scenario *scenario)
{
	struct lab_about about = {};
	struct lab_result *result = NULL;
	struct err err = {};
	struct buf path = {};
	struct lab_run run = {
		.scenario = scenario,
		.seed = o->lab.seed ? o->lab.seed : (uint64_t)clock_wall_ns(),
		.limit_seconds = isnan(o->lab.limit_seconds) ? LIMIT_SECONDS : o->lab.limit_seconds,
		.restarts_most = o->lab.restarts ? o->lab.restarts : RESTARTS_MOST,
		.pairs = PAIRS,
		.idle_seconds = IDLE_SECONDS,
		.watch = watch,
		.say = say,
		.place = { .stop = interrupted_flag() },
		.ctx = (void *)o,
	};
	int ret = open_sides(run.side, &about, &o->lab, &err);

	fill_about(&about, o, scenario, run.seed);
	name_result(&path, o, scenario->name);
	if (!ret)
		ret = run_in(&run, &about, buf_str(&path), &result, &err);
	progress_clear();
	if (result)
		fprintf(stderr, "lab: the samples are in %s\n", buf_str(&path));
	if (ret)
		ret = print_failure(&err);
	else if (result)
		ret = lab_show_result(o, result);
	for (int i = 0; i < LAB_SIDES; i++)
		lab_side_close(&run.side[i]);
	lab_about_free(&about);
	lab_result_free(result);
	buf_free(&path);
	return ret;
}

static int work(const struct options *o)
{
	struct lab_scenario *scenario;
	struct err err = {};
	int ret;

	interrupt_catch();
	if (lab_show_check(o))
		return 1;
	if (lab_scenario_read(&scenario, o->lab.words[1], &err))
		return print_failure(&err);
	if (kernel_bpf_usable(&err))
		fprintf(stderr,
			"lab: without BPF, so nothing is told of allocations and stalls: %s\n",
			err.text);
	ret = run_scenario(o, scenario);
	lab_scenario_free(scenario);
	return ret;
}

/* --- who waits for it ----------------------------------------------------- */

static pid_t worker;

/* Also Ctrl-C, which the worker has heard itself only where it came from the terminal. It hears
 * each signal once: the next of the same ends it at once, and what it leaves is undone here. */
static void pass_on(int sig)
{
	(void)sig;
	kill(worker, SIGTERM);
}

static void undo_the_rest(void)
{
	struct buf folder = {}, said = {};
	struct err err = {};

	knobs_folder(&folder);
	if (knobs_recover(buf_str(&folder), &said, &err))
		print_failure(&err);
	if (said.len)
		fprintf(stderr, "lab: its worker was killed: %s\n", buf_str(&said));
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	buf_free(&folder);
	buf_free(&said);
}

int lab_work(const struct options *o)
{
	struct sigaction action = { .sa_handler = pass_on };
	pid_t first = getpid();
	int status = 0;

	fflush(NULL); /* not once more in the worker */
	/* Saving children of servers that were killed become ours. */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	worker = fork();
	if (worker < 0) {
		fprintf(stderr, "redmem: lab: fork: %s\n", strerror(errno));
		return 1;
	}
	if (!worker) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		status = getppid() == first ? work(o) : 1;
		fflush(NULL);
		_exit(status);
	}
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	while (waitpid(worker, &status, 0) < 0 && errno == EINTR)
		;
	undo_the_rest();
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
