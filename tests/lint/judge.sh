#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# How tests/scenarios judges a report: what tells of the machine is excused where the kernel
# counted it in the same window, and nowhere else.
set -u
cd "$(dirname "$0")/../.." || exit 1
command -v jq >/dev/null || {
	echo "skip judge: jq is not installed"
	exit 0
}
bad=0

# Findings "ID WAITED LONGEST [STOLEN]" of a watch of 8 s, as a report.
report() # FINDING...
{
	for finding; do
		echo "$finding"
	done | jq -R 'split(" ") | {id: .[0], severity: "warning", title: "", cause: "", action: [], evidence:
		([{name: "waited_seconds", value: .[1] | tonumber}, {name: "longest_seconds", value: .[2] | tonumber}] +
		(if .[3] then [{name: "steal_seconds", value: .[3] | tonumber}] else [] end))}' |
		jq -s '{findings: ., window: {duration_seconds: 8}, target: {}, self: {}, sensors: []}'
}

# judge NAME OUTCOME MACHINE EXPECTED FINDING...: EXPECTED is healthy, or the id of a trouble.
judge()
{
	name=$1 wanted=$2 machine=$3 kind=trouble expected="[\"$4\"]"
	[ "$4" != healthy ] || kind=healthy expected='[]'
	shift 4
	said=$(report "$@" | jq -r --arg kind "$kind" --argjson expected "$expected" --argjson machine "$machine" \
		--arg scenario s --argjson seed 1 --argjson drawn '{}' --argjson numbers '[]' --argjson names '[]' \
		--argjson also '[]' --argjson never '["never.this"]' --argjson past null --argjson made 1 --argjson took 1 \
		-L tests/live "$(cat tests/scenarios/judge.jq)"' | .outcome')
	if [ "$said" = "$wanted" ]; then
		echo "ok judge-$name"
	else
		echo "not ok judge-$name: $said and not $wanted"
		bad=1
	fi
}

quiet='{"waited": 0.01, "cpu": 3, "held": 0, "stolen": 0, "busy": 5}'
stolen='{"waited": 0.01, "cpu": 3, "held": 0, "stolen": 0.12, "busy": 5}'
crowded='{"waited": 0.4, "cpu": 3, "held": 0, "stolen": 0, "busy": 15}'
held='{"waited": 0.4, "cpu": 3, "held": 0.5, "stolen": 0, "busy": 15}'

judge quiet right "$quiet" healthy
judge steal-counted right "$stolen" healthy 'cpu.steal 0.072 0'
judge steal-invented invented "$quiet" healthy 'cpu.steal 0.072 0'
judge steal-too-much invented "$stolen" healthy 'cpu.steal 0.2 0'
judge steal-of-all-counted right "$stolen" healthy 'cpu.steal 0.2 0 0.12'
judge steal-of-all-invented invented "$stolen" healthy 'cpu.steal 0.072 0 0.4'
judge steal-of-all-on-a-quiet-machine invented "$quiet" healthy 'cpu.steal 0.072 0 0.02'
judge wait-counted right "$crowded" healthy 'cpu.contended 0.5 0.1'
judge wait-invented invented "$quiet" healthy 'cpu.contended 0.5 0.1'
judge wait-is-no-quota invented "$crowded" healthy 'cpu.throttled 0.4 0.1'
judge quota-counted right "$held" healthy 'cpu.throttled 0.4 0.1'
judge stolen-from-a-command right "$stolen" healthy 'command.blocks 0.13 0.13'
judge command-too-long invented "$stolen" healthy 'command.blocks 0.25 0.25'
judge command-on-a-quiet-machine invented "$quiet" healthy 'command.blocks 0.06 0.06'
judge trouble right "$quiet" bigkey.blocks 'bigkey.blocks 0.5 0.5'
judge trouble-behind-the-machine right "$stolen" bigkey.blocks 'cpu.steal 0.072 0' 'bigkey.blocks 0.5 0.5'
judge trouble-behind-another wrong "$stolen" bigkey.blocks 'cpu.contended 0.6 0.6' 'bigkey.blocks 0.5 0.5'
judge machine-is-the-trouble right "$crowded" cpu.contended 'cpu.contended 0.5 0.1'
judge missed missed "$stolen" bigkey.blocks 'cpu.steal 0.072 0'
[ "$bad" = 0 ]
