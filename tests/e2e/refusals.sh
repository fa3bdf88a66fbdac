#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What must not happen: wrong certificates, one-time passwords, passwords, devices. Each case asks the simulator what
# reached the device, and the error for the reason.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

cat >"$work/fleet.json" <<-'END'
	{ "devices": [
	  { "name": "certificate" },
	  { "name": "hello" },
	  { "name": "suffix", "set": { "trusted-suffix": "corp.invalid" } },
	  { "name": "otp", "set": { "otp": "set-by-agent" } },
	  { "name": "third", "set": { "digest-in-setup": "true", "admin-password": "Third-Password-3" } },
	  { "name": "none", "set": { "digest-in-setup": "true", "admin-password": "Nobody-Knows-4" } },
	  { "name": "realm", "set": { "digest-in-setup": "true" } },
	  { "name": "elsewhere" },
	  { "name": "answers", "set": { "digest-in-setup": "true", "fault": [
	    "AMT_TimeSynchronizationService.SetHighAccuracyTimeSynch:1:status:16", "AMT_GeneralSettings.Put:1:fault400" ] } },
	  { "name": "reset", "set": { "fault": "AMT_TLSCredentialContext.Create:1:restart" } },
	  { "name": "old", "personality": "6.2" } ] }
END
start_sim --fleet "$work/fleet.json"
make_site
quick
import_fleet

# job DEVICE: how the newest job ended
job() {
	stored "$1" '.jobs[0] | "\(.state) \(.code)"'
}

# unwritten NAME DEVICE: two cases that each refusal has
unwritten() {
	look "$2"
	ok "$1/nothing-written" holds "$2" '.state == "in" and .counters.writes == 0'
}

# --- provisioning certificates that are wrong whatever the device

refused_here() {
	local name=$1 chain=$2 key=$3 exit=$4
	shift 4
	certificate "$chain" "$key"
	run provision certificate
	look certificate
	ok "$name/reason" said "$exit" "$@"
	ok "$name/not-dialled" holds certificate '.counters.connections == 0'
}
refused_here /requirements/S12-07.6/no-oid no-oid-chain.pem no-oid-key.pem 1 \
	'neither the extended key usage 2.16.840.1.113741.1.2.3' 'nor the subject'\''s OU "Intel(R) Client Setup Certificate"'
refused_here /requirements/S12-07.6/no-server-authentication no-server-auth-chain.pem no-server-auth-key.pem 1 \
	'lacks server authentication'
refused_here /requirements/S12-07.7/suffix wrong-suffix-chain.pem wrong-suffix-key.pem 1 \
	'"prov.wrong.invalid" does not match the device'\''s DNS suffix "example.com"'
refused_here /requirements/S12-07.5/missing-link gap-chain.pem gap-key.pem 78 \
	'certificate of the issuer "CN=Provisioning Intermediate' 'is missing'
refused_here /e2e/refused/wrong-key chain.pem ou-key.pem 78 'the private key fits none of the certificates'
refused_here /e2e/refused/expired expired-chain.pem expired-key.pem 1 'has expired'
run site check
ok /e2e/refused/expired/site-check said 1 'has expired'

# --- and those that only the device can judge

certificate other-root-chain.pem other-root-key.pem
run provision certificate
look certificate
ok /requirements/S12-07.7/root-judged-by-the-device holds certificate '."last-tls-refusal" == "root-unknown" and .counters.requests == 0'
ok /requirements/S12-07.7/root-judged-by-the-device/reason said 1 'the device refused our certificate' \
	'the hash of its root is not in the device'\''s list'
ok /requirements/S12-07.7/root-judged-by-the-device/code same 'the job' "$(job certificate)" 'failed auth'
certificate chain.pem key.pem
run provision suffix
look suffix
ok /requirements/S12-07.7/suffix-judged-by-the-device holds suffix '."last-tls-refusal" == "suffix" and .counters.requests == 0'
ok /requirements/S12-07.7/suffix-judged-by-the-device/reason said 1 'the device refused our certificate' 'another DNS suffix'

# --- the list of root hashes that a hello has told

listens() {
	grep -q 'listening on' "$work/daemon.log"
}
refused_by_daemon() {
	[ "$(job hello)" = 'failed config' ]
}
certificate other-root-chain.pem other-root-key.pem
edit "$PROVOST_SITE" ".listener = { address: \"$net.250\" }"
"$provostd" >"$work/daemon.log" 2>&1 &
daemon=$!
pids+=("$daemon")
ok /e2e/refused/daemon-listens await 20 listens
simulator hello hello --to "$net.250:9971"
ok /requirements/S12-07.7/root-not-in-the-hello await 20 refused_by_daemon
kill "$daemon"
wait "$daemon"
"$provost" log hello >"$work/out" 2>&1
code=0
ok /requirements/S12-07.7/root-not-in-the-hello/reason said 0 'the root "CN=Unknown Root' 'not among the device'\''s 1 trusted root hashes'
unwritten /requirements/S12-07.7/root-not-in-the-hello hello
ok /requirements/S12-07.7/root-not-in-the-hello/not-dialled holds hello '.counters.connections == 0'

# --- the other good form

certificate ou-chain.pem ou-key.pem
run provision certificate
ok /requirements/S12-07.6/unit-instead-of-oid said 0 '1 of 1 Provisioned'
look certificate
ok /requirements/S12-07.5/whole-chain-accepted holds certificate '.state == "post" and ."last-tls-refusal" == null'
certificate chain.pem key.pem

# --- one-time password: another one, that of another device, that of another site

printf 'of-another-device' >"$work/otp"
"$provost" --quiet set certificate --otp-file "$work/otp"
printf 'not-the-announced' >"$work/otp"
"$provost" --quiet set otp --otp-file "$work/otp"
run provision otp
ok /requirements/S12-05.2/otp-mismatch said 1 'compare one-time password' 'not the announced device'
ok /requirements/S12-05.2/code same 'the job' "$(job otp)" 'failed rejected'
unwritten /requirements/S12-05.2 otp
"$provost" log otp --audit >"$work/audit" 2>&1
ok /requirements/S12-05.2/security-event grep -q 'otp-mismatch' "$work/audit"
ok /requirements/S12-05.2/not-in-clear refuses grep -qE 'not-the-announced|set-by-agent' "$work/audit" "$work/out"
simulator set otp otp=of-another-device
run provision otp
ok /requirements/S12-05.1/hash-of-another-device-is-refused said 1 'compare one-time password'
unwritten /requirements/S12-05.1/hash-of-another-device otp
head -c 32 /dev/urandom >"$dir/site/other-key"
chmod 600 "$dir/site/other-key"
jq '.key = "other-key"' "$PROVOST_SITE" >"$dir/site/other.json"
run --site "$dir/site/other.json" provision otp
ok /requirements/S12-05.1/without-the-key-of-the-site-none said 78 'wrong master key'

# a hash is for one device and for one time, and a job keeps the one it began with
printf 'of-another-device' >"$work/otp"
run set otp --otp-file "$work/otp"
ok /requirements/S12-04.1/bound-to-one-device said 1 'it is the one of certificate'
"$provost" log otp --audit >"$work/audit" 2>&1
ok /requirements/S12-04.1/refusal-is-audited grep -q 'otp-refused' "$work/audit"
"$provost" --quiet set certificate --otp-file ''
"$provost" --quiet set otp --otp-file "$work/otp"
run provision otp
ok /requirements/S12-05.2/right-one-is-let-in said 0 '1 of 1 Provisioned'

run set otp --otp-file "$work/otp"
ok /requirements/S12-04.1/not-replayed said 1 'it was used already'

# --- no account, no set-up: the device is not dialled before the directory has it

edit "$dir/site/standard.json" '(.stages[] | select(.stage == "ad-account")).groups = [ "Nobody" ]'
run provision elsewhere
ok /requirements/S12-04.4/account-first/named said 1 'ad-account' 'Nobody'
look elsewhere
ok /requirements/S12-04.4/account-first/not-dialled holds elsewhere '.counters.connections == 0'
edit "$dir/site/standard.json" '(.stages[] | select(.stage == "ad-account")).groups = []'

# --- passwords: in order, until one fits; never so many that the device locks itself

for i in 1 2 3 4; do
	case $i in 3) echo Third-Password-3 ;; *) echo "Wrong-Password-$i" ;; esac | "$provost" --quiet secret set "login$i"
done
edit "$PROVOST_SITE" '.credentials = [ range(1; 5) | { password: { secret: "login\(.)" } } ]'
# tried DEVICE: number of logins that the device saw
tried() {
	grep -cE " $1 challenge reason=(wrong-password|locked)" "$dir/sim.log"
}
run provision third
ok /requirements/S12-09.1/third-fits said 0 '1 of 1 Provisioned' 'logged in as admin with the credential 3 of the site'
look third
ok /requirements/S12-09.1/no-more-than-needed holds third '.counters["logins-failed"] == 2 and .counters.locked == 0'
ok /requirements/S12-09.1/device-saw-exactly-three same 'failed tries before the third' "$(tried third)" 2
run provision none
ok /requirements/S12-09.1/exhausted said 1 'log in'
ok /requirements/S12-09.1/exhausted/code same 'the job' "$(job none)" 'failed auth'
ok /requirements/S12-09.1/exhausted/each-once same 'number of tries' "$(tried none)" 4
"$provost" log none --audit >"$work/audit" 2>&1
ok /requirements/S12-09.1/auth-exhausted grep -q 'auth-exhausted' "$work/audit"
for i in 2 3 4 5; do run provision none; done
ok /requirements/S12-09.1/stops-before-the-lock said 1 'stopped before the device locks itself'
unwritten /requirements/S12-09.1/exhausted none
ok /requirements/S12-09.1/never-locked holds none '.counters.locked == 0 and .counters["refused-while-locked"] == 0
	and .counters["logins-failed"] < 10 and (."locked-now" | not)'
printf 'Nobody-Knows-4\n' | "$provost" --quiet secret set login1
run provision none
ok /requirements/S12-09.1/wait-is-kept said 1 'stopped before the device locks itself'
edit "$PROVOST_SITE" '.credentials = [ { password: { secret: "factory-admin" } } ]'

# --- not the device that is meant

simulator set realm AMT_GeneralSettings.DigestRealm=Digest:00000000000000000000000000000000
run provision realm
ok /e2e/refused/realm said 1 'its login challenge said' 'something between provost and the device'
unwritten /e2e/refused/realm realm
address=$(value realm .address)
"$provost" --quiet set elsewhere --address "$address"
simulator set realm "AMT_GeneralSettings.DigestRealm=$(value realm .realm)"
run provision elsewhere
look realm
ok /e2e/refused/wrong-uuid said 1 "device at $address is $(value realm .uuid)" 'correct its address or its UUID'
unwritten /e2e/refused/wrong-uuid realm
"$provost" log elsewhere --audit >"$work/audit" 2>&1
ok /e2e/refused/wrong-uuid/security-event grep -q 'wrong-device' "$work/audit"

# --- what the device answers is told apart: done, a status, a fault, nothing

run provision answers
ok /requirements/S12-08.4/status said 1 'SetHighAccuracyTimeSynch' 'NOT_PERMITTED (16)'
ok /requirements/S12-08.4/status/code same 'the job' "$(job answers)" 'failed rejected'
run provision answers
ok /requirements/S12-08.4/fault said 1 'put AMT_GeneralSettings: AccessDenied'
ok /requirements/S12-08.4/fault/code same 'the job' "$(job answers)" 'failed auth'
run provision answers
ok /requirements/S12-08.4/success said 0 '1 of 1 Provisioned'
run provision reset
ok /requirements/S12-10.4/reset-after-the-certificate said 1 'stage web-certificate'
ok /requirements/S12-10.4/reset-after-the-certificate/code same 'the job' "$(job reset)" 'failed unreachable'
# the network stack is away for a moment
ok /requirements/S12-10.4/resumed await 20 "$provost" provision reset
look reset
ok /requirements/S12-10.4/resumed-with-one-certificate holds reset '(.certificates | length) == 1 and (.keys | length) == 1
	and .counters.methods["AMT_PublicKeyManagementService.AddCertificate"] == 1 and .tls.active.sha256 == .certificates[0].sha256'

# --- old firmware needs to be named; a device without power is only late

"$provost" --quiet set old --group ''
run provision old
ok /requirements/S12-07.2/refused-without-legacy said 1 'protocol version' 'the TLS policy of the device is modern'
ok /requirements/S12-07.2/refused-without-legacy/code same 'the job' "$(job old)" 'failed unsupported'
look old
ok /requirements/S12-07.2/refused-without-legacy/no-request holds old '.counters.requests == 0'
"$provost" --quiet set old --group legacy
simulator off old
run provision old
ok /e2e/refused/device-off said 1 'connection refused'
ok /e2e/refused/device-off/code same 'the job' "$(job old)" 'failed unreachable'
simulator on old
run provision old
ok /requirements/S12-07.2/allowed-by-name said 0 '1 of 1 Provisioned'
done_testing
