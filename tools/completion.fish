# SPDX-License-Identifier: BSD-2-Clause
#
# Completion of redmem's command line for fish. It asks `redmem options`, so it knows what this
# redmem knows: of each command and each option a line "COMMAND -x --long VALUE TEXT", with tabs
# between; the command's own has no option, and its VALUE is what stands behind the options.

complete -c redmem -f
complete -c redmem -n __fish_use_subcommand -l help -d 'This text'
complete -c redmem -n __fish_use_subcommand -l version -d 'Which redmem this is'

for row in (redmem options 2>/dev/null)
    set -l field (string split \t -- $row)
    set -l of "__fish_seen_subcommand_from $field[1]"
    if test -z "$field[2]$field[3]"
        complete -c redmem -n __fish_use_subcommand -a $field[1] -d $field[5]
        switch $field[4]
            case '*FILE*' 'BEFORE*'
                complete -c redmem -n $of -F
            case COMMAND
                complete -c redmem -n $of -a '(redmem options 2>/dev/null | string match -r "^[a-z]+(?=\t\t\t)")'
        end
        continue
    end
    set -l option -d $field[5]
    test -z "$field[2]"; or set -a option -s (string sub -s 2 -- $field[2])
    test -z "$field[3]"; or set -a option -l (string sub -s 3 -- $field[3])
    switch $field[4]
        case '' '[*'
        case FILE PATH DIR
            set -a option -r -F
        case PID
            set -a option -x -a '(pgrep -f "(redis|valkey)-server")'
        case '*'
            set -a option -x
    end
    complete -c redmem -n $of $option
end
