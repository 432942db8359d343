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
watch_start -s "$socket"
"$load" hold -s "$socket" -d 3 -k report:yearly >"$work/held" || not_ok hold "the load ended with $?"
watch_end
held=$(cat "$work/held")
# What the command took by the server's own clock; the client waited for its reply a little longer.
took=$(redis_cli --json slowlog get 128 | jq 'map(.[2]) | max / 1e6')

check status "exit status $status: $(said)" [ "$status" = 0 ]
check ticks "$(query '.timeline.rows | length') rows in $(query .window.duration_seconds) s" \
	holds '(.timeline.rows | length) >= .window.duration_seconds - 2 and
		(.timeline.rows | map(.[2]) | all(. > 0))'
check unanswered "used_memory is known in every row" \
	holds '.timeline.rows | map(.[1]) | any(. == null) and any(. != null)'
check stall "held for $held s, $took s by SLOWLOG, reported: $(query '.stalls | map({start, duration_seconds, running, command, key}) | tostring')" \
	holds '.stalls | max_by(.duration_seconds) |
		.command == "eval" and .key == "report:yearly" and
		.duration_seconds > 0.99 * $took and .duration_seconds < 1.01 * $held' \
	--argjson held "$held" --argjson took "$took"
check blame "$(query '.stalls | max_by(.duration_seconds) | tostring')" \
	holds '.stalls | max_by(.duration_seconds) |
		(([.blame[].seconds] | add) - .duration_seconds | fabs) < 0.01 * .duration_seconds and
		(([.blame[] | select(.cause | IN("command", "cpu_wait")).seconds] | add) > 0.9 * .duration_seconds)'
# It is seen by what redmem asks every second. Where that came so late that not a second of the
# hang was left, it need not be told.
check life "held for $held s, reported: $(query '.life | tostring'), rows $(query '.timeline.rows | map(.[0]) | tostring')" \
	holds '([.timeline.rows | .[1:] as $next | range($next | length) as $i | $next[$i][0] - .[$i][0]] | max) as $late |
		($held - $late - 0.1) as $least |
		.life | any(.event == "hang" and .duration_seconds > $least) or $least < 1' --argjson held "$held"
check finding "$(query '[.findings[].id] | tostring')" holds '.findings | any(.severity != "info")'
check after "the server does not answer" server_answers
finish
