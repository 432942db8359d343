#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# `redmem alloc` against loads whose bytes are known: totals that repeat and agree with
# jemalloc's own, shares of commands, who frees, what grows.
#
# FULL=1 has the sizes at which the limits below need no allowance for chance.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/live/alloc.sh
. "$(dirname "$0")/alloc.sh"
need_bpf

sets=150000 each=80000 growing=50000 populated=530000
[ -z "${FULL:-}" ] || sets=1000000 each=600000 growing=200000 populated=4200000

# The table of keys must not grow meanwhile: whoever makes it grow is charged for it,
# and that would be chance. It does at the powers of two.
many_keys()
{
	redis_cli flushall >/dev/null
	redis_cli debug populate "$populated" there 8 >/dev/null
}

# --- totals -----------------------------------------------------------------------

# count_sets OPTION...: prints ALLOCATED and what jemalloc says, of the same load.
count_sets()
{
	many_keys
	truth=$(jemalloc_bytes_of "$work/sets")
	many_keys
	watch_start -s "$socket" "$@"
	send "$work/sets"
	watch_end
	echo "$(query '.totals.alloc_bytes') $truth"
}

test_totals()
{
	growth_load "$sets" 64 0 >"$work/sets"
	for _ in 1 2 3; do
		count_sets --budget 100
	done >"$work/totals"
	check totals "redmem and jemalloc: $(tr '\n' ';' <"$work/totals")" \
		totals_agree "$work/totals" 0.03
	for _ in 1 2; do
		count_sets
	done >"$work/totals"
	check totals-default-budget "redmem and jemalloc: $(tr '\n' ';' <"$work/totals")" \
		totals_agree "$work/totals" 0.05
}

# --- shares -------------------------------------------------------------------------

# Each command alone first: then jemalloc says what it takes.
measure_alone()
{
	for kind in set hset rpush sadd zadd; do
		many_keys
		kinds_load "$each" alone "$kind" >"$work/load"
		echo "$kind $(($(jemalloc_bytes_of "$work/load") / each))"
	done >"$work/alone"
}

# Bytes a call within 5 %, and three standard deviations of the hits it stands on.
shares_wrong()
{
	while read -r kind truth; do
		query '.commands[] | select(.command == $kind) |
			((.alloc_bytes / .calls_total - $truth) / $truth | fabs) as $off |
			select($off > 0.05 + (if $full == "" then 3 / (.flow_hits_total | sqrt) else 0 end)) |
			"\(.command) \(.alloc_bytes / .calls_total) instead of \($truth)"' \
			--arg kind "$kind" --argjson truth "$truth" --arg full "${FULL:-}"
	done <"$work/alone"
}

test_shares()
{
	measure_alone
	many_keys
	kinds_load "$each" mixed set hset rpush sadd zadd >"$work/load"
	watch_start -s "$socket" --budget 100
	send "$work/load"
	watch_end
	check shares-there "$(query '[.commands[].command] | join(" ")')" holds \
		'[.commands[].command] as $seen | ["set", "hset", "rpush", "sadd", "zadd"] - $seen == []'
	check shares "$(shares_wrong | tr '\n' ';')" [ -z "$(shares_wrong)" ]
	redis_cli flushall >/dev/null
}

# --- who frees ----------------------------------------------------------------------

freed_load()
{
	awk "$resp"'
	BEGIN {
		value = sprintf("%01000d", 7)
		for (i = 0; i < 20000; i++) {
			resp("SET", "del:" i, value)
			resp("SET", "over:" i, value)
			resp("SET", "expire:" i, value, "PX", 10)
			resp("RPUSH", "unlink:" i % 20, value)
		}
	}'
}

freeing_load()
{
	awk "$resp"'
	BEGIN {
		value = sprintf("%01000d", 7)
		for (i = 0; i < 20000; i++) {
			resp("DEL", "del:" i)
			resp("SET", "over:" i, value)
		}
		for (key = 0; key < 20; key++)
			resp("UNLINK", "unlink:" key)
	}'
}

# Each of the four gives back 20,000 values of 1 KiB or a little more.
freed_by() # FILTER
{
	holds "[$1 | .free_bytes] | add / (20000 * 1024) | . > 0.9 and . < 1.5"
}

# What UNLINK leaves to the background has been freed.
all_freed()
{
	redis_cli info memory | grep -q '^lazyfree_pending_objects:0'
}

all_expired()
{
	[ "$(redis_cli dbsize)" = $((lasting + growing + 20000)) ]
}

test_freed()
{
	churned
	lasting=$(redis_cli dbsize)
	freed_load >"$work/load"
	freeing_load >"$work/freeing"
	redis_cli debug set-active-expire 0 >/dev/null # they are there until redmem watches
	send "$work/load"
	watch_start -s "$socket" --budget 100
	grow # before what is freed, so that the peak is its
	redis_cli debug set-active-expire 1 >/dev/null
	send "$work/freeing"
	await 20 all_expired || not_ok freed "the keys do not expire"
	await 20 all_freed || not_ok freed "the keys that were unlinked are not freed"
	watch_end
	check freed-del "$(query '.commands')" freed_by '.commands[] | select(.command == "del")'
	check freed-expiry "$(query '.commands')" \
		freed_by '.commands[] | select(.command == "(expiry)")'
	check freed-unlink "$(query '.threads')" \
		freed_by '.threads[] | select(.thread == "bio_lazy_free")'
	# What SET frees of its own arguments comes on top.
	check freed-overwriting "$(query '.prefixes')" holds '.prefixes[] |
		select(.prefix == "over:*") | .top_command == "set" and
		.free_bytes / (20000 * 1024) > 0.9'
	check_growth
}

# --- growth -----------------------------------------------------------------------------

# The keys that do not grow.
churned()
{
	growth_load 20000 1000 >"$work/load"
	send "$work/load"
	redis_cli eval 'for i = 0, 19999 do redis.call("del", "grow:" .. i) end' 0 >/dev/null
}

grow()
{
	growth_load "$growing" 1000 >"$work/load"
	before=$(used_memory)
	send "$work/load"
	truth=$(($(used_memory) - before))
}

check_growth()
{
	check growth-first "$(query '.growth')" holds '.growth.prefixes[0].prefix == "grow:*"'
	check growth-bytes "$(query '.growth.prefixes[0].net_bytes') instead of $truth" holds \
		'(.growth.prefixes[0].net_bytes - $truth) / $truth | fabs < 0.1' --argjson truth "$truth"
	check growth-peak "$(query '.peak')" holds '.peak.commands[0].command == "set"'
}

# --- lines ------------------------------------------------------------------------------

# As people type them: a value grows in realloc() while the line is cut, deep below its reader.
test_lines()
{
	awk 'BEGIN {
		srand(4)
		text = sprintf("%04500d", 7)
		text = text text
		for (i = 0; i < 6000; i++)
			printf "HSET lines:7 field%d %s\r\n", i, substr(text, 1, 1000 + int(rand() * 8000))
	}' >"$work/load"
	watch_start -s "$socket" --budget 100
	before=$(used_memory)
	send "$work/load"
	truth=$(($(used_memory) - before))
	watch_end
	check lines "$(query '.commands') instead of $truth" holds \
		'(.commands[] | select(.command == "hset").net_bytes - $truth) / $truth | fabs < 0.1' \
		--argjson truth "$truth"
}

server_start --enable-debug-command yes
test_totals
test_shares
test_freed
test_lines
finish
