#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A server whose threads come and go: what is kept of each is forgotten with it.
# shellcheck disable=SC2016,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf

ROOM=1024 # threads that are kept at once

"${CC:-cc}" -O1 -o "$work/threads" "$root/tests/live/threads.c" -lpthread || {
	not_ok threads "cannot compile it"
	finish
}
"$work/threads" >"$work/ended" &
pid=$!
own_process "$pid"

ended() # COUNT: as many threads have ended
{
	[ "$(tail -n 1 "$work/ended")" -gt "$1" ] 2>/dev/null
}

watch_start --pid "$pid" --no-connect
must 60 ended $(($(tail -n 1 "$work/ended") + 4 * ROOM))
own=$(awk '/^VmHWM/ { print $2 * 1024 }' "/proc/$watch/status")
maps=$(cat "/proc/$watch/fdinfo/"* 2>/dev/null | awk '/^memlock/ { sum += $2 } END { printf "%d", sum }')
# Of them it has some mapped, so that they are in its own already; the ring's data twice.
mapped=$(awk '/^[0-9a-f]+-/ { map = /bpf-map/ } map && $1 == "Rss:" { sum += $2 } END { printf "%d", sum * 1024 }' \
	"/proc/$watch/smaps")
watch_end
check status "exit status $status: $(said)" [ "$status" = 0 ]
check all-seen "$(query '.self | tostring')" holds '.self.drops == "" or
	(.self.drops | test("threads_full") | not)'
check faults "$(query '.totals | tostring')" holds '[.threads[]?] | length > 0'
# What its maps hold of the kernel's memory is redmem's, too.
check own-memory "$own in the process, $maps in the kernel, $mapped of it mapped: $(query .self.rss_bytes)" holds \
	'$maps > 1000000 and .self.rss_bytes > $own + ($maps - $mapped) / 2' \
	--argjson own "$own" --argjson maps "$maps" --argjson mapped "$mapped"
finish
