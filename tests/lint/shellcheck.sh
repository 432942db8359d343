#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Every shell script, by its first line and not by its name, passes shellcheck.
# Left out: programs of awk and jq in single quotes (SC2016), functions that look
# as if their arguments were forgotten (SC2119, SC2120) or are called by a name in
# a variable (SC2317).
set -u
cd "$(dirname "$0")/../.." || exit 1
command -v shellcheck >/dev/null || {
	echo "skip shellcheck: it is not installed"
	exit 0
}
find .ci tools tests -type f -exec grep -lE -m 1 '^#! ?/bin/(ba)?sh' {} + | sort |
	xargs -n 1 -P "$(nproc)" sh -c 'said=$(shellcheck -x -e SC2016,SC2119,SC2120,SC2317 "$1" 2>&1) || {
		printf "%s\nnot ok shellcheck: %s: see the messages above\n" "$said" "$1"
		exit 1
	}' - && echo "ok shellcheck"
