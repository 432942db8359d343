#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# `redmem serve --check-config`: what the service would not begin with is not called right. Needs
# no root and no server.
# shellcheck disable=SC2034,SC2154 # lib.bash sets redmem and work, and takes suite
set -u
suite=check-config
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"

# What is on stdin is the configuration.
configured() # NAME STATUS WORDS OPTION...
{
	local name=$1 wanted=$2 words=$3 got

	shift 3
	cat >"$work/conf"
	"$redmem" serve --config "$work/conf" --check-config "$@" >"$work/said" 2>&1
	got=$?
	check "$name" "exit status $got: $(cat "$work/said")" [ "$got" = "$wanted" ]
	check "$name-said" "$(cat "$work/said")" grep -q -- "$words" "$work/said"
}

configured right 0 'right, with 1 section' <<<'[server a]'
configured listen 2 "--listen takes ADDR:PORT.*'nowhere'" --listen nowhere </dev/null
configured listen-right 0 'right' --listen '127.0.0.1:0 unix:/run/x.sock' </dev/null
configured no-key 1 "redact: $work/none: No such file" <<<"redact = on
redact_key = $work/none"
configured key-of-nobody 0 right <<<"redact = off
redact_key = $work/none"
configured other-host 1 'servers of its own host' -h elsewhere </dev/null
configured json 2 'the service does not print' --json </dev/null
configured database 2 'leave out -n' -n 3 </dev/null
exit $((failures > 0))
