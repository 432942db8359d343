/* SPDX-License-Identifier: BSD-2-Clause */
/* INFO, MEMORY STATS and settings, as a server says them: by themselves, and in a model. */
#include <math.h>
#include <string.h>

#include "../unit/every_report.h"
#include "base/buf.h"
#include "fuzz.h"
#include "record/schema.h"
#include "redis/info.h"

static void look_up(const struct info *info)
{
	int64_t keys, expires;
	size_t len;

	for (size_t i = 0; i < info_count(info); i++) {
		const char *name = info_name_at(info, i), *value = info_value_at(info, i), *text;

		must(info_get(info, name));
		info_int(info, name);
		info_double(info, name);
		info_is_database(name);
		info_sub_int(value, "calls");
		text = info_sub_text(value, "keys", &len);
		must(!text || (text >= value && text + len <= value + strlen(value)));
	}
	info_keyspace(info, &keys, &expires);
	info_server(info);
	version_at_least(info_server_version(info) ?: "", 7, 0);
}

static void take_info(struct model *m, double t_seconds, const char *phase, const char *text)
{
	struct record record;

	record_clear(&record, RECORD_INFO);
	record.info = (struct record_info){ t_seconds, phase, text };
	model_take(m, &record);
	record_clear(&record, RECORD_MEMORY_STATS);
	record.memory_stats.t_seconds = t_seconds;
	record.memory_stats.phase = phase;
	record.memory_stats.text = text;
	model_take(m, &record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *half = len ? memchr(data, '\1', len) : NULL;
	char *text = xmemdup(data, len),
	     *then = half ? xmemdup(half, len - (size_t)(half - data)) : NULL;
	struct info *info = info_parse(text), *pairs = info_parse_pairs(text);
	struct model *m = model_new();

	look_up(info);
	look_up(pairs);
	info_free(info);
	info_free(pairs);
	take_info(m, 0, "start", text);
	take_info(m, 5, "tick", text);
	take_info(m, 10, "end", then ? then : text);
	model_finish(m);
	every_report(m, len);
	model_free(m);
	free(then);
	free(text);
	return 0;
}
