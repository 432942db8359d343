#compdef redmem
# SPDX-License-Identifier: BSD-2-Clause
#
# Completion of redmem's command line for zsh. It asks `redmem options`, so it knows what this
# redmem knows: of each command and each option a line "COMMAND -x --long VALUE TEXT", with tabs
# between; the command's own has no option, and its VALUE is what stands behind the options.

_redmem()
{
	setopt localoptions extendedglob
	local -a rows field names specs commands
	local row action value text

	rows=("${(@f)$(_call_program options $words[1] options 2>/dev/null)}")
	for row in $rows; do
		field=("${(@ps:\t:)row}")
		[[ -n $field[2]$field[3] ]] || names+=($field[1]) commands+=("$field[1]:$field[5]")
	done
	if (( CURRENT == 2 )); then
		_describe command commands
		_describe -o option '(--help:This\ text --version:Which\ redmem\ this\ is)'
		return
	fi
	for row in $rows; do
		field=("${(@ps:\t:)row}")
		[[ $field[1] = $words[2] ]] || continue
		value=$field[4]
		case $value in
		*FILE* | PATH | BEFORE*) action=_files ;;
		DIR) action='_files -/' ;;
		PID) action='($(pgrep -f "(redis|valkey)-server"))' ;;
		COMMAND) action="($names)" ;;
		*) action=' ' ;;
		esac
		text="[${field[5]//(#m)[\[\]\\:]/\\$MATCH}]"
		case $value in
		'') ;;
		\[*) text+="::${value//[\[\]]/}:" ;;
		*) text+=":$value:$action" ;;
		esac
		if [[ -z $field[2]$field[3] ]]; then
			[[ -z $value ]] || specs+=("*:$value:$action")
			continue
		fi
		local short=$field[2] long=$field[3]
		# How a value follows: "-d 5" and "-d5", "--duration 5" and "--duration=5".
		case $value in
		'') ;;
		\[*) long+='=-' ;;
		*) short=${short:+$short+} long=${long:+$long=} ;;
		esac
		local other="(${field[2]:+$field[2] }$field[3])"
		[[ -z $short ]] || specs+=("$other$short$text")
		[[ -z $long ]] || specs+=("$other$long$text")
	done
	shift words
	(( CURRENT-- ))
	_arguments -s $specs
}

_redmem "$@"
