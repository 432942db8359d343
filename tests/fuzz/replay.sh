#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The targets of the fuzzer, without it: what they begin with, what failed once, and changes of it.
exec "$(dirname "$0")/run" --test
