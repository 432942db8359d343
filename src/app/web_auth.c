/* SPDX-License-Identifier: BSD-2-Clause */
/* Passwords of the web side; see web_auth.h. */
#define _GNU_SOURCE 1 /* crypt_r(), explicit_bzero() */
#include "app/web_auth.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <crypt.h>
#include <nettle/hmac.h>
#include <nettle/memops.h>

#include "base/buf.h"

#define MAC_BYTES   SHA256_DIGEST_SIZE
#define ADDRESSES   256 /* that are remembered for wrong passwords */
#define FIRST_NS    100000000LL /* to wait after the first */
#define DOUBLINGS   7 /* up to 12.8 s */
#define FORGIVEN_NS 60000000000LL /* after so long without another */

/* Addresses that hash to the same place share it: one may wait for the other. */
struct guesses {
	unsigned int wrong; /* one after the other */
	bool checking; /* one is under way */
	int64_t last_ns; /* of the last wrong one */
};

struct web_auth {
	const struct web_file *file;
	unsigned char secret[MAC_BYTES];
	/* Of each user: of the password that was right. */
	unsigned char (*right)[MAC_BYTES];
	bool *known;
	struct guesses guesses[ADDRESSES];
};

struct web_check {
	struct work_job job;
	struct guesses *from;
	size_t user; /* index; users_count = there is none of that name */
	char *password;
	char *hash;
	unsigned char mac[MAC_BYTES];
	bool equal;
};

struct web_auth *web_auth_new(const struct web_file *file)
{
	struct web_auth *auth = xcalloc(1, sizeof(*auth));

	auth->file = file;
	auth->right = xcalloc(file->users_count + 1, sizeof(*auth->right));
	auth->known = xcalloc(file->users_count + 1, sizeof(*auth->known));
	if (getrandom(auth->secret, sizeof(auth->secret), 0) != sizeof(auth->secret))
		abort(); /* the system has no random numbers: nothing is safe */
	return auth;
}

void web_auth_free(struct web_auth *auth)
{
	if (!auth)
		return;
	explicit_bzero(auth->secret, sizeof(auth->secret));
	explicit_bzero(auth->right, auth->file->users_count * sizeof(*auth->right));
	free(auth->right);
	free(auth->known);
	free(auth);
}

/* In as many steps wherever it is, or whether it is. */
static size_t find_user(const struct web_file *file, const char *name)
{
	size_t found = file->users_count;

	for (size_t i = 0; i < file->users_count; i++)
		if (!strcmp(file->users[i].name, name))
			found = i;
	return found;
}

static int64_t wait_ns(const struct guesses *from)
{
	unsigned int doublings = from->wrong - 1;

	return FIRST_NS << (doublings < DOUBLINGS ? doublings : DOUBLINGS);
}

static void work_out(struct work_job *job)
{
	struct web_check *check = (struct web_check *)job; /* its first member */
	struct crypt_data *data = xcalloc(1, sizeof(*data));
	const char *hash = crypt_r(check->password, check->hash, data);

	check->equal = hash && strlen(hash) == strlen(check->hash) &&
		       memeql_sec(hash, check->hash, strlen(hash));
	explicit_bzero(data, sizeof(*data));
	free(data);
}

enum web_verdict web_auth_ask(struct web_auth *auth, const char *user, const char *password,
			      uint64_t who, int64_t now_ns, struct web_check **check)
{
	struct guesses *from = &auth->guesses[who % ADDRESSES];
	const struct web_file *file = auth->file;
	unsigned char mac[MAC_BYTES];
	struct hmac_sha256_ctx hmac;
	size_t index;

	*check = NULL;
	if (!user || !password)
		return WEB_WRONG;
	index = find_user(file, user);
	hmac_sha256_set_key(&hmac, sizeof(auth->secret), auth->secret);
	hmac_sha256_update(&hmac, strlen(password), (const uint8_t *)password);
	hmac_sha256_digest(&hmac, sizeof(mac), mac);
	explicit_bzero(&hmac, sizeof(hmac));
	if (index < file->users_count && auth->known[index] &&
	    memeql_sec(mac, auth->right[index], MAC_BYTES))
		return WEB_RIGHT;
	if (from->wrong && now_ns - from->last_ns > FORGIVEN_NS)
		from->wrong = 0;
	if (from->checking)
		return WEB_WAIT;
	if (from->wrong && now_ns - from->last_ns < wait_ns(from))
		return WEB_LATER;
	from->checking = true;
	*check = xcalloc(1, sizeof(**check));
	(*check)->job.run = work_out;
	(*check)->from = from;
	(*check)->user = index;
	(*check)->password = xstrdup(password);
	/* Of a user that is not there the first one's is checked, in vain: who asks shall not
	 * learn it from the time that takes. */
	(*check)->hash = xstrdup(file->users[index < file->users_count ? index : 0].hash);
	memcpy((*check)->mac, mac, MAC_BYTES);
	return WEB_CHECK;
}

struct work_job *web_check_job(struct web_check *check)
{
	return &check->job;
}

struct web_check *web_check_of(struct work_job *job)
{
	return (struct web_check *)job;
}

bool web_auth_take(struct web_auth *auth, struct web_check *check, int64_t now_ns)
{
	struct guesses *from = check->from;
	bool right = check->equal && check->user < auth->file->users_count;

	if (right) {
		memcpy(auth->right[check->user], check->mac, MAC_BYTES);
		auth->known[check->user] = true;
		from->wrong = 0;
	} else {
		from->wrong++;
		from->last_ns = now_ns;
	}
	web_auth_drop(check);
	return right;
}

void web_auth_drop(struct web_check *check)
{
	check->from->checking = false;
	explicit_bzero(check->password, strlen(check->password));
	explicit_bzero(check->hash, strlen(check->hash));
	free(check->password);
	free(check->hash);
	free(check);
}
