/* SPDX-License-Identifier: BSD-2-Clause */
/* What every row of the table stands on: the engine, which are on, their tracepoints, the watch's
 * clock. */
#include "sensor/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "host/kernel.h"

void engine_wake(struct engine *e)
{
	uint64_t one = 1;

	if (write(e->wake_fd, &one, sizeof(one)) < 0)
		return; /* it is awake */
}

/* --- on or off ------------------------------------------------------------------------ */

void state_off(struct sensor_state *state, const char *reason)
{
	state->on = false;
	snprintf(state->reason, sizeof(state->reason), "%s", reason);
}

static const struct sensor_state *state_named(const struct sensor_state *state, const char *id)
{
	for (size_t i = 0; i < SENSOR_COUNT; i++)
		if (state[i].id && !strcmp(state[i].id, id))
			return &state[i];
	return NULL;
}

bool sensor_on(const struct sensors *s, const char *id)
{
	const struct sensor_state *state = state_named(s->state, id);

	return state && state->on;
}

bool engine_on(const struct engine *e, const char *id)
{
	const struct sensor_state *state = state_named(e->state, id);

	return state && state->on;
}

void sensor_off(struct sensors *s, const char *id, const char *reason)
{
	for (size_t i = 0; i < SENSOR_COUNT; i++)
		if (s->state[i].id && !strcmp(s->state[i].id, id))
			state_off(&s->state[i], reason);
}

double sensor_seconds(const struct sensors *s, int64_t mono_ns)
{
	return (mono_ns - s->config.start_ns) / 1e9;
}

/* --- tracepoints ---------------------------------------------------------------------- */

bool sensor_tracepoint(struct bpf_program *program, const char *name)
{
	bool has = kernel_has_tracepoint(name);

	bpf_program__set_autoload(program, has);
	return has;
}

int sensor_attach_link(struct engine *e, struct bpf_program *program, struct err *err)
{
	struct bpf_link *link;

	if (!bpf_program__autoload(program))
		return 0;
	if (e->link_count == sizeof(e->links) / sizeof(e->links[0]))
		return err_set(err, -ENOSPC, "bpf: no room for the link of %s",
			       bpf_program__name(program));
	link = bpf_program__attach(program);
	if (!link)
		return err_set(err, -errno, "bpf: attach %s: %s", bpf_program__name(program),
			       strerror(errno));
	e->links[e->link_count++] = link;
	return 0;
}
