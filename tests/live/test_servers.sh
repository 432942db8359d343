#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Servers newer than this system's, with a C library of their own and started by their own
# dynamic loader: CPU is charged to the right commands, a stall has its command and key,
# and bytes are followed.
#
# SERVERS is a list of SUITE/PACKAGE (see tools/servers), or of paths of programs: the newest of
# each by itself; those between are in `make matrix`.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/live/attribution.sh
. "$(dirname "$0")/attribution.sh"
# shellcheck source=tests/live/alloc.sh
. "$(dirname "$0")/alloc.sh"
# shellcheck source=tests/live/servers.sh
. "$(dirname "$0")/servers.sh"
command=doctor
need_bpf

# Sets server to the program, and product to what it says of itself.
find_program() # SUITE/PACKAGE or PATH
{
	case $1 in
	/*) server=$1 ;;
	*)
		server=$("$root/tools/servers" "${1%/*}" "${1#*/}" 2>"$work/reason") || {
			skip "$1" "$(tail -n 1 "$work/reason")"
			return 1
		}
		;;
	esac
	product=$("$server" --version | sed 's/^\([^ ]*\).* v=\([^ ]*\).*/\1-\2/' | tr '[:upper:]' '[:lower:]')
}

stall_named() # NAME COMMAND KEY
{
	check "$product-$1" "$(query '.stalls | map({command, key, duration_seconds}) | tostring')" \
		holds '.stalls | any(.command == $command and (.key // "") == $key)' \
		--arg command "$2" --arg key "$3"
}

check_doctor()
{
	watch_big_commands 6
	check_report
	check_commands
	check_keys
	check "$product-script" "EVAL took $script s: $(query '[.stalls[] | {command, key, duration_seconds}] | .[:9]' -c)" \
		holds '.stalls | any(.command == "eval" and .key == "eval:long" and .duration_seconds > 0.8 * $script)' \
		--argjson script "$script"
	stall_named hgetall hgetall profile:all
	stall_named keys keys ''
	stall_named del del del:leaderboard
}

# steady: values written over in place, neither the server nor the prefix grows. Who frees the
# arguments must be charged to the key that had them, however objects are laid out.
# transactions: the same in transactions, whose arguments are freed when all is over, and the
# list of their commands with them.
make_loads()
{
	awk "$resp"'BEGIN {
		srand(4)
		text = sprintf("%01500d", 7)
		for (i = 0; i < 60000; i++)
			resp("SETRANGE", "steady:" int(rand() * 200), 0, substr(text, 1, int(500 + 1000 * rand())))
	}' >"$work/steady"
	awk "$resp"'BEGIN {
		srand(5)
		text = sprintf("%01500d", 7)
		for (i = 0; i < 60000; i++) {
			printf "*1\r\n$5\r\nMULTI\r\n"
			resp("SET", "multi:" int(rand() * 200), substr(text, 1, int(500 + 1000 * rand())))
			printf "*1\r\n$4\r\nEXEC\r\n"
		}
	}' >"$work/transactions"
}

# @NAME:* grew as the server did, within 5 % of what it allocated or of what it grew by, or as
# far as the report says that it may be off.
check_grown() # NAME GROWN of:grown|alloc
{
	check "$product-$1" "the server grew by $2: $(query '.prefixes, [.commands[] | {command, alloc_bytes, free_bytes}] | tojson')" holds '
		.prefixes[] | select(.prefix == $name + ":*") |
		([0.05 * (if $of == "alloc" then .alloc_bytes else $grown end),
		  (.net_high_bytes - .net_low_bytes) / 2] | max) as $bound |
		(.net_bytes - $grown | fabs) < $bound' --arg name "$1" --argjson grown "$2" --arg of "$3"
}

# One watch of three loads, one after another. Nothing is lost: an argument on its way is no loss.
check_bytes()
{
	command=alloc
	clients_ready
	send "$work/steady"
	send "$work/transactions"
	# On a busy machine redmem may not see its own commands in time; without names there is
	# nothing to judge here.
	for _ in 1 2 3; do
		watch_start -s "$socket" --budget 100
		! grep "attribution off" "$messages" || { watch_end && continue; }
		break
	done
	growth_of send "$work/steady"
	grown_steady=$grown
	growth_of send "$work/transactions"
	grown_multi=$grown
	growth_of clients_run
	watch_end
	clients_end
	check "$product-flow" "$(query '.sensors[] | select(.id == "flow") | "\(.state): \(.reason)"')" \
		holds '.sensors | any(.id == "flow" and .state == "on")'
	check "$product-bytes" "the server grew by $grown: $(query '.commands')" holds '.commands[] |
		select(.command == "set").alloc_bytes | . > 0.9 * $grown and . < 6 * $grown' --argjson grown "$grown"
	check_grown steady "$grown_steady" alloc
	check_grown multi "$grown_multi" alloc
	check_grown clients "$grown" grown
	check "$product-no-loss" "$(query '.self.drops')" holds '.self.drops | test("unreadable") | not'
}

make_loads
for one in ${SERVERS:-sid/redis-server sid/valkey-server}; do
	find_program "$one" || continue
	server_start --lazyfree-lazy-user-del no # or DEL would be no stall: Valkey's default is yes
	check_doctor
	redis_cli flushall sync >/dev/null
	check_bytes
	kill_process "$pid"
done
finish
