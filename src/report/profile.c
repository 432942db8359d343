/* SPDX-License-Identifier: BSD-2-Clause */
/* Profiles out of a model; see profile.h. */
#include "report/profile.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "base/sum.h"
#include "base/version.h"
#include "model/account.h"
#include "model/keyspace.h"
#include "model/prefix.h"
#include "report/growth.h"

#define NAME_MAX_BYTES 256 /* of a name that is kept */
#define STALLS_MAX     16384 /* stacks of stalls; the rest is of no prefix */

#define KIND_ROW(id, name, unit) [PROFILE_##id] = { name, unit },
const struct profile_kind_row profile_kind_table[PROFILE_KINDS] = { REPORT_PROFILE_KINDS(
	KIND_ROW) };

const char *const profile_label_names[PROFILE_LABELS] = {
	[LABEL_COMMAND] = "command", [LABEL_PREFIX] = "prefix", [LABEL_CLIENT] = "client",
	[LABEL_THREAD] = "thread",   [LABEL_SERVER] = "server",
};

enum profile_kind profile_kind_of(const char *name)
{
	enum profile_kind kind = 0;

	while (kind < PROFILE_KINDS && strcmp(profile_kind_table[kind].name, name) != 0)
		kind++;
	return kind;
}

/* --- while it is made --------------------------------------------------------------- */

struct name {
	UT_hash_handle hh;
	size_t place;
	size_t len;
	char text[];
};

/* Told apart by labels and frames, which are hashed as they are. */
struct stack {
	UT_hash_handle hh;
	double values[PROFILE_KINDS];
	size_t depth;
	size_t names[]; /* labels, then frames */
};

struct profile_making {
	struct name *names;
	struct stack *stacks;
	double totals[PROFILE_KINDS];
	size_t stalls; /* stacks of them */
	struct buf frames; /* of the stack under way: size_t */
};

/* A name is cut where it is long, between two characters. */
static size_t cut_length(const char *text, size_t len)
{
	if (len <= NAME_MAX_BYTES)
		return len;
	len = NAME_MAX_BYTES;
	while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
		len--;
	return len ? len : NAME_MAX_BYTES;
}

static size_t name_place(struct report_profile *p, const void *text, size_t len)
{
	struct profile_making *making = p->making;
	size_t cut = cut_length(text, len), kept = len > cut ? cut + 3 : cut;
	struct name *name;
	char own[NAME_MAX_BYTES + 3];

	memcpy(own, cut ? text : "", cut); /* what is empty may be nowhere */
	memcpy(own + cut, "...", kept - cut);
	HASH_FIND(hh, making->names, own, kept, name);
	if (name)
		return name->place;
	name = xcalloc(1, sizeof(*name) + kept + 1);
	memcpy(name->text, own, kept);
	name->len = kept;
	name->place = HASH_COUNT(making->names);
	HASH_ADD_KEYPTR(hh, making->names, name->text, name->len, name);
	return name->place;
}

static size_t text_place(struct report_profile *p, const char *text)
{
	return name_place(p, text, strlen(text));
}

/* One more frame of the stack under way, root first. */
static void push(struct report_profile *p, size_t place)
{
	buf_add(&p->making->frames, &place, sizeof(place));
}

/* The stack under way, which is over. */
static struct stack *stack_of(struct report_profile *p, const size_t labels[PROFILE_LABELS])
{
	struct profile_making *making = p->making;
	size_t depth = making->frames.len / sizeof(size_t);
	size_t bytes = PROFILE_LABELS * sizeof(size_t), all = bytes + depth * sizeof(size_t);
	struct stack *stack = xcalloc(1, sizeof(*stack) + all), *same;

	stack->depth = depth;
	memcpy(stack->names, labels, bytes);
	memcpy(stack->names + PROFILE_LABELS, buf_str(&making->frames), all - bytes);
	buf_clear(&making->frames);
	HASH_FIND(hh, making->stacks, stack->names, all, same);
	if (same) {
		free(stack);
		return same;
	}
	HASH_ADD_KEYPTR(hh, making->stacks, stack->names, all, stack);
	return stack;
}

/* What is no number is nothing. */
static double number(double value)
{
	return isfinite(value) ? value : 0;
}

static double faults(const struct charge *charge)
{
	int64_t major = charge->major_faults;

	return number(charge->minor_faults) + (major == RECORD_UNKNOWN ? 0 : (double)major);
}

static void charge_values(double values[PROFILE_KINDS], const struct charge *charge)
{
	values[PROFILE_ALLOC_SPACE] += number(charge->alloc_bytes);
	values[PROFILE_FREE_SPACE] += number(charge->free_bytes);
	values[PROFILE_CPU] += number(charge->cpu_seconds) * 1e9;
	values[PROFILE_FAULTS] += faults(charge);
}

/* --- stacks ------------------------------------------------------------------------- */

/* The root: who it was. */
static void push_command(struct report_profile *p, const char *command, const char *thread)
{
	struct buf text = { 0 };

	if (*command)
		buf_puts(&text, command);
	else if (strcmp(thread, "main") != 0)
		buf_printf(&text, "(%s)", thread);
	else
		buf_puts(&text, "(event loop)");
	push(p, name_place(p, buf_str(&text), text.len));
	buf_free(&text);
}

/* @functions: leaf first, ';' in between. */
static void push_functions(struct report_profile *p, const char *functions)
{
	size_t end = strlen(functions), begin;

	for (; end; end = begin ? begin - 1 : 0) {
		begin = end;
		while (begin && functions[begin - 1] != ';')
			begin--;
		if (end > begin)
			push(p, name_place(p, functions + begin, end - begin));
	}
}

static void take_row(struct report_profile *p, const struct profile_row *row, double grown)
{
	size_t labels[PROFILE_LABELS] = { 0 };
	struct stack *stack;

	labels[LABEL_THREAD] = text_place(p, row->thread);
	labels[LABEL_COMMAND] = text_place(p, row->command);
	if (row->other)
		labels[LABEL_PREFIX] = text_place(p, "(other)");
	else
		labels[LABEL_PREFIX] = name_place(p, row->prefix, row->prefix_len);
	push_command(p, row->command, row->thread);
	if (labels[LABEL_PREFIX])
		push(p, labels[LABEL_PREFIX]);
	push_functions(p, row->functions);
	stack = stack_of(p, labels);
	charge_values(stack->values, &row->charge);
	stack->values[PROFILE_GROWTH] += grown;
}

/* What nobody can be said to have grown by stands by itself, so that the sum is what grew. */
static void take_rows(struct report_profile *p, const struct model *m)
{
	const size_t nobody[PROFILE_LABELS] = { 0 };
	bool *certain = growth_certain(m);
	double rest = 0;

	for (size_t i = 0; i < m->profile_count; i++) {
		const struct charge *charge = &m->profile[i].charge;
		double net = number(charge->alloc_bytes) - number(charge->free_bytes);

		take_row(p, &m->profile[i], certain[i] ? net : 0);
		rest += certain[i] ? 0 : net;
	}
	free(certain);
	push(p, text_place(p, "(within the error)"));
	stack_of(p, nobody)->values[PROFILE_GROWTH] += rest;
}

/* Whose client it was, where the server's slow log has it. */
static size_t client_place(struct report_profile *p, const struct model *m,
			   const struct stall *stall)
{
	const struct record_slowlog *entry = stall_slowlog(m, stall);
	struct bytes client = { "", 0 };

	if (entry)
		client = entry->client_name.len ? entry->client_name : entry->client;
	return client.len ? name_place(p, client.data, client.len) : 0;
}

static size_t prefix_place(struct report_profile *p, struct bytes key)
{
	struct buf text = { 0 };
	size_t place = 0;

	if (key.len) {
		prefix_fold(&text, key.data, key.len);
		place = name_place(p, buf_str(&text), text.len);
	}
	buf_free(&text);
	return place;
}

/* What it was spent on stands where functions would. */
void report_profile_take_stall(struct report_profile *p, const struct model *m,
			       const struct stall *stall)
{
	size_t before = HASH_COUNT(p->making->stacks);
	bool room = p->making->stalls < STALLS_MAX;
	size_t labels[PROFILE_LABELS] = { 0 };
	struct blame blame[CAUSES];
	size_t count = blame_split(stall, blame);

	p->has[PROFILE_STALL] = true;
	p->making->totals[PROFILE_STALL] += stall->duration_seconds * 1e9;
	labels[LABEL_COMMAND] = text_place(p, stall->command);
	labels[LABEL_THREAD] = text_place(p, "main");
	if (room) {
		labels[LABEL_CLIENT] = client_place(p, m, stall);
		labels[LABEL_PREFIX] = prefix_place(p, stall->key);
	} else if (stall->key.len) {
		labels[LABEL_PREFIX] = text_place(p, "(other)");
	}
	for (size_t i = 0; i < count; i++) {
		struct buf cause = { 0 };

		buf_printf(&cause, "[%s]", cause_table[blame[i].cause].name);
		push_command(p, stall->command, "main");
		if (labels[LABEL_PREFIX])
			push(p, labels[LABEL_PREFIX]);
		push(p, name_place(p, buf_str(&cause), cause.len));
		stack_of(p, labels)->values[PROFILE_STALL] += blame[i].seconds * 1e9;
		buf_free(&cause);
	}
	p->making->stalls += HASH_COUNT(p->making->stacks) - before;
}

/* Of a pass over the keys nobody knows whose they are. */
static void take_keyspace(struct report_profile *p, const struct keyspace *keyspace)
{
	p->has[PROFILE_INUSE_SPACE] = true;
	p->making->totals[PROFILE_INUSE_SPACE] = (double)keyspace->bytes;
	for (size_t i = 0; i < keyspace->prefixes.count; i++) {
		const struct keyspace_prefix *prefix = &keyspace->prefixes.rows[i];
		size_t labels[PROFILE_LABELS] = { 0 };

		labels[LABEL_PREFIX] = name_place(p, prefix->prefix, prefix->prefix_len);
		push(p, text_place(p, "(keys)"));
		push(p, prefix->prefix_len ? labels[LABEL_PREFIX] : text_place(p, "(no name)"));
		stack_of(p, labels)->values[PROFILE_INUSE_SPACE] += (double)prefix->bytes;
	}
}

/* --- all of a model ----------------------------------------------------------------- */

struct report_profile *report_profile_new(void)
{
	struct report_profile *p = xcalloc(1, sizeof(*p));

	p->making = xcalloc(1, sizeof(*p->making));
	p->wall_start_ns = RECORD_UNKNOWN;
	p->executable = p->build_id = "";
	p->period_of = PROFILE_KINDS;
	name_place(p, "", 0);
	return p;
}

/* As the JSON's totals and rows of threads have them. */
static void take_totals(struct report_profile *p, const struct model *m)
{
	double *totals = p->making->totals;
	struct charge charge;

	p->has[PROFILE_ALLOC_SPACE] = isfinite(m->alloc.alloc_bytes);
	p->has[PROFILE_FREE_SPACE] = isfinite(m->alloc.free_bytes);
	p->has[PROFILE_GROWTH] = isfinite(m->alloc.alloc_bytes - m->alloc.free_bytes);
	p->has[PROFILE_CPU] = model_sensor_on(m, "cpu");
	p->has[PROFILE_STALL] = model_sensor_on(m, "loop");
	p->has[PROFILE_FAULTS] = model_sensor_on(m, "fault");
	for (size_t i = 0; i < m->threads_count; i++) {
		charge = m->threads[i].charge;
		totals[PROFILE_CPU] += number(charge.cpu_seconds) * 1e9;
		totals[PROFILE_FAULTS] += faults(&charge);
	}
	totals[PROFILE_ALLOC_SPACE] = m->alloc.alloc_bytes;
	totals[PROFILE_FREE_SPACE] = m->alloc.free_bytes;
	totals[PROFILE_GROWTH] = m->alloc.alloc_bytes - m->alloc.free_bytes;
}

void report_profile_take(struct report_profile *p, const struct model *m)
{
	take_totals(p, m);
	take_rows(p, m);
	for (size_t i = 0; i < m->stalls_count; i++)
		report_profile_take_stall(p, m, &m->stalls[i].stall);
	if (m->keyspace)
		take_keyspace(p, m->keyspace);
}

/* --- whole numbers ------------------------------------------------------------------ */

static int64_t whole(double value)
{
	return sum_whole(round(value));
}

/* Each sample gets what the sum up to it, rounded, is more than the sum before: so all of them
 * are the whole, rounded. What sums of doubles lack of it goes to the largest. */
static void round_kind(struct report_profile *p, enum profile_kind kind, const double *exact)
{
	int64_t given = 0, upto;
	size_t largest = 0;
	double sum = 0;

	p->totals[kind] = whole(p->making->totals[kind]);
	for (size_t i = 0; i < p->samples_count; i++) {
		sum += exact[i];
		upto = whole(sum);
		p->samples[i].values[kind] = sum_less(upto, given);
		given = upto;
		if (fabs(exact[i]) > fabs(exact[largest]))
			largest = i;
	}
	if (p->samples_count)
		sum_add(&p->samples[largest].values[kind], sum_less(p->totals[kind], given));
}

static void take_samples(struct report_profile *p)
{
	double *exact = xcalloc(HASH_COUNT(p->making->stacks) + 1, sizeof(*exact));
	struct stack *stack, *next;

	p->samples = xcalloc(HASH_COUNT(p->making->stacks) + 1, sizeof(*p->samples));
	HASH_ITER(hh, p->making->stacks, stack, next) {
		struct profile_sample *sample = &p->samples[p->samples_count++];

		memcpy(sample->labels, stack->names, sizeof(sample->labels));
		sample->depth = stack->depth;
		sample->frames = xcalloc(stack->depth + 1, sizeof(*sample->frames));
		memcpy(sample->frames, stack->names + PROFILE_LABELS,
		       stack->depth * sizeof(*sample->frames));
	}
	for (enum profile_kind kind = 0; kind < PROFILE_KINDS; kind++) {
		size_t i = 0;

		if (!p->has[kind])
			continue;
		for (stack = p->making->stacks; stack; stack = stack->hh.next)
			exact[i++] = stack->values[kind];
		round_kind(p, kind, exact);
	}
	free(exact);
}

static bool is_nothing(const struct profile_sample *sample)
{
	for (int kind = 0; kind < PROFILE_KINDS; kind++)
		if (sample->values[kind])
			return false;
	return true;
}

static void drop_nothing(struct report_profile *p)
{
	size_t kept = 0;

	for (size_t i = 0; i < p->samples_count; i++) {
		if (is_nothing(&p->samples[i]))
			free(p->samples[i].frames);
		else
			p->samples[kept++] = p->samples[i];
	}
	p->samples_count = kept;
}

/* --- what it is of ------------------------------------------------------------------ */

static void comment_bytes(struct report_profile *p, const struct model *m)
{
	const struct alloc *a = &m->alloc;

	buf_puts(&p->comments, "alloc_space, free_space, growth: ");
	if (a->by_caches && a->partly)
		buf_printf(&p->comments, "of threads' caches, scaled up from %.3g of the time; ",
			   a->flow_duty_ratio);
	else
		buf_puts(&p->comments,
			 a->by_caches ? "totals of threads' caches counted; " : "totals counted; ");
	buf_printf(&p->comments, "by whom: sampled, %lld looks\n", (long long)a->flow_hits);
	buf_puts(&p->comments, "growth: by prefix, where it is more than chance (95 %)\n");
}

static int64_t cpu_samples(const struct model *m)
{
	int64_t samples = 0;

	for (size_t i = 0; i < m->threads_count; i++)
		if (m->threads[i].charge.cpu_samples > 0)
			sum_add(&samples, m->threads[i].charge.cpu_samples);
	return samples;
}

static void comment_basis(struct report_profile *p, const struct model *m)
{
	if (p->has[PROFILE_ALLOC_SPACE])
		comment_bytes(p, m);
	if (p->has[PROFILE_CPU])
		buf_printf(&p->comments, "cpu: sampled, %lld looks\n", (long long)cpu_samples(m));
	if (p->has[PROFILE_STALL])
		buf_puts(&p->comments, "stall: measured; by cause: measured and sampled\n");
	if (p->has[PROFILE_FAULTS])
		buf_puts(&p->comments, "faults: sampled, minor and major\n");
	if (p->has[PROFILE_INUSE_SPACE])
		buf_puts(&p->comments, "inuse_space: MEMORY USAGE of the keys that were met, by "
				       "prefix alone\n");
	if (m->have_self && m->self.drops_total > 0)
		buf_printf(&p->comments, "lost: %lld of %lld events\n",
			   (long long)m->self.drops_total, (long long)m->self.events_total);
}

static void comment(struct report_profile *p, const struct model *m)
{
	const struct record_target *t = &m->target;

	buf_printf(&p->comments, "redmem %s", redmem_version);
	if (*m->session.redmem_version && strcmp(m->session.redmem_version, redmem_version) != 0)
		buf_printf(&p->comments, ", recorded by %s", m->session.redmem_version);
	buf_printf(&p->comments, "\n%s %s, %s\n", *t->server ? t->server : "server",
		   *t->version ? t->version : "of unknown version",
		   *t->allocator ? t->allocator : "unknown allocator");
	comment_basis(p, m);
}

/* What lies between two looks at what is shown first. */
static void set_period(struct report_profile *p, const struct model *m)
{
	int64_t samples = cpu_samples(m);

	if (p->has[PROFILE_ALLOC_SPACE] && !m->alloc.by_caches) {
		p->period_of = PROFILE_ALLOC_SPACE;
		p->period = FLOW_STEP_BYTES;
	} else if (!p->has[PROFILE_ALLOC_SPACE] && p->has[PROFILE_CPU] && samples) {
		p->period_of = PROFILE_CPU;
		p->period = p->totals[PROFILE_CPU] / samples;
	}
}

static void set_time(struct report_profile *p, const struct model *m)
{
	double start = isfinite(m->start_seconds) ? m->start_seconds : 0;

	if (m->session.wall_start_ns > 0)
		p->wall_start_ns = sum_of(m->session.wall_start_ns, sum_whole(start * 1e9));
	p->duration_ns = sum_whole(m->duration_seconds * 1e9);
}

static void take_names(struct report_profile *p)
{
	struct name *name, *next;

	p->names_count = HASH_COUNT(p->making->names);
	p->names = xcalloc(p->names_count, sizeof(*p->names));
	HASH_ITER(hh, p->making->names, name, next)
		p->names[name->place] = (struct bytes){ xmemdup(name->text, name->len), name->len };
}

static void making_free(struct profile_making *making)
{
	struct stack *stack, *next_stack;
	struct name *name, *next_name;

	if (!making)
		return;
	HASH_ITER(hh, making->stacks, stack, next_stack) {
		HASH_DEL(making->stacks, stack);
		free(stack);
	}
	HASH_ITER(hh, making->names, name, next_name) {
		HASH_DEL(making->names, name);
		free(name);
	}
	buf_free(&making->frames);
	free(making);
}

void report_profile_finish(struct report_profile *p, const struct model *m, const char *server)
{
	p->server = text_place(p, server);
	take_samples(p);
	drop_nothing(p);
	for (size_t i = 0; i < p->samples_count; i++)
		p->samples[i].labels[LABEL_SERVER] = p->server;
	take_names(p);
	p->executable = m->target.executable;
	p->build_id = m->target.build_id;
	set_time(p, m);
	set_period(p, m);
	comment(p, m);
	making_free(p->making);
	p->making = NULL;
}

void report_profile_free(struct report_profile *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->samples_count; i++)
		free(p->samples[i].frames);
	for (size_t i = 0; i < p->names_count; i++)
		free((char *)p->names[i].data);
	free(p->samples);
	free(p->names);
	buf_free(&p->comments);
	making_free(p->making);
	free(p);
}

/* --- reading ------------------------------------------------------------------------ */

enum profile_kind report_profile_first(const struct report_profile *p)
{
	enum profile_kind kind = 0;

	while (kind < PROFILE_KINDS && !p->has[kind])
		kind++;
	return kind;
}

const char *profile_direction(const struct profile_sample *sample, enum profile_kind kind)
{
	if (kind != PROFILE_GROWTH)
		return NULL;
	return sample->values[kind] < 0 ? "(shrunk)" : "(grown)";
}

int64_t profile_width(const struct profile_sample *sample, enum profile_kind kind)
{
	int64_t value = sample->values[kind];

	return value < 0 ? sum_less(0, value) : value;
}
