# shellcheck shell=sh
# SPDX-License-Identifier: BSD-2-Clause
#
# What the tests of `redmem alloc` share: loads whose bytes are known, and what jemalloc
# itself counted. Sourced behind lib.sh.
# shellcheck disable=SC2034 # lib.sh uses it
command=alloc

# Bytes asked of jemalloc since the server's start, each at the size of its class. Threads
# tell it at the next fill or flush of their cache, so only loads that keep filling them
# can be measured like this.
jemalloc_bytes()
{
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

# kinds_load NUMBER TAG KIND...: NUMBER commands of each kind, in random order, each on a
# key of its own.
kinds_load()
{
	kinds_number=$1 kinds_tag=$2
	shift 2
	awk -v number="$kinds_number" -v tag="$kinds_tag" -v kinds="$*" "$resp"'
	function pad(width) { return sprintf("%0*d", width, 7) }
	BEGIN {
		srand(5)
		count = split(kinds, kind, " ")
		set = pad(200); hset = pad(100); rpush = pad(300); sadd = pad(60); zadd = pad(40)
		for (i = 0; i < number * count; i++) {
			k = kind[int(rand() * count) + 1]
			key = k ":" tag sprintf("%010d", i)
			if (k == "set")
				resp("SET", key, set)
			else if (k == "hset")
				resp("HSET", key, "field", hset)
			else if (k == "rpush")
				resp("RPUSH", key, rpush)
			else if (k == "sadd")
				resp("SADD", key, sadd)
			else
				resp("ZADD", key, i, zadd)
		}
	}'
}

# growth_load NUMBER BYTES [CHURNING]: new keys of grow:, and as many times old keys of each
# of CHURNING (4) others, in random order: jemalloc tells of bytes in steps of 64 KiB, and
# a pattern of a fixed length would meet them at the same place again and again.
growth_load()
{
	awk -v number="$1" -v bytes="$2" -v churning="${3:-4}" "$resp"'
	BEGIN {
		srand(3)
		value = sprintf("%0*d", bytes, 7)
		for (i = 0; i < number;) {
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
