/* SPDX-License-Identifier: BSD-2-Clause */
/* Self-calibration by watching clients' commands; see calibrate.h and offsets.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "host/proc.h"
#include "target/calibrate.h"
#include "target/candidates.h"
#include "target/commands.h"
#include "target/probe.h"

#define LOOK_WORDS    32 /* argv and cmd stand in the first 160 bytes */
#define LOOK_LIMIT_NS 200000
#define LOOK_AGAIN_US 20000 /* after one that took longer */
#define WATCH_SECONDS 2
#define PEEK_US	      1000 /* also keeps candidates apart: a pipeline sends the same again */
#define INSIDE_HITS   4 /* among as many hits is one from inside a command, if there is any */
#define TESTS	      5
#define TEST_GAP_US   1000

struct watcher {
	struct probe probe;
	struct redmem_range process, call; /* code of processCommand() and call() */
	int64_t deadline_ns;
	struct redmem_calibration *seen; /* room for CANDIDATES_MAX, at the beginning of commands */
	size_t count;
	struct redmem_calibration *inside; /* and for one from inside of one */
	unsigned int slot;
	double pause_seconds;
};

/* Look once at a function called by the code @caller, if that happens before the
 * deadline and within @hits_max hits of the probe. 1 when seen, 0 when not. */
static int watch_one(struct watcher *w, const struct redmem_range *caller, unsigned int hits_max,
		     struct redmem_calibration *look)
{
	int ret;

	memset(look, 0, sizeof(*look));
	look->any_client = 1;
	look->caller = *caller;
	look->words = LOOK_WORDS;
	look->limit_ns = LOOK_LIMIT_NS;
	w->slot = (w->slot + 1) % CALIBRATION_SLOTS;
	ret = probe_arm(&w->probe, w->slot, look);
	if (ret)
		return ret;
	do {
		usleep(PEEK_US);
		ret = probe_read(&w->probe, w->slot, look);
	} while (!ret && !look->done && !look->cut && look->hits < hits_max &&
		 clock_mono_ns() < w->deadline_ns);
	/* Said to be done, it may have been so only after the rest was copied. */
	if (!ret)
		ret = probe_read(&w->probe, w->slot, look);
	w->pause_seconds += look->pause_ns / 1e9;
	calibration_log(look, "live");
	return ret ? ret : look->done != 0;
}

/*
 * processCommand() calls call() for what a client sent: current_client is that client,
 * and its arguments are as they came. call() calls afterCommand() with the client it
 * executes, and only then forgets it; before 7.2 it need not call it, and there is
 * nothing to find there.
 */
static int watch_commands(struct watcher *w, struct err *err)
{
	struct redmem_calibration *look;
	bool again;
	int ret;

	do {
		look = &w->seen[w->count];
		ret = watch_one(w, &w->process, UINT_MAX, look);
		if (ret > 0 && ++w->count == CANDIDATES_MIN)
			watch_one(w, &w->call, INSIDE_HITS, w->inside); /* may be missing */
		again = !ret && look->cut && clock_mono_ns() < w->deadline_ns;
		if (again)
			usleep(LOOK_AGAIN_US);
	} while ((ret > 0 || again) && w->count < CANDIDATES_MAX);
	if (ret < 0)
		return err_set(err, ret, "calibration: the probe's map: %s", strerror(-ret));
	if (w->count)
		return 0;
	return err_set(err, -ETIMEDOUT,
		       "calibration: no command ran within %d s%s: watch again while clients use "
		       "the server",
		       WATCH_SECONDS, w->seen[0].hits ? " but inside scripts or modules" : "");
}

static bool role_range(const struct image *image, enum function_role role,
		       struct redmem_range *range)
{
	const char *name;

	for (size_t i = 0; (name = knowledge_role_name(role, i)); i++)
		if (image_function_range(image, name, range))
			return true;
	return false;
}

static int watch(struct watcher *w, struct err *err)
{
	static const enum function_role functions[] = { ROLE_CALL, ROLE_AFTER_COMMAND };
	const struct image *image = w->probe.image;
	int ret;

	if (!role_range(image, ROLE_PROCESS_COMMAND, &w->process) ||
	    !role_range(image, ROLE_CALL, &w->call))
		return err_set(err, -ENOENT,
			       "calibration: %s does not say where call and processCommand are",
			       image->executable);
	ret = probe_on(&w->probe, functions, 2, err);
	if (ret)
		return ret;
	w->deadline_ns = clock_mono_ns() + WATCH_SECONDS * 1000000000LL;
	ret = watch_commands(w, err);
	probe_off(&w->probe);
	return ret;
}

/* Is what current_client holds now nothing, or something that looks like a client? */
static bool client_is_plausible(pid_t pid, const struct redmem_offsets *at)
{
	uint64_t client, command, name;
	uint32_t argc;
	char text[CALIBRATION_TEXT * 4];

	if (memory_read(pid, at->current_client, &client, sizeof(client)))
		return false;
	if (!client)
		return true;
	return !(client & 7) && !memory_read(pid, client + at->argc, &argc, sizeof(argc)) &&
	       argc <= REDMEM_ARGUMENTS_MAX &&
	       !memory_read(pid, client + at->cmd, &command, sizeof(command)) &&
	       (!command || (!memory_read(pid, command, &name, sizeof(name)) &&
			     memory_read_string(pid, name, text, sizeof(text)) > 0));
}

/* The offsets, on the server as it goes on. A client may end between two reads: one
 * of several looks may fail. */
static bool offsets_stand_test(pid_t pid, const struct redmem_offsets *at)
{
	int good = 0;

	for (int i = 0; i < TESTS; i++) {
		good += client_is_plausible(pid, at);
		usleep(TEST_GAP_US);
	}
	return good >= TESTS - 1;
}

static uint32_t find_fullname(const struct watcher *w, const struct redmem_offsets *at)
{
	uint32_t offset = 0;

	for (size_t i = 0; i < w->count && !offset; i++)
		offset = target_find_fullname(w->probe.image->pid,
					      word_at(w->seen[i].client, at->cmd),
					      w->seen[i].word[at->cmd / 8].name);
	return offset;
}

int calibrate_passively(struct calibration *out, const struct image *image,
			const struct probe_slots *slots, struct err *err)
{
	struct watcher w = { .probe = { image, slots, {} } };
	char how[64];
	int ret;

	memset(out, 0, sizeof(*out));
	w.seen = xcalloc(CANDIDATES_MAX, sizeof(*w.seen));
	w.inside = xcalloc(1, sizeof(*w.inside));
	ret = watch(&w, err);
	if (!ret)
		ret = candidates_solve(&out->at, w.seen, w.count, image->server_address, err);
	if (ret < 0)
		goto out;
	snprintf(how, sizeof(how), "found by watching %d live commands; ", ret);
	ret = 0;
	candidates_find_executing(&out->at, w.inside, image->server_address);
	if (!offsets_stand_test(image->pid, &out->at)) {
		ret = err_set(err, -ENOENT,
			      "calibration: what was found by watching did not stand a test");
		goto out;
	}
	out->fullname_offset = find_fullname(&w, &out->at);
	calibration_note(out, how);
out:
	out->pause_seconds = w.pause_seconds;
	free(w.seen);
	free(w.inside);
	return ret;
}
