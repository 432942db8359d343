# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What the live tests share: private servers, swap and cgroups that are gone when
# the test is, a redmem watching in the background, and the lines tests/run reads.
# A test sources this file, says what it needs, and ends with `finish`.
#
# REDMEM and LOAD name other programs than those in build/, SERVER (a path) another server
# than the system's; tools/servers prints such paths.
# shellcheck disable=SC2034 # the tests use what is set here
set -u

root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
redmem=${REDMEM:-$root/build/redmem}
load=${LOAD:-$root/build/tests/load/load}
subject=$(basename "$0" .sh)
subject=${subject#test_}
server=${SERVER:-redis-server} # the program server_start starts
failures=0
serial=0
processes='' # started here and not yet ended
mounts='' swap_files='' cgroups='' delays_before=''

export LC_ALL=C
unset REDISCLI_AUTH

# --- results ------------------------------------------------------------------

ok() # NAME
{
	echo "ok $subject-$1"
}

not_ok() # NAME WHY
{
	echo "not ok $subject-$1: $2"
	failures=$((failures + 1))
}

skip() # NAME REASON
{
	echo "skip $subject-$1: $2"
}

# check NAME WHY COMMAND...: ok when COMMAND succeeds, else not ok because WHY.
check()
{
	check_name=$1 check_why=$2
	shift 2
	if "$@"; then
		ok "$check_name"
	else
		not_ok "$check_name" "$check_why"
	fi
}

# Of each command the newest JSON that it ended well with is held against its schema.
keep_json() # COMMAND ARGUMENT...
{
	case " $* " in
	*' --json '*) [ "$status" != 0 ] || cp "$json" "$work/$1.kept-json" ;;
	esac
}

check_schema()
{
	set --
	for kept in "$work"/*.kept-json; do
		[ -e "$kept" ] || return 0
		set -- "$@" "$(basename "$kept" .kept-json)" "$kept"
	done
	if ! python3 -c 'import jsonschema' 2>/dev/null; then
		skip schema "no python3-jsonschema"
		return 0
	fi
	schema_said=$(REDMEM=$redmem "$root/tests/schema" "$@" 2>&1)
	check schema "$schema_said" [ $? = 0 ]
}

finish()
{
	check_schema
	[ "$failures" = 0 ]
	exit
}

# --- needs ----------------------------------------------------------------------

skip_all() # REASON
{
	skip all "$1"
	exit 0
}

need_root()
{
	[ "$(id -u)" = 0 ] || skip_all "needs root"
}

# Asked without redmem, so that a sensor redmem cannot attach is a failure and no skip.
need_bpf()
{
	need_root
	[ -r /sys/kernel/btf/vmlinux ] || skip_all "this kernel has no BTF"
	bpftool prog show >/dev/null 2>&1 || skip_all "BPF is not allowed here"
}

need_programs() # NAME...
{
	for program; do
		command -v "$program" >/dev/null || skip_all "$program is not installed"
	done
}

# --- processes ------------------------------------------------------------------

# Remember the process just started in the background; it is killed at the end at the latest.
own_process() # PID
{
	processes="$processes $1"
}

forget_process() # PID
{
	kept=
	for process in $processes; do
		[ "$process" = "$1" ] || kept="$kept $process"
	done
	processes=$kept
}

kill_process() # PID
{
	kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	forget_process "$1"
}

# await SECONDS COMMAND...: repeats COMMAND until it succeeds; fails when thrice the time is
# over, as there are machines so busy that all of this comes late.
await()
{
	await_turns=$(($1 * 60))
	shift
	until "$@" >/dev/null 2>&1; do
		await_turns=$((await_turns - 1))
		[ "$await_turns" -gt 0 ] || return 1
		sleep 0.05
	done
}

# must SECONDS COMMAND...: as await, but where it does not come about that is a failure, told by
# the command.
must()
{
	await "$@" && return
	shift
	not_ok await "it did not come about: $*"
}

# --- servers --------------------------------------------------------------------

# server_start [OPTION...]: a private $server on a unix socket. Sets pid, socket and
# dir. $launcher, when set, is a command put before it that ends in exec.
launcher=
server_start()
{
	serial=$((serial + 1))
	dir=$work/server$serial
	socket=$dir/socket
	mkdir "$dir"
	# shellcheck disable=SC2086 # a command and its arguments
	$launcher "$server" --port 0 --unixsocket "$socket" --unixsocketperm 777 --dir "$dir" \
		--save '' --appendonly no "$@" >"$dir/log" 2>&1 &
	pid=$!
	own_process "$pid"
	await 10 redis_cli info server || {
		not_ok server "$server does not start: $(tail -n 1 "$dir/log")"
		exit 1
	}
}

# To the server started last. Errors go to stdout, as redis-cli has it.
redis_cli()
{
	redis-cli -s "$socket" "$@"
}

server_answers()
{
	[ "$(redis_cli ping)" = PONG ]
}

# Number FIELD of /proc/PID/stat, counted as in proc(5); the name in field 2 may hold blanks.
stat_field() # PID FIELD
{
	sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f $(($2 - 2))
}

# Seconds the main thread of a process could have run and waited for a CPU, by the kernel.
run_delay() # PID
{
	awk '{ printf "%.6f\n", $2 / 1e9 }' "/proc/$1/schedstat"
}

# --- redmem ---------------------------------------------------------------------

json=
messages=

# What the kernel has counted so far of the machine and of the server started last; of all
# cgroups it is in, up to the root, since a quota holds back whatever is below it.
machine_read() # before|after
{
	{
		echo "$1"
		sed -n 's/^cpu /machine /p' /proc/stat
		sed 's/^/schedule /' "/proc/${pid:-none}/schedstat"
		sed 's/.*) /process /' "/proc/${pid:-none}/stat"
		while IFS=: read -r _ group_kind group_path; do
			case ,$group_kind, in
			*,cpu,*) group_path=/sys/fs/cgroup/cpu$group_path ;;
			,,) group_path=/sys/fs/cgroup$group_path ;;
			*) continue ;;
			esac
			while [ "$group_path" != /sys/fs/cgroup ]; do
				cat "$group_path/cpu.stat"
				group_path=${group_path%/*}
			done
		done <"/proc/${pid:-none}/cgroup"
	} >"$work/machine.$1" 2>/dev/null
}

# What it counted around the newest report, as machine.jq takes it. It counts in ticks:
# stolen_most is what may have been stolen, 0 where it has never counted any. Of a server that is
# gone nothing is known.
machine()
{
	awk -v hertz="$(getconf CLK_TCK)" '
	FNR == 1 { file++ }
	$1 == "machine" { busy[file] = ($2 + $3 + $4 + $7 + $8) / hertz; stolen[file] = $9 / hertz }
	$1 == "schedule" { waited[file] = $3 / 1e9 }
	$1 == "process" { cpu[file] = ($13 + $14) / hertz }
	$1 == "throttled_time" { held[file] += $2 / 1e9 }
	$1 == "throttled_usec" { held[file] += $2 / 1e6 }
	function grown(total) { return total[2] > total[1] ? total[2] - total[1] : 0 }
	END {
		printf "{\"waited\": %f, \"cpu\": %f, \"held\": %f, \"stolen\": %f, \"stolen_most\": %f, \"busy\": %f}\n",
			grown(waited), grown(cpu), grown(held), grown(stolen),
			(stolen[2] > 0 ? grown(stolen) + 1 / hertz : 0), grown(busy)
	}' "$work/machine.before" "$work/machine.after"
}

# run_redmem ARGUMENT...: redmem to its end. Its output is in $json, its messages are in
# $messages, its exit status in $status.
run_redmem()
{
	machine_read before
	"$redmem" "$@" >"$json" 2>"$messages"
	status=$?
	machine_read after
	keep_json "$@"
}

# watch_start ARGUMENT...: redmem $command until watch_end; returns when it watches.
command=doctor
watch_start()
{
	: >"$messages" # what an earlier watch said is no sign of this one
	markers=0
	machine_read before
	"$redmem" "$command" -d 600 -vv --json "$@" >"$json" 2>"$messages" &
	watch=$! json_of=$command
	own_process "$watch"
	await 30 watching && return
	not_ok watch "redmem $command $* does not watch: $(tail -n 1 "$messages")"
	kill_process "$watch"
	exit 1
}

# Also true when it has ended, for await to end.
watching()
{
	grep -q "watching process" "$messages" || ! kill -0 "$watch"
}

# stalls_start ARGUMENT...: redmem stalls of the server started last until watch_end, one stall
# a line in $json. Returns when it watches, and knows that the server is idle: it samples
# more often then.
stalls_start()
{
	: >"$messages"
	markers=0
	"$redmem" stalls -vv --json --pid "$pid" "$@" >"$json" 2>"$messages" &
	watch=$! json_of=stalls
	own_process "$watch"
	await 30 watching && await 30 samples_often && return
	not_ok watch "redmem stalls $* does not watch, or never samples often: $(said)"
}

# Also true when it has ended, for await to end.
samples_often()
{
	grep "cpu: [0-9]* samples a second" "$messages" | tail -n 1 | grep -q "cpu: 997 " || ! kill -0 "$watch"
}

# Keys of stalls that only say that all before them have been told begin like this; how many of
# them were made in this watch.
marker=test:marker:
markers=0

# Returns when every stall that has been is in $json: they are told in their order, so one
# more is made, of a command that holds the server for some ten milliseconds (where redmem cannot
# ask the server that is too short to be told: not for such watches). The first EVAL of
# a watch has no key where redmem had no CPU meanwhile to learn which argument that is: one more.
stalls_drain()
{
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		markers=$((markers + 1))
		redis_cli eval 'local x = 0 for i = 1, 3000000 do x = x + i % 7 end' 1 $marker$markers >/dev/null
		await 2 grep -q "\"$marker$markers\"" "$json" && return
	done
	not_ok "drain$markers" "ten stalls were made, and none of them is told: $(said)"
}

# stalls FILTER [JQ OPTION...]: true when FILTER is true of the array of all stalls so far, but
# for markers. Those made and not told with their key are the first EVALs without one. In FILTER
# own_blame is what of a stall's blame is not the machine's.
stalls()
{
	filter=$1
	shift
	jq -e -s "$@" --arg marker "$marker" --argjson made "$markers" 'def marks: (.key // "") | startswith($marker);
		def own_blame: [.blame[] | select(.cause | IN("cpu_wait", "stolen") | not)];
		map(select(has("schema") | not)) | reduce .[] as $stall (
			{unnamed: ($made - (map(select(marks)) | length)), others: []};
			if $stall | marks then .
			elif .unnamed > 0 and $stall.command == "eval" and $stall.key == null then .unnamed -= 1
			else .others += [$stall] end) | .others | '"$filter" "$json" >/dev/null 2>&1
}

# What the stalls were, for a complaint.
stalls_said()
{
	jq -c -s 'map(select(has("schema") | not) |
		{command, key, duration_seconds, commands_total, blame: (.blame | map({(.cause): .seconds}) | add)})' \
		"$json" | cut -c 1-1500
}

# Ends the watch as Ctrl-C does. Sets status.
watch_end()
{
	kill -INT "$watch"
	watch_over
}

# The watch ends by itself. Sets status.
watch_over()
{
	wait "$watch"
	status=$?
	forget_process "$watch"
	machine_read after
	[ -z "${json_of:-}" ] || keep_json "$json_of" --json
	json_of=
}

# query FILTER [JQ OPTION...]: of the newest report.
query()
{
	filter=$1
	shift
	jq -r "$@" "$filter" "$json"
}

# holds FILTER [JQ OPTION...]: true when FILTER is true of the newest report.
holds()
{
	holds_in "$json" "$@"
}

# holds_in FILE FILTER [JQ OPTION...]: of the JSON there. Nothing is true of an empty file, of
# which jq 1.6 says yes to everything.
holds_in()
{
	holds_file=$1 filter=$2
	shift 2
	[ -s "$holds_file" ] && jq -e "$@" "$filter" "$holds_file" >/dev/null 2>&1
}

# The same where .findings has only those that tell of the server, not of a machine that is
# busy or stolen from by the kernel's own count.
holds_of_server()
{
	server_filter=$1
	shift
	# shellcheck disable=SC2016 # jq has variables too
	holds 'include "machine"; without_machine($machine) | '"$server_filter" \
		-L "$root/tests/live" --argjson machine "$(machine)" "$@"
}

# A line of the newest messages to put in a complaint.
said()
{
	tail -n 1 "$messages"
}

# Numbers of the BPF objects that processes hold; other tools', and other tests', are among
# them. (Not every bpftool knows who holds what.)
bpf_held() # prog|map|link
{
	sed -n "s/^$1_id:[[:space:]]*//p" /proc/[0-9]*/fdinfo/* 2>/dev/null | sort -u
}

# --- what the kernel counted ------------------------------------------------------

# From here on the kernel counts the delays of what is started. Fails where it cannot.
delays_start()
{
	[ -w /proc/sys/kernel/task_delayacct ] || return 1
	delays_before=${delays_before:-$(cat /proc/sys/kernel/task_delayacct)}
	echo 1 >/proc/sys/kernel/task_delayacct && "$load" delays -s none -n $$ >/dev/null 2>&1
}

# Seconds of delay of the server started last, as JSON.
delays()
{
	"$load" delays -s none -n "$pid" |
		jq -cR 'split(" ") | map(tonumber) | {cpu: .[0], swapin: .[1], reclaim: .[2], copy: .[3]}'
}

# --- swap and cgroups -----------------------------------------------------------

# Adds a swap file of some megabytes. Fails where that is not possible.
swap_start() # MEGABYTES
{
	for place in "$work" /var/tmp; do
		swap_file=$(mktemp "$place/redmem-swap.XXXXXX") || continue
		chmod 600 "$swap_file"
		if dd if=/dev/zero of="$swap_file" bs=1M count="$1" status=none &&
			mkswap "$swap_file" >/dev/null 2>&1 && swapon "$swap_file" 2>/dev/null; then
			swap_files="$swap_files $swap_file"
			return 0
		fi
		rm -f "$swap_file"
	done
	return 1
}

# Makes a memory cgroup (v1 or v2) and sets cgroup. Fails where that is not possible.
cgroup_start()
{
	if [ -e /sys/fs/cgroup/memory/memory.limit_in_bytes ]; then
		cgroup_limit=memory.limit_in_bytes
		cgroup=/sys/fs/cgroup/memory/redmem-test-$$
	elif grep -qw memory /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null; then
		cgroup_limit=memory.max
		cgroup=/sys/fs/cgroup/redmem-test-$$
	else
		return 1
	fi
	mkdir "$cgroup" || return 1
	cgroups="$cgroups $cgroup"
	cgroup_enter
}

# $work/enter, for server_start: enter the cgroup, then become the server.
cgroup_enter()
{
	cat >"$work/enter" <<-EOF
		#!/bin/sh
		echo \$\$ >$cgroup/cgroup.procs || exit
		exec "\$@"
	EOF
	chmod +x "$work/enter"
}

# The limit is lowered step by step: a big step fails when reclaim cannot keep up.
cgroup_squeeze() # FROM_MEGABYTES TO_MEGABYTES
{
	squeeze=$1
	while [ "$squeeze" -gt "$2" ]; do
		squeeze=$((squeeze - 8))
		await 5 sh -c "echo ${squeeze}M >$cgroup/$cgroup_limit" || return 1
	done
}

# disk_start DIRECTORY WRITES: makes a cgroup whose processes may make that many writes a
# second to the disk of the directory, and sets cgroup and $work/enter. Fails where that is
# not possible.
disk_start()
{
	disk=$(stat -c '%Hd:%Ld' "$1")
	if [ -e /sys/fs/cgroup/blkio/blkio.throttle.write_iops_device ]; then
		cgroup=/sys/fs/cgroup/blkio/redmem-test-$$
		disk_file=blkio.throttle.write_iops_device disk_limit="$disk $2"
	elif grep -qw io /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null; then
		cgroup=/sys/fs/cgroup/redmem-disk-$$
		disk_file=io.max disk_limit="$disk wiops=$2"
	else
		return 1
	fi
	mkdir "$cgroup" || return 1
	cgroups="$cgroups $cgroup"
	echo "$disk_limit" 2>/dev/null >"$cgroup/$disk_file" || return 1
	cgroup_enter
}

# --- leaving no trace -------------------------------------------------------------

clean_up()
{
	# Servers first: swapoff would have to bring all their memory back.
	for process in $processes; do
		kill -KILL "$process" 2>/dev/null
		wait "$process" 2>/dev/null
	done
	for place in $mounts; do
		umount "$place"
	done
	for file in $swap_files; do
		swapoff "$file"
		rm -f "$file"
	done
	[ -z "$delays_before" ] || echo "$delays_before" >/proc/sys/kernel/task_delayacct
	for group in $cgroups; do
		await 5 rmdir "$group" || echo "cannot remove $group" >&2
	done
	rm -rf "$work"
}

work=$(mktemp -d /tmp/redmem-live.XXXXXX) || exit 1
trap clean_up EXIT
trap 'exit 130' HUP INT TERM
chmod 755 "$work"
json=$work/report.json
messages=$work/messages

for program in "$redmem" "$load"; do
	[ -x "$program" ] || {
		not_ok all "$program is not there; run make tests first"
		exit 1
	}
done
need_programs "$server" redis-cli jq
