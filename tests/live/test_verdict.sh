#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Troubles that clients wait for, each set up as its scenario says: the right finding comes
# first, with the right name and number, and a healthy server beside a forgotten-looking
# visitor gets none. The draws are fixed here; make truth draws anew.
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs redis-benchmark bash

# judge KIND NAME: one scenario, once.
judge()
{
	"$root/tests/scenarios/driver" "$root/tests/scenarios/$1/$2" 7 >"$work/row" 2>"$messages" </dev/null
	row=$(grep '^{' "$work/row")
	case $(printf '%s' "$row" | jq -r .outcome) in
	right)
		check "$2" "not named: $(printf '%s' "$row" | jq -c '[.names, .main]' | cut -c 1-600)" \
			test "$(printf '%s' "$row" | jq .name_right)" != false
		;;
	unmade)
		skip "$2" "the machine did not let the trouble come about"
		;;
	'')
		skip "$2" "$(grep -h '^skip' "$work/row" | tail -n 1)$(said)"
		;;
	*)
		not_ok "$2" "$(printf '%s' "$row" | jq -c '{outcome, said, invented, verdict}' | cut -c 1-600)"
		;;
	esac
}

messages=$work/messages
judge troubles cpu_throttled
judge troubles clients_monitor
judge troubles clients_paused
judge troubles clients_churn
judge troubles evict_many
judge troubles expire_many
judge healthy monitored
finish
