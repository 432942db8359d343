# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A terminal to look at a program in: a tmux of its own, with a shell that runs one program after
# another. Who sources it has set work, a directory.
# shellcheck disable=SC2154

terminal()
{
	env -u TMUX -u TMUX_PANE tmux -S "$work/tmux" -f /dev/null "$@"
}

terminal_open() # COLUMNS ROWS
{
	cat >"$work/shell" <<-'SHELL'
		# Reads a command a line; says how the terminal was before it and is behind it.
		cd "$1" || exit 1
		turn=0
		mkfifo commands
		exec 3<>commands
		while IFS= read -r command <&3; do
			turn=$((turn + 1))
			clear
			echo "before $turn"
			stty -a | sed 1d >stty.before # the first line tells the size, which tmux changes when it likes
			eval "$command 3<&-"
			echo $? >"status"
			stty -a | sed 1d >stty.after
			echo "behind $turn"
		done
	SHELL
	terminal_turn=0
	LC_ALL=C.UTF-8 terminal new-session -d -x "$1" -y "$2" "sh $work/shell $work" || return
	until [ -p "$work/commands" ]; do sleep 0.05; done
}

terminal_close()
{
	terminal kill-server 2>/dev/null
}

# Run a program, whose process the terminal's first child is.
terminal_run() # WORD...
{
	rm -f "$work/status"
	terminal_turn=$((terminal_turn + 1))
	printf '%s\n' "$*" >"$work/commands"
}

terminal_pid()
{
	pgrep -P "$(terminal display -p '#{pane_pid}')" | tail -n 1
}

terminal_size() # COLUMNS ROWS
{
	terminal resize-window -x "$1" -y "$2"
}

press() # KEY...
{
	for terminal_key; do
		terminal send-keys "$terminal_key"
	done
}

screen()
{
	terminal capture-pane -p
}

# Until it is so: tries for twenty seconds and more, as long as the machine has the time.
until_true() # COMMAND...
{
	terminal_tries=400
	until "$@"; do
		terminal_tries=$((terminal_tries - 1))
		[ "$terminal_tries" -gt 0 ] || return 1
		sleep 0.05
	done
}

screen_has()
{
	screen | grep -q -- "$1"
}

screen_has_not()
{
	! screen_has "$1"
}

line_has()
{
	screen | sed -n "$1p" | grep -q -- "$2"
}

shows() # PATTERN
{
	until_true screen_has "$1"
}

shows_not()
{
	until_true screen_has_not "$1"
}

line_shows() # NUMBER PATTERN
{
	until_true line_has "$@"
}

terminal_ended()
{
	[ -s "$work/status" ] && screen_has "^behind $terminal_turn\$"
}

# The program has ended with that status; what was on the screen before is there again, and the
# terminal is set as it was.
terminal_is_back() # STATUS
{
	until_true terminal_ended && [ "$(cat "$work/status")" = "$1" ] &&
		cmp -s "$work/stty.before" "$work/stty.after" &&
		{ screen_has "^before $terminal_turn\$" || [ -n "${terminal_plain:-}" ]; } &&
		[ "$(terminal display -p '#{alternate_on}#{cursor_flag}')" = 01 ]
}

# sees NAME COMMAND...: a check whose failure tells what is on the screen then.
sees()
{
	terminal_check=$1
	shift
	if "$@"; then
		check "$terminal_check" "" true
	else
		check "$terminal_check" "$* (exit status $(cat "$work/status" 2>/dev/null)): $(screen)" false
	fi
}
