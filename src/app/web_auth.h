/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Passwords of the web side. bcrypt is dear by design: a password that was right is remembered
 * (as a keyed hash, one for each user), so that a scrape does not pay it; others are checked in a
 * thread beside the loop, one at a time for each address, and whoever was wrong waits longer each
 * time. So who guesses takes nothing from who knows.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/web_config.h"
#include "app/work.h"

struct web_auth;

/* A check that is under way. */
struct web_check;

enum web_verdict {
	WEB_RIGHT,
	WEB_WRONG,
	WEB_LATER, /* this address has to wait: 429 */
	WEB_WAIT, /* another check of this address is under way: ask again when it is over */
	WEB_CHECK, /* it has to be worked out */
};

/* @file is borrowed for as long as the result lives. */
struct web_auth *web_auth_new(const struct web_file *file);
void web_auth_free(struct web_auth *auth); /* when no check is under way; may be NULL */

/*
 * What is known at once of @user and @password (NULL: none was sent), from an address that
 * hashes to @who. WEB_CHECK: *@check is to be worked out, and then given to web_auth_take().
 */
enum web_verdict web_auth_ask(struct web_auth *auth, const char *user, const char *password,
			      uint64_t who, int64_t now_ns, struct web_check **check);
/* For work_put(), and back. */
struct work_job *web_check_job(struct web_check *check);
struct web_check *web_check_of(struct work_job *job);
/* The result of one that was worked out. Frees it. */
bool web_auth_take(struct web_auth *auth, struct web_check *check, int64_t now_ns);
/* One that was not worked out, or whose result nobody wants. Frees it. */
void web_auth_drop(struct web_check *check);
