#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# Under a mixed load every command is charged its CPU time, and every key belongs
# to the command that used it, on the servers of this system.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/live/attribution.sh
. "$(dirname "$0")/attribution.sh"
need_bpf

for server in ${SERVER:-redis-server valkey-server}; do
	product=${server##*/}
	command -v "$server" >/dev/null || {
		skip "$product" "it is not installed"
		continue
	}
	server_start
	watch_mixed_load 9
	kill_process "$pid"
	check_report
	check_commands
	check_keys
done
finish
