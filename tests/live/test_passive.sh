#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A server that cannot be asked is watched: what its clients' commands show leads to
# the same offsets as asking, and their time is charged as well. Without commands
# attribution is off and says why. The probe is gone when the watch begins.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs bpftool

attribution='.sensors[] | select(.id == "attribution")'

# A load in the background until load_end. Returns when the server works on it.
load_start() # ARGUMENT...
{
	idle_ticks=$(server_ticks)
	rm -f "$work/orders"
	mkfifo "$work/orders"
	"$load" "$@" -s "$socket" <"$work/orders" >/dev/null &
	loader=$!
	own_process "$loader"
	exec 9>"$work/orders" # steady goes on until this is closed
	await 10 busy || not_ok load "the server has no load of: load $*"
}

# CPU time of the server, user and system, in ticks.
server_ticks()
{
	echo $(($(stat_field "$pid" 14) + $(stat_field "$pid" 15)))
}

busy()
{
	[ "$(server_ticks)" -ge $((idle_ticks + 10)) ]
}

load_end()
{
	exec 9>&-
	kill_process "$loader"
}

# Where the server counts commands and turns, and has a client's database, can only be found
# by asking.
offsets()
{
	sed -n "s/ db [0-9]* id [0-9]*//; s/.*offsets: \\(.*\\) commands .*/\\1/p" "$messages" | tail -n 1
}

# What the newest watch found by watching is what asking finds, whichever commands come.
check_offsets() # NAME
{
	check "$1-offsets" "asked: $asked; watched: $(offsets), $(query "$attribution.reason")" \
		[ -n "$asked" -a "$(offsets)" = "$asked" ]
}

# SAMPLES WRONG MISSING EVENTS: of those of SORT and LRANGE, which have keys of their own in the load.
# Pages that are taken while a reply is written are the command's, but of no key: it is over.
count_keys()
{
	gunzip -c "$work/recording" | jq -rn '
	[inputs | select(.record == "profile" and .thread == "" and
		(.event | IN("alloc", "free") | not) and
		(.command == "sort" or .command == "lrange")) |
	 {samples, event, missing: (.key == null and (.event | startswith("fault_") | not)),
	  wrong: (.key != null and (.key | test("^(sort|list|multi):") | not))}] |
	"\(map(.samples) | add // 0) \(map(select(.wrong).samples) | add // 0)" +
	" \(map(select(.missing).samples) | add // 0) \(map(select(.missing).event) | unique | join(","))"'
}

# Inside EVAL the load calls SORT; where that cannot be seen redmem says so.
scripts_told_apart()
{
	if holds "$attribution.reason | test(\"inside scripts are not told apart\")"; then
		[ "$product" = redis-server ]
	else
		gunzip -c "$work/recording" | jq -en '
			[inputs | select(.record == "profile")] |
			any(.command == "eval" and .inner == "sort")' >/dev/null
	fi
}

check_mixed()
{
	load_start mixed -d 600
	run_redmem doctor --json -vvv -d 0.2 -s "$socket"
	asked=$(offsets)
	run_redmem doctor --json -vvv -d 3 --pid "$pid" --no-connect --record "$work/recording"
	load_end
	check_offsets "$product-mixed"
	check "$product-status" "exit status $status: $(said)" [ "$status" = 0 ]
	check "$product-on" "$(query "$attribution | tostring")" holds "$attribution |"'
		.state == "on" and (.reason | test("found by watching [3-8] live commands"))'
	check "$product-charged" "$(query '[.commands[].command] | tostring')" holds '
		. as $r | ["sort", "lrange", "hset", "zunionstore", "eval"] |
		all(. as $c | $r.commands | any(.command == $c and .cpu_seconds > 0))'
	check "$product-pause" "pauses of $(query .self.target_pause_seconds) s" \
		holds '.self.target_pause_seconds > 0'
	read -r samples wrong missing events <<-EOF
		$(count_keys)
	EOF
	# Of few samples one is more than a percent at once.
	check "$product-keys" "$wrong of $samples samples are on a wrong key, $missing on none: $events" \
		[ "$samples" -gt 0 -a $((wrong * 100)) -le "$samples" -a $(((missing - 1) * 100)) -le "$samples" ]
	check "$product-scripts" "$(query "$attribution.reason")" scripts_told_apart
}

# Every place for a client is taken.
check_full()
{
	server_start --maxclients 3
	load_start steady -o get -P 16 -c 3
	run_redmem doctor --json -vvv -d 1 --pid "$pid"
	load_end
	check_offsets "$product-full"
	check "$product-full" "$(query '.target.connect_reason'), $(query "$attribution | tostring")" \
		holds '.target.connected == false and
		(.sensors | any(.id == "attribution" and .state == "on")) and
		(.commands | any(.command == "get" and .cpu_seconds > 0))'
	kill_process "$pid"
}

# No client says anything, or the server is hung in one command.
check_silent() # NAME
{
	run_redmem doctor --json -d 0.2 --pid "$pid" --no-connect
	check "$1" "exit status $status, $(query "$attribution | tostring")" \
		holds "$attribution |"' .state == "off" and
			(.reason | test("--no-connect.*no command ran within"))'
}

hung()
{
	! timeout 0.5 redis-cli -s "$socket" ping
}

# Names of the programs that the watch has attached to something.
attached()
{
	for file in "/proc/$watch/fdinfo/"*; do
		grep -qs '^link_type' "$file" && sed -n 's/^prog_id:[[:space:]]*//p' "$file"
	done | sort -u | while read -r id; do
		bpftool -j prog show id "$id" | jq -r .name
	done
}

probe_gone()
{
	case $names in
	'' | *calibrate_*) return 1 ;;
	esac
}

# While it watches: other sensors are attached, the probe is not.
check_probe_gone()
{
	watch_start -vvv --pid "$pid" --no-connect
	must 10 grep -q "watching process" "$messages" # it has said "watching" before
	names=$(attached)
	watch_end
	check_offsets "$product-pipeline"
	check "$product-probe-gone" "attached in the watch: $names" probe_gone
}

for server in ${SERVER:-redis-server valkey-server}; do
	product=${server##*/}
	command -v "$server" >/dev/null || {
		skip "$product" "it is not installed"
		continue
	}
	server_start
	"$load" mixed -s "$socket" -d 0 || exit 1
	check_silent "$product-idle"
	check_mixed
	load_start steady -o set -P 16 -c 4
	check_probe_gone
	load_end
	# Longer than redmem takes to begin, and looks for a command then (2 s).
	"$load" hold -s "$socket" -d 6 -k some:key >/dev/null &
	own_process $!
	must 10 hung # before that it tries how fast it is, in short commands
	check_silent "$product-hung"
	check "$product-answers" "the server does not answer" await 10 server_answers
	kill_process "$pid"
	check_full
done
finish
