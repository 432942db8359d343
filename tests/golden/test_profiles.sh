#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Profiles of the recordings of this directory: pprof's, decoded by a reader of its own (pprof.py),
# and folded stacks are those expected (NAME.pprof, NAME.folded); what each sample type adds up to
# is what the JSON says, to the byte, in every form. Needs no root and no Redis.
#
#   UPDATE=1 tests/golden/test_profiles.sh    rewrite the expectations, then read the diff
# shellcheck disable=SC2034,SC2154,SC2317 # lib.bash sets root, redmem and work, and takes suite
set -u
suite=profiles
# shellcheck source=tests/golden/lib.bash
. "$(dirname "$0")/lib.bash"
command -v python3 >/dev/null || {
	echo "skip profiles: no python3"
	exit 0
}
here=$root/tests/golden
export LC_ALL=C TZ=UTC
cd "$work" || exit 1

same() # NAME: is the file as expected?
{
	if [ "${UPDATE:-0}" = 1 ]; then
		cp "$1" "$here/$1"
	fi
	diff -u "$here/$1" "$1" >differs 2>&1
	check "$1" "it differs: $(grep -c '^[-+][^-+]' differs) lines; $(sed -n 4,6p differs | cut -c 1-200)" \
		[ ! -s differs ]
}

# Of a recording, as the JSON has it: "TYPE SUM" of each that was measured.
sums_of_json() # NAME
{
	jq -r --slurpfile alloc "$1.alloc.json" '
		def on($id): any(.sensors[]; .id == $id and .state == "on");
		def threads($of): [.threads[] | $of | . // 0] | add // 0;
		$alloc[0].totals as $t |
		(if $t.alloc_bytes then "alloc_space \($t.alloc_bytes)", "free_space \($t.free_bytes)",
			"growth \($alloc[0].growth.net_bytes)" else empty end),
		(if on("cpu") then "cpu \([.threads[].cpu_seconds // 0] | add // 0 | . * 1e9 | round)" else empty end),
		(if on("loop") then "stall \([.stalls[].duration_seconds] | add // 0 | . * 1e9 | round)" else empty end),
		(if on("fault") then "faults \([.threads[] | (.minor_faults_total // 0) + (.major_faults_total // 0)] |
			add // 0)" else empty end)' "$1.json"
}

# "TYPE SUM" of each profile in it; of growth what grew less what shrank.
sums_of_speedscope() # FILE
{
	jq -r '. as $all | .profiles[] | . as $p |
		[range(.weights | length) | select($p.samples[.] | length > 0) |
			($all.shared.frames[$p.samples[.][0]].name == "(shrunk)") as $down |
			$p.weights[.] * (if $down then -1 else 1 end)] |
		"\($p.name) \(add // 0)"' "$1"
}

sum_of_folded() # FILE
{
	awk '{ sum += /^\(shrunk\);/ ? -$NF : $NF } END { printf "%.0f\n", sum }' "$1"
}

for source in "$here"/*.jsonl; do
	base=$(basename "$source" .jsonl)
	case $base in *.key) continue ;; esac
	gzip -n -c "$source" >"$base.rec" || exit 1
	"$redmem" alloc --replay "$base.rec" --json >"$base.alloc.json" 2>err &&
		"$redmem" doctor --replay "$base.rec" --json --pprof "$base.pb.gz" --folded "$base.folded" \
			--speedscope "$base.speedscope" >"$base.json" 2>err
	ret=$?
	check "$base" "redmem failed: $(head -n 1 err)" [ $ret = 0 ]
	"$here/pprof.py" "$base.pb.gz" 2>err | sed 's/^comment: redmem .*/comment: redmem/' >"$base.pprof"
	check "$base-decodes" "$(tail -n 1 err)" [ ! -s err ]
	same "$base.pprof"
	same "$base.folded"

	sums_of_json "$base" >expected
	"$here/pprof.py" --sums "$base.pb.gz" >sums
	check "$base-sums" "$(diff expected sums | tr '\n' ' ')" cmp -s expected sums
	sums_of_speedscope "$base.speedscope" >sums
	check "$base-speedscope" "$(diff expected sums | tr '\n' ' ')" cmp -s expected sums
	while read -r type _; do
		"$redmem" doctor --replay "$base.rec" --folded - --sample-type "$type" >folded 2>err
		echo "$type $(sum_of_folded folded)"
	done <expected >sums
	check "$base-folded" "$(diff expected sums | tr '\n' ' ')" cmp -s expected sums
done

# What stalls itself tells of a recording, and its profile, add up to what doctor has.
"$redmem" stalls --replay stalling.rec --json --pprof stalls.pb.gz >stalls.json 2>err
ret=$?
check stalls "exit $ret: $(head -n 1 err)" [ $ret = 0 ]
"$here/pprof.py" --sums stalls.pb.gz >sums
check stalls-sum "$(cat sums)" [ "$(cat sums)" = \
	"stall $(jq -s '.[-1].stalls_seconds * 1e9 | round' stalls.json)" ]
check stalls-doctor "$(cat sums)" [ "$(cat sums)" = \
	"stall $(jq '[.stalls[].duration_seconds] | add * 1e9 | round' stalling.json)" ]

# A stack begins with the command, and its prefix follows.
check stack "$(head -n 3 allocating.folded)" grep -q '^set;grow:\* 48541984$' allocating.folded

# What cannot be is said in a line, and nothing is left behind.
said() # STATUS WORDS
{
	[ "$got" = "$1" ] && grep -q -- "$2" err
}
fails() # NAME STATUS WORDS OPTIONS...
{
	"$redmem" doctor --replay allocating.rec "${@:4}" >out 2>err
	got=$?
	check "$1" "exit $got: $(head -n 1 err)" said "$2" "$3"
}
fails no-folder 1 'pprof: .*cannot be made: No such file' --pprof "$work/nowhere/x"
fails not-measured 1 'stall was not measured; there is alloc_space' --folded x --sample-type stall
fails no-such-type 2 'inuse_space, not .bytes.' --folded x --sample-type bytes
fails both-on-stdout 2 'name a file for the other' --folded - --pprof -
fails json-on-stdout 2 'leave out --json' --folded - --json
sed '/"record":"sensor"/s/"on":true/"on":false/' "$here/allocating.jsonl" | gzip -n >off.rec
fails nothing-measured 1 'nothing was measured' --replay off.rec --pprof x
check leaves-nothing "$(ls)" [ ! -e x ]

[ "$failures" = 0 ]
