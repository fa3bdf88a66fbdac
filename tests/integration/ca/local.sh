#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The local CA, judged by OpenSSL and GnuTLS.
. "$(dirname "$0")/lib.bash"
need openssl
need certtool gnutls-bin

make_ca_site ca-local '{ type: "local", path: "ca" }'
ca=$dir/site/ca

# issued_serial: of the last try
issued_serial() { jq -r .serial try.json; }
# leaf SERIAL: its PEM in leaf.pem
leaf() { openssl x509 -inform DER -in "$ca/certs/$1.der" -out leaf.pem; }
# openssl_says_good EKU; certtool_says_good
openssl_says_good() {
	openssl crl -inform DER -in "$ca/crl.der" -out crl.pem &&
		openssl verify -x509_strict -purpose "$1" -verify_hostname pc1.example.com -crl_check -CRLfile crl.pem \
			-CAfile "$ca/ca.crt" leaf.pem
}
certtool_says_good() {
	certtool --verify --verify-profile medium --load-ca-certificate "$ca/ca.crt" --load-crl crl.pem --infile leaf.pem >certtool.log 2>&1
	local status=$?
	cat certtool.log
	[ "$status" -eq 0 ] && grep -q 'Chain verification output: Verified' certtool.log
}

ok /requirements/S07-0.1/ca/local/check/looks "$provost" ca check
for eku in server client; do
	ok "/requirements/S07-1.23/ca/local/issued/$eku" try_gives 0 issued 'taken back' --eku $eku
	ok "/integration/ca/local/issued/$eku/kept" try_gives 0 issued 'valid until' --eku $eku --keep --name pc1.example.com
	leaf "$(issued_serial)"
	ok "/integration/ca/local/issued/$eku/openssl" openssl_says_good ssl$eku
	ok "/integration/ca/local/issued/$eku/certtool" certtool_says_good
done
kept=$(issued_serial)

# --- revoked: by number, by file; twice is once
ok /integration/ca/local/revoke/by-number "$provost" ca revoke --serial "$kept" --reason superseded
revoked() {
	openssl crl -inform DER -in "$ca/crl.der" -out crl.pem
	openssl verify -crl_check -CRLfile crl.pem -CAfile "$ca/ca.crt" leaf.pem >verify.log 2>&1
	cat verify.log
	grep -q 'certificate revoked' verify.log
}
ok /integration/ca/local/revoke/openssl revoked
certtool_says_revoked() {
	! certtool --verify --load-ca-certificate "$ca/ca.crt" --load-crl crl.pem --infile leaf.pem >certtool.log 2>&1 && grep -qi revoked certtool.log
}
ok /integration/ca/local/revoke/certtool certtool_says_revoked
# rows SERIAL, REASON of the list
on_list() { openssl crl -in crl.pem -noout -text | grep -A4 "Serial Number: $1" | grep -q "$2"; }
ok /integration/ca/local/revoke/reason on_list "$kept" Superseded
ok /integration/ca/local/revoke/by-file "$provost" ca revoke leaf.pem
unknown_number() {
	"$provost" ca revoke --serial 00:11 2>err && return 1
	grep -q 'has not issued it' err
}
ok /integration/ca/local/revoke/unknown-number unknown_number

# --- requests that wait for somebody
set_ca ca-local '{ type: "local", path: "ca", approve: "manual", poll: 1 }'
# decide VERB [OPTION...]: the oldest that waits
decide() {
	local verb=$1 id
	shift
	id=$("$provost" --json ca pending | jq -er '.waiting[0].id') && "$provost" --quiet ca "$verb" "$@" "$id"
}
approve() { decide approve; }
ok /requirements/S07-2.12/ca/local/pending/reported try_gives 75 pending 'provost ca approve' --name pc2.example.com
ok /integration/ca/local/pending/listed jq -e '.waiting[0].name == "pc2.example.com"' <("$provost" --json ca pending)
decide deny --text 'who is that?'
ok /requirements/S07-2.14/ca/local/pending/then-issued pending_then_issued approve
denied() {
	"$provost" --json ca try --wait 60 >try.json 2>try.err &
	local waiter=$!
	await 30 decide deny --text 'not in the inventory' || return 1
	wait "$waiter"
	code=$?
	tried 1 denied 'not in the inventory'
}
ok /integration/ca/local/denied denied

# --- the same with devices, whose provisioning is killed while it waits
start_sim --devices 2 --personality 16.1 --set restart-msec=20
import_fleet
provision() {
	"$provost" provision pc-0001 >"$1" 2>&1 &
	job=$!
}
provision first.out
waits() { [ "$("$provost" --json ca pending | jq '.waiting | length')" -gt 0 ]; }
ok /requirements/S07-2.12/ca/local/pending/job-waits await 60 waits
kept_secret() { jq -e 'any(.secrets[]; startswith("ca-request"))' <("$provost" --json secret list pc-0001); }
ok /integration/ca/local/pending/request-sealed kept_secret
kill -9 "$job" && wait "$job" 2>/dev/null
asked=$(grep -c '^asked' "$ca/index")
ok /integration/ca/local/pending/job-approved approve
ok /integration/ca/local/pending/job-goes-on-after-a-kill "$provost" provision pc-0001
ok /integration/ca/local/pending/asked-once [ "$asked" -eq "$(grep -c '^asked' "$ca/index")" ]
ok /integration/ca/local/pending/request-forgotten fails kept_secret
job_denied() {
	"$provost" provision pc-0002 >second.out 2>&1 &
	local job=$!
	await 60 decide deny --text 'stolen' || { kill "$job"; cat second.out; return 1; }
	! wait "$job" && cat second.out && grep -q 'the CA refused: stolen' second.out
}
ok /integration/ca/local/denied/job job_denied
serials_of_device() { "$provost" ca revoke --device pc-0001 --reason key-compromise --json | tee revoked.json | jq -e '.rows | length == 1'; }
ok /integration/ca/local/revoke/by-device serials_of_device
openssl crl -inform DER -in "$ca/crl.der" -out crl.pem
ok /integration/ca/local/revoke/by-device/listed on_list "$(jq -r '.rows[0].object' revoked.json)" 'Key Compromise'

# --- a CA that may certify one domain only; its list is published
set_ca ca-local '{ type: "local", path: "small", "key-type": "p-384", permitted: [ "example.com" ],
	"crl-file": "published.pem", "crl-url": "http://pki.example.com/amt.crl",
	profiles: [ { template: "AMTWebServer", days: 90 }, { template: "AMTClient", for: [ "client" ], days: 30 } ] }'
ca=$dir/site/small
of_another_ca() {
	"$provost" ca revoke --device pc-0001 2>err && return 1
	cat err
	grep -q 'this ca has not issued it' err && grep -q 'no certificate of this site' err
}
ok /integration/ca/local/revoke/by-device/of-another-ca of_another_ca
ok /integration/ca/local/constraints/inside try_gives 0 issued '' --template AMTWebServer --name pc1.example.com --keep
leaf "$(issued_serial)"
ok /integration/ca/local/constraints/openssl openssl_says_good sslserver
ok /integration/ca/local/constraints/certtool certtool_says_good
ok /integration/ca/local/denied/constraints try_gives 1 denied 'may certify' --template AMTWebServer --name evil.example.org
ok /requirements/S07-3.7/ca/local/denied/other-usage try_gives 1 denied 'not for the usage' --template AMTClient
ok /requirements/S07-3.7/ca/local/issued/second-template try_gives 0 issued '' --template AMTClient --eku client
ok /integration/ca/local/crl/published openssl crl -in site/published.pem -CAfile "$ca/ca.crt" -noout
ok /integration/ca/local/crl/in-certificates grep -q 'http://pki.example.com/amt.crl' <(openssl x509 -in leaf.pem -noout -text)

# --- a key in a token
module=/usr/lib/softhsm/libsofthsm2.so
if ! command -v softhsm2-util >/dev/null || [ ! -e "$module" ]; then
	skip /integration/ca/local/issued/token 'softhsm2 is not installed'
else
	mkdir tokens && printf 'directories.tokendir = %s\nlog.level = ERROR\n' "$work/tokens" >softhsm2.conf
	export SOFTHSM2_CONF=$work/softhsm2.conf
	openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out token.key 2>>openssl.log
	{
		softhsm2-util --init-token --free --label ca --pin 12345 --so-pin 67890 &&
			softhsm2-util --import token.key --token ca --label ca-key --id 01 --pin 12345
	} >softhsm.log 2>&1 || bail "softhsm2-util: $(cat softhsm.log)"
	rm token.key
	site_secret token-pin 12345
	set_ca ca-local "{ type: \"local\", path: \"token\", pin: { secret: \"token-pin\" },
		key: \"pkcs11:token=ca;object=ca-key?module-path=$module\" }"
	ca=$dir/site/token
	ok /integration/ca/local/issued/token try_gives 0 issued '' --name pc1.example.com --keep
	leaf "$(issued_serial)"
	ok /integration/ca/local/issued/token/openssl openssl_says_good sslserver
	ok /integration/ca/local/issued/token/no-key-in-folder [ ! -e "$ca/ca.key" ]
	site_secret token-pin 54321
	ok /integration/ca/local/wrong/pin refused pin
fi

# --- another process keeps the CA busy: it is waited for
busy() {
	local ca=$dir/site/ca holder
	set_ca ca-local '{ type: "local", path: "ca" }'
	mkfifo held
	flock "$ca/lock" sh -c 'echo held >held; sleep 2' &
	holder=$!
	read -r _ <held
	within 20 try_gives 0 issued '' || return 1
	wait "$holder"
}
ok /integration/ca/local/slow busy

# --- what cannot work
ca=$dir/site/ca
set_ca ca-local '{ type: "local", path: "ca" }'
no_key() {
	mv "$ca/ca.key" saved.key
	refused 'ca.key is gone'
	local status=$?
	mv saved.key "$ca/ca.key"
	return "$status"
}
ok /integration/ca/local/down no_key
make_root other 'Provost CA' || bail "openssl: $(tail -n 3 openssl.log)"
wrong_key() {
	cp "$ca/ca.key" saved.key
	cat other.key >"$ca/ca.key"
	refused 'not the key of the certificate'
	local status=$?
	cat saved.key >"$ca/ca.key"
	return "$status"
}
ok /integration/ca/local/wrong wrong_key
make_expired_root old 'Old CA' || bail "openssl: $(tail -n 3 openssl.log)"
mkdir -m 700 site/old && install -m 600 old.key site/old/ca.key && install -m 600 old.pem site/old/ca.crt
set_ca ca-local '{ type: "local", path: "old" }'
ok /integration/ca/local/expired refused 'expired on'
done_testing
