#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What a file of src/ shows to others is used by another file: else it is static, or dead.
# Asked of the objects. What only tests use is a seam for them and is named here.
set -u
cd "$(dirname "$0")/../.." || exit 1

# Used by tests alone, to get at what the program reaches in other ways: texts instead of
# files of /proc, a rule, a deadline or a list of the test's own.
seams='maps_parse smaps_rollup_parse meminfo_parse record_decode frames_add model_set_rule
	elf_set_deadline elf_file_open_path web_counts lab_scenario_parse'
# Offsets of two are looked up by the name; the rest is a part of an interface whose other parts
# are used.
known='main redmem_probed_emulated redmem_probed_stepped
	columns_keys_csv columns_csv_head columns_csv_row'

names=$(mktemp) || exit 1
trap 'rm -f "$names" "$names.bad"' EXIT
for source in src/*/*.c tests/unit/*.c; do
	object=build/${source%.c}.o
	case $source in */experiment_child.c) continue ;; esac # a library of its own
	if [ ! -e "$object" ]; then
		echo "not ok unused: $object is not there; run make tests first"
		exit 1
	fi
	echo "$object"
done | xargs nm -A | sed 's|^build/\(.*\)\.o:|\1 |' >"$names"

awk -v seams="$seams" -v known="$known" '
BEGIN {
	n = split(seams " " known, list, /[ \t\n]+/)
	for (i = 1; i <= n; i++)
		excused[list[i]] = 1
}
NR == FNR {
	if (NF == 4 && $3 ~ /^[TDRB]$/ && $1 ~ /^src\//)
		home[$4] = $1
	next
}
NF == 3 && $2 == "U" && ($3 in home) {
	if ($1 ~ /^src\//)
		used[$3] = 1
	else
		tested[$3] = 1
}
END {
	for (name in home)
		if (name in used && name in excused)
			print "excused", name, home[name]
		else if (!(name in used) && !(name in excused))
			print (name in tested ? "tested" : "alone"), name, home[name]
}' "$names" "$names" | sort >"$names.bad"

bad=0
while read -r how name home; do
	case $how in
	excused) why="other files use it: it needs no excuse in tests/lint/unused.sh" ;;
	alone) why="no other file than $home.c uses it: make it static, or take it out" ;;
	tested) # by tests, and by its own file?
		[ "$(grep -ow "$name" "$home.c" | wc -l)" = 1 ] || continue
		why="only tests use it: take it out of $home.c"
		;;
	esac
	echo "not ok unused-$name: $why"
	bad=1
done <"$names.bad"
[ "$bad" = 1 ] || echo "ok unused"
exit $bad
