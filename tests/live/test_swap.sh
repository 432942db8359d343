#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A server that has to fetch its keys from swap: the major faults are all counted,
# they are charged to the command and the prefix that paid for them, with their
# time, and the diagnosis says so. Without swap it does not.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf

keys=40000

# A server of some 200 MB, of which 80 stay in memory.
start_swapped_server()
{
	swap_start 512 || skip_all "no swap file can be made here"
	cgroup_start || skip_all "no memory cgroup can be made here"
	launcher=$work/enter
	server_start
	launcher=
	"$load" fill -s "$socket" -n $keys -k cold: -S 4500 || exit 1
	cgroup_squeeze 256 80 || skip_all "the cgroup's limit cannot be lowered"
	grep -q '^VmSwap:[[:space:]]*[1-9][0-9]\{4\}' "/proc/$pid/status" ||
		skip_all "the kernel swaps nothing out"
}

read_keys()
{
	watch_start -s "$socket" -d 60
	before=$(stat_field "$pid" 12)
	"$load" get -s "$socket" -n $keys -k cold: -d 6 >"$work/rate" || exit 1
	after=$(stat_field "$pid" 12)
	watch_end
	kernel=$((after - before))
}

server_start
"$load" fill -s "$socket" -n $keys -k warm: -S 1000
watch_start -s "$socket"
"$load" get -s "$socket" -n $keys -k warm: -d 2 >/dev/null
watch_end
check none-without-swap "$(query '.findings[] | select(.id | startswith("swap.")) | .title')" \
	holds '.findings | all(.id | startswith("swap.") | not)'
check no-major-without-swap "$(query .totals.major_faults_total) major faults" \
	holds '.totals.major_faults_total < 20'
kill_process "$pid"

start_swapped_server
read_keys
# The looks of calibration are told of; those that took too long went on at another command.
check calibration-told "$(grep -c "pause: calibration" "$messages") looks" \
	[ "$(grep -c "pause: calibration" "$messages")" -ge 3 ]
check calibrated "$(query '.sensors[] | select(.id == "attribution").reason')" \
	holds '.sensors | any(.id == "attribution" and .state == "on")'
check enough "only $kernel major faults, at $(cat "$work/rate") GETs a second" [ "$kernel" -gt 2000 ]
check major-total "redmem $(query .totals.major_faults_total), /proc $kernel" \
	holds ".totals.major_faults_total | (. - $kernel | fabs) <= $kernel / 100"
# By default some 2,000 faults a second may be looked at, of all kinds.
check capped "$kernel in 6 s, one in $(query .totals.major_fault_period)" \
	holds "$kernel < 18000 or .totals.major_fault_period > 1"
check command "$(query '.commands | map({(.command): .major_faults_total}) | add')" \
	holds ".commands[] | select(.command == \"get\").major_faults_total |
		. > 0.9 * $kernel and . < 1.01 * $kernel"
check prefix "$(query '.prefixes | map({(.prefix): .major_faults_total}) | add')" \
	holds ".prefixes[] | select(.prefix == \"cold:*\").major_faults_total |
		. > 0.9 * $kernel and . < 1.01 * $kernel"
check time "$(query '.commands[] | select(.command == "get") | "\(.swap_fault_seconds) s of swap-in in \(.cpu_seconds) s of CPU"')" \
	holds '.commands[] | select(.command == "get") | .swap_fault_seconds > 0 and
		.swap_fault_seconds <= .fault_seconds'
check finding "the findings are: $(query '[.findings[].id] | join(" ")')" \
	holds '.findings | any(.id == "swap.in_path" and (.severity | IN("warning", "critical")) and
		(.evidence | length > 0) and (.action | length > 0))'
check ledger "the ledger says $(query '.ledger[] | select(.id == "swap").bytes') bytes of swap" \
	holds '.ledger | any(.id == "swap" and .bytes > 50000000)'
finish
