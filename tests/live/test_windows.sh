#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Windows within a watch (--every): each is a report of its own, and together they hold what
# the whole watch does: nothing is lost between two, and nothing told twice.
# shellcheck disable=SC2119 # server_start may have no options
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs jq

# $json is a document a line: windows, then the whole. Names for jq:
names='def windows: .[:-1];
def whole: .[-1];
def near($a; $b; $by): ($a - $b) | (if . < 0 then -. else . end) <= $by;
def rows($list; $name): map(.[$list][] | {key: .[$name], value: .}) | group_by(.key);
# Sum of a number of the rows of one name over documents; what is null counts nothing.
def sums($list; $name; $number): rows($list; $name) |
	map({key: .[0].key, value: (map(.value[$number] // 0) | add)}) | from_entries;
# Names whose sum over the windows is not that of the whole: by more than rounding it in each
# window can make, where the number is an estimate.
def apart($list; $name; $number; $by):
	(windows | sums($list; $name; $number)) as $all |
	([whole] | sums($list; $name; $number)) as $one |
	(($all | keys) + ($one | keys) | unique) |
	map(select(near($all[.] // 0; $one[.] // 0; $by) | not) |
		{(.): [$all[.], $one[.]]});
def total($number): [windows[].totals[$number]] | add;'

# same NAME FILTER: ok when the filter over all documents is true or an empty list.
same()
{
	said=$(jq -cs "$names $2" "$json" 2>&1)
	check "$1" "$said" [ "$said" = "[]" -o "$said" = true ]
}

# --- the sums ----------------------------------------------------------------------

server_start --enable-debug-command yes --slowlog-log-slower-than 1000000
"$load" mixed -d 0 -s "$socket" >/dev/null
"$load" mixed -s "$socket" -d 60 >/dev/null 2>&1 &
loader=$!
own_process "$loader"
: >"$messages"
"$redmem" doctor -vv --json -s "$socket" --every 2 -d 9 --record "$work/watch.rec" \
	>"$json" 2>"$messages" &
watch=$!
own_process "$watch"
must 30 watching
# Longer than a window, so that it goes across an end wherever it begins.
redis_cli debug sleep 2.3 >/dev/null
wait "$watch"
status=$?
check watch "exit status $status: $(said)" [ $status = 0 ]
forget_process "$watch"
cp "$json" "$work/live"

same count '(windows | length) >= 4 and (windows | all(.window.start_seconds != null)) and
	(whole | .window | has("start_seconds") | not)'
same contiguous '[windows | range(1; length) as $i |
	select(near(.[$i - 1].window | .start_seconds + .duration_seconds;
		.[$i].window.start_seconds; 1e-6) | not) | .[$i].window]'
same duration 'near([windows[].window.duration_seconds] | add; whole.window.duration_seconds; 1e-6)'
same commands-seen 'whole.commands | map(select(.calls_total > 0)) | length > 5'
same commands 'apart("commands"; "command"; "calls_total"; 0)'
same bytes-seen 'whole.commands | map(.alloc_bytes // 0) | add > 1e6'
# Who moved what no hit told of is an estimate from the bytes around it, in a window from fewer.
for number in alloc_bytes free_bytes; do
	same "$number" "near([windows[].commands[].$number // 0] | add;
		[whole.commands[].$number // 0] | add; [windows[].commands[]] | length)"
	same "thread-$number" "apart(\"threads\"; \"thread\"; \"$number\"; windows | length)"
done
for number in minor_faults_total cow_faults_total; do
	same "$number" "apart(\"commands\"; \"command\"; \"$number\"; windows | length)"
	same "thread-$number" "apart(\"threads\"; \"thread\"; \"$number\"; windows | length)"
done
same major 'apart("commands"; "command"; "major_faults_total"; 0)'
same cpu 'apart("commands"; "command"; "cpu_seconds"; 1e-6)'
for number in minor_faults_total major_faults_total context_switches_total cpu_samples_total; do
	same "total-$number" "total(\"$number\") == whole.totals.$number and whole.totals.$number != null"
done
# Each window has commands and faults of its own, not all in one.
same spread 'windows | map(select((.commands | map(.calls_total // 0) | add) > 100)) | length >= 3'

# --- what happened -----------------------------------------------------------------

same stall 'whole.stalls | map(select(.command == "debug" and .duration_seconds > 2.2)) | length == 1'
# Whether many commands in one turn were a transaction is told by what EXEC took in all: of a window
# that may be too little to say.
named='def named: if .command == "exec" or (.command == "" and (.commands_total // 0) > 0)
	then "many in one turn" else .command end;'
same stalls "$named"'([windows[].stalls[] | [.start, .duration_seconds, named]] | sort) -
	([whole.stalls[] | [.start, .duration_seconds, named]] | sort)'
same stalls-once '([windows[].stalls[]] | length) == (whole.stalls | length)'
same stall-across '[windows[] | .window.start as $start | .stalls[] |
	select(.command == "debug" and .start < $start)] | length == 1'
same slowlog '([windows[].slowlog[].id] | sort) == ([whole.slowlog[].id] | sort) and
	(whole.slowlog | length) >= 1'
same life '([windows[].life[].event] | sort) == ([whole.life[].event] | sort)'

# --- from the recording ------------------------------------------------------------

run_redmem doctor --json --replay "$work/watch.rec" --every 2
check replay "$(diff "$work/live" "$json" | cut -c 1-300 | head -n 4)" cmp -s "$work/live" "$json"
run_redmem doctor --json --replay "$work/watch.rec" --every 1
same replay-1 '(windows | length) >= 8 and
	total("minor_faults_total") == whole.totals.minor_faults_total and
	([windows[].stalls[]] | length) == (whole.stalls | length)'
run_redmem doctor --replay "$work/watch.rec" --every 2
check text "$(head -n 3 "$json")" \
	[ "$(sed '/^$/q' "$json" | grep -cE '^ +\+[0-9.]+ s ')" = "$(($(wc -l <"$work/live") - 1))" ]
check text-whole "$(tail -n 3 "$json")" grep -q '^FINDINGS\|^MEMORY' "$json"

# --- the allocator and memory --------------------------------------------------------

kill_process "$loader" # it may be over by now
"$load" mixed -s "$socket" -d 600 >/dev/null 2>&1 &
loader=$!
own_process "$loader"
run_redmem alloc --json -s "$socket" --every 1 -d 3
check alloc-status "exit status $status: $(said)" [ "$status" = 0 ]
same alloc-totals 'near([windows[].totals.alloc_bytes] | add; whole.totals.alloc_bytes;
	windows | length) and whole.totals.alloc_bytes > 1e6'
same alloc-each 'windows[:-1] | all(.totals.alloc_bytes > 1e5)'

calls_before=$(redis_cli info commandstats | sed -n 's/.*malloc-stats:calls=\([0-9]*\).*/\1/p')
run_redmem memory --json -s "$socket" --every 1 -d 3
calls=$(redis_cli info commandstats | sed -n 's/.*malloc-stats:calls=\([0-9]*\).*/\1/p')
check memory-asked "MALLOC-STATS asked $calls times, $calls_before of it before" \
	[ "$calls" = "$((calls_before + 1))" ]
same memory-null 'windows[:-1] | all(.allocator == null and .size_classes == [])'
same memory-end '(windows[-1].allocator != null) and (whole.allocator != null)'
same memory-rss 'windows | all((.ledger | map(select(.id == "rss" and .bytes > 0)) | length) == 1)'
kill_process "$loader"

# --- what does not go together -------------------------------------------------------

run_redmem doctor --all --every 2
check all "exit status $status, $(wc -l <"$messages") lines: $(head -n 1 "$messages")" \
	[ "$status" = 2 -a -s "$messages" -a "$(grep -c every "$messages")" = 1 ]
run_redmem doctor --every 0.5
check whole-seconds "exit status $status: $(head -n 1 "$messages")" [ "$status" = 2 ]
finish
