/* SPDX-License-Identifier: BSD-2-Clause */
/* Small collections in one string; see packed.h. */
#include "rdb/packed.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#define HEAD_COUNT_UNKNOWN 0xffff /* listpack and ziplist: more than the head can say */
#define END		   0xff

/* --- numbers -------------------------------------------------------------- */

size_t decimal_len(int64_t value)
{
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	size_t len = value < 0 ? 2 : 1;

	for (; rest > 9; rest /= 10)
		len++;
	return len;
}

bool decimal_parse(const void *text, size_t len, int64_t *value)
{
	const char *at = text, *end = at + len;
	bool minus = len > 1 && *at == '-';
	uint64_t sum = 0;

	at += minus;
	if (!len || len > 20 || (*at == '0' && (len > 1)))
		return false;
	for (; at < end; at++) {
		if (*at < '0' || *at > '9' || __builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, (uint64_t)(*at - '0'), &sum))
			return false;
	}
	if (sum > (uint64_t)INT64_MAX + minus)
		return false;
	*value = minus ? (int64_t)(0 - sum) : (int64_t)sum;
	return true;
}

/* @bytes of it, the lowest first, with their sign. */
static int64_t little(const uint8_t *at, int bytes)
{
	uint64_t value = 0;

	for (int i = bytes; i--;)
		value = value << 8 | at[i];
	return (int64_t)(value << (64 - 8 * bytes)) >> (64 - 8 * bytes);
}

static uint64_t little_unsigned(const uint8_t *at, int bytes)
{
	uint64_t value = 0;

	for (int i = bytes; i--;)
		value = value << 8 | at[i];
	return value;
}

static void set_number(struct packed_entry *entry, int64_t value)
{
	*entry =
		(struct packed_entry){ .len = decimal_len(value), .integer = true, .value = value };
}

static void set_text(struct packed_entry *entry, const void *data, size_t len)
{
	*entry = (struct packed_entry){ .data = data, .len = len };
}

/* --- listpack ------------------------------------------------------------- */

/* Bytes of the length that stands behind an entry of @len, for walking back. */
static size_t back_bytes(size_t len)
{
	return len < 128 ? 1 : len < 16383 ? 2 : len < 2097151 ? 3 : len < 268435455 ? 4 : 5;
}

size_t listpack_entry_bytes(const struct packed_entry *entry)
{
	int64_t value = entry->value;
	bool number = entry->integer;
	size_t len;

	if (!number && entry->data)
		number = decimal_parse(entry->data, entry->len, &value);
	if (!number)
		len = entry->len + (entry->len < 64 ? 1 : entry->len < 4096 ? 2 : 5);
	else if (value >= 0 && value < 128)
		len = 1;
	else if (value >= -4096 && value < 4096)
		len = 2;
	else if (value >= INT16_MIN && value <= INT16_MAX)
		len = 3;
	else if (value >= -8388608 && value <= 8388607)
		len = 4;
	else
		len = value >= INT32_MIN && value <= INT32_MAX ? 5 : 9;
	return len + back_bytes(len);
}

/* Bytes of the head of an entry, and of its text behind that; false for what is none. */
static bool listpack_head(const uint8_t *at, size_t left, size_t *head, size_t *text)
{
	static const uint8_t number_bytes[] = { 3, 4, 5, 9 };

	*text = 0;
	if (*at < 0x80) {
		*head = 1;
	} else if (*at < 0xc0) {
		*head = 1;
		*text = *at & 0x3f;
	} else if (*at < 0xe0) {
		*head = 2;
	} else if (*at < 0xf0) {
		*head = 2;
		*text = left < 2 ? 0 : (size_t)(*at & 0x0f) << 8 | at[1];
	} else if (*at == 0xf0) {
		*head = 5;
		*text = left < 5 ? 0 : little_unsigned(at + 1, 4);
	} else if (*at <= 0xf4) {
		*head = number_bytes[*at - 0xf1];
	} else {
		return false;
	}
	return true;
}

static int64_t listpack_number(const uint8_t *at, size_t head)
{
	int64_t value;

	if (*at < 0x80)
		return *at;
	if (*at < 0xe0) {
		value = (int64_t)(*at & 0x1f) << 8 | at[1];
		return value < 4096 ? value : value - 8192;
	}
	return little(at + 1, (int)head - 1);
}

static int listpack_next(struct packed *p, struct packed_entry *entry)
{
	size_t left = (size_t)(p->end - p->at), head, text, all;

	if (!listpack_head(p->at, left, &head, &text))
		return -EINVAL;
	all = head + text;
	if (left < all || left - all < back_bytes(all))
		return -EINVAL;
	if (text || (*p->at >= 0x80 && *p->at < 0xc0) || (*p->at >= 0xe0 && *p->at <= 0xf0))
		set_text(entry, p->at + head, text);
	else
		set_number(entry, listpack_number(p->at, head));
	p->at += all + back_bytes(all);
	return 1;
}

/* --- ziplist -------------------------------------------------------------- */

static int ziplist_text(struct packed *p, struct packed_entry *entry)
{
	size_t left = (size_t)(p->end - p->at), head, text;

	if (*p->at < 0x40) {
		head = 1;
		text = *p->at;
	} else if (*p->at < 0x80) {
		head = 2;
		text = left < 2 ? 0 : (size_t)(*p->at & 0x3f) << 8 | p->at[1];
	} else {
		head = 5;
		text = left < 5 ? 0 :
				  (size_t)p->at[1] << 24 | (size_t)p->at[2] << 16 |
					  (size_t)p->at[3] << 8 | p->at[4];
	}
	if (left < head || left - head < text)
		return -EINVAL;
	set_text(entry, p->at + head, text);
	p->at += head + text;
	return 1;
}

static int ziplist_next(struct packed *p, struct packed_entry *entry)
{
	size_t before = *p->at == 0xfe ? 5 : 1;
	int bytes;

	if ((size_t)(p->end - p->at) <= before)
		return -EINVAL;
	p->at += before;
	if (*p->at < 0xc0)
		return ziplist_text(p, entry);
	switch (*p->at) {
	case 0xc0:
		bytes = 2;
		break;
	case 0xd0:
		bytes = 4;
		break;
	case 0xe0:
		bytes = 8;
		break;
	case 0xf0:
		bytes = 3;
		break;
	case 0xfe:
		bytes = 1;
		break;
	default:
		if (*p->at < 0xf1 || *p->at > 0xfd)
			return -EINVAL;
		set_number(entry, *p->at - 0xf1);
		p->at++;
		return 1;
	}
	if (p->end - p->at <= bytes)
		return -EINVAL;
	set_number(entry, little(p->at + 1, bytes));
	p->at += 1 + bytes;
	return 1;
}

/* --- zipmap, intset ------------------------------------------------------- */

static int zipmap_next(struct packed *p, struct packed_entry *entry)
{
	size_t left = (size_t)(p->end - p->at), head = *p->at == 254 ? 5 : 1, len, spare = 0;

	if (left < head + p->value_next)
		return -EINVAL;
	len = head == 1 ? *p->at : little_unsigned(p->at + 1, 4);
	if (p->value_next)
		spare = p->at[head++];
	if (left - head < len || left - head - len < spare)
		return -EINVAL;
	set_text(entry, p->at + head, len);
	p->at += head + len + spare;
	p->value_next = !p->value_next;
	return 1;
}

static int intset_next(struct packed *p, struct packed_entry *entry)
{
	if (p->at == p->end)
		return 0;
	set_number(entry, little(p->at, p->int_bytes));
	p->at += p->int_bytes;
	p->read++;
	return 1;
}

static int intset_open(struct packed *p, size_t len)
{
	if (len < 8)
		return -EINVAL;
	p->int_bytes = (int)little_unsigned(p->at, 4);
	p->declared = little_unsigned(p->at + 4, 4);
	if ((p->int_bytes != 2 && p->int_bytes != 4 && p->int_bytes != 8) ||
	    p->declared * (uint64_t)p->int_bytes != len - 8)
		return -EINVAL;
	p->at += 8;
	return 0;
}

/* --- all ------------------------------------------------------------------ */

int packed_open(struct packed *p, enum packed_kind kind, const void *data, size_t len)
{
	size_t head = kind == PACKED_LISTPACK ? 6 : kind == PACKED_ZIPLIST ? 10 : 1;

	*p = (struct packed){ .kind = kind, .at = data, .end = (const uint8_t *)data + len };
	if (kind == PACKED_INTSET)
		return intset_open(p, len);
	/* The end's mark is in every one of the others; an entry is at least two bytes. */
	if (len < head + 1 || p->end[-1] != END)
		return -EINVAL;
	if (kind == PACKED_ZIPMAP) {
		p->declared = *p->at < 254 ? (uint64_t)*p->at * 2 : UINT64_MAX;
	} else {
		if (little_unsigned(p->at, 4) != len)
			return -EINVAL;
		p->declared = little_unsigned(p->at + head - 2, 2);
		if (p->declared == HEAD_COUNT_UNKNOWN)
			p->declared = UINT64_MAX;
	}
	p->at += head;
	return 0;
}

int packed_next(struct packed *p, struct packed_entry *entry)
{
	int ret;

	if (p->kind == PACKED_INTSET)
		return intset_next(p, entry);
	if (p->at >= p->end)
		return -EINVAL;
	/* In a zipmap a value may be of 255 bytes, but never says so with this byte. */
	if (*p->at == END) {
		if (p->at + 1 != p->end || p->value_next ||
		    (p->declared != UINT64_MAX && p->declared != p->read))
			return -EINVAL;
		return 0;
	}
	ret = p->kind == PACKED_LISTPACK ? listpack_next(p, entry) :
	      p->kind == PACKED_ZIPLIST	 ? ziplist_next(p, entry) :
					   zipmap_next(p, entry);
	p->read += ret > 0;
	return ret;
}
