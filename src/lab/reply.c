/* SPDX-License-Identifier: BSD-2-Clause */
/* Counting replies; see reply.h. */
#include "lab/reply.h"

#include <stdbool.h>
#include <string.h>

#define ITEMS_MAX  (1ull << 32) /* of one reply */
#define STRING_MAX (1ull << 40)

/* "123" or "-1", which is no string and no array: 0 items. */
static bool read_length(const char *text, size_t len, uint64_t max, uint64_t *out, bool *none)
{
	*out = 0;
	*none = len == 2 && text[0] == '-' && text[1] == '1';
	if (*none)
		return true;
	if (!len)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		*out = *out * 10 + (uint64_t)(text[i] - '0');
		if (*out > max)
			return false;
	}
	return true;
}

static void keep_error(struct lab_reply *reply, const char *text, size_t len)
{
	if (len > LAB_REPLY_TEXT)
		len = LAB_REPLY_TEXT;
	memmove(reply->line, text, len);
	reply->line[len] = '\0';
}

/* One line, without its end. Returns what the reply is when this was its last one. */
static enum lab_reply_kind take_line(struct lab_reply *reply, const char *line, size_t len)
{
	bool whole = !reply->items, none;
	uint64_t count;

	if (whole)
		reply->items = 1;
	reply->items--;
	switch (*line) {
	case '+':
	case ':':
		break;
	case '-':
		if (!whole)
			break; /* an item of an array: EXEC's, say */
		keep_error(reply, line + 1, len - 1);
		return LAB_REPLY_ERROR;
	case '$':
		if (!read_length(line + 1, len - 1, STRING_MAX, &count, &none))
			return LAB_REPLY_BROKEN;
		reply->skip = none ? 0 : count + 2;
		break;
	case '*':
		if (!read_length(line + 1, len - 1, ITEMS_MAX, &count, &none) ||
		    reply->items + count > ITEMS_MAX)
			return LAB_REPLY_BROKEN;
		reply->items += count;
		break;
	default:
		return LAB_REPLY_BROKEN;
	}
	return reply->items || reply->skip ? LAB_REPLY_MORE : LAB_REPLY_GOOD;
}

/* The line that begins at *@data, put together if it came in pieces; NULL = not whole yet. */
static const char *whole_line(struct lab_reply *reply, const char **data, const char *end,
			      size_t *len)
{
	const char *line = *data, *newline = memchr(line, '\n', (size_t)(end - line));
	size_t n = (size_t)((newline ? newline : end) - line);

	*data = newline ? newline + 1 : end;
	*len = n;
	if (newline && !reply->line_len)
		return line;
	/* Of what is longer than there is room for only the end is lost, of an error's text. */
	if (n > LAB_REPLY_TEXT - reply->line_len)
		n = LAB_REPLY_TEXT - reply->line_len;
	memcpy(reply->line + reply->line_len, line, n);
	reply->line_len += n;
	*len = reply->line_len;
	if (newline)
		reply->line_len = 0;
	return newline ? reply->line : NULL;
}

enum lab_reply_kind lab_reply_take(struct lab_reply *reply, const char **data, const char *end)
{
	enum lab_reply_kind kind = LAB_REPLY_MORE;

	while (*data < end && kind == LAB_REPLY_MORE) {
		const char *line;
		size_t len;

		if (reply->skip) {
			size_t there = (size_t)(end - *data);

			if (there > reply->skip)
				there = reply->skip;
			*data += there;
			reply->skip -= there;
			if (!reply->skip && !reply->items)
				return LAB_REPLY_GOOD;
			continue;
		}
		line = whole_line(reply, data, end, &len);
		if (!line)
			break;
		if (len && line[len - 1] == '\r')
			len--;
		kind = len ? take_line(reply, line, len) : LAB_REPLY_BROKEN;
	}
	return kind;
}
