#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# redmem talks to the process it was told to watch and to no other, and says a password
# only to that one: two servers on one port of two addresses, IPv6, sockets that lead out
# of a container's root or to somebody else, processes that anybody may have started.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_root
need_programs unshare chroot ldd setpriv

secret=of-the-right-one

# tcp_start ADDRESS [OPTION...]: a server on $port of the address only. Sets pid.
tcp_start()
{
	address=$1
	shift
	serial=$((serial + 1))
	dir=$work/server$serial
	mkdir "$dir"
	"$server" --bind "$address" --port "$port" --dir "$dir" --save '' "$@" >"$dir/log" 2>&1 &
	pid=$!
	own_process "$pid"
	must 10 grep -q 'eady to accept' "$dir/log"
}

# Something to tell the right server's memory by.
fill_right() # REDIS-CLI-OPTION...
{
	REDISCLI_AUTH=$secret redis-cli "$@" setrange big 8000000 x >/dev/null
}

look() # REDMEM-OPTION...
{
	REDISCLI_AUTH=$secret run_redmem doctor --json --no-bpf -d 0.3 "$@"
}

check_right() # NAME
{
	check "$1" "status $status, $(query '[.target, .timeline.rows[-1][1]] | tostring'), $(said)" \
		holds '.target.connected and .target.pid == $pid and .timeline.rows[-1][1] > 8e6' \
		--argjson pid "$right"
}

# The other server was told no password; $* reaches it.
check_other() # NAME REDIS-CLI-OPTION...
{
	name=$1
	shift
	told=$(redis-cli "$@" info commandstats | tr -d '\r' | grep -c '^cmdstat_auth') 
	check "$name" "AUTH was sent to another server" [ "$told" = 0 ]
}

not_connected()
{
	holds '.target.connected == false and (.target.connect_reason | length > 0)'
}

for port in 26479 36479 46479 56479; do
	redis-cli -p $port ping >/dev/null 2>&1 || break
done

# --- one port, two addresses ------------------------------------------------------

tcp_start 127.0.0.1
other=$pid
tcp_start 127.0.0.2 --requirepass $secret
right=$pid
fill_right -h 127.0.0.2 -p "$port"
look --pid "$right"
check_right two-addresses
check_other two-addresses-password -p "$port"
# The user names an address and a process that do not go together.
look --pid "$right" -h 127.0.0.1 -p "$port"
check address-of-another "$(query '.target | tostring'), $(said)" not_connected
check_other address-of-another-password -p "$port"
kill_process "$right"
kill_process "$other"

if tcp_start ::1 --requirepass $secret; then
	right=$pid
	fill_right -h ::1 -p "$port"
	look --pid "$right"
	check_right ipv6
	kill_process "$right"
else
	skip ipv6 "no server on ::1"
fi

tcp_start 127.0.0.3 --requirepass $secret --cluster-enabled yes
right=$pid
REDISCLI_AUTH=$secret redis-cli -h 127.0.0.3 -p "$port" cluster addslotsrange 0 16383 >/dev/null
must 10 sh -c "REDISCLI_AUTH=$secret redis-cli -h 127.0.0.3 -p $port cluster info |
	grep -q cluster_state:ok"
fill_right -h 127.0.0.3 -p "$port"
look --pid "$right"
check_right cluster
check cluster-port "$(query .target.port)" holds '.target.port == $port' --argjson port "$port"
kill_process "$right"

# --- a socket that leads elsewhere ------------------------------------------------

server_start
other=$pid
other_socket=$socket
jail=$work/jail
mkdir -p "$jail/tmp"
program=$(command -v "$server")
for file in $program $(ldd "$program" | grep -o '/[^ ]*'); do
	mkdir -p "$jail$(dirname "$file")"
	cp -L "$file" "$jail$file"
done
chroot "$jail" "$program" --port 0 --unixsocket /tmp/socket --save '' --requirepass $secret \
	>"$work/jail.log" 2>&1 &
right=$!
own_process "$right"
must 10 [ -S "$jail/tmp/socket" ]
fill_right -s "$jail/tmp/socket"
look --pid "$right"
check_right chroot
mv "$jail/tmp/socket" "$jail/tmp/its-own"
ln -s "$other_socket" "$jail/tmp/socket"
look --pid "$right"
check link-out "$(query '.target | tostring')" not_connected
check_other link-out-password -s "$other_socket"
# A link that stays inside is followed there.
ln -sf /tmp/its-own "$jail/tmp/socket"
look --pid "$right"
check_right link-inside
rm "$jail/tmp/socket"
ln "$other_socket" "$jail/tmp/socket"
look --pid "$right"
check another-socket "$(query '.target | tostring')" not_connected
check_other another-socket-password -s "$other_socket"
kill_process "$right"
kill_process "$other"

# --- a process anybody may have started -------------------------------------------

# In a pid namespace of its own a server is the only one there is.
only_server() # PROGRAM UID
{
	mkdir -p "$work/only"
	chmod 777 "$work/only"
	rm -f "$work/only/"*
	run_redmem_in='
		setpriv --reuid "$2" --clear-groups "$1" --port 0 --unixsocket "$3/socket" \
			--save "" --dir "$3" >"$3/log" 2>&1 &
		turns=200
		until [ -S "$3/socket" ] || [ $turns = 0 ]; do
			turns=$((turns - 1))
			sleep 0.05
		done
		"$4" memory --json --no-bpf -d 0.2'
	unshare --pid --mount --fork --kill-child --mount-proc sh -c "$run_redmem_in" sh \
		"$1" "$2" "$work/only" "$redmem" >"$json" 2>"$messages"
	status=$?
}

check_only() # NAME PROGRAM UID EXPECTED-STATUS
{
	only_server "$2" "$3"
	check "$1" "exit status $status: $(said)" [ "$status" = "$4" ]
}

if unshare --pid --mount --fork --mount-proc true 2>/dev/null; then
	program=$(command -v "$server")
	check_only of-root "$program" 0 0
	check_only of-the-system "$program" 106 0
	check_only of-a-person "$program" 12345 1
	check of-a-person-says "$(said)" grep -q -- '--pid' "$messages"
	cp -L "$program" "$work/redis-server"
	chown 106 "$work/redis-server"
	check_only of-the-system-writable "$work/redis-server" 106 1
else
	skip of-root "unshare is not allowed here"
fi
finish
