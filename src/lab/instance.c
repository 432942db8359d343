/* SPDX-License-Identifier: BSD-2-Clause */
/* One life of a side's server; see instance.h. */
#include "lab/instance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "redis/conn.h"
#include "record/record.h"

#define ANSWER_MS 10000

/* That of the side, else of the scenario; NULL. */
static const char *knob_of(const struct lab_side *side, const struct lab_scenario *scenario,
			   const char *name)
{
	const char *value = lab_settings_get(&side->about->knobs, name);

	return value ? value : lab_scenario_knob(scenario, name);
}

int lab_instance_prepare(struct lab_instance *one, const struct lab_side *side,
			 const struct lab_scenario *scenario, const struct lab_place *place,
			 const char *name, struct err *err)
{
	const char *limit = knob_of(side, scenario, LAB_KNOB_MEMORY);
	char cgroup[64];
	int ret;

	*one = (struct lab_instance){ .side = side, .scenario = scenario };
	snprintf(one->dir, sizeof(one->dir), "%s/%s", place->folder, name);
	if (mkdir(one->dir, 0700))
		return err_set(err, -errno, "lab: %s: %s", one->dir, strerror(errno));
	if (!limit)
		return 0;
	snprintf(cgroup, sizeof(cgroup), "redmem-lab-%d-%.8s", getpid(), name);
	ret = cgroup_own_place(&one->cgroup, cgroup, err);
	if (!ret)
		ret = knobs_cgroup_make(place->knobs, one->cgroup.path, err);
	if (!ret)
		ret = cgroup_own_limit(&one->cgroup, lab_size(limit), err);
	return ret;
}

/* --- knobs --------------------------------------------------------------------------------- */

static int set_knob(const struct lab_instance *one, const struct lab_place *place, const char *name,
		    struct err *err)
{
	const char *path = lab_knob_path(name);
	const char *value = knob_of(one->side, one->scenario, name);

	return value ? knobs_set(place->knobs, path, value, err) :
		       knobs_reset(place->knobs, path, err);
}

int lab_instance_knobs(const struct lab_instance *one, const struct lab_place *place,
		       struct err *err)
{
	int ret = 0;

	for (size_t i = 0; lab_knob_name(i) && !ret; i++)
		if (lab_knob_path(lab_knob_name(i)))
			ret = set_knob(one, place, lab_knob_name(i), err);
	return ret;
}

/* --- settings ------------------------------------------------------------------------------ */

struct words {
	const char **list; /* to a NULL */
	char **owned;
	size_t count;
};

static void add_word(struct words *words, char *word)
{
	words->list = xrealloc(words->list, (words->count + 2) * sizeof(*words->list));
	words->owned = xrealloc(words->owned, (words->count + 1) * sizeof(*words->owned));
	words->owned[words->count] = word;
	words->list[words->count++] = word;
	words->list[words->count] = NULL;
}

static void words_free(struct words *words)
{
	for (size_t i = 0; i < words->count; i++)
		free(words->owned[i]);
	free(words->owned);
	free(words->list);
}

static void add_setting(struct words *words, const char *name, const char *value)
{
	struct buf option = {};

	buf_printf(&option, "--%s", name);
	add_word(words, option.data);
	add_word(words, xstrdup(value));
}

/* Those of the side come last: they count. */
static void list_settings(const struct lab_instance *one, struct words *settings,
			  struct words *environment)
{
	const struct lab_scenario *scenario = one->scenario;
	const struct lab_about_side *about = one->side->about;

	for (size_t i = 0; i < scenario->settings_count; i++)
		if (!scenario->settings[i].may_refuse)
			add_setting(settings, scenario->settings[i].name,
				    scenario->settings[i].value);
	for (size_t i = 0; i < about->settings.count; i++)
		add_setting(settings, about->settings.rows[i].name, about->settings.rows[i].value);
	for (size_t i = 0; i < about->environment.count; i++) {
		struct buf word = {};

		buf_printf(&word, "%s=%s", about->environment.rows[i].name,
			   about->environment.rows[i].value);
		add_word(environment, word.data);
	}
}

/* What the side, or a later line, has set itself is not tried. */
static int try_settings(const struct lab_instance *one, struct buf *refused, struct err *err)
{
	const struct lab_scenario *scenario = one->scenario;
	int ret = 0;

	for (size_t i = 0; i < scenario->settings_count && !ret; i++) {
		const char *argv[] = { "CONFIG", "SET", scenario->settings[i].name,
				       scenario->settings[i].value };
		redisReply *reply = NULL;

		if (!scenario->settings[i].may_refuse || !lab_scenario_counts(scenario, i) ||
		    lab_settings_get(&one->side->about->settings, argv[2]))
			continue;
		ret = conn_call(one->conn, ANSWER_MS, &reply, 4, argv, NULL);
		if (ret)
			err_set(err, ret, "lab: the server of side %s does not answer CONFIG SET",
				one->side->about->label);
		else if (reply->type == REDIS_REPLY_ERROR)
			buf_printf(refused, "%s%s does not take %s %s", refused->len ? ", " : "",
				   one->side->about->label, argv[2], argv[3]);
		freeReplyObject(reply);
	}
	return ret;
}

/* --- its life -------------------------------------------------------------------------------- */

struct info *lab_instance_info(const struct lab_instance *one, struct err *err)
{
	struct info *info;
	char *text = NULL;

	if (conn_call_text(one->conn, ANSWER_MS, &text, "INFO everything", err))
		return NULL;
	info = info_parse(text);
	free(text);
	return info;
}

/* Used by all but clients, which are there or not. */
int64_t lab_instance_used(const struct info *info)
{
	int64_t used = info_int(info, "used_memory"),
		clients = info_int(info, "mem_clients_normal");

	return used == RECORD_UNKNOWN || clients == RECORD_UNKNOWN ? used : used - clients;
}

static int start_server(struct lab_instance *one, const struct lab_place *place, struct err *err)
{
	struct conn_options options = { .socket_path = one->server.socket, .ours = true };
	struct words settings = {}, environment = {};
	int ret;

	list_settings(one, &settings, &environment);
	ret = private_server_start(&one->server,
				   &(struct private_server_config){
					   .who = "lab",
					   .dir = one->dir,
					   .command = (const char *const *)one->side->command,
					   .settings = settings.list,
					   .environment = environment.list,
					   .cgroup = one->cgroup.path[0] ? one->cgroup.path : NULL,
					   .stop = place->stop,
					   .cpus = place->cpus.server,
					   .cpus_count = place->cpus.servers,
				   },
				   err);
	words_free(&settings);
	words_free(&environment);
	if (!ret)
		ret = conn_open(&one->conn, &options, err);
	if (!ret)
		ret = conn_greet(one->conn, ANSWER_MS);
	return ret;
}

static int start_load(struct lab_instance *one, const struct lab_place *place, uint64_t seed,
		      struct err *err)
{
	const struct lab_load_options options = {
		.scenario = one->scenario,
		.socket = one->server.socket,
		.pid = one->server.pid,
		.seed = seed,
		.cpu = place->cpus.load,
		.stop = place->stop,
	};

	return lab_load_open(&one->load, &options, err);
}

int lab_instance_start(struct lab_instance *one, const struct lab_place *place, uint64_t seed,
		       struct buf *refused, struct err *err)
{
	struct info *info = NULL;
	int ret = lab_instance_knobs(one, place, err);

	if (!ret)
		ret = start_server(one, place, err);
	if (!ret)
		ret = try_settings(one, refused, err);
	if (!ret)
		info = lab_instance_info(one, err);
	if (!ret && !info)
		ret = err->code;
	if (!ret)
		ret = start_load(one, place, seed, err);
	one->empty_bytes = info ? lab_instance_used(info) : RECORD_UNKNOWN;
	info_free(info);
	if (ret)
		lab_instance_end(one);
	return ret;
}

void lab_instance_end(struct lab_instance *one)
{
	lab_load_close(one->load);
	conn_close(one->conn);
	private_server_end(&one->server);
	one->load = NULL;
	one->conn = NULL;
}
