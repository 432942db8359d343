/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys that expire or are evicted, by name; see gone_key.h. */
#include "sensor/gone_key.h"

#include <ctype.h>
#include <string.h>

#include "redis/knowledge.h"

/*
 * An object of Redis and Valkey (redmem/object.h): four bits of type (0 = string), four of
 * encoding, references, and the address of its text, or the text itself. Before the text is its
 * sds header (sds.h): length and room of one byte each, then its type 1 in three bits, for texts
 * of 32 to 255 bytes; or length and type 0 in one byte. A short name lies right behind its object
 * (encoding 8, "embstr"), one of 45 bytes and more mostly elsewhere (encoding 0, "raw").
 */
#define OBJECT_BYTES 96 /* with a name of up to 64 bytes */
#define EMBEDDED     0x80
#define RAW	     0x00
#define HEAD_BYTES   3
#define APART_LEAST  45 /* OBJ_ENCODING_EMBSTR_SIZE_LIMIT is 44 */
/* References of an object in use. The server's own constants, such as the DEL it sends its
 * replicas for the key, are counted as shared: in millions. */
#define REFS_MOST 64
#define TEXT_MOST 32 /* the text begins within so many bytes of the object */

#define ADDRESS_LOWEST	0x10000ULL
#define ADDRESS_HIGHEST ((1ULL << REDMEM_ADDRESS_BITS) - 1)

/* Length of the sds text at @text, of @room bytes, before it is too long; 0 = it is none. */
static size_t text_len(const unsigned char *text, size_t room)
{
	unsigned int flags = text[-1];
	size_t len = (flags & 7) == 1 ? text[-3] : (flags & 7) == 0 ? flags >> 3 : 0;

	return len > 0 && len < room && text[len] == '\0' ? len : 0;
}

/* Names are mostly text; what else lies about is mostly not. */
static bool is_name(const unsigned char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isprint(text[i]) || text[i] == ' ')
			return false;
	return true;
}

/* What the server sends its replicas for the key lies beside it: Redis 8.0 does not count it as
 * shared. */
static bool is_command(const unsigned char *text, size_t len)
{
	static const char *const commands[] = { "DEL", "UNLINK", "HDEL" };

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strlen(commands[i]) == len && !memcmp(text, commands[i], len))
			return true;
	return false;
}

static bool take_text(struct gone_key *out, const unsigned char *text, size_t len)
{
	if (!len || len > sizeof(out->text) || !is_name(text, len) || is_command(text, len))
		return false;
	out->len = len;
	memcpy(out->text, text, len);
	return true;
}

static bool is_address(uint64_t address)
{
	return address >= ADDRESS_LOWEST && address <= ADDRESS_HIGHEST;
}

/* The text at @at, which its object points to. */
static bool take_apart(pid_t pid, uint64_t at, gone_read_fn read, struct gone_key *out)
{
	unsigned char text[HEAD_BYTES + RECORD_KEY_MAX + 1];
	size_t len;

	if (!is_address(at) || read(pid, at - HEAD_BYTES, text, sizeof(text)))
		return false;
	len = text_len(text + HEAD_BYTES, sizeof(text) - HEAD_BYTES);
	out->apart = true;
	return len >= APART_LEAST && text[1] >= len && take_text(out, text + HEAD_BYTES, len);
}

bool gone_key_at(pid_t pid, uint64_t address, const struct redmem_object_layout *layout,
		 gone_read_fn read, struct gone_key *out)
{
	unsigned char object[OBJECT_BYTES];
	uint64_t head, text;
	uint32_t refs;
	int at;

	if (address % 8 || !is_address(address) || read(pid, address, object, sizeof(object)) ||
	    (object[0] != EMBEDDED && object[0] != RAW))
		return false;
	memcpy(&head, object, sizeof(head));
	refs = object_references(layout, head);
	at = object_text_offset(layout, head);
	if (!refs || refs > REFS_MOST || at < 0)
		return false;
	memcpy(&text, object + layout->pointer, sizeof(text));
	if (object[0] == RAW)
		return !at && take_apart(pid, text, read, out);
	if (!at && text > address + layout->pointer + sizeof(text) && text <= address + TEXT_MOST)
		at = (int)(text - address);
	out->apart = false;
	return at > 0 &&
	       take_text(out, object + at, text_len(object + at, sizeof(object) - (size_t)at));
}

static void count_look(struct gone_names *names, const struct gone_key *found)
{
	names->looks++;
	for (size_t i = 0; i < names->count; i++) {
		if (names->key[i].len != found->len ||
		    memcmp(names->key[i].text, found->text, found->len) != 0)
			continue;
		names->key[i].looks++;
		return;
	}
	if (names->count == GONE_KEYS)
		return;
	names->key[names->count] = *found;
	names->key[names->count++].looks = 1;
}

/* From so many more looks on it is no question which ones are names. */
#define DECIDED_LOOKS 4

static bool is_decided(const struct gone_keys *keys, bool apart)
{
	return keys->names[apart].looks >= keys->names[!apart].looks + DECIDED_LOOKS;
}

void gone_keys_look(struct gone_keys *keys, pid_t pid, const struct redmem_object_layout *layout,
		    const __u64 *words, size_t count, gone_read_fn read)
{
	bool met[2] = { false, false };
	struct gone_key found;

	for (size_t i = 0; i < count && !(met[0] && met[1]); i++) {
		if (i > 0 && words[i] == words[i - 1])
			continue;
		if (!gone_key_at(pid, words[i], layout, read, &found) || met[found.apart])
			continue;
		met[found.apart] = true;
		count_look(&keys->names[found.apart], &found);
		if (is_decided(keys, found.apart))
			return;
	}
}

static const struct gone_names *names_of(const struct gone_keys *keys)
{
	return &keys->names[keys->names[1].looks > keys->names[0].looks];
}

int64_t gone_keys_looks(const struct gone_keys *keys)
{
	return names_of(keys)->looks;
}

const struct gone_key *gone_keys_top(const struct gone_keys *keys)
{
	const struct gone_names *names = names_of(keys);
	const struct gone_key *top = NULL;

	for (size_t i = 0; i < names->count; i++)
		if (!top || names->key[i].looks > top->looks)
			top = &names->key[i];
	return top;
}
