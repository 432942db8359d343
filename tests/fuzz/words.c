/* SPDX-License-Identifier: BSD-2-Clause */
/* What people and programs write on a command line or ask over HTTP: addresses of servers, times,
 * patterns. */
#include <string.h>

#include "app/uri.h"
#include "app/when.h"
#include "base/buf.h"
#include "base/glob.h"
#include "fuzz.h"

#define NOW_MS 1764331200000

static void take_uri(const char *text)
{
	struct err err = { 0 };
	struct uri uri = { 0 };
	char *place = xstrdup(text);

	must(!uri_parse(&uri, text, &err) || *err.text);
	uri_free(&uri);
	uri = (struct uri){ 0 };
	err = (struct err){ 0 };
	must(!uri_parse_place(&uri, place, &err) || *err.text);
	free(place);
}

static void take_time(const char *text)
{
	int64_t ms, to;

	if (!when_span(&ms, text, NULL))
		must(ms > 0);
	when_parse(&ms, text, NOW_MS, NULL);
	if (!when_stretch(&ms, &to, text, "10m", NOW_MS, NULL))
		must(ms <= to && to <= NOW_MS);
	when_stretch(&ms, &to, NULL, text, NOW_MS, NULL);
	must(when_next(text, NOW_MS) > NOW_MS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *half = len ? memchr(data, '\n', len) : NULL;
	char *text = xmemdup(data, len);

	take_uri(text);
	take_time(text);
	if (half) /* a pattern, and what it is held against */
		glob_fits((const char *)data, (size_t)(half - (const char *)data), half,
			  len - (size_t)(half - (const char *)data));
	free(text);
	return 0;
}
