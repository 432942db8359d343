# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A watch of the mixed load (tests/load/mixed.c), and its judgement: each command is
# charged its CPU time, and every key belongs to the command that used it. Sourced behind
# lib.sh; results are named after $product.
#
# The measure is INFO commandstats, which times the body of a command by the wall
# clock. So time spent waiting for a CPU is added to what redmem saw on CPU when
# that is what is missing, and SET, HSET and DEL may have more than commandstats
# says: reading their arguments and freeing them happens outside the body. Three standard
# deviations are of as many samples as commandstats would have: a count that is low by chance
# must not have less room for it.
# shellcheck disable=SC2154 # lib.sh sets much of what is used here

# Which commands may show up on the keys of a prefix; see tests/load/mixed.c.
owners='{"sort": ["sort"], "list": ["lrange"], "hash": ["hset"], "copy": ["copy"],
	"del": ["del"], "set": ["set"], "z": ["zunionstore"], "eval": ["eval"],
	"multi": ["sort", "multi", "exec"]}'

# Seconds by command in commandstats, as a JSON object.
command_seconds()
{
	redis_cli info commandstats | tr -d '\r' |
		sed -n 's/^cmdstat_\([^:]*\):calls=[0-9]*,usec=\([0-9]*\).*/\1 \2/p' |
		jq -Rn '[inputs | split(" ") | {key: .[0], value: (.[1] | tonumber / 1e6)}] | from_entries'
}

# One line a command: NAME ok|bad COMMANDSTATS CPU WAIT SAMPLES.
compare_commands()
{
	jq -rn --argjson before "$before" --argjson after "$after" '
	[inputs | select(.record == "profile" and .thread == "" and
		(.event == "cpu" or .event == "cpu_wait")) |
	 # A command inside a script or a transaction has its own time in commandstats,
	 # and so has the one around it.
	 ([.command, .inner] + if (.key // "") | startswith("multi:") then ["exec"] else [] end
	  | unique[] | select(. != "")) as $name |
	 {name: $name, event, seconds, samples}] | group_by(.name) | map({key: .[0].name, value: {
		cpu: (map(select(.event == "cpu").seconds) | add // 0),
		samples: (map(select(.event == "cpu").samples) | add // 0),
		wait: (map(select(.event == "cpu_wait").seconds) | add // 0)}}) | from_entries as $seen |
	$after | to_entries[] | .key as $name | (.value - ($before[$name] // 0)) as $stats |
	select($stats > 0.2) | ($seen[$name] // {cpu: 0, samples: 0, wait: 0}) |
	(if .samples > 0 then .cpu / .samples else 0 end) as $each |
	(0.1 * $stats + 3 * (([.cpu, $stats] | max) * $each | sqrt)) as $slack |
	(.cpu + .wait >= $stats - $slack and
	 (.cpu <= $stats + $slack or ($name | IN("set", "hset", "del")))) as $good |
	"\($name) \(if $good then "ok" else "bad" end) \($stats) \(.cpu) \(.wait) \(.samples)"' "$1"
}

# SAMPLES WRONG MISSING: of samples in a command of the load, those on a key that is not
# of its prefix, and those without a key. Bytes have rules of their own: what a command
# was read into and its reply belong to no key, and so do the pages taken for them; rows by size
# class have no keys.
count_keys()
{
	jq -rn --argjson owners "$owners" '
	[inputs | select(.record == "profile" and .thread == "" and
		(.event | IN("alloc", "free", "alloc_class", "free_class") | not) and
		(.command | IN($owners[][]) and . != "multi" and . != "exec")) |
	 ((.key // "") | sub(":.*"; "")) as $prefix |
	 {samples, missing: ($prefix == "" and (.event | startswith("fault_") | not)),
	  wrong: ($prefix != "" and (.command | IN($owners[$prefix][]?) | not))}] |
	"\(map(.samples) | add // 0) \(map(select(.wrong).samples) | add // 0)" +
	" \(map(select(.missing).samples) | add // 0)"' "$1"
}

# Runs the load until seven commands have the time that they are compared by, which takes longer
# on a busy machine. Sets before and after.
mixed_load() # SECONDS
{
	before=$(command_seconds)
	for _ in 1 2 3 4 5; do
		"$load" mixed -s "$socket" -d "$1" || exit 1
		after=$(command_seconds)
		jq -en --argjson before "$before" --argjson after "$after" '[$after | to_entries[] |
			select(.value - ($before[.key] // 0) > 0.2)] | length >= 7' >/dev/null && break
	done
}

watch_mixed_load() # SECONDS
{
	"$load" mixed -s "$socket" -d 0 || exit 1
	watch_start -s "$socket" --record "$work/recording"
	mixed_load "$1"
	watch_end
	gunzip -c "$work/recording" >"$work/facts"
}

check_commands()
{
	compare_commands "$work/facts" >"$work/commands"
	check "$product-enough" "only $(wc -l <"$work/commands") commands had more than 0.2 s" \
		[ "$(wc -l <"$work/commands")" -ge 7 ]
	while read -r name verdict stats cpu wait samples; do
		check "$product-cpu-$name" "commandstats $stats s, redmem $cpu s on CPU in $samples samples and $wait s waiting" \
			[ "$verdict" = ok ]
	done <"$work/commands"
}

check_keys()
{
	read -r samples wrong missing <<-EOF
		$(count_keys "$work/facts")
	EOF
	check "$product-wrong-keys" "$wrong of $samples samples are on a wrong key" \
		[ $((wrong * 1000)) -lt "$samples" ]
	check "$product-missing-keys" "$missing of $samples samples have no key" \
		[ $((missing * 100)) -lt "$samples" ]
}

check_report()
{
	check "$product-report" "a command or prefix of the load is not in the report" holds '
		. as $r | (["sort", "lrange", "hset", "zunionstore", "eval"] |
			all(. as $c | $r.commands | any(.command == $c and .cpu_seconds > 0))) and
		(["sort:*", "list:*", "hash:*", "z:*", "eval:*", "multi:*"] |
			all(. as $p | $r.prefixes | any(.prefix == $p and .cpu_seconds > 0)))'
	check "$product-own-commands" "a command only redmem sends is charged time" holds '
		.commands | all(.command | startswith("memory|") | not)'
	check "$product-attribution-on" "$(query '.sensors[] | select(.state == "off") | "\(.id): \(.reason)"')" \
		holds '.sensors | map(select(.id == "attribution" or .id == "cpu")) |
			length == 2 and all(.state == "on")'
}
