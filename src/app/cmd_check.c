/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * redmem check: what can be measured here. It does not conclude, it tries: with a
 * server it is a watch of a moment, by the very path of `redmem doctor`; without
 * one, the sensors are attached to redmem itself.
 */
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "host/sysmem.h"
#include "target/find.h"
#include "sensor/engine.h"
#include "sensor/sensor.h"
#include "app/check.h"
#include "app/commands.h"
#include "app/print.h"
#include "app/watch.h"

#define CHECK_SECONDS 0.5

static int check_with_server(const struct options *o, const struct record_sink *sink,
			     struct err *err)
{
	struct options moment = *o;

	moment.duration_seconds = CHECK_SECONDS;
	return watch_run(&moment, sink, err);
}

static void emit_off(const struct record_sink *sink, const char *id)
{
	struct record record = { .kind = RECORD_SENSOR };

	record.sensor.id = id;
	record.sensor.reason = "no server was looked at";
	record.sensor.fix = "start one, or name one with --pid, -s or -p";
	record_emit(sink, &record);
}

/* The machine's side only: what depends on the server is not known. */
static void emit_host(const struct record_sink *sink)
{
	struct record record = { .kind = RECORD_HOST };

	host_record_fill(&record.host, getpid());
	record.host.thp_disabled_for_target = false;
	record.host.maps_total = RECORD_UNKNOWN;
	record.host.cgroup_limit_bytes = RECORD_UNKNOWN;
	record.host.cgroup_usage_bytes = RECORD_UNKNOWN;
	record.host.cgroup_high_bytes = RECORD_UNKNOWN;
	record.host.cgroup_high_usage_bytes = RECORD_UNKNOWN;
	record.host.cgroup_high_events_total = RECORD_UNKNOWN;
	record.host.cgroup_swap_bytes = RECORD_UNKNOWN;
	record_emit(sink, &record);
}

/* Can the kernel's side work? Load and attach everything to this process. */
static int check_alone(const struct record_sink *sink, struct err *err)
{
	const struct engine_config machine = { .servers = 1 };
	struct sensor_config config = { .pid = getpid(),
					.sink = *sink,
					.start_ns = clock_mono_ns(),
					.stall_threshold_seconds = 1,
					.page_bytes = sysconf(_SC_PAGESIZE) };
	struct sensors *sensors = NULL;
	struct engine *engine;
	int ret = engine_open(&engine, &machine, err);

	if (!ret)
		ret = sensors_open(&sensors, engine, &config, err);
	if (ret)
		goto out;
	sensors_begin(sensors);
	emit_host(sink);
	emit_off(sink, "connection");
	emit_off(sink, "attribution");
	sensors_emit_states(sensors);
out:
	sensors_close(sensors);
	engine_close(engine);
	return ret;
}

/* Is there a server to check? Nobody named one, and there is none or several: then
 * the host is checked alone. */
static bool find_server(const struct options *o, struct err *why)
{
	struct server_candidate only;

	if (o->pid || options_name_server(o))
		return true;
	if (target_only(&only, why))
		return false;
	target_release(&only);
	return true;
}

int cmd_check(const struct options *o)
{
	struct model *model = model_new();
	struct record_sink sink = model_sink(model);
	struct err err = {}, why = {};
	struct check check = { .m = model };
	struct report_style style = print_style(o);
	struct buf out = {};
	int ret;

	kernel_records_read(&check.kernel, "");
	check.have_server = find_server(o, &why);
	check.no_server = why.text;
	ret = check.have_server ? check_with_server(o, &sink, &err) : check_alone(&sink, &err);
	if (ret) {
		ret = print_failure(&err);
		goto out;
	}
	model_finish(model);
	check_kernel(&check.host, &check.kernel);
	check_host(&check.host, model, check.have_server);
	if (check.have_server)
		check_server(&check.server, model);
	if (o->json)
		check_report_json(&out, &check);
	else
		check_report_text(&out, &check, &style);
	ret = print_out(&out);
out:
	buf_free(&out);
	model_free(model);
	return ret;
}
