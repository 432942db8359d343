#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# While the server is hung in one long command, the watch goes on and the report
# says which command on which key it was.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf

# Without it a script over 5 s begins to answer others with -BUSY.
server_start --lua-time-limit 60000
: >"$messages"
"$redmem" doctor -d 6 -vv --json -s "$socket" >"$json" 2>"$messages" &
watch=$!
own_process "$watch"
await 30 watching
"$load" hold -s "$socket" -d 3 -k report:yearly >"$work/held" &
holder=$!
own_process "$holder"
wait "$watch"
status=$?
forget_process "$watch"
wait "$holder"
forget_process "$holder"
held=$(cat "$work/held")

check status "exit status $status: $(said)" [ "$status" = 0 ]
check ticks "$(query '.timeline.rows | length') rows in $(query .window.duration_seconds) s" \
	holds '(.timeline.rows | length) >= .window.duration_seconds - 2 and
		(.timeline.rows | map(.[2]) | all(. > 0))'
check unanswered "used_memory is known in every row" \
	holds '.timeline.rows | map(.[1]) | any(. == null) and any(. != null)'
check stall "held for $held s, reported: $(query '.stalls | map({command, key, duration_seconds}) | tostring')" \
	holds '.stalls | max_by(.duration_seconds) |
		.command == "eval" and .key == "report:yearly" and
		(.duration_seconds - $held | fabs) < 0.05 * $held' --argjson held "$held"
check blame "$(query '.stalls | max_by(.duration_seconds) | tostring')" \
	holds '.stalls | max_by(.duration_seconds) |
		(([.blame[].seconds] | add) - .duration_seconds | fabs) < 0.01 * .duration_seconds and
		(([.blame[] | select(.cause | IN("command", "cpu_wait")).seconds] | add) > 0.9 * .duration_seconds)'
check life "held for $held s, reported: $(query '.life | tostring')" \
	holds '.life | any(.event == "hang" and .duration_seconds > $held / 2)' --argjson held "$held"
check finding "$(query '[.findings[].id] | tostring')" holds '.findings | any(.severity != "info")'
check after "the server does not answer" server_answers
finish
