#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What README.md names of this repository is there. NAME stands for another name, and build/ for
# what is made.
# shellcheck disable=SC2013 # paths are words
set -u
cd "$(dirname "$0")/../.." || exit 1

missing=
for path in $(sed -n 's/`/\n/gp' README.md | sed -n 's/^\(\(src\|bpf\|include\|tests\|tools\)\/[A-Za-z0-9_./-]*\)$/\1/p' |
	grep -v NAME | sort -u); do
	[ -e "$path" ] || missing="$missing $path"
done
[ -z "$missing" ] || {
	echo "not ok paths: README.md names$missing, which is not there"
	exit 1
}
echo "ok paths"
