/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The parser of a dump: runs the tables of layout.c over a window of bytes, an atom at a
 * time, and stops where the bytes do. An atom that is not whole in the window is begun again
 * when more has come, so that a string is always in one piece; a length only says how far
 * the window may grow, and it grows as bytes come.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rdb/parser.h"

#define WINDOW	       ((size_t)256 << 10)
#define HEADER_BYTES   9 /* "REDIS0011", "VALKEY080" */
#define CHECKSUM_BYTES 8
#define CHECKSUM_SINCE 5 /* version */

/* --- the grammar ---------------------------------------------------------- */

static void forget_key(struct rdb *r)
{
	r->key.expire_ms = r->key.idle_seconds = r->key.freq = RECORD_UNKNOWN;
}

/* None of what is counted is there: go on behind the loop, with the loops inside it. */
static void skip_loop(struct rdb *r)
{
	int depth = 1;

	while (depth) {
		r->step++;
		depth += (r->step->kind == STEP_COUNT || r->step->kind == STEP_ARRAY ||
			  r->step->kind == STEP_TEMPLATE) -
			 (r->step->kind == STEP_LOOP);
	}
}

static int begin_loop(struct rdb *r, const struct step *step)
{
	uint64_t count;
	int ret = step->kind == STEP_ARRAY    ? atom_array_count(r, &count) :
		  step->kind == STEP_TEMPLATE ? atom_template_count(r, &count) :
						atom_length(r, &count);

	if (ret != DONE)
		return ret;
	ret = parser_take_number(r, step->role, count);
	if (ret)
		return ret;
	if (!count)
		skip_loop(r);
	else
		r->loops[r->depth++] = (struct loop){ r->step, count };
	return DONE;
}

static void end_loop(struct rdb *r)
{
	struct loop *loop = &r->loops[r->depth - 1];

	if (--loop->left)
		r->step = loop->start;
	else
		r->depth--;
}

/* A layout has come to its end. */
static int end_item(struct rdb *r)
{
	int ret = 0;

	r->step = NULL;
	if (r->state == AT_KEY) {
		r->state = AT_VALUE;
		r->step = r->value;
		r->key.saved = r->key.groups = r->key.consumers = r->key.pending = 0;
		return parser_emit_key(r, RDB_KEY);
	}
	if (r->state == AT_VALUE) {
		r->key.stored = parser_offset(r) - r->item;
		ret = parser_emit_key(r, RDB_KEY_END);
		forget_key(r);
		r->state = AT_ITEM;
	}
	return ret;
}

static int run_step(struct rdb *r)
{
	const struct step *step = r->step;
	int ret;

	switch (step->kind) {
	case STEP_STRING:
		ret = atom_string(r, step->role);
		break;
	case STEP_LENGTH:
		ret = atom_number(r, step->role);
		break;
	case STEP_FIXED:
		ret = atom_fixed(r, step->role, step->bytes);
		break;
	case STEP_SCORE:
		ret = atom_score(r);
		break;
	case STEP_COUNT:
	case STEP_ARRAY:
	case STEP_TEMPLATE:
		ret = begin_loop(r, step);
		break;
	case STEP_MODULE:
		ret = atom_module(r, step->role);
		break;
	case STEP_TAGGED:
		ret = atom_tagged(r, step->role);
		break;
	case STEP_LOOP:
		end_loop(r);
		ret = DONE;
		break;
	default:
		ret = end_item(r);
		return ret ? ret : DONE;
	}
	if (ret == DONE)
		r->step++;
	return ret;
}

/* --- items ---------------------------------------------------------------- */

/* As far as it has come. */
static bool begins_right(const struct rdb *r)
{
	return !memcmp(r->window, "REDIS", r->have < 5 ? r->have : 5) ||
	       !memcmp(r->window, "VALKEY", r->have < 6 ? r->have : 6);
}

static int no_dump(struct rdb *r)
{
	return parser_broken(
		r, -EINVAL,
		"this is no dump: it begins with neither REDIS nor VALKEY and a version");
}

static int read_header(struct rdb *r)
{
	struct rdb_event event = { .kind = RDB_BEGIN };
	char head[HEADER_BYTES + 1] = "";
	const char *digits = head + 5;
	int ret;

	if (!there(r, 0, HEADER_BYTES))
		return MORE;
	memcpy(head, r->window, HEADER_BYTES);
	r->valkey = !memcmp(head, "VALKEY", 6);
	digits += r->valkey;
	if (!begins_right(r) || strspn(digits, "0123456789") != strlen(digits))
		return no_dump(r);
	r->version = atoi(digits);
	for (unsigned int i = 0; i < 256; i++) {
		r->opcodes[i] = layout_of_opcode((uint8_t)i, r->valkey);
		r->values[i] = layout_of_value((uint8_t)i, r->valkey, &r->types[i]);
	}
	r->at += HEADER_BYTES;
	r->state = AT_ITEM;
	event.number = (uint64_t)r->version;
	event.valkey = r->valkey;
	ret = parser_emit(r, &event);
	return ret ? ret : DONE;
}

static void sum_up(struct rdb *r)
{
	r->sum = crc64_add(&r->crc, r->sum, r->window + r->summed, r->at - r->summed);
	r->summed = r->at;
}

static int read_end(struct rdb *r)
{
	struct rdb_event event = { .kind = RDB_END };
	uint64_t sum = 0;
	int ret;

	if (r->version >= CHECKSUM_SINCE) {
		if (!there(r, 1, CHECKSUM_BYTES))
			return MORE;
		sum = little_endian(r->window + r->at + 1, CHECKSUM_BYTES);
	}
	r->at++;
	sum_up(r);
	if (r->version >= CHECKSUM_SINCE)
		r->at += CHECKSUM_BYTES;
	r->state = AT_END;
	if (sum && sum != r->sum)
		return parser_broken(r, -EBADMSG,
				     "the checksum is wrong: the dump has changed since it "
				     "was written, and what was read of it may be, too");
	event.number = sum != 0;
	ret = parser_emit(r, &event);
	return ret ? ret : DONE;
}

static const struct step key_name[] = { { STEP_STRING, PART_KEY, 0 }, { STEP_END, PART_NONE, 0 } };

static int begin_item(struct rdb *r)
{
	uint8_t number;

	if (!there(r, 0, 1))
		return MORE;
	number = r->window[r->at];
	r->depth = 0;
	if (number == OPCODE_END)
		return read_end(r);
	/* What stands before a key belongs to it. */
	if (r->opcodes[number]) {
		r->step = r->opcodes[number];
	} else if (r->values[number]) {
		r->step = key_name;
		r->value = r->values[number];
		r->key.number = number;
		r->key.type = r->types[number];
		r->state = AT_KEY;
	} else {
		return parser_broken(r, -EPROTONOSUPPORT,
				     "%s %u of %s RDB %d is not known to this redmem",
				     number > 200 ? "opcode" : "type", number,
				     r->valkey ? "Valkey's" : "Redis's", r->version);
	}
	r->item = parser_offset(r);
	r->at++;
	return DONE;
}

static bool skip_on(struct rdb *r)
{
	size_t left = r->have - r->at;
	size_t now = r->skip < left ? (size_t)r->skip : left;

	r->at += now;
	r->skip -= now;
	return !r->skip;
}

static int parse(struct rdb *r)
{
	int ret = DONE;

	while (ret == DONE && r->state != AT_END) {
		if (r->skip && !skip_on(r))
			return MORE;
		if (r->state == AT_HEADER)
			ret = read_header(r);
		else
			ret = r->step ? run_step(r) : begin_item(r);
	}
	return ret;
}

/* --- the window ----------------------------------------------------------- */

struct rdb *rdb_new(const struct rdb_sink *sink)
{
	struct rdb *r = xcalloc(1, sizeof(*r));

	r->sink = *sink;
	r->size = WINDOW;
	r->window = xrealloc(NULL, r->size);
	r->key.slot = RECORD_UNKNOWN;
	forget_key(r);
	crc64_init(&r->crc);
	return r;
}

void rdb_free(struct rdb *r)
{
	if (!r)
		return;
	buf_free(&r->name);
	free(r->expanded);
	free(r->templates);
	free(r->window);
	free(r);
}

void *rdb_room(struct rdb *r, size_t *size)
{
	size_t wanted = WINDOW;

	if (r->state == AT_VALUE && r->key.name.data != r->name.data)
		parser_hold_name(r);
	sum_up(r);
	memmove(r->window, r->window + r->at, r->have - r->at);
	r->base += (int64_t)r->at;
	r->have -= r->at;
	r->at = r->summed = 0;
	/* Twice what has come: a length alone takes no memory. */
	if (r->want > wanted)
		wanted = r->want < r->have * 2 ? r->want : r->have * 2;
	if (wanted < r->have + 1)
		wanted = r->have + 1;
	if (r->size < wanted || (r->size > WINDOW && wanted <= WINDOW)) {
		r->window = xrealloc(r->window, wanted);
		r->size = wanted;
	}
	*size = r->size - r->have;
	return r->window + r->have;
}

int rdb_take(struct rdb *r, size_t len, struct err *err)
{
	int ret;

	r->err = err;
	r->have += len;
	if (r->have - r->at < r->want)
		return 0;
	r->want = 0;
	ret = parse(r);
	return ret < 0 ? ret : r->state == AT_END;
}

int rdb_close(struct rdb *r, struct err *err)
{
	r->err = err;
	if (r->state == AT_END)
		return 0;
	if (r->state == AT_HEADER && !begins_right(r))
		return no_dump(r);
	return parser_broken(r, -ENODATA, "the dump ends here, before its end");
}

const void *rdb_rest(const struct rdb *r, size_t *len)
{
	*len = r->have - r->at;
	return r->window + r->at;
}

int64_t rdb_offset(const struct rdb *r)
{
	return parser_offset(r);
}

const char *rdb_type_name(enum rdb_type type)
{
	static const char *const names[RDB_TYPES] = { "string", "list",	  "set",    "zset",
						      "hash",	"stream", "module", "array" };

	return names[type];
}
