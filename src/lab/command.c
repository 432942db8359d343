/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands with places in them; see command.h. */
#include "lab/command.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/escape.h"

#define DIGITS	    20 /* of the largest number */
#define PARTS_MAX   16 /* of a word */
#define WORDS_MAX   1024
#define REPEATS_MAX 1000000
#define NUMBER_MAX  LAB_SHUFFLE_MAX

enum part_kind {
	PART_TEXT,
	PART_KEY,
	PART_COUNTER, /* {n} */
	PART_INDEX, /* {i} */
	PART_RANDOM,
	PART_SHUFFLE,
	PART_VALUE, /* of any length between two, all alike */
	PART_VALUE_LOG /* as often between 10 and 100 as between 100 and 1000 */
};

struct part {
	enum part_kind kind;
	char *text; /* PART_TEXT */
	uint64_t min, max; /* of the length, or of the number; of PART_SHUFFLE the count */
	double log_min, log_span; /* PART_VALUE_LOG */
};

struct word {
	struct part parts[PARTS_MAX];
	size_t count;
	char *fixed; /* in the protocol, when nothing varies */
	size_t fixed_len;
};

struct lab_command {
	char *text, *name;
	struct word *words;
	size_t count;
	/* Of the words those from @group to before @group_end come @least to @most times. */
	size_t group, group_end;
	uint64_t least, most;
	size_t bytes, value;
	bool has_key;
};

/* --- reading: what is in braces ----------------------------------------------------------- */

/* A whole number and nothing else in [@p, @end). */
static bool read_number(const char *p, const char *end, uint64_t max, uint64_t *out)
{
	*out = 0;
	if (p == end)
		return false;
	for (; p < end; p++) {
		if (*p < '0' || *p > '9')
			return false;
		*out = *out * 10 + (uint64_t)(*p - '0');
		if (*out > max)
			return false;
	}
	return true;
}

/* "MIN" or "MIN-MAX"; @between is the '-', and may be another sign. */
static bool read_range(const char *p, const char *end, char between, uint64_t max, uint64_t out[2])
{
	const char *sign = memchr(p, between, (size_t)(end - p));

	if (!sign) {
		if (!read_number(p, end, max, &out[0]))
			return false;
		out[1] = out[0];
		return true;
	}
	return read_number(p, sign, max, &out[0]) && read_number(sign + 1, end, max, &out[1]) &&
	       out[0] <= out[1];
}

static bool is_word(const char *p, const char *end, const char *word)
{
	return (size_t)(end - p) == strlen(word) && !memcmp(p, word, (size_t)(end - p));
}

static bool read_value(struct part *part, const char *p, const char *end)
{
	uint64_t range[2];

	part->kind = memchr(p, '~', (size_t)(end - p)) ? PART_VALUE_LOG : PART_VALUE;
	if (!read_range(p, end, part->kind == PART_VALUE_LOG ? '~' : '-', LAB_COMMAND_BYTES, range))
		return false;
	part->min = range[0];
	part->max = range[1];
	if (part->kind == PART_VALUE_LOG && !part->min)
		return false;
	part->log_min = log((double)part->min);
	part->log_span = log((double)part->max + 1) - part->log_min;
	return true;
}

/* "LIMIT", which it is below, or "MIN-MAX". */
static bool read_random(struct part *part, const char *p, const char *end)
{
	uint64_t range[2];

	part->kind = PART_RANDOM;
	if (!read_range(p, end, '-', NUMBER_MAX, range) || !range[1])
		return false;
	part->min = memchr(p, '-', (size_t)(end - p)) ? range[0] : 0;
	part->max = memchr(p, '-', (size_t)(end - p)) ? range[1] : range[1] - 1;
	return true;
}

/* What is between the braces. */
static bool read_place(struct part *part, const char *p, const char *end)
{
	const char *colon = memchr(p, ':', (size_t)(end - p));

	if (!colon) {
		part->kind = is_word(p, end, "key") ? PART_KEY :
			     is_word(p, end, "n")   ? PART_COUNTER :
						      PART_INDEX;
		return part->kind != PART_INDEX || is_word(p, end, "i");
	}
	if (is_word(p, colon, "value"))
		return read_value(part, colon + 1, end);
	if (is_word(p, colon, "random"))
		return read_random(part, colon + 1, end);
	part->kind = PART_SHUFFLE;
	return is_word(p, colon, "shuffle") &&
	       read_number(colon + 1, end, NUMBER_MAX, &part->max) && part->max;
}

/* --- reading: words ----------------------------------------------------------------------- */

static struct part *add_part(struct word *word, enum part_kind kind)
{
	if (word->count == PARTS_MAX)
		return NULL;
	word->parts[word->count].kind = kind;
	return &word->parts[word->count++];
}

static int add_text(struct word *word, const struct buf *text, struct err *err)
{
	struct part *part = add_part(word, PART_TEXT);

	if (!part)
		return err_set(err, -EINVAL, "a word has more than %d places", PARTS_MAX / 2);
	part->text = xmemdup(buf_str(text), text->len);
	part->min = part->max = text->len;
	return 0;
}

/* A word with places: text up to the next brace, the place, and so on. */
static int read_places(struct word *word, const char *p, const char *end, struct err *err)
{
	struct buf text = { 0 };
	int ret = 0;

	while (p < end && !ret) {
		const char *close;
		struct part *part;

		if (*p != '{' || (p + 1 < end && p[1] == '{')) {
			buf_putc(&text, *p);
			p += *p == '{' ? 2 : 1;
			continue;
		}
		if (text.len)
			ret = add_text(word, &text, err);
		buf_clear(&text);
		close = memchr(p, '}', (size_t)(end - p));
		part = ret ? NULL : add_part(word, PART_TEXT);
		if (!ret && (!close || !part || !read_place(part, p + 1, close)))
			ret = err_set(
				err, -EINVAL,
				"\"%.*s\" is no place to fill in; those there are: {key} {n} {i} "
				"{random:LIMIT} {random:MIN-MAX} {shuffle:COUNT} {value:SIZE} "
				"{value:MIN-MAX} "
				"{value:MIN~MAX}, and {{ for a brace",
				(int)((close ? close + 1 : end) - p), p);
		p = close ? close + 1 : end;
	}
	if (!ret && (text.len || !word->count))
		ret = add_text(word, &text, err);
	buf_free(&text);
	return ret;
}

/* The end of the word that begins at @p: a blank, or what closes its quotes. */
static const char *word_end(const char *p, const char *end)
{
	if (*p == '"') {
		for (p++; p < end && *p != '"'; p++)
			p += *p == '\\' && p + 1 < end;
		return p < end ? p + 1 : NULL;
	}
	while (p < end && *p != ' ' && *p != '\t')
		p++;
	return p;
}

static int read_word(struct lab_command *command, const char *p, const char *end, struct err *err)
{
	struct word *word;
	struct buf text = { 0 };
	int ret;

	if (command->count == WORDS_MAX)
		return err_set(err, -EINVAL, "more than %d words", WORDS_MAX);
	command->words = xrealloc(command->words, (command->count + 1) * sizeof(*word));
	word = &command->words[command->count++];
	memset(word, 0, sizeof(*word));
	if (*p != '"')
		return read_places(word, p, end, err);
	ret = unescape_redis(&text, p + 1, (size_t)(end - p) - 2);
	if (ret)
		err_set(err, ret, "the quoted word ends in a backslash");
	else
		ret = add_text(word, &text, err);
	buf_free(&text);
	return ret;
}

/* "(" and ")*10": a group of words that is repeated. */
static int read_group(struct lab_command *command, const char *p, const char *end, struct err *err)
{
	uint64_t range[2];

	if (*p == '(') {
		if (command->group_end || command->group)
			return err_set(err, -EINVAL,
				       "a second \"(\": one group is all there can be");
		command->group = command->count;
		return 0;
	}
	if (!command->group || command->group_end || command->group == command->count)
		return err_set(err, -EINVAL, "\")\" without words and a \"(\" before it");
	if (end - p < 3 || p[1] != '*' || !read_range(p + 2, end, '-', REPEATS_MAX, range) ||
	    !range[0])
		return err_set(err, -EINVAL,
			       "\"%.*s\": a group ends in )*TIMES or )*MIN-MAX, at most %d times",
			       (int)(end - p), p, REPEATS_MAX);
	command->group_end = command->count;
	command->least = range[0];
	command->most = range[1];
	return 0;
}

static int read_words(struct lab_command *command, const char *p, const char *end, struct err *err)
{
	for (;;) {
		const char *last;
		int ret;

		while (p < end && (*p == ' ' || *p == '\t'))
			p++;
		if (p == end)
			break;
		last = word_end(p, end);
		if (!last || (*p == '"' && last < end && *last != ' ' && *last != '\t'))
			return err_set(err, -EINVAL, "quotes that do not end, or not at a blank");
		if (command->count && (is_word(p, last, "(") || *p == ')'))
			ret = read_group(command, p, last, err);
		else
			ret = read_word(command, p, last, err);
		if (ret)
			return ret;
		p = last;
	}
	if (command->group && !command->group_end)
		return err_set(err, -EINVAL, "a \"(\" without a \")*TIMES\"");
	return command->count ? 0 : err_set(err, -EINVAL, "a command is missing");
}

/* --- what was read, checked and made ready ------------------------------------------------ */

static char *put_number(char *out, uint64_t number)
{
	char digits[DIGITS];
	int at = DIGITS;

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	memcpy(out, digits + at, (size_t)(DIGITS - at));
	return out + DIGITS - at;
}

/* "$LENGTH", "*COUNT": the head of a word or a command in the protocol. */
static char *put_head(char *out, char sign, uint64_t number)
{
	*out++ = sign;
	out = put_number(out, number);
	memcpy(out, "\r\n", 2);
	return out + 2;
}

static void fix_word(struct word *word)
{
	const struct part *text = &word->parts[0];
	char *end;

	word->fixed = xcalloc(1, text->max + DIGITS + 8);
	end = put_head(word->fixed, '$', text->max);
	memcpy(end, text->text, text->max);
	memcpy(end + text->max, "\r\n", 2);
	word->fixed_len = (size_t)(end + text->max + 2 - word->fixed);
}

/* Most bytes of @word in the protocol. */
static size_t measure_word(struct lab_command *command, struct word *word)
{
	size_t bytes = DIGITS + 8;

	if (word->count == 1 && word->parts[0].kind == PART_TEXT)
		fix_word(word);
	for (size_t i = 0; i < word->count; i++) {
		const struct part *part = &word->parts[i];

		if (part->kind == PART_KEY)
			command->has_key = true;
		if (part->kind >= PART_VALUE && part->max > command->value)
			command->value = part->max;
		bytes += part->kind == PART_TEXT || part->kind >= PART_VALUE ? part->max : DIGITS;
	}
	return bytes;
}

static int measure(struct lab_command *command, struct err *err)
{
	size_t bytes = DIGITS + 8;

	/* A word has at most 16 parts of 64 MiB, and there are at most 1024: no overflow. */
	for (size_t i = 0; i < command->count; i++) {
		bool repeated = i >= command->group && i < command->group_end;
		size_t word = measure_word(command, &command->words[i]);

		if (word > LAB_COMMAND_BYTES)
			word = LAB_COMMAND_BYTES + 1;
		bytes += repeated ? word * command->most : word;
	}
	command->bytes = bytes;
	if (bytes > LAB_COMMAND_BYTES)
		return err_set(err, -EINVAL, "the command may take %zu MiB; %d MiB are the most",
			       bytes >> 20, LAB_COMMAND_BYTES >> 20);
	if (!command->words[0].fixed)
		return err_set(err, -EINVAL, "the name of the command has a place to fill in");
	command->name = xmemdup(command->words[0].parts[0].text, command->words[0].parts[0].max);
	return 0;
}

int lab_command_parse(struct lab_command **out, const char *text, size_t len, struct err *err)
{
	struct lab_command *command = xcalloc(1, sizeof(*command));
	int ret = read_words(command, text, text + len, err);

	command->text = xmemdup(text, len);
	if (!ret)
		ret = measure(command, err);
	if (ret) {
		lab_command_free(command);
		command = NULL;
	}
	*out = command;
	return ret;
}

void lab_command_free(struct lab_command *command)
{
	if (!command)
		return;
	for (size_t i = 0; i < command->count; i++) {
		for (size_t k = 0; k < command->words[i].count; k++)
			free(command->words[i].parts[k].text);
		free(command->words[i].fixed);
	}
	free(command->words);
	free(command->text);
	free(command->name);
	free(command);
}

const char *lab_command_text(const struct lab_command *command)
{
	return command->text;
}

const char *lab_command_name(const struct lab_command *command)
{
	return command->name;
}

size_t lab_command_bytes(const struct lab_command *command)
{
	return command->bytes;
}

size_t lab_command_value(const struct lab_command *command)
{
	return command->value;
}

bool lab_command_has_key(const struct lab_command *command)
{
	return command->has_key;
}

/* --- writing ------------------------------------------------------------------------------ */

/* What is the same all over one command. */
struct filling {
	struct lab_source *source;
	uint64_t key, n, index;
};

struct piece {
	const char *data;
	size_t len;
};

static uint64_t draw_key(struct lab_source *source)
{
	if (!source->zipf.count)
		return lab_random_below(&source->random, source->keys);
	/* Frequent keys are no neighbours in memory: which they are has nothing to do with when
	 * they were filled in. */
	return lab_shuffle(lab_zipf_draw(&source->zipf, &source->random), source->keys);
}

static size_t draw_length(const struct part *part, struct lab_random *random)
{
	double length;

	if (part->kind == PART_VALUE)
		return part->min + lab_random_below(random, part->max - part->min + 1);
	length = exp(part->log_min + lab_random_unit(random) * part->log_span);
	return length < (double)part->max ? (size_t)length : part->max;
}

static uint64_t draw_number(const struct part *part, const struct filling *filling)
{
	switch (part->kind) {
	case PART_KEY:
		return filling->key;
	case PART_COUNTER:
		return filling->n;
	case PART_INDEX:
		return filling->index;
	case PART_RANDOM:
		return part->min +
		       lab_random_below(&filling->source->random, part->max - part->min + 1);
	default:
		return lab_shuffle(filling->n % part->max, part->max);
	}
}

/* @digits: room for a number that must last until the word is written. */
static struct piece draw_piece(const struct part *part, const struct filling *filling, char *digits)
{
	struct piece piece = { .data = part->text, .len = part->max };

	if (part->kind >= PART_VALUE) {
		piece.len = draw_length(part, &filling->source->random);
		piece.data = filling->source->noise +
			     lab_random_below(&filling->source->random, LAB_NOISE);
	} else if (part->kind != PART_TEXT) {
		piece.data = digits;
		piece.len = (size_t)(put_number(digits, draw_number(part, filling)) - digits);
	}
	return piece;
}

static char *write_word(const struct word *word, char *out, const struct filling *filling)
{
	char digits[PARTS_MAX][DIGITS];
	struct piece pieces[PARTS_MAX];
	size_t len = 0;

	if (word->fixed) {
		memcpy(out, word->fixed, word->fixed_len);
		return out + word->fixed_len;
	}
	for (size_t i = 0; i < word->count; i++) {
		pieces[i] = draw_piece(&word->parts[i], filling, digits[i]);
		len += pieces[i].len;
	}
	out = put_head(out, '$', len);
	for (size_t i = 0; i < word->count; i++) {
		memcpy(out, pieces[i].data, pieces[i].len);
		out += pieces[i].len;
	}
	memcpy(out, "\r\n", 2);
	return out + 2;
}

char *lab_command_write(const struct lab_command *command, char *out, struct lab_source *source,
			uint64_t n)
{
	struct filling filling = { .source = source, .n = n };
	size_t grouped = command->group_end - command->group;
	uint64_t spread = command->most - command->least, times = command->least;

	if (spread)
		times += lab_random_below(&source->random, spread + 1);
	if (command->has_key)
		filling.key = draw_key(source);
	out = put_head(out, '*', command->count - grouped + grouped * times);
	for (size_t i = 0; i < command->count; i++) {
		if (!grouped || i != command->group) {
			out = write_word(&command->words[i], out, &filling);
			continue;
		}
		for (filling.index = 0; filling.index < times; filling.index++)
			for (size_t k = command->group; k < command->group_end; k++)
				out = write_word(&command->words[k], out, &filling);
		i = command->group_end - 1;
	}
	return out;
}
