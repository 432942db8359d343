# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What the tests of `redmem alloc` share: loads whose bytes are known, and what jemalloc
# itself counted. Sourced behind lib.sh.
# shellcheck disable=SC2034 # lib.sh uses it
command=alloc

# Threads tell jemalloc what was asked of their caches when those are filled or flushed.
# This makes them be, in each small class; what it takes itself is always the same.
settle()
{
	[ -e "$work/settle" ] || awk "$resp"'
	BEGIN {
		for (size = 8; size <= 640; size += 8)
			for (i = 0; i < 250; i++)
				resp("SET", "settle:" size ":" i, sprintf("%0*d", size, 7))
		for (size = 8; size <= 640; size += 8)
			for (i = 0; i < 250; i++)
				resp("DEL", "settle:" size ":" i)
	}' >"$work/settle"
	send "$work/settle"
}

# Bytes asked of jemalloc since the server's start, each at the size of its class.
jemalloc_bytes()
{
	settle
	redis_cli memory malloc-stats | awk '
		/^bins:/ && bins++ { exit } # the first table is that of all arenas
		/^(bins|large):/ {
			kind = $1
			for (column = 1; column < NF && $column != "nrequests";)
				column++
			column-- # rows do not begin with a name, as the head does
			next
		}
		/^[a-z]+:/ { kind = "" } # another table
		kind && $1 ~ /^[0-9]+$/ && NF >= column { sum += $1 * $column }
		END { printf "%.0f\n", sum }'
}

# awk: print a command as clients send it. What is typed by hand (inline commands) takes
# another way through the server.
resp='function resp(a, b, c, d, e,  n, text) {
	n = e != "" ? 5 : d != "" ? 4 : c != "" ? 3 : 2
	text = "*" n "\r\n$" length(a) "\r\n" a "\r\n$" length(b) "\r\n" b "\r\n"
	if (n > 2)
		text = text "$" length(c) "\r\n" c "\r\n"
	if (n > 3)
		text = text "$" length(d) "\r\n" d "\r\n"
	if (n > 4)
		text = text "$" length(e) "\r\n" e "\r\n"
	printf "%s", text
}'

# Bytes asked of jemalloc by the commands in a file. What settling takes is measured behind
# them: before them it may make the table of keys grow, which it does not again.
jemalloc_bytes_of() # FILE
{
	bytes_first=$(jemalloc_bytes)
	send "$1"
	bytes_second=$(jemalloc_bytes)
	bytes_third=$(jemalloc_bytes)
	echo $((bytes_second - bytes_first - (bytes_third - bytes_second)))
}

# jemalloc tells of bytes in steps of 64 KiB, counted from the allocation that was the last
# to make one full. With commands all of one size, or in a pattern of fixed length, each
# step would end in the same kind of allocation as the one before; so both vary here.

# kinds_load NUMBER TAG KIND...: about NUMBER commands of each kind, in random order, each
# on a key of its own.
kinds_load()
{
	kinds_number=$1 kinds_tag=$2
	shift 2
	awk -v number="$kinds_number" -v tag="$kinds_tag" -v kinds="$*" "$resp"'
	# Half to one and a half times the bytes.
	function pad(bytes) { return substr(text, 1, int(bytes * (0.5 + rand()))) sprintf("%07d", i) }
	BEGIN {
		srand(5)
		text = sprintf("%0600d", 7)
		count = split(kinds, kind, " ")
		for (i = 0; i < number * count; i++) {
			k = kind[int(rand() * count) + 1]
			key = k ":" tag sprintf("%010d", i)
			if (k == "set")
				resp("SET", key, pad(200))
			else if (k == "hset")
				resp("HSET", key, "field", pad(100))
			else if (k == "rpush")
				resp("RPUSH", key, pad(300))
			else if (k == "sadd")
				resp("SADD", key, pad(60))
			else
				resp("ZADD", key, i, pad(40))
		}
	}'
}

# growth_load NUMBER BYTES [CHURNING]: new keys of grow:, and as many times old keys of each
# of CHURNING (4) others, in random order, values of half to one and a half times BYTES.
growth_load()
{
	awk -v number="$1" -v bytes="$2" -v churning="${3:-4}" "$resp"'
	BEGIN {
		srand(3)
		text = sprintf("%0*d", 2 * bytes, 7)
		for (i = 0; i < number;) {
			value = substr(text, 1, int(bytes * (0.5 + rand())))
			p = int(rand() * (churning + 1))
			if (p)
				resp("SET", "churn" substr("abcd", p, 1) ":" int(rand() * 2000), value)
			else
				resp("SET", "grow:" i++, value)
		}
	}'
}

# Sends the commands in a file.
send() # FILE
{
	redis_cli --pipe <"$1" >/dev/null
}

used_memory()
{
	redis_cli info memory | tr -d '\r' | sed -n 's/^used_memory://p'
}

# Each line ("REDMEM JEMALLOC") within a part of jemalloc's own count, and all within 0.5 % of
# each other; 256 KiB are what the edges of a window may hide.
totals_agree() # FILE LIMIT
{
	awk -v limit="$2" '
	function far(a, b, part) { return a - b > b * part + 262144 || b - a > b * part + 262144 }
	{ if (far($1, $2, limit)) bad++ }
	NR == 1 { first = $1 }
	far($1, first, 0.005) { bad++ }
	END { exit bad > 0 || NR == 0 }' "$1"
}
