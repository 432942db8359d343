#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Servers are found, talked to and attributed wherever they live: by TCP port, by
# socket, through ld.so, in other namespaces, in a chroot.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs unshare chroot ldd pgrep redis-benchmark

# check_server NAME TARGET-OPTION...: of the server $pid on $socket.
check_server()
{
	name=$1
	shift
	watch_start "$@"
	# Pipelined and many: most of a GET is reading and writing, and samples in the
	# command itself are few.
	redis-benchmark -s "$socket" -c 4 -P 16 -n 800000 -r 1000 -q get user:__rand_int__ >/dev/null
	watch_end
	check "$name-status" "exit status $status: $(said)" [ "$status" = 0 ]
	check "$name-target" "$(query '.target | tostring')" holds '.target | .connected and
		.pid == $pid and .server == "redis" and (.version | test("^[0-9]+\\.")) and
		(.allocator | length > 0)' --argjson pid "$pid"
	check "$name-attributed" "$(query '.sensors[] | select(.state == "off") | "\(.id): \(.reason)"')" \
		holds '(.commands | any(.command == "get" and .cpu_seconds > 0)) and
			(.prefixes | any(.prefix == "user:*" and .cpu_seconds > 0))'
	check "$name-ledger" "$(query '.ledger[] | select(.id == "rss") | tostring')" \
		holds '.ledger | any(.id == "rss" and .bytes > 1000000) and any(.id == "allocated")'
}

# The server among the descendants of $pid, which only launched it.
find_server()
{
	for child in $(pgrep -P "$1"); do
		if [ "$(cat "/proc/$child/comm")" = redis-server ]; then
			pid=$child
			return 0
		fi
		find_server "$child" && return 0
	done
	return 1
}

# A port nobody has yet; the socket stays for the load.
for port in 26479 36479 46479 56479; do
	redis-cli -p $port ping >/dev/null 2>&1 || break
done
server_start --port "$port" --bind 127.0.0.1
check_server unix -s "$socket"
check_server tcp -p "$port"
kill_process "$pid"

loader=$(echo /lib64/ld-linux-*.so.2 /lib/ld-linux-*.so.1 | tr ' ' '\n' | grep -v '\*' | head -n 1)
if [ -e "$loader" ]; then
	real=$server
	server=$(command -v "$server")
	launcher=$loader
	server_start
	launcher=
	server=$real
	check_server ld.so --pid "$pid"
	kill_process "$pid"
else
	skip ld.so "no dynamic loader where it is looked for"
fi

# An image's program on an overlay, as containers have it, and replaced by a newer one.
mkdir "$work/image" "$work/layers" "$work/merged"
cp -L "$(command -v "$server")" "$work/image/redis-server"
if mount -t tmpfs layers "$work/layers" && mounts="$work/layers $mounts" &&
	mkdir "$work/layers/upper" "$work/layers/work" &&
	mount -t overlay overlay "$work/merged" \
		-o "lowerdir=$work/image,upperdir=$work/layers/upper,workdir=$work/layers/work" 2>/dev/null; then
	mounts="$work/merged $mounts"
	real=$server
	server=$work/merged/redis-server
	server_start
	server=$real
	rm "$work/merged/redis-server"
	check_server overlay-deleted --pid "$pid"
	kill_process "$pid"
else
	skip overlay-deleted "no overlay can be mounted here"
fi

# With --kill-child the server goes when unshare is killed. Rootless: root of a user namespace,
# nobody here.
cat >"$work/rootless" <<-EOF
	#!/bin/sh
	chown 65534:65534 $work/server*
	exec setpriv --reuid 65534 --regid 65534 --clear-groups unshare --user --map-root-user \
		--pid --mount --net --ipc --uts --fork --kill-child --mount-proc "\$@"
EOF
chmod +x "$work/rootless"
if "$work/rootless" true 2>/dev/null; then
	launcher=$work/rootless
	server_start
	outer=$pid
	find_server "$outer"
	check_server rootless --pid "$pid"
	kill_process "$outer"
else
	skip rootless "user namespaces are not allowed here"
fi
launcher="unshare --pid --mount --net --ipc --uts --fork --kill-child --mount-proc"
if $launcher true 2>/dev/null; then
	server_start
	outer=$pid
	find_server "$outer"
	check_server namespaces --pid "$pid"
	check_server namespaces-socket -s "$socket"
	kill_process "$outer"
else
	skip namespaces "unshare is not allowed here"
fi

# redmem in a pid namespace of its own, with its server: ids are those of that namespace,
# also of a child and of who had the CPU.
inside()
{
	cat >"$work/inside" <<-EOF
		redis-server --port 0 --unixsocket $work/inside.socket --dir $work --save '' \
			--enable-debug-command yes --daemonize yes \\
			--pidfile $work/inside.pid >/dev/null
		until redis-cli -s $work/inside.socket debug populate 200000 key 200; do sleep 0.1; done
		$redmem doctor -d 600 --json -vv -s $work/inside.socket >$json 2>$messages &
		watch=\$!
		until grep -q "watching process" $messages; do sleep 0.1; done
		redis-cli -s $work/inside.socket config set rdb-key-save-delay 15 >/dev/null
		redis-cli -s $work/inside.socket bgsave >/dev/null
		redis-benchmark -s $work/inside.socket -n 300000 -P 4 -r 1000 -q set user:__rand_int__ x
		pgrep -P \$(cat $work/inside.pid) >$work/inside.child
		kill -INT \$watch
		wait \$watch
		echo \$? >$work/inside.status
		redis-cli -s $work/inside.socket shutdown nosave
	EOF
	unshare --pid --mount --fork --kill-child --mount-proc sh "$work/inside" >/dev/null 2>&1
}

if unshare --pid --mount --fork --kill-child --mount-proc true 2>/dev/null; then
	inside
	child=$(cat "$work/inside.child")
	check inside-status "$(said)" [ "$(cat "$work/inside.status")" = 0 ]
	check inside-attributed "$(query '.commands | tostring')" holds '
		(.commands | any(.command == "set" and .cpu_seconds > 0)) and
		(.prefixes | any(.prefix == "user:*"))'
	check inside-child "the child is $child there: $(query '.children | tostring')" holds '
		.children | length == 1 and .[0].pid == $child and .[0].rss_bytes > 0 and
		.[0].purpose == "rdb"' --argjson child "${child:-0}"
else
	skip inside "unshare is not allowed here"
fi

# redmem in a pid namespace of its own, the server outside: it cannot see that, and says so.
cannot_see() # NAME ARGUMENT...
{
	cannot_name=$1
	shift
	unshare --pid --mount --fork --kill-child --mount-proc "$redmem" doctor -d 1 "$@" \
		>"$json" 2>"$messages"
	status=$?
	check "$cannot_name" "exit status $status: $(said)" \
		sh -c "[ $status = 1 ] && grep -q 'pid namespace' '$messages'"
}

# At a given address it tells what the server says of itself, and why no more (test_away has the
# rest of it, by the socket).
sees_only_what_is_said() # NAME ARGUMENT...
{
	said_name=$1
	shift
	unshare --pid --mount --fork --kill-child --mount-proc "$redmem" doctor -d 1 --json "$@" \
		>"$json" 2>"$messages"
	status=$?
	check "$said_name" "exit status $status: $(said) $(query .target -c)" holds '
		.target.pid == null and .target.server == "redis" and
		(.sensors[] | select(.id == "attribution").reason | test("pid namespace"))'
}

if unshare --pid --mount --fork --kill-child --mount-proc true 2>/dev/null; then
	launcher=
	server_start --port "$port" --bind 127.0.0.1
	cannot_see outside-any
	sees_only_what_is_said outside-port -p "$port"
	cannot_see outside-pid --pid "$pid"
	unshare --pid --mount --fork --kill-child --mount-proc "$redmem" check --json >"$json"
	check outside-check "$(query '.host[] | select(.id == "pid_namespace") | tostring')" holds '
		.host | any(.id == "pid_namespace" and .state == "warning")'
	kill_process "$pid"
fi

# The same path names other files there, and its socket has another name here.
jail=$work/jail
mkdir -p "$jail/tmp"
program=$(command -v "$server") # a link often, and the name decides what it does
for file in $program $(ldd "$program" | grep -o '/[^ ]*'); do
	mkdir -p "$jail$(dirname "$file")"
	cp -L "$file" "$jail$file"
done
chroot "$jail" "$program" --port 0 --unixsocket /tmp/socket --save '' >"$work/jail.log" 2>&1 &
pid=$!
own_process "$pid"
socket=$jail/tmp/socket
if await 10 server_answers; then
	check_server chroot --pid "$pid"
else
	not_ok chroot "the server does not start: $(tail -n 1 "$work/jail.log")"
fi
finish
