#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Wireless comes to provisioned laptops: the profile with its certificates, and then management without a wire.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

cat >"$work/fleet.json" <<-END
	{ "devices": [
	  { "name": "lap-1", "personality": "16.1", "wireless-address": "$net.101", "set": { "wireless": "true" } },
	  { "name": "lap-2", "personality": "9.5", "wireless-address": "$net.102", "set": { "wireless": "true" } },
	  { "name": "desk", "personality": "16.1" } ] }
END
start_sim --fleet "$work/fleet.json"
make_site
quick
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/radius.key" -out "$work/radius.pem" -days 30 -subj '/CN=RADIUS Root' \
	>"$work/openssl.log" 2>&1 || bail "openssl: $(cat "$work/openssl.log")"
jq --arg root "$work/radius.pem" '(.stages | map(.stage == "commit") | index(true) + 1) as $next
	| .stages |= map(select(.stage | IN("wireless", "ieee8021x") | not))
	| .stages |= .[:$next] + [ { stage: "wireless", profiles: [ { name: "corp", ssid: "Corp WLAN", security: "wpa2-enterprise",
		encryption: "ccmp", protocol: "eap-tls", template: "radius-client", root: $root, "server-name": "radius.example.com" } ] } ]
		+ .[$next:]' "$dir/site/standard.json" >"$dir/site/laptops.json"
edit "$dir/site/standard.json" '.stages |= map(select(.stage | IN("wireless", "ieee8021x") | not))'
edit "$PROVOST_SITE" '.plugins |= (. + [ "wireless" ] | unique) | .pipelines += [ { name: "laptops", file: "laptops.json" } ]
	| .groups += [ { name: "laptops", pipeline: "laptops" }, { name: "old-laptops", pipeline: "laptops", tls: "legacy" } ]'
import_fleet
run provision --all
ok /e2e/wireless/provisioned-by-wire said 0 '3 of 3 Provisioned'
for name in lap-1 lap-2; do
	look "$name"
	ok "/e2e/wireless/no-profile-yet/$name" holds "$name" '.wireless.exists and .wireless.profiles == []'
	value "$name" '"\(.counters.commits) \(.tls.active.sha256) \(.state)"' >"$work/$name.before"
done
"$provost" --quiet set lap-1 desk --group laptops
"$provost" --quiet set lap-2 --group old-laptops

# --- the pipeline grows by one stage

run plan lap-1
ok /requirements/S07-3.2/planned said 2 'wireless profile corp' 'Corp WLAN'
run provision --all
ok /requirements/S07-3.2/extended said 0 '3 of 3 Provisioned'
for name in lap-1 lap-2; do
	look "$name"
	ok "/requirements/S07-3.2/still-the-same-device/$name" same 'commits, certificate and state' \
		"$(value "$name" '"\(.counters.commits) \(.tls.active.sha256) \(.state)"')" "$(cat "$work/$name.before")"
	# CIM_WiFiEndpointSettings: AuthenticationMethod 7 is WPA2 with 802.1X, EncryptionMethod 4 CCMP, which is AES
	ok "/requirements/S07-3.8/field-by-field/$name" holds "$name" '(.wireless.profiles | length) == 1 and (.wireless.profiles[0]
		| .name == "corp" and .ssid == "Corp WLAN" and "\(.priority) \(.authentication) \(.encryption)" == "1 7 4"
		and ."pass-phrase" == null and ."8021x".eap == "TLS" and ."8021x"."server-name" == "radius.example.com")'
	jq -r '.wireless.profiles[0]."8021x"."ca-certificate"' "$work/$name.json" >"$work/$name.ca"
	ok "/requirements/S07-3.9/root-is-linked/$name" diff <(openssl x509 -in "$work/radius.pem") <(openssl x509 -in "$work/$name.ca")
	ok "/requirements/S07-3.9/root-is-in-the-store/$name" holds "$name" '.wireless.profiles[0]."8021x"."root-handle" as $root
		| any(.certificates[]; .handle == $root and .["trusted-root"])'
	ok "/requirements/S07-3.10/leaf-is-in-the-store/$name" holds "$name" '.wireless.profiles[0]."8021x"."client-handle" as $leaf
		| any(.certificates[]; .handle == $leaf and .key != null and .sha256 == $known)' \
		known "$(stored "$name" '.facts["wireless.corp.sha256"]')"
	jq -r '.wireless.profiles[0]."8021x"."client-certificate"' "$work/$name.json" >"$work/$name.leaf"
	ok "/requirements/S07-3.10/by-the-client-template/$name" openssl verify -CAfile "$dir/site/ca/ca.crt" -purpose sslclient "$work/$name.leaf"
done
ok /requirements/S07-3.10/key-made-in-the-device refuses grep -qx 'wireless.corp-key' <("$provost" secret list lap-1)
ok /requirements/S07-3.10/key-pushed-to-old-firmware grep -qx 'wireless.corp-key' <("$provost" secret list lap-2)
ok /requirements/S07-3.15/client-certificates-for-radius same 'fingerprint' \
	"$("$provost" export --where 'device.name == "lap-1"' --json | jq -r '.devices[].client_certificates_sha256')" \
	"$(openssl x509 -in "$work/lap-1.leaf" -outform DER | sha256sum | cut -d' ' -f1)"
outcome() { stored "$1" '.results[] | select(.stage == "wireless") | "\(.outcome) \(.text)"'; }
ok /requirements/S12-11.10/wired-only-is-skipped grep -q '^skipped .*wireless' <(outcome desk)

# --- one line for each profile, with the job

lines() {
	"$provost" log "$1" --json | jq -rs '[.[] | select(.text | test("wireless profile")) | "\(.job) \(.stage) \(.text)"] | .[]'
}
for name in lap-1 lap-2; do
	job=$(stored "$name" '.jobs[0].id')
	ok "/requirements/S07-3.17/one-line-for-the-profile/$name" same 'lines' "$(lines "$name")" "$job wireless job $job changed: wireless profile corp"
done

# --- management over wireless

simulator set lap-1 wireless-link='Corp WLAN'
look lap-1
ok /requirements/S07-3.19/link-is-up holds lap-1 '.wireless.up and .wireless.active == "corp"'
"$provost" --quiet set lap-1 --address "$net.101"
run verify lap-1
ok /requirements/S07-3.19/verified-over-wireless said 0 ' ok '
writes=$(value lap-1 .counters.writes)
run provision lap-1
look lap-1
ok /requirements/S07-3.19/nothing-to-do-over-wireless same 'result and writes' "$code $(value lap-1 .counters.writes)" "0 $writes"
simulator set lap-1 AMT_GeneralSettings.HostName=evil
run provision lap-1
look lap-1
ok /requirements/S07-3.19/changed-over-wireless holds lap-1 '.names.host == "lap-1" and .wireless.up'
simulator set lap-1 wireless-link=down
run verify lap-1
ok /requirements/S07-3.19/away-without-the-network said 1 'cannot be verified' 'connect'
done_testing
