/* SPDX-License-Identifier: BSD-2-Clause */
/* The lab's run; see run.h. */
#include "lab/run.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "lab/about.h"
#include "lab/draw.h"
#include "lab/measure.h"
#include "lab/stats.h"
#include "record/record.h"

/* A, A once more, and B. */
enum { FIRST, AGAIN, OTHER, INSTANCES };
static const char *const instance_names[INSTANCES] = { "a", "again", "b" };

#define TURN_SECONDS 0.1 /* at full speed */
#define WARM_SECONDS 0.2 /* a turn of the warm-up... */
#define WARM_STEADY  0.03 /* ...until two of them differ by so much at most */
#define WARM_LEAST   3
#define WATCH_SLICES 2 /* a watch is as long, and a save */
#define IDLE_MS	     100
#define ENDING_US    100000 /* from when its connections are gone until a process is */
#define LOAD_BUSY    0.9 /* of its time: it is what is measured */

struct pairs {
	const struct lab_run *run;
	struct lab_side side[LAB_SIDES]; /* of which instances are */
	struct lab_instance one[INSTANCES];
	struct lab_random random;
	struct lab_result *result;
	struct lab_writer *writer;
	int64_t start_ns;
	int restart, pair; /* the next of each; pairs are counted through */
	double rate; /* of the open loop, in this restart */
	struct lab_turns turns; /* at full speed, of all servers */
};

static bool stopped(const struct pairs *p)
{
	return *p->run->place.stop != 0;
}

static double now_seconds(const struct pairs *p)
{
	return (double)(clock_mono_ns() - p->start_ns) / 1e9;
}

static void say(const struct pairs *p, const char *what)
{
	char text[160];

	if (!p->run->say)
		return;
	snprintf(text, sizeof(text), "restart %d of %d at most, %.0f of %.0f s: %s", p->restart + 1,
		 p->run->restarts_most, now_seconds(p), p->run->limit_seconds, what);
	p->run->say(p->run->ctx, text);
}

/* Each of the three once, in random order. */
static void shuffle(struct pairs *p, int order[INSTANCES])
{
	order[0] = 0;
	for (int i = 1; i < INSTANCES; i++) {
		int j = (int)lab_random_below(&p->random, (uint64_t)i + 1);

		order[i] = order[j];
		order[j] = i;
	}
}

/* Do @what to each of them in random order, with the knobs of its side, until somebody wants it to
 * end (-EINTR). */
static int for_each(struct pairs *p,
		    int (*what)(struct pairs *p, int which, void *ctx, struct err *err), void *ctx,
		    struct err *err)
{
	int order[INSTANCES], ret = 0;

	shuffle(p, order);
	for (int i = 0; i < INSTANCES && !ret; i++) {
		if (stopped(p))
			return err_set(err, -EINTR, "lab: interrupted");
		ret = lab_instance_knobs(&p->one[order[i]], &p->run->place, err);
		if (!ret)
			ret = what(p, order[i], ctx, err);
	}
	return ret;
}

/* --- what is written ------------------------------------------------------ */

static int put(struct pairs *p, const struct lab_sample *sample, struct err *err)
{
	lab_result_add(p->result, sample);
	return lab_writer_sample(p->writer, sample, err);
}

/* A's is a part of two pairs. */
static int put_all(struct pairs *p, struct lab_sample samples[INSTANCES], struct err *err)
{
	static const struct {
		bool aa;
		int side, which;
	} parts[] = {
		{ true, LAB_A, FIRST },
		{ true, LAB_B, AGAIN },
		{ false, LAB_A, FIRST },
		{ false, LAB_B, OTHER },
	};
	int ret = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts) && !ret; i++) {
		struct lab_sample *sample = &samples[parts[i].which];

		sample->aa = parts[i].aa;
		sample->side = parts[i].side;
		ret = put(p, sample, err);
	}
	return ret;
}

static void begin_samples(const struct pairs *p, struct lab_sample samples[INSTANCES], bool per_run)
{
	for (int i = 0; i < INSTANCES; i++) {
		lab_sample_clear(&samples[i]);
		samples[i].per_run = per_run;
		samples[i].restart = p->restart;
		samples[i].pair = per_run ? p->restart : p->pair;
		samples[i].t_seconds = now_seconds(p);
	}
}

static int note(struct pairs *p, const char *text, struct err *err)
{
	size_t before = p->result->notes_count;

	lab_result_note(p->result, text);
	return p->result->notes_count > before ? lab_writer_note(p->writer, text, err) : 0;
}

/* --- beginning ------------------------------------------------------------ */

static int start_one(struct pairs *p, int which, void *ctx, struct err *err)
{
	int ret = lab_instance_start(&p->one[which], &p->run->place,
				     p->run->seed + (uint64_t)p->restart, ctx, err);

	return ret ? ret : lab_load_fill(p->one[which].load, err);
}

/* Until two turns in a row have done about the same for their CPU time. */
static int warm_one(struct pairs *p, int which, void *ctx, struct err *err)
{
	double *slowest = ctx, before = 0, end = now_seconds(p) + p->run->scenario->warm_seconds;
	int ret = 0;

	for (int i = 0; !ret && !stopped(p); i++) {
		struct lab_turns turns = {};
		double work;

		ret = lab_measure_turn(&p->one[which], WARM_SECONDS, &turns, err);
		work = lab_turns_work(&turns);
		if (turns.wall_ns > 0)
			*slowest = fmin(*slowest,
					(double)turns.replies / ((double)turns.wall_ns / 1e9));
		if (now_seconds(p) >= end ||
		    (i + 1 >= WARM_LEAST && fabs(work - before) <= WARM_STEADY * work))
			break;
		before = work;
	}
	return ret;
}

static int warm_up(struct pairs *p, struct err *err)
{
	const struct lab_scenario *scenario = p->run->scenario;
	double slowest = INFINITY;
	int ret = for_each(p, warm_one, &slowest, err);

	p->rate = scenario->rate > 0 ? scenario->rate : scenario->rate_share * slowest;
	return ret;
}

/* --- pairs ---------------------------------------------------------------- */

struct slices {
	struct lab_sample sample[INSTANCES];
	struct lab_turns turns[INSTANCES];
	double turn_seconds;
};

static int take_turn(struct pairs *p, int which, void *ctx, struct err *err)
{
	struct slices *s = ctx;

	return lab_measure_turn(&p->one[which], s->turn_seconds, &s->turns[which], err);
}

static void add_up(struct pairs *p, struct lab_sample *sample, const struct lab_turns *turns)
{
	p->turns.wall_ns += turns->wall_ns;
	p->turns.load_ns += turns->load_ns;
	sample->seconds = (double)turns->wall_ns / 1e9;
	sample->operations = (int64_t)turns->replies;
	sample->errors = (int64_t)turns->refused;
	lab_measure_turns(sample->value, turns);
}

static int take_latency(struct pairs *p, int which, void *ctx, struct err *err)
{
	const struct lab_order order = { .loop = LAB_OPEN,
					 .rate = p->rate,
					 .seconds = p->run->scenario->slice_seconds };
	struct lab_load_counts *counts = xcalloc(1, sizeof(*counts));
	struct slices *s = ctx;
	int ret = lab_load_slice(p->one[which].load, &order, counts, err);

	if (!ret)
		lab_measure_latency(s->sample[which].value, counts);
	free(counts);
	return ret;
}

/* Turns at full speed, then, once each, at the rate of which latency is told. */
static int take_pair(struct pairs *p, struct err *err)
{
	double seconds = p->run->scenario->slice_seconds;
	int turns = (int)ceil(seconds / TURN_SECONDS), ret = 0;
	struct slices *s = xcalloc(1, sizeof(*s));

	s->turn_seconds = seconds / turns;
	begin_samples(p, s->sample, false);
	for (int i = 0; i < turns && !ret; i++)
		ret = for_each(p, take_turn, s, err);
	for (int i = 0; i < INSTANCES && !ret; i++)
		add_up(p, &s->sample[i], &s->turns[i]);
	if (!ret && p->rate > 0)
		ret = for_each(p, take_latency, s, err);
	if (!ret)
		ret = put_all(p, s->sample, err);
	p->pair++;
	free(s);
	return ret;
}

/* --- the watch ------------------------------------------------------------ */

/* The load beside a watch, in a thread: some seconds at its rate, then a save. */
struct beside {
	const struct lab_instance *one;
	double rate, seconds;
	bool begun, running;
	pthread_t thread;
	double commands; /* of the server when it began; NAN */
	bool over; /* atomic */
	int ret; /* the thread's while it runs */
	struct err err;
};

static void *load_beside(void *ctx)
{
	static const struct lab_step save = { .kind = LAB_STEP_SAVE, .seconds = NAN };
	struct beside *b = ctx;
	const struct lab_order order = { .loop = LAB_OPEN, .rate = b->rate, .seconds = b->seconds };
	struct lab_load_counts *counts = xcalloc(1, sizeof(*counts));

	b->ret = lab_load_slice(b->one->load, &order, counts, &b->err);
	if (!b->ret)
		b->ret = lab_load_step(b->one->load, &save, b->rate, counts, &b->err);
	free(counts);
	__atomic_store_n(&b->over, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Since its start; NAN. */
static double count_commands(const struct lab_instance *one)
{
	struct info *info = lab_instance_info(one, NULL);
	double count = info ? info_double(info, "total_commands_processed") : NAN;

	info_free(info);
	return count;
}

/* The watch asks from when it sees the server on, and the load begins then. */
static bool is_over(void *ctx)
{
	struct beside *b = ctx;

	if (b->begun)
		return !b->running || __atomic_load_n(&b->over, __ATOMIC_ACQUIRE);
	b->begun = true;
	b->commands = count_commands(b->one);
	b->ret = -pthread_create(&b->thread, NULL, load_beside, b);
	b->running = !b->ret;
	if (b->ret)
		err_set(&b->err, b->ret, "lab: no thread: %s", strerror(-b->ret));
	return !b->running;
}

static int watch_one(struct pairs *p, int which, void *ctx, struct err *err)
{
	struct lab_instance *one = &p->one[which];
	struct lab_sample *samples = ctx;
	struct beside b = { .one = one,
			    .rate = p->rate,
			    .seconds = WATCH_SLICES * p->run->scenario->slice_seconds,
			    .commands = NAN };
	struct lab_watch watch = { one->server.pid, one->server.socket, is_over, &b };
	struct model *m = model_new();
	int ret = p->run->watch(p->run->ctx, &watch, m, err);

	lab_load_stop(one->load); /* where the watch was cut short */
	if (b.running)
		pthread_join(b.thread, NULL);
	if (!ret && b.ret) {
		*err = b.err;
		ret = b.ret;
	}
	if (!ret) {
		model_finish(m);
		lab_measure_watch(samples[which].value, m, count_commands(one) - b.commands);
	}
	model_free(m);
	return ret;
}

/* --- the end of a restart ------------------------------------------------- */

static int idle(const struct pairs *p, double seconds, struct err *err)
{
	int64_t end = clock_mono_ns() + (int64_t)(seconds * 1e9);

	while (clock_mono_ns() < end) {
		if (stopped(p))
			return err_set(err, -EINTR, "lab: interrupted");
		poll(NULL, 0, IDLE_MS);
	}
	return 0;
}

static int step_one(struct pairs *p, int which, void *ctx, struct err *err)
{
	struct lab_load_counts *counts = xcalloc(1, sizeof(*counts));
	int ret = lab_load_step(p->one[which].load, ctx, p->rate, counts, err);

	free(counts);
	return ret;
}

/* All are idle at once. Of the scenario's own idle time the last comes after the end. */
static int take_steps(struct pairs *p, double *idle_seconds, struct err *err)
{
	const struct lab_scenario *scenario = p->run->scenario;
	int ret = 0;

	*idle_seconds = p->run->idle_seconds;
	for (size_t i = 0; i < scenario->steps_count && !ret; i++) {
		struct lab_step *step = &scenario->steps[i];

		if (step->kind != LAB_STEP_IDLE)
			ret = for_each(p, step_one, step, err);
		else if (i + 1 == scenario->steps_count)
			*idle_seconds = step->seconds;
		else
			ret = idle(p, step->seconds, err);
	}
	return ret;
}

struct end {
	struct lab_sample sample[INSTANCES];
	struct info *filled[INSTANCES]; /* what each said then */
	enum { FILLED, ENDED, IDLED } when;
};

static int ask_one(struct pairs *p, int which, void *ctx, struct err *err)
{
	struct end *end = ctx;
	double *value = end->sample[which].value;
	struct info *info = lab_instance_info(&p->one[which], err);

	if (!info)
		return err->code;
	if (end->when == FILLED) {
		lab_measure_filled(value, info, p->one[which].empty_bytes);
		end->filled[which] = info;
		return 0;
	}
	if (end->when == ENDED) {
		lab_measure_end(value, &p->one[which], info);
		lab_measure_save(value, info);
		lab_measure_evicted(value, end->filled[which], info);
	} else {
		lab_measure_idle(value, info);
	}
	info_free(info);
	return 0;
}

/* --- restarts ------------------------------------------------------------- */

static int measure_restart(struct pairs *p, struct end *end, struct err *err)
{
	double idle_seconds;
	int ret;

	say(p, "warming up");
	ret = for_each(p, ask_one, end, err);
	if (!ret)
		ret = warm_up(p, err);
	for (int i = 0; i < p->run->pairs && !ret; i++) {
		say(p, "slices");
		ret = take_pair(p, err);
	}
	say(p, "a watch of each");
	if (!ret && p->run->watch && p->rate > 0)
		ret = for_each(p, watch_one, end->sample, err);
	say(p, "the end");
	if (!ret)
		ret = take_steps(p, &idle_seconds, err);
	end->when = ENDED;
	if (!ret)
		ret = for_each(p, ask_one, end, err);
	if (!ret)
		ret = idle(p, idle_seconds, err);
	end->when = IDLED;
	if (!ret)
		ret = for_each(p, ask_one, end, err);
	return ret ? ret : put_all(p, end->sample, err);
}

/* Of a failure whose cause is that a server has ended: which, how, and with which last words; its
 * folder goes. */
static void tell_ended(struct pairs *p, struct err *err)
{
	usleep(ENDING_US);
	for (int i = 0; i < INSTANCES; i++) {
		struct lab_instance *one = &p->one[i];
		struct buf how = {};

		if (private_server_ended(&one->server, &how, one->dir))
			err_set(err, -ECHILD, "lab: the server of side %s, %s, %s",
				i == OTHER ? "B" : "A", one->side->about->label, buf_str(&how));
		buf_free(&how);
	}
}

static void end_all(struct pairs *p)
{
	for (int i = 0; i < INSTANCES; i++)
		lab_instance_end(&p->one[i]);
}

/* What the servers say of themselves belongs to the first line of the file. */
static int open_result(struct pairs *p, struct lab_about *about, const char *path, struct err *err)
{
	int ret = lab_about_ask(about, LAB_A, &p->one[FIRST], err);

	if (!ret)
		ret = lab_about_ask(about, LAB_B, &p->one[OTHER], err);
	if (!ret)
		ret = lab_writer_open(&p->writer, path, about, err);
	if (ret)
		return ret;
	p->result = lab_result_new(about);
	for (int side = 0; side < LAB_SIDES; side++) /* what they are set to is there now */
		p->side[side].about = &p->result->about.side[side];
	return 0;
}

static int one_restart(struct pairs *p, struct lab_about *about, const char *path, struct err *err)
{
	struct buf refused = {};
	struct end *end = xcalloc(1, sizeof(*end));
	int ret;

	say(p, "starting and filling");
	begin_samples(p, end->sample, true);
	ret = for_each(p, start_one, &refused, err);
	if (!ret && !p->writer)
		ret = open_result(p, about, path, err);
	if (!ret && p->run->note)
		ret = note(p, p->run->note, err);
	if (!ret && refused.len)
		ret = note(p, buf_str(&refused), err);
	if (!ret)
		ret = measure_restart(p, end, err);
	if (ret && ret != -EINTR)
		tell_ended(p, err);
	end_all(p);
	for (int i = 0; i < INSTANCES; i++)
		info_free(end->filled[i]);
	free(end);
	buf_free(&refused);
	return ret;
}

/* So many of them, so precise, or so late that another would not end in time. */
static enum lab_end finished(const struct pairs *p, double longest)
{
	if (p->restart >= p->run->restarts_most || now_seconds(p) + longest > p->run->limit_seconds)
		return LAB_LIMIT;
	return lab_precise(p->result, false) && lab_precise(p->result, true) ? LAB_PRECISE :
									       LAB_CUT;
}

/* What a reader must know of how it went, and what he can do. */
static int note_course(struct pairs *p, enum lab_end end, double longest, struct err *err)
{
	struct buf text = {};
	int ret = 0;

	if ((double)p->turns.load_ns > LOAD_BUSY * (double)p->turns.wall_ns)
		ret = note(p,
			   "the load was as busy as the servers, with one CPU: operations a second "
			   "are as many as it could ask for; those a CPU second of the server hold",
			   err);
	if (!ret && end == LAB_LIMIT && p->restart < LAB_RESTARTS_MIN &&
	    p->restart < p->run->restarts_most) {
		buf_printf(&text,
			   "a restart takes %.0f s on this machine, and it takes %d until anything "
			   "is said: give it --limit %.0f",
			   longest, LAB_RESTARTS_MIN,
			   ceil(longest * (LAB_RESTARTS_MIN + 1) / 60) * 60);
		ret = note(p, buf_str(&text), err);
	}
	buf_free(&text);
	return ret;
}

static int restarts(struct pairs *p, struct lab_about *about, const char *path, struct err *err)
{
	enum lab_end end = LAB_CUT;
	struct err why = {};
	double longest = 0;
	int ret = 0;

	while (end == LAB_CUT) {
		double began = now_seconds(p);

		ret = one_restart(p, about, path, &why);
		p->restart++;
		longest = fmax(longest, now_seconds(p) - began);
		if (ret)
			end = ret == -EINTR ? LAB_INTERRUPTED : LAB_FAILED;
		else
			end = finished(p, longest);
	}
	if (p->writer && !ret)
		ret = note_course(p, end, longest, &why);
	if (err)
		*err = why;
	if (!p->writer)
		return ret;
	p->result->end = end;
	if (ret)
		p->result->end_detail = xstrdup(why.text);
	if (lab_writer_end(p->writer, end, p->result->end_detail, ret ? NULL : err) && !ret)
		ret = -EIO;
	return ret == -EINTR ? 0 : ret;
}

int lab_run(const struct lab_run *run, struct lab_about *about, const char *path,
	    struct lab_result **result, struct err *err)
{
	struct pairs p = { .run = run, .start_ns = clock_mono_ns() };
	int ret = 0;

	lab_random_seed(&p.random, run->seed);
	memcpy(p.side, run->side, sizeof(p.side));
	for (int i = 0; i < INSTANCES && !ret; i++)
		ret = lab_instance_prepare(&p.one[i], &p.side[i == OTHER], run->scenario,
					   &run->place, instance_names[i], err);
	if (!ret)
		ret = restarts(&p, about, path, err);
	lab_writer_close(p.writer);
	*result = p.result;
	return ret;
}
