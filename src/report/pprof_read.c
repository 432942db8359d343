/* SPDX-License-Identifier: BSD-2-Clause */
/* The head of a profile; see pprof_read.h. */
#include "report/pprof_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/gzip.h"
#include "report/profile.h"
#include "report/profile.pb-c.h"

#define UNPACKED_MAX ((size_t)256 << 20)

static const char *text_of(const Pprof__Profile *profile, int64_t place)
{
	if (place < 0 || (uint64_t)place >= profile->n_string_table)
		return "";
	return profile->string_table[place];
}

/* Of the first sample that has it. */
static const char *server_of(const Pprof__Profile *profile)
{
	for (size_t i = 0; i < profile->n_sample; i++) {
		const Pprof__Sample *sample = profile->sample[i];

		for (size_t n = 0; n < sample->n_label; n++)
			if (!strcmp(text_of(profile, sample->label[n]->key),
				    profile_label_names[LABEL_SERVER]))
				return text_of(profile, sample->label[n]->str);
	}
	return "";
}

static void take_head(struct pprof_head *head, const Pprof__Profile *profile)
{
	*head = (struct pprof_head){ .time_ns = profile->time_nanos,
				     .duration_ns = profile->duration_nanos,
				     .samples_count = profile->n_sample,
				     .server = xstrdup(server_of(profile)) };
	for (size_t i = 0; i < profile->n_sample_type && i < PPROF_TYPES_MAX; i++) {
		const Pprof__ValueType *type = profile->sample_type[i];

		head->types[i].type = xstrdup(text_of(profile, type->type));
		head->types[i].unit = xstrdup(text_of(profile, type->unit));
		head->types_count++;
	}
}

int pprof_read(struct pprof_head *head, const void *data, size_t len, const char *name,
	       struct err *err)
{
	Pprof__Profile *profile = NULL;
	struct buf packed = { 0 };
	int ret = gzip_read(&packed, data, len, UNPACKED_MAX);

	if (ret == -EFBIG)
		return err_set(err, ret, "push: %s: it holds more than %zu MiB", name,
			       UNPACKED_MAX >> 20);
	if (!ret)
		profile =
			pprof__profile__unpack(NULL, packed.len, (const uint8_t *)buf_str(&packed));
	buf_free(&packed);
	if (!profile || !profile->n_sample_type) {
		if (profile)
			pprof__profile__free_unpacked(profile, NULL);
		return err_set(err, -EBADMSG,
			       "push: %s is no profile in pprof's form; redmem doctor --pprof "
			       "writes one",
			       name);
	}
	take_head(head, profile);
	pprof__profile__free_unpacked(profile, NULL);
	return 0;
}

void pprof_head_free(struct pprof_head *head)
{
	for (size_t i = 0; i < head->types_count; i++) {
		free(head->types[i].type);
		free(head->types[i].unit);
	}
	free(head->server);
}
