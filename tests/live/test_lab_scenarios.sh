#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Every scenario of the lab, made small, asked of a real server: it understands each command, and
# counts as many as the load says it has sent.
# shellcheck disable=SC2119,SC2317 # functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
scenarios=$root/build/tests/bench/scenarios

# Commands that the server has seen or refused, without those of redmem and redis-cli themselves.
seen()
{
	redis_cli info commandstats | tr -d '\r' | awk -F '[_:,=]' '
		$2 !~ /^(info|client|hello|ping|config|bgsave|command|flushall|auth)/ {
			for (i = 3; i < NF; i++)
				if ($i == "calls" && $(i - 1) != "failed")
					n += $(i + 1)
		}
		END { print n + 0 }'
}

# What a script calls is counted, too. A program that is ended leaves some on the way, and asks
# for the settings before it begins.
agrees() # FILE SENT SEEN
{
	if grep -qi 'eval\|^load' "$1"; then
		[ "$3" -ge "$(($2 - 10))" ]
	else
		[ "$3" = "$2" ]
	fi
}

is_full() # NAME LINE
{
	case $1 in
	eviction-noeviction) echo "$2" | grep -q ' refused [1-9]' ;;
	*) [ "$(redis_cli info stats | tr -d '\r' | sed -n 's/^evicted_keys://p')" -gt 0 ] ;;
	esac
}

server_start --enable-debug-command no
for file in "$root"/tools/lab/*.lab; do
	name=$(basename "$file" .lab)
	tool=$(sed -n 's/^load *\([^ ]*\).*/\1/p' "$file")
	if [ -n "$tool" ] && ! command -v "$tool" >/dev/null; then
		skip "$name" "$tool is not installed"
		continue
	fi
	redis_cli config set maxmemory 0 >/dev/null
	redis_cli flushall >/dev/null
	redis_cli config resetstat >/dev/null
	case $name in
	eviction-*)
		redis_cli config set maxmemory-policy "${name#eviction-}" >/dev/null
		redis_cli config set maxmemory 2500kb >/dev/null
		;;
	esac
	line=$("$scenarios" "$socket" -1 50 0.05 "$file" 2>&1)
	check "$name" "$line" [ $? = 0 ]
	seen=$(seen) sent=$(echo "$line" | sed -n 's/.* sent \([0-9]*\)$/\1/p')
	check "$name-counts" "sent $sent, the server has seen $seen: $line" agrees "$file" "$sent" "$seen"
	case $name in
	eviction-*) check "$name-full" "nothing was evicted or refused: $line" is_full "$name" "$line" ;;
	esac
done
finish
