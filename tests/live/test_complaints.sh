#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What a server complains of is concluded: a save whose child was killed or could not be
# made, writes that nothing can be evicted for, a replica that starts over, files on a tmpfs
# of its cgroup, keys past their time, a kill by the kernel.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs redis-benchmark pgrep

findings()
{
	query '[.findings[] | "\(.severity) \(.id): \(.title)"] | join("; ")'
}

# finding NAME ID SEVERITY [FILTER [JQ OPTION...]]: the first finding of the newest report that
# is not of the machine is that one, and FILTER is true of it.
finding()
{
	finding_name=$1 id=$2 severity=$3 filter=${4:-true}
	shift 3
	[ $# = 0 ] || shift
	check "$finding_name" "exit status $status; $(findings); $(machine)" \
		holds_of_server '.findings[0] | .id == $id and .severity == $severity and ('"$filter"')' \
		--arg id "$id" --arg severity "$severity" "$@"
}

# absent NAME ID
absent()
{
	check "$1" "$(findings)" holds '.findings | all(.id != $id)' --arg id "$2"
}

evidence='def evidence($name): [.evidence[] | select(.name == $name).value][0];'

# info FIELD
info()
{
	redis_cli info everything | tr -d '\r' | sed -n "s/^$1://p"
}

child_is_there()
{
	child=$(pgrep -P "$pid" | head -n 1)
	[ -n "$child" ]
}

info_is() # FIELD VALUE
{
	[ "$(info "$1")" = "$2" ]
}

# Keys of 1000 bytes without a TTL, named k:N, from a script: fast, and one command.
fill() # COUNT
{
	redis_cli eval 'local v = string.rep("x", 1000)
		for i = 1, tonumber(ARGV[1]) do redis.call("set", "k:" .. i, v) end' 0 "$1" >/dev/null
}

# --- the saving child is killed, and writes are refused ----------------------------------

server_start --save '3600 100000' --rdb-key-save-delay 1000
fill 20000
watch_start -s "$socket"
redis_cli bgsave >/dev/null
must 10 child_is_there
kill -KILL "$child"
must 10 info_is rdb_last_bgsave_status err
for n in 1 2 3 4 5 6 7; do
	redis_cli set "refused:$n" v >/dev/null
done
watch_end
finding save-killed save.failing critical "$evidence"'
	evidence("child_exit_signal") == 9 and evidence("misconf_replies") == 7 and
	(.title | test("killed by signal 9"))'
absent save-killed-once writes.refused
check save-killed-errors "$(query -c '{errors, refusals}')" \
	holds '.errors == [{"error": "MISCONF", "replies_total": 7}] and
		.refusals == [{"command": "set", "rejected_total": 7, "failed_total": 0}]'
kill_process "$pid"

# --- the fork is refused -------------------------------------------------------------------

# A limit of processes refuses it just as vm.overcommit_memory does, and only to this server.
pids_start()
{
	if [ -d /sys/fs/cgroup/pids ]; then
		cgroup=/sys/fs/cgroup/pids/redmem-test-$$
	elif grep -qw pids /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null; then
		cgroup=/sys/fs/cgroup/redmem-pids-$$
	else
		return 1
	fi
	mkdir "$cgroup" || return 1
	cgroups="$cgroups $cgroup"
	cgroup_enter
}

if pids_start; then
	launcher=$work/enter
	server_start --save '3600 100000'
	launcher=
	cat "$cgroup/pids.current" >"$cgroup/pids.max"
	watch_start -s "$socket"
	redis_cli bgsave >/dev/null
	must 10 info_is rdb_last_bgsave_status err
	watch_end
	finding fork-refused save.failing critical '.title | test("refuses the fork")'
	kill_process "$pid"
else
	skip fork-refused "no pids cgroup can be made here"
fi

# --- volatile-*, and no key has a TTL --------------------------------------------------------

server_start --maxmemory 30mb --maxmemory-policy volatile-lru
fill 18000
watch_start -s "$socket"
redis-benchmark -s "$socket" -q -t set -n 20000 -r 100000 -d 3000 -c 5 >/dev/null 2>&1
refused=$(info errorstat_OOM | sed 's/count=//')
watch_end
finding volatile evict.nothing_to_evict critical "$evidence"'
	evidence("OOM") == $refused and evidence("keys_with_ttl_total") == 0' --argjson refused "${refused:-0}"
absent volatile-once writes.refused
absent volatile-one-limit mem.near_max
kill_process "$pid"

# --- keys past their time ----------------------------------------------------------------------

server_start --enable-debug-command yes
redis_cli debug set-active-expire 0 >/dev/null
redis_cli eval 'for i = 1, 500000 do redis.call("set", "session:" .. i, "v", "px", 1000) end' 0 >/dev/null
last_is_gone()
{
	[ "$(redis_cli exists session:500000)" = 0 ]
}
must 10 last_is_gone
run_redmem doctor --json -d 3 -s "$socket"
finding expired expired.resident warning "$evidence"'
	evidence("keys_of_unknown_mean_ttl") | . > 490000 and . <= 500000'
kill_process "$pid"

# --- a replica that starts over -------------------------------------------------------------------

server_start --client-output-buffer-limit 'replica 8mb 8mb 0' --repl-backlog-size 1mb \
	--repl-diskless-sync-delay 0 --rdb-key-save-delay 20
master=$pid
fill 30000
redis_cli config set unixsocket >/dev/null 2>&1
port_is_free() # PORT
{
	! redis-cli -p "$1" ping >/dev/null 2>&1
}
port=18731
until port_is_free $port; do port=$((port + 1)); done
redis_cli config set port $port >/dev/null
master_socket=$socket
server_start --replicaof "127.0.0.1 $port"
socket=$master_socket
redis-benchmark -s "$socket" -q -t set -n 10000000 -r 1000 -d 10000 -c 10 -P 4 >/dev/null 2>&1 &
own_process $!
synced() # TIMES
{
	[ "$(info sync_full)" -ge "$1" ]
}
must 20 synced 1
watch_start -s "$socket"
before=$(info sync_full)
check resync-loop "it synchronises once and no more: $(info sync_full)" await 60 synced $((before + 4))
watch_end
after=$(info sync_full)
check resync "$(findings)" holds "$evidence"'
	[.findings[] | select(.id == "repl.resync")][0] | .severity == "critical" and
	evidence("sync_full") >= 3 and evidence("sync_full") <= $most and
	(.cause | test("client-output-buffer-limit"))' --argjson most $((after - before + 2))
check resync-replication "$(query -c .replication)" \
	holds '.replication | .backlog_bytes == 1048576 and .write_bytes_per_second > 1e6'
for process in $processes; do
	kill_process "$process"
done
pid=$master

# --- a tmpfs, and a kill, in the server's cgroup ----------------------------------------------------

if cgroup_start; then
	mkdir "$work/tmpfs"
	mount -t tmpfs none "$work/tmpfs" && mounts="$mounts $work/tmpfs"
	echo 400M >"$cgroup/$cgroup_limit"
	launcher=$work/enter
	server_start
	launcher=
	fill 105000
	"$work/enter" dd if=/dev/zero of="$work/tmpfs/file" bs=1M count=220 status=none
	run_redmem doctor --json -d 1 -s "$socket"
	finding tmpfs mem.shmem warning "$evidence"'
		evidence("cgroup_shmem") == 220 * 1048576 and evidence("cgroup_limit") == 400 * 1048576 and
		evidence("cannot_be_dropped") < 400 * 1048576'
	absent tmpfs-once mem.cgroup
	"$work/enter" rm "$work/tmpfs/file"
	dd if=/dev/zero of="$work/page_cache" bs=1M count=1 status=none
	"$work/enter" dd if=/dev/zero of="$work/page_cache" bs=1M count=250 conv=fsync status=none
	run_redmem doctor --json -d 1 -s "$socket"
	absent page-cache mem.shmem
	absent page-cache-is-no-need mem.cgroup
	rm -f "$work/page_cache"

	watch_start -s "$socket"
	redis_cli eval 'local v = string.rep("x", 100000)
		for i = 1, 10000 do redis.call("set", "huge:" .. i, v) end' 0 >/dev/null 2>&1
	watch_over
	finding killed killed.limit critical "$evidence"'
		evidence("cgroup_limit") == 400 * 1048576 and
		(evidence("held_bytes") | . > 360 * 1048576 and . <= 400 * 1048576)'
	absent killed-once server.not_answering
	kill_process "$pid"
else
	skip tmpfs "no memory cgroup can be made here"
	skip killed "no memory cgroup can be made here"
fi
finish
