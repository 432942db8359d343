#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# TLS as redis-cli takes it, with a CA of the test's own: the server's certificate must
# lead to a CA that is trusted and be for the name or address asked; a server that wants
# our certificate gets it; a server that does not shake hands holds nobody up.
# shellcheck disable=SC2016,SC2119,SC2317 # jq has variables too; functions go by name
# shellcheck source=tests/live/lib.sh
. "$(dirname "$0")/lib.sh"
need_root
need_programs openssl

secret=over-tls
keys=$work/keys

# make_ca NAME
make_ca()
{
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
		-subj "/CN=$1" -keyout "$keys/$1.key" -out "$keys/$1.crt" 2>/dev/null
}

# make_certificate NAME CA SUBJECT-ALT-NAMES
make_certificate()
{
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
		-keyout "$keys/$1.key" -out "$keys/$1.csr" 2>/dev/null &&
		echo "subjectAltName=$3" >"$keys/$1.ext" &&
		openssl x509 -req -in "$keys/$1.csr" -CA "$keys/$2.crt" -CAkey "$keys/$2.key" \
			-CAcreateserial -days 2 -extfile "$keys/$1.ext" -out "$keys/$1.crt" 2>/dev/null
}

# tls_start CERTIFICATE [OPTION...]: Sets pid and port.
tls_start()
{
	certificate=$1
	shift
	serial=$((serial + 1))
	dir=$work/server$serial
	mkdir "$dir"
	"$server" --port 0 --tls-port "$port" --bind 127.0.0.1 --dir "$dir" --save '' \
		--tls-cert-file "$keys/$certificate.crt" --tls-key-file "$keys/$certificate.key" \
		--tls-ca-cert-file "$keys/ca.crt" --requirepass $secret "$@" >"$dir/log" 2>&1 &
	pid=$!
	own_process "$pid"
	must 10 grep -q 'eady to accept' "$dir/log"
}

look() # REDMEM-OPTION...
{
	REDISCLI_AUTH=$secret run_redmem doctor --json --no-bpf -d 0.3 "$@"
}

connects() # NAME REDMEM-OPTION...
{
	name=$1
	shift
	look "$@"
	check "$name" "status $status, $(query '.target | tostring'), $(said)" \
		holds '.target.connected and .target.pid == $pid and .target.role == "master"' \
		--argjson pid "$pid"
}

# Without the process there is nothing to report; with it the report says why.
refuses() # NAME WORDS REDMEM-OPTION...
{
	name=$1 words=$2
	shift 2
	look "$@"
	[ -s "$json" ] && said=$(query .target.connect_reason) || said=$(said)
	case $said in
	*"$words"*) ok "$name" ;;
	*) not_ok "$name" "status $status, it said: $said" ;;
	esac
}

mkdir "$keys"
make_ca ca
make_ca other-ca
make_certificate right ca DNS:localhost,IP:127.0.0.1
make_certificate elsewhere ca DNS:cache.example,IP:192.0.2.1
make_certificate client ca DNS:client.example
[ -s "$keys/client.crt" ] || skip_all "openssl makes no certificates here"
chmod -R a+rX "$keys"
for port in 26479 36479 46479 56479; do
	redis-cli -p $port ping >/dev/null 2>&1 || break
done

tls_start right --tls-auth-clients no || skip_all "this $server has no TLS"
connects address -p "$port" --tls --cacert "$keys/ca.crt"
connects name -h localhost -p "$port" --tls --cacert "$keys/ca.crt"
connects process --pid "$pid" --tls --cacert "$keys/ca.crt"
mkdir "$keys/trusted"
cp "$keys/ca.crt" "$keys/trusted/$(openssl x509 -hash -noout -in "$keys/ca.crt").0"
connects directory -p "$port" --tls --cacertdir "$keys/trusted"
refuses unknown-ca "not trusted" -p "$port" --tls
refuses another-ca "not trusted" --pid "$pid" --tls --cacert "$keys/other-ca.crt"
connects insecure -p "$port" --tls --insecure
refuses no-tls "--tls" -p "$port"
refuses no-such-file "--cacert" -p "$port" --tls --cacert "$keys/none.crt"
connects uri -u "rediss://127.0.0.1:$port" --cacert "$keys/ca.crt"
run_redmem keys --json -h localhost -p "$port" --tls --cacert "$keys/ca.crt" -a $secret
check keys "status $status: $(said)" holds .complete
# While the server says nothing at all, redmem looks on from outside.
kill -STOP "$pid"
look --pid "$pid" --tls --cacert "$keys/ca.crt"
kill -CONT "$pid"
check stopped "status $status, $(query '.target | tostring')" \
	holds '.target.pid == $pid and (.timeline.rows | length > 0)' --argjson pid "$pid"
kill_process "$pid"

tls_start elsewhere --tls-auth-clients no
refuses wrong-address "is not for 127.0.0.1" -p "$port" --tls --cacert "$keys/ca.crt"
refuses wrong-name "is not for localhost" -h localhost -p "$port" --tls --cacert "$keys/ca.crt"
refuses wrong-process "is not for 127.0.0.1" --pid "$pid" --tls --cacert "$keys/ca.crt"
connects sni -p "$port" --tls --cacert "$keys/ca.crt" --sni cache.example
connects sni-process --pid "$pid" --tls --cacert "$keys/ca.crt" --sni cache.example
connects wrong-name-insecure -p "$port" --tls --insecure
kill_process "$pid"

tls_start right --tls-auth-clients yes
refuses no-certificate "--cert" -p "$port" --tls --cacert "$keys/ca.crt"
connects mutual -p "$port" --tls --cacert "$keys/ca.crt" --cert "$keys/client.crt" \
	--key "$keys/client.key"
kill_process "$pid"

# Beside a port that is not TLS, and a socket that never is.
tls_start right --tls-auth-clients no --port $((port + 1)) --unixsocket "$work/socket"
connects beside --pid "$pid" --tls --cacert "$keys/ca.crt"
rm "$work/socket"
connects beside-port --pid "$pid" --tls --cacert "$keys/ca.crt"
finish
