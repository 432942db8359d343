#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Servers newer than this system's, with a C library of their own and started by their own
# dynamic loader: CPU is charged to the right commands, a stall has its command and key,
# and bytes are followed.
#
# SERVERS is a list of SUITE/PACKAGE (see tools/servers), or of paths of programs.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/live/attribution.sh
. "$(dirname "$0")/attribution.sh"
# shellcheck source=tests/live/alloc.sh
. "$(dirname "$0")/alloc.sh"
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

check_attribution()
{
	"$load" mixed -s "$socket" -d 0 || exit 1
	watch_mixed_load 7
	check_report
	check_commands
	check_keys
}

make_big_keys()
{
	redis_cli eval '
		for i = 1, 300000 do redis.call("ZADD", "leaderboard:global", i, "member:" .. i) end
		for i = 1, 100000 do redis.call("HSET", "profile:all", "field:" .. i, i) end
		for i = 1, 300000 do redis.call("SET", "user:" .. i, i) end' 0 >/dev/null
}

named() # COMMAND KEY
{
	stalls 'any(.command == $command and (.key // "") == $key)' --arg command "$1" --arg key "$2"
}

check_stalls()
{
	make_big_keys
	stalls_start
	for words in "hgetall profile:all" "keys *" "del leaderboard:global"; do
		# shellcheck disable=SC2086 # words
		(set -f && redis_cli $words) >/dev/null
		await 20 named "${words% *}" "$(echo "${words#* }" | tr -d '*')"
	done
	watch_end
	check "$product-hgetall" "$(stalls_said)" named hgetall profile:all
	check "$product-keys" "$(stalls_said)" named keys ''
	check "$product-del" "$(stalls_said)" named del leaderboard:global
}

# The bytes are followed, and SET has at least those that it added to the server.
check_flow() # GROWN
{
	check "$product-flow" "$(query '.sensors[] | select(.id == "flow") | "\(.state): \(.reason)"')" \
		holds '.sensors | any(.id == "flow" and .state == "on")'
	check "$product-bytes" "the server grew by $1: $(query '.commands')" holds '.commands[] |
		select(.command == "set").alloc_bytes | . > 0.9 * $grown and . < 4 * $grown' --argjson grown "$1"
}

# The load in $work/load, which leaves all values as long as they were, sent twice; of the
# second time same:* grew as the server did, within a share of what it allocated.
check_grown() # NAME SHARE
{
	send "$work/load"
	command=alloc
	before=$(used_memory)
	watch_start -s "$socket" --budget 100
	send "$work/load"
	watch_end
	command=doctor
	grown=$(($(used_memory) - before))
	check "$product-$1" "the server grew by $grown: $(query '.prefixes')" holds '
		.prefixes[] | select(.prefix == "same:*") |
		(.net_bytes - $grown | fabs) < $share * .alloc_bytes' \
		--argjson grown "$grown" --argjson share "$2"
}

# Values written over in place: neither the server nor the prefix grows. Who frees the
# arguments must be charged to the key that had them, however objects are laid out.
check_steady()
{
	awk "$resp"'BEGIN {
		srand(4)
		text = sprintf("%01500d", 7)
		for (i = 0; i < 60000; i++)
			resp("SETRANGE", "same:" int(rand() * 200), 0, substr(text, 1, int(500 + 1000 * rand())))
	}' >"$work/load"
	check_grown steady 0.02
}

# used_memory without what clients have.
used_by_keys()
{
	redis_cli info memory | tr -d '\r' | awk -F : '/^used_memory:/ { used = $2 }
		/^mem_clients_normal:/ { used -= $2 } END { printf "%.0f\n", used }'
}

# New values of one size by many clients, all of them ready at once: on the stack the clients
# before are left over, who read nothing. The server grows by what the prefix grows by.
check_clients()
{
	mkfifo "$work/orders" "$work/answers"
	"$load" bytes -s "$socket" -o set -S 200 -c 50 -P 16 -k new: -n 100000 \
		<"$work/orders" >"$work/answers" &
	own_process $!
	loader=$!
	exec 8>"$work/orders" 9<"$work/answers"
	read -r _ <&9 || exit 1
	command=alloc
	watch_start -s "$socket" --budget 100
	before=$(used_by_keys)
	echo >&8
	read -r _ <&9 || exit 1
	grown=$(($(used_by_keys) - before))
	watch_end
	command=doctor
	exec 8>&- 9<&-
	wait "$loader"
	forget_process "$loader"
	rm "$work/orders" "$work/answers"
	check "$product-clients" "the server grew by $grown: $(query '.prefixes')" holds '
		.prefixes[] | select(.prefix == "new:*") | (.net_bytes - $grown | fabs) < 0.05 * $grown' \
		--argjson grown "$grown"
	check_flow "$grown"
}

# The same in transactions, whose arguments are freed when all is over, and the list of their
# commands with them. Nothing is lost: an argument on its way is no loss.
check_transactions()
{
	awk "$resp"'BEGIN {
		srand(4)
		text = sprintf("%01500d", 7)
		for (i = 0; i < 60000; i++) {
			printf "*1\r\n$5\r\nMULTI\r\n"
			resp("SET", "same:" int(rand() * 200), substr(text, 1, int(500 + 1000 * rand())))
			printf "*1\r\n$4\r\nEXEC\r\n"
		}
	}' >"$work/load"
	check_grown transactions 0.08
	check "$product-no-loss" "$(query '.self.drops')" holds '.self.drops | test("unreadable") | not'
}

for one in ${SERVERS:-sid/redis-server sid/valkey-server trixie/redis-server trixie/valkey-server}; do
	find_program "$one" || continue
	server_start --lazyfree-lazy-user-del no # or DEL would be no stall: Valkey's default is yes
	check_attribution
	check_stalls
	check_steady
	check_clients
	check_transactions
	kill_process "$pid"
done
finish
