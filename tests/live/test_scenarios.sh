#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# A few of tests/scenarios, once: troubles are concluded and named, healthy servers are left
# alone. `make truth` runs all of them again and again. SEED draws other sizes and names.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_bpf

one() # SCENARIO
{
	one_name=$(basename "$1")
	"$root/tests/scenarios/driver" "$root/tests/scenarios/$1" "${SEED:-7}" >"$json" 2>"$messages"
	if grep -q '^skip' "$json"; then
		skip "$one_name" "$(sed -n 's/^skip [^:]*: //p' "$json")"
		return
	fi
	check "$one_name" "$(cut -c 1-1500 "$json") $(said)" \
		holds '.outcome == "unmade" or (.outcome == "right" and .name_right != false and
			.number_right != false and .invented == [])'
}

for scenario in healthy/idle_data healthy/pipelines healthy/bgsave healthy/full_cache \
	troubles/cpu_throttled troubles/clients_churn troubles/cgroup_near troubles/clients_paused; do
	one "$scenario"
done
finish
