/* SPDX-License-Identifier: BSD-2-Clause */
/* A lab's result in memory; see result.h. */
#include "lab/result.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "record/record.h"

void lab_settings_add(struct lab_settings *settings, const char *name, const char *value)
{
	settings->rows = xrealloc(settings->rows, (settings->count + 1) * sizeof(*settings->rows));
	settings->rows[settings->count++] = (struct lab_setting){ xstrdup(name), xstrdup(value) };
}

static void free_settings(struct lab_settings *settings)
{
	for (size_t i = 0; i < settings->count; i++) {
		free(settings->rows[i].name);
		free(settings->rows[i].value);
	}
	free(settings->rows);
}

static void free_side(struct lab_about_side *side)
{
	free(side->label);
	free(side->program);
	free(side->server);
	free(side->version);
	free(side->allocator);
	free(side->build_id);
	free_settings(&side->settings);
	free_settings(&side->environment);
	free_settings(&side->knobs);
}

void lab_about_free(struct lab_about *about)
{
	free(about->redmem_version);
	free(about->scenario);
	free(about->scenario_title);
	free(about->load);
	for (int i = 0; i < LAB_SIDES; i++)
		free_side(&about->side[i]);
	free(about->host.kernel);
	free(about->host.machine);
	free(about->host.cpu);
	free(about->host.governor);
	free(about->host.thp);
	*about = (struct lab_about){ 0 };
}

void lab_sample_clear(struct lab_sample *sample)
{
	*sample = (struct lab_sample){
		.t_seconds = NAN,
		.seconds = NAN,
		.operations = RECORD_UNKNOWN,
		.errors = RECORD_UNKNOWN,
	};
	for (int i = 0; i < LAB_METRICS; i++)
		sample->value[i] = NAN;
}

struct lab_result *lab_result_new(struct lab_about *about)
{
	struct lab_result *result = xcalloc(1, sizeof(*result));

	result->about = *about;
	*about = (struct lab_about){ 0 };
	return result;
}

void lab_result_add(struct lab_result *result, const struct lab_sample *sample)
{
	if (!(result->count & (result->count - 1))) /* room doubles */
		result->samples =
			xrealloc(result->samples, (result->count ? result->count * 2 : 1) *
							  sizeof(*result->samples));
	result->samples[result->count++] = *sample;
}

void lab_result_note(struct lab_result *result, const char *text)
{
	for (size_t i = 0; i < result->notes_count; i++)
		if (!strcmp(result->notes[i], text))
			return;
	result->notes = xrealloc(result->notes, (result->notes_count + 1) * sizeof(*result->notes));
	result->notes[result->notes_count++] = xstrdup(text);
}

void lab_result_free(struct lab_result *result)
{
	if (!result)
		return;
	lab_about_free(&result->about);
	for (size_t i = 0; i < result->notes_count; i++)
		free(result->notes[i]);
	free(result->notes);
	free(result->samples);
	free(result->end_detail);
	free(result);
}
