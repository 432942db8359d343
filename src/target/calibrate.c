/* SPDX-License-Identifier: BSD-2-Clause */
/* Self-calibration by asking the server; see calibrate.h and offsets.h. */
#include "target/calibrate.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/buf.h"
#include "host/memory.h"
#include "redis/info.h"
#include "target/commands.h"
#include "target/offsets.h"
#include "target/probe.h"

#define REPLY_TIMEOUT_MS 2000
#define COUNTER_COPIES	 4

static const char script_text[] = "return redis.call('ECHO',ARGV[1])";

struct calibrator {
	struct probe probe;
	struct conn *conn;
	char nonce[CALIBRATION_NONCE + 1];
	double pause_seconds;
};

/* --- one look ---------------------------------------------------------------- */

static int new_nonce(struct calibrator *c)
{
	unsigned char raw[CALIBRATION_NONCE / 2];

	if (getrandom(raw, sizeof(raw), 0) != sizeof(raw))
		return -errno;
	for (size_t i = 0; i < sizeof(raw); i++)
		snprintf(c->nonce + 2 * i, 3, "%02x", raw[i]);
	return 0;
}

/* Send a command with the nonce in it and see it in the server. 0 when seen,
 * -ENOENT when the probe did not meet it. The caller frees *@out. */
static int take_look(struct calibrator *c, struct redmem_calibration **out, int argc,
		     const char **argv)
{
	struct redmem_calibration *look = xcalloc(1, sizeof(*look));
	redisReply *reply = NULL;
	int ret;

	memcpy(look->nonce, c->nonce, CALIBRATION_NONCE);
	ret = probe_arm(&c->probe, 0, look);
	if (!ret)
		ret = conn_call(c->conn, REPLY_TIMEOUT_MS, &reply, argc, argv, NULL);
	if (reply)
		freeReplyObject(reply);
	if (!ret)
		ret = probe_read(&c->probe, 0, look);
	c->pause_seconds += look->pause_ns / 1e9;
	if (!ret && (!look->done || !look->server_ok))
		ret = -ENOENT;
	if (ret) {
		free(look);
		return ret;
	}
	*out = look;
	return 0;
}

/* --- the looks ---------------------------------------------------------------- */

struct look_set {
	struct redmem_calibration *plain, *longer, *script;
	const char *plain_command, *longer_command;
	__u8 idle[CALIBRATION_CLIENT_BYTES];
};

static void look_set_free(struct look_set *set)
{
	free(set->plain);
	free(set->longer);
	free(set->script);
}

/* ECHO and HELLO are rare, take any text, and HELLO needs neither password nor
 * permission. Either may be renamed or denied. */
static int look_by_rare_commands(struct calibrator *c, struct look_set *set)
{
	const char *echo[] = { "ECHO", c->nonce };
	const char *hello[] = { "HELLO", c->nonce, "a", "b", "c" };
	int ret;

	set->plain_command = "echo";
	ret = take_look(c, &set->plain, 2, echo);
	if (ret == -ENOENT) {
		set->plain_command = "hello";
		ret = take_look(c, &set->plain, 2, hello);
	}
	if (ret)
		return ret;
	set->longer_command = "hello";
	return take_look(c, &set->longer, 5, hello);
}

/* Before 6.0 there is no HELLO: look at the entrance all commands pass. Everybody's
 * commands meet the probe then, so it stands only for two of ours. */
static int look_by_entrance(struct calibrator *c, struct look_set *set)
{
	const char *argv[] = { "ECHO", c->nonce, "a", "b", "c" };
	int ret;

	look_set_free(set);
	memset(set, 0, sizeof(*set));
	set->plain_command = set->longer_command = "echo";
	ret = take_look(c, &set->plain, 2, argv);
	return ret ? ret : take_look(c, &set->longer, 5, argv);
}

static void look_by_script(struct calibrator *c, struct look_set *set)
{
	const char *argv[] = { "EVAL", script_text, "0", c->nonce };

	if (take_look(c, &set->script, 4, argv))
		set->script = NULL;
}

static int take_looks(struct calibrator *c, struct look_set *set, struct err *err)
{
	static const char *const rare[] = { "echoCommand", "helloCommand" };
	static const char *const entrance[] = { "processCommand" };
	struct err why = {};
	int ret;

	ret = probe_on(&c->probe, rare, 2, &why);
	if (!ret) {
		ret = look_by_rare_commands(c, set);
		if (!ret)
			look_by_script(c, set);
		probe_off(&c->probe);
	}
	if (ret == -ENOENT) {
		ret = probe_on(&c->probe, entrance, 1, err);
		if (ret)
			return ret;
		ret = look_by_entrance(c, set);
		probe_off(&c->probe);
	}
	if (ret == -ETIMEDOUT)
		return err_set(err, ret, "calibration: the server did not answer within %d ms",
			       REPLY_TIMEOUT_MS);
	if (ret && why.code)
		return err_set(err, ret, "%s", why.text);
	if (ret)
		return err_set(err, ret,
			       "calibration: the probe did not see redmem's commands (%s)",
			       strerror(-ret));
	return 0;
}

/* --- progress ------------------------------------------------------------------ */

/* Counters of INFO whose words are wanted. The last moves at each turn of the event
 * loop: eventloop_cycles from 7.2 on; before, the count of replies written, which is
 * done once a turn, before the loop sleeps. */
enum { COUNT_COMMANDS, COUNT_TURNS, COUNTS };

static bool read_counts(struct calibrator *c, __u64 counts[COUNTS])
{
	redisReply *reply = NULL;
	int64_t values[COUNTS] = { -1, -1 };
	struct info *info;

	if (!conn_call_line(c->conn, REPLY_TIMEOUT_MS, &reply, "INFO stats") && reply->str) {
		info = info_parse(reply->str);
		values[COUNT_COMMANDS] = info_int(info, "total_commands_processed");
		values[COUNT_TURNS] = info_int(info, "eventloop_cycles");
		if (values[COUNT_TURNS] < 0)
			values[COUNT_TURNS] = info_int(info, "total_writes_processed");
		info_free(info);
	}
	if (reply)
		freeReplyObject(reply);
	for (size_t i = 0; i < COUNTS; i++)
		counts[i] = values[i] > 0 ? values[i] : 0;
	return values[COUNT_COMMANDS] > 0;
}

/* The word that lies between INFO's count before and after, in several copies of the
 * struct. */
static __u64 counter_address(struct calibrator *c, struct counter_sighting *seen,
			     const __u64 (*counts)[COUNTS], int which)
{
	const struct image *image = c->probe.image;
	long offset;

	for (size_t i = 0; i < COUNTER_COPIES; i++) {
		seen[i].before = counts[i][which];
		seen[i].after = counts[i + 1][which];
	}
	if (!counts[0][which])
		return 0;
	offset = offsets_find_counter(seen, COUNTER_COPIES, image->server_bytes);
	return offset >= 0 ? image->server_address + offset : 0;
}

static void find_counters(struct calibrator *c, struct redmem_offsets *at)
{
	const struct image *image = c->probe.image;
	struct counter_sighting seen[COUNTER_COPIES] = {};
	__u64 counts[COUNTER_COPIES + 1][COUNTS];
	bool ok = read_counts(c, counts[0]);
	size_t count = 0;

	for (; ok && count < COUNTER_COPIES; count++) {
		__u8 *copy = xcalloc(1, image->server_bytes);

		seen[count].server = copy;
		ok = !memory_read(image->pid, image->server_address, copy, image->server_bytes) &&
		     read_counts(c, counts[count + 1]);
	}
	if (ok) {
		at->commands_done = counter_address(c, seen, counts, COUNT_COMMANDS);
		at->turns = counter_address(c, seen, counts, COUNT_TURNS);
	}
	for (size_t i = 0; i < count; i++)
		free((void *)seen[i].server);
}

void calibration_note(struct calibration *c, const char *how)
{
	const struct redmem_offsets *at = &c->at;
	struct buf note = {};

	buf_puts(&note, how);
	if (!at->cmd)
		buf_puts(&note, "commands are named by what the client sent; ");
	if (!at->executing_client && !at->script_caller)
		buf_puts(&note, "commands inside scripts are not told apart; ");
	if (!at->commands_done)
		buf_puts(&note, "short stalls may be missed (no count of commands found); ");
	else if (!at->turns)
		buf_puts(&note, "long turns of the loop are not seen (no count of them found); ");
	snprintf(c->note, sizeof(c->note), "%.*s", note.len ? (int)note.len - 2 : 0,
		 buf_str(&note));
	buf_free(&note);
}

int calibrate(struct calibration *out, const struct image *image, struct redmem_bpf *bpf,
	      struct conn *conn, struct err *err)
{
	struct calibrator c = { .probe = { image, bpf, {} }, .conn = conn };
	struct look_set set = {};
	struct looks looks = {};
	int ret;

	memset(out, 0, sizeof(*out));
	ret = new_nonce(&c);
	if (ret)
		return err_set(err, ret, "calibration: no random numbers: %s", strerror(-ret));
	ret = take_looks(&c, &set, err);
	if (ret)
		goto out;
	out->own_client = set.plain->client_address;
	/* The reply has come, so the client waits: its command is over. */
	if (!memory_read(image->pid, out->own_client, set.idle, set.plain->client_bytes))
		looks.idle = set.idle;
	looks.plain = (struct look){ set.plain, set.plain_command, 2 };
	looks.longer = (struct look){ set.longer, set.longer_command, 5 };
	looks.script = (struct look){ set.script, "echo", 2 };
	looks.server_address = image->server_address;
	ret = offsets_solve(&out->at, &looks, err);
	if (ret)
		goto out;
	if (out->at.cmd) {
		__u64 command;

		memcpy(&command, set.plain->client + out->at.cmd, sizeof(command));
		out->fullname_offset = target_find_fullname(image->pid, command, set.plain_command);
	}
	find_counters(&c, &out->at);
	calibration_note(out, "");
out:
	out->pause_seconds = c.pause_seconds;
	look_set_free(&set);
	return ret;
}
