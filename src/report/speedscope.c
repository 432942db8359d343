/* SPDX-License-Identifier: BSD-2-Clause */
/* A profile in speedscope's own form: frames once, then each kind as stacks with weights. */
#include <stdlib.h>
#include <string.h>

#include "base/escape.h"
#include "base/sum.h"
#include "base/version.h"
#include "report/json.h"
#include "report/profile.h"

#define SPEEDSCOPE_SCHEMA "https://www.speedscope.app/file-format-schema.json"

/* The frames are the profile's names, and behind these the two directions of growth. */
struct speedscope {
	const struct report_profile *from;
	json_t *frames;
	size_t *frame; /* of each name, + 1; 0 = it is none yet */
	size_t grown, shrunk; /* likewise */
};

static size_t frame_of(struct speedscope *s, size_t *frame, const void *name, size_t len)
{
	struct buf text = { 0 };
	json_t *o;

	if (*frame)
		return *frame - 1;
	o = json_object();
	escape_redis(&text, name, len);
	put(o, "name", json_stringn(buf_str(&text), text.len));
	put_last(s->frames, o);
	buf_free(&text);
	*frame = json_array_size(s->frames);
	return *frame - 1;
}

static json_t *stack_of(struct speedscope *s, const struct profile_sample *sample,
			enum profile_kind kind)
{
	const char *direction = profile_direction(sample, kind);
	json_t *stack = json_array();

	if (direction) {
		size_t *frame = sample->values[kind] < 0 ? &s->shrunk : &s->grown;

		put_last(stack, json_integer((json_int_t)frame_of(s, frame, direction,
								  strlen(direction))));
	}
	for (size_t i = 0; i < sample->depth; i++) {
		size_t name = sample->frames[i];
		struct bytes text = s->from->names[name];

		put_last(stack, json_integer((json_int_t)frame_of(s, &s->frame[name], text.data,
								  text.len)));
	}
	return stack;
}

/* Faults have no unit there. */
static const char *unit_of(enum profile_kind kind)
{
	const char *unit = profile_kind_table[kind].unit;

	return strcmp(unit, "count") != 0 ? unit : "none";
}

static json_t *profile_of(struct speedscope *s, enum profile_kind kind)
{
	json_t *o = json_object(), *samples = json_array(), *weights = json_array();
	int64_t end = 0;

	for (size_t i = 0; i < s->from->samples_count; i++) {
		const struct profile_sample *sample = &s->from->samples[i];
		int64_t width = profile_width(sample, kind);

		if (!width)
			continue;
		put_last(samples, stack_of(s, sample, kind));
		put_last(weights, json_integer(width));
		sum_add(&end, width);
	}
	put(o, "type", json_string("sampled"));
	put(o, "name", json_string(profile_kind_table[kind].name));
	put(o, "unit", json_string(unit_of(kind)));
	put(o, "startValue", json_integer(0));
	put(o, "endValue", json_integer(end));
	put(o, "samples", samples);
	put(o, "weights", weights);
	return o;
}

void report_speedscope(struct buf *out, const struct report_profile *p, enum profile_kind shown)
{
	struct speedscope s = { .from = p, .frames = json_array() };
	json_t *o = json_object(), *shared = json_object(), *profiles = json_array();

	s.frame = xcalloc(p->names_count, sizeof(*s.frame));
	put(o, "$schema", json_string(SPEEDSCOPE_SCHEMA));
	put(o, "exporter", json_sprintf("redmem %s", redmem_version));
	put_name(o, "name", p->names[p->server]);
	for (enum profile_kind kind = 0; kind < PROFILE_KINDS; kind++) {
		if (kind == shown)
			put(o, "activeProfileIndex",
			    json_integer((json_int_t)json_array_size(profiles)));
		if (p->has[kind])
			put_last(profiles, profile_of(&s, kind));
	}
	put(shared, "frames", s.frames);
	put(o, "shared", shared);
	put(o, "profiles", profiles);
	json_write(out, o);
	free(s.frame);
}
