#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# No files of src/ use each other in a circle: what does is one file, or has a third one
# below it. A file is NAME.c with its NAME.h. Asked twice: of the objects, who calls whom,
# since one header may tell of many files; and of the includes, since types and macros are
# in no object.
set -u
cd "$(dirname "$0")/../.." || exit 1

alone=target/experiment_child # a library of its own

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0
for source in src/*/*.c; do
	name=${source#src/}
	[ "${name%.c}" = $alone ] || echo "build/${source%.c}.o"
done >"$work/objects"
while read -r object; do
	[ -e "$object" ] && continue
	echo "not ok circles: $object is not there; run make first"
	exit 1
done <"$work/objects"

# Pairs "USER USED" on stdin: no way leads back.
check() # WHAT
{
	sort -u | tsort >/dev/null 2>"$work/loops"
	if [ -s "$work/loops" ]; then
		sed 's/^tsort: /# /' "$work/loops"
		echo "not ok circles-$1: files $1 each other in a circle, see above"
		bad=1
	else
		echo "ok circles-$1"
	fi
}

xargs nm -A <"$work/objects" | sed 's|^build/src/\(.*\)\.o:|\1 |' >"$work/names"
awk '
NR == FNR {
	if (NF == 4 && $3 ~ /^[TDRB]$/)
		home[$4] = $1
	next
}
NF == 3 && $2 == "U" && ($3 in home) {
	print $1, home[$3]
}' "$work/names" "$work/names" >"$work/calls"
check call <"$work/calls"

# A header without a .c of that name stands for no file: it may tell of several.
grep -H '^#include ".*\.h"' src/*/*.[ch] |
	sed 's|^src/\(.*\)\.[ch]:#include "\(.*\)\.h"|\1 \2|' |
	while read -r user used; do
		[ "$user" = "$used" ] || [ "$user" = $alone ] || [ "$used" = $alone ] ||
			[ ! -e "src/$used.c" ] || echo "$user $used"
	done >"$work/includes"
check include <"$work/includes"
[ "$bad" = 0 ]
