/* SPDX-License-Identifier: BSD-2-Clause */
/* A server's address as redis-cli's -u takes it; see uri.h. */
#include "app/uri.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

static const char *const schemes[] = { "redis", "rediss", "valkey", "valkeys" };

static int hex(char c)
{
	return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* In place; a '%' without two hex digits stays as it is. False for a NUL, which would cut it. */
static bool percent_decode(char *text)
{
	char *out = text;

	for (; *text; out++) {
		if (*text == '%' && isxdigit((unsigned char)text[1]) &&
		    isxdigit((unsigned char)text[2])) {
			*out = hex(text[1]) << 4 | hex(text[2]);
			if (!*out)
				return false;
			text += 3;
		} else {
			*out = *text++;
		}
	}
	*out = '\0';
	return true;
}

/* Cut @text at the first (or last) @mark; the part behind it, or NULL. */
static char *cut(char *text, char mark, bool last)
{
	char *at = last ? strrchr(text, mark) : strchr(text, mark);

	if (!at)
		return NULL;
	*at = '\0';
	return at + 1;
}

static const char *known_scheme(const char *text)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (!strcmp(schemes[i], text))
			return schemes[i];
	return NULL;
}

static bool parse_login(struct uri *out, char *login)
{
	char *password = cut(login, ':', false);

	if (password && *login)
		out->user = login;
	out->password = password ? password : login;
	return percent_decode(login) && (!password || percent_decode(password));
}

int uri_parse_place(struct uri *out, char *place, struct err *err)
{
	char *end;

	if (*place == '[') {
		place++;
		end = cut(place, ']', false);
		if (!end || (*end && *end != ':'))
			return err_set(err, -EINVAL, "the IPv6 address has no closing ']'");
		if (*end == ':')
			out->port = end + 1;
	} else {
		out->port = cut(place, ':', true);
	}
	if (*place)
		out->host = place;
	return 0;
}

int uri_parse(struct uri *out, const char *text, struct err *err)
{
	char *place, *rest, *db;

	memset(out, 0, sizeof(*out));
	out->text = xstrdup(text);
	rest = strstr(out->text, "://");
	if (rest) {
		*rest = '\0';
		out->scheme = known_scheme(out->text);
	}
	if (!out->scheme)
		return err_set(err, -EINVAL, "URI must begin with redis:// or rediss://");
	rest += 3;
	place = cut(rest, '@', true);
	if (place && !parse_login(out, rest))
		return err_set(err, -EINVAL, "URI: there is a NUL (%%00) in what stands before @");
	if (!place)
		place = rest;
	db = cut(place, '/', false);
	if (db && *db)
		out->db = db;
	return uri_parse_place(out, place, err);
}

void uri_free(struct uri *uri)
{
	if (uri->password)
		explicit_bzero(uri->password, strlen(uri->password));
	free(uri->text);
	memset(uri, 0, sizeof(*uri));
}
