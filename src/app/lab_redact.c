/* SPDX-License-Identifier: BSD-2-Clause */
/* Results of labs without names; see lab_redact.h. */
#define _GNU_SOURCE 1 /* strcasestr() */
#include "app/lab_redact.h"

#include <stdlib.h>
#include <string.h>

#include "app/redact.h"
static void hide(struct redact *r, char **text)
{
	char *shown;

	if (!*text)
		return;
	shown = redact_text(r, *text);
	free(*text);
	*text = shown;
}

static bool only(const char *text, const char *signs)
{
	return !text[strspn(text, signs)];
}

/* "100mb", "0.5", "allkeys-lru" */
static bool is_plain(const char *value)
{
	size_t digits = strspn(value, "0123456789.");

	if (digits)
		return only(value + digits, "kmgbKMGB") && strlen(value + digits) <= 2;
	return only(value, "abcdefghijklmnopqrstuvwxyz-") && strlen(value) <= 24;
}

static bool is_secret(const char *name)
{
	static const char *const parts[] = { "pass", "auth", "user", "secret", "token", "key" };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcasestr(name, parts[i]))
			return true;
	return false;
}

static void hide_values(struct redact *r, struct lab_settings *settings, bool all)
{
	for (size_t i = 0; i < settings->count; i++) {
		struct lab_setting *row = &settings->rows[i];

		if (all || is_secret(row->name) || !is_plain(row->value))
			hide(r, &row->value);
	}
}

static void hide_side(struct redact *r, struct lab_about_side *side)
{
	hide(r, &side->label);
	hide(r, &side->program);
	hide_values(r, &side->settings, false);
	hide_values(r, &side->environment, true);
	hide_values(r, &side->knobs, false);
}

void lab_redact(struct redact *r, struct lab_result *result)
{
	if (!r)
		return;
	for (int side = 0; side < LAB_SIDES; side++)
		hide_side(r, &result->about.side[side]);
	if (result->about.scenario && !is_plain(result->about.scenario))
		hide(r, &result->about.scenario);
	free(result->about.scenario_title);
	free(result->end_detail);
	result->about.scenario_title = result->end_detail = NULL;
	for (size_t i = 0; i < result->notes_count; i++)
		free(result->notes[i]);
	result->notes_count = 0;
}
