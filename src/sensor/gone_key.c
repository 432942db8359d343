/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys that expire or are evicted, by name; see gone_key.h. */
#include "sensor/gone_key.h"

#include <ctype.h>
#include <string.h>

/*
 * An object of Redis and Valkey (server.h, struct redisObject): four bits of type (0 =
 * string), four of encoding, access time, references, and the address of its text, which
 * for a short name lies right behind it (encoding 8, "embstr"; createObjectFromLongLong and
 * createEmbeddedStringObject in object.c). Before the text is its sds header (sds.h): length
 * and room of one byte each, then its type 1 in three bits, for texts of 32 to 255 bytes; or
 * length and type 0 in one byte.
 */
#define OBJECT_BYTES 96 /* with a name of up to 64 bytes */
#define EMBEDDED     0x80
#define PTR_OFFSET   8
#define REFS_OFFSET  4
/* References of an object in use, shifted by two bits in Valkey 8. The server's own constants,
 * such as the DEL it sends its replicas for the key, are counted as shared: in millions. */
#define REFS_MOST 64
#define TEXT_MOST 32 /* the text begins within so many bytes of the object */

#define ADDRESS_LOWEST	0x10000ULL
#define ADDRESS_HIGHEST 0x7fffffffffffULL

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

bool gone_key_at(pid_t pid, uint64_t address, gone_read_fn read, struct gone_key *out)
{
	unsigned char object[OBJECT_BYTES];
	uint64_t text;
	uint32_t refs;
	size_t at, len;

	if (address % 8 || address < ADDRESS_LOWEST || address > ADDRESS_HIGHEST ||
	    read(pid, address, object, sizeof(object)) || object[0] != EMBEDDED)
		return false;
	memcpy(&refs, object + REFS_OFFSET, sizeof(refs));
	memcpy(&text, object + PTR_OFFSET, sizeof(text));
	if (!refs || refs > REFS_MOST || text < address + PTR_OFFSET + sizeof(text) + 1 ||
	    text > address + TEXT_MOST)
		return false;
	at = text - address;
	len = text_len(object + at, sizeof(object) - at);
	if (!len || !is_name(object + at, len))
		return false;
	out->len = len < sizeof(out->text) ? len : sizeof(out->text);
	memcpy(out->text, object + at, out->len);
	return true;
}

static void count_look(struct gone_keys *keys, const struct gone_key *found)
{
	keys->looks++;
	for (size_t i = 0; i < keys->count; i++) {
		if (keys->key[i].len != found->len ||
		    memcmp(keys->key[i].text, found->text, found->len) != 0)
			continue;
		keys->key[i].looks++;
		return;
	}
	if (keys->count == GONE_KEYS)
		return;
	keys->key[keys->count] = *found;
	keys->key[keys->count++].looks = 1;
}

void gone_keys_look(struct gone_keys *keys, pid_t pid, const __u64 *words, size_t count,
		    gone_read_fn read)
{
	struct gone_key found;

	for (size_t i = 0; i < count; i++) {
		if (i > 0 && words[i] == words[i - 1])
			continue;
		if (gone_key_at(pid, words[i], read, &found)) {
			count_look(keys, &found);
			return;
		}
	}
}

const struct gone_key *gone_keys_top(const struct gone_keys *keys)
{
	const struct gone_key *top = NULL;

	for (size_t i = 0; i < keys->count; i++)
		if (!top || keys->key[i].looks > top->looks)
			top = &keys->key[i];
	return top;
}
