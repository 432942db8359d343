# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Completion of redmem's command line for bash. It asks `redmem --help` and
# `redmem COMMAND --help` themselves, so it knows what this redmem knows.

_redmem_commands()
{
	"$1" --help 2>/dev/null | sed -n 's/^  redmem \([a-z]*\) .*/\1/p'
}

# Long options with a value end in "=".
_redmem_options() # REDMEM COMMAND
{
	"$1" "$2" --help 2>/dev/null |
		sed -n 's/^ \{2,6\}\(-[a-zA-Z], \)\{0,1\}\(--[a-z-]*=\{0,1\}\).*/\2/p'
}

_redmem()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "$(_redmem_commands "$1") --help --version" -- "$current")
		return
	fi
	# "=" is a word of its own for bash.
	[[ $current != = ]] || current=
	[[ $previous != = ]] || previous=${COMP_WORDS[COMP_CWORD - 2]}
	case $previous in
	--record | --replay | --html | --socket | -s | --metrics | --pprof | --speedscope | --token-file | --ca-file)
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
		;;
	--pid)
		mapfile -t COMPREPLY < <(compgen -W "$(pgrep -f '(redis|valkey)-server')" -- "$current")
		return
		;;
	esac
	if [[ ${COMP_WORDS[1]} == @(rdb|diff|push) && $current != -* ]]; then
		mapfile -t COMPREPLY < <(compgen -f -- "$current")
		return
	fi
	[[ $current == -* ]] || return
	mapfile -t COMPREPLY < <(compgen -W "$(_redmem_options "$1" "${COMP_WORDS[1]}")" -- "$current")
	[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
}

complete -F _redmem redmem
