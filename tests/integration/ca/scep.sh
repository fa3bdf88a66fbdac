#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The plugin scep against micromdm's scepserver, which issues for clients only, answers in single DES and never makes anybody
# wait. The rest is played by a double of our own: scep-double.
. "$(dirname "$0")/lib.bash"
. "$PV_TOP_SRCDIR/tests/e2e/fleet.sh"
need openssl
need scepserver 'package scep'
double=$(find_program tests/integration/ca/scep-double)
export LD_LIBRARY_PATH=$PV_TOP_BUILDDIR/tests/.libs:$LD_LIBRARY_PATH

scepserver ca -init -keySize 2048 -depot depot -organization 'Example Site' >depot.log 2>&1 || bail "scepserver ca: $(tail -n 3 depot.log)"

# start_scepserver OPTION...: in place of the one that runs; $scep_url
scep_pid=
start_scepserver() {
	local port
	stop_scepserver
	port=$(free_port)
	scepserver -depot depot -port "$port" -challenge secret123 -allowrenew 0 "$@" >scepserver.log 2>&1 </dev/null &
	scep_pid=$!
	pids+=("$scep_pid")
	await 20 listens "$port" || bail "scepserver did not start: $(tail -n 5 scepserver.log)"
	scep_url=http://127.0.0.1:$port/scep
}
stop_scepserver() {
	[ -n "$scep_pid" ] || return 0
	kill "$scep_pid" 2>/dev/null
	wait "$scep_pid" 2>/dev/null
	forget "$scep_pid"
	scep_pid=
}
# start_double ROOT OPTION...: the double in place of whatever runs; $scep_url
start_double() {
	local root=$1 port
	shift
	stop_scepserver
	rm -f double.ready double.end
	mkfifo double.ready double.end
	# its input is opened first: the other end of that is what comes next here
	"$double" "$root.pem" "$root.key" "$@" <double.end >double.ready 2>double.log &
	scep_pid=$!
	pids+=("$scep_pid")
	exec 7>double.end
	read -r -t 20 port <double.ready || bail "scep-double did not start: $(cat double.log)"
	scep_url=http://127.0.0.1:$port/scep
}

# scep_ca ROOT MEMBERS: the site's "ca"
scep_ca() {
	jq -nc --arg url "$scep_url" --arg root "$work/$1" '{ type: "scep", url: $url, roots: $root, timeout: 20, poll: 1 } + '"$2"
}
challenge='{ challenge: { secret: "scep" } }'

start_scepserver
make_ca_site scep "$(scep_ca depot/ca.pem "$challenge + { legacy: true }")"
site_secret scep secret123

ok /requirements/S07-0.1/ca/scep/check/looks "$provost" ca check
ok /integration/ca/scep/issued/client try_gives 0 issued 'stays valid' --eku client
fingerprint=$(openssl x509 -in depot/ca.pem -noout -fingerprint -sha256 | sed 's/.*=//')
set_ca scep "$(scep_ca depot/ca.pem "$challenge + { legacy: true, fingerprint: \"$fingerprint\" } | del(.roots)")"
ok /integration/ca/scep/issued/fingerprint try_gives 0 issued 'stays valid' --eku client

# --- refused: by the server, and by us
set_ca scep "$(scep_ca depot/ca.pem "$challenge")"
ok /integration/ca/scep/denied/legacy-not-allowed refused 'have the server use' --eku client
set_ca scep "$(scep_ca depot/ca.pem "$challenge + { legacy: true }")"
ok /integration/ca/scep/denied/usage refused 'lacks the extended key usage 1.3.6.1.5.5.7.3.1' --eku server
site_secret scep wrong
ok /integration/ca/scep/denied/challenge refused 'denied: ' --eku client
site_secret scep secret123
printf '#!/bin/sh\nexit 1\n' >verifier && chmod +x verifier
start_scepserver -csrverifierexec "$work/verifier"
set_ca scep "$(scep_ca depot/ca.pem "$challenge + { legacy: true }")"
ok /integration/ca/scep/denied/verifier refused 'denied: ' --eku client
start_scepserver
make_root stranger Stranger || bail "openssl: $(tail -n 3 openssl.log)"
set_ca scep "$(scep_ca stranger.pem "$challenge + { legacy: true }")"
ok /integration/ca/scep/denied/stranger refused 'are not of the CA in' --eku client

# --- down, slow
set_ca scep "$(scep_ca depot/ca.pem "$challenge")"
stop_scepserver
ok /requirements/S07-1.29/ca/scep/down refused 'connection refused' --eku client
start_mute
scep_url=http://127.0.0.1:$mute_port/scep
set_ca scep "$(scep_ca depot/ca.pem "$challenge + { timeout: 1 }")"
ok /integration/ca/scep/slow within 40 refused 'within' --eku client

# --- what only our double does: to let wait, to issue for servers, to hand out somebody else's, to be late
make_root root 'SCEP Root' 800 && make_leaf other root pc1.example.com serverAuth || bail "openssl: $(tail -n 3 openssl.log)"
start_double root pending 1
set_ca scep "$(scep_ca root.pem '{}')"
ok /requirements/S07-2.12/ca/scep/pending/waits try_gives 75 pending 'still pending'
start_double root pending 2
set_ca scep "$(scep_ca root.pem '{}')"
ok /requirements/S07-2.12/ca/scep/pending/issued try_gives 0 issued 'stays valid' --wait 20
start_double root other other.pem
set_ca scep "$(scep_ca root.pem '{}')"
ok /integration/ca/scep/wrong/double refused "it is somebody else's"
start_double root expired
set_ca scep "$(scep_ca root.pem '{}')"
ok /integration/ca/scep/wrong/expired refused 'certificate has expired'
make_expired_root old 'Old Root' || bail "openssl: $(tail -n 3 openssl.log)"
start_double old
set_ca scep "$(scep_ca old.pem '{}')"
ok /integration/ca/scep/expired refused 'expired'

# --- a device gets one, after it had to wait
start_double root pending 1 challenge secret123
set_ca scep "$(scep_ca root.pem "$challenge + { poll: 8 }")"
start_sim --devices 1 --personality 16.1 --set restart-msec=20
import_fleet
"$provost" provision --all >provision.log 2>&1 &
provision_pid=$!
pids+=("$provision_pid")
await 60 grep -q 'waits: stage certificate' provision.log || bail "provision: $(tail -n 3 provision.log)"
# while the job waits, nothing of the request, challenge and all, is left in memory that may be swapped out
printf 'secret123\n' >known
challenge_is_gone() {
	"$PV_TOP_SRCDIR/tests/e2e/find-secrets" known "memory:$provision_pid"
}
if [ "$(id -u)" -eq 0 ]; then
	ok /requirements/S12-06.1/ca/scep/challenge-not-in-memory await 6 challenge_is_gone
else
	skip /requirements/S12-06.1/ca/scep/challenge-not-in-memory 'only root may read the memory of another process'
fi
ok /requirements/S07-2.12/ca/scep/pending/provisioned wait "$provision_pid"
device_has_it() {
	collect && all_provisioned && none "$dir/dumps.json" '.[].certificates[] | select(.issuer | contains("SCEP Root") | not)'
}
ok /integration/ca/scep/issued/in-the-device device_has_it
exec 7>&-
done_testing
