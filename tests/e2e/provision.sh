#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# From the box to Provisioned: a modern device, an old one, and an old one that may not have weak keys. What is said of
# a device is what the simulator holds, not what Provost believes.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

three_years=$((3 * 365 * 24 * 3600))
# S-1-5-21-1-2-3-1105, which is not of the site's directory
stranger=AQUAAAAAAAUVAAAAAQAAAAIAAAADAAAAUQQAAA==

cat >"$work/fleet.json" <<-END
	{ "devices": [
	  { "name": "modern", "set": { "fault": "AMT_GeneralSettings.Get:1:slow:2000" } },
	  { "name": "old", "personality": "6.2" },
	  { "name": "strict", "personality": "6.2" } ] }
END
start_sim --fleet "$work/fleet.json"
make_site
quick
# the old device's pipeline: a weak Kerberos key is better than none, and the computer's being on is enough
jq '(.stages[] | select(.stage == "kerberos")).legacy = true
    | (.stages[] | select(.stage == "power-policy")).scheme = "s0"' "$dir/site/standard.json" >"$dir/site/old.json"
edit "$PROVOST_SITE" '.pipelines += [ { name: "old", file: "old.json" } ]
    | .groups += [ { name: "old", tls: "legacy", pipeline: "old" } ]'
import_fleet
"$provost" --quiet set old --group old
printf 'announced-by-agent' >"$work/otp"
"$provost" --quiet set modern --otp-file "$work/otp"
simulator set modern otp=announced-by-agent
for device in modern old strict; do
	simulator set "$device" "clock-offset=-$three_years" acl-user=mallory acl-user=trent "acl-sid=$stranger" power-scheme=1
done
simulator set modern power-scheme=0
for device in modern old; do look "$device"; done
ok /e2e/provision/foreign-entries-are-there holds modern '[.acl[] | select((.user // "") | startswith("$$") | not)] | length == 3'
ok /e2e/provision/device-in-set-up holds modern '.state == "in" and .admin.default and .counters.writes == 0'

# While the modern device takes its time, Provost must not listen on any port.
asked() {
	look modern
	holds modern '.counters.methods["AMT_GeneralSettings.Get"] >= 1'
}
# sockets STATE: how many TCP sockets of the process are in this state of the kernel's table
sockets() {
	find "/proc/$pid/fd" -lname 'socket:*' -printf '%l\n' | tr -dc '0-9\n' >"$work/inodes"
	awk -v state="$1" 'NR == FNR { mine[$1] = 1; next } $4 == state && $10 in mine { count++ } END { print count + 0 }' \
		"$work/inodes" "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6"
}
"$provost" provision --all >"$work/out" 2>&1 &
pid=$!
pids+=("$pid")
ok /e2e/provision/set-up-begins await 20 asked
dialled=$(sockets 01)
ok /requirements/S12-07.1/provost-dials-out [ "$dialled" -ge 1 ]
ok /requirements/S12-07.1/nothing-listens same 'number of listening ports' "$(sockets 0A)" 0
wait "$pid"
code=$?
ok /e2e/provision/all-provisioned said 0 '3 of 3 Provisioned'

for device in modern old strict; do
	look "$device"
	ok "/requirements/S12-10.7/operational-committed-once/$device" \
		holds "$device" '.state == "post" and .counters.commits == 1 and .counters.restarts == 1'
	ok "/requirements/S12-10.1/clock/$device" holds "$device" '."clock-offset" | fabs <= 2'
	ok "/requirements/S12-10.2/names/$device" \
		holds "$device" '.names.host == .name and .names.host + "." + .names.domain == .fqdn'
	ok "/requirements/S12-07.3/fingerprint-recorded/$device" \
		holds "$device" '.tls["built-in"].sha256 == $known' known "$(stored "$device" '.facts["tls.fingerprint"]')"

	# the key that was given or made, then the certificate, then its use, then the commit
	ok "/requirements/S12-10.4/certificate-stored-then-used/$device" holds "$device" '[.trace[].method] as $done
		| ($done | index("AMT_PublicKeyManagementService.AddCertificate")) as $stored
		| ($done | index("Create AMT_TLSCredentialContext")) as $used
		| ($done | index("AMT_SetupAndConfigurationService.CommitChanges")) as $commit
		| $stored != null and $stored < $used and $used < $commit'
	ok "/requirements/S12-10.4/one-certificate-with-its-key/$device" holds "$device" '(.certificates | length) == 1
		and (.keys | length) == 1 and .certificates[0].key == .keys[0].handle
		and .certificates[0].sha256 == $known and .tls.active.enabled
		and .tls.active.sha256 == $known' known "$(stored "$device" '.facts["certificate.sha256"]')"

	ok "/requirements/S12-11.2/foreign-entries-planned/$device" same 'changes: three go, one comes' \
		"$(stored "$device" '.results[] | select(.stage == "wsman-acl") | .changes | length')" 4
	ok "/requirements/S12-11.2/exactly-the-declared-entries/$device" holds "$device" '
		[.acl[] | select((.user // "") | startswith("$$") | not)] as $entries
		| ($entries | length) == 1 and $entries[0].sid != null and $entries[0].sid != $stranger
		and $entries[0].realms == [2, 5] and $entries[0].permission == 2' stranger "$stranger"
	ok "/requirements/S12-11.2/firmware-keeps-its-own/$device" holds "$device" '[.acl[].user] | contains(["$$osadmin", "$$uns"])'

	"$provost" secret show "$device" admin --reveal >"$work/$device.admin" 2>/dev/null
	printf 'admin\n' >"$work/factory"
	ok "/requirements/S12-10.5/new-password-works/$device" simulator check-password "$device" admin "$work/$device.admin"
	ok "/requirements/S12-10.5/factory-password-does-not/$device" refuses simulator check-password "$device" admin "$work/factory"
	ok "/requirements/S12-10.6/mebx-password/$device" holds "$device" '."mebx-default" == false and ."mebx-password" == $known' \
		known "$("$provost" secret show "$device" mebx --reveal 2>/dev/null)"

	# The probe for the version is no SOAP request: it has no body. From there on:
	ok "/requirements/S12-08.1/first-request-without-login/$device" holds "$device" '
		([.trace[] | select(.["body-sha256"] | startswith("e3b0c44298fc1c149afbf4c8996fb924") | not)][0]) as $first
		| $first.auth == false and $first.user == null and $first.tls'
	ok "/requirements/S12-08.3/repeated-with-the-same-body/$device" holds "$device" '.trace as $trace
		| [range(1; $trace | length) | select($trace[. - 1].status == 401)] as $repeated | ($repeated | length) >= 1
		and all($repeated[]; $trace[.].auth and $trace[.].status == 200 and $trace[.]["body-sha256"] == $trace[. - 1]["body-sha256"])'

	ok "/requirements/S12-08.2/login-after-the-challenge/$device" holds "$device" '
		.counters["logins-ok"] > 10 and .counters["logins-failed"] == 0'

	# After the commit there is no provisioning certificate any more: only the new password lets anybody in.
	ok "/requirements/S12-11.1/second-stage-with-the-new-credential/$device" holds "$device" '
		([.trace[].method] | index("AMT_SetupAndConfigurationService.CommitChanges")) as $commit | .trace[$commit + 1:]
		| length > 10 and all(.[]; .tls and .["verified-client"] == null and (.user == "admin" or .status == 401))
		and ([.[].method] | contains(["AMT_AuthorizationService.AddUserAclEntryEx"]))'
	ok "/requirements/S12-12.1/result-for-every-stage/$device" same 'stages with times and outcome' \
		"$(stored "$device" '[.results[] | select(.outcome != null and .begin != null and .end != null)] | length')" "$stages"
done

ok /requirements/S12-05.2/otp-matched same otp.result "$(stored modern '.facts["otp.result"]')" matched
ok /requirements/S12-10.4/tls-put-after-the-certificate holds old '[.trace[].method] as $done
	| ($done | index("AMT_PublicKeyManagementService.AddCertificate")) < ($done | index("Put AMT_TLSSettingData"))'
ok /requirements/S12-07.2/legacy-speaks-the-old-version grep -q 'old tls-accepted version=TLSv1.1 client=prov.example.com' "$dir/sim.log"
ok /requirements/S12-07.2/modern-speaks-the-new-one grep -q 'modern tls-accepted version=TLSv1.2 client=prov.example.com' "$dir/sim.log"

# The new certificate as anybody sees it: of the site's CA, in the device's name
shows_certificate() {
	openssl s_client -connect "$(value modern .address):16993" -CAfile "$dir/site/ca/ca.crt" -verify_hostname "$(value modern .fqdn)" \
		-verify_return_error </dev/null
}
ok /requirements/S12-11.1/second-stage-over-the-new-certificate shows_certificate

ok /requirements/S12-11.3/realm-salt-and-key holds modern '.kerberos | .enabled and .realm == "EXAMPLE.COM" and .salt == $salt
	and ."key-version" == $kvno and .passphrase == $password and ."iteration-count" == "4096" and ."master-key" == null' \
	salt "$(stored modern '.facts["account.salt"]')" kvno "$(stored modern '.facts["account.kvno"]')" \
	password "$("$provost" secret show modern account --reveal 2>/dev/null)"
ok /requirements/S12-11.3/salt-is-of-the-account same 'salt' "$(value modern .kerberos.salt)" \
	"EXAMPLE.COM$(stored modern '.facts["account.name"]')"
ok /requirements/S12-11.3/weak-key-only-where-allowed holds old '.kerberos | .enabled and ."master-key" != null and .passphrase == null'
ok /requirements/S12-11.3/no-weak-key-by-default holds strict '.kerberos | (.enabled | not) and ."master-key" == null'
ok /requirements/S12-11.3/skip-is-told same 'the stage' "$(stored strict '.results[] | select(.stage == "kerberos") | .outcome')" skipped

ok /requirements/S12-11.4/always-on holds modern '.["power-scheme"].description | test("S0.*S4-5")'
ok /requirements/S12-11.4/always-on-of-old-firmware holds strict '.["power-scheme"].description | test("S0.*S4-5")'
ok /requirements/S12-11.4/only-while-it-runs holds old '.["power-scheme"].description == "Desktop: ON in S0"'

for name in admin mebx account; do
	"$provost" secret show modern "$name" --reveal 2>/dev/null
done >"$work/secrets"
ok /requirements/S12-12.4/passwords-are-there same 'number of passwords' "$(sort -u "$work/secrets" | grep -c '.')" 3
ok /requirements/S12-12.4/not-in-the-store refuses grep -raqF -f "$work/secrets" "$dir/site"
ok /requirements/S12-12.4/not-in-what-was-said refuses grep -qF -f "$work/secrets" "$work/out"

# Once more: nothing is to do, so nothing is written.
for device in modern old strict; do value "$device" '.counters | "\(.writes) \(.commits)"'; done >"$work/before"
run provision --all
ok /e2e/again/provisioned said 0 '3 of 3 Provisioned'
for device in modern old strict; do
	before=$(value "$device" .counters.requests)
	look "$device"
	ok "/e2e/again/device-was-asked/$device" holds "$device" '.counters.requests > ($before | tonumber)' before "$before"
	value "$device" '.counters | "\(.writes) \(.commits)"' >>"$work/after"
done
ok /e2e/again/no-write cmp "$work/before" "$work/after"
run plan --all
ok /e2e/again/empty-plan said 0

# Changed behind our back: the plan names exactly that, with the old and the new value, and writes nothing.
changes() {
	"$provost" plan "$1" --json | jq -c '[.devices[].stages[] | .stage as $stage | .changes[] | [$stage, .object, .property, .from, .to]]'
}
drift() {
	local name=$1 device=$2 assignment=$3 wanted=$4
	simulator set "$device" "$assignment"
	run plan "$device"
	ok "/e2e/drift/$name/exit-code" said 2
	ok "/e2e/drift/$name/exactly-that" same 'the plan' "$(changes "$device")" "$wanted"
}
drift host-name modern AMT_GeneralSettings.HostName=evil '[["network-identity","AMT_GeneralSettings","HostName","evil","modern"]]'
look modern
ok /e2e/drift/plan-writes-nothing holds modern '.names.host == "evil" and "\(.counters.writes) \(.counters.commits)" == $before' \
	before "$(head -n 1 "$work/before")"
run provision modern
look modern
ok /e2e/drift/host-name/mended holds modern '.names.host == "modern"'
drift power strict power-scheme=0 \
	'[["power-policy","power policy","package","Desktop: ON in S0","Desktop: ON in S0, ME Wake in S3, S4-5"]]'
drift access-entry old acl-user=mallory '[["wsman-acl","ACL entry mallory","","PTAdministration; any",""]]'
done_testing
