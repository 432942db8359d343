# SPDX-License-Identifier: BSD-2-Clause
#
# What `redmem rdb --csv` says of keys against what a server said that had loaded them: lines
# of database, key, type, encoding, length, MEMORY USAGE SAMPLES 0 and PEXPIRETIME (behind a ~
# one that is off by what passed between two questions), and of a stream, where they were asked,
# its groups, their consumers and pending entries.
#
#	awk -F '\t' [-v table=1] -f rdb.awk SERVER.tsv REDMEM.csv
#
# Prints "differs ..." for what is not the same, and "bytes ..." where the figures are more
# than 5 % apart (20 % for streams, where the server guesses itself). With a table no bytes, but
# a line by type and encoding: keys, the share within 5 %, the one that is furthest off, and the
# sum that is modelled over the server's.

# Milliseconds since 1970 of "2030-03-17T17:46:40.123Z"; -1 of nothing.
function milliseconds(text,  y, m, d, era, of_era, of_year)
{
	if (text == "")
		return -1
	y = substr(text, 1, 4) + 0
	m = substr(text, 6, 2) + 0
	d = substr(text, 9, 2) + 0
	if (m <= 2)
		y--
	era = int(y / 400)
	of_era = y - era * 400
	of_year = int((153 * (m + (m > 2 ? -3 : 9)) + 2) / 5) + d - 1
	d = era * 146097 + of_era * 365 + int(of_era / 4) - int(of_era / 100) + of_year - 719468
	return (((d * 24 + substr(text, 12, 2)) * 60 + substr(text, 15, 2)) * 60 + \
		substr(text, 18, 2)) * 1000 + substr(text, 21, 3)
}

function expires_then(server, here)
{
	if (server !~ /^~/)
		return sprintf("%.0f", here) == server
	server = substr(server, 2)
	return here >= server - 100 && here <= server + 100
}

NR == FNR {
	type[$1 "," $2] = $3
	# Redis 6.2 is modelled as 7.0, which has a listpack for each ziplist.
	encoding[$1 "," $2] = $4 == "ziplist" ? "listpack" : $4
	count[$1 "," $2] = $5
	bytes[$1 "," $2] = $6
	expiry[$1 "," $2] = $7
	groups[$1 "," $2] = NF > 7 ? $8 "," $9 "," $10 : ""
	keys += !(($1 "," $2) in asked)
	asked[$1 "," $2]
	next
}

FNR > 1 {
	gsub(/"/, "")
	split($0, f, ",")
	at = f[1] "," f[3]
	seen++
	if (!(at in type) || type[at] != f[2] || encoding[at] != f[5] || count[at] != f[6]) {
		print "differs", at, type[at], encoding[at], count[at], "read as", f[2], f[5], f[6]
		next
	}
	if (!expires_then(expiry[at], milliseconds(f[8])))
		print "differs", at, "expires", expiry[at], "read as", f[8]
	if (groups[at] != "" && groups[at] != f[12] "," f[13] "," f[14])
		print "differs", at, "groups, consumers, pending", groups[at], "read as", f[12], f[13], f[14]
	off = f[4] / bytes[at] - 1
	if (off < 0)
		off = -off
	kind = f[2] "/" f[5]
	of_kind[kind]++
	near[kind] += off <= 0.05
	modelled[kind] += f[4]
	told[kind] += bytes[at]
	if (off >= worst[kind]) {
		worst[kind] = off
		worst_ratio[kind] = f[4] / bytes[at]
	}
	if (!table && off > (f[2] == "stream" ? 0.2 : 0.05))
		print "bytes", at, f[2] "/" f[5], "takes", bytes[at], "modelled", f[4]
}

END {
	if (seen != keys)
		print "differs", keys, "keys, read", seen
	if (!table)
		exit
	for (kind in of_kind)
		printf "%s %d %.4f %.3f %.4f\n", kind, of_kind[kind], near[kind] / of_kind[kind],
			worst_ratio[kind], modelled[kind] / told[kind] | "sort"
}
