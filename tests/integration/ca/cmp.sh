#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The plugin cmp against a CA on BouncyCastle, and against the server that "openssl cmp" has for tests, which answers with one
# and the same certificate always: that of somebody else.
. "$(dirname "$0")/lib.bash"
. "$PV_TOP_SRCDIR/tests/e2e/fleet.sh"
need openssl
need javac default-jdk-headless
jars=/usr/share/java/bcprov.jar:/usr/share/java/bcpkix.jar:/usr/share/java/bcutil.jar
for jar in ${jars//:/ }; do
	[ -e "$jar" ] && continue
	skip "/integration/ca/cmp" "$jar is not installed (libbcpkix-java)"
	done_testing
	exit
done
mkdir classes
javac -proc:none -cp "$jars" -d classes "$here/CmpPeer.java" >javac.log 2>&1 || bail "javac: $(cat javac.log)"

# --- the peers

mkdir bc old
make_root bc/ca 'CMP Root' 800 && make_expired_root old/ca 'Old CMP Root' && make_leaf ra bc/ca registrar clientAuth &&
	make_leaf fixed bc/ca fixed.example.com serverAuth && make_root other 'Other Root' 800 && make_leaf stranger other stranger clientAuth ||
	bail "openssl: $(tail -n 3 openssl.log)"
cat ra.pem ra.key >ra.both
cat stranger.pem stranger.key >stranger.both
peer_pid=
stop_peer() {
	[ -n "$peer_pid" ] || return 0
	kill "$peer_pid" 2>/dev/null
	wait "$peer_pid" 2>/dev/null
	forget "$peer_pid"
	peer_pid=
}
# start_bc FOLDER OPTION...: in place of the peer that runs; $cmp_port
start_bc() {
	local folder=$1 line
	shift
	stop_peer
	rm -f peer.ready "$folder/peer.log"
	mkfifo peer.ready
	java -Xshare:auto -XX:TieredStopAtLevel=1 -cp "$jars:classes" CmpPeer "$folder" provost cmp-secret "$@" >peer.ready 2>bc.log &
	peer_pid=$!
	pids+=("$peer_pid")
	read -r -t 60 line <peer.ready || bail "the CMP peer did not start: $(tail -n 5 bc.log)"
	cmp_port=${line#ready }
}
# start_mock OPTION...: openssl's; it accepts one connection after the other
start_mock() {
	stop_peer
	cmp_port=$(free_port)
	openssl cmp -config '' -port "$cmp_port" -srv_ref provost -srv_secret pass:cmp-secret -rsp_cert fixed.pem -rsp_capubs bc/ca.pem \
		-max_msgs 0 "$@" >mock.log 2>&1 </dev/null &
	peer_pid=$!
	pids+=("$peer_pid")
	await 20 grep -q ACCEPT mock.log || bail "openssl cmp did not start: $(tail -n 5 mock.log)"
}
# cmp_ca MEMBERS: the site's "ca"
cmp_ca() {
	jq -nc --arg url "http://127.0.0.1:$cmp_port/pkix/" --arg roots "$work/bc/ca.pem" \
		"{ type: \"cmp\", url: \$url, roots: \$roots, timeout: 20, poll: 1 } + $1"
}
by_secret='{ reference: "provost", secret: { secret: "cmp" } }'
by_certificate="{ certificate: \"$work/ra.both\" }"

start_bc bc
make_ca_site cmp "$(cmp_ca "$by_secret")"
site_secret cmp cmp-secret
site_secret wrong another-secret

# --- issued, by secret and by signature; taken back

ok /requirements/S07-0.1/ca/cmp/check/secret "$provost" ca check
for eku in server client; do
	ok "/requirements/S07-1.23/ca/cmp/issued/$eku" try_gives 0 issued 'taken back' --eku $eku --name pc1.example.com
done
ok /integration/ca/cmp/issued/confirmed grep -q '^confirmed' bc/peer.log
revoked() { grep -qi "^revoked 0*$(jq -r .serial try.json | sed "s/^0*//")" bc/peer.log || { cat bc/peer.log try.json && return 1; }; }
ok /integration/ca/cmp/revoke revoked
set_ca cmp "$(cmp_ca "$by_certificate")"
ok /integration/ca/cmp/check/signature "$provost" ca check
ok /integration/ca/cmp/issued/signature try_gives 0 issued 'taken back'
set_ca cmp "$(cmp_ca "{ certificate: \"$work/stranger.both\" }")"
ok /integration/ca/cmp/denied/stranger refused 'our login is refused'
set_ca cmp "$(cmp_ca "$by_secret + { secret: { secret: \"wrong\" } }")"
ok /integration/ca/cmp/denied/secret refused 'secret'
login_is_wrong() { ! "$provost" ca check >out 2>&1 && grep -q 'http://127.0.0.1' out || { cat out && return 1; }; }
ok /integration/ca/cmp/check/wrong-secret login_is_wrong

same_count() { [ "$(grep -c "^$1" bc/peer.log)" = "$2" ] || { cat bc/peer.log && return 1; }; }
# --- it wants time, and then it issues; asked once only

start_bc bc polls=3
set_ca cmp "$(cmp_ca "$by_secret")"
ok /requirements/S07-2.12/ca/cmp/pending/reported try_gives 75 pending ''
rm -f bc/peer.log
ok /requirements/S07-2.14/ca/cmp/pending/then-issued within 60 try_gives 0 issued 'taken back' --wait 60
ok /integration/ca/cmp/pending/asked-once same_count asked 1

# --- devices, whose certificate the CA makes them wait for

start_sim --devices 2 --personality 16.1 --set restart-msec=20
import_fleet
start_bc bc polls=2
set_ca cmp "$(cmp_ca "$by_secret")"
ok /integration/ca/cmp/pending/provisioned "$provost" provision --all
device_has_it() {
	collect && all_provisioned && none "$dir/dumps.json" '.[].certificates[] | select(.issuer | contains("CMP Root") | not)'
}
ok /integration/ca/cmp/issued/in-the-device device_has_it
ok /integration/ca/cmp/pending/each-asked-once same_count asked 2
ok /integration/ca/cmp/pending/each-confirmed same_count confirmed 2
stop_sim || bail 'the simulator did not stop'

# --- what goes wrong

start_bc bc deny='no such computer'
set_ca cmp "$(cmp_ca "$by_secret")"
ok /integration/ca/cmp/denied try_gives 1 denied 'no such computer'
start_bc bc other
set_ca cmp "$(cmp_ca "$by_secret")"
ok /integration/ca/cmp/wrong/other-key refused 'key'
ok /integration/ca/cmp/wrong/other-key/told-to-the-ca grep -q '^refused' bc/peer.log
start_bc old
set_ca cmp "$(cmp_ca "$by_secret + { roots: \"$work/old/ca.pem\" }")"
ok /integration/ca/cmp/expired refused 'expired'
stop_peer
set_ca cmp "$(cmp_ca "$by_secret")"
ok /integration/ca/cmp/down refused 'connection refused'
start_mute
set_ca cmp "$(cmp_ca "$by_secret + { url: \"http://127.0.0.1:$mute_port/\", timeout: 2 }")"
ok /integration/ca/cmp/slow within 20 refused 'no complete answer within'

# --- the other implementation: OpenSSL's

start_mock
set_ca cmp "$(cmp_ca "$by_secret")"
ok /integration/ca/cmp/check/openssl "$provost" ca check
ok /integration/ca/cmp/wrong/openssl refused 'key'
start_mock -pkistatus 2 -failure 19 -statusstring 'not on the list'
set_ca cmp "$(cmp_ca "$by_secret")"
ok /integration/ca/cmp/denied/openssl try_gives 1 denied 'not on the list'
start_mock -poll_count 2 -check_after 1
set_ca cmp "$(cmp_ca "$by_secret")"
ok /integration/ca/cmp/pending/openssl try_gives 75 pending ''
start_mock -send_error
set_ca cmp "$(cmp_ca "$by_secret")"
ok /integration/ca/cmp/wrong/error-message fails "$provost" ca try
set_ca cmp "$(cmp_ca "$by_secret + { secret: { secret: \"wrong\" } }")"
ok /integration/ca/cmp/denied/openssl/secret refused ''
done_testing
