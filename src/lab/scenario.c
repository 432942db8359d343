/* SPDX-License-Identifier: BSD-2-Clause */
/* Scenarios, read from text; see scenario.h. A row of a table for each word a line begins with. */
#include "lab/scenario.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "host/file.h"
#include "lab/command.h"
#include "lab/side.h"

#define FILE_BYTES    (256 << 10)
#define LINE_BYTES    8192
#define USES_MAX      4 /* a scenario that uses one that uses one ... */
#define LIST_MAX      256 /* lines of a kind */
#define NAME_BYTES    64
#define COUNT_MAX     1e12
#define WEIGHT_MAX    1e6
#define CLIENTS_MAX   1000
#define PIPELINE_MAX  1000
#define BUFFERS_BYTES (1ull << 30) /* of all clients */
#define SECONDS_MAX   86400.0
#define RATE_MAX      1e8
#define EXPONENT_MAX  5.0

/* Kinds of lines of which the first one of a file takes the place of all that it uses. */
enum list { LIST_FILL, LIST_OP, LIST_ONCE, LIST_EXPECT, LISTS };

struct reader {
	struct lab_scenario *scenario;
	const char *path;
	int line; /* 0 = the file as a whole */
	int depth; /* of uses */
	bool own[LISTS]; /* this file has a line of the kind */
	bool about, begun; /* a line other than about was there */
	struct err *err;
};

/* --- what is said of what is wrong -------------------------------------------------------- */

static int complain(const struct reader *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static int complain(const struct reader *r, const char *fmt, ...)
{
	char why[sizeof(r->err->text)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(why, sizeof(why), fmt, args);
	va_end(args);
	if (!r->line)
		return err_set(r->err, -EINVAL, "lab: %s: %s", r->path, why);
	return err_set(r->err, -EINVAL, "lab: %s:%d: %s", r->path, r->line, why);
}

/* --- values ------------------------------------------------------------------------------- */

/* The first word of @rest, NUL-terminated; @rest goes on behind it. "" when there is none. */
static char *take_word(char **rest)
{
	char *word = *rest, *end = word + strcspn(word, " \t");

	*rest = end + strspn(end, " \t");
	*end = '\0';
	return word;
}

static bool number_of(const char *text, double min, double max, double *out)
{
	char *end;

	/* Of what strtod() takes neither "inf" nor "0x10" is one here. */
	if (!*text || text[strspn(text, "0123456789.")])
		return false;
	*out = strtod(text, &end);
	return !*end && *out >= min && *out <= max;
}

static int read_number(const struct reader *r, const char *what, const char *text, double min,
		       double max, double *out)
{
	if (number_of(text, min, max, out))
		return 0;
	return complain(r, "%s: \"%.64s\" is no number from %g to %.15g", what, text, min, max);
}

static int read_whole(const struct reader *r, const char *what, const char *text, double max,
		      uint64_t *out)
{
	double value;

	if (!number_of(text, 1, max, &value) || value != rint(value))
		return complain(r, "%s: \"%.64s\" is no whole number from 1 to %.15g", what, text,
				max);
	*out = (uint64_t)value;
	return 0;
}

static int read_seconds(const struct reader *r, const char *what, const char *text, double *out)
{
	return read_number(r, what, text, 0.001, SECONDS_MAX, out);
}

static void set_text(char **field, const char *text)
{
	free(*field);
	*field = xstrdup(text);
}

/* --- commands ----------------------------------------------------------------------------- */

/* Commands that end the conversation, lead to another server, or get other than one reply. */
static const char *const refused[] = {
	"AUTH",	       "CLIENT",       "CLUSTER",      "FAILOVER",   "HELLO",	  "MIGRATE",
	"MONITOR",     "PSUBSCRIBE",   "PSYNC",	       "QUIT",	     "REPLICAOF", "REPLCONF",
	"RESET",       "SHUTDOWN",     "SLAVEOF",      "SSUBSCRIBE", "SUBSCRIBE", "SYNC",
	"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE",
};

static int read_command(const struct reader *r, const char *text, struct lab_command **out)
{
	struct err why = { 0 };

	if (lab_command_parse(out, text, strlen(text), &why))
		return complain(r, "%s", why.text);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (!strcasecmp(lab_command_name(*out), refused[i]))
			return complain(r,
					"a scenario may not have %s: it would end or leave the "
					"conversation with its server",
					refused[i]);
	}
	return 0;
}

static int read_op(struct reader *r, const char *what, char *rest, double max, struct lab_op *op)
{
	int ret = read_whole(r, what, take_word(&rest), max, &op->count);

	return ret ? ret : read_command(r, rest, &op->command);
}

/* --- lists -------------------------------------------------------------------------------- */

static void free_ops(struct lab_op **ops, size_t *count)
{
	for (size_t i = 0; i < *count; i++)
		lab_command_free((*ops)[i].command);
	free(*ops);
	*ops = NULL;
	*count = 0;
}

static void free_list(struct lab_scenario *s, enum list list)
{
	switch (list) {
	case LIST_FILL:
		free_ops(&s->fills, &s->fills_count);
		break;
	case LIST_OP:
		free_ops(&s->ops, &s->ops_count);
		break;
	case LIST_ONCE:
		for (size_t i = 0; i < s->steps_count; i++)
			lab_command_free(s->steps[i].op.command);
		free(s->steps);
		s->steps = NULL;
		s->steps_count = 0;
		break;
	default:
		for (size_t i = 0; i < s->expect_count; i++)
			free(s->expect[i]);
		free(s->expect);
		s->expect = NULL;
		s->expect_count = 0;
	}
}

/* A line of @list comes: what was taken over from a scenario that is used goes. */
static void begin_list(struct reader *r, enum list list)
{
	if (!r->own[list])
		free_list(r->scenario, list);
	r->own[list] = true;
}

/* Room for one more, zeroed, behind @count. */
static int grow(const struct reader *r, void *list, size_t count, size_t size)
{
	void **field = list;

	if (count == LIST_MAX)
		return complain(r, "more than %d lines of this kind", LIST_MAX);
	*field = xrealloc(*field, (count + 1) * size);
	memset((char *)*field + count * size, 0, size);
	return 0;
}

/* --- the lines of each kind --------------------------------------------------------------- */

static int read_about(struct reader *r, char *rest)
{
	r->about = true;
	set_text(&r->scenario->about, rest);
	return 0;
}

static int add_setting(struct reader *r, struct lab_config_line **list, size_t *count, char *rest)
{
	char *name = take_word(&rest);
	int ret = grow(r, list, *count, sizeof(**list));

	if (ret)
		return ret;
	(*list)[*count].name = xstrdup(name);
	(*list)[(*count)++].value = xstrdup(rest);
	return *rest ? 0 : complain(r, "%s: a value is missing", name);
}

static int read_config(struct reader *r, char *rest)
{
	return add_setting(r, &r->scenario->settings, &r->scenario->settings_count, rest);
}

static int read_try(struct reader *r, char *rest)
{
	int ret = read_config(r, rest);

	if (!ret)
		r->scenario->settings[r->scenario->settings_count - 1].may_refuse = true;
	return ret;
}

static int read_knob(struct reader *r, char *rest)
{
	struct lab_scenario *s = r->scenario;
	struct err why = { 0 };
	int ret = add_setting(r, &s->knobs, &s->knobs_count, rest);
	const struct lab_config_line *last = ret ? NULL : &s->knobs[s->knobs_count - 1];

	if (!last || !lab_knob_check(last->name, last->value, &why))
		return ret;
	return complain(r, "%s", why.text);
}

static int read_keys(struct reader *r, char *rest)
{
	int ret = read_whole(r, "keys", take_word(&rest), (double)LAB_SHUFFLE_MAX,
			     &r->scenario->keys);
	char *how = take_word(&rest);

	r->scenario->zipf = 0;
	if (ret || !*how || (!strcmp(how, "uniform") && !*rest))
		return ret;
	if (strcmp(how, "zipf"))
		return complain(r, "keys: \"%.64s\" is neither uniform nor zipf EXPONENT", how);
	return read_number(r, "keys: zipf", rest, 0.01, EXPONENT_MAX, &r->scenario->zipf);
}

static int read_clients(struct reader *r, char *rest)
{
	uint64_t count = 0;
	int ret = read_whole(r, "clients", rest, CLIENTS_MAX, &count);

	r->scenario->clients = (unsigned int)count;
	return ret;
}

static int read_pipeline(struct reader *r, char *rest)
{
	uint64_t count = 0;
	int ret = read_whole(r, "pipeline", rest, PIPELINE_MAX, &count);

	r->scenario->pipeline = (unsigned int)count;
	return ret;
}

static int read_rate(struct reader *r, char *rest)
{
	struct lab_scenario *s = r->scenario;
	size_t len = strlen(rest);
	int ret;

	s->rate = s->rate_share = 0;
	if (!len || rest[len - 1] != '%')
		return read_number(r, "rate", rest, 1, RATE_MAX, &s->rate);
	rest[len - 1] = '\0';
	ret = read_number(r, "rate: %", rest, 1, 100, &s->rate_share);
	s->rate_share /= 100;
	return ret;
}

static int read_slice(struct reader *r, char *rest)
{
	return read_seconds(r, "slice", rest, &r->scenario->slice_seconds);
}

static int read_warmup(struct reader *r, char *rest)
{
	return read_seconds(r, "warmup", rest, &r->scenario->warm_seconds);
}

static int read_expect(struct reader *r, char *rest)
{
	struct lab_scenario *s = r->scenario;
	int ret;

	begin_list(r, LIST_EXPECT);
	ret = grow(r, &s->expect, s->expect_count, sizeof(*s->expect));
	if (!ret)
		s->expect[s->expect_count++] = xstrdup(rest);
	return ret;
}

/* Programs that load a server, as far as they are installed, and their options that name one. */
static int read_load(struct reader *r, char *rest)
{
	static const char *const tools[] = { "redis-benchmark", "valkey-benchmark",
					     "memtier_benchmark" };
	static const char *const elsewhere[] = { "-h",	   "-p",       "-s",
						 "-u",	   "-S",       "--server",
						 "--host", "--port",   "--unix-socket",
						 "--uri",  "--cluster" };
	char *copy = xstrdup(rest), *at = copy, *word = take_word(&at);
	int ret = 0, known = 0;

	set_text(&r->scenario->tool, rest);
	for (size_t i = 0; i < sizeof(tools) / sizeof(tools[0]); i++)
		known |= !strcmp(word, tools[i]);
	if (!known)
		ret = complain(r,
			       "load: \"%.64s\" is none of redis-benchmark, valkey-benchmark, "
			       "memtier_benchmark",
			       word);
	while (!ret && *at) {
		word = take_word(&at);
		for (size_t i = 0; i < sizeof(elsewhere) / sizeof(elsewhere[0]) && !ret; i++) {
			size_t len = strlen(elsewhere[i]);

			/* "-h" also takes "-hHOST", "--port" "--port=1". */
			if (!strncmp(word, elsewhere[i], len) &&
			    (len == 2 || strchr("=", word[len])))
				ret = complain(r,
					       "load: %s: which server is asked is not up to "
					       "the scenario",
					       word);
		}
	}
	free(copy);
	return ret;
}

static int read_fill(struct reader *r, char *rest)
{
	struct lab_scenario *s = r->scenario;
	int ret;

	begin_list(r, LIST_FILL);
	ret = grow(r, &s->fills, s->fills_count, sizeof(*s->fills));
	return ret ? ret : read_op(r, "fill", rest, COUNT_MAX, &s->fills[s->fills_count++]);
}

static int read_op_line(struct reader *r, char *rest)
{
	struct lab_scenario *s = r->scenario;
	int ret;

	begin_list(r, LIST_OP);
	ret = grow(r, &s->ops, s->ops_count, sizeof(*s->ops));
	return ret ? ret : read_op(r, "op", rest, WEIGHT_MAX, &s->ops[s->ops_count++]);
}

static int read_step(struct reader *r, char *rest, struct lab_step *step)
{
	static const struct {
		const char *name;
		enum lab_step_kind kind;
	} kinds[] = { { "do", LAB_STEP_DO },
		      { "save", LAB_STEP_SAVE },
		      { "load", LAB_STEP_LOAD },
		      { "idle", LAB_STEP_IDLE },
		      { "defrag", LAB_STEP_DEFRAG } };
	char *word = take_word(&rest);

	step->seconds = NAN;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(word, kinds[i].name))
			continue;
		step->kind = kinds[i].kind;
		if (step->kind == LAB_STEP_DO)
			return read_op(r, "once do", rest, COUNT_MAX, &step->op);
		if (step->kind == LAB_STEP_SAVE)
			return *rest ? complain(r, "once save: nothing may follow") : 0;
		return read_seconds(r, word, rest, &step->seconds);
	}
	return complain(r, "once: \"%.64s\" is none of do, save, load, idle, defrag", word);
}

static int read_once(struct reader *r, char *rest)
{
	struct lab_scenario *s = r->scenario;
	int ret;

	begin_list(r, LIST_ONCE);
	ret = grow(r, &s->steps, s->steps_count, sizeof(*s->steps));
	return ret ? ret : read_step(r, rest, &s->steps[s->steps_count++]);
}

static int read_use(struct reader *r, char *rest);

static const struct {
	const char *name;
	int (*read)(struct reader *r, char *rest); /* @rest: not empty, without blanks around */
} keys[] = {
	{ "about", read_about },     { "use", read_use },	    { "config", read_config },
	{ "try", read_try },	     { "knob", read_knob },	    { "keys", read_keys },
	{ "clients", read_clients }, { "pipeline", read_pipeline }, { "rate", read_rate },
	{ "slice", read_slice },     { "warmup", read_warmup },	    { "expect", read_expect },
	{ "load", read_load },	     { "fill", read_fill },	    { "op", read_op_line },
	{ "once", read_once },
};

/* --- files -------------------------------------------------------------------------------- */

static int read_line(struct reader *r, char *line)
{
	char *rest = line, *word = take_word(&rest);
	int ret;

	if (!*word || *word == '#')
		return 0;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(word, keys[i].name))
			continue;
		if (!*rest)
			return complain(r, "%s: a value is missing", word);
		ret = keys[i].read(r, rest);
		r->begun |= keys[i].read != read_about;
		return ret;
	}
	return complain(r,
			"\"%.64s\" is no word that a line begins with (redmem-lab(5) has them all)",
			word);
}

static int read_lines(struct reader *r, const char *text, size_t len)
{
	const char *end = text + len;
	int ret = 0;

	if (len > FILE_BYTES)
		return complain(r, "more than %d KiB", FILE_BYTES >> 10);
	while (text < end && !ret) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *next = newline ? newline + 1 : end, *last = newline ? newline : end;
		char *line;

		r->line++;
		while (text < last && (*text == ' ' || *text == '\t'))
			text++;
		while (last > text && strchr(" \t\r", last[-1]) && last[-1])
			last--;
		if (memchr(text, '\0', (size_t)(last - text)))
			return complain(r, "a NUL byte");
		if (last - text > LINE_BYTES)
			return complain(r, "a line of more than %d bytes", LINE_BYTES);
		line = xmemdup(text, (size_t)(last - text));
		ret = read_line(r, line);
		free(line);
		text = next;
	}
	r->line = 0;
	if (!ret && !r->about)
		ret = complain(r, "a line \"about WHAT IT IS\" is missing");
	return ret;
}

static bool plain_name(const char *name)
{
	return *name && *name != '.' && strlen(name) <= NAME_BYTES &&
	       !name[strspn(name,
			    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")];
}

/* Of a scenario that is used: beside the file that uses it, or where all are. */
static int find_used(const struct reader *r, const char *name, struct buf *path)
{
	const char *slash = strrchr(r->path, '/');

	if (slash)
		buf_add(path, r->path, (size_t)(slash - r->path) + 1);
	buf_printf(path, "%s" LAB_SCENARIO_SUFFIX, name);
	if (!access(buf_str(path), R_OK))
		return 0;
	buf_clear(path);
	return lab_scenario_find(path, name, r->err);
}

static int read_use(struct reader *r, char *rest)
{
	struct reader used = { .scenario = r->scenario, .depth = r->depth + 1, .err = r->err };
	struct buf path = { 0 }, text = { 0 };
	int ret;

	if (!plain_name(rest))
		return complain(r, "use: \"%.64s\" is no name of a scenario", rest);
	if (used.depth > USES_MAX)
		return complain(r, "use: more than %d scenarios that use another", USES_MAX);
	if (r->begun)
		return complain(r, "use: only one, and before every line but about");
	ret = find_used(r, rest, &path);
	if (!ret)
		ret = file_read(buf_str(&path), FILE_BYTES, &text, r->err);
	if (!ret) {
		char *about = r->scenario->about;

		r->scenario->about = NULL;
		used.path = buf_str(&path);
		ret = read_lines(&used, buf_str(&text), text.len);
		if (about)
			set_text(&r->scenario->about, about);
		free(about);
	}
	buf_free(&path);
	buf_free(&text);
	return ret;
}

/* --- a scenario as a whole ---------------------------------------------------------------- */

static int check_op(struct reader *r, const struct lab_op *op)
{
	if (lab_command_has_key(op->command) && !r->scenario->keys)
		return complain(r, "%s: {key} needs a line \"keys COUNT\"",
				lab_command_text(op->command));
	return 0;
}

static int check(struct reader *r)
{
	const struct lab_scenario *s = r->scenario;
	size_t most = 0;
	int ret = 0;

	if (!s->ops_count && !s->tool)
		return complain(r, "neither a line \"op WEIGHT COMMAND\" nor one \"load PROGRAM\"");
	for (size_t i = 0; i < s->fills_count && !ret; i++)
		ret = check_op(r, &s->fills[i]);
	for (size_t i = 0; i < s->steps_count && !ret; i++)
		if (s->steps[i].kind == LAB_STEP_DO)
			ret = check_op(r, &s->steps[i].op);
	for (size_t i = 0; i < s->ops_count && !ret; i++) {
		ret = check_op(r, &s->ops[i]);
		if (lab_command_bytes(s->ops[i].command) > most)
			most = lab_command_bytes(s->ops[i].command);
	}
	if (!ret && most * s->clients * s->pipeline > BUFFERS_BYTES)
		ret = complain(r,
			       "%u clients with %u commands of up to %zu bytes each are more than "
			       "%llu MiB at once",
			       s->clients, s->pipeline, most, BUFFERS_BYTES >> 20);
	return ret;
}

static char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = strlen(name), suffix = strlen(LAB_SCENARIO_SUFFIX);

	if (len > suffix && !strcmp(name + len - suffix, LAB_SCENARIO_SUFFIX))
		len -= suffix;
	return xmemdup(name, len);
}

int lab_scenario_parse(struct lab_scenario **out, const char *path, const char *text, size_t len,
		       struct err *err)
{
	struct lab_scenario *s = xcalloc(1, sizeof(*s));
	struct reader r = { .scenario = s, .path = path, .err = err };
	int ret;

	s->path = xstrdup(path);
	s->name = name_of(path);
	s->clients = 10;
	s->pipeline = 1;
	s->rate_share = 0.5;
	s->slice_seconds = 1;
	s->warm_seconds = 5;
	ret = plain_name(s->name) ?
		      read_lines(&r, text, len) :
		      complain(&r, "the name of the file may have letters, digits and "
				   "._- only");
	if (!ret)
		ret = check(&r);
	if (ret) {
		lab_scenario_free(s);
		s = NULL;
	}
	*out = s;
	return ret;
}

int lab_scenario_read(struct lab_scenario **out, const char *name, struct err *err)
{
	struct buf path = { 0 }, text = { 0 };
	int ret = lab_scenario_find(&path, name, err);

	*out = NULL;
	if (!ret)
		ret = file_read(buf_str(&path), FILE_BYTES, &text, err);
	if (!ret)
		ret = lab_scenario_parse(out, buf_str(&path), buf_str(&text), text.len, err);
	buf_free(&path);
	buf_free(&text);
	return ret;
}

const char *lab_scenario_knob(const struct lab_scenario *scenario, const char *name)
{
	for (size_t i = scenario->knobs_count; i-- > 0;)
		if (!strcmp(scenario->knobs[i].name, name))
			return scenario->knobs[i].value;
	return NULL;
}

bool lab_scenario_counts(const struct lab_scenario *scenario, size_t i)
{
	const char *name = scenario->settings[i].name;

	for (i++; i < scenario->settings_count; i++)
		if (!strcasecmp(scenario->settings[i].name, name))
			return false;
	return true;
}

static void free_settings(struct lab_config_line *settings, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(settings[i].name);
		free(settings[i].value);
	}
	free(settings);
}

void lab_scenario_free(struct lab_scenario *s)
{
	if (!s)
		return;
	free(s->name);
	free(s->path);
	free(s->about);
	free(s->tool);
	free_settings(s->settings, s->settings_count);
	free_settings(s->knobs, s->knobs_count);
	for (int list = 0; list < LISTS; list++)
		free_list(s, (enum list)list);
	free(s);
}
