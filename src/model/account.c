/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums by names; see account.h. */
#include <stdlib.h>
#include <string.h>

#include "model/account.h"

struct prefix *prefix_hold(struct prefixes *prefixes, struct bytes key)
{
	struct buf text = { 0 };
	struct prefix *prefix;

	if (!key.data || !key.len)
		return NULL;
	prefix_fold(&text, key.data, key.len);
	HASH_FIND(hh, prefixes->by_text, buf_str(&text), text.len, prefix);
	if (!prefix) {
		prefix = xcalloc(1, sizeof(*prefix) + text.len + 1);
		memcpy(prefix->text, buf_str(&text), text.len);
		prefix->len = text.len;
		HASH_ADD_KEYPTR(hh, prefixes->by_text, prefix->text, prefix->len, prefix);
	}
	prefix->uses++;
	buf_free(&text);
	return prefix;
}

void prefix_drop(struct prefixes *prefixes, struct prefix *prefix)
{
	if (!prefix || --prefix->uses)
		return;
	HASH_DEL(prefixes->by_text, prefix);
	free((char *)prefix->example.data);
	free(prefix);
}

int prefix_compare(const struct prefix *a, const struct prefix *b)
{
	size_t a_len = a ? a->len : 0, b_len = b ? b->len : 0;
	size_t len = a_len < b_len ? a_len : b_len;
	int order = len ? memcmp(a->text, b->text, len) : 0;

	return order ? order : (a_len > b_len) - (a_len < b_len);
}

struct account *account_get(struct accounts *accounts, struct account_key of)
{
	struct account *account;

	HASH_FIND(hh, accounts->rows, &of, sizeof(of), account);
	if (account || (accounts->limit && HASH_COUNT(accounts->rows) >= accounts->limit))
		return account;
	account = xcalloc(1, sizeof(*account));
	account->of = of;
	if (of.prefix)
		of.prefix->uses++;
	HASH_ADD(hh, accounts->rows, of, sizeof(account->of), account);
	return account;
}

void account_remove(struct accounts *accounts, struct account *account)
{
	HASH_DEL(accounts->rows, account);
	prefix_drop(accounts->prefixes, account->of.prefix);
	free(account);
}

void accounts_clear(struct accounts *accounts)
{
	struct account *account, *next;

	HASH_ITER(hh, accounts->rows, account, next)
		account_remove(accounts, account);
}
