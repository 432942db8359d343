#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# CPU samples stand for the time they are told to, at each rate they are taken at and where it
# changes in between: in sum they are what the kernel counted of the server.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf

script_loop='local x = 0 for i = 1, tonumber(ARGV[1]) do x = x + i % 7 end'

# Seconds all threads of the server have run, by the kernel.
ran()
{
	cat "/proc/$pid/task/"*/schedstat | awk '{ sum += $1 } END { printf "%.6f\n", sum / 1e9 }'
}

# Works for a moment and rests for SECONDS, until the server has had another 1.2 seconds of CPU.
work() # SECONDS
{
	until=$(ran)
	while awk -v now="$(ran)" -v until="$until" 'BEGIN { exit !(now < until + 1.2) }'; do
		redis_cli eval "$script_loop" 1 report:daily 5000000 >/dev/null
		[ "$1" = 0 ] || sleep "$1"
	done
}

fewer()
{
	grep -q "cpu: [0-9]* samples a second" "$messages" || ! kill -0 "$watch"
}

# Ends the watch, and holds its samples against what the server ran since $before.
check_sum() # NAME
{
	watch_end
	ran=$(awk -v before="$before" -v now="$(ran)" 'BEGIN { print now - before }')
	gunzip -c "$work/recording" | jq -cn '[inputs | select(.record == "profile" and .event == "cpu")] |
		{seconds: (map(.seconds) | add // 0), samples: (map(.samples) | add // 0)}' >"$work/sum"
	rates=$(sed -n 's/.*cpu: \([0-9]*\) samples a second.*/\1/p' "$messages" | paste -sd ' ')
	check "$1" "$(cat "$work/sum") of $ran s, rates: ${rates:-the first}" holds_in "$work/sum" '
		(.seconds / .samples * $ran | sqrt) as $deviation |
		.samples > 20 and (.seconds - $ran | fabs) < 0.05 * $ran + 4 * $deviation' --argjson ran "$ran"
}

watch_samples() # [OPTION...]
{
	watch_start -s "$socket" --record "$work/recording" "$@"
	before=$(ran)
}

server_start
watch_samples
work 0.05 # it has CPU left
work 0
check_sum usual
for budget in 0.3 0.1; do
	watch_samples --budget $budget
	must 30 fewer
	work 0.05
	work 0
	check_sum "few-$budget"
done
finish
