#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Client certificates for all who connect: switched on without being locked out, kept, and switched off again.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

# make_client NAME CN: root NAME-root.pem and client certificate NAME.pem with its chain and key
make_client() {
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/$1-root.key" -out "$work/$1-root.pem" -subj "/CN=$1 root" -days 30 \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign 2>/dev/null &&
		openssl req -newkey rsa:2048 -nodes -keyout "$work/$1.key" -out "$work/$1.csr" -subj "/CN=$2" 2>/dev/null &&
		printf 'extendedKeyUsage=clientAuth,2.16.840.1.113741.1.2.1\n' >"$work/ext" &&
		openssl x509 -req -in "$work/$1.csr" -CA "$work/$1-root.pem" -CAkey "$work/$1-root.key" -set_serial 7 -days 30 \
			-extfile "$work/ext" -out "$work/$1.crt" 2>/dev/null &&
		cat "$work/$1.crt" "$work/$1-root.pem" "$work/$1.key" >"$work/$1.pem" && chmod 600 "$work/$1.pem"
}
make_client console provost.example.com || bail 'openssl makes no certificates'
make_client stranger provost.example.com || bail 'openssl makes no certificates'

cat >"$work/fleet.json" <<-END
	{ "devices": [ { "name": "modern" }, { "name": "old", "personality": "6.2" } ] }
END
start_sim --fleet "$work/fleet.json"
make_site
quick
import_fleet
edit "$PROVOST_SITE" '.plugins += [ "trusted-roots" ]'
cp "$dir/site/standard.json" "$work/standard.json"

# stage FILTER: the pipeline with the stage trusted-roots at its end, changed by FILTER
stage() {
	jq --arg root "$work/console-root.pem" ".stages += [ { stage: \"trusted-roots\", roots: [ \$root ], wait: 1 } | $1 ]" \
		"$work/standard.json" >"$dir/site/standard.json"
}
counters() { for device in modern old; do look "$device"; value "$device" '.counters | "\(.writes) \(.commits)"'; done; }

stage '.'
run provision --all
ok /e2e/mutual/roots said 0 '2 of 2 Provisioned'
root=$(openssl x509 -in "$work/console-root.pem" -outform DER | sha256sum | cut -d ' ' -f 1)
for device in modern old; do
	look "$device"
	ok "/e2e/mutual/root-is-there/$device" holds "$device" '[.certificates[] | select(.sha256 == $root and ."trusted-root")] | length == 1' \
		root "$root"
	ok "/e2e/mutual/off/$device" holds "$device" '.tls.active.mutual | not'
done
counters >"$work/before"

# nothing is written as long as we would not be let in again
stage '.mutual = true | .["trusted-cn"] = [ "provost.example.com" ]'
run provision --all
ok /e2e/mutual/no-certificate said 1 'has no "client-certificate"'
edit "$PROVOST_SITE" '.["client-certificate"] = { file: "'"$work/stranger.pem"'" }'
run provision --all
ok /e2e/mutual/other-root said 1 'which would lock us out'
edit "$PROVOST_SITE" '.["client-certificate"].file = "'"$work/console.pem"'"'
stage '.mutual = true | .["trusted-cn"] = [ "other.example.com" ]'
run provision --all
ok /e2e/mutual/other-name said 1 'none of "trusted-cn"'
counters >"$work/after"
ok /e2e/mutual/refusals-write-nothing cmp "$work/before" "$work/after"

stage '.mutual = true | .["trusted-cn"] = [ "example.com" ]'
run provision --all
ok /e2e/mutual/switched-on said 0 '2 of 2 Provisioned'
for device in modern old; do
	look "$device"
	ok "/e2e/mutual/in-effect/$device" holds "$device" '.tls.active.mutual and .tls.active.enabled and .counters.commits == 2'
	ok "/e2e/mutual/login-with-it/$device" holds "$device" '[.trace[] | select(."verified-client" == "provost.example.com")] | length > 0'
	ok "/e2e/mutual/roots-before-the-switch/$device" holds "$device" '[.trace[].method] as $done
		| ($done | index("AMT_PublicKeyManagementService.AddTrustedRootCertificate")) < ($done | rindex("Put AMT_TLSSettingData"))'
done
knock() { openssl s_client -connect "$(value modern .address):16993" "$@" </dev/null; }
look modern
ok /e2e/mutual/nobody-without-a-certificate refuses knock -tls1_2
ok /e2e/mutual/nobody-with-another refuses knock -tls1_2 -cert "$work/stranger.crt" -key "$work/stranger.key"
ok /e2e/mutual/whoever-has-one knock -tls1_2 -cert "$work/console.crt" -key "$work/console.key"

counters >"$work/before"
run provision --all
ok /e2e/mutual/again said 0 '2 of 2 Provisioned'
counters >"$work/after"
ok /e2e/mutual/again-writes-nothing cmp "$work/before" "$work/after"

# without our certificate nothing is broken, and the reason is told
cp "$PROVOST_SITE" "$work/site.json"
edit "$PROVOST_SITE" 'del(.["client-certificate"])'
run provision modern
ok /e2e/mutual/certificate-gone said 1 'the device wants a certificate and we present none' '"client-certificate" must fit it'
cat "$work/site.json" >"$PROVOST_SITE"

stage '.roots = []'
run provision --all
ok /e2e/mutual/switched-off said 0 '2 of 2 Provisioned'
for device in modern old; do
	look "$device"
	ok "/e2e/mutual/off-again/$device" holds "$device" '(.tls.active.mutual | not) and .tls.active.enabled'
	ok "/e2e/mutual/root-gone/$device" holds "$device" '[.certificates[] | select(.sha256 == $root)] | length == 0' root "$root"
done
done_testing
