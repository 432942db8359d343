#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Replay the recordings of this directory (kept as plain JSON lines, so that they can
# be read and reviewed) and compare each report with the one expected: NAME.txt as a
# screenful, NAME.verbose.txt with -v, NAME.json; one also by `redmem memory`, and one by
# `redmem alloc`, which made it; three as metrics, NAME.prom. Needs no root and no Redis.
#
#   tests/golden/test_golden.sh             compare
#   UPDATE=1 tests/golden/test_golden.sh    rewrite the expectations, then read the diff
#
# REDMEM names another binary than build/redmem. Exit code 0 only when all are the same.
set -u

here=$(cd "$(dirname "$0")" && pwd) || exit 1
redmem=${REDMEM:-$here/../../build/redmem}
failures=0

if [ ! -x "$redmem" ]; then
	echo "not ok golden: $redmem is not there; run make first"
	exit 1
fi
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The caller's terminal and server settings must not reach the reports.
unset REDISCLI_AUTH NO_COLOR
export COLUMNS=100 LC_ALL=C TZ=UTC

fail() { # NAME WHY
	echo "not ok $1: $2"
	failures=$((failures + 1))
}

# compare NAME COMMAND RECORDING OPTIONS...
compare() {
	name=$1
	command=$2
	recording=$3
	shift 3
	if ! "$redmem" "$command" --replay "$recording" "$@" >"$work/out" 2>"$work/err"; then
		fail "$name" "redmem failed: $(head -n 1 "$work/err")"
		return
	fi
	# Which redmem it is is the only thing that differs.
	case $name in
	*.prom) sed -i 's/^\(redmem_build_info{version="\)[^"]*/\1VERSION/' "$work/out" ;;
	esac
	if [ "${UPDATE:-0}" = 1 ]; then
		cp "$work/out" "$here/$name"
		echo "ok $name (written)"
	elif [ ! -f "$here/$name" ]; then
		fail "$name" "no expectation; UPDATE=1 writes it"
	elif diff -u "$here/$name" "$work/out" >"$work/diff"; then
		echo "ok $name"
	else
		fail "$name" "$(grep -c '^[-+][^-+]' "$work/diff") lines differ"
		head -n 40 "$work/diff" | cut -c 1-160 | sed 's/^/# /'
	fi
}

for source in "$here"/*.jsonl; do
	base=$(basename "$source" .jsonl)
	case $base in *.key) continue ;; esac
	# -n: no name and no time in the file, so that it is the same every time.
	gzip -n -c "$source" >"$work/$base.rec" || exit 1
	compare "$base.txt" doctor "$work/$base.rec"
	compare "$base.verbose.txt" doctor "$work/$base.rec" -v
	compare "$base.json" doctor "$work/$base.rec" --json
done
gzip -n -c "$here/fragmented.jsonl" >"$work/memory.rec" || exit 1
compare fragmented.memory.txt memory "$work/memory.rec"
compare fragmented.memory.json memory "$work/memory.rec" --json
for form in txt verbose.txt json; do
	case $form in
	verbose.txt) option=-v ;;
	json) option=--json ;;
	*) option= ;;
	esac
	compare "allocating.alloc.$form" alloc "$work/allocating.rec" $option
done
for base in allocating fragmented stalling; do
	compare "$base.prom" doctor "$work/$base.rec" --metrics -
done
for source in "$here"/*.key.jsonl; do
	base=$(basename "$source" .jsonl)
	gzip -n -c "$source" >"$work/$base.rec" || exit 1
	compare "$base.txt" key "$work/$base.rec"
	compare "$base.json" key "$work/$base.rec" --json
done

[ "$failures" -eq 0 ]
