#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# --help, the manual pages, the completion of each shell and the README say the same: each knows
# every command and option that the others name.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
redmem=${REDMEM:-$root/build/redmem}
failures=0

ok_or_not() # NAME WHAT IS MISSING
{
	if [ -z "$2" ]; then
		echo "ok help-$1"
	else
		echo "not ok help-$1: $(echo "$2" | tr '\n' ' ')"
		failures=$((failures + 1))
	fi
}

[ -x "$redmem" ] || {
	echo "not ok help: $redmem is not there; run make first"
	exit 1
}
command -v help2man >/dev/null || {
	echo "skip help: help2man is not installed"
	exit 0
}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

# The options that --help of a command describes, one a line.
options_of() # COMMAND
{
	"$redmem" "$1" --help | sed -n 's/^ \{2,6\}\(-.*\)/\1/p' | sed 's/   .*//' |
		grep -oE -- '(^|[ ,])--?[a-zA-Z][a-z-]*' | tr -d ' ,' | sort -u
}

# shellcheck source=tools/completion.bash
. "$root/tools/completion.bash"

bash_completes() # WORD...
{
	COMP_WORDS=("$redmem" "$@")
	COMP_CWORD=$#
	_redmem "$redmem" 2>/dev/null
	printf '%s\n' "${COMPREPLY[@]}"
}

# What the shell's own functions, which these stand for, are given: "-d+" and the like for options.
zsh_completes() # WORD...
{
	zsh -f -c '
		_call_program() { shift; "$@" }
		_arguments() { print -rl -- "$@" | sed -n "s/^([^)]*)\(-[^[+=]*\).*/\1/p" }
		_describe() { [[ $1 = -o ]] || print -rl -- "${(@P)2%%:*}" }
		words=("$@") CURRENT=$#
		source "$0"' "$root/tools/completion.zsh" "$redmem" "$@"
}

fish_completes() # WORD...
{
	PATH=$(dirname "$redmem"):$PATH fish --no-config -c 'source $argv[1]
		complete -C "redmem $argv[2..]"' "$root/tools/completion.fish" "$*" | cut -f 1
}

shells=
for shell in bash zsh fish; do
	if command -v $shell >/dev/null; then
		shells="$shells $shell"
	else
		echo "skip help-$shell: $shell is not installed"
	fi
done

complete_line() # SHELL WORD...
{
	"$1_completes" "${@:2}" | sed 's/=$//' | sort -u
}

# Commands and options as the README writes them: "COMMAND OPTION" a line.
readme_uses()
{
	grep -oE 'redmem [a-z]+( +[^#|;`]*)?' "$root/README.md" | while read -r _ command rest; do
		for word in $rest; do
			case $word in -*) echo "$command ${word%%[=.,]*}" ;; esac
		done
	done | sort -u
}

commands=$("$redmem" --help | sed -n 's/^  redmem \([a-z]*\) .*/\1/p')
"$root/tools/man" "$redmem" "$work" || failures=1
for command in $commands; do
	options_of "$command" >"$work/$command"
	"$redmem" "$command" --usage >"$work/usage"
	ok_or_not "$command-man" "$(while read -r option; do
		sed 's/\\//g' "$work/redmem-$command.1" | grep -q -- "$option" || echo "$option"
	done <"$work/$command")"
	for shell in $shells; do
		ok_or_not "$command-$shell" "$(grep -e -- "$work/$command" |
			comm -3 - <(complete_line "$shell" "$command" -- | grep -e --))"
	done
	ok_or_not "$command-usage" "$(grep -e -- "$work/$command" | while read -r option; do
		grep -q -- "$option" "$work/usage" || echo "$option"
	done)"
done
for shell in $shells; do
	ok_or_not "commands-$shell" \
		"$(comm -3 <(echo "$commands" | sort) <(complete_line "$shell" '' | grep -v '^-'))"
	ok_or_not "short-$shell" "$(complete_line "$shell" doctor - | grep -qxe -d || echo "-d is missing")"
done
ok_or_not man "$(for command in $commands; do
	grep -q "redmem $command" "$work/redmem.1" || echo "$command"
done)"
ok_or_not readme "$(readme_uses | while read -r command option; do
	case $command in COMMAND) continue ;; esac
	grep -qxe "$option" "$work/$command" 2>/dev/null || echo "$command $option"
done)"
# Nothing is left of a command that only asks the server when that is switched off.
ok_or_not no-connect "$(grep -lxe --no-connect "$work/key" "$work/keys" "$work/rdb" "$work/diff")"
exit $((failures > 0))
