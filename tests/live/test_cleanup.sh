#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# redmem comes and goes without a trace, under load, also when it is killed at any
# moment: the server lives, its data is what it was, nothing stays attached.
#
# CYCLES is the number of attach and detach cycles (20), KILLS that of kills (20);
# a thousand cycles take half an hour, so give tests/run a TEST_TIMEOUT then.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs bpftool

cycles=${CYCLES:-20}
kills=${KILLS:-20}

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
exec 9>&-
finish
