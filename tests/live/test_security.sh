#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What redmem-security(7) says, held against redmem while it watches: capabilities of each of its
# threads, filters, cores, modes of files, what it asks the server, that no value is kept, and what
# the process of `serve` that answers HTTP may do.
# shellcheck disable=SC2013,SC2016,SC2119,SC2317 # lists of words; jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs pgrep curl script

page=$root/tools/redmem-security.7
value=Qx7vTr0ub4dor # in values, and in no key

# Capabilities that the page names, as a mask: of all of the table, or of those above a row.
page_mask() # [ROW]
{
	mask=0
	for name in $(sed -n "/^Of these, the first/,/^What is foreign/ {
		/^\.BR\? ${1:-nothing}/q; s/^\.BR\? //p; }" "$page" | tr -cs 'A-Z_' '\n' | grep CAP_); do
		bit=$(awk -v name="$name" '$2 == name && $3 ~ /^[0-9]+$/ { print $3 }' /usr/include/linux/capability.h)
		mask=$((mask | 1 << ${bit:?is no number of $name}))
	done
	echo $mask
}

begins=$(page_mask)
stays=$(page_mask CAP_SYS_ADMIN)
admin=$((1 << 21))

# Words of a thread's status.
status_of() # FILE WORD
{
	sed -n "s/^$2:[[:space:]]*//p" "$1"
}

# How threads of the watch have more than they should: none, or a line for each. Their statuses are
# read at once, for a thread may end at any time.
too_much() # MAIN OTHERS
{
	for task in "/proc/$watch"/task/*; do
		cat "$task/status" >"$work/status" 2>/dev/null || continue
		may=$2
		[ "${task##*/}" != "$watch" ] || may=$1
		for set in CapEff CapPrm CapInh CapAmb; do
			has=0x$(status_of "$work/status" $set)
			[ $((has & ~may)) = 0 ] || echo "thread ${task##*/}: $set $has"
		done
		has=0x$(status_of "$work/status" CapBnd)
		[ $((has & ~begins)) = 0 ] || echo "thread ${task##*/}: CapBnd $has"
		[ "$(status_of "$work/status" Seccomp) $(status_of "$work/status" NoNewPrivs)" = "2 1" ] ||
			echo "thread ${task##*/}: no filter"
	done
}

gave_up() # MAIN OTHERS
{
	[ -z "$(too_much "$1" "$2")" ]
}

# The helper that reads foreign files: nobody's, nothing to do with, and nothing to read.
helper_has()
{
	for helper in $(pgrep -P "$watch"); do
		grep -q '^Uid:[[:space:]]*0' "/proc/$helper/status" && echo "$helper is root"
		[ "$(status_of "/proc/$helper/status" CapEff)" = 0000000000000000 ] || echo "$helper has capabilities"
		[ "$(status_of "/proc/$helper/status" Seccomp)" = 2 ] || echo "$helper has no filter"
		[ ! -s "/proc/$helper/environ" ] || [ -z "$(tr -d '\0' <"/proc/$helper/environ")" ] ||
			echo "$helper has an environment"
	done
}

# The words of the page above "What is kept" that are a server's command; each command that the
# server was asked is one of them.
unnamed_commands()
{
	sed -n 's/^[0-9.]* \[[0-9]* [^]]*\] "\([A-Z]*\)".*/\1/p' "$work/monitor" | sort -u >"$work/asked"
	sed '/^\.SS What is kept/q' "$page" | grep -o '[A-Z]\{4,\}' | sort -u | comm -23 "$work/asked" - | tr '\n' ' '
}

use_values()
{
	redis_cli config set slowlog-log-slower-than 0 >/dev/null
	for turn in $(seq 30); do
		redis_cli set "user:$turn" "$value-$(printf %0900d 0)"
		redis_cli hset "hash:$turn" field "$value" other "$value"
		redis_cli rpush list "$value" "$value"
		redis_cli eval "return '$value'" 0
	done >/dev/null
}

check_watch() # NAME MAIN OTHERS
{
	check "$1-capabilities" "$(too_much "$2" "$3")" gave_up "$2" "$3"
	check "$1-helper" "$(helper_has)" [ -z "$(helper_has)" ]
	check "$1-core" "$(grep core "/proc/$watch/limits")" grep -q 'core file size *0  *0 ' "/proc/$watch/limits"
	check "$1-core-empty" "$(cat "/proc/$watch/coredump_filter")" grep -qx 0* "/proc/$watch/coredump_filter"
	check "$1-closed" "its memory is not root's" [ "$(stat -c %u "/proc/$watch/environ")" = 0 ]
}

test_watches()
{
	redis_cli monitor >"$work/monitor" &
	monitor=$!
	own_process "$monitor"
	umask 0
	for command in doctor alloc memory stalls key; do
		set -- -s "$socket" --html "$work/$command.html"
		[ $command = stalls ] || set -- "$@" --record "$work/$command.rec"
		case $command in
		doctor) set -- "$@" --keys --pprof "$work/doctor.pb.gz" ;;
		alloc | stalls) set -- "$@" --folded "$work/$command.folded" ;;
		key) set -- "$@" list ;;
		esac
		watch_start "$@"
		await 5 gave_up "$stays" "$stays" # each thread when it begins
		check_watch "$command" "$stays" "$stays"
		use_values
		watch_end
		check $command-status "exit status $status: $(said)" [ "$status" = 0 ]
		cp "$json" "$work/$command.json"
	done
	umask 022
	redis_cli slowlog get | grep -q "$value" || not_ok values "the server's slow log has none"
	kill_process "$monitor"
	check asks "not on the page: $(unnamed_commands)" [ -z "$(unnamed_commands)" ]
	loose=$(stat -c '%a %n' "$work"/*.rec "$work"/*.html "$work"/*.pb.gz "$work"/*.folded | grep -v '^600')
	check modes "$loose" [ -z "$loose" ]
	for file in "$work"/*.rec "$work"/*.pb.gz; do
		gunzip -c "$file" >"$file.plain" || not_ok plain "$file is not packed"
	done
	held=$(grep -a -l "$value" "$work"/*.plain "$work"/*.html "$work"/*.folded "$work"/*.json)
	check values-kept "a value is in $held" [ -z "$held" ]
}

top_watches()
{
	set -- "/proc/$watch"/task/*
	[ $# -ge 3 ]
}

# What is attached anew, or counted, while it goes on takes more.
test_top()
{
	TERM=xterm script -qec "exec $redmem top -s $socket" /dev/null >"$work/top" 2>&1 </dev/null &
	terminal=$!
	own_process "$terminal"
	must 10 pgrep -P "$terminal"
	watch=$(pgrep -P "$terminal")
	must 20 top_watches
	await 5 gave_up "$begins" $((stays | admin))
	check_watch top "$begins" $((stays | admin))
	kill -TERM "$watch"
	wait "$terminal"
	forget_process "$terminal"
}

serve_attributed()
{
	curl -fsS "http://127.0.0.1:$port/api/v1/servers" | grep -q '"attributed"'
}

test_serve()
{
	: >"$work/redmem.conf"
	umask 0
	"$redmem" serve --config "$work/redmem.conf" --listen 127.0.0.1:0 --state "$work/state" -s "$socket" \
		2>"$messages" &
	watch=$!
	own_process "$watch"
	umask 022
	must 20 grep -q 'listening on port' "$messages"
	port=$(sed -n 's/.*listening on port \([0-9]*\).*/\1/p' "$messages")
	must 30 serve_attributed
	keeper=$(pgrep -P "$watch" -x redmem-keeper)
	for set in CapEff CapPrm CapInh CapAmb CapBnd; do
		check "keeper-$set" "$(status_of "/proc/$keeper/status" $set)" \
			[ "$(status_of "/proc/$keeper/status" $set)" = 0000000000000000 ]
	done
	check keeper-user "$(status_of "/proc/$keeper/status" Uid)" \
		sh -c '! grep -q "^Uid:[[:space:]].*\b0\b" "/proc/$1/status"' sh "$keeper"
	check keeper-filter "$(status_of "/proc/$keeper/status" Seccomp)" [ "$(status_of "/proc/$keeper/status" Seccomp)" = 2 ]
	check keeper-core "$(grep core "/proc/$keeper/limits")" grep -q 'core file size *0  *0 ' "/proc/$keeper/limits"
	loose=$(find "$work/state" ! -type d ! -perm 600 -o -type d -perm /077)
	check history-modes "$loose" [ -z "$loose" ]
	kill -TERM "$watch"
	wait "$watch"
	check serve-status "exit status $?" [ $? = 0 ]
	forget_process "$watch"
	check serve-values "a value is in the history" [ -z "$(grep -a -l "$value" "$work"/state/*)" ]
}

server_start
use_values
test_watches
test_top
test_serve
finish
