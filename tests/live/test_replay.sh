#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A report from a recording is the report of the live run, to the byte, and windows over a
# recording hold what was in it once.
# shellcheck disable=SC2119 # server_start may have no options
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf

# replayed NAME COMMAND [OPTION...]: live with a recording, then from it alone.
replayed()
{
	name=$1 command=$2
	shift 2
	run_redmem "$command" --json -s "$socket" --record "$work/$name.rec" "$@"
	check "$name-live" "exit status $status: $(said)" [ "$status" = 0 ]
	cp "$json" "$work/$name.live"
	run_redmem "$command" --json --replay "$work/$name.rec"
	check "$name-same" "$(diff "$work/$name.live" "$json" | head -n 6)" \
		cmp -s "$work/$name.live" "$json"
}

server_start --enable-debug-command yes
"$load" inject -s "$socket" -n 1000 >"$work/truth" &
loader=$!
own_process "$loader"
must 20 grep -q begin "$work/truth"
replayed doctor doctor -d 3 --keys
check doctor-stalls "no stall to compare" holds_in "$work/doctor.live" '.stalls | length > 0'
check keys-census "the pass is not in the report" holds_in "$work/doctor.live" \
	'.census.complete and .census.scanned_total >= 0'
replayed alloc alloc -d 2
replayed memory memory -d 1
# Neither watches the loop, and nobody sees it sleep.
told=$(cat "$work/alloc.rec" "$work/memory.rec" | grep -c '"record":"stall"')
check no-stalls "$told stalls told of" [ "$told" = 0 ]
"$root/build/tests/unit/test_window" "$work/doctor.rec" "$work/alloc.rec" >"$work/windows" 2>&1
status=$?
check windows "$(grep -v '^ok' "$work/windows" | tail -n 5)" [ "$status" = 0 ]
kill_process "$loader"
finish
