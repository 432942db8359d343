/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A profile as pprof reads it: protocol buffers (profile.proto), gzipped. Names are bytes and
 * strings there are UTF-8: every name stands as redis-cli shows it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/escape.h"
#include "base/gzip.h"
#include "report/profile.h"
#include "report/profile.pb-c.h"

#define GZIP_LEVEL 6

/* The messages, each kind in one piece, and the rows of pointers to them that protobuf-c wants. */
struct pprof {
	const struct report_profile *from;
	Pprof__Profile profile;
	char **strings;
	size_t strings_count;
	size_t *location; /* of each name; 0 = it is no frame */
	size_t locations_count;
	Pprof__ValueType types[PROFILE_KINDS], *type_rows[PROFILE_KINDS], period_type;
	size_t types_count;
	Pprof__Sample *samples, **sample_rows;
	Pprof__Label *labels, **label_rows;
	uint64_t *ids;
	int64_t *values;
	Pprof__Location *locations, **location_rows;
	Pprof__Line *lines, **line_rows;
	Pprof__Function *functions, **function_rows;
	Pprof__Mapping mapping, *mapping_row;
	int64_t *comments;
};

/* --- strings ------------------------------------------------------------------------ */

/* As a text of the format: every one is valid UTF-8 and has no NUL in it. */
static char *shown_as(const void *text, size_t len)
{
	struct buf shown = { 0 };

	escape_redis(&shown, text, len);
	return shown.data ? shown.data : xstrdup("");
}

static int64_t add_string(struct pprof *w, char *shown)
{
	w->strings = array_grow(w->strings, w->strings_count, sizeof(*w->strings));
	w->strings[w->strings_count] = shown;
	return (int64_t)w->strings_count++;
}

/* The few texts that are no names: they may be there already. */
static int64_t add_bytes(struct pprof *w, const void *text, size_t len)
{
	char *shown = shown_as(text, len);

	for (size_t i = 0; i < w->strings_count; i++) {
		if (strcmp(w->strings[i], shown) != 0)
			continue;
		free(shown);
		return (int64_t)i;
	}
	return add_string(w, shown);
}

static int64_t add_text(struct pprof *w, const char *text)
{
	return add_bytes(w, text, strlen(text));
}

/* The profile's names come first, so that their places are the same. */
static void add_names(struct pprof *w)
{
	for (size_t i = 0; i < w->from->names_count; i++)
		add_string(w, shown_as(w->from->names[i].data, w->from->names[i].len));
}

static void add_comments(struct pprof *w)
{
	const char *line = buf_str(&w->from->comments), *end;
	size_t count = 0;

	for (; (end = strchr(line, '\n')); line = end + 1) {
		w->comments = array_grow(w->comments, count, sizeof(*w->comments));
		w->comments[count++] = add_bytes(w, line, (size_t)(end - line));
	}
	w->profile.comment = w->comments;
	w->profile.n_comment = count;
}

/* --- what is counted ---------------------------------------------------------------- */

static Pprof__ValueType type_of(struct pprof *w, enum profile_kind kind)
{
	Pprof__ValueType type = PPROF__VALUE_TYPE__INIT;

	type.type = add_text(w, profile_kind_table[kind].name);
	type.unit = add_text(w, profile_kind_table[kind].unit);
	return type;
}

static void add_types(struct pprof *w, enum profile_kind shown)
{
	const struct report_profile *p = w->from;

	for (enum profile_kind kind = 0; kind < PROFILE_KINDS; kind++) {
		if (!p->has[kind])
			continue;
		w->types[w->types_count] = type_of(w, kind);
		w->type_rows[w->types_count] = &w->types[w->types_count];
		if (kind == shown)
			w->profile.default_sample_type = w->types[w->types_count].type;
		w->types_count++;
	}
	w->profile.sample_type = w->type_rows;
	w->profile.n_sample_type = w->types_count;
	if (p->period_of == PROFILE_KINDS)
		return;
	w->period_type = type_of(w, p->period_of);
	if (p->period_of == PROFILE_ALLOC_SPACE) /* its name among periods */
		w->period_type.type = add_text(w, "space");
	w->profile.period_type = &w->period_type;
	w->profile.period = p->period;
}

/* --- samples ------------------------------------------------------------------------ */

/* Leaf first, and no place is 0. */
static void set_stack(struct pprof *w, Pprof__Sample *row, const struct profile_sample *sample,
		      uint64_t *ids)
{
	for (size_t i = 0; i < sample->depth; i++) {
		size_t name = sample->frames[sample->depth - 1 - i];

		if (!w->location[name])
			w->location[name] = ++w->locations_count;
		ids[i] = w->location[name];
	}
	row->location_id = ids;
	row->n_location_id = sample->depth;
}

static void set_values(const struct pprof *w, Pprof__Sample *row,
		       const struct profile_sample *sample, int64_t *values)
{
	row->value = values;
	for (enum profile_kind kind = 0; kind < PROFILE_KINDS; kind++)
		if (w->from->has[kind])
			row->value[row->n_value++] = sample->values[kind];
}

static void set_labels(Pprof__Sample *row, const struct profile_sample *sample,
		       const int64_t keys[PROFILE_LABELS], Pprof__Label *labels,
		       Pprof__Label **rows)
{
	row->label = rows;
	for (size_t i = 0; i < PROFILE_LABELS; i++) {
		Pprof__Label *label = &labels[row->n_label];

		if (!sample->labels[i])
			continue;
		pprof__label__init(label);
		label->key = keys[i];
		label->str = (int64_t)sample->labels[i];
		rows[row->n_label++] = label;
	}
}

static void add_samples(struct pprof *w)
{
	const struct report_profile *p = w->from;
	size_t count = p->samples_count, depth = 0;
	int64_t keys[PROFILE_LABELS];
	uint64_t *ids;

	for (size_t i = 0; i < count; i++)
		depth += p->samples[i].depth;
	for (size_t i = 0; i < PROFILE_LABELS; i++)
		keys[i] = add_text(w, profile_label_names[i]);
	w->location = xcalloc(p->names_count, sizeof(*w->location));
	w->samples = xcalloc(count + 1, sizeof(*w->samples));
	w->sample_rows = xcalloc(count + 1, sizeof(*w->sample_rows));
	w->labels = xcalloc(count * PROFILE_LABELS + 1, sizeof(*w->labels));
	w->label_rows = xcalloc(count * PROFILE_LABELS + 1, sizeof(*w->label_rows));
	w->values = xcalloc(count * PROFILE_KINDS + 1, sizeof(*w->values));
	ids = w->ids = xcalloc(depth + 1, sizeof(*w->ids));
	for (size_t i = 0; i < count; i++) {
		const struct profile_sample *sample = &p->samples[i];
		Pprof__Sample *row = w->sample_rows[i] = &w->samples[i];

		pprof__sample__init(row);
		set_stack(w, row, sample, ids);
		ids += sample->depth;
		set_values(w, row, sample, w->values + i * PROFILE_KINDS);
		set_labels(row, sample, keys, w->labels + i * PROFILE_LABELS,
			   w->label_rows + i * PROFILE_LABELS);
	}
	w->profile.sample = w->sample_rows;
	w->profile.n_sample = count;
}

/* --- where that is ------------------------------------------------------------------ */

static void add_mapping(struct pprof *w)
{
	const struct report_profile *p = w->from;

	if (!*p->executable)
		return;
	pprof__mapping__init(&w->mapping);
	w->mapping.id = 1;
	w->mapping.filename = add_text(w, p->executable);
	w->mapping.build_id = add_text(w, p->build_id);
	w->mapping.has_functions = true;
	w->mapping_row = &w->mapping;
	w->profile.mapping = &w->mapping_row;
	w->profile.n_mapping = 1;
}

/* A frame is a location with one line of one function: its name. */
static void set_location(struct pprof *w, size_t name)
{
	size_t id = w->location[name], i = id - 1;

	pprof__function__init(&w->functions[i]);
	w->functions[i].id = id;
	w->functions[i].name = w->functions[i].system_name = (int64_t)name;
	w->function_rows[i] = &w->functions[i];
	pprof__line__init(&w->lines[i]);
	w->lines[i].function_id = id;
	w->line_rows[i] = &w->lines[i];
	pprof__location__init(&w->locations[i]);
	w->locations[i].id = id;
	w->locations[i].mapping_id = w->profile.n_mapping;
	w->locations[i].line = &w->line_rows[i];
	w->locations[i].n_line = 1;
	w->location_rows[i] = &w->locations[i];
}

static void add_locations(struct pprof *w)
{
	size_t count = w->locations_count;

	w->locations = xcalloc(count + 1, sizeof(*w->locations));
	w->location_rows = xcalloc(count + 1, sizeof(*w->location_rows));
	w->lines = xcalloc(count + 1, sizeof(*w->lines));
	w->line_rows = xcalloc(count + 1, sizeof(*w->line_rows));
	w->functions = xcalloc(count + 1, sizeof(*w->functions));
	w->function_rows = xcalloc(count + 1, sizeof(*w->function_rows));
	for (size_t name = 0; name < w->from->names_count; name++)
		if (w->location[name])
			set_location(w, name);
	w->profile.location = w->location_rows;
	w->profile.function = w->function_rows;
	w->profile.n_location = w->profile.n_function = count;
}

/* --- all of it ---------------------------------------------------------------------- */

static void write_out(struct buf *out, struct pprof *w)
{
	struct buf packed = { 0 };

	w->profile.string_table = w->strings;
	w->profile.n_string_table = w->strings_count;
	buf_fill(&packed, 0, pprof__profile__get_packed_size(&w->profile));
	pprof__profile__pack(&w->profile, (uint8_t *)packed.data);
	gzip_add(out, buf_str(&packed), packed.len, GZIP_LEVEL);
	buf_free(&packed);
}

static void pprof_free(struct pprof *w)
{
	for (size_t i = 0; i < w->strings_count; i++)
		free(w->strings[i]);
	free(w->strings);
	free(w->location);
	free(w->samples);
	free(w->sample_rows);
	free(w->labels);
	free(w->label_rows);
	free(w->ids);
	free(w->values);
	free(w->locations);
	free(w->location_rows);
	free(w->lines);
	free(w->line_rows);
	free(w->functions);
	free(w->function_rows);
	free(w->comments);
}

void report_pprof(struct buf *out, const struct report_profile *p, enum profile_kind shown)
{
	struct pprof w = { .from = p, .profile = PPROF__PROFILE__INIT };

	add_names(&w);
	add_types(&w, shown);
	add_samples(&w);
	add_mapping(&w);
	add_locations(&w);
	add_comments(&w);
	if (p->wall_start_ns != RECORD_UNKNOWN)
		w.profile.time_nanos = p->wall_start_ns;
	w.profile.duration_nanos = p->duration_ns;
	write_out(out, &w);
	pprof_free(&w);
}
