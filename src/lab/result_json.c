/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What was compared, as JSON, and back; see result_json.h. The lists of members say both: a value
 * there is a field, which PUT_MEMBERS() writes and READ_MEMBERS() sets.
 */
#include "lab/result_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/version.h"
#include "record/record.h"

#define TEXT_MAX     4096
#define SETTINGS_MAX 256

#define READ_MEMBERS(list)	     list(READ_MEMBER, READ_MEMBER_MAYBE)
#define READ_MEMBER(NAME, TYPE, ...) READ_##TYPE(json_object_get(o, NAME), __VA_ARGS__);
#define READ_MEMBER_MAYBE(WHEN, ...) READ_MEMBER(__VA_ARGS__)
#define READ_text(value, field)	     (field) = lab_text_from_json(value)
#define READ_integer(value, field)   (field) = integer_from(value)
#define READ_real(value, field)	     (field) = real_from(value)

char *lab_text_from_json(const json_t *value)
{
	const char *text = json_string_value(value);

	return text ? xmemdup(text, strnlen(text, TEXT_MAX)) : NULL;
}

static int64_t integer_from(const json_t *value)
{
	return json_is_integer(value) ? json_integer_value(value) : RECORD_UNKNOWN;
}

static double real_from(const json_t *value)
{
	return json_is_number(value) ? json_number_value(value) : NAN;
}

/* --- settings ------------------------------------------------------------------------------- */

#define SETTING(M, MAYBE)         \
	M("name", text, row.name) \
	M("value", text, row.value)
static SCHEMA(lab_setting, SETTING);

static json_t *json_settings(const struct lab_settings *settings)
{
	json_t *list = json_array();

	for (size_t i = 0; i < settings->count; i++) {
		struct lab_setting row = settings->rows[i];
		json_t *o = json_object();

		PUT_MEMBERS(SETTING);
		put_last(list, o);
	}
	return list;
}

static void settings_from(struct lab_settings *settings, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list) && i < SETTINGS_MAX; i++) {
		const json_t *o = json_array_get(list, i);
		struct lab_setting row;

		READ_MEMBERS(SETTING)
		if (row.name && row.value)
			lab_settings_add(settings, row.name, row.value);
		free(row.name);
		free(row.value);
	}
}

/* --- sides and host ------------------------------------------------------------------------- */

#define SIDE_TEXTS(M, MAYBE)                  \
	M("label", text, side->label)         \
	M("program", text, side->program)     \
	M("server", text, side->server)       \
	M("version", text, side->version)     \
	M("allocator", text, side->allocator) \
	M("build_id", text, side->build_id)
#define SIDE(M, MAYBE)                                                         \
	SIDE_TEXTS(M, MAYBE)                                                   \
	M("settings", list(lab_setting), json_settings(&side->settings))       \
	M("environment", list(lab_setting), json_settings(&side->environment)) \
	M("knobs", list(lab_setting), json_settings(&side->knobs))
SCHEMA(lab_side, SIDE);

json_t *json_lab_side(const struct lab_about_side *side)
{
	json_t *o = json_object();

	PUT_MEMBERS(SIDE);
	return o;
}

static void side_from(struct lab_about_side *side, const json_t *o)
{
	READ_MEMBERS(SIDE_TEXTS)
	settings_from(&side->settings, json_object_get(o, "settings"));
	settings_from(&side->environment, json_object_get(o, "environment"));
	settings_from(&side->knobs, json_object_get(o, "knobs"));
}

#define HOST(M, MAYBE)                                 \
	M("kernel", text, host->kernel)                \
	M("machine", text, host->machine)              \
	M("cpu", text, host->cpu)                      \
	M("cores_total", integer, host->cores)         \
	M("memory_bytes", integer, host->memory_bytes) \
	M("governor", text, host->governor)            \
	M("thp", text, host->thp)
SCHEMA(lab_host, HOST);

json_t *json_lab_host(const struct lab_about_host *host)
{
	json_t *o = json_object();

	PUT_MEMBERS(HOST);
	return o;
}

static void host_from(struct lab_about_host *host, const json_t *o){ READ_MEMBERS(HOST) }

/* --- the whole ------------------------------------------------------------------------------ */

#define ABOUT(M, MAYBE)                                   \
	M("redmem_version", text, about->redmem_version)  \
	M("wall_start_ns", integer, about->wall_start_ns) \
	M("scenario", text, about->scenario)              \
	M("scenario_title", text, about->scenario_title)  \
	M("load", text, about->load)                      \
	M("precision", real, about->precision)            \
	M("pairs_most", integer, about->pairs_most)

json_t *json_lab_about(const struct lab_about *about)
{
	json_t *o = json_object(), *sides = json_array();

	put(o, "schema", json_string(LAB_RESULT_SCHEMA));
	PUT_MEMBERS(ABOUT);
	if (!about->redmem_version)
		put(o, "redmem_version", json_string(redmem_version));
	put(o, "seed", json_integer((json_int_t)about->seed));
	for (int i = 0; i < LAB_SIDES; i++)
		put_last(sides, json_lab_side(&about->side[i]));
	put(o, "sides", sides);
	put(o, "host", json_lab_host(&about->host));
	return o;
}

void lab_about_from_json(struct lab_about *about, const json_t *o)
{
	const json_t *sides = json_object_get(o, "sides");

	*about = (struct lab_about){ 0 };
	READ_MEMBERS(ABOUT)
	about->seed = (uint64_t)json_integer_value(json_object_get(o, "seed"));
	for (size_t i = 0; i < LAB_SIDES; i++)
		side_from(&about->side[i], json_array_get(sides, i));
	host_from(&about->host, json_object_get(o, "host"));
}
