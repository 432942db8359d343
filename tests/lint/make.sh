#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# make has nothing to say of the Makefile: a target that stands twice is a warning, and one of
# the two recipes is never run.
set -eu
cd "$(dirname "$0")/../.."
said=$(make -n help 2>&1 >/dev/null) || said="make -n help failed: $said"
if [ -n "$said" ]; then
	echo "not ok make: $said"
	exit 1
fi
echo "ok make"
