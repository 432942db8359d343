#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# A tiny lab from its beginning to its end, with a knob of the host; one that is killed.
# shellcheck disable=SC2317 # functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_root
need_programs jq

thp=/sys/kernel/mm/transparent_hugepage/enabled
[ -w "$thp" ] || skip_all "this kernel has no huge pages to be set"
export TMPDIR="$work" REDMEM_LAB_STATE="$work/state"
cat >"$work/tiny.lab" <<'END'
about   a scenario that a test has written
keys    1000
clients 2
slice   0.1
warmup  0.3
rate    2000
fill    1000 SET key:{n} {value:64}
op      50 GET key:{key}
op      50 SET key:{key} {value:64}
END
thp_before=$(cat "$thp")
other=never
case $thp_before in *'[never]'*) other=madvise ;; esac

# Nothing of a lab is left: no folder, no journal, no server of its, and the knob as it was.
undone()
{
	[ "$(cat "$thp")" = "$thp_before" ] &&
		[ -z "$(find "$work" -name 'redmem-lab.*' -o -name '*.journal')" ] &&
		! pgrep -f "$work/redmem-lab" >/dev/null
}

samples() # LINE PHASE SIDE
{
	jq -s --arg line "$1" --arg phase "$2" --arg side "$3" \
		'map(select(.line == $line and .phase == $phase and .side == $side)) | length' "$work/out"
}

"$redmem" lab run "$work/tiny.lab" --restarts 1 --set b:maxmemory=64mb --knob "b:thp=$other" --seed 7 \
	--out "$work/out" >"$work/said" 2>&1
check runs "$(tail -n 1 "$work/said")" [ $? = 0 ]
check both-phases "samples are missing: $(cut -c 1-60 "$work/out" | sort | uniq -c)" \
	[ "$(samples slice ab b) $(samples slice aa b) $(samples run ab a)" = "5 5 1" ]
check work "no throughput" jq -es 'map(select(.line == "slice") | .metrics.ops_per_cpu_second // empty) |
	length == 20 and all(. > 0)' "$work/out"
check end "it has no end" jq -es '.[-1].reason == "limit"' "$work/out"
check undone "something is left, or $thp is $(cat "$thp")" undone

# Each time that a side's server is started it is set up as that side's, and the other is not: the
# sides are programs that tell how they were started.
for side in a b; do
	cat >"$work/server-$side" <<-END
		#!/bin/sh
		echo "$side \$(echo " \$*" | sed -n 's/.*--maxmemory \([^ ]*\).*/\1/p') \$LAB_TEST \$(cat $thp)" >>"$work/starts"
		exec $server "\$@"
	END
	chmod +x "$work/server-$side"
done
"$redmem" lab run "$work/tiny.lab" --restarts 2 --a "$work/server-a" --b "$work/server-b" --set b:maxmemory=64mb \
	--env b:LAB_TEST=told --knob "b:thp=$other" --seed 7 --out "$work/two" >"$work/said" 2>&1
check starts-run "$(tail -n 1 "$work/said")" [ $? = 0 ]
check starts "$(sort "$work/starts" | uniq -c)" [ "$(sort "$work/starts" | uniq -c | sed 's/^ *//')" = \
	"4 a   $thp_before
2 b 64mb told $(echo "$thp_before" | tr -d '[]' | sed "s/\<$other\>/[$other]/")" ]

# A server at its maxmemory is asked all the same: its stalls are told like any other's.
sed 's/^keys .*/keys 20000/; s/^fill .*/fill 20000 SET key:{n} {value:500}/
	$ a config maxmemory 8mb
	$ a config maxmemory-policy allkeys-lru' "$work/tiny.lab" >"$work/full.lab"
"$redmem" lab run "$work/full.lab" --restarts 1 --seed 7 --out "$work/full" >"$work/said" 2>&1
check full-runs "$(tail -n 1 "$work/said")" [ $? = 0 ]
check full-evicts "nothing was evicted: $(grep '"run"' "$work/full")" \
	jq -es 'any(.[]; .metrics.evictions_per_op // 0 > 0)' "$work/full"
check full-stalls "no stalls: $(cat "$work/said")" \
	jq -es 'map(select(.line == "run") | .metrics.stall_command != null) | length == 4 and all' "$work/full"

# Both the one that works and the one that waits are killed, once there is something to undo.
"$redmem" lab run "$work/tiny.lab" --knob "thp=$other" --out "$work/out2" >/dev/null 2>&1 &
lab=$!
own_process "$lab"
must 10 pgrep -f "$work/redmem-lab"
read -r worker _ <"/proc/$lab/task/$lab/children" || : # no newline behind it
kill -KILL "$lab" "$worker"
wait "$lab" 2>/dev/null
forget_process "$lab"
"$redmem" lab list 2>"$work/told" >/dev/null
check told "the next command says: $(cat "$work/told")" grep -q "a lab that was killed is undone" "$work/told"
check undone-later "something is left, or $thp is $(cat "$thp")" await 10 undone
finish
