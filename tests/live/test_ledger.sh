#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The ledger adds up in every state a server can be in: the lines under a parent
# sum to it exactly, rss is the kernel's, and little of a big server is unexplained.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf

# Each parent with children: what it says, and what they sum to. Unknown lines say nothing.
sums='[.ledger[] | select(.parent != null and .parent != "")] | group_by(.parent) |
	map({key: .[0].parent, value: map(.bytes // 0) | add}) | from_entries'

# A doctor, and beside it what the kernel says meanwhile: a server that saves moves.
# Sets lowest and highest.
run_doctor()
{
	"$redmem" doctor --json -d 0.5 -s "$socket" >"$json" 2>"$messages" &
	watch=$!
	own_process "$watch"
	while kill -0 "$watch" 2>/dev/null; do
		awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/$pid/status"
		sleep 0.05
	done | sort -n >"$work/resident"
	wait "$watch"
	status=$?
	forget_process "$watch"
	lowest=$(head -n 1 "$work/resident") highest=$(tail -n 1 "$work/resident")
}

check_ledger() # NAME
{
	run_doctor
	check "$1-status" "exit status $status: $(said)" [ "$status" = 0 ]
	check "$1-sums" "$(query "$sums | tostring")" \
		holds "(.ledger | map({key: .id, value: .bytes}) | from_entries) as \$says |
			($sums) as \$sums | (\$sums | has(\"rss\")) and
			(\$sums | to_entries | all(.value == \$says[.key]))"
	check "$1-rss" "ledger $(query '.ledger[] | select(.id == "rss").bytes'), /proc $lowest to $highest" \
		holds "([$highest * 0.02, 4194304] | max) as \$slack | .ledger[] |
			select(.id == \"rss\").bytes |
			. >= $lowest - \$slack and . <= $highest + \$slack"
	check "$1-unexplained" "$(query '[.ledger[] | select(.id == "unexplained" or .id == "rss") | "\(.id) \(.bytes)"] | join(", ")')" \
		holds '(.ledger[] | select(.id == "rss").bytes) as $rss |
			.ledger[] | select(.id == "unexplained").bytes | . != null and
			($rss < 100000000 or fabs <= ([$rss * 0.02, 4194304] | max))'
}

server_start
check_ledger fresh
"$load" fill -s "$socket" -n 250000 -k user: -S 1000 || exit 1
check_ledger loaded
"$load" fill -s "$socket" -n 250000 -k user: -S 1000 -x 0.8 || exit 1
check_ledger mass-delete
check mass-delete-holes "$(query '.ledger[] | select(.id == "slab_holes").bytes') bytes of holes" \
	holds '.ledger[] | select(.id == "slab_holes").bytes > 50000000'

redis_cli config set rdb-key-save-delay 1000 >/dev/null
redis_cli bgsave >/dev/null
"$load" fill -s "$socket" -n 100000 -k user: -S 1000 || exit 1
check_ledger bgsave
check bgsave-child "$(query '.children | tostring')" \
	holds '.children | any(.purpose == "rdb" and .private_bytes > 0)'
kill_process "$pid"

# Strings of a script live outside used_memory; those of a loop stay until Lua collects them.
server_start
redis_cli eval "local t = {} for i = 1, 2000000 do t[i] = 'string ' .. i end return #t" 0 >/dev/null
check_ledger lua
kill_process "$pid"

if swap_start 512 && cgroup_start; then
	launcher=$work/enter
	server_start
	launcher=
	"$load" fill -s "$socket" -n 200000 -k user: -S 1000 || exit 1
	if cgroup_squeeze 320 160; then
		check_ledger swapped
		check swapped-bytes "$(query '.ledger[] | select(.id == "swap") | tostring')" \
			holds '.ledger[] | select(.id == "swap").bytes > 10000000'
	else
		skip swapped "the cgroup's limit cannot be lowered"
	fi
else
	skip swapped "no swap file or no memory cgroup can be made here"
fi
finish
