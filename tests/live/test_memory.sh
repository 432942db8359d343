#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# redmem memory in the states people ask about: holes, dirty pages, huge pages, what
# defragmentation frees, Lua, buffers, the backlog, a saving child, a tiny server. In
# each the bytes are charged to their line, and what is said before is what happens.
#
#	FULL=1	the sizes of production (some minutes)
#	ONLY="holes dirty"	only these
# shellcheck disable=SC2016,SC2119,SC2120,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/live/upstream.sh
. "$(dirname "$0")/upstream.sh"
need_bpf

full=${FULL:-0}

# size SMALL FULL: one of the two.
size()
{
	if [ "$full" = 1 ]; then echo "$2"; else echo "$1"; fi
}

# A field of INFO.
info() # SECTION FIELD
{
	redis_cli info "$1" | tr -d '\r' | sed -n "s/^$2://p"
}

line='def line(id): [.ledger[] | select(.id == id).bytes] | first // 0;
def finding(id): .findings[] | select(.id == id);
def evidence(name): .evidence[] | select(.name == name) | .value // .text;
def near(a; b; part): (a - b | fabs) <= part * b;'

# says FILTER: query and holds with the words above.
says()
{
	query "$line $1"
}

is()
{
	holds "$line $1"
}

fires() # ID
{
	is "any(.findings[]; .id == \"$1\")"
}

silent() # ID
{
	is "all(.findings[]; .id != \"$1\")"
}

# verify NAME FIGURES COMMAND...: a check whose figures FULL=1 shows also when it holds.
verify()
{
	[ "$full" != 1 ] || echo "# $1: $2"
	check "$@"
}

# What must hold of the report in every state.
sound() # NAME
{
	check "$1-status" "exit status $status: $(said)" [ "$status" = 0 ]
	verify "$1-unexplained" "$(says '"\(line("unexplained")) of \(line("rss"))"')" \
		is '(line("unexplained") | fabs) <= ([line("rss") / 100, 2097152] | max)'
}

# look NAME ARGUMENT...: a report.
look()
{
	look_name=$1
	shift
	run_redmem memory --json -s "$socket" "$@"
	sound "$look_name"
}

# A report of what goes on from here to watch_end.
look_start()
{
	"$redmem" memory --json -d 600 -vv -s "$socket" >"$json" 2>"$messages" &
	watch=$!
	own_process "$watch"
	await 30 watching || exit 1
}

fill() # ARGUMENT...
{
	"$load" fill -s "$socket" "$@" || exit 1
}

# --- the states -----------------------------------------------------------------

# Three of four values freed at random before anybody looked.
holes()
{
	server_start
	fill -n "$(size 30000 100000)" -k cart: -S 300
	fill -n "$(size 600000 2000000)" -k user: -S 100 -x 0.75
	look holes -d 0.5
	active=$(info memory allocator_active) allocated=$(info memory allocator_allocated)
	verify holes-classes "$(says '[.size_classes[].holes_bytes // 0] | add'), active $active allocated $allocated" \
		is "near([.size_classes[].holes_bytes // 0] | add; $active - $allocated; 0.01)"
	verify holes-named "$(says '[finding("frag.slab").evidence[] | "\(.name) \(.value // .text)"] | join(", ")')" \
		is 'finding("frag.slab") | evidence("worst_size_class_bytes") == 112 and
			evidence("prefix") == "user:*"'
	check holes-defrag-impossible "$(says '[.findings[].id] | tostring')" \
		is 'finding("defrag.impossible").cause | test("jemalloc that comes with Redis")'
	check holes-after-peak "$(says '[.findings[].id] | tostring')" fires rss.after_peak
	kill_process "$pid"
}

# Freed while redmem watches: of two prefixes in the same class the one that lost keys.
deleted()
{
	server_start
	fill -n "$(size 300000 1000000)" -k stay: -S 100
	fill -n "$(size 900000 2000000)" -k go: -S 100
	look_start
	"$load" delete -s "$socket" -n "$(size 900000 2000000)" -k go: -x 0.75 || exit 1
	watch_end
	sound deleted
	verify deleted-named "$(says '.deletes, (finding("frag.slab") | evidence("prefix")) | tostring')" \
		is 'finding("frag.slab") | evidence("prefix") == "go:*"'
	kill_process "$pid"
}

lazyfree_done()
{
	[ "$(info memory lazyfree_pending_objects)" = 0 ]
}

# A flush in the background leaves its pages to decay; one in the foreground purges. Without the
# allocator's own thread: while that purges a little, which takes long on a busy machine, it
# does nothing when it is asked to purge all.
dirty()
{
	server_start --jemalloc-bg-thread no
	fill -n "$(size 250000 1000000)" -k user: -S 1000
	redis_cli flushall async >/dev/null
	must 30 lazyfree_done
	look dirty -d 0.5 --try purge
	check dirty-fires "$(says '[.findings[].id] | tostring')" fires frag.dirty
	verify dirty-gain "$(says '.purge | tostring')" \
		is 'near(.purge.expected_bytes; .purge.freed_bytes; 0.1)'
	kill_process "$pid"
}

thp=/sys/kernel/mm/transparent_hugepage
thp_settings="enabled khugepaged/scan_sleep_millisecs khugepaged/alloc_sleep_millisecs
	khugepaged/pages_to_scan"

thp_save()
{
	for setting in $thp_settings; do
		sed 's/.*\[\(.*\)\].*/\1/' "$thp/$setting" >"$work/$(basename "$setting")" || return
	done
	# shellcheck disable=SC2064 # as it is now
	trap "thp_restore; clean_up" EXIT
}

thp_restore()
{
	for setting in $thp_settings; do
		cat "$work/$(basename "$setting")" >"$thp/$setting"
	done
}

huge_bytes()
{
	awk '/^AnonHugePages:/ { sum += $2 } END { print sum * 1024 }' "/proc/$pid/smaps_rollup"
}

# True when khugepaged has collapsed what it will: nothing more in a second.
huge_settled()
{
	huge_before=$(huge_bytes)
	sleep 1
	[ "$huge_before" -gt 50000000 ] && [ "$(huge_bytes)" = "$huge_before" ]
}

churn()
{
	server_start --disable-thp no
	fill -n "$(size 400000 1000000)" -k user: -S 1000 -x 0.75
	redis_cli memory purge >/dev/null
}

huge_pages()
{
	[ -w "$thp/enabled" ] || {
		skip huge "transparent huge pages cannot be set here"
		return
	}
	thp_save
	echo madvise >"$thp/enabled"
	churn
	look huge-madvise -d 0.5
	check huge-madvise-silent "$(says '[.findings[].id] | tostring')" silent rss.huge_pages
	kill_process "$pid"
	echo always >"$thp/enabled"
	echo 0 >"$thp/khugepaged/scan_sleep_millisecs"
	echo 0 >"$thp/khugepaged/alloc_sleep_millisecs"
	echo 100000 >"$thp/khugepaged/pages_to_scan"
	churn
	must 60 huge_settled
	look huge -d 0.5
	thp_restore
	anon=$(awk '/^RssAnon:/ { print $2 * 1024 }' "/proc/$pid/status")
	resident=$(info memory allocator_resident)
	check huge-fires "$(says '.findings | tostring')" fires rss.huge_pages
	verify huge-bytes "$(says 'line("huge_page_excess")'), anonymous $anon, jemalloc resident $resident" \
		is "near(line(\"huge_page_excess\"); $anon - $resident; 0.1)"
	kill_process "$pid"
}

defrag_done()
{
	[ "$(info memory active_defrag_running)" = 0 ]
}

defrag()
{
	server=$upstream
	server_start --active-defrag-ignore-bytes "$(size 10mb 100mb)" --active-defrag-cycle-max 75
	fill -n "$(size 400000 2000000)" -k user: -S 100 -x 0.75
	lua
	look defrag -d 0.5
	check_lua lua-upstream
	before=$(info memory allocator_active)
	redis_cli config set activedefrag yes >/dev/null
	must 20 sh -c "redis-cli -s $socket info stats | grep -q 'active_defrag_hits:[1-9]'"
	must 120 defrag_done
	after=$(info memory allocator_active)
	verify defrag-gain "predicted $(says '.allocator.defrag.gain_bytes'), active fell by $((before - after))" \
		is ".ledger[] | select(.id == \"slab_holes\").reclaim[] | select(.action == \"defrag\").bytes |
			near(.; $before - $after; 0.25)"
	kill_process "$pid"
	server=redis-server
}

# Lua tables hold some 100 MB, in the allocator (Debian's build) or beside it (upstream's).
lua()
{
	redis_cli eval "local t = {} for i = 1, $(size 800000 2000000) do t[i] = 'string ' .. i end return #t" 0 >/dev/null
	vm=$(info memory used_memory_vm_total)
}

check_lua() # NAME
{
	verify "$1-line" "$(says 'line("lua")'), used_memory_vm_total $vm" \
		is "near(line(\"lua\"); $vm; 0.05) and line(\"lua\") > 30000000"
}

replies_wait()
{
	[ "$(info memory mem_clients_normal)" -gt 50000000 ]
}

clients()
{
	redis_cli setrange big 100000 x >/dev/null
	mkfifo "$work/hold"
	"$load" unread -s "$socket" -n "$(size 1000 5000)" -k big <"$work/hold" &
	reader=$!
	own_process "$reader"
	exec 3>"$work/hold"
	must 20 replies_wait
}

backlog_full()
{
	[ "$(info replication repl_backlog_histlen)" -ge 50000000 ]
}

backlog()
{
	redis-cli -s "$socket" --replica >/dev/null 2>&1 &
	replica=$!
	own_process "$replica"
	must 10 sh -c "redis-cli -s $socket info replication | grep -q connected_slaves:1"
	fill -n 80000 -k user: -S 1000
	must 10 backlog_full
}

# One look at a server with all of these.
buffers()
{
	server_start --repl-backlog-size 50mb --repl-diskless-sync-delay 0
	lua
	backlog
	clients
	look buffers -d 0.5
	normal=$(info memory mem_clients_normal)
	exec 3>&-
	rm "$work/hold"
	check_lua lua
	verify clients-line "$(says 'line("clients_normal")'), INFO $normal" \
		is "near(line(\"clients_normal\"); $normal; 0.02)"
	verify backlog-line "$(says 'line("replication_backlog")')" \
		is 'near(line("replication_backlog"); 52428800; 0.05)'
	kill_process "$reader"
	kill_process "$replica"
	kill_process "$pid"
}

child_of_server()
{
	child=$(tr -d ' ' <"/proc/$pid/task/$pid/children")
	[ -n "$child" ]
}

child_progress()
{
	[ "$(info persistence current_save_keys_processed)" -gt "$(size 12000 60000)" ]
}

child_private()
{
	awk '/^Private_Dirty:/ { sum += $2 } END { print sum * 1024 }' "/proc/$child/smaps"
}

# Two prefixes of the same size; most writes during the save go to one of them.
child_writes()
{
	server_start --rdb-key-save-delay 50
	fill -n "$(size 100000 500000)" -k cold: -S 1000
	fill -n "$(size 100000 500000)" -k hot: -S 1000
	look_start
	redis_cli bgsave >/dev/null
	await 20 child_of_server || exit 1
	fill -n "$(size 5000 20000)" -k cold: -S 1000
	fill -n "$(size 60000 300000)" -k hot: -S 1000
	private=$(child_private) # redmem looks at it once a second, and the server goes on rehashing
	must 20 child_progress # told once a second
	watch_end
	sound child
	verify child-private "$(says '.children | tostring'), smaps $private and then $(child_private)" \
		is ".children | any(.pid == $child and .private_bytes > 0.95 * $private and
			.private_bytes < 1.05 * $(child_private))"
	verify child-prefix "$(says '.copy_on_write | tostring')" \
		is '.copy_on_write.prefixes[0].prefix == "hot:*"'
	verify child-projected "$(says '.children | tostring')" \
		is '.children | any(.projected_bytes >= .private_bytes and .done_ratio > 0)'
	kill_process "$pid"
}

is_idle()
{
	[ "$(redis_cli object idletime idle)" -ge 2 ]
}

# RSS is several times used_memory, and all of it is the program.
tiny()
{
	server_start
	redis_cli set idle x >/dev/null
	must 10 is_idle
	look tiny -d 0.5
	# It was among the keys drawn, and does not count as used.
	check tiny-drawn "$(says .allocator.sampled_keys_total)" is '.allocator.sampled_keys_total == 1'
	check tiny-untouched "idle for $(redis_cli object idletime idle) s" \
		is_idle
	check tiny-quiet "$(says '.findings | map(select(.severity != "info")) | tostring')" \
		holds_of_server '.findings | all(.severity == "info")'
	verify tiny-ratio "$(info memory mem_fragmentation_ratio)" \
		is 'line("rss") > 4 * line("allocated")'
	kill_process "$pid"
}

states="tiny holes deleted dirty huge_pages buffers child_writes"
if upstream_build; then
	states="$states defrag"
else
	skip defrag "$upstream_reason"
	skip lua-upstream "$upstream_reason"
fi
for state in ${ONLY:-$states}; do
	began=$(date +%s)
	$state
	[ "$full" != 1 ] || echo "# $state took $(($(date +%s) - began)) s"
done
finish
