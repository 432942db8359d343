#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A server whose threads come and go: what is kept of each is forgotten with it.
# shellcheck disable=SC2317 # functions go by name
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
await 60 ended $(($(tail -n 1 "$work/ended") + 4 * ROOM))
watch_end
check status "exit status $status: $(said)" [ "$status" = 0 ]
check all-seen "$(query '.self | tostring')" holds '.self.drops == "" or
	(.self.drops | test("threads_full") | not)'
check faults "$(query '.totals | tostring')" holds '[.threads[]?] | length > 0'
finish
