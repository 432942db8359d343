# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
#
# What benches beside very many clients share. Sourced.

# While very many connect, the line of a server's socket is full and whoever asks is refused.
await_clients() # SOCKET COUNT: within a minute
{
	local turns=1200

	until redis-cli -s "$1" info clients 2>/dev/null | tr -d '\r' |
		awk -F: -v count="$2" '$1 == "connected_clients" { n = $2 } END { exit n < count }'; do
		turns=$((turns - 1))
		[ "$turns" -gt 0 ] || return 1
		sleep 0.05
	done
}
