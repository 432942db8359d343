#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A history made of recordings: `redmem report` finds in it what `redmem doctor` finds in the
# recording, `redmem history` lists it, `redmem diff` compares two times of it; and what they
# refuse.
set -u
suite="past"
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"
keep=${PAST:-$root/build/tests/bench/history} # begins at the same time whatever it keeps
[ -x "$keep" ] || {
	echo "not ok $suite: $keep is not there; run make tests first"
	exit 1
}
at=2023-11-14T23:00:00Z

holds() # FILTER FILE
{
	jq -e "$1" "$2" >/dev/null
}

# What is found is the same, and so are the ledger and who allocated.
same() # RECORDING
{
	local parts='{findings: [.findings[] | {id, severity, title}] | sort, ledger: [.ledger[] | {id, bytes}],
		commands: [.commands[] | {command, calls_total}] | sort}'

	"$redmem" report --state "$work/$1" --at "$at" --json | jq -S "$parts" >"$work/report"
	"$redmem" doctor --replay "$work/$1.rec" --json | jq -S "$parts" >"$work/doctor"
	[ -s "$work/report" ] && diff "$work/doctor" "$work/report" >"$work/said"
}

for recording in swapping fragmented; do
	gzip -c "$root/tests/golden/$recording.jsonl" >"$work/$recording.rec"
	"$keep" keep "$work/$recording" "$work/$recording.rec" >"$work/said" 2>&1
	status=$?
	check "keep-$recording" "$(cat "$work/said")" [ $status = 0 ]
	same "$recording"
	status=$?
	check "same-$recording" "$(tr '\n' ' ' <"$work/said")" [ $status = 0 ]
done
state=$work/fragmented
"$redmem" history --state "$state" --since 2023-11-14T22:00:00Z --json >"$work/json"
check history "$(cat "$work/json")" holds '.schema == "redmem.history/1" and
	.servers[0].server == "recorded" and any(.events[]; .kind == "stall" and .id == "allocator") and
	any(.events[]; .kind == "finding" and .id == "frag.slab" and .end == null)' "$work/json"
"$redmem" history --state "$state" --since 2023-11-14T22:00:00Z -v >"$work/text"
check history-text "$(cat "$work/text")" grep -q 'recorded  stall .*DEL leaderboard:global' "$work/text"

# The page of each has the document that --json prints.
for kind in report diff; do
	case $kind in
	report) set -- report --at "$at" ;;
	diff) set -- diff "$at" 2023-11-14T23:00:05Z ;;
	esac
	"$redmem" "$@" --state "$state" --json --html "$work/page.html" >"$work/json" 2>"$work/said"
	said=$("$root/tests/golden/page.py" "$work/page.html" "$work/json" "$work/rest" 2>&1)
	status=$?
	check "page-$kind" "$(cat "$work/said") $said" [ $status = 0 ]
done

# A profile of the history: commands and prefixes, and no functions; it adds up to the report.
"$redmem" report --state "$state" --at "$at" --json --folded "$work/folded" --sample-type cpu \
	--pprof "$work/pb.gz" >"$work/json" 2>"$work/said"
status=$?
check profile "$(cat "$work/said")" [ $status = 0 ]
check profile-sum "$(cat "$work/folded")" [ "$(awk '{ sum += $NF } END { print sum }' "$work/folded")" = \
	"$(jq '[.threads[].cpu_seconds // 0] | add * 1e9 | round' "$work/json")" ]
check profile-frames "$(cat "$work/folded")" [ "$(grep -c '^[^;]*;[^;]*;' "$work/folded")" = 0 ]
"$root/tests/golden/pprof.py" "$work/pb.gz" >"$work/text"
check profile-server "$(cat "$work/text")" grep -q 'server=recorded$' "$work/text"

refused() # STATUS NAME WORDS COMMAND...
{
	local wanted=$1 name=$2 words=$3

	shift 3
	"$redmem" "$@" >"$work/out" 2>"$work/said"
	status=$?
	check "$name" "$(cat "$work/said")" [ $status = "$wanted" ]
	check "$name-said" "$(cat "$work/said")" grep -q "$words" "$work/said"
}

refused 1 moment 'the nearest ends at' report --state "$state" --at 2023-11-15T03:00:00Z
refused 1 server "'other'" report --state "$state" --server other --at "$at"
refused 2 time 'is not a time' report --state "$state" --at yesterday
refused 1 span 'before it begins' history --state "$state" --since "$at" --until 2023-11-14T22:00:00Z
refused 1 history-server "'other'" history --state "$state" --server other
refused 1 folder 'redmem serve' report --state "$work/none"
refused 1 death 'no death of' report --state "$state" --last-death
refused 1 order 'is not before' diff --state "$state" "$at" 2023-11-14T22:00:00Z
"$redmem" report --state "$state" --last-death --at "$at" >"$work/out" 2>&1
status=$?
check exclusion "$(cat "$work/out")" [ $status = 2 ]
"$redmem" report --state "$state" --last-death --pprof "$work/lost" >"$work/out" 2>&1
status=$?
check exclusion-profile "$(cat "$work/out")" [ $status = 2 ]
exit $((failures > 0))
