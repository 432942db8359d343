#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# No files of src/ call each other in a circle: what does is one file, or has a third one
# below it. Asked of the objects, since a header that both include hides it.
set -u
cd "$(dirname "$0")/../.." || exit 1

# Rooms that have circles still; take a room out when its last one is gone.
known='redis|sensor'

names=$(mktemp) || exit 1
loops=$(mktemp) || exit 1
trap 'rm -f "$names" "$loops"' EXIT
for source in src/*/*.c; do
	case $source in */experiment_child.c) continue ;; esac # a library of its own
	object=build/${source%.c}.o
	if [ ! -e "$object" ]; then
		echo "not ok circles: $object is not there; run make first" >&2
		exit 1
	fi
	name=${source#src/}
	nm "$object" | sed "s|^|${name%.c} |"
done >"$names"

# "USER USED" for each file that uses what another one defines, but in rooms that are known.
awk -v known="^($known)/" '
NR == FNR {
	if (NF == 4 && $3 ~ /^[TDRB]$/)
		home[$4] = $1
	next
}
NF == 3 && $2 == "U" && ($3 in home) && $1 !~ known && home[$3] !~ known {
	print $1, home[$3]
}' "$names" "$names" | sort -u | tsort >/dev/null 2>"$loops"

if [ -s "$loops" ]; then
	sed 's/^tsort: /# /' "$loops"
	echo "not ok circles: files call each other in a circle, see above"
	exit 1
fi
echo "ok circles"
