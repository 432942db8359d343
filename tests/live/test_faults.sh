#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# The totals of page faults are the kernel's own, whatever the sampling period:
# within 1 % of the change in /proc/PID/stat, also with more threads than one and
# with a child that faults on its own account. Major faults: see test_swap.sh.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf

# watch_faults NAME LOAD...: the server is busy only inside the window.
watch_faults()
{
	fault_name=$1
	shift
	watch_start -s "$socket"
	before=$(stat_field "$pid" 10)
	"$@" || exit 1
	after=$(stat_field "$pid" 10)
	watch_end
	kernel=$((after - before))
	check "$fault_name-minor" "redmem $(query .totals.minor_faults_total), /proc $kernel" \
		holds ".totals.minor_faults_total | (. - $kernel | fabs) <= $kernel / 100"
	check "$fault_name-charged" "of $kernel: $(query '.commands | map({(.command): .minor_faults_total}) | add')" \
		holds ".commands | map(.minor_faults_total) | add | (. - $kernel | fabs) <= $kernel / 20"
}

fill()
{
	"$load" fill -s "$socket" -n 200000 -k user: -S 1000
}

# Values are written anew while a slow child holds the old pages.
fill_beside_child()
{
	redis_cli bgsave >/dev/null
	await 20 test -e "/proc/$pid/task/$pid/children" || return 1
	fill
}

# Pages first touched in the body of a command: those of SET's value are touched
# before, when the server reads the arguments and no command runs yet.
fill_by_script()
{
	redis_cli eval "for i = 1, 100000 do
		redis.call('set', KEYS[1] .. i, string.rep('x', 1000)) end" 1 script:0 >/dev/null
}

server_start
watch_faults script fill_by_script
check script-command "$(query '.commands | map({(.command): .minor_faults_total}) | add')" \
	holds ".commands[] | select(.command == \"eval\").minor_faults_total > 0.9 * $kernel"
check script-prefix "$(query '.prefixes | map({(.prefix): .minor_faults_total}) | add')" \
	holds ".prefixes[] | select(.prefix == \"script:*\").minor_faults_total > 0.9 * $kernel"
watch_faults one-thread fill
redis_cli config set rdb-key-save-delay 100 >/dev/null
watch_faults child fill_beside_child
check child-cow "no copy-on-write fault seen" holds '.totals.cow_faults_total > 1000'
kill_process "$pid"

server_start --io-threads 2 --io-threads-do-reads yes
watch_faults io-threads fill
finish
