#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# redmem comes and goes without a trace, under load, also when it is killed or crashes at any
# moment, or a process of its own does: the server lives, its data is what it was, nothing stays
# attached, no process stays.
#
# CYCLES is the number of attach and detach cycles (12), KILLS that of kills, and of crashes (12);
# a thousand cycles take half an hour, so give tests/run a TEST_TIMEOUT then.
# shellcheck disable=SC2086,SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs bpftool

cycles=${CYCLES:-12}
kills=${KILLS:-12}

# Numbers of the BPF programs, maps or links that are there.
bpf_ids() # prog|map|link
{
	bpftool -j "$1" show | jq -r '.[].id' | sort
}

# Those of $1 that are new since the start and held by no process, as those of a redmem
# that is gone would be; other tools' have a process.
left_over() # prog|map|link
{
	bpf_ids "$1" >"$work/now"
	bpf_held "$1" | sort - "$work/$1" | comm -13 - "$work/now" | tr '\n' ' '
}

# The kernel frees programs some time after their last holder has gone.
nothing_left()
{
	[ -z "$(left_over prog)$(left_over link)$(left_over map)" ]
}

probe_events()
{
	cat /sys/kernel/tracing/uprobe_events /sys/kernel/tracing/kprobe_events \
		/sys/kernel/debug/tracing/uprobe_events 2>/dev/null
}

check_trace() # NAME
{
	await 10 nothing_left
	check "$1-nothing-left" "prog $(left_over prog)link $(left_over link)map $(left_over map)" \
		nothing_left
	probe_events >"$work/events"
	check "$1-no-probe-event" "$(head -n 1 "$work/events")" \
		cmp -s "$work/events" "$work/events.before"
	check "$1-server" "the server does not answer" server_answers
	check "$1-data" "the data has changed" [ "$(redis_cli debug digest)" = "$digest" ]
	check "$1-load" "the load has ended" kill -0 "$loader"
	check "$1-not-traced" "$(grep TracerPid "/proc/$pid/status")" \
		grep -q '^TracerPid:[[:space:]]*0$' "/proc/$pid/status"
}

server_start --enable-debug-command yes
"$load" fill -s "$socket" -n 50000 -k bench: -S 200 || exit 1
digest=$(redis_cli debug digest)
for kind in prog link map; do
	bpf_ids $kind >"$work/$kind"
done
probe_events >"$work/events.before"
mkfifo "$work/orders"
# It takes what the others leave of the CPUs, so that it is there all the time and slows nobody.
nice -n 10 "$load" steady -s "$socket" -o get -c 10 <"$work/orders" >/dev/null &
loader=$!
own_process "$loader"
exec 9>"$work/orders" # the load goes on until this is closed

# Two at a time: each comes and goes while the other one is there.
bad=
cycle=0
while [ "$cycle" -lt "$cycles" ]; do
	"$redmem" doctor --json -d 0.2 -s "$socket" >"$work/other" 2>&1 &
	other=$!
	own_process "$other"
	run_redmem doctor --json -d 0.2 -s "$socket"
	{ [ "$status" = 0 ] && holds '.commands | type == "array"'; } || bad="$bad $cycle:$status"
	wait "$other"
	status=$?
	forget_process "$other"
	{ [ "$status" = 0 ] && holds_in "$work/other" '.commands | type == "array"'; } ||
		bad="$bad $((cycle + 1)):$status:$(head -c 200 "$work/other")"
	cycle=$((cycle + 2))
done
check cycles "of $cycles these failed (number:status):$bad; $(said)" [ -z "$bad" ]
check_trace cycles

# A different moment each time: from before the first system call to in the watch.
turn=0
while [ "$turn" -lt "$kills" ]; do
	turn=$((turn + 2))
	"$redmem" doctor --json -d 60 -s "$socket" >/dev/null 2>&1 &
	first=$!
	own_process "$first"
	"$redmem" doctor --json -d 60 -s "$socket" >/dev/null 2>&1 &
	victim=$!
	own_process "$victim"
	sleep "$(awk -v turn="$turn" -v seed="$$" 'BEGIN { srand(seed + turn); printf "%.3f", rand() * 1.5 }')"
	kill_process "$first"
	kill_process "$victim"
done
check_trace kills

# Descendants of a process.
family() # PID
{
	for child in $(pgrep -P "$1"); do
		echo "$child"
		family "$child"
	done
}

all_gone() # PID...
{
	for process; do
		! kill -0 "$process" 2>/dev/null || return 1
	done
}

# As a fault of its own would: by the signal, at a random moment. None of its helpers stays.
bad=
turn=0
while [ "$turn" -lt "$kills" ]; do
	turn=$((turn + 1))
	command=$(echo doctor alloc stalls | cut -d ' ' -f $((turn % 3 + 1)))
	signal=$(echo 11 6 | cut -d ' ' -f $((turn % 2 + 1))) # SIGSEGV, SIGABRT
	"$redmem" "$command" -d 60 -s "$socket" >/dev/null 2>&1 &
	victim=$!
	own_process "$victim"
	sleep "$(awk -v turn="$turn" -v seed="$$" 'BEGIN { srand(seed - turn); printf "%.3f", rand() * 1.5 }')"
	helpers=$(family "$victim")
	kill -"$signal" "$victim"
	wait "$victim"
	status=$?
	forget_process "$victim"
	[ "$status" = $((128 + signal)) ] || bad="$bad $command:$signal:$status"
	await 5 all_gone $helpers || bad="$bad $command:$signal:helper-stays"
done
check crash-status "these did not end by their signal, or a helper stays:$bad" [ -z "$bad" ]
check_trace crashes

# Its helper that reads files crashes: it goes on, or says what happened.
watch_start -s "$socket"
for helper in $(family "$watch"); do
	kill -SEGV "$helper"
done
sleep 1
watch_end
check helper-crash "exit status $status: $(said)" holds '.target.connected'

# serve is two processes: when one crashes the other one says so and ends, for systemd to begin anew.
serve_start() # sets serve, keeper, helpers
{
	: >"$work/redmem.conf"
	: >"$work/serve.log"
	"$redmem" serve --config "$work/redmem.conf" --state "$work/state" --listen 127.0.0.1:0 -s "$socket" \
		2>"$work/serve.log" &
	serve=$!
	own_process "$serve"
	must 20 serve_attributed
	keeper=$(pgrep -P "$serve" -x redmem-keeper)
	helpers=$(family "$serve")
}

serve_attributed()
{
	port=$(sed -n 's/.*listening on port \([0-9]*\).*/\1/p' "$work/serve.log")
	curl -fsS "http://127.0.0.1:$port/api/v1/servers" | grep -q '"attributed"'
}

serve_crash() # NAME PROCESS SIGNAL SAID
{
	kill -"$3" "$2"
	await 10 all_gone "$serve" || kill_process "$serve"
	wait "$serve"
	status=$?
	forget_process "$serve"
	check "$1-ends" "exit status $status: $(tail -n 1 "$work/serve.log")" [ "$status" != 0 ]
	check "$1-alone" "still there: $helpers" await 5 all_gone $helpers
	check "$1-says" "$(tail -n 3 "$work/serve.log")" grep -q "$4" "$work/serve.log"
	check_trace "$1"
}

if command -v curl >/dev/null; then
	serve_start
	serve_crash keeper-crash "$keeper" SEGV 'the keeper was ended by signal 11'
	serve_start
	serve_crash watcher-crash "$serve" ABRT 'the watcher was killed or has crashed'
	serve_start
	for helper in $helpers; do
		[ "$helper" = "$keeper" ] || kill -SEGV "$helper"
	done
	sleep 2
	check serve-helper-crash "$(tail -n 1 "$work/serve.log")" serve_attributed
	kill -TERM "$serve"
	wait "$serve"
	check serve-helper-crash-status "exit status $?" [ $? = 0 ]
	forget_process "$serve"
else
	skip serve-crash "curl is not installed"
fi
check_trace serve
exec 9>&-
finish
