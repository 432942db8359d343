/* SPDX-License-Identifier: BSD-2-Clause */
/* The folder of the state of `redmem serve`, before the keeper gives up root. */
#pragma once

#include "app/confine.h"
#include "base/err.h"

/*
 * Makes @dir where it is not there. It is the user's that the keeper becomes, and so are the files
 * in it: each start of the service gives all of it back to root (systemd.exec(5):
 * StateDirectory=). One that is anybody's already (/tmp, another user's) is not given away:
 * history_open() says what is wrong with it. 0, or a negative errno.
 */
int state_folder_make(const char *dir, const struct confine_user *user, struct err *err);
