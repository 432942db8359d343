/* SPDX-License-Identifier: BSD-2-Clause */
/* What comes once a run; see load.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "lab/load_private.h"
#include "redis/conn.h"

#define NS	   1e9
#define LOOK_NS	   50000000 /* between looks at what the server does */
#define QUIET_NS   3000000000 /* active defrag looks once a second whether there is work */
#define SAVE_MAX_S 3600.0

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = LOOK_NS }, NULL);
}

/* Look until @name of INFO @section is "0" for @quiet_ns, or @seconds have passed. */
static int wait_zero(const struct lab_load *load, struct conn *conn, const char *line,
		     const char *name, int64_t quiet_ns, double seconds, struct err *err)
{
	int64_t end = clock_mono_ns() + (int64_t)(seconds * NS), busy = clock_mono_ns();
	struct buf value = { 0 };
	int ret = 0;

	while (!ret && clock_mono_ns() < end && !load_stopped(load)) {
		ret = load_ask_info(conn, line, name, &value, err);
		/* A server that does not know the field has nothing of the kind to do. */
		if (buf_str(&value)[0] && strcmp(buf_str(&value), "0") != 0)
			busy = clock_mono_ns();
		else if (clock_mono_ns() - busy >= quiet_ns)
			break;
		nap();
	}
	buf_free(&value);
	return ret;
}

/* --- the steps ---------------------------------------------------------------------------- */

static int save(const struct lab_load *load, struct conn *conn, struct err *err)
{
	struct buf value = { 0 };
	redisReply *reply = NULL;
	int ret = conn_call_line(conn, LOAD_ASK_MS, &reply, "BGSAVE");

	if (ret)
		return err_set(err, ret, "lab: BGSAVE: %s", strerror(-ret));
	if (reply->type == REDIS_REPLY_ERROR)
		ret = err_set(err, -EIO, "lab: the server answered to BGSAVE: %s", reply->str);
	freeReplyObject(reply);
	if (ret)
		return ret;
	ret = wait_zero(load, conn, "INFO persistence", "rdb_bgsave_in_progress", 0, SAVE_MAX_S,
			err);
	if (!ret && !load_stopped(load))
		ret = load_ask_info(conn, "INFO persistence", "rdb_last_bgsave_status", &value,
				    err);
	if (value.len && strcmp(buf_str(&value), "ok") != 0)
		ret = err_set(err, -EIO,
			      "lab: %s: the save failed (%s); is there room where the "
			      "server saves to?",
			      load->options.socket, buf_str(&value));
	buf_free(&value);
	return ret;
}

/* With the ops going on beside it, if the scenario has any. */
static int step_save(struct lab_load *load, double rate, struct lab_load_counts *out,
		     struct err *err)
{
	const struct lab_order order = { .loop = LAB_OPEN, .rate = rate };
	bool loaded = load->scenario->ops_count > 0;
	struct err of_load = { 0 };
	struct conn *conn;
	int ret = load_ask_open(load, &conn, err);

	if (ret)
		return ret;
	if (loaded)
		ret = lab_load_begin(load, &order, err);
	if (!ret) {
		ret = save(load, conn, err);
		lab_load_stop(load);
	}
	if (loaded && load->running && lab_load_end(load, out, &of_load) && !ret)
		ret = err_set(err, of_load.code, "%s", of_load.text);
	conn_close(conn);
	return ret;
}

static int step_defrag(const struct lab_load *load, double seconds, struct err *err)
{
	struct conn *conn;
	int ret = load_ask_open(load, &conn, err);

	if (ret)
		return ret;
	ret = wait_zero(load, conn, "INFO memory", "active_defrag_running", QUIET_NS, seconds, err);
	conn_close(conn);
	return ret;
}

static int step_do(struct lab_load *load, const struct lab_op *op, struct lab_load_counts *out,
		   struct err *err)
{
	int ret;

	load->bulk = op;
	load->bulk_count = 1;
	ret = load_start(load, load_bulk, err);
	return ret ? ret : lab_load_end(load, out, err);
}

int lab_load_step(struct lab_load *load, const struct lab_step *step, double rate,
		  struct lab_load_counts *out, struct err *err)
{
	const struct lab_order order = { .loop = LAB_OPEN, .rate = rate, .seconds = step->seconds };
	int64_t end;

	memset(out, 0, sizeof(*out));
	atomic_store(&load->stop, false);
	switch (step->kind) {
	case LAB_STEP_DO:
		return step_do(load, &step->op, out, err);
	case LAB_STEP_SAVE:
		return step_save(load, rate, out, err);
	case LAB_STEP_LOAD:
		return lab_load_slice(load, &order, out, err);
	case LAB_STEP_DEFRAG:
		return step_defrag(load, step->seconds, err);
	default:
		end = clock_mono_ns() + (int64_t)(step->seconds * NS);
		while (clock_mono_ns() < end && !load_stopped(load))
			nap();
		return 0;
	}
}
