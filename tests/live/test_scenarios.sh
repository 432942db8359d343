#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A few of tests/scenarios, once: troubles are concluded, with the right name and number, and
# healthy servers are left alone. `make truth` runs all of them again and again. SEED draws
# other sizes and names.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf
need_programs redis-benchmark

# Where the machine did not let the trouble come about nothing may be invented all the same.
one() # SCENARIO
{
	one_name=$(basename "$1")
	"$root/tests/scenarios/driver" "$root/tests/scenarios/$1" "${SEED:-7}" >"$json" 2>"$messages"
	if grep -q '^skip' "$json"; then
		skip "$one_name" "$(sed -n 's/^skip [^:]*: //p' "$json")"
		return
	fi
	check "$one_name" "$(cut -c 1-1500 "$json") $(said)" holds '.invented == [] and
		(.outcome == "unmade" or (.outcome == "right" and .name_right != false and .number_right != false))'
}

for scenario in healthy/idle_data healthy/pipelines healthy/bgsave healthy/full_cache healthy/monitored \
	troubles/cpu_throttled troubles/clients_churn troubles/clients_monitor troubles/clients_paused \
	troubles/cgroup_near troubles/evict_many troubles/expire_many; do
	one "$scenario"
done
finish
