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
bad=0
for script in $(find .ci tools tests -type f -exec grep -lE -m 1 '^#! ?/bin/(ba)?sh' {} + | sort); do
	shellcheck -x -e SC2016,SC2119,SC2120,SC2317 "$script" || {
		echo "not ok shellcheck: $script: see the messages above"
		bad=1
	}
done
[ "$bad" = 0 ] || exit 1
echo "ok shellcheck"
