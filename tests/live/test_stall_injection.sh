#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Stalls of random kind and length: none over the threshold is missed, the main cause is
# right, and none is invented, also not on a healthy busy server. FULL=1 injects 500; then
# an idle and a busy server are watched for HEALTHY seconds each (600).
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf

count=40 healthy=5
if [ "${FULL:-0}" = 1 ]; then
	count=500 healthy=${HEALTHY:-600}
fi

# One row for each injected stall: its length outside, the cause, and the stall seen in its
# time, if any, with its main cause. That it also had to wait for a CPU is the machine's doing
# where the kernel counted as much waiting in that time, and so is a command of the
# preparations that SLOWLOG has as long, and in the second in which it ended; a stall without a
# command's name may be any of them. What were no stall without its wait for a CPU is not
# invented, as long as no more waiting is told than the kernel counted; nor is one of a CPU that
# stood still (that not too much is told as such, the causes of what was injected show). Where the
# length outside does not tell whether it was over the threshold, as it is hardly longer or an expiry
# that was waited for, SLOWLOG and LATENCY do, by half a sample more: a script ends between two.
compare='
	def instant: sub("\\.(?<ms>[0-9]+)Z$"; "Z") | fromdateiso8601;
	def slow($name; $start; $seconds): $slowlog[0][] | select(($name == "" or (.[3][0] | ascii_downcase) == $name) and
		(.[1] | . > $start - 1.1 and . < $start + $seconds + 0.1) and
		(.[2] / 1e6 - $seconds | fabs) < 0.001) | .[2] / 1e6;
	def certain: if .cause == "expiry"
		then . as $t | any($expired[0][]; .[0] >= $t.start - 1 and .[0] <= $t.end + 1)
		else .end - .start > 0.006 or ([slow(.command; .start; .end - .start)] | any(. >= 0.0055)) end;
	def no_cpu: .cause == "cpu_wait" or .cause == "stolen";
	def unix: (.start | instant) + (.start | capture("\\.(?<f>[0-9]+)Z").f | "0." + . | tonumber);
	[inputs | select((has("schema") or ((.key // "") | startswith($marker))) | not) |
		{start: unix, end: (unix + .duration_seconds), cause: .blame[0].cause, command, blame,
		 cpu_wait: ([.blame[] | select(.cause == "cpu_wait").seconds] | add // 0),
		 no_cpu: ([.blame[] | select(no_cpu).seconds] | add // 0),
		 but_cpu: ([.blame[] | select(no_cpu | not)][0].cause)}] as $seen |
	$truth | split("\n") | .[(index("begin") + 1):] | map(select(. != "") | split(" ") |
		{start: (.[0] | tonumber), end: (.[1] | tonumber), cause: .[2], command: .[3],
			run_delay: (.[4] | tonumber)}) |
	map(. as $t | . + {seen: ([$seen[] | . + {overlap: (([.end, $t.end] | min) - ([.start, $t.start] | max))} |
		select(.overlap > 0)] | max_by(.overlap))}) |
	map(select(.cause != "any")) as $sure |
	{injected: ($sure | length), missed: ($sure | map(select(.seen == null) | select(certain)) | map({cause, seconds: (.end - .start)})),
	 wrong: ($sure | map(select(.seen != null and .cause != .seen.cause and
			(.cause != .seen.but_cpu or .seen.cpu_wait > 1.1 * .run_delay + 0.001))) |
		map({cause, seen: .seen.cause, seconds: (.end - .start), cpu_wait: .seen.cpu_wait, run_delay})),
	 waited: (.[0].start as $begin | [$seen[] | select(.start > $begin).cpu_wait] | add // 0),
	 invented: (. as $all | [$seen[] | . as $s | select($s.start > $all[0].start) |
		select([$all[] | select(.start < $s.end and .end > $s.start)] | length == 0) |
		select($s.end - $s.start - $s.no_cpu >= 0.005) |
		select([slow($s.command; $s.start; $s.end - $s.start)] == []) | {command, blame, seconds: (.end - .start)}])}'

server_start --enable-debug-command yes --slowlog-log-slower-than 4000 --slowlog-max-len 5000 \
	--latency-monitor-threshold 5
stalls_start
machine_read before
"$load" inject -s "$socket" -n $count >"$work/truth" || exit 1
stalls_drain
watch_end
machine_read after
redis_cli --json slowlog get -1 >"$work/slowlog"
redis_cli --json latency history expire-cycle >"$work/expired"
jq -n --slurpfile slowlog "$work/slowlog" --slurpfile expired "$work/expired" \
	--arg marker "$marker" --rawfile truth "$work/truth" "$compare" "$json" >"$work/score"
score=$(jq -c . "$work/score")
echo "# $score"
# Where the kernel counted that the machine was stolen from, a wait may have been the machine's.
check all-seen "$score, $(machine)" holds_in "$work/score" ".injected > 0.8 * $count and (.missed == [] or
	(\$machine.stolen > 0.01 * \$machine.busy and all(.missed[]; .cause == \"cpu_wait\") and
	 (.missed | length) <= 0.1 * .injected))" --argjson machine "$(machine)"
check latency "expiries, but none in LATENCY" \
	sh -c '! grep -q " expiry " "$1" || [ "$(jq length "$2")" -gt 0 ]' - "$work/truth" "$work/expired"
check causes "$score" holds_in "$work/score" '(.wrong | length) <= (0.02 * .injected | ceil)'
# While they are prepared the server may have to wait for its CPU.
check invented "$score, $(machine)" holds_in "$work/score" \
	'.invented == [] and .waited <= 1.05 * $machine.waited + 0.001' --argjson machine "$(machine)"
check sums "$(stalls_said)" stalls 'all((([.blame[].seconds] | add) - .duration_seconds | fabs) <= 0.01 * .duration_seconds)'

# watch_long NAME: nothing holds the server up but waiting for a CPU, or for one that stands still:
# without it none were a stall, but for as much as the kernel counted that the machine was stolen
# from. And no more waiting is told than the kernel counted.
watch_long()
{
	before=$(run_delay "$pid")
	command=stalls
	watch_start --pid "$pid" -d "$healthy"
	watch_over
	waited=$(awk -v before="$before" -v after="$(run_delay "$pid")" 'BEGIN { print after - before }')
	echo "# of the $1 server, which waited $waited s for a CPU: $(stalls_said)"
	check "$1-ended" "$(said)" jq -e -s '.[-1].schema == "redmem.stalls/1" and
		(.[-1].sensors | any(.id == "loop" and .state == "on"))' "$json"
	check "$1" "waited $waited s, $(machine); $(stalls_said)" stalls '
		def waited: [.blame[] | select(.cause == "cpu_wait").seconds] | add // 0;
		def no_cpu: [.blame[] | select(.cause == "cpu_wait" or .cause == "stolen").seconds] | add // 0;
		([.[] | (.duration_seconds - no_cpu) | select(. >= 0.005)] | add // 0) <= $machine.stolen_most and
		([.[] | waited] | add // 0) <= 1.05 * $waited + 0.001' \
		--argjson waited "$waited" --argjson machine "$(machine)"
}

watch_long idle
"$load" fill -s "$socket" -n 20000 -k warm: -S 100
mkfifo "$work/orders"
"$load" steady -s "$socket" -o get -P 16 -c 50 -n 20000 <"$work/orders" >/dev/null &
own_process $!
exec 8>"$work/orders"
watch_long busy
exec 8>&-
finish
