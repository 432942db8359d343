/* SPDX-License-Identifier: BSD-2-Clause */
/* A recording on the screen; see top_replay.h. */
#include "app/top_replay.h"

#include <math.h>
#include <stdlib.h>

#include "app/redact.h"
#include "app/top_feed.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/sum.h"
#include "record/recording.h"

#define SLICE_NS 50000000LL
#define BEHIND	 1.5 /* seconds: it is not at the place it was sent to yet */

struct top_replay {
	char *path, *title;
	struct redact *redact; /* NULL = names are shown */
	struct recording_reader *reader;
	struct top_feed *feed;
	struct record_sink sink;
	struct top_shown shown;
	struct screen_server server;
	double at; /* where it is to be, seconds of the recording */
	double stream; /* how far it was read */
	double speed;
	int64_t last_ns; /* when it was looked at last; 0 = never */
	int64_t wall_start_ns;
	bool marked; /* it has marks */
	bool over;
};

/* Marks say how far it is; of a recording without any (no BPF) the ticks do. */
static void take(void *ctx, const struct record *record)
{
	struct top_replay *replay = ctx;
	struct record_sink feed = top_feed_sink(replay->feed);
	struct record_sink shown = redact_sink(replay->redact, &feed);
	double t = NAN;

	replay->marked |= record->kind == RECORD_MARK;
	if (record->kind == RECORD_MARK)
		t = record->mark.t_seconds;
	else if (record->kind == RECORD_TICK && !replay->marked)
		t = record->tick.t_seconds;
	if (record->kind == RECORD_SESSION)
		replay->wall_start_ns = record->session.wall_start_ns;
	record_emit(&shown, record);
	if (t > replay->stream)
		replay->stream = t;
}

/* From its beginning. */
static int begin(struct top_replay *replay, struct err *err)
{
	recording_reader_free(replay->reader);
	replay->reader = NULL;
	top_feed_free(replay->feed);
	replay->feed = top_feed_new(-1);
	replay->stream = 0;
	replay->over = false;
	return recording_open(&replay->reader, replay->path, err);
}

int top_replay_open(struct top_replay **out, const struct options *o, struct err *err)
{
	struct top_replay *replay = xcalloc(1, sizeof(*replay));
	int ret;

	replay->redact = redact_new_of(o);
	replay->path = xstrdup(o->replay_path);
	replay->title = redact_text(replay->redact, o->replay_path);
	replay->sink = (struct record_sink){ take, replay };
	replay->speed = 1;
	replay->wall_start_ns = RECORD_UNKNOWN;
	ret = begin(replay, err);
	*out = ret ? NULL : replay;
	if (ret)
		top_replay_close(replay);
	return ret;
}

static void end(struct top_replay *replay)
{
	top_feed_end(replay->feed);
	replay->over = true;
	replay->at = replay->stream;
}

static void read_on(struct top_replay *replay, struct err *err)
{
	int64_t until = clock_mono_ns() + SLICE_NS;
	int ret = 1;

	while (replay->stream < replay->at && clock_mono_ns() < until && ret > 0)
		ret = recording_read(replay->reader, &replay->sink, err);
	if (ret <= 0)
		end(replay);
}

static void fill_view(const struct top_replay *replay, struct screen_view *view)
{
	view->replay.on = true;
	view->replay.over = replay->over;
	view->replay.seeking = replay->at - replay->stream > BEHIND * fmax(replay->speed, 1);
	view->replay.at_seconds = replay->stream;
	view->replay.speed = replay->speed;
	view->now_ns = RECORD_UNKNOWN;
	if (replay->wall_start_ns >= 0)
		view->now_ns = sum_of(replay->wall_start_ns, sum_whole(replay->stream * 1e9));
}

bool top_replay_turn(struct top_replay *replay, struct screen_view *view, int64_t now_ns,
		     struct err *err)
{
	double passed = replay->last_ns ? (double)(now_ns - replay->last_ns) / 1e9 : 0;
	double before = replay->stream;
	bool news;

	replay->last_ns = now_ns;
	/* What takes longer to read than it took does not run away. */
	if (!view->paused && !view->replay.seeking && !replay->over)
		replay->at += passed * replay->speed;
	if (!replay->over && replay->stream < replay->at)
		read_on(replay, err);
	news = top_feed_adopt(replay->feed, &replay->shown, false);
	fill_view(replay, view);
	replay->server = (struct screen_server){ .title = replay->title, .state = "" };
	top_shown_fill(&replay->shown, &replay->server);
	return news || replay->stream != before;
}

void top_replay_speed(struct top_replay *replay, double factor)
{
	replay->speed = fmin(fmax(replay->speed * factor, TOP_SPEED_LEAST), TOP_SPEED_MOST);
}

void top_replay_seek(struct top_replay *replay, double seconds)
{
	struct err err = {};
	double to = fmax(replay->at + seconds, 0);

	if (seconds > 0 && replay->over)
		return;
	/* It was opened before; if it is gone now, what was seen stays. */
	if (seconds < 0) {
		top_shown_clear(&replay->shown);
		if (begin(replay, &err))
			replay->over = true;
	}
	replay->at = to;
	top_feed_skip(replay->feed, to - 1);
}

const struct screen_server *top_replay_server(const struct top_replay *replay)
{
	return &replay->server;
}

void top_replay_close(struct top_replay *replay)
{
	if (!replay)
		return;
	recording_reader_free(replay->reader);
	top_feed_free(replay->feed);
	top_shown_clear(&replay->shown);
	redact_free(replay->redact);
	free(replay->path);
	free(replay->title);
	free(replay);
}
