/* SPDX-License-Identifier: BSD-2-Clause */
/* What a result says of the machine and of the servers. */
#pragma once

#include "lab/instance.h"
#include "lab/result.h"

void lab_about_host(struct lab_about_host *host);
/* What the running server of that side says of itself, and its binary's build id. */
int lab_about_ask(struct lab_about *about, int side, const struct lab_instance *one,
		  struct err *err);
