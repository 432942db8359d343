#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# `redmem top` of recordings, in a terminal that tmux is: what is on the screen, keys, another
# size, no colours, and the terminal as it was however it ends.
set -u
suite=top
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"
command -v tmux >/dev/null || {
	echo "skip top: tmux is not installed"
	exit 0
}
# shellcheck source=tests/top/terminal.sh
. "$root/tests/top/terminal.sh"
trap 'terminal_close; rm -rf "$work"' EXIT
for name in stalling swapping; do
	gzip -n -c "$root/tests/golden/$name.jsonl" >"$work/$name.rec"
done

# Not a terminal: one line, and nothing else.
"$redmem" top --replay "$work/stalling.rec" >"$work/out" 2>"$work/err" </dev/null
status=$?
check no-terminal "exit status $status: $(cat "$work/err")" \
	[ "$status$(wc -l <"$work/err")$(wc -c <"$work/out")" = 110 ]
check no-terminal-says "$(cat "$work/err")" grep -q 'must be a terminal' "$work/err"

terminal_open 80 24
terminal_run "$redmem" top --replay "$work/stalling.rec"
shows 'q quit' && press + + + + + +
sees verdict shows 'DEBUG held the server for 201 ms'
sees stall shows 'last stall: 17 ms'
sees numbers shows 'rss 29.9 MiB'
press 5
sees stalls shows '<at>\|^at  '
sees row shows 'HGETALL'
press Enter
sees details shows '^Esc back'
press Escape /
press h g e Enter
sees filter shows_not '(event loop)$'
press 9 2
sees commands shows '\[2commands\]'

terminal_size 100 30
sees larger line_shows 30 'q quit'
terminal_size 40 12
sees smaller line_shows 12 'q quit'
terminal_size 80 24
sees back line_shows 24 'q quit'
press q
sees quit terminal_is_back 0

for signal in INT TERM HUP SEGV ABRT QUIT; do
	terminal_run "$redmem" top --replay "$work/swapping.rec"
	shows 'q quit' || :
	kill -s "$signal" "$(terminal_pid)"
	case $signal in
	INT | TERM | HUP) wanted=0 ;;
	*) wanted=$((128 + $(kill -l $signal))) ;;
	esac
	sees "$signal" terminal_is_back $wanted
done

# Of few capabilities, and of none.
terminal_run env TERM=vt100 NO_COLOR=1 LC_ALL=C "$redmem" top --replay "$work/stalling.rec"
shows 'q quit' && press + + + + + +
sees vt100 shows 'last stall: 17 ms'
press q
terminal_plain=1
sees vt100-quit terminal_is_back 0
terminal_run env TERM=dumb "$redmem" top --replay "$work/stalling.rec"
sees dumb shows "the terminal 'dumb' .* is not known"
sees dumb-back terminal_is_back 1

exit $((failures > 0))
