#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The provisioning certificate: chosen by what a device trusts, told of in time, and no new jobs once it has ended.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"
if ! command -v faketime >/dev/null; then
	skip /e2e/certificate 'faketime is not installed'
	done_testing
	exit
fi

# --- two PKIs: one whose root the vendor put into the firmware, and one of the site's own

pki=$work/pki
mkdir "$pki"
quietly() {
	"$@" >>"$work/pki.log" 2>&1 || bail "$*: $(tail -n 5 "$work/pki.log")"
}
# root NAME
root() {
	quietly openssl req -x509 -newkey rsa:2048 -noenc -sha256 -days 3650 -keyout "$pki/$1-root.key" -out "$pki/$1-root.pem" \
		-subj "/O=Test/CN=$1 Root" -addext keyUsage=critical,keyCertSign,cRLSign
	quietly openssl req -new -newkey rsa:2048 -noenc -keyout "$pki/$1-middle.key" -out "$pki/$1-middle.csr" \
		-subj "/O=Test/CN=$1 Issuing CA"
	printf 'basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n' >"$pki/middle.ext"
	quietly openssl x509 -req -in "$pki/$1-middle.csr" -CA "$pki/$1-root.pem" -CAkey "$pki/$1-root.key" -days 3000 -sha256 \
		-set_serial "0x$(openssl rand -hex 15)" -extfile "$pki/middle.ext" -out "$pki/$1-middle.pem"
}
printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment
extendedKeyUsage=serverAuth,2.16.840.1.113741.1.2.3\n' >"$pki/leaf.ext"
# leaf NAME PKI DAYS [BEGIN]: NAME-chain.pem and NAME-key.pem, valid for DAYS from BEGIN on
leaf() {
	[ -e "$pki/$1-key.pem" ] || quietly openssl req -new -newkey rsa:2048 -noenc -keyout "$pki/$1-key.pem" -out "$pki/$1.csr" \
		-subj '/O=Test/CN=prov.example.com'
	quietly faketime -f "${4:-+0d}" openssl x509 -req -in "$pki/$1.csr" -CA "$pki/$2-middle.pem" -CAkey "$pki/$2-middle.key" -sha256 \
		-days "$3" -set_serial "0x$(openssl rand -hex 15)" -extfile "$pki/leaf.ext" -out "$pki/$1.pem"
	cat "$pki/$1.pem" "$pki/$2-middle.pem" "$pki/$2-root.pem" >"$pki/$1-chain.pem"
}
root vendor
root own
leaf bought vendor 300
leaf internal own 300
cp "$pki/bought-chain.pem" "$pki/chain.pem"
cp "$pki/bought-key.pem" "$pki/key.pem"

# --- one fleet knows the vendor's root only, the other one that of the site

fleet() {
	jq -n --arg name "$1" '{ devices: [ range(1; 5) | { name: "\($name)\(.)" } ] }' >"$work/$1.json"
}
fleet shop
fleet lab
start_sim --fleet "$work/shop.json" --seed shop --state pre --roots "$pki/vendor-root.pem"
make_site
quick
import_fleet
dir=$work/lab
start_sim --fleet "$work/lab.json" --seed lab --state pre --base "$net.101" --roots "$pki/own-root.pem"
dir=$work
"$provost" --quiet import "$work/lab/fleet.csv" >/dev/null || bail import
at() {
	case $1 in lab*) dir=$work/lab ;; *) dir=$work ;; esac
	shift
	simulator "$@"
	local status=$?
	dir=$work
	return "$status"
}
identities() {
	local name list=
	for name in "$@"; do list="$list{ file: \"$pki/$name-chain.pem\", key: \"$pki/$name-key.pem\" },"; done
	edit "$PROVOST_SITE" ".\"provisioning-certificates\" = [ ${list%,} ]"
}
edit "$PROVOST_SITE" ".listener = { address: \"$net.250\" }"
start() {
	: >"$work/daemon.log"
	"$provostd" >"$work/daemon.log" 2>&1 &
	daemon=$!
	pids+=("$daemon")
	ok "$1" await 20 logged 'listening on'
}
stop() {
	kill "$daemon"
	wait "$daemon"
}
logged() {
	grep -qF -- "$1" "$work/daemon.log" && return
	cat "$work/daemon.log"
	return 1
}
hello() {
	at "$1" start "$1" && at "$1" hello "$1" --to "$net.250:9971"
}
provisioned() {
	[ "$(stored "$1" .status)" = Provisioned ]
}
newest() {
	[ "$(stored "$1" '.jobs[0].state')" = "$2" ]
}

identities bought internal
start /e2e/certificate/daemon
hello shop1
hello lab1
ok /requirements/S07-1.4/bought-root-is-in-the-firmware await 30 provisioned shop1
ok /requirements/S07-2.4/internal-root-is-in-the-firmware await 30 provisioned lab1
stop
identities internal bought
start /e2e/certificate/other-order
hello shop2
hello lab2
ok /requirements/S07-1.4/wherever-it-stands await 30 provisioned shop2
ok /requirements/S07-2.4/wherever-it-stands await 30 provisioned lab2
stop
identities bought
start /e2e/certificate/bought-only
hello lab3
ok /requirements/S07-2.4/without-it-nothing-is-dialled await 30 newest lab3 failed
stop
"$provost" log lab3 >"$work/out" 2>&1
code=0
ok /requirements/S07-2.4/reason said 0 'the root "CN=vendor Root' 'is not among the device'\''s 1 trusted root hashes'

run certificate check
ok /requirements/S07-1.4/check-against-devices said 1 'not among the device'\''s 1 trusted root hashes' lab3
identities bought internal
run certificate check
ok /requirements/S07-1.4/check-finds-one said 0 "trusts $pki/internal-chain.pem"
identities bought

# --- the site's own root, certified by the vendor's: devices that know only one of them get another chain

quietly openssl x509 -x509toreq -in "$pki/own-root.pem" -signkey "$pki/own-root.key" -out "$pki/crossed.csr"
printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n' >"$pki/crossed.ext"
quietly openssl x509 -req -in "$pki/crossed.csr" -CA "$pki/vendor-root.pem" -CAkey "$pki/vendor-root.key" -days 3000 -sha256 \
	-set_serial "0x$(openssl rand -hex 15)" -extfile "$pki/crossed.ext" -out "$pki/crossed.pem"
cat "$pki/crossed.pem" "$pki/internal-chain.pem" "$pki/vendor-root.pem" >"$pki/cross-chain.pem"
cp "$pki/internal-key.pem" "$pki/cross-key.pem"
identities cross
start /e2e/certificate/cross/daemon
hello shop4
hello lab4
ok /e2e/certificate/cross/longer-chain await 30 provisioned shop4
ok /e2e/certificate/cross/shorter-chain await 30 provisioned lab4
stop
identities bought

# --- with its key in a token

softhsm=/usr/lib/softhsm/libsofthsm2.so
if command -v softhsm2-util >/dev/null && [ -e "$softhsm" ]; then
	mkdir "$work/token"
	printf 'directories.tokendir = %s\nlog.level = ERROR\n' "$work/token" >"$work/softhsm.conf"
	printf '123456\n' >"$work/pin"
	chmod 600 "$work/pin"
	export SOFTHSM2_CONF=$work/softhsm.conf
	quietly softhsm2-util --init-token --free --label site --pin 123456 --so-pin 654321
	quietly softhsm2-util --import "$pki/internal-key.pem" --token site --label amt --id 01 --pin 123456
	edit "$PROVOST_SITE" ".\"provisioning-certificates\" = [ { file: \"$pki/internal-chain.pem\", password: { file: \"$work/pin\" },
		key: \"pkcs11:token=site;object=amt?module-path=$softhsm\" } ]"
	"$provost" --quiet set lab3 --address "$(at lab3 list --json | jq -r '.[] | select(.name == "lab3") | .address')"
	run provision lab3
	ok /requirements/S07-1.22/key-in-a-token-sets-a-device-up said 0 '1 of 1 Provisioned'
	identities bought
else
	skip /requirements/S07-1.22/key-in-a-token-sets-a-device-up 'softhsm2 is not installed'
fi

# --- told in time, once for each threshold

# days LEFT THRESHOLD-TEXT
days() {
	leaf bought vendor "$1"
	run status
	ok "/e2e/certificate/expiry/$1/status" said 0 'shop1' "$2"
	run site check
	ok "/e2e/certificate/expiry/$1/site-check" said 0 'warning: ' "$2"
}
days 60 'order its successor with'
days 20 'install its successor, or order it now'
days 5 'install its successor now'
"$provost" status --json >"$work/out"
code=0
ok /e2e/certificate/expiry/json jq -e '.provisioning_certificates[0] | .days_left <= 5 and (.warning | contains("expires in"))' "$work/out"
start /e2e/certificate/expiry/daemon
ok /e2e/certificate/expiry/daemon/tells await 20 logged 'install its successor now'
ok /e2e/certificate/expiry/daemon/once same 'lines' "$(grep -c 'expires in' "$work/daemon.log")" 1
stop

# --- at the end: no new job with it, and work goes on where none is needed

leaf bought vendor 30 -40d
run status
ok /requirements/S07-1.28/expired/status said 0 'has expired on' 'no device is set up with it any more'
start /e2e/certificate/expired/daemon
ok /e2e/certificate/expired/daemon/tells await 20 logged 'has expired on'
hello shop3
ok /requirements/S07-1.28/expired/hello await 20 logged 'no new job: provisioning certificate'
stop
at shop3 dump shop3 >"$work/shop3.json"
ok /requirements/S07-1.28/expired/not-dialled holds shop3 '.counters.connections == 0'
address=$(at shop3 list --json | jq -r '.[] | select(.name == "shop3") | .address')
"$provost" --quiet set shop3 --address "$address"
run provision shop1 shop3
ok /requirements/S07-1.28/expired/provision said 1 'shop3: no new job: provisioning certificate' 'has expired on'
ok /requirements/S07-1.28/expired/managed-ones-go-on newest shop1 done
ok /requirements/S07-1.28/expired/no-job-was-made same 'jobs of shop3' "$(stored shop3 '.jobs | length')" 0
done_testing
