/* SPDX-License-Identifier: BSD-2-Clause */
/* redmem doctor, alloc and memory: watch (or replay), then report. */
#include <math.h>
#include <stdio.h>

#include "app/commands.h"
#include "app/progress.h"
#include "app/keys_run.h"
#include "app/print.h"
#include "app/watch.h"
#include "app/watch_all.h"
#include "record/recording.h"
#include "redis/keysample.h"

/* Of `redmem memory`: enough for a child's growth and who writes; the state itself needs
 * no time at all. */
#define MEMORY_SECONDS 3.0

/* Records go to the model and, when asked for, into a recording. */
struct fork_sink {
	struct record_sink model, recording;
};

static void take_both(void *ctx, const struct record *record)
{
	struct fork_sink *both = ctx;

	record_emit(&both->model, record);
	record_emit(&both->recording, record);
}

/* A pass that fails loses nothing of the watch. */
static int pass_over_keys(const struct options *o, const struct record_sink *sink,
			  const struct model *model)
{
	struct err err = {};

	interrupt_catch(); /* Ctrl-C has ended the watch, perhaps; the next ends the pass */
	return keys_run_beside(o, sink, model, &err) ? print_failure(&err) : 0;
}

/* Negative when there is nothing to report of, 1 when a part failed. */
static int watch_and_pass(const struct options *o, const struct record_sink *sink,
			  const struct model *model, struct err *err)
{
	int ret = watch_run(o, sink, err);

	return ret || !o->keys.wanted ? ret : pass_over_keys(o, sink, model);
}

static int watch_and_record(const struct options *o, const struct model *model,
			    const struct record_sink *sink, struct err *err)
{
	struct fork_sink both = { .model = *sink };
	struct recording *recording;
	struct err why = {};
	int ret;

	ret = recording_create(&recording, o->record_path, err);
	if (ret)
		return ret;
	both.recording = recording_sink(recording);
	ret = watch_and_pass(o, &(struct record_sink){ take_both, &both }, model, err);
	if (ret < 0) {
		recording_abandon(recording);
		return ret;
	}
	/* A recording that could not be written loses nothing of the report. */
	if (recording_close(recording, &why))
		fprintf(stderr, "redmem: %s\n", why.text);
	return ret || why.code;
}

/* Watch or replay, then @print the finished model. */
static int watch_and_print(const struct options *o,
			   int (*print)(const struct options *o, const struct model *m))
{
	struct keyspace_options keyspace = keys_keyspace_options(o);
	struct model *model = model_new();
	struct record_sink sink = model_sink(model);
	struct err err = {};
	int ret, failed;

	model_set_keyspace(model, &keyspace);
	if (o->replay_path)
		failed = recording_replay(o->replay_path, &sink, &err);
	else if (o->record_path)
		failed = watch_and_record(o, model, &sink, &err);
	else
		failed = watch_and_pass(o, &sink, model, &err);
	if (failed < 0) {
		model_free(model);
		return print_failure(&err);
	}
	model_finish(model);
	ret = print(o, model);
	model_free(model);
	return ret || failed;
}

int cmd_doctor(const struct options *o)
{
	struct options look = *o;

	if (!o->keys.wanted) /* a pass over all of them says more than a few */
		look.sample_keys = KEYSAMPLE_MAX;
	return o->all ? watch_all(&look) : watch_and_print(&look, print_report);
}

int cmd_alloc(const struct options *o)
{
	return watch_and_print(o, print_alloc);
}

int cmd_memory(const struct options *o)
{
	struct options look = *o;

	if (isnan(look.duration_seconds))
		look.duration_seconds = MEMORY_SECONDS;
	look.sample_keys = KEYSAMPLE_MAX;
	return watch_and_print(&look, print_memory);
}
