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

# --- what cannot work
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
