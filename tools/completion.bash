# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# Completion of redmem's command line for bash. It asks `redmem options`, so it knows what this
# redmem knows: of each command and each option a line "COMMAND -x --long VALUE TEXT", with tabs
# between; the command's own has no option, and its VALUE is what stands behind the options.

_redmem()
{
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local command=${COMP_WORDS[1]} rows names value

	COMPREPLY=()
	rows=$("$1" options 2>/dev/null)
	names=$(awk -F '\t' '!$2 && !$3 { print $1 }' <<<"$rows")
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "$names --help --version" -- "$current")
		return
	fi
	if [[ $current == -* ]]; then
		# Those that must have a value end in "=".
		mapfile -t COMPREPLY < <(compgen -W "$(awk -F '\t' -v command="$command" '
			$1 == command && $2 { print $2 }
			$1 == command && $3 { print $3 ($4 && $4 !~ /^\[/ ? "=" : "") }' <<<"$rows")" -- "$current")
		[[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace
		return
	fi
	# "=" is a word of its own for bash.
	[[ $current != = ]] || current=
	[[ $previous != = ]] || previous=${COMP_WORDS[COMP_CWORD - 2]}
	# What the option before it takes, or else the command.
	value=$(awk -F '\t' -v command="$command" -v option="$previous" '
		$1 != command { next }
		!$2 && !$3 { value = $4 }
		(option == $2 || option == $3) && option && $4 && $4 !~ /^\[/ { value = $4; exit }
		END { print value }' <<<"$rows")
	case $value in
	*FILE* | PATH | BEFORE*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
	DIR) mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
	PID) mapfile -t COMPREPLY < <(compgen -W "$(pgrep -f '(redis|valkey)-server')" -- "$current") ;;
	COMMAND) mapfile -t COMPREPLY < <(compgen -W "$names" -- "$current") ;;
	esac
}

complete -F _redmem redmem
