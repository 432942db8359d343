#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A cluster of three primaries with a replica each: one report, the sum of its nodes,
# from whichever node is named; and the same from the replicas.
# shellcheck disable=SC2016,SC2119,SC2317 # functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"

keys_total=20000

# Six free ports in a row whose bus ports (10,000 above) are free, too.
find_ports()
{
	ss -Hltn | awk '{ sub(/.*:/, "", $4); print $4 }' >"$work/taken"
	base=$((20000 + $$ % 20000))
	while for offset in 0 1 2 3 4 5; do
		echo $((base + offset))
		echo $((base + offset + 10000))
	done | grep -qxFf "$work/taken"; do
		base=$((base + 7))
	done
}

node() # OFFSET COMMAND...
{
	node_port=$((base + $1))
	shift
	redis-cli -p "$node_port" "$@"
}

cluster_start()
{
	find_ports
	nodes=
	for offset in 0 1 2 3 4 5; do
		server_start --port $((base + offset)) --bind 127.0.0.1 --cluster-enabled yes \
			--cluster-config-file nodes.conf --cluster-node-timeout 2000 \
			--repl-diskless-sync-delay 0
		nodes="$nodes 127.0.0.1:$((base + offset))"
	done
	# shellcheck disable=SC2086 # several words
	redis-cli --cluster create $nodes --cluster-replicas 1 --cluster-yes >"$work/create" 2>&1
	await 20 formed ||
		not_ok cluster "it does not form: $(tail -n 1 "$work/create")"
	await 20 all_replicas || not_ok cluster "a node does not know three replicas"
}

formed()
{
	for offset in 0 1 2 3 4 5; do
		node "$offset" cluster info | grep -q cluster_state:ok || return 1
	done
}

all_replicas()
{
	[ "$(node 0 cluster nodes | grep -c 'slave.*connected')" = 3 ]
}

sum_of_primaries()
{
	for offset in 0 1 2 3 4 5; do
		node "$offset" info replication | grep -q role:master && node "$offset" dbsize
	done | awk '{ sum += $1 } END { print sum }'
}

in_sync()
{
	for offset in 0 1 2 3 4 5; do
		node "$offset" dbsize
	done | awk '{ sum += $1 } END { exit sum != 2 * wanted }' wanted="$1"
}

# report NAME WANTED_KEYS ROLE ARGUMENT...
report()
{
	name=$1 wanted=$2 role=$3
	shift 3
	run_redmem keys --json "$@"
	check "$name-status" "exit status $status: $(said)" [ "$status" = 0 ]
	check "$name-sum" "$(query .scanned_total) keys, the nodes have $wanted" \
		holds ".scanned_total == $wanted and ([.parts[].keys_total] | add) == $wanted"
	check "$name-nodes" "$(query '.parts | tostring')" holds '(.parts | length) == 3 and
		(.parts | map(.node) | unique | length) == 3 and
		(.parts | all(.role == $role and .keys_total > 0))' --arg role "$role"
	check "$name-refused" "$(query '.pass.refused')" holds '.pass.refused_total == 0'
}

cluster_start
# Each node its own share: -c follows the redirections.
seq 1 $keys_total | sed 's/.*/SET user:&:name value&/' | redis-cli -c -p "$base" >/dev/null
wanted=$(sum_of_primaries)
check fill "$wanted keys" [ "$wanted" = $keys_total ]
await 10 in_sync "$wanted" || not_ok replicas "they do not follow"
report primaries "$wanted" master -p "$base"
primaries=$(query .bytes)
report other-node "$wanted" master -s "$socket"
report replicas "$wanted" replica -p $((base + 1)) --replicas
check replicas-bytes "$(query .bytes) and $primaries" [ "$(query .bytes)" = "$primaries" ]
check prefix "$(query '.prefixes | tostring')" holds '.prefixes == [.prefixes[0]] and
	.prefixes[0].prefix == "user:*:name"'
finish
