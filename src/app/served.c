/* SPDX-License-Identifier: BSD-2-Clause */
/* A server and its watch; see served.h. */
#include "app/served.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/redact.h"
#include "app/serve_log.h"
#include "app/serve_pass.h"
#include "base/clock.h"
#include "base/thread.h"
#include "host/elf.h"
#include "host/proc.h"
#include "model/chunk.h"

#define CHUNK_SECONDS 10.0
/* Until what failed is tried again: twice as long each time. */
#define AGAIN_FIRST_NS 1000000000LL
#define AGAIN_LAST_NS  60000000000LL

/* --- what the keeper is told ------------------------------------------------------------ */

void served_tell(struct served *one, enum serve_state state, const char *reason)
{
	const struct wire_frame frame = { .kind = WIRE_STATE,
					  .id = one->id,
					  .state = { state, reason } };

	if (one->told && one->state == state &&
	    !strncmp(one->reason, reason, sizeof(one->reason) - 1))
		return;
	serve_pipe_put(one->common->pipe, &frame);
	if (state != one->state && state == SERVE_FAILED)
		serve_log("%s is not watched: %s", one->label, reason);
	else if (state != one->state && state == SERVE_HUNG)
		serve_log("%s does not answer", one->label);
	else if (state != one->state && state == SERVE_ATTRIBUTED)
		serve_log("%s is watched and attributed%s%s", one->label,
			  *reason ? ", but not connected to (its section of redmem.conf may have "
				    "user, password and tls): " :
				    "",
			  reason);
	else if (state != one->state && state == SERVE_NOT_ATTRIBUTED)
		serve_log("%s is watched, not attributed: %s", one->label, reason);
	one->told = true;
	one->state = state;
	snprintf(one->reason, sizeof(one->reason), "%s", reason);
}

void served_introduce(struct served *one)
{
	char *address = redact_text(one->common->redact, one->is.address);
	const struct wire_frame frame = {
		.kind = WIRE_SERVER,
		.id = one->id,
		.server = { one->label, address, one->who.pid },
	};

	serve_pipe_put(one->common->pipe, &frame);
	free(address);
	one->told = false;
	served_tell(one, SERVE_STARTING, "");
}

/* --- in its thread --------------------------------------------------------------------- */

static void ring(const struct serve_common *common)
{
	const uint64_t one = 1;

	if (write(common->wake_fd, &one, sizeof(one)) < 0)
		return; /* it is awake */
}

static void take_chunk(void *ctx, const struct chunk *chunk)
{
	struct served *one = ctx;
	const struct wire_frame frame = { .kind = WIRE_CHUNK,
					  .id = one->id,
					  .chunk = { chunk->data, chunk->len } };

	if (one->begun)
		serve_pipe_put(one->common->pipe, &frame);
}

static void take_sensor(struct served *one, const struct record_sensor *sensor)
{
	if (!strcmp(sensor->id, "attribution")) {
		one->attributed = sensor->on;
		snprintf(one->attribution, sizeof(one->attribution), "%s", sensor->reason);
	} else if (!strcmp(sensor->id, "connection")) {
		one->connected = sensor->on;
		snprintf(one->connection, sizeof(one->connection), "%s", sensor->reason);
	}
}

static void take_record(void *ctx, const struct record *record)
{
	struct served *one = ctx;

	if (record->kind == RECORD_SENSOR)
		take_sensor(one, &record->sensor);
	/* Another program, perhaps: what was found out of this one does not hold. */
	if (record->kind == RECORD_LIFE && !strcmp(record->life.event, "exec"))
		served_stop(one);
	record_emit(&one->chunks, record);
}

/* What a pass has found comes into the stream here, in the thread that makes it. */
static void take_pass(struct served *one, double t_seconds)
{
	struct serve_pass *pass = __atomic_load_n(&one->pass, __ATOMIC_ACQUIRE);

	if (!pass || !serve_pass_done(pass))
		return;
	serve_pass_emit(pass, t_seconds, &one->chunks);
	__atomic_store_n(&one->pass, NULL, __ATOMIC_RELEASE);
	serve_pass_free(pass);
}

static bool turn(void *ctx, struct conn *conn, struct snapshot *snapshot, double t_seconds)
{
	struct served *one = ctx;

	(void)snapshot;
	take_pass(one, t_seconds);
	if (!one->begun) {
		__atomic_store_n(&one->begun, true, __ATOMIC_RELEASE);
		ring(one->common);
	}
	if (!conn && one->connected)
		served_tell(one, SERVE_HUNG, "it does not answer");
	else if (one->attributed)
		served_tell(one, SERVE_ATTRIBUTED, one->connected ? "" : one->connection);
	else
		served_tell(one, SERVE_NOT_ATTRIBUTED, one->attribution);
	return __atomic_load_n(&one->stop, __ATOMIC_RELAXED);
}

static void *watch_one(void *ctx)
{
	struct served *one = ctx;
	const struct record_sink sink = { take_record, one };

	if (!watch_plan_run(&one->options, &one->plan, &sink, &one->err))
		one->err.code = 0;
	chunker_end(one->chunker);
	chunker_free(one->chunker);
	elf_thread_end();
	__atomic_store_n(&one->done, true, __ATOMIC_RELEASE);
	ring(one->common);
	return NULL;
}

/* --- beginning and ending ---------------------------------------------------------------- */

/* May redmem take to it? Whoever can start a process of that name would be told the password. */
static int check_owner(const struct served *one, struct err *err)
{
	struct proc_status status;
	int64_t uid = one->is.section ? one->is.section->uid : -1;
	int ret;

	if (one->common->options->pid)
		return 0; /* the user has said so */
	if (uid < 0) {
		ret = target_trusted(one->who.pid, err);
		return ret == -EPERM ? err_set(err, ret,
					       "its process belongs to a user who may be anybody; "
					       "give it a section with uid = USER in redmem.conf") :
				       ret;
	}
	ret = proc_status_read(&status, one->who.pid, err);
	if (ret || status.uid == uid)
		return ret;
	return err_set(err, -EPERM,
		       "its process belongs to uid %lld, and server %s in %s has uid "
		       "%lld",
		       (long long)status.uid, one->is.section->name, one->config->path,
		       (long long)uid);
}

static void set_options(struct served *one)
{
	const struct serve_server *section = one->is.section;
	const struct serve_config *config = one->config;
	struct options *o = &one->options;

	*o = *one->common->options;
	o->pid = one->who.pid;
	o->host = o->socket_path = NULL; /* found, and connected to as what is found */
	o->port = 0;
	if (isnan(o->threshold_ms))
		o->threshold_ms = config->threshold_ms;
	if (isnan(o->budget_percent))
		o->budget_percent = section && !isnan(section->budget_percent) ?
					    section->budget_percent :
					    config->budget_percent;
	if (!section)
		return;
	o->no_connect |= !section->connect;
	if (section->password) {
		o->user = section->user;
		o->password = section->password;
	}
	if (!section->tls)
		return;
	o->tls = true;
	o->tls_ca_cert = section->tls_ca_cert;
	o->tls_cert = section->tls_cert;
	o->tls_key = section->tls_key;
	o->tls_server_name = section->tls_server_name;
	o->tls_insecure = section->tls_insecure;
}

static void rest(struct served *one)
{
	char *why;

	one->pause_ns = one->pause_ns ? one->pause_ns * 2 : AGAIN_FIRST_NS;
	if (one->pause_ns > AGAIN_LAST_NS)
		one->pause_ns = AGAIN_LAST_NS;
	one->again_ns = clock_mono_ns() + one->pause_ns;
	why = redact_reason(one->common->redact, one->err.text);
	served_tell(one, SERVE_FAILED, why);
	free(why);
}

void served_begin(struct served *one)
{
	one->err = (struct err){ 0 };
	one->begun = one->done = one->stop = false;
	one->attributed = one->connected = false;
	set_options(one);
	if (check_owner(one, &one->err)) {
		rest(one);
		return;
	}
	served_tell(one, SERVE_STARTING, "");
	one->chunker = chunker_new(CHUNK_SECONDS, take_chunk, one);
	one->chunks = chunker_sink(one->chunker);
	one->plan = (struct watch_plan){ .seconds = INFINITY,
					 .chunks = one->chunker,
					 .turn = turn,
					 .ctx = one,
					 .engine = one->common->engine };
	if (!thread_start_small(&one->thread, watch_one, one)) {
		one->running = true;
		return;
	}
	chunker_free(one->chunker);
	err_set(&one->err, -EAGAIN, "no thread can be started to watch it");
	rest(one);
}

bool served_ended(const struct served *one)
{
	return proc_held_ended(one->who.pidfd);
}

/* Its watch is over. */
void served_settle(struct served *one)
{
	bool failed = one->err.code;

	pthread_join(one->thread, NULL);
	one->running = false;
	serve_pass_free(one->pass);
	one->pass = NULL;
	if (served_ended(one))
		return;
	if (failed) {
		rest(one);
	} else {
		one->pause_ns = 0;
		one->again_ns = clock_mono_ns();
	}
}

void served_stop(struct served *one)
{
	__atomic_store_n(&one->stop, true, __ATOMIC_RELAXED);
}

void served_free(struct served *one)
{
	if (one->running)
		pthread_join(one->thread, NULL);
	serve_pass_free(one->pass);
	target_release(&one->who);
	free(one->label);
	free(one);
}
